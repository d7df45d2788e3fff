//! Who is asked at a managed endpoint: the new deployment alone, through its header, or the endpoint as everybody asks it; and
//! whether those who answer run what was deployed.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::Checked;
use super::running::checked;
use crate::artifact::{Check, Deployment, Pushed};
use crate::cloud::Thing;
use crate::cluster::text;
use crate::code::Code;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::{AzureMlSpec, SageMakerSpec};
use crate::predict::Address;
use crate::registry::{self, Reference};

/// The header that leads past an endpoint's traffic to one deployment.
const DEPLOYMENT: HeaderName = HeaderName::from_static("azureml-model-deployment");

/// The endpoint's address with what it wants to see, and the check of the images behind it.
pub(super) async fn azureml(
    spec: &AzureMlSpec,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Address, Option<Checked>)> {
    let ml = spec.clouds.machine_learning(&spec.workspace);
    let Some(endpoint) = ml.endpoint(&spec.endpoint).await? else {
        return Err(Failure::new(
            Code::VerifyHealth,
            format!(
                "failed to find who answers: there is no endpoint `{}`",
                spec.endpoint
            ),
        )
        .help("correct `endpoint-name`, `workspace` or `resource-group`"));
    };
    let alone = deployment.filter(|one| one.direct).and_then(name);
    let scoring = ml.scoring(&endpoint).await?;
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", scoring.bearer.expose_secret());
    let mut bearer: HeaderValue = bearer.parse().fail(Code::VerifyHealth)?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    if let Some(alone) = alone {
        headers.insert(DEPLOYMENT, alone.parse().fail(Code::Internal)?);
    }
    let address =
        Address::with(scoring.base, headers, spec.request_timeout).fail(Code::Internal)?;
    let Some(pushed) = pushed else {
        return Ok((address, None));
    };
    let mut seen = Vec::new();
    for one in ml.deployments(&spec.endpoint).await? {
        let asked = match alone {
            Some(alone) => one.name == alone,
            None => endpoint.traffic.contains_key(&one.name),
        };
        if asked {
            seen.push((one.name.clone(), ml.image(&one).await?));
        }
    }
    Ok((address, Some(behind_endpoint(&seen, pushed))))
}

/// The deployment among the objects.
fn name(deployment: &Deployment) -> Option<&str> {
    let mut objects = deployment.objects.iter();
    objects.find_map(|object| object.strip_prefix("OnlineDeployment/"))
}

/// The endpoint of SageMaker: it serves, and where an image was pushed, that one, in every variant. Their names come with it.
pub(super) async fn sagemaker(
    spec: &SageMakerSpec,
    pushed: Option<&Pushed>,
) -> Outcome<(Vec<String>, Checked)> {
    let name = &spec.endpoint;
    let aws = spec.clouds.sagemaker();
    let Some(described) = aws.describe(Thing::Endpoint, name).await? else {
        let message = format!("there is no endpoint `{name}`");
        return Err(Failure::new(Code::VerifyHealth, message)
            .help("correct `endpoint-name` or `aws-region`"));
    };
    if !serves(&described) {
        let status = text(&described, "/EndpointStatus");
        let reason = text(&described, "/FailureReason");
        let message = format!("endpoint `{name}` is {status}, not InService: {reason}");
        return Err(Failure::new(
            Code::VerifyHealth,
            message.trim_end_matches([':', ' ']),
        ));
    }
    let variants = described.pointer("/ProductionVariants");
    let variants = variants.and_then(Value::as_array).into_iter().flatten();
    let images = |variant: &Value| {
        let images = variant["DeployedImages"].as_array().into_iter().flatten();
        let images = images.map(|image| text(image, "/SpecifiedImage").to_owned());
        (text(variant, "/VariantName").to_owned(), images.collect())
    };
    let seen: Vec<(String, Vec<String>)> = variants.map(images).collect();
    let names = seen.iter().map(|(variant, _)| variant.clone()).collect();
    let Some(pushed) = pushed else {
        let images = seen.iter().flat_map(|(_, images)| images.iter().cloned());
        let detail = format!("InService with {}", images.collect::<Vec<_>>().join(", "));
        let check = Check {
            name: "endpoint".to_owned(),
            passed: true,
            detail,
        };
        return Ok((names, (check, None)));
    };
    let digests = digests(spec, pushed).await?;
    Ok((names, in_variants(&seen, &digests, pushed)))
}

/// Whether one configuration answers all requests. What an autoscaler does, and SageMaker's own upkeep, leaves it in place; only
/// a move to another one is a pending deployment.
fn serves(described: &Value) -> bool {
    match text(described, "/EndpointStatus") {
        "InService" => true,
        "Updating" | "SystemUpdating" => described["PendingDeploymentSummary"].is_null(),
        _ => false,
    }
}

