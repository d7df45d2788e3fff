//! What serves the model: the Dockerfile's Python and port, the application's paths. Read as text; nothing is run.

use super::files::{Files, Text};

/// What the image is and how it answers, as far as it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) dockerfile: Option<String>,
    /// Python of the last `FROM python:X.Y…`, such as `3.11`.
    pub(super) python: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) health: Option<String>,
    pub(super) predict: Option<String>,
}

pub(super) fn find(files: &Files) -> Service {
    let dockerfile = files.texts.iter().find(|file| file.name() == "Dockerfile");
    let routes: Vec<String> = files
        .texts
        .iter()
        .filter(|file| file.path.ends_with(".py"))
        .flat_map(|file| file.text.lines())
        .filter_map(route)
        .collect();
    let path = |words: &[&str]| {
        routes
            .iter()
            .find(|route| words.iter().any(|word| route.contains(word)))
            .cloned()
    };
    Service {
        dockerfile: dockerfile.map(|file| file.path.clone()),
        python: dockerfile.and_then(python),
        port: dockerfile.and_then(port),
        health: path(&["health", "ready", "live", "ping"]),
        predict: path(&["predict", "invocations", "infer", "score"]),
    }
}

/// The path of `@app.get("/health")` and its like; one with a parameter is of no use here.
fn route(line: &str) -> Option<String> {
    let (name, rest) = line.trim_start().strip_prefix('@')?.split_once('(')?;
    if !matches!(name.rsplit('.').next(), Some("route" | "get" | "post")) {
        return None;
    }
    let quote = rest
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))?;
    let path = rest.get(1..)?.split(quote).next()?;
    (path.starts_with('/') && !path.contains(['<', '{'])).then(|| path.to_owned())
}

fn instructions<'a>(file: &'a Text, name: &'a str) -> impl Iterator<Item = &'a str> {
    file.text.lines().filter_map(move |line| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        word.eq_ignore_ascii_case(name).then(|| rest.trim())
    })
}

fn python(file: &Text) -> Option<String> {
    let tag = instructions(file, "FROM")
        .filter_map(|from| from.split_once("python:"))
        .last()?
        .1;
    let version: String = tag
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let mut parts = version.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

fn port(file: &Text) -> Option<u16> {
    let exposed = instructions(file, "EXPOSE").last()?;
    exposed.split(['/', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(dockerfile: &str, app: &str) -> Service {
        let text = |path: &str, text: &str| Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        find(&Files {
            texts: vec![text("Dockerfile", dockerfile), text("app.py", app)],
            data: Vec::new(),
            paths: Vec::new(),
        })
    }

    #[test]
    fn an_image_and_its_application_are_read() {
        let read = service(
            "FROM python:3.12 AS build\nFROM --platform=linux/amd64 python:3.11.9-slim\nexpose 8080/tcp\n",
            "@app.get(\"/healthz\")\n@app.get(\"/items/{id}\")\n@app.route('/predict', methods=['POST'])\n",
        );
        let wanted = Service {
            dockerfile: Some("Dockerfile".to_owned()),
            python: Some("3.11".to_owned()),
            port: Some(8080),
            health: Some("/healthz".to_owned()),
            predict: Some("/predict".to_owned()),
        };
        assert_eq!(read, wanted);
    }

    #[test]
    fn what_does_not_tell_is_left_open() {
        let read = service(
            "FROM nvidia/cuda\nEXPOSE $PORT\n",
            "@app.get(PATH)\n@cache\n@app.get('/predict/{model}')\n",
        );
        assert_eq!(
            read,
            Service {
                dockerfile: Some("Dockerfile".to_owned()),
                ..Service::default()
            }
        );
    }
}
