//! A scene as JSON and back: what a bundle holds of a rollout, and what is late in it.

use std::time::Duration;

use jiff::Timestamp;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::events::Happening;
use super::observation::{Late, Verdict};
use super::scene::Scene;
use super::sightings::Sightings;
use super::state::Tail;
use super::target::Target;
use crate::cluster::{text, uid_of};
use crate::code::Code;
use crate::diagnostic::Location;

/// Objects of others in the namespace are no evidence; of ours, so many pods are enough.
const PODS: usize = 50;

impl Scene {
    /// For every target that is not done: what to say at the deadline, and what is known.
    pub(in crate::deploy::kubernetes) fn overdue<'a>(
        &'a self,
        verdicts: &'a [Verdict],
        deadline: Duration,
    ) -> Vec<Late<'a>> {
        let late = self
            .targets
            .iter()
            .zip(verdicts)
            .filter_map(|(target, verdict)| {
                let Verdict::Progressing {
                    what, hypothesis, ..
                } = verdict
                else {
                    return None;
                };
                let mut cause = format!("not finished within {} s: {what}", deadline.as_secs());
                if let Some(guess) = hypothesis {
                    let code = guess.code.slug();
                    cause = format!("{cause}; most likely `{code}`: {}", guess.cause);
                }
                Some(Late {
                    target,
                    cause,
                    guess: hypothesis.as_deref(),
                })
            });
        let mut late: Vec<_> = late.collect();
        late.sort_by_key(|late| !late.target.has_pods());
        // A Service without pods is the consequence of pods that are not there.
        if late.first().is_some_and(|late| late.target.has_pods()) {
            late.retain(|late| late.target.kind() != "Service");
        }
        late
    }

    /// The scene as it stands in a bundle.
    pub(in crate::deploy::kubernetes) fn write(&self) -> Value {
        let (mut objects, mut subjects) = (Vec::new(), Vec::new());
        for target in &self.targets {
            objects.extend(self.state.get(&target.uid));
            for kind in ["ReplicaSet", "EndpointSlice"] {
                objects.extend(self.state.owned(&target.uid, kind));
            }
            if target.has_pods() && target.kind() != "Pod" {
                objects.extend(self.state.pods(target).into_iter().take(PODS));
            }
        }
        objects.extend(self.state.lost_nodes().take(PODS));
        subjects.extend(objects.iter().map(|object| uid_of(object)));
        let events: Vec<Value> = subjects
            .iter()
            .flat_map(|uid| self.state.events(uid, self.applied))
            .map(Happening::write)
            .collect();
        let logs = self.state.logs().map(|(pod, container, tail)| {
            json!({"pod": pod, "container": container, "run": tail.run, "exit": tail.exit, "lines": tail.lines})
        });
        let read = self.state.read.iter().map(
            |((pod, container), lines)| json!({"pod": pod, "container": container, "lines": lines}),
        );
        let tolerate = self
            .tolerate
            .iter()
            .map(|(code, grace)| json!({"code": code.slug(), "seconds": grace.as_secs()}));
        let gone = self
            .targets
            .iter()
            .filter(|target| self.state.is_gone(&target.uid));
        json!({
            "applied": self.applied.to_string(),
            "tolerate": tolerate.collect::<Vec<_>>(),
            "targets": self.targets.iter().map(write_target).collect::<Vec<_>>(),
            "denied": self.state.denied,
            "gone": gone.map(|target| &target.uid).collect::<Vec<_>>(),
            "sightings": self.sightings.write(),
            "objects": objects,
            "events": events,
            "logs": logs.collect::<Vec<_>>(),
            "read": read.collect::<Vec<_>>(),
        })
    }

    /// Reads what `write` wrote; the text says what is missing.
    pub(in crate::deploy::kubernetes) fn read(bundle: &Value) -> Result<Self, String> {
        let applied = time(bundle, "/applied")?;
        let list = |name: &str| {
            let found = bundle.get(name).and_then(Value::as_array);
            found.ok_or_else(|| format!("`{name}` is not a list"))
        };
        let targets: Result<Vec<Target>, String> =
            list("targets")?.iter().map(read_target).collect();
        let tolerate = list("tolerate")?.iter().filter_map(|one| {
            let slug = text(one, "/code");
            let code = Code::ALL.iter().find(|code| code.slug() == slug)?;
            Some((*code, Duration::from_secs(one.get("seconds")?.as_u64()?)))
        });
        let tolerate: Vec<_> = tolerate.collect();
        let mut scene = Self::new(&targets?, applied, &tolerate);
        scene.state.take_in(list("objects")?, list("events")?);
        for log in list("logs")? {
            let tail = Tail {
                run: text(log, "/run").to_owned(),
                exit: log.get("exit").and_then(Value::as_i64).unwrap_or(-1),
                lines: lines(log),
            };
            scene
                .state
                .keep_log(text(log, "/pod"), text(log, "/container"), tail);
        }
        // Older bundles have only the ends.
        for log in bundle
            .get("read")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let key = (
                text(log, "/pod").to_owned(),
                text(log, "/container").to_owned(),
            );
            scene.state.read.insert(key, lines(log));
        }
        let words = |name: &str| {
            Ok::<_, String>(
                list(name)?
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            )
        };
        scene.state.denied.extend(words("denied")?);
        for uid in words("gone")? {
            scene.state.forget(&uid, true);
        }
        scene.sightings = Sightings::read(bundle.get("sightings").unwrap_or(&Value::Null));
        Ok(scene)
    }
}

fn lines(log: &Value) -> Vec<String> {
    let lines = log.get("lines").and_then(Value::as_array);
    let lines = lines.into_iter().flatten().filter_map(Value::as_str);
    lines.map(str::to_owned).collect()
}

/// A time at a JSON pointer.
pub(in crate::deploy::kubernetes) fn time(
    bundle: &Value,
    pointer: &str,
) -> Result<Timestamp, String> {
    let written = text(bundle, pointer);
    written
        .parse()
        .map_err(|_| format!("`{}` is not a time", pointer.trim_start_matches('/')))
}

fn write_target(target: &Target) -> Value {
    json!({
        "apiVersion": target.resource.api_version,
        "kind": target.kind(),
        "plural": target.resource.plural,
        "name": target.name,
        "namespace": target.namespace,
        "uid": target.uid,
        "generation": target.generation,
        "file": target.at.as_ref().map(|at| &at.file),
        "line": target.at.as_ref().and_then(|at| at.line),
    })
}

fn read_target(one: &Value) -> Result<Target, String> {
    let field = |name: &str| {
        let found = one.get(name).and_then(Value::as_str);
        found
            .map(str::to_owned)
            .ok_or_else(|| format!("a target has no `{name}`"))
    };
    let version = field("apiVersion")?;
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let kind = GroupVersionKind::gvk(group, version, &field("kind")?);
    let line = one.get("line").and_then(Value::as_u64).unwrap_or_default();
    let line = u32::try_from(line).unwrap_or_default();
    Ok(Target {
        resource: ApiResource::from_gvk_with_plural(&kind, &field("plural")?),
        name: field("name")?,
        namespace: field("namespace")?,
        uid: field("uid")?,
        generation: one
            .get("generation")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        at: field("file").ok().map(|file| Location::line(file, line)),
    })
}
