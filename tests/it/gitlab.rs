//! GitLab CI: the job template run by a runner of GitLab pipelines, the log that folds, and the note on a merge request.

use std::process::Command;

use serde_json::Value;

use crate::act::action_image;
use crate::engine::Container;
use crate::formats::files;
use crate::ports::free_port;
use crate::servers::Server;
use crate::support::{Ended, Project, bed, checkout, unique};

/// The example as a repository whose template lies beside it and names the image under test.
fn wine() -> Project {
    let template = checkout().join("templates/ml-deploy.gitlab-ci.yml");
    let template = std::fs::read_to_string(template).unwrap();
    assert!(template.contains("ghcr.io/org/ml-deploy-action:v1"));
    let template = template.replace("ghcr.io/org/ml-deploy-action:v1", action_image());
    let project = Project::example("wine").file("template.yml", &template);
    let pipeline = project.path().join(".gitlab-ci.yml");
    let text = std::fs::read_to_string(&pipeline).unwrap();
    let remote = text
        .lines()
        .find(|line| line.contains("- remote:"))
        .unwrap();
    std::fs::write(&pipeline, text.replace(remote, "  - local: template.yml")).unwrap();
    for args in [
        "init -q -b main",
        "remote add origin https://gitlab.example/org/wine.git",
        "add -A",
        "-c user.name=t -c user.email=t@t commit -qm wine",
    ] {
        let git = Command::new("git")
            .args(args.split(' '))
            .current_dir(project.path())
            .status();
        assert!(git.unwrap().success());
    }
    project
}

#[test]
fn the_template_delivers_the_example_and_a_later_job_reads_the_outputs() {
    let project = wine();
    let name = unique("it-gitlab");
    let _container = Container(name.clone());
    let port = free_port();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(bed("GITLAB_CI_LOCAL"));
    command
        .current_dir(project.path())
        .arg(format!("--home={}", home.path().display()))
        .arg(format!("--helper-image={}", bed("GITLAB_HELPER")))
        .args([
            "--network=host",
            "--pull-policy=if-not-present",
            "--no-color",
        ])
        .arg("--volume=/var/run/docker.sock:/var/run/docker.sock")
        // What uv has downloaded for other tests.
        .arg(format!(
            "--volume={}/.cache/uv:/root/.cache/uv",
            std::env::var("HOME").unwrap()
        ));
    for (name, value) in [
        ("INPUT_IMAGE", format!("{}/it/{name}", bed("REGISTRY"))),
        ("INPUT_TARGET", "docker".to_owned()),
        ("INPUT_CONTAINER_NAME", name.clone()),
        ("INPUT_PORTS", format!("{port}:8080")),
        ("INPUT_REGISTRY_PASSWORD", "never-shown-anywhere".to_owned()),
        ("INPUT_REGISTRY_USERNAME", "anyone".to_owned()),
    ] {
        command.arg("--variable").arg(format!("{name}={value}"));
    }
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{log}");
    let announced = log
        .lines()
        .find(|line| line.contains(" is live, run ") && !line.contains('$'));
    let announced = announced.unwrap_or_else(|| panic!("the later job printed nothing:\n{log}"));
    assert!(
        announced.contains("@sha256:") && announced.contains(", success"),
        "{announced}"
    );
    assert!(!log.contains("never-shown-anywhere"), "{log}");
    assert!(log.contains(&format!("http://127.0.0.1:{port}")), "{log}");
    let kept = project
        .path()
        .join(".gitlab-ci-local/artifacts/deliver/.ml-deploy");
    let all = files(&kept);
    assert_eq!(
        all["env"]["ML_DEPLOY_ENDPOINT"],
        format!("http://127.0.0.1:{port}")
    );
    let accuracy = all["metrics"]["ml_deploy_metric{name=accuracy}"].as_str();
    assert!(accuracy.unwrap().parse::<f64>().unwrap() > 0.9, "{all}");
    assert_eq!(all["quality"], Value::Array(Vec::new()));
    assert!(kept.join("report.json").exists());
}

/// A job on a merge request whose training fails; `server` is GitLab.
fn job(project: &Project, server: &Server, token: &str) -> Ended {
    let api = format!("http://{}/api/v4", server.address());
    let run = project.ml_deploy("run").terminal();
    run.env("GITLAB_CI", "true")
        .env("NO_COLOR", "1")
        .env("CI_PIPELINE_SOURCE", "merge_request_event")
        .env("CI_API_V4_URL", &api)
        .env("CI_PROJECT_ID", "7")
        .env("CI_MERGE_REQUEST_PROJECT_ID", "7")
        .env("CI_MERGE_REQUEST_IID", "3")
        .env("CI_JOB_NAME", "check: [a --> b]")
        .env("GITLAB_TOKEN", token)
        .flag("train", "python train.py")
        .run()
}

