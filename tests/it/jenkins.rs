//! Jenkins: the shell steps of the example's Jenkinsfile run as Jenkins runs them — `sh -xe`, its variables, another user, no HOME.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::engine::Container;
use crate::formats::files;
use crate::ports::free_port;
use crate::support::{Project, bed, checkout, eventually, unique};

/// A user that nothing on the machine belongs to.
const USER: u32 = 12_345;

/// The example's pipeline.
pub(crate) fn example() -> String {
    std::fs::read_to_string(checkout().join("examples/wine/Jenkinsfile")).unwrap()
}

fn steps() -> Vec<String> {
    steps_of(&example())
}

/// The steps `sh '…'` of a Jenkinsfile.
pub(crate) fn steps_of(text: &str) -> Vec<String> {
    let steps = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sh '"));
    steps
        .map(|step| step.strip_suffix('\'').unwrap().to_owned())
        .collect()
}

/// A workspace that belongs to Jenkins' user, and a folder of programs that it may run.
struct Agent {
    project: Project,
    programs: tempfile::TempDir,
}

impl Agent {
    fn new(project: Project) -> Self {
        let programs = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .unwrap();
        for (from, name) in [
            (env!("CARGO_BIN_EXE_ml-deploy"), "ml-deploy"),
            (&bed("UV"), "uv"),
        ] {
            std::fs::copy(from, programs.path().join(name)).unwrap();
        }
        let agent = Self { project, programs };
        if root() {
            agent.give(agent.project.path());
        }
        agent
    }

    fn give(&self, path: &Path) {
        chown(path, Some(USER), Some(USER)).unwrap();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// A step as the durable task plugin starts it, in a process group of its own.
    fn start(&self, step: &str, variables: &[(&str, &str)]) -> Child {
        use std::os::unix::process::CommandExt as _;
        let script = self.programs.path().join("script.sh");
        std::fs::write(&script, step).unwrap();
        let workspace = self.project.path();
        let socket = std::fs::metadata("/var/run/docker.sock").unwrap().gid();
        let mut command = Command::new(if root() { "setpriv" } else { "env" });
        if root() {
            command.args([&format!("--reuid={USER}"), &format!("--regid={USER}")]);
            command.arg(format!("--groups={socket}"));
        }
        command
            .args(["sh", "-xe"])
            .arg(&script)
            .current_dir(workspace)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.programs.path().display()),
            )
            .env("HOME", "/nonexistent")
            .env("CI", "true")
            .env("JENKINS_URL", "https://jenkins.example/")
            .env("BUILD_NUMBER", "17")
            .env("BUILD_ID", "17")
            .env("BUILD_TAG", "jenkins-wine-main-17")
            .env("BUILD_URL", "https://jenkins.example/job/wine/job/main/17/")
            .env("JOB_NAME", "wine/main")
            .env("NODE_NAME", "built-in")
            .env("EXECUTOR_NUMBER", "0")
            .env("JENKINS_NODE_COOKIE", "5f0c")
            .env("WORKSPACE", workspace)
            .env("GIT_COMMIT", "0123456789abcdef0123456789abcdef01234567")
            .env("GIT_BRANCH", "main")
            .env("BRANCH_NAME", "main")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command.spawn().unwrap()
    }

    /// Runs every step to its end; returns the last status and all that was said.
    fn run(&self, variables: &[(&str, &str)]) -> (i32, String) {
        let mut log = String::new();
        for step in steps() {
            let output = self.start(&step, variables).wait_with_output().unwrap();
            log += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
            let status = output.status.code().unwrap_or(-1);
            if status != 0 {
                return (status, log);
            }
        }
        (0, log)
    }

    fn files(&self) -> Value {
        files(&self.project.path().join(".ml-deploy"))
    }
}

fn root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Trains without any package and serves with what the base image has.
fn project() -> Project {
    let base = bed("BASE");
    Project::new()
        .file("train.py", "print('\\x1b[32mepoch 1\\x1b[0m')\nopen('model', 'w').write('weights ü')\n")
        .file(
            "Dockerfile",
            &format!("FROM {base}\nCOPY model /srv/model\nWORKDIR /srv\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n"),
        )
        .file("ml-deploy.yml", "train: python train.py\nhealth-path: /\nport: 8080\nparity: off\n")
}

