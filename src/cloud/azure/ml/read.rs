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

/// Whether the error is about quota. Azure has a code for it, and says it in words alone where it refuses the request itself.
pub(crate) fn lacks_quota(codes: &[String], said: &str) -> bool {
    let words = ["Not enough quota", "#error-outofquota"];
    codes.iter().any(|code| code == "OutOfQuota") || words.iter().any(|one| said.contains(one))
}

/// What to do when the quota does not suffice.
pub(crate) const MORE_QUOTA: &str = "ask for more quota of Azure Machine Learning in the region (Azure portal, Quotas), remove deployments that are not needed, or choose another `instance-type`; Azure takes a fifth more than asked for, for upgrades";

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

    #[test]
    fn a_lack_of_quota_is_told_by_its_code_or_in_words() {
        let code = |code: &str| vec![code.to_owned()];
        assert!(lacks_quota(&code("OutOfQuota"), ""));
        let words = "Not enough quota available for Standard_DS3_v2 in SubscriptionId s. Current usage/limit: 0/6. Additional needed: 8";
        assert!(lacks_quota(&code("BadRequest"), words));
        assert!(!lacks_quota(&code("BadRequest"), "The quota is fine."));
    }
}
