//! The GitHub Deployment of a real deployment, and the step's `post-entrypoint` after a kill.

use serde_json::json;

use crate::engine::{Container, docker, pushed};
use crate::github::{GitHub, TOKEN};
use crate::ports::free_port;
use crate::support::{Ended, Project, Run, bed, unique};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const DEPLOYMENTS: &str = "post /repos/{owner}/{repo}/deployments";
const STATUSES: &str = "post /repos/{owner}/{repo}/deployments/{deployment_id}/statuses";

struct Service {
    name: String,
    port: u16,
    project: Project,
    _container: Container,
}

impl Service {
    fn new() -> Self {
        let name = unique("it-github");
        Self {
            _container: Container(name.clone()),
            project: Project::new(),
            port: free_port(),
            name,
        }
    }

    fn deploy<'a>(&'a self, github: &GitHub, image: &str) -> Run<'a> {
        let run = self.project.ml_deploy("deploy").input("target", "docker");
        let run = run
            .input("container-name", &self.name)
            .input("ports", &format!("{}:8080", self.port))
            .input("image-ref", image)
            .input("health-path", "/")
            .input("deploy-timeout", "60s")
            .input("github-reports", "deployment");
        github.tells(run)
    }

    /// The runner's second container of the step.
    fn post(&self, github: &GitHub) -> Ended {
        let name = self.project.path().join("ml-deploy-post");
        if !name.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ml-deploy"), &name).unwrap();
        }
        let mut run = self.project.through(&[&name.to_string_lossy()], "");
        for key in ["run", "deployment", "check"] {
            run = run.env(&format!("STATE_{key}"), &github.remembered(key));
        }
        github.tells(run).run().expect(0)
    }
}

#[test]
fn a_deployment_is_recorded_with_its_result_and_address() {
    // Both were done although GitHub answers that they failed.
    let github = GitHub::start(&json!({"faults": [
        {"on": DEPLOYMENTS, "status": 502, "did": true},
        {"on": STATUSES, "status": 502, "did": true},
    ]}));
    let service = Service::new();
    let good = pushed(
        &service.name,
        "[\"python3\", \"-m\", \"http.server\", \"8080\"]",
    );
    let run = service.deploy(&github, &good);
    let run = run.input("github-environment", "staging");
    run.run().expect(0);
    let deployments = github.all("deployments");
    assert_eq!(deployments.len(), 1);
    assert_eq!(deployments[0]["environment"], "staging");
    assert_eq!(deployments[0]["sha"], SHA);
    assert!(
        good.ends_with(
            deployments[0]["payload"]["image"]
                .as_str()
                .unwrap()
                .rsplit('@')
                .next()
                .unwrap()
        )
    );
    let statuses = &github.all("statuses")[0];
    let states: Vec<_> = statuses
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert_eq!(states, ["success", "in_progress"]);
    let address = format!("http://127.0.0.1:{}", service.port);
    assert_eq!(statuses[0]["environment_url"], address.as_str());
    assert_eq!(
        statuses[0]["log_url"],
        "https://github.example/org/wine/actions/runs/4711"
    );
    assert_eq!(github.remembered("deployment"), "", "nothing is left open");
    assert!(github.all("checks").is_empty(), "only what is wanted");

    let bad = pushed(
        &format!("{}-bad", service.name),
        "[\"sh\", \"-c\", \"exit 7\"]",
    );
    service.deploy(&github, &bad).run().expect(50);
    let states = github.sent(STATUSES);
    assert_eq!(states[states.len() - 1]["state"], "failure");
    assert_eq!(github.all("deployments")[1]["environment"], "production");
    // The runner always starts the second container too, and then nothing is left to do.
    assert_eq!(service.post(&github).stdout, "");
}

