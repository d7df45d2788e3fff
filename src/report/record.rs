//! What has happened so far, as data: the one source of summary, report file and outputs.
//! It collects events and knows no format.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifact::{
    Artifact, Bundle, Chain, Changes, Deployment, Environment, Gates, History, Image, Layers,
    Model, Parity, Proof, Pushed, RolledBack, Trial, Verification,
};
use crate::diagnostic::Diagnostic;
use crate::event::{End, Event, EventKind, Stage};

use super::redact::Redactor;

/// One stage's part of the timeline.
#[derive(Clone, Debug)]
pub(super) struct StageRecord {
    pub(super) stage: Stage,
    /// What it set out to do.
    pub(super) what: String,
    pub(super) started: Timestamp,
    /// `None` while it runs, and for ever when the run ended in its middle.
    pub(super) end: Option<End>,
    pub(super) took: Option<Duration>,
    /// How often something transient was tried again.
    pub(super) retries: u32,
    /// Each time that it ran, in order.
    pub(super) turns: Vec<Turn>,
}

/// One time that a stage ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) from: Timestamp,
    /// `None` when the run ended in its middle.
    pub(super) end: Option<(Timestamp, End)>,
}

/// One finding and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) stage: Option<Stage>,
    pub(super) what: Diagnostic,
    /// The log has said it as an annotation; a second one would stand on the same line.
    pub(super) annotated: bool,
}

impl Finding {
    fn is(&self, what: &Diagnostic) -> bool {
        let known = &self.what;
        known.code == what.code && known.message == what.message && known.at == what.at
    }
}

/// Everything that is known of the run.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// In the order in which they started.
    pub(super) stages: Vec<StageRecord>,
    /// First and last word of what a stage did before it began, beside others: layers that are built early.
    pub(super) early: BTreeMap<Stage, (Timestamp, Timestamp)>,
    /// When something was heard last.
    pub(super) last: Option<Timestamp>,
    /// Stages that do not run, and why.
    pub(super) left_out: Vec<(Stage, String)>,
    pub(super) findings: Vec<Finding>,
    /// Without its environment, which stands beside it.
    pub(super) model: Option<Model>,
    pub(super) environment: Option<Environment>,
    pub(super) image: Option<Image>,
    pub(super) pushed: Option<Pushed>,
    pub(super) deployment: Option<Deployment>,
    pub(super) verification: Option<Verification>,
    pub(super) changes: Option<Changes>,
    pub(super) rolled_back: Option<RolledBack>,
    pub(super) bundle: Option<Bundle>,
    pub(super) gates: Option<Gates>,
    pub(super) history: Option<History>,
    pub(super) layers: Option<Layers>,
    pub(super) parity: Option<Parity>,
    pub(super) proof: Option<Proof>,
    pub(super) trial: Option<Trial>,
    pub(super) chain: Option<Chain>,
}

impl Record {
    /// Takes in an event. What output and notes say passes by, it belongs to the log; that they came is kept.
    pub(super) fn take(&mut self, event: Event) {
        self.last = Some(event.at);
        match event.kind {
            EventKind::LeftOut(why) => {
                let left_out = event.stage.map(|stage| (stage, why));
                self.left_out.extend(left_out);
            }
            EventKind::Started(what) => {
                if let Some(stage) = event.stage {
                    self.start(stage, what, event.at);
                }
            }
            EventKind::Finished { end, took } => {
                if let Some(record) = self.stage_mut(event.stage) {
                    record.end = Some(end);
                    record.took = Some(took);
                    if let Some(turn) = record.turns.last_mut() {
                        turn.end = Some((event.at, end));
                    }
                }
            }
            EventKind::Retrying { .. } => {
                if let Some(record) = self.stage_mut(event.stage) {
                    record.retries += 1;
                }
            }
            EventKind::Diagnosed(what) => {
                self.find(event.stage, what);
            }
            EventKind::Produced(artifact) => self.keep(artifact),
            EventKind::Output(_) | EventKind::Note(_) => {
                if let Some(stage) = event
                    .stage
                    .filter(|_| self.stage_mut(event.stage).is_none())
                {
                    self.early.entry(stage).or_insert((event.at, event.at)).1 = event.at;
                }
            }
            EventKind::Mask(_) => {}
        }
    }

