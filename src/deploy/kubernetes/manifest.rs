//! Manifests as files, folders and globs become objects, each of which knows its file and lines.
//! It reads; it knows no cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;
use serde_json::Value;

use super::tree::{self, Node};
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};
use crate::plan::KubernetesSpec;

/// One object of a manifest.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// As the manifest says; `None` when it does not.
    pub(super) namespace: Option<String>,
    /// What is applied.
    pub(super) value: Value,
    /// Path relative to the workspace's root.
    file: String,
    tree: Arc<Node>,
}

impl Object {
    /// `Kind/name`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// The place of a field path; the object's first line when it is empty.
    pub(super) fn at(&self, path: &str) -> Location {
        Location::line(self.file.clone(), self.tree.line_of(path))
    }

    /// API group; empty for the core group.
    pub(super) fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

/// Reads everything that is named, in a stable order. All problems at once.
pub(super) fn load(
    spec: &KubernetesSpec,
    workspace: &Workspace,
) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let (mut objects, mut findings) = (Vec::new(), Vec::new());
    let mut files = Vec::new();
    for pattern in &spec.manifests {
        match find(&spec.folder, pattern) {
            Ok(found) => files.extend(
                found
                    .into_iter()
                    .filter(|file| !files.contains(file))
                    .collect::<Vec<_>>(),
            ),
            Err(finding) => findings.push(finding),
        }
    }
    for file in &files {
        match read(&workspace.relative(file), file) {
            Ok(found) => objects.extend(found),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() && objects.is_empty() {
        let named = spec.manifests.join(", ");
        let message =
            format!("failed to find an object in `{named}`: there are only empty documents");
        findings.push(Diagnostic::error(Code::ManifestMissing, message));
    }
    findings.extend(twice(&objects));
    findings.extend(mixed(spec, &objects));
    if findings.is_empty() {
        Ok(objects)
    } else {
        Err(findings)
    }
}

/// The files behind one input: a file, all manifests below a folder, or what a glob matches.
fn find(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, Diagnostic> {
    let path = folder.join(pattern);
    if path.is_file() {
        return Ok(vec![path]);
    }
    let missing = |why: &str| {
        Diagnostic::error(
            Code::ManifestMissing,
            format!("failed to find manifest `{pattern}`: {why}"),
        )
    };
    let mut found = Vec::new();
    if path.is_dir() {
        walk(&path, &mut found);
        found.retain(|file| is_manifest(file));
    } else if pattern.contains(['*', '?', '[', '{']) {
        let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
            .literal_separator(true)
            .build()
            .map_err(|error| missing(&error.to_string()))?
            .compile_matcher();
        walk(&fixed_part(folder, pattern), &mut found);
        found.retain(|file| {
            file.strip_prefix(folder)
                .is_ok_and(|file| glob.is_match(file))
        });
    } else {
        return Err(missing("no such file or folder"));
    }
    found.sort();
    if found.is_empty() {
        return Err(missing("no *.yaml, *.yml or *.json there"));
    }
    Ok(found)
}

/// The folder before a glob's first wildcard, so that not the whole workspace is walked.
fn fixed_part(folder: &Path, pattern: &str) -> PathBuf {
    let fixed = pattern
        .split('/')
        .take_while(|part| !part.contains(['*', '?', '[', '{']));
    fixed.fold(folder.to_owned(), |path, part| path.join(part))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // A linked folder could lead in a circle; a linked file is fine.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, found),
            _ if path.is_file() => found.push(path),
            _ => {}
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
}

fn read(name: &str, path: &Path) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("failed to read manifest `{name}`: {error}");
        vec![Diagnostic::error(Code::ManifestInvalid, message).at(Location::file(name))]
    })?;
    parse(name, &text)
}

