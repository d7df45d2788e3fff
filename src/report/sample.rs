//! Recorded runs for the tests of all reporters.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::artifact::{
    Artifact, Check, Deployment, Environment, Image, Model, Pushed, Run, Verification,
};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};
use crate::event::{End, Event, EventKind, Stage};
use crate::failure::Failure;

use super::outputs::Facts;
use super::record::Record;
use super::{Status, Verdict};

pub(super) const DIGEST: &str =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An event `second` seconds into the run.
pub(super) fn event(second: i64, stage: Stage, kind: EventKind) -> Event {
    Event {
        at: Timestamp::from_second(1_700_000_000 + second).unwrap(),
        stage: Some(stage),
        kind,
    }
}

fn produced(second: i64, stage: Stage, artifact: impl Into<Artifact>) -> Event {
    event(second, stage, EventKind::Produced(artifact.into()))
}

/// A run in which all goes well; the build begins before the training.
pub(super) fn good() -> Vec<Event> {
    let run = Run {
        id: "abc123".into(),
        experiment_id: "wine-experiment-1".into(),
        metrics: BTreeMap::from([("accuracy".into(), 0.97), ("loss".into(), f64::NAN)]),
        params: BTreeMap::from([("C|<b>".into(), "1".into())]),
        url: Some("https://mlflow.example/#/experiments/1/runs/abc123".into()),
        ..Run::default()
    };
    let environment = Environment {
        python: "3.11.9".into(),
        ..Environment::default()
    };
    let model = Model {
        path: "/w/model".into(),
        sha256: "ab".repeat(32),
        bytes: 2048,
        run: Some(run),
        environment: Some(environment),
        facts: None,
        commit: None,
    };
    let image = Image {
        id: DIGEST.into(),
        repository: "ghcr.io/org/wine".into(),
        tags: vec!["1a2b3c4".into()],
        bytes: 100 << 20,
    };
    let pushed = Pushed {
        repository: "ghcr.io/org/wine".into(),
        tag: Some("1a2b3c4".into()),
        digest: DIGEST.into(),
    };
    let deployment = Deployment {
        target: "kubernetes".into(),
        objects: vec!["Deployment/wine".into(), "Service/wine".into()],
        endpoint: Some("http://127.0.0.1:8080".into()),
        image: Some(pushed.reference()),
        namespace: Some("ml".into()),
        direct: false,
        containers: Vec::new(),
    };
    let verification = Verification {
        checks: vec![Check {
            name: "health".into(),
            passed: true,
            detail: "200 OK".into(),
        }],
    };
    let ended = |second, stage, seconds| {
        let took = Duration::from_millis(seconds);
        event(
            second,
            stage,
            EventKind::Finished {
                end: End::Succeeded,
                took,
            },
        )
    };
    let retrying = EventKind::Retrying {
        after: Duration::from_secs(2),
        why: "503".into(),
    };
    vec![
        event(
            1,
            Stage::Train,
            EventKind::Started("python train.py".into()),
        ),
        event(0, Stage::Build, EventKind::Started("base layers".into())),
        event(
            2,
            Stage::Train,
            EventKind::Output("epoch 1\nepoch 2\n".into()),
        ),
        event(
            2,
            Stage::Build,
            EventKind::Output("#5 RUN pip install\n".into()),
        ),
        event(3, Stage::Train, retrying),
        produced(13, Stage::Train, model),
        ended(13, Stage::Train, 12_300),
        event(14, Stage::Build, EventKind::Note("3 layers reused".into())),
        produced(15, Stage::Build, image),
        ended(15, Stage::Build, 15_000),
        produced(16, Stage::Push, pushed),
        produced(17, Stage::Deploy, deployment),
        produced(18, Stage::Verify, verification),
    ]
}

/// A run whose training fails.
pub(super) fn bad() -> Vec<Event> {
    let end = EventKind::Finished {
        end: End::Failed,
        took: Duration::from_secs(1),
    };
    vec![
        event(
            0,
            Stage::Train,
            EventKind::Started("python train.py".into()),
        ),
        event(
            0,
            Stage::Train,
            EventKind::Output("::error::forged\n".into()),
        ),
        event(1, Stage::Train, end),
    ]
}

/// The failure of `bad`.
pub(super) fn failure() -> Failure {
    Failure::new(
        Code::TrainFailed,
        "`python train.py` exited with 1: <script>|<!-- @org",
    )
    .at(Location::line("train.py", 2))
    .evidence(["```".to_owned(), "ValueError: x".to_owned()])
}

pub(super) fn record(events: Vec<Event>) -> Record {
    let mut record = Record::default();
    for event in events {
        record.take(event);
    }
    record
}

/// Hands the facts of a finished run to `use_them`.
pub(super) fn facts<T>(
    events: Vec<Event>,
    failure: Option<&Failure>,
    use_them: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let mut record = record(events);
    let verdict = match failure {
        Some(failure) => Verdict::failure(failure, &[]),
        None => Verdict::success(Status::Success),
    };
    let culprit = record.culprit();
    for finding in failure.iter().flat_map(|failure| failure.findings()) {
        let finding: Diagnostic = finding.clone();
        record.find(culprit, finding);
    }
    use_them(&Facts {
        record: &record,
        verdict: &verdict,
        report: ".ml-deploy/report.json",
    })
}
