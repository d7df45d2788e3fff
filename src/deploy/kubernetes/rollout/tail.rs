//! The end of one container's log. What cannot be read, or not in time, is left out: neither a verdict nor a diagnosis
//! fails for it.

use std::time::Duration;

use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{LogParams, Request};
use kube::client::{Body, Client};

use crate::deploy::kubernetes::hidden::without_credentials;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Lines in which a cause is looked for: a traceback through a web framework has a hundred.
const LINES: i64 = 300;
/// Bytes of a log, counted from the first of these lines. A log with longer lines is asked for again, with fewer.
const BYTES: i64 = 256 * 1024;
/// Lines that are enough to tell two runs apart.
pub(super) const FEW: i64 = 20;

/// One run of one container.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    /// The run before the present one.
    pub(super) previous: bool,
}

/// The last lines in which a cause is looked for. When the run before is gone, those of the present one.
pub(super) async fn long(client: &Client, run: &Run) -> Vec<String> {
    let present = Run {
        previous: false,
        ..run.clone()
    };
    let (before, now) = futures_util::join!(
        async {
            match run.previous {
                true => read(client, run, LINES).await.unwrap_or_default(),
                false => Vec::new(),
            }
        },
        read(client, &present, LINES)
    );
    match before.is_empty() {
        true => now.unwrap_or_default(),
        false => before,
    }
}

/// The last lines of a run; `None` when nobody tells them.
pub(super) async fn read(client: &Client, run: &Run, lines: i64) -> Option<Vec<String>> {
    let work = async {
        let text = ask(client, run, lines).await?;
        if lines <= FEW || i64::try_from(text.len()).is_ok_and(|length| length < BYTES) {
            return Some(text);
        }
        ask(client, run, FEW).await.or(Some(text))
    };
    let text = tokio::time::timeout(PATIENCE, work).await.ok()??;
    told(&text)
}

/// One request for a log. Programs write what they like, so bytes that are no text are replaced.
async fn ask(client: &Client, run: &Run, lines: i64) -> Option<String> {
    let params = LogParams {
        container: Some(run.container.clone()),
        tail_lines: Some(lines),
        limit_bytes: Some(BYTES),
        previous: run.previous,
        ..LogParams::default()
    };
    let api = Api::<Pod>::namespaced(client.clone(), &run.namespace);
    let request = Request::new(api.resource_url())
        .logs(&run.pod, &params)
        .ok()?;
    let answer = client.send(request.map(Body::from)).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let bytes = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines, unless the kubelet answers in place of the log.
fn told(text: &str) -> Option<Vec<String>> {
    let excuse = text.starts_with("unable to retrieve container logs for ")
        || text.starts_with("failed to try resolving symlinks in path ");
    (!excuse).then(|| text.lines().map(without_credentials).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    /// What is read when every request to this server ends as it does.
    async fn heard(server: &str) -> Vec<String> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = kube::Config::new(server.parse().unwrap());
        let run = Run {
            namespace: "ml".to_owned(),
            pod: "wine-1".to_owned(),
            container: "model".to_owned(),
            previous: true,
        };
        long(&Client::try_from(config).unwrap(), &run).await
    }

    #[tokio::test]
    async fn a_cluster_that_is_gone_or_silent_tells_nothing() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        assert!(heard(&format!("http://{address}")).await.is_empty());
        // It takes connections and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let began = Instant::now();
        let address = silent.local_addr().unwrap();
        assert!(heard(&format!("http://{address}")).await.is_empty());
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }

    /// A server that gives every request this answer.
    fn answering(status: &'static str, body: &'static [u8]) -> String {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in server.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4096];
                if stream.read(&mut request).unwrap_or_default() == 0 {
                    continue;
                }
                let head = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).ok();
                stream.write_all(body).ok();
            }
        });
        format!("http://{address}")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_may_not_be_read_is_no_log_and_bytes_that_are_no_text_are_one() {
        let forbidden = answering("403 Forbidden", b"pods \"wine-1\" is forbidden");
        assert!(heard(&forbidden).await.is_empty());
        let binary = answering("200 OK", b"sh: \x7fELF\xff: not found\n");
        assert_eq!(heard(&binary).await, ["sh: \u{7f}ELF\u{fffd}: not found"]);
    }

    #[test]
    fn the_kubelets_excuse_is_no_log() {
        assert_eq!(
            told("unable to retrieve container logs for containerd://0"),
            None
        );
        let log = told("we were unable to retrieve it\nfrom redis://:p@cache").unwrap();
        assert_eq!(
            log,
            ["we were unable to retrieve it", "from redis://***@cache"]
        );
    }
}