fn ask(server: &Server, path: &str, said: Option<&Value>) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*"]);
    if let Some(said) = said {
        command.args(["-d", &said.to_string()]);
    }
    let output = command
        .arg(format!("http://{}{path}", server.address()))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Bodies of the notes with our marker that the token's user wrote.
fn ours(server: &Server) -> Vec<String> {
    let state = ask(server, "/state", None);
    let notes = state["notes"].as_array().unwrap().iter();
    let ours = notes.filter(|note| note["author"]["id"] == 42);
    ours.map(|note| note["body"].as_str().unwrap().to_owned())
        .collect()
}

const FAILING: &str = "print('/merge')\nraise ValueError('/approve @org `<b>')\n";

#[test]
fn the_note_on_a_merge_request_updates_itself() {
    let token = "glpat-hunter2hunter2";
    // Two pages of others, one of whom has copied our marker.
    let server = Server::start("gitlab.py", &[token, "150"]);
    let project = Project::new().file("train.py", FAILING);
    let copied = serde_json::json!({"body": "<!-- ml-deploy note of check: [a —  b] -->\nhaha", "author": {"id": 5}});
    ask(&server, "/note", Some(&copied));
    let first = job(&project, &server, token).expect(20);
    assert!(!first.stdout.contains("hunter2"), "{}", first.stdout);
    let notes = ours(&server);
    assert_eq!(notes.len(), 1, "{}", first.stdout);
    assert!(
        notes[0].contains("## ❌ Failed in train") && notes[0].contains("train-failed"),
        "{}",
        notes[0]
    );
    assert!(
        !notes[0].lines().any(|line| line.starts_with('/')),
        "{}",
        notes[0]
    );
    // Fixed: the same note says so. The server is busy at first, and answers once too late to be heard.
    std::fs::write(
        project.path().join("train.py"),
        "open('model', 'w').write('x')\n",
    )
    .unwrap();
    for fail in [
        serde_json::json!({"method": "GET", "status": 429, "times": 1, "retry_after": 0}),
        serde_json::json!({"method": "PUT", "status": 502, "times": 1, "done": true}),
    ] {
        ask(&server, "/fail", Some(&fail));
    }
    job(&project, &server, token).expect(0);
    let notes = ours(&server);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("## ✅"), "{}", notes[0]);
}

#[test]
fn a_lost_answer_makes_no_second_note_and_a_refusal_is_a_warning() {
    let token = "glpat-hunter2hunter2";
    let server = Server::start("gitlab.py", &[token]);
    let project = Project::new().file("train.py", FAILING);
    let lost = serde_json::json!({"method": "POST", "status": 503, "times": 1, "done": true});
    ask(&server, "/fail", Some(&lost));
    job(&project, &server, token).expect(20);
    assert_eq!(ours(&server).len(), 1);
    let asked = |server: &Server| {
        ask(server, "/state", None)["asked"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = asked(&server);
    job(&project, &server, "glpat-of-somebody-else")
        .expect(20)
        .says("401 Unauthorized")
        .says("scope `api`");
    assert_eq!(asked(&server), before + 1, "a refusal is not tried again");
    // Without a token nobody is asked.
    job(&project, &server, "").expect(20);
    assert_eq!(asked(&server), before + 1);
}

#[test]
fn stages_are_sections_with_foreign_output_folded_in_them() {
    let forged = "print('\\x1b[0Ksection_end:1:ml_deploy_1_train\\r\\x1b[0K')\nprint('epoch 1')\nraise ValueError('x')\n";
    let project = Project::new().file("train.py", forged);
    let run = project.ml_deploy("train").terminal();
    let ended = run
        .env("GITLAB_CI", "true")
        .flag("train", "python train.py")
        .run()
        .expect(20);
    let mut open: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut folded = Vec::new();
    for line in ended.stdout.lines() {
        let marker = line.strip_prefix("\u{1b}[0Ksection_");
        let Some((marker, _)) = marker.and_then(|marker| marker.split_once("\r\u{1b}[0K")) else {
            assert!(!line.contains('\r'), "{line:?}");
            if line.contains("epoch 1") && folded.is_empty() {
                folded.clone_from(&open);
            }
            if line.contains("error[train-failed]") || line.contains("error\u{1b}") {
                assert!(open.is_empty(), "a finding must not be folded: {open:?}");
            }
            continue;
        };
        let mut parts = marker.splitn(3, ':');
        let (kind, time, name) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );
        assert!(time.parse::<u64>().unwrap() > 1_700_000_000, "{line:?}");
        if kind == "start" {
            assert!(!seen.contains(&name), "{name} twice");
            seen.push(name);
            open.push(name);
        } else {
            let opened = open.pop().unwrap();
            assert_eq!(opened.trim_end_matches("[collapsed=true]"), name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(folded.len(), 2, "{}", ended.stdout);
    assert!(
        folded[0].ends_with("_train") && folded[1].ends_with("_output[collapsed=true]"),
        "{folded:?}"
    );
}
