//! Which packages the model rests on, and what those require: from what its files name and what was installed when it was
//! trained. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::model::Named;
use crate::artifact::{Distribution, Environment};

/// Why a package matters to this model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) why: String,
    /// Without it the model cannot be loaded. Not so for what is only declared: a server may read the model without MLflow.
    pub(super) needed: bool,
}

/// A package that others need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) by: String,
    /// Named by a package of the model itself, not further down.
    pub(super) direct: bool,
}

/// What the model rests on, by normalised name.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearing {
    pub(super) packages: BTreeMap<String, Reason>,
    pub(super) required: BTreeMap<String, Required>,
    /// Something of the model was defined in the script that trained, where no server finds it.
    pub(super) in_script: bool,
}

/// They write and read the model, its classes are others'.
const SERIALIZERS: &[&str] = &["joblib", "cloudpickle", "dill", "skops"];

/// What goes into a model goes through them.
const DATA: &[&str] = &["numpy", "scipy", "pandas", "pyarrow"];

/// Collects it. `served` are the names that the image's requirements ask for.
pub(super) fn bearing(trained: &Environment, named: &Named, served: &BTreeSet<String>) -> Bearing {
    let mut bearing = Bearing::default();
    for (module, class) in &named.modules {
        bearing.in_script |= module == "__main__";
        for owner in owners(trained, module) {
            let why = if SERIALIZERS.contains(&owner) {
                "the model's file was written by it"
            } else if *class && owner != "numpy" {
                "the model's classes live in it"
            } else {
                "the model's file names it"
            };
            // The class is the better reason.
            let known = bearing.packages.get(owner);
            if *class || known.is_none() {
                add(&mut bearing, owner, why, true);
            }
        }
    }
    let installed = |name: &str| trained.distributions.iter().any(|one| one.name == name);
    for (name, why) in named.flavors.iter().filter(|(name, _)| installed(name)) {
        if !bearing.packages.contains_key(name) {
            add(&mut bearing, name, why, true);
        }
    }
    // With one of them installed, it is that one; with several, the server may lack the others.
    let backends = || named.backends.iter().filter(|name| installed(name));
    for name in backends() {
        if !bearing.packages.contains_key(*name) {
            let only = backends().count() == 1;
            add(&mut bearing, name, "the model is computed with it", only);
        }
    }
    let declared = named.declared.iter().filter(|name| installed(name));
    for name in declared {
        if !bearing.packages.contains_key(name) {
            add(
                &mut bearing,
                name,
                "the model's requirements name it",
                false,
            );
        }
    }
    for name in DATA.iter().filter(|name| installed(name)) {
        if served.contains(*name) && !bearing.packages.contains_key(*name) {
            add(
                &mut bearing,
                name,
                "the model's data goes through it",
                false,
            );
        }
    }
    bearing.required = required(trained, &bearing.packages);
    bearing
}

fn add(bearing: &mut Bearing, name: &str, why: &str, needed: bool) {
    let reason = Reason {
        why: why.to_owned(),
        needed,
    };
    bearing.packages.insert(name.to_owned(), reason);
}

/// The distributions that a module comes from: those with the longest name that it begins with.
fn owners<'a>(trained: &'a Environment, module: &str) -> Vec<&'a str> {
    let matching = |one: &'a Distribution| {
        let names = one.modules.iter().filter(|name| {
            module
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        names.map(String::len).max()
    };
    let found: Vec<(usize, &str)> = trained
        .distributions
        .iter()
        .filter_map(|one| Some((matching(one)?, one.name.as_str())))
        .collect();
    let longest = found.iter().map(|(length, _)| *length).max();
    found
        .into_iter()
        .filter(|(length, _)| Some(*length) == longest)
        .map(|(_, name)| name)
        .collect()
}

