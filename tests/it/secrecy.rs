//! No secret in any place where somebody may look: log, annotations, summary, report, command lines, files.

use crate::support::{Ended, Project};

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
