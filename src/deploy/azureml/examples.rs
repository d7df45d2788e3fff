//! Endpoints and their deployments as tests of this folder need them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::before::Before;
use super::body;
use crate::cloud::azure_ml::{Endpoint, OnlineDeployment};
use crate::cloud::spec::MlWorkspace;
use crate::cloud::{Clouds, Environment};
use crate::plan::{AzureMlSpec, CloudSpec, OnFailure, OnFirstFailure};

/// The tags of a deployment that this program has made.
pub(super) const OURS: &[(&str, &str)] = &[(body::OURS, "1")];

/// A deployment in this state of its making.
pub(super) fn deployment(name: &str, state: &str, tags: &[(&str, &str)]) -> OnlineDeployment {
    let tags: BTreeMap<_, _> = tags.iter().copied().collect();
    OnlineDeployment::example(
        &json!({"name": name, "tags": tags, "properties": {"provisioningState": state}}),
    )
}

/// A deployment to the endpoint `wine`, and nothing else said.
pub(super) fn spec() -> AzureMlSpec {
    AzureMlSpec {
        clouds: Clouds::new(CloudSpec::default(), &Environment::default()),
        workspace: MlWorkspace {
            resource_group: "rg".to_owned(),
            name: "wine-ws".to_owned(),
        },
        endpoint: "wine".to_owned(),
        instance_type: "Standard_DS3_v2".to_owned(),
        instance_count: 1,
        environment: Vec::new(),
        port: 8080,
        health_path: "/health".to_owned(),
        predict_path: None,
        request_timeout: Duration::from_secs(60),
        concurrency: None,
        startup: Duration::from_secs(300),
        keep_old: false,
        step: 100,
        on_failure: OnFailure::Rollback,
        on_first_failure: OnFirstFailure::Keep,
        deadline: Duration::from_secs(600),
        commit: None,
    }
}

/// The endpoint `wine` with shares of its traffic by deployment, such as `{"blue": 100}`.
pub(super) fn before(traffic: Value, deployments: Vec<OnlineDeployment>) -> Before {
    let endpoint = json!({"name": "wine", "properties": {"provisioningState": "Succeeded", "traffic": traffic}});
    Before::example(Endpoint::example(&endpoint), deployments)
}
