//! Whether a workload is as it should be, and what its ready pods run. Pure.

use serde_json::Value;

use crate::cluster::{Standing, is_ready, kind_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// `n of m`, or what became of a Job.
pub(super) fn ready(one: &Standing) -> String {
    let Some(live) = &one.workload else {
        return "not there".to_owned();
    };
    if kind_of(live) == "Job" {
        return job(live).to_owned();
    }
    format!("{} of {}", ready_pods(one), wanted(live))
}

fn job(live: &Value) -> &'static str {
    let is = |kind: &str| {
        let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
        conditions
            .into_iter()
            .flatten()
            .any(|one| text(one, "/type") == kind && text(one, "/status") == "True")
    };
    match (is("Complete"), is("Failed")) {
        (true, _) => "complete",
        (_, true) => "failed",
        _ => "running",
    }
}

pub(super) fn ready_pods(one: &Standing) -> usize {
    one.pods.iter().filter(|pod| is_ready(pod)).count()
}

fn wanted(live: &Value) -> u64 {
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_u64);
    match kind_of(live) {
        "DaemonSet" => number("/status/desiredNumberScheduled").unwrap_or_default(),
        "Pod" => 1,
        _ => number("/spec/replicas").unwrap_or(1),
    }
}

/// When the newest revision's first ready pod started.
pub(super) fn since(one: &Standing) -> Option<String> {
    let pods = one.pods.iter().filter(|pod| is_ready(pod));
    pods.map(|pod| text(pod, "/status/startTime").to_owned())
        .filter(|time| !time.is_empty())
        .min()
}

/// What the containers of ready pods really run, as the node says; each once.
pub(super) fn images(one: &Standing) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for pod in one.pods.iter().filter(|pod| is_ready(pod)) {
        let statuses = pod.pointer("/status/containerStatuses");
        for status in statuses.and_then(Value::as_array).into_iter().flatten() {
            let id = text(status, "/imageID");
            let id = id.rsplit("://").next().unwrap_or_default();
            let image = text(status, "/image");
            // Some nodes give the bare digest of the image's configuration.
            let line = if id.contains('@') || image.is_empty() {
                id.to_owned()
            } else {
                format!("{image} ({id})")
            };
            if !found.contains(&line) {
                found.push(line);
            }
        }
    }
    found
}

/// The finding of a workload that is not as it should be.
pub(super) fn unhealthy(one: &Standing) -> Option<Diagnostic> {
    let object = &one.object;
    let Some(live) = &one.workload else {
        // A Job may have been cleaned up after its work.
        return (!object.starts_with("Job/")).then(|| {
            Diagnostic::error(Code::VerifyHealth, format!("{object} is not there"))
                .help("deploy again, or go back with `ml-deploy rollback`")
        });
    };
    if kind_of(live) == "Job" {
        return (job(live) == "failed")
            .then(|| Diagnostic::error(Code::VerifyHealth, format!("{object} failed")));
    }
    let (ready, wanted) = (ready_pods(one), wanted(live));
    let enough = u64::try_from(ready).unwrap_or(u64::MAX) >= wanted;
    (!enough).then(|| {
        let message =
            format!("{object}: {ready} of {wanted} pods of the newest revision are ready");
        Diagnostic::error(Code::VerifyHealth, message).help(format!(
            "see why with `kubectl describe {}`, or go back with `ml-deploy rollback`",
            object.to_lowercase()
        ))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn one(replicas: u64, ready: &[bool]) -> Standing {
        let pod = |ready: &bool| {
            json!({"status": {
                "conditions": [{"type": "Ready", "status": if *ready { "True" } else { "False" }}],
                "startTime": "2026-01-01T00:00:00Z",
                "containerStatuses": [{"image": "wine:1", "imageID": "docker.io/library/wine@sha256:abc"}],
            }})
        };
        Standing {
            object: "Deployment/wine".to_owned(),
            workload: Some(json!({"kind": "Deployment", "metadata": {"managedFields": [
                {"manager": "kubectl-set", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"model\"}": {"f:image": {}}}}}}}},
            ]}, "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "model", "image": "wine:2"}]}}}})),
            pods: ready.iter().map(pod).collect(),
        }
    }

    #[test]
    fn health_counts_ready_pods_of_the_newest_revision() {
        assert!(unhealthy(&one(2, &[true, true])).is_none());
        assert!(unhealthy(&one(0, &[])).is_none());
        let finding = unhealthy(&one(2, &[true, false])).unwrap();
        assert!(finding.message.contains("1 of 2"), "{}", finding.message);
        let gone = Standing {
            workload: None,
            ..one(1, &[])
        };
        assert!(unhealthy(&gone).is_some());
    }
}
