//! Examples for `blue_green`.

use super::*;
use crate::deploy::kubernetes::manifest::parse;

const APP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec: {template: {metadata: {labels: {app: wine}}}}
---
apiVersion: v1
kind: Service
metadata: {name: wine}
spec: {selector: {app: wine}}
---
apiVersion: v1
kind: Service
metadata: {name: beer}
spec: {selector: {app: beer}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: wine}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: wine}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: beer}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: beer}}
";

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn route(pairs: &[(&str, &str)]) -> Route {
    Route {
        service: parse("k.yaml", APP).unwrap().remove(1),
        before: texts(pairs),
    }
}

#[test]
fn services_and_autoscalers_of_the_deployment_follow_the_colour() {
    let mut objects = parse("k.yaml", APP).unwrap();
    let main = objects[0].clone();
    let services: Vec<Object> = check::services(&objects, &main).cloned().collect();
    assert!(change(&mut objects, &main, &services, "green"));
    assert_eq!(
        objects[1].value["spec"]["selector"],
        json!({"app": "wine", "ml-deploy/colour": "green"})
    );
    assert_eq!(objects[2].value["spec"]["selector"], json!({"app": "beer"}));
    assert_eq!(
        objects[3].value["spec"]["scaleTargetRef"]["name"],
        "wine-green"
    );
    assert_eq!(objects[4].value["spec"]["scaleTargetRef"]["name"], "beer");
    objects.truncate(3);
    assert!(!change(&mut objects, &main, &services, "blue"));
}

#[test]
fn services_must_agree_on_the_colour_that_is_live() {
    let blue = || route(&[("app", "wine"), (LABEL, "blue")]);
    let plain = || route(&[("app", "wine")]);
    assert_eq!(agreed(&[]).unwrap(), None);
    assert_eq!(agreed(&[plain(), plain()]).unwrap(), None);
    assert_eq!(agreed(&[blue(), blue()]).unwrap(), Some("blue"));
    let failure = agreed(&[blue(), plain()]).unwrap_err();
    assert_eq!(failure.code(), Code::StrategyUnfit);
    let finding = failure.findings().next().unwrap();
    assert!(
        finding
            .message
            .ends_with("`Service/wine` selects blue, `Service/wine` selects none"),
        "{}",
        finding.message
    );
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
