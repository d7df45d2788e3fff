//! Examples for `references`.

use super::super::pods::templates;
use super::*;
use crate::deploy::kubernetes::manifest::parse;

const TEXT: &str = "\
apiVersion: batch/v1
kind: CronJob
metadata: {name: wine}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccountName: runner
          priorityClassName: high
          imagePullSecrets:
          - name: pull
          volumes:
          - name: a
            persistentVolumeClaim: {claimName: data}
          - name: b
            projected:
              sources:
              - configMap: {name: files, items: [{key: a.txt, path: a}]}
              - secret: {name: maybe, optional: true}
          - name: c
            secret:
              secretName: certificate
          initContainers:
          - name: fetch
            envFrom:
            - secretRef: {name: fetch-env}
          containers:
          - name: model
            env:
            - name: A
              valueFrom:
                secretKeyRef:
                  name: wine
                  key: password
            - name: B
              valueFrom:
                secretKeyRef: {name: wine, key: user}
            - name: C
              valueFrom:
                configMapKeyRef: {name: ours, key: colour}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ours}
data: {colour: red}
";

fn there(keys: &[&str]) -> Found {
    Found::There(keys.iter().map(|&key| key.to_owned()).collect())
}

/// The findings when the cluster has these; everything else that is asked for is missing.
fn found(text: &str, known: &[(&'static str, &str, Found)]) -> Vec<Diagnostic> {
    let objects = parse("k.yaml", text).unwrap();
    let templates = templates(&objects, "ml");
    let references = collect(&objects, &templates, "ml");
    let found = references
        .iter()
        .filter(|reference| !brought(reference, &objects, "ml"))
        .map(|reference| {
            let answer = known
                .iter()
                .find(|(kind, name, _)| (*kind, *name) == (reference.kind, reference.name));
            let answer = answer.map_or(Found::Missing, |(.., found)| found.clone());
            (place(reference), answer)
        })
        .collect();
    let names = [(("Secret", "ml".to_owned()), vec!["wines".to_owned()])];
    judge(&references, &objects, "ml", &found, &names.into())
}

fn lines(findings: &[Diagnostic]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let at = finding.at.as_ref().unwrap();
            let word = finding
                .message
                .split_once(" refers to ")
                .map_or(finding.message.as_str(), |(_, rest)| {
                    rest.split(',').next().unwrap()
                });
            format!("{at} {word}")
        })
        .collect()
}

#[test]
fn whatever_is_missing_is_found_at_its_line() {
    let findings = found(TEXT, &[]);
    assert_eq!(
        lines(&findings),
        [
            "k.yaml:12 Secret `pull`",
            "k.yaml:9 ServiceAccount `runner`",
            "k.yaml:10 PriorityClass `high`",
            "k.yaml:15 PersistentVolumeClaim `data`",
            "k.yaml:19 ConfigMap `files`",
            "k.yaml:23 Secret `certificate`",
            "k.yaml:27 Secret `fetch-env`",
            "k.yaml:34 Secret `wine`",
        ]
    );
    let last = findings.last().unwrap();
    assert!(last.advice().starts_with("did you mean `wines`?"));
    assert_eq!(last.evidence.len(), 1, "the second mention");
    assert_eq!(findings[0].severity, crate::diagnostic::Severity::Warning);
}

#[test]
fn what_is_there_is_no_finding() {
    let all = [
        ("Secret", "pull", there(&[])),
        ("ServiceAccount", "runner", there(&[])),
        ("PriorityClass", "high", there(&[])),
        ("PersistentVolumeClaim", "data", Found::Unknown),
        ("ConfigMap", "files", there(&["a.txt"])),
        ("Secret", "certificate", there(&[])),
        ("Secret", "fetch-env", there(&[])),
        ("Secret", "wine", there(&["password", "user"])),
    ];
    assert!(found(TEXT, &all).is_empty());
}

#[test]
fn a_key_that_is_missing_names_those_that_are_there() {
    let text = TEXT.replace("key: colour", "key: color");
    let findings = found(
        &text,
        &[
            ("Secret", "wine", there(&["Password", "user"])),
            ("ConfigMap", "files", there(&[])),
        ],
    );
    let told: Vec<&Diagnostic> = findings
        .iter()
        .filter(|finding| finding.message.contains("needs key"))
        .collect();
    let places: Vec<String> = told
        .iter()
        .map(|finding| finding.at.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(places, ["k.yaml:19", "k.yaml:35", "k.yaml:41"]);
    assert!(
        told[1].message.ends_with("and it has `Password`, `user`"),
        "{}",
        told[1].message
    );
    assert!(told[1].advice().starts_with("did you mean `Password`?"));
    assert!(told[2].advice().starts_with("did you mean `colour`?"));
}

#[test]
fn claims_of_a_set_and_secrets_of_a_store_come_later() {
    let set = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  volumeClaimTemplates:\n  - metadata: {name: data}\n";
    let text = TEXT.replace("claimName: data", "claimName: data-db-0") + set;
    assert!(
        !lines(&found(&text, &[]))
            .iter()
            .any(|line| line.contains("Claim"))
    );
    let driver = "          - name: d\n            csi: {driver: secrets-store.csi.k8s.io}\n          initContainers:";
    let text = TEXT.replace("          initContainers:", driver);
    let left = lines(&found(&text, &[]));
    assert!(!left.iter().any(|line| line.contains("Secret")), "{left:?}");
    assert!(
        left.iter().any(|line| line.contains("ConfigMap")),
        "{left:?}"
    );
}

#[test]
fn a_custom_resource_that_names_a_secret_may_make_it() {
    let made =
        "---\napiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: wine}\n";
    let findings = found(&format!("{TEXT}{made}"), &[]);
    assert!(
        !lines(&findings)
            .iter()
            .any(|line| line.ends_with("Secret `wine`"))
    );
}
