//! The table: what differs between the environment that trained and the one that serves, and how much it matters. Pure.

use super::bearing::Bearing;
use super::numbers::{numerics, variables};
use super::row::{NONE, Row};
use super::version::{Distance, distance, minor};
use crate::artifact::{Distribution, Environment, ParityLevel as Level};
use crate::code::Code;

/// Names in a row that sums up.
const LISTED: usize = 12;

/// All differences, worst first.
pub(super) fn compare(trained: &Environment, served: &Environment, bearing: &Bearing) -> Vec<Row> {
    let mut rows = interpreters(trained, served);
    packages(trained, served, bearing, &mut rows);
    required(trained, served, bearing, &mut rows);
    numerics(trained, served, bearing, &mut rows);
    variables(trained, served, &mut rows);
    others(trained, served, bearing, &mut rows);
    if bearing.in_script {
        let why = "the model refers to something defined in the script that trained (`__main__`): no server can import it from there, so it belongs into a module that both import";
        rows.push(Row::new(
            Level::Warn,
            Code::ParityModel,
            "__main__",
            ("in the script", NONE),
            why,
        ));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.level));
    rows
}

fn interpreters(trained: &Environment, served: &Environment) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |level, code, subject: &str, one: &str, other: &str, why: &str| {
        rows.push(Row::new(level, code, subject, (one, other), why));
    };
    let (python, platform) = (Code::ParityPython, Code::ParityPlatform);
    let (one, other) = (&trained.python, &served.python);
    if minor(one) != minor(other) {
        let why = "pickles, compiled packages and the standard library change with it";
        row(Level::Block, python, "python", one, other, why);
    } else if one != other {
        row(
            Level::Info,
            python,
            "python",
            one,
            other,
            "only the patch differs",
        );
    }
    let (one, other) = (&trained.implementation, &served.implementation);
    if one != other {
        let why = "compiled packages differ";
        row(Level::Block, platform, "implementation", one, other, why);
    }
    let (one, other) = (&trained.system, &served.system);
    if one != other {
        let why = "numeric libraries are built differently";
        row(Level::Warn, platform, "system", one, other, why);
    }
    let (one, other) = (&trained.libc, &served.libc);
    let known = !one.is_empty() && !other.is_empty();
    if known && family(one) != family(other) {
        let why =
            "compiled packages are built differently, and mathematical functions round differently";
        row(Level::Block, platform, "libc", one, other, why);
    } else if known && one != other {
        row(
            Level::Info,
            platform,
            "libc",
            one,
            other,
            "only its version differs",
        );
    }
    rows.extend(architecture(trained, &served.machine));
    rows
}

/// The row about the processor: also for an image that cannot run here, by what its configuration says.
pub(super) fn architecture(trained: &Environment, served: &str) -> Option<Row> {
    let (one, other) = (machine(&trained.machine), machine(served));
    let why = "floating-point results and compiled packages differ";
    (one != other && !other.is_empty()).then(|| {
        Row::new(
            Level::Block,
            Code::ParityPlatform,
            "architecture",
            (one, other),
            why,
        )
    })
}

fn machine(name: &str) -> &str {
    match name {
        "AMD64" | "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

fn family(libc: &str) -> &str {
    libc.split_whitespace().next().unwrap_or_default()
}

fn find<'a>(environment: &'a Environment, name: &str) -> Option<&'a Distribution> {
    environment
        .distributions
        .iter()
        .find(|one| one.name == name)
}

/// The packages of the model itself.
fn packages(trained: &Environment, served: &Environment, bearing: &Bearing, rows: &mut Vec<Row>) {
    let code = Code::ParityPackage;
    for (name, reason) in &bearing.packages {
        let Some(one) = find(trained, name) else {
            continue;
        };
        let Some(other) = find(served, name) else {
            let level = if reason.needed && !provided(served, one) {
                Level::Block
            } else {
                Level::Warn
            };
            rows.push(Row::new(
                level,
                code,
                name,
                (&one.version, NONE),
                &*reason.why,
            ));
            continue;
        };
        let versions = (one.version.as_str(), other.version.as_str());
        let built = |why: &str| Row::new(Level::Warn, code, name, versions, why);
        match distance(versions.0, versions.1) {
            Distance::Minor | Distance::Major => {
                rows.push(Row::new(Level::Block, code, name, versions, &*reason.why));
            }
            Distance::Local => rows.push(built("the same version, built for other hardware")),
            Distance::Same if one.source != other.source => {
                rows.push(built("the same version, from another commit or folder"));
            }
            Distance::Same
                if !one.record_sha256.is_empty()
                    && !other.record_sha256.is_empty()
                    && one.record_sha256 != other.record_sha256 =>
            {
                rows.push(built("the same version, other files: another build of it"));
            }
            Distance::Same => {}
        }
        shadows(name, one, other, &reason.why, rows);
        if !other.hidden_by.is_empty() {
            let path = &other.hidden_by;
            let why = format!("`{path}` has its name and is imported in its place");
            let served = format!("{} behind {path}", other.version);
            let versions = (one.version.as_str(), served.as_str());
            rows.push(Row::new(Level::Block, code, name, versions, why));
        }
    }
}

