//! Which parts of a secret tell it: the whole, the secret values inside of a document, the password inside of a URL. What is
//! structure (names, addresses, kinds) stays readable. It searches no text and knows no reporter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::passwords;

/// A shorter value would hide parts of ordinary words.
pub(super) const SHORTEST: usize = 4;
/// A line of a longer secret must be this long, because short lines are structure: `}`, `users:`.
const SHORTEST_LINE: usize = 8;
/// Documents in documents (base64 in JSON in base64) are followed this far.
const DEEPEST: usize = 4;
/// A named value is hidden only under a name that says it is secret: in a kubeconfig `apiVersion: v1` and the namespace, in a
/// service account's key the project must stay readable.
const SECRET_KEYS: [&str; 10] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "key",
    "data",
    "credential",
    "auth",
    "cert",
];

/// The parts of a secret that are worth hiding, the whole first.
pub(super) fn parts(secret: &str) -> Vec<String> {
    let whole = secret.trim();
    let mut values = Vec::new();
    if worth_hiding(whole) {
        values.push(whole.to_owned());
    }
    inner(whole, DEEPEST, &mut values);
    values
}

fn worth_hiding(value: &str) -> bool {
    let boolean = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    let number = value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    value.chars().count() >= SHORTEST && !boolean && !number
}

/// What is secret inside of a text, in whatever form it is.
fn inner(text: &str, depth: usize, values: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    values.extend(
        passwords::in_urls(text)
            .into_iter()
            .filter(|one| worth_hiding(one)),
    );
    if text.starts_with(['{', '['])
        && let Ok(tree) = serde_json::from_str(text)
    {
        return walk(&tree, false, depth, values);
    }
    if text.contains(['\n', '\r']) {
        values.extend(text.split(['\n', '\r']).filter_map(telling_line));
    } else if text.contains(';') {
        // Connection strings: `AccountName=x;AccountKey=y`.
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        values.extend(pairs.filter_map(|(name, value)| named(name.trim(), value.trim())));
    }
    if let Some(document) = decoded(text) {
        inner(document.trim(), depth - 1, values);
    }
}

/// The secret values of a JSON document; `secret` when the name above says so.
fn walk(tree: &serde_json::Value, secret: bool, depth: usize, values: &mut Vec<String>) {
    match tree {
        serde_json::Value::String(text) => {
            let text = text.trim();
            if secret && worth_hiding(text) {
                values.push(text.to_owned());
                // Docker's `auth` is `user:password`.
                let pair = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
                let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
                let password = pair.as_ref().and_then(|pair| pair.split_once(':'));
                values.extend(
                    password
                        .map(|(_, password)| password.to_owned())
                        .filter(|password| worth_hiding(password)),
                );
            }
            inner(text, depth - 1, values);
        }
        serde_json::Value::Array(items) => {
            for item in items {
                walk(item, secret && !item.is_object(), depth, values);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                // Every value of a Secret's data is one, whatever its name; any other object has names of its own.
                let below = if value.is_object() {
                    matches!(name.as_str(), "data" | "stringData")
                } else {
                    secret || names_secret(name)
                };
                walk(value, below, depth, values);
            }
        }
        _ => {}
    }
}

/// Whether a name says that its value is secret. An address is none, although its name may hold such a word (`token_uri`), nor
/// is what says how a secret looks (`subject_token_type`, `subject_token_field_name`): hiding `value` would cut every log.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let about = ["uri", "url", "endpoint", "_type", "_field_name"];
    let about = about.iter().any(|end| name.ends_with(end));
    !about && SECRET_KEYS.iter().any(|word| name.contains(word))
}

