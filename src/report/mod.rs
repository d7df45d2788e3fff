//! One run, one truth: a single task listens to all events, hides secrets first, and writes log, summary, outputs and report.
//! It never imports a stage. A reporter that fails is a warning, never the run's result.
//!
//! ```text
//! let (events, receiver) = Events::channel();
//! let reporters = report::start(settings, receiver, cancel);   // listens until every `Events` is dropped
//! let outcome = pipeline::run(…, events).await;
//! reporters.await?.finish(&Verdict::…);                 // the verdict, after everything else was written
//! ```

mod changes;
mod console;
mod gates;
mod github;
mod history;
mod json;
mod layers;
mod markdown;
mod mermaid;
mod neutral;
pub(crate) mod outputs;
mod paint;
mod parity;
mod record;
mod redact;
#[cfg(test)]
mod sample;
mod shapes;
mod skipped;
mod snippet;
mod stream;
mod summary;
mod telling;
mod terminal;
mod text;
mod timeline;
mod trial;
mod undone;

pub(crate) use text::{clap, lines};

use std::borrow::Cow;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::artifact::Artifact;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::event::{Event, EventKind};
use crate::failure::Failure;

use console::{Console, Skin};
use outputs::Facts;
use paint::Paint;
use record::Record;
use redact::Redactor;
use stream::Stdout;

/// Where and how to report.
#[derive(Debug)]
pub(crate) struct Settings {
    /// On GitHub (or act): speak workflow commands and write the runner's files.
    pub(crate) github: Option<GithubFiles>,
    /// `report.json`, absolute.
    pub(crate) report: PathBuf,
    /// Root of the checkout: source lines are shown from it, and its owner gets the files we make.
    pub(crate) workspace_root: PathBuf,
    /// Colours: standard output is a terminal and `NO_COLOR` is unset. Ignored on GitHub.
    pub(crate) colour: bool,
    /// Values to hide from the first line on; more may come as `EventKind::Mask`.
    pub(crate) secrets: Vec<SecretString>,
}

/// The files of the runner; one that it does not give is left out.
#[derive(Debug)]
pub(crate) struct GithubFiles {
    /// `GITHUB_OUTPUT`.
    pub(crate) output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub(crate) summary: Option<PathBuf>,
}

/// How the run ended, in one word: the output `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    Cancelled,
    /// Nothing had changed; an earlier result still holds.
    Reused,
}

impl Status {
    /// The word in outputs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Reused => "reused",
        }
    }
}

/// The end of the run.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) status: Status,
    pub(crate) failure: Option<&'a Failure>,
    /// Exit status of the process.
    pub(crate) exit: u8,
    /// What was left half done, one line each; empty when everything is as it should be.
    pub(crate) left: &'a [String],
}

impl<'a> Verdict<'a> {
    /// All went well.
    pub(crate) fn success(status: Status) -> Self {
        Self {
            status,
            failure: None,
            exit: 0,
            left: &[],
        }
    }

    /// It did not; the failure's first finding decides the exit status, and whether this is a failure or a cancel.
    pub(crate) fn failure(failure: &'a Failure, left: &'a [String]) -> Self {
        let code = failure.code();
        let cancelled = matches!(code, Code::Interrupted | Code::Terminated);
        Self {
            status: if cancelled {
                Status::Cancelled
            } else {
                Status::Failure
            },
            failure: Some(failure),
            exit: code.exit(),
            left,
        }
    }
}

/// Starts to listen. The handle is ready when every sending end is dropped; then call `finish`.
pub(crate) fn start(
    settings: Settings,
    mut receiver: mpsc::Receiver<Event>,
    cancel: CancellationToken,
) -> JoinHandle<Reporters> {
    // A thread of its own: a reader of our output that is slow must not hold up the pipeline's other work.
    tokio::task::spawn_blocking(move || {
        let mut reporters = Reporters::new(settings, Box::new(Stdout::new(cancel)));
        while let Some(event) = receiver.blocking_recv() {
            reporters.take(event);
        }
        reporters
    })
}

/// All reporters and what they know.
#[derive(Debug)]
pub(crate) struct Reporters {
    settings: Settings,
    redactor: Redactor,
    record: Record,
    console: Console,
}

impl Reporters {
    fn new(settings: Settings, out: Box<dyn Write + Send>) -> Self {
        let skin = if settings.github.is_some() {
            Skin::Github
        } else {
            Skin::Terminal(Paint::new(settings.colour))
        };
        let mut reporters = Self {
            redactor: Redactor::default(),
            record: Record::default(),
            console: Console::new(skin, out),
            settings,
        };
        let secrets = std::mem::take(&mut reporters.settings.secrets);
        reporters.mask(&secrets);
        reporters
    }

    fn mask(&mut self, secrets: &[SecretString]) {
        let new = self
            .redactor
            .add(secrets.iter().map(|secret| secret.expose_secret()));
        self.console.mask(&new);
    }

