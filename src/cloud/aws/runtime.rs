//! What an endpoint of SageMaker answers, and what its containers write into their logs.
//! Sources: Amazon SageMaker Runtime, Amazon CloudWatch Logs API Reference.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::call::Call;
use super::place::Service;
use super::sagemaker::{SageMaker, text};
use crate::failure::Outcome;

/// How far AWS's clock may be behind ours.
const CLOCKS: Duration = Duration::from_secs(5);

/// What a model answered.
pub(crate) struct Invoked {
    /// Of the container, also where SageMaker wraps it into an error of its own.
    pub(crate) status: u16,
    /// Untrusted.
    pub(crate) body: String,
}

impl SageMaker {
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
            headers: &[
                ("accept", "application/json"),
                ("content-type", "application/json"),
            ],
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
        let new = |stream: &&Value| {
            stream["creationTime"]
                .as_u64()
                .is_some_and(|at| at >= since)
        };
        let mut streams = streams["logStreams"].as_array().into_iter().flatten();
        let Some(stream) = streams
            .find(new)
            .and_then(|found| found["logStreamName"].as_str())
        else {
            return Ok(Vec::new());
        };
        let wanted = json!({"logGroupName": group, "logStreamName": stream, "limit": lines, "startFromHead": false});
        let events = self
            .logs("GetLogEvents", &wanted, &tried)
            .await?
            .unwrap_or_default();
        let events = events["events"].as_array().into_iter().flatten();
        Ok(events
            .map(|event| text(event, "message").trim_end().to_owned())
            .collect())
    }

    async fn logs(&self, action: &str, body: &Value, tried: &str) -> Outcome<Option<Value>> {
        let answer = self
            .question(Service::Logs, "Logs_20140328", action, body, tried)
            .await?;
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
}

/// SageMaker wraps what the container answered into one sentence: `Received server error (500) from primary with message "…"`.
fn of_model(message: &str) -> Invoked {
    let status = message
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
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
        assert_eq!(
            (invoked.status, invoked.body.as_str()),
            (500, "{\"error\": \"no\"}")
        );
        let silent = of_model(
            "Received server error (0) from primary with message \"Your invocation timed out\". See the log",
        );
        assert_eq!(
            (silent.status, silent.body.as_str()),
            (502, "Your invocation timed out")
        );
        assert_eq!(of_model("what is this").status, 502);
    }
}
