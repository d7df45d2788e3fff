//! Finds the last Python traceback in the end of an output, and the place in the workspace that it points to. Pure.

use std::path::{Component, Path, PathBuf};

/// What the training said before it died.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Traceback {
    /// The last line of the exception's first paragraph: `ValueError: x`. Untrusted.
    pub(super) exception: String,
    /// The innermost frame within the workspace: absolute path and line.
    pub(super) frame: Option<(PathBuf, u32)>,
}

const HEADER: &str = "Traceback (most recent call last):";
/// How Python's fault handler begins a stack: innermost frame first.
const FAULT: &str = "(most recent call first):";
const SYNTAX: &[&str] = &["SyntaxError: ", "IndentationError: ", "TabError: "];

/// The last traceback, if there is one. Relative paths of frames are taken from `folder`.
pub(super) fn last(tail: &[String], root: &Path, folder: &Path) -> Option<Traceback> {
    let inside = |line: &str| {
        frame(line).and_then(|(file, number)| Some((in_workspace(file, root, folder)?, number)))
    };
    let starts: Vec<usize> = positions(tail, |line| line.ends_with(HEADER));
    if let Some(fault) = fault(tail, inside) {
        return Some(fault);
    }
    let Some(&start) = starts.last() else {
        return syntax_error(tail, inside);
    };
    let exception = exception(tail, start)?;
    // The last traceback in a chain was raised last; one that never touches the workspace leaves the word to the one before.
    let mut end = tail.len();
    let mut found = None;
    for &start in starts.iter().rev() {
        let body = &tail[start + 1..end];
        let prefix = prefix(&tail[start]);
        let frames = body
            .iter()
            .map(|line| line.strip_prefix(prefix).unwrap_or(line));
        // Frames end where the exception stands; what was printed later is not looked at.
        let frames = frames.take_while(|line| is_within(line)).filter_map(inside);
        found = frames.last();
        if found.is_some() {
            break;
        }
        end = start;
    }
    Some(Traceback {
        exception,
        frame: found,
    })
}

fn positions(lines: &[String], wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| wanted(line))
        .map(|(at, _)| at)
        .collect()
}

/// What stands before the header on each line of it: `[rank0]: ` of a launcher, a logger's prefix.
fn prefix(header: &str) -> &str {
    let prefix = header.strip_suffix(HEADER).unwrap_or_default();
    // A group's header has a word of its own there.
    if prefix.contains("Exception Group") {
        ""
    } else {
        prefix
    }
}

/// Whether a line belongs to a stack: indented, or the frame of an exception group.
fn is_within(line: &str) -> bool {
    line.is_empty() || line.starts_with([' ', '\t', '|'])
}

/// The first line after the stack that is not indented.
fn exception(tail: &[String], start: usize) -> Option<String> {
    let header = &tail[start];
    let prefix = prefix(header);
    let group = header.contains("Exception Group") || header.trim_start().starts_with('|');
    tail[start + 1..].iter().find_map(|line| {
        let line = line.strip_prefix(prefix).unwrap_or(line);
        if group {
            let text = line.trim_start_matches([' ', '|']);
            let indented = line.len() - text.len()
                > header.len() - header.trim_start_matches([' ', '|', '+']).len() + 1;
            return (!indented && !text.is_empty()).then(|| text.trim_end().to_owned());
        }
        (!is_within(line)).then(|| line.trim_end().to_owned())
    })
}

/// `  File "x.py", line 3` and a message without any traceback: the script itself does not compile.
fn syntax_error(
    tail: &[String],
    inside: impl Fn(&str) -> Option<(PathBuf, u32)>,
) -> Option<Traceback> {
    let at = tail
        .iter()
        .rposition(|line| SYNTAX.iter().any(|kind| line.starts_with(kind)))?;
    let above = tail[..at]
        .iter()
        .rev()
        .take(6)
        .find(|line| frame(line).is_some())?;
    Some(Traceback {
        exception: tail[at].trim_end().to_owned(),
        frame: inside(above),
    })
}

/// The stack that the fault handler prints when native code crashes, or when we end a training that hangs.
fn fault(tail: &[String], inside: impl Fn(&str) -> Option<(PathBuf, u32)>) -> Option<Traceback> {
    let title = tail
        .iter()
        .rposition(|line| line.starts_with("Fatal Python error: "))?;
    let stack = tail[title..]
        .iter()
        .position(|line| line.starts_with("Current thread") && line.contains(FAULT))?;
    let frames = tail[title + stack + 1..]
        .iter()
        .take_while(|line| line.starts_with(' '));
    Some(Traceback {
        exception: tail[title].trim_end().to_owned(),
        frame: frames.filter_map(|line| inside(line)).next(),
    })
}

/// File and line of `File "x.py", line 3`, in whatever it is embedded.
fn frame(line: &str) -> Option<(&str, u32)> {
    let text = line.trim_start_matches([' ', '|', '\t']);
    let (file, rest) = text.strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((file, rest[..digits].parse().ok()?))
}

