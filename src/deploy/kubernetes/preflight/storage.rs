//! Storage that is claimed can be given: the StorageClass is there, or a volume that was made by hand. Pure.

use serde_json::Value;

use super::super::manifest::Object;
use super::pods::{Template, list_of, near, suggestion};
use super::tried::Tried;
use super::view::View;
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// Claims that are not there yet name a StorageClass that is, or one that a volume has.
pub(super) fn check(
    objects: &[Object],
    templates: &[Template<'_>],
    tried: &[Tried<'_>],
    view: &View,
) -> Vec<Diagnostic> {
    let Some(classes) = view.list("StorageClass", "") else {
        return Vec::new();
    };
    let mut claims: Vec<(&Object, &Value, String)> = Vec::new();
    for object in objects {
        let there = tried
            .iter()
            .any(|tried| std::ptr::eq(tried.object, object) && tried.live.is_some());
        if object.kind == "PersistentVolumeClaim" && !there {
            claims.push((object, &object.value["spec"], "spec".to_owned()));
        }
        for (index, claim) in list_of(&object.value["spec"], "volumeClaimTemplates")
            .iter()
            .enumerate()
        {
            if !there {
                claims.push((
                    object,
                    &claim["spec"],
                    format!("spec.volumeClaimTemplates[{index}].spec"),
                ));
            }
        }
    }
    for template in templates {
        for (index, volume) in list_of(template.spec, "volumes").iter().enumerate() {
            if let Some(claim) = volume.pointer("/ephemeral/volumeClaimTemplate/spec") {
                let at = format!(
                    "{}.volumes[{index}].ephemeral.volumeClaimTemplate.spec",
                    template.path
                );
                claims.push((template.object, claim, at));
            }
        }
    }
    let volumes = view.list("PersistentVolume", "");
    let findings = claims.into_iter().filter_map(|(object, claim, at)| {
        // A claim that names its volume needs no class.
        if claim.get("volumeName").is_some() {
            return None;
        }
        let own = objects.iter().filter(|other| other.kind == "StorageClass");
        let Some(name) = claim.get("storageClassName").and_then(Value::as_str) else {
            let is_default = |class: &Value| {
                class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
            };
            let bindable = volumes.is_none_or(|volumes| !volumes.is_empty());
            let some = classes.iter().any(is_default) || own.map(|object| &object.value).any(is_default);
            let message = format!(
                "`{}` claims storage of the default class, and the cluster has no default StorageClass",
                object.label()
            );
            return (!some && !bindable).then(|| {
                Diagnostic::warning(Code::ReferenceMissing, message)
                    .help("name a class in `storageClassName`; `kubectl get storageclass` lists them")
                    .at(object.at(&at))
            });
        };
        let known = classes.iter().map(name_of).chain(own.map(|object| object.name.as_str()));
        let known: Vec<&str> = known.collect();
        // Volumes made by hand may share a name that is no class.
        let by_hand = |volume: &Value| text(volume, "/spec/storageClassName") == name;
        let ours = objects
            .iter()
            .any(|object| object.kind == "PersistentVolume" && by_hand(&object.value));
        if name.is_empty() || known.contains(&name) || ours || volumes.is_some_and(|all| all.iter().any(by_hand)) {
            return None;
        }
        let message = format!(
            "`{}` names StorageClass `{name}`, which the cluster does not have",
            object.label()
        );
        let finding = match volumes {
            Some(_) => Diagnostic::error(Code::ReferenceMissing, message),
            None => Diagnostic::warning(Code::ReferenceMissing, message),
        };
        let near = suggestion(&near(name, known.iter().copied()));
        let help = near.unwrap_or_else(|| "name a class that `kubectl get storageclass` lists".to_owned());
        Some(finding.help(help).at(object.at(&format!("{at}.storageClassName"))))
    });
    findings.collect()
}
