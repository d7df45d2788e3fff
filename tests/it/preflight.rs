//! Mistakes in manifests are found before anything is changed, at their line, all at once; a manifest without them passes.
//! Everything runs as on a pull request, which deploys nothing, and kubectl proves that nothing was made.

use crate::cluster::{Namespace, kubectl};
use crate::support::{Ended, Project, bed};

/// Checks a manifest against the cluster.
pub(crate) fn checked(text: &str, namespace: &str) -> Ended {
    let project = Project::new().file("k8s/app.yaml", text);
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", namespace)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .env("GITHUB_EVENT_NAME", "pull_request")
        .run()
}

/// Code, severity and line of every finding, in order of lines.
pub(crate) fn found(ended: &Ended) -> Vec<(String, String, u64)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = ended.report["findings"].as_array().unwrap();
    let mut found: Vec<_> = findings
        .iter()
        .map(|finding| {
            let line = finding["location"]["line"].as_u64().unwrap_or_default();
            (word(&finding["code"]), word(&finding["severity"]), line)
        })
        .collect();
    found.sort_by_key(|(.., line)| *line);
    found
}

/// The line of the first text that contains these words.
pub(crate) fn line(text: &str, words: &str) -> u64 {
    let index = text.lines().position(|line| line.contains(words));
    index.unwrap_or_else(|| panic!("no `{words}` in\n{text}")) as u64 + 1
}

/// Applies objects as an earlier deployment of ours would have.
pub(crate) fn applied(namespace: &str, text: &str) {
    let project = Project::new().file("live.yaml", text);
    let file = project.path().join("live.yaml").display().to_string();
    let arguments = [
        "-n",
        namespace,
        "apply",
        "--server-side",
        "--field-manager=ml-deploy",
        "-f",
        &file,
    ];
    let (succeeded, printed) = kubectl(&arguments);
    assert!(succeeded, "{printed}");
}

/// What a person could have made in a namespace.
pub(crate) fn made(namespace: &str) -> String {
    let kinds =
        "deployments,statefulsets,jobs,cronjobs,services,ingresses,hpa,pvc,pods,secrets,configmaps";
    let template = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation} {.metadata.managedFields[*].manager}{\"\\n\"}{end}";
    kubectl(&["-n", namespace, "get", kinds, "-o", template]).1
}

pub(crate) fn error(code: &str, line: u64) -> (String, String, u64) {
    (code.to_owned(), "error".to_owned(), line)
}

pub(crate) fn warning(code: &str, line: u64) -> (String, String, u64) {
    (code.to_owned(), "warning".to_owned(), line)
}

const REFERRING: &str = r#"apiVersion: batch/v1
kind: CronJob
metadata:
  name: retrain
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          serviceAccountName: trainer
          priorityClassName: important
          imagePullSecrets:
          - name: pull
          volumes:
          - name: data
            persistentVolumeClaim:
              claimName: data
          - name: settings
            projected:
              sources:
              - configMap:
                  name: settings
                  items: [{key: model.toml, path: model.toml}]
              - secret:
                  name: perhaps
                  optional: true
          initContainers:
          - name: fetch
            image: test.local/box:1
            envFrom:
            - secretRef:
                name: fetch-credentials
          containers:
          - name: train
            image: test.local/box:1
            env:
            - name: PASSWORD
              valueFrom:
                secretKeyRef:
                  name: database
                  key: password
            - name: COLOUR
              valueFrom:
                configMapKeyRef:
                  name: ours
                  key: colour
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: ours
data:
  colour: red
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: scratch
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: fast-ssd
  resources: {requests: {storage: 1Gi}}
"#;

#[test]
fn references_to_nothing_are_found_all_at_once() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    let key = [
        "-n",
        name,
        "create",
        "secret",
        "generic",
        "database",
        "--from-literal=Password=x",
    ];
    assert!(kubectl(&key).0);
    let near = [
        "-n",
        name,
        "create",
        "secret",
        "generic",
        "fetch-credential",
        "--from-literal=a=x",
    ];
    assert!(kubectl(&near).0);
    let before = made(name);
    let ended = checked(REFERRING, name).expect(10);
    let at = |words: &str| line(REFERRING, words);
    assert_eq!(
        found(&ended),
        [
            error("reference-missing", at("serviceAccountName")),
            error("reference-missing", at("priorityClassName")),
            warning("reference-missing", at("- name: pull")),
            error("reference-missing", at("claimName")),
            error("reference-missing", at("name: settings") + 5 - 1),
            error("reference-missing", at("name: fetch-credentials")),
            error("reference-missing", at("key: password")),
            error("reference-missing", at("storageClassName")),
        ]
    );
    ended
        .says("did you mean `fetch-credential`?")
        .says("and it has `Password`")
        .says("did you mean `Password`?");
    assert_eq!(made(name), before);
}

