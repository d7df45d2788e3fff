//! Who is asked: the published port of a container, or a Service through the API server; and which image it runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::Checked;
use crate::artifact::{Check, Deployment, Pushed};
use crate::cluster::{Backend, Cluster, Request, Serving, http, name_of, serving, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::{DeploySpec, DockerSpec, VerifySpec};
use crate::registry::Reference;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Something that answers requests.
pub(super) enum Service {
    Address {
        base: String,
        client: reqwest::Client,
    },
    /// Several backends are pods that are asked by turns.
    Cluster {
        cluster: Box<Cluster>,
        backends: Vec<Backend>,
        asked: AtomicUsize,
    },
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address { base, .. } => f.write_str(base),
            Self::Cluster { backends, .. } => {
                let names: Vec<String> = backends.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// An answer with any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Service {
    /// How many answer: so many requests reach each of them once.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Address { .. } => 1,
            Self::Cluster { backends, .. } => backends.len(),
        }
    }

    /// Sends a request with a JSON body; the error is one line.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, String> {
        match self {
            Self::Address { base, client } => {
                let url = format!("{base}{path}");
                let told = |error: reqwest::Error| {
                    format!(
                        "{url} does not answer: {}",
                        chain(&error.without_url().into())
                    )
                };
                let method = method.parse().unwrap_or(reqwest::Method::GET);
                let mut request = client.request(method, &url);
                if let Some(body) = body {
                    request = request
                        .header("content-type", "application/json")
                        .body(body.to_owned());
                }
                let response = request.send().await.map_err(told)?;
                let status = response.status().as_u16();
                let body = response.text().await.map_err(told)?;
                Ok(Answer { status, body })
            }
            Self::Cluster {
                cluster,
                backends,
                asked,
            } => {
                let turn = asked.fetch_add(1, Ordering::Relaxed);
                let backend = backends
                    .get(turn % backends.len().max(1))
                    .ok_or_else(|| "nothing is there to be asked".to_owned())?;
                let request = Request {
                    method,
                    path,
                    body,
                    timeout: TIMEOUT,
                };
                let answer = http(cluster, backend, request).await.map_err(|failure| {
                    failure
                        .findings()
                        .next()
                        .map(|finding| finding.message.clone())
                        .unwrap_or_default()
                })?;
                Ok(Answer {
                    status: answer.status,
                    body: answer.body,
                })
            }
        }
    }
}

/// Finds who is to be asked, and compares the image that runs with the one that was pushed.
pub(super) async fn open(
    spec: &VerifySpec,
    target: &DeploySpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Service, Option<Checked>)> {
    match target {
        DeploySpec::Docker(docker) => local(docker, engine, deployment, pushed).await,
        DeploySpec::Kubernetes(kubernetes) => {
            let Some(deployment) = deployment else {
                return Err(Failure::new(
                    Code::Internal,
                    "verify was not told which objects to look at",
                ));
            };
            let namespace = deployment
                .namespace
                .as_deref()
                .or(kubernetes.namespace.as_deref());
            let cluster = Cluster::connect(&kubernetes.cluster, namespace).await?;
            let (objects, direct) = (&deployment.objects, deployment.direct);
            let found = serving(&cluster, &cluster.namespace, objects, spec.port, direct).await?;
            let digest = pushed.map(|pushed| cluster_digest(&found, pushed));
            if found.backends.is_empty() {
                // Manifests without a server (a Job, a ConfigMap) have nothing to ask, and nothing was asked for.
                let message = format!(
                    "failed to find who answers in namespace `{}`: no pod of the deployment is ready",
                    cluster.namespace
                );
                return Err(Failure::new(Code::VerifyHealth, message).help(
                    "give the port in `port` when the container declares none, or look at the pods",
                ));
            }
            let service = Service::Cluster {
                cluster: Box::new(cluster),
                backends: found.backends,
                asked: AtomicUsize::new(0),
            };
            Ok((service, digest))
        }
    }
}

