//! An account that may not do what the deployment needs is told so before anything is changed.

use crate::cluster::{Namespace, kubectl};
use crate::deploy::{SERVE, manifest};
use crate::support::{Project, Run, bed, checkout};

/// A kubeconfig of a service account whose role has these rules (`verb,verb:resource,resource`, and `@name` for one object only).
pub(crate) fn kubeconfig(namespace: &str, rules: &[&str]) -> String {
    let ran = |arguments: &[&str]| {
        let (succeeded, printed) = kubectl(arguments);
        assert!(succeeded, "{arguments:?}: {printed}");
        printed
    };
    ran(&["-n", namespace, "create", "serviceaccount", "limited"]);
    for (number, rule) in rules.iter().enumerate() {
        let (verbs, resources) = rule.split_once(':').unwrap();
        let name = format!("limited-{number}");
        let (resources, only) = resources.split_once('@').unwrap_or((resources, ""));
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        let only = format!("--resource-name={only}");
        let mut role = vec!["-n", namespace, "create", "role", &name, &verbs, &resources];
        role.extend((only != "--resource-name=").then_some(only.as_str()));
        ran(&role);
        let (role, account) = (
            format!("--role={name}"),
            format!("--serviceaccount={namespace}:limited"),
        );
        ran(&[
            "-n",
            namespace,
            "create",
            "rolebinding",
            &name,
            &role,
            &account,
        ]);
    }
    with_token(namespace)
}

/// A kubeconfig with a token of the account `limited`.
fn with_token(namespace: &str) -> String {
    let (made, token) = kubectl(&["-n", namespace, "create", "token", "limited"]);
    assert!(made, "{token}");
    let admin = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let value = |key: &str| {
        let line = admin
            .lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: limited\nclusters:\n- name: bed\n  cluster:\n    server: {}\n    certificate-authority-data: {}\ncontexts:\n- name: limited\n  context: {{cluster: bed, user: limited}}\nusers:\n- name: limited\n  user:\n    token: {}\n",
        value("server"),
        value("certificate-authority-data"),
        token.trim(),
    )
}

fn deploy(namespace: &str, kubeconfig: &str) -> crate::support::Ended {
    let project = Project::new().file("k8s/app.yaml", &manifest(SERVE));
    let run = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", namespace);
    run.input("kubeconfig", kubeconfig)
        .input("deploy-timeout", "60s")
        .run()
}

/// What a pull request would check with an account.
fn checking<'a>(project: &'a Project, namespace: &Namespace, kubeconfig: &str) -> Run<'a> {
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", kubeconfig)
        .env("GITHUB_EVENT_NAME", "pull_request")
}

#[test]
fn an_account_that_may_only_read_is_refused_before_anything_is_changed() {
    let namespace = Namespace::new("it-rights");
    let kubeconfig = kubeconfig(
        &namespace.0,
        &["get,list,watch:pods,services,deployments.apps"],
    );
    let ended = deploy(&namespace.0, &kubeconfig)
        .expect(10)
        .code("cluster-denied");
    let ended = ended
        .says(":limited` may not create, patch deployments.apps; ")
        .says("resources: [\"deployments\"]")
        .says("verbs: [\"create\", \"patch\"]");
    // One finding for all that is missing, and a warning for what only the record needs.
    let denied = ended.stdout.matches("(cluster-denied)::").count();
    assert_eq!(denied, 2, "{}", ended.stdout);
    let (_, found) = kubectl(&[
        "-n",
        &namespace.0,
        "get",
        "deployments,services",
        "-o",
        "name",
    ]);
    assert_eq!(found.trim(), "");
}

#[test]
fn an_account_with_the_rights_of_a_namespace_can_deploy() {
    let namespace = Namespace::new("it-rights");
    let rules = [
        "get,list,watch,create,patch,update:deployments.apps,services",
        "get,list,watch:pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
        "get:pods/log,services/proxy,pods/proxy",
        "create,update,patch,delete:pods/proxy,services/proxy",
    ];
    let kubeconfig = kubeconfig(&namespace.0, &rules);
    deploy(&namespace.0, &kubeconfig).expect(0);
}

#[test]
fn the_role_of_the_guide_is_enough_and_lacks_nothing() {
    let namespace = Namespace::new("it-rights");
    let guide = std::fs::read_to_string(checkout().join("docs/kubernetes.md")).unwrap();
    let role = guide
        .split("```yaml\n")
        .filter_map(|block| block.split("```").next())
        .find(|block| block.contains("kind: Role"))
        .unwrap();
    let good = "{\"request\": {\"x\": 1}, \"response\": {\"y\": [1]}}\n";
    let configuration =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: wine}\ndata: {a: b}\n";
    let project = Project::new()
        .file("role.yaml", &role.replace("ml-models", &namespace.0))
        .file("golden.jsonl", good)
        .file(
            "k8s/app.yaml",
            &format!("{}{configuration}", manifest(SERVE)),
        );
    let file = project.path().join("role.yaml").display().to_string();
    let account = format!("--serviceaccount={}:limited", namespace.0);
    let bind = ["create", "rolebinding", "limited", "--role=ml-deploy"];
    for arguments in [
        &["apply", "-f", &file][..],
        &["create", "serviceaccount", "limited"],
        &[&bind[..], &[&account]].concat(),
    ] {
        let (done, said) = kubectl(&[&["-n", namespace.0.as_str()], arguments].concat());
        assert!(done, "{said}");
    }
    let kubeconfig = with_token(&namespace.0);
    let ended = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &kubeconfig)
        .input("health-path", "/health")
        .input("predict-path", "/cgi-bin/predict")
        .input("golden", "golden.jsonl")
        .input("deploy-timeout", "60s")
        .run()
        .expect(0)
        .says("golden");
    // Not even a warning about a right.
    assert!(!ended.stdout.contains("cluster-denied"), "{}", ended.stdout);
    project
        .ml_deploy("status")
        .input("namespace", &namespace.0)
        .input("deployment-name", "wine")
        .input("kubeconfig", &kubeconfig)
        .run()
        .expect(0);
}