/// Whether another distribution brings the same modules: `mlflow-skinny` for `mlflow`, `opencv-python-headless`.
fn provided(served: &Environment, one: &Distribution) -> bool {
    let modules = &one.modules;
    !modules.is_empty()
        && modules.iter().all(|module| {
            let mut all = served.distributions.iter();
            all.any(|other| other.modules.contains(module))
        })
}

/// Copies further back on the path: which one is imported depends on the path of whoever imports.
fn shadows(name: &str, one: &Distribution, other: &Distribution, why: &str, rows: &mut Vec<Row>) {
    let differing = other.shadows.iter().find(|shadow| {
        let version = shadow.split_whitespace().next().unwrap_or_default();
        distance(version, &other.version) != Distance::Same
    });
    if let Some(shadow) = differing {
        let served = format!("{}, and {shadow}", other.version);
        let why = format!("the image has it twice, and {why}");
        let versions = (one.version.as_str(), served.as_str());
        rows.push(Row::new(
            Level::Block,
            Code::ParityPackage,
            name,
            versions,
            why,
        ));
    }
}

/// What the model's packages require.
fn required(trained: &Environment, served: &Environment, bearing: &Bearing, rows: &mut Vec<Row>) {
    for (name, required) in &bearing.required {
        let Some(one) = find(trained, name) else {
            continue;
        };
        let why = format!("`{}` requires it", required.by);
        let Some(other) = find(served, name) else {
            if required.direct
                && bearing
                    .packages
                    .get(&required.by)
                    .is_some_and(|by| by.needed)
            {
                let versions = (one.version.as_str(), NONE);
                rows.push(Row::new(
                    Level::Warn,
                    Code::ParityPackage,
                    name,
                    versions,
                    why,
                ));
            }
            continue;
        };
        shadows(name, one, other, &why, rows);
        let level = match distance(&one.version, &other.version) {
            Distance::Same => continue,
            Distance::Major if required.direct => Level::Block,
            _ => Level::Warn,
        };
        let versions = (one.version.as_str(), other.version.as_str());
        rows.push(Row::new(level, Code::ParityPackage, name, versions, why));
    }
}

/// What does not touch the model, summed up.
fn others(trained: &Environment, served: &Environment, bearing: &Bearing, rows: &mut Vec<Row>) {
    let matters =
        |name: &str| bearing.packages.contains_key(name) || bearing.required.contains_key(name);
    let (mut only_trained, mut only_served, mut differing) = (Vec::new(), Vec::new(), Vec::new());
    for one in &trained.distributions {
        match find(served, &one.name) {
            _ if matters(&one.name) => {}
            None => only_trained.push(one.name.clone()),
            Some(other) if distance(&one.version, &other.version) != Distance::Same => {
                differing.push(format!("{} {} → {}", one.name, one.version, other.version));
            }
            Some(_) => {}
        }
    }
    for other in &served.distributions {
        if find(trained, &other.name).is_none() {
            only_served.push(other.name.clone());
        }
    }
    let code = Code::ParityPackage;
    let mut sum = |names: Vec<String>, versions: (&str, &str), why: &str| {
        if !names.is_empty() {
            let subject = listed(&names);
            rows.push(Row::new(Level::Info, code, &subject, versions, why));
        }
    };
    sum(differing, ("", ""), "the model does not use them");
    sum(only_served, (NONE, "installed"), "only the server has them");
    sum(
        only_trained,
        ("installed", NONE),
        "only the training had them",
    );
}

fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
