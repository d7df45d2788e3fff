//! What a person is told about a container that does not serve: on the real cluster, with scripts that fail as services do.

use serde_json::Value;

use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::support::{Ended, Project, bed};

/// Deploys a project's `k8s` folder and expects that it fails.
fn deploy(project: &Project, seconds: u32) -> Ended {
    let namespace = Namespace::new("it-diagnose");
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("deploy-timeout", &format!("{seconds}s"))
        .run()
        .expect(50)
}

/// A Deployment of this script, whose pods count only after a while: a container that is about to fail runs, too.
fn failing(script: &str) -> String {
    manifest(script).replace("  replicas: 2\n", "  replicas: 2\n  minReadySeconds: 20\n")
}

fn with(text: &str) -> Project {
    Project::new().file("k8s/app.yaml", text)
}

/// A script that prints a recorded log and exits.
fn printing(name: &str, status: u8) -> String {
    let path = format!(
        "{}/tests/fixtures/logs/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let log = std::fs::read_to_string(path).unwrap();
    let log: Vec<String> = log
        .lines()
        .map(|line| format!("          {line}"))
        .collect();
    format!(
        "cat <<'LOG'\n{}\n          LOG\n          exit {status}",
        log.join("\n")
    )
}

/// A readiness probe for the container of `manifest`.
fn probed(text: &str, probe: &str) -> String {
    text.replace(
        "        ports:\n        - containerPort",
        &format!("        readinessProbe: {{periodSeconds: 1, {probe}}}\n        ports:\n        - containerPort"),
    )
}

/// The first finding of the report.
fn finding(ended: &Ended) -> &Value {
    ended
        .report
        .pointer("/findings/0")
        .unwrap_or_else(|| panic!("no finding in {}", ended.report))
}

/// Message of the first finding.
fn message(ended: &Ended) -> &str {
    finding(ended)["message"].as_str().unwrap_or_default()
}

#[test]
fn a_missing_module_is_named_with_the_line_of_the_requirements() {
    let project = with(&failing(&printing("module-missing", 1)))
        .file("Dockerfile", "FROM python:3.11-slim\nCOPY requirements-serve.txt .\nRUN pip install -r requirements-serve.txt\n")
        .file("requirements-serve.txt", "flask\ngunicorn\n");
    let ended = deploy(&project, 60).code("module-missing");
    let said = message(&ended);
    assert!(
        said.starts_with("Deployment/wine: container `model` exits 1 — ModuleNotFoundError: No module named 'sklearn' ("),
        "{said}"
    );
    assert!(said.contains("of 2 new pods, node kubenode)"), "{said}");
    assert_eq!(said.matches("kubenode").count(), 1, "{said}");
    ended
        .says("file=requirements-serve.txt,line=2")
        .says("add `scikit-learn`")
        .says("import sklearn");
}

#[test]
fn an_exception_that_no_rule_knows_has_its_line() {
    let project = with(&failing(&printing("plain-exception", 1))).file(
        "app/serve.py",
        "def load(threshold):\n    return float(threshold)\n\n\nload(\"high\")\n",
    );
    deploy(&project, 60)
        .code("crash-loop")
        .says("exits 1 — ValueError: could not convert string to float: 'high'")
        .says("file=app/serve.py,line=2");
}

#[test]
fn a_probe_that_gets_404_is_named_with_its_line() {
    let text = probed(&failing(SERVE), "httpGet: {path: /healthz, port: 8080}");
    let line = 1 + text
        .lines()
        .position(|line| line.contains("readinessProbe"))
        .unwrap();
    let ended = deploy(&with(&text), 12)
        .code("rollout-deadline")
        .says("readiness probe GET /healthz on port 8080 answers 404")
        .says(&format!("file=k8s/app.yaml,line={line}"));
    assert!(ended.stdout.contains("statuscode: 404"), "{}", ended.stdout);
}

#[test]
fn a_port_that_nobody_listens_on_is_compared_with_the_servers_word() {
    let script = "echo 'INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)'; sleep 600";
    let text = probed(&failing(script), "tcpSocket: {port: 8080}");
    deploy(&with(&text), 12)
        .code("rollout-deadline")
        .says("the server listens on 127.0.0.1:8000, the readiness probe asks port 8080")
        .says("let the server listen on 0.0.0.0:8080");
}

#[test]
fn memory_beyond_the_limit_is_named_with_the_limit() {
    let text = failing("echo loading; tail /dev/zero").replace(
        "        ports:\n        - containerPort",
        "        resources:\n          limits:\n            memory: 24Mi\n        ports:\n        - containerPort",
    );
    let line = 1 + text
        .lines()
        .position(|line| line.contains("memory: 24Mi"))
        .unwrap();
    deploy(&with(&text), 60)
        .code("out-of-memory")
        .says("it needs more memory than its limit of 24Mi")
        .says(&format!("file=k8s/app.yaml,line={line}"));
}

/// The manifest with a command that an init container wrote; `mode` is its mode.
fn running_file(header: &str, mode: &str) -> String {
    let text = failing("SCRIPT");
    let (before, after) = text.split_once("        command:").unwrap();
    let (_, after) = after.split_once("        ports:").unwrap();
    let before = before.replace(
        "      containers:",
        &format!(
            "      volumes: [{{name: x, emptyDir: {{}}}}]\n      initContainers:\n      - name: write\n        image: test.local/box:1\n        command: [sh, -c, \"printf '{header}' >/x/run; chmod {mode} /x/run\"]\n        volumeMounts: [{{name: x, mountPath: /x}}]\n      containers:"
        ),
    );
    format!(
        "{before}        command: [/x/run]\n        volumeMounts: [{{name: x, mountPath: /x}}]\n        ports:{after}"
    )
}

/// The header of a program for arm64.
const FOREIGN: &str = r"\\177ELF\\002\\001\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\267\\000\\001\\000\\000\\000";

#[test]
fn a_program_for_another_processor_is_named() {
    let text = running_file(FOREIGN, "755");
    deploy(&with(&text), 60)
        .code("exec-format")
        .says("exec format error")
        .says("platforms");
    // Through a shell, which takes it for a script; the log is no text.
    let script = format!(
        "printf '{}' >/tmp/x; chmod +x /tmp/x; /tmp/x",
        FOREIGN.replace("\\\\", "\\")
    );
    deploy(&with(&failing(&script)), 60)
        .code("exec-format")
        .says("for another processor");
}

#[test]
fn a_file_that_may_not_be_run_is_named() {
    let script = "echo start >/tmp/run.sh; /tmp/run.sh";
    deploy(&with(&failing(script)), 60)
        .code("container-start")
        .says("/tmp/run.sh: Permission denied");
    let text = running_file("#!/bin/sh", "644");
    let line = 1 + text
        .lines()
        .position(|line| line.contains("command: [/x/run]"))
        .unwrap();
    deploy(&with(&text), 60)
        .code("container-start")
        .says("permission denied")
        .says(&format!("file=k8s/app.yaml,line={line}"));
}

#[test]
fn what_a_log_says_is_never_done() {
    let script = "echo '::error file=a.py::boo'; echo '::set-output name=x::y'; echo '<img src=x> [a](http://evil) ``` | # head'; \
                  printf 'Traceback (most recent call last):\\n  File \"/app/a.py\", line 1, in f\\nValueError: ::warning::boo `x` <b>\\n'; exit 1";
    let ended = deploy(&with(&failing(script)), 60).code("crash-loop");
    for line in ended.stdout.lines() {
        let command = line.trim_start();
        let ours = [
            "::error file=k8s/app.yaml",
            "::group::",
            "::endgroup::",
            "::stop-commands::",
            "::add-mask::",
            "::notice",
            "::warning file=k8s",
        ];
        assert!(
            !command.starts_with("::")
                || ours.iter().any(|start| command.starts_with(start))
                || !command.contains("boo"),
            "{line}"
        );
        assert!(
            !command.starts_with("::set-output") && !command.starts_with("::error file=a.py"),
            "{line}"
        );
    }
    // In the summary a log stands between fences that are longer than its own, and nowhere else.
    let parts: Vec<&str> = ended.summary.split("\n````").collect();
    assert_eq!(parts.len(), 3, "{}", ended.summary);
    assert!(parts[1].contains("<img src=x>"), "{}", ended.summary);
    for outside in [parts[0], parts[2]] {
        for active in ["<img", "](http", "<b>", "`x`", "# head"] {
            assert!(!outside.contains(active), "`{active}` in {outside}");
        }
    }
}

#[test]
fn what_is_secret_in_a_log_stays_hidden() {
    let script = "echo $PLAIN $FROM; echo postgres://bob:hunter22@db/x; printf 'Traceback (most recent call last):\\n  File \"/app/a.py\", line 1, in f\\nValueError: %s is wrong\\n' $FROM; exit 1";
    let text = failing(script).replace(
        "        ports:\n        - containerPort",
        "        env:\n        - {name: PLAIN, value: wine-cellar}\n        - {name: FROM, valueFrom: {secretKeyRef: {name: keys, key: one}}}\n        - {name: API_TOKEN, value: tk-55512345}\n        ports:\n        - containerPort",
    );
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: keys\nstringData:\n  one: q8w7e6r5\n";
    let text = text.replace("echo $PLAIN", "echo $PLAIN $API_TOKEN") + secret;
    let ended = deploy(&with(&text), 60)
        .says("wine-cellar")
        .says("ValueError: *** is wrong");
    let report = ended.report.to_string();
    for secret in ["q8w7e6r5", "hunter22", "tk-55512345"] {
        // The runner hides values that are masked by this command.
        let shown = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"));
        for text in shown.chain([ended.summary.as_str(), report.as_str()]) {
            assert!(!text.contains(secret), "`{secret}` in {text}");
        }
    }
}
