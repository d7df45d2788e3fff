//! The subcommand `parity`: an image that this run did not build, or the one that is live, is compared with what trained its
//! model. What trained is found by what is attached to the image, by its labels, or is given.

mod subject;
mod trained;

use self::subject::subject;
use self::trained::trained;
use crate::artifact::{Freeze, label};
use crate::context::Context;
use crate::engine::{Engine, ImageInfo};
use crate::event::Stage;
use crate::failure::Outcome;
use crate::gate::parity;
use crate::plan::{ParityMode, ParitySpec, Plan};
use crate::stage::{Ended, stage};

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
        engine.tell(&plan.login.plain).await;
        let subject = subject(plan, ctx, &engine, asked).await?;
        let (trained, from) = trained(plan, ctx, asked, &subject).await?;
        ctx.events
            .note(format!("`{}` is compared with {from}", subject.name))
            .await;
        let spec = spec(&plan.parity);
        let doubts = doubts(&subject.info, &trained);
        let image = &subject.info.id;
        let (_, failure) = parity::against(ctx, &engine, &spec, &trained, image, doubts).await?;
        failure.map_or(Ok(()), Err)
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
}
