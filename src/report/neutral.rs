//! Makes foreign text harmless for a log: it can issue no workflow command, move no cursor and forge no line.
//! It knows the runner's grammar, not who printed the text.

use std::borrow::Cow;

/// Stands before a line that the runner would read as a command.
const MARK: &str = "| ";

/// What may stay of terminal escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Colours and weights, for a terminal.
    KeepColours,
    /// Nothing.
    Strip,
}

/// Whole lines, each ended by `\n`; a bare `\r` ends a line too, as it does for the runner. Borrowed when all is harmless.
pub(super) fn lines(text: &str, escapes: Escapes) -> Cow<'_, str> {
    let ended = text.is_empty() || text.ends_with('\n');
    let commands = text.contains("##[") || text.contains("::");
    if ended && !commands && !text.bytes().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let body = line.strip_suffix('\n').unwrap_or(line);
        let body = body.strip_suffix('\r').unwrap_or(body);
        if !body.bytes().any(suspicious) {
            push_line(&mut clean, body, commands);
            continue;
        }
        for part in body.split('\r') {
            // Stripping can bring a command together, so commands are looked for afterwards.
            push_line(&mut clean, &stripped(part, escapes), true);
        }
    }
    Cow::Owned(clean)
}

/// One line of ours with foreign parts: newlines become spaces.
pub(super) fn line(text: &str) -> String {
    let one = text
        .trim_end()
        .replace("\r\n", " ")
        .replace(['\n', '\r'], " ");
    let mut clean = lines(&one, Escapes::Strip).into_owned();
    while clean.ends_with('\n') {
        clean.pop();
    }
    clean
}

fn push_line(clean: &mut String, line: &str, commands: bool) {
    if commands && line.trim_start().starts_with("::") {
        clean.push_str(MARK);
    }
    if commands && line.contains("##[") {
        clean.push_str(&line.replace("##[", "##\\["));
    } else {
        clean.push_str(line);
    }
    clean.push('\n');
}

/// Bytes that may begin something to look at: control characters except tab and newline, C1 controls (`C2`), separators and
/// direction marks (`E2`, shared with box drawing, hence only "may").
fn suspicious(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\n' && byte != b'\t') || matches!(byte, 0x7f | 0xc2 | 0xe2)
}

/// Text without terminal escapes (colours perhaps kept) and with control and direction characters made visible.
fn stripped(text: &str, escapes: Escapes) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut coloured = false;
    loop {
        // Suspicious bytes only begin characters, so every cut is at a character's start.
        let plain = rest.bytes().position(suspicious).unwrap_or(rest.len());
        clean.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let Some(c) = rest.chars().next() else { break };
        if c == '\u{1b}' || c == '\u{9b}' || c == '\u{9d}' {
            let (length, colour) = escape(rest);
            if colour && escapes == Escapes::KeepColours {
                clean.push_str(&rest[..length]);
                coloured = true;
            }
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\t' => clean.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
                clean.push('\u{fffd}');
            }
            c if c.is_control() => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    if coloured {
        // A colour left open would run into our own lines.
        clean.push_str("\u{1b}[0m");
    }
    clean
}

/// Length of the escape sequence at the start, and whether it only sets colours. An unfinished one ends with the text.
fn escape(text: &str) -> (usize, bool) {
    let Some(first) = text.chars().next() else {
        return (0, false);
    };
    let mut at = first.len_utf8();
    let kind = match first {
        '\u{9b}' => '[',
        '\u{9d}' => ']',
        _ => match text[at..].chars().next() {
            Some(kind) => {
                at += kind.len_utf8();
                kind
            }
            None => return (at, false),
        },
    };
    let body = &text[at..];
    match kind {
        '[' => match body.find(|c: char| ('@'..='~').contains(&c)) {
            Some(end) => {
                let parameters = body[..end].bytes();
                let plain = parameters
                    .clone()
                    .all(|b| b.is_ascii_digit() || b == b';' || b == b':');
                (at + end + 1, body.as_bytes()[end] == b'm' && plain)
            }
            None => (text.len(), false),
        },
        // Titles and links: up to BEL or ESC \.
        ']' | 'P' | '_' | '^' | 'X' => match body.find(['\u{7}', '\u{1b}', '\u{9c}']) {
            Some(end) if body[end..].starts_with("\u{1b}\\") => (at + end + 2, false),
            Some(end) if body[end..].starts_with('\u{1b}') => (at + end, false),
            Some(end) => {
                let last = body[end..].chars().next().map_or(0, char::len_utf8);
                (at + end + last, false)
            }
            None => (text.len(), false),
        },
        // Two-character sequences, and three-character ones that choose a character set.
        ' '..='/' => (at + body.chars().next().map_or(0, char::len_utf8), false),
        _ => (at, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str) -> String {
        lines(text, Escapes::Strip).into_owned()
    }

    #[test]
    fn harmless_text_is_not_copied() {
        for text in ["", "epoch 1: loss 0.3\n\tok\n", "größe 3\n"] {
            assert!(
                matches!(lines(text, Escapes::Strip), Cow::Borrowed(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn no_line_is_a_command() {
        let table = [
            ("::error::x\n", "| ::error::x\n"),
            (
                " \u{a0}\t::set-output name=a::b\n",
                "|  \u{a0}\t::set-output name=a::b\n",
            ),
            ("ok\r::error::x\n", "ok\n| ::error::x\n"),
            ("ok\r\n::add-mask::x\r\n", "ok\n| ::add-mask::x\n"),
            ("\u{1b}[31m::error::x\u{1b}[0m\n", "| ::error::x\n"),
            ("a ##[error]b\n", "a ##\\[error]b\n"),
            ("#\u{1b}[0m#[group]b\n", "##\\[group]b\n"),
            ("a::b\n", "a::b\n"),
            ("no end", "no end\n"),
            ("\u{b}::error::x\n", "\u{fffd}::error::x\n"),
            ("\u{85}::error::x\n", "\u{fffd}::error::x\n"),
            ("\u{2028}::error::x\n", "\u{fffd}::error::x\n"),
            ("\u{3000}::error::x\n", "| \u{3000}::error::x\n"),
        ];
        for (text, expected) in table {
            assert_eq!(strip(text), expected, "{text:?}");
        }
    }

    #[test]
    fn escapes_go_and_colours_may_stay() {
        let text = "\u{1b}[1;31mred\u{1b}[2K\u{1b}]0;title\u{7}\u{1b}]8;;http://x\u{1b}\\link\u{1b}(B\u{7}\n";
        assert_eq!(strip(text), "redlink\u{fffd}\n");
        assert_eq!(
            lines(text, Escapes::KeepColours),
            "\u{1b}[1;31mredlink\u{fffd}\u{1b}[0m\n"
        );
        assert_eq!(strip("a\u{1b}[12"), "a\n");
        assert_eq!(strip("a\u{1b}"), "a\n");
        assert_eq!(strip("a\u{1b}]open\n"), "a\n");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(line("a\r\nb\nc\n"), "a b c");
        assert_eq!(line("::error::x"), "| ::error::x");
        assert_eq!(line("x\u{202e}y"), "x\u{fffd}y");
    }
}
