//! The live log on standard output: one stream, whole lines, one stage in the foreground. Other stages that speak meanwhile are
//! marked with their name. It knows the order of things; what they look like is `terminal`'s and `github::commands`'.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{End, Stage};

use super::github::commands;
use super::gitlab::sections::Sections;
use super::live::{ERASE, Live};
use super::neutral::Escapes;
use super::outputs::Facts;
use super::paint::{Paint, duration};
use super::{jsonl, stream, terminal};

/// Annotations of a type that findings may take while the run goes on; the rest is kept for what ends it.
const LIVE_ANNOTATIONS: usize = commands::ANNOTATIONS - 4;

/// What the log looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Skin {
    Terminal(Paint),
    Github,
    /// Like the terminal, in sections that fold.
    Gitlab(Paint),
    /// Nothing but the records of `jsonl`.
    Json,
}

/// The log.
pub(super) struct Console {
    skin: Skin,
    out: Box<dyn Write + Send>,
    /// Nobody reads any more; the run goes on.
    closed: bool,
    foreground: Option<Stage>,
    /// What is over: the last words of such a stage need no heading.
    ended: BTreeSet<Stage>,
    purposes: BTreeMap<Stage, String>,
    annotated: BTreeMap<Severity, usize>,
    sections: Sections,
    /// The run is over; annotations need not be saved any more.
    ending: bool,
    /// On a terminal: the line that is drawn again and again.
    live: Option<Live>,
    /// What of it is seen now.
    drawn: String,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("skin", &self.skin)
            .finish_non_exhaustive()
    }
}

impl Console {
    pub(super) fn new(skin: Skin, out: Box<dyn Write + Send>, live: bool) -> Self {
        let live = match skin {
            Skin::Terminal(paint) if live => Some(Live::new(paint)),
            _ => None,
        };
        Self {
            skin,
            out,
            closed: false,
            foreground: None,
            ended: BTreeSet::new(),
            purposes: BTreeMap::new(),
            annotated: BTreeMap::new(),
            sections: Sections::default(),
            ending: false,
            live,
            drawn: String::new(),
        }
    }

    /// Whether a line has to be drawn again from time to time.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Draws the live line as it is now.
    pub(super) fn redraw(&mut self) {
        if self.live_line() != self.drawn {
            self.put("");
        }
    }

    fn live_line(&self) -> String {
        let live = self.live.as_ref();
        live.map_or(String::new(), |live| {
            live.line(stream::columns(), Instant::now())
        })
    }

    /// What may stay of terminal escapes in foreign output.
    pub(super) fn escapes(&self) -> Escapes {
        match self.skin {
            Skin::Terminal(paint) | Skin::Gitlab(paint) if paint.colours() => Escapes::KeepColours,
            _ => Escapes::Strip,
        }
    }

    /// Whole lines, in one write: another process that shares the stream cannot split them.
    fn write(&mut self, lines: &str) {
        if !matches!(self.skin, Skin::Json) {
            self.record(lines);
        }
    }

    /// Whether the log is records and nothing else.
    pub(super) fn takes_records(&self) -> bool {
        matches!(self.skin, Skin::Json)
    }

    /// Writes records, which are whole lines too.
    pub(super) fn record(&mut self, lines: &str) {
        if !lines.is_empty() {
            self.put(lines);
        }
    }

