//! What can be known before the training: the role, our rights, the endpoint's state, and whether SageMaker takes images of
//! this registry, processor and form. Reads only.

use serde_json::Value;

use super::judge::{names, text, variants};
use super::wanted::prefix;
use crate::cloud::{ImagePlace, Role, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::SageMakerSpec;
use crate::registry::{self, OneImage, Reference};

/// What a deployment does to each kind of thing.
const RIGHTS: &[(&str, &[&str])] = &[
    (
        "model",
        &[
            "sagemaker:CreateModel",
            "sagemaker:DescribeModel",
            "sagemaker:AddTags",
        ],
    ),
    (
        "endpoint-config",
        &[
            "sagemaker:CreateEndpointConfig",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:AddTags",
            "sagemaker:ListTags",
        ],
    ),
    (
        "endpoint",
        &[
            "sagemaker:CreateEndpoint",
            "sagemaker:UpdateEndpoint",
            "sagemaker:InvokeEndpoint",
            "sagemaker:AddTags",
        ],
    ),
];

/// Media types of a manifest that SageMaker takes: one image, with Docker's or OCI's layers.
const TAKEN: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
];

/// Everything that can be read. `image` is what will be pushed or is deployed as it is.
pub(crate) async fn preflight(
    ctx: &Context,
    spec: &SageMakerSpec,
    image: Option<&Reference>,
    exists: bool,
) -> Vec<Diagnostic> {
    let (endpoint, role, image) = tokio::join!(
        endpoint(ctx, spec),
        role(ctx, spec),
        place(spec, image, exists)
    );
    // An identity that is not there is told once.
    let failures = [endpoint, role, image]
        .into_iter()
        .filter_map(Result::err)
        .flat_map(Failure::into_findings);
    let mut findings: Vec<Diagnostic> = Vec::new();
    for finding in failures {
        if !findings.iter().any(|one| one.message == finding.message) {
            findings.push(finding);
        }
    }
    findings
}

/// Whether we may look at the endpoint, and whether it can be changed.
async fn endpoint(ctx: &Context, spec: &SageMakerSpec) -> Outcome<()> {
    let aws = spec.clouds.sagemaker();
    let name = &spec.endpoint;
    let Some(described) = aws.describe(Thing::Endpoint, name).await? else {
        ctx.events
            .note(format!(
                "there is no endpoint `{name}` yet: it will be made"
            ))
            .await;
        return Ok(());
    };
    let status = text(&described, "EndpointStatus");
    if status == "UpdateRollbackFailed" {
        return Err(Failure::new(
            Code::EndpointFailed,
            format!("endpoint `{name}` is UpdateRollbackFailed, and SageMaker lets it only be deleted"),
        )
        .help("delete the endpoint when its callers can do without it for some minutes, then run again"));
    }
    match refused_update(spec, &described) {
        Some((code, why, help)) => {
            Err(Failure::new(code, format!("endpoint `{name}` {why}")).help(help))
        }
        None => Ok(()),
    }
}

/// An update of what is there that SageMaker would refuse; whole but for the endpoint's name. Sources: developer guide,
/// "Serverless Inference" and "Deployment guardrails: Exclusions".
fn refused_update(spec: &SageMakerSpec, described: &Value) -> Option<(Code, String, &'static str)> {
    let serverless = |variant: &Value| variant["CurrentServerlessConfig"].is_object();
    let live: Vec<&str> = names(described).collect();
    if live.is_empty() {
        return None;
    }
    if spec.is_serverless() && !variants(described).any(serverless) {
        return Some((
            Code::InputInvalid,
            "has machines, and SageMaker makes no such endpoint serverless".to_owned(),
            "choose another `endpoint-name`, or delete the endpoint when its callers can do without it",
        ));
    }
    let ours: Vec<&str> = spec.variants.iter().map(|one| one.name.as_str()).collect();
    let same = live.len() == ours.len() && live.iter().all(|name| ours.contains(name));
    (spec.is_guarded() && !same).then(|| {
        let why = format!(
            "has the variants `{}` and is to have `{}`, and SageMaker guards no update that renames them",
            live.join("`, `"),
            ours.join("`, `")
        );
        (
            Code::InputInvalid,
            why,
            "keep the names, or leave `update-policy` and `update-alarms` out of the run that changes them",
        )
    })
}