/// Each variant with the images that SageMaker says it serves: all of them must be ours.
fn in_variants(seen: &[(String, Vec<String>)], digests: &[String], pushed: &Pushed) -> Checked {
    let is_ours = |image: &String| digests.iter().any(|digest| image.contains(digest.as_str()));
    let mut wrong: Vec<String> = seen
        .iter()
        .filter(|(_, images)| images.is_empty() || !images.iter().all(is_ours))
        .map(|(variant, images)| {
            let images = match images[..] {
                [] => "no image that SageMaker names".to_owned(),
                _ => images.join(", "),
            };
            format!("variant `{variant}` serves {images}")
        })
        .collect();
    if seen.is_empty() {
        wrong.push("the endpoint has no variant".to_owned());
    }
    checked("digest", wrong, &pushed.digest, seen.len().max(1))
}

/// The digest that was pushed; of an index also those of its images, because SageMaker runs one of them.
async fn digests(spec: &SageMakerSpec, pushed: &Pushed) -> Outcome<Vec<String>> {
    let mut digests = vec![pushed.digest.clone()];
    let reference = format!("{}@{}", pushed.repository, pushed.digest);
    if let Ok(reference) = reference.parse::<Reference>() {
        let images = registry::images(&reference, spec.login.as_ref()).await?;
        digests.extend(images.into_iter().flatten().map(|image| image.digest));
    }
    Ok(digests)
}

/// The deployments of a managed endpoint, each with the image of its environment.
fn behind_endpoint(seen: &[(String, Option<String>)], pushed: &Pushed) -> Checked {
    let runs_it = |image: &Option<String>| {
        let image = image.as_ref();
        image.is_some_and(|image| image.ends_with(&pushed.digest))
    };
    let wrong: Vec<String> = seen
        .iter()
        .filter(|(_, image)| !runs_it(image))
        .map(|(name, image)| {
            let image = image
                .as_deref()
                .unwrap_or("an image that Azure does not name");
            format!("deployment `{name}` runs {image}")
        })
        .collect();
    if seen.is_empty() {
        let wrong = vec!["no deployment has any traffic".to_owned()];
        return checked("digest", wrong, &pushed.digest, 1);
    }
    checked("digest", wrong, &pushed.digest, seen.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const NEW: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn an_endpoint_serves_while_it_is_scaled() {
        let serves = |status: &str, pending: Value| {
            serves(&json!({"EndpointStatus": status, "PendingDeploymentSummary": pending}))
        };
        assert!(serves("InService", Value::Null) && serves("Updating", Value::Null));
        assert!(!serves("Updating", json!({"EndpointConfigName": "other"})));
        assert!(!serves("RollingBack", Value::Null) && !serves("Failed", Value::Null));
    }

    #[test]
    fn every_variant_serves_the_pushed_digest() {
        let pushed = Pushed {
            repository: "1.dkr.ecr.eu-west-1.amazonaws.com/wine".to_owned(),
            tag: None,
            digest: NEW.to_owned(),
        };
        let passes = |seen: &[(&str, &[&str])]| {
            let seen: Vec<_> = seen
                .iter()
                .map(|(name, digests)| {
                    let images = digests.iter().map(|digest| format!("wine@{digest}"));
                    ((*name).to_owned(), images.collect())
                })
                .collect();
            in_variants(&seen, &[NEW.to_owned()], &pushed).0.passed
        };
        assert!(passes(&[("blue", &[NEW]), ("green", &[NEW])]));
        assert!(!passes(&[("blue", &[NEW]), ("green", &[OLD])]));
        assert!(!passes(&[("blue", &[NEW, OLD])]));
        assert!(!passes(&[("blue", &[])]) && !passes(&[]));
    }

    #[test]
    fn every_deployment_that_is_asked_runs_the_pushed_digest() {
        let pushed = Pushed {
            repository: "wine.azurecr.io/wine".to_owned(),
            tag: None,
            digest: NEW.to_owned(),
        };
        let at = |digest: &str| Some(format!("wine.azurecr.io/wine@{digest}"));
        let passes = |seen: &[(&str, Option<String>)]| {
            let seen = seen
                .iter()
                .map(|(name, image)| ((*name).to_owned(), image.clone()));
            behind_endpoint(&seen.collect::<Vec<_>>(), &pushed).0.passed
        };
        assert!(passes(&[("green", at(NEW))]));
        assert!(!passes(&[("green", at(NEW)), ("blue", at(OLD))]));
        assert!(!passes(&[("green", None)]) && !passes(&[]));
    }
}
