//! Examples for `check`.

use std::path::Path;

use super::*;
use crate::deploy::kubernetes::manifest::{parse, tests::spec};

const APP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    metadata:
      labels: {app: wine, tier: web}
    spec:
      containers:
      - image: ghcr.io/org/wine:1
---
apiVersion: v1
kind: Service
metadata: {name: wine}
spec:
  selector: {app: wine}
";

fn found(strategy: Strategy, repository: Option<&str>, text: &str) -> Vec<(String, String)> {
    let mut spec = spec(Path::new("/"), &[]);
    spec.strategy = strategy;
    spec.repository = repository.map(|repository| repository.parse().unwrap());
    let objects = parse("k.yaml", text).unwrap();
    let line = |finding: Diagnostic| (finding.at.unwrap().to_string(), finding.message);
    check(&spec, &objects).into_iter().map(line).collect()
}

const CANARY: Strategy = Strategy::Canary { percent: 10 };

#[test]
fn one_deployment_with_its_service_fits() {
    for strategy in [Strategy::Rolling, CANARY, Strategy::BlueGreen] {
        assert_eq!(found(strategy, Some("ghcr.io/org/wine"), APP), []);
        assert_eq!(found(strategy, None, APP), []);
    }
}

#[test]
fn the_second_workload_is_known_by_its_names() {
    let names = |strategy: Strategy, text: &str| {
        let mut spec = spec(Path::new("/"), &[]);
        spec.strategy = strategy;
        let objects = super::super::tried(&spec, &parse("k.yaml", text).unwrap());
        let all = objects
            .iter()
            .flat_map(|object| super::super::second(&spec, &objects, object));
        all.collect::<Vec<String>>()
    };
    assert!(names(Strategy::Rolling, APP).is_empty());
    assert_eq!(names(CANARY, APP), ["wine-canary"]);
    // It is tried as blue.
    assert_eq!(names(Strategy::BlueGreen, APP), ["wine-green"]);
    assert!(names(CANARY, &APP.replace("Deployment", "StatefulSet")).is_empty());
}

#[test]
fn a_job_with_the_same_image_does_not_count() {
    let text = format!(
        "{APP}---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: fill}}\nspec: {{template: {{spec: {{containers: [{{image: ghcr.io/org/wine:1}}]}}}}}}\n"
    );
    assert_eq!(found(CANARY, Some("ghcr.io/org/wine"), &text), []);
}

#[test]
fn another_kind_or_a_second_deployment_is_refused_by_name() {
    let text = APP.replace("Deployment", "StatefulSet");
    let (at, message) = found(CANARY, Some("ghcr.io/org/wine"), &text).remove(0);
    assert_eq!(at, "k.yaml:2");
    assert_eq!(
        message,
        "failed to use `strategy: canary`, which needs one Deployment that holds `ghcr.io/org/wine`: `StatefulSet/wine` holds it"
    );
    // Rolling asks for nothing.
    assert_eq!(found(Strategy::Rolling, None, &text), []);

    let two = format!("{APP}---\n{}", APP.replace("name: wine", "name: beer"));
    let (_, message) = found(Strategy::BlueGreen, None, &two).remove(0);
    assert!(
        message.ends_with("the manifests have `Deployment/wine`, `Deployment/beer`"),
        "{message}"
    );
}

#[test]
fn blue_green_needs_a_service_that_selects_the_pods() {
    let text = APP.replace("selector: {app: wine}", "selector: {app: beer}");
    let (at, message) = found(Strategy::BlueGreen, None, &text).remove(0);
    assert_eq!(at, "k.yaml:7");
    assert!(message.contains("no Service"), "{message}");
    assert_eq!(found(CANARY, None, &text), []);
}

#[test]
fn the_second_workloads_name_is_ours() {
    let text = format!(
        "{APP}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: wine-canary}}\nspec: {{}}\n"
    );
    let (at, message) = found(CANARY, Some("ghcr.io/org/wine"), &text).remove(0);
    assert_eq!(at, "k.yaml:20");
    assert!(message.contains("`Deployment/wine-canary`"), "{message}");
    assert_eq!(
        found(Strategy::BlueGreen, Some("ghcr.io/org/wine"), &text),
        []
    );
}
