//! What can be known before the training: the role, our rights, the endpoint's state, and whether SageMaker takes images of
//! this registry, processor and form. Reads only.

use serde_json::Value;

use super::judge::{names, text, variants};
use super::wanted::prefix;
use super::{alarms, image};
use crate::cloud::{Role, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;
use crate::registry::Reference;

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
        image::place(spec, image, exists)
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
        None => alarms::preflight(ctx, &aws, spec).await,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wanted::tests::{spec, variant};
    use super::*;
    use crate::plan::{Capacity, UpdatePolicy};

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
}
