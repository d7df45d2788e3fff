//! A run that ends in the middle of replacing a container: whatever happens then, the one that served before serves again.

use crate::engine::{Container, docker, pushed};
use crate::ports::free_port;
use crate::support::{Ended, Project, Run, unique};

/// Answers only after some seconds, so that there is a middle.
const SLOW: &str = "[\"sh\", \"-c\", \"sleep 3; exec python3 -m http.server 8080\"]";
const BROKEN: &str = "[\"sh\", \"-c\", \"exit 7\"]";

struct Service {
    name: String,
    port: u16,
    project: Project,
    container: Container,
}

impl Service {
    fn new(port: u16) -> Self {
        let name = unique("it-swap");
        Self {
            container: Container(name.clone()),
            project: Project::new(),
            port,
            name,
        }
    }

    fn deploy(&self, image: &str) -> Run<'_> {
        self.deploy_from(&self.project, image)
    }

    fn deploy_from<'a>(&self, project: &'a Project, image: &str) -> Run<'a> {
        let run = project.ml_deploy("deploy").input("target", "docker");
        run.input("container-name", &self.name)
            .input("ports", &format!("{}:8080", self.port))
            .input("image-ref", image)
            .input("health-path", "/")
            .input("deploy-timeout", "60s")
    }

    fn id(&self) -> String {
        docker(&["inspect", "-f", "{{.Id}} {{.State.Running}}", &self.name])
    }

    fn names(&self) -> Vec<String> {
        let filter = format!("name={}", self.name);
        let listed = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]);
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn wait_until_it_answers(&self) {
        let address = format!("http://127.0.0.1:{}/", self.port);
        let asked = std::process::Command::new("curl")
            .args([
                "-s",
                "--noproxy",
                "*",
                "--retry",
                "120",
                "--retry-delay",
                "1",
            ])
            .args(["--retry-all-errors", "-o", "/dev/null", &address])
            .status()
            .unwrap();
        assert!(asked.success(), "{address} does not answer");
    }

    /// Ends a deployment while the old container has stepped aside and the new one does not answer yet.
    fn end_in_the_middle(&self, image: &str, signal: &str) -> Ended {
        let previous = format!("{}-previous", self.name);
        let in_the_middle = || self.names().contains(&previous) && self.id().ends_with(" true");
        self.deploy(image)
            .signal_when("it takes its place now", in_the_middle, signal)
    }
}

#[test]
fn a_signal_in_the_middle_puts_the_old_one_back() {
    let service = Service::new(free_port());
    let image = pushed(&service.name, SLOW);
    service.deploy(&image).run().expect(0);
    let before = service.id();
    let ended = service.end_in_the_middle(&image, "TERM").expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    assert_eq!(service.id(), before, "{}", ended.stdout);
    assert_eq!(service.names(), [service.name.as_str()]);
    drop(service.container);
}

#[test]
fn a_kill_in_the_middle_is_mended_by_the_next_run() {
    let service = Service::new(free_port());
    let image = pushed(&service.name, SLOW);
    let broken = pushed(&format!("{}-broken", service.name), BROKEN);
    service.deploy(&image).run().expect(0);
    let before = service.id();
    // Nobody can clean up after this one.
    service.end_in_the_middle(&image, "KILL");
    assert_eq!(service.names().len(), 2);
    docker(&["kill", &service.name]);
    // The next run cannot deploy either, but the service is back.
    service
        .deploy(&broken)
        .run()
        .expect(50)
        .code("container-failed")
        .says("put back");
    assert_eq!(service.id(), before);
    assert_eq!(service.names(), [service.name.as_str()]);

    // When the new one serves by then, it stays, and the old one goes.
    service.end_in_the_middle(&image, "KILL");
    let new = service.id();
    assert_ne!(new, before);
    service.wait_until_it_answers();
    service.deploy(&broken).run().expect(50);
    assert_eq!(service.id(), new);
    assert_eq!(service.names(), [service.name.as_str()]);
    drop(service.container);
}

#[test]
fn a_container_that_does_not_verify_gives_its_place_back() {
    let service = Service::new(free_port());
    let image = pushed(
        &service.name,
        "[\"python3\", \"-m\", \"http.server\", \"8080\"]",
    );
    service.deploy(&image).run().expect(0);
    let before = service.id();
    // It is healthy, and takes no predictions.
    let project = Project::new().file(
        "golden.jsonl",
        "{\"request\": {\"x\": 1}, \"response\": {\"y\": [1]}}\n",
    );
    let ended = service
        .deploy_from(&project, &image)
        .input("predict-path", "/predict")
        .input("golden", "golden.jsonl")
        .run()
        .expect(60)
        .code("verify-prediction")
        .says(&format!("`{}` runs the previous image again", service.name));
    assert_eq!(ended.output("rolled-back"), "true");
    assert_eq!(service.id(), before);
    assert_eq!(service.names(), [service.name.as_str()]);
    service.wait_until_it_answers();
    drop(service.container);
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_left() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Service::new(taken.local_addr().unwrap().port());
    let image = pushed(&service.name, SLOW);
    service
        .deploy(&image)
        .run()
        .expect(50)
        .code("container-failed")
        .says(&service.port.to_string())
        .says("`ports`");
    assert!(service.names().is_empty());
    drop(service.container);
}