#[test]
fn the_steps_deliver_as_an_unprivileged_user_without_a_home() {
    let name = unique("it-jenkins");
    let _container = Container(name.clone());
    let agent = Agent::new(project());
    let port = free_port();
    let image = format!("{}/it/{name}", bed("REGISTRY"));
    let ports = format!("{port}:8080");
    let inputs = [
        ("INPUT_IMAGE", image.as_str()),
        ("INPUT_TARGET", "docker"),
        ("INPUT_CONTAINER_NAME", &name),
        ("INPUT_PORTS", &ports),
        ("INPUT_REGISTRY_USERNAME", "anyone"),
        ("INPUT_REGISTRY_PASSWORD", "hunter2-secret"),
    ];
    let (status, log) = agent.run(&inputs);
    assert_eq!(status, 0, "{log}");
    assert!(!log.contains("hunter2") && !log.contains('\u{1b}'), "{log}");
    let all = agent.files();
    assert_eq!(all["properties"], all["outputs"]);
    let reference = all["properties"]["image-ref"].as_str().unwrap();
    assert!(
        reference.starts_with(&format!("{image}:0123456789ab@sha256:")),
        "{reference}"
    );
    assert_eq!(
        all["properties"]["endpoint"],
        format!("http://127.0.0.1:{port}")
    );
    assert!(
        all["junit"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["type"].is_null()),
        "{all}"
    );
    // A pull request's build pushes and deploys nothing.
    let mut change = inputs.to_vec();
    change.extend([
        ("CHANGE_ID", "5"),
        ("CHANGE_TARGET", "main"),
        ("BRANCH_NAME", "PR-5"),
    ]);
    let (status, log) = agent.run(&change);
    assert_eq!(status, 0, "{log}");
    let all = agent.files();
    assert_eq!(all["outputs"].get("image-ref"), None, "{all}");
    assert_eq!(all["outputs"].get("endpoint"), None);
    assert_eq!(all["env"]["ML_DEPLOY_STATUS"], "success");
}

#[test]
fn an_abort_ends_the_training_and_its_children_and_is_reported() {
    let script = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\nopen('pids', 'w').write(f'{os.getpid()} {child.pid}')\nprint('at work', flush=True)\ntime.sleep(1000)\n";
    let agent = Agent::new(
        Project::new()
            .file("train.py", script)
            .file("ml-deploy.yml", "train: python train.py\n"),
    );
    let child = agent.start(&steps()[0], &[]);
    let pids = agent.project.path().join("pids");
    eventually("the training is at work", || {
        std::fs::read_to_string(&pids).is_ok_and(|text| text.contains(' '))
    });
    // Jenkins signals every process of the build; the shell's group holds them all but the training, which has its own.
    let group = format!("-{}", child.id());
    assert!(
        Command::new("kill")
            .args(["-TERM", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    eventually("the reports are written", || {
        agent
            .project
            .path()
            .join(".ml-deploy/outputs.json")
            .exists()
    });
    let all = agent.files();
    assert_eq!(all["outputs"]["failure-code"], "terminated", "{log}");
    assert_eq!(all["outputs"]["status"], "cancelled");
    let train = all["junit"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["name"] == "train");
    assert!(train.unwrap()["type"].is_string(), "{all}");
    for pid in std::fs::read_to_string(&pids).unwrap().split(' ') {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(
            state.is_empty() || state.contains(") Z"),
            "still there: {state}"
        );
    }
}

#[test]
fn a_killed_build_leaves_no_result_of_another_and_jenkins_finds_its_training() {
    let script = "import os, time\nif not os.path.exists('slow'):\n    open('model', 'w').write('m')\n    raise SystemExit\nopen('pid', 'w').write(f'{os.getpid()} ')\ntime.sleep(1000)\n";
    let agent = Agent::new(
        Project::new()
            .file("train.py", script)
            .file("ml-deploy.yml", "train: python train.py\n"),
    );
    let (status, log) = agent.run(&[]);
    assert_eq!(status, 0, "{log}");
    assert_eq!(agent.files()["outputs"]["status"], "success");
    std::fs::write(agent.project.path().join("slow"), "").unwrap();
    let mut child = agent.start(&steps()[0], &[]);
    let path = agent.project.path().join("pid");
    let pid = || std::fs::read_to_string(&path).unwrap_or_default();
    eventually("the training is at work", || pid().ends_with(' '));
    // What Jenkins does when patience is at its end: nobody has time to write anything.
    let kill = |whom: &str| Command::new("kill").args(["-KILL", "--", whom]).status();
    assert!(kill(&format!("-{}", child.id())).unwrap().success());
    child.wait().unwrap();
    let folder = agent.project.path().join(".ml-deploy");
    let left = std::fs::read_dir(&folder).unwrap();
    let left: Vec<_> = left.map(|one| one.unwrap().file_name()).collect();
    for name in [
        "report.json",
        "junit.xml",
        "findings.sarif",
        "outputs.properties",
        "outputs.json",
    ] {
        assert!(!left.iter().any(|one| one == name), "{left:?}");
    }
    // The training is another group's; the cookie is how Jenkins finds it.
    let pid = pid().trim().to_owned();
    let cookie = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(cookie.contains("JENKINS_NODE_COOKIE=5f0c"), "{cookie}");
    assert!(kill(&pid).unwrap().success());
}
