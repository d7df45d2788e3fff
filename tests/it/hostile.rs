//! A thousand hostile lines, and hostile names wherever somebody may choose one: nothing of it is interpreted by a runner, a terminal, a
//! Markdown renderer, a reader of XML or of JSON. The readers are independent of the program.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use serde_json::{Value, json};

use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::formats::{files, valid};
use crate::github::GitHub;
use crate::support::{Ended, Project, Run, bed, checkout};

/// Stands in every hostile text: whatever is interpreted bears it.
const SIGN: &str = "FORGED";

/// What somebody would like to be taken for.
const WISHES: &[&str] = &[
    "::error file=train.py,line=1::FORGED",
    "::set-output name=status::FORGED",
    "::add-mask::FORGED",
    "::stop-commands::FORGED",
    "::save-state name=x::FORGED",
    "::GROUP::FORGED",
    "##[error]FORGED",
    "##[group]FORGED",
    "##[add-mask]FORGED",
    "\u{1b}[2J\u{1b}[H\u{1b}[31mFORGED",
    "\u{1b}]0;FORGED\u{7}",
    "\u{1b}]8;;http://evil.example\u{1b}\\FORGED\u{1b}]8;;\u{1b}\\",
    "\u{9b}31mFORGED\u{90}x\u{9c}",
    "\u{1b}[0Ksection_start:1:FORGED\r\u{1b}[0Kheader",
    "section_end:1:FORGED\r\u{1b}[0K",
    "<script>FORGED</script><img src=x onerror=FORGED>",
    "<!-- ml-deploy:deliver/ml --> FORGED",
    "</details></summary><h1>FORGED</h1><details>",
    "# FORGED",
    "| FORGED | b |\n| --- | --- |\n| c | d |",
    "```mermaid\ngantt\n  FORGED :crit, 0, 1\n```",
    "~~~\nFORGED\n~~~",
    "[FORGED](javascript:alert(1)) ![FORGED](http://evil.example/p.png)",
    "@FORGED/team #12 www.FORGED.example http://FORGED.example",
    "]]><FORGED/><![CDATA[&FORGED;<!ENTITY FORGED>",
    "{\"event\": \"ended\", \"exit\": 0, \"FORGED\": true}",
    "status=FORGED\nexit-code=0",
    "%0A::error::FORGED%0D%25",
    "\u{202e}FORGED\u{2066}\u{2069}",
    "Traceback (most recent call last):\n  File \"FORGED.py\", line 1, in <module>\nFORGED: x",
];

/// What stands before or around it, to get past whoever looks at a line's beginning.
const WAYS: &[&str] = &[
    "@",
    " @",
    "\t@",
    "    @",
    "\r@",
    "x\r@",
    "x\r\n@",
    "\u{2028}@",
    "x\u{2029}@",
    "\u{85}@",
    "\u{b}@",
    "\u{c}@",
    "\u{feff}@",
    "\u{200b}@",
    "\u{a0}@",
    "\u{1b}[0m@",
    "\u{1b}@",
    "\u{8}\u{8}@",
    "\u{0}@",
    "> @",
    "- @",
    "1. @",
    "``@``",
    "<b>@",
    "\"@",
    "'@'",
    "\\@\\",
    "| @ |",
    "train │ @",
    "\u{202d}@",
    "&#10;@",
    "%0A@",
    "\u{1b}]0;@",
    "ö@\u{fffd}",
];

/// All of them, over a thousand.
fn lines() -> Vec<String> {
    let pairs = WAYS
        .iter()
        .flat_map(|way| WISHES.iter().map(|wish| way.replacen('@', wish, 1)));
    pairs.collect()
}

/// A text for each kind of name: short, and worth most.
const NAME: &str = "x|`</td><!--FORGED-->\u{202e}]]>@FORGED/a [FORGED](http://evil.example) ::error::FORGED ##[error]FORGED\u{1b}[31m";

/// Prints the lines as bytes, some of them broken as text, and fails with the worst of them.
const TRAIN: &str = r#"
import json, pathlib, sys
lines = json.loads(pathlib.Path("lines.json").read_text())
for number, line in enumerate(lines):
    out = (sys.stdout, sys.stderr)[number % 2].buffer
    out.write((b"\xff\xc3" if number % 7 == 0 else b"") + line.encode() + b"\n")
    out.flush()