/// The absolute path, when it is a file of the user's.
fn in_workspace(file: &str, root: &Path, folder: &Path) -> Option<PathBuf> {
    if file.starts_with('<') {
        return None;
    }
    let mut path = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    let relative = path.strip_prefix(root).ok()?;
    let foreign = |part: Component<'_>| {
        matches!(
            part.as_os_str().to_str(),
            Some("site-packages" | "dist-packages" | ".venv" | "venv" | ".ml-deploy")
        )
    };
    let user = !relative.components().any(foreign);
    user.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, Option<(String, u32)>)> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let found = last(&lines, Path::new("/w"), Path::new("/w/app"))?;
        Some((
            found.exception,
            found
                .frame
                .map(|(file, line)| (file.display().to_string(), line)),
        ))
    }

    fn at(file: &str, line: u32) -> Option<(String, u32)> {
        Some((file.to_owned(), line))
    }

    #[test]
    fn the_innermost_frame_of_the_workspace_counts() {
        let text = "epoch 1\nTraceback (most recent call last):\n  File \"/w/app/train.py\", line 12, in <module>\n    main()\n  \
                    File \"/w/app/lib/data.py\", line 7, in main\n    pd.read_csv(x)\n  File \"/c/lib/python3.11/site-packages/pandas/io.py\", line 9, in read_csv\n    \
                    raise E\nFileNotFoundError: [Errno 2] no file: 'x'\nbye\n  File \"/w/app/no.py\", line 1";
        assert_eq!(
            parse(text),
            Some((
                "FileNotFoundError: [Errno 2] no file: 'x'".into(),
                at("/w/app/lib/data.py", 7)
            ))
        );
    }

    #[test]
    fn relative_paths_are_of_the_working_directory() {
        let text = "Traceback (most recent call last):\n  File \"../other/x.py\", line 3, in f\n    f()\nKeyError: 'a'";
        assert_eq!(
            parse(text),
            Some(("KeyError: 'a'".into(), at("/w/other/x.py", 3)))
        );
    }

    #[test]
    fn in_a_chain_the_last_counts_unless_it_is_foreign() {
        let first = "Traceback (most recent call last):\n  File \"/w/app/train.py\", line 2, in f\n    x\nKeyError: 1\n\n";
        let between = "During handling of the above exception, another exception occurred:\n\n";
        let second = "Traceback (most recent call last):\n  File \"/w/app/train.py\", line 9, in g\n    y\nValueError: 2\n";
        let foreign = "Traceback (most recent call last):\n  File \"/usr/lib/python3/x.py\", line 9, in g\n    y\nValueError: 2\n";
        assert_eq!(
            parse(&format!("{first}{between}{second}")),
            Some(("ValueError: 2".into(), at("/w/app/train.py", 9)))
        );
        assert_eq!(
            parse(&format!("{first}{between}{foreign}")),
            Some(("ValueError: 2".into(), at("/w/app/train.py", 2)))
        );
    }

    #[test]
    fn a_script_that_does_not_compile_has_a_place_too() {
        let text = "  File \"/w/app/train.py\", line 4\n    def f(:\n          ^\nSyntaxError: invalid syntax";
        assert_eq!(
            parse(text),
            Some((
                "SyntaxError: invalid syntax".into(),
                at("/w/app/train.py", 4)
            ))
        );
        let text = "Traceback (most recent call last):\n  File \"/w/app/train.py\", line 1, in <module>\n    import m\n  \
                    File \"/w/app/m.py\", line 4\n    def f(:\n          ^\nSyntaxError: invalid syntax";
        assert_eq!(
            parse(text),
            Some(("SyntaxError: invalid syntax".into(), at("/w/app/m.py", 4)))
        );
    }

    #[test]
    fn a_crash_in_native_code_has_a_stack() {
        let text = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  \
                    File \"/usr/lib/python3/ctypes.py\", line 5 in string_at\n  File \"/w/app/train.py\", line 3 in <module>\n\nExtension modules: numpy";
        assert_eq!(
            parse(text),
            Some((
                "Fatal Python error: Segmentation fault".into(),
                at("/w/app/train.py", 3)
            ))
        );
    }

    #[test]
    fn prefixes_and_groups_are_read() {
        let text = "[rank0]: Traceback (most recent call last):\n[rank0]:   File \"/w/app/t.py\", line 5, in <module>\n[rank0]:     f()\n[rank0]: RuntimeError: nccl";
        assert_eq!(
            parse(text),
            Some(("RuntimeError: nccl".into(), at("/w/app/t.py", 5)))
        );
        let text = "  + Exception Group Traceback (most recent call last):\n  |   File \"/w/app/t.py\", line 5, in <module>\n  |     f()\n  | ExceptionGroup: two (2 sub-exceptions)";
        assert_eq!(
            parse(text),
            Some((
                "ExceptionGroup: two (2 sub-exceptions)".into(),
                at("/w/app/t.py", 5)
            ))
        );
    }

    #[test]
    fn no_traceback_is_no_traceback() {
        assert_eq!(parse("all\ngood"), None);
        assert_eq!(
            parse("python: can't open file '/w/app/x.py': [Errno 2]"),
            None
        );
    }
}
