//! The JSON Schema of `ml-deploy.yml`, by which editors complete and check it. Made from the one definition of inputs.

use clap::Arg;
use serde_json::{Map, Value, json};

/// The schema for these inputs: name, argument.
pub(super) fn schema<'a>(inputs: impl Iterator<Item = (&'a str, &'a Arg)>) -> Value {
    let mut properties = Map::new();
    for (name, arg) in inputs {
        properties.insert(name.to_owned(), property(arg, None));
        for alias in arg.get_all_aliases().unwrap_or_default() {
            properties.insert(alias.to_owned(), property(arg, Some(name)));
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "ml-deploy.yml",
        "description": "Inputs of ml-deploy. Flags and the inputs of the action win over this file.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(arg: &Arg, of: Option<&str>) -> Value {
    let mut property = match kind(arg) {
        // A key without a value is not set.
        Kind::Text => json!({"type": ["string", "number", "null"]}),
        Kind::Truth => json!({"type": ["boolean", "null"]}),
        Kind::Port => json!({"type": ["integer", "null"], "minimum": 1, "maximum": 65535}),
        Kind::List => {
            let item = json!({"type": ["string", "number"]});
            json!({"anyOf": [{"type": ["string", "number", "null"]}, {"type": "array", "items": item}]})
        }
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = of.map_or(help, |name| format!("Another name for {name}"));
    property["description"] = Value::from(help);
    if let Some(default) = arg
        .get_default_values()
        .first()
        .map(|value| value.to_string_lossy())
    {
        property["default"] = match kind(arg) {
            Kind::Truth => Value::from(default == "true"),
            Kind::Text | Kind::Port | Kind::List => Value::from(default),
        };
    }
    property
}

enum Kind {
    Text,
    Truth,
    Port,
    List,
}

fn kind(arg: &Arg) -> Kind {
    let shown = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map(|name| name.as_str());
    match (arg.get_action(), shown) {
        (clap::ArgAction::Append, _) => Kind::List,
        (_, Some("BOOL")) => Kind::Truth,
        (_, Some("PORT")) => Kind::Port,
        _ => Kind::Text,
    }
}
