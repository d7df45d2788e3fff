//! What somebody means who asks for a chain: told from the form of the text alone. Pure.

use crate::registry::Reference;

/// The end that is begun from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// `sha256:…`, whatever repository it is in.
    Digest(String),
    /// By tag or digest.
    Image(Reference),
    Run(String),
    Commit(String),
    Version {
        model: String,
        number: String,
    },
    Alias {
        model: String,
        alias: String,
    },
    /// `Kind/name`.
    Workload(String),
    Pod(String),
}

/// Kinds as people write them, and as the API does.
const KINDS: &[(&str, &str)] = &[
    ("deployment", "Deployment"),
    ("deploy", "Deployment"),
    ("statefulset", "StatefulSet"),
    ("sts", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("ds", "DaemonSet"),
    ("job", "Job"),
];

/// Tells what is meant; `model` is the registered model that a bare number is a version of.
pub(super) fn read(text: &str, model: Option<&str>) -> Subject {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let bare = text.strip_prefix("sha256:").unwrap_or(text);
    if hex(bare, 64) {
        return Subject::Digest(format!("sha256:{}", bare.to_lowercase()));
    }
    if hex(text, 32) {
        return Subject::Run(text.to_lowercase());
    }
    if hex(text, 40) {
        return Subject::Commit(text.to_lowercase());
    }
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let version = |model: &str, number: &str| Subject::Version {
        model: model.to_owned(),
        number: number.to_owned(),
    };
    if let Some(model) = model.filter(|_| number(text)) {
        return version(model, text);
    }
    let of_registry = text.strip_prefix("models:/");
    let named = of_registry.unwrap_or(text);
    if let Some((model, last)) = named.rsplit_once('/')
        && number(last)
    {
        return version(model, last);
    }
    if let Some((model, alias)) = named.rsplit_once('@')
        && !alias.contains(':')
    {
        return Subject::Alias {
            model: model.to_owned(),
            alias: alias.to_owned(),
        };
    }
    if let Some((kind, name)) = text.split_once('/') {
        let lower = kind.to_lowercase();
        let singular = lower.trim_end_matches('s');
        if singular == "pod" || lower == "po" {
            return Subject::Pod(name.to_owned());
        }
        let known = KINDS
            .iter()
            .find(|(word, _)| *word == lower || *word == singular);
        if let Some((_, kind)) = known {
            return Subject::Workload(format!("{kind}/{name}"));
        }
    }
    if text.contains(['/', ':', '@'])
        && let Ok(reference) = text.parse()
    {
        return Subject::Image(reference);
    }
    Subject::Pod(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_told_from_its_form() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = format!("sha256:{hex}");
        let version = |model: &str, number: &str| Subject::Version {
            model: model.to_owned(),
            number: number.to_owned(),
        };
        let image = |text: &str| Subject::Image(text.parse().unwrap());
        let pinned = format!("ghcr.io/org/wine:1@{digest}");
        for (text, expected) in [
            (digest.as_str(), Subject::Digest(digest.clone())),
            (&hex, Subject::Digest(digest.clone())),
            (&hex[..32], Subject::Run(hex[..32].to_owned())),
            (&hex[..40], Subject::Commit(hex[..40].to_owned())),
            (&pinned, image(&pinned)),
            ("localhost:5000/wine", image("localhost:5000/wine")),
            ("wine/3", version("wine", "3")),
            ("models:/wine/3", version("wine", "3")),
            ("7", version("beer", "7")),
            (
                "wine@champion",
                Subject::Alias {
                    model: "wine".to_owned(),
                    alias: "champion".to_owned(),
                },
            ),
            (
                "deploy/wine",
                Subject::Workload("Deployment/wine".to_owned()),
            ),
            (
                "StatefulSets/a",
                Subject::Workload("StatefulSet/a".to_owned()),
            ),
            ("pod/wine-1", Subject::Pod("wine-1".to_owned())),
            (
                "wine-7d9f-abcde",
                Subject::Pod("wine-7d9f-abcde".to_owned()),
            ),
        ] {
            assert_eq!(read(text, Some("beer")), expected, "{text}");
        }
        assert_eq!(read("7", None), Subject::Pod("7".to_owned()));
    }
}
