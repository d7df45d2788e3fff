//! SageMaker as its interface has it: questions and changes, one at a time. It decides nothing.
//! Source: Amazon SageMaker API Reference (2017-07-24).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Aws;
use super::call::Call;
use super::place::{self, Registry, Service};
use super::refused::Refused;
use crate::cloud::Clouds;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Most pages of a list that are read: each has a hundred names.
const PAGES: usize = 20;

/// How long is waited before something is asked again that does not see what was made a moment ago; it doubles, up to the last.
const SEEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// SageMaker in the region of the identity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SageMaker(Arc<Clouds>);

/// Where an image lies, as SageMaker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImagePlace {
    /// A private repository of ECR in the region of the endpoint.
    Here,
    /// One in another region.
    Region(String),
    /// Any other registry.
    Foreign,
}

impl Clouds {
    /// SageMaker as this run may use it.
    pub(crate) fn sagemaker(self: &Arc<Self>) -> SageMaker {
        SageMaker(self.clone())
    }
}

impl SageMaker {
    pub(super) fn aws(&self) -> &Aws {
        &self.0.aws
    }

    /// The region in which everything is.
    ///
    /// # Errors
    /// `CloudIdentity` when none is given.
    pub(crate) fn region(&self) -> Outcome<String> {
        self.aws().region_for("SageMaker")
    }

    /// Where the endpoint is asked by its callers.
    ///
    /// # Errors
    /// `CloudIdentity` when no region is given.
    pub(crate) fn url(&self, endpoint: &str) -> Outcome<String> {
        let base = place::endpoint(
            Service::SageMakerRuntime,
            &self.region()?,
            &self.aws().around.environment,
        );
        Ok(format!("{base}/endpoints/{endpoint}/invocations"))
    }

    /// The beginning of the ARN of something of SageMaker in the account of a role.
    ///
    /// # Errors
    /// `CloudIdentity` when no region is given.
    pub(crate) fn arn(&self, role: &str, thing: &str) -> Outcome<String> {
        let mut parts = role.split(':');
        let partition = parts.nth(1).unwrap_or("aws");
        let account = parts.nth(2).unwrap_or_default();
        let region = self.region()?;
        Ok(format!(
            "arn:{partition}:sagemaker:{region}:{account}:{thing}/"
        ))
    }

    /// Where the image's registry is.
    ///
    /// # Errors
    /// `CloudIdentity` when no region is given.
    pub(crate) fn place(&self, host: &str) -> Outcome<ImagePlace> {
        let region = self.region()?;
        Ok(match Registry::of(host, &self.aws().around.environment) {
            Some(Registry::Private { region: own, .. }) if own != region => ImagePlace::Region(own),
            Some(Registry::Private { .. } | Registry::Local) => ImagePlace::Here,
            Some(Registry::Public) | None => ImagePlace::Foreign,
        })
    }

    /// An endpoint, a configuration or a model as SageMaker describes it; `None` when there is none.
    ///
    /// # Errors
    /// `CloudDenied` with the right that is missing, `CloudUnreachable`, `EndpointFailed`.
    pub(crate) async fn describe(&self, thing: Thing, name: &str) -> Outcome<Option<Value>> {
        let action = format!("Describe{}", thing.word());
        let tried = format!("look at the {} `{name}`", thing.name());
        let body = json!({format!("{}Name", thing.word()): name});
        match self.ask(&action, &body, &tried).await? {
            Ok(found) => Ok(Some(found)),
            Err(refused) if is_missing(&refused) => Ok(None),
            Err(refused) => Err(self.failure(&refused, &tried, &action).await),
        }
    }

