//! Builds the plan from inputs and host. It reads no network and changes nothing; all findings come back at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::values::{self, pairs};
use super::*;
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};
use crate::event::Stage;
use crate::host::Host;
use crate::inputs::flags::Inputs;
use crate::inputs::layers::{Source, Sources};
use crate::registry::Reference;
use crate::tracking;

/// Where things lie that are not inputs.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Folder we were started in.
    pub(crate) folder: PathBuf,
    /// Cache folder of the user.
    pub(crate) cache: PathBuf,
    /// `MLFLOW_TRACKING_URI` of the environment.
    pub(crate) tracking_uri: Option<String>,
}

impl Places {
    /// Reads them from the environment.
    pub(crate) fn new(folder: PathBuf, env: &[(String, String)]) -> Self {
        let get = |name: &str| {
            env.iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let cache = get("ML_DEPLOY_CACHE").map(PathBuf::from);
        let cache = cache.or_else(|| {
            get("XDG_CACHE_HOME").map(|folder| PathBuf::from(folder).join("ml-deploy"))
        });
        let cache =
            cache.or_else(|| get("HOME").map(|home| PathBuf::from(home).join(".cache/ml-deploy")));
        let cache = cache.unwrap_or_else(|| std::env::temp_dir().join("ml-deploy-cache"));
        Self {
            folder,
            cache,
            tracking_uri: get("MLFLOW_TRACKING_URI"),
        }
    }
}

/// The values inside of inputs that hold several secrets: each build secret, each variable set for the training.
pub(crate) fn secret_values(inputs: &Inputs) -> Vec<SecretString> {
    let blocks = inputs.secrets.iter().map(ExposeSecret::expose_secret);
    let lines = blocks
        .flat_map(str::lines)
        .chain(inputs.train_env.iter().flat_map(|block| block.lines()));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| SecretString::from(value))
        .collect()
}

/// Resolves everything. `only` are the stages that a subcommand stands for; `None` for `run` and `plan`.
///
/// # Errors
/// All findings: missing, contradictory and malformed inputs.
pub(crate) fn resolve(
    inputs: &Inputs,
    sources: &Sources,
    host: Host,
    places: &Places,
    only: Option<&[Stage]>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        inputs,
        sources,
        host: &host,
        findings: Vec::new(),
    };
    let workspace = resolver.workspace(places);
    let image = resolver.reference("image", inputs.image.as_deref());
    let image_ref = resolver.reference("image-ref", inputs.image_ref.as_deref());
    let target = resolver.target();
    let login = resolver.login();
    let tags = resolver.tags();
    let tracking = resolver.tracking(&workspace, places);
    let train = resolver.train(&workspace, tracking);
    let build = image
        .clone()
        .and_then(|image| resolver.build(&workspace, image, &tags));
    let push = image.clone().map(|repository| PushSpec {
        repository,
        tags: tags.clone(),
        login: login.clone(),
    });
    let named = image.clone().or_else(|| image_ref.clone());
    let deploy = resolver.deploy(&workspace, target, named, login);
    let verify = resolver.verify(&workspace);
    let (stages, left_out) = resolver.stages(
        only,
        train.is_some(),
        build.is_some(),
        image_ref.is_some(),
        deploy.is_some(),
    );
    let model = workspace.folder.join(&inputs.model);
    resolver.model(&stages, only, &model, train.is_some());
    if stages.contains(&Stage::Deploy)
        && image.is_some()
        && image_ref.is_none()
        && !stages.contains(&Stage::Push)
    {
        let local = matches!(deploy, Some(DeploySpec::Docker(_))) && stages.contains(&Stage::Build);
        if !local {
            resolver.missing("image-ref", "the stage deploy runs without push, so it must be told which image: the output `image-ref` of the earlier job");
        }
    }
    if !resolver.findings.is_empty() {
        return Err(resolver.findings);
    }
    let report = workspace.folder.join(&inputs.report);
    Ok(Plan {
        workspace,
        host,
        stages,
        left_out,
        train,
        model,
        build,
        push,
        deploy,
        verify,
        image_ref,
        report,
        reuse: inputs.reuse,
        timeout: inputs.timeout,
    })
}

