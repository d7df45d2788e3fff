//! Whether manifests fit a strategy: pure checks that preflight makes before anything is built.

use serde_json::Value;

use super::super::image;
use super::super::manifest::Object;
use super::suffix;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::{KubernetesSpec, Strategy};

/// What keeps the manifests from being deployed with the strategy.
pub(in crate::deploy::kubernetes) fn check(
    spec: &KubernetesSpec,
    objects: &[Object],
) -> Vec<Diagnostic> {
    if spec.strategy == Strategy::Rolling {
        return Vec::new();
    }
    let main = match main(spec, objects) {
        Ok(main) => main,
        Err(finding) => return vec![finding],
    };
    let mut findings = taken(spec.strategy, objects, main);
    if spec.strategy == Strategy::BlueGreen && services(objects, main).next().is_none() {
        let message = format!(
            "failed to use `strategy: blue-green`: no Service of the manifests selects the pods of `{}`, so there is nothing to switch",
            main.label()
        );
        findings.push(
            Diagnostic::error(Code::StrategyUnfit, message)
                .help("add the Service to the manifests, or use `strategy: rolling`")
                .at(main.at("spec.template.metadata.labels")),
        );
    }
    findings
}

/// The one Deployment that holds our image; without an image of ours, the only Deployment.
pub(super) fn main<'a>(
    spec: &KubernetesSpec,
    objects: &'a [Object],
) -> Result<&'a Object, Diagnostic> {
    let serves = |object: &&Object| match &spec.repository {
        // A Job with the same image (a migration, a batch) answers nobody.
        Some(repository) => {
            !matches!(object.kind.as_str(), "Job" | "CronJob") && image::uses(object, repository)
        }
        None => object.kind == "Deployment",
    };
    let found: Vec<&Object> = objects.iter().filter(serves).collect();
    let holds = match &spec.repository {
        Some(repository) => format!("one Deployment that holds `{}`", repository.repository()),
        None => "one Deployment".to_owned(),
    };
    let name = name(spec.strategy);
    let (why, help) = match found[..] {
        [only] if only.kind == "Deployment" => return Ok(only),
        [] => (
            "the manifests have none".to_owned(),
            "use `strategy: rolling`",
        ),
        [only] => (
            format!("`{}` holds it", only.label()),
            "use `strategy: rolling`: a second one would not share this kind's names, nodes or storage",
        ),
        _ => {
            let labels: Vec<String> = found
                .iter()
                .map(|object| format!("`{}`", object.label()))
                .collect();
            (
                format!("the manifests have {}", labels.join(", ")),
                "deploy each with a step of its own, or use `strategy: rolling`",
            )
        }
    };
    let message = format!("failed to use `strategy: {name}`, which needs {holds}: {why}");
    let at = found.last().map(|object| object.at("kind"));
    Err(Diagnostic::error(Code::StrategyUnfit, message)
        .help(help)
        .at(at))
}

/// Names of second workloads that an object of the manifests has.
fn taken(strategy: Strategy, objects: &[Object], main: &Object) -> Vec<Diagnostic> {
    let suffixes = suffix::of(strategy);
    let names: Vec<String> = suffixes
        .iter()
        .map(|suffix| format!("{}-{suffix}", main.name))
        .collect();
    objects
        .iter()
        .filter(|object| object.kind == "Deployment" && names.contains(&object.name))
        .map(|object| {
            let message = format!(
                "failed to use `strategy: {}`: `{}` has the name of its second workload",
                name(strategy),
                object.label()
            );
            Diagnostic::error(Code::StrategyUnfit, message)
                .help("rename it, or take it out of the manifests: it is made by ml-deploy")
                .at(object.at("metadata.name"))
        })
        .collect()
}

/// The Services of the manifests that select the pods of `main`.
pub(super) fn services<'a>(
    objects: &'a [Object],
    main: &'a Object,
) -> impl Iterator<Item = &'a Object> {
    let labels = main.value.pointer("/spec/template/metadata/labels");
    objects.iter().filter(move |object| {
        let selector = object.value.pointer("/spec/selector");
        object.kind == "Service"
            && object.namespace == main.namespace
            && selector.and_then(Value::as_object).is_some_and(|selector| {
                !selector.is_empty()
                    && selector.iter().all(|(key, value)| {
                        labels.and_then(|labels| labels.get(key)) == Some(value)
                    })
            })
    })
}

/// The strategy as it is written in inputs.
pub(super) fn name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::Canary { .. } => "canary",
        Strategy::BlueGreen => "blue-green",
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
