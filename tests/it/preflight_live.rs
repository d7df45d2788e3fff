//! What a deployment would do to objects that are there already: what cannot be changed, what somebody else owns, what
//! would wait for ever, and the list of changes. Nothing is changed to find out.

use crate::cluster::{Namespace, kubectl};
use crate::preflight::{applied, checked, found, line, made};
use crate::support::{Ended, eventually, unique};

/// A Deployment without pods, so that nothing has to run.
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: wine
spec:
  replicas: 0
  selector:
    matchLabels:
      app: wine
  template:
    metadata:
      labels: {app: wine}
    spec:
      containers:
      - name: model
        image: test.local/box:1
        command: [sleep, '1000']
        env:
        - name: DB_PASSWORD
          value: hunter-two
";

fn only(code: &str, line: u64) -> Vec<(String, String, u64)> {
    vec![(code.to_owned(), "error".to_owned(), line)]
}

/// The log as a reader has it: the runner swallows the lines that tell it what to hide.
fn shown(ended: &Ended) -> String {
    let lines = ended.stdout.lines();
    let lines = lines.filter(|line| !line.starts_with("::add-mask::"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn fields_that_stay_as_they_were_made() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 0\n  serviceName: db\n  podManagementPolicy: Parallel\n  selector: {matchLabels: {app: db}}\n  template:\n    metadata: {labels: {app: db}}\n    spec: {containers: [{name: a, image: 'test.local/box:1'}]}\n";
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec:\n  suspend: true\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: a\n        image: test.local/box:1\n        command: ['true']\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec:\n  clusterIP: None\n  selector: {app: db}\n  ports: [{port: 80}]\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  storageClassName: ''\n  accessModes:\n  - ReadWriteOnce\n  resources: {requests: {storage: 1Gi}}\n";
    let live = [DEPLOYMENT, set, job, service, claim].join("---\n");
    applied(name, &live);
    let before = made(name);
    assert_eq!(found(&checked(&live, name).expect(0)), []);
    let text = live
        .replace("app: wine", "app: beer")
        .replace(
            "podManagementPolicy: Parallel",
            "podManagementPolicy: OrderedReady",
        )
        .replace("command: ['true']", "command: ['false']")
        .replace("clusterIP: None", "clusterIP: 10.96.77.77")
        .replace("- ReadWriteOnce", "- ReadOnlyMany");
    let ended = checked(&text, name).expect(10);
    let lines: Vec<(String, u64)> = found(&ended)
        .into_iter()
        .map(|(code, _, line)| (code, line))
        .collect();
    let at = |words: &str| ("field-immutable".to_owned(), line(&text, words));
    assert_eq!(
        lines,
        [
            at("app: beer"),
            at("podManagementPolicy"),
            at("command: ['false']"),
            at("clusterIP"),
            at("- ReadOnlyMany")
        ]
    );
    ended
        .says("live \"wine\", wanted \"beer\"")
        .says("live \"Parallel\", wanted \"OrderedReady\"")
        .says(&format!("`kubectl -n {name} delete statefulset db`"))
        .says("(its data goes too)");
    assert_eq!(made(name), before);
}

#[test]
fn a_bare_pod_that_is_there_cannot_be_replaced() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: once\nspec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 0\n  containers:\n  - name: a\n    image: test.local/box:1\n    command:\n    - 'true'\n";
    assert_eq!(found(&checked(pod, name).expect(0)), []);
    applied(name, pod);
    let text = pod.replace("- 'true'", "- 'false'");
    let ended = checked(&text, name).expect(10);
    assert_eq!(found(&ended), only("pod-exists", line(&text, "- 'false'")));
    ended.says(&format!("kubectl -n {name} delete pod once"));
    let phase = || {
        kubectl(&[
            "-n",
            name,
            "get",
            "pod",
            "once",
            "-o",
            "jsonpath={.status.phase}",
        ])
        .1
    };
    eventually("the pod has ended", || phase() == "Succeeded");
    let ended = checked(pod, name).expect(10);
    assert_eq!(found(&ended), only("pod-exists", line(pod, "name: once")));
    ended.says("has ended (Succeeded)");
}

#[test]
fn somebody_else_s_fields_and_a_paused_deployment() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    applied(name, DEPLOYMENT);
    let scaled = [
        "-n",
        name,
        "scale",
        "deployment/wine",
        "--replicas=0",
        "--current-replicas=0",
    ];
    assert!(kubectl(&scaled).0);
    assert!(
        kubectl(&[
            "-n",
            name,
            "set",
            "env",
            "deployment/wine",
            "DB_PASSWORD=other-secret"
        ])
        .0
    );
    let text = DEPLOYMENT.replace("replicas: 0", "replicas: 1");
    let ended = checked(&text, name).expect(10);
    assert_eq!(
        found(&ended),
        only("apply-conflict", line(&text, "value: hunter-two"))
    );
    let log = shown(&ended);
    assert!(!log.contains("other-secret"), "{log}");
    ended.says("is owned by `kubectl-set`, live (hidden), wanted (hidden)");
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    applied(name, DEPLOYMENT);
    assert!(kubectl(&["-n", name, "rollout", "pause", "deployment/wine"]).0);
    let ended = checked(DEPLOYMENT, name).expect(10);
    assert_eq!(ended.output("failure-code"), "rollout-paused");
    ended.says(&format!("kubectl -n {name} rollout resume deployment/wine"));
    let text = DEPLOYMENT.replace("  replicas: 0", "  replicas: 0\n  paused: false");
    let ended = checked(&text, name).expect(10);
    // Who paused it owns the field: the manifest cannot simply say otherwise.
    assert_eq!(found(&ended), only("apply-conflict", line(&text, "paused")));
}

