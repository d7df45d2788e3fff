//! The pipeline that runs ml-deploy: a workflow of GitHub, a job of GitLab, or a Jenkinsfile. Values stand in `ml-deploy.yml`;
//! the pipeline adds what belongs to the place: when it runs, what it may do, its secrets.

use super::found::Found;
use crate::inputs::cli::Ci;

/// What the repository has already, else what its remote has, else GitHub.
pub(super) fn natural(found: &Found) -> Ci {
    let remote = found.remote.as_ref().map_or("", |remote| &remote.host);
    match () {
        () if found.gitlab || remote.contains("gitlab") => Ci::Gitlab,
        () if found.jenkins => Ci::Jenkins,
        () => Ci::Github,
    }
}

/// Where the place looks for it.
pub(super) fn path(ci: Ci) -> &'static str {
    match ci {
        Ci::Github => ".github/workflows/ml-deploy.yml",
        Ci::Gitlab => ".gitlab-ci.yml",
        Ci::Jenkins => "Jenkinsfile",
    }
}

/// How one gives the place its secrets.
pub(super) fn where_secrets_are(ci: Ci) -> &'static str {
    match ci {
        Ci::Github => "create these secrets in the repository's settings",
        Ci::Gitlab => "create these masked variables in the project's CI/CD settings",
        Ci::Jenkins => "create these credentials (secret text; registry: user name with password)",
    }
}

/// The inputs that are handed over as secrets: input, variable.
fn handed(ci: Ci, found: &Found) -> Vec<(&'static str, &'static str)> {
    let mut handed = Vec::new();
    if found.script.as_ref().is_some_and(|script| script.mlflow) {
        handed.push(("mlflow-tracking-uri", "MLFLOW_TRACKING_URI"));
    }
    if found.dockerfile.is_some() && !own_registry(ci, found) {
        handed.push(("registry-username", "REGISTRY_USERNAME"));
        handed.push(("registry-password", "REGISTRY_PASSWORD"));
    }
    if found.manifests.is_some() {
        handed.push(("kubeconfig", "KUBECONFIG"));
    }
    handed
}

/// The secrets that somebody has to create.
pub(super) fn secrets(ci: Ci, found: &Found) -> Vec<&'static str> {
    let handed = handed(ci, found).into_iter();
    let names = handed.map(|(_, variable)| variable);
    match ci {
        // One credential holds both.
        Ci::Jenkins => names
            .filter(|name| *name != "REGISTRY_PASSWORD")
            .map(credential)
            .collect(),
        Ci::Github | Ci::Gitlab => names.collect(),
    }
}

/// Whether the place itself gives the login for the registry.
fn own_registry(ci: Ci, found: &Found) -> bool {
    match ci {
        Ci::Github => found
            .image()
            .is_none_or(|image| image.starts_with("ghcr.io/")),
        Ci::Gitlab => found
            .image()
            .is_none_or(|image| image.starts_with("registry.gitlab.com/")),
        Ci::Jenkins => false,
    }
}

pub(super) fn text(ci: Ci, found: &Found) -> String {
    match ci {
        Ci::Github => github(found),
        Ci::Gitlab => gitlab(found),
        Ci::Jenkins => jenkins(found),
    }
}

fn github(found: &Found) -> String {
    let mut with = String::new();
    let mut packages = "";
    if found.dockerfile.is_some() && own_registry(Ci::Github, found) {
        packages = "\n      packages: write # push the image";
        with.push_str("\n          registry-username: ${{ github.actor }}");
        with.push_str("\n          registry-password: ${{ secrets.GITHUB_TOKEN }}");
        if found.image().is_none() {
            with.push_str("\n          image: ghcr.io/${{ github.repository }}");
        }
    }
    for (input, secret) in handed(Ci::Github, found) {
        with.push_str(&format!("\n          {input}: ${{{{ secrets.{secret} }}}}"));
    }
    let with = if with.is_empty() {
        String::new()
    } else {
        format!("\n        with:{with}")
    };
    let branch = &found.branch;
    format!(
        "\
# Trains, builds, deploys and verifies on pushes to {branch}; checks all but the delivery on pull requests. Settings: ml-deploy.yml
name: ml-deploy

on:
  push:
    branches: ['{branch}']
  pull_request:

permissions: {{}}

concurrency:
  group: ml-deploy-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  deliver:
    runs-on: ubuntu-latest
    timeout-minutes: 120
    permissions:
      contents: read{packages}
    outputs:
      image-ref: ${{{{ steps.ml.outputs.image-ref }}}}
      run-id: ${{{{ steps.ml.outputs.run-id }}}}
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - id: ml
        uses: org/ml-deploy-action@v1{with}
"
    )
}

