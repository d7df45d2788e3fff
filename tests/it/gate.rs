//! A door between the program and the API server: it counts what passes, can hold the first change until something else has
//! happened, answer 503 for a while, or cut every connection as a restarting API server does. It knows HTTP, no Kubernetes
//! object; the way to the real API server and its credentials are those of the bed's kubeconfig.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::bed;

/// How the door stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Open,
    /// Every request is answered with 503.
    Unavailable,
    /// No connection is kept, none is taken.
    Cut,
    /// The test is over.
    Gone,
}

/// Called once with the first request that changes something, before it is passed on.
type Hook = Box<dyn FnOnce() + Send>;

struct Shared {
    counts: Mutex<BTreeMap<String, u32>>,
    hook: Mutex<Option<Hook>>,
    open_watches: AtomicU32,
}

/// One door on a port of its own; it is shut with the test.
pub(crate) struct Gate {
    port: u16,
    shared: Arc<Shared>,
    stand: watch::Sender<Stand>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    pub(crate) fn open() -> Self {
        let shared = Arc::new(Shared {
            counts: Mutex::new(BTreeMap::new()),
            hook: Mutex::new(None),
            open_watches: AtomicU32::new(0),
        });
        let (stand, standing) = watch::channel(Stand::Open);
        let (tell, port) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let client = client().await;
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    tell.send(listener.local_addr().unwrap().port()).unwrap();
                    listen(listener, client, shared, standing).await;
                });
                runtime.shutdown_background();
            }
        });
        Self {
            port: port.recv().unwrap(),
            shared,
            stand,
            thread: Some(thread),
        }
    }

    /// A kubeconfig that leads through this door.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: gate\ncontexts: [{{name: gate, context: {{cluster: gate, user: gate}}}}]\nclusters: [{{name: gate, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\nusers: [{{name: gate, user: {{}}}}]\n",
            self.port
        )
    }

    /// What is to happen after everything was checked and before anything is changed.
    pub(crate) fn before_first_change(&self, hook: impl FnOnce() + Send + 'static) {
        *self.shared.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Drops every connection and takes none until `open_again`.
    pub(crate) fn cut(&self) {
        self.stand.send_replace(Stand::Cut);
    }

    /// Answers every new request with 503 until `open_again`.
    pub(crate) fn unavailable(&self) {
        self.stand.send_replace(Stand::Unavailable);
    }

    pub(crate) fn open_again(&self) {
        self.stand.send_replace(Stand::Open);
    }

    /// How often each kind of request passed, such as `PATCH configmaps dry-run`.
    pub(crate) fn counts(&self) -> BTreeMap<String, u32> {
        self.shared.counts.lock().unwrap().clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stand.send_replace(Stand::Gone);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// The bed's administrator.
pub(crate) async fn client() -> kube::Client {
    // Every test thread may come first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let kubeconfig = Kubeconfig::read_from(bed("KUBECONFIG")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    kube::Client::try_from(config).unwrap()
}

async fn listen(
    listener: TcpListener,
    client: kube::Client,
    shared: Arc<Shared>,
    mut standing: watch::Receiver<Stand>,
) {
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = standing.wait_for(|stand| *stand == Stand::Gone) => return,
        };
        let Ok((stream, _)) = taken else { continue };
        if *standing.borrow() == Stand::Cut {
            continue;
        }
        stream.set_nodelay(true).ok();
        let (client, shared, mut stands) = (client.clone(), Arc::clone(&shared), standing.clone());
        tokio::spawn(async move {
            let serving = serve(stream, client, shared, stands.clone());
            tokio::select! {
                _ = stands.wait_for(|stand| matches!(stand, Stand::Cut | Stand::Gone)) => {}
                _ = serving => {}
            }
        });
    }
}

