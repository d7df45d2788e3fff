//! What the account in the kubeconfig may do, asked before anything is tried.

use futures_util::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::{Cluster, transport};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};

/// One thing that a deployment will do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) verb: &'static str,
    /// Empty for the core group.
    pub(crate) group: String,
    /// Plural name; a subresource after a slash.
    pub(crate) resource: String,
    /// `None` for what belongs to no namespace.
    pub(crate) namespace: Option<String>,
}

impl Right {
    fn describe(&self) -> String {
        let group = if self.group.is_empty() {
            String::new()
        } else {
            format!(".{}", self.group)
        };
        let place = match &self.namespace {
            Some(namespace) => format!(" in namespace `{namespace}`"),
            None => String::new(),
        };
        format!("{} {}{group}{place}", self.verb, self.resource)
    }
}

/// Asks for all rights at once. Missing ones become one finding, so that one change of a role mends them all.
pub(crate) async fn rights(cluster: &Cluster, wanted: &[Right]) -> Outcome<Vec<Diagnostic>> {
    let answers = join_all(wanted.iter().map(|right| allowed(cluster, right))).await;
    let mut missing = Vec::new();
    for (right, answer) in wanted.iter().zip(answers) {
        if !answer? {
            missing.push(right.describe());
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "the account in the kubeconfig may not {}",
        missing.join(", ")
    );
    Ok(vec![Diagnostic::error(Code::ClusterDenied, message)])
}

async fn allowed(cluster: &Cluster, right: &Right) -> Outcome<bool> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb.to_owned()),
                group: Some(right.group.clone()),
                resource: Some(resource.to_owned()),
                subresource,
                namespace: right.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(cluster.client.clone());
    match api.create(&PostParams::default(), &review).await {
        Ok(answer) => Ok(answer.status.is_some_and(|status| status.allowed)),
        // A cluster that does not let an account ask says nothing about what it may do.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(true),
        Err(error) => Err(Failure::new(
            Code::ClusterUnreachable,
            format!(
                "failed to ask `{}` for rights: {}",
                cluster.server,
                transport(error)
            ),
        )),
    }
}
