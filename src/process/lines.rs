//! Cuts a stream of bytes into whole lines of text, fast and with bounded memory. Pure.

/// Longer lines are cut into pieces of at most this many bytes, with marks where they are cut.
const LONGEST: usize = 64 * 1024;

/// Says that a line goes on, at the end of a piece and at the beginning of the next: who hides secrets knows by it that one may
/// stand on both sides.
const CUT: &str = "…";

/// Splits at `\n`, `\r\n` and bare `\r` (a progress bar's repaint becomes a line). What is not UTF-8 is replaced.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that has not ended yet.
    pending: Vec<u8>,
    /// The last byte was `\r`, and whether it has ended a line already.
    carriage: Option<bool>,
}

impl Lines {
    /// Takes bytes; gives the lines that are complete now, each ended by `\n`.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<String> {
        let mut out = Vec::with_capacity(self.pending.len() + bytes.len() + 1);
        while let Some(&first) = bytes.first() {
            if let Some(ended) = self.carriage.take()
                && first == b'\n'
            {
                // `\r\n` is one end of line; the `\r` may have ended it, unless the line was empty.
                if !ended {
                    out.push(b'\n');
                }
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|&b| b == b'\n' || b == b'\r');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            self.append(part, &mut out);
            let Some(end) = end else { break };
            let empty = self.pending.is_empty();
            if bytes[end] == b'\r' {
                self.carriage = Some(!empty);
            }
            // A bare `\r` at the start of a line only repaints it: no line of its own.
            if bytes[end] == b'\n' || !empty {
                out.append(&mut self.pending);
                out.push(b'\n');
            }
            bytes = &bytes[end + 1..];
        }
        text(out)
    }

    /// The last line, when the stream ended within one.
    pub(super) fn finish(&mut self) -> Option<String> {
        let mut out = std::mem::take(&mut self.pending);
        if !out.is_empty() {
            out.push(b'\n');
        }
        text(out)
    }

    /// Adds to the pending line; pieces that are too long go out with a line end of ours.
    fn append(&mut self, mut part: &[u8], out: &mut Vec<u8>) {
        const ROOM: usize = LONGEST - CUT.len();
        while self.pending.len() + part.len() > ROOM {
            let mut cut = ROOM - self.pending.len();
            // Not within a character: at most three bytes back to its first.
            while cut > 0 && ROOM - self.pending.len() - cut < 3 && is_continuation(part[cut]) {
                cut -= 1;
            }
            out.append(&mut self.pending);
            out.extend_from_slice(&part[..cut]);
            out.extend_from_slice(CUT.as_bytes());
            out.push(b'\n');
            part = &part[cut..];
            self.pending.extend_from_slice(CUT.as_bytes());
        }
        self.pending.extend_from_slice(part);
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

fn text(bytes: Vec<u8>) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The end of the output: the whole lines in at least the last 128 KiB of it, of which 200 are given out.
#[derive(Debug, Default)]
pub(super) struct Tail {
    text: String,
}

impl Tail {
    const KEPT: usize = 128 * 1024;
    const LINES: usize = 200;

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        // Cutting rarely makes the copying negligible.
        if self.text.len() > 4 * Self::KEPT {
            let from = self.text.floor_char_boundary(self.text.len() - Self::KEPT);
            // Half a line may begin with half a secret.
            let line = self.text[from..].find('\n').map_or(0, |end| end + 1);
            self.text.drain(..from + line);
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .text
            .lines()
            .rev()
            .take(Self::LINES)
            .map(str::to_owned)
            .collect();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> String {
        let mut lines = Lines::default();
        let mut all: String = chunks.iter().filter_map(|c| lines.feed(c)).collect();
        all.extend(lines.finish());
        all
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        assert_eq!(split(&[b"a\nb\r\nc\rd"]), "a\nb\nc\nd\n");
        assert_eq!(split(&[b"a\r", b"\nb"]), "a\nb\n");
        assert_eq!(split(&[b"\n\r\n\n"]), "\n\n\n");
        assert_eq!(split(&[b"\r 10%", b"\r 20%\n"]), " 10%\n 20%\n");
        assert_eq!(split(&[b"\r##[error]x\r"]), "##[error]x\n");
    }

    #[test]
    fn characters_survive_chunks_and_what_is_no_text_is_replaced() {
        let euro = "€".as_bytes();
        assert_eq!(split(&[&euro[..1], &euro[1..], b"\n"]), "€\n");
        assert_eq!(split(&[b"\xff\n"]), "\u{fffd}\n");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "€".repeat(100_000);
        let out = split(&[long.as_bytes(), b"\nend\n"]);
        assert!(out.lines().all(|line| line.len() <= LONGEST));
        assert!(!out.contains('\u{fffd}'));
        assert_eq!(out.replace("…\n…", ""), format!("{long}\nend\n"));
        let (whole, more) = ("a".repeat(LONGEST - 3), "a".repeat(LONGEST - 2));
        assert_eq!(split(&[whole.as_bytes()]), format!("{whole}\n"));
        assert_eq!(split(&[more.as_bytes()]), format!("{whole}…\n…a\n"));
    }

    #[test]
    fn the_tail_keeps_the_end() {
        let mut tail = Tail::default();
        for n in 0..100_000 {
            tail.push(&format!("line {n}\n"));
        }
        let lines = tail.into_lines();
        assert_eq!(lines.len(), 200);
        assert_eq!(lines[199], "line 99999");
    }

    #[test]
    fn the_tail_begins_with_a_whole_line() {
        let mut tail = Tail::default();
        for n in 0..9 {
            tail.push(&format!("begin {n} {}\n", "x".repeat(LONGEST - 20)));
        }
        let lines = tail.into_lines();
        assert!(lines.len() < 9 && lines.iter().all(|line| line.starts_with("begin ")));
    }
}
