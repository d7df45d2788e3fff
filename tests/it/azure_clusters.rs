//! Clusters of Azure: Resource Manager hands out the bed's real cluster, and the whole deployment runs there.

use std::collections::BTreeSet;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::azure::{APP, Azure, SECRET, without_tools};
use crate::bearer::Door;
use crate::cluster::{Namespace, kubectl};
use crate::deploy::{SERVE, manifest};
use crate::secrecy::nowhere;
use crate::servers::Server;
use crate::support::{Project, Run, bed};

/// A kubeconfig as AKS writes it for people: its user is a program that is not here.
pub(crate) fn for_people(door: &Door) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "serving",
        "contexts": [{"name": "serving", "context": {"cluster": "serving", "user": "clusterUser_ml_serving"}}],
        "clusters": [{"name": "serving", "cluster": {"server": door.server, "certificate-authority-data": STANDARD.encode(&door.authority)}}],
        "users": [{"name": "clusterUser_ml_serving", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": ["get-token", "--environment", "AzurePublicCloud", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630", "--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a", "--tenant-id", "t", "--login", "devicecode"],
        }}}],
    })
    .to_string()
}

/// Host and port of the API server in a kubeconfig.
fn place_of(kubeconfig: &str) -> String {
    let mut lines = kubeconfig.lines();
    let server = lines.find_map(|line| line.trim().strip_prefix("server: https://"));
    server.unwrap().to_owned()
}

fn script(cluster: &Value) -> Value {
    json!({"client_id": APP, "secret": SECRET, "token_seconds": 10, "cluster": cluster})
}

fn deploy<'a>(project: &'a Project, azure: &Azure, namespace: &str) -> Run<'a> {
    let run = project.ml_deploy("deploy").input("manifests", "app.yaml");
    let run = run
        .input("creds", &azure.creds(SECRET))
        .input("resource-group", "ml")
        .input("cluster-name", "serving")
        .input("namespace", namespace)
        .input("deploy-timeout", "90s");
    without_tools(run)
}

#[test]
fn tokens_stand_for_kubelogin_and_are_renewed_while_the_rollout_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::new(&json!({}));
    let door = Door::asking(folder.path(), &azure.bed("/review"));
    azure.tell(&script(
        &json!({"group": "ml", "name": "serving", "user": for_people(&door)}),
    ));
    let namespace = Namespace::new("it-aks");
    let slow = manifest(&format!("sleep 14; {SERVE}")).replace(
        "        ports:",
        "        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1, failureThreshold: 60}\n        ports:",
    );
    let project = Project::new().file("app.yaml", &slow);
    let ended = deploy(&project, &azure, &namespace.0).run().expect(0);
    let ended = ended
        .says("the new revision serves")
        .says("renewed the Azure token for the cluster");
    azure.hides(&ended);
    let (_, ready) = kubectl(&[
        "-n",
        &namespace.0,
        "get",
        "deployment",
        "wine",
        "-o",
        "jsonpath={.status.readyReplicas}",
    ]);
    assert_eq!(ready, "2");
    let knocks = door.knocks();
    let refused = knocks.iter().filter(|knock| knock.status == 401).count();
    assert_eq!(refused, 0, "{knocks:?}");
    let tokens: BTreeSet<&str> = knocks.iter().map(|knock| knock.token.as_str()).collect();
    assert!(tokens.len() > 1, "{tokens:?}");
}

#[test]
fn the_administrator_deploys_where_there_is_one() {
    let real = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let azure = Azure::new(&script(
        &json!({"group": "ml", "name": "serving", "admin": real}),
    ));
    let namespace = Namespace::new("it-aks");
    let project = Project::new().file("app.yaml", &manifest(SERVE));
    let run = || deploy(&project, &azure, &namespace.0).input("admin", "true");
    let ended = run().run().expect(0).says("the new revision serves");
    azure.hides(&ended);
    let key = real
        .lines()
        .find_map(|line| line.trim().strip_prefix("client-key-data: "));
    nowhere(&ended, key.unwrap());

    // Where only a proxy leads out, it leads to the cluster too.
    let place = place_of(&real);
    let proxy = Server::start("connect.py", &[&place, &place]);
    let through = || {
        let run = run().env("GITHUB_EVENT_NAME", "pull_request");
        let run = run.env("HTTPS_PROXY", &format!("http://{}", proxy.address()));
        run.env("NO_PROXY", "")
    };
    through().run().expect(0);
    let asked = || {
        let url = format!("http://{}/-/log", proxy.address());
        let mut curl = Command::new("curl");
        let log = curl.args(["-sS", "--noproxy", "*", &url]).output();
        let log = log.unwrap().stdout;
        String::from_utf8_lossy(&log).matches(&place).count()
    };
    let before = asked();
    assert!(before > 0, "the cluster was not reached through the proxy");
    through().env("NO_PROXY", "127.0.0.0/8").run().expect(0);
    assert_eq!(asked(), before, "NO_PROXY is for the cluster's address");

    // Clusters that know only people and applications have none.
    azure.tell(&script(
        &json!({"group": "ml", "name": "serving", "user": "kind: Config"}),
    ));
    let ended = run().run().expect(10).code("cloud-denied");
    ended
        .says("disableLocalAccounts")
        .says("remove `admin: true`");
}

