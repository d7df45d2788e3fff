//! Secrets planted in every input and file that may hold one, and looked for in every place that somebody may read afterwards: as
//! they are, in base64 at each alignment, URL-encoded. The training, the build, the container and the pods print all they can.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::{Namespace, kubectl};
use crate::contract;
use crate::github::{GitHub, TOKEN};
use crate::support::{Ended, Project, Run, bed};

/// Prints what it is given in every form; `train.py`, the service and the pods use it.
const TELLS: &str = r#"
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
    sys.exit("no login with " + " ".join(environment()))
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

/// By name of the place.
struct Planted(BTreeMap<&'static str, String>);

impl Planted {
    fn new() -> Self {
        Self(BTreeMap::from([("github-token", TOKEN.to_owned())]))
    }

    /// Plants one more: characters that every encoding writes otherwise, and unlike any other.
    fn one(&mut self, place: &'static str) -> String {
        let mut state = u64::from(std::process::id()) << 16 | self.0.len() as u64;
        let letters: String = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(
                b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
                    [(state >> 33) as usize % 57],
            )
        })
        .take(18)
        .collect();
        let (head, tail) = letters.split_at(9);
        let secret = format!("{head}+/{tail}~ü");
        self.0.insert(place, secret.clone());
        secret
    }

    /// The same for a place where only letters and digits may stand, such as a key's line.
    fn plain(&mut self, place: &'static str) -> String {
        let secret: String = self
            .one(place)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        self.0.insert(place, secret.clone());
        secret
    }

    /// Every form of every secret, with the place that it comes from.
    fn forms(&self) -> Vec<(&'static str, String)> {
        let mut forms = Vec::new();
        for (place, secret) in &self.0 {
            forms.push((*place, secret.clone()));
            forms.extend((0..3).map(|before| (*place, aligned(secret, before))));
            let url = url_encoded(secret);
            let lower = url
                .replace("%2B", "%2b")
                .replace("%2F", "%2f")
                .replace("%C3%BC", "%c3%bc");
            forms.push((*place, lower));
            forms.push((*place, url.replace("%2F", "/")));
            forms.push((*place, url));
        }
        forms
    }

    /// Fails when a text holds any of them.
    fn absent(&self, place: &str, text: &str) {
        self.search()(place, text.as_bytes());
    }

    /// Fails when a file below a folder holds any of them; what is larger than anything of ours is of Python or the base image.
    fn absent_below(&self, folder: &Path) {
        let search = self.search();
        below(folder, &mut |path| {
            if std::fs::metadata(path).unwrap().len() < 2 << 20 {
                search(&path.display().to_string(), &std::fs::read(path).unwrap());
            }
        });
    }

    fn search(&self) -> impl Fn(&str, &[u8]) {
        let forms = self.forms();
        let automaton = AhoCorasick::new(forms.iter().map(|(_, form)| form)).unwrap();
        move |place, bytes| {
            let found = automaton.find_iter(bytes).map(|found| {
                let line = bytes.split(|byte| *byte == b'\n').find(|line| {
                    let form = forms[found.pattern().as_usize()].1.as_bytes();
                    line.windows(form.len()).any(|window| window == form)
                });
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                (forms[found.pattern().as_usize()].0, line)
            });
            let found: BTreeMap<_, _> = found.collect();
            assert!(found.is_empty(), "{place} holds {found:#?}");
        }
    }
}

/// The characters of base64 that are the same whatever stands before (so many bytes) and after.
fn aligned(secret: &str, before: usize) -> String {
    let text = format!("{}{secret}", &"xy"[..before]);
    let packed = STANDARD.encode(&text);
    packed[[0, 2, 3][before]..text.len() * 8 / 6].to_owned()
}

fn url_encoded(secret: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    secret.bytes().map(encode).collect()
}

/// Calls for every file below a folder that is no link.
fn below(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            below(&path, look);
        } else if path.is_file() {
            look(&path);
        }
    }
}

