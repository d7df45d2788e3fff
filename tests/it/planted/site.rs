//! A job of GitHub that delivers to Kubernetes, with a plant in every input, variable and file of it, and where it is looked for
//! afterwards. The training, the build, the container and the pods print all they can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::path_without_tools;
use super::places::{Given, of_clouds};
use super::plants::{Planted, sh, url_encoded};
use crate::cluster::Namespace;
use crate::github::GitHub;
use crate::support::{Ended, Project, Run, bed};

/// Prints what it is given in every form; `train.py`, the service and the pods use it.
pub(super) const TELLS: &str = r#"
import base64, json, os, re, sys, urllib.parse

def tell(values):
    for value in values:
        print("raw", value)
        print("quoted", json.dumps({"value": value}))
        print("url", urllib.parse.quote(value, safe=""), urllib.parse.quote(value), re.sub("%..", lambda found: found.group().lower(), urllib.parse.quote_plus(value)))
        for before in ("", "x", "xy"):
            print("base64", base64.b64encode((before + value + ":").encode()).decode())
    sys.stdout.flush()

def environment():
    return [value for name, value in os.environ.items() if len(value) > 12 and not re.search("PORT|HOST|PATH", name)]
"#;

/// Logs a run, prints every planted secret (kept backwards, so that no copy lies about), and leaves what it saw of its surroundings.
const TRAIN: &str = r#"
import json, os, pathlib, sys
from tells import tell, environment

pathlib.Path(os.environ["WITNESS"]).write_text(json.dumps(dict(os.environ)))
planted = [value[::-1] for value in json.loads(pathlib.Path(os.environ["BACKWARDS"]).read_text())]
tell(planted + environment())
if "fail" in sys.argv:
    raise ValueError("no login for " + " and ".join(planted))
import mlflow
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.9)
pathlib.Path("model").write_text("m")
"#;

/// Says what it sees, and serves; or says it and ends.
const SERVICE: &str = r#"
import http.server, os, sys
from tells import tell, environment

tell(environment())
if os.environ.get("ENDS"):
    # On the stream of all the rest: it is the last line of the log then.
    print("no login with " + " ".join(environment()), flush=True)
    sys.exit(1)
http.server.test(http.server.SimpleHTTPRequestHandler, port=8080)
"#;

