//! Every row of the table, and next to it the case in which it does not appear.

use std::collections::BTreeMap;

use super::bearing::{Bearing, Reason, Required};
use super::row::Row;
use super::verdict::{architecture, compare};
use crate::artifact::{Distribution, Environment, ParityLevel as Level};
use crate::code::Code;

fn one(name: &str, version: &str) -> Distribution {
    Distribution {
        name: name.to_owned(),
        version: version.to_owned(),
        record_sha256: "r".to_owned(),
        modules: vec![name.to_owned()],
        ..Distribution::default()
    }
}

fn environment() -> Environment {
    Environment {
        python: "3.11.7".to_owned(),
        implementation: "CPython".to_owned(),
        system: "linux".to_owned(),
        machine: "x86_64".to_owned(),
        libc: "glibc 2.36".to_owned(),
        distributions: vec![
            one("scikit-learn", "1.5.2"),
            one("mlflow", "3.1.0"),
            one("scipy", "1.13.1"),
            one("tzdata", "2025.2"),
            one("deep", "1.0"),
            one("pytest", "8.0"),
        ],
        ..Environment::default()
    }
}

fn bearing() -> Bearing {
    let reason = |why: &str, needed| Reason {
        why: why.to_owned(),
        needed,
    };
    let required = |by: &str, direct| Required {
        by: by.to_owned(),
        direct,
    };
    Bearing {
        packages: BTreeMap::from([
            (
                "scikit-learn".to_owned(),
                reason("the model's classes live in it", true),
            ),
            (
                "mlflow".to_owned(),
                reason("the model's requirements name it", false),
            ),
        ]),
        required: BTreeMap::from([
            ("scipy".to_owned(), required("scikit-learn", true)),
            ("tzdata".to_owned(), required("scikit-learn", true)),
            ("deep".to_owned(), required("scipy", false)),
        ]),
        in_script: false,
    }
}

/// The rows when the image's environment is the training's with one change.
fn after(change: impl FnOnce(&mut Environment)) -> Vec<Row> {
    let mut served = environment();
    change(&mut served);
    compare(&environment(), &served, &bearing())
}

fn set(served: &mut Environment, name: &str, version: &str) {
    served.distributions.retain(|one| one.name != name);
    if !version.is_empty() {
        served.distributions.push(one(name, version));
    }
}

#[track_caller]
fn single(rows: &[Row], level: Level, code: Code, subject: &str) {
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let row = &rows[0];
    assert_eq!(
        (row.level, row.code, row.subject.as_str()),
        (level, code, subject)
    );
}

#[test]
fn equal_environments_have_no_row() {
    assert_eq!(after(|_| {}), []);
}

#[test]
fn the_interpreter_and_its_platform() {
    let python = |version: &'static str| after(move |served| served.python = version.to_owned());
    single(
        &python("3.12.1"),
        Level::Block,
        Code::ParityPython,
        "python",
    );
    single(&python("3.11.9"), Level::Info, Code::ParityPython, "python");
    let platform = Code::ParityPlatform;
    let rows = after(|served| served.implementation = "PyPy".to_owned());
    single(&rows, Level::Block, platform, "implementation");
    let rows = after(|served| served.machine = "aarch64".to_owned());
    single(&rows, Level::Block, platform, "architecture");
    assert_eq!(after(|served| served.machine = "AMD64".to_owned()), []);
    assert_eq!(architecture(&environment(), "amd64"), None);
    assert!(architecture(&environment(), "arm64").is_some());
    let rows = after(|served| served.system = "darwin".to_owned());
    single(&rows, Level::Warn, platform, "system");
    let rows = after(|served| served.libc = "musl 1.2".to_owned());
    single(&rows, Level::Block, platform, "libc");
    let rows = after(|served| served.libc = "glibc 2.41".to_owned());
    single(&rows, Level::Info, platform, "libc");
    assert_eq!(after(|served| served.libc = String::new()), []);
}

#[test]
fn packages_of_the_model() {
    let package = Code::ParityPackage;
    let sklearn = |version: &'static str| after(move |served| set(served, "scikit-learn", version));
    let rows = sklearn("1.6.1");
    single(&rows, Level::Block, package, "scikit-learn");
    assert_eq!(
        (rows[0].trained.as_str(), rows[0].served.as_str()),
        ("1.5.2", "1.6.1")
    );
    single(&sklearn(""), Level::Block, package, "scikit-learn");
    single(&sklearn("1.5.2+cpu"), Level::Warn, package, "scikit-learn");
    assert_eq!(sklearn("1.5.2.0"), []);
    let mlflow = |version: &'static str| after(move |served| set(served, "mlflow", version));
    single(&mlflow("3.2.0"), Level::Block, package, "mlflow");
    // It is only declared, and a server may do without.
    single(&mlflow(""), Level::Warn, package, "mlflow");
}

