//! What is secret in manifests, and must not get from production into the log of a workflow, which may be public: values of
//! Secrets, of variables and entries whose name says that they are secret, and credentials in URLs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;

use crate::cluster::text;
use crate::context::Context;
use crate::deploy::kubernetes::manifest::Object;
use crate::{passwords, secret_names};

/// Hides what manifests hold, also in what the cluster says.
pub(super) async fn announce(ctx: &Context, objects: &[Object]) {
    for object in objects {
        announce_one(ctx, &object.kind, &object.value).await;
    }
}

/// Hides what an object holds, a manifest's or a live one.
pub(super) async fn announce_one(ctx: &Context, kind: &str, object: &Value) {
    for secret in values(kind, object) {
        ctx.events.mask(&secret).await;
    }
}

/// All values that are to be hidden.
fn values(kind: &str, object: &Value) -> Vec<SecretString> {
    let mut found = Vec::new();
    match kind {
        "Secret" => found.extend(of_secret(object)),
        "ConfigMap" => of_config_map(object, &mut found),
        _ => {}
    }
    variables(object, &mut found);
    found.retain(|value| !value.trim().is_empty());
    found.into_iter().map(SecretString::from).collect()
}

/// Entries with a telling name, and such lines of the files in it.
fn of_config_map(map: &Value, found: &mut Vec<String>) {
    let entries = map.get("data").and_then(Value::as_object);
    for (name, value) in entries.into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if !text.trim().contains('\n') {
            found.extend(named(name, text));
            continue;
        }
        for line in text.lines() {
            let pair = line.split_once(['=', ':']);
            found.extend(pair.and_then(|(name, value)| named(name.trim(), value)));
        }
    }
}

/// The value, when the name says that it is secret.
fn named(name: &str, value: &str) -> Option<String> {
    let value = value.trim().trim_matches(['"', '\'']);
    secret_names::variable(name).then(|| value.to_owned())
}

/// Values of variables with a telling name, wherever a pod template may stand, and what any text tells: the password of a URL,
/// an argument `--password=…`.
fn variables(value: &Value, found: &mut Vec<String>) {
    let env = value.get("env").and_then(Value::as_array);
    for variable in env.into_iter().flatten() {
        found.extend(named(text(variable, "/name"), text(variable, "/value")));
    }
    match value {
        Value::String(text) => {
            found.extend(passwords::in_urls(text));
            let argument = text
                .strip_prefix("--")
                .and_then(|text| text.split_once('='));
            found.extend(argument.and_then(|(name, value)| named(name, value)));
        }
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
        let encoded = value.as_str()?.trim();
        let bytes = STANDARD.decode(encoded).ok()?;
        // What is no text is printed by nobody, but may be shown as it stands here.
        Some(String::from_utf8(bytes).unwrap_or_else(|_| encoded.to_owned()))
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
        let binary = STANDARD.encode([0xff, 0xfe, 0x01]);
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {x: plain-one}\ndata: {y: ZW5jb2RlZC1vbmU=, z: '%%', v: BINARY}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {x: open}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\nspec: {containers: [{env: [{name: MLFLOW_TRACKING_PASSWORD, value: hidden}, {name: MODEL, value: wine}, {name: API_TOKEN, valueFrom: {}}, {name: DB_PASSWORD_V2, value: second}, {name: CREDENTIALS, value: 'one=two'}, {name: SECRET_NAME, value: wine}, {name: DB, value: 'postgres://u:url-one@db/x'}], args: ['--db-password=argument-one', '--port=8080']}]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {api-token: entry-one, colour: open, TOKEN_URL: 'http://open', app.properties: \"port=80\\ndb.password = 'line-one'\\n\"}\n";
        let text = text.replace("BINARY", &binary);
        let objects = parse("k.yaml", &text).unwrap();
        let found: Vec<_> = objects
            .iter()
            .flat_map(|object| values(&object.kind, &object.value))
            .collect();
        let found: Vec<&str> = found.iter().map(|value| value.expose_secret()).collect();
        assert_eq!(
            found,
            [
                "plain-one",
                "encoded-one",
                &binary,
                "hidden",
                "second",
                "one=two",
                "url-one",
                "argument-one",
                "entry-one",
                "line-one"
            ]
        );
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