async fn local(
    spec: &DockerSpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Service, Option<Checked>)> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .fail(Code::Internal)?;
    let state = match engine {
        Some(engine) => engine
            .inspect_container(&spec.name)
            .await
            .fail(Code::VerifyHealth)?,
        None => None,
    };
    let mut places = state.map(|state| state.endpoints()).unwrap_or_default();
    places.extend(deployment.and_then(|deployment| deployment.endpoint.clone()));
    let base = reachable(&client, &places)
        .await
        .or_else(|| places.first().cloned());
    let base = base.ok_or_else(|| {
        Failure::new(
            Code::VerifyHealth,
            format!(
                "failed to find where container `{}` answers: no port is published",
                spec.name
            ),
        )
    })?;
    let digest = match (engine, pushed) {
        (Some(engine), Some(pushed)) => Some(local_digest(engine, &spec.name, pushed).await?),
        _ => None,
    };
    Ok((Service::Address { base, client }, digest))
}

/// The first place where anything answers at all; what it answers is judged later.
async fn reachable(client: &reqwest::Client, places: &[String]) -> Option<String> {
    for place in places {
        if client.get(place).send().await.is_ok() {
            return Some(place.clone());
        }
    }
    None
}

async fn local_digest(engine: &Engine, name: &str, pushed: &Pushed) -> Outcome<Checked> {
    let Some(state) = engine
        .inspect_container(name)
        .await
        .fail(Code::VerifyDigest)?
    else {
        return Ok(digest(
            vec![format!("container `{name}` is not there")],
            pushed,
            1,
        ));
    };
    let image = engine
        .inspect_image(&state.image_id)
        .await
        .fail(Code::VerifyDigest)?
        .unwrap_or_default();
    let same = image
        .digests
        .iter()
        .any(|digest| digest.ends_with(&pushed.digest));
    let wrong = (!same).then(|| format!("container `{name}` runs {}", image.digests.join(", ")));
    Ok(digest(wrong.into_iter().collect(), pushed, 1))
}

/// Compares every ready pod. A container whose reference is pinned to the digest runs it, even when the engine reports
/// the digest of one platform of the image.
fn cluster_digest(found: &Serving, pushed: &Pushed) -> Checked {
    let ours = pushed.repository.parse::<Reference>().ok();
    let is_ours = |image: &str| {
        let parsed = image.parse::<Reference>().ok();
        parsed
            .zip(ours.as_ref())
            .is_some_and(|(parsed, ours)| parsed.same_repository(ours))
    };
    let mut wrong = Vec::new();
    for pod in &found.pods {
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        let mut mine = containers
            .into_iter()
            .flatten()
            .filter(|container| is_ours(text(container, "/image")))
            .peekable();
        if mine.peek().is_none() {
            wrong.push(format!(
                "pod `{}` has no container of {}",
                name_of(pod),
                pushed.repository
            ));
        }
        for container in mine {
            let name = text(container, "/name");
            let statuses = pod
                .pointer("/status/containerStatuses")
                .and_then(Value::as_array);
            let running = statuses
                .into_iter()
                .flatten()
                .find(|status| text(status, "/name") == name);
            let id = running.map_or("", |status| text(status, "/imageID"));
            if !id.contains(&pushed.digest) && !text(container, "/image").contains(&pushed.digest) {
                wrong.push(format!(
                    "pod `{}` container `{name}` runs {id}",
                    name_of(pod)
                ));
            }
        }
    }
    digest(wrong, pushed, found.pods.len())
}

fn digest(wrong: Vec<String>, pushed: &Pushed, all: usize) -> Checked {
    let name = "digest".to_owned();
    if wrong.is_empty() {
        let detail = format!("{all} of {all} run {}", pushed.digest);
        return (
            Check {
                name,
                passed: true,
                detail,
            },
            None,
        );
    }
    let detail = format!(
        "{} of {all} do not run {}: {}",
        wrong.len(),
        pushed.digest,
        wrong[0]
    );
    let finding = Diagnostic::error(Code::VerifyDigest, detail.clone()).evidence(wrong);
    (
        Check {
            name,
            passed: false,
            detail,
        },
        Some(finding),
    )
}
