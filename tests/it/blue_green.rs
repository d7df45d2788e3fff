//! Blue-green on the real cluster: the second colour is verified by itself before the Service leads to it.

use std::time::Duration;

use crate::cluster::{Namespace, kubectl};
use crate::deploy::manifest;
use crate::strategy::{
    behind, crash, deploy, deployments, get, predicts, prepared, project, selector, slow, state,
    watched,
};
use crate::support::bed;

#[test]
fn a_rollback_goes_back_to_the_other_colour() {
    let namespace = Namespace::new("it-strategy");
    for number in ["1", "2"] {
        prepared(
            &project(&manifest(&predicts(number)), number),
            &namespace,
            "blue-green",
        )
        .input("prune", "true")
        .run()
        .expect(0);
    }
    assert_eq!(deployments(&namespace), "wine-blue:0 wine-green:2");
    let project = project(&manifest(&predicts("2")), "2");
    let run = |subcommand: &str| {
        project
            .ml_deploy(subcommand)
            .input("manifests", "k8s")
            .input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .input("health-path", "/health")
            .run()
    };
    run("rollback")
        .expect(0)
        .says("`Deployment/wine-blue` is made beside `Deployment/wine-green`");
    assert_eq!(deployments(&namespace), "wine-blue:2 wine-green:0");
    assert_eq!(
        selector(&namespace),
        r#"{"app":"wine","ml-deploy/colour":"blue"}"#
    );
    let script = get(
        &namespace,
        &["deployment", "wine-blue"],
        "{.spec.template.spec.containers[0].command[2]}",
    );
    assert!(script.contains("[1]"), "{script}");
    run("status").expect(0).says("Deployment/wine-blue");
}

#[test]
fn blue_and_green_take_turns() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, "rolling", &predicts("1"), "1").expect(0);
    deploy(&namespace, "blue-green", &predicts("2"), "2")
        .expect(0)
        .says("`Deployment/wine-blue` is made beside `Deployment/wine`")
        .says("`Deployment/wine` is scaled to 0 and kept");
    assert_eq!(deployments(&namespace), "wine:0 wine-blue:2");
    assert_eq!(
        selector(&namespace),
        r#"{"app":"wine","ml-deploy/colour":"blue"}"#
    );

    let third = deploy(&namespace, "blue-green", &predicts("3"), "3").expect(0);
    assert_eq!(
        third.report["deployment"]["objects"][0],
        "Deployment/wine-green"
    );
    assert_eq!(deployments(&namespace), "wine:0 wine-blue:0 wine-green:2");
    assert_eq!(
        selector(&namespace),
        r#"{"app":"wine","ml-deploy/colour":"green"}"#
    );

    deploy(&namespace, "blue-green", &predicts("4"), "4")
        .expect(0)
        .says("`Deployment/wine-blue`, kept from an earlier version, makes room");
    assert_eq!(deployments(&namespace), "wine:0 wine-blue:2 wine-green:0");
    assert!(
        behind(&namespace)
            .iter()
            .all(|pod| pod.starts_with("wine-blue-"))
    );

    // `verify` alone finds the colour that is live.
    let project = project(&manifest(&predicts("4")), "4");
    let verify = project
        .ml_deploy("verify")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("strategy", "blue-green")
        .input("health-path", "/health");
    verify
        .run()
        .expect(0)
        .says("Service/wine:80/health answers 200");
}

#[test]
fn a_bad_colour_never_gets_a_request() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, "blue-green", &predicts("1"), "1")
        .expect(0)
        .says("`Deployment/wine-blue` is made with nothing live beside it");
    let (before, old) = (selector(&namespace), behind(&namespace));
    let (ended, seen) = watched(&namespace, || {
        deploy(&namespace, "blue-green", &slow("2"), "1")
    });
    ended
        .expect(60)
        .code("verify-prediction")
        .says("`Deployment/wine-green` is removed, `Deployment/wine-blue` serves as before");
    assert_eq!(seen, [old]);
    assert_eq!(selector(&namespace), before);
    assert_eq!(deployments(&namespace), "wine-blue:2");
}

