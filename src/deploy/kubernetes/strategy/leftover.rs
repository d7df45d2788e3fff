//! Second workloads of another strategy than today's: they may go on answering, so they are named.

use futures_util::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::super::colour::LABEL as COLOUR;
use super::super::manifest::Object;
use super::suffix::{CANARY, COLOURS};
use super::{canary, trial};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::{KubernetesSpec, Strategy};

/// Warns of second workloads that run, and that this strategy neither uses nor removes. What cannot be read is not said.
pub(super) async fn warn(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &[Object],
) {
    let (track, _) = canary::LABEL;
    let labels: &[&str] = match spec.strategy {
        Strategy::Rolling => &[track, COLOUR],
        Strategy::Canary { .. } => &[COLOUR],
        Strategy::BlueGreen => &[track],
    };
    let mains = objects.iter().filter(|object| object.kind == "Deployment");
    let findings = join_all(mains.map(async |main| {
        let api: Api<Deployment> = trial::api(cluster, main);
        let lists = labels.iter().map(async |label| {
            let found = api.list(&ListParams::default().labels(label)).await;
            found.map(|found| found.items).unwrap_or_default()
        });
        let found: Vec<Deployment> = join_all(lists).await.into_iter().flatten().collect();
        of(main, trial::namespace(cluster, main), &found)
    }))
    .await;
    for finding in findings.into_iter().flatten() {
        ctx.events.diagnosed(finding).await;
    }
}

/// A warning for each that is a second workload of `main` and has pods.
fn of(main: &Object, namespace: &str, found: &[Deployment]) -> Vec<Diagnostic> {
    let suffixes = COLOURS.iter().chain([&CANARY]);
    let names: Vec<String> = suffixes
        .map(|suffix| format!("{}-{suffix}", main.name))
        .collect();
    let runs = |deployment: &&Deployment| {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        names.contains(&deployment.name_any()) && replicas != Some(0)
    };
    found
        .iter()
        .filter(runs)
        .map(|deployment| {
            let name = deployment.name_any();
            let message = format!(
                "`Deployment/{name}` of an earlier run with another `strategy` still runs, and a Service that selects the pods of `{}` leads to it too",
                main.label()
            );
            Diagnostic::warning(Code::StrategyUnfit, message).help(format!(
                "when the new version serves, delete it: `kubectl -n {namespace} delete deployment {name}`"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn only_second_workloads_with_pods_are_named() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: wine}\n";
        let main = parse("k.yaml", text).unwrap().remove(0);
        let deployment = |name: &str, replicas: i32| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {"name": name},
                "spec": {"replicas": replicas, "selector": {}, "template": {}}
            }))
            .unwrap()
        };
        let found = [
            deployment("wine-green", 2),
            deployment("wine-blue", 0),
            deployment("beer-canary", 1),
        ];
        let said = of(&main, "ml", &found);
        assert_eq!(said.len(), 1);
        assert!(said[0].message.starts_with("`Deployment/wine-green`"));
        assert!(
            said[0]
                .advice()
                .contains("kubectl -n ml delete deployment wine-green")
        );
    }
}
