//! `deploy` and `verify` alone, against a real API server with a real kubelet, and against the engine.

use crate::cluster::{Namespace, kubectl};
use crate::engine::{Container, docker, pushed};
use crate::ports::free_port;
use crate::support::{Ended, Project, Run, bed, unique};

/// A server of three lines: `/health`, and `/cgi-bin/predict`, which always answers the same.
pub(crate) const SERVE: &str = r#"mkdir -p /tmp/www/cgi-bin; echo ok >/tmp/www/health
          printf '#!/bin/sh\necho Content-Type: application/json\necho\necho "{\\"y\\": [1.0]}"\n' >/tmp/www/cgi-bin/predict
          chmod +x /tmp/www/cgi-bin/predict; exec httpd -f -p 8080 -h /tmp/www"#;

pub(crate) fn manifest(script: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: wine
spec:
  replicas: 2
  selector:
    matchLabels: {{app: wine}}
  template:
    metadata:
      labels: {{app: wine}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: model
        image: test.local/box:1
        command:
        - sh
        - -c
        - |
          {script}
        ports:
        - containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: wine
spec:
  selector: {{app: wine}}
  ports:
  - port: 80
    targetPort: 8080
"
    )
}

fn prepared<'a>(project: &'a Project, subcommand: &str, namespace: &str) -> Run<'a> {
    project
        .ml_deploy(subcommand)
        .input("manifests", "k8s")
        .input("namespace", namespace)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("deploy-timeout", "60s")
}

fn deploy(text: &str, namespace: &Namespace) -> Ended {
    let project = Project::new().file("k8s/app.yaml", text);
    prepared(&project, "deploy", &namespace.0).run()
}

#[test]
fn manifests_are_deployed_and_verified_through_the_api_server() {
    let namespace = Namespace::new("it-deploy");
    let good = "{\"request\": {\"x\": 1}, \"response\": {\"y\": [1]}}\n";
    let project = Project::new()
        .file("k8s/app.yaml", &manifest(SERVE))
        .file("golden.jsonl", good)
        .file(
            "wrong.jsonl",
            &format!("{good}{}", good.replace("[1]", "[2]")),
        );
    prepared(&project, "deploy", &namespace.0)
        .run()
        .expect(0)
        .says("Deployment/wine: the new revision serves");
    // The second time nothing changes, and it is seen at once.
    prepared(&project, "deploy", &namespace.0).run().expect(0);
    let verify = |golden: &str| {
        prepared(&project, "verify", &namespace.0)
            .input("health-path", "/health")
            .input("predict-path", "/cgi-bin/predict")
            .input("golden", golden)
            .run()
    };
    verify("golden.jsonl")
        .expect(0)
        .says("Service/wine:80/health answers 200");
    verify("wrong.jsonl")
        .expect(60)
        .code("verify-prediction")
        .says("$.y[0] is 1.0 instead of 2");
    // The pods run another image than the manifests name now.
    let text = manifest(SERVE).replace("box:1", "box:2");
    let other = Project::new().file("k8s/app.yaml", &text);
    prepared(&other, "verify", &namespace.0)
        .run()
        .expect(60)
        .code("verify-digest")
        .says("2 of 2 do not run what the manifests name")
        .says("runs test.local/box:1");
}

#[test]
fn a_crash_loop_is_called_with_its_log() {
    let namespace = Namespace::new("it-deploy");
    deploy(
        &manifest("echo no module named sklearn; exit 3"),
        &namespace,
    )
    .expect(50)
    .code("crash-loop")
    .says("container `model` exits 3 — CrashLoopBackOff")
    .says("no module named sklearn");
}

#[test]
fn an_image_that_is_not_there_is_called() {
    let namespace = Namespace::new("it-deploy");
    let absent = format!("{}/it/none:1", bed("REGISTRY"));
    deploy(
        &manifest(SERVE).replace("test.local/box:1", &absent),
        &namespace,
    )
    .expect(50)
    .code("image-not-found")
    .says("is not found");
}

#[test]
fn what_the_api_server_refuses_is_found_before_anything_is_changed() {
    let namespace = Namespace::new("it-deploy");
    let text = manifest(SERVE)
        .replace("  replicas: 2", "  replicaz: 2")
        .replace("port: 80\n", "port: 99999\n");
    deploy(&text, &namespace)
        .expect(10)
        .code("manifest-rejected")
        .says("`spec.replicaz`: no such field")
        .says("line=6")
        .says("`spec.ports[0].port`");
    assert_eq!(
        kubectl(&[
            "-n",
            &namespace.0,
            "get",
            "deployments,services",
            "-o",
            "name"
        ])
        .1,
        ""
    );
}

#[test]
fn an_immutable_field_and_a_conflict_are_told_apart() {
    let namespace = Namespace::new("it-deploy");
    deploy(&manifest(SERVE), &namespace).expect(0);
    deploy(
        &manifest(SERVE).replace("app: wine", "app: beer"),
        &namespace,
    )
    .expect(10)
    .code("field-immutable");
    assert!(
        kubectl(&[
            "-n",
            &namespace.0,
            "scale",
            "deployment/wine",
            "--replicas=1"
        ])
        .0
    );
    deploy(&manifest(SERVE), &namespace)
        .expect(10)
        .code("apply-conflict")
        .says("`spec.replicas` is owned by field manager `kubectl`");
}

