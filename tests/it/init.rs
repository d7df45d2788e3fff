//! `init`: what a repository tells, and the files that come of it; what exists stays.

use std::process::Command;

use serde_json::Value;

use crate::support::{Ended, Project, bed, checkout};

/// The example as it was before anybody had heard of us.
fn fresh() -> Project {
    let project = Project::example("wine");
    std::fs::remove_file(project.path().join("ml-deploy.yml")).unwrap();
    std::fs::remove_dir_all(project.path().join(".github")).unwrap();
    for pipeline in [".gitlab-ci.yml", "Jenkinsfile"] {
        std::fs::remove_file(project.path().join(pipeline)).unwrap();
    }
    let git = |words: &[&str]| {
        let done = Command::new("git")
            .args(words)
            .current_dir(project.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q", "-b", "trunk"]);
    git(&["remote", "add", "origin", "git@github.com:Acme/Wine.git"]);
    git(&[
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/trunk",
    ]);
    project
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
    }
    // From now on the repository itself says that it is built by GitLab.
    init(&project, &[])
        .expect(0)
        .says("left .gitlab-ci.yml as it is");
    assert!(!project.path().join(".github").exists());
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
