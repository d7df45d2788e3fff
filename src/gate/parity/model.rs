//! What the trained model's files say: what they are, which modules they import, by which flavor they were saved.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::python::{pickle_imports, requirement_name};

/// Files of one model that are looked at.
const MOST_FILES: usize = 4096;

/// One file of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModelFile {
    /// Relative, with `/`; the file's name when the model is one file.
    pub(super) relative: String,
    pub(super) bytes: u64,
    /// In hex; empty until it is hashed.
    pub(super) sha256: String,
}

/// What the files name.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    /// Modules, and whether something of them looks like a class.
    pub(super) modules: BTreeMap<String, bool>,
    /// Distributions of the flavors or of the format, and which it is.
    pub(super) flavors: BTreeMap<String, String>,
    /// Distributions one of which the library computes with.
    pub(super) backends: BTreeSet<&'static str>,
    /// Normalised names in the requirements beside MLmodel.
    pub(super) declared: BTreeSet<String>,
    /// What could not be read, each in one line.
    pub(super) unread: Vec<String>,
}

/// The files, not hashed yet, sorted by path. Links are not followed out of the model.
pub(super) fn list(model: &Path) -> Vec<(ModelFile, PathBuf)> {
    // The workspace itself may lie behind a link; then no file would seem to be inside.
    let model = &model.canonicalize().unwrap_or_else(|_| model.to_owned());
    let mut files = Vec::new();
    if model.is_file() {
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        files.push((name.into_owned(), model.to_owned()));
    }
    let mut folders = vec![model.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let inside = path
                .canonicalize()
                .is_ok_and(|target| target.starts_with(model));
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() && inside && files.len() <= MOST_FILES {
                let relative = path.strip_prefix(model).unwrap_or(&path);
                files.push((relative.to_string_lossy().into_owned(), path.clone()));
            }
        }
    }
    files.sort();
    let measured = files.into_iter().map(|(relative, path)| {
        let bytes = path.metadata().map_or(0, |file| file.len());
        let file = ModelFile {
            relative,
            bytes,
            sha256: String::new(),
        };
        (file, path)
    });
    measured.collect()
}

/// Hashes the files and reads what they name. It may take a while: not for the thread of a runtime.
pub(super) fn read(files: Vec<(ModelFile, PathBuf)>) -> (Vec<ModelFile>, Named) {
    let mut named = Named::default();
    let mut hashed = Vec::new();
    if files.len() > MOST_FILES {
        let why = format!("the model has more than {MOST_FILES} files, and not all were read");
        named.unread.push(why);
    }
    for (mut file, path) in files {
        match sha256(&path) {
            Ok(sha256) => file.sha256 = sha256,
            Err(error) => named.unread.push(format!("`{}`: {error}", file.relative)),
        }
        match pickle_imports(&path) {
            Ok(found) => {
                for (module, name) in found.unwrap_or_default().names {
                    let class = name.starts_with(|c: char| c.is_ascii_uppercase());
                    *named.modules.entry(module).or_default() |= class;
                }
            }
            Err(error) => named.unread.push(format!("`{}`: {error}", file.relative)),
        }
        let name = file.relative.rsplit('/').next().unwrap_or_default();
        let beside = path.with_file_name("MLmodel").is_file();
        match name {
            "MLmodel" => flavors(&path, &mut named),
            "requirements.txt" if beside => declared(&path, &mut named),
            _ => format(name, &mut named),
        }
        hashed.push(file);
    }
    (hashed, named)
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = fs_err::File::open(path)?;
    let mut chunk = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Flavors of MLflow whose distribution has another name.
const FLAVORS: &[(&str, &[&str])] = &[
    ("sklearn", &["scikit-learn"]),
    ("pytorch", &["torch"]),
    ("onnx", &["onnx", "onnxruntime"]),
    ("paddle", &["paddlepaddle"]),
    ("spark", &["pyspark"]),
    ("sentence_transformers", &["sentence-transformers"]),
    ("python_function", &[]),
    ("crate", &[]),
];

/// Formats that a library writes by itself.
const FORMATS: &[(&str, &[&str])] = &[
    (".onnx", &["onnxruntime"]),
    (".cbm", &["catboost"]),
    (".ubj", &["xgboost"]),
    (".bst", &["xgboost"]),
    (".keras", &["keras"]),
    (".h5", &["keras"]),
    (".pb", &["tensorflow"]),
    (".safetensors", &["safetensors"]),
    (".skops", &["skops", "scikit-learn"]),
    (".pt", &["torch"]),
    (".pth", &["torch"]),
];

/// What Keras computes with: one of them, and a model does not say which.
const BACKENDS: &[&str] = &["tensorflow", "jax", "torch"];

fn format(name: &str, named: &mut Named) {
    for (ending, distributions) in FORMATS {
        if name.ends_with(ending) {
            for distribution in *distributions {
                let why = format!("the model is a `{ending}` file, which it reads");
                named.flavors.insert((*distribution).to_owned(), why);
                if *distribution == "keras" {
                    named.backends.extend(BACKENDS.iter().copied());
                }
            }
        }
    }
}

/// The keys below `flavors:`; values are not needed.
fn flavors(path: &Path, named: &mut Named) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let below = text
        .lines()
        .skip_while(|line| line.trim_end() != "flavors:")
        .skip(1)
        .take_while(|line| line.starts_with(' '));
    for line in below {
        let Some(flavor) = line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'))
        else {
            continue;
        };
        if flavor.starts_with(' ') {
            continue;
        }
        let known = FLAVORS.iter().find(|(name, _)| *name == flavor);
        let distributions = known.map_or_else(|| vec![flavor], |(_, known)| known.to_vec());
        for distribution in distributions {
            let why = format!("the model's flavor is `{flavor}`");
            named.flavors.insert(distribution.replace('_', "-"), why);
        }
    }
}

fn declared(path: &Path, named: &mut Named) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    named
        .declared
        .extend(text.lines().filter_map(requirement_name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_mlflow_names_flavor_and_requirements() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "MLmodel",
            "artifact_path: model\nflavors:\n  python_function:\n    env:\n      conda: conda.yaml\n  sklearn:\n    code: null\nmodel_id: m-1\n",
        );
        write(
            "requirements.txt",
            "mlflow==3.1\nscikit-learn==1.5.2\n# numpy\n",
        );
        write("model.ubj", "x");
        write("net.keras", "x");
        write("broken.pkl", "hello");
        let files = list(folder.path());
        assert_eq!(files.len(), 5);
        let (files, named) = read(files);
        assert!(files.iter().all(|file| file.sha256.len() == 64));
        let flavors: Vec<_> = named.flavors.keys().map(String::as_str).collect();
        assert_eq!(flavors, ["keras", "scikit-learn", "xgboost"]);
        assert!(named.backends.contains("jax"));
        let declared: Vec<_> = named.declared.iter().map(String::as_str).collect();
        assert_eq!(declared, ["mlflow", "scikit-learn"]);
        assert!(named.unread[0].starts_with("`broken.pkl`"), "{named:?}");
    }

    #[test]
    fn a_model_that_is_one_file_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.pkl");
        std::fs::write(&path, b"\x80\x04csklearn.svm\nSVC\n.").unwrap();
        let (files, named) = read(list(&path));
        assert_eq!(files[0].relative, "m.pkl");
        assert_eq!(
            named.modules,
            BTreeMap::from([("sklearn.svm".to_owned(), true)])
        );
    }
}