name = json.loads(pathlib.Path("name.json").read_text())
pathlib.Path("model").mkdir()
pathlib.Path("model", name.replace("/", "")).write_text("m")
pathlib.Path("metrics.json").write_text(json.dumps({name: 0.5, "accuracy": 0.9, **{line: 1.0 for line in lines[::40]}}))
if "fail" in sys.argv:
    raise ValueError(name + "\n".join(lines[::9]))
"#;

fn project() -> Project {
    Project::new()
        .file("train.py", TRAIN)
        .file("lines.json", &json!(lines()).to_string())
        .file("name.json", &json!(NAME).to_string())
}

/// A job on GitHub for a pull request whose branch and title are hostile too.
fn asked<'a>(github: &GitHub, project: &Project, run: Run<'a>) -> Run<'a> {
    let event = json!({
        "number": 7,
        "pull_request": {"number": 7, "title": NAME, "body": lines()[..60].join("\n"),
            "head": {"sha": "fedcba9876543210fedcba9876543210fedcba98", "ref": NAME, "label": NAME, "repo": {"full_name": "org/wine"}}},
    });
    let path = project.path().join("event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    github
        .asks(run, "org/wine")
        .env("GITHUB_EVENT_PATH", &path.to_string_lossy())
        .env("GITHUB_HEAD_REF", NAME.trim_end())
        .env("GITHUB_REF_NAME", NAME)
        .env("GITHUB_WORKFLOW", NAME)
        .input("metrics-file", "metrics.json")
        .input("gates", &format!("\"{NAME}\" >= 0.95\naccuracy >= 0.8"))
}

