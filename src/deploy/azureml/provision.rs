//! Makes an endpoint where there is none, and a deployment on it, without any traffic.

use std::collections::BTreeMap;

use serde_json::Value;

use super::before::Before;
use super::body;
use super::place::Place;
use super::words::{Wrong, failed};
use super::work::{Work, stopped};
use crate::artifact::Pushed;
use crate::cloud::azure_ml::{Container, Ended, Endpoint, Workspace};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Log lines that are kept of a deployment that fails.
const LINES: usize = 40;

/// Makes the endpoint, or removes what an earlier run has left where the new deployment goes.
pub(super) async fn make_room(
    work: &Work<'_>,
    workspace: &Workspace,
    before: &Before,
    place: &Place,
) -> Outcome<()> {
    let name = work.spec.endpoint.as_str();
    if work.cancel.is_cancelled() {
        return Err(stopped());
    }
    if before.is_to_be_made() {
        let made = match before.written() {
            // Azure has failed to make it; what was asked for then is asked for again.
            Some(failed) => failed.with(&BTreeMap::new(), &BTreeMap::new()),
            None => {
                let tags = BTreeMap::from([(body::OURS.to_owned(), "1".to_owned())]);
                Endpoint::fresh(&workspace.location, &tags)
            }
        };
        let what = format!("endpoint `{name}` is made");
        work.ctx.events.note(what.clone()).await;
        let operation = work.stoppable(work.ml.put_endpoint(name, &made)).await?;
        let ended = work.wait(&what, operation).await?;
        return ended_well(work, &what, ended).await;
    }
    if place.occupied {
        let what = format!(
            "deployment `{}` without traffic, left by an earlier run, is removed",
            place.name
        );
        work.ctx.events.note(what.clone()).await;
        let asked = work.ml.delete_deployment(name, &place.name);
        let operation = work.stoppable(asked).await?;
        let ended = work.wait(&what, operation).await?;
        return ended_well(work, &what, ended).await;
    }
    Ok(())
}

/// A step before the deployment, of which no log is there.
async fn ended_well(work: &Work<'_>, what: &str, ended: Ended) -> Outcome<()> {
    match ended {
        Ended::Succeeded => Ok(()),
        Ended::Failed(error) => Err(failed(&wrong(work, what, &error, &[]))),
        Ended::Late => Err(late(work, what)),
        Ended::Stopped => Err(Failure::new(
            Code::Interrupted,
            format!("stopped while {what}; what serves is as before"),
        )),
    }
}

fn wrong<'a>(work: &'a Work<'_>, what: &'a str, error: &'a Value, log: &'a [String]) -> Wrong<'a> {
    Wrong {
        what,
        instance_type: &work.spec.instance_type,
        instances: work.spec.instance_count,
        error,
        log,
    }
}

fn late(work: &Work<'_>, what: &str) -> Failure {
    let seconds = work.spec.deadline.as_secs();
    Failure::new(
        Code::RolloutDeadline,
        format!("after {seconds} s Azure has not ended this: {what}"),
    )
    .help("raise `deploy-timeout`: a deployment on Azure ML mostly takes 6 to 15 minutes")
}

/// Registers the image, makes the deployment, and waits until it is ready.
pub(super) async fn deployment(
    work: &Work<'_>,
    workspace: &Workspace,
    name: &str,
    image: &Pushed,
    tags: &BTreeMap<String, String>,
) -> Outcome<()> {
    let (spec, endpoint) = (work.spec, work.spec.endpoint.as_str());
    let environment = body::environment(spec, image);
    let version = body::version(&environment);
    let registered = work.ml.put_environment(endpoint, &version, &environment);
    let id = work.stoppable(registered).await?;
    let made = body::deployment(spec, workspace, &id, tags);
    if work.cancel.is_cancelled() {
        return Err(stopped());
    }
    let what = format!("deployment `{name}` of endpoint `{endpoint}` is made, without traffic");
    work.ctx.events.note(what.clone()).await;
    let operation = work.ml.put_deployment(endpoint, name, &made).await?;
    let error = match work.wait(&what, operation).await? {
        Ended::Succeeded => Value::Null,
        Ended::Failed(error) => {
            let log = log(work, name).await;
            return Err(told(work, name, &error, log));
        }
        Ended::Late => {
            let log = log(work, name).await;
            return Err(late(work, &what).evidence(log.shown()));
        }
        Ended::Stopped => {
            return Err(Failure::new(
                Code::Interrupted,
                format!("stopped while deployment `{name}` was made"),
            ));
        }
    };
    // What counts is the deployment itself, not what the operation says.
    let found = work.stoppable(work.ml.deployment(endpoint, name)).await?;
    let state = found.map_or_else(|| "gone".to_owned(), |found| found.state);
    if state != "Succeeded" {
        let log = log(work, name).await;
        let failure = told(work, name, &error, log);
        return Err(failure.also(format!(": its state is `{state}`")));
    }
    work.ctx
        .events
        .note(format!("deployment `{name}` is ready, without traffic"))
        .await;
    Ok(())
}

fn told(work: &Work<'_>, name: &str, error: &Value, log: Log) -> Failure {
    let what = format!("deployment `{name}` of endpoint `{}`", work.spec.endpoint);
    let failure = failed(&wrong(work, &what, error, &log.lines));
    failure.evidence(log.shown())
}

/// The end of a deployment's log.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<String>,
    /// Why there is none of the server.
    unread: Option<String>,
}

impl Log {
    /// What is shown of it: at least why there is nothing.
    pub(super) fn shown(self) -> impl Iterator<Item = String> {
        self.lines.into_iter().chain(self.unread)
    }
}

/// The end of its log. That it cannot be read is no failure of its own, and hides none.
pub(super) async fn log(work: &Work<'_>, name: &str) -> Log {
    let ask = async |container| {
        let asked = work.ml.log(&work.spec.endpoint, name, container, LINES);
        work.stoppable(asked).await
    };
    // What went wrong before the server began stands in the first, which not every deployment has.
    let (fetcher, server) = (ask(Container::Fetcher).await, ask(Container::Server).await);
    let mut lines = fetcher.unwrap_or_default();
    let unread = match server {
        Ok(server) => {
            lines.extend(server);
            None
        }
        Err(failure) => Some(format!(
            "(the server's log is not shown: {})",
            failure.message()
        )),
    };
    let surplus = lines.len().saturating_sub(LINES);
    let lines = lines.split_off(surplus);
    Log { lines, unread }
}
