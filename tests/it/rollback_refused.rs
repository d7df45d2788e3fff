//! Going back where others have a say: fields of kubectl, objects that may not be read, refusals of the API server.

use crate::cluster::Namespace;
use crate::rights::kubeconfig;
use crate::rollback::{broken, deploy, deploy_with, good, live, prepared, ran};
use crate::support::Project;

#[test]
fn what_kubectl_made_is_put_back_too() {
    let namespace = Namespace::new("it-rollback");
    let file = Project::new().file("app.yaml", &good());
    let path = file.path().join("app.yaml").display().to_string();
    ran(&namespace, &["apply", "-f", &path]);
    ran(
        &namespace,
        &["rollout", "status", "deployment/wine", "--timeout=60s"],
    );
    let before = live(&namespace, "deployment/wine");
    deploy_with(&broken(), &namespace, &[("force-conflicts", "true")])
        .expect(50)
        .says("rolled back to");
    let after = live(&namespace, "deployment/wine");
    assert_eq!(after["spec"], before["spec"]);
    let marks = &after["metadata"]["annotations"];
    assert_eq!(marks.get("ml-deploy/commit"), None, "{marks}");
}

#[test]
fn configuration_alone_is_deployed_and_put_back() {
    let namespace = Namespace::new("it-rollback");
    let config = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{a: '{value}'}}\n"
        )
    };
    deploy(&config("1"), &namespace).expect(0);
    let asked = [("health-path", "/health")];
    deploy_with(&config("2"), &namespace, &asked)
        .expect(60)
        .code("verify-health")
        .says("ConfigMap/settings put back");
    assert_eq!(live(&namespace, "configmap/settings")["data"]["a"], "1");
}

#[test]
fn what_the_api_server_refuses_to_put_back_is_named_with_commands() {
    let namespace = Namespace::new("it-rollback");
    let config =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n";
    deploy(&format!("{}{config}", good()), &namespace).expect(0);
    let sealed = config.replace("data: {a: '1'}", "data: {a: '2'}\nimmutable: true");
    deploy(&format!("{}{sealed}", broken()), &namespace)
        .expect(70)
        .code("rollback-failed")
        .says("failed to go back to `test.local/box:1`: ConfigMap/settings: ")
        .says(&format!(
            "kubectl -n {} edit configmap/settings",
            namespace.0
        ))
        .says(&format!(
            "ml-deploy rollback --namespace={} --deployment-name=wine",
            namespace.0
        ))
        .says("Deployment/wine is put back");
    // As told: the reason goes, and one command puts back all of it.
    ran(&namespace, &["delete", "configmap", "settings"]);
    let project = Project::new();
    prepared(&project, "rollback", &namespace)
        .input("deployment-name", "wine")
        .run()
        .expect(0)
        .says("going back to revision 1");
    assert_eq!(live(&namespace, "configmap/settings")["data"]["a"], "1");
}

#[test]
fn what_may_not_be_read_is_warned_of_and_left() {
    let namespace = Namespace::new("it-rollback");
    deploy(&good(), &namespace).expect(0);
    let rules = [
        "get,list,watch,create,patch,delete:deployments.apps",
        "list,watch,create,patch:services",
        "get,list,watch:pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
        "get:pods/log",
        "get,create,patch:secrets",
    ];
    let limited = kubeconfig(&namespace.0, &rules);
    let second = broken().replace("  - port: 80\n", "  - port: 81\n");
    deploy_with(&second, &namespace, &[("kubeconfig", &limited)])
        .expect(50)
        .says("failed to read what is live of Service/wine")
        .says("rolled back to `test.local/box:1`")
        .says("left: Service/wine: it could not be read before");
}
