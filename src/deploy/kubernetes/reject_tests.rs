//! Examples for `reject`. All answers were recorded from API server 1.34.

use super::*;
use crate::deploy::kubernetes::manifest::parse;

const TEXT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: wine\nspec:\n  replicaz: 2\n  replicas: 2\n  selector:\n    matchLabels: {app: x}\n";

fn findings(answer: &str) -> Vec<Diagnostic> {
    let status: Status = serde_json::from_str(answer).unwrap();
    let objects = parse("k.yaml", TEXT).unwrap();
    explain(&objects[0], kube::Error::Api(status.boxed()))
}

fn seen(answer: &str) -> (Code, String, String) {
    let finding = findings(answer).remove(0);
    (
        finding.code,
        finding.at.unwrap().to_string(),
        finding.message,
    )
}

#[test]
fn an_unknown_field_is_found() {
    let (code, at, message) = seen(
        r#"{"status":"Failure","message":"failed to create typed patch object (x/wine; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema","code":500}"#,
    );
    assert_eq!((code, at.as_str()), (Code::ManifestRejected, "k.yaml:6"));
    assert_eq!(
        message,
        "failed to apply `Deployment/wine`: `spec.replicaz`: no such field"
    );
}

#[test]
fn an_immutable_field_is_told_from_a_wrong_one() {
    let (code, at, _) = seen(
        r#"{"status":"Failure","message":"m","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: {}: field is immutable","field":"spec.selector"}]},"code":422}"#,
    );
    assert_eq!((code, at.as_str()), (Code::FieldImmutable, "k.yaml:8"));
}

#[test]
fn a_conflict_names_the_other_manager() {
    let (code, at, message) = seen(
        r#"{"status":"Failure","message":"m","reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\" with subresource \"scale\" using apps/v1","field":".spec.replicas"}]},"code":409}"#,
    );
    assert_eq!((code, at.as_str()), (Code::ApplyConflict, "k.yaml:7"));
    assert!(
        message.ends_with("`spec.replicas` is owned by field manager `kubectl`"),
        "{message}"
    );
}

#[test]
fn quota_is_no_missing_right() {
    let (code, ..) = seen(
        r#"{"status":"Failure","message":"pods \"a\" is forbidden: exceeded quota: q","reason":"Forbidden","code":403}"#,
    );
    assert_eq!(code, Code::ManifestRejected);
    let (code, ..) = seen(
        r#"{"status":"Failure","message":"deployments.apps \"a\" is forbidden: User \"x\" cannot patch resource","reason":"Forbidden","code":403}"#,
    );
    assert_eq!(code, Code::ClusterDenied);
}

/// What is said when the live object is known too.
fn against(text: &str, live: Value, answer: &str) -> Diagnostic {
    let status: Status = serde_json::from_str(answer).unwrap();
    let objects = parse("k.yaml", text).unwrap();
    let error = kube::Error::Api(status.boxed());
    explain_against(&objects[0], Some(&live), error).remove(0)
}

#[test]
fn a_set_names_the_field_that_changes_and_not_those_that_may() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 3\n  serviceName: new\n";
    let live = serde_json::json!({"metadata": {"namespace": "ml"}, "spec": {"replicas": 1, "serviceName": "old", "podManagementPolicy": "OrderedReady"}});
    let finding = against(
        text,
        live,
        r#"{"status":"Failure","message":"m","reason":"Invalid","details":{"causes":[{"reason":"FieldValueForbidden","message":"Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden","field":"spec"}]},"code":422}"#,
    );
    assert_eq!(finding.at.unwrap().to_string(), "k.yaml:6");
    assert!(
        finding
            .message
            .ends_with("`spec.serviceName`: live \"old\", wanted \"new\""),
        "{}",
        finding.message
    );
    let help = finding.help.unwrap();
    assert!(help.contains("`kubectl -n ml delete statefulset db`") && help.contains("new name"));
}

#[test]
fn a_conflict_tells_both_values_and_who_scales() {
    let live = serde_json::json!({"spec": {"replicas": 5}});
    let finding = against(
        TEXT,
        live,
        r#"{"status":"Failure","message":"m","reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kube-controller-manager\" with subresource \"scale\" using apps/v1","field":".spec.replicas"}]},"code":409}"#,
    );
    assert_eq!(
        finding.evidence,
        ["k.yaml:7: `spec.replicas` is owned by `kube-controller-manager`, live 5, wanted 2"]
    );
    assert!(finding.advice().contains("remove `replicas`"));
}

#[test]
fn only_what_is_said_of_fields_holds_elsewhere() {
    let error = |code: u16| {
        let answer = format!(r#"{{"status":"Failure","message":"m","code":{code}}}"#);
        let status: Status = serde_json::from_str(&answer).unwrap();
        is_about_fields(&kube::Error::Api(status.boxed()))
    };
    assert!(error(422) && error(400));
    assert!(!error(403) && !error(409) && !error(404));
}