    fn take(&mut self, mut event: Event) {
        let stage = event.stage;
        match &mut event.kind {
            EventKind::Mask(secret) => {
                let secret = secret.clone();
                self.mask(&[secret]);
            }
            EventKind::Output(text) => {
                let text = self.clean_lines(text);
                self.console.output(stage, &text);
            }
            EventKind::Started(what) => {
                self.clean(what);
                self.console.started(stage, what);
            }
            EventKind::Note(text) => {
                self.clean(text);
                self.console.note(stage, text);
            }
            EventKind::Retrying { after, why } => {
                self.clean(why);
                self.console.retrying(stage, *after, why);
            }
            EventKind::Diagnosed(finding) => {
                self.clean_finding(finding);
                let source = self.source(finding);
                self.console.finding(finding, source.as_deref());
            }
            EventKind::Finished { end, took } => self.console.finished(stage, *end, *took),
            EventKind::Produced(Artifact::Bundle(bundle)) => {
                self.scrub_file(&bundle.path);
            }
            // The plan stands at the head of the log.
            EventKind::Produced(_) | EventKind::LeftOut(_) => {}
        }
        self.record.take(event);
    }

    /// Hides secrets in a file that a stage left: only here it is known what is secret. Until then nobody else may read it.
    fn scrub_file(&mut self, path: &str) {
        let path = self.settings.workspace_root.join(path);
        let scrubbed = fs_err::read_to_string(&path).and_then(|text| {
            if let Cow::Owned(clean) = self.redactor.redact(&text) {
                fs_err::write(&path, clean)?;
            }
            fs_err::set_permissions(&path, Permissions::from_mode(0o644))
        });
        if let Err(error) = scrubbed {
            self.console.warning(&neutral::line(&error.to_string()));
        }
    }

    /// Foreign lines, fit for the log. What neutralising changed may show a secret that was broken up before.
    fn clean_lines<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let escapes = self.console.escapes();
        match self.redactor.redact(text) {
            Cow::Borrowed(text) => match neutral::lines(text, escapes) {
                Cow::Borrowed(text) => Cow::Borrowed(text),
                Cow::Owned(text) => Cow::Owned(self.redactor.redact(&text).into_owned()),
            },
            Cow::Owned(text) => {
                let text = neutral::lines(&text, escapes);
                Cow::Owned(self.redactor.redact(&text).into_owned())
            }
        }
    }

    /// One line of ours with foreign parts.
    fn clean(&self, text: &mut String) {
        self.redactor.scrub(text);
        *text = neutral::line(text);
        self.redactor.scrub(text);
    }

    fn clean_finding(&self, finding: &mut Diagnostic) {
        self.clean(&mut finding.message);
        if let Some(help) = &mut finding.help {
            self.clean(help);
        }
        if let Some(at) = &mut finding.at {
            self.clean(&mut at.file);
        }
        for line in &mut finding.evidence {
            self.clean(line);
        }
    }

    fn source(&self, finding: &Diagnostic) -> Option<String> {
        let mut line = snippet::line(&self.settings.workspace_root, finding.at.as_ref()?)?;
        self.redactor.scrub(&mut line);
        // Nobody has read the value of a name that we do not know: it may be a secret whose name is misspelt.
        if finding.code == Code::InputUnknown
            && let Some((name, _)) = line.split_once(':')
        {
            line = format!("{name}: …");
        }
        Some(neutral::line(&line))
    }

    /// Says how the run ended and writes summary, outputs and report. Nothing here can change the run's result.
    pub(crate) fn finish(mut self, verdict: &Verdict<'_>) {
        self.console.end();
        let culprit = self.record.culprit();
        let findings = verdict
            .failure
            .iter()
            .flat_map(|failure| failure.findings());
        for finding in findings {
            let mut finding = finding.clone();
            self.clean_finding(&mut finding);
            if self.record.find(culprit, finding.clone()) {
                let source = self.source(&finding);
                self.console.finding(&finding, source.as_deref());
            }
        }
        self.record.redact(&self.redactor);
        let mut left = verdict.left.to_vec();
        for line in &mut left {
            self.clean(line);
        }
        let verdict = Verdict {
            left: &left,
            ..*verdict
        };
        let mut shown = snippet::relative(&self.settings.workspace_root, &self.settings.report);
        self.redactor.scrub(&mut shown);
        let facts = Facts {
            record: &self.record,
            verdict: &verdict,
            report: &shown,
        };
        for problem in write_files(&self.settings, &facts) {
            self.console.warning(&neutral::line(&problem));
        }
        self.console.verdict(&facts);
    }
}

/// Writes every file; returns what went wrong, each in one line.
fn write_files(settings: &Settings, facts: &Facts<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = json::write(&settings.report, &settings.workspace_root, facts) {
        problems.push(format!(
            "failed to write report `{}`: {error}",
            settings.report.display()
        ));
    }
    let Some(github) = &settings.github else {
        return problems;
    };
    if let Some(path) = &github.summary
        && let Err(error) = github::files::summary(path, &summary::markdown(facts))
    {
        problems.push(format!("failed to write the job summary: {error}"));
    }
    if let Some(path) = &github.output {
        match github::files::outputs(path, &outputs::values(facts)) {
            Ok(refused) => problems.extend(refused.iter().map(|name| {
                format!("output `{name}` is too long for GitHub; it stands in the report")
            })),
            Err(error) => problems.push(format!("failed to write the step's outputs: {error}")),
        }
    }
    problems
}

#[cfg(test)]
mod tests;
