//! The build: request, progress, and a failure that names the Dockerfile's line.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::context::Archive;
use super::progress::Progress;
use super::secrets::offered;
use super::source::Source;
use crate::artifact::{Freeze, Image, Model, label};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{BuildRequest, Engine};
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::plan::{BuildSpec, PushSpec};
use crate::registry::{Credentials, Reference, credentials};

/// Builds the image with every tag of the specification. `golden` is the hash of the recorded predictions.
///
/// # Errors
/// `DockerfileMissing`, `DockerfileInvalid`, `BuildFailed` at the failing instruction, `DiskFull`, `Interrupted`.
pub(crate) async fn build(
    ctx: &Context,
    engine: &Engine,
    spec: &BuildSpec,
    model: Option<&Model>,
    golden: Option<&str>,
) -> Outcome<Image> {
    let source = Source::read(&ctx.workspace, spec)?;
    let (archive, name) = source.archive(&ctx.workspace, spec)?;
    let tags = spec
        .tags
        .iter()
        .map(|tag| spec.repository.with_tag(tag).to_string())
        .collect();
    let job = Job {
        archive,
        name,
        tags,
        target: spec.target.clone(),
        labels: labels(spec, model, golden),
    };
    let id = run(ctx, engine, spec, &source, job).await?;
    let image = image(engine, &id, &spec.repository, &spec.tags)
        .await?
        .ok_or_else(|| {
            Failure::new(
                Code::BuildFailed,
                format!("failed to find the image `{id}` after its build"),
            )
        })?;
    ctx.events.produced(image.clone()).await;
    Ok(image)
}

/// The image that an earlier run left in the engine under the first tag.
///
/// # Errors
/// `ImageMissing` when there is none.
pub(crate) async fn existing(engine: &Engine, spec: &PushSpec) -> Outcome<Image> {
    let first = spec.tags.first().map_or("latest", String::as_str);
    let reference = spec.repository.with_tag(first).to_string();
    image(engine, &reference, &spec.repository, &spec.tags)
        .await?
        .ok_or_else(|| {
            Failure::new(
                Code::ImageMissing,
                format!("failed to find the image `{reference}` in the engine"),
            )
        })
}

async fn image(
    engine: &Engine,
    name: &str,
    repository: &Reference,
    tags: &[String],
) -> Outcome<Option<Image>> {
    let found = engine.inspect_image(name).await.fail(Code::ImageMissing)?;
    Ok(found.map(|found| Image {
        id: found.id,
        repository: repository.repository(),
        tags: tags.to_vec(),
        bytes: found.bytes,
    }))
}

/// The labels that link an image to what it was made from. The user's own win.
fn labels(
    spec: &BuildSpec,
    model: Option<&Model>,
    golden: Option<&str>,
) -> BTreeMap<String, String> {
    let run = model.and_then(|model| model.run.as_ref());
    let freeze = model.and_then(Freeze::of);
    let created = spec.created.unwrap_or_else(Timestamp::now);
    let known = [
        (label::SOURCE, spec.source.clone()),
        (label::COMMIT, spec.commit.clone()),
        (
            label::CREATED,
            Some(created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ),
        (label::RUN_ID, run.map(|run| run.id.clone())),
        (label::MODEL, model.map(|model| model.sha256.clone())),
        (
            label::ENVIRONMENT,
            freeze.map(|freeze| freeze.environment_sha256),
        ),
        (label::GOLDEN, golden.map(str::to_owned)),
    ];
    let mut labels: BTreeMap<_, _> = known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    labels.extend(spec.labels.clone());
    labels
}

/// What is asked of the engine besides what the specification says.
pub(super) struct Job {
    pub(super) archive: Archive,
    /// Of the Dockerfile in the archive.
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) target: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
}

/// Runs a build and returns the image's id. Dropping it, or a cancel, stops the engine.
pub(super) async fn run(
    ctx: &Context,
    engine: &Engine,
    spec: &BuildSpec,
    source: &Source,
    job: Job,
) -> Outcome<String> {
    let logins = logins(ctx, spec, source).await;
    let (chunks, reading) = job.archive.stream();
    let request = BuildRequest {
        dockerfile: job.name,
        target: job.target,
        platform: spec.platform.clone(),
        args: spec.args.clone(),
        labels: job.labels,
        tags: job.tags,
        cache_from: spec.cache_from.clone(),
        secrets: offered(ctx, spec).await,
        logins,
        context: chunks,
    };
    let mut progress = Progress::default();
    let work = async {
        let mut build = engine.build(request).await?;
        while let Some(update) = build.next().await? {
            progress.tell(ctx, update).await;
        }
        Ok::<(), anyhow::Error>(())
    };
    let result = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => {
            return Err(Failure::new(Code::Interrupted, "the build was stopped; no image was tagged"));
        }
        result = work => result,
    };
    if let Err(error) = result {
        // An unreadable file breaks the request off; its own story is the better one.
        if let Ok(Err(unread)) = reading.await
            && !chain(&unread).contains("does not listen")
        {
            return Err(Failure::new(
                Code::BuildFailed,
                format!("failed to send the build context: {}", chain(&unread)),
            )
            .help("make the file readable, or name it in .dockerignore"));
        }
        return Err(progress.failure(ctx, source, &error));
    }
    progress.built.ok_or_else(|| {
        Failure::new(
            Code::BuildFailed,
            "failed to build the image: the engine named none",
        )
    })
}

/// Logins for the registries of the base images: the inputs' for the registry that we push to, Docker's own for the others.
/// What cannot be found is no error: most bases are public.
async fn logins(ctx: &Context, spec: &BuildSpec, source: &Source) -> BTreeMap<String, Credentials> {
    let mut found = BTreeMap::new();
    let bases = source.file.stages().into_iter().map(|stage| stage.base);
    let syntax = source.file.syntax.iter().map(|(_, image)| image.clone());
    for base in bases.chain(syntax) {
        let Ok(reference) = base.parse::<Reference>() else {
            continue;
        };
        let host = reference.host().to_owned();
        if found.contains_key(&host) {
            continue;
        }
        match credentials(&host, spec.login.as_ref()).await {
            Ok(Some(login)) => {
                ctx.events.mask(&login.secret).await;
                found.insert(host, login);
            }
            Ok(None) => {}
            Err(failure) => {
                for finding in failure.findings() {
                    ctx.events
                        .note(format!(
                            "no login for base images of `{host}`: {}",
                            finding.message
                        ))
                        .await;
                }
            }
        }
    }
    found
}
