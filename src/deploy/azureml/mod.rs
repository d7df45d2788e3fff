//! Azure Machine Learning as a target, readable top to bottom: the new version becomes a second deployment of the endpoint
//! without traffic, is verified there through a header of its own, and only then takes the traffic over.

mod before;
mod body;
#[cfg(test)]
mod examples;
mod finish;
mod image;
mod place;
mod preflight;
mod provision;
mod remove;
mod rollback;
mod status;
mod traffic;
mod undo;
mod words;
mod work;

pub(crate) use self::finish::finish;
pub(crate) use self::image::built;
pub(crate) use self::preflight::preflight;
pub(crate) use self::rollback::rollback;
pub(crate) use self::status::{served, serving, status};
pub(crate) use self::undo::undo;

use self::before::Before;
use self::work::Work;
use crate::artifact::{Deployment, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// A deployment that is ready beside what serves; verification decides whether it takes over.
#[derive(Debug)]
pub(crate) struct Rollout {
    before: Before,
    /// The deployment that is to serve.
    name: String,
    how: How,
    deployment: Deployment,
}

/// What to do when no name is free.
const NO_PLACE: &str =
    "remove one of these deployments, or wait until Azure has ended what it does";

/// Where the deployment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// This run has made it.
    Made,
    /// It was kept when it was replaced.
    Kept,
    /// It serves already, and nothing was changed.
    Serves,
}

impl Rollout {
    /// What it becomes when it is verified.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What verification is to look at first: the new deployment alone, which has no traffic yet.
    pub(crate) fn judged(&self) -> Deployment {
        Deployment {
            direct: self.how != How::Serves,
            ..self.deployment.clone()
        }
    }
}

/// Makes the new version beside the one that serves, and waits until it is ready. One that fails is undone here.
///
/// # Errors
/// What Azure refuses, a deployment that does not become ready with the end of its log, the deadline, or a cancel, which
/// undoes nothing and says what is left.
pub(crate) async fn run(
    ctx: &Context,
    spec: &AzureMlSpec,
    image: Option<&Pushed>,
    run_id: Option<&str>,
) -> Outcome<Rollout> {
    let Some(image) = image else {
        return Err(
            Failure::new(Code::ImageMissing, "failed to deploy: no image is known")
                .help("push it in this run, or give `image-ref`"),
        );
    };
    let work = Work::new(ctx, spec);
    let workspace = work.stoppable(work.ml.workspace()).await?;
    let before = before::settled(&work).await?;
    let settings = body::settings(spec, image);
    if let Some(name) = before.already(&image.digest, &settings) {
        ctx.events
            .note(format!(
                "endpoint `{}` serves this image with these settings already, as deployment `{name}`: nothing is changed",
                spec.endpoint
            ))
            .await;
        let rollout = rollout(spec, before, name, How::Serves, image.reference());
        return Ok(rollout);
    }
    let place = before.place().map_err(|none| {
        let message = format!("failed to deploy: {}", none.why);
        Failure::new(Code::EndpointFailed, message).help(NO_PLACE)
    })?;
    provision::make_room(&work, &workspace, &before, &place).await?;
    let rollout = rollout(spec, before, place.name, How::Made, image.reference());
    let marks = body::tags(spec, image, run_id, &settings);
    let made = provision::deployment(&work, &workspace, &rollout.name, image, &marks).await;
    match made {
        Ok(()) => Ok(rollout),
        Err(failure) => Err(undo(ctx, spec, &rollout, failure).await),
    }
}

fn rollout(spec: &AzureMlSpec, before: Before, name: String, how: How, image: String) -> Rollout {
    let deployment = describe(spec, &name, before.endpoint(), Some(image));
    Rollout {
        before,
        name,
        how,
        deployment,
    }
}

/// A deployment of the endpoint as reports show it.
fn describe(
    spec: &AzureMlSpec,
    name: &str,
    address: Option<String>,
    image: Option<String>,
) -> Deployment {
    Deployment {
        target: "azureml".to_owned(),
        objects: vec![
            format!("OnlineEndpoint/{}", spec.endpoint),
            format!("OnlineDeployment/{name}"),
        ],
        endpoint: address,
        image,
        ..Deployment::default()
    }
}
