//! The text of `ml-deploy.yml`: what was found, each with where it was found; what was not, as a comment to fill in.

use super::found::Found;

/// Where editors find the names, types and descriptions of the keys.
const SCHEMA: &str =
    "https://raw.githubusercontent.com/org/ml-deploy-action/v1/docs/ml-deploy.schema.json";

/// The file's text.
pub(super) fn text(found: &Found) -> String {
    let mut file = File::default();
    file.line(&format!("# yaml-language-server: $schema={SCHEMA}"));
    file.line("# What ml-deploy does with this repository. The same names are flags (`ml-deploy run --help`) and inputs of the action,");
    file.line("# and those win over this file. Secrets do not belong here.");
    training(&mut file, found);
    image(&mut file, found);
    deployment(&mut file, found);
    verification(&mut file, found);
    file.text
}

fn training(file: &mut File, found: &Found) {
    let Some(script) = &found.script else {
        file.section("Training: no script was found");
        return file.open("train", "python train.py");
    };
    let mut what = vec![script.path.as_str()];
    what.extend(script.framework);
    what.extend(script.mlflow.then_some("logs to MLflow"));
    file.section(&format!("Training: {}", what.join(", ")));
    file.key("train", &script.command());
    file.key("model", script.model.as_deref().unwrap_or("model"));
    file.found("python-version", found.python.as_deref(), "3.11");
    if let Some(requirements) = &found.requirements {
        file.key("requirements", requirements);
    }
    if script.mlflow {
        file.key("mlflow-experiment-name", &found.name);
    }
    file.line("# Rules that a model must pass before it is built into an image, also against the one that is live (docs/gates.md):");
    file.line("# gates: |");
    file.line("#   accuracy >= 0.9");
    file.line("#   accuracy >= champion - 1%");
}

fn image(file: &mut File, found: &Found) {
    let Some(dockerfile) = &found.dockerfile else {
        return;
    };
    file.section(&format!("Image: {dockerfile}"));
    file.found("image", found.image().as_deref(), "ghcr.io/owner/name");
    if dockerfile != "Dockerfile" {
        file.key("file", dockerfile);
    }
}

fn deployment(file: &mut File, found: &Found) {
    let Some(manifests) = &found.manifests else {
        file.section("Deployment: no manifests were found; `target: docker` replaces a container of the engine at hand");
        return file.open("manifests", "k8s");
    };
    file.section(&format!("Deployment: {manifests}"));
    file.key("manifests", manifests);
    file.found("namespace", found.namespace.as_deref(), &found.name);
}

fn verification(file: &mut File, found: &Found) {
    if found.dockerfile.is_none() && found.manifests.is_none() {
        return;
    }
    file.section("Verification: of the image before it is pushed, and of what is live");
    if let Some(port) = found.port {
        file.key("port", &port.to_string());
    }
    file.found("health-path", found.health.as_deref(), "/health");
    file.found("predict-path", found.predict.as_deref(), "/predict");
    file.found("golden", found.golden.as_deref(), "golden.jsonl");
}

/// The text as it grows.
#[derive(Default)]
struct File {
    text: String,
}

impl File {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!("\n# {title}"));
    }

    fn key(&mut self, name: &str, value: &str) {
        self.line(&format!("{name}: {}", scalar(value)));
    }

    /// A key that nothing tells, as an example.
    fn open(&mut self, name: &str, example: &str) {
        self.line(&format!("# {name}: {}", scalar(example)));
    }

    fn found(&mut self, name: &str, value: Option<&str>, example: &str) {
        match value {
            Some(value) => self.key(name, value),
            None => self.open(name, example),
        }
    }
}

/// A text as YAML: plain when every parser takes it for that text, else quoted as JSON, which is YAML too.
fn scalar(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " ._/=-".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n" | ".inf" | ".nan"
    );
    let number = text.parse::<f64>().is_ok();
    let port = text.parse::<u16>().is_ok();
    if port || starts && !word && !number && text.trim() == text && text.chars().all(harmless) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn a_text_stays_the_text_that_it_is() {
        for plain in ["python train.py --out ./model", "k8s", "/health", "8080"] {
            assert_eq!(scalar(plain), plain);
        }
        for (quoted, wanted) in [
            ("3.11", "\"3.11\""),
            ("no", "\"no\""),
            ("a: b", "\"a: b\""),
            ("# x", "\"# x\""),
            ("ünder", "\"ünder\""),
            ("a ", "\"a \""),
        ] {
            assert_eq!(scalar(quoted), wanted);
        }
    }
}
