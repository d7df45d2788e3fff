//! Operations that take minutes: Azure gives an address, which is asked until it says how it ended.
//! Source: learn.microsoft.com "Track asynchronous Azure operations".

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::super::http::Answer;
use super::super::super::wait::retry_after;
use super::MachineLearning;
use super::request::Ask;
use super::types::text;
use crate::code::Code;
use crate::failure::Outcome;

/// The first and the longest pause between two questions, and the longest that Azure may ask for.
const FIRST: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(15);
const ASKED: Duration = Duration::from_secs(60);

/// Something that Azure has begun.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Where its end is told: the operation's status, or its result.
    address: Option<(Told, String)>,
    /// The thing itself, below the workspace.
    path: Vec<String>,
}

/// What the address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// `{"status": …}`.
    Status,
    /// 202 until it has ended.
    Result,
}

/// How long is waited, and who may end it sooner.
pub(crate) struct Patience<'a> {
    pub(crate) until: Instant,
    pub(crate) cancel: &'a CancellationToken,
}

/// How waiting ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Succeeded,
    /// With Azure's error; `Null` when it gives none.
    Failed(Value),
    /// It goes on at Azure.
    Late,
    /// We were told to stop; it goes on at Azure.
    Stopped,
}

impl Operation {
    pub(super) fn of(answer: &Answer, path: &[&str]) -> Self {
        let header = |name: &str| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let status = header("azure-asyncoperation").map(|url| (Told::Status, url));
        let result = || {
            (answer.status == StatusCode::ACCEPTED)
                .then(|| header(LOCATION.as_str()))
                .flatten()
                .map(|url| (Told::Result, url))
        };
        Self {
            address: status.or_else(result),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
        }
    }
}

impl MachineLearning {
    /// Waits for the end of an operation; that nobody answers for a while does not end it.
    ///
    /// # Errors
    /// Those of asking.
    pub(crate) async fn ended(
        &self,
        operation: Operation,
        patience: &Patience<'_>,
    ) -> Outcome<Ended> {
        let mut pause = FIRST;
        loop {
            let asked = tokio::select! {
                biased;
                () = patience.cancel.cancelled() => return Ok(Ended::Stopped),
                asked = self.progress(&operation) => asked,
            };
            let left = patience.until.saturating_duration_since(Instant::now());
            let wait = match asked {
                Ok(Progress::Ended(ended)) => return Ok(ended),
                Ok(Progress::Goes(_)) if left.is_zero() => return Ok(Ended::Late),
                Ok(Progress::Goes(asked)) => asked.unwrap_or(pause).min(ASKED),
                // What Azure does goes on while nobody can ask how.
                Err(failure) if failure.code() == Code::CloudUnreachable && !left.is_zero() => {
                    pause
                }
                Err(failure) => return Err(failure),
            };
            tokio::select! {
                biased;
                () = patience.cancel.cancelled() => return Ok(Ended::Stopped),
                // The last look is at the end of the time, not before it.
                () = tokio::time::sleep(wait.min(left)) => {}
            }
            pause = (pause * 3 / 2).min(LONGEST);
        }
    }

    async fn progress(&self, operation: &Operation) -> Outcome<Progress> {
        const TRIED: &str = "follow an operation of Azure ML";
        if let Some((told, url)) = &operation.address
            && let Some(answer) = self.follow(TRIED, url).await?
            // An operation that Azure no longer knows has ended; the thing itself says how.
            && answer.status != StatusCode::NOT_FOUND
        {
            return Ok(judge(*told, &answer));
        }
        let path: Vec<&str> = operation.path.iter().map(String::as_str).collect();
        Ok(match self.find(TRIED, Ask::get(&path)).await? {
            None => Progress::Ended(Ended::Succeeded),
            Some(body) => of_state(text(&body, "/properties/provisioningState"), Value::Null),
        })
    }
}

enum Progress {
    /// With how long Azure wants us to wait.
    Goes(Option<Duration>),
    Ended(Ended),
}

fn judge(told: Told, answer: &Answer) -> Progress {
    let body = answer.json();
    let goes = || Progress::Goes(retry_after(&answer.headers));
    match told {
        Told::Result if answer.status == StatusCode::ACCEPTED => goes(),
        Told::Result if answer.status.is_success() => Progress::Ended(Ended::Succeeded),
        Told::Result => Progress::Ended(Ended::Failed(body)),
        Told::Status if !answer.status.is_success() => Progress::Ended(Ended::Failed(body)),
        Told::Status => match of_state(text(&body, "/status"), body.clone()) {
            Progress::Goes(_) => goes(),
            ended @ Progress::Ended(_) => ended,
        },
    }
}

/// Every state but these is one on the way.
fn of_state(state: &str, error: Value) -> Progress {
    match state {
        "Succeeded" => Progress::Ended(Ended::Succeeded),
        "Failed" | "Canceled" | "Cancelled" => Progress::Ended(Ended::Failed(error)),
        _ => Progress::Goes(None),
    }
}
