//! Preflight on the real cluster: sets of manifests that bring what they need, or that have mistakes of every kind.

use crate::cluster::{Namespace, kubectl};
use crate::preflight::{ROUTED, applied, checked, error, found, line, warning};

#[test]
fn a_namespace_of_the_manifests_is_checked_as_far_as_it_can_be() {
    let name = crate::support::unique("it-preflight-own");
    let own = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
    let ended = checked(&format!("{own}{ROUTED}"), &name).expect(0);
    assert_eq!(found(&ended), []);
    ended.says("Deployment/wine would be created");
    let broken = ROUTED
        .replace(
            "  selector: {matchLabels",
            "  replicaz: 2\n  selector: {matchLabels",
        )
        .replace(
            "        resources:",
            "        envFrom: [{secretRef: {name: nowhere}}]\n        resources:",
        );
    let text = format!("{own}{broken}");
    let ended = checked(&text, &name).expect(10);
    assert_eq!(
        found(&ended),
        [
            error("manifest-rejected", line(&text, "replicaz")),
            error("reference-missing", line(&text, "nowhere")),
        ]
    );
    assert!(!kubectl(&["get", "namespace", &name]).0);
}

#[test]
fn a_pod_whose_account_comes_with_it_passes() {
    let namespace = Namespace::new("it-preflight");
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: once}\nspec:\n  serviceAccountName: runner\n  containers: [{name: a, image: 'test.local/box:1'}]\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner}\n";
    assert_eq!(found(&checked(text, &namespace.0).expect(0)), []);
    let (alone, _) = text.split_once("---").unwrap();
    let ended = checked(alone, &namespace.0).expect(10);
    let at = line(alone, "serviceAccountName");
    assert!(
        found(&ended).contains(&error("reference-missing", at)),
        "{}",
        ended.stdout
    );
}

#[test]
fn mistakes_of_every_kind_are_told_together() {
    let namespace = Namespace::new("it-preflight");
    let text = ROUTED
        .replace(
            "  selector: {matchLabels",
            "  paused: true\n  progressDeadlineSeconds: 90000\n  selector: {matchLabels",
        )
        .replace("port: {number: 80}", "port: {number: 8080}")
        + "---\napiVersion: example.com/v1\nkind: Unheard\nmetadata:\n  name: x\n";
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [
            error("rollout-paused", line(&text, "paused")),
            warning("deadline-short", line(&text, "progressDeadlineSeconds")),
            error("backend-missing", line(&text, "number: 8080")),
            error("manifest-rejected", line(&text, "kind: Unheard")),
        ]
    );
}

#[test]
fn what_quota_limits_and_nodes_cannot_take_is_found() {
    let namespace = Namespace::new("it-preflight");
    applied(
        &namespace.0,
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: small}\nspec: {hard: {requests.cpu: 100m}}\n---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: narrow}\nspec: {limits: [{type: Container, max: {memory: 1Gi}}]}\n",
    );
    let counted = || {
        kubectl(&[
            "-n",
            &namespace.0,
            "get",
            "quota",
            "small",
            "-o",
            "jsonpath={.status.hard}",
        ])
        .1
    };
    crate::support::eventually("the quota is counted", || counted().contains("100m"));
    let sized = |replicas: u32, cpu: &str, memory: &str| {
        let requests = format!(
            "resources:\n          requests:\n            cpu: {cpu}\n            memory: {memory}"
        );
        let text = ROUTED.replace("resources: {requests: {cpu: 10m}}", &requests);
        text.replacen("spec:\n", &format!("spec:\n  replicas: {replicas}\n"), 1)
    };
    assert_eq!(
        found(&checked(&sized(2, "50m", "1Gi"), &namespace.0).expect(0)),
        []
    );
    let text = sized(3, "50m", "2Gi");
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [
            error("capacity-exceeded", line(&text, "cpu: 50m")),
            error("capacity-exceeded", line(&text, "memory: 2Gi")),
        ]
    );
    ended
        .says("requests.cpu: 150m of 100m")
        .says("allows at most 1Gi");
    let namespace = Namespace::new("it-preflight");
    let text = sized(1, "4000", "1Mi");
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [error("capacity-exceeded", line(&text, "cpu: 4000"))]
    );
    ended.says("a pod requests 4000 cpu, and the largest node has ");
    let text = ROUTED.replace(
        "    spec:\n",
        "    spec:\n      nodeSelector: {disk: tape}\n",
    );
    let ended = checked(&text, &namespace.0).expect(10);
    assert_eq!(
        found(&ended),
        [error("capacity-exceeded", line(&text, "nodeSelector"))]
    );
}
