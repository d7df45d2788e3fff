//! Where a service of BentoML takes a request: it describes its own routes. Nothing is posted to a route that was not meant for
//! such a request, because a service may have others that do something.

use serde_json::Value;

use super::address::Answer;
use super::lenient;

/// On each operation that BentoML describes; no other description of an API has it.
const NAME: &str = "x-bentoml-name";

/// The one route whose arguments the request has; `None` for another server, or when several would take it.
pub(super) fn route(described: Result<Answer, String>, request: &Value) -> Option<String> {
    let described = described.ok().filter(Answer::is_success)?;
    let described = lenient::parse(&described.body).ok()?;
    let given = request.as_object()?;
    let takes = |route: &str, item: &Value| {
        let post = item.get("post")?;
        let name = post.get(NAME)?.as_str()?;
        // A task is handed in and asked for later: its answer is no prediction.
        let task = name.ends_with("_submit") || name.ends_with("_retry");
        let reference = post.pointer("/requestBody/content/application~1json/schema")?;
        let schema = resolve(&described, reference)?;
        let known = schema.get("properties")?.as_object()?;
        let required = schema.get("required").and_then(Value::as_array);
        let complete = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .all(|key| given.contains_key(key));
        let fits = complete && given.keys().all(|key| known.contains_key(key));
        (fits && !task && route.starts_with('/')).then(|| route.to_owned())
    };
    let paths = described.get("paths")?.as_object()?;
    let mut found = paths.iter().filter_map(|(route, item)| takes(route, item));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A schema, or the one that it names: `#/components/schemas/predict__Input`.
fn resolve<'a>(described: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema.get("$ref") {
        Some(reference) => described.pointer(reference.as_str()?.strip_prefix('#')?),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As BentoML 1.4 describes a service, cut to what matters.
    fn described() -> Value {
        let post = |name: &str, schema: &str| json!({"post": {NAME: name, "requestBody": {"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}}}});
        json!({
            "paths": {
                "/livez": {"get": {}},
                "/classify": post("classify", "classify__Input"),
                "/classify/submit": post("classify_submit", "classify__Input"),
                "/explain": post("explain", "explain__Input"),
                "/reload": {"post": {}},
            },
            "components": {"schemas": {
                "classify__Input": {"properties": {"rows": {}, "top": {}}, "required": ["rows"]},
                "explain__Input": {"properties": {"text": {}}, "required": ["text"]},
            }}
        })
    }

    fn of(described: &Value, request: Value) -> Option<String> {
        let answer = Answer {
            status: 200,
            body: described.to_string(),
        };
        route(Ok(answer), &request)
    }

    #[test]
    fn the_route_is_the_one_with_these_arguments() {
        let described = described();
        assert_eq!(of(&described, json!({"rows": [1]})).unwrap(), "/classify");
        assert_eq!(of(&described, json!({"text": "a"})).unwrap(), "/explain");
        for other in [json!({"top": 1}), json!({"x": 1}), json!([1]), json!({})] {
            assert_eq!(of(&described, other.clone()), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_bento_or_not_clear_has_no_route() {
        let mut twice = described();
        let same = twice["paths"]["/classify"].clone();
        twice["paths"]["/again"] = same;
        assert_eq!(of(&twice, json!({"rows": [1]})), None);
        let mut plain = described();
        plain["paths"]["/classify"]["post"]
            .as_object_mut()
            .unwrap()
            .remove(NAME);
        assert_eq!(of(&plain, json!({"rows": [1]})), None);
        assert_eq!(of(&json!([]), json!({"rows": [1]})), None);
        let answer = |status| Answer {
            status,
            body: described().to_string(),
        };
        assert_eq!(route(Ok(answer(404)), &json!({"rows": [1]})), None);
        assert_eq!(route(Err(String::new()), &json!({"rows": [1]})), None);
    }
}
