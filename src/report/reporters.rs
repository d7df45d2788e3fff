//! All reporters of a run. Every text passes here once: what is secret is hidden and what is foreign made harmless, then log, record
//! and files get it. How a file or a comment looks is not known here.

use std::borrow::Cow;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::{ExposeSecret as _, SecretString};

use super::console::{Console, Skin};
use super::github::{self, Remark, Reporter};
use super::outputs::{self, Facts};
use super::paint::Paint;
use super::record::Record;
use super::redact::Redactor;
use super::{Settings, Verdict, files, gitlab, json, jsonl, neutral, snippet, summary};
use crate::artifact::Artifact;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::event::{Event, EventKind, Stage};
use crate::format::Format;

/// All reporters and what they know.
#[derive(Debug)]
pub(crate) struct Reporters {
    settings: Settings,
    redactor: Redactor,
    record: Record,
    pub(super) console: Console,
    github: Option<Reporter>,
}

impl Reporters {
    pub(super) fn new(settings: Settings, out: Box<dyn Write + Send>) -> Self {
        let skin = match settings.format {
            Format::Json => Skin::Json,
            Format::Plain => Skin::Terminal(Paint::new(false)),
            Format::Auto if settings.github.is_some() => Skin::Github,
            Format::Auto if settings.sections => Skin::Gitlab(Paint::new(settings.colour)),
            Format::Auto => Skin::Terminal(Paint::new(settings.colour)),
        };
        let mut reporters = Self {
            redactor: Redactor::default(),
            record: Record::default(),
            console: Console::new(skin, out, settings.live && settings.format == Format::Auto),
            github: None,
            settings,
        };
        files::clear(&reporters.settings.report);
        let secrets = std::mem::take(&mut reporters.settings.secrets);
        reporters.mask(&secrets);
        if reporters.console.takes_records() {
            reporters.console.record(&jsonl::begun());
        }
        let place = reporters.settings.github.as_mut();
        if let Some(place) = place.and_then(|github| github.place.take()) {
            match Reporter::new(place) {
                Ok(github) => reporters.github = Some(github),
                Err(error) => reporters.remark(Remark::Warning(format!(
                    "nothing can be reported to GitHub: {error:#}"
                ))),
            }
        }
        reporters
    }

    /// Says something about reporting, with GitHub's own words in it.
    fn remark(&mut self, remark: Remark) {
        let (Remark::Note(mut text) | Remark::Notice(mut text) | Remark::Warning(mut text)) =
            remark.clone();
        self.clean(&mut text);
        match remark {
            Remark::Note(_) if self.console.takes_records() => {
                self.console.record(&jsonl::note(&text));
            }
            Remark::Note(_) => self.console.note(None, &text),
            Remark::Notice(_) => self.console.notice(&text),
            Remark::Warning(_) => self.console.warning(&text),
        }
    }

    fn mask(&mut self, secrets: &[SecretString]) {
        let new = self
            .redactor
            .add(secrets.iter().map(|secret| secret.expose_secret()));
        self.console.mask(&new);
    }

    pub(super) fn take(&mut self, mut event: Event) {
        let stage = event.stage;
        let mut annotated = None;
        match &mut event.kind {
            EventKind::Mask(secret) => {
                let secret = secret.clone();
                self.mask(&[secret]);
            }
            EventKind::Output(text) => {
                let clean = self.clean_lines(text);
                if self.console.takes_records() {
                    *text = clean.into_owned();
                } else {
                    self.console.output(stage, &clean);
                }
            }
            EventKind::Started(what) => {
                self.clean(what);
                self.console.started(stage, what);
                if let (Some(Stage::Deploy), Some(github)) = (stage, &mut self.github) {
                    github.deploying(self.record.links(&self.redactor));
                }
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
                let done = self.console.finding(finding, source.as_deref());
                annotated = done.then(|| finding.clone());
            }
            EventKind::Finished { end, took } => self.console.finished(stage, *end, *took),
            EventKind::Produced(Artifact::Bundle(bundle)) => {
                self.scrub_file(&bundle.path);
            }
            // The plan stands at the head of the log.
            EventKind::Produced(_) | EventKind::LeftOut(_) => {}
        }
        if self.console.takes_records() {
            let lines = jsonl::event(&event, &self.redactor);
            self.console.record(&lines);
        }
        self.record.take(event);
        if let Some(finding) = annotated {
            self.record.annotated(&finding);
        }
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
    pub(crate) async fn finish(mut self, verdict: &Verdict<'_>) {
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
                if self.console.finding(&finding, source.as_deref()) {
                    self.record.annotated(&finding);
                }
                if self.console.takes_records() {
                    self.console.record(&jsonl::finding(culprit, &finding));
                }
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
        let github = self.github.take();
        let facts = Facts {
            record: &self.record,
            verdict: &verdict,
            report: &shown,
        };
        let problems = write_files(&self.settings, &facts).into_iter();
        let mut remarks: Vec<Remark> = problems.map(Remark::Warning).collect();
        if let Some(github) = github {
            remarks.extend(github.finish(&facts).await);
        }
        if let Some(place) = &self.settings.gitlab {
            let markdown = summary::within(&facts, gitlab::note::LONGEST);
            let told = gitlab::note::tell(place, &markdown, verdict.status).await;
            remarks.extend(told.map(Remark::Warning));
        }
        for remark in remarks {
            self.remark(remark);
        }
        let facts = Facts {
            record: &self.record,
            verdict: &verdict,
            report: &shown,
        };
        self.console.verdict(&facts);
        if self.console.takes_records() {
            self.console.record(&jsonl::ended(&facts));
        }
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
    problems.extend(files::write(
        &settings.report,
        &settings.workspace_root,
        facts,
    ));
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
