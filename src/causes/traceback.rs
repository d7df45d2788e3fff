//! Python tracebacks in a container's log: frames and exception, also behind a logger's prefix, inside a JSON line, or
//! with the beginning cut off. Pure. Paths are the container's.

/// How every traceback begins.
const HEADER: &str = "Traceback (most recent call last):";
/// How a crash in native code begins.
const FATAL: &str = "Fatal Python error: ";

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Path in the container.
    pub(super) file: String,
    /// Counted from 1.
    pub(super) line: u32,
    pub(super) function: String,
}

/// How a traceback is tied to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// `raise … from …`
    Cause,
    /// Raised while the one before was handled.
    Handling,
}

/// One traceback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traceback {
    /// First line of the log that belongs to it.
    pub(super) start: usize,
    /// The line with the exception.
    pub(super) end: usize,
    /// Outermost first.
    pub(super) frames: Vec<Frame>,
    /// `ValueError: x`, its first line. Untrusted.
    pub(super) exception: String,
    /// The lines below the exception that may go on with its message.
    pub(super) more: Vec<String>,
    pub(super) follows: Option<Follows>,
    /// Whether the innermost frame stands at a `raise` statement.
    pub(super) raises: bool,
}

impl Traceback {
    /// Type and message of the exception, without the type's module.
    pub(super) fn parts(&self) -> (&str, &str) {
        let (kind, message) = self
            .exception
            .split_once(": ")
            .unwrap_or((&self.exception, ""));
        let kind = kind.trim_end_matches(':');
        (kind.rsplit('.').next().unwrap_or(kind), message)
    }

    /// Whether a frame's file ends with or contains the text.
    pub(super) fn passes(&self, part: &str) -> bool {
        self.frames.iter().any(|frame| frame.file.contains(part))
    }
}

/// The log as it is read: without colours, and a JSON logger's traceback as lines.
pub(super) fn clean(log: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for line in log {
        let line = uncoloured(line);
        let escaped = format!("{HEADER}\\n");
        if let Some(start) = line.find(&escaped) {
            let text = line[start..].replace("\\n", "\n").replace("\\\"", "\"");
            lines.extend(text.lines().map(str::to_owned));
            // The exception ends where the JSON string does.
            if let Some(last) = lines.last_mut()
                && let Some(end) = last.find("\",").or_else(|| last.find("\"}"))
            {
                last.truncate(end);
            }
        } else {
            lines.push(line);
        }
    }
    lines
}

fn uncoloured(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.trim_end_matches('\r');
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    text.push_str(rest);
    text
}

/// All tracebacks, in the order of the log.
pub(super) fn all(log: &[String]) -> Vec<Traceback> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < log.len() {
        match one(log, at).or_else(|| fatal(log, at)) {
            Some(traceback) => {
                at = traceback.end + 1;
                found.push(traceback);
            }
            None => at += 1,
        }
    }
    found
}

/// A traceback that begins at this line: with its header, or with a frame when the header is cut off.
fn one(log: &[String], start: usize) -> Option<Traceback> {
    let first = &log[start];
    let (prefix, mut frames) = match first.find(HEADER) {
        Some(at) => {
            let rest = frame(&first[at + HEADER.len()..]);
            (first[..at].replace('+', "|"), rest.into_iter().collect())
        }
        None => {
            let frame = frame(first).filter(|_| first.starts_with("  File "))?;
            (String::new(), vec![frame])
        }
    };
    // A group's header has a word of its own before it; its lines begin with a bar.
    let prefix = prefix
        .strip_suffix("Exception Group ")
        .unwrap_or(&prefix)
        .to_owned();
    let mut source = "";
    for (index, line) in log.iter().enumerate().skip(start + 1) {
        let line = line.strip_prefix(&prefix).unwrap_or(line);
        if let Some(frame) = frame(line) {
            frames.push(frame);
            source = "";
            continue;
        }
        if line.is_empty() || line.starts_with([' ', '\t']) {
            if source.is_empty() {
                source = line.trim();
            }
            continue;
        }
        if frames.is_empty() || !is_exception(line) {
            return None;
        }
        let more = log.iter().skip(index + 1).take(3);
        return Some(Traceback {
            start,
            end: index,
            frames,
            exception: line.trim_end().to_owned(),
            more: more.cloned().collect(),
            follows: follows(log, start),
            raises: source.starts_with("raise ") || source == "raise",
        });
    }
    None
}

