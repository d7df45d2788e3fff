//! A build by the engine's own BuildKit: the request, and its progress as plain updates. It knows no Dockerfile.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::moby::buildkit::v1::{StatusResponse, Vertex};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::Message as _;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::mpsc;

use super::connect::Engine;
use super::session::Session;
use super::silence::Heard;
use super::wire::{Message, Messages, quote};
use crate::registry::Credentials;

/// A build to be made.
pub(crate) struct BuildRequest {
    /// Path of the Dockerfile in the context.
    pub(crate) dockerfile: String,
    pub(crate) target: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// References with tag.
    pub(crate) tags: Vec<String>,
    pub(crate) cache_from: Vec<String>,
    pub(crate) secrets: BTreeMap<String, SecretString>,
    /// By registry host, for base images.
    pub(crate) logins: BTreeMap<String, Credentials>,
    /// The context as a tar archive.
    pub(crate) context: mpsc::Receiver<std::io::Result<Bytes>>,
}

/// What happens in a build. Names and texts are untrusted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BuildUpdate {
    /// A step begins: `[2/5] RUN pip install …`.
    Started(String),
    /// A step said this: whole lines, each ended by `\n`.
    Output { step: String, lines: String },
    /// A step ended.
    Finished {
        step: String,
        took: Duration,
        cached: bool,
    },
    /// A step failed.
    Failed { step: String, error: String },
    /// The linter of newer engines.
    Warned(String),
    /// The image is there: `sha256:…` of its configuration.
    Built(String),
}

/// A running build. Dropping it stops the engine.
pub(crate) struct Build {
    messages: Messages,
    steps: Steps,
    waiting: std::collections::VecDeque<BuildUpdate>,
    _session: Session,
}

impl Engine {
    /// Starts a build.
    pub(crate) async fn build(&self, request: BuildRequest) -> anyhow::Result<Build> {
        // The engine asks the session for a sign of life every few seconds, also while a step has nothing to say.
        let heard = Heard::now();
        let session = heard
            .wait(self.session(request.logins, request.secrets, heard.clone()))
            .await??;
        let mut path = format!(
            "/build?version=2&session={}&dockerfile={}",
            session.id,
            quote(&request.dockerfile)
        );
        let mut add = |name: &str, value: &str| {
            path.push('&');
            path.push_str(name);
            path.push('=');
            path.push_str(&quote(value));
        };
        for tag in &request.tags {
            add("t", tag);
        }
        if let Some(target) = &request.target {
            add("target", target);
        }
        if let Some(platform) = &request.platform {
            add("platform", platform);
        }
        if !request.args.is_empty() {
            add("buildargs", &serde_json::to_string(&request.args)?);
        }
        if !request.labels.is_empty() {
            add("labels", &serde_json::to_string(&request.labels)?);
        }
        if !request.cache_from.is_empty() {
            add("cachefrom", &serde_json::to_string(&request.cache_from)?);
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-tar"),
        );
        let chunks = futures_util::stream::unfold(request.context, async |mut chunks| {
            let chunk = chunks.recv().await?;
            Some((chunk.map(Frame::data), chunks))
        });
        let body = StreamBody::new(chunks).boxed_unsync();
        let messages = self
            .messages(&path, headers, body, heard)
            .await
            .context("failed to start the build")?;
        Ok(Build {
            messages,
            steps: Steps::default(),
            waiting: std::collections::VecDeque::new(),
            _session: session,
        })
    }
}

