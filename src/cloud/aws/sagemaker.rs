//! SageMaker, and the log of what it runs, as its interfaces have them: questions and changes, one at a time. It decides nothing.
//! Sources: Amazon SageMaker API Reference (2017-07-24), Amazon SageMaker Runtime, Amazon CloudWatch Logs API Reference.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Aws;
use super::call::{Call, Refused};
use super::place::{self, Registry, Service};
use crate::cloud::Clouds;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

const JSON: &str = "application/x-amz-json-1.1";

/// Most pages of a list that are read: each has a hundred names.
const PAGES: usize = 20;

/// How far AWS's clock may be behind ours.
const CLOCKS: Duration = Duration::from_secs(5);

/// SageMaker in the region of the identity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SageMaker(Arc<Clouds>);

/// What a model answered.
pub(crate) struct Invoked {
    /// Of the container, also where SageMaker wraps it into an error of its own.
    pub(crate) status: u16,
    /// Untrusted.
    pub(crate) body: String,
}

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
    fn aws(&self) -> &Aws {
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
        Ok(format!("arn:{partition}:sagemaker:{region}:{account}:{thing}/"))
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
        match self.ask(&action, body, &tried).await? {
            Ok(_) => Ok(()),
            Err(refused) if refused.message.contains("already existing") => Ok(()),
            Err(refused) => Err(self.failure(&refused, &tried, &action).await),
        }
    }

    /// Moves the endpoint to another configuration.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn update(&self, name: &str, body: &Value) -> Outcome<()> {
        let tried = format!("update the endpoint `{name}`");
        self.done("UpdateEndpoint", body, &tried).await.map(drop)
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
                found.push((text(row, "EndpointConfigName"), text(row, "EndpointConfigArn")));
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
        Ok(tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect())
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

    /// Asks the model behind the endpoint.
    ///
    /// # Errors
    /// As `describe`. An error of the container is an answer with its status.
    pub(crate) async fn invoke(&self, endpoint: &str, body: &str) -> Outcome<Invoked> {
        let tried = format!("ask the endpoint `{endpoint}`");
        let path = format!("/endpoints/{endpoint}/invocations");
        let region = self.region()?;
        let call = Call {
            service: Service::SageMakerRuntime,
            region: &region,
            method: Method::POST,
            path: &path,
            headers: &[("accept", "application/json"), ("content-type", "application/json")],
            body: body.as_bytes().to_vec(),
            tried: &tried,
        };
        let keys = self.aws().keys().await?;
        match self.aws().send(&call, &keys).await? {
            Ok(answer) => Ok(Invoked {
                status: answer.status.as_u16(),
                body: answer.text(),
            }),
            Err(refused) if refused.kind == "ModelError" => Ok(of_model(&refused.message)),
            Err(refused) => Err(self.failure(&refused, &tried, "InvokeEndpoint").await),
        }
    }

    /// The last lines of the newest container that has logged since a moment (time since 1970); none when there is none.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn log(
        &self,
        endpoint: &str,
        since: Duration,
        lines: u32,
    ) -> Outcome<Vec<String>> {
        let group = format!("/aws/sagemaker/Endpoints/{endpoint}");
        let tried = format!("read the log `{group}`");
        let newest = json!({"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "limit": 50});
        let Some(streams) = self.logs("DescribeLogStreams", &newest, &tried).await? else {
            return Ok(Vec::new());
        };
        // The containers that served before go on logging, so the newest line is not of the newest container.
        let since = u64::try_from(since.saturating_sub(CLOCKS).as_millis()).unwrap_or(u64::MAX);
        let new = |stream: &&Value| stream["creationTime"].as_u64().is_some_and(|at| at >= since);
        let mut streams = streams["logStreams"].as_array().into_iter().flatten();
        let Some(stream) = streams.find(new).and_then(|found| found["logStreamName"].as_str()) else {
            return Ok(Vec::new());
        };
        let wanted = json!({"logGroupName": group, "logStreamName": stream, "limit": lines, "startFromHead": false});
        let events = self.logs("GetLogEvents", &wanted, &tried).await?.unwrap_or_default();
        let events = events["events"].as_array().into_iter().flatten();
        Ok(events.map(|event| text(event, "message").trim_end().to_owned()).collect())
    }

    async fn logs(&self, action: &str, body: &Value, tried: &str) -> Outcome<Option<Value>> {
        let answer = self.question(Service::Logs, "Logs_20140328", action, body, tried).await?;
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(refused) if refused.kind == "ResourceNotFoundException" => Ok(None),
            Err(refused) => {
                let keys = self.aws().keys().await?;
                let action = format!("logs:{action}");
                Err(refused.failure(tried, &keys, (&action, "*")))
            }
        }
    }

    async fn done(&self, action: &str, body: &Value, tried: &str) -> Outcome<Value> {
        match self.ask(action, body, tried).await? {
            Ok(answer) => Ok(answer),
            Err(refused) => Err(self.failure(&refused, tried, action).await),
        }
    }

    async fn ask(
        &self,
        action: &str,
        body: &Value,
        tried: &str,
    ) -> Outcome<Result<Value, Refused>> {
        self.question(Service::SageMaker, "SageMaker", action, body, tried).await
    }

    async fn question(
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
            headers: &[("content-type", JSON), ("x-amz-target", &target)],
            body: body.to_string().into_bytes(),
            tried,
        };
        self.aws().ask(&call).await
    }

    /// A right that is missing is named as AWS names it: making a model also needs to pass its role on.
    async fn failure(&self, refused: &Refused, tried: &str, action: &str) -> Failure {
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
        let failure = Failure::new(
            Code::EndpointFailed,
            format!("failed to {tried}: AWS refuses it: {message} ({kind})"),
        );
        if kind == "ResourceLimitExceeded" {
            return failure.help("ask for a higher quota in Service Quotas, or use another `instance-type`");
        }
        failure.help("correct what AWS names")
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

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn is_missing(refused: &Refused) -> bool {
    let missing = refused.message.contains("Could not find") || refused.message.contains("does not exist");
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

/// SageMaker wraps what the container answered into one sentence: `Received server error (500) from primary with message "…"`.
fn of_model(message: &str) -> Invoked {
    let status = message.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let status = status.and_then(|(status, _)| status.parse().ok());
    let said = message.split_once("with message \"").map(|(_, rest)| rest);
    let said = said.and_then(|said| said.rsplit_once("\". See "));
    let body = said.map_or(message, |(body, _)| body).to_owned();
    Invoked {
        // A container that gives no answer at all has no status either.
        status: status.filter(|status| *status >= 400).unwrap_or(502),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_own_error_is_taken_out_of_the_sentence() {
        let invoked = of_model(
            "Received server error (500) from primary with message \"{\"error\": \"no\"}\". See https://x for more",
        );
        assert_eq!((invoked.status, invoked.body.as_str()), (500, "{\"error\": \"no\"}"));
        let silent = of_model("Received server error (0) from primary with message \"Your invocation timed out\". See the log");
        assert_eq!((silent.status, silent.body.as_str()), (502, "Your invocation timed out"));
        assert_eq!(of_model("what is this").status, 502);
    }

    #[test]
    fn a_missing_right_is_read_from_the_refusal() {
        let passing = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r because no policy";
        assert_eq!(missing_right(passing), Some(("iam:PassRole", "arn:aws:iam::1:role/r")));
        assert_eq!(missing_right("perform: sagemaker:CreateModel"), Some(("sagemaker:CreateModel", "*")));
        assert_eq!(missing_right("no"), None);
    }
}
