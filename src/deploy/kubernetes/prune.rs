//! Removes what an earlier deployment of the same name applied and this one no longer lists. Only objects that are still
//! the same and still carry our fields; never what may hold things of others.

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use kube::ResourceExt as _;
use serde_json::json;

use super::apply::{Kinds, api};
use super::fields::has_ours;
use super::manifest::{self, Object};
use super::record::{self, Item, Record};
use super::rollout::Target;
use super::strategy;
use super::undo::{Before, is_precious, remove};
use crate::artifact::{Action, Change};
use crate::cluster::{Cluster, Right, denied, rules, uid_of};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::KubernetesSpec;

/// Requests that are sent at once.
const AT_ONCE: usize = 16;

/// The objects with their uids; those that were just applied, or there `before`, are not asked for again. One that cannot
/// be read has none, and is never pruned.
pub(super) async fn inventory(
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &[Object],
    before: Option<&Before>,
    applied: &[Target],
) -> Vec<Item> {
    let known = |object: &Object| {
        let now = applied.iter().find(|target| target.is_of(object));
        now.map(|target| target.uid.as_str())
            .or_else(|| before?.uid(object))
            .map(str::to_owned)
    };
    let all: Vec<_> = objects
        .iter()
        .map(|object| item(cluster, kinds, object, known(object)))
        .collect();
    stream::iter(all).buffered(AT_ONCE).collect().await
}

async fn item(cluster: &Cluster, kinds: &Kinds, object: &Object, known: Option<String>) -> Item {
    let mut item = Item {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: None,
        name: object.name.clone(),
        uid: String::new(),
    };
    let Some(resource) = kinds.of(object) else {
        return item;
    };
    let (_, namespaced) = resource;
    let namespace = object.namespace.as_ref().unwrap_or(&cluster.namespace);
    item.namespace = namespaced.then(|| namespace.clone());
    item.uid = match known {
        Some(uid) => uid,
        None => {
            let live = api(cluster, resource, object)
                .get_metadata_opt(&object.name)
                .await;
            live.ok()
                .flatten()
                .and_then(|live| live.uid())
                .unwrap_or_default()
        }
    };
    item
}

/// What becomes of an object.
enum Fate {
    Remove,
    /// It stays, is still ours and will be offered again.
    Keep(&'static str),
    /// It is gone or not ours any more.
    Forget,
}

/// Prunes, if asked to. Returns what is left of the earlier inventory and still ours.
pub(super) async fn settle(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    earlier: &Record,
    now: &[Item],
) -> Vec<Item> {
    let gone: Vec<Item> = earlier.no_longer(now).cloned().collect();
    // An empty set would remove everything; nobody means that.
    if gone.is_empty() || now.is_empty() {
        return gone;
    }
    let judged = judge(spec, cluster, gone).await;
    let listed = list(&judged).join(", ");
    let (mut left, mut removable) = (Vec::new(), Vec::new());
    for (item, object, fate) in judged {
        match fate {
            Fate::Remove if spec.prune => removable.push((item, object)),
            Fate::Remove => left.push(item),
            Fate::Keep(why) => {
                ctx.events
                    .note(format!(
                        "{} is no longer listed and stays: {why}",
                        item.label()
                    ))
                    .await;
                left.push(item);
            }
            Fate::Forget => {}
        }
    }
    if listed.is_empty() {
        return left;
    }
    if !spec.prune {
        let note = format!("no longer listed, and left: {listed}; `prune: true` removes it");
        ctx.events.note(note).await;
        return left;
    }
    ctx.events
        .note(format!("no longer listed, and removed now: {listed}"))
        .await;
    let kinds = kinds(cluster, removable.iter().map(|(_, object)| object)).await;
    for (item, object) in removable.into_iter().rev() {
        match remove(cluster, &kinds, &object, &item.uid).await {
            Ok(()) => ctx.events.note(format!("{} removed", item.label())).await,
            Err(why) => {
                let message = format!(
                    "failed to remove `{}`, which is no longer listed: {why}",
                    item.label()
                );
                let finding = Diagnostic::warning(Code::ApplyFailed, message)
                    .help("remove it by hand, or give the account the verb `delete` for its kind");
                ctx.events.diagnosed(finding).await;
                left.push(item);
            }
        }
    }
    left
}

/// What a deployment of these objects will remove, and whether the account may: told before anything is changed. What cannot
/// be read is met again, and said, when it is time to prune.
pub(super) async fn coming(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &[Object],
) -> (Vec<Change>, Option<Diagnostic>) {
    let Some(name) = record::name(spec.name.as_deref(), objects).filter(|_| spec.prune) else {
        return (Vec::new(), None);
    };
    let Ok(earlier) = record::read(cluster, &name).await else {
        return (Vec::new(), None);
    };
    let kinds = kinds(cluster, objects.iter()).await;
    let now = inventory(cluster, &kinds, objects, None, &[]).await;
    let gone: Vec<Item> = earlier.record.no_longer(&now).cloned().collect();
    let judged = judge(spec, cluster, gone).await;
    let change = |object| Change {
        object,
        action: Action::Removed,
        fields: Vec::new(),
    };
    let changes = list(&judged).into_iter().map(change).collect();
    (changes, forbidden(cluster, &judged).await)
}

/// What the account may not remove of it.
async fn forbidden(cluster: &Cluster, judged: &[(Item, Object, Fate)]) -> Option<Diagnostic> {
    let removed = judged
        .iter()
        .filter(|(_, _, fate)| matches!(fate, Fate::Remove));
    let objects: Vec<&Object> = removed.map(|(_, object, _)| object).collect();
    let kinds = kinds(cluster, objects.iter().copied()).await;
    let rights = objects.iter().filter_map(|object| {
        let (resource, namespaced) = kinds.of(object)?;
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        let place = namespaced.then_some(namespace);
        let right = Right::new("delete", &resource.group, &resource.plural, place);
        Some(right.named([object.name.clone()]))
    });
    let missing = denied(cluster, &rights.collect::<Vec<_>>()).await.ok()?;
    let names = missing.iter().flat_map(|right| &right.names);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "the account may not delete {}, which `prune: true` would remove",
        names.join(", ")
    );
    Some(
        Diagnostic::error(Code::ClusterDenied, message)
            .help(
                "add the rules shown to a Role that is bound to the account, or leave `prune` out",
            )
            .evidence(rules(&missing)),
    )
}

