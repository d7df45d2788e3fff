//! `init`: what a repository tells, and the files that come of it; what exists stays.

use std::process::Command;

use serde_json::Value;

use crate::jenkins::{example, steps_of};
use crate::support::{Ended, Project, bed, checkout};

/// The example as it was before anybody had heard of us.
fn fresh() -> Project {
    let project = Project::example("wine");
    std::fs::remove_file(project.path().join("ml-deploy.yml")).unwrap();
    std::fs::remove_dir_all(project.path().join(".github")).unwrap();
    for pipeline in [".gitlab-ci.yml", "Jenkinsfile"] {
        std::fs::remove_file(project.path().join(pipeline)).unwrap();
    }
    for words in [
        &["init", "-q", "-b", "trunk"][..],
        &["remote", "add", "origin", "git@github.com:Acme/Wine.git"],
        &[
            "symbolic-ref",
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/trunk",
        ],
    ] {
        git(&project, words);
    }
    project
}

fn git(project: &Project, words: &[&str]) {
    let mut git = Command::new("git");
    let done = git
        .args(words)
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn init(project: &Project, more: &[(&str, &str)]) -> Ended {
    let run = project.ml_deploy("init").terminal();
    more.iter()
        .fold(run, |run, (name, value)| run.flag(name, value))
        .run()
}

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.path().join(path)).unwrap()
}

#[test]
fn a_usual_project_gets_a_file_that_plans_and_a_workflow_that_lints() {
    let project = fresh();
    init(&project, &[])
        .expect(0)
        .says("wrote ml-deploy.yml")
        .says("wrote .github/workflows/ml-deploy.yml")
        .says("MLFLOW_TRACKING_URI, KUBECONFIG");
    let settings = read(&project, "ml-deploy.yml");
    for line in [
        "train: python train.py --model-output model",
        "python-version: \"3.11\"",
        "requirements: requirements.txt",
        "mlflow-experiment-name: wine",
        "image: ghcr.io/org/wine",
        "manifests: k8s/deployment.yaml",
        "port: 8080",
        "health-path: /health",
        "predict-path: /predict",
        "golden: golden.jsonl",
    ] {
        assert!(
            settings.lines().any(|found| found == line),
            "no `{line}` in\n{settings}"
        );
    }
    project
        .ml_deploy("plan")
        .terminal()
        .run()
        .expect(0)
        .says("k8s/deployment.yaml");

    let workflow = read(&project, ".github/workflows/ml-deploy.yml");
    for wanted in [
        "branches: ['trunk']",
        "packages: write",
        "deployments: write",
    ] {
        assert!(workflow.contains(wanted), "{workflow}");
    }
    let linted = Command::new(bed("ACTIONLINT"))
        .arg(project.path().join(".github/workflows/ml-deploy.yml"))
        .output()
        .unwrap();
    assert!(
        linted.status.success(),
        "{}",
        String::from_utf8_lossy(&linted.stdout)
    );

    // The keys are those that the editors' schema knows.
    let schema = std::fs::read_to_string(checkout().join("docs/ml-deploy.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for line in settings
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let key = line.split(':').next().unwrap();
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn what_exists_stays_as_it_is() {
    let project = fresh().file("ml-deploy.yml", "train: python train.py\n# mine\n");
    init(&project, &[])
        .expect(0)
        .says("left ml-deploy.yml as it is");
    assert_eq!(
        read(&project, "ml-deploy.yml"),
        "train: python train.py\n# mine\n"
    );
    let workflow = read(&project, ".github/workflows/ml-deploy.yml");
    init(&project, &[])
        .expect(0)
        .says("left .github/workflows/ml-deploy.yml as it is");
    assert_eq!(read(&project, ".github/workflows/ml-deploy.yml"), workflow);
}

#[test]
fn the_pipeline_is_that_of_the_place() {
    let project = fresh();
    for (ci, path, wanted) in [
        (
            "gitlab",
            ".gitlab-ci.yml",
            "INPUT_MLFLOW_TRACKING_URI: $MLFLOW_TRACKING_URI",
        ),
        (
            "jenkins",
            "Jenkinsfile",
            "file(credentialsId: 'kubeconfig', variable: 'INPUT_KUBECONFIG')",
        ),
    ] {
        init(&project, &[("ci", ci)])
            .expect(0)
            .says(&format!("wrote {path}"));
        let text = read(&project, path);
        assert!(text.contains(wanted), "{text}");
        match ci {
            "gitlab" => gitlab_takes(&text),
            _ => jenkins_takes(&text),
        }
    }
    // From now on the repository itself says that it is built by GitLab.
    init(&project, &[])
        .expect(0)
        .says("left .gitlab-ci.yml as it is");
    assert!(!project.path().join(".github").exists());
}

/// GitLab's own schema of pipelines, and what the pipeline becomes with the template that it includes.
fn gitlab_takes(text: &str) {
    let template = std::fs::read_to_string(checkout().join("templates/ml-deploy.gitlab-ci.yml"));
    let remote = text
        .lines()
        .find(|line| line.contains("- remote:"))
        .unwrap();
    let local = text.replace(remote, "  - local: template.yml");
    let project = Project::new().file("template.yml", &template.unwrap());
    git(&project, &["init", "-q", "-b", "trunk"]);
    git(
        &project,
        &[
            "remote",
            "add",
            "origin",
            "https://gitlab.example/acme/wine.git",
        ],
    );
    let lint = |text: &str| {
        std::fs::write(project.path().join(".gitlab-ci.yml"), text).unwrap();
        git(&project, &["add", ".gitlab-ci.yml", "template.yml"]);
        let output = Command::new(bed("GITLAB_CI_LOCAL"))
            .arg(format!("--home={}/home", project.path().display()))
            .arg("--preview")
            .current_dir(project.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (fine, whole) = lint(&local);
    assert!(fine && whole.contains("json schema validated"), "{whole}");
    for part in [
        "- ml-deploy run",
        "INPUT_KUBECONFIG: $KUBECONFIG",
        "codequality: .ml-deploy/codequality.json",
    ] {
        assert!(whole.contains(part), "{part}\n{whole}");
    }
    // It would have said so.
    assert!(!lint(&local.replace("extends: .ml-deploy", "extends: .nothing")).0);
    assert!(!lint(&local.replace("  rules:", "  rulez:")).0);
}

/// The language of pipelines is Groovy; the steps are those that are run as Jenkins runs them.
fn jenkins_takes(text: &str) {
    assert_eq!(steps_of(text), steps_of(&example()));
    let folder = tempfile::tempdir().unwrap();
    let parse = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let output = Command::new("java")
            .args(["-cp", &bed("GROOVY"), "groovy.ui.GroovyMain"])
            .arg(checkout().join("tests/it/tools/parse.groovy"))
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for (name, text) in [("Jenkinsfile", text), ("Example", &example())] {
        let (fine, said) = parse(name, text);
        assert!(fine, "{said}\n{text}");
    }
    let (fine, said) = parse("Broken", text.trim_end().strip_suffix('}').unwrap());
    assert!(!fine && said.contains("Broken: "), "{said}");
}

#[test]
fn printing_writes_nothing_and_an_empty_folder_is_told() {
    let project = fresh();
    project
        .ml_deploy("init")
        .terminal()
        .word("--print")
        .run()
        .expect(0)
        .says("--- ml-deploy.yml")
        .says("manifests: k8s/deployment.yaml");
    assert!(!project.path().join("ml-deploy.yml").exists());
    let empty = Project::new();
    init(&empty, &[])
        .expect(2)
        .says("found no training script, Dockerfile or manifests");
}
