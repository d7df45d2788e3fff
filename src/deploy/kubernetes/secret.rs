//! `stringData` of a Secret becomes `data` before it is applied. The API server does so too, but keeps `stringData` as the
//! field that is ours: a key that goes from the manifest would stay live, and could not be put back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::manifest::Object;

/// Changes nothing but Secrets. Values that are no text are left for the API server to refuse.
pub(super) fn encode(object: &mut Object) {
    if object.kind != "Secret" || !object.group().is_empty() {
        return;
    }
    let Some(map) = object.value.as_object_mut() else {
        return;
    };
    let texts = map.get("stringData").and_then(Value::as_object);
    let all_texts = texts.is_some_and(|texts| texts.values().all(Value::is_string));
    let usable = map.get("data").is_none_or(Value::is_object);
    if !all_texts || !usable {
        return;
    }
    let Some(Value::Object(texts)) = map.shift_remove("stringData") else {
        return;
    };
    let data = map
        .entry("data")
        .or_insert_with(|| Value::Object(Map::new()));
    for (key, text) in texts {
        // As in the API server, `stringData` wins.
        data[key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    fn encoded(text: &str) -> Value {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{text}");
        let mut object = parse("s.yaml", &text).unwrap().remove(0);
        encode(&mut object);
        object.value
    }

    #[test]
    fn texts_are_encoded_and_win() {
        let value = encoded("data: {a: eA==, c: eA==}\nstringData: {a: z, b: 'y'}\n");
        assert_eq!(
            value["data"],
            json!({"a": "eg==", "c": "eA==", "b": "eQ=="})
        );
        assert_eq!(value.get("stringData"), None);
    }

    #[test]
    fn what_is_no_text_is_left_to_be_refused() {
        let value = encoded("stringData: {a: 1}\n");
        assert_eq!(value["stringData"], json!({"a": 1}));
    }
}
