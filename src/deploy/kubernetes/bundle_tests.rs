//! Every recorded rollout is judged again as it was, and what is no bundle is refused.

use serde_json::json;

use super::*;

fn explained(bundle: &Value) -> Result<(Vec<String>, Vec<Diagnostic>), String> {
    judge(bundle, &Workspace::at(Path::new("/nowhere")))
}

fn fixture(name: &str) -> Value {
    let mut all = fixtures().into_iter();
    let end = format!("/{name}.json");
    all.find(|(path, _)| path.ends_with(&end)).unwrap().1
}

fn fixtures() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rollouts");
    let files = std::fs::read_dir(folder).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        (
            path.display().to_string(),
            serde_json::from_str(&text).unwrap(),
        )
    };
    files.map(read).collect()
}

#[test]
fn a_recorded_rollout_is_judged_as_it_was() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 25, "{} fixtures", fixtures.len());
    for (name, bundle) in fixtures {
        let (_, findings) = explained(&bundle).unwrap();
        let told: Vec<Value> = findings
            .iter()
            .map(|finding| json!({"code": finding.code.slug(), "message": finding.message}))
            .collect();
        assert_eq!(Value::Array(told), bundle["verdict"], "{name}");
    }
}

#[test]
fn before_anything_was_seen_nothing_has_failed() {
    for (name, mut bundle) in fixtures() {
        bundle["objects"] = json!([]);
        bundle["gone"] = json!([]);
        bundle["late"] = json!(false);
        let (lines, findings) = explained(&bundle).unwrap();
        assert!(findings.is_empty() && !lines.is_empty(), "{name}");
    }
}

#[test]
fn a_bundle_without_its_parts_is_refused() {
    let (_, good) = fixtures().remove(0);
    assert!(explained(&good).is_ok());
    for part in [
        "schema", "now", "applied", "targets", "objects", "events", "logs",
    ] {
        let mut bundle = good.clone();
        bundle[part] = json!("x");
        let why = explained(&bundle).unwrap_err();
        assert!(why.contains(part), "{part}: {why}");
    }
    let newer = json!({"schema": SCHEMA + 1});
    assert!(explained(&newer).unwrap_err().contains("newer"));
}

#[test]
fn a_cause_is_named_from_the_log_in_the_bundle() {
    let mut bundle = fixture("crash");
    let told = |bundle: &Value| explained(bundle).unwrap().1.remove(0);
    let plain = told(&bundle);
    assert_eq!(plain.code, Code::CrashLoop);
    let lines = [
        "  File \"/app/serve.py\", line 3, in <module>",
        "KeyError: 'MODEL'",
    ];
    let log = [&["Traceback (most recent call last):"][..], &lines].concat();
    // Either of the two pods may be the one that tells most.
    let read = bundle["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!({"pod": one["pod"], "container": "model", "lines": log}));
    bundle["read"] = read.collect();
    let named = told(&bundle);
    assert!(
        named
            .message
            .contains("exits 3 — KeyError: 'MODEL' (2 of 2 new pods"),
        "{}",
        named.message
    );
    assert!(named.evidence.contains(&format!("log model: {}", lines[1])));
}

#[test]
fn without_a_log_it_is_only_less_telling() {
    let told = |bundle: &Value| explained(bundle).unwrap().1.remove(0);
    let mut bundle = fixture("job-failed");
    let plain = told(&bundle);
    assert!(
        plain
            .evidence
            .iter()
            .any(|line| line.starts_with("log model: "))
    );
    bundle["logs"] = json!([]);
    let silent = told(&bundle);
    assert_eq!((silent.code, &silent.at), (Code::JobFailed, &plain.at));
    let states = |line: &String| line.contains("exit code 5");
    assert!(silent.evidence.iter().any(states), "{:?}", silent.evidence);
    assert!(!silent.evidence.iter().any(|line| line.starts_with("log ")));
}
