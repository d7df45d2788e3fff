//! Who is asked: the published port of a container, or a Service through the API server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Checked, running};
use crate::artifact::{Deployment, Pushed};
use crate::cluster::{Backend, Cluster, LONGEST_ANSWER, Request, each_pod, http, serving};
use crate::code::Code;
use crate::engine::Engine;
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::{DeploySpec, DockerSpec, VerifySpec};

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
                let mut response = request.send().await.map_err(told)?;
                let status = response.status().as_u16();
                let mut body = Vec::new();
                while let Some(chunk) = response.chunk().await.map_err(told)? {
                    body.extend_from_slice(&chunk);
                    if body.len() > LONGEST_ANSWER << 20 {
                        return Err(format!("{url} answers with more than {LONGEST_ANSWER} MiB"));
                    }
                }
                let body = String::from_utf8_lossy(&body).into_owned();
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

/// Finds who is to be asked, and compares the image that runs with the one that was deployed. Nobody can be asked where
/// nothing serves: a Job, a ConfigMap.
pub(super) async fn open(
    spec: &VerifySpec,
    target: &DeploySpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Option<Service>, Option<Checked>)> {
    match target {
        DeploySpec::Docker(docker) => {
            let (service, checked) = local(docker, engine, deployment, pushed).await?;
            Ok((Some(service), checked))
        }
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
            let found =
                serving(&cluster, &cluster.namespace, &deployment.objects, spec.port).await?;
            if found.wanted && found.pods.is_empty() {
                return Err(Failure::new(
                    Code::VerifyHealth,
                    format!(
                        "failed to find who answers in namespace `{}`: no pod of the deployment is ready",
                        cluster.namespace
                    ),
                )
                .help("see why with `ml-deploy status` and `kubectl describe pods`"));
            }
            let checked = running::in_cluster(&found, &deployment.containers, pushed);
            let backends = if deployment.direct {
                let (objects, pods) = (&deployment.objects, &found.pods);
                each_pod(&cluster, objects, pods, spec.port).await?
            } else {
                found.backend.into_iter().collect()
            };
            let service = (!backends.is_empty()).then(|| Service::Cluster {
                cluster: Box::new(cluster),
                backends,
                asked: AtomicUsize::new(0),
            });
            Ok((service, checked))
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
        (Some(engine), Some(pushed)) => Some(running::in_engine(engine, &spec.name, pushed).await?),
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
