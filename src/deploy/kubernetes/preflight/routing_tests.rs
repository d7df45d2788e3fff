//! Examples for `routing` and `backends`.

use serde_json::json;

use super::super::pods::templates;
use super::super::view::View;
use super::*;
use crate::deploy::kubernetes::manifest::parse;
use crate::diagnostic::Severity;

const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    metadata: {labels: {app: wine, app.kubernetes.io/part-of: shop}}
    spec:
      containers:
      - name: model
        ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: wine}
spec:
  selector:
    app: wine
    app.kubernetes.io/part-of: shop
  ports:
  - port: 80
    targetPort: http
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wine}
spec:
  ingressClassName: nginx
  rules:
  - http:
      paths:
      - path: /
        backend:
          service:
            name: wine
            port:
              number: 80
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: wine}
spec:
  scaleTargetRef:
    kind: Deployment
    name: wine
  metrics:
  - type: Resource
    resource:
      name: cpu
      target: {type: AverageValue, averageValue: 1}
";

/// What is found when the namespace has these objects; `None`: it may not be looked at.
fn found(text: &str, live: Option<(&'static str, serde_json::Value)>) -> Vec<Diagnostic> {
    let objects = parse("k.yaml", text).unwrap();
    let templates = templates(&objects, "ml");
    let view = match live {
        None => View::default(),
        Some((kind, value)) => View::of(
            ["Deployment", "StatefulSet", "DaemonSet", "Pod", "Service"]
                .into_iter()
                .map(|known| {
                    let items = if known == kind {
                        vec![value.clone()]
                    } else {
                        Vec::new()
                    };
                    ((known, "ml".to_owned()), items)
                })
                .chain([(
                    ("IngressClass", String::new()),
                    vec![json!({"metadata": {"name": "nginx"}})],
                )]),
        ),
    };
    let absent = std::collections::BTreeSet::new();
    check(&Routes {
        objects: &objects,
        templates: &templates,
        default: "ml",
        view: &view,
        absent: &absent,
    })
}

fn empty() -> Option<(&'static str, serde_json::Value)> {
    Some(("", json!({})))
}

#[test]
fn each_broken_link_is_found_at_its_line() {
    assert!(found(TEXT, empty()).is_empty());
    for (from, to, code, line, severity) in [
        (
            "    app: wine\n",
            "    app: wines\n",
            Code::SelectorMismatch,
            17,
            Severity::Error,
        ),
        (
            "part-of: shop\n  ports",
            "part-of: shops\n  ports",
            Code::SelectorMismatch,
            18,
            Severity::Error,
        ),
        (
            "targetPort: http",
            "targetPort: web",
            Code::PortMismatch,
            21,
            Severity::Error,
        ),
        (
            "targetPort: http",
            "targetPort: 9090",
            Code::PortMismatch,
            21,
            Severity::Warning,
        ),
        (
            "            name: wine\n",
            "            name: wein\n",
            Code::BackendMissing,
            34,
            Severity::Error,
        ),
        (
            "number: 80",
            "number: 8080",
            Code::BackendMissing,
            36,
            Severity::Error,
        ),
        (
            "number: 80",
            "name: http",
            Code::BackendMissing,
            36,
            Severity::Error,
        ),
        (
            "nginx",
            "nginxx",
            Code::BackendMissing,
            27,
            Severity::Warning,
        ),
        (
            "    name: wine\n  metrics",
            "    name: wien\n  metrics",
            Code::BackendMissing,
            44,
            Severity::Error,
        ),
        (
            "AverageValue, averageValue: 1",
            "Utilization, averageUtilization: 50",
            Code::ScalingFailed,
            48,
            Severity::Warning,
        ),
    ] {
        assert!(TEXT.contains(from), "{from}");
        let findings = found(&TEXT.replace(from, to), empty());
        assert_eq!(findings.len(), 1, "{to}: {findings:?}");
        let at = findings[0].at.as_ref().unwrap().line;
        assert_eq!(
            (findings[0].code, at, findings[0].severity),
            (code, Some(line), severity),
            "{to}"
        );
    }
}

#[test]
fn what_the_cluster_has_is_as_good() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec:\n  selector: {app: other}\n  ports: [{port: 80, targetPort: api}]\n";
    let pods = json!({"metadata": {"name": "other"}, "spec": {"template": {
        "metadata": {"labels": {"app": "other"}},
        "spec": {"containers": [{"ports": [{"name": "api", "containerPort": 1}]}]},
    }}});
    assert!(found(&format!("{TEXT}{service}"), Some(("StatefulSet", pods))).is_empty());
    assert_eq!(
        found(&format!("{TEXT}{service}"), empty())[0].severity,
        Severity::Error
    );
    // Where we may not look it could be there.
    assert_eq!(
        found(&format!("{TEXT}{service}"), None)[0].severity,
        Severity::Warning
    );
    let behind = json!({"metadata": {"name": "legacy"}, "spec": {"ports": [{"port": 80}]}});
    let text = TEXT.replace("            name: wine\n", "            name: legacy\n");
    assert!(found(&text, Some(("Service", behind))).is_empty());
}

#[test]
fn the_labels_that_are_live_do_not_hide_what_changes() {
    // The live Deployment still has the labels that its manifest is about to take away.
    let live = json!({"metadata": {"name": "wine"}, "spec": {"template": {"metadata": {"labels": {"app": "wines", "app.kubernetes.io/part-of": "shop"}}}}});
    let text = TEXT.replace("    app: wine\n", "    app: wines\n");
    assert_eq!(found(&text, Some(("Deployment", live))).len(), 1);
}

#[test]
fn a_service_without_a_selector_is_nobody_else_s_business() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: db.example}\n";
    assert!(found(text, empty()).is_empty());
}
