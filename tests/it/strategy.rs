//! Canary and blue-green against a real API server with a real kubelet: production stays on the old version until the new
//! one has answered as recorded.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::cluster::{Namespace, kubectl};
use crate::deploy::{SERVE, manifest};
use crate::engine::pushed;
use crate::support::{Ended, Project, Run, bed};

pub(crate) const CANARY: &str = "canary: 50%";

/// A server that predicts this number.
pub(crate) fn predicts(number: &str) -> String {
    SERVE.replace("[1.0]", &format!("[{number}]"))
}

/// A server that is ready at once, but healthy only after some seconds: time to look at it while it is verified.
pub(crate) fn slow(number: &str) -> String {
    predicts(number).replace(
        "echo ok >/tmp/www/health",
        "(sleep 6; echo ok >/tmp/www/health) &",
    )
}

/// A Deployment whose container ends at once. Without the probe it would be ready for a moment.
pub(crate) fn crash() -> String {
    manifest("echo no module named sklearn; exit 3").replace(
        "        ports:",
        "        readinessProbe: {tcpSocket: {port: 8080}}\n        ports:",
    )
}

pub(crate) fn project(text: &str, expected: &str) -> Project {
    let golden = format!("{{\"request\": {{\"x\": 1}}, \"response\": {{\"y\": [{expected}]}}}}\n");
    Project::new()
        .file("k8s/app.yaml", text)
        .file("golden.jsonl", &golden)
}

pub(crate) fn prepared<'a>(project: &'a Project, namespace: &Namespace, strategy: &str) -> Run<'a> {
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("deploy-timeout", "90s")
        .input("strategy", strategy)
        .input("health-path", "/health")
        .input("predict-path", "/cgi-bin/predict")
        .input("golden", "golden.jsonl")
}

/// Deploys a script and expects this prediction.
pub(crate) fn deploy(namespace: &Namespace, strategy: &str, script: &str, expected: &str) -> Ended {
    prepared(&project(&manifest(script), expected), namespace, strategy).run()
}

pub(crate) fn get(namespace: &Namespace, what: &[&str], path: &str) -> String {
    let output = format!("jsonpath={path}");
    let mut arguments = vec!["-n", &namespace.0, "get"];
    arguments.extend(what);
    arguments.extend(["-o", &output]);
    kubectl(&arguments).1
}

/// `name:replicas` of all Deployments.
pub(crate) fn deployments(namespace: &Namespace) -> String {
    let path = "{range .items[*]}{.metadata.name}:{.spec.replicas} {end}";
    get(namespace, &["deployments"], path).trim_end().to_owned()
}

/// What would change if the Deployment were touched: its object, its template, its pods.
pub(crate) fn state(namespace: &Namespace, name: &str) -> String {
    let path = "{.metadata.uid} {.metadata.generation} {.spec.template}";
    let pods = "{.items[?(@.metadata.deletionTimestamp==\"\")].metadata.uid}";
    let pods = get(
        namespace,
        &["pods", "-l", "app=wine,!ml-deploy/track,!ml-deploy/colour"],
        pods,
    );
    format!("{} {pods}", get(namespace, &["deployment", name], path))
}

pub(crate) fn selector(namespace: &Namespace) -> String {
    get(namespace, &["service", "wine"], "{.spec.selector}")
}

