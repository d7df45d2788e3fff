//! An API server that is really restarted while a rollout is watched: etcd, an API server and the Deployment's controllers of
//! the test's own, without a node; what a kubelet would write about the pods, the test writes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::kubectl;
use crate::scale::running;
use crate::support::{Ended, Project, bed, eventually};

/// The servers; they end with the test.
struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
    etcd: Child,
    api: Child,
    controllers: Option<Child>,
}

/// A program of the bed's node: all of them are one binary.
fn start(folder: &Path, name: &str, arguments: &[String]) -> Child {
    let kubectl = bed("KUBECTL");
    let program = kubectl.split(' ').next().unwrap();
    assert!(
        program.ends_with("/kubenode"),
        "`{program}` is not the bed's own node, which this test starts an API server from"
    );
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join(format!("{name}.log")))
        .unwrap();
    Command::new(program)
        .arg(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn api(folder: &Path, port: u16) -> Child {
    let pki = folder.join("pki");
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
    let socket = folder.join("etcd.sock");
    let arguments = [
        format!("--etcd-servers=unix://{}", socket.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // Nobody is told this address: there are no nodes.
        "--advertise-address=192.0.2.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        file("tls-cert-file", "serving.crt"),
        file("tls-private-key-file", "serving.key"),
        file("client-ca-file", "ca.crt"),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        file("service-account-key-file", "service-account.key"),
        file("service-account-signing-key-file", "service-account.key"),
        "--service-cluster-ip-range=10.98.0.0/24".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // The controllers that make accounts and see that nodes are ready are not started.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
    ];
    start(folder, "kube-apiserver", &arguments)
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Not one that the system gives away: while the server is down, it would.
        let first = 21_000 + u16::try_from(std::process::id() % 9_000).unwrap();
        let port = (first..31_000)
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let address = format!("https://127.0.0.1:{port}");
        let pki = words(&[
            "-dir",
            &path("pki"),
            "-server",
            &address,
            "-sans",
            "127.0.0.1",
        ]);
        let made = start(folder.path(), "pki", &pki).wait().unwrap();
        assert!(made.success(), "no certificates");
        let data = words(&["-data-dir", &path("etcd"), "-socket", &path("etcd.sock")]);
        let etcd = start(folder.path(), "etcd", &data);
        let api = api(folder.path(), port);
        let mut cluster = Self {
            folder,
            port,
            etcd,
            api,
            controllers: None,
        };
        cluster.ready();
        let controllers = words(&[
            "--leader-elect=false",
            "--secure-port=0",
            "--controllers=deployment-controller,replicaset-controller",
            &format!("--kubeconfig={}", cluster.kubeconfig()),
        ]);
        let controllers = start(
            cluster.folder.path(),
            "kube-controller-manager",
            &controllers,
        );
        cluster.controllers = Some(controllers);
        // Something that pods would fit on, or nothing is applied.
        let capacity = json!({"pods": "10", "cpu": "4", "memory": "4Gi"});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "paper"}, "status": {
            "capacity": capacity, "allocatable": capacity,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}});
        let file = cluster.folder.path().join("node.json");
        std::fs::write(&file, node.to_string()).unwrap();
        let (made, said) = cluster.kubectl(&["create", "-f", &file.display().to_string()]);
        assert!(made, "{said}");
        cluster
    }

    fn kubeconfig(&self) -> String {
        let path = self.folder.path().join("pki/admin.kubeconfig");
        path.display().to_string()
    }

    fn kubectl(&self, arguments: &[&str]) -> (bool, String) {
        let kubeconfig = self.kubeconfig();
        kubectl(
            &[
                &["--kubeconfig", &kubeconfig, "--request-timeout=10s"],
                arguments,
            ]
            .concat(),
        )
    }

    fn ready(&self) {
        eventually("the API server is ready", || {
            self.kubectl(&["get", "--raw", "/readyz"]).0
        });
    }

    /// Kills the API server and starts another one on the same data. In between nobody answers for a while.
    fn restart(&mut self) {
        self.api.kill().unwrap();
        self.api.wait().unwrap();
        assert!(!self.kubectl(&["get", "--raw", "/readyz"]).0);
        std::thread::sleep(Duration::from_secs(3));
        self.api = api(self.folder.path(), self.port);
        self.ready();
    }

    /// Names of the pods that ask for this image, once there are so many.
    fn pods(&self, image: &str, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        eventually(&format!("{count} pods of `{image}`"), || {
            let (_, list) = self.kubectl(&["get", "pods", "-o", "json"]);
            let list: Value = serde_json::from_str(&list).unwrap_or_default();
            let pods = list["items"].as_array().cloned().unwrap_or_default();
            names = pods
                .iter()
                .filter(|pod| pod["spec"]["containers"][0]["image"] == image)
                .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
                .collect();
            names.len() == count
        });
        names
    }

    /// Writes what a kubelet would.
    fn state(&self, pods: &[String], status: &Value) {
        let patch = json!({"status": status}).to_string();
        for pod in pods {
            let words = ["patch", "pod", pod, "--subresource=status", "--type=merge"];
            let (done, said) = self.kubectl(&[&words[..], &["-p", &patch]].concat());
            assert!(done, "{said}");
        }
    }

    /// Deploys while something happens.
    fn deploy(&mut self, project: &Project, meanwhile: impl FnOnce(&mut Self)) -> Ended {
        let run = project
            .ml_deploy("deploy")
            .input("manifests", "k8s")
            .input("namespace", "default")
            .input("kubeconfig", &self.kubeconfig())
            .input("on-failure", "keep")
            .input("deploy-timeout", "120s");
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run.run());
            meanwhile(self);
            running.join().unwrap()
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let all = [
            Some(&mut self.api),
            self.controllers.as_mut(),
            Some(&mut self.etcd),
        ];
        for child in all.into_iter().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn manifest(image: &str) -> String {
    let labels = json!({"app": "wine"});
    let probe = json!({"tcpSocket": {"port": 8080}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wine"}, "spec": {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [
            {"name": "model", "image": image, "readinessProbe": probe, "ports": [{"containerPort": 8080}]},
        ]}},
    }})
    .to_string()
}

#[test]
fn a_rollout_is_watched_through_a_restart_of_the_api_server() {
    let mut cluster = Cluster::new();
    let project = Project::new().file("k8s/app.yaml", &manifest("wine:1"));
    cluster
        .deploy(&project, |cluster| {
            let pods = cluster.pods("wine:1", 2);
            cluster.state(&pods[..1], &running());
            cluster.restart();
            cluster.state(&pods[1..], &running());
        })
        .expect(0)
        .says("failed to watch")
        .says("the new revision serves");

    let project = project.file("k8s/app.yaml", &manifest("wine:2"));
    cluster
        .deploy(&project, |cluster| {
            let pods = cluster.pods("wine:2", 1);
            cluster.restart();
            let waiting = json!({"reason": "InvalidImageName", "message": "couldn't parse image name"});
            let status = json!({"name": "model", "ready": false, "restartCount": 0, "image": "wine:2", "imageID": "",
                "state": {"waiting": waiting}});
            cluster.state(&pods, &json!({"containerStatuses": [status]}));
        })
        .expect(50)
        .code("image-name-invalid")
        .says("failed to watch")
        .says("(1 of 1 new pod");
}