#[test]
fn the_changes_are_listed_and_no_secret_is() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: wine}\nstringData: {password: live-secret-value}\n";
    let live = format!("{DEPLOYMENT}{secret}");
    applied(name, &live);
    let ended = checked(&live, name).expect(0);
    assert!(
        ended.summary.contains("all 2 objects stay as they are"),
        "{}",
        ended.summary
    );
    let text = live
        .replace("'1000'", "'2000'")
        .replace("hunter-two", "hunter-three")
        .replace("live-secret-value", "wanted-secret-value")
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n";
    let ended = checked(&text, name).expect(0);
    assert!(
        ended
            .summary
            .contains("| <code>Deployment/wine</code> | 2 fields |"),
        "{}",
        ended.summary
    );
    assert!(
        ended
            .summary
            .contains("| <code>ConfigMap/new</code> | created |"),
        "{}",
        ended.summary
    );
    for hidden in [
        "hunter",
        "secret-value",
        "bGl2ZS1zZWNyZXQ",
        "d2FudGVkLXNlY3JldA",
    ] {
        assert!(
            !shown(&ended).contains(hidden) && !ended.summary.contains(hidden),
            "{hidden}"
        );
        assert!(!ended.report.to_string().contains(hidden), "{hidden}");
    }
    ended
        .says("Deployment/wine spec.template.spec.containers[model].command[1]: \"1000\" → \"2000\"")
        .says("Deployment/wine spec.template.spec.containers[model].env[DB_PASSWORD].value: (hidden) → (hidden, changed)")
        .says("Secret/wine data.password: (hidden) → (hidden, changed)")
        .says("ConfigMap/new would be created");
}

/// Waits until the Deployment has its pod.
fn runs(namespace: &str) {
    let template = "jsonpath={.status.readyReplicas}";
    let ready = || kubectl(&["-n", namespace, "get", "deployment", "wine", "-o", template]).1;
    eventually("the pod runs", || ready() == "1");
}

/// A device that the node has one of, until the test ends.
struct Device(String, String);

impl Device {
    fn new() -> Self {
        let name = format!("example.com/{}", unique("gpu"));
        let node = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]).1;
        let device = Self(name, node);
        assert!(
            device.patch("\"1\""),
            "the node could not be given a device"
        );
        device
    }

    fn patch(&self, count: &str) -> bool {
        let capacity = format!("{{\"status\":{{\"capacity\":{{\"{}\":{count}}}}}}}", self.0);
        kubectl(&[
            "patch",
            "node",
            &self.1,
            "--subresource=status",
            "--type=merge",
            "-p",
            &capacity,
        ])
        .0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.patch("null");
    }
}

