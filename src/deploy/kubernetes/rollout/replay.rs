//! For tests: recorded rollouts, edited into what they might have been, and judged.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::observation::{Finding, Verdict};
use super::record::time;
use super::rules::Rule;
use super::scene::Scene;
use crate::cluster::{kind_of, uid_of};

/// A rule, a scene that shows it, and the same scene in which it does not hold.
pub(super) type Example = (Rule, Replay, Replay);

/// A bundle that can be edited.
#[derive(Clone, Debug)]
pub(super) struct Replay(pub(super) Value);

/// A bundle of the fixtures, as a real cluster left it.
pub(super) fn recorded(name: &str) -> Replay {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rollouts");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    Replay(serde_json::from_str(&text).unwrap())
}

/// A bundle of one object that no single node can produce.
pub(super) fn made(api_version: &str, object: Value) -> Replay {
    let mut object = object;
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["name"] = json!("wine");
    object["metadata"]["namespace"] = json!("ml");
    let target = json!({"apiVersion": api_version, "kind": kind_of(&object), "plural": "x", "name": "wine", "namespace": "ml", "uid": "u", "generation": 2});
    Replay(
        json!({"schema": 1, "now": "2026-01-01T00:01:00Z", "applied": "2026-01-01T00:00:00Z", "deadline": 60, "late": false,
        "tolerate": [], "targets": [target], "denied": [], "gone": [], "sightings": [], "objects": [object], "events": [], "logs": []}),
    )
}

impl Replay {
    /// Every object of a kind.
    pub(super) fn objects(&mut self, kind: &str) -> Vec<&mut Value> {
        let all = self.0["objects"].as_array_mut().unwrap().iter_mut();
        all.filter(|object| kind_of(object) == kind).collect()
    }

    /// The only, or first, object of a kind.
    pub(super) fn object(&mut self, kind: &str) -> &mut Value {
        self.objects(kind).remove(0)
    }

    /// Edits every pod.
    pub(super) fn pods(mut self, edit: impl Fn(&mut Value)) -> Self {
        self.objects("Pod").into_iter().for_each(edit);
        self
    }

    /// Edits the object of a kind.
    pub(super) fn with(mut self, kind: &str, edit: impl Fn(&mut Value)) -> Self {
        edit(self.object(kind));
        self
    }

    /// Sets one field of the bundle.
    pub(super) fn set(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }

    /// Edits every container status of every pod.
    pub(super) fn containers(self, edit: impl Fn(&mut Value)) -> Self {
        self.pods(|pod| {
            for list in ["initContainerStatuses", "containerStatuses"] {
                let all = pod["status"][list].as_array_mut();
                all.into_iter().flatten().for_each(&edit);
            }
        })
    }

    /// Every container waits for the first time.
    pub(super) fn waiting(self, reason: &str, message: &str) -> Self {
        let waits = self.fresh().containers(|container| {
            container["state"] = json!({"waiting": {"reason": reason, "message": message}});
            container["lastState"] = json!({});
            container["restartCount"] = json!(0);
            container["ready"] = json!(false);
        });
        waits.set("events", json!([]))
    }

    /// Every pod is ready.
    pub(super) fn ready(self) -> Self {
        self.fresh().set("events", json!([])).pods(make_ready)
    }

    /// Nothing was seen before.
    pub(super) fn fresh(self) -> Self {
        self.set("sightings", json!([]))
    }

    /// Restarts of every container.
    pub(super) fn restarts(self, count: u32) -> Self {
        self.containers(|container| container["restartCount"] = json!(count))
    }

    /// Replaces the lines of every log; `{n}` becomes its number.
    pub(super) fn log(mut self, line: &str) -> Self {
        let logs = self.0["logs"].as_array_mut().unwrap();
        for (index, log) in logs.iter_mut().enumerate() {
            let number = ["one", "two", "three", "four"][index % 4];
            log["lines"] = json!([line.replace("{n}", number)]);
        }
        self
    }

    /// Adds an event about every object of a kind, at the moment of the judgement.
    pub(super) fn event(mut self, kind: &str, reason: &str, message: &str, count: u32) -> Self {
        let uids: Vec<String> = self
            .objects(kind)
            .iter()
            .map(|object| uid_of(object).to_owned())
            .collect();
        let now = self.0["now"].clone();
        for uid in uids {
            let event = json!({"involvedObject": {"uid": uid}, "reason": reason, "message": message, "type": "Warning",
                "count": count, "firstTimestamp": now, "lastTimestamp": now});
            self.0["events"].as_array_mut().unwrap().push(event);
        }
        self
    }

    /// Sets a condition of every object of a kind.
    pub(super) fn condition(mut self, kind: &str, condition: &Value) -> Self {
        for object in self.objects(kind) {
            let all = &mut object["status"]["conditions"];
            let mut kept: Vec<Value> = all.as_array().cloned().unwrap_or_default();
            kept.retain(|one| one["type"] != condition["type"]);
            kept.push(condition.clone());
            *all = Value::Array(kept);
        }
        self
    }

    /// Adds a copy of the first object of a kind, edited.
    pub(super) fn another(mut self, kind: &str, uid: &str, edit: impl Fn(&mut Value)) -> Self {
        let mut copy = self.object(kind).clone();
        copy["metadata"]["uid"] = json!(uid);
        copy["metadata"]["name"] = json!(uid);
        edit(&mut copy);
        self.0["objects"].as_array_mut().unwrap().push(copy);
        self
    }

    /// The scene of the bundle.
    pub(super) fn scene(&self) -> Scene {
        Scene::read(&self.0).unwrap()
    }

    /// Verdicts after each of these seconds, in one rollout.
    pub(super) fn after(&self, seconds: &[i64]) -> Vec<Verdict> {
        let now = time(&self.0, "/now").unwrap();
        let mut scene = self.scene();
        let at = |seconds: &i64| now + SignedDuration::from_secs(*seconds);
        seconds
            .iter()
            .map(|seconds| worst(scene.verdicts(at(seconds))))
            .collect()
    }

    /// The verdict at the moment of the bundle.
    pub(super) fn verdict(&self) -> Verdict {
        self.after(&[0]).remove(0)
    }
}

/// The container runs and is ready, and so is the pod.
pub(super) fn make_ready(pod: &mut Value) {
    pod["status"]["phase"] = json!("Running");
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    for container in pod["status"]["containerStatuses"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        container["state"] = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        container["ready"] = json!(true);
    }
    pod["status"]["initContainerStatuses"] = json!([]);
}

fn worst(verdicts: Vec<Verdict>) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Failed(_) => 0,
        Verdict::Progressing {
            hypothesis: Some(_),
            ..
        } => 1,
        Verdict::Progressing { .. } => 2,
        Verdict::Succeeded { .. } => 3,
    };
    verdicts.into_iter().min_by_key(rank).unwrap()
}

/// The finding of a verdict that failed.
pub(super) fn failed(verdict: &Verdict) -> Option<&Finding> {
    match verdict {
        Verdict::Failed(finding) => Some(finding),
        _ => None,
    }
}

/// The rule that a verdict names, as a failure or as a guess.
pub(super) fn named(verdict: &Verdict) -> Option<Rule> {
    match verdict {
        Verdict::Failed(finding) => Some(finding.rule),
        Verdict::Progressing { hypothesis, .. } => hypothesis.as_ref().map(|guess| guess.rule),
        Verdict::Succeeded { .. } => None,
    }
}
