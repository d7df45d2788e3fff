//! JSON as Python writes it: `NaN` and the infinities stand there without quotes. Here they become marked text, which the
//! comparison reads as numbers, and which is written again as it was.

use serde_json::Value;

/// What Python's `json` writes and JSON does not know, the longest first.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Stands before a word that was no text; a private character, which no data has.
pub(super) const MARK: char = '\u{e000}';

/// Writes a document as it was read.
pub(super) fn write(value: &Value) -> String {
    let mut text = value.to_string();
    for word in WORDS {
        text = text.replace(&format!("\"{MARK}{word}\""), word);
    }
    text
}

/// Reads a document.
///
/// # Errors
/// What is wrong with it, without a position.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let told = |error: serde_json::Error| {
        let why = error.to_string();
        why.split(" at line ").next().unwrap_or_default().to_owned()
    };
    serde_json::from_str(text).or_else(|error| match quoted(text) {
        Some(text) => serde_json::from_str(&text).map_err(told),
        None => Err(told(error)),
    })
}

/// The same text with quotes around these words; `None` when there are none outside of strings.
fn quoted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut rest, mut inside, mut changed) = (text, false, false);
    while let Some(first) = rest.chars().next() {
        if !inside && let Some(word) = WORDS.into_iter().find(|word| rest.starts_with(word)) {
            out.push('"');
            out.push(MARK);
            out.push_str(word);
            out.push('"');
            rest = rest.get(word.len()..).unwrap_or_default();
            changed = true;
            continue;
        }
        out.push(first);
        let mut taken = first.len_utf8();
        match first {
            '"' => inside = !inside,
            '\\' if inside => {
                if let Some(next) = rest.get(1..).and_then(|rest| rest.chars().next()) {
                    out.push(next);
                    taken += next.len_utf8();
                }
            }
            _ => {}
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let text = r#"{"a":[NaN,-Infinity,Infinity,1],"b":"NaN \" Infinity"}"#;
        let found = parse(text).unwrap();
        assert_eq!(found["a"][0], format!("{MARK}NaN"));
        assert_eq!(found["b"], "NaN \" Infinity");
        assert_eq!(write(&found), text);
        assert_eq!(parse("[1]"), Ok(json!([1])));
        for bad in ["", "<html>", "{\"a\": NaNa}", "[1", "\"é\\"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
