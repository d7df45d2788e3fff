//! The last line of a terminal while a run goes on: what runs, for how long, and what it waits for. It is erased before anything
//! else is written, so it stays in no log. It makes text and writes nothing.

use std::time::{Duration, Instant};

use super::paint::Paint;
use crate::event::Stage;

/// Back to the line's begin, and nothing behind it any more (ECMA-48, `EL`).
pub(super) const ERASE: &str = "\r\u{1b}[K";

/// A narrower terminal gets no line.
const NARROWEST: usize = 20;

/// What runs.
#[derive(Debug)]
pub(super) struct Live {
    paint: Paint,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    stage: Stage,
    since: Instant,
    /// What it is there for, or the last that it said.
    doing: String,
}

impl Live {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            paint,
            running: Vec::new(),
        }
    }

    pub(super) fn started(&mut self, stage: Stage, what: &str, now: Instant) {
        self.finished(stage);
        self.running.push(Running {
            stage,
            since: now,
            doing: what.to_owned(),
        });
    }

    /// Something new of a stage that runs: what it waits for, most of the time.
    pub(super) fn said(&mut self, stage: Stage, text: &str) {
        if let Some(at) = self.running.iter().position(|one| one.stage == stage) {
            let mut one = self.running.remove(at);
            text.clone_into(&mut one.doing);
            // The last one that spoke is quoted.
            self.running.push(one);
        }
    }

    pub(super) fn finished(&mut self, stage: Stage) {
        self.running.retain(|one| one.stage != stage);
    }

    /// The line for a terminal of so many columns; empty when nothing runs.
    pub(super) fn line(&self, columns: usize, now: Instant) -> String {
        let Some(last) = self.running.last().filter(|_| columns >= NARROWEST) else {
            return String::new();
        };
        let times: Vec<String> = self
            .running
            .iter()
            .map(|one| {
                format!(
                    "{} {}",
                    one.stage,
                    clock(now.saturating_duration_since(one.since))
                )
            })
            .collect();
        let text = format!("… {}  {}", times.join(", "), last.doing);
        // In the last column some terminals begin a new line.
        self.paint.dim(&fitting(&text, columns - 1))
    }
}

/// `0:07`, `12:05`, `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// As much of the text as surely fits: a character beyond Latin letters may take two columns.
fn fitting(text: &str, columns: usize) -> String {
    let wide = |c: char| {
        if c < '\u{1100}' || c == '…' || c == '→' {
            1
        } else {
            2
        }
    };
    if text.chars().map(wide).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += wide(*c);
        used <= columns
    });
    format!("{}…", kept.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_runs_and_what_spoke_last() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut live = Live::new(Paint::new(false));
        assert_eq!(live.line(80, begin), "");
        live.started(Stage::Train, "python train.py", begin);
        live.started(Stage::Build, "image", after(5));
        assert_eq!(live.line(80, after(65)), "… train 1:05, build 1:00  image");
        live.said(Stage::Train, "installing 12 packages");
        live.said(Stage::Push, "does not run");
        assert_eq!(
            live.line(80, after(3700)),
            "… build 1:01:35, train 1:01:40  installing 12 packages"
        );
        live.finished(Stage::Train);
        assert_eq!(live.line(80, after(65)), "… build 1:00  image");
        live.finished(Stage::Build);
        assert_eq!(live.line(80, after(65)), "");
    }

    #[test]
    fn the_line_fits_into_the_terminal() {
        let now = Instant::now();
        let mut live = Live::new(Paint::new(false));
        live.started(Stage::Train, &"x".repeat(500), now);
        let line = live.line(40, now);
        assert_eq!(line.chars().count(), 39, "{line}");
        assert!(line.ends_with("xx…"), "{line}");
        live.started(Stage::Train, &"訓".repeat(500), now);
        let line = live.line(40, now);
        let wide = line.chars().filter(|c| *c == '訓').count();
        assert!(wide * 2 + (line.chars().count() - wide) <= 39, "{line}");
        assert_eq!(live.line(19, now), "");
    }
}
