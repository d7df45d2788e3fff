//! What is remembered of deployments: status, going back on purpose, and pruning.

use serde_json::Value;

use crate::cluster::{Namespace, kubectl};
use crate::rights::kubeconfig;
use crate::rollback::{broken, deploy, deploy_with, good, live, prepared, ran};
use crate::support::{Ended, Project, unique};

const NAME: (&str, &str) = ("deployment-name", "wine");

fn ask(subcommand: &str, namespace: &Namespace, inputs: &[(&str, &str)]) -> Ended {
    let project = Project::new();
    let run = prepared(&project, subcommand, namespace);
    inputs
        .iter()
        .fold(run, |run, (name, value)| run.input(name, value))
        .run()
}

fn version(version: &str) -> String {
    good().replace(
        "        ports:\n",
        &format!("        env:\n        - {{name: VERSION, value: '{version}'}}\n        ports:\n"),
    )
}

fn live_version(namespace: &Namespace) -> Value {
    live(namespace, "deployment/wine")["spec"]["template"]["spec"]["containers"][0]["env"][0]
        ["value"]
        .clone()
}

#[test]
fn status_says_what_is_live_without_manifests() {
    let namespace = Namespace::new("it-status");
    ask("status", &namespace, &[NAME])
        .expect(10)
        .code("revision-missing");
    ask("status", &namespace, &[])
        .expect(2)
        .code("input-missing");
    deploy(&version("1"), &namespace)
        .expect(0)
        .says("recorded as revision 1 of `wine`");
    let secret = live(&namespace, "secret/ml-deploy.wine");
    assert_eq!(secret["type"], "ml-deploy/record");
    assert_eq!(
        secret["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "ml-deploy"
    );
    ask("status", &namespace, &[NAME])
        .expect(0)
        .says("Deployment/wine  2 of 2  20")
        .says("0123456789ab")
        .says("test.local/box:1")
        .says("live      revision 1, verified 20");
    // What failed and was undone is told, and what is live stays healthy.
    deploy(&broken(), &namespace).expect(50);
    ask("status", &namespace, &[NAME])
        .expect(0)
        .says("crash-loop, rolled back");
    ran(&namespace, &["scale", "deployment/wine", "--replicas=0"]);
    let patch = r#"{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"model","image":"test.local/none:7"}]}}}}"#;
    ran(&namespace, &["patch", "deployment/wine", "-p", patch]);
    ask("status", &namespace, &[NAME])
        .expect(60)
        .code("verify-health")
        .says("drift     Deployment/wine container `model` is set to test.local/none:7 instead of test.local/box:1, set by `kubectl-patch`")
        .says("Deployment/wine: 0 of 2 pods of the newest revision are ready");
    // Somebody changed what is live, so the way back is what was verified last.
    ask("rollback", &namespace, &[NAME])
        .expect(0)
        .says("going back to revision 1");
    ask("status", &namespace, &[NAME]).expect(0);
}

#[test]
fn rollback_goes_back_one_verified_deployment_at_a_time() {
    let namespace = Namespace::new("it-status");
    ask("rollback", &namespace, &[NAME])
        .expect(10)
        .code("revision-missing")
        .says("ml-deploy.wine");
    for number in ["1", "2", "3"] {
        deploy(&version(number), &namespace).expect(0);
    }
    ask("rollback", &namespace, &[NAME, ("health-path", "/health")])
        .expect(0)
        .says("going back to revision 2")
        .says("Service/wine:80/health answers 200");
    assert_eq!(live_version(&namespace), "2");
    // The input of the action does the same, beside the inputs of the job.
    let project = Project::new().file("k8s/app.yaml", &version("3"));
    prepared(&project, "run", &namespace)
        .input("manifests", "k8s")
        .input("train", "python train.py")
        .input("image", "ghcr.io/org/wine")
        .input("rollback", "true")
        .run()
        .expect(0)
        .says("going back to revision 1");
    assert_eq!(live_version(&namespace), "1");
    ask("rollback", &namespace, &[NAME])
        .expect(10)
        .code("revision-missing");
    // A kept failure is live: the last verified one comes back.
    deploy_with(&broken(), &namespace, &[("on-failure", "keep")]).expect(50);
    ask("rollback", &namespace, &[NAME])
        .expect(0)
        .says("going back to revision 1");
    assert_eq!(live_version(&namespace), "1");
}

#[test]
fn prune_removes_only_what_is_ours_and_no_longer_listed() {
    let namespace = Namespace::new("it-status");
    let config =
        |name: &str| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let class = StorageClass::new();
    let claim = format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [ReadWriteOnce], storageClassName: {}, resources: {{requests: {{storage: 1Mi}}}}}}\n",
        class.0
    );
    let all = format!(
        "{}{}{}{}{claim}",
        good(),
        config("a"),
        config("b"),
        config("replaced")
    );
    deploy(&all, &namespace).expect(0);
    ran(&namespace, &["create", "configmap", "foreign"]);
    // Somebody made it anew: the name is the same, the object is not.
    ran(&namespace, &["delete", "configmap", "replaced"]);
    ran(&namespace, &["create", "configmap", "replaced"]);
    let fewer = format!("{}{}", good(), config("a"));
    deploy(&fewer, &namespace)
        .expect(0)
        .says("no longer listed, and left: ConfigMap/b; `prune: true` removes it");
    assert_ne!(live(&namespace, "configmap/b"), Value::Null);
    let rules = [
        "get,list,watch,create,patch,delete:deployments.apps,services",
        "get,create,patch:configmaps,secrets,persistentvolumeclaims",
        "get,list,watch:pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
        "get:pods/log",
    ];
    let limited = kubeconfig(&namespace.0, &rules);
    let asked = [("prune", "true"), ("kubeconfig", &limited)];
    deploy_with(&fewer, &namespace, &asked)
        .expect(10)
        .says("the account may not delete `b`, which `prune: true` would remove");
    let pruned = deploy_with(&fewer, &namespace, &[("prune", "true")]).expect(0);
    assert!(
        pruned
            .summary
            .contains("| <code>ConfigMap/b</code> | removed |"),
        "{}",
        pruned.summary
    );
    pruned
        .says("ConfigMap/b would be removed after verification (`prune: true`)")
        .says("ConfigMap/b removed")
        .says("PersistentVolumeClaim/data is no longer listed and stays");
    for (object, there) in [
        ("configmap/a", true),
        ("configmap/b", false),
        ("configmap/foreign", true),
        ("configmap/replaced", true),
        ("pvc/data", true),
        ("secret/ml-deploy.wine", true),
    ] {
        assert_eq!(live(&namespace, object) != Value::Null, there, "{object}");
    }
    // A deployment that fails prunes nothing.
    deploy_with(&broken(), &namespace, &[("prune", "true")]).expect(50);
    assert_ne!(live(&namespace, "configmap/a"), Value::Null);
}