/// Whether the role exists, SageMaker may take it on, and we may do what a deployment does.
async fn role(ctx: &Context, spec: &SageMakerSpec) -> Outcome<()> {
    let aws = spec.clouds.sagemaker();
    let name = &spec.role;
    let arn = match aws.role(name).await? {
        Role::Missing => {
            return Err(Failure::new(
                Code::EndpointRole,
                format!("execution role `{name}` does not exist"),
            ));
        }
        Role::Found { trust, .. } if !trust.contains("sagemaker.amazonaws.com") => {
            return Err(Failure::new(
                Code::EndpointRole,
                format!(
                    "SageMaker may not take on the execution role `{name}`: its trust policy does not name `sagemaker.amazonaws.com`"
                ),
            ));
        }
        Role::Found { arn, .. } => arn,
        Role::Unknown => {
            ctx.events
                .note(format!(
                    "role `{name}` is not looked at: the identity lacks `iam:GetRole`"
                ))
                .await;
            aws.role_arn(name).await?
        }
    };
    let Some(mut missing) = aws.denied(&["iam:PassRole"], &arn).await? else {
        ctx.events
            .note("rights are not looked at: the identity lacks `iam:SimulatePrincipalPolicy`")
            .await;
        return Ok(());
    };
    for (thing, actions) in RIGHTS {
        let resource = format!("{}{}", aws.arn(&arn, thing)?, own_name(spec, thing));
        missing.extend(aws.denied(actions, &resource).await?.unwrap_or_default());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join("`, `");
    let mut failure = Failure::new(
        Code::CloudDenied,
        format!(
            "the identity may not do `{list}`, which a deployment to endpoint `{}` needs",
            spec.endpoint
        ),
    )
    .help("add them to the identity's policy; docs/sagemaker.md has a whole one");
    if missing.iter().any(|action| action == "iam:PassRole") {
        failure = failure.evidence([format!("iam:PassRole is needed on {arn}")]);
    }
    Err(failure)
}

/// A name as this endpoint would have it: policies may name resources by their beginning.
fn own_name(spec: &SageMakerSpec, thing: &str) -> String {
    if thing == "endpoint" {
        spec.endpoint.clone()
    } else {
        format!("{}000000000000", prefix(&spec.endpoint))
    }
}

/// Whether SageMaker can take images from there, and this image, when it exists.
async fn place(spec: &SageMakerSpec, image: Option<&Reference>, exists: bool) -> Outcome<()> {
    let Some(image) = image else { return Ok(()) };
    let aws = spec.clouds.sagemaker();
    let refused = |why: String, help: &str| {
        Err(Failure::new(
            Code::EndpointImage,
            format!("SageMaker cannot run `{image}`: {why}"),
        )
        .help(help))
    };
    match aws.place(image.host())? {
        ImagePlace::Here => {}
        // Whether that network reaches the registry is known to nobody here.
        ImagePlace::Foreign if spec.network.is_some() => {}
        ImagePlace::Region(region) => {
            return refused(
                format!("it is in {region}, and the endpoint in {}", aws.region()?),
                "push it to a repository in the endpoint's region",
            );
        }
        ImagePlace::Foreign => {
            return refused(
                format!("`{}` is not a private registry of ECR", image.host()),
                "set `image` to ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, where `create-repository: true` makes it; or `vpc-subnets` of a network that reaches the registry",
            );
        }
    }
    if exists && let Some(images) = registry::images(image, spec.login.as_ref()).await? {
        fitting(spec, &image.to_string(), &images)?;
    }
    Ok(())
}

/// The one of the images in a registry that SageMaker can run.
///
/// # Errors
/// `EndpointImage`, with what is there instead.
pub(super) fn fitting<'a>(
    spec: &SageMakerSpec,
    name: &str,
    images: &'a [OneImage],
) -> Outcome<&'a OneImage> {
    let wanted = spec.architecture();
    let fits = |one: &&OneImage| one.os == "linux" && one.architecture == wanted;
    let Some(found) = images.iter().find(fits) else {
        let there: Vec<_> = images
            .iter()
            .map(|one| format!("{}/{}", one.os, one.architecture))
            .collect();
        return Err(other_platform(spec, name, &there.join(", ")));
    };
    if TAKEN.contains(&found.media_type.as_str()) {
        return Ok(found);
    }
    Err(Failure::new(
        Code::EndpointImage,
        format!(
            "SageMaker cannot run `{name}`: its manifest is of the type `{}`",
            found.media_type
        ),
    )
    .help(
        "build it anew with a current engine, which writes Docker's manifest (schema 2) or OCI's",
    ))
}

