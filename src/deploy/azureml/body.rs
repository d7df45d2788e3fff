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

/// Seconds between two questions of a probe, and how many more must fail than the time allows.
const PERIOD: u64 = 10;
const SURPLUS: u64 = 3;

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
    let (start, answer) = (
        spec.startup.as_secs(),
        spec.request_timeout.as_secs().max(1),
    );
    let mut requests = json!({"requestTimeout": format!("PT{answer}S")});
    if let Some(concurrency) = spec.concurrency {
        requests["maxConcurrentRequestsPerInstance"] = concurrency.into();
    }
    json!({
        "endpointComputeType": "Managed",
        "instanceType": spec.instance_type,
        "environmentVariables": variables,
        // While its model loads the container is not killed. Later it may be silent as long as the longest answer takes, because
        // many servers answer one request after the other; then it is dead.
        "livenessProbe": probe(start, answer),
        // Whether it is ready is asked from the beginning, and for as long as it may take.
        "readinessProbe": probe(5, start),
        "requestSettings": requests,
        "scaleSettings": {"scaleType": "Default"},
    })
}

/// A question for the health path every ten seconds, first after `delay`; it fails when nobody has answered for `silent` seconds and a
/// few questions more.
fn probe(delay: u64, silent: u64) -> Value {
    json!({
        "initialDelay": format!("PT{}S", delay.max(1)),
        "period": format!("PT{PERIOD}S"),
        "timeout": "PT5S",
        "failureThreshold": silent.div_ceil(PERIOD) + SURPLUS,
        "successThreshold": 1,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::examples::spec;
    use super::*;

    #[test]
    fn a_container_that_dies_is_found_long_before_the_deployment_may_end() {
        let half_an_hour = AzureMlSpec {
            deadline: Duration::from_secs(1800),
            startup: Duration::from_secs(600),
            request_timeout: Duration::from_secs(60),
            ..spec()
        };
        let body = settled(&half_an_hour);
        let (live, ready) = (&body["livenessProbe"], &body["readinessProbe"]);
        // A model that loads for ten minutes is let load, and a server that is silent for a minute and a half is dead.
        assert_eq!(
            (&live["initialDelay"], &live["failureThreshold"]),
            (&"PT600S".into(), &9.into())
        );
        assert_eq!(
            (&ready["initialDelay"], &ready["failureThreshold"]),
            (&"PT5S".into(), &63.into())
        );
        // The deployment's time says nothing of the container.
        let longer = AzureMlSpec {
            deadline: Duration::from_secs(7200),
            ..half_an_hour.clone()
        };
        assert_eq!(settled(&longer), body);
        // One request may take three minutes, in which nothing else is answered.
        let slow = AzureMlSpec {
            request_timeout: Duration::from_secs(180),
            ..half_an_hour
        };
        assert_eq!(settled(&slow)["livenessProbe"]["failureThreshold"], 21);
    }

    #[test]
    fn how_many_requests_a_machine_answers_is_azures_own_unless_it_is_said() {
        let with = |concurrency| AzureMlSpec {
            concurrency,
            ..spec()
        };
        let of = |concurrency| settled(&with(concurrency))["requestSettings"].clone();
        assert_eq!(of(None), json!({"requestTimeout": "PT60S"}));
        let eight = json!({"requestTimeout": "PT60S", "maxConcurrentRequestsPerInstance": 8});
        assert_eq!(of(Some(8)), eight);
        // Another number is another deployment.
        let image = Pushed {
            repository: "wine".to_owned(),
            tag: None,
            digest: "sha256:a".to_owned(),
        };
        let settings = |concurrency| super::settings(&with(concurrency), &image);
        assert_ne!(settings(None), settings(Some(8)));
    }
}