impl Build {
    /// The next update; `None` at the end. What makes the whole build fail is an `EngineError`.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<BuildUpdate>> {
        loop {
            if let Some(update) = self.waiting.pop_front() {
                return Ok(Some(update));
            }
            let Some(message) = self.messages.next().await? else {
                return Ok(None);
            };
            self.read(&message)?;
        }
    }

    fn read(&mut self, message: &Message) -> anyhow::Result<()> {
        match (message.id.as_deref(), &message.aux) {
            (Some("moby.buildkit.trace"), Some(Value::String(text))) => {
                let bytes = STANDARD
                    .decode(text)
                    .context("failed to read the build's progress")?;
                let status = StatusResponse::decode(bytes.as_slice())
                    .context("failed to read the build's progress")?;
                self.waiting.extend(self.steps.read(status));
            }
            (Some("moby.image.id"), Some(aux)) => {
                if let Some(id) = aux["ID"].as_str() {
                    self.waiting.push_back(BuildUpdate::Built(id.to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is known of the steps so far, by digest: the engine repeats each one with every change.
#[derive(Default)]
struct Steps(HashMap<String, Step>);

#[derive(Default)]
struct Step {
    name: String,
    started: bool,
    ended: bool,
    /// The last line, not ended yet.
    partial: Vec<u8>,
}

impl Steps {
    fn read(&mut self, status: StatusResponse) -> Vec<BuildUpdate> {
        let mut updates = Vec::new();
        for vertex in &status.vertexes {
            let step = self.0.entry(vertex.digest.clone()).or_default();
            step.name.clone_from(&vertex.name);
            if vertex.started.is_some() && !step.started {
                step.started = true;
                updates.push(BuildUpdate::Started(vertex.name.clone()));
            }
        }
        for log in status.logs {
            let step = self.0.entry(log.vertex).or_default();
            step.partial.extend_from_slice(&log.msg);
            if let Some(end) = step.partial.iter().rposition(|byte| *byte == b'\n') {
                let lines: Vec<u8> = step.partial.drain(..=end).collect();
                updates.push(BuildUpdate::Output {
                    step: step.name.clone(),
                    lines: String::from_utf8_lossy(&lines).into_owned(),
                });
            }
        }
        for warning in status.warnings {
            updates.push(BuildUpdate::Warned(
                String::from_utf8_lossy(&warning.short).into_owned(),
            ));
        }
        for vertex in &status.vertexes {
            let Some(step) = self.0.get_mut(&vertex.digest) else {
                continue;
            };
            if vertex.completed.is_none() || step.ended {
                continue;
            }
            step.ended = true;
            if !step.partial.is_empty() {
                let mut lines =
                    String::from_utf8_lossy(&std::mem::take(&mut step.partial)).into_owned();
                lines.push('\n');
                updates.push(BuildUpdate::Output {
                    step: step.name.clone(),
                    lines,
                });
            }
            updates.push(if vertex.error.is_empty() {
                BuildUpdate::Finished {
                    step: vertex.name.clone(),
                    took: took(vertex),
                    cached: vertex.cached,
                }
            } else {
                BuildUpdate::Failed {
                    step: vertex.name.clone(),
                    error: vertex.error.clone(),
                }
            });
        }
        updates
    }
}

fn took(vertex: &Vertex) -> Duration {
    let (Some(from), Some(to)) = (&vertex.started, &vertex.completed) else {
        return Duration::ZERO;
    };
    let nanoseconds =
        i128::from(to.seconds - from.seconds) * 1_000_000_000 + i128::from(to.nanos - from.nanos);
    Duration::from_nanos(nanoseconds.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bollard::moby::buildkit::v1::VertexLog;

    use super::*;

    #[test]
    fn repeated_steps_are_told_once_and_lines_are_whole() {
        let mut steps = Steps::default();
        let vertex = Vertex {
            digest: "d".to_owned(),
            name: "[1/1] RUN x".to_owned(),
            started: Some(Default::default()),
            ..Vertex::default()
        };
        let log = |msg: &str| VertexLog {
            vertex: "d".to_owned(),
            msg: msg.as_bytes().to_vec(),
            ..VertexLog::default()
        };
        let running = StatusResponse {
            vertexes: vec![vertex.clone()],
            logs: vec![log("a\nb")],
            ..StatusResponse::default()
        };
        let first = steps.read(running.clone());
        assert_eq!(first.len(), 2);
        assert!(matches!(&first[1], BuildUpdate::Output { lines, .. } if lines == "a\n"));
        let done = StatusResponse {
            vertexes: vec![Vertex {
                completed: Some(Default::default()),
                error: "exit code: 3".to_owned(),
                ..vertex
            }],
            ..StatusResponse::default()
        };
        let last = steps.read(done.clone());
        assert!(matches!(&last[0], BuildUpdate::Output { lines, .. } if lines == "b\n"));
        assert!(matches!(&last[1], BuildUpdate::Failed { .. }));
        assert!(steps.read(done).is_empty());
    }
}
