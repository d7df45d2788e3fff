//! One request about a workspace, and its answer or what a refusal means.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::super::super::http::Answer;
use super::MachineLearning;
use super::refusal::{Asked, refused};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

pub(super) const PROVIDER: &str = "Microsoft.MachineLearningServices";
/// Version of the interface.
const VERSION: &str = "2024-04-01";

/// What is asked below the workspace.
pub(super) struct Ask<'a> {
    method: Method,
    path: &'a [&'a str],
    version: &'a str,
    body: Option<&'a Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub(super) fn put(path: &'a [&'a str], body: &'a Value) -> Self {
        Self::new(Method::PUT, path, Some(body))
    }

    pub(super) fn post(path: &'a [&'a str], body: Option<&'a Value>) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub(super) fn delete(path: &'a [&'a str]) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    fn new(method: Method, path: &'a [&'a str], body: Option<&'a Value>) -> Self {
        Self {
            method,
            path,
            version: VERSION,
            body,
        }
    }

    /// Of another provider's interface.
    pub(super) fn version(self, version: &'a str) -> Self {
        Self { version, ..self }
    }
}

impl MachineLearning {
    /// Sends it. `tried` completes "failed to …".
    ///
    /// # Errors
    /// Those of having a token, `CloudUnreachable`, and what a refusal means.
    pub(super) async fn ask(&self, tried: &str, ask: Ask<'_>) -> Outcome<Answer> {
        let answer = self.sent(tried, ask).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(tried, &answer))
    }

    /// The same for what may not be there.
    pub(super) async fn find(&self, tried: &str, ask: Ask<'_>) -> Outcome<Option<Value>> {
        let answer = self.sent(tried, ask).await?;
        if answer.status.is_success() {
            return Ok(Some(answer.json()));
        }
        // A workspace that is not there is a mistake, an endpoint that is not there is only not there yet.
        let refused = self.refused(tried, &answer);
        if answer.status == StatusCode::NOT_FOUND && refused.code() != Code::WorkspaceMissing {
            return Ok(None);
        }
        Err(refused)
    }

    fn refused(&self, tried: &str, answer: &Answer) -> Failure {
        let asked = Asked {
            tried,
            workspace: &self.workspace,
            scope: &self.scope(),
            assignee: self.clouds.azure.identity.assignee(),
        };
        refused(&asked, answer.status.as_u16(), &answer.json())
    }

    async fn sent(&self, tried: &str, ask: Ask<'_>) -> Outcome<Answer> {
        let path = self.below(ask.path)?;
        let query = [("api-version", ask.version)];
        let azure = &self.clouds.azure;
        // What waits for it is held by many others: it must stay small.
        Box::pin(azure.arm(tried, ask.method, &path, &query, ask.body)).await
    }

    /// Everything in a list below the workspace.
    pub(super) async fn list(&self, tried: &str, ask: Ask<'_>) -> Outcome<Vec<Value>> {
        let path = self.below(ask.path)?;
        self.listed(tried, &path, ask.version).await
    }

    /// Everything in a list of what is known of a region.
    pub(super) async fn of_region(
        &self,
        tried: &str,
        location: &str,
        what: &str,
    ) -> Outcome<Vec<Value>> {
        let path = [
            "subscriptions",
            self.clouds.azure.subscription()?,
            "providers",
            PROVIDER,
            "locations",
            location,
            what,
        ];
        self.listed(tried, &path, VERSION).await
    }

    async fn listed(&self, tried: &str, path: &[&str], version: &str) -> Outcome<Vec<Value>> {
        let query = [("api-version", version)];
        let listed = Box::pin(self.clouds.azure.arm_list(tried, path, &query)).await?;
        listed.map_err(|answer| self.refused(tried, &answer))
    }

    /// The parts of an address below the workspace.
    fn below<'a>(&'a self, path: &[&'a str]) -> Outcome<Vec<&'a str>> {
        let mut whole = vec![
            "subscriptions",
            self.clouds.azure.subscription()?,
            "resourceGroups",
            &self.workspace.resource_group,
            "providers",
            PROVIDER,
            "workspaces",
            &self.workspace.name,
        ];
        whole.extend(path);
        Ok(whole)
    }

    /// Asks an address that Azure gave.
    pub(super) async fn follow(&self, tried: &str, address: &str) -> Outcome<Option<Answer>> {
        Box::pin(self.clouds.azure.arm_at(tried, address)).await
    }
}
