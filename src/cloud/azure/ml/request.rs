//! One request about a workspace, and its answer or what a refusal means.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
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
        let azure = &self.clouds.azure;
        let mut path = vec![
            "subscriptions",
            azure.subscription()?,
            "resourceGroups",
            &self.workspace.resource_group,
            "providers",
            PROVIDER,
            "workspaces",
            &self.workspace.name,
        ];
        path.extend(ask.path);
        self.send(tried, ask.method, &path, ask.version, ask.body)
            .await
    }

    /// What is known of a region.
    pub(super) async fn of_region(
        &self,
        tried: &str,
        location: &str,
        what: &str,
    ) -> Outcome<Value> {
        let azure = &self.clouds.azure;
        let path = [
            "subscriptions",
            azure.subscription()?,
            "providers",
            PROVIDER,
            "locations",
            location,
            what,
        ];
        let answer = self.send(tried, Method::GET, &path, VERSION, None).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        Err(self.refused(tried, &answer))
    }

    async fn send(
        &self,
        tried: &str,
        method: Method,
        path: &[&str],
        version: &str,
        body: Option<&Value>,
    ) -> Outcome<Answer> {
        let query = [("api-version", version)];
        let azure = &self.clouds.azure;
        // What waits for it is held by many others: it must stay small.
        Box::pin(azure.arm(tried, method, path, &query, body)).await
    }

    /// Asks an address that Azure gave. Our token goes only to where it was made for.
    pub(super) async fn follow(&self, tried: &str, address: &str) -> Outcome<Option<Answer>> {
        let azure = &self.clouds.azure;
        let base = &azure.identity.endpoints().resource_manager;
        let (Ok(url), Ok(own)) = (
            address.parse::<reqwest::Url>(),
            base.parse::<reqwest::Url>(),
        ) else {
            return Ok(None);
        };
        if url.origin() != own.origin() {
            return Ok(None);
        }
        let token = azure
            .identity
            .token(&format!("{base}/.default"), "Resource Manager")
            .await?;
        let request = azure.around.http.client().get(url);
        let request = request.bearer_auth(token.expose_secret());
        azure.around.http.send(tried, request).await.map(Some)
    }
}
