//! Many objects and many pods: 500 objects applied and 1,000 pods watched, on a node without a kubelet, whose pods' states
//! are written through the API. Memory and requests of the program are counted from outside.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::cluster::kubectl;
use crate::gate::{Gate, client};
use crate::support::{Project, unique};

/// Replicas of the Deployment, and of the StatefulSet: two controllers make pods twice as fast as one.
const REPLICAS: usize = 500;
const CONFIG_MAPS: usize = 498;

/// A node that nobody runs, and the namespace; both are gone after the test.
struct Ground {
    name: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ground {
    fn new() -> Self {
        let name = unique("scale");
        let (created, said) = kubectl(&["create", "namespace", &name]);
        assert!(created, "{said}");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let name = name.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    tokio::select! {
                        () = live(&name) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self {
            name,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        // First the pods, so that nobody looks for those of a node that is gone.
        kubectl(&["delete", "namespace", &self.name, "--timeout=60s"]);
        kubectl(&["delete", "node", &self.name, "--ignore-not-found"]);
    }
}

/// Makes the node and keeps it alive, and makes every pod on it ready.
async fn live(name: &str) {
    let client = client().await;
    let nodes = Api::<Node>::all(client.clone());
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        // Tainted, so that nobody else's pods come here.
        "metadata": {"name": name},
        "spec": {"taints": [{"key": "ml-deploy-test/fake", "effect": "NoSchedule"}]},
    });
    let node: Node = serde_json::from_value(node).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let pods = Api::<Pod>::namespaced(client, name);
    let beat = async {
        loop {
            let now = jiff::Timestamp::now();
            let condition = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now});
            let capacity = json!({"pods": "1100", "cpu": "1", "memory": "1Gi"});
            let status =
                json!({"conditions": [condition], "capacity": capacity, "allocatable": capacity});
            patch(&nodes, name, &status).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    };
    let ready = watcher(pods.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .for_each_concurrent(16, |pod| {
            let pods = &pods;
            async move {
                let Ok(pod) = pod else { return };
                let phase = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref());
                if phase != Some("Running") {
                    patch(pods, &pod.name_any(), &running()).await;
                }
            }
        });
    tokio::join!(beat, ready);
}

async fn patch<K>(api: &Api<K>, name: &str, status: &Value)
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({"status": status}));
    // A state that cannot be written shows in the verdict.
    api.patch_status(name, &PatchParams::default(), &patch)
        .await
        .ok();
}

/// What a kubelet would write about a pod that serves.
pub(crate) fn running() -> Value {
    let now = jiff::Timestamp::now();
    let conditions: Vec<_> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .iter()
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}))
        .collect();
    json!({
        "phase": "Running",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": [{
            "name": "model",
            "ready": true,
            "started": true,
            "restartCount": 0,
            "image": "test.local/box:1",
            "imageID": "test.local/box@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "containerID": "containerd://0123456789abcdef",
            "state": {"running": {"startedAt": now}},
        }],
    })
}

fn workload(kind: &str, node: &str, more: &Value) -> Value {
    let labels = json!({"app": kind.to_lowercase()});
    let mut spec = json!({
        "replicas": REPLICAS,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "nodeName": node,
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "model", "image": "test.local/box:1", "ports": [{"containerPort": 8080}]}],
            },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": kind.to_lowercase()}, "spec": spec})
}

fn manifests(node: &str) -> String {
    let maps = (0..CONFIG_MAPS).map(|number| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": format!("settings-{number}")},
            "data": {"number": number.to_string(), "text": "a line of some length, as settings have\n".repeat(20)},
        })
    });
    let workloads = [
        workload("Deployment", node, &json!({})),
        workload(
            "StatefulSet",
            node,
            &json!({"serviceName": "statefulset", "podManagementPolicy": "Parallel"}),
        ),
    ];
    let all: Vec<String> = maps
        .chain(workloads)
        .map(|object| object.to_string())
        .collect();
    all.join("\n---\n")
}

/// What the released binary maps of itself, in KiB. The one under test is not optimised and maps three times as much, so its
/// own part is taken out and this one put in.
const CODE: u64 = 16 * 1024;

/// The peak of a child's memory in KiB, once it has ended.
pub(crate) fn peak(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let size = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        // A high-water mark: the last look before the end is the answer.
        if let (Some(most), Some(code)) = (size("VmHWM:"), size("RssFile:")) {
            peak = peak.max(most.saturating_sub(code) + CODE);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    peak
}

/// How a run of the program ended: status, what it said, and the peak of its memory in KiB.
fn run(project: &Project, namespace: &str, kubeconfig: &str) -> (i32, String, u64) {
    let log = std::fs::File::create(project.path().join("log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ml-deploy"))
        .args(["deploy", "--manifests=k8s"])
        .args(["--deploy-timeout=100s", "--on-failure=keep"])
        .args([
            format!("--namespace={namespace}"),
            format!("--kubeconfig={kubeconfig}"),
        ])
        .env_clear()
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let peak = peak(&mut child);
    let ended = child.wait().unwrap();
    let said = std::fs::read_to_string(project.path().join("log")).unwrap();
    (ended.code().unwrap_or(-1), said, peak)
}

/// All requests, and those about one resource.
fn total(counts: &BTreeMap<String, u32>, resource: &str) -> u32 {
    counts
        .iter()
        .filter(|(what, _)| what.contains(resource))
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn five_hundred_objects_and_a_thousand_pods_stay_within_bounds() {
    let ground = Ground::new();
    let gate = Gate::open();
    let project = Project::new().file("k8s/all.yaml", &manifests(&ground.name));
    let begun = Instant::now();
    let (status, said, peak) = run(&project, &ground.name, &gate.kubeconfig());
    let counts = gate.counts();
    let measured = format!(
        "{:.1} s, {} MiB, {} requests: {counts:?}",
        begun.elapsed().as_secs_f32(),
        peak / 1024,
        total(&counts, "")
    );
    eprintln!("scale: {measured}");
    let tail: Vec<&str> = said.lines().rev().take(20).collect();
    assert_eq!(status, 0, "{measured}\n{tail:#?}");
    assert!(peak > 0 && peak <= 64 * 1024, "{measured}");
    // Of each object: what is live, for the checks and for the way back; a dry run; the apply. What is asked once for all of
    // them does not grow with their number.
    let objects = u32::try_from(CONFIG_MAPS + 2).unwrap();
    assert!(total(&counts, "") <= 4 * objects + 200, "{measured}");
    assert!(
        total(&counts, "PATCH configmaps") >= 2 * (objects - 2),
        "{measured}"
    );
    // Pods are watched, and listed page by page: they are never asked for one by one.
    assert!(total(&counts, "WATCH pods") >= 1, "{measured}");
    assert!(total(&counts, " pods") <= 50, "{measured}");
}
