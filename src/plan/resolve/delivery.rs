//! The part of the plan that deploys and verifies.

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::{Resolver, sagemaker, values};
use crate::cloud::Clouds;
use crate::code::Code;
use crate::context::Workspace;
use crate::inputs::value::duration;
use crate::registry::Reference;

impl Resolver<'_> {
    /// What is deployed to, when anything is.
    pub(super) fn target(&mut self) -> Option<&'static str> {
        let asked = self.inputs.target.as_deref();
        if matches!(self.task, Task::Parity | Task::Trace) {
            return self.looked_at();
        }
        if self.task != Task::Run {
            match asked {
                Some("sagemaker") => return Some("sagemaker"),
                Some("azureml") => return Some("azureml"),
                _ => {}
            }
            if !matches!(asked, None | Some("kubernetes")) {
                self.invalid("target", "must be kubernetes, sagemaker or azureml here: only there deployments are recorded, to be looked at and gone back to");
            }
            return Some("kubernetes");
        }
        match asked {
            None if self.inputs.manifests.is_empty() => None,
            None | Some("kubernetes") => Some("kubernetes"),
            Some("docker") => Some("docker"),
            Some("sagemaker") => Some("sagemaker"),
            Some("azureml") => Some("azureml"),
            Some("none") => None,
            Some(other) => {
                let why = format!(
                    "is `{other}`, expected kubernetes, docker, sagemaker, azureml or none; a stage of the Dockerfile is chosen by `build-target`"
                );
                self.invalid("target", why);
                None
            }
        }
    }

    /// Where something that is live may be looked for: what the inputs speak of.
    fn looked_at(&mut self) -> Option<&'static str> {
        let inputs = self.inputs;
        let cluster = !inputs.manifests.is_empty()
            || inputs.deployment_name.is_some()
            || inputs.namespace.is_some()
            || inputs.kubeconfig.is_some()
            || inputs.cluster.cluster_name.is_some();
        match inputs.target.as_deref() {
            None if cluster => Some("kubernetes"),
            None => inputs.container_name.as_ref().map(|_| "docker"),
            Some("none") => None,
            Some(named) => {
                let known = [
                    ("kubernetes", "kubernetes"),
                    ("docker", "docker"),
                    ("azureml", "azureml"),
                    ("sagemaker", "sagemaker"),
                ];
                Some(self.one_of("target", named, known, "kubernetes"))
            }
        }
    }

    pub(super) fn deploy(
        &mut self,
        workspace: &Workspace,
        target: Option<&str>,
        image: Option<Reference>,
        login: Option<RegistryLogin>,
        clouds: &Arc<Clouds>,
    ) -> Option<DeploySpec> {
        let inputs = self.inputs;
        let commit = self.host.commit.clone();
        if target? == "azureml" {
            let spec = self.azureml(image.as_ref(), clouds)?;
            return Some(DeploySpec::AzureMl(Box::new(spec)));
        }
        if target? == "kubernetes" {
            let manifests = values::list(&inputs.manifests, false);
            if manifests.is_empty() && self.task == Task::Run {
                self.missing("manifests", "target kubernetes needs manifests");
            } else if matches!(self.task, Task::Status | Task::Rollback)
                && manifests.is_empty()
                && inputs.deployment_name.is_none()
            {
                self.missing(
                    "deployment-name",
                    "it or `manifests` says which deployment is meant",
                );
            }
            let cluster = ClusterSpec {
                cloud: self.cluster(),
                clouds: clouds.clone(),
                kubeconfig: inputs.kubeconfig.clone(),
                context: inputs.kube_context.clone(),
                without_secrets: self.host.without_secrets,
            };
            let strategy = self.strategy();
            let on_failure = self.on_failure();
            let on_first_failure = self.on_first_failure();
            let tolerate = self.tolerated();
            return Some(DeploySpec::Kubernetes(KubernetesSpec {
                name: inputs.deployment_name.clone(),
                strategy,
                on_failure,
                on_first_failure,
                prune: inputs.prune,
                tolerate,
                cluster,
                manifests,
                folder: workspace.folder.clone(),
                namespace: inputs.namespace.clone(),
                allow_namespaces: inputs.allow_namespaces,
                force_conflicts: inputs.force_conflicts,
                deadline: inputs.deploy_timeout,
                health_path: inputs.health_path.clone(),
                port: inputs.port,
                repository: image,
                commit,
            }));
        }
        if target? == "sagemaker" {
            let spec = self.sagemaker(clouds, login, image.is_some());
            return spec.map(|spec| DeploySpec::SageMaker(Box::new(spec)));
        }
        let name = match (&inputs.container_name, &image) {
            (_, None) if self.task == Task::Run => {
                self.missing("image", "target docker needs to know which image to run");
                return None;
            }
            (Some(name), _) => name.clone(),
            (None, Some(image)) => image.short_name().to_owned(),
            (None, None) => {
                self.missing(
                    "container-name",
                    "target docker needs to know which container is meant",
                );
                return None;
            }
        };
        let mut ports = Vec::new();
        for text in values::list(&inputs.ports, true) {
            match values::port(&text) {
                Some(port) => ports.push(port),
                None => self.invalid(
                    "ports",
                    format!("has `{text}`, expected HOST:CONTAINER or ADDRESS:HOST:CONTAINER"),
                ),
            }
        }
        let environment = self
            .pairs("container-env", &inputs.container_env)
            .into_iter()
            .collect();
        Some(DeploySpec::Docker(DockerSpec {
            name,
            ports,
            environment,
            port: inputs.port,
            health_path: inputs.health_path.clone(),
            deadline: inputs.deploy_timeout,
            commit,
            login,
        }))
    }

    /// What happens to what is live when a deployment fails.
    pub(super) fn on_failure(&mut self) -> OnFailure {
        self.one_of(
            "on-failure",
            &self.inputs.on_failure,
            [("rollback", OnFailure::Rollback), ("keep", OnFailure::Keep)],
            OnFailure::Rollback,
        )
    }

    /// The same where nothing was live before.
    pub(super) fn on_first_failure(&mut self) -> OnFirstFailure {
        self.one_of(
            "on-first-failure",
            &self.inputs.on_first_failure,
            [
                ("keep", OnFirstFailure::Keep),
                ("scale-down", OnFirstFailure::ScaleDown),
                ("remove", OnFirstFailure::Remove),
            ],
            OnFirstFailure::Keep,
        )
    }

    /// The value that a word stands for; another word is a finding, and the first value stands in.
    pub(super) fn one_of<T: Copy, const N: usize>(
        &mut self,
        name: &str,
        given: &str,
        known: [(&str, T); N],
        standing_in: T,
    ) -> T {
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == given) {
            return *value;
        }
        let words = known.map(|(word, _)| word).join(", ");
        self.invalid(name, format!("is `{given}`, expected one of {words}"));
        standing_in
    }

    /// `rolling`, `blue-green`, or `canary` with its share: `canary: 10%`, `canary=10%`, `canary 10%`.
    fn strategy(&mut self) -> Strategy {
        let given = self.inputs.strategy.trim();
        match given {
            "rolling" => return Strategy::Rolling,
            "blue-green" => return Strategy::BlueGreen,
            _ => {}
        }
        let share = given
            .strip_prefix("canary")
            .map(|rest| rest.trim_matches([':', '=', '%', ' ']));
        match share.and_then(|share| share.parse().ok()) {
            Some(percent @ 1..=99) => Strategy::Canary { percent },
            _ => {
                self.invalid(
                    "strategy",
                    format!("is `{given}`, expected rolling, blue-green, or canary with a share from 1% to 99%, such as `canary: 10%`"),
                );
                Strategy::Rolling
            }
        }
    }

    /// `CODE=TIME`, one a line.
    fn tolerated(&mut self) -> Vec<(Code, Duration)> {
        let mut tolerated = Vec::new();
        for text in values::list(&self.inputs.tolerate, true) {
            let (slug, time) = text.split_once('=').unwrap_or((&text, ""));
            let code = Code::ALL
                .iter()
                .find(|code| code.slug() == slug.trim() && code.exit() == 50);
            match (code, duration(time.trim())) {
                (Some(code), Ok(time)) => tolerated.push((*code, time)),
                (None, _) => self.invalid("tolerate", format!("has `{text}`, and `{slug}` is no code of a rollout; docs/codes.md lists those with exit status 50")),
                (_, Err(why)) => self.invalid("tolerate", format!("has `{text}`: {why}")),
            }
        }
        tolerated
    }

    pub(super) fn verify(&mut self, workspace: &Workspace, target: Option<&str>) -> VerifySpec {
        let inputs = self.inputs;
        let (health_path, predict_path, port) = match target {
            // The container's contract there; nobody would ask another path or port.
            Some("sagemaker") => (
                Some(sagemaker::PING.to_owned()),
                Some(sagemaker::INVOCATIONS.to_owned()),
                Some(sagemaker::PORT),
            ),
            _ => (
                inputs.health_path.clone(),
                inputs.predict_path.clone(),
                inputs.port,
            ),
        };
        for (name, path) in [
            ("health-path", &inputs.health_path),
            ("predict-path", &inputs.predict_path),
        ] {
            if path.as_deref().is_some_and(|path| !path.starts_with('/')) {
                self.invalid(name, "does not begin with `/`");
            }
        }
        let (rtol, atol) = self.tolerance();
        let form = self.form();
        if self.task != Task::Run {
            return VerifySpec {
                health_path,
                predict_path: None,
                golden: None,
                form,
                port,
                rtol,
                atol,
            };
        }
        let golden = inputs
            .golden
            .as_deref()
            .map(|golden| workspace.folder.join(golden));
        if golden.as_deref().is_some_and(|path| !path.is_file()) {
            self.invalid(
                "golden",
                format!(
                    "names `{}`, which does not exist",
                    inputs.golden.as_deref().unwrap_or_default()
                ),
            );
        }
        if golden.is_some() && predict_path.is_none() {
            self.missing(
                "predict-path",
                "`golden` is set, and its requests must be posted somewhere",
            );
        }
        VerifySpec {
            health_path,
            predict_path,
            golden,
            form,
            port,
            rtol,
            atol,
        }
    }
}
