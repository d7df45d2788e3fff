//! Bad input changes nothing, is told all at once, with file and line, and ends with status 2.

use crate::support::{Project, Run};

#[test]
fn every_problem_of_the_configuration_is_told_at_once() {
    let project = Project::new().file(
        "ml-deploy.yml",
        "trian: python train.py\nreuse: maybe\nimage: ghcr.io/Org/Wine\ntarget: moon\n",
    );
    let ended = project
        .ml_deploy("run")
        .input("namspace", "x")
        .input("registry-username", "me")
        .flag("prot", "80")
        .run()
        .expect(2)
        .code("input-unknown");
    // Names, values of the wrong kind, and what is wrong only beside others: in one round.
    for wanted in [
        "`trian`",
        "did you mean `train`",
        "`reuse`",
        "`namspace`",
        "did you mean `namespace`",
        "`prot`",
        "`org/wine`",
        "is `moon`",
        "input `registry-password` is not set",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted}:\n{}", ended.stdout);
    }
    // What is misspelt is not missing too.
    assert!(
        !ended.stdout.contains("input `train` is not set"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("::error file=ml-deploy.yml,line=1,"),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.output("status"), "failure");
    assert!(ended.summary.contains("input-unknown"));
}

#[test]
fn a_tab_in_the_configuration_is_named_with_its_line() {
    let project = Project::new().file("ml-deploy.yml", "image: x/y\n\ttrain: python a.py\n");
    project
        .ml_deploy("run")
        .run()
        .expect(2)
        .code("config-invalid")
        .says("line=2")
        .says("tab");
}

#[test]
fn an_upper_case_repository_is_refused_with_the_lower_case_one() {
    let project = Project::new().file("train.py", "");
    project
        .ml_deploy("run")
        .input("train", "python train.py")
        .input("image", "ghcr.io/Org/Wine")
        .run()
        .expect(2)
        .code("input-invalid")
        .says("org/wine");
}

#[test]
fn neither_train_nor_model_is_an_error_before_anything_starts() {
    let project = Project::new().file("Dockerfile", "FROM scratch\n");
    project
        .ml_deploy("run")
        .input("image", "127.0.0.1:1/x")
        .run()
        .expect(2)
        .code("input-missing")
        .says("`train`");
}

#[test]
fn an_empty_secret_says_that_forks_get_none() {
    let project = Project::new().file("train.py", "").file(
        "event.json",
        r#"{"pull_request": {"head": {"sha": "abc", "repo": {"full_name": "fork/wine"}}}}"#,
    );
    let event = project
        .path()
        .join("event.json")
        .to_string_lossy()
        .into_owned();
    let run = project
        .ml_deploy("run")
        .env("GITHUB_EVENT_NAME", "pull_request")
        .env("GITHUB_EVENT_PATH", &event);
    let run = run
        .input("train", "python train.py")
        .input("image", "ghcr.io/org/wine")
        .input("registry-username", "me")
        .input("registry-password", "");
    run.run().expect(2).code("input-missing").says("fork");
}

#[test]
fn what_is_missing_or_set_twice_says_what_to_do_in_that_place() {
    const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
    let project = Project::new().file("k8s/wine.yaml", "kind: Deployment\n");
    let run = || {
        let run = project.ml_deploy("plan").flag("manifests", "k8s");
        run.flag("cluster-name", "wine")
            .flag("resource-group", "rg")
    };
    let lonely = |run: Run<'_>| run.flag("client-id", ID).run().expect(2);
    let message = "input `tenant-id` is not set: `client-id` is set";
    for (run, help) in [
        (
            run().terminal(),
            "give `--tenant-id`, or set `tenant-id` in ml-deploy.yml",
        ),
        (
            run(),
            "a secret or a variable that has no value under its name is empty",
        ),
        (
            run().terminal().env("GITLAB_CI", "true"),
            "as the variable `INPUT_TENANT_ID`",
        ),
    ] {
        lonely(run).says("input-missing").says(message).says(help);
    }
    // Who has an identity of Azure alone means no cluster of EKS.
    let lost = project.ml_deploy("plan").flag("manifests", "k8s");
    let lost = lost.flag("cluster-name", "wine").flag("client-id", ID);
    let lost = lost.flag("tenant-id", ID).run().expect(2);
    lost.says("input `resource-group` is not set");
    let twice = run().flag("kubeconfig", "k").flag("location", "here").run();
    let twice = twice.expect(2).says("leave one of them out");
    twice
        .says("inputs `cluster-name` and `kubeconfig` are both set")
        .says("inputs `location` and `resource-group` are both set");
}

