//! Tests of field sets, with sets as API server 1.34 records them.

use serde_json::json;

use super::*;

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn live() -> Value {
    json!({
        "metadata": {"labels": {"app": "wine", "theirs": "x"}, "managedFields": [
            {"manager": "ml-deploy", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"model\"}": {".": {}, "f:name": {}, "f:image": {}, "f:command": {},
                    "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
                    "f:ports": {"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}
            }}}}}},
            {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "ml-deploy", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}}
        ]},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "proxy", "image": "mesh"},
            {"name": "model", "image": "wine:1", "command": ["sh", "-c"], "imagePullPolicy": "Always",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 8080, "protocol": "TCP", "name": "http"}]}
        ]}}}
    })
}

#[test]
fn only_our_fields_are_taken_and_list_items_keep_their_keys() {
    let live = live();
    assert_eq!(
        extract(&live, &ours(&live)).unwrap(),
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "model", "image": "wine:1", "command": ["sh", "-c"],
                "env": [{"name": "A", "value": "1"}],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}]}
        ]}}}})
    );
}

#[test]
fn what_was_not_there_before_is_left_out() {
    let set = fields(
        json!({"f:spec": {"f:minReadySeconds": {}, "f:template": {"f:spec": {"f:volumes": {"k:{\"name\":\"v\"}": {".": {}}}}}}}),
    );
    assert_eq!(extract(&live(), &set), None);
    // An empty thing that is owned itself stays.
    let set = fields(json!({"f:metadata": {"f:labels": {".": {}, "f:absent": {}}}}));
    assert_eq!(
        extract(&live(), &set),
        Some(json!({"metadata": {"labels": {}}}))
    );
}

#[test]
fn others_are_told_from_us_by_manager_and_operation() {
    let live = live();
    assert!(has_ours(&live));
    assert_eq!(
        Value::Object(of_others(&live)),
        json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})
    );
    assert_eq!(
        other_owner(&live, &["f:spec", "f:replicas"]),
        Some("kubectl")
    );
    assert_eq!(other_owner(&live, &["f:spec", "f:template"]), None);
    assert!(!has_ours(&json!({"metadata": {}})));
}

#[test]
fn sets_are_joined_and_subtracted() {
    let a = json!({"f:spec": {"f:x": {}, "f:m": {"f:one": {}}, "f:whole": {}}});
    let b = json!({"f:spec": {"f:y": {}, "f:m": {"f:two": {}}, "f:whole": {"f:part": {}}}});
    let both = union(fields(a.clone()), fields(b.clone()));
    assert_eq!(
        Value::Object(both),
        json!({"f:spec": {"f:x": {}, "f:m": {"f:one": {}, "f:two": {}}, "f:whole": {".": {}, "f:part": {}}, "f:y": {}}})
    );
    let left = minus(
        fields(
            json!({"f:spec": {"f:x": {}, "f:m": {"f:one": {}, "f:two": {}}}, "f:data": {"f:k": {}}}),
        ),
        &fields(json!({"f:spec": {"f:m": {"f:two": {}}}, "f:data": {"f:k": {}}})),
    );
    assert_eq!(
        Value::Object(left),
        json!({"f:spec": {"f:x": {}, "f:m": {"f:one": {}}}})
    );
    // What another owns only in parts is not his as a whole.
    let whole = fields(json!({"f:labels": {}}));
    let parts = fields(json!({"f:labels": {"f:a": {}}}));
    assert_eq!(minus(whole.clone(), &parts), whole);
    assert!(minus(whole.clone(), &whole).is_empty());
}

#[test]
fn sets_of_values_and_indexes() {
    let value = json!({"finalizers": ["a", "b"], "list": [1, 2, 3]});
    let set = fields(json!({"f:finalizers": {"v:\"b\"": {}}, "f:list": {"i:1": {}}}));
    assert_eq!(
        extract(&value, &set),
        Some(json!({"finalizers": ["b"], "list": [2]}))
    );
}
