//! The connection to a cluster: made once, checked with one cheap request, so that every later error is about the work.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::client::{AuthError, Body, ClientBuilder};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};

use super::{bearer, kubeconfig, private, way};
use crate::cloud;
use crate::code::Code;
use crate::failure::{Failure, Outcome, chain};
use crate::plan::ClusterSpec;

/// How far our clock may be ahead of the API server's when that does not tell its own.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// How long the API server may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A cluster that has answered. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// Namespace of everything that names none.
    pub(crate) namespace: String,
    /// URL of the API server.
    pub(crate) server: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({}, {})", self.server, self.namespace)
    }
}

impl Cluster {
    /// Connects, and waits at most 5 s for the first answer. Without a namespace the context's own is used.
    pub(crate) async fn connect(spec: &ClusterSpec, namespace: Option<&str>) -> Outcome<Self> {
        let Configured {
            config,
            plugin,
            bearer,
        } = configure(spec).await?;
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let advice = bearer.as_ref().and_then(cloud::Bearer::advice);
        let advice = advice.map(str::to_owned);
        let refused = |error| refused(&server, plugin.as_deref(), advice.as_deref(), error);
        let builder = ClientBuilder::try_from(config).map_err(refused)?;
        let client = match bearer {
            Some(bearer) => bearer::client(builder, bearer),
            None => builder.build(),
        };
        let version = tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await;
        let connected = match version {
            Err(_) => Err(Failure::new(
                Code::ClusterUnreachable,
                format!(
                    "failed to reach API server `{server}`: no answer within {} s",
                    FIRST_ANSWER.as_secs()
                ),
            )),
            Ok(Err(error)) => Err(refused(error)),
            Ok(Ok(_)) => Ok(Self {
                client,
                namespace,
                server: server.clone(),
            }),
        };
        connected.map_err(|failure| match private::advice(&server) {
            Some(advice) if failure.code() == Code::ClusterUnreachable => failure.help(advice),
            _ => failure,
        })
    }
}

impl Cluster {
    /// The API server's clock, less the second that it is cut to: what happens from now on has no earlier time. Our own
    /// clock may be wrong; it stands in only when the server does not tell its own.
    pub(crate) async fn clock(&self) -> Timestamp {
        let told = self.date().await;
        let now = told.unwrap_or_else(|| Timestamp::now() - SKEW);
        now.checked_sub(SignedDuration::from_secs(1)).unwrap_or(now)
    }

    async fn date(&self) -> Option<Timestamp> {
        let request = http::Request::get("/version").body(Body::empty()).ok()?;
        let answer = tokio::time::timeout(FIRST_ANSWER, self.client.send(request));
        let answer = answer.await.ok()?.ok()?;
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        let parsed = jiff::fmt::rfc2822::parse(date).ok()?;
        Some(parsed.timestamp())
    }
}

/// What a client is made from.
struct Configured {
    config: Config,
    /// Name of the program that it gets its token from.
    plugin: Option<String>,
    /// Who makes its tokens.
    bearer: Option<cloud::Bearer>,
}

async fn configure(spec: &ClusterSpec) -> Outcome<Configured> {
    if let Some(cluster) = &spec.cloud {
        let (mut config, bearer) = super::cloud::configure(spec, cluster).await?;
        config.connect_timeout = Some(FIRST_ANSWER);
        return Ok(Configured {
            config,
            plugin: None,
            bearer,
        });
    }
    let Some(found) = kubeconfig::read(spec.kubeconfig.as_ref())? else {
        let config = Config::incluster().map_err(|_| {
            kubeconfig::invalid("failed to find a cluster: no kubeconfig is given, none is in KUBECONFIG or ~/.kube/config, and this is not a pod")
                .help(if spec.without_secrets {
                    "this run comes from a fork or from Dependabot, where every secret is empty; for Dependabot there are secrets of its own in the repository's settings"
                } else {
                    "set `kubeconfig` to the file's text, its base64 form or a path; a secret with a misspelt name is empty too"
                })
        })?;
        return Ok(Configured {
            config,
            plugin: None,
            bearer: None,
        });
    };
    let context = kubeconfig::context(&found, spec.context.as_deref())?;
    let plugin = kubeconfig::plugin(&found, &context);
    let proxy = way::named(&found, &context);
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(found, &options)
        .await
        .map_err(|error| {
            kubeconfig::invalid(format!("failed to use context `{context}`: {error}"))
        })?;
    way::settle(&mut config, proxy.as_deref());
    config.connect_timeout = Some(FIRST_ANSWER);
    Ok(Configured {
        config,
        plugin,
        bearer: None,
    })
}

