//! Examples for `diff`.

use serde_json::json;

use super::*;

fn told(kind: &str, live: Value, after: Value) -> Vec<String> {
    let pending = Some("ghcr.io/org/wine");
    fields(kind, &live, &after, Places::Named(pending))
        .into_iter()
        .map(|field| {
            let side = |side: Option<String>| side.unwrap_or("-".to_owned());
            format!(
                "{}: {} → {}",
                field.path,
                side(field.before),
                side(field.after)
            )
        })
        .collect()
}

#[test]
fn only_what_somebody_wants_is_a_change() {
    let live = json!({
        "metadata": {"name": "x", "resourceVersion": "1", "generation": 1, "managedFields": [1], "annotations": {
            "ml-deploy/commit": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}},
        "spec": {"replicas": 2, "template": {"metadata": {"annotations": {"ml-deploy/digest": "sha256:1"}}, "spec": {"containers": [
            {"name": "side", "image": "s:1"}, {"name": "model", "image": "ghcr.io/org/wine@sha256:1", "args": ["a"]}]}}},
        "status": {"replicas": 2},
    });
    assert!(told("Deployment", live.clone(), live.clone()).is_empty());
    let after = json!({
        "metadata": {"name": "x", "resourceVersion": "2", "generation": 2, "annotations": {"a.b/c": "new"}},
        "spec": {"replicas": 3, "template": {"metadata": {}, "spec": {"containers": [
            {"name": "model", "image": "ghcr.io/org/wine", "args": ["a", "b"]}]}}},
        "status": {"replicas": 9},
    });
    assert_eq!(
        told("Deployment", live, after),
        [
            "metadata.annotations[a.b/c]: - → \"new\"",
            "metadata.annotations.team: \"a\" → -",
            "spec.replicas: 2 → 3",
            "spec.template.spec.containers[model].image: \"ghcr.io/org/wine@sha256:1\" → \"ghcr.io/org/wine\" as this run builds it",
            "spec.template.spec.containers[model].args: [\"a\"] → [\"a\",\"b\"]",
            "spec.template.spec.containers[side]: {\"name\":\"side\",\"image\":\"s:1\"} → -",
        ]
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let live = json!({"data": {"user": "b2xkc2VjcmV0", "gone": "b2xkc2VjcmV0", "same": "x"}, "metadata": {}});
    let after = json!({"data": {"user": "bmV3c2VjcmV0", "added": "bmV3c2VjcmV0", "same": "x"}, "metadata": {"labels": {"a": "b"}}});
    let lines = told("Secret", live, after);
    assert_eq!(
        lines,
        [
            "data.user: (hidden) → (hidden, changed)",
            "data.added: - → (hidden)",
            "data.gone: (hidden) → -",
            "metadata.labels.a: - → \"b\"",
        ]
    );
    let variable = |value: &str| json!({"spec": {"containers": [{"name": "a", "env": [{"name": "DB_PASSWORD", "value": value}, {"name": "COLOUR", "value": value}]}]}});
    let lines = told("Pod", variable("one"), variable("two"));
    assert_eq!(
        lines,
        [
            "spec.containers[a].env[DB_PASSWORD].value: (hidden) → (hidden, changed)",
            "spec.containers[a].env[COLOUR].value: \"one\" → \"two\"",
        ]
    );
    // Also when the whole container is new.
    let lines = told("Pod", json!({"spec": {"containers": []}}), variable("two"));
    assert_eq!(lines, ["spec.containers[a]: - → (hidden)"]);
    let map = |value: &str| json!({"data": {"api_token": value}});
    assert_eq!(
        told("ConfigMap", map("one"), map("two")),
        ["data.api_token: (hidden) → (hidden, changed)"]
    );
}

#[test]
fn long_values_are_shortened() {
    let map = |value: String| json!({"data": {"model.json": value}});
    let lines = told("ConfigMap", map("a".repeat(5000)), map("b".repeat(7)));
    assert!(
        lines[0].len() < 200 && lines[0].contains("… (5002 characters) → \"bbbbbbb\""),
        "{lines:?}"
    );
}

#[test]
fn values_are_found_by_the_server_s_paths_and_secrets_are_not_shown() {
    let object = |kind: &str| {
        let text = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n");
        crate::deploy::kubernetes::manifest::parse("k.yaml", &text)
            .unwrap()
            .remove(0)
    };
    let value = json!({"data": {"a": "b"}, "spec": {"ports": [{"port": 80}], "containers": [
        {"name": "m", "env": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "A", "value": "y"}]}]}});
    let at = |kind: &str, path: &str| value_at(&object(kind), &value, path);
    assert_eq!(at("Pod", ".spec.ports[0].port").as_deref(), Some("80"));
    assert_eq!(at("Pod", "spec.ports[1]"), None);
    let variable = |name: &str| format!("spec.containers[name=\"m\"].env[name=\"{name}\"].value");
    assert_eq!(at("Pod", &variable("A")).as_deref(), Some("\"y\""));
    assert_eq!(
        at("Pod", &variable("DB_PASSWORD")).as_deref(),
        Some("(hidden)")
    );
    assert_eq!(at("Secret", "data.a").as_deref(), Some("(hidden)"));
    assert_eq!(at("ConfigMap", "data.a").as_deref(), Some("\"b\""));
}
