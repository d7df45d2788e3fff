//! A deployment that fails is put back to what was live, exactly, and what cannot be put back is said.

use serde_json::Value;

use crate::cluster::{Namespace, kubectl};
use crate::deploy::{SERVE, manifest};
use crate::support::{Ended, Project, Run, bed};

/// A server that becomes ready only when it answers.
pub(crate) fn good() -> String {
    manifest(SERVE).replace(
        "        ports:\n        - containerPort",
        "        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}\n        ports:\n        - containerPort",
    )
}

/// The same Deployment with a container that ends at once.
pub(crate) fn broken() -> String {
    good().replace(SERVE, "echo no module named sklearn; exit 3")
}

pub(crate) fn prepared<'a>(
    project: &'a Project,
    subcommand: &str,
    namespace: &Namespace,
) -> Run<'a> {
    project
        .ml_deploy(subcommand)
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("deploy-timeout", "90s")
}

pub(crate) fn deploy_with(text: &str, namespace: &Namespace, inputs: &[(&str, &str)]) -> Ended {
    let project = Project::new().file("k8s/app.yaml", text);
    let run = prepared(&project, "deploy", namespace).input("manifests", "k8s");
    inputs
        .iter()
        .fold(run, |run, (name, value)| run.input(name, value))
        .run()
}

pub(crate) fn deploy(text: &str, namespace: &Namespace) -> Ended {
    deploy_with(text, namespace, &[])
}

/// An object as it is live; null when it is not there.
pub(crate) fn live(namespace: &Namespace, object: &str) -> Value {
    let (_, text) = kubectl(&["-n", &namespace.0, "get", object, "-o", "json"]);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// kubectl that must succeed.
pub(crate) fn ran(namespace: &Namespace, arguments: &[&str]) -> String {
    let mut all = vec!["-n", &namespace.0];
    all.extend(arguments);
    let (succeeded, printed) = kubectl(&all);
    assert!(succeeded, "{arguments:?}: {printed}");
    printed
}

pub(crate) const CONFIG: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {threshold: '1', old: x}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: first-token, old: w}\n";

#[test]
fn a_crash_loop_is_put_back_to_the_last_field() {
    let namespace = Namespace::new("it-rollback");
    let first = good().replace(
        "        ports:\n",
        "        env:\n        - {name: A, value: one}\n        - {name: C, value: three}\n        ports:\n",
    );
    deploy(&format!("{first}{CONFIG}"), &namespace).expect(0);
    let spec = live(&namespace, "deployment/wine")["spec"].clone();
    let data = live(&namespace, "configmap/settings")["data"].clone();
    let secret = live(&namespace, "secret/keys")["data"].clone();
    let second = broken()
        .replace("replicas: 2", "replicas: 3\n  minReadySeconds: 1")
        .replace(
            "        ports:\n",
            "        env:\n        - {name: A, value: two}\n        - {name: B, value: new}\n        ports:\n",
        )
        .replace(
            "      containers:\n",
            "      containers:\n      - {name: extra, image: 'test.local/box:1', command: [sleep, '300']}\n",
        );
    let config = CONFIG
        .replace("{threshold: '1', old: x}", "{threshold: '2', new: z}")
        .replace("{token: first-token, old: w}", "{token: second-token}");
    let added = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: added}\ndata: {a: b}\n";
    let ended = deploy(&format!("{second}{config}{added}"), &namespace)
        .expect(50)
        .says("rolled back to `test.local/box:1`, which answers")
        .says("no module named sklearn");
    assert_eq!(ended.output("rolled-back"), "true");
    assert!(ended.summary.contains("Rolled back"), "{}", ended.summary);
    for secret in ["first-token", "second-token", "c2Vjb25kLXRva2Vu"] {
        // The runner is told what to hide, and shows none of it.
        let shown = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"));
        assert!(
            !shown.clone().any(|line| line.contains(secret)),
            "{}",
            ended.stdout
        );
        assert!(!ended.report.to_string().contains(secret));
    }
    assert_eq!(live(&namespace, "deployment/wine")["spec"], spec);
    assert_eq!(live(&namespace, "configmap/settings")["data"], data);
    assert_eq!(live(&namespace, "secret/keys")["data"], secret);
    assert_eq!(live(&namespace, "configmap/added"), Value::Null);
    // What was put back is ours as before: the next deployment meets no conflict.
    deploy(&format!("{first}{CONFIG}"), &namespace).expect(0);
}