#[test]
fn without_the_right_to_secrets_the_deployment_goes_on() {
    let namespace = Namespace::new("it-status");
    let rules = [
        "get,list,watch,create,patch,update,delete:deployments.apps,services",
        "get,list,watch:pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
        "get:pods/log,services/proxy,pods/proxy",
    ];
    let limited = kubeconfig(&namespace.0, &rules);
    let ended = deploy_with(&good(), &namespace, &[("kubeconfig", &limited)])
        .expect(0)
        .says("`status` and `rollback` will not know this deployment");
    assert_eq!(
        ended.stdout.matches("::warning").count(),
        1,
        "{}",
        ended.stdout
    );
    // And what fails is put back all the same.
    deploy_with(&broken(), &namespace, &[("kubeconfig", &limited)])
        .expect(50)
        .says("rolled back to");
    let project = Project::new().file("k8s/app.yaml", &good());
    prepared(&project, "status", &namespace)
        .input("manifests", "k8s")
        .input("kubeconfig", &limited)
        .run()
        .expect(0)
        .says("Deployment/wine  2 of 2");
    ask("rollback", &namespace, &[NAME, ("kubeconfig", &limited)])
        .expect(10)
        .code("cluster-denied");
    let (found, _) = kubectl(&["-n", &namespace.0, "get", "secret", "ml-deploy.wine"]);
    assert!(!found);
}

#[test]
fn workloads_of_several_namespaces_are_found_where_they_are() {
    let (here, there) = (Namespace::new("it-status"), Namespace::new("it-status"));
    let beer = good().replace("wine", "beer").replace(
        "  name: beer\n",
        &format!("  name: beer\n  namespace: {}\n", there.0),
    );
    let both = format!("{}---\n{beer}", good());
    let allowed = [("allow-namespaces", "true")];
    deploy_with(&both, &here, &allowed)
        .expect(0)
        .says("4 of 4 run what the manifests name");
    ask("status", &here, &[NAME])
        .expect(0)
        .says(&format!("Deployment/beer in {}  2 of 2", there.0));
    let spec = live(&there, "deployment/beer")["spec"].clone();
    let worse = both.replace("exec httpd", "sleep 1; exit 3; exec httpd");
    deploy_with(&worse, &here, &allowed)
        .expect(50)
        .says("rolled back to");
    assert_eq!(live(&there, "deployment/beer")["spec"], spec);
}

/// A class whose claims wait for their first consumer; it is deleted with the test.
struct StorageClass(String);

impl StorageClass {
    fn new() -> Self {
        let class = Self(unique("it-status"));
        let text = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {}}}\nprovisioner: kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n",
            class.0
        );
        let project = Project::new().file("class.yaml", &text);
        let file = project.path().join("class.yaml");
        assert!(kubectl(&["apply", "-f", &file.display().to_string()]).0);
        class
    }
}

impl Drop for StorageClass {
    fn drop(&mut self) {
        kubectl(&["delete", "storageclass", &self.0, "--wait=false"]);
    }
}
