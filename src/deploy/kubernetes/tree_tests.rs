//! Examples for `tree`.

use super::*;

const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
---
# a comment
kind: Service
metadata:
  name: wine
  labels:
    app.kubernetes.io/name: wine
spec:
  containers:
    - name: a
      image: x
    - name: b
      image: >-
        y
      ports:
      - containerPort: 80
  args: [\"1\", '2']
";

#[test]
fn every_field_path_finds_its_line() {
    let documents = parse(TEXT).unwrap();
    assert_eq!(documents.len(), 2);
    assert_eq!((documents[0].line, documents[1].line), (1, 5));
    for (path, line) in [
        ("metadata.name", 7),
        (".spec.containers[0].image", 13),
        (".spec.containers[name=\"b\"].image", 15),
        ("spec.containers[1]", 14),
        (
            ".spec.containers[name=\"b\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            18,
        ),
        ("metadata.labels[app.kubernetes.io/name]", 9),
        ("spec.args[1]", 19),
        ("spec.replicas", 10),
        ("", 5),
    ] {
        assert_eq!(documents[1].line_of(path), line, "{path}");
    }
}

#[test]
fn values_keep_their_types() {
    let documents =
        parse("a: 1\nb: '1'\nc: true\nd: null\ne: 1.5\nf: ~\ng: \"true\"\nh: 0644\ni: -3").unwrap();
    assert_eq!(
        documents[0].value(),
        serde_json::json!({"a": 1, "b": "1", "c": true, "d": null, "e": 1.5, "f": null, "g": "true", "h": documents[0].get("h").unwrap().value(), "i": -3})
    );
}

#[test]
fn json_is_read_too() {
    let documents =
        parse("{\n  \"kind\": \"Pod\",\n  \"spec\": {\n    \"a\": [1]\n  }\n}").unwrap();
    assert_eq!(documents[0].line_of("spec.a"), 4);
}

#[test]
fn broken_text_names_its_line() {
    for (text, line) in [
        ("a: 1\n\tb: 2\n", 2),
        ("a:\n  - b: [1\nc: 2\n", 3),
        ("a: 1\na: 2\n", 2),
    ] {
        let broken = parse(text).unwrap_err();
        assert_eq!(broken.line, line, "{text:?}: {}", broken.why);
        assert!(!broken.why.is_empty());
    }
}

#[test]
fn keys_with_dots_brackets_and_quotes_are_found() {
    let text = "\
metadata:
  labels:
    app: x
    app.kubernetes.io/name: wine
  finalizers:
  - a.b/c
  - d.e/f
spec:
  containers:
  - name: a]b
    image: x
  - name: b
    env:
    - name: X
";
    let document = parse(text).unwrap().remove(0);
    for (path, line) in [
        (".metadata.labels.app.kubernetes.io/name", 4),
        ("metadata.labels.app", 3),
        ("metadata.labels[\"app.kubernetes.io/name\"]", 4),
        ("metadata.labels['app.kubernetes.io/name']", 4),
        (".metadata.finalizers[=\"d.e/f\"]", 7),
        (".spec.containers[name=\"a]b\"].image", 11),
        ("spec.containers{b}.env", 13),
        ("spec.containers[name=\"b\"].env[name=\"X\"].value", 14),
        ("spec.containers[7].image", 9),
        ("metadata.labels.application", 2),
    ] {
        assert_eq!(document.line_of(path), line, "{path}");
    }
}

#[test]
fn anchors_and_merged_keys_are_resolved() {
    let text = "a: &x\n  p: 1\n  q: 2\nb: *x\nc:\n  <<: *x\n  q: 3\n";
    let document = parse(text).unwrap().remove(0);
    let value = document.value();
    assert_eq!(value["b"], serde_json::json!({"p": 1, "q": 2}));
    assert_eq!(value["c"], serde_json::json!({"p": 1, "q": 3}));
    assert_eq!(document.line_of("b"), 4);
    assert_eq!(document.line_of("c.q"), 7);
}