#[test]
fn fields_of_others_stay() {
    let namespace = Namespace::new("it-rollback");
    let without = |text: String| text.replace("  replicas: 2\n", "");
    deploy(&without(good()), &namespace).expect(0);
    ran(&namespace, &["scale", "deployment/wine", "--replicas=3"]);
    ran(&namespace, &["label", "deployment/wine", "team=cellar"]);
    ran(&namespace, &["set", "env", "deployment/wine", "THEIRS=1"]);
    deploy(&without(broken()), &namespace)
        .expect(50)
        .says("rolled back to");
    let wine = live(&namespace, "deployment/wine");
    assert_eq!(wine["spec"]["replicas"], 3);
    assert_eq!(wine["metadata"]["labels"]["team"], "cellar");
    let container = &wine["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"][0]["name"], "THEIRS");
    // They are theirs still: the next deployment does not reset them.
    deploy(&without(good()), &namespace).expect(0);
    assert_eq!(live(&namespace, "deployment/wine")["spec"]["replicas"], 3);
}

#[test]
fn a_verification_that_fails_is_put_back_too() {
    let namespace = Namespace::new("it-rollback");
    let health = [("health-path", "/health")];
    deploy_with(&manifest(SERVE), &namespace, &health).expect(0);
    let spec = live(&namespace, "deployment/wine")["spec"].clone();
    let silent = manifest(&SERVE.replace("www/health", "www/elsewhere"));
    let ended = deploy_with(&silent, &namespace, &health)
        .expect(60)
        .code("verify-health")
        .says("which answers 200 at Service/wine:80/health");
    assert_eq!(ended.output("rolled-back"), "true");
    assert_eq!(live(&namespace, "deployment/wine")["spec"], spec);
}

#[test]
fn a_rollback_that_fails_calls_for_a_person() {
    let namespace = Namespace::new("it-rollback");
    ran(
        &namespace,
        &["create", "secret", "generic", "token", "--from-literal=a=b"],
    );
    let needs = |text: String| {
        text.replace("  replicas: 2\n", "  replicas: 1\n  strategy: {type: Recreate}\n")
            .replace(
                "        ports:\n",
                "        env:\n        - {name: T, valueFrom: {secretKeyRef: {name: token, key: a}}}\n        ports:\n",
            )
    };
    deploy(&needs(good()), &namespace).expect(0);
    ran(&namespace, &["delete", "secret", "token"]);
    let free = broken().replace(
        "  replicas: 2\n",
        "  replicas: 1\n  strategy: {type: Recreate}\n",
    );
    let ended = deploy_with(&free, &namespace, &[("deploy-timeout", "60s")])
        .expect(70)
        .code("rollback-failed")
        .says("went back to `test.local/box:1`, but it does not serve any more")
        .says(&format!(
            "kubectl -n {} describe deployment/wine",
            namespace.0
        ))
        .says("no module named sklearn");
    assert_eq!(ended.output("rolled-back"), "");
    let first = ended.stdout.find("(rollback-failed)").unwrap();
    let original = ended.stdout.rfind("CrashLoopBackOff").unwrap();
    assert!(first < original, "{}", ended.stdout);
}

#[test]
fn a_cancel_never_goes_back() {
    let namespace = Namespace::new("it-rollback");
    deploy(&good(), &namespace).expect(0);
    let slow = good().replace("path: /health", "path: /never");
    let project = Project::new().file("k8s/app.yaml", &slow);
    let ended = prepared(&project, "deploy", &namespace)
        .input("manifests", "k8s")
        .signal_at("1 of 2 new pods made", "INT");
    assert_eq!(ended.status, 130, "{}", ended.stdout);
    let ended =
        ended.says("what was live before (test.local/box:1) is not put back after a cancel");
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    assert_eq!(ended.output("rolled-back"), "");
    let wine = live(&namespace, "deployment/wine");
    let probe = &wine["spec"]["template"]["spec"]["containers"][0]["readinessProbe"];
    assert_eq!(probe["httpGet"]["path"], "/never");
}

#[test]
fn a_first_deployment_that_fails_is_left_to_be_looked_at() {
    let namespace = Namespace::new("it-rollback");
    let ended = deploy(&broken(), &namespace)
        .expect(50)
        .says("nothing was live before: what failed is left for inspection")
        .says(&format!(
            "kubectl -n {} describe deployment/wine",
            namespace.0
        ));
    assert_eq!(ended.output("rolled-back"), "");
    assert_eq!(live(&namespace, "deployment/wine")["spec"]["replicas"], 2);
    // The second attempt that fails has nothing good to go back to either, and that is no failed rollback.
    deploy(&broken().replace("exit 3", "exit 4"), &namespace)
        .expect(50)
        .says("what was live before did not serve either");
    deploy(&good(), &namespace).expect(0);
}

