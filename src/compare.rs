//! The subcommand `parity`: an image that this run did not build, or the one that is live, is compared with what trained its
//! model. What trained is found by what is attached to the image, by its labels, or is given.

use std::path::Path;

use crate::artifact::{FREEZE_PATH, FREEZE_TYPE, Freeze, label};
use crate::code::Code;
use crate::context::Context;
use crate::deploy::{docker, kubernetes};
use crate::engine::{Engine, ImageInfo};
use crate::event::Stage;
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::gate::parity;
use crate::plan::{DeploySpec, ParityMode, ParitySpec, Plan, RegistryLogin};
use crate::registry::{self, Reference, credentials};
use crate::stage::{Ended, stage};
use crate::tracking;

/// What was asked for beside the inputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) image: Option<String>,
    /// A run or a file; `None`: whatever the image knows.
    pub(crate) against: Option<String>,
    pub(crate) live: bool,
}

/// Compares, and ends as the stage of a run does.
///
/// # Errors
/// As the stage; `ParityUnknown` when nothing is known of the training.
pub(crate) async fn run(plan: &Plan, ctx: &Context, asked: &Asked) -> Outcome<Ended> {
    stage(plan, ctx, Stage::Parity, async |ctx| {
        let engine = Engine::connect().await?;
        let subject = subject(plan, ctx, &engine, asked).await?;
        let (trained, from) = trained(plan, ctx, asked, &subject).await?;
        ctx.events
            .note(format!("`{}` is compared with {from}", subject.name))
            .await;
        let spec = spec(&plan.parity);
        let doubts = doubts(&subject.info, &trained);
        parity::against(ctx, &engine, &spec, &trained, &subject.info.id, doubts).await
    })
    .await?;
    Ok(Ended::Done)
}

/// Who asks wants to know: `off` is for runs.
fn spec(given: &ParitySpec) -> ParitySpec {
    let mode = match given.mode {
        ParityMode::Off => ParityMode::Safe,
        mode => mode,
    };
    ParitySpec {
        mode,
        ..given.clone()
    }
}

/// The image that is looked at, as the engine has it.
struct Subject {
    /// As it was named, or found.
    name: String,
    info: ImageInfo,
    /// By digest, where a registry has it.
    remote: Option<Reference>,
}

async fn subject(plan: &Plan, ctx: &Context, engine: &Engine, asked: &Asked) -> Outcome<Subject> {
    let name = match (&asked.image, asked.live) {
        (_, true) => live(plan, ctx, engine).await?,
        (Some(image), false) => image.clone(),
        (None, false) => {
            return Err(Failure::new(
                Code::InputMissing,
                "no image is named: `ml-deploy parity IMAGE`, or `--live` for the one that is live",
            )
            .help("name an image of the engine or of a registry"));
        }
    };
    let found = engine.inspect_image(&name).await.fail(Code::ImageMissing)?;
    let info = match found {
        Some(info) => info,
        None => pulled(plan, ctx, engine, &name).await?,
    };
    let named = name.parse::<Reference>().ok();
    let pushed = info.digests.iter().filter_map(|one| one.parse().ok());
    let mut pushed: Vec<Reference> = pushed.collect();
    // An image may be in several registries; the one that was named comes first.
    pushed.sort_by_key(|one| {
        !named
            .as_ref()
            .is_some_and(|named| named.same_repository(one))
    });
    let remote = match named {
        Some(named) if named.digest().is_some() => Some(named),
        _ => pushed.into_iter().next(),
    };
    Ok(Subject { name, info, remote })
}