#[test]
fn one_device_cannot_be_rolled_over() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let device = Device::new();
    let allocatable = || {
        kubectl(&[
            "get",
            "node",
            &device.1,
            "-o",
            "jsonpath={.status.allocatable}",
        ])
        .1
    };
    eventually("the node offers the device", || {
        allocatable().contains(&device.0)
    });
    let limits = format!(
        "        resources:\n          limits: {{{}: 1}}\n        env:",
        device.0
    );
    let text = DEPLOYMENT
        .replace("replicas: 0", "replicas: 1")
        .replace("        env:", &limits);
    applied(name, &text);
    runs(name);
    // Nothing new to run, nothing to wait for.
    assert_eq!(found(&checked(&text, name).expect(0)), []);
    let text = text.replace("'1000'", "'2000'");
    let ended = checked(&text, name).expect(10);
    assert_eq!(found(&ended), only("gpu-deadlock", line(&text, "spec:")));
    ended.says("rollingUpdate: {maxSurge: 0, maxUnavailable: 1}");
    let strategy =
        "spec:\n  strategy:\n    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}\n  replicas";
    let text = text.replacen("spec:\n  replicas", strategy, 1);
    assert_eq!(found(&checked(&text, name).expect(0)), []);
}

#[test]
fn a_rolling_update_without_room_in_the_quota() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let requests = "        resources: {requests: {cpu: 10m}}\n        env:";
    let text = DEPLOYMENT
        .replace("replicas: 0", "replicas: 1")
        .replace("        env:", requests);
    applied(name, &text);
    runs(name);
    applied(
        name,
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: full}\nspec: {hard: {requests.cpu: 15m}}\n",
    );
    let used = || {
        kubectl(&[
            "-n",
            name,
            "get",
            "quota",
            "full",
            "-o",
            "jsonpath={.status.used}",
        ])
        .1
    };
    eventually("the quota is counted", || used().contains("10m"));
    let text = text.replace("'1000'", "'2000'");
    let ended = checked(&text, name).expect(10);
    assert_eq!(
        found(&ended),
        only("capacity-exceeded", line(&text, "spec:"))
    );
    ended.says("needs room for 1 more beside the old pods, and quota `full` has none: requests.cpu: 20m of 15m");
    let text = text.replacen("spec:\n", "spec:\n  strategy: {type: Recreate}\n", 1);
    // What the server filled in for the other strategy has to go first, and the advice says how.
    let patch = "{\"spec\":{\"strategy\":{\"type\":\"Recreate\",\"rollingUpdate\":null}}}";
    checked(&text, name)
        .expect(10)
        .says(&format!("-p '{patch}'"));
    assert!(kubectl(&["-n", name, "patch", "deployment", "wine", "-p", patch]).0);
    assert_eq!(found(&checked(&text, name).expect(0)), []);
}

#[test]
fn a_namespace_that_goes_away_takes_nothing() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let held =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [test.local/hold]}\n";
    applied(name, held);
    assert!(kubectl(&["delete", "namespace", name, "--wait=false"]).0);
    let ended = checked(DEPLOYMENT, name);
    let released = [
        "-n",
        name,
        "patch",
        "configmap",
        "held",
        "--type=merge",
        "-p",
        "{\"metadata\":{\"finalizers\":null}}",
    ];
    assert!(kubectl(&released).0);
    ended.expect(10).code("namespace-terminating");
}

#[test]
fn pods_that_the_namespace_s_policy_refuses() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let label = |level: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        assert!(kubectl(&["label", "--overwrite", "namespace", name, &label]).0);
    };
    label("baseline");
    assert_eq!(found(&checked(DEPLOYMENT, name).expect(0)), []);
    label("restricted");
    let ended = checked(DEPLOYMENT, name).expect(10);
    assert_eq!(
        found(&ended),
        only("manifest-rejected", line(DEPLOYMENT, "- name: model"))
    );
    ended
        .says("violates PodSecurity `restricted:latest`")
        .says("container \"model\" must set securityContext.allowPrivilegeEscalation=false");
    let context = "        securityContext: {runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}\n        env:";
    let text = DEPLOYMENT.replace("        env:", context);
    assert_eq!(found(&checked(&text, name).expect(0)), []);
    assert!(!made(name).contains("wine"));
}
