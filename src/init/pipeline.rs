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
        Ci::Jenkins => {
            "create these credentials (kubeconfig: secret file; registry: user name with password; others: secret text)"
        }
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
    let deployments = match found.manifests {
        Some(_) => "\n      deployments: write # a GitHub Deployment with its address",
        None => "",
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
      checks: write # a check with annotations on the lines
      pull-requests: write # one comment that updates itself{deployments}
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
        variables.push_str(&format!("\n    {}: ${variable}", environment(input)));
    }
    let variables = match variables.is_empty() {
        true => String::new(),
        false => format!("\n  variables:{variables}"),
    };
    let branch = &found.branch;
    format!(
        "\
# Trains, builds, deploys and verifies on {branch}; checks all but the delivery on merge requests. Settings: ml-deploy.yml.
# The runner has to offer a container engine, and KUBECONFIG is a variable of type \"File\": docs/gitlab.md of ml-deploy-action.
include:
  - remote: https://raw.githubusercontent.com/org/ml-deploy-action/v1/templates/ml-deploy.gitlab-ci.yml

ml-deploy:
  extends: .ml-deploy{variables}
  rules:
    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"
    - if: $CI_COMMIT_BRANCH == \"{branch}\"
"
    )
}

fn jenkins(found: &Found) -> String {
    let bound: Vec<String> = handed(Ci::Jenkins, found)
        .into_iter()
        .filter_map(|(input, variable)| {
            let (id, input) = (credential(variable), environment(input));
            match variable {
                "REGISTRY_PASSWORD" => None,
                "REGISTRY_USERNAME" => Some(format!("usernamePassword(credentialsId: '{id}', usernameVariable: '{input}', passwordVariable: 'INPUT_REGISTRY_PASSWORD')")),
                "KUBECONFIG" => Some(format!("file(credentialsId: '{id}', variable: '{input}')")),
                _ => Some(format!("string(credentialsId: '{id}', variable: '{input}')")),
            }
        })
        .collect();
    let run = match &bound[..] {
        [] => "sh 'ml-deploy run'".to_owned(),
        bound => format!(
            "withCredentials([\n                    {}\n                ]) {{\n                    sh 'ml-deploy run'\n                }}",
            bound.join(",\n                    ")
        ),
    };
    format!(
        "\
// Trains, builds, deploys and verifies; checks all but the delivery on pull requests. Settings: ml-deploy.yml.
// Plugins: Docker Pipeline, Credentials Binding, JUnit, Warnings; docs/jenkins.md of ml-deploy-action is the guide.
pipeline {{
    agent {{
        docker {{
            image 'ghcr.io/org/ml-deploy-action:v1'
            // 999 is the group that owns the engine's socket on the agent.
            args '--entrypoint= --volume /var/run/docker.sock:/var/run/docker.sock --group-add 999'
        }}
    }}
    options {{
        disableConcurrentBuilds()
        timeout(time: 2, unit: 'HOURS')
    }}
    stages {{
        stage('ml-deploy') {{
            steps {{
                {run}
            }}
        }}
    }}
    post {{
        always {{
            junit testResults: '.ml-deploy/junit.xml', allowEmptyResults: true
            recordIssues tools: [sarif(pattern: '.ml-deploy/findings.sarif')]
            archiveArtifacts artifacts: '.ml-deploy/*.*', allowEmptyArchive: true
        }}
    }}
}}
"
    )
}

/// The variable that an input is handed over in.
fn environment(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase().replace('-', "_"))
}

/// The id of a credential in Jenkins.
fn credential(variable: &'static str) -> &'static str {
    match variable {
        "MLFLOW_TRACKING_URI" => "mlflow-tracking-uri",
        "KUBECONFIG" => "kubeconfig",
        _ => "registry",
    }
}
