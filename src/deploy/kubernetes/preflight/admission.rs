//! Pods that the namespace's PodSecurity level refuses: a workload is taken, and then none of its pods. One pod of each
//! template is tried in a dry run; everything else that is said of it is left to the rollout, because policies may treat a
//! pod without an owner otherwise.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::super::image::{pod_of, pointer};
use super::pods::Template;
use crate::cluster::{Cluster, together};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// Tries a pod of every template whose namespace exists.
pub(super) async fn check(
    cluster: &Cluster,
    templates: &[Template<'_>],
    absent: &BTreeSet<String>,
) -> Vec<Diagnostic> {
    let here = templates
        .iter()
        .filter(|template| !absent.contains(template.namespace));
    let answers = together(here.map(|template| refused(cluster, template))).await;
    answers.into_iter().flatten().collect()
}

async fn refused(cluster: &Cluster, template: &Template<'_>) -> Option<Diagnostic> {
    let (_, metadata) = pod_of(&template.object.kind)?;
    let metadata = template.object.value.pointer(&pointer(metadata));
    let of = |key: &str| metadata.and_then(|metadata| metadata.get(key)).cloned();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "ml-deploy-preflight-",
            "labels": of("labels").unwrap_or(Value::Null),
            "annotations": of("annotations").unwrap_or(Value::Null),
        },
        "spec": template.spec,
    });
    // What is no pod at all was found by the object's own dry run.
    let pod: Pod = serde_json::from_value(pod).ok()?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let api = Api::<Pod>::namespaced(cluster.client.clone(), template.namespace);
    match api.create(&params, &pod).await {
        Err(kube::Error::Api(status)) => violation(template, &status.message),
        _ => None,
    }
}

/// `pods "x" is forbidden: violates PodSecurity "restricted:latest": reason (what to set), reason (…)`.
fn violation(template: &Template<'_>, message: &str) -> Option<Diagnostic> {
    let (level, reasons) = message
        .split_once("violates PodSecurity \"")?
        .1
        .split_once("\": ")?;
    let containers = template.containers();
    let named = containers
        .iter()
        .find(|container| reasons.contains(&format!("\"{}\"", container.name())));
    let path = named.map_or(template.path, |container| container.path.as_str());
    let message = format!(
        "`{}`: its pods violate the rules of namespace `{}`: violates PodSecurity `{level}`",
        template.object.label(),
        template.namespace
    );
    let reasons = reasons
        .split("), ")
        .map(|reason| format!("{}{}", reason, if reason.ends_with(')') { "" } else { ")" }));
    Some(
        Diagnostic::error(Code::ManifestRejected, message)
            .help("set in `securityContext` what is listed, or have the namespace's label `pod-security.kubernetes.io/enforce` changed")
            .at(template.object.at(path))
            .evidence(reasons),
    )
}

#[cfg(test)]
mod tests {
    use super::super::pods::templates;
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn only_the_level_of_the_namespace_is_certain() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: wine}\nspec:\n  template:\n    spec:\n      containers:\n      - name: side\n      - name: model\n";
        let objects = parse("k.yaml", text).unwrap();
        let templates = templates(&objects, "ml");
        // Recorded from API server 1.34.
        let finding = violation(&templates[0], "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"model\" must set securityContext.allowPrivilegeEscalation=false), runAsNonRoot != true (pod or container \"model\" must set securityContext.runAsNonRoot=true)").unwrap();
        assert_eq!(finding.at.unwrap().to_string(), "k.yaml:9");
        assert_eq!(finding.evidence.len(), 2);
        assert!(finding.evidence[0].ends_with("allowPrivilegeEscalation=false)"));
        for other in [
            "pods \"x\" is forbidden: exceeded quota: q",
            "admission webhook \"a\" denied the request: pods need an owner",
        ] {
            assert!(violation(&templates[0], other).is_none());
        }
    }
}