#[test]
fn rights_on_named_objects_are_enough_when_they_are_there() {
    let namespace = Namespace::new("it-rights");
    let project = Project::new().file("k8s/app.yaml", &manifest(SERVE));
    let file = project.path().join("k8s/app.yaml").display().to_string();
    let applied = kubectl(&[
        "-n",
        &namespace.0,
        "apply",
        "--server-side",
        "--field-manager=ml-deploy",
        "-f",
        &file,
    ]);
    assert!(applied.0);
    let kubeconfig = kubeconfig(
        &namespace.0,
        &[
            "get,list,watch:deployments.apps,services,pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
            "get:pods/log",
            "patch:deployments.apps,services@wine",
        ],
    );
    // Neither `create` nor quotas, nodes and classes are needed for what changes nothing else.
    checking(&project, &namespace, &kubeconfig)
        .run()
        .expect(0)
        .says("unchanged: Deployment/wine, Service/wine");
}

#[test]
fn what_verification_sends_through_the_api_server_is_asked_for() {
    let namespace = Namespace::new("it-rights");
    let rules = [
        "get,list,watch,create,patch:deployments.apps,services",
        "get,list,watch:pods,replicasets.apps,events,endpointslices.discovery.k8s.io",
        "get:pods/log",
    ];
    let kubeconfig = kubeconfig(&namespace.0, &rules);
    let project = Project::new().file("k8s/app.yaml", &manifest(SERVE)).file(
        "golden.jsonl",
        "{\"request\": {\"x\": 1}, \"response\": {\"y\": [1]}}\n",
    );
    checking(&project, &namespace, &kubeconfig)
        .input("predict-path", "/predict")
        .input("golden", "golden.jsonl")
        .run()
        .expect(10)
        .code("cluster-denied")
        .says("may not create services/proxy in namespace");
}

#[test]
fn a_second_workload_and_what_is_removed_again_need_rights_of_their_own() {
    let namespace = Namespace::new("it-rights");
    let text = manifest(SERVE);
    crate::preflight::applied(&namespace.0, &text);
    let added = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: added}\n";
    let project = Project::new().file("k8s/app.yaml", &format!("{text}{added}"));
    let watching = "get,list,watch:deployments.apps,services,pods,replicasets.apps,events,endpointslices.discovery.k8s.io";
    let common = [
        watching,
        "get:pods/log,services/proxy",
        "get,create,patch:configmaps,secrets",
        "create,patch:services",
        "get,list,watch,create,patch,delete:statefulsets.apps",
    ];
    let rules = |more: &[&'static str]| [&common, more].concat();
    let kubeconfig = kubeconfig(
        &namespace.0,
        &rules(&["create,patch,delete:deployments.apps@wine"]),
    );
    let run = |strategy: &str| {
        checking(&project, &namespace, &kubeconfig)
            .input("strategy", strategy)
            .input("health-path", "/health")
            .run()
    };
    // Enough for `wine` alone; that what is new would stay after a failure is only a warning.
    run("rolling")
        .expect(0)
        .says("may not delete configmaps in namespace")
        .says("what is new is left behind if the deployment fails");
    // The second workload has another name, and its pods are asked themselves.
    let ended = run("canary: 10%").expect(10).code("cluster-denied");
    ended.says("may not create, delete, patch deployments.apps; get pods/proxy in namespace");
    // A set's broken pods are deleted when it is put back, and only then.
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 0\n  serviceName: db\n  selector: {matchLabels: {app: db}}\n  template:\n    metadata: {labels: {app: db}}\n    spec: {containers: [{name: a, image: 'test.local/box:1'}]}\n";
    let project = Project::new().file("k8s/db.yaml", set);
    let check = || checking(&project, &namespace, &kubeconfig).run().expect(0);
    assert!(!check().stdout.contains("may not delete pods"));
    crate::preflight::applied(&namespace.0, set);
    check().says("may not delete pods in namespace");
}

#[test]
fn a_wrong_token_is_told_as_such() {
    let namespace = Namespace::new("it-rights");
    let admin = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let kept = admin.lines().filter(|line| !line.contains("client-"));
    let kubeconfig: Vec<&str> = kept.collect();
    let kubeconfig = format!("{}\n    token: nobody\n", kubeconfig.join("\n").trim_end());
    let ended = deploy(&namespace.0, &kubeconfig);
    assert_eq!(ended.status, 10, "{}", ended.stdout);
    ended.code("cluster-denied");
}
