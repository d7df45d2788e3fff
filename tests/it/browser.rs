//! Shows Markdown as GitHub does, in a real browser, and says what is seen there. It knows pages, not what a summary should say.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{bed, checkout};

/// Elements that our Markdown may become, and nothing else: what GitHub lets through of them is more.
const OURS: &[&str] = &[
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "details",
    "h2",
    "h3",
    "li",
    "p",
    "pre",
    "strong",
    "sub",
    "summary",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
    "wbr",
];

/// What a reader with a usual window sees.
pub(crate) fn shown(markdown: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (text, page) = (
        folder.path().join("text.md"),
        folder.path().join("page.html"),
    );
    std::fs::write(&text, markdown).unwrap();
    ran(Command::new(checkout().join("tests/it/tools/page")).args([&text, &page]));
    let output = ran(browser(folder.path())
        .args(["--window-size=920,1200", "--dump-dom"])
        .arg(format!("file://{}", page.display())));
    let from = "<script id=\"seen\" type=\"application/json\">";
    let (_, seen) = output
        .split_once(from)
        .expect("the page was not read to its end");
    let (seen, _) = seen.split_once("</script>").unwrap();
    serde_json::from_str(seen).unwrap()
}

fn browser(folder: &Path) -> Command {
    let mut command = Command::new(bed("BROWSER"));
    // What is not on this machine does not exist: a page that asks for it would be seen below.
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args([
            "--virtual-time-budget=30000",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("browser").display()
        ));
    command
}

fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap()).collect()
}

/// What holds for every summary, whatever stands in it.
pub(crate) fn sound(seen: &Value) {
    let kinds = texts(&seen["elements"]);
    let foreign: Vec<_> = kinds.iter().filter(|one| !OURS.contains(one)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for attribute in texts(&seen["attributes"]) {
        let known = ["a.href", "details.open", "pre.lang"];
        assert!(known.contains(&attribute), "{attribute}");
    }
    assert_eq!(seen["owned"], false, "a foreign script ran");
    assert!(
        seen["comments"].as_array().unwrap().is_empty(),
        "{}",
        seen["comments"]
    );
    for from in texts(&seen["loaded"]) {
        assert!(from.starts_with("file://"), "the page asked {from}");
    }
    for table in seen["tables"].as_array().unwrap() {
        for row in table["rows"].as_array().unwrap() {
            let cells = row.as_array().unwrap().len();
            assert_eq!(table["head"].as_u64(), Some(cells as u64), "{table:#}");
        }
    }
    for diagram in seen["diagrams"].as_array().unwrap() {
        assert_eq!(diagram["drawn"], true, "{diagram:#}");
        let text = diagram["text"].to_string();
        assert!(!text.contains("Syntax error"), "{diagram:#}");
        assert_eq!(diagram["links"], 0, "{diagram:#}");
    }
    assert_eq!(
        seen["needed"], seen["width"],
        "wider than the page: {}",
        seen["wide"]
    );
    assert!(texts(&seen["wide"]).is_empty(), "{}", seen["wide"]);
}