/// Names of the pods behind the Service.
pub(crate) fn behind(namespace: &Namespace) -> BTreeSet<String> {
    let slices = ["endpointslices", "-l", "kubernetes.io/service-name=wine"];
    let path = "{range .items[*].endpoints[?(@.conditions.ready==true)]}{.targetRef.name} {end}";
    get(namespace, &slices, path)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Runs a deployment and collects every set of pods that stood behind the Service meanwhile.
pub(crate) fn watched(
    namespace: &Namespace,
    run: impl FnOnce() -> Ended + Send,
) -> (Ended, Vec<BTreeSet<String>>) {
    std::thread::scope(|scope| {
        let run = scope.spawn(run);
        let mut seen = Vec::new();
        while !run.is_finished() {
            let now = behind(namespace);
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        (run.join().unwrap(), seen)
    })
}

/// Waits until nothing of the trial is left, which the garbage collector does in its own time.
pub(crate) fn gone(namespace: &Namespace, label: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    while !get(
        namespace,
        &["pods", "-l", label],
        "{.items[*].metadata.name}",
    )
    .is_empty()
    {
        assert!(Instant::now() < until, "pods with {label} stay");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_good_canary_is_promoted() {
    let namespace = Namespace::new("it-strategy");
    let settings = |value: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: wine}}\ndata: {{threshold: \"{value}\"}}\n"
        )
    };
    let run = |script: &str, number: &str| {
        let text = format!("{}{}", manifest(script), settings(number));
        prepared(&project(&text, number), &namespace, CANARY).run()
    };
    let first = run(&predicts("1"), "1").expect(0);
    first.says("there is nothing to put a canary beside");
    assert_eq!(deployments(&namespace), "wine:2");

    let second = run(&predicts("2"), "2")
        .expect(0)
        .says("`ConfigMap/wine` is changed while the old version still reads it")
        .says("`Deployment/wine-canary` puts 1 of 3 pods behind the same Service")
        .says("`Deployment/wine-canary` is verified and takes over")
        .says("`Deployment/wine-canary` is removed");
    assert_eq!(second.report["deployment"]["objects"][1], "Deployment/wine");
    assert_eq!(deployments(&namespace), "wine:2");
    gone(&namespace, "ml-deploy/track");
    let commands = "{range .items[*]}{.spec.containers[0].command[2]}{\"|\"}{end}";
    let commands = get(&namespace, &["pods"], commands);
    let new = commands.split('|').filter(|script| script.contains("[2]"));
    assert_eq!(new.count(), 2, "{commands}");
}

#[test]
fn a_canary_that_does_not_start_leaves_production_alone() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, CANARY, &predicts("1"), "1").expect(0);
    let before = state(&namespace, "wine");
    prepared(&project(&crash(), "1"), &namespace, CANARY)
        .run()
        .expect(50)
        .says("Deployment/wine-canary: container `model` exits 3")
        .says("`Deployment/wine-canary` is removed, `Deployment/wine` serves as before")
        .says("no module named sklearn");
    assert_eq!(state(&namespace, "wine"), before);
    assert_eq!(deployments(&namespace), "wine:2");
    gone(&namespace, "ml-deploy/track");
}

#[test]
fn a_canary_answers_beside_the_old_version_and_goes_when_it_predicts_otherwise() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, CANARY, &predicts("1"), "1").expect(0);
    let (before, old) = (state(&namespace, "wine"), behind(&namespace));
    assert_eq!(old.len(), 2);
    let script = format!("echo model two is loaded; {}", slow("2"));
    let (ended, seen) = watched(&namespace, || deploy(&namespace, CANARY, &script, "1"));
    ended
        .expect(60)
        .says("model: model two is loaded")
        .code("verify-prediction")
        .says("$.y[0] is 2 instead of 1")
        .says("`Deployment/wine-canary` is removed, `Deployment/wine` serves as before");
    let both = |behind: &BTreeSet<String>| behind.len() == 3 && behind.is_superset(&old);
    assert!(seen.iter().any(both), "{seen:?}");
    // Never the new version alone, never fewer of the old one.
    assert!(
        seen.iter().all(|behind| behind.is_superset(&old)),
        "{seen:?}"
    );
    assert_eq!(state(&namespace, "wine"), before);
    assert_eq!(deployments(&namespace), "wine:2");
    gone(&namespace, "ml-deploy/track");
    assert_eq!(behind(&namespace), old);
}

#[test]
fn a_cancelled_canary_is_removed() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, CANARY, &predicts("1"), "1").expect(0);
    let before = state(&namespace, "wine");
    let never = manifest(&predicts("2")).replace(
        "        ports:",
        "        readinessProbe: {exec: {command: [\"false\"]}}\n        ports:",
    );
    let settings = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: wine}\n";
    let project = project(&format!("{never}{settings}"), "2");
    let ended = prepared(&project, &namespace, CANARY)
        .signal_at("Deployment/wine-canary: 0 of 1 pods are available", "TERM");
    assert_eq!(ended.status, 143, "{}", ended.stdout);
    assert!(ended.took < Duration::from_secs(6), "{:?}", ended.took);
    let ended =
        ended.says("`Deployment/wine-canary` is removed, `Deployment/wine` serves as before");
    let left = ended.report["left"][0].as_str().unwrap();
    assert!(
        left.contains("`Deployment/wine-canary` is removed"),
        "{left}"
    );
    assert!(
        left.ends_with("what this run applied of `ConfigMap/wine` stays"),
        "{left}"
    );
    assert_eq!(state(&namespace, "wine"), before);
    assert_eq!(deployments(&namespace), "wine:2");
    gone(&namespace, "ml-deploy/track");
}

