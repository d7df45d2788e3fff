//! What there is of the endpoint before it is changed: who serves, and who has served. Pure but for the reading.

use std::collections::BTreeMap;

use super::body;
use super::work::Work;
use crate::cloud::azure_ml::{Endpoint, OnlineDeployment};
use crate::failure::Outcome;

/// Tags by name.
pub(super) type Tags = BTreeMap<String, String>;

/// The endpoint as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) deployments: Vec<OnlineDeployment>,
    /// The image of the deployment with most traffic.
    pub(super) image: Option<String>,
}

/// Reads it as it is now.
pub(super) async fn read(work: &Work<'_>) -> Outcome<Before> {
    let found = work
        .stoppable(work.ml.endpoint(&work.spec.endpoint))
        .await?;
    around(work, found).await
}

/// Reads it to change it: an endpoint that somebody else is changing is waited for.
pub(super) async fn settled(work: &Work<'_>) -> Outcome<Before> {
    let found = work.settled().await?;
    around(work, found).await
}

/// What belongs to the endpoint.
async fn around(work: &Work<'_>, found: Option<Endpoint>) -> Outcome<Before> {
    let Some(endpoint) = found else {
        return Ok(Before::default());
    };
    let deployments = work.stoppable(work.ml.deployments(&endpoint.name)).await?;
    let mut before = Before {
        endpoint: Some(endpoint),
        deployments,
        image: None,
    };
    if let Some(live) = before.live() {
        before.image = match live.tags.get(body::IMAGE) {
            Some(image) => Some(image.clone()),
            None => work.stoppable(work.ml.image(live)).await?,
        };
    }
    Ok(before)
}

impl Before {
    /// What is to be written back.
    pub(super) fn written(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Where the endpoint is asked.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.endpoint.as_ref()?.scoring.clone()
    }

    pub(super) fn traffic(&self) -> BTreeMap<String, u64> {
        let traffic = self.endpoint.as_ref().map(|one| one.traffic.clone());
        traffic.unwrap_or_default()
    }

    /// The deployment that serves: the one with most traffic.
    pub(super) fn live(&self) -> Option<&OnlineDeployment> {
        let traffic = self.traffic();
        let (name, _) = traffic.iter().max_by_key(|(_, share)| **share)?;
        self.deployments.iter().find(|one| one.name == *name)
    }

    /// The deployment that was kept when it was replaced. The endpoint remembers which it is: one without traffic may also be new,
    /// left by a run that was broken off before it was verified.
    pub(super) fn kept(&self) -> Option<&OnlineDeployment> {
        let endpoint = self.endpoint.as_ref()?;
        let told = endpoint.tags.get(body::REPLACED)?;
        let waits = |one: &&OnlineDeployment| {
            is_ours(one) && one.state == "Succeeded" && !endpoint.traffic.contains_key(&one.name)
        };
        let mut found = self.deployments.iter().filter(waits);
        found.find(|one| mark(one) == *told)
    }

    /// What the endpoint is to remember once another deployment serves.
    pub(super) fn remembered(&self) -> Tags {
        let live = self.live().map(mark);
        live.map(|mark| (body::REPLACED.to_owned(), mark))
            .into_iter()
            .collect()
    }

    /// What the endpoint remembers now.
    pub(super) fn remembers(&self) -> Tags {
        let endpoint = self.endpoint.as_ref();
        let told = endpoint.and_then(|endpoint| endpoint.tags.get(body::REPLACED));
        told.map(|told| (body::REPLACED.to_owned(), told.clone()))
            .into_iter()
            .collect()
    }

    /// The deployment that serves all of this image with these settings alone already.
    pub(super) fn already(&self, digest: &str, settings: &str) -> Option<String> {
        let live = self.live()?;
        let is = |tag: &str, value: &str| live.tags.get(tag).is_some_and(|found| found == value);
        let same = is(body::DIGEST, digest) && is(body::SETTINGS, settings);
        (same && live.state == "Succeeded" && self.traffic().len() == 1).then(|| live.name.clone())
    }

