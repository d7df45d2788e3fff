//! Ways to a cluster: the kubeconfig as a file, as text, as base64, with a context, with a program that gives the token, and
//! from inside of a pod with nothing at all.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;

use crate::cluster::{Namespace, kubectl};
use crate::preflight::applied;
use crate::support::{Ended, Project, bed, eventually};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wine}\ndata: {a: b}\n";

fn admin() -> String {
    std::fs::read_to_string(bed("KUBECONFIG")).unwrap()
}

/// A value of the administrator's kubeconfig.
fn admin_s(key: &str) -> String {
    let text = admin();
    let line = text.lines().find(|line| line.trim_start().starts_with(key));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}

fn checked(project: &Project, namespace: &str, inputs: &[(&str, &str)]) -> Ended {
    let mut run = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", namespace)
        .env("GITHUB_EVENT_NAME", "pull_request");
    for (name, value) in inputs {
        run = run.input(name, value);
    }
    run.run()
}

#[test]
fn a_kubeconfig_in_every_form() {
    let namespace = Namespace::new("it-access");
    let project = Project::new()
        .file("k8s/app.yaml", CONFIG)
        .file("kube.yaml", &admin());
    let base64 = base64::engine::general_purpose::STANDARD.encode(admin());
    for given in [bed("KUBECONFIG"), admin(), base64, "kube.yaml".to_owned()] {
        checked(&project, &namespace.0, &[("kubeconfig", &given)])
            .expect(0)
            .says("ConfigMap/wine would be created");
    }
    let more = "contexts:\n- context: {cluster: nowhere, user: nobody}\n  name: staging\n";
    let two = admin().replace("contexts:\n", more);
    let current = admin_s("current-context:");
    for (context, status) in [(current.as_str(), 0), ("absent", 10)] {
        let inputs = [("kubeconfig", two.as_str()), ("kube-context", context)];
        let ended = checked(&project, &namespace.0, &inputs).expect(status);
        assert!(
            status == 0 || ended.stdout.contains("`staging`"),
            "{}",
            ended.stdout
        );
    }
}

/// A kubeconfig whose user gets the token from a program.
fn with_plugin(command: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\nclusters:\n- name: c\n  cluster:\n    server: {}\n    certificate-authority-data: {}\nusers:\n- name: u\n  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', interactiveMode: Never}}}}\n",
        admin_s("server"),
        admin_s("certificate-authority-data"),
    )
}

#[test]
fn a_program_that_gives_the_token_is_run_when_it_is_there() {
    let namespace = Namespace::new("it-access");
    let name = namespace.0.as_str();
    assert!(kubectl(&["-n", name, "create", "serviceaccount", "robot"]).0);
    let account = format!("--serviceaccount={name}:robot");
    assert!(
        kubectl(&[
            "-n",
            name,
            "create",
            "rolebinding",
            "robot",
            "--clusterrole=admin",
            &account
        ])
        .0
    );
    let token = kubectl(&["-n", name, "create", "token", "robot"]).1;
    let answer = format!(
        "#!/bin/sh\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {{\"token\": \"{}\"}}}}'\n",
        token.trim()
    );
    let project = Project::new()
        .file("k8s/app.yaml", CONFIG)
        .file("plugin", &answer);
    let program = project.path().join("plugin");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kubeconfig = with_plugin(&program.display().to_string());
    let ended = checked(&project, name, &[("kubeconfig", &kubeconfig)]).expect(0);
    assert!(!ended.stdout.contains(token.trim()), "the token is shown");
    std::fs::write(&program, "#!/bin/sh\necho not logged in >&2\nexit 3\n").unwrap();
    checked(&project, name, &[("kubeconfig", &kubeconfig)])
        .expect(10)
        .code("kubeconfig-plugin")
        .says("exits 3: not logged in");
    for (plugin, native) in [
        ("kubelogin", "`cluster-name` and `resource-group`"),
        ("/opt/bin/doctl", "kubeconfig show"),
        ("aws-iam-authenticator", "kubectl create token"),
    ] {
        checked(&project, name, &[("kubeconfig", &with_plugin(plugin))])
            .expect(10)
            .code("kubeconfig-plugin")
            .says(native);
    }
}

#[test]
fn in_a_pod_its_service_account_is_enough() {
    let namespace = Namespace::new("it-access");
    let name = namespace.0.as_str();
    assert!(
        kubectl(&[
            "-n",
            name,
            "create",
            "rolebinding",
            "own",
            "--clusterrole=admin",
            &format!("--serviceaccount={name}:default")
        ])
        .0
    );
    let project = Project::new().file("k8s/app.yaml", CONFIG);
    let mounts = ["/lib", "/lib64", "/usr/lib"];
    let (mut volumes, mut mounted) = (String::new(), String::new());
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ml-deploy"));
    let folder = program.parent().unwrap().display().to_string();
    let work = project.path().display().to_string();
    for (index, path) in mounts
        .iter()
        .copied()
        .chain([folder.as_str(), work.as_str()])
        .enumerate()
    {
        let writes = path == work;
        volumes += &format!("  - {{name: v{index}, hostPath: {{path: '{path}'}}}}\n");
        mounted += &format!(
            "    - {{name: v{index}, mountPath: '{path}', readOnly: {}}}\n",
            !writes
        );
    }
    // The program's own libraries come from the machine: the node is this machine.
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: inside}}\nspec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 0\n  hostNetwork: true\n  containers:\n  - name: a\n    image: test.local/box:1\n    workingDir: '{work}'\n    env:\n    - {{name: KUBERNETES_SERVICE_HOST, value: '{}'}}\n    - {{name: KUBERNETES_SERVICE_PORT, value: '{}'}}\n    - {{name: HOME, value: /nowhere}}\n    command: ['{}', deploy, --manifests=k8s, --deploy-timeout=30s]\n    volumeMounts:\n{mounted}  volumes:\n{volumes}",
        server().0,
        server().1,
        program.display(),
    );
    applied(name, &pod);
    let phase = || {
        kubectl(&[
            "-n",
            name,
            "get",
            "pod",
            "inside",
            "-o",
            "jsonpath={.status.phase}",
        ])
        .1
    };
    eventually("the pod has ended", || {
        matches!(phase().as_str(), "Succeeded" | "Failed")
    });
    let log = kubectl(&["-n", name, "logs", "inside"]).1;
    // Without a word about it the pod's own namespace is meant.
    let live = kubectl(&[
        "-n",
        name,
        "get",
        "configmap",
        "wine",
        "-o",
        "jsonpath={.data.a}",
    ])
    .1;
    assert_eq!(live, "b", "{log}");
}

/// Host and port of the API server.
fn server() -> (String, String) {
    let server = admin_s("server:");
    let (host, port) = server
        .trim_start_matches("https://")
        .rsplit_once(':')
        .unwrap();
    (host.to_owned(), port.trim_end_matches('/').to_owned())
}