/// Runs to the end, and looks at the command lines of all processes meanwhile. The pods' own arguments are as their manifest has them.
fn watched(planted: &Planted, run: Run<'_>) -> Ended {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut seen, mut samples) = (BTreeSet::new(), 0);
            while !done.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).into_owned();
                    let shown = |(place, secret): (&&str, &String)| {
                        !place.ends_with("argument") && line.contains(secret.as_str())
                    };
                    if planted.0.iter().any(shown) {
                        seen.insert(line);
                    }
                }
                samples += 1;
                std::thread::sleep(std::time::Duration::from_millis(25));
            }
            (seen, samples)
        });
        let result = run.run();
        done.store(true, Ordering::Relaxed);
        let (seen, samples) = watch.join().unwrap();
        assert!(samples > 10 && seen.is_empty(), "{seen:?}");
        result
    })
}

fn sh(script: &str) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Site {
    planted: Planted,
    project: Project,
    /// Beside the workspace: what stands in a home directory, caches, and what the training saw.
    around: tempfile::TempDir,
    namespace: Namespace,
    image: String,
    github: GitHub,
    variables: Vec<(&'static str, String)>,
    inputs: Vec<(&'static str, String)>,
}

impl Site {
    fn new() -> Self {
        let namespace = Namespace::new("it-planted");
        let around = tempfile::tempdir().unwrap();
        let at = |name: &str| around.path().join(name).display().to_string();
        let mut planted = Planted::new();
        let mut plant = |place| planted.one(place);

        // Variables of the job, of all kinds.
        let mut variables: Vec<(&'static str, String)> = [
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
        let inputs: Vec<(&'static str, String)> = vec![
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
    fn write_manifests(&mut self, version: &str, more: &str) {
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

    fn known_to_training(&self, backwards: &[String]) {
        let file = self.around.path().join("backwards");
        std::fs::write(file, json!(backwards).to_string()).unwrap();
    }

    fn prepared(&self, subcommand: &str) -> Run<'_> {
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
        run.env("ML_DEPLOY_CACHE", &at("cache"))
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
    fn assert_unseen(&self, ended: &Ended) {
        let told = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"));
        self.planted
            .absent("the log", &told.collect::<Vec<_>>().join("\n"));
        self.planted.absent("standard error", &ended.stderr);
        self.planted
            .absent("the outputs", &format!("{:?}", ended.outputs));
        self.planted.absent("the summary", &ended.summary);
        self.planted
            .absent("what GitHub was told", &self.github.log().to_string());
        for folder in [".ml-deploy", "mlruns"] {
            self.planted.absent_below(&self.project.path().join(folder));
        }
        for folder in ["cache", "tmp"] {
            self.planted.absent_below(&self.around.path().join(folder));
        }
        self.planted
            .absent("what the step remembers", &self.github.step_state());
    }

    /// Looks at what the run left elsewhere: the image, the tracking server, the cluster.
    fn assert_unseen_elsewhere(&self, ended: &Ended) {
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

#[test]
fn no_planted_secret_is_to_be_read_anywhere() {
    let mut site = Site::new();
    assert!(site.planted.0.len() >= 30, "{}", site.planted.0.len());
    let schema = contract::schema();
    let secret = schema["inputs"].as_array().unwrap().iter();
    for input in secret.filter(|input| input["secret"] == true) {
        // These two are planted below, and in what GitHub is told.
        let elsewhere = ["mlflow-tracking-token", "github-token"];
        let name = input["name"].as_str().unwrap();
        // Who we are at these is asked of them at once.
        if ["creds", "credentials-json"].contains(&name) {
            continue;
        }
        let given = site.inputs.iter().any(|(given, _)| *given == name);
        assert!(
            given || elsewhere.contains(&name),
            "`{name}` is not planted"
        );
    }
    // From the training to what is live.
    let run = site.prepared("run").input("train", "python train.py");
    let ended = watched(&site.planted, run).expect(0);
    site.assert_unseen(&ended);
    site.assert_unseen_elsewhere(&ended);
    let image = ended.output("image-ref").to_owned();

    // Exactly what was asked for reaches the training: the tracking server's password and two more.
    let seen: Value =
        serde_json::from_str(&std::fs::read_to_string(site.around.path().join("witness")).unwrap())
            .unwrap();
    let seen = seen.to_string();
    let reached: Vec<&str> = site
        .planted
        .0
        .iter()
        .filter(|(_, secret)| seen.contains(secret.as_str()))
        .map(|(place, _)| *place)
        .collect();
    assert_eq!(reached, ["HF_TOKEN", "mlflow-password", "train-env"]);

    // A version that says what it sees and ends: its log, the changes, the bundle, and what is put back.
    site.write_manifests("second", "yes");
    let ended = site
        .prepared("deploy")
        .input("image-ref", &image)
        .input("deploy-timeout", "15s")
        .run()
        .expect(50);
    let ended = ended
        .says("env[DB_PASSWORD_V2].value: (hidden) → (hidden, changed)")
        .says("no login with");
    site.assert_unseen(&ended);
    assert!(site.project.path().join(".ml-deploy").is_dir());

    // What is live and what the cluster keeps of it: secrets are in the manifests' own objects and nowhere else.
    let name = &site.namespace.0;
    let (_, text) = kubectl(&["-n", name, "get", "all,events,replicasets", "-o", "json"]);
    let mut objects: Value = serde_json::from_str(&text).unwrap();
    for object in objects["items"].as_array_mut().unwrap() {
        // The template is the manifest's own.
        for path in ["/spec", "/metadata/managedFields"] {
            if let Some(part) = object.pointer_mut(path) {
                *part = Value::Null;
            }
        }
    }
    site.planted.absent(
        "annotations and events of the cluster",
        &objects.to_string(),
    );
    let (_, text) = kubectl(&["-n", name, "get", "secrets", "-o", "json"]);
    let secrets: Value = serde_json::from_str(&text).unwrap();
    let items = secrets["items"].as_array().unwrap();
    let record = items
        .iter()
        .find(|one| one["metadata"]["labels"]["ml-deploy/record"] == "true")
        .unwrap();
    let own: BTreeSet<&str> = [
        "string-data",
        "data",
        "variable",
        "url",
        "entry",
        "argument",
        "new-string-data",
        "new-data",
        "new-variable",
        "new-url",
        "new-entry",
        "new-argument",
    ]
    .into();
    let others = Planted(
        site.planted
            .0
            .iter()
            .filter(|(place, _)| !own.contains(*place))
            .map(|(place, secret)| (*place, secret.clone()))
            .collect(),
    );
    let folder = site.around.path().join("record");
    std::fs::create_dir(&folder).unwrap();
    for (key, value) in record["data"].as_object().unwrap() {
        std::fs::write(
            folder.join(key),
            STANDARD.decode(value.as_str().unwrap()).unwrap(),
        )
        .unwrap();
    }
    let kept = sh(&format!(
        "cd {} && for f in *; do zcat -f $f; done",
        folder.display()
    ));
    assert!(
        kept.contains("readinessProbe"),
        "the record holds the manifests: {kept}"
    );
    others.absent("the record", &kept);

    // A training that fails and says all of it, on a pull request; the password stands in the server's address.
    let password = site.planted.one("tracking-url");
    site.write_manifests("second", "yes");
    let address = bed("MLFLOW").replace("://", &format!("://robot:{}@", url_encoded(&password)));
    site.inputs.retain(|(name, _)| !name.starts_with("mlflow"));
    // The training prints the one of before too; it is known by a variable now.
    let before = site.planted.0["mlflow-password"].clone();
    site.variables.push(("PASSWORD_OF_BEFORE", before));
    let run = site
        .prepared("run")
        .input("train", "python train.py fail")
        .input("mlflow-tracking-uri", &address);
    let run = site.github.asks(run, "org/wine");
    let ended = watched(&site.planted, run).expect(20).code("train-failed");
    let ended = ended.says("ValueError: no login for");
    site.assert_unseen(&ended);
    assert_eq!(site.github.all("comments").len(), 1);

    // The tracking server's other credential.
    let token = site.planted.one("mlflow-token");
    // This run reads no manifest.
    let backwards: String = token.chars().rev().collect();
    site.known_to_training(&[backwards]);
    let run = site
        .prepared("train")
        .input("train", "python train.py fail")
        .input("mlflow-tracking-token", &token);
    site.assert_unseen(&run.run().expect(20).code("train-failed"));
    let image = image.split('@').next().unwrap();
    sh(&format!(
        "docker images -q --no-trunc {image} | xargs -r docker rmi -f"
    ));
}