    fn start(&mut self, stage: Stage, what: String, started: Timestamp) {
        // A stage that speaks twice (early layers, then the build itself) keeps its first start and its last purpose.
        if let Some(known) = self.stage_mut(Some(stage)) {
            known.what = what;
            known.end = None;
            known.took = None;
            known.turns.push(Turn {
                from: started,
                end: None,
            });
            return;
        }
        self.stages.push(StageRecord {
            stage,
            what,
            started,
            end: None,
            took: None,
            retries: 0,
            turns: vec![Turn {
                from: started,
                end: None,
            }],
        });
    }

    fn stage_mut(&mut self, stage: Option<Stage>) -> Option<&mut StageRecord> {
        self.stages.iter_mut().find(|s| Some(s.stage) == stage)
    }

    /// Adds a finding; `false` when the same one is known already.
    pub(super) fn find(&mut self, stage: Option<Stage>, what: Diagnostic) -> bool {
        let known = self.findings.iter().any(|known| known.is(&what));
        if !known {
            self.findings.push(Finding {
                stage,
                what,
                annotated: false,
            });
        }
        !known
    }

    /// Remembers that the log has said a finding as an annotation.
    pub(super) fn annotated(&mut self, what: &Diagnostic) {
        let known = self.findings.iter_mut().filter(|known| known.is(what));
        known.for_each(|known| known.annotated = true);
    }

    /// The findings, worst first; equals keep their order.
    pub(super) fn ranked(&self) -> Vec<&Finding> {
        let mut all: Vec<_> = self.findings.iter().collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.what.severity));
        all
    }

    /// The stage in which the run ended, when it did not end well.
    pub(super) fn culprit(&self) -> Option<Stage> {
        let broken = |end| matches!(end, Some(End::Failed | End::Cancelled) | None);
        let failed = self.stages.iter().find(|s| s.end == Some(End::Failed));
        failed
            .or_else(|| self.stages.iter().find(|s| broken(s.end)))
            .map(|s| s.stage)
    }

    fn keep(&mut self, artifact: Artifact) {
        match artifact {
            Artifact::Model(mut model) => {
                self.environment = model.environment.take().or(self.environment.take());
                model.facts = None;
                self.model = Some(*model);
            }
            Artifact::Image(image) => self.image = Some(image),
            Artifact::Pushed(pushed) => self.pushed = Some(pushed),
            Artifact::Deployment(deployment) => self.deployment = Some(deployment),
            Artifact::Verification(verification) => self.verification = Some(verification),
            Artifact::Changes(changes) => self.changes = Some(changes),
            Artifact::RolledBack(rolled_back) => self.rolled_back = Some(rolled_back),
            Artifact::Parity(parity) => self.parity = Some(parity),
            // A later one is of a rollback that failed too: the cause of it all stands in the first.
            Artifact::Bundle(bundle) => self.bundle = self.bundle.take().or(Some(bundle)),
            Artifact::Gates(gates) => self.gates = Some(gates),
            Artifact::History(history) => self.history = Some(history),
            Artifact::Layers(layers) => self.layers = Some(layers),
            Artifact::Proof(proof) => self.proof = Some(proof),
            Artifact::Trial(trial) => self.trial = Some(*trial),
            Artifact::Chain(chain) => self.chain = Some(chain),
        }
    }

    /// What a deployment is linked with, for places that keep it: commit's image, run, model.
    pub(super) fn links(&self, redactor: &Redactor) -> serde_json::Map<String, serde_json::Value> {
        let model = self.model.as_ref();
        let run = model.and_then(|model| model.run.as_ref());
        let links = [
            ("image", self.pushed.as_ref().map(Pushed::reference)),
            ("model-sha256", model.map(|model| model.sha256.clone())),
            ("run-id", run.map(|run| run.id.clone())),
            ("run-url", run.and_then(|run| run.url.clone())),
        ];
        let known = links
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known
            .map(|(name, value)| (name, redactor.redact(&value).into_owned().into()))
            .collect()
    }

    /// Hides what became known as secret, also in what was recorded before it was.
    pub(super) fn redact(&mut self, redactor: &Redactor) {
        if redactor.is_empty() {
            return;
        }
        for stage in &mut self.stages {
            redactor.scrub(&mut stage.what);
        }
        for (_, why) in &mut self.left_out {
            redactor.scrub(why);
        }
        for finding in &mut self.findings {
            scrub_diagnostic(&mut finding.what, redactor);
        }
        if let Some(run) = self.model.as_mut().and_then(|model| model.run.as_mut()) {
            // JSON has no not-a-number, so metrics go around it.
            let metrics = std::mem::take(&mut run.metrics);
            scrub(&mut self.model, redactor);
            if let Some(run) = self.model.as_mut().and_then(|model| model.run.as_mut()) {
                run.metrics = metrics
                    .into_iter()
                    .map(|(name, value)| (redactor.redact(&name).into_owned(), value))
                    .collect::<BTreeMap<_, _>>();
            }
        } else {
            scrub(&mut self.model, redactor);
        }
        scrub(&mut self.environment, redactor);
        scrub(&mut self.image, redactor);
        scrub(&mut self.pushed, redactor);
        scrub(&mut self.deployment, redactor);
        scrub(&mut self.verification, redactor);
        scrub(&mut self.changes, redactor);
        scrub(&mut self.rolled_back, redactor);
        scrub(&mut self.bundle, redactor);
        scrub(&mut self.gates, redactor);
        scrub(&mut self.history, redactor);
        scrub(&mut self.layers, redactor);
        scrub(&mut self.parity, redactor);
        scrub(&mut self.proof, redactor);
        scrub(&mut self.trial, redactor);
        scrub(&mut self.chain, redactor);
    }
}

