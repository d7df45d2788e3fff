//! A model that was verified becomes the champion: a version in a real model registry of both versions of MLflow, its alias,
//! and who had it before.

use serde_json::Value;

use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::engine::Container;
use crate::gates::{ask, prepared, project};
use crate::github::GitHub;
use crate::ports::free_port;
use crate::rollback::ran;
use crate::support::{Ended, Project, Run, bed, eventually, unique};

/// The version that has an alias.
fn holder(server: &str, model: &str, alias: &str) -> Value {
    let path = format!("registered-models/alias?name={model}&alias={alias}");
    ask(server, &path, None)["model_version"].clone()
}

/// A container that the test started, removed when the test ends however it ends.
/// Registers after verification on one version of MLflow, by the way of each: two jobs in one, then a job that only deploys.
fn registers(server: &str, requirements: &str, name: &str) {
    let (model, port) = (unique("it-gates"), free_port());
    let container = Container(unique("ml-deploy-it-gates"));
    let image = format!("{}/it/{model}", bed("REGISTRY"));
    let dockerfile = format!(
        "FROM {}\nCOPY model /srv/model\nWORKDIR /srv\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        bed("BASE")
    );
    let body = format!(
        "import mlflow, os\nclass M(mlflow.pyfunc.PythonModel):\n    def predict(self, context, model_input, params=None):\n        return model_input\nwith mlflow.start_run():\n    mlflow.log_metric('accuracy', float(os.environ['ACCURACY']))\n    mlflow.pyfunc.log_model({name}, python_model=M(), pip_requirements=[])\nopen('model', 'w').write(os.environ['ACCURACY'])\n"
    );
    let project = Project::new()
        .file("train.py", &body)
        .file("requirements.txt", requirements)
        .file("Dockerfile", &dockerfile);
    let tracked = |run: Run<'_>| -> Ended {
        run.input("mlflow-tracking-uri", server)
            .input("register-model", &model)
            .input("target", "docker")
            .input("container-name", &container.0)
            .input("ports", &format!("{port}:8080"))
            .input("health-path", "/")
            .env("GITHUB_RUN_ID", "77")
            .run()
    };
    let job = |accuracy: &str, health: &str, rules: &str| {
        let run = project.ml_deploy("run").input("train", "python train.py");
        let run = run
            .input("train-env", &format!("ACCURACY={accuracy}"))
            .input("mlflow-experiment-name", &model)
            .input("image", &image)
            .input("gates", rules)
            .flag("health-path", health)
            .flag("deploy-timeout", "20s");
        tracked(run)
    };
    let first = job("0.9", "/", "accuracy >= champion").expect(0);
    let version = holder(server, &model, "champion");
    assert_eq!(
        version["run_id"],
        first.output("run-id"),
        "{}",
        first.stdout
    );
    let tags = version["tags"].to_string();
    for part in [
        first.output("digest"),
        first.output("image-ref"),
        "0123456789abcdef0123456789abcdef01234567",
        "/actions/runs/77",
    ] {
        assert!(tags.contains(part), "no `{part}` in {tags}");
    }
    assert_eq!(holder(server, &model, "previous"), Value::Null);

    // From the alias to the container, and what the version's tags say of the way.
    let run = project
        .ml_deploy("trace")
        .word(&format!("{model}@champion"));
    let traced = tracked(run).expect(0);
    let chain = traced.report["chain"].to_string();
    for part in [first.output("digest"), first.output("run-id"), &container.0] {
        assert!(chain.contains(part), "no `{part}` in {chain}");
    }
    assert_eq!(traced.report["chain"]["missing"], Value::Array(Vec::new()));

    // Worse than what is live, which only the container knows: stopped, and no alias moves.
    job("0.8", "/", "accuracy >= champion")
        .expect(30)
        .code("gate-failed")
        .says("live as container");
    // A deployment that does not verify moves none either.
    let failed = job("0.95", "/absent", "accuracy >= champion");
    assert_ne!(failed.status, 0);
    assert_eq!(
        holder(server, &model, "champion")["version"],
        version["version"]
    );

    let second = job("0.95", "/", "accuracy >= champion")
        .expect(0)
        .says("is `previous`");
    let before = &second.report["layers"]["before"];
    assert_eq!(
        before["image"],
        first.output("image-ref"),
        "{}",
        second.stdout
    );
    assert!(second.summary.contains("1 of "), "{}", second.summary);
    assert!(
        second.summary.contains(" layers are new, "),
        "{}",
        second.summary
    );
    // On a pull request: how much larger the image would be than the one that is live.
    let github = GitHub::start(&serde_json::json!({}));
    let large = dockerfile + "RUN head -c 3145728 /dev/zero > /large\n";
    std::fs::write(project.path().join("Dockerfile"), large).unwrap();
    let run = project.ml_deploy("run").input("train", "python train.py");
    let run = run
        .input("train-env", "ACCURACY=0.96")
        .input("mlflow-experiment-name", &model)
        .input("image", &image);
    let asked = tracked(github.asks(run, "org/wine")).expect(0);
    let comment = github.all("comments")[0]["body"].to_string();
    for part in ["### Image", "unpacked, 3.0 MiB more (+", "which is live."] {
        assert!(
            comment.contains(part),
            "{part}\n{comment}\n{}",
            asked.stdout
        );
    }
    assert_eq!(
        asked.report["layers"]["unpacked"]["before"]["image"],
        second.output("image-ref")
    );
    let newer = holder(server, &model, "champion");
    assert_eq!(newer["run_id"], second.output("run-id"));
    assert_eq!(
        holder(server, &model, "previous")["version"],
        version["version"]
    );

    // A later job that only deploys finds the run in the image's labels, and makes no second version of it.
    let run = project
        .ml_deploy("deploy")
        .input("image-ref", first.output("image-ref"));
    tracked(run).expect(0);
    assert_eq!(
        holder(server, &model, "champion")["version"],
        version["version"]
    );
    assert_eq!(
        holder(server, &model, "previous")["version"],
        newer["version"]
    );
    // The champion's files can be had by its alias, as a user of the registry would.
    let python = "import sys, mlflow\nmlflow.set_tracking_uri(sys.argv[1])\nmlflow.pyfunc.load_model(f'models:/{sys.argv[2]}@champion')\nopen('model', 'w').write('loaded')\n";
    let loads = Project::new()
        .file("load.py", python)
        .file("requirements.txt", requirements);
    let command = format!("python load.py {server} {model}");
    loads
        .ml_deploy("train")
        .input("train", &command)
        .run()
        .expect(0);
}

