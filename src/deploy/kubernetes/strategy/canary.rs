//! Canary: a few pods of the new version answer behind the same Service until verification has judged them.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use super::super::manifest::Object;
use super::suffix::CANARY;
use super::trial::{self, beside, read};
use super::{Trial, Way, check};
use crate::cluster::Cluster;
use crate::context::Context;
use crate::failure::Outcome;
use crate::plan::KubernetesSpec;

/// The label that tells its pods apart.
pub(super) const LABEL: (&str, &str) = ("ml-deploy/track", "canary");

/// The canary; `None` when nothing is live that it could stand beside. A leftover of an earlier run is removed.
pub(super) async fn stage(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &[Object],
    percent: u8,
) -> Outcome<Option<Trial>> {
    let main = check::main(spec, objects)?;
    let api: Api<Deployment> = trial::api(cluster, main);
    let live = read(&api, &main.label(), &main.name).await?;
    let wanted = live
        .as_ref()
        .and_then(|live| live.spec.as_ref()?.replicas)
        .unwrap_or(1);
    let count = replicas(percent, u64::try_from(wanted).unwrap_or_default());
    let object = beside(main, &format!("{}-{CANARY}", main.name), LABEL, Some(count));
    if trial::clear(cluster, &object, LABEL).await?.is_some() {
        ctx.events
            .note(format!("`{}` of an earlier run is removed", object.label()))
            .await;
    }
    let ready = live.and_then(|live| live.status?.ready_replicas);
    if ready.unwrap_or_default() == 0 {
        let label = main.label();
        ctx.events
            .note(format!("no pod of `{label}` serves yet, so there is nothing to put a canary beside: it is rolled out at once"))
            .await;
        return Ok(None);
    }
    ctx.events
        .note(format!(
            "`{}` puts {count} of {} pods behind the same Service until it is verified",
            object.label(),
            u64::try_from(wanted).unwrap_or_default() + count
        ))
        .await;
    Ok(Some(Trial {
        way: Way::Canary,
        object,
        live: Some(main.label()),
        routes: Vec::new(),
    }))
}

/// Pods of the canary: its share of those that are live, at least one.
fn replicas(percent: u8, live: u64) -> u64 {
    let share = (live * u64::from(percent) + 50) / 100;
    share.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_and_at_least_one_pod() {
        let seen: Vec<u64> = [
            (10, 1),
            (10, 2),
            (10, 14),
            (10, 15),
            (50, 3),
            (99, 10),
            (1, 0),
        ]
        .map(|(percent, live)| replicas(percent, live))
        .to_vec();
        assert_eq!(seen, [1, 1, 1, 2, 2, 10, 1]);
    }
}
