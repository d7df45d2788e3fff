//! Every place where a pod of the manifests names another object. Pure.

use serde_json::Value;

use super::super::manifest::Object;
use super::pods::{Template, list_of};

/// One mention of another object.
#[derive(Clone, Debug)]
pub(super) struct Reference<'a> {
    pub(super) object: &'a Object,
    /// Field path of the name.
    pub(super) path: String,
    pub(super) kind: &'static str,
    /// Empty for kinds without a namespace.
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// The key inside of it, and that key's field path.
    pub(super) key: Option<(&'a str, String)>,
}

/// Every mention in the pods of the manifests.
pub(super) fn collect<'a>(
    objects: &'a [Object],
    templates: &[Template<'a>],
    default: &'a str,
) -> Vec<Reference<'a>> {
    let mut found = Collector::default();
    for template in templates {
        found.pod(template);
    }
    // What an account refers to works without: only its pull secrets are worth a look.
    for object in objects
        .iter()
        .filter(|object| object.kind == "ServiceAccount")
    {
        let namespace = object.namespace.as_deref().unwrap_or(default);
        found.pull_secrets(object, namespace, &object.value, "imagePullSecrets");
    }
    found.references
}

#[derive(Default)]
struct Collector<'a> {
    references: Vec<Reference<'a>>,
}

impl<'a> Collector<'a> {
    fn add(
        &mut self,
        template: &Template<'a>,
        kind: &'static str,
        (name, path): (Option<&'a Value>, String),
        key: Option<(&'a str, String)>,
    ) {
        let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            return;
        };
        let everywhere = matches!(kind, "PriorityClass" | "RuntimeClass");
        self.references.push(Reference {
            object: template.object,
            path,
            kind,
            namespace: if everywhere { "" } else { template.namespace },
            name,
            key,
        });
    }

    fn pull_secrets(
        &mut self,
        object: &'a Object,
        namespace: &'a str,
        spec: &'a Value,
        path: &str,
    ) {
        for (index, secret) in list_of(spec, "imagePullSecrets").iter().enumerate() {
            let Some(name) = secret.get("name").and_then(Value::as_str) else {
                continue;
            };
            self.references.push(Reference {
                object,
                path: format!("{path}[{index}].name"),
                kind: "Secret",
                namespace,
                name,
                key: None,
            });
        }
    }

    fn pod(&mut self, template: &Template<'a>) {
        let (spec, path) = (template.spec, template.path);
        let secrets = format!("{path}.imagePullSecrets");
        self.pull_secrets(template.object, template.namespace, spec, &secrets);
        let account = spec
            .get("serviceAccountName")
            .filter(|name| *name != "default");
        let at = format!("{path}.serviceAccountName");
        self.add(template, "ServiceAccount", (account, at), None);
        for (kind, field) in [
            ("PriorityClass", "priorityClassName"),
            ("RuntimeClass", "runtimeClassName"),
        ] {
            self.add(
                template,
                kind,
                (spec.get(field), format!("{path}.{field}")),
                None,
            );
        }
        for (index, volume) in list_of(spec, "volumes").iter().enumerate() {
            self.volume(template, volume, &format!("{path}.volumes[{index}]"));
        }
        for container in template.containers() {
            for (index, variable) in list_of(container.value, "env").iter().enumerate() {
                let at = format!("{}.env[{index}].valueFrom", container.path);
                let source = variable.get("valueFrom");
                for (kind, field) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")]
                {
                    let Some(chosen) = source.and_then(|source| source.get(field)) else {
                        continue;
                    };
                    let at = format!("{at}.{field}");
                    let key = chosen.get("key").and_then(Value::as_str);
                    let key = key.map(|key| (key, format!("{at}.key")));
                    self.named(template, kind, chosen, ("name", &at), key);
                }
            }
            for (index, source) in list_of(container.value, "envFrom").iter().enumerate() {
                for (kind, field) in [("Secret", "secretRef"), ("ConfigMap", "configMapRef")] {
                    if let Some(chosen) = source.get(field) {
                        let at = format!("{}.envFrom[{index}].{field}", container.path);
                        self.named(template, kind, chosen, ("name", &at), None);
                    }
                }
            }
        }
    }

    /// A mention that may say `optional: true`.
    fn named(
        &mut self,
        template: &Template<'a>,
        kind: &'static str,
        source: &'a Value,
        (field, path): (&str, &str),
        key: Option<(&'a str, String)>,
    ) {
        // Every namespace has this one, made a moment after the namespace.
        let given = source
            .get("name")
            .is_some_and(|name| name == "kube-root-ca.crt");
        if source.get("optional") != Some(&Value::Bool(true)) && !given {
            let name = (source.get(field), format!("{path}.{field}"));
            self.add(template, kind, name, key);
        }
    }

    fn volume(&mut self, template: &Template<'a>, volume: &'a Value, path: &str) {
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            let at = format!("{path}.persistentVolumeClaim.claimName");
            let name = (claim.get("claimName"), at);
            self.add(template, "PersistentVolumeClaim", name, None);
        }
        self.files(
            template,
            "Secret",
            volume.get("secret"),
            ("secretName", &format!("{path}.secret")),
        );
        self.files(
            template,
            "ConfigMap",
            volume.get("configMap"),
            ("name", &format!("{path}.configMap")),
        );
        let sources = volume.get("projected").map(|all| list_of(all, "sources"));
        for (index, source) in sources.unwrap_or_default().iter().enumerate() {
            let at = format!("{path}.projected.sources[{index}]");
            self.files(
                template,
                "Secret",
                source.get("secret"),
                ("name", &format!("{at}.secret")),
            );
            self.files(
                template,
                "ConfigMap",
                source.get("configMap"),
                ("name", &format!("{at}.configMap")),
            );
        }
    }

    /// A Secret or ConfigMap as files: whole, or the keys listed.
    fn files(
        &mut self,
        template: &Template<'a>,
        kind: &'static str,
        source: Option<&'a Value>,
        (field, path): (&str, &str),
    ) {
        let Some(source) = source else { return };
        let items = list_of(source, "items");
        if items.is_empty() {
            self.named(template, kind, source, (field, path), None);
        }
        for (index, item) in items.iter().enumerate() {
            let key = item.get("key").and_then(Value::as_str);
            let key = key.map(|key| (key, format!("{path}.items[{index}].key")));
            self.named(template, kind, source, (field, path), key);
        }
    }
}
