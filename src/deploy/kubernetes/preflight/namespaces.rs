//! The namespaces that objects go to are there and not being deleted.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::super::manifest::Object;
use crate::cluster::{Cluster, transport};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// Namespaces that cannot take objects.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// They do not exist, or not for long.
    pub(super) names: BTreeSet<String>,
    pub(super) findings: Vec<Diagnostic>,
}

/// Asks for every namespace that an object of these goes to.
pub(super) async fn check(cluster: &Cluster, objects: &[Object]) -> Absent {
    let own = |object: &Object| {
        object
            .namespace
            .clone()
            .unwrap_or_else(|| cluster.namespace.clone())
    };
    let used: BTreeSet<String> = objects
        .iter()
        .filter(|object| object.kind != "Namespace")
        .map(own)
        .collect();
    let api = Api::<Namespace>::all(cluster.client.clone());
    let answers = join_all(used.into_iter().map(async |name| {
        let answer = api.get_opt(&name).await;
        (name, answer)
    }));
    let mut absent = Absent::default();
    for (name, answer) in answers.await {
        let first = objects.iter().find(|object| own(object) == name);
        let at = first.map(|object| object.at("metadata.namespace"));
        let finding = match answer {
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => Diagnostic::error(
                Code::NamespaceTerminating,
                format!("failed to use namespace `{name}`: it is being deleted"),
            ),
            // Many accounts may not read namespaces; the dry run tells them enough.
            Ok(Some(_)) | Err(kube::Error::Api(_)) => continue,
            Ok(None) => {
                let made = objects
                    .iter()
                    .any(|object| object.kind == "Namespace" && object.name == name);
                absent.names.insert(name.clone());
                if made {
                    continue;
                }
                Diagnostic::error(
                    Code::NamespaceMissing,
                    format!("failed to find namespace `{name}`: it does not exist"),
                )
                .help(format!(
                    "create it with `kubectl create namespace {name}`, or correct `namespace`"
                ))
            }
            Err(error) => {
                let message = format!("failed to ask for namespace `{name}`: {}", transport(error));
                Diagnostic::error(Code::ClusterUnreachable, message)
            }
        };
        absent.findings.push(finding.at(at));
        absent.names.insert(name);
    }
    absent
}
