//! Where a new deployment finds room on its endpoint. Pure.

use super::before::{Before, is_ours};
use crate::cloud::azure_ml::is_changing;

/// Names of deployments: the third is for when neither of the first two can be had.
const COLOURS: [&str; 3] = ["blue", "green", "violet"];

/// Where the new deployment goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    /// Something of ours without traffic is there, and goes first.
    pub(super) occupied: bool,
}

/// A name that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoPlace {
    pub(super) why: String,
    /// Azure is busy with one of them: later there may be a place.
    pub(super) passes: bool,
}

impl Before {
    /// The first name that has no traffic and nothing that is not ours.
    pub(super) fn place(&self) -> Result<Place, NoPlace> {
        let traffic = self.traffic();
        let mirrored = |name: &str| {
            let endpoint = self.endpoint.as_ref();
            endpoint.is_some_and(|endpoint| endpoint.mirrored.contains(name))
        };
        let mut passes = false;
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
            } else if mirrored(name) {
                "has mirrored traffic"
            } else if !is_ours(found) {
                "is not ours"
            } else if is_changing(&found.state) {
                passes = true;
                "is being changed"
            } else {
                return Ok(place(true));
            };
            taken.push(format!("`{name}` {why}"));
        }
        let why = format!(
            "no name is free for the new deployment: {}",
            taken.join(", ")
        );
        Err(NoPlace { why, passes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{OURS, before, deployment};
    use super::*;
    use crate::cloud::azure_ml::Endpoint;

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
        let busy = all.place().unwrap_err();
        assert!(busy.why.contains("`violet` is being changed") && busy.passes);
    }

    #[test]
    fn a_name_with_mirrored_traffic_is_taken() {
        let endpoint = json!({"name": "wine", "properties": {"traffic": {"blue": 100}, "mirrorTraffic": {"green": 10}}});
        let deployments = ["blue", "green", "violet"].map(|name| {
            let ours = if name == "violet" { &[] } else { OURS };
            deployment(name, "Succeeded", ours)
        });
        let before = Before::example(Endpoint::example(&endpoint), deployments.to_vec());
        let taken = before.place().unwrap_err();
        assert_eq!(
            taken.why,
            "no name is free for the new deployment: `blue` has traffic, `green` has mirrored traffic, `violet` is not ours"
        );
        assert!(!taken.passes);
    }
}
