//! Examples for `route`.

use super::*;

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn a_selector_is_put_back_key_by_key() {
    let now = texts(&[("app", "wine"), (TEMPLATE, "abc")]);
    let wanted = texts(&[("app", "wine"), (LABEL, "blue")]);
    assert_eq!(
        difference(&now, &wanted),
        json!({"app": "wine", "pod-template-hash": null, "ml-deploy/colour": "blue"})
    );
}

#[test]
fn only_endpoints_that_get_requests_count() {
    let slices: Vec<EndpointSlice> = serde_json::from_value(json!([{
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"name": "a"}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false}, "targetRef": {"name": "b"}},
            {"addresses": ["10.0.0.3"], "targetRef": {"name": "c"}}
        ]
    }]))
    .unwrap();
    assert_eq!(ready(&slices), ["a", "c"]);
}

#[test]
fn the_template_that_answers_is_the_one_to_stay() {
    let pod = |labels: Value, ready: &str| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}
        }))
        .unwrap()
    };
    let old = || pod(json!({TEMPLATE: "old"}), "True");
    let stuck = || pod(json!({TEMPLATE: "stuck"}), "False");
    let blue = || pod(json!({TEMPLATE: "new", LABEL: "blue"}), "True");
    assert_eq!(
        template(&[stuck(), old(), stuck(), blue(), blue()]).as_deref(),
        Some("old")
    );
    assert_eq!(template(&[stuck(), blue()]).as_deref(), Some("stuck"));
    assert_eq!(template(&[blue()]), None);
}
