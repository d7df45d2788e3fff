//! The job summary of real runs: what reviewers see after a few trainings of one experiment.

use crate::gates::{ask, project};
use crate::support::{Ended, Project, bed, unique};

/// Trains with an accuracy and a loss, in an experiment, with a rule that compares with the alias.
pub(crate) fn trained(server: &str, experiment: &str, metrics: &str) -> Ended {
    project(metrics, "pass")
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("mlflow-tracking-uri", server)
        .input("mlflow-experiment-name", experiment)
        .input("register-model", experiment)
        .input("gates", "accuracy >= champion - 0.01")
        .run()
}

fn diagrams(summary: &str) -> Vec<&str> {
    let parts = summary.split("```mermaid\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn a_summary_compares_with_the_champion_and_with_the_last_runs() {
    let server = bed("MLFLOW");
    let experiment = unique("it-summary");
    let first = trained(&server, &experiment, "'accuracy': 0.9, 'loss': 0.5").expect(0);
    // One run is no history.
    assert!(!first.summary.contains("xychart"), "{}", first.summary);
    crate::gates::crown(&server, &experiment, first.output("run-id"));
    // A metric's name may hold anything that MLflow lets through, and cannot break out of the chart.
    let hostile = "'accuracy': 0.95, 'loss': 0.4, 'x:/ click': 1";
    let ended = trained(&server, &experiment, hostile).expect(0);
    let id = first.output("run-id");
    for part in [
        "## ✅",
        "| Metric | This run | Champion | Change | Gate |",
        "| <code>accuracy</code> | 0.95 | 0.9 | +0.05 (+5.6 %) | ✅ passed: ",
        "| <code>loss</code> | 0.4 | 0.5 | -0.1 (-20.0 %) |  |",
        "line [0.9, 0.95]",
        "x-axis [\"-1\", \"this\"]",
        "The flat line is the champion.",
        id,
    ] {
        assert!(ended.summary.contains(part), "{part}\n{}", ended.summary);
    }
    let diagrams = diagrams(&ended.summary);
    let charts = diagrams
        .iter()
        .filter(|one| one.contains("\nxychart-beta\n"));
    assert_eq!(charts.count(), 2, "{}", ended.summary);
    let bars = diagrams
        .iter()
        .find(|one| one.contains("\ngantt\n"))
        .unwrap();
    assert!(bars.contains(" train :done, "), "{bars}");
    // The server itself says the same.
    let runs = ended.report["history"]["runs"].as_array().unwrap();
    let found = ask(&server, &format!("runs/get?run_id={id}"), None);
    assert_eq!(runs[0]["id"], found["run"]["info"]["run_id"]);
    assert_eq!(runs.len(), 2);
}

#[test]
fn stores_without_a_server_have_a_history_too() {
    let metrics = |value: &str| format!("'accuracy': {value}");
    for store in ["sqlite:///store.db", "./runs"] {
        let project = project(&metrics("0.5"), "pass");
        let project = project.file("requirements.txt", "mlflow==3.17.2\n");
        let run = || {
            let run = project.ml_deploy("train").input("train", "python train.py");
            run.input("mlflow-tracking-uri", store)
                .input("train-env", "MLFLOW_ALLOW_FILE_STORE=true")
                .run()
        };
        run().expect(0);
        let ended = run().expect(0);
        assert!(
            ended.summary.contains("line [0.5, 0.5]"),
            "{store}\n{}",
            ended.summary
        );
    }
}

#[test]
fn a_failure_leads_to_its_explanation_in_the_documentation() {
    let project = Project::new().file("train.py", "raise ValueError('<!-- @org')\n");
    let run = project.ml_deploy("train").input("train", "python train.py");
    let ended = run.run().expect(20);
    let code = ended.output("failure-code").to_owned();
    let page = format!("/docs/codes.md#{code}>)");
    assert!(ended.summary.contains(&page), "{}", ended.summary);
    let page = std::fs::read_to_string(crate::support::checkout().join("docs/codes.md")).unwrap();
    assert!(page.contains(&format!("\n## {code}\n")), "{code}");
    let bars = diagrams(&ended.summary);
    assert!(bars[0].contains(" train :crit, "), "{}", ended.summary);
}
