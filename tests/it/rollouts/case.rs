//! A case as data: what is in the cluster before, what is deployed, what happens meanwhile, what the program must say.
//! It knows how a short description becomes whole objects, and nothing of running it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{bed, checkout};

/// Serves `/health` on 8080 and stays in the foreground.
const SERVE: &str =
    "mkdir -p /tmp/www; echo ok >/tmp/www/health; exec httpd -f -p 8080 -h /tmp/www";

/// One case. Every text may have placeholders, see [`load`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Case {
    pub(super) name: String,
    /// Objects that are there before.
    #[serde(default)]
    pub(super) given: Vec<Value>,
    /// Commands that are run before, after `given`.
    #[serde(default)]
    pub(super) prepare: String,
    /// A version of the workload that an earlier deployment of ours left.
    pub(super) live: Option<Workload>,
    /// The workload that is deployed; none when `objects` are all.
    pub(super) workload: Option<Workload>,
    /// Further objects of the manifests.
    #[serde(default)]
    pub(super) objects: Vec<Value>,
    /// Inputs of the program.
    #[serde(default)]
    pub(super) inputs: BTreeMap<String, String>,
    /// What happens meanwhile, one after the other.
    #[serde(default)]
    pub(super) when: Vec<Step>,
    /// Commands that are run at the end in any case, for what is not in the namespace.
    #[serde(default)]
    pub(super) cleanup: String,
    /// Labels of the namespace.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// The program reaches the API server through a door that steps can shut.
    #[serde(default)]
    pub(super) gate: bool,
    pub(super) expect: Expect,
    /// From when on the cluster knew.
    pub(super) decisive: Option<Sign>,
}

/// A workload as what differs from a server with one replica that serves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Workload {
    pub(super) kind: Option<String>,
    /// What the container's shell runs instead of a server.
    script: Option<String>,
    /// Merged into the container, the pod, the pod's template and the workload's `spec`.
    #[serde(default)]
    container: Value,
    #[serde(default)]
    pod: Value,
    #[serde(default)]
    template: Value,
    #[serde(default)]
    spec: Value,
}

/// Something that happens while the program runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    /// Right before the first object is applied, after every check.
    #[serde(default)]
    pub(super) before_apply: bool,
    /// When this is seen.
    pub(super) seen: Option<Sign>,
    /// Seconds later.
    #[serde(default)]
    pub(super) after: f32,
    /// A shell command: `$KUBECTL`, `$NS`, `$DOCKER`.
    #[serde(default)]
    pub(super) run: String,
    /// Or a word to the door or the registry.
    pub(super) turn: Option<Turn>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Turn {
    ApiCut,
    ApiUnavailable,
    ApiBack,
    RegistryBack,
}

/// A state that the cluster shows: an object of this resource whose JSON has all the texts.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sign {
    pub(super) of: String,
    pub(super) has: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) status: i32,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) says: Vec<String>,
    /// What must not be said.
    #[serde(default)]
    pub(super) never: Vec<String>,
}

/// The names of the cases of a file of `tests/rollouts`; `ML_DEPLOY_CASES` chooses some of them.
pub(super) fn names(file: &str) -> Vec<String> {
    let wanted = std::env::var("ML_DEPLOY_CASES").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let all = read(file, "", "").into_iter().map(|case| case.name);
    all.filter(|name| wanted.is_empty() || wanted.contains(&name.as_str()))
        .collect()
}

/// One case, its placeholders filled in: `@NS@`, `@REGISTRY@`, `@REGISTRY_AUTH@`, and `@FAULTY@`, a registry that answers
/// 503 until a step brings it back.
pub(super) fn load(file: &str, name: &str, namespace: &str, faulty: &str) -> Case {
    let mut all = read(file, namespace, faulty).into_iter();
    all.find(|case| case.name == name).unwrap()
}

fn read(file: &str, namespace: &str, faulty: &str) -> Vec<Case> {
    let path = checkout().join("tests/rollouts").join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("@NS@", namespace)
        .replace("@REGISTRY@", &bed("REGISTRY"))
        .replace("@REGISTRY_AUTH@", &bed("REGISTRY_AUTH"))
        .replace("@FAULTY@", faulty);
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Case {
    /// The manifests: JSON documents, which are YAML.
    pub(super) fn manifests(&self) -> String {
        let workload = self.workload.iter().map(Workload::object);
        let all = self.objects.iter().cloned().chain(workload);
        documents(&all.collect::<Vec<_>>())
    }

    /// `KIND/wine` that `kubectl rollout status` can be asked about.
    pub(super) fn followed(&self) -> Option<&'static str> {
        match self.workload.as_ref()?.kind() {
            "Deployment" => Some("deployment/wine"),
            "StatefulSet" => Some("statefulset/wine"),
            "DaemonSet" => Some("daemonset/wine"),
            _ => None,
        }
    }
}

pub(super) fn documents(objects: &[Value]) -> String {
    let texts = objects
        .iter()
        .map(|object| serde_json::to_string_pretty(object).unwrap());
    texts.collect::<Vec<_>>().join("\n---\n") + "\n"
}

impl Workload {
    pub(super) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("Deployment")
    }

    /// The whole object, always named `wine`.
    pub(super) fn object(&self) -> Value {
        let kind = self.kind();
        let mut container = json!({
            "name": "model",
            "image": "test.local/box:1",
            "command": ["sh", "-c", self.script.as_deref().unwrap_or(SERVE)],
        });
        if !matches!(kind, "Job" | "CronJob") {
            container["ports"] = json!([{"containerPort": 8080}]);
        }
        merge(&mut container, &self.container);
        let mut pod = json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
        if matches!(kind, "Job" | "CronJob") {
            merge(&mut pod, &json!({"restartPolicy": "Never"}));
        }
        merge(&mut pod, &self.pod);
        let mut template = json!({"metadata": {"labels": {"app": "wine"}}, "spec": pod});
        merge(&mut template, &self.template);
        let selector = json!({"matchLabels": {"app": "wine"}});
        let (version, mut spec) = match kind {
            "Pod" => ("v1", template["spec"].take()),
            "Job" => ("batch/v1", json!({"template": template})),
            "CronJob" => (
                "batch/v1",
                json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}),
            ),
            "DaemonSet" => (
                "apps/v1",
                json!({"selector": selector, "template": template}),
            ),
            "StatefulSet" => (
                "apps/v1",
                json!({"replicas": 1, "serviceName": "wine", "selector": selector, "template": template}),
            ),
            _ => (
                "apps/v1",
                json!({"replicas": 1, "selector": selector, "template": template}),
            ),
        };
        merge(&mut spec, &self.spec);
        json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "wine", "labels": {"app": "wine"}},
            "spec": spec,
        })
    }
}

/// A JSON merge patch: `null` removes, lists are replaced.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        return;
    };
    for (key, value) in patch {
        match value {
            Value::Null => {
                into.as_object_mut().unwrap().remove(key);
            }
            Value::Object(_) if into.get(key).is_some_and(Value::is_object) => {
                merge(&mut into[key], value);
            }
            _ => into[key] = value.clone(),
        }
    }
}
