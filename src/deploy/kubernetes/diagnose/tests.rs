//! The sentence, and a cluster that does not tell what it is asked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use kube::core::{ApiResource, GroupVersionKind};

use super::*;
use crate::context::Workspace;
use crate::event::Events;

#[test]
fn the_cause_takes_the_place_of_the_reason() {
    let verdict = "container `model` exits 1 — CrashLoopBackOff (2 of 2 new pods)";
    assert_eq!(
        sentence(
            verdict,
            Some("ModuleNotFoundError: No module named 'sklearn'"),
            "n1"
        ),
        "container `model` exits 1 — ModuleNotFoundError: No module named 'sklearn' (2 of 2 new pods, node n1)"
    );
    assert_eq!(
        sentence(verdict, None, "n1"),
        "container `model` exits 1 — CrashLoopBackOff (2 of 2 new pods, node n1)"
    );
    assert_eq!(
        sentence("exceeded quota: q (limited to 2)", None, ""),
        "exceeded quota: q (limited to 2)"
    );
    assert_eq!(
        sentence("not ready", Some("GET /x answers 404"), "n1"),
        "not ready — GET /x answers 404 (node n1)"
    );
}

/// What is told when every request to this server ends as it does.
async fn told(server: &str) -> Diagnosis {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = kube::Config::new(server.parse().unwrap());
    let cluster = Cluster {
        client: kube::Client::try_from(config).unwrap(),
        namespace: "ml".to_owned(),
        server: server.to_owned(),
    };
    let (events, _kept) = Events::channel();
    let root = std::path::PathBuf::from("/nowhere");
    let ctx = Context {
        events,
        cancel: CancellationToken::new(),
        workspace: Workspace {
            folder: root.clone(),
            state: root.clone(),
            cache: root.clone(),
            root,
        },
        run_url: None,
        mark: String::new(),
    };
    let target = Target {
        resource: ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")),
        name: "wine".to_owned(),
        namespace: "ml".to_owned(),
        uid: "u".to_owned(),
        generation: 1,
        at: Some(Location::line("k.yaml", 4)),
    };
    let pod = json!({"metadata": {"name": "wine-1", "uid": "p"}, "spec": {"nodeName": "n1"},
        "status": {"containerStatuses": [{"name": "model", "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}});
    let subject = Subject {
        cluster: &cluster,
        target: &target,
        objects: &[],
        since: Timestamp::MIN,
    };
    let culprit = Culprit {
        pod: Some(&pod),
        container: Some("model"),
        previous: true,
        code: Code::CrashLoop,
        cause: "container `model` exits 1 — CrashLoopBackOff (1 of 1 new pod)",
    };
    diagnose(&ctx, &subject, &culprit).await
}

fn assert_still_told(found: &Diagnosis) {
    assert_eq!(found.code, Code::CrashLoop);
    assert_eq!(
        found.message,
        "Deployment/wine: container `model` exits 1 — CrashLoopBackOff (1 of 1 new pod, node n1)"
    );
    assert_eq!(found.at.as_ref().unwrap().to_string(), "k.yaml:4");
    assert!(
        found
            .evidence
            .iter()
            .any(|line| line == "container model: Error, exit code 1")
    );
    assert!(!found.evidence.iter().any(|line| line.starts_with("log ")));
}

#[tokio::test]
async fn a_cluster_that_is_gone_or_silent_only_makes_it_less_telling() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    assert_still_told(&told(&format!("http://{address}")).await);
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    assert_still_told(&told(&format!("http://{}", silent.local_addr().unwrap())).await);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_may_not_be_read_only_makes_it_less_telling() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let path = String::from_utf8_lossy(&request[..read]).into_owned();
            let body = if path.contains("/log?") {
                "pods \"wine-1\" is forbidden"
            } else {
                "no JSON"
            };
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    assert_still_told(&told(&format!("http://{address}")).await);
}
