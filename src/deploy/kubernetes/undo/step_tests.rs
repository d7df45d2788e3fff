//! Tests of the step that an object needs.

use serde_json::json;

use super::*;
use crate::deploy::kubernetes::manifest::parse;

fn entry(was: Was) -> Entry {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let object = parse("c.yaml", text).unwrap().remove(0);
    Entry { object, was }
}

fn live(data: Value, ours: Value, others: Value) -> Value {
    json!({"metadata": {"name": "c", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:10Z", "managedFields": [
        {"manager": "ml-deploy", "operation": "Apply", "fieldsV1": {"f:data": ours}},
        {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": others}},
    ]}, "data": data})
}

fn at(second: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    begin + jiff::SignedDuration::from_secs(second)
}

#[test]
fn former_values_come_back_and_new_fields_go() {
    let was = live(
        json!({"a": "1", "gone": "x", "theirs": "0"}),
        json!({"f:a": {}, "f:gone": {}}),
        json!({"f:theirs": {}}),
    );
    let now = live(
        json!({"a": "2", "new": "y", "theirs": "9"}),
        json!({"f:a": {}, "f:new": {}}),
        json!({"f:theirs": {}}),
    );
    let Step::Apply(value) = step(&entry(Was::Live(Box::new(was))), Some(&now), at(0)) else {
        panic!("nothing would be applied");
    };
    assert_eq!(value["data"], json!({"a": "1", "gone": "x"}));
    assert_eq!(
        value["metadata"],
        json!({"name": "c", "namespace": "n", "uid": "u"})
    );
}

#[test]
fn what_somebody_took_over_meanwhile_is_his() {
    let was = live(
        json!({"a": "1", "b": "1"}),
        json!({"f:a": {}, "f:b": {}}),
        json!({}),
    );
    let now = live(
        json!({"a": "5", "b": "2"}),
        json!({"f:b": {}}),
        json!({"f:a": {}}),
    );
    let Step::Apply(value) = step(&entry(Was::Live(Box::new(was))), Some(&now), at(0)) else {
        panic!("nothing would be applied");
    };
    assert_eq!(value["data"], json!({"b": "1"}));
}

#[test]
fn what_did_not_change_is_left_alone() {
    let was = live(
        json!({"a": "1", "b": "1"}),
        json!({"f:a": {}}),
        json!({"f:b": {}}),
    );
    let now = live(
        json!({"a": "1", "b": "2"}),
        json!({"f:a": {}}),
        json!({"f:b": {}}),
    );
    assert!(matches!(
        step(&entry(Was::Live(Box::new(was.clone()))), Some(&now), at(0)),
        Step::Nothing
    ));
    // An object of others that the deployment never reached.
    let theirs = json!({"metadata": {"uid": "u"}, "data": {"a": "1"}});
    let moved = json!({"metadata": {"uid": "u"}, "data": {"a": "2"}});
    assert!(matches!(
        step(&entry(Was::Live(Box::new(theirs))), Some(&moved), at(0)),
        Step::Nothing
    ));
}

#[test]
fn only_what_this_deployment_made_is_deleted() {
    let now = live(json!({}), json!({}), json!({}));
    assert!(
        matches!(step(&entry(Was::Absent), Some(&now), at(9)), Step::Delete { uid } if uid == "u")
    );
    // Older than the snapshot that did not see it: the clocks or somebody else; not ours to delete.
    assert!(matches!(
        step(&entry(Was::Absent), Some(&now), at(11)),
        Step::Nothing
    ));
    let theirs = json!({"metadata": {"uid": "u", "creationTimestamp": "2026-01-01T00:00:10Z"}});
    assert!(matches!(
        step(&entry(Was::Absent), Some(&theirs), at(9)),
        Step::Nothing
    ));
    assert!(matches!(
        step(&entry(Was::Absent), None, at(9)),
        Step::Nothing
    ));
    let mut precious = entry(Was::Absent);
    precious.object.kind = "PersistentVolumeClaim".to_owned();
    assert!(matches!(step(&precious, Some(&now), at(9)), Step::Leave(_)));
    assert!(matches!(
        step(&entry(Was::Unknown), Some(&now), at(9)),
        Step::Leave(_)
    ));
}

#[test]
fn what_is_gone_is_made_again_without_the_servers_fields() {
    let was = live(json!({"a": "1"}), json!({"f:a": {}}), json!({}));
    let Step::Apply(value) = step(&entry(Was::Live(Box::new(was))), None, at(0)) else {
        panic!("nothing would be applied");
    };
    assert_eq!(
        *value,
        json!({"metadata": {"name": "c", "namespace": "n"}, "data": {"a": "1"}})
    );
}
