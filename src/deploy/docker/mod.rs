//! The local engine as a target: the new container is tried beside the old one, and takes its name and ports only after
//! it has answered. Whatever goes wrong, the old one ends up running under its own name again.

mod settle;
mod start;
mod swap;

use std::collections::BTreeMap;

use tokio::time::Instant;

pub(crate) use self::settle::{finish, undo};
use self::swap::{swap, tidy, try_out};

use crate::artifact::{Deployment, Image, Live, Pushed, Served, ServedPod, label};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{ContainerSpec, Engine, Silent};
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::{DockerSpec, PublishedPort};
use crate::registry::{self, Reference};

/// The port that a container answers on when neither input nor image says.
const PORT: u16 = 8080;

/// Replaces the container of this name.
///
/// # Errors
/// `ContainerFailed` with its last log lines when the new one does not answer; the old one runs again then. When it could not
/// be put back, that comes first.
pub(crate) async fn run(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    image: Option<&Image>,
    pushed: Option<&Pushed>,
    run_id: Option<&str>,
) -> Outcome<Deployment> {
    let (local, shown) = local_image(ctx, engine, spec, image, pushed).await?;
    let container = container(engine, spec, &local, pushed, run_id).await?;
    let names = Names::of(&spec.name);
    refuse_foreign(engine, &names).await?;
    tidy(ctx, engine, spec, &names)
        .await
        .fail(Code::ContainerFailed)?;
    let deadline = Instant::now() + spec.deadline;
    try_out(ctx, engine, spec, &names, &container, deadline).await?;
    let endpoint = swap(ctx, engine, spec, &names, &container, deadline).await?;
    let deployment = Deployment {
        target: "docker".to_owned(),
        objects: vec![spec.name.clone()],
        endpoint: Some(endpoint),
        image: Some(shown),
        ..Deployment::default()
    };
    ctx.events.produced(deployment.clone()).await;
    Ok(deployment)
}

/// What serves under the name of the specification; `None` when nothing of ours does.
///
/// # Errors
/// An engine that does not answer.
pub(crate) async fn serving(engine: &Engine, spec: &DockerSpec) -> anyhow::Result<Option<Live>> {
    let found = engine.inspect_container(&spec.name).await?;
    let ours = found.filter(|found| found.running && found.labels.contains_key("ml-deploy"));
    let Some(found) = ours else { return Ok(None) };
    let image = engine.inspect_image(&found.image_id).await?;
    let image = image.unwrap_or_default();
    let label = |labels: &BTreeMap<String, String>| labels.get(label::RUN_ID).cloned();
    Ok(Some(Live {
        object: format!("container {}", spec.name),
        // A job that only deploys may not have known it; the image does.
        run_id: label(&found.labels).or_else(|| label(&image.labels)),
        images: vec![
            found
                .labels
                .get("ml-deploy.image")
                .cloned()
                .unwrap_or(found.image_id),
        ],
    }))
}

/// The container of the specification, with what its labels say of where it came from; `None` when there is none of ours.
///
/// # Errors
/// An engine that does not answer.
pub(crate) async fn served(engine: &Engine, spec: &DockerSpec) -> anyhow::Result<Option<Served>> {
    let found = engine.inspect_container(&spec.name).await?;
    let Some(found) = found.filter(|found| found.labels.contains_key("ml-deploy")) else {
        return Ok(None);
    };
    let image = engine.inspect_image(&found.image_id).await?;
    let label = |key: &str| found.labels.get(key).cloned();
    Ok(Some(Served {
        object: format!("container {}", spec.name),
        place: "the engine".to_owned(),
        commit: label("ml-deploy.commit"),
        run_id: label(label::RUN_ID),
        digest: label("ml-deploy.digest"),
        pods: vec![ServedPod {
            name: spec.name.clone(),
            ready: found.running,
            images: image.unwrap_or_default().digests,
        }],
    }))
}

/// The three names a container has on its way.
struct Names {
    now: String,
    next: String,
    previous: String,
}