    /// Makes something. One that exists already stays as it is.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn create(&self, thing: Thing, name: &str, body: &Value) -> Outcome<()> {
        let action = format!("Create{}", thing.word());
        let tried = format!("create the {} `{name}`", thing.name());
        match self.ask_of_new(&action, body, &tried).await? {
            Ok(_) => Ok(()),
            Err(refused) if refused.message.contains("already existing") => Ok(()),
            Err(refused) => Err(self.failure(&refused, &tried, &action).await),
        }
    }

    /// Moves the endpoint to another configuration; `false` while something else is changing it.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn update(&self, name: &str, body: &Value) -> Outcome<bool> {
        let tried = format!("update the endpoint `{name}`");
        match self.ask_of_new("UpdateEndpoint", body, &tried).await? {
            Ok(_) => Ok(true),
            Err(refused) if refused.message.contains("in-progress") => Ok(false),
            Err(refused) => Err(self.failure(&refused, &tried, "UpdateEndpoint").await),
        }
    }

    /// Removes something; one that is gone already is no failure.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn delete(&self, thing: Thing, name: &str) -> Outcome<()> {
        let action = format!("Delete{}", thing.word());
        let tried = format!("remove the {} `{name}`", thing.name());
        let body = json!({format!("{}Name", thing.word()): name});
        match self.ask(&action, &body, &tried).await? {
            Ok(_) => Ok(()),
            Err(refused) if is_missing(&refused) => Ok(()),
            Err(refused) => Err(self.failure(&refused, &tried, &action).await),
        }
    }

    /// Name and ARN of the endpoint configurations whose names have this part, the newest first.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn configs(&self, part: &str) -> Outcome<Vec<(String, String)>> {
        let tried = "list the endpoint configurations";
        let mut found = Vec::new();
        let mut next = Value::Null;
        for _ in 0..PAGES {
            let mut body = json!({"NameContains": part, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100});
            if !next.is_null() {
                body["NextToken"] = next;
            }
            let page = self.done("ListEndpointConfigs", &body, tried).await?;
            for row in page["EndpointConfigs"].as_array().into_iter().flatten() {
                found.push((
                    text(row, "EndpointConfigName"),
                    text(row, "EndpointConfigArn"),
                ));
            }
            next = page["NextToken"].clone();
            if next.is_null() {
                break;
            }
        }
        Ok(found)
    }

    /// The tags of something.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn tags(&self, arn: &str) -> Outcome<Vec<(String, String)>> {
        let tried = format!("read the tags of `{arn}`");
        let body = json!({"ResourceArn": arn, "MaxResults": 50});
        let answer = self.done("ListTags", &body, &tried).await?;
        let tags = answer["Tags"].as_array().into_iter().flatten();
        Ok(tags
            .map(|tag| (text(tag, "Key"), text(tag, "Value")))
            .collect())
    }

    /// Adds tags, or gives those that are there another value.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn tag(&self, arn: &str, tags: &Value) -> Outcome<()> {
        let tried = format!("tag `{arn}`");
        let body = json!({"ResourceArn": arn, "Tags": tags});
        self.done("AddTags", &body, &tried).await.map(drop)
    }

    async fn done(&self, action: &str, body: &Value, tried: &str) -> Outcome<Value> {
        match self.ask(action, body, tried).await? {
            Ok(answer) => Ok(answer),
            Err(refused) => Err(self.failure(&refused, tried, action).await),
        }
    }

    /// Asks for something that leans on what was made a moment ago. AWS may not see that everywhere yet, and says that it could
    /// not find it (API reference, "CreateEndpoint": eventually consistent reads).
    async fn ask_of_new(
        &self,
        action: &str,
        body: &Value,
        tried: &str,
    ) -> Outcome<Result<Value, Refused>> {
        let (mut wait, last) = SEEN;
        loop {
            let answer = self.ask(action, body, tried).await?;
            let Some(refused) = answer.as_ref().err().filter(|refused| is_missing(refused)) else {
                return Ok(answer);
            };
            if wait > last {
                return Ok(answer);
            }
            let why = format!("failed to {tried}: {}", refused.message);
            self.aws().around.voice.retrying(wait, why).await;
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn ask(
        &self,
        action: &str,
        body: &Value,
        tried: &str,
    ) -> Outcome<Result<Value, Refused>> {
        self.question(Service::SageMaker, "SageMaker", action, body, tried)
            .await
    }

    pub(super) async fn question(
        &self,
        service: Service,
        prefix: &str,
        action: &str,
        body: &Value,
        tried: &str,
    ) -> Outcome<Result<Value, Refused>> {
        let target = format!("{prefix}.{action}");
        let region = self.region()?;
        let call = Call {
            service,
            region: &region,
            method: Method::POST,
            path: "/",
            headers: &[("content-type", service.json()), ("x-amz-target", &target)],
            body: body.to_string().into_bytes(),
            tried,
        };
        self.aws().ask(&call).await
    }

    /// A right that is missing is named as AWS names it: making a model also needs to pass its role on.
    pub(super) async fn failure(&self, refused: &Refused, tried: &str, action: &str) -> Failure {
        if refused.is_denied() || refused.is_about_keys() {
            let keys = match self.aws().keys().await {
                Ok(keys) => keys,
                Err(failure) => return failure,
            };
            let own = format!("sagemaker:{action}");
            let right = missing_right(&refused.message);
            let right = right.unwrap_or((&own, "*"));
            return refused.failure(tried, &keys, right);
        }
        let (kind, message) = (&refused.kind, &refused.message);
        if message.contains("assume role") {
            return Failure::new(Code::EndpointRole, format!("failed to {tried}: {message}"));
        }
        let (code, help) = match kind.as_str() {
            "ResourceLimitExceeded" => (
                Code::QuotaExceeded,
                "ask for a higher quota in Service Quotas, or use another `instance-type`",
            ),
            _ => (Code::EndpointFailed, "correct what AWS names"),
        };
        let message = format!("failed to {tried}: AWS refuses it: {message} ({kind})");
        Failure::new(code, message).help(help)
    }
}

/// What an endpoint is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Model,
    Config,
    Endpoint,
}

impl Thing {
    fn word(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::Config => "EndpointConfig",
            Self::Endpoint => "Endpoint",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Config => "endpoint configuration",
            Self::Endpoint => "endpoint",
        }
    }
}

pub(super) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn is_missing(refused: &Refused) -> bool {
    let missing =
        refused.message.contains("Could not find") || refused.message.contains("does not exist");
    refused.kind.ends_with("NotFound") || refused.kind == "ValidationException" && missing
}

/// Action and resource in `… is not authorized to perform: iam:PassRole on resource: arn:…`.
fn missing_right(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("perform: ")?;
    let action = rest.split_whitespace().next()?;
    let resource = rest.split_once("on resource: ");
    let resource = resource.and_then(|(_, rest)| rest.split_whitespace().next());
    Some((action, resource.unwrap_or("*")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_read_from_the_refusal() {
        let passing = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r because no policy";
        assert_eq!(
            missing_right(passing),
            Some(("iam:PassRole", "arn:aws:iam::1:role/r"))
        );
        assert_eq!(
            missing_right("perform: sagemaker:CreateModel"),
            Some(("sagemaker:CreateModel", "*"))
        );
        assert_eq!(missing_right("no"), None);
    }
}
