//! What travels with an image and leads from each end to the others: labels, what is attached in real registries, what is
//! logged with MLflow runs; and what is compared with it by runs that built nothing. curl is the independent witness.

use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::engine::{Container, docker};
use crate::gates;
use crate::parity::Forest;
use crate::servers::Server;
use crate::support::{Ended, Project, Run, bed, unique};

/// Holds a model and nothing that could serve it.
const NOTHING: &str = "FROM scratch\nCOPY model /model\nCMD [\"/nothing\"]\n";

/// What curl gets from a registry of the bed.
fn get(image: &str, kind: &str, name: &str) -> Vec<u8> {
    let (host, path) = image.split_once('/').unwrap();
    let url = format!("http://{host}/v2/{path}/{kind}/{name}");
    let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let login = format!("{}:{}", bed("REGISTRY_USER"), bed("REGISTRY_PASSWORD"));
    let output = Command::new("curl")
        .args(["-sL", "--noproxy", "*", "-u", &login, "-H", accept, &url])
        .output()
        .unwrap();
    output.stdout
}

fn json(image: &str, kind: &str, name: &str) -> Value {
    serde_json::from_slice(&get(image, kind, name)).unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The labels of a pushed image.
fn labels(image: &str, digest: &str) -> Value {
    let manifest = json(image, "manifests", digest);
    let config = manifest["config"]["digest"].as_str().unwrap_or_default();
    json(image, "blobs", config)["config"]["Labels"].clone()
}

/// The documents that the tag for the image's digest leads to.
fn attached(image: &str, digest: &str) -> Vec<Value> {
    let index = json(image, "manifests", &digest.replace(':', "-"));
    let listed = index["manifests"].as_array().cloned().unwrap_or_default();
    listed
        .iter()
        .map(|one| {
            assert_eq!(
                one["artifactType"],
                "application/vnd.ml-deploy.freeze.v1+json"
            );
            let manifest = json(image, "manifests", one["digest"].as_str().unwrap());
            assert_eq!(manifest["subject"]["digest"], digest, "{manifest}");
            json(
                image,
                "blobs",
                manifest["layers"][0]["digest"].as_str().unwrap(),
            )
        })
        .collect()
}

fn compare<'a>(project: &'a Project, image: &str) -> Run<'a> {
    project.ml_deploy("parity").word(image)
}

/// A run whose image is the same every time: without the time in its labels it would be.
fn timeless(forest: &Forest) -> Run<'_> {
    forest.prepare().env("SOURCE_DATE_EPOCH", "1700000000")
}