#[test]
fn the_jobs_own_deployment_is_not_doubled_and_a_refusal_changes_nothing() {
    let status = |run: &str, state: &str| {
        json!({
            "ref": SHA, "environment": "production", "payload": {},
            "status": {"state": state, "log_url": format!("https://github.example/org/wine/actions/runs/{run}/job/9")},
        })
    };
    let github = GitHub::start(&json!({"deployments": [status("4711", "in_progress")]}));
    let service = Service::new();
    let image = pushed(
        &service.name,
        "[\"python3\", \"-m\", \"http.server\", \"8080\"]",
    );
    service
        .deploy(&github, &image)
        .run()
        .expect(0)
        .says("the job's environment `production` has a deployment on GitHub already");
    assert!(github.sent(DEPLOYMENTS).is_empty() && github.sent(STATUSES).is_empty());

    // Deployments of another run, and one that is over, are none of the job's.
    let github = GitHub::start(&json!({
        "deployments": [status("471", "in_progress"), status("4711", "success")],
        "faults": [{"on": DEPLOYMENTS, "status": 409, "message": "Conflict merging main into 0123456"}],
    }));
    service.deploy(&github, &image).run().expect(0).says(
        "::warning::the deployment on GitHub could not be written: 409: Conflict merging main",
    );
    assert_eq!(
        github.sent(DEPLOYMENTS).len(),
        1,
        "a conflict is not asked again"
    );
    let github = GitHub::start(&json!({"deny": ["deployments"]}));
    let ended = service.deploy(&github, &image).run().expect(0);
    assert!(
        ended
            .stdout
            .contains("::notice::left out on GitHub: deployment; "),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_a_killed_step_left_open_is_closed() {
    let github = GitHub::start(&json!({}));
    let service = Service::new();
    let slow = pushed(&service.name, "[\"sh\", \"-c\", \"sleep 300\"]");
    let opened = || !github.sent(STATUSES).is_empty();
    let ended = service
        .deploy(&github, &slow)
        .signal_when("::group::deploy", opened, "KILL");
    assert_ne!(ended.status, 0);
    let id = github.remembered("deployment");
    assert!(!id.is_empty());

    // Containers of the killed process and of another one that runs beside it.
    let label = |mark: &str| format!("ml-deploy.run={mark}");
    let names = [unique("it-left"), unique("it-other")];
    let containers: Vec<_> = names.iter().map(|name| Container(name.clone())).collect();
    for (name, mark) in names
        .iter()
        .zip([github.remembered("run"), "another".to_owned()])
    {
        docker(&[
            "create",
            "--name",
            name,
            "--label",
            &label(&mark),
            &bed("BASE"),
            "true",
        ]);
    }
    // A check is open while annotations are appended.
    let ended = service.post(&github);
    assert!(
        ended.stdout.contains("closed the deployment on GitHub"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("removed container"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains(TOKEN));
    let states = github.sent(STATUSES);
    assert_eq!(states[states.len() - 1]["state"], "error");
    let left = docker(&[
        "ps",
        "-a",
        "--format",
        "{{.Names}}",
        "--filter",
        "label=ml-deploy.run",
    ]);
    let left: Vec<&str> = left.lines().collect();
    assert!(
        !left.contains(&names[0].as_str()) && left.contains(&names[1].as_str()),
        "{left:?}"
    );
    // Once is enough.
    assert_eq!(service.post(&github).stdout, "");
    drop(containers);
}

#[test]
fn a_check_that_was_left_open_is_closed() {
    // The second request, with further annotations, is refused for good, as a kill would leave it.
    let patch = "patch /repos/{owner}/{repo}/check-runs/{check_run_id}";
    let github = GitHub::start(&json!({"faults": [{"on": patch, "status": 409}]}));
    let service = Service::new();
    let text: String = (1..=70).map(|line| format!("wrong-{line}: x\n")).collect();
    std::fs::write(service.project.path().join("ml-deploy.yml"), text).unwrap();
    let run = service
        .project
        .ml_deploy("run")
        .input("github-reports", "check");
    github.tells(run).run().expect(2);
    assert_eq!(github.all("checks")[0]["run"]["status"], "in_progress");
    let said = service.post(&github).stdout;
    assert!(said.contains("closed the check run on GitHub"), "{said}");
    let check = &github.all("checks")[0]["run"];
    assert_eq!(
        (&check["status"], &check["conclusion"]),
        (&json!("completed"), &json!("cancelled"))
    );
}