#[test]
fn references_that_are_there_pass() {
    let namespace = Namespace::new("it-preflight");
    let name = namespace.0.as_str();
    for arguments in [
        vec![
            "create",
            "secret",
            "generic",
            "database",
            "--from-literal=password=x",
        ],
        vec![
            "create",
            "secret",
            "generic",
            "fetch-credentials",
            "--from-literal=a=x",
        ],
        vec![
            "create",
            "secret",
            "docker-registry",
            "pull",
            "--docker-username=a",
            "--docker-password=b",
        ],
        vec![
            "create",
            "configmap",
            "settings",
            "--from-literal=model.toml=x",
        ],
        vec!["create", "serviceaccount", "trainer"],
    ] {
        assert!(kubectl(&[&["-n", name], arguments.as_slice()].concat()).0);
    }
    // The claim and, by its name, the class come with the manifests.
    let class = crate::support::unique("it-class");
    let text = REFERRING
        .replace("important", "system-cluster-critical")
        .replace("claimName: data", "claimName: scratch")
        .replace("fast-ssd", &class)
        + &format!(
            "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {class}}}\nprovisioner: test.local/none\n"
        );
    let ended = checked(&text, name).expect(0);
    assert_eq!(found(&ended), []);
    // A fifth of a second when the machine has nothing else to do.
    let took = ended.report["stages"][0]["seconds"].as_f64().unwrap();
    assert!(took < 20.0, "preflight took {took} s");
}

pub(crate) const ROUTED: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  selector: {matchLabels: {app: wine}}
  template:
    metadata: {labels: {app: wine}}
    spec:
      containers:
      - name: model
        image: test.local/box:1
        resources: {requests: {cpu: 10m}}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe:
          httpGet: {path: /, port: http}
---
apiVersion: v1
kind: Service
metadata: {name: wine}
spec:
  selector:
    app: wine
  ports:
  - port: 80
    targetPort: http
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wine}
spec:
  rules:
  - http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: wine
            port: {number: 80}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: wine}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: wine}
  maxReplicas: 3
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
"#;

#[test]
fn routes_to_nothing_are_found() {
    let namespace = Namespace::new("it-preflight");
    let ended = checked(ROUTED, &namespace.0).expect(0);
    assert_eq!(found(&ended), []);
    let text = ROUTED
        .replace("port: http}", "port: web}")
        .replace("targetPort: http", "targetPort: https")
        .replace("            name: wine\n", "            name: wien\n")
        .replace(
            "kind: Deployment, name: wine",
            "kind: Deployment, name: beer",
        )
        + "---\napiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec:\n  selector: {app: wines}\n  ports: [{port: 80}]\n";
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [
            error("port-mismatch", line(&text, "port: web")),
            error("port-mismatch", line(&text, "targetPort: https")),
            error("backend-missing", line(&text, "name: wien")),
            error("backend-missing", line(&text, "name: beer")),
            error("selector-mismatch", line(&text, "selector: {app: wines}")),
        ]
    );
    ended
        .says("did you mean `wine`?")
        .says("the pods of `Deployment/wine` have `app: wine`");
    // Utilisation of a container that requests nothing is no number.
    let text = ROUTED.replace("        resources: {requests: {cpu: 10m}}\n", "");
    let ended = checked(&text, &namespace.0).expect(0);
    assert_eq!(
        found(&ended),
        [warning(
            "scaling-failed",
            line(&text, "resource: {name: cpu")
        )]
    );
    let text = ROUTED.replace("matchLabels: {app: wine}", "matchLabels: {app: wines}");
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [error("selector-mismatch", line(&text, "matchLabels"))]
    );
    ended.says("its selector wants `app: wines`, and its pod template has `app: wine`");
    assert!(!made(&namespace.0).contains("wine"));
}

#[test]
fn pull_secrets_are_held_against_the_registry_that_is_pushed_to() {
    let namespace = Namespace::new("it-preflight");
    for (name, server) in [("other", "ghcr.io"), ("ours", "test.local/team")] {
        let server = format!("--docker-server={server}");
        let login = ["--docker-username=u", "--docker-password=hunter22-pull"];
        let make = [
            "-n",
            &namespace.0,
            "create",
            "secret",
            "docker-registry",
            name,
            &server,
        ];
        assert!(kubectl(&[&make[..], &login].concat()).0);
    }
    let check = |secret: &str| {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: wine}}\nspec:\n  replicas: 0\n  selector: {{matchLabels: {{app: wine}}}}\n  template:\n    metadata: {{labels: {{app: wine}}}}\n    spec:\n      imagePullSecrets: [{{name: {secret}}}]\n      containers: [{{name: model, image: 'test.local/team/wine:1'}}]\n"
        );
        let project = Project::new().file("k8s/app.yaml", &text);
        let run = project.ml_deploy("deploy").input("manifests", "k8s");
        run.input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .input("image", "test.local/team/wine")
            .env("GITHUB_EVENT_NAME", "pull_request")
            .run()
    };
    let ended = check("other").expect(0);
    let warned: Vec<_> = found(&ended)
        .into_iter()
        .filter(|(code, ..)| code == "pull-denied")
        .collect();
    assert_eq!(warned, [warning("pull-denied", 10)], "{}", ended.report);
    let said = "has a login for `ghcr.io` and not for `test.local/team/wine`";
    assert!(ended.report.to_string().contains(said), "{}", ended.report);
    assert!(!format!("{}{}", ended.stdout, ended.report).contains("hunter22"));
    let ended = check("ours").expect(0);
    assert!(
        !ended.report.to_string().contains("pull-denied"),
        "{}",
        ended.report
    );
}