/// Redacts every text of a finding.
pub(super) fn scrub_diagnostic(finding: &mut Diagnostic, redactor: &Redactor) {
    redactor.scrub(&mut finding.message);
    if let Some(help) = &mut finding.help {
        redactor.scrub(help);
    }
    if let Some(at) = &mut finding.at {
        redactor.scrub(&mut at.file);
    }
    for line in &mut finding.evidence {
        redactor.scrub(line);
    }
}

/// Redacts every string of plain data. What cannot be read back afterwards is dropped rather than shown.
fn scrub<T: Serialize + DeserializeOwned>(value: &mut Option<T>, redactor: &Redactor) {
    *value = value.take().and_then(|plain| {
        let mut tree = serde_json::to_value(plain).ok()?;
        scrub_tree(&mut tree, redactor);
        serde_json::from_value(tree).ok()
    });
}

/// Redacts every string of a tree, names too.
pub(super) fn scrub_tree(tree: &mut serde_json::Value, redactor: &Redactor) {
    match tree {
        serde_json::Value::String(text) => redactor.scrub(text),
        serde_json::Value::Array(items) => {
            for item in items {
                scrub_tree(item, redactor);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                scrub_tree(&mut value, redactor);
                fields.insert(redactor.redact(&name).into_owned(), value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_late_mask_reaches_what_was_recorded_before() {
        let mut record = Record::default();
        for event in sample::good() {
            record.take(event);
        }
        let mut redactor = Redactor::default();
        redactor.add(["wine-experiment-1"]);
        record.redact(&redactor);
        let run = record.model.unwrap().run.unwrap();
        assert_eq!(run.experiment_id, "***");
        assert!(run.metrics["loss"].is_nan());
        assert_eq!(run.metrics["accuracy"], 0.97);
        assert!(record.environment.is_some());
    }

    #[test]
    fn the_same_finding_counts_once() {
        let mut record = Record::default();
        let finding = Diagnostic::warning(crate::code::Code::DiskFull, "x");
        assert!(record.find(None, finding.clone()));
        assert!(!record.find(None, finding));
        assert_eq!(record.findings.len(), 1);
    }
}
