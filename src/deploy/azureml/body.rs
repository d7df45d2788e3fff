//! What is written to Azure: the image as an environment, the deployment, and the marks on it. Pure.
//! Source: learn.microsoft.com "Deploy a custom container to an online endpoint", "CLI (v2) managed online deployment YAML schema".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::artifact::{Pushed, label};
use crate::cloud::azure_ml::Workspace;
use crate::plan::AzureMlSpec;
use crate::sha256;

pub(super) const OURS: &str = "ml-deploy";
pub(super) const COMMIT: &str = "ml-deploy.commit";
pub(super) const DIGEST: &str = "ml-deploy.digest";
pub(super) const IMAGE: &str = "ml-deploy.image";
pub(super) const SETTINGS: &str = "ml-deploy.settings";
pub(super) const RUN_ID: &str = label::RUN_ID;
/// On the endpoint: which deployment has served before the one that serves.
pub(super) const REPLACED: &str = "ml-deploy.replaced";

/// The longest value of a tag.
const LONGEST: usize = 256;

/// `repository@digest`: with a tag beside the digest not every service takes it.
pub(super) fn pinned(image: &Pushed) -> String {
    format!("{}@{}", image.repository, image.digest)
}

/// The image as a version of an environment.
pub(super) fn environment(spec: &AzureMlSpec, image: &Pushed) -> Value {
    let health = json!({"path": spec.health_path, "port": spec.port});
    let scoring = spec.predict_path.as_deref().unwrap_or("/score");
    json!({"properties": {
        "image": pinned(image),
        "osType": "Linux",
        "inferenceConfig": {
            "livenessRoute": health,
            "readinessRoute": health,
            "scoringRoute": {"path": scoring, "port": spec.port},
        },
    }})
}

/// The environment's version: the same image with the same routes is the same one, because a version never changes.
pub(super) fn version(environment: &Value) -> String {
    short(&environment.to_string())
}

/// The deployment.
pub(super) fn deployment(
    spec: &AzureMlSpec,
    workspace: &Workspace,
    environment: &str,
    tags: &BTreeMap<String, String>,
) -> Value {
    let mut body = json!({
        "location": workspace.location,
        "tags": tags,
        "sku": {"name": "Default", "capacity": spec.instance_count},
    });
    let mut properties = settled(spec);
    if let Some(fields) = properties.as_object_mut() {
        fields.insert("environmentId".to_owned(), environment.into());
    }
    if let Some(fields) = body.as_object_mut() {
        fields.insert("properties".to_owned(), properties);
    }
    body
}

/// What the inputs say of the deployment.
fn settled(spec: &AzureMlSpec) -> Value {
    let variables: BTreeMap<_, _> = spec.environment.iter().cloned().collect();
    // The container may take all of `deploy-timeout` to load its model, and is not killed meanwhile.
    let probe = |failures: u64| json!({"initialDelay": "PT5S", "period": "PT10S", "timeout": "PT5S", "failureThreshold": failures, "successThreshold": 1});
    let start = (spec.deadline.as_secs() / 10).clamp(3, 180);
    json!({
        "endpointComputeType": "Managed",
        "instanceType": spec.instance_type,
        "environmentVariables": variables,
        "livenessProbe": probe(start),
        "readinessProbe": probe(start),
        "requestSettings": {"requestTimeout": format!("PT{}S", spec.request_timeout.as_secs().max(1))},
        "scaleSettings": {"scaleType": "Default"},
    })
}

/// What tells whether anything but the image has changed.
pub(super) fn settings(spec: &AzureMlSpec, image: &Pushed) -> String {
    let all = json!([settled(spec), spec.instance_count, environment(spec, image)]);
    short(&all.to_string())
}

/// The marks that lead back to where it came from.
pub(super) fn tags(
    spec: &AzureMlSpec,
    image: &Pushed,
    run_id: Option<&str>,
    settings: &str,
) -> BTreeMap<String, String> {
    let all = [
        (OURS, Some("1".to_owned())),
        (COMMIT, spec.commit.clone()),
        (RUN_ID, run_id.map(str::to_owned)),
        (DIGEST, Some(image.digest.clone())),
        (IMAGE, Some(image.reference())),
        (SETTINGS, Some(settings.to_owned())),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .filter(|(_, value)| value.len() <= LONGEST)
        .collect()
}

/// Enough of a hash to tell versions of one endpoint apart.
fn short(text: &str) -> String {
    sha256::of(text.as_bytes()).chars().take(16).collect()
}
