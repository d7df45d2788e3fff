//! What trained, as a document that travels: kept beside the reports, logged with the MLflow run, attached to the image in
//! its registry (docs/parity.md). The image's labels name its parts by hash.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Environment, Model, Parity};
use crate::sha256;

/// Labels of an image, and of containers that we start.
pub(crate) mod label {
    /// The MLflow run that trained the model.
    pub(crate) const RUN_ID: &str = "ml-deploy.run-id";
    /// sha256 over the model's files.
    pub(crate) const MODEL: &str = "ml-deploy.model-sha256";
    /// sha256 of `environment` in the document, as compact JSON.
    pub(crate) const ENVIRONMENT: &str = "ml-deploy.environment-sha256";
    /// sha256 of the file of recorded predictions.
    pub(crate) const GOLDEN: &str = "ml-deploy.golden-sha256";
    /// The commit of the sources (OCI image specification, annotations).
    pub(crate) const COMMIT: &str = "org.opencontainers.image.revision";
    /// The repository of the sources.
    pub(crate) const SOURCE: &str = "org.opencontainers.image.source";
    /// When the sources were made.
    pub(crate) const CREATED: &str = "org.opencontainers.image.created";
}

/// What the document is called among an MLflow run's artifacts.
pub(crate) const FREEZE_PATH: &str = "ml-deploy/freeze.json";

/// The media type of the document, and of the attachment that carries it.
pub(crate) const FREEZE_TYPE: &str = "application/vnd.ml-deploy.freeze.v1+json";

/// Changes when a reader of the old schema would misread the new one.
const SCHEMA: &str = "ml-deploy/freeze/v1";

/// What is known of a training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Freeze {
    pub(crate) schema: String,
    /// MLflow run.
    #[serde(default)]
    pub(crate) run_id: Option<String>,
    #[serde(default)]
    pub(crate) run_url: Option<String>,
    /// Commit of the sources.
    #[serde(default)]
    pub(crate) commit: Option<String>,
    pub(crate) environment: Environment,
    pub(crate) model_sha256: String,
    #[serde(default)]
    pub(crate) model: ModelFacts,
    /// The image compared with it; `None` until one was.
    #[serde(default)]
    pub(crate) parity: Option<Parity>,
    /// Its size, unpacked; `None` until it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_bytes: Option<u64>,
    /// Hash of `environment`; taken from the text when it was read, so that another version of ours finds the same.
    #[serde(skip)]
    pub(crate) environment_sha256: String,
}

impl Freeze {
    /// The document of a model; `None` when nothing is known of what trained it.
    pub(crate) fn of(model: &Model) -> Option<Self> {
        let mut environment = model.environment.clone()?;
        // Where it lay on the machine that trained says nothing to others.
        environment.executable.clear();
        let run = model.run.as_ref();
        Some(Self {
            schema: SCHEMA.to_owned(),
            run_id: run.map(|run| run.id.clone()),
            run_url: run.and_then(|run| run.url.clone()),
            commit: model.commit.clone(),
            environment_sha256: hash(&serde_json::to_value(&environment).unwrap_or_default()),
            environment,
            model_sha256: model.sha256.clone(),
            model: model.facts.clone().unwrap_or_default(),
            parity: None,
            image_bytes: None,
        })
    }

    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match value["schema"].as_str() {
            Some(SCHEMA) => {}
            Some(other) => return Err(format!("its schema is `{other}`, expected `{SCHEMA}`")),
            None => return Err(format!("it has no schema, expected `{SCHEMA}`")),
        }
        let environment_sha256 = hash(&value["environment"]);
        let read: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Self {
            environment_sha256,
            ..read
        })
    }

    /// With the comparison of an image with it, and how large that is.
    pub(crate) fn with(self, parity: &Parity, image_bytes: Option<u64>) -> Self {
        Self {
            parity: Some(parity.clone()),
            image_bytes,
            ..self
        }
    }

    /// The document's text. The same facts give the same bytes.
    pub(crate) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn hash(environment: &Value) -> String {
    sha256::of(environment.to_string().as_bytes())
}

/// One file of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModelFile {
    /// Relative, with `/`; the file's name when the model is one file.
    #[serde(rename = "path")]
    pub(crate) relative: String,
    pub(crate) bytes: u64,
    /// In hex.
    pub(crate) sha256: String,
}

/// What a model's files are, and what they name. Untrusted text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelFacts {
    pub(crate) files: Vec<ModelFile>,
    /// Modules, and whether something of them looks like a class.
    pub(crate) modules: BTreeMap<String, bool>,
    /// Distributions of the flavors or of the format, and which it is.
    pub(crate) flavors: BTreeMap<String, String>,
    /// Distributions one of which the library computes with.
    pub(crate) backends: BTreeSet<String>,
    /// Normalised names in the requirements beside MLmodel.
    pub(crate) declared: BTreeSet<String>,
    /// What could not be read, each in one line.
    pub(crate) unread: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model {
            path: "/w/model".into(),
            sha256: "ab".repeat(32),
            bytes: 1,
            run: None,
            environment: Some(Environment {
                python: "3.11.7".to_owned(),
                executable: "/home/me/env/bin/python".to_owned(),
                ..Environment::default()
            }),
            facts: None,
            commit: Some("abc".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read_with_the_same_hash() {
        let freeze = Freeze::of(&model()).unwrap();
        let read = Freeze::parse(&freeze.text()).unwrap();
        assert_eq!(read.environment_sha256, freeze.environment_sha256);
        assert_eq!(read.text(), freeze.text());
        assert!(
            !String::from_utf8(freeze.text())
                .unwrap()
                .contains("/home/me")
        );
        // A field that a later version adds counts too, although this one does not know it.
        let text = String::from_utf8(freeze.text()).unwrap();
        let later = text.replace("\"python\":", "\"new\":1,\"python\":");
        let later = Freeze::parse(later.as_bytes()).unwrap();
        assert_ne!(later.environment_sha256, freeze.environment_sha256);
        assert_eq!(later.environment.python, "3.11.7");
    }

    #[test]
    fn another_document_is_none() {
        for (text, why) in [
            ("{}", "no schema"),
            (
                "{\"schema\": \"ml-deploy/report/v1\"}",
                "ml-deploy/report/v1",
            ),
            ("{\"schema\": \"ml-deploy/freeze/v1\"}", "environment"),
            ("nothing", "expected"),
        ] {
            let error = Freeze::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let unknown = Model {
            environment: None,
            ..model()
        };
        assert!(Freeze::of(&unknown).is_none());
    }
}