#[test]
fn another_distribution_may_bring_the_same_modules() {
    let rows = after(|served| {
        set(served, "scikit-learn", "");
        let mut other = one("scikit-learn-slim", "1.5.2");
        other.modules = vec!["scikit-learn".to_owned()];
        served.distributions.push(other);
    });
    assert_eq!(rows[0].level, Level::Warn);
}

#[test]
fn the_same_version_may_have_other_bits() {
    let edit =
        |change: fn(&mut Distribution)| after(move |served| change(&mut served.distributions[0]));
    let package = Code::ParityPackage;
    let rows = edit(|one| one.record_sha256 = "other".to_owned());
    single(&rows, Level::Warn, package, "scikit-learn");
    let rows = edit(|one| one.source = "editable".to_owned());
    single(&rows, Level::Warn, package, "scikit-learn");
    assert_eq!(edit(|one| one.record_sha256 = String::new()), []);
}

#[test]
fn a_package_that_is_there_twice() {
    let twice = |version: &'static str| {
        after(move |served| {
            served.distributions[0].shadows = vec![format!("{version} in /opt/site")];
        })
    };
    let rows = twice("1.6.1");
    single(&rows, Level::Block, Code::ParityPackage, "scikit-learn");
    assert_eq!(rows[0].served, "1.5.2, and 1.6.1 in /opt/site");
    assert_eq!(twice("1.5.2"), []);
    // Also of what a package of the model requires; not of what only the server has.
    let other = |name: &'static str| {
        after(move |served| {
            let found = served.distributions.iter_mut().find(|one| one.name == name);
            found.unwrap().shadows = vec!["9.9 in /opt/site".to_owned()];
        })
    };
    single(&other("scipy"), Level::Block, Code::ParityPackage, "scipy");
    assert_eq!(other("pytest"), []);
}

#[test]
fn a_module_of_somebody_else_in_its_place() {
    let hidden = |name: &'static str| {
        after(move |served| {
            let found = served.distributions.iter_mut().find(|one| one.name == name);
            found.unwrap().hidden_by = format!("/app/{name}.py");
        })
    };
    let rows = hidden("scikit-learn");
    single(&rows, Level::Block, Code::ParityPackage, "scikit-learn");
    assert_eq!(rows[0].served, "1.5.2 behind /app/scikit-learn.py");
    assert_eq!(hidden("pytest"), []);
}

#[test]
fn what_the_models_packages_require() {
    let package = Code::ParityPackage;
    let other =
        |name: &'static str, version: &'static str| after(move |served| set(served, name, version));
    single(&other("scipy", "2.0.0"), Level::Block, package, "scipy");
    single(&other("scipy", "1.14.0"), Level::Warn, package, "scipy");
    single(&other("scipy", ""), Level::Warn, package, "scipy");
    // Years promise nothing.
    single(&other("tzdata", "2026.1"), Level::Warn, package, "tzdata");
    // Two steps away from the model.
    single(&other("deep", "2.0"), Level::Warn, package, "deep");
    assert_eq!(other("deep", ""), []);
}

#[test]
fn what_does_not_touch_the_model_is_said_and_no_more() {
    let package = Code::ParityPackage;
    let rows = after(|served| served.distributions.push(one("gunicorn", "23.0")));
    single(&rows, Level::Info, package, "gunicorn");
    single(
        &after(|served| set(served, "pytest", "")),
        Level::Info,
        package,
        "pytest",
    );
    let rows = after(|served| set(served, "pytest", "9.0"));
    single(&rows, Level::Info, package, "pytest 8.0 → 9.0");
    let rows = after(|served| {
        for number in 0..20 {
            served
                .distributions
                .push(one(&format!("p{number:02}"), "1"));
        }
    });
    assert!(rows[0].subject.ends_with("p11 and 8 more"), "{rows:?}");
}

#[test]
fn the_worst_comes_first_and_the_script_is_named() {
    let mut served = environment();
    served.python = "3.11.8".to_owned();
    set(&mut served, "scipy", "1.14.0");
    set(&mut served, "scikit-learn", "1.6.1");
    let bearing = Bearing {
        in_script: true,
        ..bearing()
    };
    let rows = compare(&environment(), &served, &bearing);
    let levels: Vec<Level> = rows.iter().map(|row| row.level).collect();
    assert_eq!(
        levels,
        [Level::Block, Level::Warn, Level::Warn, Level::Info]
    );
    assert!(rows.iter().any(|row| row.subject == "__main__"));
}
