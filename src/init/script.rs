//! The training script: which file it is, what it must be told, what it writes. Read as text; nothing is run.

use super::files::{Files, Text};

/// A training script.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) path: String,
    /// Flags that it wants, with the values that could be found.
    pub(super) flags: Vec<(String, String)>,
    /// Flags that it wants and whose values nobody here knows.
    pub(super) unknown: Vec<String>,
    /// What it writes, when its flags tell.
    pub(super) model: Option<String>,
    /// Such as `scikit-learn`.
    pub(super) framework: Option<&'static str>,
    pub(super) mlflow: bool,
}

impl Script {
    /// The command that runs it.
    pub(super) fn command(&self) -> String {
        let mut command = format!("python {}", self.path);
        for (flag, value) in &self.flags {
            command.push_str(&format!(" {flag} {}", shell_words::quote(value)));
        }
        for flag in &self.unknown {
            command.push_str(&format!(" {flag} TODO"));
        }
        command
    }
}

/// What people import, and what it is called.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("keras", "Keras"),
    ("tensorflow", "TensorFlow"),
    ("transformers", "Transformers"),
    ("lightning", "Lightning"),
    ("torch", "PyTorch"),
    ("xgboost", "XGBoost"),
    ("lightgbm", "LightGBM"),
    ("catboost", "CatBoost"),
    ("sklearn", "scikit-learn"),
];

/// Where a flag's name says that the model goes.
const MODEL_FLAGS: &[&str] = &[
    "--model-output",
    "--model-dir",
    "--model-path",
    "--output-dir",
    "--output",
    "--out",
];

/// The script nearest to the root that is named like one.
pub(super) fn find(files: &Files) -> Option<Script> {
    let rank = |file: &Text| match file.name() {
        "train.py" => Some(0),
        "training.py" | "fit.py" => Some(1),
        name if name.ends_with(".py") && name.starts_with("train_") => Some(2),
        name if name.ends_with("_train.py") => Some(2),
        _ => None,
    };
    let found = files
        .texts
        .iter()
        .filter(|file| !file.path.contains("test"));
    let (_, file) = found
        .filter_map(|file| Some((rank(file)?, file)))
        .min_by_key(|(rank, _)| *rank)?;
    Some(read(file, files))
}

fn read(file: &Text, files: &Files) -> Script {
    let mut script = Script {
        path: file.path.clone(),
        framework: FRAMEWORKS
            .iter()
            .find(|(module, _)| imports(&file.text, module))
            .map(|(_, name)| *name),
        mlflow: imports(&file.text, "mlflow"),
        ..Script::default()
    };
    for argument in arguments(&file.text) {
        let Some(flag) = texts(argument)
            .into_iter()
            .find(|text| text.starts_with("--"))
        else {
            continue;
        };
        let model = MODEL_FLAGS.contains(&flag.as_str());
        let default = argument
            .split_once("default=")
            .and_then(|(_, rest)| texts(rest).into_iter().next());
        let wanted = argument.contains("required=True");
        let value = match default {
            Some(default) => Some(default),
            None if model => Some("model".to_owned()),
            None if flag.contains("data") || flag.contains("input") => files.data.first().cloned(),
            None => None,
        };
        if model && (wanted || argument.contains("default=")) {
            script.model = script.model.or_else(|| value.clone());
        }
        match value {
            Some(value) if wanted || model => script.flags.push((flag, value)),
            None if wanted => script.unknown.push(flag),
            _ => {}
        }
    }
    script
}

fn imports(text: &str, module: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let rest = line
            .strip_prefix("import ")
            .or_else(|| line.strip_prefix("from "));
        rest.is_some_and(|rest| rest.split([' ', '.', ',']).next() == Some(module))
    })
}

/// What stands within the parentheses of each `add_argument(…)`.
fn arguments(text: &str) -> Vec<&str> {
    text.split("add_argument(").skip(1).map(within).collect()
}

fn within(text: &str) -> &str {
    let mut depth = 1_u32;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(..at).unwrap_or(text);
        }
    }
    text
}

/// The quoted texts.
fn texts(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let (quote, after) = rest.split_at(at).1.split_at(1);
        let Some((inner, behind)) = after.split_once(quote) else {
            break;
        };
        found.push(inner.to_owned());
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)], data: &[&str]) -> Files {
        let text = |(path, text): &(&str, &str)| Text {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Files {
            texts: texts.iter().map(text).collect(),
            data: data.iter().map(|&path| path.to_owned()).collect(),
            paths: Vec::new(),
        }
    }

    #[test]
    fn a_script_is_told_what_it_wants_and_no_more() {
        let text = "import mlflow\nfrom sklearn.svm import SVC\n\
            p.add_argument('--data-path', type=Path, required=True)\n\
            p.add_argument(\"--model-output\", type=Path, default=Path(\"out/model\"))\n\
            p.add_argument('--epochs', type=int, default=3)\n";
        let script = find(&files(&[("train.py", text)], &["data/train.csv"])).unwrap();
        assert_eq!(
            script.command(),
            "python train.py --data-path data/train.csv --model-output out/model"
        );
        assert_eq!(
            (script.model.as_deref(), script.framework, script.mlflow),
            (Some("out/model"), Some("scikit-learn"), true)
        );
        assert_eq!(script.unknown, Vec::<String>::new());
    }

    #[test]
    fn what_nobody_knows_is_said() {
        let text =
            "p.add_argument('--customer', required=True)\np.add_argument('--data', required=True)";
        let script = find(&files(&[("src/train.py", text)], &[])).unwrap();
        assert_eq!(script.unknown, ["--customer", "--data"]);
        assert_eq!(
            (script.model, script.framework, script.mlflow),
            (None, None, false)
        );
    }

    #[test]
    fn a_test_of_the_training_is_no_training() {
        assert_eq!(
            find(&files(&[("tests/train.py", ""), ("app.py", "")], &[])),
            None
        );
        let both = files(&[("train_all.py", ""), ("jobs/train.py", "")], &[]);
        assert_eq!(find(&both).unwrap().path, "jobs/train.py");
    }
}