/// What a first request's error means. `advice` is for a token that the cluster does not take.
fn refused(
    server: &str,
    plugin: Option<&str>,
    advice: Option<&str>,
    error: kube::Error,
) -> Failure {
    if let Some(auth) = find::<AuthError>(&error) {
        let plugin = plugin.unwrap_or("?");
        return match auth {
            AuthError::AuthExecStart(why) => Failure::new(
                Code::KubeconfigPlugin,
                format!("failed to run `{plugin}`, which the kubeconfig needs for a token: {why}"),
            )
            .help(format!(
                "`{plugin}` is not installed here; {}",
                instead_of(plugin)
            )),
            // Only what it complained about is told: what it printed could be a token.
            AuthError::AuthExecRun { out, .. } => Failure::new(
                Code::KubeconfigPlugin,
                format!(
                    "failed to get a token from `{plugin}`: it exits {}: {}",
                    out.status.code().unwrap_or(-1),
                    line(&String::from_utf8_lossy(&out.stderr))
                ),
            )
            .help(format!(
                "log in before this step, or {}",
                instead_of(plugin)
            )),
            AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => Failure::new(
                Code::KubeconfigPlugin,
                format!(
                    "failed to get a token from `{plugin}`: {}",
                    line(&auth.to_string())
                ),
            ),
            other => kubeconfig::invalid(format!(
                "failed to log in at `{server}`: {}",
                line(&other.to_string())
            )),
        };
    }
    if let kube::Error::Api(status) = &error {
        let message = format!(
            "failed to log in at `{server}`: {} ({})",
            line(&status.message),
            status.code
        );
        return match status.code {
            401 => Failure::new(Code::ClusterDenied, message)
                .help(advice.unwrap_or("the token or certificate in the kubeconfig is wrong or has expired; make a new one")),
            // Every identity that the cluster knows may ask for its version: this one was stopped at the door.
            403 => match advice {
                Some(advice) => Failure::new(Code::ClusterDenied, message).help(advice),
                None => Failure::new(Code::ClusterDenied, message),
            },
            _ => Failure::new(Code::ClusterUnreachable, message),
        };
    }
    Failure::new(
        Code::ClusterUnreachable,
        format!(
            "failed to reach API server `{server}`: {}",
            transport(error)
        ),
    )
}

/// A kubeconfig that needs no program, by the program that it would replace.
fn instead_of(plugin: &str) -> &'static str {
    match plugin.rsplit('/').next().unwrap_or(plugin) {
        "kubelogin" => {
            "set `cluster-name` and `resource-group` instead of `kubeconfig` (docs/azure.md), or use one with a service account's token (`kubectl create token NAME`)"
        }
        "gke-gcloud-auth-plugin" | "gcloud" => {
            "set `cluster-name` and `location` instead of `kubeconfig` (docs/google.md), or use a service account's token (`kubectl create token NAME`)"
        }
        "aws" | "aws-iam-authenticator" => {
            "set `cluster-name` and `aws-region` instead of `kubeconfig` (docs/aws.md), or use a service account's token (`kubectl create token NAME`)"
        }
        "doctl" => {
            "use the kubeconfig of `doctl kubernetes cluster kubeconfig show --expiry-seconds 3600 NAME`: it holds a token"
        }
        _ => {
            "use a kubeconfig with a service account's token (`kubectl create token NAME`) or a client certificate"
        }
    }
}

/// The causes of an error that is not the API server's own answer, in one line.
pub(crate) fn transport(error: impl Into<anyhow::Error>) -> String {
    let text = chain(&error.into());
    line(text.trim_start_matches("ServiceError: "))
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Finds an error of a type among the causes.
fn find<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
