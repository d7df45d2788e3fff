//! The local engine as a target: the new container is tried beside the old one, and takes its name and ports only after
//! it has answered. Whatever goes wrong, the old one ends up running under its own name again.

mod start;

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::artifact::{Deployment, Image, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{ContainerSpec, Engine};
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::{DockerSpec, PublishedPort};
use crate::registry::{self, Reference};

use start::{answers, start};

/// Seconds that a container gets to stop by itself.
const STOP: u16 = 3;

/// The port that a container answers on when neither input nor image says.
const PORT: u16 = 8080;

/// Replaces the container of this name.
///
/// # Errors
/// `ContainerFailed` with its last log lines when the new one does not answer; the old one runs again then.
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
        engine
            .pull(&reference, login.as_ref())
            .await
            .fail(Code::ImageMissing)?;
    }
    Ok((pinned, shown))
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
        (
            "ml-deploy.digest",
            pushed.map(|pushed| pushed.digest.clone()),
        ),
        ("ml-deploy.run-id", run_id.map(str::to_owned)),
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

/// Undoes what an interrupted run may have left.
async fn tidy(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
) -> anyhow::Result<()> {
    engine.remove_container(&names.next).await?;
    if engine.inspect_container(&names.previous).await?.is_none() {
        return Ok(());
    }
    // Stopped in the middle: the new one stays only when it serves.
    if answers(engine, spec, &names.now).await? {
        return engine.remove_container(&names.previous).await;
    }
    ctx.events
        .note(format!(
            "an earlier run was interrupted; `{}` is put back",
            names.now
        ))
        .await;
    restore(engine, names).await
}

/// Starts the image beside the old container, on a port that the engine chooses, until it has answered.
async fn try_out(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
    container: &ContainerSpec,
    deadline: Instant,
) -> Outcome<()> {
    // Without an old container there is nothing to protect.
    if engine
        .inspect_container(&names.now)
        .await
        .fail(Code::ContainerFailed)?
        .is_none()
    {
        return Ok(());
    }
    let mut trial = container.clone();
    trial.name.clone_from(&names.next);
    trial.restart = false;
    trial.ports.truncate(1);
    for port in &mut trial.ports {
        "127.0.0.1".clone_into(&mut port.address);
        port.host = 0;
    }
    let tried = start(ctx, engine, spec, &trial, deadline).await;
    let removed = engine.remove_container(&names.next).await;
    tried?;
    ctx.events
        .note("the new container answers beside the old one; it takes its place now")
        .await;
    removed.fail(Code::ContainerFailed)
}

/// The old container steps aside, the new one takes its ports, and only when it answers the old one goes.
async fn swap(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
    container: &ContainerSpec,
    deadline: Instant,
) -> Outcome<String> {
    let replaced = engine
        .inspect_container(&names.now)
        .await
        .fail(Code::ContainerFailed)?
        .is_some();
    let work = async {
        if replaced {
            engine
                .rename_container(&names.now, &names.previous)
                .await
                .fail(Code::ContainerFailed)?;
            engine
                .stop_container(&names.previous, STOP)
                .await
                .fail(Code::ContainerFailed)?;
        }
        start(ctx, engine, spec, container, deadline).await
    };
    match work.await {
        Ok(endpoint) => {
            engine
                .remove_container(&names.previous)
                .await
                .fail(Code::ContainerFailed)?;
            Ok(endpoint)
        }
        Err(failure) if replaced => match restore(engine, names).await {
            Ok(()) => {
                ctx.events
                    .note(format!("`{}` runs the previous image again", names.now))
                    .await;
                Err(failure)
            }
            Err(error) => {
                let left = format!(
                    "the previous container could not be put back: {}",
                    chain(&error)
                );
                let help = format!(
                    "remove `{}`, rename `{}` to it, and start it",
                    names.now, names.previous
                );
                Err(failure.evidence([left]).help(help))
            }
        },
        Err(failure) => {
            // Nothing was there before, and a container that crashes for ever is of no use to anybody.
            drop(engine.remove_container(&names.now).await);
            Err(failure)
        }
    }
}

/// Puts the previous container back under its name and starts it.
async fn restore(engine: &Engine, names: &Names) -> anyhow::Result<()> {
    if engine.inspect_container(&names.previous).await?.is_none() {
        // It never stepped aside.
        return Ok(());
    }
    engine.remove_container(&names.now).await?;
    engine.rename_container(&names.previous, &names.now).await?;
    engine.start_container(&names.now).await
}
