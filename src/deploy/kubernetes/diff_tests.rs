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
fn a_secret_word_anywhere_in_a_variable_counts_and_fields_that_only_speak_of_secrets_are_shown() {
    let pod = |value: &str, number: u32, flag: bool| {
        json!({"spec": {"containers": [{"name": "a", "env": [
            {"name": "DB_PASSWORD_V2", "value": value}, {"name": "CREDENTIALS", "value": value},
            {"name": "DB", "value": format!("postgres://u:{value}@db/wine-{number}")},
            {"name": "DB_SECRET_NAME", "value": format!("wine-{number}")}]}],
            "automountServiceAccountToken": flag,
            "imagePullSecrets": [{"name": format!("pull-{number}")}],
            "volumes": [{"name": "v", "secret": {"secretName": format!("wine-{number}")}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": number, "tokenExpirationSeconds": number}}]}}],
            "login": {"bearerToken": value}}})
    };
    assert_eq!(
        told("Pod", pod("one", 1, false), pod("two", 2, true)),
        [
            "spec.containers[a].env[DB_PASSWORD_V2].value: (hidden) → (hidden, changed)",
            "spec.containers[a].env[CREDENTIALS].value: (hidden) → (hidden, changed)",
            "spec.containers[a].env[DB].value: \"postgres://***@db/wine-1\" → \"postgres://***@db/wine-2\"",
            "spec.containers[a].env[DB_SECRET_NAME].value: \"wine-1\" → \"wine-2\"",
            "spec.automountServiceAccountToken: false → true",
            "spec.imagePullSecrets[pull-2]: - → {\"name\":\"pull-2\"}",
            "spec.imagePullSecrets[pull-1]: {\"name\":\"pull-1\"} → -",
            "spec.volumes[v].secret.secretName: \"wine-1\" → \"wine-2\"",
            "spec.volumes[p].projected.sources[0].serviceAccountToken.expirationSeconds: 1 → 2",
            "spec.volumes[p].projected.sources[0].serviceAccountToken.tokenExpirationSeconds: 1 → 2",
            "spec.login.bearerToken: (hidden) → (hidden, changed)",
        ]
    );
    // A block that is new as a whole.
    let lines = told(
        "Pod",
        json!({}),
        json!({"spec": {"login": {"bearerToken": "two"}}}),
    );
    assert_eq!(lines, ["spec: - → (hidden)"]);
    let mut live = pod("one", 1, false);
    live["spec"].as_object_mut().unwrap().remove("volumes");
    let lines = told("Pod", live, pod("one", 1, false));
    assert!(lines[0].contains("\"secretName\":\"wine-1\""), "{lines:?}");
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
    let value = json!({"data": {"a": "b", "api-token": "x"}, "spec": {"ports": [{"port": 80}], "containers": [
        {"name": "m", "env": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "DB_PASSWORD_V2", "value": "x"}, {"name": "A", "value": "y"}]}]}});
    let at = |kind: &str, path: &str| value_at(&object(kind), &value, path);
    assert_eq!(at("Pod", ".spec.ports[0].port").as_deref(), Some("80"));
    assert_eq!(at("Pod", "spec.ports[1]"), None);
    let variable = |name: &str| format!("spec.containers[name=\"m\"].env[name=\"{name}\"].value");
    assert_eq!(at("Pod", &variable("A")).as_deref(), Some("\"y\""));
    assert_eq!(
        at("Pod", &variable("DB_PASSWORD")).as_deref(),
        Some("(hidden)")
    );
    assert_eq!(
        at("Pod", &variable("DB_PASSWORD_V2")).as_deref(),
        Some("(hidden)")
    );
    assert_eq!(
        at("ConfigMap", "data.api-token").as_deref(),
        Some("(hidden)")
    );
    assert_eq!(at("Secret", "data.a").as_deref(), Some("(hidden)"));
    assert_eq!(at("ConfigMap", "data.a").as_deref(), Some("\"b\""));
}