fn other_platform(spec: &SageMakerSpec, name: &str, there: &str) -> Failure {
    let wanted = spec.architecture();
    Failure::new(
        Code::EndpointImage,
        format!("SageMaker cannot run `{name}` on the machines chosen: it is for {there}, and they need linux/{wanted}"),
    )
    .help("build for their processor, or choose an `instance-type` of the image's: those with a `g` after the generation, such as ml.m6g.large, are arm64")
}

/// The same of an image that is built and not pushed yet.
///
/// # Errors
/// `EndpointImage`.
pub(crate) async fn built(spec: &SageMakerSpec, engine: &Engine, id: &str) -> Outcome<()> {
    let info = engine.inspect_image(id).await.fail(Code::ImageMissing)?;
    let Some((os, architecture)) = info.and_then(|info| info.platform) else {
        return Ok(());
    };
    if os == "linux" && architecture == spec.architecture() {
        return Ok(());
    }
    Err(other_platform(spec, id, &format!("{os}/{architecture}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wanted::tests::{spec, variant};
    use super::*;
    use crate::plan::{Capacity, UpdatePolicy};

    fn one(digest: &str, architecture: &str, media_type: &str) -> OneImage {
        OneImage {
            digest: digest.to_owned(),
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            media_type: media_type.to_owned(),
        }
    }

    #[test]
    fn an_update_that_is_refused_is_known_before() {
        let row = |name: &str| json!({"VariantName": name, "CurrentInstanceCount": 2});
        let live = |rows: &[Value]| json!({"ProductionVariants": rows});
        let two = live(&[row("green"), row("blue")]);
        let guarded = SageMakerSpec {
            variants: vec![variant("blue", 2), variant("green", 2)],
            update: UpdatePolicy::Canary { percent: 10 },
            ..spec()
        };
        let why = |spec: &SageMakerSpec, live: &Value| Some(refused_update(spec, live)?.1);
        assert_eq!(why(&guarded, &two), None);
        let renamed = why(&guarded, &live(&[row("AllTraffic")])).unwrap();
        assert!(
            renamed.contains("`AllTraffic` and is to have `blue`, `green`"),
            "{renamed}"
        );
        // Nothing is guarded, so everything may be renamed.
        assert_eq!(why(&spec(), &two), None);
        // One that is being made has no variants yet.
        assert_eq!(why(&guarded, &json!({})), None);
        let mut serverless = spec();
        serverless.variants[0].capacity = Capacity::Serverless {
            memory: 1024,
            concurrency: 1,
        };
        assert!(why(&serverless, &two).unwrap().contains("serverless"));
        let config = json!({"MemorySizeInMB": 1024, "MaxConcurrency": 1});
        let own = json!({"VariantName": "AllTraffic", "CurrentServerlessConfig": config});
        assert_eq!(why(&serverless, &live(&[own])), None);
    }

    #[test]
    fn the_image_of_the_machines_processor_is_taken() {
        let both = [
            one("sha256:a", "arm64", TAKEN[1]),
            one("sha256:b", "amd64", TAKEN[0]),
        ];
        assert_eq!(fitting(&spec(), "wine", &both).unwrap().digest, "sha256:b");
        let failure = fitting(&spec(), "wine", &both[..1]).unwrap_err();
        assert_eq!(failure.code(), Code::EndpointImage);
        let finding = failure.findings().next().unwrap();
        assert!(
            finding
                .message
                .contains("it is for linux/arm64, and they need linux/amd64"),
            "{finding:?}"
        );
        let old = [one(
            "sha256:b",
            "amd64",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        )];
        let failure = fitting(&spec(), "wine", &old).unwrap_err();
        assert!(
            failure
                .findings()
                .next()
                .unwrap()
                .message
                .contains("v1+prettyjws")
        );
    }
}
