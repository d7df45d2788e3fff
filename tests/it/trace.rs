//! From any end of the chain to all others: real registry, MLflow, cluster. What is missing is said with its reason.

use serde_json::{Value, json};

use crate::cluster::Namespace;
use crate::gates::{crown, indented, project};
use crate::rollback::ran;
use crate::support::{Ended, Project, Run, bed, unique};

/// One pod of an image that serves its own files.
fn manifest(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: wine}}\nspec:\n  selector: {{matchLabels: {{app: wine}}}}\n  template:\n    metadata: {{labels: {{app: wine}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      containers:\n      - name: model\n        image: {image}\n        ports: [{{containerPort: 8080}}]\n        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}\n"
    )
}

/// The values of a link.
fn values(ended: &Ended, link: &str) -> Vec<String> {
    let claims = ended.report["chain"]["claims"].as_array();
    let ours = claims
        .into_iter()
        .flatten()
        .filter(|one| one["link"] == link);
    ours.map(|one| one["value"].as_str().unwrap().to_owned())
        .collect()
}

/// Why a link is missing.
#[track_caller]
fn missing(ended: &Ended, link: &str) -> String {
    let missing = ended.report["chain"]["missing"].as_array().unwrap();
    let found = missing.iter().find(|one| one["link"] == link);
    let found = found.unwrap_or_else(|| panic!("{link} is not missing:\n{}", ended.stdout));
    found["why"].as_str().unwrap().to_owned()
}

#[test]
fn every_end_leads_to_all_others() {
    let (server, model) = (bed("MLFLOW"), unique("it-trace"));
    let namespace = Namespace::new("it-trace");
    let image = format!("{}/it/{model}", bed("REGISTRY"));
    let dockerfile = format!(
        "FROM {}\nCOPY model /srv/model\nWORKDIR /srv\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        bed("BASE")
    );
    let project = project("'accuracy': 0.9", "pass")
        .file("Dockerfile", &dockerfile)
        .file("k8s/app.yaml", &manifest(&image))
        .file(
            "ml-deploy.yml",
            &format!("gates: |\n{}", indented("accuracy required")),
        );
    let in_cluster = |run: Run<'_>| -> Ended {
        run.input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .run()
    };
    let run = project.ml_deploy("run").input("train", "python train.py");
    let run = run.input("mlflow-tracking-uri", &server);
    let run = run.input("mlflow-experiment-name", &model);
    let run = run.input("image", &image).input("manifests", "k8s");
    let made = in_cluster(run).expect(0);
    let (digest, run_id) = (made.output("digest"), made.output("run-id"));
    crown(&server, &model, run_id);
    let pod = ran(
        &namespace,
        &["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"],
    );

    // Elsewhere: nothing but the question and where to look.
    let elsewhere = Project::new();
    let trace = |end: &str| {
        let run = elsewhere.ml_deploy("trace").word(end);
        in_cluster(run.input("mlflow-tracking-uri", &server))
    };
    let ends = [
        format!("{image}@{digest}"),
        format!("{image}:0123456789ab"),
        digest.to_owned(),
        run_id.to_owned(),
        pod.clone(),
        "deployment/wine".to_owned(),
        format!("{model}/1"),
        format!("{model}@champion"),
    ];
    for end in &ends {
        let ended = trace(end).expect(0);
        let said = &ended.stdout;
        assert_eq!(
            values(&ended, "commit"),
            ["0123456789abcdef0123456789abcdef01234567"],
            "{end}\n{said}"
        );
        assert_eq!(values(&ended, "run"), [run_id], "{end}\n{said}");
        assert_eq!(
            values(&ended, "version"),
            [format!("{model} version 1")],
            "{end}\n{said}"
        );
        assert_eq!(values(&ended, "image"), [digest], "{end}\n{said}");
        assert_eq!(
            values(&ended, "deployment"),
            ["Deployment/wine"],
            "{end}\n{said}"
        );
        assert_eq!(values(&ended, "pod"), [pod.as_str()], "{end}\n{said}");
        assert_eq!(ended.report["chain"]["missing"], json!([]), "{end}\n{said}");
        assert_eq!(ended.report["findings"], json!([]), "{end}\n{said}");
    }
    let ended = trace(&pod).says("Deployment/wine, revision 1, verified 20");
    assert!(
        ended.stdout.contains(", champion  [MLflow]"),
        "{}",
        ended.stdout
    );
    assert!(ended.summary.contains("### Chain of"), "{}", ended.summary);

    // The image that is live, found by the record, is compared with what is attached to it.
    let live = elsewhere.ml_deploy("parity").word("--live");
    let live = in_cluster(live.input("deployment-name", "wine")).expect(0);
    assert_ne!(live.says("what is attached to it").output("parity"), "fail");

    // Places that nobody named are what is missing.
    let alone = elsewhere.ml_deploy("trace").word(&ends[0]).run().expect(0);
    assert!(missing(&alone, "pod").contains("set `namespace`"));
    assert!(missing(&alone, "version").contains("set `mlflow-tracking-uri`"));
    assert_eq!(values(&alone, "run"), [run_id]);

    // Somebody's hand shows.
    let other = "0".repeat(32);
    let note = format!("ml-deploy/run-id={other}");
    ran(
        &namespace,
        &["annotate", "--overwrite", "deployment/wine", &note],
    );
    let ended = trace(&pod).expect(0).says("the run is not one");
    assert!(
        ended.report["findings"]
            .to_string()
            .contains("trace-disputed")
    );
    assert!(values(&ended, "run").contains(&other));

    // Without the annotation the digest that runs leads to its run, by the image's label: what candidates are compared with.
    ran(
        &namespace,
        &["annotate", "deployment/wine", "ml-deploy/run-id-"],
    );
    let run = project.ml_deploy("train").input("train", "python train.py");
    let run = run.input("mlflow-tracking-uri", &server);
    let run = run.input("mlflow-experiment-name", &model);
    let run = run.input("image", &image).input("manifests", "k8s");
    let judged = in_cluster(run.input("gates", "accuracy >= champion")).expect(0);
    judged.says(&format!("champion: run {run_id}, live as Deployment/wine"));
}

#[test]
fn what_no_place_knows_is_said_with_every_reason() {
    let namespace = Namespace::new("it-trace");
    let project = Project::new();
    let trace = |end: &str| {
        let run = project.ml_deploy("trace").word(end);
        run.input("mlflow-tracking-uri", &bed("MLFLOW"))
            .input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .run()
    };
    for (end, reason) in [
        ("no-such-pod", "nothing serves in that namespace"),
        ("no-such-model/3", "has no version 3"),
        ("ffffffffffffffffffffffffffffffff", "does not have run"),
    ] {
        let ended = trace(end).expect(60).code("trace-unknown");
        let evidence: &Value = &ended.report["findings"][0]["evidence"];
        assert!(evidence.to_string().contains(reason), "{end}: {evidence}");
    }
}
