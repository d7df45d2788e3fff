//! Everything that can be checked before the first change, at once: read-only, concurrent, all findings together.

use futures_util::future::BoxFuture;
use futures_util::future::join_all;

use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::plan::{DeploySpec, Plan};
use crate::{image, registry, target, tracking, verify};

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
    // First, because it says how registries are to be asked.
    let engine = engine(plan, &ctx.mark).await;
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
    checks.extend(target::preflight(plan, ctx));
    let found = tokio::select! {
        found = join_all(checks) => found,
        () = ctx.cancel.cancelled() => return Err(Failure::new(
            Code::Interrupted,
            "preflight was stopped before anything was built, pushed or deployed",
        )),
    };
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
    let errors = each_cause_once(errors);
    match Failure::all(errors) {
        Some(failure) => Err(failure),
        None => Ok(Ready { engine }),
    }
}

/// Several checks ask a cloud as the same identity. One that it refuses, or that is not there, is one thing to mend, so the
/// first to say so speaks for all.
fn each_cause_once(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for finding in findings {
        let of_identity = matches!(finding.code, Code::CloudIdentity | Code::CloudDenied);
        let same = |one: &Diagnostic| one.code == finding.code && one.advice() == finding.advice();
        if !of_identity || !kept.iter().any(same) {
            kept.push(finding);
        }
    }
    kept
}

/// Connects to the engine when a stage needs it, and asks it which registries have no TLS.
async fn engine(plan: &Plan, mark: &str) -> Option<Outcome<Engine>> {
    let delivers = plan.runs(Stage::Deploy) || plan.runs(Stage::Verify);
    let docker = matches!(plan.deploy, Some(DeploySpec::Docker(_))) && delivers;
    if plan.runs(Stage::Build) || plan.runs(Stage::Push) || docker {
        let engine = Engine::connect().await;
        if let Ok(engine) = &engine {
            engine.tell(&plan.login.plain).await;
        }
        return Some(engine.map(|engine| engine.marked(mark)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_refused_are_told_once_and_rights_each() {
        let keys = |tried: &str| {
            let finding = Diagnostic::error(Code::CloudDenied, format!("failed to {tried}"));
            finding.help("give the key as it was made")
        };
        let right = |action: &str| keys("look").help(format!("add `{action}`"));
        let other = |text: &str| Diagnostic::error(Code::InputInvalid, text);
        let found = vec![
            keys("look at the endpoint"),
            right("a"),
            keys("log in to the registry"),
            right("b"),
            other("one"),
            other("two"),
        ];
        let told = each_cause_once(found);
        let told: Vec<&str> = told.iter().map(|one| one.message.as_str()).collect();
        let all = [
            "failed to look at the endpoint",
            "failed to look",
            "failed to look",
            "one",
            "two",
        ];
        assert_eq!(told, all);
    }
}
