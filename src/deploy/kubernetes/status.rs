//! What is live: which image really runs, from which commit and run, since when, and whether it is healthy and as recorded.
//! It reads and changes nothing.

use serde_json::Value;

use super::history::warn;
use super::record::{self, Record, Release};
use super::undo::fields::other_owner;
use super::{image, is_workload, rollback};
use crate::artifact::{Check, Deployment, Verification};
use crate::cluster::{Cluster, Standing, is_ready, kind_of, standing, text};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;
use crate::registry::Reference;

/// Says what is live.
///
/// # Errors
/// `RevisionMissing` when nothing is known of the name, `VerifyHealth` when a workload is not healthy, and what the
/// access fails with.
pub(crate) async fn status(ctx: &Context, spec: &KubernetesSpec) -> Outcome<()> {
    let (cluster, name, objects) = rollback::open(ctx, spec).await?;
    let record = match record::read(&cluster, &name).await {
        Ok(stored) => stored.record,
        // With manifests it is known what to look at; the record would only say more.
        Err(failure) if !objects.is_empty() => {
            warn(ctx, failure).await;
            Record::default()
        }
        Err(failure) => return Err(failure),
    };
    let current = record.current.as_ref();
    let mut workloads: Vec<String> = match current {
        Some(current) => current.objects.iter().map(record::Item::label).collect(),
        None => objects.iter().map(|object| object.label()).collect(),
    };
    workloads.retain(|label| is_workload(label.split('/').next().unwrap_or_default()));
    if current.is_none() && objects.is_empty() {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "failed to say what is live: namespace `{}` has no record of a deployment `{name}`",
                cluster.namespace
            ),
        )
        .help("correct `deployment-name` or `namespace`, or give `manifests`"));
    }
    let standing = standing(&cluster, &cluster.namespace, &workloads).await?;
    for line in table(&standing, current) {
        ctx.events.note(line).await;
    }
    for line in history(&name, &record) {
        ctx.events.note(line).await;
    }
    let drift = current.map_or_else(Vec::new, |current| differences(&standing, current));
    for line in &drift {
        ctx.events.note(format!("drift     {line}")).await;
    }
    produce(ctx, &cluster, &standing, current).await;
    let sick = standing.iter().filter_map(unhealthy).collect();
    Failure::all(sick).map_or(Ok(()), Err)
}

/// What the reports show.
async fn produce(
    ctx: &Context,
    cluster: &Cluster,
    standing: &[Standing],
    current: Option<&Release>,
) {
    let deployment = Deployment {
        target: "kubernetes".to_owned(),
        objects: standing.iter().map(|one| one.object.clone()).collect(),
        endpoint: None,
        image: current.and_then(|current| current.image.clone()),
        namespace: Some(cluster.namespace.clone()),
        direct: false,
        containers: Vec::new(),
    };
    ctx.events.produced(deployment).await;
    let checks = standing.iter().map(|one| Check {
        name: one.object.clone(),
        passed: unhealthy(one).is_none(),
        detail: format!("{}, {}", ready(one), images(one).join(", ")),
    });
    let checks = checks.collect();
    ctx.events.produced(Verification { checks }).await;
}

/// How the live images differ from those of a deployment, one line each.
pub(super) async fn drift(cluster: &Cluster, release: &Release) -> Outcome<Vec<String>> {
    let mut objects: Vec<String> = Vec::new();
    for container in &release.containers {
        if !objects.contains(&container.object) {
            objects.push(container.object.clone());
        }
    }
    let standing = standing(cluster, &cluster.namespace, &objects).await?;
    Ok(differences(&standing, release))
}

fn differences(standing: &[Standing], release: &Release) -> Vec<String> {
    let mut lines = Vec::new();
    for wanted in &release.containers {
        let object = &wanted.object;
        let found = standing.iter().find(|one| one.object == *object);
        let Some(live) = found.and_then(|one| one.workload.as_ref()) else {
            // A Job that was cleaned up after its work is no change.
            if !object.starts_with("Job/") {
                lines.push(format!("{object} is not there any more"));
            }
            continue;
        };
        let images = image::containers(live);
        match images.iter().find(|(name, _)| *name == wanted.name) {
            None => lines.push(format!(
                "{object} has no container `{}` any more",
                wanted.name
            )),
            Some((_, image)) if !same(image, &wanted.image) => {
                let by = changed_by(live, &wanted.name)
                    .map_or_else(String::new, |by| format!(", set by `{by}`"));
                lines.push(format!(
                    "{object} container `{}` is set to {image} instead of {}{by}",
                    wanted.name, wanted.image
                ));
            }
            Some(_) => {}
        }
    }
    lines
}

/// Whether two references name the same image.
fn same(a: &str, b: &str) -> bool {
    let parsed = |text: &str| {
        text.parse::<Reference>()
            .ok()
            .map(|parsed| parsed.to_string())
    };
    a == b || (parsed(a).is_some() && parsed(a) == parsed(b))
}

