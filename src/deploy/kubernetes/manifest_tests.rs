//! Examples for `manifest`.

use std::time::Duration;

use super::*;
use crate::cloud::{Clouds, Environment};
use crate::plan::{CloudSpec, ClusterSpec};
use crate::plan::{OnFailure, OnFirstFailure, Strategy};

pub(in crate::deploy::kubernetes) fn spec(folder: &Path, manifests: &[&str]) -> KubernetesSpec {
    KubernetesSpec {
        cluster: ClusterSpec {
            cloud: None,
            clouds: Clouds::new(CloudSpec::default(), &Environment::default()),
            without_secrets: false,
            kubeconfig: None,
            context: None,
        },
        manifests: manifests.iter().map(|&m| m.to_owned()).collect(),
        folder: folder.to_owned(),
        namespace: None,
        allow_namespaces: false,
        name: None,
        strategy: Strategy::Rolling,
        on_failure: OnFailure::Rollback,
        on_first_failure: OnFirstFailure::Keep,
        prune: false,
        tolerate: Vec::new(),
        force_conflicts: false,
        deadline: Duration::from_secs(1),
        health_path: None,
        port: None,
        repository: None,
        commit: None,
    }
}

fn object(name: &str, namespace: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
    )
}

#[test]
fn files_folders_and_globs() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("k8s/deep")).unwrap();
    for (file, name) in [
        ("k8s/a.yaml", "a"),
        ("k8s/deep/b.yml", "b"),
        ("k8s/c.json", "c"),
        ("k8s/README.md", "d"),
    ] {
        std::fs::write(root.path().join(file), object(name, "x")).unwrap();
    }
    std::fs::write(
        root.path().join("k8s/c.json"),
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"c"}}"#,
    )
    .unwrap();
    for (patterns, names) in [
        (vec!["k8s"], vec!["a", "c", "b"]),
        (vec!["k8s/a.yaml", "k8s"], vec!["a", "c", "b"]),
        (vec!["k8s/*.yaml"], vec!["a"]),
        (vec!["./k8s/**/*.y*ml"], vec!["a", "b"]),
    ] {
        let found = load(&spec(root.path(), &patterns), &Workspace::at(root.path())).unwrap();
        let found: Vec<&str> = found.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(found, names, "{patterns:?}");
    }
    let findings = load(
        &spec(root.path(), &["none.yaml", "k8s/*.toml"]),
        &Workspace::at(root.path()),
    )
    .unwrap_err();
    assert_eq!(findings.len(), 2);
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == Code::ManifestMissing)
    );
}

#[test]
fn what_is_missing_is_named_at_its_line() {
    let text = "kind: Pod\napiVersion: v1\nmetadata:\n  labels: {}\n---\nmetadata:\n  name: x\n---\nkind: Pod\n";
    let findings = parse("k.yaml", text).unwrap_err();
    let places: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} {}", finding.at.as_ref().unwrap(), finding.advice()))
        .collect();
    assert_eq!(
        places,
        [
            "k.yaml:3 add `metadata.name`",
            "k.yaml:6 add `kind`",
            "k.yaml:9 add `apiVersion`"
        ]
    );
}

#[test]
fn a_tab_is_called_a_tab() {
    let findings = parse("k.yaml", "kind: Pod\nmetadata:\n\tname: x\n").unwrap_err();
    assert!(findings[0].advice().contains("tab"), "{findings:?}");
    assert_eq!(findings[0].at.as_ref().unwrap().line, Some(3));
}

#[test]
fn lists_are_opened() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: x\n";
    let objects = parse("k.yaml", text).unwrap();
    assert_eq!(objects[0].at("metadata.name").to_string(), "k.yaml:7");
}

#[test]
fn other_namespaces_are_refused_unless_allowed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(
        root.path().join("a.yaml"),
        object("a", "one") + "---\n" + &object("b", "two"),
    )
    .unwrap();
    let mut spec = spec(root.path(), &["a.yaml"]);
    let findings = load(&spec, &Workspace::at(root.path())).unwrap_err();
    assert_eq!(findings[0].code, Code::NamespaceMixed);
    assert_eq!(findings[0].evidence, ["a.yaml:11: ConfigMap/b in `two`"]);
    spec.allow_namespaces = true;
    assert_eq!(load(&spec, &Workspace::at(root.path())).unwrap().len(), 2);
}

#[test]
fn the_same_object_twice_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(
        root.path().join("a.yaml"),
        object("a", "one") + "---\n" + &object("a", "one"),
    )
    .unwrap();
    let findings = load(&spec(root.path(), &["a.yaml"]), &Workspace::at(root.path())).unwrap_err();
    assert!(
        findings[0].message.contains("twice, first at a.yaml:4"),
        "{findings:?}"
    );
}