#[test]
fn a_verified_model_becomes_the_champion_of_mlflow_3() {
    registers(&bed("MLFLOW"), "mlflow==3.17.2\n", "name='model'");
}

#[test]
fn a_verified_model_becomes_the_champion_of_mlflow_2() {
    let requirements = "mlflow==2.22.5\nsqlalchemy<2.1\nsetuptools<81\n";
    registers(&bed("MLFLOW2"), requirements, "'model'");
}

#[test]
fn a_registry_that_refuses_is_only_a_warning() {
    let server = bed("MLFLOW");
    let namespace = Namespace::new("it-gates");
    let project = project("'accuracy': 1", "pass").file("k8s/app.yaml", &manifest(SERVE));
    prepared(&project, &server, "accuracy >= 0.5");
    let run = project
        .ml_deploy("run")
        .input("mlflow-tracking-uri", &server)
        .input("register-model", &unique("it-gates"))
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"));
    // The training logged no model that could be registered.
    let ended = run.run().expect(0).says("logged no model");
    assert!(ended.report.to_string().contains("register-failed"));
    eventually("the deployment is live all the same", || {
        ran(
            &namespace,
            &[
                "get",
                "deployment/wine",
                "-o",
                "jsonpath={.status.readyReplicas}",
            ],
        ) == "2"
    });
}
