//! Plays one case: sets the scene in a namespace of its own, runs the program, lets happen what the case says, and compares
//! what the program said with what it had to say. Times are recorded, never judged.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::case::{self, Case, Sign, Step, Turn, Workload};
use super::outcome::{judge, record, recording, untouched};
use super::registry::Faulty;
use super::witness::Witness;
use crate::cluster::kubectl;
use crate::gate::Gate;
use crate::support::{Ended, Project, bed, unique};

/// Every namespace of ours begins so; the number of the process keeps runs apart.
pub(super) const PREFIX: &str = "roll";

/// The longest that a step waits for what it is to follow, and that `kubectl rollout status` is asked.
const BOUND: Duration = Duration::from_secs(60);

/// How much later than the program the witness may see something.
const LAG: Duration = Duration::from_secs(10);

/// The namespace, and what else a case leaves in the cluster.
struct Scene {
    namespace: String,
    cleanup: String,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.cleanup.is_empty() {
            shell(&self.cleanup, &self.namespace).ok();
        }
        kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]);
    }
}

/// What a case is played with.
struct Played<'a> {
    witness: &'a Witness,
    case: &'a Case,
    namespace: &'a str,
    gate: Option<&'a Gate>,
    faulty: Option<&'a Faulty>,
    over: &'a AtomicBool,
}

