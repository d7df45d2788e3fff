//! The layers of an image and what made them, read from its registry without pulling it.
//! Source: opencontainers/image-spec, `manifest.md` and `config.md`.

use serde_json::Value;

use super::Reference;
use super::client::Registry;
use super::labels::{image, read};
use crate::artifact::Layer;
use crate::failure::Outcome;
use crate::plan::RegistryLogin;

/// The image's layers, lowest first; `None` when the registry does not have the image. Of an index the first image that runs
/// counts.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn layers(
    reference: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<Vec<Layer>>> {
    let registry = Registry::open(reference, login).await?;
    let Some(manifest) = image(&registry, reference).await? else {
        return Ok(None);
    };
    let config = match manifest.pointer("/config/digest").and_then(Value::as_str) {
        Some(config) => read(&registry, reference, "blobs", config).await?,
        None => None,
    };
    Ok(Some(listed(&manifest, &config.unwrap_or_default())))
}

/// Layers with the instructions of the configuration's history; steps that only change the configuration have no layer.
fn listed(manifest: &Value, config: &Value) -> Vec<Layer> {
    let layers = manifest.get("layers").and_then(Value::as_array);
    let history = config.get("history").and_then(Value::as_array);
    let steps = history.into_iter().flatten();
    let steps = steps.filter(|step| step.get("empty_layer") != Some(&Value::Bool(true)));
    let mut steps = steps.map(|step| step.get("created_by").and_then(Value::as_str));
    let listed = layers.into_iter().flatten().map(|layer| Layer {
        digest: layer
            .get("digest")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        bytes: layer
            .get("size")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        made_by: steps.next().flatten().map(instruction).unwrap_or_default(),
    });
    listed.collect()
}

/// The instruction as the Dockerfile has it. Values of build arguments stand before the shell and are nobody's business.
fn instruction(created_by: &str) -> String {
    const SHELL: &str = "/bin/sh -c ";
    let text = created_by.trim().trim_end_matches("# buildkit").trim_end();
    let text = match text.split_once(SHELL) {
        Some((_, command)) => match command.strip_prefix("#(nop)") {
            Some(other) => other.trim_start().to_owned(),
            None => format!("RUN {command}"),
        },
        None if text.starts_with("RUN |") || text.starts_with('|') => "RUN".to_owned(),
        None => text.to_owned(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layers_have_the_instructions_that_made_them() {
        let manifest = json!({"layers": [{"digest": "sha256:a", "size": 10}, {"digest": "sha256:b", "size": 5}, {"digest": "sha256:c"}]});
        let config = json!({"history": [
            {"created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
            {"created_by": "CMD [\"python3\"]", "empty_layer": true},
            {"created_by": "RUN |1 TOKEN=s3cret /bin/sh -c pip install   x # buildkit"},
        ]});
        let layers = listed(&manifest, &config);
        let shown: Vec<_> = layers
            .iter()
            .map(|one| (one.bytes, one.made_by.as_str()))
            .collect();
        assert_eq!(
            shown,
            [(10, "ADD file:1 in /"), (5, "RUN pip install x"), (0, "")]
        );
        assert!(listed(&json!({}), &json!(null)).is_empty());
    }

    #[test]
    fn build_arguments_are_not_told() {
        for (made, told) in [
            ("RUN |1 A=secret python -c x # buildkit", "RUN"),
            ("|1 A=secret /bin/sh -c make", "RUN make"),
            ("COPY . /app # buildkit", "COPY . /app"),
        ] {
            assert_eq!(instruction(made), told);
        }
    }
}
