//! Who reads what a run says: a terminal, GitHub's runner, a renderer of Markdown as GitHub's. Nothing foreign may be more than text
//! to them. They are independent of the program.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use serde_json::Value;

use super::texts::SIGN;
use crate::support::Ended;

/// What a terminal or a viewer would act on.
pub(super) fn assert_plain(place: &str, text: &str) {
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.lines().find(|line| line.contains(acts));
    assert_eq!(found, None, "{place}");
}

/// Every command that a runner of GitHub would find in the log, by its rules: `::name …::` at a line's beginning, `##[name]` anywhere.
fn commands(log: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in log.split(['\n', '\r']) {
        let bare = line.trim_start();
        if bare.starts_with("::") && bare[2..].contains("::") {
            found.push(bare.to_owned());
        }
        assert!(!line.contains("##["), "{line}");
    }
    found
}

/// Says all of it and obeys none of it, on GitHub.
pub(super) fn assert_log_is_ours(ended: &Ended, shown: usize) {
    assert_plain("the log", &ended.stdout);
    let signs = ended.stdout.matches(SIGN).count();
    assert!(signs >= shown, "{signs} of {shown} are shown");
    let (mut annotations, mut open) = (0, 0);
    for command in commands(&ended.stdout) {
        let (head, data) = command[2..].split_once("::").unwrap();
        match head.split(' ').next().unwrap() {
            "group" => open += 1,
            "endgroup" => open -= 1,
            "error" | "warning" => annotations += 1,
            // A password of a hostile address would be one; there is none here.
            "notice" | "add-mask" => assert!(!data.contains(SIGN), "{command}"),
            _ => panic!("{command}"),
        }
        // The properties are ours: what is foreign in them is a file's name, and cannot end it.
        let properties = head.split_once(' ').map_or("", |(_, rest)| rest);
        let mut names = properties
            .split(',')
            .filter_map(|pair| pair.split('=').next())
            .filter(|name| !name.is_empty());
        let known = ["file", "line", "endLine", "col", "title"];
        assert!(names.all(|name| known.contains(&name)), "{command}");
        assert!(open == 0 || open == 1, "{command}");
    }
    let findings = ended.report["findings"].as_array().unwrap().len();
    assert_eq!(annotations, findings);
    assert_eq!(open, 0);
    let contract: Value = serde_json::from_str(&ended.report["outputs"].to_string()).unwrap();
    for (name, value) in &ended.outputs {
        assert!(
            !name.contains(SIGN) && contract.get(name).is_some(),
            "output `{name}`"
        );
        assert!(
            !value.contains(SIGN) || contract[name] == value.as_str(),
            "{name}: {value}"
        );
    }
}

/// What we write ourselves between `<` and `>`.
const ELEMENTS: &[&str] = &[
    "details",
    "wbr",
    "details open",
    "/details",
    "summary",
    "/summary",
    "code",
    "/code",
    "br",
    "sub",
    "/sub",
    "b",
    "/b",
    "pre",
    "/pre",
];

/// Reads Markdown as GitHub does: nothing foreign is an element, a link, a picture, a quotation, a task, a block or a diagram.
pub(super) fn assert_markdown_is_ours(place: &str, markdown: &str) {
    assert_plain(place, markdown);
    assert!(markdown.contains(SIGN), "{place} says nothing: {markdown}");
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.table = true;
    extension.autolink = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.alerts = true;
    extension.math_dollars = true;
    let arena = Arena::new();
    let document = parse_document(&arena, markdown, &options);
    let mut open = 0;
    let mut code = 0;
    let mut quoted = 0;
    for node in document.descendants() {
        match &node.data().value {
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::Heading(_)
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Table(_)
            | NodeValue::TableRow(_)
            | NodeValue::TableCell
            | NodeValue::Strong
            | NodeValue::Emph
            | NodeValue::Code(_)
            | NodeValue::SoftBreak
            | NodeValue::LineBreak => {}
            NodeValue::Text(text) => {
                // Mentions are made after parsing, but not in code.
                assert!(code > 0 || !text.contains("@FORGED"), "{place}: {text}");
            }
            NodeValue::Link(link) => {
                assert!(
                    !link.url.contains(SIGN) && !link.url.contains("evil"),
                    "{place}: {}",
                    link.url
                );
            }
            NodeValue::CodeBlock(block) => {
                assert!(
                    block.fenced && ["text", "mermaid"].contains(&block.info.as_str()),
                    "{place}: {block:?}"
                );
                if block.info == "text" {
                    quoted += block.literal.matches("<!--").count();
                }
                if block.info == "mermaid" {
                    let bare = block.literal.lines().map(str::trim_start);
                    let foreign =
                        bare.filter(|line| line.starts_with(SIGN) || line.contains(['<', '`']));
                    assert_eq!(foreign.collect::<Vec<_>>(), [""; 0], "{place}");
                }
            }
            NodeValue::HtmlInline(text) => elements(place, text, &mut open, &mut code),
            NodeValue::HtmlBlock(block) => {
                let marker = block.literal.trim_end();
                if !(marker == MARKER && markdown.starts_with(MARKER)) {
                    elements(place, &block.literal, &mut open, &mut code);
                }
            }
            other => panic!("{place}: {other:?}"),
        }
    }
    assert_eq!((open, code), (0, 0), "{place}");
    // Within a block of code it is no more than text.
    let copied = markdown.matches("<!--").count() - quoted;
    assert!(
        copied <= usize::from(markdown.starts_with(MARKER)),
        "{place}: the marker is copied"
    );
}

pub(super) const MARKER: &str = "<!-- ml-deploy:deliver/ml -->";

fn elements(place: &str, text: &str, open: &mut i32, code: &mut i32) {
    for element in text.split('<').skip(1) {
        let name = element.split('>').next().unwrap();
        assert!(ELEMENTS.contains(&name), "{place}: <{name}> in {text}");
        *open += i32::from(name.starts_with("details")) - i32::from(name == "/details");
        *code += i32::from(name == "code") - i32::from(name == "/code");
        assert!(*open >= 0 && (0..=1).contains(code), "{place}: {text}");
    }
}
