//! A JSON file that somebody has put into a secret: what became of it on the way. It never shows any of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The JSON, also where it stands as base64 in one line or in several.
pub(crate) fn json(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('{') {
        return text.to_owned();
    }
    let packed: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).ok();
    let unpacked = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    unpacked.map_or_else(|| text.to_owned(), |text| text.trim().to_owned())
}

/// What is wrong with a text that is no JSON, as a clause that begins with `: `; empty when it does not show.
pub(crate) fn why_no_json(text: &str) -> &'static str {
    let text = json(text);
    let object = |text: &str| text.starts_with('{');
    if text.starts_with(['"', '\'']) && object(text.trim_start_matches(['"', '\''])) {
        ": it has quotes around it, so leave them out"
    } else if object(&text) && text.contains("\\\"") && !text.contains(":\"") {
        ": its quotes are written as `\\\"`, so give it as the file has it"
    } else if object(&text) && !text.contains('"') && text.contains('\'') {
        ": its quotes are `'`, so give it as the file has it, with `\"`"
    } else if object(&text) && !text.contains('"') && text.len() > 1 {
        ": a shell has taken its quotes away, so put the whole of it in quotes there"
    } else if object(&text) && text.contains(" KEY-----\n") {
        ": each `\\n` of its key has become the end of a line, so give it as the file has it"
    } else if object(&text) && !text.ends_with('}') {
        ": its end is missing, so give all of its lines"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_file_on_the_way_is_said() {
        for (text, why) in [
            (r#"'{"a":"b"}'"#, "quotes around it"),
            (r#""{\"a\":\"b\"}""#, "quotes around it"),
            (r#"{\"a\":\"b\"}"#, r#"written as `\"`"#),
            ("{'a': 'b'}", "its quotes are `'`"),
            ("{a: b}", "a shell has taken its quotes"),
            ("{", "its end is missing"),
            (
                "{\"k\": \"-----BEGIN PRIVATE KEY-----\nMII\n\"}",
                "each `\\n` of its key",
            ),
            ("{\"a\":\"b\",", "its end is missing"),
        ] {
            assert!(
                why_no_json(text).contains(why),
                "{text}: {}",
                why_no_json(text)
            );
            let packed = STANDARD.encode(text);
            assert!(why_no_json(&packed).contains(why), "{text}");
        }
        assert_eq!(why_no_json("hunter22-secret"), "");
        assert_eq!(why_no_json(r#"{"a":"b" "c":"d"}"#), "");
    }

    #[test]
    fn base64_is_unpacked_and_anything_else_stays() {
        assert_eq!(json("eyJh\nIjoxfQ==\n"), r#"{"a":1}"#);
        assert_eq!(json(" {\"a\":1}\n"), r#"{"a":1}"#);
        assert_eq!(json("no base64 "), "no base64");
    }
}
