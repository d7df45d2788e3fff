//! What is live: which image the endpoint really serves, from which commit and run, since when, and whether it is healthy. It
//! reads and changes nothing.

use serde_json::Value;

use super::deployment;
use super::history::{self, Past};
use super::judge::{Goal, Judged, config, image, judge, text, variants};
use crate::artifact::{Check, Live, Served, ServedPod, Verification};
use crate::cloud::Thing;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;

/// Says what is live.
///
/// # Errors
/// `RevisionMissing` when there is no endpoint, `VerifyHealth` when it is not healthy, and what the access fails with.
pub(crate) async fn status(ctx: &Context, spec: &SageMakerSpec) -> Outcome<()> {
    let aws = spec.clouds.sagemaker();
    let name = &spec.endpoint;
    let Some(described) = aws.describe(Thing::Endpoint, name).await? else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!("failed to say what is live: there is no endpoint `{name}`"),
        )
        .help("correct `endpoint-name` or `aws-region`"));
    };
    let past = history::one(&aws, spec, config(&described)).await?;
    let image = image(&described).map(str::to_owned);
    for line in lines(&described, past.as_ref()) {
        ctx.events.note(line).await;
    }
    ctx.events.produced(deployment(spec, &aws, image)).await;
    let (passed, detail) = health(&described);
    let check = Check {
        name: "health".to_owned(),
        passed,
        detail: detail.clone(),
    };
    let checks = vec![check];
    ctx.events.produced(Verification { checks }).await;
    if passed {
        return Ok(());
    }
    Err(Failure::new(
        Code::VerifyHealth,
        format!("endpoint `{name}` is not healthy: {detail}"),
    ))
}

/// Whether it is well, and in words how it is. While an autoscaler or SageMaker itself changes its machines, and nothing is on its
/// way to another configuration, it serves.
fn health(described: &Value) -> (bool, String) {
    let stays = described["PendingDeploymentSummary"].is_null();
    match judge(described, Goal::earlier(config(described))) {
        Judged::Done => (true, "InService, and all instances serve".to_owned()),
        Judged::Going(going)
            if stays
                && ["Updating", "SystemUpdating"].contains(&text(described, "EndpointStatus")) =>
        {
            (
                true,
                format!("{going}: its machines are being changed, and it serves meanwhile"),
            )
        }
        Judged::Going(going) => (false, going),
        Judged::Failed { why, .. } => (false, why),
    }
}

/// What is known, in lines.
fn lines(described: &Value, past: Option<&Past>) -> Vec<String> {
    let name = text(described, "EndpointName");
    let mut lines = vec![format!(
        "endpoint `{name}` is {} on configuration `{}`",
        text(described, "EndpointStatus"),
        config(described)
    )];
    if let Some(image) = image(described) {
        lines.push(format!("image {image}"));
    }
    for variant in variants(described) {
        let number = |key: &str| variant[key].as_u64();
        if let Some((now, then)) =
            number("CurrentInstanceCount").zip(number("DesiredInstanceCount"))
        {
            let name = text(variant, "VariantName");
            let weight = variant["CurrentWeight"].as_f64();
            let weight = weight.map_or_else(String::new, |weight| format!(", weight {weight}"));
            lines.push(format!(
                "variant `{name}`: {now} of {then} instances{weight}"
            ));
        }
    }
    let Some(past) = past else {
        lines.push("the configuration was not made by ml-deploy".to_owned());
        return lines;
    };
    let said = [
        ("commit", &past.commit),
        ("run", &past.run_id),
        ("verified", &past.verified),
    ];
    lines.extend(
        said.iter()
            .filter_map(|(what, value)| Some(format!("{what} {}", value.as_deref()?))),
    );
    if past.verified.is_none() {
        lines.push("it was never verified".to_owned());
    }
    lines
}

/// What serves under the name; `None` when nothing does.
///
/// # Errors
/// What the access fails with.
pub(crate) async fn serving(spec: &SageMakerSpec) -> Outcome<Option<Live>> {
    let aws = spec.clouds.sagemaker();
    let Some(described) = aws.describe(Thing::Endpoint, &spec.endpoint).await? else {
        return Ok(None);
    };
    let Some(image) = image(&described) else {
        return Ok(None);
    };
    let past = history::one(&aws, spec, config(&described)).await?;
    Ok(Some(Live {
        object: format!("Endpoint/{}", spec.endpoint),
        run_id: past.and_then(|past| past.run_id),
        images: vec![image.to_owned()],
    }))
}

/// The endpoint with what its tags say of where it came from; `None` when there is none.
///
/// # Errors
/// What the access fails with.
pub(crate) async fn served(spec: &SageMakerSpec) -> Outcome<Option<Served>> {
    let aws = spec.clouds.sagemaker();
    let Some(described) = aws.describe(Thing::Endpoint, &spec.endpoint).await? else {
        return Ok(None);
    };
    let past = history::one(&aws, spec, config(&described)).await?;
    let past = past.unwrap_or_default();
    let ready = text(&described, "EndpointStatus") == "InService";
    let pods = variants(&described).map(|variant| ServedPod {
        name: format!("{}/{}", spec.endpoint, text(variant, "VariantName")),
        ready,
        images: variant["DeployedImages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|image| text(image, "SpecifiedImage").to_owned())
            .collect(),
    });
    Ok(Some(Served {
        object: format!("Endpoint/{}", spec.endpoint),
        place: "SageMaker".to_owned(),
        commit: past.commit,
        run_id: past.run_id,
        digest: past.digest,
        pods: pods.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_is_well_while_it_is_scaled() {
        let well = |status: &str, pending: Value| {
            let described = json!({"EndpointStatus": status, "EndpointConfigName": "a", "PendingDeploymentSummary": pending});
            health(&described).0
        };
        assert!(well("InService", Value::Null) && well("Updating", Value::Null));
        assert!(!well("Updating", json!({"EndpointConfigName": "b"})));
        assert!(!well("RollingBack", Value::Null) && !well("Failed", Value::Null));
    }
}
