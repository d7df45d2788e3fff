//! The documents as a reader uses them: every link leads to a file and a heading that are there, and every page can be found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::checkout;

/// Everything that is written for readers.
pub(crate) fn documents() -> Vec<PathBuf> {
    let mut found = vec![
        checkout().join("README.md"),
        checkout().join("CHANGELOG.md"),
    ];
    let folders = [
        checkout().join("docs"),
        checkout().join("examples/wine"),
        checkout().join("examples/digits"),
    ];
    for folder in folders {
        let entries = std::fs::read_dir(folder).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    found
}

/// The text without blocks of code, in which nothing is a link or a heading.
fn prose(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// What stands behind `](`.
fn links(text: &str) -> Vec<&str> {
    let parts = text.split("](").skip(1);
    parts.filter_map(|part| part.split(')').next()).collect()
}

/// Headings as GitHub names them in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(slug).collect()
}

/// The file of a link, and its heading; `None` for one that leads to the web.
fn target(from: &Path, link: &str) -> Option<(PathBuf, Option<String>)> {
    if link.contains("://") {
        return None;
    }
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (link, None),
    };
    let file = match file {
        "" => from.to_owned(),
        file => from
            .parent()
            .unwrap()
            .join(file)
            .canonicalize()
            .unwrap_or_else(|_| file.into()),
    };
    Some((file, anchor))
}

#[test]
fn every_link_leads_to_something_and_every_page_can_be_found() {
    let mut linked = BTreeSet::new();
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in documents() {
        let text = prose(&page);
        for link in links(&text) {
            let Some((file, anchor)) = target(&page, link) else {
                continue;
            };
            seen += 1;
            let known = anchor
                .is_none_or(|anchor| file.exists() && anchors(&prose(&file)).contains(&anchor));
            if !file.exists() || !known {
                broken.push(format!("{}: {link}", page.display()));
            }
            if file != page {
                linked.insert(file);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(seen > 50, "only {seen} links were found");
    let root = checkout().canonicalize().unwrap();
    for page in documents() {
        let page = page.canonicalize().unwrap();
        let beginning = page.ends_with("README.md") || page.ends_with("CHANGELOG.md");
        assert!(
            beginning || linked.contains(&page),
            "no link leads to {}",
            page.strip_prefix(&root).unwrap().display()
        );
    }
}

#[test]
fn a_link_that_leads_nowhere_would_be_seen() {
    let page = checkout().join("docs/github.md");
    assert_eq!(links("[a](b.md#c) text [d](<e>) `x`"), ["b.md#c", "<e>"]);
    let (file, anchor) = target(&page, "gates.md#x").unwrap();
    assert!(file.ends_with("docs/gates.md") && anchor.as_deref() == Some("x"));
    assert!(!target(&page, "absent.md").unwrap().0.exists());
    assert_eq!(target(&page, "https://x"), None);
    let headings = anchors("## What `it` is: a & b\ntext\n# Über_uns\n");
    assert!(
        headings.contains("what-it-is-a--b") && headings.contains("über_uns"),
        "{headings:?}"
    );
}
