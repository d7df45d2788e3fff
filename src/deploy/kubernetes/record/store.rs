//! The Secret that holds a record, and the manifests of its verified deployments. They may contain Secrets, so it is one
//! itself, and nothing of its data is ever printed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Record, SCHEMA};
use crate::cluster::{Cluster, transport};
use crate::code::Code;
use crate::deploy::kubernetes::apply::transient;
use crate::deploy::kubernetes::fields::MANAGER;
use crate::failure::{Failure, Outcome};

/// Marks a Secret as ours.
const TYPE: &str = "ml-deploy/record";

/// The API server takes 1 MiB; keys and the record itself need a little.
const MOST: usize = 900 << 10;

/// How often a change is made anew because another run was quicker.
const TRIES: u32 = 5;

/// A record with the manifests of its verified deployments, by number.
#[derive(Clone, Default)]
pub(in super::super) struct Stored {
    pub(in super::super) record: Record,
    manifests: BTreeMap<u64, Vec<u8>>,
    /// `None`: it is not there yet.
    version: Option<String>,
    /// Keys that are there.
    keys: Vec<String>,
}

impl Stored {
    /// The manifests of a deployment, as JSON text.
    pub(in super::super) fn manifests(&self, number: u64) -> Option<&str> {
        let bytes = self.manifests.get(&number)?;
        std::str::from_utf8(bytes).ok()
    }

    /// Keeps the manifests of a deployment.
    pub(in super::super) fn keep(&mut self, number: u64, manifests: &Value) {
        let text = manifests.to_string().into_bytes();
        self.manifests.insert(number, text);
    }

    /// Whether there was one at all.
    pub(in super::super) fn exists(&self) -> bool {
        self.version.is_some()
    }

    /// Drops what no deployment of the record needs, then the oldest until the rest fits.
    fn fit(&mut self) {
        let record = &mut self.record;
        self.manifests
            .retain(|number, _| record.verified.iter().any(|known| known.number == *number));
        let size =
            |manifests: &BTreeMap<u64, Vec<u8>>| manifests.values().map(Vec::len).sum::<usize>();
        while size(&self.manifests) > MOST {
            let Some((number, _)) = self.manifests.pop_first() else {
                break;
            };
            record.verified.retain(|known| known.number != number);
        }
    }

    fn data(&self) -> BTreeMap<String, String> {
        let record = serde_json::to_vec(&self.record).unwrap_or_default();
        let manifests = self
            .manifests
            .iter()
            .map(|(number, text)| (key(*number), STANDARD.encode(text)));
        std::iter::once(("record".to_owned(), STANDARD.encode(record)))
            .chain(manifests)
            .collect()
    }
}

fn key(number: u64) -> String {
    format!("revision-{number}")
}

/// The Secret's name.
pub(in super::super) fn secret_name(name: &str) -> String {
    format!("ml-deploy.{name}")
}

fn api(cluster: &Cluster) -> Api<Secret> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

