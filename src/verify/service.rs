//! Who is asked: the published port of a container, a managed endpoint, or through the API server a Service and every pod behind it.

use std::time::{Duration, Instant};

use super::{Checked, endpoint, running};
use crate::artifact::{Deployment, Pushed};
use crate::cloud::SageMaker;
use crate::cluster::{Backend, Cluster, Request, Right, denied, each_pod, http, serving};
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::{Fail, Failure, Outcome};
use crate::plan::{DeploySpec, DockerSpec, VerifySpec};
use crate::predict::{Address, Answer, Question};

/// How long one answer through the API server may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Before a question is put again whose answer broke off.
const PAUSE: Duration = Duration::from_millis(300);

/// Something that answers requests.
pub(super) enum Service {
    Address(Address),
    /// An endpoint of SageMaker, which asks its containers itself.
    Endpoint {
        aws: SageMaker,
        name: String,
        /// Each of them is asked.
        variants: Vec<String>,
    },
    /// The Service where there is one, then its pods; or the pods alone.
    Cluster {
        cluster: Box<Cluster>,
        backends: Vec<Backend>,
    },
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.places().map(|place| self.name(place)).collect();
        f.write_str(&names.join(", "))
    }
}

impl Service {
    /// Everyone who can be asked, by number.
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        match self {
            Self::Address(_) => 0..1,
            Self::Endpoint { variants, .. } => 0..variants.len().max(1),
            Self::Cluster { backends, .. } => 0..backends.len(),
        }
    }

    /// Whether its health can be asked by a path. SageMaker asks its containers itself, and says what it found.
    pub(super) fn has_paths(&self) -> bool {
        !matches!(self, Self::Endpoint { .. })
    }

    /// Those who serve themselves: a Service only when no pod can be asked.
    pub(super) fn replicas(&self) -> std::ops::Range<usize> {
        match self {
            Self::Cluster { backends, .. }
                if backends.len() > 1
                    && matches!(backends.first(), Some(Backend::Service { .. })) =>
            {
                1..backends.len()
            }
            _ => self.places(),
        }
    }

    /// What reports call it.
    pub(super) fn name(&self, place: usize) -> String {
        match self {
            Self::Address(address) => address.base.clone(),
            Self::Endpoint { name, variants, .. } => match variants.get(place) {
                Some(variant) if variants.len() > 1 => {
                    format!("variant `{variant}` of endpoint `{name}`")
                }
                _ => format!("endpoint `{name}`"),
            },
            Self::Cluster { backends, .. } => backends
                .get(place)
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    /// Sends a request to one of them; the error is one line.
    pub(super) async fn ask(&self, place: usize, question: Question<'_>) -> Result<Answer, String> {
        let (cluster, backends) = match self {
            Self::Address(address) => {
                let answer = address.ask(question).await;
                return answer.map_err(|silence| silence.to_string());
            }
            Self::Endpoint {
                aws,
                name,
                variants,
            } => {
                // The only one is asked as callers do.
                let variant = variants.get(place).filter(|_| variants.len() > 1);
                let variant = variant.map(String::as_str);
                let body = question.body.unwrap_or_default();
                let answer = aws.invoke(name, variant, body).await;
                let answer = answer.map_err(|failure| first(&failure))?;
                return Ok(Answer {
                    status: answer.status,
                    body: answer.body,
                });
            }
            Self::Cluster { cluster, backends } => (cluster, backends),
        };
        let backend = backends.get(place).ok_or("nothing is there to be asked")?;
        let sent = || {
            let request = Request {
                method: question.method,
                path: question.path,
                body: question.body,
                timeout: TIMEOUT,
            };
            http(cluster, backend, request)
        };
        let began = Instant::now();
        let mut answer = sent().await;
        // On the way through the API server a connection may break that says nothing of the pod. A question changes nothing,
        // so it can be put again; one that was waited for in vain is not.
        if answer.is_err() && began.elapsed() < TIMEOUT / 2 {
            tokio::time::sleep(PAUSE).await;
            answer = sent().await;
        }
        let answer = answer.map_err(|failure| first(&failure))?;
        Ok(Answer {
            status: answer.status,
            body: answer.body,
        })
    }
}

fn first(failure: &Failure) -> String {
    let first = failure.findings().next();
    first
        .map(|finding| finding.message.clone())
        .unwrap_or_default()
}

/// Finds who is to be asked, and compares the image that runs with the one that was deployed. Nobody can be asked where
/// nothing serves: a Job, a ConfigMap.
pub(super) async fn open(
    ctx: &Context,
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
        DeploySpec::AzureMl(spec) => {
            let (address, checked) = endpoint::azureml(spec, deployment, pushed).await?;
            Ok((Some(Service::Address(address)), checked))
        }
        DeploySpec::SageMaker(spec) => {
            let (variants, checked) = endpoint::sagemaker(spec, pushed).await?;
            let service = Service::Endpoint {
                aws: spec.clouds.sagemaker(),
                name: spec.endpoint.clone(),
                variants,
            };
            Ok((Some(service), Some(checked)))
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
            let (objects, pods) = (&deployment.objects, &found.pods);
            let mut each = each_pod(&cluster, objects, pods, spec.port).await?;
            let through = found.backend.filter(|_| !deployment.direct);
            if matches!(through, Some(Backend::Service { .. })) {
                if may_ask_pods(&cluster).await? {
                    each.splice(0..0, through);
                } else {
                    ctx.events
                        .note("only the Service is asked and not each pod: the account lacks `get` and `create` on `pods/proxy`")
                        .await;
                    each = through.into_iter().collect();
                }
            }
            let service = (!each.is_empty()).then(|| Service::Cluster {
                cluster: Box::new(cluster),
                backends: each,
            });
            Ok((service, checked))
        }
    }
}

/// Whether pods themselves may be asked; a right to ask their Service is enough to deploy.
async fn may_ask_pods(cluster: &Cluster) -> Outcome<bool> {
    let right = |verb| Right::new(verb, "", "pods/proxy", Some(&cluster.namespace));
    let missing = denied(cluster, &[right("get"), right("create")]).await?;
    Ok(missing.is_empty())
}

async fn local(
    spec: &DockerSpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Service, Option<Checked>)> {
    let state = match engine {
        Some(engine) => engine
            .inspect_container(&spec.name)
            .await
            .fail(Code::VerifyHealth)?,
        None => None,
    };
    let mut places = state.map(|state| state.endpoints()).unwrap_or_default();
    places.extend(deployment.and_then(|deployment| deployment.endpoint.clone()));
    let addresses: Vec<Address> = places
        .into_iter()
        .map(Address::new)
        .collect::<Result<_, _>>()
        .fail(Code::Internal)?;
    let address = reachable(&addresses).await.or(addresses.first());
    let address = address.cloned().ok_or_else(|| {
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
    Ok((Service::Address(address), digest))
}

/// The first place where anything answers at all; what it answers is judged later.
async fn reachable(addresses: &[Address]) -> Option<&Address> {
    for address in addresses {
        let asked = tokio::time::timeout(TIMEOUT, address.ask(Question::get("/"))).await;
        if matches!(asked, Ok(Ok(_))) {
            return Some(address);
        }
    }
    None
}
