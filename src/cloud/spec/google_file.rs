//! The keys of a file of Google's credentials, and what is wrong with them; no value is ever shown.
//! Sources: google.aip.dev/auth/4112, 4113 and 4117.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::google::{GoogleExternal, GoogleKind, GooglePlace, GoogleSource};
use super::url::{is_next_door, may_carry_secrets};

/// Where an own account's tokens are had when its file does not say.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// The keys and values of a file.
pub(super) struct File(Map<String, Value>);

impl File {
    pub(super) fn new(file: Map<String, Value>) -> Self {
        Self(file)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let text = self.0.get(key).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    /// Values of keys without which the file is of no use.
    fn needed<const N: usize>(&self, keys: [&str; N]) -> Result<[String; N], String> {
        let lacking: Vec<String> = keys
            .iter()
            .filter(|key| self.text(key).is_none())
            .map(|key| format!("`{key}`"))
            .collect();
        if !lacking.is_empty() {
            return Err(format!("lacks {}", lacking.join(", ")));
        }
        Ok(keys.map(|key| self.text(key).unwrap_or_default().to_owned()))
    }

    pub(super) fn service_account(&self) -> Result<GoogleKind, String> {
        let [email, key] = self.needed(["client_email", "private_key"])?;
        let begin = "-----BEGIN PRIVATE KEY-----";
        if !key.starts_with(begin) || key.lines().count() < 3 {
            return Err(format!(
                "has a `private_key` that does not begin with the line `{begin}`: give the file as Google wrote it, in quotes where a shell passes it on (the value is not shown)"
            ));
        }
        Ok(GoogleKind::ServiceAccount {
            email,
            key_id: self.text("private_key_id").map(str::to_owned),
            key: key.into(),
            token_url: self.url("token_uri")?.unwrap_or(TOKEN_URL.to_owned()),
        })
    }

    pub(super) fn user(&self) -> Result<GoogleKind, String> {
        let [client_id, client_secret, refresh_token] =
            self.needed(["client_id", "client_secret", "refresh_token"])?;
        Ok(GoogleKind::User {
            client_id,
            client_secret: client_secret.into(),
            refresh_token: refresh_token.into(),
            token_url: self.url("token_uri")?.unwrap_or(TOKEN_URL.to_owned()),
        })
    }

    pub(super) fn external(&self) -> Result<GoogleExternal, String> {
        let [audience, token_type, token_url] =
            self.needed(["audience", "subject_token_type", "token_url"])?;
        self.url("token_url")?;
        let source = match self.0.get("credential_source") {
            Some(Value::Object(source)) => Self(source.clone()).source()?,
            _ => return Err("lacks `credential_source`".to_owned()),
        };
        Ok(GoogleExternal {
            audience,
            token_type,
            token_url,
            impersonation_url: self.url("service_account_impersonation_url")?,
            source,
        })
    }

    fn source(&self) -> Result<GoogleSource, String> {
        // Machines of a cloud have their tokens from a place that is reached without leaving them.
        let url = match self.text("url").filter(|url| is_next_door(url)) {
            Some(url) => Some(url.to_owned()),
            None => self.url("url")?,
        };
        let place = match (self.text("file"), url) {
            (Some(path), _) => GooglePlace::File(path.to_owned()),
            (None, Some(url)) => {
                let headers = self.0.get("headers").and_then(Value::as_object);
                let headers = headers.into_iter().flatten();
                let headers = headers.filter_map(|(name, value)| {
                    Some((name.clone(), SecretString::from(value.as_str()?)))
                });
                GooglePlace::Url {
                    url: url.into(),
                    headers: headers.collect(),
                }
            }
            (None, None) => {
                return Err("has a `credential_source` with neither `file` nor `url`: programs and AWS's signatures are not read here".to_owned());
            }
        };
        let format = self.0.get("format");
        let text = |key: &str| format?.get(key)?.as_str();
        let field = text("subject_token_field_name").filter(|_| text("type") == Some("json"));
        Ok(GoogleSource {
            place,
            field: field.map(str::to_owned),
        })
    }

    /// A URL that secrets are sent to.
    fn url(&self, key: &str) -> Result<Option<String>, String> {
        let url = self.text(key);
        if url.is_some_and(|url| !may_carry_secrets(url)) {
            return Err(format!(
                "has a `{key}` that is no https:// URL: a secret would be sent there readably"
            ));
        }
        Ok(url.map(str::to_owned))
    }
}
