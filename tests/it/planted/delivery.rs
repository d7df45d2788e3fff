//! A delivery to Kubernetes from the training to what is live, a crash loop, a pull request whose training fails.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::plants::{Planted, sh, url_encoded, watched, with_processes};
use super::site::Site;
use crate::aws_cluster::Eks;
use crate::cluster::kubectl;
use crate::contract;
use crate::support::bed;

#[test]
fn no_planted_secret_is_to_be_read_anywhere() {
    let mut site = Site::new();
    assert!(site.planted.0.len() >= 30, "{}", site.planted.0.len());
    let schema = contract::schema();
    let secret = schema["inputs"].as_array().unwrap().iter();
    for input in secret.filter(|input| input["secret"] == true) {
        // These two are planted below, and in what GitHub is told.
        let elsewhere = ["mlflow-tracking-token", "github-token"];
        let name = input["name"].as_str().unwrap();
        let given = site.inputs.iter().any(|(given, _)| *given == name);
        assert!(
            given || elsewhere.contains(&name),
            "`{name}` is not planted"
        );
    }
    // From the training to what is live.
    let run = site.prepared("run").input("train", "python train.py");
    let ended = watched(&site.planted, run).expect(0);
    site.assert_unseen(&ended);
    site.assert_unseen_elsewhere(&ended);
    let image = ended.output("image-ref").to_owned();

    // Exactly what was asked for reaches the training: the tracking server's password and two more.
    let seen: Value =
        serde_json::from_str(&std::fs::read_to_string(site.around.path().join("witness")).unwrap())
            .unwrap();
    let seen = seen.to_string();
    let reached: Vec<&str> = site
        .planted
        .0
        .iter()
        .filter(|(_, secret)| seen.contains(secret.as_str()))
        .map(|(place, _)| *place)
        .collect();
    assert_eq!(reached, ["HF_TOKEN", "mlflow-password", "train-env"]);

    // A version that says what it sees and ends: its log, the changes, the bundle, and what is put back.
    site.write_manifests("second", "yes");
    // Its cluster is found by its name at AWS, as the job's own identity.
    let eks = Eks::start(3600);
    let run = eks.found_by_name(site.prepared("deploy"));
    let (ended, processes) = with_processes(
        run.input("image-ref", &image)
            .input("deploy-timeout", "30s"),
    );
    let ended = ended.expect(50);
    let mut handed_out = Planted::new();
    handed_out.handed_out(&eks.aws);
    // Who has this has the rest.
    handed_out.found("eks-token", "k8s-aws-v1.");
    handed_out.assert_unseen(&ended, &site.project, &site.github);
    handed_out.absent("a command line", &processes);
    assert!(!eks.door.knocks().is_empty());
    let ended = ended
        .says("env[DB_PASSWORD_V2].value: (hidden) → (hidden, changed)")
        .says("no login with");
    site.assert_unseen(&ended);
    assert!(site.project.path().join(".ml-deploy").is_dir());

    // What is live and what the cluster keeps of it: secrets are in the manifests' own objects and nowhere else.
    let name = &site.namespace.0;
    let (_, text) = kubectl(&["-n", name, "get", "all,events,replicasets", "-o", "json"]);
    let mut objects: Value = serde_json::from_str(&text).unwrap();
    for object in objects["items"].as_array_mut().unwrap() {
        // The template is the manifest's own.
        for path in ["/spec", "/metadata/managedFields"] {
            if let Some(part) = object.pointer_mut(path) {
                *part = Value::Null;
            }
        }
    }
    site.planted.absent(
        "annotations and events of the cluster",
        &objects.to_string(),
    );
    let (_, text) = kubectl(&["-n", name, "get", "secrets", "-o", "json"]);
    let secrets: Value = serde_json::from_str(&text).unwrap();
    let items = secrets["items"].as_array().unwrap();
    let record = items
        .iter()
        .find(|one| one["metadata"]["labels"]["ml-deploy/record"] == "true")
        .unwrap();
    let own: BTreeSet<&str> = [
        "string-data",
        "data",
        "variable",
        "url",
        "entry",
        "argument",
        "new-string-data",
        "new-data",
        "new-variable",
        "new-url",
        "new-entry",
        "new-argument",
    ]
    .into();
    let others = Planted(
        site.planted
            .0
            .iter()
            .filter(|(place, _)| !own.contains(*place))
            .map(|(place, secret)| (*place, secret.clone()))
            .collect(),
    );
    let folder = site.around.path().join("record");
    std::fs::create_dir(&folder).unwrap();
    for (key, value) in record["data"].as_object().unwrap() {
        std::fs::write(
            folder.join(key),
            STANDARD.decode(value.as_str().unwrap()).unwrap(),
        )
        .unwrap();
    }
    let kept = sh(&format!(
        "cd {} && for f in *; do zcat -f $f; done",
        folder.display()
    ));
    assert!(
        kept.contains("readinessProbe"),
        "the record holds the manifests: {kept}"
    );
    others.absent("the record", &kept);

    // A training that fails and says all of it, on a pull request; the password stands in the server's address.
    let password = site.planted.one("tracking-url");
    site.write_manifests("second", "yes");
    let address = bed("MLFLOW").replace("://", &format!("://robot:{}@", url_encoded(&password)));
    site.inputs.retain(|(name, _)| !name.starts_with("mlflow"));
    // The training prints the one of before too; it is known by a variable now.
    let before = site.planted.0["mlflow-password"].clone();
    site.variables.push(("PASSWORD_OF_BEFORE", before));
    let run = site
        .prepared("run")
        .input("train", "python train.py fail")
        .input("mlflow-tracking-uri", &address);
    let run = site.github.asks(run, "org/wine");
    let ended = watched(&site.planted, run).expect(20).code("train-failed");
    let ended = ended.says("ValueError: no login for");
    site.assert_unseen(&ended);
    assert_eq!(site.github.all("comments").len(), 1);

    // The tracking server's other credential.
    let token = site.planted.one("mlflow-token");
    // This run reads no manifest.
    let backwards: String = token.chars().rev().collect();
    site.known_to_training(&[backwards]);
    let run = site
        .prepared("train")
        .input("train", "python train.py fail")
        .input("mlflow-tracking-token", &token);
    site.assert_unseen(&run.run().expect(20).code("train-failed"));
    // With the layers that were built while it trained.
    sh(&format!(
        "docker images -q --no-trunc {} | xargs -r docker rmi -f",
        site.image
    ));
}
