//! A container's replacement that is broken off: what is left, and that the next run finds the way back.

use crate::engine::{docker, pushed};
use crate::ports::free_port;
use crate::support::{Ended, Project, Run, unique};

/// A container of the engine that is removed with the test, and the images it is made from.
struct Service {
    name: String,
    port: u16,
    good: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        for suffix in ["", "-next", "-previous"] {
            docker(&["rm", "-f", &format!("{}{suffix}", self.name)]);
        }
    }
}

impl Service {
    /// One that answers, deployed by us.
    fn deployed() -> Self {
        let port = free_port();
        let name = unique("it-swap");
        let good = pushed(&name, "[\"python3\", \"-m\", \"http.server\", \"8080\"]");
        let service = Self { name, port, good };
        service.deploy(&service.good).expect(0);
        service
    }

    fn run<'a>(&self, project: &'a Project, image: &str) -> Run<'a> {
        project
            .ml_deploy("deploy")
            .input("target", "docker")
            .input("container-name", &self.name)
            .input("ports", &format!("{}:8080", self.port))
            .input("image-ref", image)
            .input("health-path", "/")
            .input("deploy-timeout", "30s")
    }

    fn deploy(&self, image: &str) -> Ended {
        self.run(&Project::new(), image).run()
    }

    fn id(&self) -> String {
        docker(&["inspect", "-f", "{{.Id}} {{.State.Running}}", &self.name])
    }

    /// All containers of ours that are there.
    fn names(&self) -> String {
        let filter = format!("name={}", self.name);
        docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"])
    }
}

#[test]
fn a_new_container_that_nobody_waited_for_does_not_cost_the_old_one() {
    let service = Service::deployed();
    let before = service.id();
    let name = &service.name;
    // As a kill between the start of the new container and its first answer leaves it.
    let previous = format!("{name}-previous");
    docker(&["rename", name, &previous]);
    docker(&["stop", "-t", "0", &previous]);
    let silent = ["run", "-d", "--name", name, "--label", "ml-deploy=1"];
    docker(&[&silent[..], &[&service.good, "sleep", "600"]].concat());
    let bad = pushed(&format!("{name}-bad"), "[\"sh\", \"-c\", \"exit 7\"]");
    service
        .deploy(&bad)
        .expect(50)
        .says("an earlier run was interrupted")
        .says("exits 7");
    assert_eq!(service.id(), before);
    assert_eq!(service.names(), *name);
}

#[test]
fn every_step_of_a_broken_off_swap_is_undone_by_the_next_run() {
    let service = Service::deployed();
    let name = &service.name;
    let previous = format!("{name}-previous");
    for stop in [false, true] {
        docker(&["rename", name, &previous]);
        if stop {
            docker(&["stop", "-t", "0", &previous]);
            docker(&[
                "create",
                "--name",
                name,
                "--label",
                "ml-deploy=1",
                &service.good,
            ]);
        }
        service.deploy(&service.good).expect(0);
        assert_eq!(service.names(), *name);
    }
    // The new one had answered already, and only the old one's removal is missing.
    let serving = service.id();
    docker(&[
        "create",
        "--name",
        &previous,
        "--label",
        "ml-deploy=1",
        &service.good,
    ]);
    let bad = pushed(&format!("{name}-bad"), "[\"sh\", \"-c\", \"exit 7\"]");
    service.deploy(&bad).expect(50);
    assert_eq!(service.id(), serving);
    assert_eq!(service.names(), *name);
}

#[test]
fn a_service_that_takes_requests_and_never_answers_does_not_hold_up_a_cancel() {
    let service = Service::deployed();
    let before = service.id();
    let mute = "[\"python3\", \"-c\", \"import socket,time; s=socket.socket(); s.bind(('', 8080)); s.listen(9); time.sleep(600)\"]";
    let mute = pushed(&format!("{}-mute", service.name), mute);
    let project = Project::new();
    let ended = service
        .run(&project, &mute)
        .signal_at("waiting until it answers", "TERM");
    assert_eq!(ended.status, 143, "{}", ended.stdout);
    assert!(ended.took.as_secs() < 5, "{:?}", ended.took);
    assert_eq!(service.id(), before);
    assert_eq!(service.names(), service.name);
}
