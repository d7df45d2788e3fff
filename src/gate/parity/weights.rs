//! Whether the model in the image is the one that was trained. Files are told by their content, so it does not matter where
//! the image keeps them or how they are called. Pure.

use serde::Deserialize;

use super::model::ModelFile;

/// A file of the image with the name or size of one of the model's.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) size: u64,
    /// Empty when it was not hashed: another size, or too many.
    pub(super) sha256: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Weights {
    /// All that matters is there, byte for byte.
    Same,
    /// A file lies where the model's should be, and is another.
    Other {
        relative: String,
        path: String,
        trained: String,
        served: String,
    },
    /// Nothing of it is there.
    Absent,
}

/// Too common to say whose they are; they count only beside a file of the model.
const COMMON: &[&str] = &[
    ".json", ".txt", ".yaml", ".yml", ".toml", ".csv", ".md", ".html", ".png", ".log", ".py",
    "MLmodel",
];

/// Compares what was trained with what was found.
pub(super) fn compare(trained: &[ModelFile], found: &[Found]) -> Weights {
    let by_content = |file: &ModelFile| {
        found
            .iter()
            .filter(|one| one.sha256 == file.sha256 && file.bytes > 0)
            .collect::<Vec<_>>()
    };
    // Folders that hold the model: a file of it lies there under its own name.
    let mut roots: Vec<&str> = trained
        .iter()
        .flat_map(|file| {
            let places = by_content(file).into_iter();
            places.filter_map(|one| one.path.strip_suffix(file.relative.as_str()))
        })
        .collect();
    roots.sort_unstable();
    roots.dedup();
    let largest = trained.iter().map(|file| file.bytes).max();
    let mut same = 0_usize;
    for file in trained.iter().filter(|file| file.bytes > 0) {
        if !by_content(file).is_empty() {
            same += 1;
            continue;
        }
        // One that was not hashed although it has the size may be the same.
        let known = |one: &&Found| !one.sha256.is_empty() || one.size != file.bytes;
        let beside = found.iter().filter(known).find(|one| {
            roots
                .iter()
                .any(|root| one.path == format!("{root}{}", file.relative))
        });
        let telling = !COMMON.iter().any(|ending| file.relative.ends_with(ending))
            || Some(file.bytes) == largest;
        let name = file.relative.rsplit('/').next().unwrap_or_default();
        let elsewhere = found
            .iter()
            .filter(|one| telling && known(one))
            .find(|one| one.path.rsplit('/').next() == Some(name));
        if let Some(other) = beside.or(elsewhere) {
            return Weights::Other {
                relative: file.relative.clone(),
                path: other.path.clone(),
                trained: short(&file.sha256),
                served: short(&other.sha256),
            };
        }
    }
    if same > 0 {
        Weights::Same
    } else {
        Weights::Absent
    }
}

/// Enough of a hash to see that two differ.
fn short(sha256: &str) -> String {
    match sha256.get(..12) {
        Some(short) => format!("sha256 {short}"),
        None => "another size".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(relative: &str, bytes: u64, sha256: &str) -> ModelFile {
        ModelFile {
            relative: relative.to_owned(),
            bytes,
            sha256: sha256.repeat(16),
        }
    }

    fn found(path: &str, sha256: &str) -> Found {
        Found {
            path: path.to_owned(),
            size: 1000,
            sha256: sha256.repeat(16),
        }
    }

    fn model() -> Vec<ModelFile> {
        vec![
            file("MLmodel", 10, "a"),
            file("model.pkl", 1000, "b"),
            file("requirements.txt", 20, "c"),
        ]
    }

    #[test]
    fn the_content_counts_and_not_the_place() {
        let elsewhere = [
            found("/srv/current.bin", "b"),
            found("/app/requirements.txt", "x"),
        ];
        assert_eq!(compare(&model(), &elsewhere), Weights::Same);
        let whole = [found("/m/MLmodel", "a"), found("/m/model.pkl", "b")];
        assert_eq!(compare(&model(), &whole), Weights::Same);
    }

    #[test]
    fn one_other_byte_is_another_model() {
        let other = compare(&model(), &[found("/app/model/model.pkl", "x")]);
        let Weights::Other { path, served, .. } = other else {
            panic!("{other:?}");
        };
        assert_eq!(path, "/app/model/model.pkl");
        assert_eq!(served, "sha256 xxxxxxxxxxxx");
        // Beside a file of the model a common name counts too.
        let beside = [
            found("/m/model.pkl", "b"),
            found("/m/requirements.txt", "x"),
        ];
        assert!(matches!(compare(&model(), &beside), Weights::Other { .. }));
    }

    #[test]
    fn what_was_not_hashed_is_another_model_only_by_its_size() {
        let unread = |size| Found {
            size,
            ..found("/app/model/model.pkl", "")
        };
        assert_eq!(compare(&model(), &[unread(1000)]), Weights::Absent);
        let other = compare(&model(), &[unread(999)]);
        assert!(matches!(other, Weights::Other { served, .. } if served == "another size"));
    }

    #[test]
    fn a_common_name_alone_says_nothing() {
        assert_eq!(
            compare(&model(), &[found("/app/requirements.txt", "x")]),
            Weights::Absent
        );
        assert_eq!(compare(&model(), &[]), Weights::Absent);
        // The largest file is the model, whatever it is called.
        let json = [file("model.json", 1000, "a")];
        assert!(matches!(
            compare(&json, &[found("/app/model.json", "x")]),
            Weights::Other { .. }
        ));
    }
}
