//! Reads a file of Google's credentials. Of such a file nothing is ever shown but names of keys, e-mail addresses and the place
//! of an error.
//! Sources: google.aip.dev/auth/4110 to 4117, and the files that google-github-actions/auth and gcloud write.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::google::{
    GoogleCredentials, GoogleExternal, GoogleKind, GooglePlace, GoogleSource, UNIVERSE,
};
use super::pasted;
use super::url::{is_next_door, may_carry_secrets};

/// Where an own account's tokens are had when its file does not say.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
impl GoogleCredentials {
    /// Reads JSON, or its base64 form. An error completes "input `credentials-json` …" and "file `…` …".
    pub(crate) fn read(text: &SecretString) -> Result<Self, String> {
        let text = pasted::json(text.expose_secret());
        let file = match serde_json::from_str(&text) {
            Ok(Value::Object(file)) => File(file),
            Ok(_) => {
                let why = pasted::why_no_json(&text);
                return Err(format!("is JSON, but not an object with `type`{why}"));
            }
            // The parser's own words may quote what it read.
            Err(error) => {
                return Err(format!(
                    "is neither JSON nor its base64 form (line {}, column {}){}; expected the file of a service account's key or of a workload identity federation (the value is not shown)",
                    error.line(),
                    error.column(),
                    pasted::why_no_json(&text)
                ));
            }
        };
        let kind = match file.text("type") {
            Some("service_account") => file.service_account(),
            Some("external_account") => file.external().map(GoogleKind::External),
            Some("authorized_user") => file.user(),
            Some("impersonated_service_account") => Err(
                "is of `gcloud auth application-default login --impersonate-service-account`, which is not read here: log in without that, or give a service account's key".to_owned(),
            ),
            // A key of this name may hold anything.
            Some(_) => Err("has a `type` that is none of `service_account`, `external_account`, `authorized_user` (the value is not shown)".to_owned()),
            None if file.0.contains_key("installed") || file.0.contains_key("web") => Err(
                "is an OAuth client, which is nobody: give a service account's key".to_owned(),
            ),
            None => Err("lacks `type`".to_owned()),
        }?;
        let project = file.text("project_id").or(file.text("quota_project_id"));
        Ok(Self {
            kind,
            project: project.map(str::to_owned),
            universe: file.text("universe_domain").unwrap_or(UNIVERSE).to_owned(),
        })
    }
}

/// The keys and values of a file.
struct File(Map<String, Value>);

impl File {
    fn text(&self, key: &str) -> Option<&str> {
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

    fn service_account(&self) -> Result<GoogleKind, String> {
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

    fn user(&self) -> Result<GoogleKind, String> {
        let [client_id, client_secret, refresh_token] =
            self.needed(["client_id", "client_secret", "refresh_token"])?;
        Ok(GoogleKind::User {
            client_id,
            client_secret: client_secret.into(),
            refresh_token: refresh_token.into(),
            token_url: self.url("token_uri")?.unwrap_or(TOKEN_URL.to_owned()),
        })
    }

    fn external(&self) -> Result<GoogleExternal, String> {
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const KEY: &str = r#"{"type": "service_account", "project_id": "wine", "private_key_id": "k1", "client_email": "ci@wine.iam.gserviceaccount.com",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhunter22\n-----END PRIVATE KEY-----\n", "token_uri": "https://oauth2.googleapis.com/token"}"#;

    fn read(text: &str) -> Result<GoogleCredentials, String> {
        GoogleCredentials::read(&SecretString::from(text))
    }

    #[test]
    fn a_key_is_read_as_json_and_as_base64() {
        let lines: Vec<u8> = STANDARD.encode(KEY).into_bytes();
        let wrapped: Vec<_> = lines
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        for text in [KEY.to_owned(), format!("{KEY}\n"), wrapped.join("\n")] {
            let found = read(&text).unwrap();
            assert_eq!(found.project.as_deref(), Some("wine"));
            assert_eq!(found.universe, UNIVERSE);
            let secrets = found.secrets();
            assert_eq!(secrets.len(), 1);
            assert_eq!(secrets[0].expose_secret(), "MIIEvQIBADANBgkqhunter22");
            assert!(!format!("{found:?}").contains("hunter22"));
        }
    }

    #[test]
    fn the_file_of_a_federation_is_read() {
        let found = read(
            r#"{"type":"external_account","audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
            "subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token",
            "credential_source":{"url":"https://runner.example/?a=b","headers":{"Authorization":"Bearer hunter22-token"},"format":{"type":"json","subject_token_field_name":"value"}}}"#,
        )
        .unwrap();
        assert_eq!(found.secrets()[0].expose_secret(), "hunter22-token");
        let GoogleKind::External(external) = found.kind else {
            unreachable!("{found:?}")
        };
        assert_eq!(external.source.field.as_deref(), Some("value"));
        assert!(matches!(external.source.place, GooglePlace::Url { .. }));
    }

    #[test]
    fn a_token_of_the_machine_next_door_may_be_asked_for_without_tls() {
        let file = |url: &str| {
            read(&format!(
                r#"{{"type":"external_account","audience":"//iam.googleapis.com/x","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token",
                "credential_source":{{"url":"{url}","headers":{{"Metadata":"True"}}}}}}"#
            ))
        };
        // As Google's own documentation has it for machines of Azure.
        assert!(file("http://169.254.169.254/metadata/identity/oauth2/token?resource=x").is_ok());
        assert!(file("http://[fe80::1]/token").is_ok());
        let said = file("http://token.example/").unwrap_err();
        assert!(said.contains("`url` that is no https:// URL"), "{said}");
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_its_values() {
        for (text, expected) in [
            ("hunter22-secret", "neither JSON nor its base64 form"),
            (r#"{"type": "service_account", hunter22"#, "line 1"),
            (r#"["hunter22"]"#, "not an object"),
            (r#"{"a": "hunter22"}"#, "lacks `type`"),
            (r#"{"type": "hunter22"}"#, "has a `type` that is none of"),
            (
                r#"{"installed": {"client_secret": "hunter22"}}"#,
                "OAuth client",
            ),
            (
                r#"{"type": "service_account", "private_key": "hunter22"}"#,
                "lacks `client_email`",
            ),
            (
                r#"{"type": "service_account", "client_email": "e", "private_key": "hunter22"}"#,
                "does not begin with the line",
            ),
            (
                r#"{"type": "authorized_user", "client_id": "c", "client_secret": "hunter22", "refresh_token": "hunter22", "token_uri": "http://hunter22.example"}"#,
                "no https:// URL",
            ),
            (
                r#"{"type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "https://x", "credential_source": {"executable": {}}}"#,
                "neither `file` nor `url`",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("hunter22"), "{said}");
        }
    }
}