#[test]
fn a_namespace_that_is_not_there_and_a_bad_kubeconfig() {
    let project = Project::new().file("k8s/app.yaml", &manifest(SERVE));
    prepared(&project, "deploy", "it-deploy-none")
        .run()
        .expect(10)
        .code("namespace-missing");
    prepared(&project, "deploy", "x")
        .input("kubeconfig", "bm90IGEgY29uZmln")
        .run()
        .expect(10)
        .code("kubeconfig-invalid");
    let dead = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: t}}]\n";
    prepared(&project, "deploy", "x")
        .input("kubeconfig", dead)
        .run()
        .expect(10)
        .code("cluster-unreachable")
        .says("127.0.0.1:1");
    let plugin = dead.replace("{token: t}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, interactiveMode: Never}}");
    prepared(&project, "deploy", "x")
        .input("kubeconfig", &plugin)
        .run()
        .expect(10)
        .code("kubeconfig-plugin")
        .says("no-such-plugin");
}

#[test]
fn no_container_with_our_image() {
    let namespace = Namespace::new("it-deploy");
    let project = Project::new().file("k8s/app.yaml", &manifest(SERVE));
    let image = format!("ghcr.io/org/wine@sha256:{}", "a".repeat(64));
    prepared(&project, "deploy", &namespace.0)
        .input("image-ref", &image)
        .run()
        .expect(10)
        .code("manifest-image")
        .says("k8s/app.yaml:16: test.local/box:1");
}

#[test]
fn a_signal_ends_the_wait_and_says_what_was_left() {
    let namespace = Namespace::new("it-deploy");
    let slow = manifest(SERVE).replace(
        "        ports:",
        "        readinessProbe: {exec: {command: [\"false\"]}}\n        ports:",
    );
    let project = Project::new().file("k8s/app.yaml", &slow);
    let ended =
        prepared(&project, "deploy", &namespace.0).signal_at("0 of 2 pods are available", "TERM");
    assert_eq!(ended.status, 143, "{}", ended.stdout);
    let ended = ended.says("generation 1 is applied");
    assert!(ended.took.as_secs() < 6);
}

#[test]
fn a_container_is_replaced_only_by_one_that_answers() {
    let name = unique("it-container");
    let container = Container(name.clone());
    let good = pushed(&name, "[\"python3\", \"-m\", \"http.server\", \"8080\"]");
    let bad = pushed(
        &format!("{name}-bad"),
        "[\"sh\", \"-c\", \"echo no model; exit 7\"]",
    );
    let (project, port) = (Project::new(), free_port());
    let run = |subcommand: &str, image: &str| {
        project
            .ml_deploy(subcommand)
            .input("target", "docker")
            .input("container-name", &name)
            .input("ports", &format!("{port}:8080"))
            .input("image-ref", image)
            .input("health-path", "/")
            .input("deploy-timeout", "30s")
            .run()
    };
    let deploy = |image: &str| run("deploy", image);
    let first = deploy(&good).expect(0);
    assert_eq!(first.output("endpoint"), format!("http://127.0.0.1:{port}"));
    let id = docker(&["inspect", "-f", "{{.Id}}", &name]);
    deploy(&bad)
        .expect(50)
        .code("container-failed")
        .says("exits 7")
        .says("no model");
    assert_eq!(
        docker(&["inspect", "-f", "{{.Id}} {{.State.Running}}", &name]),
        format!("{id} true")
    );
    // What answers is compared with what it should be.
    run("verify", &good).expect(0);
    let other = run("verify", &bad).expect(60).code("verify-digest");
    other.says(&format!("container `{name}` runs {good}"));
    deploy(&good).expect(0);
    assert_ne!(docker(&["inspect", "-f", "{{.Id}}", &name]), id);
    let left = docker(&[
        "ps",
        "-a",
        "--format",
        "{{.Names}}",
        "--filter",
        &format!("name={name}"),
    ]);
    assert_eq!(left, name);
    drop(container);
}

#[test]
fn a_container_of_somebody_else_is_left_alone() {
    let name = unique("it-container");
    let container = Container(name.clone());
    let image = pushed(&name, "[\"sleep\", \"300\"]");
    let id = docker(&["run", "-d", "--name", &name, &bed("BASE"), "sleep", "300"]);
    let project = Project::new();
    let run = project
        .ml_deploy("deploy")
        .input("target", "docker")
        .input("container-name", &name)
        .input("ports", &format!("{}:8080", free_port()))
        .input("image-ref", &image);
    run.run()
        .expect(50)
        .code("container-failed")
        .says("was not made by ml-deploy");
    let state = docker(&["inspect", "-f", "{{.Id}} {{.State.Running}}", &name]);
    assert_eq!(state, format!("{id} true"));
    drop(container);
}

#[test]
fn an_answer_that_is_far_too_long_is_not_kept() {
    let name = unique("it-long");
    let container = Container(name.clone());
    let serve = "head -c 5000000 /dev/zero > big; exec python3 -m http.server 8080";
    let image = pushed(&name, &format!("[\"sh\", \"-c\", \"{serve}\"]"));
    let project = Project::new();
    project
        .ml_deploy("deploy")
        .input("target", "docker")
        .input("container-name", &name)
        .input("ports", &format!("{}:8080", free_port()))
        .input("image-ref", &image)
        .input("health-path", "/big")
        .run()
        .expect(60)
        .code("verify-health")
        .says("/big answers with more than 4 MiB");
    drop(container);

    let namespace = Namespace::new("it-long");
    let script = SERVE.replace("exec", "head -c 5000000 /dev/zero >/tmp/www/big; exec");
    let project = Project::new().file("k8s/app.yaml", &manifest(&script));
    prepared(&project, "deploy", &namespace.0).run().expect(0);
    prepared(&project, "verify", &namespace.0)
        .input("health-path", "/big")
        .run()
        .expect(60)
        .code("verify-health")
        .says("the answer has more than 4 MiB");
}
