//! A delivery that is split over jobs, and one that is made again: what the second is told is enough, and nothing changes that did
//! not change.

use std::process::Command;

use crate::engine::docker;
use crate::ports::free_port;
use crate::support::{Project, bed, unique};

fn git(project: &Project, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"];
    let done = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(project.path())
        .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09Z")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn sources_that_have_not_changed_give_the_same_digest() {
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("again"));
    let project = Project::new()
        .file(
            "Dockerfile",
            &format!("FROM {}\nCOPY model /model\n", bed("BASE")),
        )
        .file("model", "m");
    git(&project, &["init", "-q"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-qm", "one"]);
    let build = || {
        let run = project.ml_deploy("run").terminal();
        let run = run.flag("stages", "build,push").flag("image", &image);
        let ended = run.run().expect(0);
        // The label has seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        ended.report["pushed"]["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = build();
    assert_eq!(first, build());
    let label = "{{index .Config.Labels \"org.opencontainers.image.created\"}}";
    let created = docker(&["inspect", "-f", label, &format!("{image}@{first}")]);
    assert_eq!(created, "2024-05-06T07:08:09Z");
}

#[test]
fn the_second_job_uses_the_login_that_it_is_given() {
    let (user, password) = (bed("REGISTRY_USER"), bed("REGISTRY_PASSWORD"));
    let name = unique("it-jobs");
    let image = format!("{}/it/{name}", bed("REGISTRY_AUTH"));
    let command = "CMD [\"python3\", \"-m\", \"http.server\", \"8080\"]";
    let project = Project::new()
        .file(
            "Dockerfile",
            &format!("FROM {}\nEXPOSE 8080\n{command}\n", bed("BASE")),
        )
        .file("model", "m");
    let job = |stages: &str| {
        let run = project.ml_deploy("run").input("stages", stages);
        let run = run.input("registry-username", &user);
        run.input("registry-password", &password)
    };
    let first = job("build, push")
        .input("image", &image)
        .input("tags", "v1");
    first.run().expect(0);
    // By tag: its registry has to be asked for the digest.
    let second = job("deploy, verify")
        .input("image-ref", &format!("{image}:v1"))
        .input("target", "docker")
        .input("container-name", &name)
        .input("ports", &format!("{}:8080", free_port()))
        .run();
    docker(&["rm", "-f", &name]);
    let second = second.expect(0);
    assert!(second.output("image-ref").contains("@sha256:"));
}

#[test]
fn data_that_git_ignores_is_a_source_when_the_training_names_it() {
    let project = Project::new()
        .file(".gitignore", "data/\n")
        .file("data/a.csv", "1\n")
        .file(
            "train.py",
            "import sys\nopen('model', 'w').write(open(sys.argv[1]).read())\n",
        );
    let train = || {
        let run = project.ml_deploy("train").input("reuse", "true");
        let ended = run
            .input("train", "python train.py data/a.csv")
            .run()
            .expect(0);
        ended.output("status").to_owned()
    };
    assert_eq!(
        (train(), train()),
        ("success".to_owned(), "reused".to_owned())
    );
    std::fs::write(project.path().join("data/a.csv"), "2\n").unwrap();
    assert_eq!(train(), "success");
}