/// What the packages require, as far as it was installed: each once, with who is nearest to the model.
fn required(
    trained: &Environment,
    packages: &BTreeMap<String, Reason>,
) -> BTreeMap<String, Required> {
    let by_name: BTreeMap<&str, &Distribution> = trained
        .distributions
        .iter()
        .map(|one| (one.name.as_str(), one))
        .collect();
    let mut found = BTreeMap::new();
    let mut queue: VecDeque<(&str, bool)> =
        packages.keys().map(|name| (name.as_str(), true)).collect();
    while let Some((name, direct)) = queue.pop_front() {
        for next in by_name.get(name).into_iter().flat_map(|one| &one.requires) {
            if packages.contains_key(next)
                || found.contains_key(next)
                || !by_name.contains_key(next.as_str())
            {
                continue;
            }
            let by = name.to_owned();
            found.insert(next.clone(), Required { by, direct });
            queue.push_back((next, false));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(name: &str, modules: &[&str], requires: &[&str]) -> Distribution {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Distribution {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            modules: owned(modules),
            requires: owned(requires),
            ..Distribution::default()
        }
    }

    fn trained() -> Environment {
        Environment {
            distributions: vec![
                distribution("scikit-learn", &["sklearn"], &["numpy", "scipy", "joblib"]),
                distribution("numpy", &["numpy"], &[]),
                distribution("scipy", &["scipy"], &["numpy"]),
                distribution("joblib", &["joblib"], &["psutil"]),
                distribution("pandas", &["pandas"], &["numpy"]),
                distribution("protobuf", &["google.protobuf"], &[]),
                distribution("google-auth", &["google.auth"], &[]),
                distribution("mlflow", &["mlflow"], &["pandas", "psutil"]),
                distribution("psutil", &["psutil"], &["deep"]),
                distribution("deep", &["deep"], &[]),
            ],
            ..Environment::default()
        }
    }

    fn named(modules: &[(&str, bool)], declared: &[&str]) -> Named {
        Named {
            modules: modules
                .iter()
                .map(|(name, class)| ((*name).to_owned(), *class))
                .collect(),
            declared: declared.iter().map(|name| (*name).to_owned()).collect(),
            ..Named::default()
        }
    }

    #[test]
    fn what_the_file_names_is_needed_and_what_it_requires_follows() {
        let named = named(
            &[
                ("sklearn.svm._classes", true),
                ("numpy.core.multiarray", false),
                ("joblib.numpy_pickle", true),
                ("google.protobuf.message", true),
                ("builtins", false),
            ],
            &["mlflow", "torch"],
        );
        let bearing = bearing(&trained(), &named, &BTreeSet::new());
        let needed = |name: &str| bearing.packages[name].needed;
        assert!(needed("scikit-learn") && needed("numpy") && needed("protobuf"));
        assert_eq!(
            bearing.packages["scikit-learn"].why,
            "the model's classes live in it"
        );
        assert_eq!(
            bearing.packages["joblib"].why,
            "the model's file was written by it"
        );
        assert!(!needed("mlflow") && !bearing.packages.contains_key("torch"));
        assert!(!bearing.packages.contains_key("google-auth"));
        let scipy = &bearing.required["scipy"];
        assert_eq!((scipy.by.as_str(), scipy.direct), ("scikit-learn", true));
        assert!(!bearing.required["deep"].direct);
        assert!(!bearing.required.contains_key("numpy"));
    }

    #[test]
    fn a_backend_is_needed_when_there_is_one() {
        let named = Named {
            backends: BTreeSet::from(["scipy", "pandas", "absent"]),
            ..Named::default()
        };
        let two = bearing(&trained(), &named, &BTreeSet::new());
        assert!(!two.packages["scipy"].needed && !two.packages.contains_key("absent"));
        let named = Named {
            backends: BTreeSet::from(["scipy", "absent"]),
            ..Named::default()
        };
        let one = bearing(&trained(), &named, &BTreeSet::new());
        assert!(one.packages["scipy"].needed);
    }

    #[test]
    fn data_libraries_count_when_the_image_asks_for_them() {
        let named = named(&[("sklearn.svm", true), ("__main__", false)], &[]);
        let served = BTreeSet::from(["pandas".to_owned()]);
        let with = bearing(&trained(), &named, &served);
        assert!(!with.packages["pandas"].needed);
        assert!(with.in_script);
        let without = bearing(&trained(), &named, &BTreeSet::new());
        assert!(!without.packages.contains_key("pandas"));
    }
}
