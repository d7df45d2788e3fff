//! What trained the image's model: given as a file or a run, else as the image knows it.

use std::path::Path;

use super::Asked;
use super::subject::Subject;
use crate::artifact::{FREEZE_PATH, FREEZE_TYPE, Freeze, label};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::plan::Plan;
use crate::registry::{self, Reference};
use crate::tracking;

/// What trained, and where that is known from.
///
/// # Errors
/// `InputInvalid` for what is given and cannot be used, `ParityUnknown` when nothing is known.
pub(super) async fn trained(
    plan: &Plan,
    ctx: &Context,
    asked: &Asked,
    subject: &Subject,
) -> Outcome<(Freeze, String)> {
    match asked.against.as_deref() {
        None => of_image(plan, ctx, subject).await,
        Some(given) if ctx.workspace.folder.join(given).is_file() => {
            let text = fs_err::read(ctx.workspace.folder.join(given)).fail(Code::InputInvalid)?;
            let freeze = Freeze::parse(&text).map_err(|why| {
                Failure::new(
                    Code::InputInvalid,
                    format!("failed to read `{given}`: {why}"),
                )
                .help("give `.ml-deploy/training.json`, or `freeze.json` as it was logged or attached")
            })?;
            Ok((freeze, format!("`{given}`")))
        }
        Some(given) if is_run(given) => of_run(plan, ctx, given).await,
        Some(given) => Err(Failure::new(
            Code::InputInvalid,
            format!("`--against` is `{given}`, which is no file here and no id of an MLflow run"),
        )
        .help("give the path of a freeze file, or the 32 hex digits of a run")),
    }
}

/// Whether the text is the id of an MLflow run.
fn is_run(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What the image knows of its training: the document attached to it, else its run's.
async fn of_image(plan: &Plan, ctx: &Context, subject: &Subject) -> Outcome<(Freeze, String)> {
    let mut tried = Vec::new();
    match &subject.remote {
        None => {
            tried.push("it is in no registry that could have something attached to it".to_owned());
        }
        Some(image) => match attached(plan, image).await {
            Ok(Some(freeze)) => {
                let host = image.host();
                return Ok((freeze, format!("what is attached to it in `{host}`")));
            }
            Ok(None) => tried.push(format!("nothing is attached to `{image}`")),
            Err(why) => tried.push(why),
        },
    }
    match subject.info.labels.get(label::RUN_ID) {
        None => tried.push(format!("it has no label `{}`", label::RUN_ID)),
        Some(run) => match of_run(plan, ctx, run).await {
            Ok(found) => return Ok(found),
            Err(failure) => {
                tried.extend(failure.into_findings().into_iter().map(|one| one.message));
            }
        },
    }
    Err(Failure::new(
        Code::ParityUnknown,
        format!(
            "nothing is known of what trained the model in `{}`: {}",
            subject.name,
            tried.join("; ")
        ),
    )
    .help(
        "say it with `--against`: an MLflow run, or a freeze file such as .ml-deploy/training.json",
    ))
}

/// The document attached to the image; in words why it could not be read.
async fn attached(plan: &Plan, image: &Reference) -> Result<Option<Freeze>, String> {
    let found = registry::attached(image, Some(&plan.login), FREEZE_TYPE).await;
    let found = found.map_err(|failure| {
        let findings = failure.into_findings().into_iter();
        findings
            .map(|one| one.message)
            .collect::<Vec<_>>()
            .join("; ")
    })?;
    found
        .map(|text| Freeze::parse(&text))
        .transpose()
        .map_err(|why| format!("what is attached to `{image}` cannot be read: {why}"))
}

async fn of_run(plan: &Plan, ctx: &Context, id: &str) -> Outcome<(Freeze, String)> {
    let given = &plan.gates.tracking;
    let found = (!given.asked).then(|| tracking::discover(ctx, given));
    let store = found.flatten().unwrap_or_else(|| given.clone());
    let unknown = |why: String| {
        Failure::new(Code::ParityUnknown, why).help(
            "correct the id and `mlflow-tracking-uri`, or give a freeze file with `--against`",
        )
    };
    // A database of runs needs no more than the standard library.
    let python = Some(Path::new("python3"));
    let read = async {
        let Some(run) = tracking::run(ctx, &store, id, python).await? else {
            return Ok(Err(format!("the tracking store does not have run `{id}`")));
        };
        let text = tracking::get(ctx, &store, &run, FREEZE_PATH).await?;
        Ok::<_, anyhow::Error>(text.ok_or_else(|| {
            format!("run `{id}` has no `{FREEZE_PATH}`: ml-deploy did not train it")
        }))
    };
    let text = match read.await {
        Ok(Ok(text)) => text,
        Ok(Err(why)) => return Err(unknown(why)),
        Err(error) => {
            return Err(unknown(format!(
                "failed to read run `{id}`: {}",
                chain(&error)
            )));
        }
    };
    let freeze = Freeze::parse(&text).map_err(|why| {
        unknown(format!(
            "failed to read `{FREEZE_PATH}` of run `{id}`: {why}"
        ))
    })?;
    Ok((freeze, format!("what MLflow run {id} was trained with")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_a_file() {
        assert!(is_run("0123456789abcdef0123456789abcdef"));
        assert!(!is_run("training.json") && !is_run("0123"));
    }
}