/// Reads a record; an empty one when there is none.
///
/// # Errors
/// `ClusterDenied` when the account may not, `RevisionMissing` when it cannot be understood.
pub(in super::super) async fn read(cluster: &Cluster, name: &str) -> Outcome<Stored> {
    let secret = secret_name(name);
    let mut tries = TRIES;
    let found = loop {
        match api(cluster).get_opt(&secret).await {
            Ok(found) => break found,
            Err(error) if tries > 0 && transient(&error) => {
                tries -= 1;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            Err(error) => return Err(refused(cluster, name, "read", error)),
        }
    };
    let Some(found) = found else {
        return Ok(Stored::default());
    };
    let unknown = |why: &str| {
        Failure::new(
            Code::RevisionMissing,
            format!("failed to read the record in Secret `{secret}`: {why}"),
        )
        .help(format!(
            "rename the deployment (`deployment-name`), or delete the Secret: `kubectl -n {} delete secret {secret}`",
            cluster.namespace
        ))
    };
    if found.type_.as_deref() != Some(TYPE) {
        return Err(unknown("it was not made by ml-deploy"));
    }
    let data = found.data.unwrap_or_default();
    let record = data
        .get("record")
        .and_then(|bytes| serde_json::from_slice::<Record>(&bytes.0).ok())
        .ok_or_else(|| unknown("it is damaged"))?;
    if record.schema > SCHEMA {
        return Err(unknown("a newer ml-deploy wrote it"));
    }
    let manifests = data.iter().filter_map(|(key, bytes)| {
        let number = key.strip_prefix("revision-")?.parse().ok()?;
        Some((number, bytes.0.clone()))
    });
    Ok(Stored {
        record,
        manifests: manifests.collect(),
        version: found.metadata.resource_version,
        keys: data.keys().cloned().collect(),
    })
}

/// Reads, changes and writes a record; anew when another run wrote in between.
///
/// # Errors
/// As `read`, and what the API server refuses.
pub(in super::super) async fn change(
    cluster: &Cluster,
    name: &str,
    change: impl Fn(&mut Stored),
) -> Outcome<Stored> {
    let mut left = TRIES;
    loop {
        let mut stored = read(cluster, name).await?;
        change(&mut stored);
        stored.fit();
        match write(cluster, name, &stored).await {
            Ok(()) => return Ok(stored),
            Err(error) => {
                let quicker = matches!(&error, kube::Error::Api(status) if status.code == 409);
                if left == 0 || !(quicker || transient(&error)) {
                    return Err(refused(cluster, name, "write", error));
                }
                left -= 1;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
        }
    }
}

async fn write(cluster: &Cluster, name: &str, stored: &Stored) -> Result<(), kube::Error> {
    let (secret, data) = (secret_name(name), stored.data());
    let labels = json!({"app.kubernetes.io/managed-by": "ml-deploy", "ml-deploy/record": "true"});
    let Some(version) = &stored.version else {
        let made = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "labels": labels},
            "type": TYPE,
            "data": data,
        });
        let Ok(made) = serde_json::from_value::<Secret>(made) else {
            return Ok(());
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        return api(cluster).create(&params, &made).await.map(drop);
    };
    let mut values = serde_json::to_value(&data).unwrap_or_default();
    for key in stored.keys.iter().filter(|key| !data.contains_key(*key)) {
        values[key.as_str()] = Value::Null;
    }
    // With the version that was read, so that nobody's change is lost.
    let patch = json!({"metadata": {"resourceVersion": version, "labels": labels}, "data": values});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api(cluster)
        .patch(&secret, &params, &Patch::Merge(&patch))
        .await
        .map(drop)
}

fn refused(cluster: &Cluster, name: &str, verb: &str, error: kube::Error) -> Failure {
    let (code, why) = match error {
        kube::Error::Api(status) if status.code == 403 => {
            (Code::ClusterDenied, status.message.clone())
        }
        kube::Error::Api(status) => (Code::ApplyFailed, status.message.clone()),
        other => (Code::ClusterUnreachable, transport(other)),
    };
    let failure = Failure::new(
        code,
        format!(
            "failed to {verb} the record of deployment `{name}` in namespace `{}`: {why}",
            cluster.namespace
        ),
    );
    if code == Code::ClusterDenied {
        failure.help("add to the account's role: `{apiGroups: [\"\"], resources: [secrets], verbs: [get, create, patch]}`; without it there is no status, no `ml-deploy rollback` and no prune")
    } else {
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::record::Release;

    #[test]
    fn the_oldest_goes_when_it_does_not_fit() {
        let mut stored = Stored::default();
        for size in [400 << 10, 400 << 10, 300 << 10] {
            let number = stored.record.succeed(Release::default());
            stored.keep(number, &"x".repeat(size).into());
        }
        stored.keep(99, &"nobody needs it".into());
        stored.fit();
        let kept: Vec<u64> = stored.manifests.keys().copied().collect();
        assert_eq!(kept, [2, 3]);
        assert_eq!(stored.record.verified.len(), 2);
        assert!(stored.manifests(3).is_some() && stored.manifests(1).is_none());
        // One that is too large alone cannot be gone back to, but what is live is known.
        let number = stored.record.succeed(Release::default());
        stored.keep(number, &"x".repeat(1 << 20).into());
        stored.fit();
        assert!(stored.record.verified.is_empty());
        assert_eq!(stored.record.current.map(|current| current.number), Some(4));
    }
}
