//! Everything that can be checked before the first change, at once: read-only, concurrent, all findings together.

use futures_util::future::BoxFuture;
use futures_util::future::join_all;

use crate::context::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::plan::{DeploySpec, Plan, Task};
use crate::{deploy, image, registry, tracking, verify};

/// What preflight had to open and later stages go on with.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The container engine, when a stage needs one.
    pub(crate) engine: Option<Engine>,
}

/// Checks what the plan will touch.
///
/// # Errors
/// All findings that would end the run later.
pub(crate) async fn run(plan: &Plan, ctx: &Context) -> Outcome<Ready> {
    let mut checks: Vec<BoxFuture<'_, Vec<Diagnostic>>> = Vec::new();
    if let Some(train) = plan.train.as_ref().filter(|_| plan.runs(Stage::Train)) {
        checks.push(Box::pin(tracking::preflight(&train.tracking)));
    }
    if let Some(build) = plan.build.as_ref().filter(|_| plan.runs(Stage::Build)) {
        checks.push(Box::pin(async {
            image::preflight(ctx, build, &plan.model)
        }));
    }
    if let Some(push) = plan.push.as_ref().filter(|_| plan.runs(Stage::Push)) {
        checks.push(Box::pin(async {
            let login = push.login.as_ref();
            match registry::check_push(&push.repository, login, push.create).await {
                Ok(made) => {
                    if let Some(made) = made {
                        ctx.events.note(made).await;
                    }
                    Vec::new()
                }
                Err(finding) => vec![finding],
            }
        }));
    }
    if plan.runs(Stage::Verify) || plan.runs(Stage::Predictions) {
        checks.push(Box::pin(async { verify::preflight(ctx, &plan.verify) }));
    }
    // A pull request deploys nothing, but its manifests are tried all the same when the cluster can be reached.
    if let Some(DeploySpec::Kubernetes(spec)) = &plan.deploy {
        let (proposed, image) = (plan.host.pull_request, plan.image_ref.as_ref());
        if plan.runs(Stage::Deploy) || proposed && spec.cluster.is_told() {
            let verify = (plan.runs(Stage::Verify) || proposed).then_some(&plan.verify);
            let checked = deploy::kubernetes::preflight(ctx, spec, verify, image);
            checks.push(Box::pin(checked));
        } else if proposed {
            checks.push(Box::pin(deploy::kubernetes::on_paper(ctx, spec, image)));
        }
    }
    if let Some(DeploySpec::AzureMl(spec)) = &plan.deploy
        && plan.runs(Stage::Deploy)
    {
        let push = plan.push.as_ref().map(|push| &push.repository);
        let image = plan.image_ref.as_ref().or(push);
        let checked = deploy::azureml::preflight(ctx, spec, image);
        checks.push(Box::pin(checked));
    }
    if let Some(DeploySpec::SageMaker(spec)) = &plan.deploy
        && plan.runs(Stage::Deploy)
        && plan.task == Task::Run
    {
        let named = plan.push.as_ref().map(|push| &push.repository);
        let image = plan.image_ref.as_ref().or(named);
        let exists = plan.image_ref.is_some();
        let checked = deploy::sagemaker::preflight(ctx, spec, image, exists);
        checks.push(Box::pin(checked));
    }
    let (engine, found) = tokio::join!(engine(plan, &ctx.mark), join_all(checks));
    let mut findings: Vec<Diagnostic> = found.into_iter().flatten().collect();
    let engine = match engine.transpose() {
        Ok(engine) => engine,
        Err(failure) => {
            findings.splice(0..0, failure.into_findings());
            None
        }
    };
    let (errors, others): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    for finding in others {
        ctx.events.diagnosed(finding).await;
    }
    match Failure::all(errors) {
        Some(failure) => Err(failure),
        None => Ok(Ready { engine }),
    }
}

/// Connects to the engine when a stage needs it.
async fn engine(plan: &Plan, mark: &str) -> Option<Outcome<Engine>> {
    let delivers = plan.runs(Stage::Deploy) || plan.runs(Stage::Verify);
    let docker = matches!(plan.deploy, Some(DeploySpec::Docker(_))) && delivers;
    if plan.runs(Stage::Build) || plan.runs(Stage::Push) || docker {
        let engine = Engine::connect().await;
        return Some(engine.map(|engine| engine.marked(mark)));
    }
    None
}