/// A container that ends with the test.
#[test]
fn an_image_is_compared_again_with_what_travels_with_it() {
    let forest = Forest::new("oakwood==1.6.1\n");
    let train = forest.project.path().join("train.py");
    let text = std::fs::read_to_string(&train).unwrap();
    let rows = r#"{"request": 1, "response": 2}"#;
    std::fs::write(
        &train,
        format!("{text}open('model/golden.jsonl', 'w').write('{rows}')\n"),
    )
    .unwrap();
    let run = || {
        let run = timeless(&forest).input("parity", "report");
        run.input("try-container", "false").run().expect(0)
    };
    let ended = run().says("is attached to the image, by the tag sha256-");
    let digest = ended.output("digest").to_owned();
    let pinned = format!("{}@{digest}", forest.image);

    let labels = labels(&forest.image, &digest);
    assert_eq!(
        labels["ml-deploy.model-sha256"],
        ended.output("model-sha256")
    );
    assert_eq!(labels["ml-deploy.golden-sha256"], sha256(rows.as_bytes()));
    let freeze = &attached(&forest.image, &digest)[0];
    let environment = freeze["environment"].to_string();
    assert_eq!(
        labels["ml-deploy.environment-sha256"],
        sha256(environment.as_bytes())
    );
    assert!(
        environment.contains("\"name\":\"oakwood\",\"version\":\"1.5.2\""),
        "{environment}"
    );
    assert_eq!(freeze["commit"], "0123456789abcdef0123456789abcdef01234567");
    assert_eq!(freeze["parity"]["verdict"], "fail");
    assert_eq!(freeze["model-sha256"], ended.output("model-sha256"));
    // The same again is attached once.
    let again = run();
    assert_eq!(again.output("digest"), digest);
    assert_eq!(attached(&forest.image, &digest).len(), 1);

    // Elsewhere, with nothing but the image's name: the same verdict.
    docker(&["rmi", "--force", &pinned, &format!("{}:v1", forest.image)]);
    let elsewhere = Project::new();
    let ended = compare(&elsewhere, &pinned).run();
    let ended = ended
        .expect(30)
        .code("parity-package")
        .says("pulling")
        .says("is compared with what is attached to it")
        .says(
            "oakwood: trained with 1.5.2, the image serves 1.6.1; the model's classes live in it",
        );
    assert_eq!(ended.output("parity"), "fail");
    assert!(
        ended.summary.contains("| ❌ | oakwood | 1.5.2 | 1.6.1 |"),
        "{}",
        ended.summary
    );
    // A build that is not pushed is measured against it, as its attached document says how large it is unpacked.
    let dockerfile = forest.project.path().join("Dockerfile");
    let before = std::fs::read_to_string(&dockerfile).unwrap();
    docker(&["rmi", "--force", &pinned]);
    std::fs::write(
        &dockerfile,
        before + "RUN head -c 3145728 /dev/zero > /large\n",
    )
    .unwrap();
    let run = timeless(&forest)
        .input("stages", "train, build")
        .input("parity", "report");
    let larger = run.input("try-container", "false").run().expect(0);
    for part in [
        "unpacked, 3.0 MiB more (+",
        &format!("{}&#58;v1", forest.image.replace(':', "&#58;")),
        ", which was pushed last.",
    ] {
        assert!(
            larger.summary.contains(part),
            "{part}\n{}\n{}",
            larger.summary,
            larger.stdout
        );
    }
    compare(&elsewhere, &pinned)
        .input("parity", "report")
        .run()
        .expect(0);

    // A file says the same; one of another training is doubted, and what is none is refused.
    let kept = forest.project.path().join(".ml-deploy/training.json");
    let against = |file: &str| compare(&elsewhere, &pinned).flag("against", file).run();
    against(&kept.display().to_string())
        .expect(30)
        .code("parity-package");
    let other = std::fs::read_to_string(&kept)
        .unwrap()
        .replace("1.5.2", "1.6.1");
    let elsewhere_file = elsewhere.path().join("other.json");
    std::fs::write(&elsewhere_file, other).unwrap();
    let ended = against("other.json")
        .expect(0)
        .says("built from another training");
    assert_eq!(ended.output("parity"), "warn");
    std::fs::write(&elsewhere_file, "{}").unwrap();
    against("other.json")
        .expect(2)
        .code("input-invalid")
        .says("no schema");
    against("absent.json").expect(2).says("no file here");

    // What is live is found by its container.
    let container = Container(unique("ml-deploy-it-chain"));
    let live = |name: &str| {
        let run = elsewhere.ml_deploy("parity").word("--live");
        run.flag("target", "docker")
            .flag("container-name", name)
            .run()
    };
    live(&container.0)
        .expect(40)
        .code("image-missing")
        .says("nothing that serves");
    docker(&[
        "run",
        "-d",
        "--name",
        &container.0,
        "--label",
        "ml-deploy=1",
        &pinned,
    ]);
    live(&container.0).expect(30).code("parity-package");
    drop(container);
    docker(&["rmi", "--force", &pinned]);
}

#[test]
fn an_image_of_which_nothing_is_known_is_said_so() {
    let project = Project::new();
    compare(&project, &bed("BASE"))
        .run()
        .expect(30)
        .code("parity-unknown")
        .says("no label `ml-deploy.run-id`");
    project
        .ml_deploy("parity")
        .run()
        .expect(2)
        .says("no image is named");
    project
        .ml_deploy("parity")
        .word("--live")
        .run()
        .expect(2)
        .says("nothing says where");
    let absent = format!("{}/it/none:1", bed("REGISTRY"));
    compare(&project, &absent)
        .run()
        .expect(40)
        .code("image-missing");
}

