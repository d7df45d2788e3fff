//! Summaries of real runs in a real browser: what a reader sees, not what was written.

use serde_json::Value;

use crate::browser::{shown, sound, texts};
use crate::gates::crown;
use crate::summary::trained;
use crate::support::{Project, bed, unique};

/// The diagrams of a kind.
fn of<'a>(seen: &'a Value, kind: &str) -> Vec<&'a Value> {
    let diagrams = seen["diagrams"].as_array().unwrap().iter();
    diagrams.filter(|one| one["kind"] == kind).collect()
}

fn first(seen: &Value) -> &str {
    seen["first"].as_str().unwrap()
}

#[test]
fn charts_and_tables_are_drawn_and_metric_names_stay_text() {
    let (server, experiment) = (bed("MLFLOW"), unique("it-rendered"));
    let before = trained(&server, &experiment, "'accuracy': 0.9, 'loss': 0.5").expect(0);
    crown(&server, &experiment, before.output("run-id"));
    // All that MLflow takes as a name; the hostile ones are gated to be drawn first.
    let metrics = "'accuracy': 14/15, 'x:/ click _b_': 1, 'a - b/c.d': 1e-30";
    trained(&server, &experiment, metrics).expect(0);
    let seen = shown(&trained(&server, &experiment, metrics).expect(0).summary);
    sound(&seen);
    assert!(first(&seen).starts_with("✅ "), "{}", first(&seen));
    let charts = of(&seen, "xychart-beta");
    assert_eq!(charts.len(), 3, "{}", seen["diagrams"]);
    assert!(
        texts(&charts[0]["text"]).contains(&"accuracy"),
        "{}",
        charts[0]
    );
    let bars = of(&seen, "gantt");
    assert_eq!(bars.len(), 1, "{}", seen["diagrams"]);
    assert!(texts(&bars[0]["text"]).contains(&"train"), "{}", bars[0]);
    assert!(bars[0]["bars"].as_u64().unwrap() >= 2, "{}", bars[0]);
    // Sixteen digits are in the report; a reader compares fewer.
    let rows = seen["tables"].to_string();
    for part in ["\"0.933333\"", "\"x:/ click _b_\"", "(+3.7 %)"] {
        assert!(rows.contains(part), "{part} {rows}");
    }
}

#[test]
fn a_failure_stands_first_with_its_evidence_and_hostile_text_is_only_text() {
    // GitHub's own commands, markup, scripts, pictures, fences, tables, mentions, and lines as long as they like.
    let hostile = [
        "<script>window.owned = 1</script>",
        "<img src=x onerror=\"window.owned = 1\"><svg onload=\"window.owned = 1\">",
        "</code></pre></details></article><iframe srcdoc=\"x\"></iframe>",
        "````````` ```mermaid graph TD; a-->b; click a href \"javascript:window.owned = 1\"",
        "| a | b |\\n| --- | --- |\\n# heading\\n<!-- @org/team",
        "[x](javascript:window.owned=1) ![x](http://evil.example/x.png) http://evil.example www.evil.example",
    ];
    let lines: Vec<String> = hostile
        .iter()
        .map(|line| line.replace('"', "\\\""))
        .collect();
    let long = "w".repeat(4000);
    let script = format!(
        "import sys\nfor line in [{}]:\n    print(line)\n    print(line, file=sys.stderr)\nraise ValueError(\"{}\" + \"{long}\")\n",
        lines
            .iter()
            .map(|line| format!("\"{line}\""))
            .collect::<Vec<_>>()
            .join(", "),
        lines.join(" "),
    );
    let project = Project::new().file("train.py", &script);
    let run = project.ml_deploy("train").input("train", "python train.py");
    let ended = run.run().expect(20);
    let seen = shown(&ended.summary);
    sound(&seen);
    assert_eq!(first(&seen), "❌ Failed in train: training failed");
    assert_eq!(of(&seen, "gantt").len(), 1, "{}", seen["diagrams"]);
    assert_eq!(seen["diagrams"].as_array().unwrap().len(), 1);
    // The evidence stands before everything that went well, whole, and as it was printed.
    let text = seen["text"].as_str().unwrap();
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part} in {text}"))
    };
    assert!(at("Next:") < at("Stages") && at("<script>window.owned = 1</script>") < at("Stages"));
    assert!(at("<img src=x onerror=") < at("Stages"));
    for link in texts(&seen["links"]) {
        assert!(link.contains("/docs/codes.md#train-failed"), "{link}");
    }
}
