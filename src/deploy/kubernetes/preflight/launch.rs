//! How the manifests start the container of the built image, as far as a machine without the cluster can do the same.
//! Pure. Nothing of a Secret is ever read.

use serde_json::Value;

use super::measured::runs;
use super::pods::{Container, list_of, templates};
use crate::artifact::Launch;
use crate::cluster::text;
use crate::deploy::kubernetes::manifest::Object;
use crate::registry::Reference;

/// Stands for what the downward API would say of a pod.
const STAND_IN: &str = "ml-deploy-trial";

/// That of the first container which runs the image; nothing special when there is none.
pub(super) fn of(objects: &[Object], ours: Option<&Reference>) -> Launch {
    let mut launch = Launch::default();
    let Some(ours) = ours else { return launch };
    for template in templates(objects, "") {
        let containers = template.containers();
        let own = containers
            .iter()
            .find(|one| !one.init && runs(one, Some(ours)));
        let Some(container) = own else { continue };
        launch.ends = matches!(template.object.kind.as_str(), "Job" | "CronJob");
        describe(&mut launch, objects, container);
        let beside = containers.iter().filter(|one| one.path != container.path);
        let what = |one: &Container<'_>| {
            let kind = if one.init {
                "init container"
            } else {
                "container"
            };
            format!("{kind} `{}`", one.name())
        };
        launch.lacks.extend(beside.map(what));
        break;
    }
    launch
}

fn describe(launch: &mut Launch, objects: &[Object], container: &Container<'_>) {
    let words = |key: &str| {
        let list = list_of(container.value, key).iter();
        let words: Vec<String> = list.filter_map(Value::as_str).map(str::to_owned).collect();
        (!words.is_empty()).then_some(words)
    };
    launch.entrypoint = words("command");
    launch.command = words("args");
    let ports = list_of(container.value, "ports").iter();
    let ports = ports.filter(|port| matches!(text(port, "/protocol"), "" | "TCP"));
    let ports = ports.filter_map(|port| u16::try_from(port.get("containerPort")?.as_u64()?).ok());
    launch.ports = ports.collect();
    for source in list_of(container.value, "envFrom") {
        from_source(launch, objects, source);
    }
    for variable in list_of(container.value, "env") {
        one(launch, objects, variable);
    }
    for mount in list_of(container.value, "volumeMounts") {
        launch
            .lacks
            .push(format!("volume `{}`", text(mount, "/name")));
    }
    let limits = container
        .value
        .pointer("/resources/limits")
        .and_then(Value::as_object);
    let devices = limits
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.contains('/'));
    launch
        .lacks
        .extend(devices.map(|(name, _)| format!("`{name}`")));
}

/// The data of a ConfigMap that is among the manifests.
fn config<'a>(objects: &'a [Object], name: &str) -> Option<&'a serde_json::Map<String, Value>> {
    let mut maps = objects.iter().filter(|object| object.kind == "ConfigMap");
    maps.find(|object| object.name == name)?
        .value
        .get("data")?
        .as_object()
}

fn from_source(launch: &mut Launch, objects: &[Object], source: &Value) {
    let prefix = text(source, "/prefix");
    let name = text(source, "/configMapRef/name");
    if let Some(data) = config(objects, name) {
        let pairs = data.iter().filter_map(|(key, value)| {
            Some((format!("{prefix}{key}"), value.as_str()?.to_owned()))
        });
        launch.env.extend(pairs);
        return;
    }
    for (kind, key) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
        lack(launch, kind, source.get(key));
    }
}

fn one(launch: &mut Launch, objects: &[Object], variable: &Value) {
    let name = text(variable, "/name").to_owned();
    let Some(from) = variable.get("valueFrom") else {
        let value = text(variable, "/value").to_owned();
        if value.contains("$(") {
            launch.lacks.push(format!("variable `{name}`"));
        } else {
            launch.env.push((name, value));
        }
        return;
    };
    let reference = from.get("configMapKeyRef");
    let known = reference.and_then(|reference| {
        let data = config(objects, text(reference, "/name"))?;
        data.get(text(reference, "/key"))?.as_str()
    });
    if let Some(value) = known {
        launch.env.push((name, value.to_owned()));
    } else if from.get("fieldRef").is_some() {
        launch.env.push((name, STAND_IN.to_owned()));
    } else {
        lack(launch, "ConfigMap", reference);
        lack(launch, "Secret", from.get("secretKeyRef"));
    }
}

/// A reference that must be there and is not to be had here.
fn lack(launch: &mut Launch, kind: &str, reference: Option<&Value>) {
    let Some(reference) = reference else { return };
    if reference.get("optional") != Some(&Value::Bool(true)) {
        let what = format!("{kind} `{}`", text(reference, "/name"));
        if !launch.lacks.contains(&what) {
            launch.lacks.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    fn launch(text: &str) -> Launch {
        let objects = parse("k.yaml", text).unwrap();
        of(&objects, Some(&"ghcr.io/org/wine".parse().unwrap()))
    }

    #[test]
    fn what_needs_no_cluster_is_done_and_the_rest_is_named() {
        let found = launch("\
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {A: one, B: two}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    spec:
      initContainers: [{name: fetch, image: x}]
      containers:
      - {name: mesh, image: mesh}
      - name: model
        image: ghcr.io/org/wine:1
        command: [serve]
        args: [--fast]
        ports: [{containerPort: 53, protocol: UDP}, {containerPort: 9000}]
        envFrom: [{configMapRef: {name: c}, prefix: P_}, {secretRef: {name: s}}, {secretRef: {name: o, optional: true}}]
        env:
        - {name: X, value: \"1\"}
        - {name: Y, valueFrom: {secretKeyRef: {name: s, key: k}}}
        - {name: Z, valueFrom: {configMapKeyRef: {name: c, key: B}}}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        volumeMounts: [{name: models, mountPath: /m}]
        resources: {limits: {memory: 1Gi, nvidia.com/gpu: 1}}
");
        let env: Vec<String> = found
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            env,
            ["P_A=one", "P_B=two", "X=1", "Z=two", "POD=ml-deploy-trial"]
        );
        assert_eq!(found.entrypoint, Some(vec!["serve".to_owned()]));
        assert_eq!(found.command, Some(vec!["--fast".to_owned()]));
        assert_eq!(found.ports, [9000]);
        assert_eq!(
            found.lacks,
            [
                "Secret `s`",
                "volume `models`",
                "`nvidia.com/gpu`",
                "init container `fetch`",
                "container `mesh`"
            ]
        );
        assert!(!found.ends);
    }

    #[test]
    fn a_plain_container_lacks_nothing_and_a_job_serves_nobody() {
        let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  template:\n    spec:\n      containers: [{name: m, image: \"ghcr.io/org/wine:2\"}]\n";
        let found = launch(text);
        assert!(found.ends && found.lacks.is_empty());
        assert_eq!(
            launch(&text.replace("org/wine", "org/beer")),
            Launch::default()
        );
    }
}
