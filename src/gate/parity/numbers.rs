//! What changes numbers although all versions are the same: the libraries that multiply matrices and share work among threads,
//! and environment variables. Pure.

use std::collections::BTreeSet;

use super::bearing::Bearing;
use super::row::{NONE, Row};
use crate::artifact::{Environment, ParityLevel as Level};
use crate::code::Code;

/// Another BLAS or OpenMP than trained, as far as the model's packages bring them or take the system's.
pub(super) fn numerics(
    trained: &Environment,
    served: &Environment,
    bearing: &Bearing,
    rows: &mut Vec<Row>,
) {
    for kind in ["BLAS", "OpenMP"] {
        let (one, other) = (
            libraries(trained, kind, bearing),
            libraries(served, kind, bearing),
        );
        if one.is_empty() || other.is_empty() || one == other {
            continue;
        }
        let why = match kind {
            "BLAS" => "another library multiplies matrices: sums are rounded otherwise",
            _ => {
                "another library shares work among threads: sums are rounded otherwise, and two of them in one process can block each other"
            }
        };
        let listed = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        rows.push(Row::new(
            Level::Warn,
            Code::ParityPlatform,
            kind,
            (&listed(&one), &listed(&other)),
            why,
        ));
    }
}

/// Those of the model's packages; packages that bring none along take what the machine or conda has.
fn libraries<'a>(environment: &'a Environment, kind: &str, bearing: &Bearing) -> BTreeSet<&'a str> {
    let matters = |by: &str| bearing.packages.contains_key(by) || bearing.required.contains_key(by);
    let all = || environment.numerics.iter().filter(|one| one.kind == kind);
    let bundled: BTreeSet<&str> = all()
        .filter(|one| matters(&one.by))
        .map(|one| title(&one.library))
        .collect();
    if !bundled.is_empty() {
        return bundled;
    }
    all()
        .filter(|one| matches!(one.by.as_str(), "conda" | "system"))
        .map(|one| title(&one.library))
        .collect()
}

/// As people call it.
fn title(library: &str) -> &str {
    match library {
        "openblas" => "OpenBLAS",
        "mkl_rt" => "MKL",
        "blis" => "BLIS",
        "gomp" => "GNU libgomp",
        "iomp5" => "Intel libiomp5",
        "omp" => "LLVM libomp",
        other => other,
    }
}

/// Variables whose values differ.
pub(super) fn variables(trained: &Environment, served: &Environment, rows: &mut Vec<Row>) {
    let names: BTreeSet<&String> = trained
        .variables
        .keys()
        .chain(served.variables.keys())
        .collect();
    for name in names {
        let (one, other) = (value(trained, name), value(served, name));
        if one != other {
            let why = "it changes results although all versions are the same";
            rows.push(Row::new(
                Level::Warn,
                Code::ParityPlatform,
                name,
                (&one, &other),
                why,
            ));
        }
    }
}

/// What the value means: different words for the same are no difference.
fn value(environment: &Environment, name: &str) -> String {
    let set = environment.variables.get(name).map(String::as_str);
    match (name, set) {
        // Without it, containers and runners live in UTC.
        ("TZ", None) => "UTC".to_owned(),
        ("TZ", Some(zone)) => zone.trim_start_matches(':').replace("Etc/UTC", "UTC"),
        // They write numbers as Python does.
        ("LC_ALL" | "LC_NUMERIC", Some(locale))
            if matches!(locale.split('.').next(), Some("" | "C" | "POSIX" | "en_US")) =>
        {
            NONE.to_owned()
        }
        // Which of the cards it is does not matter, but whether there is one.
        ("CUDA_VISIBLE_DEVICES", Some(cards))
            if !matches!(cards.trim(), "" | "-1" | "NoDevFiles") =>
        {
            NONE.to_owned()
        }
        ("CUDA_VISIBLE_DEVICES", Some(_)) => "no GPU".to_owned(),
        (_, None) => NONE.to_owned(),
        (_, Some(value)) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::bearing::Reason;
    use super::*;
    use crate::artifact::Numeric;

    fn with(libraries: &[(&str, &str, &str)]) -> Environment {
        let numerics = libraries.iter().map(|(kind, library, by)| Numeric {
            kind: (*kind).to_owned(),
            library: (*library).to_owned(),
            by: (*by).to_owned(),
        });
        Environment {
            numerics: numerics.collect(),
            ..Environment::default()
        }
    }

    fn differences(one: &[(&str, &str, &str)], other: &[(&str, &str, &str)]) -> Vec<Row> {
        let reason = Reason {
            why: "the model's classes live in it".to_owned(),
            needed: true,
        };
        let bearing = Bearing {
            packages: BTreeMap::from([("numpy".to_owned(), reason)]),
            ..Bearing::default()
        };
        let mut rows = Vec::new();
        numerics(&with(one), &with(other), &bearing, &mut rows);
        rows
    }

    #[test]
    fn another_blas_or_openmp_warns() {
        let wheel = [("BLAS", "openblas", "numpy")];
        let rows = differences(&wheel, &[("BLAS", "mkl_rt", "conda")]);
        assert_eq!(
            (
                rows[0].level,
                rows[0].trained.as_str(),
                rows[0].served.as_str()
            ),
            (Level::Warn, "OpenBLAS", "MKL")
        );
        let rows = differences(
            &[("OpenMP", "gomp", "numpy")],
            &[("OpenMP", "iomp5", "numpy"), ("OpenMP", "gomp", "numpy")],
        );
        assert_eq!(rows[0].served, "GNU libgomp, Intel libiomp5");
    }

    #[test]
    fn the_same_or_an_unknown_one_does_not() {
        let wheel = [("BLAS", "openblas", "numpy")];
        assert_eq!(differences(&wheel, &[("BLAS", "openblas", "conda")]), []);
        assert_eq!(differences(&wheel, &[]), []);
        // What the system has does not matter to packages that bring their own, nor do other packages' libraries.
        let more = [
            wheel[0],
            ("BLAS", "netlib", "system"),
            ("BLAS", "blis", "spacy"),
        ];
        assert_eq!(differences(&wheel, &more), []);
    }

    #[test]
    fn variables_differ_by_what_they_mean() {
        let differs = |name: &str, value: &str| {
            let served = Environment {
                variables: BTreeMap::from([(name.to_owned(), value.to_owned())]),
                ..Environment::default()
            };
            let mut rows = Vec::new();
            variables(&Environment::default(), &served, &mut rows);
            !rows.is_empty()
        };
        for (name, value) in [
            ("OMP_NUM_THREADS", "1"),
            ("MKL_CBWR", "AVX2"),
            ("PYTHONHASHSEED", "0"),
            ("TF_ENABLE_ONEDNN_OPTS", "0"),
            ("KERAS_BACKEND", "torch"),
            ("CUDA_VISIBLE_DEVICES", "-1"),
            ("TZ", "Europe/Berlin"),
            ("LC_ALL", "de_DE.UTF-8"),
        ] {
            assert!(differs(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("TZ", "Etc/UTC"),
            ("LC_ALL", "C.UTF-8"),
            ("CUDA_VISIBLE_DEVICES", "0,1"),
        ] {
            assert!(!differs(name, value), "{name}={value}");
        }
    }
}