#[test]
fn a_registry_with_a_password_takes_it_and_one_that_refuses_is_no_failure() {
    let mut forest = Forest::with("", NOTHING);
    forest.image = format!(
        "{}/{}",
        bed("REGISTRY_AUTH"),
        unique("ml-deploy-test/chain")
    );
    let login = |run: Run<'_>| {
        let run = run.flag("registry-username", &bed("REGISTRY_USER"));
        run.flag("registry-password", &bed("REGISTRY_PASSWORD"))
            .run()
    };
    let ended = login(forest.prepare())
        .expect(0)
        .says("is attached to the image, by the tag");
    let pinned = format!("{}@{}", forest.image, ended.output("digest"));
    assert_eq!(attached(&forest.image, ended.output("digest")).len(), 1);
    let elsewhere = Project::new();
    login(compare(&elsewhere, &pinned))
        .expect(0)
        .says("what is attached to it");
    // The image is here, but what is attached to it cannot be read.
    let refused = compare(&elsewhere, &pinned)
        .run()
        .expect(30)
        .code("parity-unknown");
    refused.says("wants a login");

    let registry = bed("REGISTRY");
    let proxy = Server::start(
        "proxy.py",
        &[
            &registry,
            "PUT",
            "/manifests/",
            "ml-deploy",
            "1000",
            "403-json",
        ],
    );
    forest.image = format!("{}/{}", proxy.address(), unique("ml-deploy-test/chain"));
    let ended = forest
        .run()
        .expect(0)
        .says("could not be attached to the image: failed to attach a document");
    assert_eq!(ended.output("status"), "success");
    assert!(ended.output("digest").starts_with("sha256:"));
}

#[test]
fn a_registry_that_keeps_the_list_itself_gets_no_tag() {
    let mut forest = Forest::with("", NOTHING);
    let proxy = Server::start(
        "proxy.py",
        &[&bed("REGISTRY"), "", "", "", "0", "referrers"],
    );
    let name = unique("ml-deploy-test/chain");
    forest.image = format!("{}/{name}", proxy.address());
    let ended = timeless(&forest).run().expect(0);
    assert!(!ended.stdout.contains("by the tag"), "{}", ended.stdout);
    let ended = ended.says("what trained the model is attached to the image");
    let digest = ended.output("digest");
    let behind = format!("{}/{name}", bed("REGISTRY"));
    assert!(attached(&behind, digest).is_empty());
    let pinned = format!("{}@{digest}", forest.image);
    compare(&Project::new(), &pinned)
        .run()
        .expect(0)
        .says("what is attached to it");
    let again = timeless(&forest).run().expect(0);
    again.says("attached to the image already");
}

/// Trains with a server and returns the workspace and how it ended.
fn trained(server: &str) -> (Project, Ended) {
    let project = gates::project("'accuracy': 0.9", "pass");
    let run = gates::prepared(&project, server, "accuracy required");
    let ended = run.run().expect(0);
    (project, ended)
}

#[test]
fn a_run_of_mlflow_knows_what_trained_it() {
    for server in [bed("MLFLOW"), bed("MLFLOW2")] {
        let (project, ended) = trained(&server);
        let url = format!(
            "{server}/get-artifact?run_uuid={}&path=ml-deploy/freeze.json",
            ended.output("run-id")
        );
        let logged = Command::new("curl")
            .args(["-s", &url])
            .output()
            .unwrap()
            .stdout;
        let freeze: Value = serde_json::from_slice(&logged).unwrap();
        assert_eq!(freeze["run-id"], ended.output("run-id"));
        assert_eq!(freeze["model"]["files"][0]["path"], "model");
        let against = |run: &str| {
            let run = compare(&project, &bed("BASE")).flag("against", run);
            run.input("mlflow-tracking-uri", &server).run()
        };
        // An image that knows nothing of it: the same Python, and it has no model.
        let compared = against(ended.output("run-id")).expect(0);
        let compared = compared
            .says("was trained with")
            .says("does not hold the model");
        assert_eq!(
            compared.report["parity"]["rows"][0]["level"], "info",
            "{}",
            compared.stdout
        );
        against("00000000000000000000000000000000")
            .expect(30)
            .code("parity-unknown")
            .says("does not have run");
    }
}
