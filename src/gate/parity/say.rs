//! What is said about the rows: findings at the line to change, the fix in words, the constraints file.

use std::path::Path;

use super::allow::Judged;
use super::bearing::Bearing;
use super::place::Places;
use super::row::NONE;
use crate::artifact::{Environment, ParityLevel as Level, ParityRow};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Location};
use crate::plan::{ParityMode, ParitySpec};

/// Name of the file with the versions that trained.
const CONSTRAINTS: &str = "ml-deploy-constraints.txt";

/// Warnings that are findings of their own; more are summed up in one.
const MOST_WARNINGS: usize = 3;

/// The row as reports show it.
pub(super) fn row(judged: &Judged, places: &Places) -> ParityRow {
    let row = &judged.row;
    ParityRow {
        level: row.level,
        code: row.code.slug().to_owned(),
        subject: row.subject.clone(),
        trained: row.trained.clone(),
        served: row.served.clone(),
        why: row.why.clone(),
        fix: if row.level == Level::Info {
            String::new()
        } else {
            fix(judged, places)
        },
        allowed: judged.allowed.clone(),
    }
}

/// What blocks, and what only warns, in the order of the rows.
pub(super) fn findings(
    judged: &[Judged],
    spec: &ParitySpec,
    places: &Places,
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let of = |level: Level| {
        let rows = judged.iter().filter(move |one| one.row.level == level);
        rows.filter(|one| one.allowed.is_none()).collect::<Vec<_>>()
    };
    let finding = |judged: &Judged, make: fn(Code, String) -> Diagnostic| {
        make(judged.row.code, message(judged))
            .at(place(judged, places))
            .help(fix(judged, places))
    };
    let report = spec.mode == ParityMode::Report;
    let mut blocking = Vec::new();
    let mut warning = Vec::new();
    for one in of(Level::Block) {
        if report {
            warning.push(finding(one, Diagnostic::warning));
        } else {
            blocking.push(finding(one, Diagnostic::error));
        }
    }
    let mild = of(Level::Warn);
    if mild.len() <= MOST_WARNINGS {
        warning.extend(
            mild.into_iter()
                .map(|one| finding(one, Diagnostic::warning)),
        );
    } else {
        let code = mild.first().map_or(Code::ParityPackage, |one| one.row.code);
        let text = format!(
            "{} differences between the training and the image may matter",
            mild.len()
        );
        let lines = mild.iter().map(|one| message(one));
        warning.push(
            Diagnostic::warning(code, text)
                .help("make them equal with the constraints file, or leave them: none is known to break the model")
                .evidence(lines),
        );
    }
    (blocking, warning)
}

/// The difference in one line.
pub(super) fn message(judged: &Judged) -> String {
    let row = &judged.row;
    let (subject, trained, served) = (&row.subject, &row.trained, &row.served);
    let difference = match row.code {
        Code::ParityUnknown => return format!("{subject}: {}", row.why),
        // Not two versions of something, but a thing of its own.
        Code::ParityModel if served == NONE => format!("{subject}: {trained}"),
        _ if served == NONE => format!("{subject}: trained with {trained}, the image has none"),
        _ if trained == NONE => {
            format!("{subject}: not set in the training, the image has {served}")
        }
        Code::ParityModel => format!("{subject}: trained {trained}, the image has {served}"),
        Code::ParityPlatform => format!("{subject}: trained on {trained}, the image has {served}"),
        _ => format!("{subject}: trained with {trained}, the image serves {served}"),
    };
    let expired = judged.expired.map_or(String::new(), |day| {
        format!("; its entry in `parity-allow` expired on {day}")
    });
    format!("{difference}; {}{expired}", row.why)
}

fn place(judged: &Judged, places: &Places) -> Option<Location> {
    let row = &judged.row;
    let platform = matches!(
        row.subject.as_str(),
        "implementation" | "architecture" | "system" | "libc" | "python"
    );
    let found = match row.code {
        Code::ParityModel => places.model(),
        _ if platform => places.base(),
        Code::ParityUnknown => places.base(),
        _ => places.asks(&row.subject).or(places.installs()),
    };
    found.cloned()
}

/// What to change, exactly.
fn fix(judged: &Judged, places: &Places) -> String {
    let row = &judged.row;
    let pin = format!("{}=={}", row.subject, row.trained);
    match row.code {
        Code::ParityAllowExpired => Code::ParityAllowExpired.help().to_owned(),
        Code::ParityPackage if row.trained == NONE => String::new(),
        Code::ParityPackage => match places.asks(&row.subject) {
            Some(at) => format!("write `{pin}` at {at}"),
            None => format!(
                "add `{pin}` to what the image installs, or install with `-c {CONSTRAINTS}`, which lies in .ml-deploy/"
            ),
        },
        Code::ParityPython => match places.base() {
            Some(at) => format!(
                "use a base image with Python {} at {at}, or train with `python-version: \"{}\"`",
                row.trained,
                super::version::minor(&row.served)
            ),
            None => Code::ParityPython.help().to_owned(),
        },
        Code::ParityPlatform if row.subject == row.subject.to_uppercase() => {
            format!(
                "set `{}` alike in `train-env` and in the image",
                row.subject
            )
        }
        code => code.help().to_owned(),
    }
}

/// Writes the versions of what the model rests on; gives the path as reports show it.
pub(super) fn constraints(
    ctx: &Context,
    trained: &Environment,
    bearing: &Bearing,
) -> std::io::Result<Option<String>> {
    let wanted =
        |name: &str| bearing.packages.contains_key(name) || bearing.required.contains_key(name);
    let lines: Vec<String> = trained
        .distributions
        .iter()
        .filter(|one| wanted(&one.name) && one.source.is_empty())
        .map(|one| format!("{}=={}\n", one.name, one.version))
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let folder = &ctx.workspace.state;
    let path = folder.join(CONSTRAINTS);
    let text = format!(
        "# What the model rests on, in the versions that trained it (Python {}).\n{}",
        trained.python,
        lines.concat()
    );
    write(folder, &path, &text)?;
    Ok(Some(ctx.workspace.relative(&path)))
}

fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    fs_err::create_dir_all(folder)?;
    fs_err::write(path, text)
}
