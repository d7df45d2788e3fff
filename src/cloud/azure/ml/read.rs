//! Errors of Azure Machine Learning are nested: the outer code says little, an inner one what happened. Pure.

use serde_json::Value;

/// How deep they are nested at most.
const DEEP: usize = 8;

/// Every code in an error, innermost first, each once.
pub(crate) fn codes(error: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(error, DEEP, &mut found);
    found.reverse();
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|code| seen.insert(code.clone()));
    found
}

fn collect(value: &Value, left: usize, found: &mut Vec<String>) {
    if left == 0 {
        return;
    }
    match value {
        Value::Object(map) => {
            if let Some(code) = map.get("code").and_then(Value::as_str) {
                found.push(code.to_owned());
            }
            map.values()
                .for_each(|inner| collect(inner, left - 1, found));
        }
        Value::Array(list) => list
            .iter()
            .for_each(|inner| collect(inner, left - 1, found)),
        _ => {}
    }
}

/// What the error says, in one line. Untrusted.
pub(crate) fn said(error: &Value) -> String {
    let error = error.get("error").unwrap_or(error);
    let message = error.get("message").and_then(Value::as_str);
    let words: Vec<&str> = message.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_code_comes_first() {
        let error = json!({"error": {"code": "UserError", "message": "It\n failed.", "additionalInfo": [
            {"type": "InnerError", "info": {"value": {"code": "BadArgument", "innerError": {"code": "ImageBuildFailure"}}}}]}});
        assert_eq!(
            codes(&error),
            ["ImageBuildFailure", "BadArgument", "UserError"]
        );
        assert_eq!(said(&error), "It failed.");
        assert_eq!(said(&Value::Null), "");
        assert!(codes(&json!([1, "code"])).is_empty());
    }
}
