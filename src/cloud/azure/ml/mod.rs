//! Azure Machine Learning through Resource Manager: a workspace, its online endpoints, their deployments, and images as
//! environments. It knows what is asked and answered, not when a new version may take over.
//! Source: Azure's description of Microsoft.MachineLearningServices, 2024-04-01.

mod operation;
mod read;
mod refusal;
mod request;
mod rights;
mod scoring;
mod types;

use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use self::operation::{Ended, Operation, Patience};
pub(crate) use self::read::{MORE_QUOTA, codes, lacks_quota, said};
pub(crate) use self::rights::Size;
pub(crate) use self::types::{Auth, Endpoint, OnlineDeployment, Workspace, is_changing};

use self::request::Ask;
use self::types::text;
use super::super::Clouds;
use crate::cloud::spec::MlWorkspace;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// A workspace, as who we are at Azure. Cheap to clone; making one asks nobody.
#[derive(Clone)]
pub(crate) struct MachineLearning {
    clouds: Arc<Clouds>,
    workspace: MlWorkspace,
}

/// A container of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// The one that answers.
    Server,
    /// What fetches its files before; not every deployment has it.
    Fetcher,
}

impl Clouds {
    /// The workspace of that name in the subscription of the identity.
    pub(crate) fn machine_learning(self: &Arc<Self>, workspace: &MlWorkspace) -> MachineLearning {
        MachineLearning {
            clouds: self.clone(),
            workspace: workspace.clone(),
        }
    }
}

impl MachineLearning {
    /// The workspace itself.
    ///
    /// # Errors
    /// Those of having a token; `CloudDenied`, `WorkspaceMissing`.
    pub(crate) async fn workspace(&self) -> Outcome<Workspace> {
        let tried = format!("read Azure ML workspace `{}`", self.workspace.name);
        let answer = self.ask(&tried, Ask::get(&[])).await?;
        Ok(Workspace::of(&answer.json()))
    }

    /// The endpoint; `None`: there is none of this name in the workspace.
    ///
    /// # Errors
    /// As [`Self::workspace`].
    pub(crate) async fn endpoint(&self, name: &str) -> Outcome<Option<Endpoint>> {
        let tried = format!("read endpoint `{name}`");
        let path = ["onlineEndpoints", name];
        let found = self.find(&tried, Ask::get(&path)).await?;
        Ok(found.map(|body| Endpoint::of(&body)))
    }

    /// Makes or changes an endpoint; only the operation's end says whether it worked.
    ///
    /// # Errors
    /// As [`Self::workspace`], and `EndpointFailed` for what Azure does not take.
    pub(crate) async fn put_endpoint(&self, name: &str, body: &Value) -> Outcome<Operation> {
        let tried = format!("write endpoint `{name}`");
        let path = ["onlineEndpoints", name];
        let answer = self.ask(&tried, Ask::put(&path, body)).await?;
        Ok(Operation::of(&answer, &path))
    }

    /// # Errors
    /// As [`Self::put_endpoint`].
    pub(crate) async fn delete_endpoint(&self, name: &str) -> Outcome<Operation> {
        let tried = format!("delete endpoint `{name}`");
        let path = ["onlineEndpoints", name];
        let answer = self.ask(&tried, Ask::delete(&path)).await?;
        Ok(Operation::of(&answer, &path))
    }

    /// Every deployment of an endpoint.
    ///
    /// # Errors
    /// As [`Self::workspace`].
    pub(crate) async fn deployments(&self, endpoint: &str) -> Outcome<Vec<OnlineDeployment>> {
        let tried = format!("list the deployments of endpoint `{endpoint}`");
        let path = ["onlineEndpoints", endpoint, "deployments"];
        let listed = self.list(&tried, Ask::get(&path)).await?;
        Ok(listed.iter().map(OnlineDeployment::of).collect())
    }

    /// One deployment; `None`: there is none.
    ///
    /// # Errors
    /// As [`Self::workspace`].
    pub(crate) async fn deployment(
        &self,
        endpoint: &str,
        name: &str,
    ) -> Outcome<Option<OnlineDeployment>> {
        let tried = format!("read deployment `{name}` of endpoint `{endpoint}`");
        let path = ["onlineEndpoints", endpoint, "deployments", name];
        let found = self.find(&tried, Ask::get(&path)).await?;
        Ok(found.as_ref().map(OnlineDeployment::of))
    }

