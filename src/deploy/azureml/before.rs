//! What there is of the endpoint before it is changed: who serves, and where a new deployment finds room. Pure but for the reading.

use std::collections::BTreeMap;

use super::work::{Work, stopped};
use super::{body, traffic};
use crate::cloud::azure_ml::{Endpoint, OnlineDeployment};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Names of deployments: the third is for when neither of the first two can be had.
const COLOURS: [&str; 3] = ["blue", "green", "violet"];

/// The endpoint as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    endpoint: Option<Endpoint>,
    pub(super) deployments: Vec<OnlineDeployment>,
    /// The image of the deployment with most traffic.
    pub(super) image: Option<String>,
}

/// Where the new deployment goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    /// Something of ours without traffic is there, and goes first.
    pub(super) occupied: bool,
}

/// Reads it. An endpoint that somebody else is changing is waited for.
pub(super) async fn read(work: &Work<'_>) -> Outcome<Before> {
    let name = work.spec.endpoint.as_str();
    let endpoint = loop {
        let Some(endpoint) = work.stoppable(work.ml.endpoint(name)).await? else {
            return Ok(Before::default());
        };
        match endpoint.state.as_str() {
            "Creating" | "Updating" | "Deleting" if !work.is_over() => {
                let state = &endpoint.state;
                work.ctx
                    .events
                    .note(format!(
                        "endpoint `{name}` is {state}; waiting until that has ended"
                    ))
                    .await;
            }
            "Creating" | "Updating" | "Deleting" => {
                return Err(Failure::new(
                    Code::RolloutDeadline,
                    format!(
                        "endpoint `{name}` was still {} at the end of `deploy-timeout`",
                        endpoint.state
                    ),
                ));
            }
            _ => break endpoint,
        }
        tokio::select! {
            biased;
            () = work.ctx.cancel.cancelled() => return Err(stopped()),
            () = tokio::time::sleep(traffic::PAUSE * 5) => {}
        }
    };
    let deployments = work.stoppable(work.ml.deployments(name)).await?;
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

    /// The deployment that serves all of this image with these settings alone already.
    pub(super) fn already(&self, digest: &str, settings: &str) -> Option<String> {
        let live = self.live()?;
        let is = |tag: &str, value: &str| live.tags.get(tag).is_some_and(|found| found == value);
        let same = is(body::DIGEST, digest) && is(body::SETTINGS, settings);
        (same && live.state == "Succeeded" && self.traffic().len() == 1).then(|| live.name.clone())
    }

    /// The first name that has no traffic and nothing that is not ours.
    pub(super) fn place(&self) -> Result<Place, String> {
        let traffic = self.traffic();
        let mut taken = Vec::new();
        for name in COLOURS {
            let place = |occupied| Place {
                name: name.to_owned(),
                occupied,
            };
            let Some(found) = self.deployments.iter().find(|one| one.name == name) else {
                return Ok(place(false));
            };
            let why = if traffic.contains_key(name) {
                "has traffic"
            } else if !is_ours(found) {
                "is not ours"
            } else if matches!(found.state.as_str(), "Creating" | "Updating" | "Deleting") {
                "is being changed"
            } else {
                return Ok(place(true));
            };
            taken.push(format!("`{name}` {why}"));
        }
        Err(format!(
            "no name is free for the new deployment: {}",
            taken.join(", ")
        ))
    }
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

    use super::*;

    fn deployment(name: &str, state: &str, tags: &[(&str, &str)]) -> OnlineDeployment {
        let tags: BTreeMap<_, _> = tags.iter().copied().collect();
        OnlineDeployment::example(
            &json!({"name": name, "tags": tags, "properties": {"provisioningState": state}}),
        )
    }

    fn before(traffic: serde_json::Value, deployments: Vec<OnlineDeployment>) -> Before {
        let endpoint = json!({"name": "wine", "properties": {"provisioningState": "Succeeded", "traffic": traffic}});
        Before::example(Endpoint::example(&endpoint), deployments)
    }

    const OURS: &[(&str, &str)] = &[(body::OURS, "1")];

    #[test]
    fn a_new_deployment_finds_a_name_without_traffic() {
        let place = |name: &str, occupied| {
            Ok(Place {
                name: name.to_owned(),
                occupied,
            })
        };
        assert_eq!(Before::default().place(), place("blue", false));
        let blue = || deployment("blue", "Succeeded", OURS);
        let one = before(json!({"blue": 100}), vec![blue()]);
        assert_eq!(one.place(), place("green", false));
        // One that was kept, or that failed, makes room; somebody else's does not.
        let kept = before(
            json!({"blue": 100}),
            vec![blue(), deployment("green", "Failed", OURS)],
        );
        assert_eq!(kept.place(), place("green", true));
        let foreign = before(
            json!({"blue": 100}),
            vec![blue(), deployment("green", "Succeeded", &[])],
        );
        assert_eq!(foreign.place(), place("violet", false));
        // Nor one that a run that was broken off has left in the middle.
        let busy = before(
            json!({"blue": 100}),
            vec![blue(), deployment("green", "Creating", OURS)],
        );
        assert_eq!(busy.place(), place("violet", false));
        let all = before(
            json!({"blue": 50, "green": 50}),
            vec![
                blue(),
                deployment("green", "Succeeded", OURS),
                deployment("violet", "Deleting", OURS),
            ],
        );
        assert!(
            all.place()
                .unwrap_err()
                .contains("`violet` is being changed")
        );
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
