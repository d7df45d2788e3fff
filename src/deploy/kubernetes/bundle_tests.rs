//! Every recorded rollout is judged again as it was, and what is no bundle is refused.

use serde_json::json;

use super::*;

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
        let (_, findings) = judge(&bundle).unwrap();
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
        let (lines, findings) = judge(&bundle).unwrap();
        assert!(findings.is_empty() && !lines.is_empty(), "{name}");
    }
}

#[test]
fn a_bundle_without_its_parts_is_refused() {
    let (_, good) = fixtures().remove(0);
    assert!(judge(&good).is_ok());
    for part in [
        "schema", "now", "applied", "targets", "objects", "events", "logs",
    ] {
        let mut bundle = good.clone();
        bundle[part] = json!("x");
        let why = judge(&bundle).unwrap_err();
        assert!(why.contains(part), "{part}: {why}");
    }
    let newer = json!({"schema": SCHEMA + 1});
    assert!(judge(&newer).unwrap_err().contains("newer"));
}
