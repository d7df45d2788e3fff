//! The part of the plan that trains: command, Python environment, tracking.

use std::path::Path;

use secrecy::SecretString;

use super::super::*;
use super::{Places, Resolver, values};
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::Diagnostic;
use crate::tracking;

impl Resolver<'_> {
    pub(super) fn tracking(&mut self, workspace: &Workspace, places: &Places) -> TrackingSpec {
        let inputs = self.inputs;
        let given = inputs
            .mlflow_tracking_uri
            .clone()
            .or_else(|| places.tracking_uri.clone());
        let local = || TrackingUri::Sqlite(workspace.state.join("mlflow.db"));
        let uri = match given.as_deref().map(tracking::parse) {
            None => local(),
            Some(Ok(TrackingUri::Sqlite(path))) => TrackingUri::Sqlite(workspace.folder.join(path)),
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
        // A password within the URL is taken out of it, so that no report can show it.
        let (url_user, url_password) = given.as_deref().and_then(tracking::credentials).unzip();
        TrackingSpec {
            asked: given.is_some() || inputs.mlflow_experiment_name.is_some(),
            uri,
            experiment: inputs.mlflow_experiment_name.clone(),
            username: (inputs.mlflow_tracking_username.clone())
                .or(url_user)
                .or_else(|| places.tracking_username.clone()),
            password: (inputs.mlflow_tracking_password.clone())
                .or(url_password)
                .or_else(|| places.tracking_password.clone()),
            token: (inputs.mlflow_tracking_token.clone()).or_else(|| places.tracking_token.clone()),
        }
    }

    pub(super) fn train(
        &mut self,
        workspace: &Workspace,
        tracking: TrackingSpec,
    ) -> Option<TrainSpec> {
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

    pub(super) fn train_environment(&mut self) -> (Vec<(String, SecretString)>, Vec<String>) {
        let (mut set, mut pass) = (Vec::new(), Vec::new());
        for entry in values::list(&self.inputs.train_env, false) {
            match entry.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    set.push((name.to_owned(), value.into()));
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

    pub(super) fn requirements(&mut self, workspace: &Workspace) -> Requirements {
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
}