impl Names {
    fn of(name: &str) -> Self {
        Self {
            now: name.to_owned(),
            next: format!("{name}-next"),
            previous: format!("{name}-previous"),
        }
    }
}

/// What the engine starts, and how reports call it. An image that was just built is there; any other is pulled by digest.
async fn local_image(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    image: Option<&Image>,
    pushed: Option<&Pushed>,
) -> Outcome<(String, String)> {
    let Some(pushed) = pushed else {
        let Some(image) = image else {
            return Err(
                Failure::new(Code::ImageMissing, "failed to deploy: no image is known")
                    .help("build it in this run, or give `image-ref`"),
            );
        };
        return Ok((image.id.clone(), image.id.clone()));
    };
    let shown = pushed.reference();
    let pinned = format!("{}@{}", pushed.repository, pushed.digest);
    let here = engine
        .inspect_image(&pinned)
        .await
        .fail(Code::ImageMissing)?
        .is_some();
    if let Some(image) = image.filter(|_| !here) {
        return Ok((image.id.clone(), shown));
    }
    if !here {
        let reference: Reference = pinned.parse().map_err(|why| {
            Failure::new(
                Code::ImageMissing,
                format!("failed to pull `{pinned}`: it {why}"),
            )
        })?;
        ctx.events.note(format!("pulling {pinned}")).await;
        let login = registry::credentials(reference.host(), spec.login.as_ref()).await?;
        if let Some(login) = &login {
            ctx.events.mask(&login.secret).await;
        }
        // Nothing is changed yet, and the engine keeps the layers that arrived.
        tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => {
                return Err(Failure::new(Code::Interrupted, format!("the pull of `{pinned}` was stopped")));
            }
            pulled = engine.pull(&reference, login.as_ref()) => pulled.map_err(|error| not_pulled(&error))?,
        }
    }
    Ok((pinned, shown))
}

fn not_pulled(error: &anyhow::Error) -> Failure {
    let failure = Failure::new(Code::ImageMissing, chain(error));
    if error.is::<Silent>() {
        failure.help(Silent::HELP)
    } else {
        failure
    }
}

async fn container(
    engine: &Engine,
    spec: &DockerSpec,
    image: &str,
    pushed: Option<&Pushed>,
    run_id: Option<&str>,
) -> Outcome<ContainerSpec> {
    let info = engine
        .inspect_image(image)
        .await
        .fail(Code::ImageMissing)?
        .unwrap_or_default();
    let port = spec
        .port
        .or_else(|| info.ports.first().copied())
        .unwrap_or(PORT);
    let labels = [
        ("ml-deploy", Some("1".to_owned())),
        ("ml-deploy.name", Some(spec.name.clone())),
        ("ml-deploy.commit", spec.commit.clone()),
        ("ml-deploy.image", pushed.map(Pushed::reference)),
        (
            "ml-deploy.digest",
            pushed.map(|pushed| pushed.digest.clone()),
        ),
        (label::RUN_ID, run_id.map(str::to_owned)),
    ];
    let labels: BTreeMap<_, _> = labels
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    let ports = if spec.ports.is_empty() {
        vec![PublishedPort {
            address: "127.0.0.1".to_owned(),
            host: port,
            container: port,
        }]
    } else {
        spec.ports.clone()
    };
    Ok(ContainerSpec {
        name: spec.name.clone(),
        image: image.to_owned(),
        labels,
        env: spec.environment.clone(),
        ports,
        restart: true,
        ..ContainerSpec::default()
    })
}

/// A container of this name that somebody else made is not ours to replace.
async fn refuse_foreign(engine: &Engine, names: &Names) -> Outcome<()> {
    for name in [&names.now, &names.next, &names.previous] {
        let found = engine
            .inspect_container(name)
            .await
            .fail(Code::ContainerFailed)?;
        if found.is_some_and(|found| !found.labels.contains_key("ml-deploy")) {
            let message = format!(
                "container `{name}` exists and was not made by ml-deploy, so it is left alone"
            );
            return Err(Failure::new(Code::ContainerFailed, message)
                .help("choose another `container-name`, or remove that container"));
        }
    }
    Ok(())
}
