//! Recorded logs and states, each with the cause that a person would name; and the same words where they mean nothing.

use serde_json::json;

use super::*;

/// A log of `tests/fixtures/logs`.
fn recorded(name: &str) -> Vec<String> {
    let path = format!(
        "{}/tests/fixtures/logs/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {path}"));
    text.lines().map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn exited(code: i64) -> Value {
    json!({"name": "model", "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error"}}})
}

fn running() -> Value {
    json!({"name": "model", "ready": false, "state": {"running": {}}})
}

fn pod() -> Value {
    json!({"spec": {"containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}}}]}})
}

fn cause(container: &Value, log: &[String], events: &[&str]) -> Option<Cause> {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    recognise(&Seen {
        container,
        pod: &pod(),
        log,
        events: &events,
    })
}

#[test]
fn dump() {
    let mut names: Vec<_> = std::fs::read_dir(format!(
        "{}/tests/fixtures/logs",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
    .filter_map(|e| {
        e.unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .strip_suffix(".txt")
            .map(str::to_owned)
    })
    .collect();
    names.sort();
    for name in names {
        let found = cause(&exited(1), &recorded(&name), &[]);
        match found {
            Some(c) => eprintln!(
                "{name}: {} | {} | {} | {:?}",
                c.code.map_or("-", Code::slug),
                c.what,
                c.help.unwrap_or_default(),
                c.places
                    .iter()
                    .map(|p| match p {
                        Place::Frames(f) => format!(
                            "frames {}",
                            f.iter()
                                .filter(|f| exception::ours(f))
                                .map(|f| format!("{}:{}", f.file, f.line))
                                .collect::<Vec<_>>()
                                .join(" ")
                        ),
                        o => format!("{o:?}"),
                    })
                    .collect::<Vec<_>>()
            ),
            None => eprintln!("{name}: NONE"),
        }
    }
}
