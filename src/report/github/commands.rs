//! Workflow commands: `::name key=value::data`, escaped exactly as the runner unescapes. It makes lines and writes nothing.

use crate::diagnostic::{Diagnostic, Severity};

/// The runner keeps this many annotations of a type for each step; more are only log lines.
pub(in crate::report) const ANNOTATIONS: usize = 10;
/// The runner cuts messages at 4096 characters; the cut should fall where we choose.
const LONGEST_MESSAGE: usize = 4000;

/// An annotation at file and line.
pub(in crate::report) fn annotation(finding: &Diagnostic) -> String {
    let name = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let mut properties = Vec::new();
    if let Some(at) = &finding.at {
        properties.push(("file", at.file.clone()));
        if let Some(line) = at.line {
            properties.push(("line", line.to_string()));
            if let Some(column) = at.column {
                // Columns are dropped by the runner unless the end of the line range is given.
                properties.push(("endLine", line.to_string()));
                properties.push(("col", column.to_string()));
            }
        }
    }
    let title = format!("{} ({})", finding.code.title(), finding.code.slug());
    properties.push(("title", title));
    let mut message = finding.message.clone();
    if !finding.advice().is_empty() {
        message.push_str("\n\nhelp: ");
        message.push_str(finding.advice());
    }
    if let Some((cut, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(cut);
        message.push('…');
    }
    command(name, &properties, &message)
}

/// A warning about the run as a whole.
pub(in crate::report) fn warning(text: &str) -> String {
    command("warning", &[], text)
}

/// Something that somebody may want to change, about the run as a whole.
pub(in crate::report) fn notice(text: &str) -> String {
    command("notice", &[], text)
}

/// Opens a group. Groups do not nest: another one must be closed before.
pub(in crate::report) fn group(title: &str) -> String {
    command("group", &[], title)
}

/// Closes the group.
pub(in crate::report) fn endgroup() -> String {
    command("endgroup", &[], "")
}

/// Hides a single-line value in the whole job's log. The line itself is swallowed by the runner.
pub(in crate::report) fn add_mask(value: &str) -> String {
    command("add-mask", &[], value)
}

fn command(name: &str, properties: &[(&str, String)], data: &str) -> String {
    let mut line = format!("::{name}");
    let set = properties.iter().filter(|(_, value)| !value.is_empty());
    for (index, (key, value)) in set.enumerate() {
        // No blank after a comma: the runner would make it part of the key.
        line.push(if index == 0 { ' ' } else { ',' });
        line.push_str(key);
        line.push('=');
        line.push_str(&escaped(value).replace(':', "%3A").replace(',', "%2C"));
    }
    line.push_str("::");
    line.push_str(&escaped(data));
    line.push('\n');
    line
}

fn escaped(data: &str) -> String {
    data.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::diagnostic::Location;

    #[test]
    fn escaping_is_exact() {
        let finding = Diagnostic::error(Code::TrainFailed, "100% wrong: a,b\r\n::error::x")
            .help("do, so: 5%")
            .at(Location {
                file: "dir,x/a:b%.py".into(),
                line: Some(3),
                column: Some(7),
            });
        assert_eq!(
            annotation(&finding),
            "::error file=dir%2Cx/a%3Ab%25.py,line=3,endLine=3,col=7,title=training failed (train-failed)\
             ::100%25 wrong: a,b%0D%0A::error::x%0A%0Ahelp: do, so: 5%25\n"
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut finding = Diagnostic::warning(Code::DiskFull, "x")
            .help("")
            .at(Location::line("a", 0));
        assert_eq!(
            annotation(&finding),
            "::warning file=a,title=no space left on device (disk-full)::x\n"
        );
        finding.message = "ü".repeat(5000);
        assert_eq!(annotation(&finding).matches('ü').count(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_group_title_is_one_line() {
        assert_eq!(group("train\n::x"), "::group::train%0A::x\n");
        assert_eq!(endgroup(), "::endgroup::\n");
        assert_eq!(add_mask("a%b"), "::add-mask::a%25b\n");
    }
}
