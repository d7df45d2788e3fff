//! The README's workflow, run by a workflow runner on the action's own image: what `act` runs is what users get.

mod delivery;
mod pull;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Project, bed, checkout, unique};

/// The action's image, built once for all tests of this run the way the Dockerfile says, with the binary that cargo just built.
pub(crate) fn action_image() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = format!("localhost:1/{}", unique("ml-deploy-action"));
        build_action_image(&name);
        name
    })
}

fn build_action_image(name: &str) {
    let context = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &str| {
        std::fs::copy(from, context.path().join(to)).unwrap();
    };
    copy(Path::new(env!("CARGO_BIN_EXE_ml-deploy")), "ml-deploy");
    copy(Path::new(&bed("UV")), "uv");
    copy(&checkout().join("Dockerfile"), "Dockerfile");
    let built = Command::new(bed("DOCKER"))
        .env("DOCKER_BUILDKIT", "1")
        .args([
            "build",
            "--build-arg",
            "BINARY=local",
            "--build-arg",
            &format!("BASE={}", bed("RUNTIME_BASE")),
            "--label",
            "ml-deploy-test=1",
            "-t",
            name,
        ])
        .arg(context.path())
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
}

/// The action as a release publishes it: `action.yml` names the image instead of the Dockerfile.
fn released_action() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(checkout().join("action.yml")).unwrap();
    assert!(text.contains("image: Dockerfile"));
    let released = text.replace(
        "image: Dockerfile",
        &format!("image: docker://{}", action_image()),
    );
    std::fs::write(folder.path().join("action.yml"), released).unwrap();
    folder
}

fn workflow(image: &str, namespace: &str) -> String {
    format!(
        r#"on: [push, pull_request]
permissions:
  contents: read
  packages: write
  checks: write
  pull-requests: write
  deployments: write
jobs:
  deliver:
    runs-on: ubuntu-latest
    outputs:
      image-ref: ${{{{ steps.ml.outputs.image-ref }}}}
      run-id: ${{{{ steps.ml.outputs.run-id }}}}
      status: ${{{{ steps.ml.outputs.status }}}}
    steps:
      - uses: actions/checkout@v4
      - id: ml
        uses: org/ml-deploy-action@v1
        with:
          python-version: '3.11'
          requirements: requirements.txt
          train: python train.py --data-path data/train.csv --model-output ./model
          mlflow-tracking-uri: ${{{{ secrets.MLFLOW_TRACKING_URI }}}}
          mlflow-experiment-name: {namespace}
          image: {image}
          registry-username: ${{{{ secrets.REGISTRY_USER }}}}
          registry-password: ${{{{ secrets.REGISTRY_PASSWORD }}}}
          deployment-file: k8s/deployment.yaml
          namespace: {namespace}
          kubeconfig: ${{{{ secrets.KUBECONFIG }}}}
          health-path: /health
          predict-path: /predict
          golden: golden.jsonl
  later:
    runs-on: ubuntu-latest
    needs: deliver
    steps:
      - run: echo "live=${{{{ needs.deliver.outputs.image-ref }}}} run=${{{{ needs.deliver.outputs.run-id }}}} status=${{{{ needs.deliver.outputs.status }}}}"
"#
    )
}

/// The example, with everything in the workflow and its image under this name.
fn wine(image: &str) -> Project {
    let project = Project::example("wine");
    std::fs::remove_file(project.path().join("ml-deploy.yml")).unwrap();
    let manifest = project.path().join("k8s/deployment.yaml");
    let text = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("ghcr.io/org/wine", image);
    std::fs::write(&manifest, text).unwrap();
    project
}

/// Runs the workflow for an event and returns act's JSON records. `event` are the event and what act is told of it. Workflows that
/// run at the same time need files of different names: act names its containers so.
fn act(
    project: &Project,
    event: &[&str],
    workflow: &str,
    action: &Path,
    secrets: &[(&str, &str)],
) -> (bool, Vec<Value>, String) {
    let cache = tempfile::tempdir().unwrap();
    let secret_file = cache.path().join("secrets");
    let lines: Vec<String> = secrets
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    std::fs::write(&secret_file, lines.join("\n")).unwrap();
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "-qm",
            "wine",
        ],
    ] {
        assert!(
            Command::new("git")
                .args(args)
                .current_dir(project.path())
                .status()
                .unwrap()
                .success()
        );
    }
    let output = Command::new(bed("ACT"))
        .current_dir(project.path())
        .env("XDG_CACHE_HOME", cache.path())
        .args(event)
        .arg("-W")
        .arg(workflow)
        .arg("-P")
        .arg(format!("ubuntu-latest={}", bed("BASE")))
        .args(["--pull=false", "--action-offline-mode", "--rm", "--json"])
        .arg(format!("--secret-file={}", secret_file.display()))
        .arg(format!(
            "--local-repository=org/ml-deploy-action@v1={}",
            action.display()
        ))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    (
        output.status.success(),
        records,
        format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)),
    )
}
