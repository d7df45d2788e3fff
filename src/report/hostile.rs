//! Hostile text in every field of a run: nothing of it becomes markup, a mention or part of a diagram's grammar.

use std::collections::BTreeMap;

use super::{sample, summary};
use crate::artifact::{
    Action, Before, Champion, Change, Changes, Check, FieldChange, GateRule, GateVerdict, Gates,
    History, Layer, Layers, Measure, Model, PastRun, Run, Verification,
};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::event::{Event, EventKind, Stage};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></summary><!--",
    "[x](javascript:alert(1)) ![y](http://evil.example/p.png)",
    "@org/team #12 GH-12 www.evil.example http://evil.example",
    "```\n```mermaid\ngantt\n  evil :crit, 0, 1",
    "%%{init: {\"securityLevel\": \"loose\"}}%%",
    "a\"]\n    line [9, 9]\n    title \"evil",
    "x;click x href \"javascript:alert(1)\"",
    "| a | b |\n| --- | --- |\n# evil",
    "\u{1b}[2J\u{202e}\u{0}\r::error::evil",
];

fn events(text: &str) -> Vec<Event> {
    let owned = || text.to_owned();
    let metrics = |value: f64| BTreeMap::from([(owned(), Measure(value))]);
    let past = |id: &str, value| PastRun {
        id: id.to_owned(),
        name: owned(),
        url: Some(format!("https://h/{text}")),
        metrics: metrics(value),
    };
    let run = Run {
        id: "this".to_owned(),
        experiment_id: owned(),
        name: owned(),
        metrics: BTreeMap::from([(owned(), 0.5)]),
        params: BTreeMap::from([(owned(), owned())]),
        url: Some(owned()),
        model_uri: Some(owned()),
        ..Run::default()
    };
    let model = Model {
        path: text.into(),
        sha256: owned(),
        bytes: 1,
        run: Some(run),
        environment: None,
        commit: Some(owned()),
        facts: None,
    };
    let champion = Champion {
        run_id: owned(),
        url: Some(owned()),
        known_by: owned(),
        metrics: metrics(0.4),
    };
    let rule = GateRule {
        metric: owned(),
        rule: owned(),
        candidate: None,
        champion: None,
        verdict: GateVerdict::Failed,
        why: owned(),
    };
    let layer = Layer {
        digest: owned(),
        bytes: 1,
        made_by: owned(),
    };
    let before = Before {
        image: owned(),
        layers: Vec::new(),
    };
    let field = FieldChange {
        path: owned(),
        before: Some(owned()),
        after: Some(owned()),
    };
    let change = Change {
        object: owned(),
        action: Action::Changed,
        fields: vec![field],
    };
    let check = Check {
        name: owned(),
        passed: false,
        detail: owned(),
    };
    let finding = Diagnostic::error(Code::GateFailed, text)
        .help(text)
        .evidence([owned()]);
    [
        EventKind::Started(owned()),
        EventKind::Produced(model.into()),
        EventKind::Produced(
            Gates {
                champion: Some(champion),
                rules: vec![rule],
            }
            .into(),
        ),
        EventKind::Produced(
            History {
                runs: vec![past("old", 0.25), past("this", 0.5)],
            }
            .into(),
        ),
        EventKind::Produced(
            Layers {
                layers: vec![layer],
                before: Some(before),
                unpacked: None,
            }
            .into(),
        ),
        EventKind::Produced(
            Changes {
                objects: vec![change],
            }
            .into(),
        ),
        EventKind::Produced(
            Verification {
                checks: vec![check],
            }
            .into(),
        ),
        EventKind::Diagnosed(finding),
    ]
    .into_iter()
    .map(|kind| sample::event(1, Stage::Train, kind))
    .collect()
}

/// The text outside of fences, and the fenced blocks with their kinds.
fn taken_apart(markdown: &str) -> (String, Vec<(String, String)>) {
    let (mut outside, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<(String, String, String)> = None;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &mut open {
            Some((fence, _, _)) if line == fence.as_str() => {
                blocks.extend(open.take().map(|(_, kind, text)| (kind, text)));
            }
            Some((_, _, text)) => *text += &format!("{line}\n"),
            None if ticks.len() > 2 => {
                let kind = line[ticks.len()..].to_owned();
                open = Some((ticks, kind, String::new()));
            }
            None => outside += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is open: {markdown}");
    (outside, blocks)
}

#[test]
fn nothing_foreign_is_markup_or_grammar() {
    for text in HOSTILE {
        let markdown = sample::facts(events(text), None, summary::markdown);
        let (outside, blocks) = taken_apart(&markdown);
        for markup in [
            "<script",
            "<img",
            "<!--",
            "](javascript",
            "![",
            "@org",
            "www.evil",
            "http://evil",
            "\n# evil",
            "\n| a |",
            "\u{1b}",
            "\u{202e}",
            "\u{0}",
            "\r",
        ] {
            assert!(!outside.contains(markup), "{text:?}: {markup:?}\n{outside}");
        }
        assert_eq!(
            outside.matches("<details").count(),
            outside.matches("</details>").count(),
            "{text:?}\n{outside}"
        );
        let kinds: Vec<_> = blocks.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds,
            ["text", "mermaid", "mermaid"],
            "{text:?}\n{markdown}"
        );
        let chart = &blocks[2].1;
        let drawn = chart.lines().map(str::trim_start);
        let lines: Vec<_> = drawn.skip_while(|line| *line != "xychart-beta").collect();
        assert_eq!(lines.len(), 6, "{chart}");
        let title = lines[1].strip_prefix("title \"").unwrap();
        let title = title.strip_suffix('"').unwrap();
        assert!(
            !title.contains(['"', ';', ':', '#', '%', '{', '<', '`', '[', '@']),
            "{title}"
        );
        assert_eq!(
            &lines[2..],
            [
                "x-axis [\"-1\", \"this\"]",
                "y-axis 0.225 --> 0.525",
                "line [0.25, 0.5]",
                "line [0.4, 0.4]",
            ]
        );
        let bars = &blocks[1].1;
        assert!(
            bars.lines()
                .skip_while(|line| !line.contains("todayMarker"))
                .skip(1)
                .all(|line| line.starts_with("    train :crit, ")),
            "{bars}"
        );
    }
}