#[test]
fn plan_prints_what_would_happen_and_changes_nothing() {
    let project = Project::new()
        .file("train.py", "")
        .file("Dockerfile", "FROM scratch\n");
    let before = std::fs::read_dir(project.path()).unwrap().count();
    let run = project
        .ml_deploy("plan")
        .terminal()
        .flag("train", "python train.py")
        .flag("image", "127.0.0.1:1/x");
    let ended = run
        .flag("tags", "v1")
        .run()
        .expect(0)
        .says("python train.py")
        .says("127.0.0.1:1/x:v1")
        .says("left out");
    assert_eq!(
        std::fs::read_dir(project.path()).unwrap().count(),
        before,
        "{}",
        ended.stdout
    );
}

#[test]
fn what_is_not_to_be_deployed_and_what_cannot_be_built() {
    let project = Project::new().file("Dockerfile", "FROM scratch\n");
    let plan = || {
        let run = project.ml_deploy("plan").terminal();
        run.flag("train", "python train.py")
            .flag("image", "127.0.0.1:1/x")
            .flag("manifests", "k8s")
    };
    let ended = plan().flag("target", "none").run().expect(0);
    for line in ["deploy ", "verify "] {
        let said = ended.stdout.lines().find(|said| said.starts_with(line));
        assert!(said.unwrap().contains("left out"), "{}", ended.stdout);
    }
    plan()
        .flag("platforms", "linux/amd64, linux/arm64")
        .run()
        .expect(2)
        .says("`platforms` names several");
}

#[test]
fn an_input_of_another_target_is_told_and_stops_nothing() {
    let settings =
        "container-name: wine\nnamespace: ml\nmanifests: k8s\nhealth-path: /health\nport: 8080\n";
    let project = Project::new().file("ml-deploy.yml", settings);
    let plan = |target: &str| {
        let run = project.ml_deploy("plan").terminal().flag("target", target);
        run.flag(
            "image-ref",
            "127.0.0.1:1/x@sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
        )
    };
    let endpoint = |target: &str, type_: &str| {
        let run = plan(target).flag("endpoint-name", "wine");
        run.flag("instance-type", type_)
            .flag("cluster-name", "wine")
    };
    let sagemaker = endpoint("sagemaker", "ml.m5.large").flag("execution-role", "r");
    let sagemaker = sagemaker
        .flag("aws-region", "eu-west-1")
        .flag("prune", "false");
    let unused = "not used    manifests, namespace, cluster-name, container-name, health-path: for another target\n";
    sagemaker.run().expect(0).says(unused);
    let azure = endpoint("azureml", "Standard_DS2_v2").flag("resource-group", "rg");
    let azure = azure
        .flag("workspace", "wine-ws")
        .flag("execution-role", "r");
    azure.run().expect(0).says(
        "not used    manifests, namespace, cluster-name, container-name, execution-role: for another target\n",
    );
    // Without an input of another target there is no such line.
    let bare = project.ml_deploy("plan").terminal();
    let bare = bare.flag("train", "python train.py").flag("target", "none");
    let ended = bare.run().expect(0);
    assert!(!ended.stdout.contains("not used"), "{}", ended.stdout);
    plan("kubernetes")
        .flag("resource-group", "rg")
        .run()
        .expect(2)
        .says("input `cluster-name` is not set: `resource-group` is set");
}

#[test]
fn help_names_every_group() {
    let project = Project::new();
    let ended = project.ml_deploy("run").terminal().env("COLUMNS", "100");
    let ended = ended.word("--help").run().expect(0);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    for heading in [
        "Job:",
        "Training:",
        "Tracking:",
        "Image:",
        "Deployment:",
        "Verification:",
    ] {
        assert!(text.contains(heading), "{heading}:\n{text}");
    }
}

#[test]
fn a_secret_of_the_environment_is_hidden_wherever_it_appears() {
    let project = Project::new().file("train.py", "");
    let run = project
        .ml_deploy("run")
        .terminal()
        .env("WANDB_API_KEY", "k3y-of-nobody");
    let ended = run
        .flag("train", "python train.py")
        .flag("target", "k3y-of-nobody")
        .run()
        .expect(2);
    assert!(!ended.stdout.contains("k3y-of-nobody"), "{}", ended.stdout);
    assert!(ended.stdout.contains("***"), "{}", ended.stdout);
}