/// One connection, request after request.
async fn serve(
    mut stream: TcpStream,
    client: kube::Client,
    shared: Arc<Shared>,
    stands: watch::Receiver<Stand>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let (request, summary) = read(&mut stream, &mut buffer).await?;
        *shared
            .counts
            .lock()
            .unwrap()
            .entry(summary.clone())
            .or_default() += 1;
        if is_change(&summary) {
            let hook = shared.hook.lock().unwrap().take();
            if let Some(hook) = hook {
                tokio::task::spawn_blocking(hook).await.ok()?;
            }
        }
        if *stands.borrow() == Stand::Unavailable {
            let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","message":"the server is starting","code":503}"#;
            let answer = format!(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
            continue;
        }
        let response = client.send(request).await.ok()?;
        let watching = summary.starts_with("WATCH");
        if watching {
            shared.open_watches.fetch_add(1, Ordering::Relaxed);
        }
        let passed = pass(&mut stream, response).await;
        if watching {
            shared.open_watches.fetch_sub(1, Ordering::Relaxed);
        }
        passed?;
    }
}

/// Reads one request, and says in a few words what it is.
async fn read(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<(http::Request<Body>, String)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let mut request = http::Request::builder().method(method).uri(target);
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "host" | "connection" | "accept-encoding" => {}
            "transfer-encoding" => panic!("the gate reads no chunked request"),
            _ => request = request.header(name, value),
        }
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body: Vec<u8> = buffer.drain(..length).collect();
    let summary = summary(method, target);
    Some((request.body(Body::from(body)).ok()?, summary))
}

/// Passes an answer on as it comes, so that watches live.
async fn pass(stream: &mut TcpStream, response: http::Response<Body>) -> Option<()> {
    let mut head = format!("HTTP/1.1 {}\r\n", response.status());
    for name in ["content-type", "warning", "retry-after", "location"] {
        for value in response.headers().get_all(name) {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
        }
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        if data.is_empty() {
            continue;
        }
        let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
        chunk.extend_from_slice(&data);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).await.ok()?;
    }
    stream.write_all(b"0\r\n\r\n").await.ok()
}

/// `VERB resource[/subresource] [dry-run]`, without names: what is counted.
fn summary(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let after_version = match words.first() {
        Some(&"api") => words.get(2..),
        Some(&"apis") => words.get(3..),
        _ => None,
    };
    let Some(rest) = after_version.filter(|rest| !rest.is_empty()) else {
        return format!("{method} discovery");
    };
    let rest = match rest {
        ["namespaces", _, more, ..] if *more != "status" && *more != "finalize" => &rest[2..],
        _ => rest,
    };
    let (resource, named) = (rest[0], rest.get(1).is_some());
    let subresource = rest.get(2).map_or(String::new(), |name| format!("/{name}"));
    let verb = match method {
        "GET" if query.contains("watch=") => "WATCH",
        "GET" if !named => "LIST",
        other => other,
    };
    let dry = if query.contains("dryRun=") {
        " dry-run"
    } else {
        ""
    };
    format!("{verb} {resource}{subresource}{dry}")
}

fn is_change(summary: &str) -> bool {
    let change = ["POST ", "PUT ", "PATCH ", "DELETE "]
        .iter()
        .any(|verb| summary.starts_with(verb));
    change && !summary.ends_with(" dry-run") && !summary.contains("reviews")
}

#[test]
fn requests_are_told_apart() {
    for (method, target, expected) in [
        ("GET", "/version", "GET discovery"),
        ("GET", "/apis/apps/v1", "GET discovery"),
        ("GET", "/api/v1/namespaces/x", "GET namespaces"),
        ("GET", "/api/v1/namespaces/x/pods?limit=500", "LIST pods"),
        ("GET", "/api/v1/namespaces/x/pods?watch=true", "WATCH pods"),
        (
            "GET",
            "/api/v1/namespaces/x/pods/y/log?container=z",
            "GET pods/log",
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/x/deployments/y?dryRun=All",
            "PATCH deployments dry-run",
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "POST selfsubjectaccessreviews",
        ),
    ] {
        assert_eq!(summary(method, target), expected);
    }
    assert!(is_change("PATCH deployments"));
    assert!(!is_change("PATCH deployments dry-run"));
    assert!(!is_change("POST selfsubjectaccessreviews"));
}
