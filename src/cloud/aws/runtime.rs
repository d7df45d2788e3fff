//! What an endpoint of SageMaker answers, and what its containers write into their logs.
//! Sources: Amazon SageMaker Runtime, Amazon CloudWatch Logs API Reference.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::call::Call;
use super::place::Service;
use super::refused::Refused;
use super::sagemaker::{SageMaker, text};
use crate::failure::Outcome;

/// What is let pass between two clocks that are held to be equal.
const CLOCKS: Duration = Duration::from_secs(5);
/// Pages of log streams that are looked through: each has fifty, and every machine that ever served has left one.
const PAGES: usize = 10;

/// What a model answered.
pub(crate) struct Invoked {
    /// Of the container, also where SageMaker wraps it into an error of its own.
    pub(crate) status: u16,
    /// Untrusted.
    pub(crate) body: String,
}

impl SageMaker {
    /// Asks the model behind the endpoint; with `variant` that one, whatever its share of the requests is.
    ///
    /// # Errors
    /// As `describe`. An error of the container is an answer with its status.
    pub(crate) async fn invoke(
        &self,
        endpoint: &str,
        variant: Option<&str>,
        body: &str,
    ) -> Outcome<Invoked> {
        let tried = match variant {
            Some(variant) => format!("ask variant `{variant}` of the endpoint `{endpoint}`"),
            None => format!("ask the endpoint `{endpoint}`"),
        };
        let mut headers = vec![
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ];
        headers.extend(variant.map(|variant| ("x-amzn-sagemaker-target-variant", variant)));
        let path = format!("/endpoints/{endpoint}/invocations");
        let region = self.region()?;
        let call = Call {
            service: Service::SageMakerRuntime,
            region: &region,
            method: Method::POST,
            path: &path,
            headers: &headers,
            body: body.as_bytes().to_vec(),
            tried: &tried,
        };
        match self.aws().asked(&call).await? {
            Ok(answer) => Ok(Invoked {
                status: answer.status.as_u16(),
                body: answer.text(),
            }),
            Err(refused) if refused.kind == "ModelError" => Ok(of_model(&refused)),
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
        let since = self.on_their_clock(since.saturating_sub(CLOCKS));
        // Newest lines first, but that order may lag behind by minutes.
        let mut page = json!({"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "limit": 50});
        let mut found = None;
        for _ in 0..PAGES {
            let Some(streams) = self.logs("DescribeLogStreams", &page, &tried).await? else {
                return Ok(Vec::new());
            };
            found = newest(&streams, since);
            page["nextToken"] = streams["nextToken"].clone();
            if found.is_some() || page["nextToken"].is_null() {
                break;
            }
        }
        let Some(stream) = found else {
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

    /// A moment since 1970 in milliseconds as AWS's clock has it.
    fn on_their_clock(&self, moment: Duration) -> i128 {
        let ours = i128::try_from(moment.as_millis()).unwrap_or(i128::MAX);
        ours.saturating_add(self.aws().clock_ahead().as_millis())
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

/// The first stream that was made since then: containers that served before go on logging, so the newest line is not of the
/// newest container.
fn newest(streams: &Value, since: i128) -> Option<String> {
    let mut listed = streams["logStreams"].as_array()?.iter();
    let new = |stream: &&Value| {
        let made = stream["creationTime"].as_i64();
        made.is_some_and(|at| i128::from(at) >= since)
    };
    Some(text(listed.find(new)?, "logStreamName"))
}

/// What the container answered stands in SageMaker's own error. One that gave no answer at all has no status either.
fn of_model(refused: &Refused) -> Invoked {
    let status = refused.said["OriginalStatusCode"].as_u64();
    let status = status.and_then(|status| u16::try_from(status).ok());
    let said = refused.said["OriginalMessage"].as_str();
    Invoked {
        status: status.filter(|status| *status >= 400).unwrap_or(502),
        body: said.unwrap_or(&refused.message).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::super::super::http::Answer;
    use super::*;

    #[test]
    fn a_containers_own_error_is_taken_out_of_sagemakers() {
        let of = |body: Value| {
            let invoked = of_model(&Refused::of(&Answer {
                status: StatusCode::FAILED_DEPENDENCY,
                headers: HeaderMap::new(),
                body: body.to_string().into(),
            }));
            (invoked.status, invoked.body)
        };
        let whole = json!({"Message": "Received server error (500) from primary with message \"no\". See https://x for more",
            "OriginalMessage": "{\"error\": \"no\"}", "OriginalStatusCode": 500});
        assert_eq!(of(whole), (500, "{\"error\": \"no\"}".to_owned()));
        let silent = json!({"Message": "Your invocation timed out", "OriginalStatusCode": 0});
        assert_eq!(of(silent), (502, "Your invocation timed out".to_owned()));
    }

    #[test]
    fn the_log_is_that_of_a_container_that_is_new() {
        let row = |name: &str, made: i64| json!({"logStreamName": name, "creationTime": made, "lastEventTimestamp": 9000});
        let streams =
            json!({"logStreams": [row("AllTraffic/old", 1000), row("AllTraffic/new", 5000)]});
        assert_eq!(newest(&streams, 5000).as_deref(), Some("AllTraffic/new"));
        assert_eq!(newest(&streams, 5001), None);
        assert_eq!(newest(&json!({"logStreams": []}), 0), None);
    }
}
