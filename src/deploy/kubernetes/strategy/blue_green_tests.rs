//! Examples for `blue_green`.

use serde_json::json;

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

fn route(pairs: &[(&str, &str)]) -> Route {
    let service = parse("k.yaml", APP).unwrap().remove(1);
    let selector: serde_json::Map<_, _> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    let live = serde_json::from_value(json!({"spec": {"selector": selector}})).unwrap();
    Route::new(service, &live)
}

#[test]
fn services_and_autoscalers_of_the_deployment_follow_the_colour() {
    let mut objects = parse("k.yaml", APP).unwrap();
    let main = objects[0].clone();
    let services: Vec<Object> = check::services(&objects, &main).cloned().collect();
    assert!(change(
        &mut objects,
        &main,
        &services,
        "green",
        "wine-green"
    ));
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
    assert!(!change(&mut objects, &main, &services, "blue", "wine-blue"));
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