/// `ValueError: x`, `sklearn.exceptions.InconsistentVersionWarning: …` or a bare `MemoryError`.
fn is_exception(line: &str) -> bool {
    let kind = line.split(": ").next().unwrap_or_default();
    let kind = kind.trim_end().trim_end_matches(':');
    let name = kind.rsplit('.').next().unwrap_or_default();
    !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_lowercase() || c == '_')
        && kind
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
}

fn follows(log: &[String], start: usize) -> Option<Follows> {
    log[..start].iter().rev().take(3).find_map(|line| {
        if line.contains("was the direct cause of the following exception:") {
            Some(Follows::Cause)
        } else if line.contains("another exception occurred:") {
            Some(Follows::Handling)
        } else {
            None
        }
    })
}

/// What Python's fault handler prints when native code crashes: the innermost frame first.
fn fatal(log: &[String], start: usize) -> Option<Traceback> {
    let title = log[start].strip_prefix(FATAL)?;
    let stack = log[start..]
        .iter()
        .position(|line| line.contains("(most recent call first):"))?;
    let mut frames: Vec<Frame> = log[start + stack + 1..]
        .iter()
        .map_while(|line| frame(line))
        .collect();
    let end = start + stack + frames.len();
    frames.reverse();
    Some(Traceback {
        start,
        end,
        frames,
        exception: format!("{FATAL}{title}"),
        more: Vec::new(),
        follows: None,
        raises: false,
    })
}

/// `File "x.py", line 3, in f`
fn frame(line: &str) -> Option<Frame> {
    let text = line.trim_start_matches([' ', '|', '\t']);
    let (file, rest) = text.strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let function = rest[digits..].rsplit("in ").next().unwrap_or_default();
    Some(Frame {
        file: file.to_owned(),
        line: rest[..digits].parse().ok()?,
        function: function.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn read(text: &str) -> Vec<(String, Vec<(String, u32)>)> {
        all(&clean(&lines(text)))
            .into_iter()
            .map(|one| {
                let frames = one.frames.into_iter().map(|frame| (frame.file, frame.line));
                (one.exception, frames.collect())
            })
            .collect()
    }

    #[test]
    fn header_prefix_json_and_a_lost_beginning() {
        let wanted = vec![(
            "ValueError: x".to_owned(),
            vec![("/app/a.py".to_owned(), 3)],
        )];
        for text in [
            "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\n    f()\nValueError: x",
            "[rank0]: Traceback (most recent call last):\n[rank0]:   File \"/app/a.py\", line 3, in f\n[rank0]: ValueError: x",
            "  File \"/app/a.py\", line 3, in f\n    f()\n    ^^^\nValueError: x",
            "{\"level\": \"error\", \"exc_info\": \"Traceback (most recent call last):\\n  File \\\"/app/a.py\\\", line 3, in f\\nValueError: x\", \"logger\": \"a\"}",
            "\u{1b}[31mTraceback (most recent call last):\u{1b}[0m\n  File \"/app/a.py\", line 3, in f\nValueError: x",
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn words_alone_are_no_traceback() {
        assert!(read("no Traceback here\nValueError: x").is_empty());
        assert!(
            read("Traceback (most recent call last):\nthe rest of the page was lost").is_empty()
        );
        assert!(read("  File \"/app/a.py\", line 3, in f\nthat is all, folks").is_empty());
    }

    #[test]
    fn a_chain_is_tied_and_a_raise_is_seen() {
        let text = "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/app/a.py\", line 5, in f\n    raise RuntimeError(\"no\")\nRuntimeError: no";
        let found = all(&lines(text));
        assert_eq!(found[0].follows, None);
        assert_eq!(found[1].follows, Some(Follows::Handling));
        assert!(found[1].raises && !found[0].raises);
        assert_eq!(found[1].parts(), ("RuntimeError", "no"));
    }

    #[test]
    fn a_crash_in_native_code_has_a_stack() {
        let text = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File \"/usr/lib/c.py\", line 5 in s\n  File \"/app/a.py\", line 3 in <module>";
        let found = read(text);
        assert_eq!(found[0].1.last().unwrap().0, "/usr/lib/c.py");
    }
}
