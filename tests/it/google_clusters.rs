//! A deployment to a cluster of Google: its own description of the service checks what is asked, the answer names the bed's real
//! cluster, and that takes tokens of ten seconds only. No program of Google's is there.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::bearer::Door;
use crate::cluster::{Namespace, kubectl};
use crate::deploy::{SERVE, manifest};
use crate::google::{ACCOUNT, Google, PROVIDER};
use crate::support::{Project, Run, bed, checkout, eventually};

/// Prism in front of a server: what is not as Google describes it, asked or answered, is refused.
struct Described {
    process: Child,
    port: u16,
}

impl Described {
    fn new(google: &Google) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let description = checkout().join("tests/bed/google/google.json");
        let process = Command::new(bed("PRISM"))
            .args(["proxy", "--errors", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg(description)
            .arg(google.url(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let described = Self { process, port };
        eventually("the description is read", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        described
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Described {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_whole_rollout_with_tokens_of_ten_seconds() {
    let mut google = Google::new(10);
    let door = Door::new(google.folder());
    let address = door.server.trim_start_matches("https://").to_owned();
    let authority = STANDARD.encode(&door.authority);
    let port = address.rsplit(':').next().unwrap().to_owned();
    let place = |name: &str| format!("projects/wine/locations/europe-west4/clusters/{name}");
    google.set(
        "clusters",
        json!({
            place("prod"): {"name": "prod", "status": "RUNNING", "endpoint": address, "masterAuth": {"clusterCaCertificate": authority}},
            place("by-name"): {"name": "by-name", "status": "RECONCILING", "endpoint": "10.255.255.1",
                "privateClusterConfig": {"enablePrivateEndpoint": true, "privateEndpoint": "10.255.255.1"},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": format!("localhost:{port}"), "allowExternalTraffic": true}}},
            // Nobody listens at port 1.
            place("hidden"): {"name": "hidden", "status": "RUNNING", "endpoint": "127.0.0.1:1",
                "privateClusterConfig": {"enablePrivateEndpoint": true, "privateEndpoint": "127.0.0.1:1"}},
            place("going"): {"name": "going", "status": "STOPPING", "conditions": [{"message": "somebody deletes it"}]},
            place("new"): {"name": "new", "status": "PROVISIONING"},
            place("broken"): {"name": "broken", "status": "ERROR", "conditions": [{"message": "no IPs left"}]},
            // Nor does it let anybody in by its name.
            place("narrow"): {"name": "narrow", "status": "RUNNING", "endpoint": "127.0.0.1:1", "masterAuthorizedNetworksConfig": {"enabled": true},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": format!("localhost:{port}"), "allowExternalTraffic": false}}},
            place("secret"): 403,
        }),
    );
    let described = Described::new(&google);
    let namespace = Namespace::new("it-google");
    let slow = manifest(SERVE).replace("  replicas: 2\n", "  replicas: 1\n  minReadySeconds: 14\n");
    let project = Project::new()
        .file("k8s/app.yaml", &slow)
        .file("shown.pem", &door.authority);
    let key = google.key("right.pem").to_string();
    let deploy = |name: &str| {
        project
            .ml_deploy("deploy")
            .input("manifests", "k8s")
            .input("namespace", &namespace.0)
            .input("cluster-name", name)
            .input("location", "europe-west4")
            .input("health-path", "/health")
            .input("deploy-timeout", "120s")
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER",
                &described.url(),
            )
            .env("HOME", "/nowhere")
            .env("PATH", "/nowhere")
    };
    let with_key = |run: Run<'_>| run.input("credentials-json", &key).run();
    let ended = with_key(deploy("prod"));
    google.is_told_nowhere(&ended);
    ended.expect(0).says("renewed the access token of Google");
    let (_, ready) = kubectl(&[
        "-n",
        &namespace.0,
        "get",
        "deployment",
        "wine",
        "-o",
        "jsonpath={.status.availableReplicas}",
    ]);
    assert_eq!(ready, "1");
    let knocks = door.knocks();
    let tokens: BTreeSet<_> = knocks.iter().map(|knock| &knock.token).collect();
    assert!(tokens.len() > 1, "one token for all");
    assert!(knocks.iter().all(|knock| knock.status != 401), "{knocks:?}");

    for (name, code, said) in [
        ("absent", "cluster-missing", "`location`"),
        ("going", "cluster-unreachable", "it is STOPPING"),
        ("new", "cluster-unreachable", "wait until it is RUNNING"),
        ("broken", "cluster-unreachable", "no IPs left"),
        (
            "narrow",
            "cluster-unreachable",
            "its authorised networks only",
        ),
        ("hidden", "cluster-unreachable", "a private endpoint only"),
        ("secret", "cloud-denied", "roles/container.clusterViewer"),
    ] {
        let ended = with_key(deploy(name)).expect(10).code(code);
        ended
            .says(said)
            .says(&format!("`{name}` in europe-west4 of project `wine`"));
    }

    // By the cluster's name, as the job itself, and only to look.
    let run = google.job(deploy("by-name"));
    let ended = run
        .input("workload-identity-provider", PROVIDER)
        .input("service-account", ACCOUNT)
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            &described.url(),
        )
        .env(
            "SSL_CERT_FILE",
            &project.path().join("shown.pem").to_string_lossy(),
        )
        .env("GITHUB_EVENT_NAME", "pull_request")
        .run();
    google.is_told_nowhere(&ended);
    ended.expect(0).says("Deployment/wine");
}

#[test]
fn a_key_that_is_deleted_during_a_rollout_is_named() {
    let mut google = Google::new(5);
    google.set("only", json!(1));
    let door = Door::new(google.folder());
    let address = door.server.trim_start_matches("https://").to_owned();
    let authority = STANDARD.encode(&door.authority);
    google.set(
        "clusters",
        json!({"projects/wine/locations/europe-west4/clusters/prod": {"name": "prod", "status": "RUNNING", "endpoint": address,
            "masterAuth": {"clusterCaCertificate": authority}}}),
    );
    let namespace = Namespace::new("it-google");
    let slow = manifest(SERVE).replace("  replicas: 2\n", "  replicas: 1\n  minReadySeconds: 7\n");
    let project = Project::new().file("k8s/app.yaml", &slow);
    let ended = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("cluster-name", "prod")
        .input("location", "europe-west4")
        .input("deploy-timeout", "60s")
        .input("credentials-json", &google.key("right.pem").to_string())
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER",
            &google.url("/"),
        )
        .run();
    google.is_told_nowhere(&ended);
    // What was applied stays, because nobody may put it back: a person is told how.
    ended
        .expect(70)
        .code("rollback-failed")
        .says("Invalid JWT Signature.")
        .says("the key of input `credentials-json` was deleted")
        .says("ml-deploy rollback --namespace=");
}
