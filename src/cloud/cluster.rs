//! What a cloud says of one of its clusters: a kubeconfig or an address, and who makes the tokens for it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::Clouds;
use crate::cloud::spec::CloudCluster;
use crate::failure::Outcome;

/// Makes a token for a cluster; called for every request, so it keeps what it has made while it is fresh.
#[derive(Clone)]
pub(crate) struct Bearer {
    make: Arc<dyn Fn() -> BoxFuture<'static, Outcome<SecretString>> + Send + Sync>,
    /// What to do when the cluster does not take its tokens.
    refused: Option<String>,
}

impl Bearer {
    /// A bearer from what makes the tokens.
    pub(crate) fn new<F>(make: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome<SecretString>> + Send + 'static,
    {
        Self {
            make: Arc::new(move || Box::pin(make())),
            refused: None,
        }
    }

    /// The same with what to do when the cluster does not take its tokens.
    pub(crate) fn when_refused(self, advice: impl Into<String>) -> Self {
        Self {
            refused: Some(advice.into()),
            ..self
        }
    }

    /// What to do when the cluster does not take its tokens.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// A token that is good now.
    pub(crate) async fn token(&self) -> Outcome<SecretString> {
        (self.make)().await
    }
}

/// Where a cluster answers.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// URL of its API server.
    pub(crate) server: String,
    /// Its authority, PEM; `None`: one that the system trusts.
    pub(crate) authority: Option<String>,
}

/// What a cloud says of a cluster.
pub(crate) enum Described {
    /// A whole kubeconfig; with a bearer its user is replaced by the tokens of that.
    Kubeconfig {
        text: SecretString,
        bearer: Option<Bearer>,
    },
    /// An address, and who makes tokens for it.
    Address { address: Address, bearer: Bearer },
}

/// Why the nodes of a cluster will hardly be let pull, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Unattached {
    pub(crate) why: String,
    pub(crate) help: String,
}

impl Clouds {
    /// Whether the cluster's nodes lack the right to pull from a registry of the same cloud; `None`: they have it, or it cannot be
    /// known.
    pub(crate) async fn unattached(
        &self,
        cluster: &CloudCluster,
        registry: &str,
    ) -> Option<Unattached> {
        match cluster {
            CloudCluster::Aks(aks) => self.azure.unattached(aks, registry).await,
            CloudCluster::Eks(_) | CloudCluster::Gke(_) => None,
        }
    }

    /// Asks the cluster's cloud for it.
    ///
    /// # Errors
    /// `CloudIdentity`, `CloudDenied`, `CloudUnreachable`, `ClusterMissing`.
    pub(crate) async fn cluster(self: &Arc<Self>, cluster: &CloudCluster) -> Outcome<Described> {
        match cluster {
            CloudCluster::Aks(aks) => self.azure.aks(aks).await,
            CloudCluster::Eks(eks) => self.aws.eks(eks).await,
            CloudCluster::Gke(gke) => self.google.gke(gke).await,
        }
    }
}
