//! Recorded runs through all reporters at once: what stands in the log, in the files, and what never does.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;

use super::*;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};
use crate::event::{EventKind, Stage};
use crate::format::Format;

/// A log to read afterwards; it may be closed by its reader.
#[derive(Clone, Default)]
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: bool,
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.closed {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        // Every write is whole lines.
        assert_eq!(bytes.last(), Some(&b'\n'));
        self.bytes.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

fn settings(folder: &Path, github: bool) -> Settings {
    Settings {
        github: github.then(|| GithubFiles {
            output: Some(folder.join("output")),
            summary: Some(folder.join("summary")),
            place: None,
        }),
        gitlab: None,
        sections: false,
        report: folder.join(".ml-deploy/report.json"),
        workspace_root: folder.to_owned(),
        format: Format::Auto,
        colour: false,
        live: false,
        secrets: vec![SecretString::from("hunter2-secret")],
    }
}

/// Without a place to report to nothing is waited for.
fn end(reporters: Reporters, verdict: &Verdict<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(reporters.finish(verdict));
}

fn run(settings: Settings, events: Vec<Event>, verdict: &Verdict<'_>) -> String {
    let log = Log::default();
    let mut reporters = Reporters::new(settings, Box::new(log.clone()));
    for event in events {
        reporters.take(event);
    }
    end(reporters, verdict);
    log.text()
}

#[test]
fn a_good_run_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let log = run(
        settings(folder.path(), false),
        sample::good(),
        &Verdict::success(Status::Success),
    );
    let expected = format!(
        "
▶ train  python train.py
  build │ base layers
  │ epoch 1
  │ epoch 2
  build │ #5 RUN pip install
  trying again in 2.0 s: 503
✓ train 12.3 s

▶ build (continued)  base layers
  3 layers reused
✓ build 15.0 s

✓ live: Deployment/wine, Service/wine
  endpoint  http://127.0.0.1:8080
  image     ghcr.io/org/wine:1a2b3c4@{}
  run       https://mlflow.example/#/experiments/1/runs/abc123
  model     {}
  report    .ml-deploy/report.json
",
        sample::DIGEST,
        "ab".repeat(32)
    );
    assert_eq!(log, expected);
    assert!(folder.path().join(".ml-deploy/report.json").exists());
}

#[test]
fn a_good_run_on_github() {
    let folder = tempfile::tempdir().unwrap();
    let log = run(
        settings(folder.path(), true),
        sample::good(),
        &Verdict::success(Status::Success),
    );
    let start = "::add-mask::hunter2-secret
::group::train: python train.py
build │ base layers
epoch 1
epoch 2
build │ #5 RUN pip install
trying again in 2.0 s: 503
::endgroup::
✓ train 12.3 s
::group::build (continued): base layers
3 layers reused
::endgroup::
✓ build 15.0 s
";
    assert!(log.starts_with(start), "{log}");
    let output = std::fs::read_to_string(folder.path().join("output")).unwrap();
    assert!(output.contains("\nsuccess\n"), "{output}");
    let summary = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    assert!(summary.starts_with("## ✅"), "{summary}");
}

#[test]
fn a_failure_shows_its_line_and_no_forged_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("train.py"),
        "import x\n  raise y # hunter2-secret\n",
    )
    .unwrap();
    let failure = sample::failure();
    let left = ["container `wine-next` is still there".to_owned()];
    let verdict = Verdict::failure(&failure, &left);
    let log = run(settings(folder.path(), false), sample::bad(), &verdict);
    let expected = "
▶ train  python train.py
  │ | ::error::forged
✗ train 1.0 s, failed

error[train-failed]: `python train.py` exited with 1: <script>|<!-- @org
 --> train.py:2
  |