#[test]
fn a_first_deployment_that_fails_is_scaled_to_zero_or_removed_when_asked() {
    let namespace = Namespace::new("it-rollback");
    let with =
        |text: &str, choice: &str| deploy_with(text, &namespace, &[("on-first-failure", choice)]);
    with(&format!("{}{CONFIG}", broken()), "remove")
        .expect(50)
        .says("what this deployment made is removed");
    for object in [
        "deployment/wine",
        "service/wine",
        "configmap/settings",
        "secret/keys",
    ] {
        assert_eq!(live(&namespace, object), Value::Null, "{object}");
    }
    with(&broken(), "scale-down")
        .expect(50)
        .says("Deployment/wine is scaled to zero");
    assert_eq!(live(&namespace, "deployment/wine")["spec"]["replicas"], 0);
    // Ours as before: no conflict.
    with(&good(), "scale-down").expect(0);
    assert_eq!(live(&namespace, "deployment/wine")["spec"]["replicas"], 2);
}

#[test]
fn keeping_what_failed_can_be_chosen() {
    let namespace = Namespace::new("it-rollback");
    deploy(&good(), &namespace).expect(0);
    let ended = deploy_with(&broken(), &namespace, &[("on-failure", "keep")])
        .expect(50)
        .says("left as it is (`on-failure: keep`)");
    assert_eq!(ended.output("rolled-back"), "");
    let wine = live(&namespace, "deployment/wine").to_string();
    assert!(wine.contains("no module named sklearn"));
}

#[test]
fn a_failure_in_the_middle_of_applying_is_put_back() {
    let namespace = Namespace::new("it-rollback");
    let config =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n";
    deploy(&format!("{}{config}", good()), &namespace).expect(0);
    // Each of the two new objects fits by itself, so only applying finds it.
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/configmaps: '3'}}\n";
    let file = Project::new().file("quota.yaml", quota);
    let path = file.path().join("quota.yaml").display().to_string();
    ran(&namespace, &["apply", "-f", &path]);
    ran(
        &namespace,
        &[
            "wait",
            "--for=jsonpath={.status.used.count/configmaps}=2",
            "resourcequota/few",
            "--timeout=30s",
        ],
    );
    let second = format!(
        "{}{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: two}}\n",
        good(),
        config.replace("'1'", "'2'")
    );
    let ended = deploy(&second, &namespace)
        .code("manifest-rejected")
        .says("exceeded quota")
        .says("ConfigMap/one removed");
    assert_eq!(ended.output("rolled-back"), "true");
    assert_eq!(live(&namespace, "configmap/settings")["data"]["a"], "1");
    assert_eq!(live(&namespace, "configmap/one"), Value::Null);
}

#[test]
fn a_stateful_set_does_not_stay_stuck_on_its_broken_pod() {
    let namespace = Namespace::new("it-rollback");
    let stateful = |text: String| {
        text.replace("kind: Deployment", "kind: StatefulSet")
            .replace(
                "  selector:\n    matchLabels",
                "  serviceName: wine\n  selector:\n    matchLabels",
            )
    };
    deploy(&stateful(good()), &namespace).expect(0);
    deploy(&stateful(broken()), &namespace)
        .expect(50)
        .says("of the failed revision removed")
        .says("rolled back to");
    assert_eq!(
        live(&namespace, "statefulset/wine")["status"]["readyReplicas"],
        2
    );
}

#[test]
fn a_cancel_while_going_back_finishes_what_it_can() {
    let namespace = Namespace::new("it-rollback");
    let recreate = |text: String| {
        text.replace(
            "  replicas: 2\n",
            "  replicas: 2\n  strategy: {type: Recreate}\n",
        )
    };
    // Slow enough to be interrupted before it serves again.
    let slow = recreate(good()).replace(
        "periodSeconds: 1",
        "periodSeconds: 1, initialDelaySeconds: 8",
    );
    deploy(&slow, &namespace).expect(0);
    let spec = live(&namespace, "deployment/wine")["spec"].clone();
    let project = Project::new().file("k8s/app.yaml", &recreate(broken()));
    let ended = prepared(&project, "deploy", &namespace)
        .input("manifests", "k8s")
        .signal_at("Deployment/wine put back", "TERM");
    assert_eq!(ended.status, 143, "{}", ended.stdout);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    let ended = ended
        .says("stopped after everything was put back to `test.local/box:1`, before it was seen to serve")
        .says("Deployment/wine is put back");
    assert_eq!(ended.output("rolled-back"), "");
    assert_eq!(live(&namespace, "deployment/wine")["spec"], spec);
}
