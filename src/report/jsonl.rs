//! The run as JSON lines, one for each event, while it goes on: `--format json` (docs/events.md). Makes text and writes nothing.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::artifact::Artifact;
use crate::event::{Event, EventKind, Stage};

use super::json;
use super::outputs::Facts;
use super::redact::Redactor;

/// Changes when a reader of the old schema would misread the new one; new events and fields do not change it.
const SCHEMA: &str = "ml-deploy/events/v1";

/// The first line.
pub(super) fn begun() -> String {
    line(
        "begun",
        None,
        json!({"schema": SCHEMA, "version": env!("CARGO_PKG_VERSION")}),
        Timestamp::now(),
    )
}

/// What an event says; its texts are clean already, its artifacts not. Empty for what nobody may see.
pub(super) fn event(event: &Event, redactor: &Redactor) -> String {
    let say = |name: &str, fields: Value| line(name, event.stage, fields, event.at);
    match &event.kind {
        EventKind::LeftOut(why) => say("left-out", json!({ "why": why })),
        EventKind::Started(what) => say("started", json!({ "what": what })),
        EventKind::Output(text) => text
            .lines()
            .map(|text| say("output", json!({ "line": text })))
            .collect(),
        EventKind::Note(text) => say("note", json!({ "text": text })),
        EventKind::Retrying { after, why } => say(
            "retrying",
            json!({"seconds": after.as_secs_f64(), "why": why}),
        ),
        EventKind::Diagnosed(found) => say("finding", json::diagnostic(found)),
        EventKind::Produced(artifact) => {
            let (name, mut value) = value(artifact);
            super::record::scrub_tree(&mut value, redactor);
            say("produced", json!({"artifact": name, "value": value}))
        }
        EventKind::Finished { end, took } => say(
            "finished",
            json!({"end": json::end_name(*end), "seconds": took.as_secs_f64()}),
        ),
        EventKind::Mask(_) => String::new(),
    }
}

/// A finding that came with the end of the run.
pub(super) fn finding(stage: Option<Stage>, found: &crate::diagnostic::Diagnostic) -> String {
    line("finding", stage, json::diagnostic(found), Timestamp::now())
}

/// A line of our own about the reports.
pub(super) fn note(text: &str) -> String {
    line("note", None, json!({ "text": text }), Timestamp::now())
}

/// A reporter has failed.
pub(super) fn warning(text: &str) -> String {
    line("warning", None, json!({ "text": text }), Timestamp::now())
}

/// The last line.
pub(super) fn ended(facts: &Facts<'_>) -> String {
    let report = json::report(facts);
    let fields = ["status", "exit", "failure", "left", "outputs"];
    let fields: Map<_, _> = fields
        .iter()
        .map(|name| ((*name).to_owned(), report[*name].clone()))
        .collect();
    line("ended", None, fields.into(), Timestamp::now())
}

/// An artifact under its name in report.json and in the same shape.
fn value(artifact: &Artifact) -> (&'static str, Value) {
    match artifact {
        Artifact::Model(model) => ("model", json::model(Some(model))),
        Artifact::Image(image) => ("image", json!(image)),
        Artifact::Pushed(pushed) => ("pushed", json::pushed(Some(pushed))),
        Artifact::Deployment(deployment) => ("deployment", json!(deployment)),
        Artifact::Verification(verification) => ("verification", json!(verification)),
        Artifact::Changes(changes) => ("changes", json!(changes)),
        Artifact::RolledBack(rolled_back) => ("rolled-back", json!(rolled_back)),
        Artifact::Bundle(bundle) => ("bundle", json!(bundle)),
        Artifact::Gates(gates) => ("gates", json!(gates)),
        Artifact::History(history) => ("history", json!(history)),
        Artifact::Layers(layers) => ("layers", json!(layers)),
        Artifact::Parity(parity) => ("parity", json!(parity)),
        Artifact::Trial(trial) => ("trial", json!(trial)),
        Artifact::Chain(chain) => ("chain", json!(chain)),
        Artifact::Proof(proof) => ("proof", json!(proof)),
    }
}

fn line(event: &str, stage: Option<Stage>, fields: Value, at: Timestamp) -> String {
    let mut all = Map::new();
    all.insert("event".to_owned(), event.into());
    all.insert("at".to_owned(), at.to_string().into());
    all.insert("stage".to_owned(), stage.map(Stage::name).into());
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    escaped(&Value::Object(all).to_string()) + "\n"
}

/// JSON that is harmless on a terminal and in a runner's log: what a reader of JSON gets is the same.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        let invisible = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        if c.is_control() || invisible {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    // Two marks and a bracket stand only inside of a string, never between values.
    text.replace("##[", "##\\u005b")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::RolledBack;
    use crate::report::sample;

    fn read(lines: &str) -> Vec<Value> {
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn each_event_is_a_line() {
        let mut redactor = Redactor::default();
        redactor.add(["wine-experiment-1"]);
        let events = sample::good();
        let lines: String = events.iter().map(|one| event(one, &redactor)).collect();
        assert!(!lines.contains("wine-experiment-1"));
        let lines = read(&lines);
        assert_eq!(
            lines[0],
            json!({"event": "started", "at": "2023-11-14T22:13:21Z", "stage": "train", "what": "python train.py"})
        );
        assert_eq!(
            (&lines[2]["line"], &lines[3]["line"]),
            (&"epoch 1".into(), &"epoch 2".into())
        );
        let model = lines
            .iter()
            .find(|line| line["artifact"] == "model")
            .unwrap();
        assert_eq!(model["value"]["run"]["metrics"]["loss"], "NaN");
        assert_eq!(model["value"]["run"]["experiment_id"], "***");
        let finished = lines
            .iter()
            .find(|line| line["event"] == "finished")
            .unwrap();
        assert_eq!(
            (&finished["end"], &finished["seconds"]),
            (&"succeeded".into(), &12.3.into())
        );
        assert_eq!(read(&begun())[0]["schema"], SCHEMA);
        let failure = sample::failure();
        let ended = sample::facts(sample::bad(), Some(&failure), ended);
        let ended = &read(&ended)[0];
        assert_eq!(
            (&ended["exit"], &ended["failure"]["code"]),
            (&20.into(), &"train-failed".into())
        );
    }

    #[test]
    fn hostile_text_is_data_and_stays_one_line() {
        let to = "a\n##[error]b\u{1b}[2J\u{202e}\u{9b}\u{2028}\r::error::x";
        let hostile = sample::event(
            1,
            Stage::Deploy,
            EventKind::Produced(RolledBack { to: to.to_owned() }.into()),
        );
        let line = event(&hostile, &Redactor::default());
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains("##[") && !line.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']));
        assert_eq!(read(&line)[0]["value"]["to"], to);
    }
}
