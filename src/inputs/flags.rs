//! The one definition of inputs: a flag of the command line, an input of `action.yml` and a key of `ml-deploy.yml` are the
//! same name, described once here. It knows the shape of a single value, not what values mean together (see `plan`).

use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::aws::AwsInputs;
use super::azure::AzureInputs;
use super::azureml::AzureMlInputs;
use super::cluster::ClusterInputs;
use super::endpoint::EndpointInputs;
use super::google::GoogleInputs;
use super::sagemaker::SageMakerInputs;
pub(super) use super::value::{boolean, duration, secret};
use crate::format::Format;

/// Every input. Lists take one entry a line; `stages`, `tags` and `platforms` also take commas.
#[derive(Args, Clone, Debug)]
pub(crate) struct Inputs {
    /// Stages to run, of: train, gates, build, parity, predictions, push, deploy, verify. Preflight always runs. Default: all that the inputs allow
    #[arg(long, value_name = "LIST", help_heading = "Job")]
    pub(crate) stages: Vec<String>,
    /// Folder that all paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = "Job")]
    pub(crate) working_directory: String,
    /// File with inputs, read when it exists; an explicit one must exist
    #[arg(
        long,
        value_name = "FILE",
        default_value = "ml-deploy.yml",
        help_heading = "Job"
    )]
    pub(crate) config: String,
    /// Longest time for the whole run, such as 2h; none by default
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Job")]
    pub(crate) timeout: Option<Duration>,
    /// End at once with the earlier result when nothing has changed since (sources, requirements, manifests, image)
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Job")]
    pub(crate) reuse: bool,
    /// Where report.json is written
    #[arg(
        long,
        value_name = "FILE",
        default_value = ".ml-deploy/report.json",
        help_heading = "Job"
    )]
    pub(crate) report: String,
    /// How the log is written: auto (as the place understands it), plain (no colours, no commands) or json (events as JSON lines, docs/events.md)
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = Format::parse, help_heading = "Job")]
    pub(crate) format: Format,

    /// Training command, run in the Python environment; without it, `model` must exist
    #[arg(long, value_name = "COMMAND", help_heading = "Training")]
    pub(crate) train: Option<String>,
    /// File or folder that the training writes
    #[arg(
        long,
        value_name = "PATH",
        default_value = "model",
        help_heading = "Training"
    )]
    pub(crate) model: String,
    /// Python version, such as 3.11; by default the one on the machine
    #[arg(long, value_name = "VERSION", help_heading = "Training")]
    pub(crate) python_version: Option<String>,
    /// Requirements file or pyproject.toml; by default requirements.txt, or pyproject.toml with uv.lock, when there is one
    #[arg(long, value_name = "FILE", help_heading = "Training")]
    pub(crate) requirements: Option<String>,
    /// More requirements, one a line, such as pandas==2.2.3
    #[arg(long, value_name = "LIST", help_heading = "Training")]
    pub(crate) extra_requirements: Vec<String>,
    /// MLflow version to add when tracking is asked for and the requirements lack it
    #[arg(long, value_name = "VERSION", help_heading = "Training")]
    pub(crate) mlflow_version: Option<String>,
    /// Environment of the training: NAME=value, or NAME alone to pass on a variable that would be withheld
    #[arg(long, value_name = "LIST", help_heading = "Training")]
    pub(crate) train_env: Vec<String>,
    /// Longest time for the training, such as 90m; none by default
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Training")]
    pub(crate) train_timeout: Option<Duration>,

    /// MLflow tracking server or store; by default a local store when an experiment is named
    #[arg(long, value_name = "URI", help_heading = "Tracking")]
    pub(crate) mlflow_tracking_uri: Option<String>,
    /// MLflow experiment
    #[arg(long, value_name = "NAME", help_heading = "Tracking")]
    pub(crate) mlflow_experiment_name: Option<String>,
    /// User name for the tracking server
    #[arg(long, value_name = "NAME", help_heading = "Tracking")]
    pub(crate) mlflow_tracking_username: Option<String>,
    /// Password for the tracking server
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Tracking")]
    pub(crate) mlflow_tracking_password: Option<SecretString>,
    /// Bearer token for the tracking server
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Tracking")]
    pub(crate) mlflow_tracking_token: Option<SecretString>,

    /// Rules that the model's metrics must pass, one a line: `accuracy >= 0.92`, `rmse <= champion + 2%`, `auc required`
    #[arg(long, value_name = "LIST", help_heading = "Gates")]
    pub(crate) gates: Vec<String>,
    /// JSON file with metrics, written by the training; nested keys are joined by a dot
    #[arg(long, value_name = "FILE", help_heading = "Gates")]
    pub(crate) metrics_file: Option<String>,
    /// Alias of the registered model that candidates are compared with when nothing is live, and that a verified deployment takes
    #[arg(
        long,
        value_name = "ALIAS",
        default_value = "champion",
        help_heading = "Gates"
    )]
    pub(crate) champion: String,
    /// Verdict of rules that compare with a champion when there is none: pass or fail
    #[arg(
        long,
        value_name = "VERDICT",
        default_value = "pass",
        help_heading = "Gates"
    )]
    pub(crate) first_deploy: String,
    /// Registered model of MLflow: a verified deployment becomes a version of it and takes the alias `champion`
    #[arg(long, value_name = "NAME", help_heading = "Gates")]
    pub(crate) register_model: Option<String>,

    /// Image repository, such as ghcr.io/org/name
    #[arg(
        long,
        alias = "image-name",
        value_name = "REPOSITORY",
        help_heading = "Image"
    )]
    pub(crate) image: Option<String>,
    /// Tags; by default the one in `image`, else the short commit
    #[arg(long, value_name = "LIST", help_heading = "Image")]
    pub(crate) tags: Vec<String>,
    /// Build context, a folder
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = "Image")]
    pub(crate) context: String,
    /// Dockerfile; by default Dockerfile in the context
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    pub(crate) file: Option<String>,
    /// Stage of the Dockerfile to build
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    pub(crate) build_target: Option<String>,
    /// Build arguments, NAME=value
    #[arg(long, value_name = "LIST", help_heading = "Image")]
    pub(crate) build_args: Vec<String>,
    /// Labels, NAME=value, added to those of ours
    #[arg(long, value_name = "LIST", help_heading = "Image")]
    pub(crate) labels: Vec<String>,
    /// Build secrets, ID=value, for RUN --mount=type=secret,id=ID
    #[arg(long, value_name = "SECRETS", value_parser = secret, help_heading = "Image")]
    pub(crate) secrets: Vec<SecretString>,
    /// Platform to build for; by default, and at the moment only, the engine's own
    #[arg(long, value_name = "LIST", help_heading = "Image")]
    pub(crate) platforms: Vec<String>,
    /// Images whose layers may be reused
    #[arg(long, value_name = "LIST", help_heading = "Image")]
    pub(crate) cache_from: Vec<String>,
    /// User name for the registry
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    pub(crate) registry_username: Option<String>,
    /// Password or token for the registry
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Image")]
    pub(crate) registry_password: Option<SecretString>,
    /// Build and push the dependency layers while the training runs
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Image")]
    pub(crate) early_layers: bool,
    /// Image that exists, by digest or tag, when build and push ran in an earlier job
    #[arg(long, value_name = "IMAGE", help_heading = "Image")]
    pub(crate) image_ref: Option<String>,

    /// Compare what the image installs with what trained, before the push: strict, safe (block what the model needs), report (never block) or off
    #[arg(
        long,
        value_name = "MODE",
        default_value = "safe",
        help_heading = "Parity"
    )]
    pub(crate) parity: String,
    /// Differences to live with for a time, one a line: package trained->served reason until=YYYY-MM-DD
    #[arg(long, value_name = "LIST", help_heading = "Parity")]
    pub(crate) parity_allow: Vec<String>,

    /// Where to deploy: kubernetes, docker, sagemaker, azureml or none; by default kubernetes when there are manifests
    #[arg(long, value_name = "TARGET", help_heading = "Deployment")]
    pub(crate) target: Option<String>,
    /// Longest time for the rollout
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m", help_heading = "Deployment")]
    pub(crate) deploy_timeout: Duration,
    /// When a rollout or its verification fails: rollback (put back what was live) or keep
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "rollback",
        help_heading = "Deployment"
    )]
    pub(crate) on_failure: String,
    /// When the first deployment fails and there is nothing to go back to: keep, scale-down or remove
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "keep",
        help_heading = "Deployment"
    )]
    pub(crate) on_first_failure: String,
    /// Go back to the last verified deployment instead of running the job
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment")]
    pub(crate) rollback: bool,
    /// Environment of the container, NAME=value, also when it is tried before the push
    #[arg(long, value_name = "LIST", help_heading = "Deployment")]
    pub(crate) container_env: Vec<String>,
    /// Manifests: files, folders, globs
    #[arg(
        long,
        alias = "deployment-file",
        value_name = "LIST",
        help_heading = "Deployment to Kubernetes"
    )]
    pub(crate) manifests: Vec<String>,
    /// Namespace; by default the one of the kubeconfig's context
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) namespace: Option<String>,
    /// Allow manifests that name other namespaces
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment to Kubernetes")]
    pub(crate) allow_namespaces: bool,
    /// Kubeconfig: its text, its base64 form or a path; by default KUBECONFIG, ~/.kube/config or the pod's service account
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Deployment to Kubernetes")]
    pub(crate) kubeconfig: Option<SecretString>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) kube_context: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterInputs,
    /// Take over fields that another field manager owns
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment to Kubernetes")]
    pub(crate) force_conflicts: bool,
    /// Name under which the deployment is recorded in its namespace, for status, rollback and prune; by default that of the first workload
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) deployment_name: Option<String>,
    /// How the new version takes over: rolling, `canary: 10%` or blue-green
    #[arg(
        long,
        value_name = "STRATEGY",
        default_value = "rolling",
        help_heading = "Deployment to Kubernetes"
    )]
    pub(crate) strategy: String,
    /// Remove objects that an earlier deployment of the same name applied and the manifests no longer have
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment to Kubernetes")]
    pub(crate) prune: bool,
    /// Wait longer before a code counts as failure, CODE=TIME, such as unschedulable=15m
    #[arg(long, value_name = "LIST", help_heading = "Deployment to Kubernetes")]
    pub(crate) tolerate: Vec<String>,
    /// Name of the container; by default the last part of the image's name
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Docker")]
    pub(crate) container_name: Option<String>,
    /// Published ports, HOST:CONTAINER or ADDRESS:HOST:CONTAINER; ADDRESS is 127.0.0.1 by default
    #[arg(long, value_name = "LIST", help_heading = "Deployment to Docker")]
    pub(crate) ports: Vec<String>,

    #[command(flatten)]
    pub(crate) endpoint: EndpointInputs,
    #[command(flatten)]
    pub(crate) sagemaker: SageMakerInputs,
    #[command(flatten)]
    pub(crate) azureml: AzureMlInputs,
    #[command(flatten)]
    pub(crate) aws: AwsInputs,
    #[command(flatten)]
    pub(crate) azure: AzureInputs,
    #[command(flatten)]
    pub(crate) google: GoogleInputs,

    /// Port the service listens on in its container; by default the Service's, the image's EXPOSE or 8080
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Verification")]
    pub(crate) port: Option<u16>,
    /// Path that answers 2xx when the service is ready
    #[arg(long, value_name = "PATH", help_heading = "Verification")]
    pub(crate) health_path: Option<String>,
    /// Path that golden rows are posted to
    #[arg(long, value_name = "PATH", help_heading = "Verification")]
    pub(crate) predict_path: Option<String>,
    /// JSON lines of {"request": …, "response": …} that the container and the live service must answer; by default what the training left (docs/predictions.md)
    #[arg(long, value_name = "FILE", help_heading = "Verification")]
    pub(crate) golden: Option<String>,
    /// JSON in which "$row" stands for a golden row's request, such as {"instances": ["$row"]}, or "$row/x" for a part of it; by default the request is the body
    #[arg(long, value_name = "JSON", help_heading = "Verification")]
    pub(crate) request_template: Option<String>,
    /// JSON pointer to the prediction in an answer, such as /predictions/0; by default the whole answer is compared
    #[arg(long, value_name = "POINTER", help_heading = "Verification")]
    pub(crate) response_pointer: Option<String>,
    /// How far numbers may be from the recorded ones, rtol=NUMBER and atol=NUMBER; by default 1e-6 and 1e-9, for models in single precision 1e-4 and 1e-6
    #[arg(long, value_name = "LIST", help_heading = "Verification")]
    pub(crate) tolerance: Vec<String>,
    /// Start a container of the built image before it is pushed: it must become healthy and predict as recorded
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Verification")]
    pub(crate) try_container: bool,

    /// Token that writes the note on a merge request of GitLab (scope api, role Reporter); by default the variable GITLAB_TOKEN
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Reports")]
    pub(crate) gitlab_token: Option<SecretString>,
    /// Token that reports to GitHub are written with; the training never sees it. In a workflow the job's own token by default
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "Reports")]
    pub(crate) github_token: Option<SecretString>,
    /// Reports to write on GitHub, of: check, comment, deployment; or none. Each needs a permission of the token (docs/github.md)
    #[arg(long, value_name = "LIST", value_parser = reports, default_value = "check, comment, deployment", help_heading = "Reports")]
    pub(crate) github_reports: GithubReports,
    /// Environment of the GitHub Deployment, unless the job has an `environment`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "production",
        help_heading = "Reports"
    )]
    pub(crate) github_environment: String,
}

/// Which reports are wanted on GitHub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GithubReports {
    pub(crate) check: bool,
    pub(crate) comment: bool,
    pub(crate) deployment: bool,
}

impl GithubReports {
    /// All of them: the default.
    pub(crate) const ALL: Self = Self {
        check: true,
        comment: true,
        deployment: true,
    };
}

/// Names whose values are secret: never shown, masked as soon as they are known.
pub(crate) const SECRET_INPUTS: &[&str] = &[
    "registry-password",
    "mlflow-tracking-password",
    "mlflow-tracking-token",
    "kubeconfig",
    "secrets",
    "creds",
    "credentials-json",
    "gitlab-token",
    "aws-secret-access-key",
    "aws-session-token",
    "github-token",
];

/// Names of reports, parted by commas or lines.
pub(crate) fn reports(text: &str) -> Result<GithubReports, String> {
    let mut wanted = GithubReports::default();
    for name in text.split([',', '\n']).map(str::trim) {
        match name {
            "check" => wanted.check = true,
            "comment" => wanted.comment = true,
            "deployment" => wanted.deployment = true,
            "none" | "" => {}
            _ => return Err("expected check, comment, deployment or none".to_owned()),
        }
    }
    Ok(wanted)
}