/// The image that is live, by id or by reference.
async fn live(plan: &Plan, ctx: &Context, engine: &Engine) -> Outcome<String> {
    let found = match &plan.deploy {
        Some(DeploySpec::Docker(spec)) => docker::serving(engine, spec)
            .await
            .fail(Code::ImageMissing)?,
        Some(DeploySpec::Kubernetes(spec)) => kubernetes::serving(ctx, spec).await?,
        None => {
            return Err(Failure::new(
                Code::InputMissing,
                "nothing says where the live image is: set `namespace` with `deployment-name` or `manifests`, or `container-name` with `target: docker`",
            )
            .help("name what is live"));
        }
    };
    let Some(found) = found else {
        return Err(Failure::new(
            Code::ImageMissing,
            "failed to find the live image: nothing that serves is there",
        )
        .help("deploy first, or correct the name; `ml-deploy status` says what is live"));
    };
    match &found.images[..] {
        [image] => Ok(image.clone()),
        images => Err(Failure::new(
            Code::InputMissing,
            format!(
                "{} runs several images: {}",
                found.object,
                images.join(", ")
            ),
        )
        .help("set `image` to the repository of the one that is meant")),
    }
}

/// Pulls the image through the engine.
async fn pulled(plan: &Plan, ctx: &Context, engine: &Engine, name: &str) -> Outcome<ImageInfo> {
    let reference: Reference = name.parse().map_err(|why| {
        Failure::new(
            Code::ImageMissing,
            format!("failed to find the image `{name}`: the engine has none, and as a reference it {why}"),
        )
    })?;
    let login = credentials(reference.host(), login(plan)).await?;
    if let Some(login) = &login {
        ctx.events.mask(&login.secret).await;
    }
    ctx.events.note(format!("pulling {reference}")).await;
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => {
            return Err(Failure::new(Code::Interrupted, format!("the pull of `{reference}` was stopped")));
        }
        pulled = engine.pull(&reference, login.as_ref()) => pulled.fail(Code::ImageMissing)?,
    }
    // With a tag beside the digest the engine knows it by the digest alone.
    let known = match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.repository()),
        None => reference.to_string(),
    };
    let found = engine
        .inspect_image(&known)
        .await
        .fail(Code::ImageMissing)?;
    found.ok_or_else(|| {
        Failure::new(
            Code::ImageMissing,
            format!("failed to find the image `{known}` after it was pulled"),
        )
    })
}

fn login(plan: &Plan) -> Option<&RegistryLogin> {
    plan.push.as_ref().and_then(|push| push.login.as_ref())
}

/// What trained, and where that is known from.
async fn trained(
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
pub(crate) fn is_run(text: &str) -> bool {
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
    let found = registry::attached(image, login(plan), FREEZE_TYPE).await;
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

/// Where the image's own labels say that this is not what trained its model.
fn doubts(image: &ImageInfo, trained: &Freeze) -> Vec<String> {
    let named = [
        (
            label::ENVIRONMENT,
            &trained.environment_sha256,
            "environment",
        ),
        (label::MODEL, &trained.model_sha256, "model"),
    ];
    let other = named.into_iter().filter_map(|(label, hash, what)| {
        let said = image.labels.get(label)?;
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        (said != hash).then(|| {
            format!(
                "the image was built from another training: its label `{label}` is {}, and this {what} is {}",
                short(said),
                short(hash)
            )
        })
    });
    other.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_name_another_training_are_said() {
        let image = |model: &str| {
            let labels = [(label::MODEL.to_owned(), model.to_owned())];
            ImageInfo {
                labels: labels.into(),
                ..ImageInfo::default()
            }
        };
        let trained = Freeze {
            model_sha256: "ab".repeat(32),
            ..Freeze::default()
        };
        assert!(doubts(&image(&trained.model_sha256), &trained).is_empty());
        assert!(doubts(&ImageInfo::default(), &trained).is_empty());
        let said = doubts(&image("cd"), &trained);
        assert!(
            said[0].contains("is cd, and this model is abababababab"),
            "{said:?}"
        );
    }

    #[test]
    fn a_run_is_told_from_a_file() {
        assert!(is_run("0123456789abcdef0123456789abcdef"));
        assert!(!is_run("training.json") && !is_run("0123"));
    }
}
