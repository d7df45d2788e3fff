//! What the account in the kubeconfig may do, asked before anything is tried.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::{Cluster, together, transport};
use crate::code::Code;
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
    /// The objects it is needed for: a role may allow these only. Empty: for any.
    pub(crate) names: Vec<String>,
}

impl Right {
    /// A right on all objects of a resource.
    pub(crate) fn new(
        verb: &'static str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Self {
        Self {
            verb,
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            names: Vec::new(),
        }
    }

    /// The same right on these objects only.
    pub(crate) fn named(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.names = names.into_iter().collect();
        self
    }
}

/// Asks for all rights at once and returns those that are missing.
///
/// # Errors
/// When the API server cannot be asked.
pub(crate) async fn denied(cluster: &Cluster, wanted: &[Right]) -> Outcome<Vec<Right>> {
    let answers = together(wanted.iter().map(|right| allowed(cluster, right))).await;
    let mut missing = Vec::new();
    for (right, answer) in wanted.iter().zip(answers) {
        if !answer? {
            missing.push(right.clone());
        }
    }
    Ok(missing)
}

/// Whether the right is given for all objects, or else for each one that it is needed for.
async fn allowed(cluster: &Cluster, right: &Right) -> Outcome<bool> {
    if asked(cluster, right, None).await? {
        return Ok(true);
    }
    for name in &right.names {
        if !asked(cluster, right, Some(name)).await? {
            return Ok(false);
        }
    }
    Ok(!right.names.is_empty())
}

async fn asked(cluster: &Cluster, right: &Right, name: Option<&String>) -> Outcome<bool> {
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
                name: name.cloned(),
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

/// Who we are to the cluster; `None` when it does not say.
pub(crate) async fn account(cluster: &Cluster) -> Option<String> {
    let api = Api::<SelfSubjectReview>::all(cluster.client.clone());
    let review = SelfSubjectReview::default();
    let answer = api.create(&PostParams::default(), &review).await.ok()?;
    answer.status?.user_info?.username
}

/// The rules of a Role (or, for what belongs to no namespace, of a ClusterRole) that would give these rights, ready to be
/// pasted below `rules:`.
pub(crate) fn rules(rights: &[Right]) -> Vec<String> {
    type Key<'a> = (Option<&'a str>, &'a str, BTreeSet<&'a str>);
    // First the verbs of each resource, then resources of a group that have the same verbs.
    let mut verbs: BTreeMap<(Option<&str>, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let key = (
            right.namespace.as_deref(),
            right.group.as_str(),
            right.resource.as_str(),
        );
        verbs.entry(key).or_default().insert(right.verb);
    }
    let mut rules: BTreeMap<Key<'_>, Vec<&str>> = BTreeMap::new();
    for ((namespace, group, resource), verbs) in verbs {
        let key = (namespace, group, verbs);
        rules.entry(key).or_default().push(resource);
    }
    let quoted = |words: &mut dyn Iterator<Item = &str>| {
        let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
        format!("[{}]", words.join(", "))
    };
    let (mut lines, mut place) = (Vec::new(), None);
    for ((namespace, group, verbs), resources) in rules {
        if place != Some(namespace) {
            lines.push(match namespace {
                Some(name) => format!("# Role in namespace {name}"),
                None => "# ClusterRole".to_owned(),
            });
            place = Some(namespace);
        }
        lines.push(format!("- apiGroups: [\"{group}\"]"));
        lines.push(format!(
            "  resources: {}",
            quoted(&mut resources.into_iter())
        ));
        lines.push(format!("  verbs: {}", quoted(&mut verbs.into_iter())));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_ready_to_be_pasted() {
        let right = |verb, group, resource, namespace| Right::new(verb, group, resource, namespace);
        let rights = [
            right("patch", "apps", "deployments", Some("ml")),
            right("create", "apps", "deployments", Some("ml")),
            right("list", "", "pods", Some("ml")),
            right("list", "", "events", Some("ml")),
            right("patch", "", "namespaces", None),
        ];
        assert_eq!(
            rules(&rights),
            [
                "# ClusterRole",
                "- apiGroups: [\"\"]",
                "  resources: [\"namespaces\"]",
                "  verbs: [\"patch\"]",
                "# Role in namespace ml",
                "- apiGroups: [\"\"]",
                "  resources: [\"events\", \"pods\"]",
                "  verbs: [\"list\"]",
                "- apiGroups: [\"apps\"]",
                "  resources: [\"deployments\"]",
                "  verbs: [\"create\", \"patch\"]",
            ]
        );
    }
}
