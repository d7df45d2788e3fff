//! What Google hands out and repeats: access tokens, and refusals that quote the key's signature or the job's token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::plants::{Planted, with_processes};
use crate::bearer::Door;
use crate::cluster::Namespace;
use crate::github::GitHub;
use crate::google::{ACCOUNT, Artifacts, Google, PROVIDER, keys, small};
use crate::support::{Project, Run};

/// The private key's lines, the runner's token, and every token given so far.
fn all(planted: &mut Planted, google: &Google) {
    let key = std::fs::read_to_string(keys().join("right.pem")).unwrap();
    let lines = key.lines().filter(|line| !line.starts_with("-----"));
    for line in lines.filter(|line| line.len() > 20) {
        planted.found("private-key", line);
    }
    planted.found("runner", "runner-own-token");
    for token in google.tokens() {
        planted.found("google-token", &token);
    }
}

#[test]
fn tokens_of_google_and_what_proves_who_we_are() {
    let mut google = Google::new(3600);
    // It takes the tokens that Google writes down.
    let door = Door::new(google.folder());
    let github = GitHub::start(&json!({}));
    let key = google.key("right.pem").to_string();
    let mut planted = Planted::new();

    // A push with a key.
    let artifacts = Artifacts::new(&google, &json!({}));
    let project = small();
    let image = artifacts.image("models");
    let push = |run: Run<'_>| with_processes(run.input("credentials-json", &STANDARD.encode(&key)));
    let (ended, processes) = push(github.tells(artifacts.push(&project, &image)));
    let ended = ended.expect(0);
    all(&mut planted, &google);
    planted.assert_unseen(&ended, &project, &github);
    planted.absent("a command line", &processes);

    // A cluster by its name, as the job itself.
    let place = "projects/wine/locations/europe-west4/clusters/prod";
    let address = door.server.trim_start_matches("https://").to_owned();
    let authority = STANDARD.encode(&door.authority);
    google.set("clusters", json!({place: {"name": "prod", "status": "RUNNING", "endpoint": address, "masterAuth": {"clusterCaCertificate": authority}}}));
    let namespace = Namespace::new("it-planted-gke");
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let project = Project::new().file("app.yaml", text);
    let deploy = |google: &Google| {
        let run = github.tells(project.ml_deploy("deploy"));
        run.input("manifests", "app.yaml")
            .input("namespace", &namespace.0)
            .input("cluster-name", "prod")
            .input("location", "europe-west4")
            .input("project-id", "wine")
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER",
                &google.url("/"),
            )
            .env("HOME", "/nowhere")
            .env("PATH", "/nowhere")
    };
    let as_job = |google: &Google| {
        let run = google.job(deploy(google));
        run.input("workload-identity-provider", PROVIDER)
            .input("service-account", ACCOUNT)
    };
    let (ended, processes) = with_processes(as_job(&google));
    let ended = ended.expect(0);
    all(&mut planted, &google);
    planted.assert_unseen(&ended, &project, &github);
    planted.absent("a command line", &processes);
    assert!(!door.knocks().is_empty());

    // Refused, with what proved who we are in the answer: the signed assertion of a key, the job's token.
    google.set("said", json!("no: {sent} is not it"));
    let ended = deploy(&google).input("credentials-json", &key).run();
    let ended = ended.expect(10).code("cloud-denied").says("is not it");
    // Both are signed and begin so, which is `{"` in base64.
    planted.found("signed", "eyJhbGciOi");
    planted.assert_unseen(&ended, &project, &github);
    let ended = github
        .asks(as_job(&google), "org/wine")
        .input("format", "json");
    let ended = ended.run().expect(10).code("cloud-denied");
    planted.assert_unseen(&ended.says("is not it"), &project, &github);
    assert_eq!(github.all("comments").len(), 1);
}
