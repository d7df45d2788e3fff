//! Foreign text inside Markdown as GitHub and GitLab read it: nothing becomes markup, a mention, a link or a comment.
//! It knows the syntax, not the documents made of it.

/// A longer name may be broken before its digest.
const LONG: usize = 60;

/// Text in a paragraph, a list item or a table's cell, in one line. What stands between backticks is shown as code: our own
/// messages name things so, and foreign text gains nothing by it.
pub(super) fn text(text: &str) -> String {
    let text = text.trim();
    let pieces: Vec<&str> = text.split('`').collect();
    let mut quoted = pieces.iter().skip(1).step_by(2);
    let mut safe = String::with_capacity(text.len() + 16);
    if pieces.len().is_multiple_of(2) || quoted.any(|piece| piece.trim().is_empty()) {
        safe = prose(text);
    } else {
        for (index, piece) in pieces.iter().enumerate() {
            safe.push_str(&match index % 2 {
                0 => prose(piece),
                _ => code(piece),
            });
        }
    }
    // A list or a rule would begin here, and a bare domain would become a link.
    if safe.starts_with('-') {
        safe.insert_str(0, "&#8203;");
    }
    safe
}

/// The zero-width space outlives rendering; an entity alone would still become a mention.
fn prose(text: &str) -> String {
    escaped(text).replace("&#64;", "@&#8203;")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.push(' '),
            '@' | '&' | '<' | '>' | '|' | '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '\\'
            | '#' | '!' | '$' | '{' | '}' | '+' | '=' | ':' => {
                safe.push_str(&format!("&#{};", u32::from(c)));
            }
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                safe.push('\u{fffd}');
            }
            c => safe.push(c),
        }
    }
    safe.replace("www.", "www&#46;")
}

/// The same in a fixed-width font, fit to be copied: nothing invisible is added, and mentions do not work in code. Backticks
/// cannot hold a `|` inside of a table, so the element is written out.
pub(super) fn code(text: &str) -> String {
    let text = text.trim();
    let mut safe = escaped(text);
    if text.len() > LONG {
        // Only a place where the line may break: a copy does not have it.
        safe = safe.replace("&#64;", "<wbr>&#64;");
    }
    format!("<code>{safe}</code>")
}

/// A link; one that is not plain http(s) is shown as text.
pub(super) fn link(label: &str, url: &str) -> String {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| {
        byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'|' | b'\\' | b'`')
    });
    if web && plain {
        format!("[{}](<{url}>)", text(label))
    } else {
        code(url)
    }
}

/// Lines in a code block whose fence is longer than any run of backticks inside.
pub(super) fn block(lines: &[String]) -> String {
    let text = lines
        .iter()
        .flat_map(|line| line.split(['\n', '\r']))
        .map(|line| line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}"))
        .collect::<Vec<_>>()
        .join("\n");
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// A table; cells are Markdown already. A column in which nothing stands is left out.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let used: Vec<bool> = (0..head.len())
        .map(|column| {
            rows.iter()
                .any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let kept = cells.zip(&used).filter(|(_, used)| **used);
        let kept: Vec<&str> = kept.map(|(cell, _)| cell).collect();
        format!("| {} |\n", kept.join(" | "))
    };
    let mut table = line(&mut head.iter().copied());
    table.push_str(&line(&mut std::iter::repeat_n("---", head.len())));
    for row in rows {
        table.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_becomes_markup() {
        let table = [
            ("a|b", "a&#124;b"),
            ("<!-- x", "&#60;&#33;-- x"),
            ("<img src=x>", "&#60;img src&#61;x&#62;"),
            ("`x`", "<code>x</code>"),
            ("a `b|@c` d", "a <code>b&#124;&#64;c</code> d"),
            ("`x", "&#96;x"),
            ("``x``", "&#96;&#96;x&#96;&#96;"),
            ("`<b>` `", "&#96;&#60;b&#62;&#96; &#96;"),
            ("@org/team", "@&#8203;org/team"),
            ("[a](http://b)", "&#91;a&#93;&#40;http&#58;//b&#41;"),
            ("a\n# b\r", "a &#35; b"),
            ("- x", "&#8203;- x"),
            ("&lt;", "&#38;lt;"),
            ("www.evil.example", "www&#46;evil.example"),
            ("a\u{1b}b\u{202e}", "a\u{fffd}b\u{fffd}"),
        ];
        for (foreign, expected) in table {
            assert_eq!(text(foreign), expected, "{foreign:?}");
        }
        assert_eq!(code("a|b@c`"), "<code>a&#124;b&#64;c&#96;</code>");
    }

    #[test]
    fn a_long_name_may_be_broken_before_its_digest() {
        let name = format!("r/wine@sha256:{}", "a".repeat(64));
        assert!(code(&name).contains("wine<wbr>&#64;sha256"));
        assert!(!code("r/wine@sha256:1").contains("wbr"));
    }

    #[test]
    fn a_column_in_which_nothing_stands_is_left_out() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "", ""]), row(["b", "", "c"])];
        assert_eq!(
            table(&["x", "y", ""], &rows),
            "| x |  |\n| --- | --- |\n| a |  |\n| b | c |\n"
        );
    }

    #[test]
    fn a_block_cannot_be_closed_from_inside() {
        let lines = ["a".to_owned(), "`````".to_owned(), "``` b\u{7}".to_owned()];
        assert_eq!(
            block(&lines),
            "``````text\na\n`````\n``` b\u{fffd}\n``````\n"
        );
        assert_eq!(block(&["x".to_owned()]), "```text\nx\n```\n");
    }

    #[test]
    fn only_plain_addresses_become_links() {
        assert_eq!(link("run", "https://x/y#z"), "[run](<https://x/y#z>)");
        assert_eq!(link("run", "javascript:x"), "<code>javascript&#58;x</code>");
        assert!(link("run", "https://x/>)").starts_with("<code>"));
    }
}
