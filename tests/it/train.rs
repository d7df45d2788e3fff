//! Training: real Python made by uv, real scripts, real MLflow servers.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Ended, Project, bed, unique};

const MODEL: &str = "open('model', 'w').write('m')\n";

fn train(project: &Project) -> Ended {
    project
        .ml_deploy("train")
        .input("train", "python train.py")
        .run()
}

fn script(text: &str) -> Ended {
    train(&Project::new().file("train.py", text))
}

/// The finding that ended the run, as report.json has it.
fn said(ended: &Ended) -> String {
    ended.report.to_string()
}

#[test]
fn a_script_of_the_standard_library_trains() {
    let ended = script(MODEL).expect(0);
    assert_eq!(
        ended.output("model-sha256"),
        "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"
    );
    assert_eq!(ended.output("run-id"), "");
}

#[test]
fn an_exception_has_its_file_and_line() {
    let text = "def load():\n    raise ValueError('no rows')\n\nload()\n";
    let ended = script(text)
        .expect(20)
        .code("train-failed")
        .says("ValueError: no rows");
    ended.says("file=train.py,line=2");
}

#[test]
fn a_script_that_does_not_compile_has_its_line() {
    script("x = 1\ndef f(:\n")
        .expect(20)
        .code("train-failed")
        .says("file=train.py,line=2");
}

#[test]
fn a_training_that_hangs_says_where() {
    let project = Project::new().file("train.py", "import time\n\n\ntime.sleep(100)\n");
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("train-timeout", "2s");
    run.run()
        .expect(20)
        .code("train-deadline")
        .says("file=train.py,line=4");
}

#[test]
fn a_model_must_be_written_by_this_training() {
    script("print('done')\n").expect(20).code("model-missing");
    let old = Project::new()
        .file("train.py", "print('done')\n")
        .file("model", "old");
    train(&old).expect(20).code("model-missing").says("older");
    let rewritten = Project::new().file("train.py", MODEL).file("model", "m");
    train(&rewritten).expect(0);
}

#[test]
fn a_missing_command_is_named() {
    let project = Project::new();
    let run = |command: &str| project.ml_deploy("train").input("train", command).run();
    run("pyhton train.py")
        .expect(20)
        .code("train-command")
        .says("`pyhton`");
    run("./train.sh")
        .expect(20)
        .code("train-command")
        .says("does not exist");
    run("python trian.py")
        .expect(20)
        .code("train-failed")
        .says("trian.py");
}

#[test]
fn requirements_that_do_not_resolve_have_their_line() {
    let project = Project::new()
        .file("train.py", MODEL)
        .file("requirements.txt", "# ours\nml-deploy-no-such-package==1\n");
    train(&project)
        .expect(20)
        .code("requirements-unresolved")
        .says("file=requirements.txt,line=2");
    let project = Project::new()
        .file("train.py", MODEL)
        .file("requirements.txt", "-r base.txt\n");
    train(&project)
        .expect(20)
        .code("requirements-missing")
        .says("file=requirements.txt,line=1");
}

#[test]
fn a_python_that_is_not_to_be_had_says_what_is_there() {
    let project = Project::new().file("train.py", MODEL);
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("python-version", "3.99");
    run.run().expect(20).code("python-missing").says("3.99");
}

#[test]
fn the_second_run_installs_nothing() {
    let project = Project::new()
        .file(
            "train.py",
            "import six\nopen('model', 'w').write(six.__name__)\n",
        )
        .file("requirements.txt", "six==1.17.0\n");
    train(&project).expect(0);
    train(&project).expect(0).says("nothing to install");
}

#[test]
fn output_cannot_speak_to_the_runner() {
    let text = format!(
        "print('::error::forged')\nprint('10%\\r##[error]forged too')\nprint('::set-output name=status::forged')\n{MODEL}"
    );
    let ended = script(&text).expect(0);
    let mut stopped = false;
    for line in ended.stdout.split(['\n', '\r']) {
        if line.starts_with("::stop-commands::") {
            stopped = true;
        }
        let bare = line.trim_start();
        assert!(
            stopped
                || !(bare.starts_with("::error::forged") || bare.starts_with("##[error]forged")),
            "{line}"
        );
    }
    assert_ne!(ended.output("status"), "forged");
}

#[test]
fn secrets_do_not_reach_the_training() {
    let text = format!("import os\nfor n in sorted(os.environ): print('has', n)\n{MODEL}");
    let project = Project::new().file("train.py", &text);
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .env("HF_TOKEN", "hf-1")
        .env("AWS_SECRET_ACCESS_KEY", "aws-1");
    let ended = run.input("train-env", "HF_TOKEN\nEPOCHS=3").run().expect(0);
    for name in ["AWS_SECRET_ACCESS_KEY", "GITHUB_OUTPUT", "INPUT_TRAIN"] {
        assert!(
            !ended.stdout.contains(&format!("has {name}")),
            "{name}\n{}",
            ended.stdout
        );
    }
    ended.says("has HF_TOKEN").says("has EPOCHS");
}

