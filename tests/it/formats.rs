//! Forms of the log and files for other systems: each is read by somebody else's reader of its format.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Project, bed, checkout};

/// Fails unless the file is what the JSON Schema says.
pub(crate) fn valid(schema: &Path, file: &Path) {
    let output = Command::new("node")
        .arg(checkout().join("tests/it/tools/validate.js"))
        .args([schema, file])
        .env("NODE_PATH", bed("NODE_MODULES"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}: {}",
        file.display(),
        String::from_utf8_lossy(&said)
    );
}

const HOSTILE: &str = r#"
import sys
print("epoch 1")
print("::error::forged ##[error]forged")
print("\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202e \x1b[0Ksection_start:1:x\r\x1b[0K")
print("{\"event\": \"ended\", \"exit\": 0}")
print("token hunter2-secret")
raise ValueError("x")
"#;

fn hostile() -> Project {
    Project::new().file("train.py", HOSTILE)
}

#[test]
fn json_is_lines_of_the_documented_schema_and_nothing_else() {
    let project = hostile();
    let ended = project
        .ml_deploy("run")
        .env("DB_PASSWORD", "hunter2-secret")
        .input("train", "python train.py")
        .input("format", "json")
        .run()
        .expect(20)
        .code("train-failed");
    let project = project.file("events.jsonl", &ended.stdout);
    valid(
        &checkout().join("docs/events.schema.json"),
        &project.path().join("events.jsonl"),
    );
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    assert_eq!(first["schema"], "ml-deploy/events/v1");
    assert_eq!(
        (&last["event"], &last["exit"], &last["failure"]["code"]),
        (&"ended".into(), &20.into(), &"train-failed".into())
    );
    assert_eq!(last["outputs"]["failure-code"], "train-failed");
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((count("begun"), count("ended")), (1, 1), "{}", ended.stdout);
    let finding = lines
        .iter()
        .find(|line| line["event"] == "finding")
        .unwrap();
    assert_eq!(finding["location"]["file"], "train.py");
    let mut output = lines.iter().filter(|line| line["event"] == "output");
    assert!(output.any(|line| line["line"] == "epoch 1"));
    assert!(ended.stdout.contains(r"token ***"), "{}", ended.stdout);
    for never in ["hunter2", "##[", "\u{1b}", "\u{202e}", "add-mask"] {
        assert!(!ended.stdout.contains(never), "{never}: {}", ended.stdout);
    }
    // What the schema does not know would be a line that nobody can rely on.
    let schema = std::fs::read_to_string(checkout().join("docs/events.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let guide = std::fs::read_to_string(checkout().join("docs/events.md")).unwrap();
    for line in &lines {
        let kinds = schema["oneOf"].as_array().unwrap();
        let kind = kinds
            .iter()
            .find(|kind| kind["properties"]["event"]["const"] == line["event"]);
        let known = kind.unwrap()["properties"].as_object().unwrap();
        for name in line.as_object().unwrap().keys() {
            assert!(known.contains_key(name), "{name} in {line}");
            assert!(guide.contains(&format!("`{name}`")), "{name}");
        }
    }
}

#[test]
fn json_also_says_what_is_wrong_with_inputs() {
    let ended = Project::new()
        .ml_deploy("run")
        .flag("format", "json")
        .flag("imge", "x")
        .terminal()
        .run()
        .expect(2);
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1]["code"], "input-unknown");
    assert_eq!(lines[2]["exit"], 2);
    Project::new()
        .ml_deploy("run")
        .flag("format", "xml")
        .run()
        .expect(2)
        .code("input-invalid")
        .says("expected auto, plain or json");
}

#[test]
fn plain_gives_no_commands_and_no_colours_and_still_writes_the_files() {
    let ended = hostile()
        .ml_deploy("run")
        .env("FORCE_COLOR", "1")
        .env("DB_PASSWORD", "hunter2-secret")
        .input("train", "python train.py")
        .input("format", "plain")
        .run()
        .expect(20)
        .code("train-failed")
        .says("error[train-failed]");
    assert!(ended.summary.starts_with("## ❌"), "{}", ended.summary);
    let command = |line: &str| line.trim_start().starts_with("::");
    assert!(!ended.stdout.lines().any(command), "{}", ended.stdout);
    for never in ["\u{1b}", "hunter2"] {
        assert!(!ended.stdout.contains(never), "{}", ended.stdout);
    }
}