fn gitlab(found: &Found) -> String {
    let mut variables = String::new();
    if found.dockerfile.is_some() && own_registry(Ci::Gitlab, found) {
        variables.push_str("\n    INPUT_REGISTRY_USERNAME: $CI_REGISTRY_USER");
        variables.push_str("\n    INPUT_REGISTRY_PASSWORD: $CI_REGISTRY_PASSWORD");
        if found.image().is_none() {
            variables.push_str("\n    INPUT_IMAGE: $CI_REGISTRY_IMAGE");
        }
    }
    for (input, variable) in handed(Ci::Gitlab, found) {
        let input = input.to_uppercase().replace('-', "_");
        variables.push_str(&format!("\n    INPUT_{input}: ${variable}"));
    }
    let branch = &found.branch;
    format!(
        "\
# Trains, builds, deploys and verifies on {branch}; checks all but the delivery on merge requests. Settings: ml-deploy.yml
ml-deploy:
  image:
    name: ghcr.io/org/ml-deploy-action:v1
    entrypoint: ['']
  services: ['docker:dind']
  variables:
    DOCKER_HOST: tcp://docker:2375
    DOCKER_TLS_CERTDIR: ''{variables}
  rules:
    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"
    - if: $CI_COMMIT_BRANCH == \"{branch}\"
  script:
    - ml-deploy run
  artifacts:
    when: always
    paths: [.ml-deploy/]
"
    )
}

fn jenkins(found: &Found) -> String {
    let mut bound = String::new();
    for (input, variable) in handed(Ci::Jenkins, found) {
        let id = credential(variable);
        let input = input.to_uppercase().replace('-', "_");
        let value = match variable {
            "REGISTRY_USERNAME" => "\"${REGISTRY_USR}\"".to_owned(),
            "REGISTRY_PASSWORD" => "\"${REGISTRY_PSW}\"".to_owned(),
            _ => format!("credentials('{id}')"),
        };
        if variable == "REGISTRY_USERNAME" {
            bound.push_str("\n        REGISTRY = credentials('registry')");
        }
        bound.push_str(&format!("\n        INPUT_{input} = {value}"));
    }
    let environment = if bound.is_empty() {
        String::new()
    } else {
        format!("\n      environment {{{bound}\n      }}")
    };
    format!(
        "\
// Trains, builds, deploys and verifies; checks all but the delivery on pull requests. Settings: ml-deploy.yml
pipeline {{
  agent {{
    docker {{
      image 'ghcr.io/org/ml-deploy-action:v1'
      args '--entrypoint= -v /var/run/docker.sock:/var/run/docker.sock'
    }}
  }}
  options {{
    disableConcurrentBuilds()
    timeout(time: 2, unit: 'HOURS')
  }}
  stages {{
    stage('ml-deploy') {{{environment}
      steps {{
        sh 'ml-deploy run'
      }}
    }}
  }}
  post {{
    always {{
      archiveArtifacts artifacts: '.ml-deploy/**', allowEmptyArchive: true
    }}
  }}
}}
"
    )
}

/// The id of a credential in Jenkins.
fn credential(variable: &'static str) -> &'static str {
    match variable {
        "MLFLOW_TRACKING_URI" => "mlflow-tracking-uri",
        "KUBECONFIG" => "kubeconfig",
        _ => "registry",
    }
}