    /// Whether the endpoint has to be written first: there is none, or Azure has failed to make it and nothing is on it.
    pub(super) fn is_to_be_made(&self) -> bool {
        let failed = |one: &Endpoint| matches!(one.state.as_str(), "Failed" | "Canceled");
        self.endpoint.as_ref().is_none_or(failed) && self.deployments.is_empty()
    }
}

/// What tells a deployment from a later one of the same name.
fn mark(one: &OnlineDeployment) -> String {
    let tag = |name: &str| one.tags.get(name).map_or("", String::as_str);
    format!("{} {} {}", one.name, tag(body::DIGEST), tag(body::SETTINGS))
}

/// Whether we have made it, so that we may remove it.
pub(super) fn is_ours(deployment: &OnlineDeployment) -> bool {
    deployment.tags.contains_key(body::OURS)
}

#[cfg(test)]
impl Before {
    pub(super) fn example(endpoint: Endpoint, deployments: Vec<OnlineDeployment>) -> Self {
        Self {
            endpoint: Some(endpoint),
            deployments,
            image: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{OURS, before, deployment};
    use super::*;

    #[test]
    fn an_endpoint_that_was_never_made_is_made_again() {
        let of = |state: &str, deployments| {
            let endpoint = json!({"name": "wine", "properties": {"provisioningState": state}});
            Before::example(Endpoint::example(&endpoint), deployments).is_to_be_made()
        };
        assert!(Before::default().is_to_be_made());
        assert!(of("Failed", vec![]) && !of("Succeeded", vec![]));
        // What is on it may serve although a change of it has failed.
        assert!(!of("Failed", vec![deployment("blue", "Succeeded", OURS)]));
    }

    #[test]
    fn only_what_was_replaced_is_gone_back_to() {
        let made = |digest: &'static str| {
            [
                (body::OURS, "1"),
                (body::DIGEST, digest),
                (body::SETTINGS, "s"),
            ]
        };
        let of = |told: Option<&str>, blue: &'static str| {
            let tags: BTreeMap<_, _> = told
                .map(|told| (body::REPLACED, told))
                .into_iter()
                .collect();
            let endpoint =
                json!({"name": "wine", "tags": tags, "properties": {"traffic": {"green": 100}}});
            let deployments = vec![
                deployment("blue", "Succeeded", &made(blue)),
                deployment("green", "Succeeded", &made("sha256:b")),
            ];
            let before = Before::example(Endpoint::example(&endpoint), deployments);
            before.kept().map(|one| one.name.clone())
        };
        assert_eq!(
            of(Some("blue sha256:a s"), "sha256:a").as_deref(),
            Some("blue")
        );
        // Another one has its name, it serves again, or nothing was ever replaced.
        assert_eq!(of(Some("blue sha256:a s"), "sha256:new"), None);
        assert_eq!(of(Some("green sha256:b s"), "sha256:a"), None);
        assert_eq!(of(None, "sha256:a"), None);
    }

    #[test]
    fn only_what_serves_alone_and_unchanged_is_there_already() {
        let marks = [
            (body::OURS, "1"),
            (body::DIGEST, "sha256:a"),
            (body::SETTINGS, "s"),
        ];
        let with = |traffic, state: &str| {
            before(
                traffic,
                vec![
                    deployment("blue", state, &marks),
                    deployment("green", "Succeeded", OURS),
                ],
            )
        };
        let alone = with(json!({"blue": 100, "green": 0}), "Succeeded");
        assert_eq!(alone.already("sha256:a", "s").as_deref(), Some("blue"));
        assert_eq!(alone.already("sha256:b", "s"), None);
        assert_eq!(alone.already("sha256:a", "other"), None);
        assert_eq!(
            with(json!({"blue": 90, "green": 10}), "Succeeded").already("sha256:a", "s"),
            None
        );
        assert_eq!(
            with(json!({"blue": 100}), "Failed").already("sha256:a", "s"),
            None
        );
        assert_eq!(with(json!({}), "Succeeded").already("sha256:a", "s"), None);
    }
}
