//! What a running build says, and what its failure means: the Dockerfile's line, the last lines of output, the next step.

use std::collections::{HashMap, VecDeque};

use super::source::Source;
use crate::code::Code;
use crate::context::Context;
use crate::engine::{BuildUpdate, EngineError, Silent};
use crate::failure::{Failure, chain};
use crate::registry::Reference;

/// Lines of output kept as evidence for each step.
const TAIL: usize = 20;

/// What a build has said so far.
#[derive(Default)]
pub(super) struct Progress {
    tails: HashMap<String, VecDeque<String>>,
    failed: Option<(String, String)>,
    /// The image, once it is there.
    pub(super) built: Option<String>,
}

impl Progress {
    /// Shows an update and remembers what a failure will need.
    pub(super) async fn tell(&mut self, ctx: &Context, update: BuildUpdate) {
        match update {
            // Steps are user text as well: they carry whatever stands in the Dockerfile.
            BuildUpdate::Started(step) if is_shown(&step) => {
                ctx.events.output(format!("{}\n", one_line(&step))).await;
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
                    .await;
            }
            BuildUpdate::Built(id) => self.built = Some(id),
        }
    }

    /// What the failed build means.
    pub(super) fn failure(
        mut self,
        ctx: &Context,
        source: &Source,
        error: &anyhow::Error,
    ) -> Failure {
        let whole = match error.downcast_ref::<EngineError>() {
            Some(error) => error.message.clone(),
            None => {
                let message = format!("failed to build the image: {}", chain(error));
                let failure = Failure::new(Code::BuildFailed, message);
                return if error.is::<Silent>() {
                    failure.help(Silent::HELP)
                } else {
                    failure
                };
            }
        };
        let (step, why) = self
            .failed
            .take()
            .unwrap_or_else(|| (String::new(), whole.clone()));
        let tail: Vec<String> = self.tails.remove(&step).unwrap_or_default().into();
        // The engine writes it small, programs within a RUN write it large.
        let full = |text: &str| text.contains("o space left on device");
        if full(&why) || full(&whole) || tail.iter().any(|line| full(line)) {
            return Failure::new(
                Code::DiskFull,
                format!(
                    "failed to build the image: no space left on device in `{}`",
                    short(&step)
                ),
            )
            .at(source.at(
                &ctx.workspace,
                source.file.line_of(&step).unwrap_or_default(),
            ))
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
            let unreached = ["dial tcp", "no such host", "timeout", "unreachable"];
            let help = if unreached.iter().any(|text| why.contains(text)) {
                "the engine does not reach the registry: check the registry's name, and the engine's network and proxy"
            } else {
                "check its name, and log in to its registry when it is private: docker/login-action or DOCKER_CONFIG; `registry-username` is for the registry of `image`"
            };
            return Failure::new(
                Code::BuildFailed,
                format!("failed to get the base image `{image}`: {}", one_line(&why)),
            )
            .at(source.at(&ctx.workspace, line))
            .help(help);
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
