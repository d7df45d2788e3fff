//! The part of the plan that deploys and verifies.

use super::super::*;
use super::{Resolver, values};
use crate::context::Workspace;
use crate::registry::Reference;

impl Resolver<'_> {
    pub(super) fn target(&mut self) -> Option<&'static str> {
        match self.inputs.target.as_deref() {
            None if self.inputs.manifests.is_empty() => None,
            None | Some("kubernetes") => Some("kubernetes"),
            Some("docker") => Some("docker"),
            Some("none") => None,
            Some(other) => {
                let why = format!(
                    "is `{other}`, expected kubernetes, docker or none; a stage of the Dockerfile is chosen by `build-target`"
                );
                self.invalid("target", why);
                None
            }
        }
    }

    pub(super) fn deploy(
        &mut self,
        workspace: &Workspace,
        target: Option<&str>,
        image: Option<Reference>,
        login: Option<RegistryLogin>,
    ) -> Option<DeploySpec> {
        let inputs = self.inputs;
        let commit = self.host.commit.clone();
        if target? == "kubernetes" {
            let manifests = values::list(&inputs.manifests, false);
            if manifests.is_empty() {
                self.missing("manifests", "target kubernetes needs manifests");
            }
            let cluster = ClusterSpec {
                kubeconfig: inputs.kubeconfig.clone(),
                context: inputs.kube_context.clone(),
            };
            return Some(DeploySpec::Kubernetes(KubernetesSpec {
                cluster,
                manifests,
                folder: workspace.folder.clone(),
                namespace: inputs.namespace.clone(),
                allow_namespaces: inputs.allow_namespaces,
                force_conflicts: inputs.force_conflicts,
                deadline: inputs.deploy_timeout,
                repository: image,
                commit,
            }));
        }
        let Some(image) = image else {
            self.missing("image", "target docker needs to know which image to run");
            return None;
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
            name: inputs
                .container_name
                .clone()
                .unwrap_or_else(|| image.short_name().to_owned()),
            ports,
            environment,
            port: inputs.port,
            health_path: inputs.health_path.clone(),
            deadline: inputs.deploy_timeout,
            commit,
            login,
        }))
    }

    pub(super) fn verify(&mut self, workspace: &Workspace) -> VerifySpec {
        let inputs = self.inputs;
        for (name, path) in [
            ("health-path", &inputs.health_path),
            ("predict-path", &inputs.predict_path),
        ] {
            if path.as_deref().is_some_and(|path| !path.starts_with('/')) {
                self.invalid(name, "does not begin with `/`");
            }
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
        if golden.is_some() && inputs.predict_path.is_none() {
            self.missing(
                "predict-path",
                "`golden` is set, and its requests must be posted somewhere",
            );
        }
        VerifySpec {
            health_path: inputs.health_path.clone(),
            predict_path: inputs.predict_path.clone(),
            golden,
            port: inputs.port,
        }
    }
}
