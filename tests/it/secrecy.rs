//! No secret in any place where somebody may look: log, annotations, summary, report, command lines, files.

use serde_json::json;

use crate::engine::docker;
use crate::support::{Ended, Project, bed, unique};

pub(crate) fn nowhere(ended: &Ended, secret: &str) {
    // The runner swallows the lines that tell it what to hide.
    let log: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with("::add-mask::"))
        .collect();
    assert!(!log.join("\n").contains(secret), "{}", ended.stdout);
    assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    assert!(!ended.summary.contains(secret), "{}", ended.summary);
    assert!(!ended.report.to_string().contains(secret));
}

/// Whether the host was told to hide it, before anything else could say it.
pub(crate) fn masked(ended: &Ended, secret: &str) {
    let line = format!("::add-mask::{secret}");
    let told = ended.stdout.lines().any(|one| one == line);
    assert!(told, "`{secret}` is not masked in\n{}", ended.stdout);
}

#[test]
fn a_misspelt_secret_of_the_configuration_is_not_shown() {
    let project = Project::new().file(
        "ml-deploy.yml",
        "train: x\nregistry-pasword: hunter22-secret\n",
    );
    let ended = project
        .ml_deploy("run")
        .run()
        .expect(2)
        .code("input-unknown");
    nowhere(&ended, "hunter22-secret");
    ended.says("registry-pasword");
}

#[test]
fn secrets_without_a_name_are_not_shown() {
    let project = Project::new().file(
        "ml-deploy.yml",
        "train: x\nimage: o/n\nsecrets: hunter22-secret\n",
    );
    let ended = project
        .ml_deploy("run")
        .run()
        .expect(2)
        .code("input-invalid");
    nowhere(&ended, "hunter22-secret");
}

#[test]
fn the_password_of_a_url_that_cannot_be_used_is_not_shown() {
    let project = Project::new().file(
        "ml-deploy.yml",
        "train: x\nmlflow-tracking-uri: ftp://u:hunter22-secret@h\n",
    );
    let ended = project
        .ml_deploy("run")
        .run()
        .expect(10)
        .code("tracking-scheme");
    nowhere(&ended, "hunter22-secret");
}

#[test]
fn the_printed_plan_hides_secrets_and_gives_no_commands() {
    let project = Project::new();
    let ended = project
        .ml_deploy("plan")
        .env("DB_PASSWORD", "hunter22-secret")
        .input(
            "train",
            "python train.py --password hunter22-secret\n::error::forged",
        )
        .run()
        .expect(0);
    nowhere(&ended, "hunter22-secret");
    assert!(
        !ended
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with("::")),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_secret_where_a_long_line_is_broken_is_not_shown() {
    // Lines longer than 64 KiB are broken, here within the secret.
    let script = "import base64\nsecret = b'hunter22-secret-value'\nprint('x' * 65523 + secret.decode() + '&' + 'y' * 90)\n\
        print(base64.b64encode(b'x' * 49140 + secret + b'y' * 90).decode())\nopen('model', 'w').write('m')\n";
    let project = Project::new().file("train.py", script);
    let run = project.ml_deploy("train").input("train", "python train.py");
    let ended = run.env("DB_PASSWORD", "hunter22-secret-value").run();
    let ended = ended.expect(0).says("xxx***…").says("…***&yyy");
    for part in [
        "hunter22-s",
        "ecret-value",
        "aHVudGVyMjItc",
        "2VjcmV0LXZhbHVl",
    ] {
        nowhere(&ended, part);
    }
}

#[test]
fn a_wrong_working_directory_is_not_made() {
    let project = Project::new();
    for _ in 0..2 {
        project
            .ml_deploy("run")
            .input("train", "python train.py")
            .input("working-directory", "typo")
            .run()
            .expect(2)
            .code("input-invalid")
            .says("`typo`, which is no folder here");
    }
    assert!(!project.path().join("typo").exists());
}

#[test]
fn a_secret_among_build_arguments_is_refused_and_what_looks_like_one_warned_of() {
    let project = Project::new()
        .file("Dockerfile", "FROM scratch\nCOPY model /\n")
        .file("model", "m");
    let image = format!("{}/{}", bed("REGISTRY"), unique("it/arguments"));
    let creds = json!({"clientId": "11111111-2222-3333-4444-555555555555", "clientSecret": "hunter22-client",
        "tenantId": "t.example", "subscriptionId": "11111111-2222-3333-4444-555555555555"});
    let build = |subcommand: &str| {
        let run = project
            .ml_deploy(subcommand)
            .env("DB_PASSWORD", "hunter22-secret");
        run.input("creds", &creds.to_string())
            .input("aws-access-key-id", "AKIAEXAMPLE")
            .input("aws-secret-access-key", "hunter22-key")
            .input("image", &image)
            .input("tags", "v1")
    };
    for (input, value, advice) in [
        ("build-args", "hunter22-secret", "`secrets: thing=…`"),
        ("build-args", "hunter22-key", "--mount=type=secret,id=thing"),
        ("build-args", "hunter22-client", "--mount=type=secret"),
        ("labels", "hunter22-secret", "leave `THING` out"),
    ] {
        let run = build("build").input(input, &format!("PLAIN=1\nTHING={value}"));
        let ended = run.run().expect(2).code("secret-readable");
        nowhere(&ended, value);
        let ended = ended.says(&format!("input `{input}` gives `THING` a value"));
        assert!(!ended.stdout.contains("PLAIN"), "{}", ended.stdout);
        ended.says(advice);
    }

    // What only looks like one is built, and said before and in the run; anything else is not worth a word.
    let looks =
        "MODEL_TOKEN=another-word\nINDEX=https://robot:pa55word@index.example/simple\nCOLOUR=red";
    let plan = build("plan").input("build-args", looks).run().expect(0);
    let plan = plan
        .says("warning     input `build-args` has `MODEL_TOKEN`, which is named like a secret")
        .says("`INDEX`, which is an address with a password in it")
        .says("(secret-readable)");
    assert!(!plan.stdout.contains("COLOUR"), "{}", plan.stdout);
    nowhere(&plan, "another-word");
    nowhere(&plan, "pa55word");
    let run = build("build").input("build-args", looks);
    let ended = run.run().expect(0).says("::warning");
    docker(&["rmi", "--force", &format!("{image}:v1")]);
    let found = ended.report["findings"].as_array().unwrap();
    let codes: Vec<_> = found.iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["secret-readable", "secret-readable"]);
    nowhere(&ended, "pa55word");
}
