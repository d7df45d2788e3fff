//! The build: request, progress, and a failure that names the Dockerfile's line.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;

use super::context::Archive;
use super::secrets::offered;
use super::source::Source;
use crate::artifact::{Image, Model};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{BuildRequest, BuildUpdate, Engine, EngineError};
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::plan::{BuildSpec, PushSpec};
use crate::registry::{Credentials, Reference, credentials};

/// Lines of output kept as evidence for each step.
const TAIL: usize = 20;

/// Builds the image with every tag of the specification.
///
/// # Errors
/// `DockerfileMissing`, `DockerfileInvalid`, `BuildFailed` at the failing instruction, `DiskFull`, `Interrupted`.
pub(crate) async fn build(
    ctx: &Context,
    engine: &Engine,
    spec: &BuildSpec,
    model: Option<&Model>,
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
        labels: labels(spec, model),
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
fn labels(spec: &BuildSpec, model: Option<&Model>) -> BTreeMap<String, String> {
    let run = model.and_then(|model| model.run.as_ref());
    let known = [
        ("org.opencontainers.image.source", spec.source.clone()),
        ("org.opencontainers.image.revision", spec.commit.clone()),
        (
            "org.opencontainers.image.created",
            Some(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ),
        ("ml-deploy.run-id", run.map(|run| run.id.clone())),
        (
            "ml-deploy.model-sha256",
            model.map(|model| model.sha256.clone()),
        ),
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
    let logins = logins(ctx, source).await;
    let (chunks, reading) = job.archive.stream();
    let request = BuildRequest {
        dockerfile: job.name,
        target: job.target,
        platform: spec.platform.clone(),
        args: spec.args.clone(),
        labels: job.labels,
        tags: job.tags,
        cache_from: spec.cache_from.clone(),
        secrets: offered(spec).await,
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

/// Logins for the registries of the base images. What cannot be found is no error: most bases are public.
async fn logins(ctx: &Context, source: &Source) -> BTreeMap<String, Credentials> {
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
        match credentials(&host, None).await {
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

/// What a build has said so far.
#[derive(Default)]
struct Progress {
    tails: HashMap<String, VecDeque<String>>,
    failed: Option<(String, String)>,
    built: Option<String>,
}

impl Progress {
    async fn tell(&mut self, ctx: &Context, update: BuildUpdate) {
        match update {
            // Steps are user text as well: they carry whatever stands in the Dockerfile.
            BuildUpdate::Started(step) if is_shown(&step) => {
                ctx.events.output(format!("{}\n", one_line(&step))).await
            }
            BuildUpdate::Started(_) => {}
            BuildUpdate::Output { step, lines } => {
                let tail = self.tails.entry(step).or_default();
                for line in lines.lines() {
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line.to_owned());
                }
                ctx.events.output(lines).await;
            }
            BuildUpdate::Finished { step, took, cached } => {
                let place = step.split_once(']').map_or(step.as_str(), |(head, _)| head);
                if is_shown(&step) && cached {
                    ctx.events.output(format!("{place}] CACHED\n")).await;
                } else if is_shown(&step) && took.as_millis() >= 100 {
                    ctx.events
                        .output(format!("{place}] done in {:.1} s\n", took.as_secs_f64()))
                        .await;
                }
            }
            BuildUpdate::Failed { step, error } => {
                // When one step fails the others are cancelled, and say so after it.
                if self.failed.is_none() && !error.contains("context canceled") {
                    self.failed = Some((step, error));
                }
            }
            BuildUpdate::Warned(text) => {
                ctx.events
                    .output(format!("warning: {}\n", one_line(&text)))
                    .await
            }
            BuildUpdate::Built(id) => self.built = Some(id),
        }
    }

    fn failure(mut self, ctx: &Context, source: &Source, error: &anyhow::Error) -> Failure {
        let whole = match error.downcast_ref::<EngineError>() {
            Some(error) => error.message.clone(),
            None => {
                return Failure::new(
                    Code::BuildFailed,
                    format!("failed to build the image: {}", chain(error)),
                );
            }
        };
        let (step, why) = self
            .failed
            .take()
            .unwrap_or_else(|| (String::new(), whole.clone()));
        let tail: Vec<String> = self.tails.remove(&step).unwrap_or_default().into();
        let full = |text: &str| text.contains("no space left on device");
        if full(&why) || full(&whole) || tail.iter().any(|line| full(line)) {
            return Failure::new(
                Code::DiskFull,
                format!(
                    "failed to build the image: no space left on device in `{}`",
                    short(&step)
                ),
            )
            .evidence(tail);
        }
        if let Some(line) = parse_error_line(&whole) {
            return Failure::new(
                Code::DockerfileInvalid,
                format!("failed to parse the Dockerfile: {}", one_line(&whole)),
            )
            .at(source.at(&ctx.workspace, line));
        }
        if let Some(image) = step.strip_prefix("resolve image config for ") {
            let line = source.file.syntax.as_ref().map_or(0, |(line, _)| *line);
            return Failure::new(
                Code::BuildFailed,
                format!(
                    "failed to get the Dockerfile frontend `{image}`: {}",
                    one_line(&why)
                ),
            )
            .at(source.at(&ctx.workspace, line))
            .help(
                "remove the `# syntax=` line: the engine's own frontend builds without pulling one",
            );
        }
        if let Some(image) = step.strip_prefix("[internal] load metadata for ") {
            let stages = source.file.stages();
            let same = |base: &str| {
                base.parse::<Reference>()
                    .is_ok_and(|base| canonical(&base) == canonical_text(image))
            };
            let line = stages
                .iter()
                .find(|stage| same(&stage.base))
                .map_or(0, |stage| stage.line);
            return Failure::new(Code::BuildFailed, format!("failed to get the base image `{image}`: {}", one_line(&why)))
                .at(source.at(&ctx.workspace, line))
                .help("check its name, and log in to its registry (docker/login-action, or DOCKER_CONFIG) when it is private");
        }
        let line = source.file.line_of(&step).unwrap_or_default();
        let message = if step.is_empty() {
            format!("failed to build the image: {}", one_line(&why))
        } else {
            format!(
                "failed to build the image: `{}`: {}",
                short(&step),
                reason(&why)
            )
        };
        Failure::new(Code::BuildFailed, message)
            .at(source.at(&ctx.workspace, line))
            .evidence(tail)
    }
}

/// Steps of the engine's own are not worth a line unless they fail.
fn is_shown(step: &str) -> bool {
    step.starts_with('[') && !step.starts_with("[internal]") && !step.starts_with("[auth]")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A step without its place, at most 120 characters.
fn short(step: &str) -> String {
    let text = one_line(step.split_once("] ").map_or(step, |(_, text)| text));
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The engine's words without what repeats the step.
fn reason(why: &str) -> String {
    // gRPC's own wrapping says nothing to the person who wrote the Dockerfile.
    let why = why.rsplit_once(" desc = ").map_or(why, |(_, why)| why);
    match why.rsplit_once("exit code: ") {
        Some((_, code)) => format!("exit code {}", one_line(code)),
        None => one_line(why),
    }
}

/// The line in `dockerfile parse error line 3: unknown instruction: RNU` and `dockerfile parse error on line 3`.
fn parse_error_line(text: &str) -> Option<u32> {
    let (_, rest) = text
        .to_lowercase()
        .split_once("parse error")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let (_, rest) = rest.split_once("line ")?;
    rest.chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()
}

fn canonical(reference: &Reference) -> String {
    let tag = if reference.tag().is_none() && reference.digest().is_none() {
        "latest"
    } else {
        reference.tag().unwrap_or_default()
    };
    format!("{}/{}:{tag}", reference.host(), reference.path())
}

fn canonical_text(image: &str) -> String {
    image
        .parse()
        .map(|reference: Reference| canonical(&reference))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_are_shortened() {
        assert_eq!(
            reason("executor failed running [/bin/sh -c false]: exit code: 3"),
            "exit code 3"
        );
        assert_eq!(
            reason("\"/x\" not found: not found"),
            "\"/x\" not found: not found"
        );
        assert_eq!(
            parse_error_line("dockerfile parse error line 7: unknown instruction: X"),
            Some(7)
        );
        assert_eq!(parse_error_line("something else line 3"), None);
        assert_eq!(
            canonical_text("docker.io/library/python:3.11"),
            canonical(&"python:3.11".parse().unwrap())
        );
    }
}