fn changed_by<'a>(live: &'a Value, container: &str) -> Option<&'a str> {
    let key = format!("k:{}", serde_json::json!({ "name": container }));
    let inside = ["f:containers", &key, "f:image"];
    let path: &[&str] = match kind_of(live) {
        "Pod" => &["f:spec"],
        _ => &["f:spec", "f:template", "f:spec"],
    };
    let path: Vec<&str> = path.iter().copied().chain(inside).collect();
    other_owner(live, &path)
}

/// One aligned line a workload, under a head.
fn table(standing: &[Standing], current: Option<&Release>) -> Vec<String> {
    let head = ["WORKLOAD", "READY", "SINCE", "COMMIT", "RUN", "RUNS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in standing {
        rows.push(row(one, current));
    }
    align(&rows)
}

fn row(one: &Standing, current: Option<&Release>) -> Vec<String> {
    let note = |key: &str| {
        let notes = one.workload.as_ref()?.pointer("/metadata/annotations")?;
        notes.get(key)?.as_str().map(str::to_owned)
    };
    let or_dash = |found: Option<String>| found.unwrap_or_else(|| "-".to_owned());
    let commit = note("ml-deploy/commit").or_else(|| current?.commit.clone());
    let run = note("ml-deploy/run-id").or_else(|| current?.run_id.clone());
    let images = images(one);
    vec![
        one.object.clone(),
        ready(one),
        or_dash(since(one)),
        or_dash(commit.map(|commit| commit.chars().take(12).collect())),
        or_dash(run),
        if images.is_empty() {
            "-".to_owned()
        } else {
            images.join(", ")
        },
    ]
}

/// Columns as wide as their longest cell.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let padded: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `n of m`, or what became of a Job.
fn ready(one: &Standing) -> String {
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

fn ready_pods(one: &Standing) -> usize {
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
fn since(one: &Standing) -> Option<String> {
    let pods = one.pods.iter().filter(|pod| is_ready(pod));
    pods.map(|pod| text(pod, "/status/startTime").to_owned())
        .filter(|time| !time.is_empty())
        .min()
}

/// What the containers of ready pods really run, as the node says; each once.
fn images(one: &Standing) -> Vec<String> {
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
fn unhealthy(one: &Standing) -> Option<Diagnostic> {
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

/// What the record says of now and before.
fn history(name: &str, record: &Record) -> Vec<String> {
    let Some(current) = &record.current else {
        return vec![format!("record    none of `{name}` in this namespace")];
    };
    let mut lines = vec![format!("live      {}", release(current))];
    if let Some(url) = &current.run_url {
        lines.push(format!("made by   {url}"));
    }
    match record.verified.last() {
        Some(last) if last.number != current.number => {
            lines.push(format!("verified  {}", release(last)));
        }
        Some(_) => {}
        None => lines.push("verified  none yet".to_owned()),
    }
    if let Some(earlier) = record.before(false).filter(|_| current.verified) {
        lines.push(format!("before    {}", release(earlier)));
    }
    if let Some(failed) = &record.failed {
        let image = failed.image.as_deref().unwrap_or("?");
        let end = if failed.rolled_back {
            "rolled back"
        } else {
            "not rolled back"
        };
        lines.push(format!(
            "failed    {image} at {}: {}, {end}",
            failed.at, failed.code
        ));
    }
    lines
}

/// One deployment in one line.
pub(super) fn release(release: &Release) -> String {
    let number = if release.verified {
        format!("revision {}, verified {}", release.number, release.at)
    } else {
        format!("not verified, deployed {}", release.at)
    };
    let image = release.image.as_deref().unwrap_or("no image");
    let commit = release
        .commit
        .as_deref()
        .map_or_else(String::new, |commit| {
            let short: String = commit.chars().take(12).collect();
            format!(", commit {short}")
        });
    let run = release.run_id.as_deref();
    let run = run.map_or_else(String::new, |run| format!(", run {run}"));
    format!("{number}, {image}{commit}{run}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::artifact::Container;

    fn one(replicas: u64, ready: &[bool]) -> Standing {
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

    #[test]
    fn an_image_that_somebody_changed_is_named_with_who_did() {
        let release = |image: &str| Release {
            containers: vec![Container {
                object: "Deployment/wine".to_owned(),
                name: "model".to_owned(),
                image: image.to_owned(),
            }],
            ..Release::default()
        };
        let standing = [one(1, &[true])];
        assert_eq!(
            differences(&standing, &release("wine:1")),
            [
                "Deployment/wine container `model` is set to wine:2 instead of wine:1, set by `kubectl-set`"
            ]
        );
        // The same image, written in full.
        assert!(differences(&standing, &release("docker.io/library/wine:2")).is_empty());
    }

    #[test]
    fn columns_are_aligned() {
        let lines = table(&[one(1, &[true])], None);
        assert_eq!(lines[0].find("READY"), lines[1].find("1 of 1"));
        assert!(
            lines[1].ends_with("docker.io/library/wine@sha256:abc"),
            "{}",
            lines[1]
        );
    }
}
