//! What is reported to GitHub's interface and when: the deployment when it begins, everything else at the end. A report that
//! fails is a remark, never the run's result; one that the token may not write is left out, and said once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::api::Api;
use super::check::{self, Check};
use super::deployment::{self, Opened, Status};
use super::left_out::{LeftOut, Remark};
use super::place::Place;
use super::trouble::Trouble;
use super::{body, comment};
use crate::code::Code;
use crate::report::Status as RunStatus;
use crate::report::outputs::Facts;
use crate::report::terminal;

/// How long opening a deployment may take; the deployment itself does not wait for it.
const OPENING: Duration = Duration::from_secs(60);
/// How long all reports at the end may take together. A secondary rate limit lasts a minute.
const ENDING: Duration = Duration::from_secs(120);
/// The same after a cancel: the runner kills us soon, and the step's `post-entrypoint` closes what stays open.
const CANCELLED: Duration = Duration::from_millis(1500);

/// Reports to one repository.
#[derive(Debug)]
pub(in crate::report) struct Reporter {
    place: Place,
    api: Api,
    began: Timestamp,
    opened: Option<JoinHandle<Result<Opened, Trouble>>>,
}

/// Everything that is written at the end.
struct Ending {
    status: Status,
    check: Check,
    comment: String,
    cancelled: bool,
}

impl Reporter {
    /// Ready to report; nothing is asked yet.
    ///
    /// # Errors
    /// When address, repository or token cannot be right.
    pub(in crate::report) fn new(place: Place) -> anyhow::Result<Self> {
        let api = Api::open(&place.api, &place.repository, &place.token)?;
        place.remember("run", &place.mark);
        Ok(Self {
            place,
            api,
            began: Timestamp::now(),
            opened: None,
        })
    }

    /// The deployment to the target begins; `links` are what it is linked with. Returns at once.
    pub(in crate::report) fn deploying(&mut self, links: Map<String, Value>) {
        if !self.place.wanted.deployment || self.opened.is_some() {
            return;
        }
        let (api, place) = (self.api.within(OPENING), self.place.clone());
        let runtime = tokio::runtime::Handle::current();
        // A thread of its own: what looks for a lost answer borrows, and such a future stays where it is.
        self.opened = Some(tokio::task::spawn_blocking(move || {
            runtime.block_on(deployment::open(&api, &place, &Value::Object(links)))
        }));
    }

    /// Writes what is wanted, one after the other as GitHub asks for.
    pub(in crate::report) async fn finish(mut self, facts: &Facts<'_>) -> Vec<Remark> {
        let ending = self.ending(facts);
        let patience = if ending.cancelled { CANCELLED } else { ENDING };
        let api = self.api.within(patience);
        let mut left_out = LeftOut::new(self.place.read_only);
        let mut remarks = Vec::new();
        if let Some(opened) = self.opened.take() {
            let opened = timeout(patience, opened).await;
            let done = match opened {
                Ok(Ok(Ok(Opened::Ours(id)))) => self.close(&api, id, &ending.status).await,
                Ok(Ok(Ok(Opened::Job(environment)))) => {
                    remarks.push(Remark::Note(format!(
                        "the job's environment `{environment}` has a deployment on GitHub already; give it the output `endpoint` as `environment.url`"
                    )));
                    Ok(())
                }
                Ok(Ok(Err(trouble))) => Err(trouble),
                Ok(Err(_)) | Err(_) => Err(Trouble::Unanswered("no answer in time".to_owned())),
            };
            left_out.take("deployment", "deployments: write", done);
        }
        // Who does not answer, or lets us wait, would do so again.
        if self.place.wanted.check && !left_out.silent {
            let done = check::report(&api, &self.place, &ending.check).await;
            left_out.take("check run", "checks: write", done);
        }
        if let Some(number) = self
            .place
            .pull_request
            .filter(|_| self.place.wanted.comment && !left_out.silent)
        {
            let marker = self.place.marker();
            let done = comment::report(&api, number, &marker, &ending.comment).await;
            left_out.take("comment", "pull-requests: write", done);
        }
        remarks.extend(left_out.remarks());
        remarks
    }

    async fn close(&self, api: &Api, id: u64, status: &Status) -> Result<(), Trouble> {
        deployment::status(api, &self.place, id, status).await?;
        self.place.remember("deployment", "");
        Ok(())
    }

    fn ending(&self, facts: &Facts<'_>) -> Ending {
        let verdict = facts.verdict;
        let code = verdict.failure.map(crate::failure::Failure::code);
        let (conclusion, state) = match verdict.status {
            RunStatus::Success | RunStatus::Reused => ("success", "success"),
            RunStatus::Failure if code == Some(Code::Deadline) => ("timed_out", "failure"),
            RunStatus::Failure => ("failure", "failure"),
            RunStatus::Cancelled => ("cancelled", "error"),
        };
        let title: String = terminal::title(facts).chars().take(250).collect();
        let deployed = facts.record.deployment.as_ref();
        let findings = facts.record.ranked().into_iter();
        let more = findings.filter(|finding| !finding.annotated);
        Ending {
            status: Status {
                state,
                description: title.clone(),
                url: deployed.and_then(|deployed| deployed.endpoint.clone()),
            },
            check: Check {
                conclusion,
                started: self.began.to_string(),
                completed: Timestamp::now().to_string(),
                title,
                summary: body::markdown(&self.place, facts, "", body::CHECK),
                annotations: check::annotations(more.map(|finding| &finding.what)),
            },
            comment: body::markdown(&self.place, facts, &self.place.marker(), body::COMMENT),
            cancelled: verdict.status == RunStatus::Cancelled,
        }
    }
}

/// Closes on GitHub what a killed step left open. `state` gives what it remembered. Returns what to say, a line each.
pub(crate) async fn close(mut place: Place, state: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let api = match Api::open(&place.api, &place.repository, &place.token) {
        Ok(api) => api.within(ENDING),
        Err(error) => return vec![format!("{error:#}")],
    };
    if let Some(mark) = state("run") {
        place.mark = mark;
    }
    let mut left_out = LeftOut::new(place.read_only);
    let mut said = Vec::new();
    if let Some(id) = state("deployment") {
        match deployment::close(&api, &place, id.parse().ok()).await {
            Ok(true) => {
                said.push("closed the deployment on GitHub that the step had left open".to_owned());
            }
            Ok(false) => {}
            Err(trouble) => left_out.take("deployment", "deployments: write", Err(trouble)),
        }
    }
    if let Some(id) = state("check").and_then(|id| id.parse().ok()) {
        match check::close(&api, id).await {
            Ok(true) => {
                said.push("closed the check run on GitHub that the step had left open".to_owned());
            }
            Ok(false) => {}
            Err(trouble) => left_out.take("check run", "checks: write", Err(trouble)),
        }
    }
    let left_out = left_out.remarks().into_iter();
    said.extend(left_out.map(|remark| match remark {
        Remark::Note(text) | Remark::Notice(text) | Remark::Warning(text) => text,
    }));
    said
}