#[test]
fn grandchildren_do_not_survive_and_do_not_hold_us() {
    let marker = unique("ml-deploy-it-orphan");
    let text = format!(
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60) # {marker}'])\n{MODEL}"
    );
    let began = Instant::now();
    script(&text).expect(0);
    assert!(began.elapsed() < Duration::from_secs(30));
    let listed = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(&marker));
}

/// Trains with MLflow in one of the usual ways; `body` comes after the import.
fn tracked(server: &str, version: &str, body: &str) -> Ended {
    let text = format!("import mlflow\n{body}\n{MODEL}");
    let project = Project::new()
        .file("train.py", &text)
        .file("requirements.txt", &format!("mlflow-skinny=={version}\n"));
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("mlflow-tracking-uri", server);
    run.input("mlflow-experiment-name", &unique("it"))
        .run()
        .expect(0)
}

const STYLES: &[&str] = &[
    "with mlflow.start_run():\n    mlflow.log_metric('acc', 0.5); mlflow.log_metric('acc', 0.75); mlflow.log_param('depth', 3)",
    "mlflow.log_metric('acc', 0.75); mlflow.log_param('depth', 3)",
    "with mlflow.start_run():\n    mlflow.log_metric('acc', 0.75); mlflow.log_param('depth', 3)\n    with mlflow.start_run(nested=True):\n        mlflow.log_metric('acc', 0.1)",
    "for acc in (0.1, 0.75):\n    with mlflow.start_run():\n        mlflow.log_metric('acc', acc); mlflow.log_param('depth', 3)",
    "run = mlflow.start_run(); mlflow.log_metric('acc', 0.1); mlflow.end_run()\nwith mlflow.start_run(run_id=run.info.run_id):\n    mlflow.log_metric('acc', 0.75); mlflow.log_param('depth', 3)",
    "mlflow.set_experiment('it-of-its-own')\nmlflow.start_run()\nmlflow.log_metric('acc', 0.75); mlflow.log_param('depth', 3)\nmlflow.end_run()",
];

fn every_style(server: &str, version: &str) {
    for style in STYLES {
        let ended = tracked(server, version, style);
        assert_eq!(
            ended.output("run-id").len(),
            32,
            "{style}\n{}",
            ended.stdout
        );
        assert!(ended.output("run-url").starts_with(server), "{style}");
        assert!(
            ended.output("metrics").contains("0.75"),
            "{style}: {}",
            ended.output("metrics")
        );
        assert!(said(&ended).contains("depth"), "{style}");
    }
    assert_eq!(tracked(server, version, "").output("run-id"), "");
}

/// A library that logs by itself, in both versions: nothing in the script names a run.
#[test]
fn runs_of_autolog_are_found() {
    let body = "import mlflow\nmlflow.sklearn.autolog(log_models=False)\nfrom sklearn.linear_model import Ridge\nmodel = Ridge(alpha=0.25).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])\n";
    let project = Project::new().file("train.py", &format!("{body}{MODEL}"));
    for (server, mlflow) in [("MLFLOW", "3.17.2"), ("MLFLOW2", "2.22.5")] {
        let requirements = format!("mlflow-skinny=={mlflow}\nscikit-learn==1.5.2\npandas<3\n");
        std::fs::write(project.path().join("requirements.txt"), requirements).unwrap();
        let run = project
            .ml_deploy("train")
            .input("train", "python train.py")
            .input("mlflow-tracking-uri", &bed(server));
        let run = run.input("mlflow-experiment-name", &unique("it"));
        let ended = run.run().expect(0);
        assert_eq!(ended.output("run-id").len(), 32, "{}", ended.stdout);
        let metrics = ended.output("metrics");
        assert!(metrics.contains("training_"), "{metrics}");
        assert!(said(&ended).contains("alpha"), "{}", said(&ended));
    }
}

#[test]
fn mlflow_3_runs_are_found() {
    every_style(&bed("MLFLOW"), "3.17.2");
}

#[test]
fn mlflow_2_runs_are_found() {
    every_style(&bed("MLFLOW2"), "2.22.5");
}

