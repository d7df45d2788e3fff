//! Builds the plan from inputs and host. It reads no network and changes nothing; all findings come back at once.

mod azure;
mod azureml;
mod clouds;
mod delivery;
mod findings;
mod gates;
mod google;
mod ignored;
mod image;
mod parity;
mod sagemaker;
mod secrets;
mod train;
mod trial;
mod values;

use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub(crate) use secrets::of_inputs as secret_values;

use super::*;
use crate::cloud::Environment;
use crate::context::Workspace;
use crate::diagnostic::Diagnostic;
use crate::event::Stage;
use crate::host::Host;
use crate::inputs::flags::Inputs;
use crate::inputs::parsed::{Source, Sources};
use crate::registry::Reference;

/// Where things lie that are not inputs.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Folder we were started in.
    pub(crate) folder: PathBuf,
    /// Cache folder of the user.
    pub(crate) cache: PathBuf,
    /// `MLFLOW_TRACKING_URI`, `…_USERNAME`, `…_PASSWORD` and `…_TOKEN` of the environment: MLflow's own way to be told.
    pub(crate) tracking_uri: Option<String>,
    pub(crate) tracking_username: Option<String>,
    pub(crate) tracking_password: Option<SecretString>,
    pub(crate) tracking_token: Option<SecretString>,
    /// Values of variables whose names say that they are secret, whoever set them.
    pub(crate) secrets: Vec<SecretString>,
    /// All variables: each cloud knows its own.
    pub(crate) environment: Environment,
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
        // Programs run in other folders than we were started in.
        let cache = folder.join(cache);
        Self {
            folder,
            cache,
            tracking_uri: get("MLFLOW_TRACKING_URI"),
            tracking_username: get("MLFLOW_TRACKING_USERNAME"),
            tracking_password: get("MLFLOW_TRACKING_PASSWORD").map(SecretString::from),
            tracking_token: get("MLFLOW_TRACKING_TOKEN").map(SecretString::from),
            secrets: env
                .iter()
                .flat_map(|(name, value)| secrets::in_variable(name, value))
                .chain(secrets::in_files(get))
                .map(SecretString::from)
                .collect(),
            environment: Environment::new(env),
        }
    }
}

/// Resolves everything. `findings` are those of reading the inputs; `only` are the stages that a subcommand stands for, `None`
/// for `run` and `plan`.
///
/// # Errors
/// All findings, those given first: missing, contradictory and malformed inputs.
pub(crate) fn resolve(
    inputs: &Inputs,
    sources: &Sources,
    findings: Vec<Diagnostic>,
    host: Host,
    places: &Places,
    task: Task,
    only: Option<&[Stage]>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        task,
        deploys: task == Task::Run && only.is_none_or(|only| only.contains(&Stage::Deploy)),
        inputs,
        sources,
        host: &host,
        findings,
    };
    let workspace = resolver.workspace(places);
    let image = resolver.reference("image", inputs.image.as_deref());
    let image_ref = resolver.reference("image-ref", inputs.image_ref.as_deref());
    let target = resolver.target();
    let tags = resolver.tags(image.as_ref());
    // The tag is among the tags now.
    let image = image.and_then(|image| image.repository().parse::<Reference>().ok());
    let named = image.clone().or_else(|| image_ref.clone());
    // What is only looked at may lie elsewhere than what is built here.
    let looked_at = image_ref
        .as_ref()
        .filter(|_| matches!(task, Task::Parity | Task::Trace));
    let clouds = resolver.clouds(places);
    let login = resolver.login(looked_at.or(named.as_ref()), places, clouds.clone());
    let known = login.clone();
    let login = Some(login);
    let tracking = resolver.tracking(&workspace, places);
    let gates = resolver.gate_spec(&workspace, tracking.clone());
    let runs = task == Task::Run;
    let train = if runs {
        resolver.train(&workspace, tracking)
    } else {
        None
    };
    let secrets = [secrets::known(inputs), places.secrets.clone()].concat();
    let build = image
        .clone()
        .filter(|_| runs)
        .and_then(|image| resolver.build(&workspace, image, login.clone(), &tags, &secrets));
    let parity = resolver.parity_spec();
    // Also where nothing is pushed: the login is for the registry that an earlier job has pushed to.
    let push = named.clone().map(|repository| PushSpec {
        repository,
        tags: tags.clone(),
        login: login.clone(),
        create: inputs.aws.create_repository,
    });
    let deploy = resolver.deploy(&workspace, target, named, login, &clouds);
    let verify = resolver.verify(&workspace, target);
    let trial = resolver.trial(&workspace, deploy.as_ref(), &verify);
    let (stages, left_out) = resolver.stages(
        only,
        trial.is_some(),
        train.is_some(),
        // One that cannot be used is another finding already.
        build.is_some() || inputs.image.is_some(),
        image_ref.is_some(),
        // The same.
        deploy.is_some() || target.is_some(),
    );
    resolver.registry(&gates, &stages);
    let model = workspace.folder.join(&inputs.model);
    resolver.model(&stages, only, &model, train.is_some());
    if runs
        && stages.contains(&Stage::Deploy)
        && image.is_some()
        && image_ref.is_none()
        && !stages.contains(&Stage::Push)
    {
        let local = matches!(deploy, Some(DeploySpec::Docker(_))) && stages.contains(&Stage::Build);
        if !local {
            resolver.missing("image-ref", "the stage deploy runs without push, so it must be told which image: the output `image-ref` of the earlier job");
        }
    }
    let unused = resolver.unused(target);
    if !resolver.findings.is_empty() {
        return Err(resolver.findings);
    }
    let report = workspace.folder.join(&inputs.report);
    Ok(Plan {
        task,
        workspace,
        host,
        stages,
        left_out,
        unused,
        train,
        model,
        gates,
        build,
        parity,
        push,
        deploy,
        verify,
        trial,
        image_ref,
        login: known,
        clouds,
        report,
        reuse: inputs.reuse,
        timeout: inputs.timeout,
    })
}