/// Plays a case to its end.
///
/// # Errors
/// What was expected and what came instead.
pub(super) fn play(file: &str, name: &str, witness: &Witness) -> Result<(), String> {
    let namespace = unique(PREFIX);
    let text = format!("{:?}", case::load(file, name, "", "@FAULTY@"));
    let faulty = text.contains("@FAULTY@").then(Faulty::start);
    let address = faulty.as_ref().map_or(String::new(), Faulty::address);
    let case = case::load(file, name, &namespace, &address);
    let scene = Scene {
        namespace: namespace.clone(),
        cleanup: case.cleanup.clone(),
    };
    set(&case, &namespace)?;

    let held = case.when.iter().any(|step| step.before_apply);
    let gate = (held || case.gate).then(Gate::open);
    let project = Project::new().file("k8s/app.yaml", &case.manifests());
    let over = AtomicBool::new(false);
    let played = Played {
        witness,
        case: &case,
        namespace: &namespace,
        gate: gate.as_ref(),
        faulty: faulty.as_ref(),
        over: &over,
    };
    let begun = Instant::now();
    let (ended, finished, followed) = std::thread::scope(|scope| {
        scope.spawn(|| played.steps(begun));
        let follower = recording()
            .is_some()
            .then(|| scope.spawn(|| played.follow(begun)));
        let ended = run(&project, &played);
        let finished = Instant::now();
        over.store(true, Ordering::Relaxed);
        (
            ended,
            finished,
            follower.and_then(|follower| follower.join().unwrap()),
        )
    });
    let decisive = case.decisive.as_ref().and_then(|sign| {
        // The program may have heard of it before the witness has.
        let until = finished + LAG;
        loop {
            let seen = witness.first(&namespace, &sign.of, &sign.has, begun);
            if seen.is_some() || Instant::now() > until {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let right = judge(&case, &ended).and_then(|()| untouched(&case, &namespace));
    record(&json!({
        "case": case.name,
        "file": file,
        "status": ended.status,
        "code": ended.output("failure-code"),
        "expected": {"status": case.expect.status, "code": case.expect.code},
        "right": right.is_ok(),
        "took": (finished - begun).as_secs_f32(),
        "decisive": decisive.map(|at| (at - begun).as_secs_f32()),
        "delay": decisive.map(|at| finished.saturating_duration_since(at).as_secs_f32()),
        "kubectl": followed.map(|(at, status, said)| json!({
            "after": at.saturating_duration_since(decisive.unwrap_or(begun)).as_secs_f32(),
            "status": status,
            "said": said,
        })),
    }));
    let unseen = match (&case.decisive, decisive) {
        (Some(sign), None) => Err(format!("the cluster never showed {sign:?}")),
        _ => Ok(()),
    };
    drop(scene);
    right.and(unseen).map_err(|why| {
        let seen = witness.tell(&namespace, begun);
        format!(
            "{why}\n--- said\n{}{}\n--- seen\n{seen}",
            ended.stdout, ended.stderr
        )
    })
}

/// What is in the cluster before.
fn set(case: &Case, namespace: &str) -> Result<(), String> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": case.labels}});
    let mut all = vec![object];
    all.extend(case.given.iter().cloned());
    apply(&all, namespace, "kubectl")?;
    let account = [
        "-n",
        namespace,
        "wait",
        "--for=create",
        "serviceaccount/default",
        "--timeout=30s",
    ];
    kubectl(&account);
    if let Some(live) = &case.live {
        apply(&[Workload::object(live)], namespace, "ml-deploy")?;
    }
    shell(&case.prepare, namespace)
}

fn apply(objects: &[Value], namespace: &str, manager: &str) -> Result<(), String> {
    let command = format!("$KUBECTL -n $NS apply --server-side --field-manager={manager} -f -");
    piped(&command, namespace, &case::documents(objects))
}

/// Runs a command of a case.
fn shell(command: &str, namespace: &str) -> Result<(), String> {
    piped(command, namespace, "")
}

fn piped(command: &str, namespace: &str, input: &str) -> Result<(), String> {
    if command.is_empty() {
        return Ok(());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("bash")
        .current_dir(folder.path())
        .args(["-euo", "pipefail", "-c", command])
        .env("KUBECTL", bed("KUBECTL"))
        .env("KUBECONFIG", bed("KUBECONFIG"))
        .env("DOCKER", bed("DOCKER"))
        .env("NS", namespace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("a command of the case failed: {command}\n{said}"))
}

fn run(project: &Project, played: &Played<'_>) -> Ended {
    let kubeconfig = played
        .gate
        .map_or_else(|| bed("KUBECONFIG"), Gate::kubeconfig);
    let mut run = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", played.namespace)
        .input("kubeconfig", &kubeconfig);
    let inputs = &played.case.inputs;
    for (name, value) in [("deploy-timeout", "60s"), ("on-failure", "keep")] {
        if !inputs.contains_key(name) {
            run = run.input(name, value);
        }
    }
    for (name, value) in inputs {
        run = run.input(name, value);
    }
    run.run()
}

impl Played<'_> {
    /// Lets happen what the case says, until the program has ended.
    fn steps(&self, begun: Instant) {
        for step in &self.case.when {
            if step.before_apply {
                let (done, wait) = mpsc::channel();
                let (command, namespace) = (step.run.clone(), self.namespace.to_owned());
                self.gate.unwrap().before_first_change(move || {
                    // A command that fails shows in the verdict.
                    shell(&command, &namespace).ok();
                    done.send(()).ok();
                });
                while wait.recv_timeout(Duration::from_millis(100))
                    == Err(mpsc::RecvTimeoutError::Timeout)
                {
                    if self.over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            } else if !self.await_step(step, begun) {
                return;
            } else {
                self.act(step);
            }
        }
    }

    /// Waits for what the step is to follow; `false` when the program ended before.
    fn await_step(&self, step: &Step, begun: Instant) -> bool {
        let deadline = Instant::now() + BOUND;
        if let Some(Sign { of, has }) = &step.seen {
            while self.witness.first(self.namespace, of, has, begun).is_none() {
                if self.over.load(Ordering::Relaxed) || Instant::now() > deadline {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let until = Instant::now() + Duration::from_secs_f32(step.after);
        while Instant::now() < until {
            if self.over.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    fn act(&self, step: &Step) {
        match step.turn {
            Some(Turn::ApiCut) => self.gate.unwrap().cut(),
            Some(Turn::ApiUnavailable) => self.gate.unwrap().unavailable(),
            Some(Turn::ApiBack) => self.gate.unwrap().open_again(),
            Some(Turn::RegistryBack) => self.faulty.unwrap().recover(),
            None => {}
        }
        shell(&step.run, self.namespace).ok();
    }

    /// What `kubectl rollout status` says about the same rollout, and when.
    fn follow(&self, begun: Instant) -> Option<(Instant, i32, String)> {
        let name = self.case.followed()?;
        let (kind, _) = name.split_once('/')?;
        let resource = format!("{kind}s");
        // The object as it is applied now, not the one of an earlier deployment.
        let generation = if self.case.live.is_some() {
            "\"generation\":2"
        } else {
            "\"generation\":1"
        };
        let texts = [generation.to_owned(), "\"name\":\"wine\"".to_owned()];
        while self
            .witness
            .first(self.namespace, &resource, &texts, begun)
            .is_none()
        {
            if self.over.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let program = bed("KUBECTL");
        let mut words = program.split(' ');
        let output = Command::new(words.next()?)
            .args(words)
            .args(["-n", self.namespace, "rollout", "status", name])
            .arg("--timeout=60s")
            .env("KUBECONFIG", bed("KUBECONFIG"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().unwrap_or(-1);
        let last = said.lines().last().unwrap_or_default().to_owned();
        Some((Instant::now(), status, last))
    }
}
