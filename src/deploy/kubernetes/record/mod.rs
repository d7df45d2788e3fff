//! What is remembered of deployments in their namespace: what is live, what was verified, what failed. Pure data and the
//! rules of how it changes; `store` reads and writes it.

mod store;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use store::{Stored, change, read, secret_name};

use super::colour::plain_name;
use super::image;
use super::manifest::{Object, is_workload};
use crate::artifact::Container;
use crate::cluster::written;

/// Version of this format; a newer one is not touched.
pub(super) const SCHEMA: u32 = 1;

/// Verified deployments that are kept to go back to.
const KEPT: usize = 5;

/// The record of one deployment name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) schema: u32,
    /// What is live, as far as we know.
    pub(super) current: Option<Release>,
    /// The last verified deployments, newest last. Those that were gone back from are forgotten.
    pub(super) verified: Vec<Release>,
    /// The last deployment that failed, until one is verified.
    pub(super) failed: Option<Failed>,
}

/// One deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Release {
    /// Counts verified deployments from 1; 0 while it is none.
    pub(super) number: u64,
    /// Pinned by digest where there is one.
    pub(super) image: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) commit: Option<String>,
    /// MLflow run.
    pub(super) run_id: Option<String>,
    /// Page of the CI run.
    pub(super) run_url: Option<String>,
    /// When it was found good, or given up; RFC 3339.
    pub(super) at: String,
    pub(super) verified: bool,
    /// What it owns, in the order of applying.
    pub(super) objects: Vec<Item>,
    /// Images of its workloads as they were applied.
    pub(super) containers: Vec<Container>,
}

/// An object in an inventory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) uid: String,
}

impl Item {
    /// `Kind/name`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Whether it is the same object, whatever version of its kind was used.
    pub(super) fn same(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.namespace, &self.name)
            == (other.group(), &other.kind, &other.namespace, &other.name)
    }
}

/// A deployment that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Failed {
    /// Code of the failure.
    pub(super) code: String,
    pub(super) image: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) run_url: Option<String>,
    pub(super) at: String,
    /// Whether what was live before serves again.
    pub(super) rolled_back: bool,
}

impl Record {
    /// A deployment was found good. `release.number` is 0 for a new one; a number means that it was gone back to, and what
    /// came after it is forgotten. Returns the number it has now.
    pub(super) fn succeed(&mut self, mut release: Release) -> u64 {
        release.verified = true;
        if release.number == 0 {
            let newest = self.verified.iter().map(|known| known.number).max();
            let live = self.current.as_ref().map(|current| current.number);
            release.number = newest.max(live).unwrap_or_default() + 1;
        }
        let number = release.number;
        self.verified.retain(|known| known.number < number);
        self.verified.push(release.clone());
        let over = self.verified.len().saturating_sub(KEPT);
        self.verified.drain(..over);
        self.current = Some(release);
        self.failed = None;
        self.schema = SCHEMA;
        number
    }

    /// A deployment failed; `live` is it when it was left, and `None` when what was live before is again.
    pub(super) fn fail(&mut self, failed: Failed, live: Option<Release>) {
        if let Some(live) = live {
            self.current = Some(Release {
                verified: false,
                number: 0,
                ..live
            });
        }
        self.failed = Some(failed);
        self.schema = SCHEMA;
    }

    /// The verified deployment to go back to: the one before what is live, or the last one when what is live is none of
    /// them or was changed by somebody (`drifted`).
    pub(super) fn before(&self, drifted: bool) -> Option<&Release> {
        let live = self
            .current
            .as_ref()
            .filter(|current| current.verified && !drifted);
        match live {
            None => self.verified.last(),
            Some(live) => self
                .verified
                .iter()
                .rev()
                .find(|known| known.number < live.number),
        }
    }

    /// What an earlier deployment listed and `now` does not.
    pub(super) fn no_longer<'a>(&'a self, now: &'a [Item]) -> impl Iterator<Item = &'a Item> {
        self.current
            .iter()
            .flat_map(|current| &current.objects)
            .filter(|item| !now.iter().any(|other| other.same(item)))
    }
}

/// The images of workloads, for a comparison with what is live; `own` is the deployment's namespace.
pub(super) fn containers(own: &str, objects: &[Object]) -> Vec<Container> {
    let workloads = objects.iter().filter(|object| is_workload(&object.kind));
    workloads
        .flat_map(|object| {
            let named = image::containers(&object.value);
            named.into_iter().map(|(name, image)| Container {
                object: written(&object.kind, &object.name, object.namespace.as_deref(), own),
                name,
                image,
            })
        })
        .collect()
}

/// The name under which a deployment is recorded: what the input says, else that of the first workload, else of the first
/// object.
pub(super) fn name(given: Option<&str>, objects: &[Object]) -> Option<String> {
    let first = || objects.iter().find(|object| is_workload(&object.kind));
    given.map(str::to_owned).or_else(|| {
        first()
            .or_else(|| objects.first())
            .map(|object| plain_name(object).to_owned())
    })
}

/// The applied objects as one value.
pub(super) fn manifests(objects: &[Object]) -> Value {
    let items = objects.iter().map(|object| object.value.clone());
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests;
