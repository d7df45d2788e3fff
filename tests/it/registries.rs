//! Registries that fail, for a time or for good, and images behind a password: bases of builds, and those of an earlier job.

use std::process::Command;

use base64::Engine as _;
use serde_json::Value;

use crate::engine::{Container, docker};
use crate::ports::free_port;
use crate::servers::Server;
use crate::support::{Ended, Project, Run, bed, unique};

pub(crate) const SMALL: &str = "FROM scratch\nCOPY Dockerfile /\n";

/// A repository; its tags leave the engine with the test.
pub(crate) struct Repository(pub(crate) String);

impl Repository {
    pub(crate) fn at(host: &str) -> Self {
        Self(format!("{host}/{}", unique("ml-deploy-test/registry")))
    }

    pub(crate) fn build<'a>(&self, project: &'a Project) -> Run<'a> {
        let run = project.ml_deploy("build").flag("image", &self.0);
        run.flag("tags", "v1")
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let tags = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &self.0]);
        for tag in tags.lines() {
            docker(&["rmi", "--force", tag]);
        }
    }
}

/// What the tag `v1` of a repository is, as another client sees it.
pub(crate) fn skopeo(repository: &str, login: &str) -> Value {
    let output = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--creds", login])
        .arg(format!("docker://{repository}:v1"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Builds and pushes through a proxy that begins with faults; the run, and what the registry was asked.
fn through(method: &str, part: &str, agent: &str, count: u32, fault: &str) -> (Ended, Vec<String>) {
    let count = count.to_string();
    let proxy = Server::start(
        "proxy.py",
        &[&bed("REGISTRY"), method, part, agent, &count, fault],
    );
    let repository = Repository::at(&proxy.address());
    let project = Project::new().file("Dockerfile", SMALL);
    let ended = repository.build(&project).run();
    (ended, log_of(&proxy))
}

/// What a server says that it was asked.
pub(crate) fn log_of(server: &Server) -> Vec<String> {
    let log = Command::new("curl")
        .args(["-s", "--noproxy", "*"])
        .arg(format!("http://{}/-/log", server.address()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    log.lines().map(str::to_owned).collect()
}

fn faults(log: &[String], fault: &str) -> usize {
    let ending = format!(" {fault}");
    log.iter().filter(|line| line.ends_with(&ending)).count()
}

#[test]
fn what_passes_is_tried_again_until_it_has() {
    // Our own questions before the build, and the engine's push: its last request is the manifest's.
    for (method, part, agent) in [
        ("POST", "/uploads/", ""),
        ("PUT", "/manifests/v1", "docker"),
        ("HEAD", "/manifests/v1", ""),
    ] {
        for fault in ["429", "429-json", "500-json", "503", "503-json", "reset"] {
            let (ended, log) = through(method, part, agent, 2, fault);
            let ended = ended.expect(0);
            assert_eq!(faults(&log, fault), 2, "{log:?}");
            if agent == "docker" {
                assert!(ended.stdout.contains("again in"), "{}", ended.stdout);
            }
        }
    }
}

#[test]
fn a_registry_that_says_when_it_has_time_is_not_asked_before() {
    let (ended, log) = through("POST", "/uploads/", "", 1, "429-later");
    ended.expect(0);
    assert_eq!(faults(&log, "429-later"), 1, "{log:?}");
    assert_eq!(faults(&log, "EARLY"), 0, "{log:?}");
}

#[test]
fn what_does_not_pass_is_not_waited_for_for_ever() {
    let (ended, log) = through("POST", "/uploads/", "", 1000, "503");
    let ended = ended.expect(10).code("registry-unreachable");
    ended.says("503");
    assert_eq!(faults(&log, "503"), 4, "{log:?}");
    let (ended, log) = through("PUT", "/manifests/v1", "docker", 1000, "503");
    ended.expect(40).code("push-failed").says("503");
    assert_eq!(faults(&log, "503"), 5, "{log:?}");
}

#[test]
fn a_refusal_is_not_tried_again() {
    for fault in ["401", "403", "404", "401-json", "403-json", "404-json"] {
        let (ended, log) = through("POST", "/uploads/", "", 1000, fault);
        ended.expect(10).code("registry-denied");
        assert_eq!(faults(&log, fault), 1, "{log:?}");
        let (ended, log) = through("PUT", "/manifests/v1", "docker", 1000, fault);
        let ended = ended.expect(40).code("push-denied");
        assert!(!ended.stdout.contains("again in"), "{}", ended.stdout);
        // The engine itself sends an older kind of manifest, or the same again, after some.
        assert!(faults(&log, fault) <= 3, "{log:?}");
    }
}

/// A configuration of Docker's with a login for the registry that has a password.
fn docker_login(password: &str) -> String {
    let pair = format!("{}:{password}", bed("REGISTRY_USER"));
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
        bed("REGISTRY_AUTH")
    )
}

#[test]
fn a_base_image_behind_a_password() {
    let password = bed("REGISTRY_PASSWORD");
    let base = Repository::at(&bed("REGISTRY_AUTH"));
    let name = format!("{}:v1", base.0);
    let project = Project::new().file("Dockerfile", SMALL);
    let with_login = |run: Run<'_>| {
        let run = run.flag("registry-username", &bed("REGISTRY_USER"));
        run.flag("registry-password", &password).run()
    };
    with_login(base.build(&project)).expect(0);
    let project = project
        .file("docker/config.json", &docker_login(&password))
        .file("empty/config.json", "{}")
        .file(
            "Dockerfile",
            &format!("FROM {name}\nCOPY Dockerfile /again\n"),
        );
    let folder = |name: &str| project.path().join(name).to_string_lossy().into_owned();
    let forget = || docker(&["rmi", "--force", &name]);

    // The login of the inputs is for its own registry.
    forget();
    let same = Repository::at(&bed("REGISTRY_AUTH"));
    with_login(same.build(&project).env("DOCKER_CONFIG", &folder("empty"))).expect(0);
    // Docker's own login is for any.
    forget();
    let other = Repository::at(&bed("REGISTRY"));
    let run = other.build(&project);
    run.env("DOCKER_CONFIG", &folder("docker")).run().expect(0);
    // Without one, the line that needs it is named; and the inputs' password is not sent elsewhere.
    forget();
    let run = other.build(&project).env("DOCKER_CONFIG", &folder("empty"));
    let ended = with_login(run).expect(40).code("build-failed");
    ended
        .says("file=Dockerfile,line=1")
        .says("401 Unauthorized")
        .says("DOCKER_CONFIG");
}

#[test]
fn an_image_of_an_earlier_job_is_found_and_pulled_with_the_login() {
    let repository = Repository::at(&bed("REGISTRY_AUTH"));
    let (name, port) = (unique("it-earlier"), free_port());
    let _container = Container(name.clone());
    let text = format!(
        "FROM {}\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        bed("BASE")
    );
    let project = Project::new().file("Dockerfile", &text);
    let with_login = |run: Run<'_>| {
        let run = run.flag("registry-username", &bed("REGISTRY_USER"));
        run.flag("registry-password", &bed("REGISTRY_PASSWORD"))
            .run()
    };
    with_login(repository.build(&project)).expect(0);
    let reference = format!("{}:v1", repository.0);
    docker(&["rmi", "--force", &reference]);
    let deploy = || {
        let run = project.ml_deploy("deploy").flag("target", "docker");
        run.flag("image-ref", &reference)
            .flag("container-name", &name)
            .flag("ports", &format!("{port}:8080"))
            .flag("health-path", "/")
    };
    // The password of one registry is not for another.
    let other = format!("{}/other", bed("REGISTRY"));
    let ended = with_login(deploy().flag("image", &other));
    ended
        .expect(10)
        .code("registry-denied")
        .says("none was given");
    with_login(deploy()).expect(0);
}