#[test]
fn colours_follow_the_usual_variables() {
    let project = Project::new().file("train.py", "print('x')\nraise ValueError('x')\n");
    let coloured = |name: &str, value: &str| {
        let run = project.ml_deploy("train").terminal();
        let run = run.env(name, value).flag("train", "python train.py");
        run.run().expect(20).stdout.contains("\u{1b}[1;31m")
    };
    assert!(!coloured("TERM", "xterm"), "standard output is a pipe");
    assert!(coloured("CLICOLOR_FORCE", "1"));
    assert!(coloured("GITLAB_CI", "true"));
    assert!(!coloured("CI", "true"));
}

/// What the files for other systems say, read as those systems do; `findings.sarif` is checked against its schema.
pub(crate) fn files(folder: &Path) -> Value {
    let schema = "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";
    valid(
        &Path::new(&bed("NODE_MODULES")).join(schema),
        &folder.join("findings.sarif"),
    );
    let output = Command::new("python3")
        .arg(checkout().join("tests/it/tools/read.py"))
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The message of the exception holds what XML 1.0 forbids, what ends a text, and a huge line.
const HOSTILE_ERROR: &str = r#"
print("token hunter2-secret")
raise ValueError("\x00\x01\x0b\x1b[31m \ufffe ]]> </failure> <!-- & \" ' hunter2-secret ::error::x " + "x" * 300_000)
"#;

#[test]
fn files_for_other_systems_are_valid_whatever_a_training_prints() {
    let project = Project::new()
        .file("sub folder/train ü%1.py", HOSTILE_ERROR)
        .file("Dockerfile", "FROM scratch\n");
    let ended = project
        .ml_deploy("run")
        .env("DB_PASSWORD", "hunter2-secret")
        .input("train", "python 'sub folder/train ü%1.py'")
        .terminal()
        .run()
        .expect(20);
    let folder = project.path().join(".ml-deploy");
    let all = files(&folder);
    assert!(!all.to_string().contains("hunter2"), "{all}");
    let junit = all["junit"].as_array().unwrap();
    let train = junit.iter().find(|case| case["name"] == "train").unwrap();
    assert_eq!(
        (&train["class"], &train["type"]),
        (&"ml-deploy.train".into(), &"train-failed".into())
    );
    assert!(
        train["text"].as_str().unwrap().contains("]]> </failure>"),
        "{train}"
    );
    let run = junit.iter().find(|case| case["name"] == "run").unwrap();
    assert_eq!(run["type"], Value::Null, "told once: {run}");
    let found = &all["quality"][0];
    assert_eq!(
        (&found["check_name"], &found["severity"]),
        (&"train-failed".into(), &"critical".into())
    );
    assert_eq!(found["location"]["path"], "sub folder/train ü%1.py");
    let place = &all["sarif"]["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"],
        "sub%20folder/train%20%C3%BC%251.py"
    );
    assert_eq!(
        place["region"]["startLine"],
        found["location"]["lines"]["begin"]
    );
    assert_eq!(all["env"]["ML_DEPLOY_STATUS"], "failure");
    assert_eq!(all["properties"], all["outputs"]);
    assert_eq!(all["outputs"], ended.report["outputs"]);
    let seconds = &all["metrics"]["ml_deploy_stage_seconds{stage=train}"];
    assert!(
        seconds.as_str().unwrap().parse::<f64>().unwrap() > 0.0,
        "{seconds}"
    );
}

#[test]
fn the_files_are_there_when_inputs_are_wrong_and_when_nothing_is_wrong() {
    let project = Project::new().file("ml-deploy.yml", "trian: x\n");
    let read = || files(&project.path().join(".ml-deploy"));
    project.ml_deploy("run").run().expect(2);
    let all = read();
    assert_eq!(all["junit"][0]["type"], "input-unknown");
    assert_eq!(all["quality"][0]["location"]["path"], "ml-deploy.yml");
    let first = all["quality"][0]["fingerprint"].clone();
    // The same finding on another line is the same finding.
    std::fs::write(
        project.path().join("ml-deploy.yml"),
        "model: m\n\ntrian: x\n",
    )
    .unwrap();
    project.ml_deploy("run").run().expect(2);
    assert_eq!(read()["quality"][0]["fingerprint"], first);
    std::fs::write(project.path().join("ml-deploy.yml"), "model: m\n").unwrap();
    std::fs::write(
        project.path().join("train.py"),
        "open('m', 'w').write('x')\n",
    )
    .unwrap();
    project
        .ml_deploy("run")
        .flag("train", "python train.py")
        .run()
        .expect(0);
    let all = read();
    assert_eq!(
        (&all["quality"], &all["env"]["ML_DEPLOY_STATUS"]),
        (&Value::Array(Vec::new()), &"success".into())
    );
    assert!(
        all["junit"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["type"].is_null())
    );
}
