//! What a log of production must not carry into the log of a workflow, which may be public: values of Secrets that are
//! deployed with it, of variables whose name says that they are secret, and credentials in URLs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;

use crate::cluster::text;
use crate::deploy::kubernetes::manifest::Object;

/// Parts of a variable's name that say that its value is secret.
const NAMES: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
];

/// All values that are to be hidden.
pub(super) fn values(objects: &[Object]) -> Vec<SecretString> {
    let secrets = objects.iter().filter(|object| object.kind == "Secret");
    let mut found: Vec<String> = secrets
        .flat_map(|object| of_secret(&object.value))
        .collect();
    for object in objects {
        variables(&object.value, &mut found);
    }
    found.retain(|value| !value.trim().is_empty());
    found.into_iter().map(SecretString::from).collect()
}

/// Values of variables with a telling name, wherever a pod template may stand.
fn variables(value: &Value, found: &mut Vec<String>) {
    let env = value.get("env").and_then(Value::as_array);
    for variable in env.into_iter().flatten() {
        let name = text(variable, "/name").to_ascii_uppercase();
        if NAMES.iter().any(|part| name.contains(part)) {
            found.push(text(variable, "/value").to_owned());
        }
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| variables(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| variables(field, found)),
        _ => {}
    }
}

fn of_secret(secret: &Value) -> Vec<String> {
    let map = |key: &str| {
        secret
            .get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let plain = map("stringData").filter_map(|(_, value)| value.as_str().map(str::to_owned));
    let encoded = map("data").filter_map(|(_, value)| {
        let bytes = STANDARD.decode(value.as_str()?.trim()).ok()?;
        String::from_utf8(bytes).ok()
    });
    plain.chain(encoded).collect()
}

/// The line with `scheme://user:password@host` as `scheme://***@host`.
pub(super) fn without_credentials(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after
            .find(|c: char| {
                c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#' | '<' | '>' | ',')
            })
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) if at > 0 => {
                clean.push_str("***");
                &after[at..]
            }
            _ => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn values_of_secrets_and_of_secret_variables() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {x: plain-one}\ndata: {y: ZW5jb2RlZC1vbmU=, z: '%%'}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {x: open}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\nspec: {containers: [{env: [{name: MLFLOW_TRACKING_PASSWORD, value: hidden}, {name: MODEL, value: wine}, {name: API_TOKEN, valueFrom: {}}]}]}\n";
        let objects = parse("k.yaml", text).unwrap();
        let found = values(&objects);
        let found: Vec<&str> = found.iter().map(|value| value.expose_secret()).collect();
        assert_eq!(found, ["plain-one", "encoded-one", "hidden"]);
    }

    #[test]
    fn credentials_in_urls() {
        for (line, wanted) in [
            (
                "to postgres://bob:s3:cret@db:5432/x failed",
                "to postgres://***@db:5432/x failed",
            ),
            (
                "https://token@a https://b:c@d",
                "https://***@a https://***@d",
            ),
            (
                "http://a/b@c and mail bob@x.org",
                "http://a/b@c and mail bob@x.org",
            ),
            ("redis://:p@cache", "redis://***@cache"),
            ("no URL: //", "no URL: //"),
        ] {
            assert_eq!(without_credentials(line), wanted);
        }
    }
}