#[test]
fn a_leftover_canary_is_replaced_and_a_strangers_deployment_is_not() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, CANARY, &predicts("1"), "1").expect(0);
    let run = [
        "-n",
        &namespace.0,
        "create",
        "deployment",
        "wine-canary",
        "--image=test.local/box:1",
        "--",
        "sleep",
        "300",
    ];
    assert!(kubectl(&run).0);
    let before = state(&namespace, "wine");
    deploy(&namespace, CANARY, &predicts("2"), "2")
        .expect(10)
        .code("strategy-unfit")
        .says("there is one already that was not made by ml-deploy");
    assert_eq!(state(&namespace, "wine"), before);
    assert_eq!(deployments(&namespace), "wine:2 wine-canary:1");

    let label = [
        "-n",
        &namespace.0,
        "label",
        "deployment",
        "wine-canary",
        "ml-deploy/track=canary",
    ];
    assert!(kubectl(&label).0);
    deploy(&namespace, CANARY, &predicts("2"), "2")
        .expect(0)
        .says("`Deployment/wine-canary` of an earlier run is removed")
        .says("is verified and takes over");
    assert_eq!(deployments(&namespace), "wine:2");
}

#[test]
fn a_promotion_that_breaks_the_service_is_taken_back() {
    let namespace = Namespace::new("it-strategy");
    let two = |text: &str| {
        manifest(text).replace(
            "        - containerPort: 8080\n",
            "        - containerPort: 8080\n        - containerPort: 8081\n",
        )
    };
    prepared(&project(&two(&predicts("1")), "1"), &namespace, CANARY)
        .run()
        .expect(0);
    // The canary itself answers; nobody listens where the new Service sends requests.
    let bad = two(&predicts("2")).replace("targetPort: 8080", "targetPort: 8081");
    prepared(&project(&bad, "2"), &namespace, CANARY)
        .run()
        .expect(60)
        .code("verify-health")
        .says("`Deployment/wine-canary` is verified and takes over")
        .says("rolled back to")
        .says("`Deployment/wine-canary` is removed");
    assert_eq!(deployments(&namespace), "wine:2");
    let port = get(
        &namespace,
        &["service", "wine"],
        "{.spec.ports[0].targetPort}",
    );
    assert_eq!(port, "8080");
    let script = get(
        &namespace,
        &["deployment", "wine"],
        "{.spec.template.spec.containers[0].command[2]}",
    );
    assert!(script.contains("[1]"), "{script}");
}

#[test]
fn the_digest_is_checked_on_the_canary_and_on_what_it_becomes() {
    let namespace = Namespace::new("it-strategy");
    let image = |version: &str| {
        // An image that nobody else has, under no other name.
        let folder = format!("/srv/{version}-{}", namespace.0);
        let command = format!(
            "[\"sh\", \"-c\", \"mkdir -p {folder}; cd {folder}; exec python3 -m http.server 8080\"]"
        );
        pushed(&namespace.0, &command)
    };
    let text = manifest("exit 1");
    let (head, tail) = text.split_once("        command:").unwrap();
    let (_, tail) = tail.split_once("        ports:").unwrap();
    let repository = format!("{}/it/{}", bed("REGISTRY"), namespace.0);
    let text = format!(
        "{head}        readinessProbe: {{tcpSocket: {{port: 8080}}}}\n        ports:{tail}"
    )
    .replace("test.local/box:1", &repository);
    let project = Project::new().file("k8s/app.yaml", &text);
    let run = |image: &str| {
        project
            .ml_deploy("deploy")
            .input("manifests", "k8s")
            .input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .input("strategy", CANARY)
            .input("health-path", "/")
            .input("image-ref", image)
            .run()
            .expect(0)
    };
    run(&image("one"));
    let second = image("two");
    let digest = second.split_once('@').unwrap().1;
    run(&second)
        .says(&format!("digest: 1 of 1 run {digest}"))
        .says(&format!("digest: 2 of 2 run {digest}"));
}

#[test]
fn a_stateful_set_is_refused_before_anything_is_made() {
    let namespace = Namespace::new("it-strategy");
    let text = manifest(SERVE)
        .replace("kind: Deployment", "kind: StatefulSet")
        .replace("  replicas: 2", "  replicas: 2\n  serviceName: wine");
    for strategy in [CANARY, "blue-green"] {
        prepared(&project(&text, "1"), &namespace, strategy)
            .run()
            .expect(10)
            .code("strategy-unfit")
            .says("needs one Deployment: the manifests have none");
    }
    let names = [
        "-n",
        &namespace.0,
        "get",
        "statefulsets,services",
        "-o",
        "name",
    ];
    assert_eq!(kubectl(&names).1, "");
}
