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

const CONFIG: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {threshold: '1', old: x}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: first-token, old: w}\n";

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
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
        assert!(!ended.report.to_string().contains(secret));
    }
    assert_eq!(live(&namespace, "deployment/wine")["spec"], spec);
    assert_eq!(live(&namespace, "configmap/settings")["data"], data);
    assert_eq!(live(&namespace, "secret/keys")["data"], secret);
    assert_eq!(live(&namespace, "configmap/added"), Value::Null);
    // What was put back is ours as before: the next deployment meets no conflict.
    deploy(&format!("{first}{CONFIG}"), &namespace).expect(0);
}