#[test]
fn a_cluster_that_cannot_be_had_is_explained() {
    let cluster = json!({"group": "ml-prod", "name": "serving", "user": "kind: Config"});
    let mut script = script(&cluster);
    script["clusters"] = json!([["ml", "other"]]);
    let azure = Azure::new(&script);
    let project = Project::new().file("app.yaml", &manifest(SERVE));
    // It is in another resource group, which is told when we may list them.
    let ended = deploy(&project, &azure, "x").run();
    ended
        .expect(10)
        .code("cluster-missing")
        .says("AKS cluster `serving` in resource group `ml`")
        .says("did you mean `cluster-name: serving` with `resource-group: ml-prod`?");
    script["deny"] = json!(["Microsoft.ContainerService/managedClusters/read"]);
    azure.tell(&script);
    let ended = deploy(&project, &azure, "x").run();
    ended.expect(10).code("cluster-missing").says("az aks list");
    // It is there, and the identity may not.
    script["deny"] =
        json!(["Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"]);
    azure.tell(&script);
    let run = deploy(&project, &azure, "x").input("resource-group", "ml-prod");
    let ended = run.run().expect(10).code("cloud-denied");
    let ended = ended.says(&format!(
        "az role assignment create --assignee {APP} --role 'Azure Kubernetes Service Cluster User Role' --scope /subscriptions/{}/resourceGroups/ml-prod/",
        azure.id
    ));
    azure.hides(&ended);
    // A private one can be had and not be reached.
    let private = "https://serving-1a2b.privatelink.westeurope.azmk8s.io:443";
    script["deny"] = json!([]);
    script["cluster"]["user"] = json!(format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], clusters: [{{name: c, cluster: {{server: '{private}'}}}}], users: [{{name: u, user: {{token: planted-static}}}}]}}"
    ));
    azure.tell(&script);
    let run = deploy(&project, &azure, "x").input("resource-group", "ml-prod");
    let ended = run.run().expect(10).code("cluster-unreachable");
    nowhere(&ended, "planted-static");
    ended.says(private).says("the cluster is private");
    script["cluster"]["user"] = json!("kind: Config");
    // One that is stopped, or not made yet, hands out a kubeconfig too; nobody answers there.
    for (seen, why, help) in [
        (
            json!({"powerState": {"code": "Stopped"}}),
            "it is stopped",
            "az aks start --resource-group ml-prod --name serving",
        ),
        (
            json!({"provisioningState": "Creating"}),
            "it is still being made",
            "az aks wait --resource-group ml-prod --name serving --created",
        ),
    ] {
        script["seen"] = seen;
        azure.tell(&script);
        let run = deploy(&project, &azure, "x").input("resource-group", "ml-prod");
        let ended = run.run().expect(10).code("cluster-unreachable");
        ended.says(why).says(help);
    }
    // Who may not look is told what the kubeconfig leads to.
    script["deny"] = json!(["Microsoft.ContainerService/managedClusters/read"]);
    azure.tell(&script);
    let run = deploy(&project, &azure, "x").input("resource-group", "ml-prod");
    run.run().expect(10).code("kubeconfig-invalid");
    script["deny"] = json!([]);
    script["seen"] = json!({});
    // Busy for a moment is not refused.
    script["throttle"] = json!({"POST managedClusters": 1});
    azure.tell(&script);
    let run = deploy(&project, &azure, "x").input("resource-group", "ml-prod");
    run.run().expect(10).code("kubeconfig-invalid").says("429");
}

#[test]
fn nodes_without_a_role_on_the_registry_are_told_of_before_anything_is_made() {
    const NODES: &str = "0a1b2c3d-0000-4000-8000-00000000000e";
    let real = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let mut script = script(&json!({"group": "ml", "name": "serving", "user": real}));
    script["seen"] = json!({"identityProfile": {"kubeletidentity": {"objectId": NODES}}});
    script["registry"] = json!({"name": "wine", "server": "wine-a1b2.azurecr.io", "roles": []});
    let azure = Azure::new(&script);
    let ours = manifest(SERVE).replace("test.local/box:1", "wine-a1b2.azurecr.io/ml/wine:v1");
    let look = |script: &Value, text: &str| {
        azure.tell(script);
        let project = Project::new().file("app.yaml", text);
        let run = deploy(&project, &azure, "default").env("GITHUB_EVENT_NAME", "pull_request");
        let ended = run.run().expect(0);
        azure.hides(&ended);
        ended
    };
    let told = look(&script, &ours);
    told.says(&format!(
        "`Deployment/wine` pulls from `wine-a1b2.azurecr.io` without a pull secret, and the nodes of AKS cluster `serving` (identity `{NODES}`) have no role on registry"
    ))
    .says(&format!(
        "az aks update --resource-group ml --name serving --attach-acr /subscriptions/{}/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/wine",
        azure.id
    ));
    // A role, a registry that is open to all, a login of the pod's own, and whatever may not be known.
    let secret = "      imagePullSecrets: [{name: own}]\n      containers:";
    let with_secret = ours.replace("      containers:", secret);
    let with = |name: &str, value: Value| {
        let mut script = script.clone();
        script[name] = value;
        script
    };
    let registry = |more: &Value| {
        let mut registry = script["registry"].clone();
        let more = more.as_object().unwrap().clone();
        registry.as_object_mut().unwrap().extend(more);
        with("registry", registry)
    };
    for (script, text) in [
        (registry(&json!({"roles": [NODES]})), &ours),
        (registry(&json!({"open": true})), &ours),
        (script.clone(), &with_secret),
        (with("registry", Value::Null), &ours),
        (with("seen", json!({})), &ours),
        (
            with(
                "deny",
                json!(["Microsoft.Authorization/roleAssignments/read"]),
            ),
            &ours,
        ),
    ] {
        let ended = look(&script, text);
        assert!(!ended.stdout.contains("attach-acr"), "{}", ended.stdout);
    }
}
