//! What uv's words mean: its reason in one line, its hints, and what to do about them. Pure.

use crate::code::Code;
use crate::failure::Failure;

/// Whether the disk was full.
pub(super) fn is_full(reason: &str) -> bool {
    reason.contains("No space left on device") || reason.contains("os error 28")
}

/// A failure with the advice that the reason calls for.
pub(super) fn failure(code: Code, message: String, reason: &str) -> Failure {
    let failure = Failure::new(code, message);
    if reason.contains("certificate") {
        return failure.help("give the company's CA as a PEM file through SSL_CERT_FILE");
    }
    let refused = ["401 Unauthorized", "403 Forbidden"];
    if refused.iter().any(|text| reason.contains(text)) {
        return failure.help(
            "the package index refuses the login: correct the name and password in `UV_INDEX_URL`, `PIP_INDEX_URL` or pip.conf; a secret is empty on pull requests from forks and from Dependabot",
        );
    }
    let unreachable = ["error sending request", "dns error", "timed out"];
    if unreachable.iter().any(|text| reason.contains(text)) {
        return failure.help(
            "check the network and the package index (`UV_INDEX_URL`, `PIP_INDEX_URL` or pip.conf)",
        );
    }
    failure
}

/// What uv says after its last `error:` or `×`, in one line: `Because x was not found …`.
pub(super) fn reason(tail: &[String]) -> String {
    let from = tail
        .iter()
        .rposition(|line| line.starts_with("error:") || line.trim_start().starts_with('×'))
        .unwrap_or_else(|| tail.len().saturating_sub(3));
    let mut causes: Vec<String> = Vec::new();
    for line in &tail[from..] {
        let line = line.trim();
        if line.is_empty() || line.starts_with("hint:") {
            break;
        }
        let text = line.trim_start_matches(['×', '╰', '├', '─', '▶', '│', ' ']);
        let text = text
            .strip_prefix("error:")
            .or_else(|| text.strip_prefix("cause:"))
            .unwrap_or(text)
            .trim();
        if text.chars().all(|c| c == '^' || c == ' ') {
            // The line before is the quotation that it points into.
            causes.pop();
            continue;
        }
        if is_drawing(text) {
            continue;
        }
        causes.push(text.to_owned());
    }
    // Wrapped lines go on; everything is one sentence for a person.
    let text = causes
        .iter()
        .map(|cause| cause.trim_end_matches(':'))
        .collect::<Vec<_>>()
        .join(": ");
    if text.is_empty() {
        "uv gave no reason".to_owned()
    } else {
        text
    }
}

/// A line of a drawing of the mistake: `|`, `3 | version =`, `|  ^`. The place is told as file and line instead.
fn is_drawing(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    text.starts_with('|')
}

/// What uv adds after its reason.
pub(super) fn hints(tail: &[String]) -> Vec<String> {
    let hints = tail
        .iter()
        .filter_map(|line| line.trim().strip_prefix("hint:"));
    hints.map(|hint| hint.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_reason_is_one_line() {
        let text = "Using Python 3.11.7 environment at: v\nerror: No solution found when resolving dependencies\n  cause: Because x was not found";
        assert_eq!(
            reason(&lines(text)),
            "No solution found when resolving dependencies: Because x was not found"
        );
        let text =
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because x was not found";
        assert_eq!(
            reason(&lines(text)),
            "No solution found when resolving dependencies: Because x was not found"
        );
        assert_eq!(reason(&[]), "uv gave no reason");
        let text = "error: Failed to parse: pyproject.toml\n  cause: TOML parse error at line 3, column 11\n    |\n  3 | version = \n    |           ^\n  string values must be quoted";
        assert_eq!(
            reason(&lines(text)),
            "Failed to parse: pyproject.toml: TOML parse error at line 3, column 11: string values must be quoted"
        );
        let text = "error: Couldn't parse requirement in `r.txt` at position 0\n  cause: expected version\n         foo===\n            ^^^";
        assert_eq!(
            reason(&lines(text)),
            "Couldn't parse requirement in `r.txt` at position 0: expected version"
        );
        assert_eq!(hints(&lines("error: no\n\nhint: try this")), ["try this"]);
    }
}