#[test]
fn stages_beside_a_subcommand_choose_among_its_own() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: it\n";
    let project = Project::new().file("k8s/app.yaml", text);
    let proposed = || {
        project
            .ml_deploy("deploy")
            .input("manifests", "k8s")
            .env("GITHUB_EVENT_NAME", "pull_request")
    };
    let why = |run: Run<'_>, stage: &str| {
        let ended = run.run().expect(0);
        let left_out = ended.report["left-out"].as_array().unwrap().iter();
        let found: Vec<String> = left_out
            .filter(|left| left["name"] == stage)
            .map(|left| left["why"].as_str().unwrap().to_owned())
            .collect();
        found.join(", ")
    };
    // Verification belongs to it; a pull request leaves both out, and says so.
    let proposal = "this is a pull request: nothing is pushed or deployed";
    for stage in ["deploy", "verify"] {
        assert_eq!(why(proposed(), stage), proposal);
    }
    let only = || proposed().flag("stages", "deploy");
    assert_eq!(why(only(), "deploy"), proposal);
    assert_eq!(why(only(), "verify"), "not asked for");
    // What the environment says is meant for other runs.
    assert_eq!(why(proposed().input("stages", "train"), "verify"), proposal);
    proposed()
        .flag("stages", "deploy,train")
        .run()
        .expect(2)
        .code("input-invalid")
        .says("has `train`, and this subcommand runs only deploy, verify");
}

#[test]
fn a_strategy_is_a_word_or_a_share() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: it\n";
    let project = Project::new().file("k8s/app.yaml", text);
    let ended = |strategy: &str| {
        let run = project.ml_deploy("deploy").input("manifests", "k8s");
        run.input("strategy", strategy)
            .env("GITHUB_EVENT_NAME", "pull_request")
            .run()
    };
    for strategy in [
        "canary",
        "canary: 0%",
        "canary: 100%",
        "canary: ten",
        "green",
    ] {
        ended(strategy)
            .expect(2)
            .code("input-invalid")
            .says("expected rolling, blue-green, or canary with a share from");
    }
    // Each is taken, and the manifest fits only one of them.
    for strategy in ["canary: 10%", "canary=10", "canary 10%", "blue-green"] {
        ended(strategy).expect(10).code("strategy-unfit");
    }
    ended("rolling").expect(0);
}

#[test]
fn a_pull_request_without_a_kubeconfig_has_its_manifests_read() {
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: it\n";
    for (text, status) in [(good, 0), ("apiVersion: v1\nkind: {\n", 10)] {
        let project = Project::new().file("k8s/app.yaml", text);
        let ended = project
            .ml_deploy("run")
            .input("manifests", "k8s")
            .env("GITHUB_EVENT_NAME", "pull_request")
            .run()
            .expect(status)
            .says("the manifests are only read, not tried: no `kubeconfig` is given");
        let broken = "::error file=k8s/app.yaml,line=2,";
        assert_eq!(
            ended.stdout.contains(broken),
            status == 10,
            "{}",
            ended.stdout
        );
        let left = "deploy, verify (this is a pull request&#58; nothing is pushed or deployed)";
        assert!(ended.summary.contains(left), "{}", ended.summary);
    }
    // The cluster is named, and a fork has nothing to reach it with; nor is the registry asked for what nobody deploys.
    let project = Project::new().file("k8s/app.yaml", good).file(
        "event.json",
        r#"{"pull_request": {"head": {"sha": "abc", "repo": {"full_name": "fork/wine"}}}}"#,
    );
    let event = project.path().join("event.json").display().to_string();
    let run = project.ml_deploy("run").input("manifests", "k8s");
    let run = run
        .input("cluster-name", "wine")
        .input("resource-group", "rg");
    run.input("creds", "")
        .env("GITHUB_EVENT_NAME", "pull_request")
        .env("GITHUB_EVENT_PATH", &event)
        .run()
        .expect(0)
        .says("only read, not tried: this run has no secrets to reach the cluster with");
    let run = project.ml_deploy("deploy").input("target", "sagemaker");
    let run = run
        .input("endpoint-name", "wine")
        .input("aws-region", "eu-west-1");
    let run = run
        .input("execution-role", "wine")
        .input("instance-type", "ml.m5.large");
    run.input(
        "image-ref",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/wine:1",
    )
    .env("AWS_CONFIG_FILE", "/dev/null")
    .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    .env("AWS_EC2_METADATA_DISABLED", "true")
    .env("GITHUB_EVENT_NAME", "pull_request")
    .env("GITHUB_EVENT_PATH", &event)
    .run()
    .expect(0)
    .says("is not known in this pull request");
}
