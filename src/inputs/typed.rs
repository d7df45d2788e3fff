//! Gives every value its type, through clap, and finds everything that does not fit instead of the first only.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::cli::Cli;
use super::flags::SECRET_INPUTS;
use super::names::Names;
use super::parsed::{Source, Sources};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// What is wrong, and the inputs that it concerns.
#[derive(Default)]
pub(super) struct Found {
    pub(super) findings: Vec<Diagnostic>,
    pub(super) unusable: Vec<String>,
}

impl Found {
    /// A name that does not exist, and the input that it may stand for.
    pub(super) fn unknown(&mut self, (finding, meant): (Diagnostic, Option<String>)) {
        self.findings.push(finding);
        self.unusable.extend(meant);
    }
}

/// Lets clap give every value its type; a value that does not fit is noted, taken out, and the rest is tried again.
///
/// # Errors
/// Clap's own text, or nothing when there are findings only and nothing to go on with.
pub(super) fn typed(
    mut argv: Vec<String>,
    sources: &Sources,
    names: &Names,
    found: &mut Found,
) -> Result<Cli, Option<Box<clap::Error>>> {
    loop {
        let error = match Cli::try_parse_from(&argv) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        let culprit = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(text)) => {
                flag_name(text.split([' ', '=', '[']).next().unwrap_or_default()).map(str::to_owned)
            }
            _ => None,
        };
        let Some(name) = culprit else {
            return Err(Some(Box::new(error)));
        };
        match error.kind() {
            ErrorKind::UnknownArgument => found.unknown(names.unknown(&name, "flag", None)),
            ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::NoEquals
            | ErrorKind::TooManyValues => {
                let finding = invalid_value(&name, &error, sources.get(&name));
                found.findings.push(finding);
                found.unusable.push(name.clone());
            }
            _ => return Err(Some(Box::new(error))),
        }
        let before = argv.len();
        remove_flag(&mut argv, &name);
        if argv.len() == before {
            return Err(None);
        }
    }
}

/// Takes out every `--name=value` and `--name value`.
fn remove_flag(argv: &mut Vec<String>, name: &str) {
    let mut kept = Vec::with_capacity(argv.len());
    let mut rest = std::mem::take(argv).into_iter().peekable();
    while let Some(arg) = rest.next() {
        if flag_name(&arg) != Some(name) {
            kept.push(arg);
        } else if !arg.contains('=') {
            rest.next_if(|value| !value.starts_with("--"));
        }
    }
    *argv = kept;
}

fn invalid_value(name: &str, error: &clap::Error, source: Option<&Source>) -> Diagnostic {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let reason = std::error::Error::source(error)
        .map_or_else(|| "no value given".to_owned(), ToString::to_string);
    let shown = if SECRET_INPUTS.contains(&name) {
        "its value".to_owned()
    } else {
        format!("`{value}`")
    };
    let at = match source {
        Some(Source::File(location, _)) => Some(location.clone()),
        _ => None,
    };
    Diagnostic::error(
        Code::InputInvalid,
        format!("input `{name}`: {shown} cannot be used: {reason}"),
    )
    .at(at)
}

/// `--name` or `--name=value` → `name`.
pub(super) fn flag_name(arg: &str) -> Option<&str> {
    let name = arg.strip_prefix("--")?;
    let name = name.split('=').next().unwrap_or(name);
    (!name.is_empty()).then_some(name)
}