/// Reads a manifest's text.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let documents = tree::parse(text).map_err(|broken| {
        let mut at = Location::line(name, broken.line);
        at.column = (broken.column > 0).then_some(broken.column);
        let line = usize::try_from(broken.line).unwrap_or(0).saturating_sub(1);
        let tab = text
            .lines()
            .nth(line)
            .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
        let finding = Diagnostic::error(
            Code::ManifestInvalid,
            format!("failed to read manifest `{name}`: {}", broken.why),
        )
        .at(at);
        vec![if tab {
            finding.help("the line is indented with a tab; YAML wants spaces")
        } else {
            finding
        }]
    })?;
    let (mut objects, mut findings) = (Vec::new(), Vec::new());
    for document in documents {
        expand(name, document, &mut objects, &mut findings);
    }
    if findings.is_empty() {
        Ok(objects)
    } else {
        Err(findings)
    }
}

/// Makes objects of a document: one, or the items of a `List`.
fn expand(name: &str, document: Node, objects: &mut Vec<Object>, findings: &mut Vec<Diagnostic>) {
    let value = document.value();
    let field = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let kind = field("/kind");
    if kind.ends_with("List") && document.get("items").is_some() {
        let items = document
            .get("items")
            .map(Node::items)
            .unwrap_or_default()
            .to_vec();
        for item in items {
            expand(name, item, objects, findings);
        }
        return;
    }
    let mut refuse = |what: &str, path: &str| {
        let line = document.line_of(path);
        let message = format!("failed to read manifest `{name}`: the object has no `{what}`");
        findings.push(
            Diagnostic::error(Code::ManifestInvalid, message)
                .help(format!("add `{what}`"))
                .at(Location::line(name, line)),
        );
    };
    let (api_version, object_name) = (field("/apiVersion"), field("/metadata/name"));
    if !value.is_object() || kind.is_empty() {
        return refuse("kind", "");
    }
    if api_version.is_empty() {
        return refuse("apiVersion", "");
    }
    if object_name.is_empty() {
        return refuse("metadata.name", "metadata");
    }
    let namespace = Some(field("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
    objects.push(Object {
        api_version,
        kind,
        name: object_name,
        namespace,
        value,
        file: name.to_owned(),
        tree: Arc::new(document),
    });
}

/// The same object twice: the second would silently win.
fn twice(objects: &[Object]) -> Vec<Diagnostic> {
    let same = |a: &Object, b: &Object| {
        (a.group(), &a.kind, &a.name, &a.namespace) == (b.group(), &b.kind, &b.name, &b.namespace)
    };
    let mut findings = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        if let Some(first) = objects[..index].iter().find(|first| same(first, object)) {
            let message = format!(
                "`{}` is there twice, first at {}",
                object.label(),
                first.at("metadata.name")
            );
            findings.push(
                Diagnostic::error(Code::ManifestInvalid, message).at(object.at("metadata.name")),
            );
        }
    }
    findings
}

/// Objects that name another namespace than the deployment's: refused as one finding unless allowed.
fn mixed(spec: &KubernetesSpec, objects: &[Object]) -> Option<Diagnostic> {
    if spec.allow_namespaces {
        return None;
    }
    let named = |object: &&Object| object.namespace.is_some();
    // Without the input, one namespace that all objects agree on is a clear wish.
    let wanted = match &spec.namespace {
        Some(namespace) => namespace.clone(),
        None => objects.iter().find(named)?.namespace.clone()?,
    };
    let others: Vec<&Object> = objects
        .iter()
        .filter(|object| {
            object
                .namespace
                .as_ref()
                .is_some_and(|namespace| *namespace != wanted)
        })
        .collect();
    let first = others.first()?;
    let places = others.iter().map(|object| {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        format!(
            "{}: {} in `{namespace}`",
            object.at("metadata.namespace"),
            object.label()
        )
    });
    let message = format!(
        "{} of {} objects name another namespace than `{wanted}`",
        others.len(),
        objects.len()
    );
    Some(
        Diagnostic::error(Code::NamespaceMixed, message)
            .at(first.at("metadata.namespace"))
            .evidence(places),
    )
}

/// The namespace that objects without one go to, as far as the inputs say.
pub(super) fn namespace(spec: &KubernetesSpec, objects: &[Object]) -> Option<String> {
    spec.namespace
        .clone()
        .or_else(|| objects.iter().find_map(|object| object.namespace.clone()))
}

/// Kinds whose pods are waited for.
pub(super) fn is_workload(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "Pod"
    )
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
pub(super) mod tests;
