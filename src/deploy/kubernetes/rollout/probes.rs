//! What probes say about a container: killed by liveness or startup, or not ready although it runs.

use serde_json::Value;

use super::container::Container;
use super::events::Happening;
use super::observation::{Observation, Seen};
use super::rules::Rule;
use crate::cluster::{text, uid_of};

/// Observes the probes of one container.
pub(super) fn observe(seen: &Seen<'_>, container: Container<'_>, out: &mut Vec<Observation>) {
    let times = kills(seen, container);
    if times > 0 && seen.target.kind() != "Job" {
        let killings = killings(seen, container);
        let startup = killings
            .last()
            .is_some_and(|event| event.message.contains("startup probe"));
        let (kind, field) = match startup {
            true => ("startup", "/startupProbe"),
            false => ("liveness", "/livenessProbe"),
        };
        let said = unhealthy(seen, container, kind);
        let probe = container.spec.pointer(field).unwrap_or(&Value::Null);
        let what = format!(
            "is killed by its {kind} probe, which allows it {} s{said}",
            budget(probe)
        );
        out.push(Observation {
            count: times,
            occurrence: killings.last().map(|event| event.last.to_string()),
            previous: true,
            ..container.sees(seen, Rule::LivenessKilled, what)
        });
    }
    let probed = container.spec.get("readinessProbe").is_some()
        || (container.spec.get("startupProbe").is_some()
            && container.status.get("started") != Some(&Value::Bool(true)));
    if container.running() && !container.ready() && !container.init && probed {
        let field = match container.status.get("started") {
            Some(Value::Bool(false)) if container.spec.get("startupProbe").is_some() => "startup",
            _ => "readiness",
        };
        let said = unhealthy(seen, container, field);
        let path = text(container.spec, &format!("/{field}Probe/httpGet/path"));
        let path = match path {
            "" => String::new(),
            path => format!(" (path `{path}`)"),
        };
        let allowed = match window(container) {
            Some(seconds) => format!(" (its probes allow {seconds} s)"),
            None => String::new(),
        };
        let what =
            format!("runs, but is not ready; its {field} probe{path} does not pass{allowed}{said}");
        out.push(container.sees(seen, Rule::NotReady, what));
    }
}

/// How often a probe killed the container since the apply.
pub(super) fn kills(seen: &Seen<'_>, container: Container<'_>) -> u32 {
    let killings = killings(seen, container);
    let ours = |event: &&Happening| {
        if event.first >= seen.applied {
            event.count
        } else {
            1
        }
    };
    killings.iter().map(ours).sum()
}

fn killings<'a>(seen: &Seen<'a>, container: Container<'_>) -> Vec<&'a Happening> {
    let mut events = seen.state.events(uid_of(container.pod), seen.applied);
    let named = format!("Container {} failed", container.name());
    events.retain(|event| {
        event.reason == "Killing"
            && event.message.contains(&named)
            && (event.message.contains("liveness probe") || event.message.contains("startup probe"))
    });
    events
}

/// What the probe was answered, if the kubelet told: where a cause takes its place.
fn unhealthy(seen: &Seen<'_>, container: Container<'_>, kind: &str) -> String {
    let events = seen.state.events(uid_of(container.pod), seen.applied);
    let found = events.iter().rev().find(|event| {
        event.reason == "Unhealthy"
            && (event.container.is_empty() || event.container == container.name())
            && event.message.to_lowercase().starts_with(kind)
    });
    found
        .map(|event| format!(" — {}", event.message.trim()))
        .unwrap_or_default()
}

/// Seconds that a probe gives before it acts.
pub(super) fn budget(probe: &Value) -> i64 {
    let field =
        |name: &str, default: i64| probe.get(name).and_then(Value::as_i64).unwrap_or(default);
    field("initialDelaySeconds", 0) + field("failureThreshold", 3) * field("periodSeconds", 10)
}

/// Seconds after which a pod may be expected to be ready: startup's budget, then readiness' own.
pub(super) fn window(container: Container<'_>) -> Option<i64> {
    let readiness = container.spec.get("readinessProbe")?;
    let startup = container.spec.get("startupProbe").map(budget);
    Some(startup.unwrap_or_default() + budget(readiness))
}