const DOCKERFILE: &str = "FROM BASE
WORKDIR /app
COPY tells.py app.py ./
RUN --mount=type=secret,id=api --mount=type=secret,id=index cd /run/secrets && cat api && base64 -w0 api && cat index && env
COPY model model
EXPOSE 8080
CMD [\"python3\", \"app.py\"]
";
pub(super) struct Site {
    pub(super) planted: Planted,
    pub(super) project: Project,
    /// Beside the workspace: what stands in a home directory, caches, and what the training saw.
    pub(super) around: tempfile::TempDir,
    pub(super) namespace: Namespace,
    pub(super) image: String,
    pub(super) github: GitHub,
    pub(super) variables: Given,
    pub(super) inputs: Given,
}

impl Site {
    pub(super) fn new() -> Self {
        let namespace = Namespace::new("it-planted");
        let around = tempfile::tempdir().unwrap();
        let at = |name: &str| around.path().join(name).display().to_string();
        let mut planted = Planted::new();
        let mut plant = |place| planted.one(place);

        // Variables of the job, of all kinds.
        let mut variables: Given = [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AZURE_CLIENT_SECRET",
            "ACTIONS_RUNTIME_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "CI_JOB_TOKEN",
            "DB_PASSWORD_V2",
            "SERVICE_CREDENTIALS",
            "OPENAI_API_KEY",
            "HF_TOKEN",
            "GH_PAT",
        ]
        .map(|name| (name, plant(name)))
        .into();
        let account = plant("account-key");
        variables.push((
            "AZURE_STORAGE_CONNECTION_STRING",
            format!("AccountName=wine;AccountKey={account}"),
        ));
        let proxy = url_encoded(&plant("proxy-url"));
        variables.push(("FTP_PROXY", format!("ftp://robot:{proxy}@127.0.0.1:9")));
        let docker = json!({"auths": {"other.example": {"auth": STANDARD.encode(format!("robot:{}", plant("docker-variable")))}}});
        variables.push(("DOCKER_AUTH_CONFIG", docker.to_string()));

        // Files with credentials. Docker's is for our registry, which asks nobody; pip's and netrc's are for hosts not asked.
        let login = STANDARD.encode(format!("robot:{}", plant("docker-file")));
        let docker = json!({"auths": {bed("REGISTRY"): {"auth": login}}});
        std::fs::create_dir(at("docker")).unwrap();
        std::fs::write(at("docker/config.json"), docker.to_string()).unwrap();
        let netrc = format!(
            "machine index.example login robot password {}\n",
            plant("netrc")
        );
        std::fs::write(at("netrc"), netrc).unwrap();
        variables.extend([("DOCKER_CONFIG", at("docker")), ("NETRC", at("netrc"))]);

        // Inputs.
        let kubeconfig = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
        let token = plant("kubeconfig");
        let kubeconfig = kubeconfig.replace(
            "users:\n",
            &format!("users:\n- name: other\n  user:\n    token: '{token}'\n"),
        );
        assert!(
            kubeconfig.contains(&token),
            "the bed's kubeconfig has no users"
        );
        let (api, index) = (
            plant("build-secret"),
            url_encoded(&plant("build-secret-url")),
        );
        let mut inputs: Given = vec![
            ("registry-username", "robot".into()),
            ("registry-password", plant("registry-password")),
            ("mlflow-tracking-username", "robot".into()),
            ("mlflow-tracking-password", plant("mlflow-password")),
            ("gitlab-token", plant("gitlab-token")),
            ("aws-access-key-id", "AKIAEXAMPLE".into()),
            ("aws-secret-access-key", plant("aws-secret-access-key")),
            ("aws-session-token", plant("aws-session-token")),
            ("kubeconfig", kubeconfig),
            (
                "secrets",
                format!("api={api}\nindex=https://robot:{index}@index.example/simple"),
            ),
            (
                "container-env",
                format!("SERVICE_PASSWORD={}", plant("container-env")),
            ),
            (
                "train-env",
                format!(
                    "WITNESS={}\nBACKWARDS={}\nWANDB_API_KEY={}\nHF_TOKEN",
                    at("witness"),
                    at("backwards"),
                    plant("train-env")
                ),
            ),
        ];

        // A private key on several lines, and one in a service account's JSON on one line.
        let key = planted.plain("private-key");
        variables.push(("SSH_PRIVATE_KEY", format!("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n{key}\n-----END PRIVATE KEY-----\n")));
        let key = planted.plain("json-key");
        let account = json!({"type": "service_account", "private_key": format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")});
        variables.push(("GCP_SERVICE_ACCOUNT", account.to_string()));
        let (more, of_clouds) = of_clouds(&mut planted, around.path());
        variables.extend(more);
        inputs.extend(of_clouds);
        let github = GitHub::start(&json!({}));
        let image = format!("{}/it/{}", bed("REGISTRY"), namespace.0);
        let project = Project::new()
            .file("tells.py", TELLS)
            .file("app.py", SERVICE)
            .file("train.py", TRAIN)
            .file("requirements.txt", "mlflow-skinny==3.17.2\n")
            .file("Dockerfile", &DOCKERFILE.replace("BASE", &bed("BASE")));
        let mut site = Self {
            planted,
            project,
            around,
            namespace,
            image,
            github,
            variables,
            inputs,
        };
        site.write_manifests("first", "");
        site
    }

    /// Manifests with secrets of this version; the old version's stay to be looked for.
    pub(super) fn write_manifests(&mut self, version: &str, more: &str) {
        let mut plant = |place: &'static str, first: &'static str| {
            self.planted
                .one(if version == "first" { first } else { place })
        };
        let text = plant("new-string-data", "string-data");
        let data = STANDARD.encode(plant("new-data", "data"));
        let variable = plant("new-variable", "variable");
        let url = url_encoded(&plant("new-url", "url"));
        let (entry, argument) = (
            plant("new-entry", "entry"),
            plant("new-argument", "argument"),
        );
        let manifest = json!([
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"user": text}, "data": {"key": data}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "options"},
                "data": {"api-token": entry, "app.properties": format!("threads=4\ndb.password={entry}\n")}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wine"}, "spec": {
                "selector": {"matchLabels": {"app": "wine"}},
                "template": {"metadata": {"labels": {"app": "wine"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "model", "image": self.image, "ports": [{"containerPort": 8080}],
                    "command": ["python3", "app.py", format!("--api-token={argument}")],
                    "env": [
                        {"name": "DB_PASSWORD_V2", "value": variable},
                        {"name": "DB", "value": format!("postgres://robot:{url}@db.example/wine")},
                        {"name": "LOGIN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "user"}}},
                        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "login", "key": "key"}}},
                        {"name": "ENDS", "value": more},
                    ],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}]}}}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wine"},
                "spec": {"selector": {"app": "wine"}, "ports": [{"port": 80, "targetPort": 8080}]}},
        ]);
        let manifests: Vec<String> = manifest
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        let folder = self.project.path().join("k8s");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("app.yaml"), manifests.join("\n---\n")).unwrap();
        // What the training is to print.
        let secrets = self.planted.0.values();
        let backwards: Vec<String> = secrets
            .map(|secret| secret.chars().rev().collect())
            .collect();
        self.known_to_training(&backwards);
    }

    pub(super) fn known_to_training(&self, backwards: &[String]) {
        let file = self.around.path().join("backwards");
        std::fs::write(file, json!(backwards).to_string()).unwrap();
    }

    pub(super) fn prepared(&self, subcommand: &str) -> Run<'_> {
        let home = std::env::var("HOME").unwrap();
        let at = |name: &str| self.around.path().join(name).display().to_string();
        std::fs::create_dir_all(at("tmp")).unwrap();
        let mut run = self.github.tells(self.project.ml_deploy(subcommand));
        for (name, value) in &self.variables {
            run = run.env(name, value);
        }
        for (name, value) in &self.inputs {
            run = run.input(name, value);
        }
        run.env("PATH", &path_without_tools(&self.around.path().join("bin")))
            .env("ML_DEPLOY_CACHE", &at("cache"))
            .env("UV_CACHE_DIR", &format!("{home}/.cache/uv"))
            .env("TMPDIR", &at("tmp"))
            .input("mlflow-tracking-uri", &bed("MLFLOW"))
            .input("mlflow-experiment-name", &self.namespace.0)
            .input("image", &self.image)
            .input("manifests", "k8s")
            .input("namespace", &self.namespace.0)
            .input("deploy-timeout", "60s")
    }

    /// Looks into everything that the run said and left.
    pub(super) fn assert_unseen(&self, ended: &Ended) {
        self.planted
            .assert_unseen(ended, &self.project, &self.github);
        for folder in ["cache", "tmp"] {
            self.planted.absent_below(&self.around.path().join(folder));
        }
    }

    /// Looks at what the run left elsewhere: the image, the tracking server, the cluster.
    pub(super) fn assert_unseen_elsewhere(&self, ended: &Ended) {
        let image = ended.output("image-ref");
        let about = sh(&format!(
            "docker history --no-trunc {image}; docker inspect {image}"
        ));
        assert!(about.contains("ml-deploy.model-sha256"), "{about}");
        self.planted
            .absent("the image's history and labels", &about);
        let out = self.around.path().join("image");
        sh(&format!(
            "mkdir {out} && docker save {image} | tar -x -C {out} && cd {out} && for f in $(find . -type f); do (tar -tf $f || tar -xOf $f --wildcards 'app/*') 2>/dev/null; done >{out}.names # beside the folder, or the loop reads what it writes",
            out = out.display()
        ));
        let names = std::fs::read_to_string(out.with_extension("names")).unwrap();
        assert!(names.contains("app/app.py"), "{names}");
        self.planted.absent_below(&out);
        let (server, run) = (bed("MLFLOW"), ended.output("run-id"));
        let logged = sh(&format!(
            "curl -s '{server}/api/2.0/mlflow/runs/get?run_id={run}'; for f in $(curl -s '{server}/api/2.0/mlflow/artifacts/list?run_id={run}' | grep -o '\"path\": *\"[^\"]*\"' | cut -d'\"' -f4); do curl -s \"{server}/get-artifact?run_id={run}&path=$f\"; done"
        ));
        assert!(
            logged.contains("accuracy") && logged.contains("ml-deploy"),
            "{logged}"
        );
        self.planted.absent("MLflow's tags and artifacts", &logged);
    }
}