#[test]
fn a_plain_service_leads_to_no_new_pod_before_the_switch() {
    let namespace = Namespace::new("it-strategy");
    deploy(&namespace, "rolling", &predicts("1"), "1").expect(0);
    let (before, old) = (state(&namespace, "wine"), behind(&namespace));
    let (ended, seen) = watched(&namespace, || {
        deploy(&namespace, "blue-green", &slow("2"), "1")
    });
    ended
        .expect(60)
        .says("`Deployment/wine-blue` is removed, `Deployment/wine` serves as before");
    assert_eq!(seen, [old]);
    assert_eq!(state(&namespace, "wine"), before);
    assert_eq!(selector(&namespace), r#"{"app":"wine"}"#);
    let never = manifest(&predicts("2")).replace(
        "        ports:",
        "        readinessProbe: {exec: {command: [\"false\"]}}\n        ports:",
    );
    let project = project(&never, "2");
    let ended = prepared(&project, &namespace, "blue-green")
        .signal_at("Deployment/wine-blue: 0 of 2 pods are available", "INT");
    assert_eq!(ended.status, 130, "{}", ended.stdout);
    assert!(ended.took < Duration::from_secs(6), "{:?}", ended.took);
    ended.says("`Deployment/wine-blue` is removed, `Deployment/wine` serves as before");
    assert_eq!(selector(&namespace), r#"{"app":"wine"}"#);
    assert_eq!(state(&namespace, "wine"), before);
    // Nothing that was put back stands in the way of whoever applies next.
    deploy(&namespace, "rolling", &predicts("3"), "3").expect(0);
}

#[test]
fn a_bad_colour_is_kept_on_request_and_a_switch_that_breaks_the_service_is_taken_back() {
    let namespace = Namespace::new("it-strategy");
    let good = manifest(&predicts("1")).replace(
        "        - containerPort: 8080\n",
        "        - containerPort: 8080\n        - containerPort: 8081\n",
    );
    prepared(&project(&good, "1"), &namespace, "blue-green")
        .run()
        .expect(0);
    let before = selector(&namespace);
    // Kept on request; the next good version takes its place.
    prepared(&project(&crash(), "1"), &namespace, "blue-green")
        .input("on-failure", "keep")
        .run()
        .expect(50)
        .says("`Deployment/wine-green` is kept to be looked at, `Deployment/wine-blue` serves as before");
    assert_eq!(selector(&namespace), before);
    assert_eq!(deployments(&namespace), "wine-blue:2 wine-green:2");
    prepared(&project(&good, "1"), &namespace, "blue-green")
        .run()
        .expect(0);
    assert_eq!(deployments(&namespace), "wine-blue:0 wine-green:2");

    let (before, old) = (selector(&namespace), behind(&namespace));
    // The pods themselves answer; nobody listens where the new Service sends requests.
    let bad = good.replace("targetPort: 8080", "targetPort: 8081");
    prepared(&project(&bad, "1"), &namespace, "blue-green")
        .run()
        .expect(60)
        .code("verify-health")
        .says("`Deployment/wine-blue` is verified and takes over")
        .says("`Deployment/wine-blue` is removed");
    assert_eq!(selector(&namespace), before);
    assert_eq!(behind(&namespace), old);
    assert_eq!(deployments(&namespace), "wine-green:2");
    let port = get(
        &namespace,
        &["service", "wine"],
        "{.spec.ports[0].targetPort}",
    );
    assert_eq!(port, "8080");

    // Whoever goes back to another strategy is told what still answers.
    deploy(&namespace, "rolling", &predicts("3"), "3")
        .says("`Deployment/wine-green` of an earlier run with another `strategy` still runs");
}

#[test]
fn a_selector_of_somebody_else_is_a_conflict_before_anything_is_made() {
    let namespace = Namespace::new("it-strategy");
    let project = project(&manifest(&predicts("1")), "1");
    let file = project.path().join("k8s/app.yaml").display().to_string();
    assert!(kubectl(&["-n", &namespace.0, "apply", "-f", &file]).0);
    let ended = prepared(&project, &namespace, "blue-green")
        .run()
        .expect(10)
        .code("apply-conflict")
        .says("`spec.selector` is owned by field manager");
    assert_eq!(ended.report["failure"]["stage"], "preflight");
    assert_eq!(deployments(&namespace), "wine:2");
    prepared(&project, &namespace, "blue-green")
        .input("force-conflicts", "true")
        .run()
        .expect(0);
    assert_eq!(deployments(&namespace), "wine:0 wine-blue:2");
}
