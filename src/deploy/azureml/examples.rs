//! Endpoints and their deployments as tests of this folder need them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::before::Before;
use super::body;
use crate::cloud::azure_ml::{Endpoint, OnlineDeployment};

/// The tags of a deployment that this program has made.
pub(super) const OURS: &[(&str, &str)] = &[(body::OURS, "1")];

/// A deployment in this state of its making.
pub(super) fn deployment(name: &str, state: &str, tags: &[(&str, &str)]) -> OnlineDeployment {
    let tags: BTreeMap<_, _> = tags.iter().copied().collect();
    OnlineDeployment::example(
        &json!({"name": name, "tags": tags, "properties": {"provisioningState": state}}),
    )
}

/// The endpoint `wine` with shares of its traffic by deployment, such as `{"blue": 100}`.
pub(super) fn before(traffic: Value, deployments: Vec<OnlineDeployment>) -> Before {
    let endpoint = json!({"name": "wine", "properties": {"provisioningState": "Succeeded", "traffic": traffic}});
    Before::example(Endpoint::example(&endpoint), deployments)
}