struct Resolver<'a> {
    inputs: &'a Inputs,
    sources: &'a Sources,
    host: &'a Host,
    findings: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn invalid(&mut self, name: &str, why: impl std::fmt::Display) {
        let finding = Diagnostic::error(Code::InputInvalid, format!("input `{name}` {why}"));
        self.findings.push(finding.at(self.place(name)));
    }

    fn missing(&mut self, name: &str, why: &str) {
        let mut finding = Diagnostic::error(
            Code::InputMissing,
            format!("input `{name}` is not set: {why}"),
        );
        if self.host.without_secrets {
            finding = finding
                .help("this run comes from a fork or from Dependabot, where every secret is empty");
        }
        self.findings.push(finding);
    }

    fn place(&self, name: &str) -> Option<Location> {
        match self.sources.get(name) {
            Some(Source::File(at)) => Some(at.clone()),
            _ => None,
        }
    }

    /// Folders of the run; a working directory that does not exist is an error.
    fn workspace(&mut self, places: &Places) -> Workspace {
        let folder = places.folder.join(&self.inputs.working_directory);
        let folder = fs_err::canonicalize(&folder).unwrap_or_else(|_| {
            self.invalid(
                "working-directory",
                format!(
                    "names `{}`, which is no folder here",
                    self.inputs.working_directory
                ),
            );
            folder
        });
        let root = fs_err::canonicalize(&self.host.root).unwrap_or_else(|_| self.host.root.clone());
        let root = if folder.starts_with(&root) {
            root
        } else {
            folder.clone()
        };
        Workspace {
            state: folder.join(".ml-deploy"),
            root,
            folder,
            cache: places.cache.clone(),
        }
    }

    fn reference(&mut self, name: &str, text: Option<&str>) -> Option<Reference> {
        match text?.trim().parse() {
            Ok(reference) => Some(reference),
            Err(why) => {
                self.invalid(
                    name,
                    format!(
                        "is `{}`, which is no image reference: it {why}",
                        text.unwrap_or_default()
                    ),
                );
                None
            }
        }
    }

    fn target(&mut self) -> Option<&'static str> {
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

    fn login(&mut self) -> Option<RegistryLogin> {
        match (
            self.inputs.registry_username.clone(),
            self.inputs.registry_password.clone(),
        ) {
            (Some(username), Some(password)) => Some(RegistryLogin { username, password }),
            (Some(_), None) => {
                self.missing(
                    "registry-password",
                    "`registry-username` is set, and a secret that is not set arrives empty",
                );
                None
            }
            (None, Some(_)) => {
                self.missing("registry-username", "`registry-password` is set");
                None
            }
            (None, None) => None,
        }
    }

    fn tags(&mut self) -> Vec<String> {
        let mut tags = values::list(&self.inputs.tags, true);
        for tag in &tags {
            if let Err(why) = crate::registry::check_tag(tag) {
                self.invalid("tags", format!("cannot be used: {why}"));
            }
        }
        if tags.is_empty() {
            let commit = self
                .host
                .commit
                .as_deref()
                .map(|commit| commit.chars().take(12).collect());
            tags.push(commit.unwrap_or_else(|| "latest".to_owned()));
        }
        tags
    }

    fn tracking(&mut self, workspace: &Workspace, places: &Places) -> TrackingSpec {
        let inputs = self.inputs;
        let given = inputs
            .mlflow_tracking_uri
            .clone()
            .or_else(|| places.tracking_uri.clone());
        let local = || TrackingUri::Sqlite(workspace.state.join("mlflow.db"));
        let uri = match given.as_deref().map(tracking::parse) {
            None => local(),
            Some(Ok(uri)) => uri,
            Some(Err(why)) => {
                let finding = Diagnostic::error(
                    Code::TrackingScheme,
                    format!("input `mlflow-tracking-uri` cannot be used: {why}"),
                );
                self.findings
                    .push(finding.at(self.place("mlflow-tracking-uri")));
                local()
            }
        };
        TrackingSpec {
            asked: given.is_some() || inputs.mlflow_experiment_name.is_some(),
            uri,
            experiment: inputs.mlflow_experiment_name.clone(),
            username: inputs.mlflow_tracking_username.clone(),
            password: inputs.mlflow_tracking_password.clone(),
            token: inputs.mlflow_tracking_token.clone(),
        }
    }

    fn train(&mut self, workspace: &Workspace, tracking: TrackingSpec) -> Option<TrainSpec> {
        let shown = self.inputs.train.as_deref()?.trim().to_owned();
        let command = match shell_words::split(&shown.replace("\\\n", " ")) {
            Ok(words) if !words.is_empty() => words,
            Ok(_) => {
                self.missing("train", "the command is empty");
                return None;
            }
            Err(_) => {
                self.invalid(
                    "train",
                    format!("is `{shown}`, where a quote is not closed"),
                );
                return None;
            }
        };
        let (set, pass) = self.train_environment();
        let mlflow = tracking.asked.then(|| {
            self.inputs
                .mlflow_version
                .clone()
                .map_or(MlflowVersion::Any, MlflowVersion::Exactly)
        });
        let python = PythonSpec {
            version: self.inputs.python_version.clone(),
            requirements: self.requirements(workspace),
            extra: values::list(&self.inputs.extra_requirements, false),
            mlflow,
        };
        let model = workspace.folder.join(&self.inputs.model);
        let commit = self.host.commit.clone();
        Some(TrainSpec {
            command,
            shown,
            python,
            model,
            deadline: self.inputs.train_timeout,
            set,
            pass,
            tracking,
            commit,
        })
    }

    fn train_environment(&mut self) -> (Vec<(String, SecretString)>, Vec<String>) {
        let (mut set, mut pass) = (Vec::new(), Vec::new());
        for entry in values::list(&self.inputs.train_env, false) {
            match entry.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    set.push((name.to_owned(), value.into()))
                }
                Some(_) => self.invalid(
                    "train-env",
                    "has a line that begins with `=`, expected NAME=value or NAME",
                ),
                None => pass.push(entry),
            }
        }
        (set, pass)
    }

    fn requirements(&mut self, workspace: &Workspace) -> Requirements {
        let folder = &workspace.folder;
        let project = |folder: &Path| Requirements::Project {
            folder: folder.to_owned(),
            locked: folder.join("uv.lock").is_file(),
        };
        if let Some(named) = self.inputs.requirements.as_deref() {
            let path = folder.join(named);
            if !path.is_file() {
                let finding = Diagnostic::error(
                    Code::RequirementsMissing,
                    format!("input `requirements` names `{named}`, which does not exist"),
                );
                self.findings.push(finding.at(self.place("requirements")));
            }
            if path
                .file_name()
                .is_some_and(|name| name == "pyproject.toml")
            {
                return project(path.parent().unwrap_or(folder));
            }
            return Requirements::File(path);
        }
        let file = folder.join("requirements.txt");
        if folder.join("pyproject.toml").is_file() && folder.join("uv.lock").is_file() {
            project(folder)
        } else if file.is_file() {
            Requirements::File(file)
        } else if folder.join("pyproject.toml").is_file() {
            project(folder)
        } else {
            Requirements::None
        }
    }

    fn build(
        &mut self,
        workspace: &Workspace,
        repository: Reference,
        tags: &[String],
    ) -> Option<BuildSpec> {
        let inputs = self.inputs;
        let context = workspace.folder.join(&inputs.context);
        if !context.is_dir() {
            self.invalid(
                "context",
                format!("names `{}`, which is no folder", inputs.context),
            );
        }
        let platforms = values::list(&inputs.platforms, true);
        if platforms.len() > 1 {
            self.invalid(
                "platforms",
                "names several platforms; one at a time can be built and tried on this engine",
            );
        }
        let dockerfile = inputs.file.as_deref().map_or_else(
            || context.join("Dockerfile"),
            |file| workspace.folder.join(file),
        );
        let args = self.pairs("build-args", &inputs.build_args);
        let labels = self.pairs("labels", &inputs.labels);
        Some(BuildSpec {
            context,
            dockerfile,
            target: inputs.build_target.clone(),
            args,
            labels,
            secrets: self.build_secrets(),
            platform: platforms.into_iter().next(),
            cache_from: values::list(&inputs.cache_from, false),
            repository,
            tags: tags.to_vec(),
            source: self.host.source.clone(),
            commit: self.host.commit.clone(),
            early_layers: inputs.early_layers,
        })
    }

    fn pairs(&mut self, name: &str, lines: &[String]) -> BTreeMap<String, String> {
        match pairs(&values::list(lines, false)) {
            Ok(pairs) => pairs.into_iter().collect(),
            Err(line) => {
                self.invalid(name, format!("has the line `{line}`, expected NAME=value"));
                BTreeMap::new()
            }
        }
    }

    fn build_secrets(&mut self) -> BTreeMap<String, SecretString> {
        let mut secrets = BTreeMap::new();
        for block in &self.inputs.secrets {
            for line in block
                .expose_secret()
                .lines()
                .filter(|line| !line.trim().is_empty())
            {
                match line.split_once('=') {
                    Some((id, value)) if !id.trim().is_empty() => {
                        drop(secrets.insert(id.trim().to_owned(), value.into()))
                    }
                    _ => self.invalid(
                        "secrets",
                        "has a line without `=`, expected ID=value (the line is not shown)",
                    ),
                }
            }
        }
        secrets
    }

    fn deploy(
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

    fn verify(&mut self, workspace: &Workspace) -> VerifySpec {
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

    /// Which stages run, and why the others do not.
    fn stages(
        &mut self,
        only: Option<&[Stage]>,
        train: bool,
        build: bool,
        image_ref: bool,
        deploy: bool,
    ) -> (Vec<Stage>, Vec<(Stage, String)>) {
        let mut asked = Vec::new();
        let listed = values::list(&self.inputs.stages, true);
        for name in &listed {
            match Stage::ALL.iter().find(|stage| stage.name() == name) {
                Some(stage) => asked.push(*stage),
                None => self.invalid(
                    "stages",
                    format!("has `{name}`, expected train, build, push, deploy or verify"),
                ),
            }
        }
        let explicit = only
            .map(<[Stage]>::to_vec)
            .or_else(|| (!asked.is_empty()).then_some(asked));
        let (mut stages, mut left_out) = (Vec::new(), Vec::new());
        for &stage in &Stage::ALL[1..] {
            let wanted = explicit
                .as_ref()
                .is_none_or(|stages| stages.contains(&stage));
            let lacking = match stage {
                Stage::Train if !train => Some(("train", "there is no command to train with")),
                Stage::Build | Stage::Push if image_ref && explicit.is_none() => {
                    Some(("image", "`image-ref` names an image that exists"))
                }
                Stage::Build | Stage::Push if !build => Some((
                    "image",
                    "there is no name to build and push the image under",
                )),
                Stage::Deploy | Stage::Verify if !deploy => Some((
                    "manifests",
                    "there is nothing to deploy to: no manifests, and no `target: docker`",
                )),
                _ => None,
            };
            let delivers = matches!(stage, Stage::Push | Stage::Deploy | Stage::Verify);
            if !wanted {
                left_out.push((stage, "not asked for".to_owned()));
            } else if let Some((name, why)) = lacking {
                // A part of a subcommand may be missing; a stage that the user listed may not.
                let needed = match only {
                    Some(only) => only.first() == Some(&stage),
                    None => explicit.is_some(),
                };
                if needed {
                    self.missing(name, &format!("stage {stage} was asked for, and {why}"));
                }
                left_out.push((stage, why.to_owned()));
            } else if delivers && self.host.pull_request {
                left_out.push((
                    stage,
                    "this is a pull request: nothing is pushed or deployed".to_owned(),
                ));
            } else {
                stages.push(stage);
            }
        }
        (stages, left_out)
    }

    /// A full run that builds an image needs a model from somewhere.
    fn model(&mut self, stages: &[Stage], only: Option<&[Stage]>, model: &Path, train: bool) {
        if only.is_none() && stages.contains(&Stage::Build) && !train && !model.exists() {
            self.missing(
                "train",
                &format!("and there is no model at `{}` either", self.inputs.model),
            );
        }
        if only.is_none()
            && stages.is_empty()
            && self.findings.is_empty()
            && !self.host.pull_request
        {
            self.missing(
                "train",
                "nothing to do: set at least `train`, `image` or `manifests`",
            );
        }
    }
}