fn list(judged: &[(Item, Object, Fate)]) -> Vec<String> {
    let removed = judged
        .iter()
        .filter(|(_, _, fate)| matches!(fate, Fate::Remove));
    removed.map(|(item, _, _)| item.label()).collect()
}

async fn kinds(cluster: &Cluster, objects: impl Iterator<Item = &Object>) -> Kinds {
    let objects: Vec<Object> = objects.cloned().collect();
    let mut known = Kinds::default();
    // One by one: a kind that is gone must not hide the others.
    for object in &objects {
        if known.of(object).is_none()
            && let Ok(found) = Kinds::discover(&cluster.client, std::slice::from_ref(object)).await
        {
            known.extend(found);
        }
    }
    known
}

async fn judge(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    gone: Vec<Item>,
) -> Vec<(Item, Object, Fate)> {
    let objects: Vec<(Item, Object)> = gone
        .into_iter()
        .filter_map(|item| Some((object(&item)?, item)))
        .map(|(object, item)| (item, object))
        .collect();
    let kinds = kinds(cluster, objects.iter().map(|(_, object)| object)).await;
    join_all(objects.into_iter().map(async |(item, object)| {
        let fate = fate(spec, cluster, &kinds, &item, &object).await;
        (item, object, fate)
    }))
    .await
}

async fn fate(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: &Kinds,
    item: &Item,
    object: &Object,
) -> Fate {
    let Some(resource) = kinds.of(object) else {
        return Fate::Forget;
    };
    let live = match api(cluster, resource, object).get_opt(&object.name).await {
        Ok(Some(live)) => serde_json::to_value(live).unwrap_or_default(),
        Ok(None) => return Fate::Forget,
        Err(_) => return Fate::Keep("it cannot be read"),
    };
    if item.uid.is_empty() || uid_of(&live) != item.uid || !has_ours(&live) {
        return Fate::Forget;
    }
    if strategy::keeps(spec, &live) {
        return Fate::Keep("it is the other colour, kept to go back to at once");
    }
    if is_precious(&item.kind) {
        return Fate::Keep(
            "others may have put something there that would go with it; delete it by hand",
        );
    }
    Fate::Remove
}

/// The object of an inventory, without its contents.
fn object(item: &Item) -> Option<Object> {
    let mut value = json!({
        "apiVersion": item.api_version,
        "kind": item.kind,
        "metadata": {"name": item.name},
    });
    if let Some(namespace) = &item.namespace {
        value["metadata"]["namespace"] = namespace.as_str().into();
    }
    manifest::parse("inventory", &value.to_string()).ok()?.pop()
}
