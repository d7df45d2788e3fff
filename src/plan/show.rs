//! The plan as text: what `ml-deploy plan` prints and what stands at the head of every log. Secrets have no place in it.

use super::{Capacity, CloudCluster, DeploySpec, Plan, Requirements, Task, TrackingUri};
use crate::diagnostic::Diagnostic;
use crate::event::Stage;

impl Plan {
    /// One line a stage: what it will do, or why it is left out. The last lines name inputs that nothing comes of.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .stages
            .iter()
            .map(|stage| format!("{:<11} {}", stage.name(), self.what(*stage)))
            .collect();
        lines.extend(
            self.left_out
                .iter()
                .map(|(stage, why)| format!("{:<11} left out: {why}", stage.name())),
        );
        lines.sort_by_key(|line| {
            Stage::ALL
                .iter()
                .position(|stage| line.starts_with(stage.name()))
        });
        if !self.unused.is_empty() {
            let names = self.unused.join(", ");
            lines.push(format!("not used    {names}: for another target"));
        }
        let creates = self
            .push
            .as_ref()
            .filter(|push| push.create && self.runs(Stage::Push));
        let host = creates.map(|push| push.repository.host());
        if let Some(host) = host.filter(|host| !self.clouds.makes_repositories(host)) {
            lines.push(format!(
                "not used    create-repository: it makes repositories of ECR, and `{host}` is no registry of AWS"
            ));
        }
        lines
    }

    /// What somebody should look at before it runs, one line each; a run finds it again in its preflight.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let readable = self.build.iter().flat_map(super::BuildSpec::readable);
        let line = |finding: Diagnostic| {
            let (code, message) = (finding.code.slug(), &finding.message);
            format!(
                "warning     {message} ({code})\n            {}",
                finding.advice()
            )
        };
        readable.map(line).collect()
    }

    /// What a stage will do, on what.
    pub(crate) fn what(&self, stage: Stage) -> String {
        match stage {
            Stage::Preflight => {
                "check everything that can be checked before the first change".to_owned()
            }
            Stage::Train => self
                .train
                .as_ref()
                .map(|train| self.training(train))
                .unwrap_or_default(),
            Stage::Gates => self.rules(),
            Stage::Parity => "what the image installs against what trained".to_owned(),
            Stage::Predictions => self.trying(),
            Stage::Build => self
                .build
                .as_ref()
                .map(|build| self.building(build))
                .unwrap_or_default(),
            Stage::Push => self
                .push
                .as_ref()
                .map(|push| format!("{}:{}", push.repository, push.tags.join(", :")))
                .unwrap_or_default(),
            Stage::Deploy => self.deployment(),
            Stage::Verify => self.checks(),
        }
    }

    fn rules(&self) -> String {
        let rules = self.gates.rules.iter().map(|rule| rule.text.as_str());
        rules.collect::<Vec<_>>().join(", ")
    }

    fn training(&self, train: &super::TrainSpec) -> String {
        let python = train.python.version.as_ref().map_or_else(
            || "Python of the machine".to_owned(),
            |version| format!("Python {version}"),
        );
        let requirements = match &train.python.requirements {
            Requirements::None => "no requirements file".to_owned(),
            Requirements::File(path) => self.workspace.relative(path),
            Requirements::Project { locked: true, .. } => "pyproject.toml with uv.lock".to_owned(),
            Requirements::Project { .. } => "pyproject.toml".to_owned(),
        };
        let tracking = match &train.tracking.uri {
            _ if !train.tracking.asked => "no tracking asked for".to_owned(),
            TrackingUri::Server(url) => format!("MLflow at {url}"),
            TrackingUri::Sqlite(path) => format!("MLflow in {}", self.workspace.relative(path)),
            TrackingUri::Other(uri) => {
                format!("MLflow at {}", uri.split("://").next().unwrap_or_default())
            }
        };
        format!(
            "`{}` ({python}, {requirements}, {tracking}) → {}",
            train.shown,
            self.workspace.relative(&train.model)
        )
    }

    fn building(&self, build: &super::BuildSpec) -> String {
        let dockerfile = self.workspace.relative(&build.dockerfile);
        format!(
            "{}:{} from {dockerfile}",
            build.repository,
            build.tags.join(", :")
        )
    }

    fn deployment(&self) -> String {
        match &self.deploy {
            Some(DeploySpec::Kubernetes(spec)) => {
                let cluster = spec.cluster.cloud.as_ref().map(cluster);
                let unnamed = if cluster.is_some() {
                    "default"
                } else {
                    "of the kubeconfig"
                };
                let namespace = spec.namespace.as_deref().unwrap_or(unnamed);
                if self.task == Task::Rollback {
                    return format!("back to the last verified deployment, namespace {namespace}");
                }
                let cluster = cluster.unwrap_or_else(|| "Kubernetes".to_owned());
                let manifests = spec.manifests.join(", ");
                format!("{manifests} to {cluster}, namespace {namespace}")
            }
            Some(DeploySpec::AzureMl(spec)) => {
                let (endpoint, workspace) = (&spec.endpoint, &spec.workspace.name);
                let place = format!("endpoint `{endpoint}` of Azure ML workspace `{workspace}`");
                if self.task == Task::Rollback {
                    return format!("back to the deployment that was kept on {place}");
                }
                format!(
                    "{place}, on {} x {}",
                    spec.instance_count, spec.instance_type
                )
            }
            Some(DeploySpec::Docker(spec)) => {
                format!("container `{}` on the local engine", spec.name)
            }
            Some(DeploySpec::SageMaker(spec)) => {
                let endpoint = &spec.endpoint;
                if self.task == Task::Rollback {
                    return format!(
                        "back to the last verified configuration, SageMaker endpoint `{endpoint}`"
                    );
                }
                let several = spec.variants.len() > 1;
                let machines = spec.variants.iter().map(|variant| {
                    let machines = match &variant.capacity {
                        Capacity::Instances { kind, count } => format!("{count} × {kind}"),
                        Capacity::Serverless { memory, .. } => format!("serverless, {memory} MiB"),
                    };
                    if several {
                        format!("`{}` {machines} (weight {})", variant.name, variant.weight)
                    } else {
                        machines
                    }
                });
                let machines: Vec<_> = machines.collect();
                format!("SageMaker endpoint `{endpoint}`, {}", machines.join(", "))
            }
            None => String::new(),
        }
    }

    fn trying(&self) -> String {
        let health = self.verify.health_path.as_ref();
        let health = health.map_or("its start".to_owned(), |path| format!("health at {path}"));
        let rows = match &self.verify.golden {
            Some(golden) => format!("rows of {}", self.workspace.relative(golden)),
            None => "predictions that are recorded with the model".to_owned(),
        };
        format!("a container of the image: {health}, {rows}")
    }

    fn checks(&self) -> String {
        if self.task == Task::Status {
            return "what is live".to_owned();
        }
        let mut checks = vec!["the digest that runs".to_owned()];
        checks.extend(
            self.verify
                .health_path
                .as_ref()
                .map(|path| format!("health at {path}")),
        );
        if let (Some(path), Some(golden)) = (&self.verify.predict_path, &self.verify.golden) {
            checks.push(format!(
                "rows of {} at {path}",
                self.workspace.relative(golden)
            ));
        }
        checks.join(", ")
    }
}

/// A cluster as its cloud calls it.
fn cluster(cluster: &CloudCluster) -> String {
    match cluster {
        CloudCluster::Aks(aks) => {
            format!("AKS cluster `{}` in `{}`", aks.name, aks.resource_group)
        }
        CloudCluster::Eks(eks) => format!("EKS cluster `{}`", eks.name),
        CloudCluster::Gke(gke) => format!("GKE cluster `{}` in `{}`", gke.name, gke.location),
    }
}