    /// In the place of the live line, which moves behind it.
    fn put(&mut self, lines: &str) {
        if self.closed {
            return;
        }
        let line = self.live_line();
        let written = match (self.drawn.as_str(), line.as_str()) {
            ("", "") => self.out.write_all(lines.as_bytes()),
            ("", line) => self.out.write_all(format!("{lines}{line}").as_bytes()),
            (_, line) => self
                .out
                .write_all(format!("{ERASE}{lines}{line}").as_bytes()),
        };
        let written = written.and_then(|()| self.out.flush());
        self.drawn = line;
        if let Err(error) = written {
            self.closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::TimedOut);
        }
    }

    /// Tells the runner which values to hide.
    pub(super) fn mask(&mut self, values: &[String]) {
        if let Skin::Github = self.skin {
            for value in values {
                self.write(&commands::add_mask(value));
            }
        }
    }

    pub(super) fn started(&mut self, stage: Option<Stage>, what: &str) {
        let Some(stage) = stage else {
            self.note(None, what);
            return;
        };
        self.purposes.insert(stage, what.to_owned());
        self.ended.remove(&stage);
        if let Some(live) = &mut self.live {
            live.started(stage, what, Instant::now());
        }
        if self.foreground.is_none() {
            self.open(stage, "");
        } else {
            self.note(Some(stage), what);
        }
    }

    fn open(&mut self, stage: Stage, suffix: &str) {
        let purpose = self.purposes.get(&stage).map_or("", String::as_str);
        let heading = match self.skin {
            Skin::Terminal(paint) => terminal::heading(paint, stage, purpose, suffix),
            Skin::Github => {
                commands::group(format!("{stage}{suffix}: {purpose}").trim_end_matches(": "))
            }
            Skin::Gitlab(paint) => {
                let heading = terminal::heading(paint, stage, purpose, suffix);
                self.sections.open(stage.name(), heading.trim())
            }
            Skin::Json => String::new(),
        };
        self.foreground = Some(stage);
        self.write(&heading);
    }

    /// Whether lines of the stage stand under its own heading; opens one when no stage has it, unless the stage is over.
    fn at_home(&mut self, stage: Option<Stage>) -> bool {
        if let (None, Some(stage)) = (self.foreground, stage) {
            if self.ended.contains(&stage) {
                return true;
            }
            let suffix = if self.purposes.contains_key(&stage) {
                " (continued)"
            } else {
                ""
            };
            self.open(stage, suffix);
        }
        stage.is_none() || self.foreground == stage
    }

    /// Clean foreign lines.
    pub(super) fn output(&mut self, stage: Option<Stage>, lines: &str) {
        let home = self.at_home(stage);
        // While a program of its speaks, that is what a stage waits for, whatever it noted before.
        if let (Some(live), Some(stage)) = (&mut self.live, stage)
            && let Some(purpose) = self.purposes.get(&stage)
        {
            live.said(stage, purpose);
        }
        let name = stage.map_or("", Stage::name);
        let prefix = match (self.skin, home) {
            (Skin::Json, _) => return,
            (Skin::Github, true) => {
                self.write(lines);
                return;
            }
            (Skin::Github, false) => format!("{name} │ "),
            (Skin::Terminal(paint) | Skin::Gitlab(paint), true) => {
                format!("  {} ", paint.dim("│"))
            }
            (Skin::Terminal(paint) | Skin::Gitlab(paint), false) => {
                format!("  {} ", paint.dim(&format!("{name} │")))
            }
        };
        if let (Skin::Gitlab(paint), Some(_)) = (self.skin, self.foreground) {
            let fold = self.sections.fold(&paint.dim("  output"));
            self.write(&fold);
        }
        let mut text = String::with_capacity(lines.len() * 5 / 4);
        for line in lines.split_inclusive('\n') {
            text.push_str(&prefix);
            text.push_str(line);
        }
        self.write(&text);
    }

    /// A line of our own.
    pub(super) fn note(&mut self, stage: Option<Stage>, text: &str) {
        if let (Some(live), Some(stage)) = (&mut self.live, stage) {
            live.said(stage, text);
        }
        let home = self.at_home(stage);
        let name = stage.map_or("", Stage::name);
        let line = match (self.skin, home) {
            (Skin::Json, _) => return,
            (Skin::Github, true) => format!("{text}\n"),
            (Skin::Github, false) => format!("{name} │ {text}\n"),
            (Skin::Terminal(_) | Skin::Gitlab(_), true) => format!("  {text}\n"),
            (Skin::Terminal(paint) | Skin::Gitlab(paint), false) => {
                format!("  {} {text}\n", paint.dim(&format!("{name} │")))
            }
        };
        let unfold = self.sections.unfold();
        self.write(&(unfold + &line));
    }

    pub(super) fn retrying(&mut self, stage: Option<Stage>, after: Duration, why: &str) {
        self.note(
            stage,
            &format!("trying again in {}: {why}", duration(after)),
        );
    }

    pub(super) fn finished(&mut self, stage: Option<Stage>, end: End, took: Duration) {
        let Some(stage) = stage else { return };
        self.ended.insert(stage);
        if let Some(live) = &mut self.live {
            live.finished(stage);
        }
        if self.foreground == Some(stage) {
            self.close();
        }
        let paint = match self.skin {
            Skin::Terminal(paint) | Skin::Gitlab(paint) => paint,
            Skin::Github | Skin::Json => Paint::new(false),
        };
        let unfold = self.sections.unfold();
        self.write(&unfold);
        let line = terminal::ended(paint, stage, end, took);
        if self.foreground.is_some() && matches!(self.skin, Skin::Terminal(_)) {
            self.write(&format!("  {line}"));
        } else {
            self.write(&line);
        }
    }

    /// Ends the foreground; the next line of a stage opens its heading again.
    pub(super) fn close(&mut self) {
        if self.foreground.take().is_some() && matches!(self.skin, Skin::Github) {
            self.write(&commands::endgroup());
        }
        let closed = self.sections.close();
        self.write(&closed);
    }

    /// A finding; `source` is the line it points at. An annotation inside a folded group would not be seen. Returns whether it
    /// became an annotation.
    pub(super) fn finding(&mut self, finding: &Diagnostic, source: Option<&str>) -> bool {
        let mut annotate = false;
        match self.skin {
            Skin::Json => {}
            Skin::Terminal(paint) => self.write(&terminal::finding(paint, finding, source)),
            Skin::Gitlab(paint) => {
                self.close();
                self.write(&terminal::finding(paint, finding, source));
            }
            Skin::Github => {
                self.close();
                let used = self.annotated.entry(finding.severity).or_default();
                let limit = if self.ending {
                    commands::ANNOTATIONS
                } else {
                    LIVE_ANNOTATIONS
                };
                annotate = *used < limit;
                *used += usize::from(annotate);
                if annotate {
                    self.write(&commands::annotation(finding));
                    // The runner shows message and help of an annotation itself.
                    self.write(&terminal::proof(Paint::new(false), finding, source));
                } else {
                    self.write(&terminal::finding(Paint::new(false), finding, source));
                }
            }
        }
        annotate
    }

    /// A reporter has failed.
    pub(super) fn warning(&mut self, text: &str) {
        let line = match self.skin {
            Skin::Terminal(paint) | Skin::Gitlab(paint) => {
                format!("{}: {text}\n", paint.yellow("warning"))
            }
            Skin::Github => commands::warning(text),
            Skin::Json => return self.record(&jsonl::warning(text)),
        };
        self.write(&line);
    }

    /// Something that somebody may want to change.
    pub(super) fn notice(&mut self, text: &str) {
        let line = match self.skin {
            Skin::Terminal(_) | Skin::Gitlab(_) => format!("{text}\n"),
            Skin::Github => commands::notice(text),
            Skin::Json => return self.record(&jsonl::warning(text)),
        };
        self.write(&line);
    }

    /// From here on, everything ends the run.
    pub(super) fn end(&mut self) {
        self.live = None;
        self.redraw();
        self.close();
        self.ending = true;
    }

    /// The last block.
    pub(super) fn verdict(&mut self, facts: &Facts<'_>) {
        self.close();
        let paint = match self.skin {
            Skin::Terminal(paint) | Skin::Gitlab(paint) => paint,
            Skin::Github | Skin::Json => Paint::new(false),
        };
        self.write(&terminal::verdict(paint, facts));
    }
}