/// Checks of what a stage made come with it, so that nobody leaves them out by not knowing them.
fn comes_with(stage: Stage) -> Stage {
    match stage {
        Stage::Gates => Stage::Train,
        Stage::Parity | Stage::Predictions => Stage::Build,
        other => other,
    }
}

struct Resolver<'a> {
    task: Task,
    /// Whether the subcommand may deploy: what only a deployment needs is not asked of others.
    deploys: bool,
    inputs: &'a Inputs,
    sources: &'a Sources,
    host: &'a Host,
    findings: Vec<Diagnostic>,
}

impl Resolver<'_> {
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
        let file = self.inputs.file.as_deref();
        Workspace {
            root,
            dockerfile: Workspace::dockerfile(&folder, &self.inputs.context, file),
            cache: places.cache.clone(),
            ..Workspace::at(&folder)
        }
    }

    /// Which stages run, and why the others do not.
    fn stages(
        &mut self,
        only: Option<&[Stage]>,
        trial: bool,
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
                    format!("has `{name}`, expected train, gates, build, parity, predictions, push, deploy or verify"),
                ),
            }
        }
        let explicit = match only {
            // What is written beside a subcommand chooses among its stages; elsewhere it is for other runs.
            Some(only) if matches!(self.sources.get("stages"), Some(Source::Flag)) => {
                self.foreign(&asked, only);
                Some(asked)
            }
            Some(only) => Some(only.to_vec()),
            None => (!asked.is_empty()).then_some(asked),
        };
        let (mut stages, mut left_out) = (Vec::new(), Vec::new());
        for &stage in &Stage::ALL[1..] {
            let comes_with = comes_with(stage);
            let wanted = explicit
                .as_ref()
                .is_none_or(|stages| stages.contains(&stage) || stages.contains(&comes_with));
            let lacking = match stage {
                Stage::Gates if !self.gates() => Some(("gates", "no gate is set")),
                Stage::Parity if !self.parity(stages.contains(&Stage::Train)) || !build => {
                    Some(("parity", "there is no training to compare an image with"))
                }
                Stage::Predictions if !trial || !build => {
                    Some(("golden", "there are no recorded predictions"))
                }
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
                    "there is nothing to deploy to: no manifests, and no other `target`",
                )),
                _ => None,
            };
            let delivers = matches!(stage, Stage::Push | Stage::Deploy | Stage::Verify);
            if !wanted {
                if comes_with == stage {
                    left_out.push((stage, "not asked for".to_owned()));
                }
            } else if let Some((name, why)) = lacking {
                // A part of a subcommand may be missing; a stage that the user listed may not.
                let needed = comes_with == stage
                    && match only {
                        Some(only) => only.first() == Some(&stage),
                        None => explicit.is_some(),
                    };
                if needed {
                    self.missing(name, &format!("stage {stage} was asked for, and {why}"));
                }
                // A check that nobody set up is no news.
                if comes_with == stage {
                    left_out.push((stage, why.to_owned()));
                }
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

    /// Stages that were asked for and that the subcommand does not have.
    fn foreign(&mut self, asked: &[Stage], only: &[Stage]) {
        let foreign = asked
            .iter()
            .find(|stage| !only.contains(&comes_with(**stage)));
        if let Some(stage) = foreign {
            let names: Vec<&str> = only.iter().map(|stage| stage.name()).collect();
            let why = format!(
                "has `{stage}`, and this subcommand runs only {}; `ml-deploy run` runs all",
                names.join(", ")
            );
            self.invalid("stages", why);
        }
    }

    /// Whether metrics are compared with rules.
    fn gates(&self) -> bool {
        // Rules that cannot be read are findings already.
        !self.inputs.gates.is_empty()
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