    /// Makes a deployment; only the operation's end says whether it worked.
    ///
    /// # Errors
    /// As [`Self::put_endpoint`].
    pub(crate) async fn put_deployment(
        &self,
        endpoint: &str,
        name: &str,
        body: &Value,
    ) -> Outcome<Operation> {
        let tried = format!("make deployment `{name}` of endpoint `{endpoint}`");
        let path = ["onlineEndpoints", endpoint, "deployments", name];
        let answer = self.ask(&tried, Ask::put(&path, body)).await?;
        Ok(Operation::of(&answer, &path))
    }

    /// # Errors
    /// As [`Self::put_endpoint`]; one that has traffic is not deleted.
    pub(crate) async fn delete_deployment(&self, endpoint: &str, name: &str) -> Outcome<Operation> {
        let tried = format!("delete deployment `{name}` of endpoint `{endpoint}`");
        let path = ["onlineEndpoints", endpoint, "deployments", name];
        let answer = self.ask(&tried, Ask::delete(&path)).await?;
        Ok(Operation::of(&answer, &path))
    }

    /// The end of a deployment's log; empty when there is none.
    ///
    /// # Errors
    /// As [`Self::workspace`].
    pub(crate) async fn log(
        &self,
        endpoint: &str,
        deployment: &str,
        container: Container,
        lines: usize,
    ) -> Outcome<Vec<String>> {
        let tried = format!("read the log of deployment `{deployment}`");
        let path = [
            "onlineEndpoints",
            endpoint,
            "deployments",
            deployment,
            "getLogs",
        ];
        let container = match container {
            Container::Server => "InferenceServer",
            Container::Fetcher => "StorageInitializer",
        };
        let body = json!({"containerType": container, "tail": lines});
        let answer = self.ask(&tried, Ask::post(&path, Some(&body))).await?;
        let answer = answer.json();
        let all: Vec<_> = text(&answer, "/content").lines().collect();
        let end = all.iter().skip(all.len().saturating_sub(lines));
        Ok(end.map(|&line| line.to_owned()).collect())
    }

    /// Registers an image as a version of an environment, and returns its id. The same image may be registered again.
    ///
    /// # Errors
    /// As [`Self::put_endpoint`].
    pub(crate) async fn put_environment(
        &self,
        name: &str,
        version: &str,
        body: &Value,
    ) -> Outcome<String> {
        let tried = format!("register the image as environment `{name}:{version}`");
        let path = ["environments", name, "versions", version];
        let answer = self.ask(&tried, Ask::put(&path, body)).await?.json();
        let id = text(&answer, "/id");
        if id.is_empty() {
            let message = format!("failed to {tried}: Azure's answer does not name it");
            return Err(Failure::new(Code::EndpointFailed, message).help("run again"));
        }
        Ok(id.to_owned())
    }

    /// The image of an environment that a deployment names by its id.
    ///
    /// # Errors
    /// As [`Self::workspace`].
    pub(crate) async fn image(&self, deployment: &OnlineDeployment) -> Outcome<Option<String>> {
        let parts: Vec<&str> = deployment.environment.split('/').collect();
        let [.., "environments", name, "versions", version] = parts[..] else {
            return Ok(None);
        };
        let tried = format!("read environment `{name}:{version}`");
        let path = ["environments", name, "versions", version];
        let found = self.find(&tried, Ask::get(&path)).await?;
        let image = found.map(|body| text(&body, "/properties/image").to_owned());
        Ok(image.filter(|image| !image.is_empty()))
    }

    /// What a new identity needs to be given a role, for messages.
    pub(crate) fn scope(&self) -> String {
        let subscription = self.clouds.azure.subscription().unwrap_or("SUBSCRIPTION");
        format!(
            "/subscriptions/{subscription}/resourceGroups/{}/providers/{}/workspaces/{}",
            self.workspace.resource_group,
            request::PROVIDER,
            self.workspace.name
        )
    }
}