2 |   raise y # ***
  |   ^^^^^^^^^^^^^
   │ ```
   │ ValueError: x
 = help: read the traceback above and correct the script

✗ failed in train: training failed (train-failed) exit status 20
  left      container `wine-next` is still there
  next      read the traceback above and correct the script
  report    .ml-deploy/report.json
";
    assert_eq!(log, expected);
    let log = run(settings(folder.path(), true), sample::bad(), &verdict);
    let commands: Vec<_> = log
        .lines()
        .filter(|line| line.trim_start().starts_with("::"))
        .collect();
    assert_eq!(
        commands,
        [
            "::add-mask::hunter2-secret",
            "::group::train: python train.py",
            "::endgroup::",
            "::error file=train.py,line=2,title=training failed (train-failed)::`python train.py` exited with 1: \
             <script>|<!-- @org%0A%0Ahelp: read the traceback above and correct the script",
        ]
    );
    let summary = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    assert!(
        summary.contains("### Left behind\n\n- container <code>wine-next</code> is still there"),
        "{summary}"
    );
}

#[test]
fn last_words_of_a_stage_open_nothing_and_the_next_stage_has_its_own_place() {
    let events = || {
        let mut events = sample::bad();
        let said = EventKind::Note("what it came to".into());
        events.push(sample::event(2, Stage::Train, said));
        let started = EventKind::Started("an image".into());
        events.push(sample::event(2, Stage::Push, started));
        events
    };
    let folder = tempfile::tempdir().unwrap();
    let failure = sample::failure();
    let verdict = Verdict::failure(&failure, &[]);
    let log = run(settings(folder.path(), false), events(), &verdict);
    let expected = "✗ train 1.0 s, failed\n  what it came to\n\n▶ push  an image\n";
    assert!(log.contains(expected), "{log}");
    let log = run(settings(folder.path(), true), events(), &verdict);
    let expected = "✗ train 1.0 s, failed\nwhat it came to\n::group::push: an image\n";
    assert!(log.contains(expected), "{log}");
}

#[test]
fn no_secret_reaches_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "hunter2-secret";
    let mut events = sample::good();
    events.push(sample::event(
        20,
        Stage::Deploy,
        EventKind::Started(format!("a {secret}")),
    ));
    events.push(sample::event(
        20,
        Stage::Deploy,
        EventKind::Note(format!("b {secret}")),
    ));
    events.push(sample::event(
        20,
        Stage::Deploy,
        EventKind::Output("c hunter2\u{1b}[0m-secret\n".into()),
    ));
    let finding = Diagnostic::warning(Code::RolloutFailed, format!("d {secret}"))
        .help(secret)
        .at(Location::file(secret))
        .evidence([format!("hunter2-\u{1b}[1msecret {secret}")]);
    events.push(sample::event(
        20,
        Stage::Deploy,
        EventKind::Diagnosed(finding),
    ));
    let late = SecretString::from("wine-experiment-1");
    events.push(sample::event(20, Stage::Deploy, EventKind::Mask(late)));
    let log = run(
        settings(folder.path(), true),
        events,
        &Verdict::success(Status::Success),
    );
    let masked = "::add-mask::hunter2-secret\n";
    let mut all = log
        .replacen(masked, "", 1)
        .replacen("::add-mask::wine-experiment-1\n", "", 1);
    for file in ["output", "summary", ".ml-deploy/report.json"] {
        all += &std::fs::read_to_string(folder.path().join(file)).unwrap();
    }
    for secret in [secret, "wine-experiment-1"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(all.contains("d ***"), "{all}");
}

#[test]
fn only_ten_annotations_a_type_and_the_failure_is_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let events = (0..20)
        .map(|i| Diagnostic::error(Code::ManifestInvalid, format!("finding {i}")))
        .map(|finding| sample::event(1, Stage::Preflight, EventKind::Diagnosed(finding)))
        .collect();
    let failure = sample::failure();
    let log = run(
        settings(folder.path(), true),
        events,
        &Verdict::failure(&failure, &[]),
    );
    let annotations: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("::error"))
        .collect();
    assert!(annotations.len() <= 10);
    assert!(
        annotations.last().unwrap().contains("training failed"),
        "{log}"
    );
    assert!(log.contains("error[manifest-invalid]: finding 19"), "{log}");
    let summary = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    assert!(summary.contains("finding 19"));
}

#[test]
fn a_reporter_that_fails_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), true);
    settings.github = Some(GithubFiles {
        output: Some("/nowhere/output".into()),
        summary: None,
        place: None,
    });
    settings.report = "/dev/null/report.json".into();
    let log = run(settings, Vec::new(), &Verdict::success(Status::Success));
    assert_eq!(
        log.matches("::warning::failed to write").count(),
        3,
        "{log}"
    );
    assert!(log.contains("✓ done"));
}

#[test]
fn a_closed_log_does_not_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log {
        closed: true,
        ..Log::default()
    };
    let mut reporters = Reporters::new(settings(folder.path(), false), Box::new(log));
    for event in sample::good() {
        reporters.take(event);
    }
    end(reporters, &Verdict::success(Status::Success));
    assert!(folder.path().join(".ml-deploy/report.json").exists());
}