/// A document handed over in base64, as kubeconfigs often are.
fn decoded(value: &str) -> Option<String> {
    let packed: String = value.split_whitespace().collect();
    if packed.len() < 64 {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(packed.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

fn telling_line(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("- ");
    if let Some((name, value)) = mapping(line) {
        return named(name, value);
    }
    let armour = line.starts_with("-----");
    let words = line.chars().filter(|c| c.is_alphanumeric()).count();
    (!armour && line.len() >= SHORTEST_LINE && words * 2 >= line.len() && worth_hiding(line))
        .then(|| line.to_owned())
}

fn named(name: &str, value: &str) -> Option<String> {
    let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
    (names_secret(name) && worth_hiding(value)).then(|| value.to_owned())
}

/// `key: value` of YAML or JSON, `key = value`, or `NAME=value` of an environment file.
fn mapping(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line
        .split_once(": ")
        .or_else(|| line.split_once(" = "))
        .or_else(|| line.strip_suffix(':').map(|key| (key, "")))
        .or_else(|| variable(line))?;
    let key = key.trim_matches(['"', '\'']);
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!key.is_empty() && key.chars().all(name)).then_some((key, value))
}

/// `NAME=value`; the `=` that ends a line of base64 is none.
fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let plain = name.chars().all(capital) || name.chars().all(lower);
    (plain && name.len() <= 40 && !value.trim_matches('=').is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_accounts_key_on_one_line_is_hidden_by_its_values() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nZZ9qRst0UvWxYz12\n-----END PRIVATE KEY-----\n";
        let json = serde_json::json!({
            "type": "service_account", "project_id": "wine-prod", "private_key_id": "0123abcd4567",
            "private_key": key, "client_email": "ci@wine-prod.example", "token_uri": "https://oauth2.example/token",
        });
        let found = parts(&json.to_string());
        for wanted in [
            key.trim(),
            "0123abcd4567",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        ] {
            assert!(found.iter().any(|one| one == wanted), "{wanted}");
        }
        for readable in [
            "service_account",
            "wine-prod",
            "ci@wine-prod.example",
            "https://oauth2.example/token",
        ] {
            assert!(!found.iter().any(|one| one == readable), "{readable}");
        }
        // The same in base64, as many keep it.
        let packed = base64::engine::general_purpose::STANDARD.encode(json.to_string());
        assert!(parts(&packed).iter().any(|one| one == "0123abcd4567"));
    }

    #[test]
    fn a_federation_s_file_hides_its_login_and_no_common_word() {
        let json = serde_json::json!({
            "type": "external_account", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "credential_source": {"headers": {"Authorization": "Bearer runner-hunter22"},
                "format": {"type": "json", "subject_token_field_name": "value"}},
        });
        let found = parts(&json.to_string());
        assert_eq!(found[1..], ["Bearer runner-hunter22"]);
    }

    #[test]
    fn docker_logins_and_cluster_secrets_are_found_in_json() {
        let auth = base64::engine::general_purpose::STANDARD.encode("robot:pa:ssword");
        let found = parts(&format!(
            r#"{{"auths":{{"r.test":{{"username":"robot","auth":"{auth}"}}}}}}"#
        ));
        assert!(
            found.contains(&auth) && found.contains(&"pa:ssword".to_owned()),
            "{found:?}"
        );
        assert!(!found.contains(&"robot".to_owned()));
        let found = parts(
            r#"{"kind":"Secret","metadata":{"name":"database"},"stringData":{"db":"opensesame"}}"#,
        );
        assert!(found.contains(&"opensesame".to_owned()));
        assert!(!found.contains(&"database".to_owned()));
    }

    #[test]
    fn one_line_forms_are_taken_apart() {
        let found = parts(
            "DefaultEndpointsProtocol=https;AccountName=wine;AccountKey=abcDEF123==;EndpointSuffix=x.example",
        );
        assert_eq!(found[1..], ["abcDEF123=="]);
        let found = parts("postgresql://ml:s%40cret@db.example/ml");
        assert_eq!(found[1..], ["s%40cret", "s@cret"]);
        let found =
            parts("REGION=eu-west-1\nDB_PASSWORD=opensesame\nexport API_TOKEN='abcd1234'\n");
        assert_eq!(found[1..], ["opensesame", "abcd1234"]);
    }

    #[test]
    fn lines_of_a_key_are_hidden_and_short_values_are_not() {
        let found = parts(
            "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nQWxhZGRpbjpvcGVu==\nabc\n-----END KEY-----",
        );
        assert_eq!(found[1..], ["MIIEowIBAAKCAQEA", "QWxhZGRpbjpvcGVu=="]);
        for value in ["", "abc", "true", "12345", r#"{"key":"on"}"#] {
            assert!(parts(value).iter().all(|one| one.len() > 6), "{value}");
        }
    }
}
