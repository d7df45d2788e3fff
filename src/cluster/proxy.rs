//! Requests to a Service or a pod through the API server, so that nothing needs a public address.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;

use super::{Cluster, transport};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Service {
        namespace: String,
        name: String,
        port: u16,
    },
    Pod {
        namespace: String,
        name: String,
        port: u16,
    },
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service { name, port, .. } => write!(f, "Service/{name}:{port}"),
            Self::Pod { name, port, .. } => write!(f, "Pod/{name}:{port}"),
        }
    }
}

/// Most that an answer may hold, in MiB. Services answer with kilobytes.
const LONGEST_ANSWER: usize = 4;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// With leading `/`, and a query if there is one.
    pub(crate) path: &'a str,
    /// Sent as JSON; `None` for a request without a body.
    pub(crate) body: Option<&'a str>,
    pub(crate) timeout: Duration,
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a request through the API server's proxy.
pub(crate) async fn http(
    cluster: &Cluster,
    backend: &Backend,
    request: Request<'_>,
) -> Outcome<Answer> {
    let failed = |why: String| {
        Failure::new(
            Code::ClusterUnreachable,
            format!(
                "failed to {} `{}` of `{backend}`: {why}",
                request.method, request.path
            ),
        )
    };
    let url = url(backend, request.path);
    let mut builder = http::Request::builder().method(request.method).uri(url);
    if request.body.is_some() {
        builder = builder.header(http::header::CONTENT_TYPE, "application/json");
    }
    let body = Body::from(request.body.unwrap_or_default().as_bytes().to_vec());
    let built = builder
        .body(body)
        .map_err(|error| failed(error.to_string()))?;
    let work = async {
        let response = cluster
            .client
            .send(built)
            .await
            .map_err(|error| failed(transport(error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER << 20);
        let body = body.collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return failed(format!("the answer has more than {LONGEST_ANSWER} MiB"));
            }
            match error.downcast::<kube::Error>() {
                Ok(error) => failed(transport(*error)),
                Err(error) => failed(error.to_string()),
            }
        })?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(request.timeout, work)
        .await
        .map_err(|_| failed(format!("no answer within {} s", request.timeout.as_secs())))?
}

fn url(backend: &Backend, path: &str) -> String {
    let (kind, namespace, name, port) = match backend {
        Backend::Service {
            namespace,
            name,
            port,
        } => ("services", namespace, name, port),
        Backend::Pod {
            namespace,
            name,
            port,
        } => ("pods", namespace, name, port),
    };
    let path = path.trim_start_matches('/');
    format!("/api/v1/namespaces/{namespace}/{kind}/{name}:{port}/proxy/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_kept_whole() {
        let backend = Backend::Service {
            namespace: "ml".to_owned(),
            name: "wine".to_owned(),
            port: 80,
        };
        assert_eq!(
            url(&backend, "/predict?x=1"),
            "/api/v1/namespaces/ml/services/wine:80/proxy/predict?x=1"
        );
    }
}
