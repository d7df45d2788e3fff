//! What Azure hands out and repeats: tokens of its directory, logins of its registries, keys of endpoints, errors and logs that
//! quote what they were given.

use serde_json::{Value, json};

use super::plants::{Planted, sh, with_processes};
use crate::azure::{APP, Azure, SECRET, without_tools};
use crate::azure_clusters::for_people;
use crate::azure_registries::Acr;
use crate::azureml;
use crate::bearer::Door;
use crate::cluster::Namespace;
use crate::github::GitHub;
use crate::secrecy::masked;
use crate::support::{Project, bed};

/// Every token that the directory gave so far.
fn issued(planted: &mut Planted, log: &Value) {
    let all = log["issued"].as_object().unwrap();
    assert!(!all.is_empty());
    for token in all.keys() {
        planted.found("azure-token", token);
    }
}

#[test]
fn an_online_endpoint_that_repeats_what_it_was_given() {
    let azure = azureml::Azure::new(json!({}));
    let github = GitHub::start(&json!({}));
    let mut planted = Planted::new();
    planted.found("creds", azureml::SECRET);
    let password = planted.one("container-env");
    // What a run has itself; tokens of another run are nothing to it.
    let repeated = planted.repeated();
    let deploy = |mode: &str| {
        let run = without_tools(github.tells(azure.deploy(mode)));
        run.input(
            "container-env",
            &format!("MODE={mode}\nSERVICE_PASSWORD={password}"),
        )
    };
    let (ended, processes) = with_processes(deploy("good"));
    let ended = azure.held(ended.expect(0));
    issued(&mut planted, &azure.log());
    for key in endpoint_keys(&azure) {
        planted.found("endpoint-key", &key);
        // Both: each opens the endpoint.
        masked(&ended, &key);
    }
    planted.assert_unseen(&ended, &azure.project, &github);
    planted.absent("a command line", &processes);

    // The error of a deployment and its log say all of it.
    let fail = json!({"code": "UserError", "message": format!("no login with {repeated}"),
        "details": [{"code": "ImageBuildFailure", "message": repeated}]});
    azure.script(
        json!({"fail": fail, "log": format!("begun\n{}\nno login", repeated.replace(' ', "\n"))}),
    );
    for format in ["json", "auto"] {
        let ended = deploy("noisy").input("format", format).run();
        let ended = ended.expect(50).code("endpoint-failed").says("no login");
        issued(&mut planted, &azure.log());
        planted.assert_unseen(&ended, &azure.project, &github);
        azure.script(json!({"fail": fail, "log": repeated}));
    }

    // The directory refuses, in the same words.
    azure.script(json!({"refuse": {"number": 53003, "text": format!("blocked for {repeated}")}}));
    let ended = deploy("good").run().expect(10).code("cloud-denied");
    planted.assert_unseen(&ended.says("blocked for"), &azure.project, &github);
}

/// Asked for as the one who may.
fn endpoint_keys(azure: &azureml::Azure) -> Vec<String> {
    let log = azure.log();
    let issued = log["issued"].as_object().unwrap().iter();
    let mut token = issued.filter(|(_, scope)| !scope.as_str().unwrap().contains("ml.azure.com"));
    let (token, _) = token.next_back().unwrap();
    let id = &azure.id;
    let said = sh(&format!(
        "curl -sf --noproxy '*' -X POST -H 'Authorization: Bearer {token}' -H 'Content-Length: 0' '{}/subscriptions/{id}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/wine-ws/onlineEndpoints/wine/listKeys?api-version=2024-04-01'",
        bed("AZURE")
    ));
    let keys: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let keys = keys.as_object().unwrap().values();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_registry_s_and_a_cluster_s_logins() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET}));
    let github = GitHub::start(&json!({}));
    let mut planted = Planted::new();
    planted.found("creds", SECRET);

    // A push, whose login is had in three steps.
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let acr = Acr::new(&azure, &json!({}));
    let run = acr.build(&project).input("creds", &azure.creds(SECRET));
    let (ended, processes) = with_processes(without_tools(github.tells(run)));
    let ended = ended.expect(0);
    issued(&mut planted, &azure.log());
    for token in acr.read("tokens").lines() {
        planted.found("registry-token", token);
    }
    planted.assert_unseen(&ended, &project, &github);
    planted.absent("a command line", &processes);
    let image = format!("{}:v1", acr.image());
    let about = sh(&format!(
        "docker history --no-trunc {image}; docker inspect {image}"
    ));
    assert!(about.contains("org.opencontainers"), "{about}");
    planted.absent("the image's history and labels", &about);

    // A cluster by its name, as a person's kubeconfig names it, and as its administrator's.
    let door = Door::asking(folder.path(), &azure.bed("/review"));
    let real = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let key = real
        .lines()
        .find_map(|line| line.trim().strip_prefix("client-key-data: "));
    planted.found("administrator", key.unwrap());
    azure.tell(&json!({"client_id": APP, "secret": SECRET,
        "cluster": {"group": "ml", "name": "serving", "user": for_people(&door), "admin": real}}));
    let namespace = Namespace::new("it-planted-aks");
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let project = Project::new().file("app.yaml", text);
    let deploy = || {
        let run = without_tools(github.tells(project.ml_deploy("deploy")));
        run.input("manifests", "app.yaml")
            .input("creds", &azure.creds(SECRET))
            .input("resource-group", "ml")
            .input("cluster-name", "serving")
            .input("namespace", &namespace.0)
    };
    for admin in ["false", "true"] {
        let (ended, processes) = with_processes(deploy().input("admin", admin));
        let ended = ended.expect(0);
        issued(&mut planted, &azure.log());
        planted.assert_unseen(&ended, &project, &github);
        planted.absent("a command line", &processes);
    }
    assert!(!door.knocks().is_empty());

    // A pull request, and a directory that repeats the secret.
    let mut own = Planted::new();
    own.found("creds", SECRET);
    let text = format!("blocked for {}", own.repeated());
    azure.tell(&json!({"refuse": {"number": 53003, "text": text}}));
    let ended = github.asks(deploy(), "org/wine").run();
    let ended = ended.expect(10).code("cloud-denied").says("blocked for");
    planted.assert_unseen(&ended, &project, &github);
    assert_eq!(github.all("comments").len(), 1);
}
