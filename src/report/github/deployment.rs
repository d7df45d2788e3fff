//! The GitHub Deployment: opened when the deployment to the target begins, closed with its result and address. A job with
//! `environment:` has one already. It knows GitHub's side of deployments, not the target's.

use serde_json::{Value, json};

use super::api::Api;
use super::place::Place;
use super::trouble::Trouble;

/// Characters of a status' description.
const DESCRIPTION: usize = 140;

/// States in which a deployment is not over.
const OPEN: &[&str] = &["in_progress", "queued", "pending", "waiting"];

/// What became of opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Its id.
    Ours(u64),
    /// The job's `environment:` has made one, for this environment.
    Job(String),
}

/// What the deployment is linked with; a JSON object.
pub(super) type Payload = Value;

/// Makes the deployment and says that it is in progress, unless the job has one.
pub(super) async fn open(api: &Api, place: &Place, payload: &Payload) -> Result<Opened, Trouble> {
    if let Some(environment) = of_job(api, place).await? {
        return Ok(Opened::Job(environment));
    }
    let mut payload = payload.clone();
    payload["ml-deploy"] = place.mark.as_str().into();
    let body = json!({
        "ref": place.commit,
        "environment": place.environment,
        "description": shortened(&place.title),
        // This very run is a check that is not finished, and nothing may be merged by the way.
        "required_contexts": [],
        "auto_merge": false,
        "payload": payload,
    });
    place.remember("deployment", "?");
    let made = api
        .post("deployments", &body, async || find(api, place).await)
        .await?;
    let Some(id) = made["id"].as_u64() else {
        return Err(Trouble::Rejected {
            status: 202,
            why: made["message"].as_str().unwrap_or_default().to_owned(),
        });
    };
    place.remember("deployment", &id.to_string());
    let progress = Status {
        state: "in_progress",
        description: String::new(),
        url: None,
    };
    status(api, place, id, &progress).await?;
    Ok(Opened::Ours(id))
}

/// How a deployment stands.
#[derive(Clone, Debug)]
pub(super) struct Status {
    /// `in_progress`, `success`, `failure`, `error`.
    pub(super) state: &'static str,
    pub(super) description: String,
    /// Where the environment answers.
    pub(super) url: Option<String>,
}

/// Adds a status.
pub(super) async fn status(
    api: &Api,
    place: &Place,
    id: u64,
    status: &Status,
) -> Result<(), Trouble> {
    let mut body = json!({
        "state": status.state,
        "description": shortened(&status.description),
    });
    if let Some(url) = &place.run_url {
        body["log_url"] = url.as_str().into();
    }
    let web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
    if let Some(url) = status.url.as_ref().filter(web) {
        body["environment_url"] = url.as_str().into();
    }
    let path = format!("deployments/{id}/statuses");
    let there = async || {
        let newest = newest(api, id).await?;
        Ok(newest.filter(|newest| newest["state"] == status.state))
    };
    api.post(&path, &body, there).await?;
    Ok(())
}

/// Closes a deployment that a killed step left open. `id` may be unknown when it was killed while it was made.
pub(super) async fn close(api: &Api, place: &Place, id: Option<u64>) -> Result<bool, Trouble> {
    let id = match id {
        Some(id) => Some(id),
        None => find(api, place).await?.and_then(|made| made["id"].as_u64()),
    };
    let Some(id) = id else { return Ok(false) };
    let newest = newest(api, id).await?;
    let over = newest.is_some_and(|newest| !open_state(&newest));
    if over {
        return Ok(false);
    }
    let ended = Status {
        state: "error",
        description: "the step ended before it was known whether this version serves".to_owned(),
        url: None,
    };
    status(api, place, id, &ended).await?;
    Ok(true)
}

fn open_state(status: &Value) -> bool {
    OPEN.iter().any(|open| status["state"] == *open)
}

async fn newest(api: &Api, id: u64) -> Result<Option<Value>, Trouble> {
    // GitHub gives the newest first.
    let statuses = api
        .get(&format!("deployments/{id}/statuses?per_page=1"))
        .await?;
    Ok(statuses.as_array().and_then(|all| all.first()).cloned())
}

/// The deployment that this process has made, if it has.
async fn find(api: &Api, place: &Place) -> Result<Option<Value>, Trouble> {
    let commit = place.commit.as_deref().unwrap_or_default();
    let path = format!("deployments?sha={commit}&per_page=100");
    let found = api.get(&path).await?;
    let mut all = found.as_array().into_iter().flatten();
    let ours = |one: &&Value| mark(one).is_some_and(|mark| mark == place.mark);
    Ok(all.find(ours).cloned())
}

/// The mark in a deployment's payload, which GitHub gives back as an object or as text.
fn mark(deployment: &Value) -> Option<String> {
    let payload = &deployment["payload"];
    let parsed: Option<Value> = payload
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    let payload = parsed.as_ref().unwrap_or(payload);
    Some(payload["ml-deploy"].as_str()?.to_owned())
}

/// The environment of a deployment that this run's job has made: it is still open, is not ours, and links to the run.
async fn of_job(api: &Api, place: &Place) -> Result<Option<String>, Trouble> {
    let (Some(sha), Some(run)) = (&place.sha, &place.run_id) else {
        return Ok(None);
    };
    let found = api
        .get(&format!("deployments?sha={sha}&per_page=10"))
        .await?;
    for deployment in found.as_array().into_iter().flatten() {
        let Some(id) = deployment["id"]
            .as_u64()
            .filter(|_| mark(deployment).is_none())
        else {
            continue;
        };
        let Some(newest) = newest(api, id).await? else {
            continue;
        };
        let linked = ["log_url", "target_url"]
            .iter()
            .any(|name| newest[*name].as_str().is_some_and(|url| leads_to(url, run)));
        if linked && open_state(&newest) {
            let environment = deployment["environment"].as_str().unwrap_or_default();
            return Ok(Some(environment.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a page belongs to a run: `…/actions/runs/ID` or below.
fn leads_to(url: &str, run: &str) -> bool {
    let behind = url.split_once("/actions/runs/").map(|(_, behind)| behind);
    behind.and_then(|behind| behind.split('/').next()) == Some(run)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= DESCRIPTION {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(DESCRIPTION - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_of_the_job_links_to_its_run() {
        let page = "https://github.example/o/n/actions/runs/12/job/3";
        assert!(leads_to(page, "12"));
        assert!(leads_to("https://github.example/o/n/actions/runs/12", "12"));
        assert!(!leads_to(page, "1"));
        assert!(!leads_to("https://github.example/o/n", "12"));
    }

    #[test]
    fn our_mark_is_found_in_either_form() {
        for payload in [json!({"ml-deploy": "m"}), json!(r#"{"ml-deploy": "m"}"#)] {
            assert_eq!(mark(&json!({ "payload": payload })).as_deref(), Some("m"));
        }
        for payload in [
            json!({}),
            json!(""),
            json!("{ \"deploy\": \"migrate\" }"),
            Value::Null,
        ] {
            assert_eq!(mark(&json!({ "payload": payload })), None);
        }
    }

    #[test]
    fn descriptions_are_kept_short() {
        assert_eq!(shortened(&"ü".repeat(200)).chars().count(), DESCRIPTION);
        assert_eq!(shortened("x"), "x");
    }
}
