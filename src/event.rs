//! What stages say while they work. They speak only through `Events`; one task owns all reporters and listens.
//! This file knows what can be said, not who listens.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::artifact::Artifact;
use crate::diagnostic::Diagnostic;

/// A part of the job, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Preflight,
    Train,
    Gates,
    Build,
    Parity,
    Predictions,
    Push,
    Deploy,
    Verify,
}

impl Stage {
    /// Every stage, in order.
    pub(crate) const ALL: &[Self] = &[
        Self::Preflight,
        Self::Train,
        Self::Gates,
        Self::Build,
        Self::Parity,
        Self::Predictions,
        Self::Push,
        Self::Deploy,
        Self::Verify,
    ];

    /// The name in inputs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Train => "train",
            Self::Gates => "gates",
            Self::Build => "build",
            Self::Parity => "parity",
            Self::Predictions => "predictions",
            Self::Push => "push",
            Self::Deploy => "deploy",
            Self::Verify => "verify",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    /// Nothing had to be done; an earlier result is still valid.
    Reused,
    Failed,
    Cancelled,
}

/// Something that happened, and when.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    /// `None` for what belongs to the run as a whole.
    pub(crate) stage: Option<Stage>,
    pub(crate) kind: EventKind,
}

/// What can happen.
#[derive(Debug)]
pub(crate) enum EventKind {
    /// A stage that will not run, and why.
    LeftOut(String),
    /// A stage begins; the text says what it will do, on what.
    Started(String),
    /// Output of a program that is not ours (training, build): one or more whole lines, each ended by `\n`. Untrusted.
    Output(String),
    /// One line of our own: a step that was done, a decision and its reason.
    Note(String),
    /// Something transient failed and is tried again after the given time.
    Retrying { after: Duration, why: String },
    /// A finding.
    Diagnosed(Diagnostic),
    /// A value that from now on must never appear in any report.
    Mask(SecretString),
    /// A result. Outputs, summary and report come from these only.
    Produced(Artifact),
    /// A stage ended.
    Finished { end: End, took: Duration },
}

/// The sending end, bound to a stage so that no line can carry the wrong one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: mpsc::Sender<Event>,
    stage: Option<Stage>,
}

impl Events {
    /// A channel: the sending end for the run as a whole, and the end that the reporters read.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Event>) {
        // Bounded, so that a training which prints faster than we can show is slowed down instead of filling memory.
        let (sender, receiver) = mpsc::channel(256);
        (
            Self {
                sender,
                stage: None,
            },
            receiver,
        )
    }

    /// The same channel for one stage.
    pub(crate) fn stage(&self, stage: Stage) -> Self {
        Self {
            sender: self.sender.clone(),
            stage: Some(stage),
        }
    }

    /// An end that does not keep the channel open.
    pub(crate) fn weak(&self) -> WeakEvents {
        WeakEvents {
            sender: self.sender.downgrade(),
            stage: self.stage,
        }
    }

    /// Sends any event. After the reporters are gone nothing is listening, and nothing is lost that anyone could see.
    pub(crate) async fn send(&self, kind: EventKind) {
        let event = Event {
            at: Timestamp::now(),
            stage: self.stage,
            kind,
        };
        drop(self.sender.send(event).await);
    }

    /// Says one line of our own.
    pub(crate) async fn note(&self, text: impl Into<String>) {
        self.send(EventKind::Note(text.into())).await;
    }

    /// Hands on whole lines of a foreign program.
    pub(crate) async fn output(&self, lines: impl Into<String>) {
        self.send(EventKind::Output(lines.into())).await;
    }

    /// Reports a finding that does not end the stage by itself.
    pub(crate) async fn diagnosed(&self, finding: Diagnostic) {
        self.send(EventKind::Diagnosed(finding)).await;
    }

    /// Publishes a result.
    pub(crate) async fn produced(&self, artifact: impl Into<Artifact>) {
        self.send(EventKind::Produced(artifact.into())).await;
    }

    /// Hides a value from now on.
    pub(crate) async fn mask(&self, secret: &SecretString) {
        self.send(EventKind::Mask(secret.clone())).await;
    }

    /// Says that something is tried again.
    pub(crate) async fn retrying(&self, after: Duration, why: impl Into<String>) {
        self.send(EventKind::Retrying {
            after,
            why: why.into(),
        })
        .await;
    }
}

/// A sending end that does not keep the channel open: what lives longer than the run's stages speaks through it.
#[derive(Debug)]
pub(crate) struct WeakEvents {
    sender: mpsc::WeakSender<Event>,
    stage: Option<Stage>,
}

impl WeakEvents {
    /// The sending end, as long as somebody else keeps it open.
    pub(crate) fn upgrade(&self) -> Option<Events> {
        Some(Events {
            sender: self.sender.upgrade()?,
            stage: self.stage,
        })
    }
}
