//! How a Dockerfile's lines become instructions: directives, continuations, comments, here-documents.

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: u32,
    pub(crate) why: String,
}

/// Number of the line at an index.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// The parser's directives: comments of the form `# name=value` before anything else.
pub(super) fn directives(lines: &[&str]) -> (char, Option<(u32, String)>) {
    let (mut escape, mut syntax) = ('\\', None);
    for (at, line) in lines.iter().enumerate() {
        let Some((name, value)) = line
            .trim()
            .strip_prefix('#')
            .and_then(|line| line.split_once('='))
        else {
            break;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "escape" if value.trim() == "`" => escape = '`',
            "escape" | "check" => {}
            "syntax" => syntax = Some((number(at), value.trim().to_owned())),
            _ => break,
        }
    }
    (escape, syntax)
}

/// Joins an instruction's lines; comments and empty lines inside it are left out. `None` for a line that is none.
pub(super) fn logical_line(lines: &[&str], at: &mut usize, escape: char) -> Option<String> {
    let mut text = String::new();
    while let Some(line) = lines.get(*at) {
        *at += 1;
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            if text.is_empty() {
                return None;
            }
            continue;
        }
        match trimmed.strip_suffix(escape) {
            Some(part) => {
                text.push_str(part);
                text.push(' ');
            }
            None => {
                text.push_str(trimmed);
                break;
            }
        }
    }
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Skips the bodies of here-documents that an instruction opens.
pub(super) fn skip_documents(
    rest: &str,
    lines: &[&str],
    at: &mut usize,
    line: u32,
    mistakes: &mut Vec<Mistake>,
) {
    for word in rest.split_whitespace() {
        let Some(opened) = word
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix("<<")
        else {
            continue;
        };
        let (tabs, name) = opened
            .strip_prefix('-')
            .map_or((false, opened), |name| (true, name));
        let name = name.trim_matches(['"', '\'']);
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.starts_with('<') || !name.chars().all(valid) {
            continue;
        }
        let end = lines[*at..].iter().position(|line| {
            let line = if tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            line == name
        });
        match end {
            Some(end) => *at += end + 1,
            None => {
                *at = lines.len();
                mistakes.push(Mistake {
                    line,
                    why: format!("here-document `{name}` is not ended"),
                });
            }
        }
    }
}