/// What a terminal or a viewer would act on.
fn assert_plain(place: &str, text: &str) {
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
fn assert_log_is_ours(ended: &Ended, shown: usize) {
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
fn assert_markdown_is_ours(place: &str, markdown: &str) {
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
    assert!(
        markdown.matches("<!--").count() <= usize::from(markdown.starts_with(MARKER)),
        "{place}: the marker is copied"
    );
}

const MARKER: &str = "<!-- ml-deploy:deliver/ml -->";

fn elements(place: &str, text: &str, open: &mut i32, code: &mut i32) {
    for element in text.split('<').skip(1) {
        let name = element.split('>').next().unwrap();
        assert!(ELEMENTS.contains(&name), "{place}: <{name}> in {text}");
        *open += i32::from(name.starts_with("details")) - i32::from(name == "/details");
        *code += i32::from(name == "code") - i32::from(name == "/code");
        assert!(*open >= 0 && (0..=1).contains(code), "{place}: {text}");
    }
}

#[test]
fn a_thousand_hostile_lines_and_names_are_shown_and_none_is_obeyed() {
    let lines = lines();
    assert!(lines.len() >= 1000, "{}", lines.len());
    let github = GitHub::start(&json!({}));
    let project = project();

    // A model that its gate refuses, with metrics of any name; then a training that fails with all of it.
    for (words, code, exit) in [("", "gate-failed", 30), (" fail", "train-failed", 20)] {
        std::fs::remove_dir_all(project.path().join("model")).ok();
        let run = project
            .ml_deploy("run")
            .input("train", &format!("python train.py{words}"));
        let ended = asked(&github, &project, run).run().expect(exit).code(code);
        assert_log_is_ours(&ended, lines.len());
        assert_markdown_is_ours("the summary", &ended.summary);
        let comment = github.all("comments").pop().unwrap();
        let body = comment["body"].as_str().unwrap();
        assert_eq!(body.lines().next(), Some(MARKER));
        assert_markdown_is_ours("the comment", body);
        let check = github.all("checks").pop().unwrap();
        assert_markdown_is_ours(
            "the check",
            check["run"]["output"]["summary"].as_str().unwrap(),
        );
        assert!(
            !check["run"]["output"]["title"]
                .as_str()
                .unwrap()
                .contains(SIGN)
        );
        for annotation in check["annotations"].as_array().unwrap() {
            assert_plain("an annotation", annotation["message"].as_str().unwrap());
        }
        // XML, SARIF, code quality, dotenv, properties and outputs, read by others' readers.
        let all = files(&project.path().join(".ml-deploy"));
        assert_eq!(all["env"]["ML_DEPLOY_STATUS"], "failure");
        let names = all["env"].as_object().unwrap().keys();
        assert!(
            names.clone().all(|name| name.starts_with("ML_DEPLOY_")),
            "{}",
            all["env"]
        );
        for case in all["junit"].as_array().unwrap() {
            assert_plain("a test case", case["name"].as_str().unwrap());
        }
    }
    assert_eq!(
        github.all("comments").len(),
        1,
        "the same comment, whatever it quotes"
    );
}

#[test]
fn hostile_lines_fold_nothing_on_gitlab_and_are_no_events_of_ours() {
    let project = project();
    let run = |format: &str| {
        std::fs::remove_dir_all(project.path().join("model")).ok();
        let run = project
            .ml_deploy("train")
            .input("train", "python train.py fail")
            .terminal();
        run.env("GITLAB_CI", "true")
            .env("CI_COMMIT_REF_NAME", NAME)
            .env("CI_MERGE_REQUEST_TITLE", NAME)
            .input("format", format)
            .run()
            .expect(20)
    };
    let log = run("auto").stdout;
    // A section is opened by what stands at a line's beginning and ends with a carriage return.
    let (mut open, mut sections) = (Vec::new(), 0);
    for part in log.split('\r').filter_map(|part| part.rsplit('\n').next()) {
        let Some(marker) = part.strip_prefix("\u{1b}[0Ksection_") else {
            continue;
        };
        let words: Vec<&str> = marker.split([':', '[']).collect();
        assert!(words[2].starts_with("ml_deploy_"), "{part}");
        match words[0] {
            "start" => open.push(words[2].to_owned()),
            _ => assert_eq!(open.pop().as_deref(), Some(words[2])),
        }
        sections += 1;
    }
    assert!(sections > 1 && open.is_empty(), "{sections} {open:?}");
    let others = log
        .replace("\u{1b}[0Ksection_", "")
        .replace("\r\u{1b}[0K", "");
    let colour = |rest: &str| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .starts_with('m')
    };
    for escape in others.split('\u{1b}').skip(1) {
        assert!(escape.strip_prefix('[').is_some_and(colour), "{escape}");
    }
    assert!(!others.contains('\r'));

    let project = Project::new().file("events.jsonl", &run("json").stdout);
    let file = project.path().join("events.jsonl");
    valid(&checkout().join("docs/events.schema.json"), &file);
    let text = std::fs::read_to_string(file).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("begun"), count("ended")), (1, 1));
    assert!(count("output") >= lines().len(), "{}", count("output"));
    assert_plain("the events", &text);
}

#[test]
fn what_a_cluster_says_and_inputs_say_is_only_shown() {
    let github = GitHub::start(&json!({}));
    let namespace = Namespace::new("it-hostile");
    // The API server repeats what it refuses.
    let text = manifest(SERVE);
    let text = text.replacen(
        "labels: {app: wine}",
        &format!("labels: {{app: wine, team: {}}}", json!(NAME)),
        1,
    );
    let project = project().file("k8s/app.yaml", &text);
    let run = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"));
    let ended = asked(&github, &project, run)
        .run()
        .expect(10)
        .code("manifest-rejected");
    assert_log_is_ours(&ended, 1);
    assert_markdown_is_ours("the summary", &ended.summary);
    let body = github.all("comments").pop().unwrap();
    assert_markdown_is_ours("the comment", body["body"].as_str().unwrap());

    // Inputs that mean nothing: tags, rules, names of files, unknown keys.
    let project = project.file(
        "ml-deploy.yml",
        &format!("{}: 1\ntrain: python train.py\n", json!(NAME)),
    );
    let run = project
        .ml_deploy("run")
        .input("tags", NAME)
        .input("image", NAME)
        .input("requirements", NAME)
        .input("deployment-name", NAME);
    let ended = asked(&github, &project, run)
        .input("gates", NAME)
        .run()
        .expect(2);
    assert_log_is_ours(&ended, 1);
    assert_markdown_is_ours("the summary", &ended.summary);
    files(&project.path().join(".ml-deploy"));
}