#[test]
fn a_server_with_a_password() {
    let project = Project::new()
        .file(
            "train.py",
            &format!("import mlflow\nmlflow.log_metric('acc', 0.75)\n{MODEL}"),
        )
        .file("requirements.txt", "mlflow-skinny==3.17.2\n");
    let run = |password: &str| {
        let run = project
            .ml_deploy("train")
            .input("train", "python train.py")
            .input("mlflow-tracking-uri", &bed("MLFLOW_AUTH"));
        let run = run
            .input("mlflow-tracking-username", &bed("MLFLOW_AUTH_USER"))
            .input("mlflow-experiment-name", "it-auth");
        run.input("mlflow-tracking-password", password).run()
    };
    run("wrong").expect(10).code("tracking-denied");
    let ended = run(&bed("MLFLOW_AUTH_PASSWORD")).expect(0);
    assert_eq!(ended.output("run-id").len(), 32);
    let password = bed("MLFLOW_AUTH_PASSWORD");
    // The way MLflow's own client is told works as well.
    let run = project.ml_deploy("train").input("train", "python train.py");
    run.env("MLFLOW_TRACKING_URI", &bed("MLFLOW_AUTH"))
        .env("MLFLOW_TRACKING_USERNAME", &bed("MLFLOW_AUTH_USER"))
        .env("MLFLOW_TRACKING_PASSWORD", &password)
        .run()
        .expect(0);
    let shown = |line: &&str| line.contains(&password) && !line.starts_with("::add-mask::");
    assert_eq!(ended.stdout.lines().find(shown), None);
}

#[test]
fn a_server_that_does_not_answer_is_said_before_the_training() {
    let project = Project::new().file("train.py", MODEL);
    let run = |uri: &str| {
        project
            .ml_deploy("train")
            .input("train", "python train.py")
            .input("mlflow-tracking-uri", uri)
            .run()
    };
    run("http://127.0.0.1:9")
        .expect(10)
        .code("tracking-unreachable")
        .says("refused");
    run("http://mlflow.invalid")
        .expect(10)
        .code("tracking-unreachable");
    assert_ne!(run("ftp://h").status, 0);
    assert!(!project.path().join("model").exists());
}

#[test]
fn a_local_database_is_read_back() {
    let body = "with mlflow.start_run(run_name='mine'):\n    mlflow.log_metric('acc', 0.75); mlflow.log_metric('bad', float('nan'))\n    mlflow.log_param('depth', 3)";
    let project = Project::new()
        .file("train.py", &format!("import mlflow\n{body}\n{MODEL}"))
        .file("requirements.txt", "mlflow==3.17.2\n");
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("mlflow-tracking-uri", "sqlite:///store/mlflow.db");
    let ended = run.run().expect(0);
    assert_eq!(ended.output("run-id").len(), 32, "{}", ended.stdout);
    assert_eq!(ended.output("run-url"), "");
    assert!(ended.output("metrics").contains("0.75"));
    assert!(project.path().join("store/mlflow.db").exists());

    // Nobody asked for tracking, the script does it all the same, where MLflow 3 does by default.
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .run()
        .expect(0);
    assert_eq!(run.output("run-id").len(), 32, "{}", run.stdout);
    // A folder, which MLflow 3 reads only when told so.
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("train-env", "MLFLOW_ALLOW_FILE_STORE=true")
        .input("mlflow-tracking-uri", "./runs");
    let ended = run.run().expect(0);
    assert_eq!(ended.output("run-id").len(), 32, "{}", ended.stdout);
}

/// A model logged the way of each version has a URI that the version understands.
#[test]
fn a_logged_model_has_its_uri() {
    let body = "class M(mlflow.pyfunc.PythonModel):\n    def predict(self, context, model_input, params=None):\n        return model_input\nwith mlflow.start_run():\n    mlflow.log_metric('acc', 1)\n    mlflow.pyfunc.log_model(NAME, python_model=M(), pip_requirements=[])";
    for (server, requirements, name, begin) in [
        ("MLFLOW", "mlflow==3.17.2\n", "name='model'", "models:/m-"),
        (
            "MLFLOW2",
            "mlflow==2.22.5\nsqlalchemy<2.1\nsetuptools<81\n",
            "'model'",
            "runs:/",
        ),
    ] {
        let text = format!("import mlflow\n{}\n{MODEL}", body.replace("NAME", name));
        let project = Project::new()
            .file("train.py", &text)
            .file("requirements.txt", requirements);
        let run = project
            .ml_deploy("train")
            .input("train", "python train.py")
            .input("mlflow-tracking-uri", &bed(server));
        let ended = run
            .input("mlflow-experiment-name", &unique("it"))
            .run()
            .expect(0);
        assert!(
            ended.output("model-uri").starts_with(begin),
            "{}\n{}",
            ended.output("model-uri"),
            ended.stdout
        );
    }
}
