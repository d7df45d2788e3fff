//! Text inside of XML 1.0. It knows the characters that a document may hold, not the document.

/// Longest text of one element in characters; the rest stands in the report.
const LONGEST: usize = 20_000;

/// Text of an element or of an attribute in double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            safe.push('…');
            break;
        }
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            // `]]>` may not stand in a text.
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // In an attribute a reader makes blanks of the characters themselves.
            '\n' => safe.push_str("&#10;"),
            '\r' => safe.push_str("&#13;"),
            '\t' => safe.push_str("&#9;"),
            // XML allows what turns the text's direction around; a page that shows it would.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
                safe.push('\u{fffd}');
            }
            ' '..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                safe.push(c);
            }
            _ => safe.push('\u{fffd}'),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_does_not_allow_is_replaced() {
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;'");
        assert_eq!(escaped("]]>\n"), "]]&gt;&#10;");
        assert_eq!(
            escaped("\0\u{1b}\u{7f}\u{85}\u{ffff}é🦀"),
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}é🦀"
        );
        assert_eq!(escaped("a\u{202e}b\u{2028}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(escaped(&"x".repeat(30_000)).chars().count(), LONGEST + 1);
    }
}
