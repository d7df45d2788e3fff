//! AWS's shared files, `~/.aws/config` and `~/.aws/credentials`: which keys, or which way to keys, a profile names.
//! It reads; it asks nobody. Source: "Shared config and credentials files" of the SDK reference guide.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::super::environment::Environment;
use super::keys::Keys;

/// How many profiles may lean on each other.
const DEEPEST: usize = 8;

/// Where a profile's keys come from.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Keys(Keys),
    /// A role, in exchange for the token in a file.
    WebIdentity {
        role: String,
        file: PathBuf,
        session: Option<String>,
    },
    /// A role, taken with other keys.
    Role {
        role: String,
        external_id: Option<String>,
        session: Option<String>,
        from: Box<Self>,
    },
    /// Keys of the place we run at.
    Environment,
    Container,
    Instance,
}

/// The profiles of both files, by name.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

impl Profiles {
    /// Reads both files; those that do not exist hold none. The error names the file.
    pub(super) fn read(environment: &Environment) -> Result<Self, String> {
        let mut profiles = Self::default();
        for (variable, name) in [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            let path = match (environment.get(variable), environment.get("HOME")) {
                (Some(path), _) => PathBuf::from(path),
                (None, Some(home)) => Path::new(home).join(".aws").join(name),
                (None, None) => continue,
            };
            match std::fs::read_to_string(&path) {
                Ok(text) => profiles.add(&text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(format!("failed to read `{}`: {error}", path.display()));
                }
            }
        }
        Ok(profiles)
    }

    fn add(&mut self, text: &str) {
        let mut section: Option<String> = None;
        for line in text.lines() {
            // An indented line belongs to the setting above, none of which we read.
            if line.starts_with([' ', '\t', '#', ';']) || line.is_empty() {
                continue;
            }
            if let Some(name) = line.trim_end().strip_prefix('[') {
                let name = name.split(']').next().unwrap_or(name).trim();
                let name = name.strip_prefix("profile ").unwrap_or(name).trim();
                let other = ["sso-session ", "services "];
                section =
                    (!other.iter().any(|kind| name.starts_with(kind))).then(|| name.to_owned());
                continue;
            }
            let (Some(section), Some((key, value))) = (&section, line.split_once('=')) else {
                continue;
            };
            let value = value.split(" #").next().unwrap_or(value).trim();
            let values = self.0.entry(section.clone()).or_default();
            values.insert(key.trim().to_lowercase(), value.to_owned());
        }
    }

    /// A setting of a profile.
    pub(super) fn get(&self, profile: &str, key: &str) -> Option<&str> {
        let value = self.0.get(profile)?.get(key)?.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// How a profile comes to its keys; `None` when it says nothing of it. A profile that was asked for must exist.
    pub(super) fn way(&self, profile: &str, asked: bool) -> Result<Option<Way>, String> {
        if !self.0.contains_key(profile) {
            if !asked {
                return Ok(None);
            }
            let known: Vec<_> = self.0.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(format!(
                "failed to find the profile `{profile}` that AWS_PROFILE names; known: {known}"
            ));
        }
        self.resolve(profile, 0)
    }

    fn resolve(&self, profile: &str, depth: usize) -> Result<Option<Way>, String> {
        if depth > DEEPEST {
            return Err(format!(
                "failed to use profile `{profile}`: its `source_profile` leads in a circle"
            ));
        }
        let get = |key: &str| self.get(profile, key);
        let owned = |key: &str| get(key).map(str::to_owned);
        let role = owned("role_arn");
        if let (Some(role), Some(file)) = (&role, get("web_identity_token_file")) {
            return Ok(Some(Way::WebIdentity {
                role: role.clone(),
                file: file.into(),
                session: owned("role_session_name"),
            }));
        }
        // A profile may name itself as its source: then its own keys take the role.
        if let Some(role) = role {
            let from = match (get("source_profile"), get("credential_source")) {
                (Some(source), _) if source == profile => self.keys(profile),
                (Some(source), _) => self.resolve(source, depth + 1)?,
                (None, Some("Environment")) => Some(Way::Environment),
                (None, Some("EcsContainer")) => Some(Way::Container),
                (None, Some("Ec2InstanceMetadata")) => Some(Way::Instance),
                (None, other) => {
                    let what = other.map_or_else(
                        || "has neither `source_profile` nor `credential_source`".to_owned(),
                        |other| format!("has the unknown `credential_source` `{other}`"),
                    );
                    return Err(format!(
                        "failed to use profile `{profile}`: its `role_arn` {what}"
                    ));
                }
            };
            let from = from.ok_or_else(|| {
                format!("failed to use profile `{profile}`: the profile behind its `role_arn` has no keys")
            })?;
            return Ok(Some(Way::Role {
                role,
                external_id: owned("external_id"),
                session: owned("role_session_name"),
                from: Box::new(from),
            }));
        }
        if let Some(keys) = self.keys(profile) {
            return Ok(Some(keys));
        }
        for (key, what) in [
            ("credential_process", "starts a program"),
            ("sso_session", "needs a log-in in a browser"),
            ("sso_account_id", "needs a log-in in a browser"),
        ] {
            if get(key).is_some() {
                return Err(format!(
                    "failed to use profile `{profile}`: its `{key}` {what}, which is not done here; run `aws configure export-credentials --format env` and give what it prints"
                ));
            }
        }
        Ok(None)
    }

    fn keys(&self, profile: &str) -> Option<Way> {
        Some(Way::Keys(Keys {
            id: self.get(profile, "aws_access_key_id")?.to_owned(),
            secret: self.get(profile, "aws_secret_access_key")?.into(),
            session_token: self
                .get(profile, "aws_session_token")
                .map(SecretString::from),
            expires: None,
            origin: format!("profile `{profile}`"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const CONFIG: &str = "\
# people write comments
[default]
region = eu-west-1
s3 =
  max_concurrent_requests = 20
[profile deploy]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = base
external_id = x1
region = eu-central-1 # Frankfurt
[profile web]
role_arn = arn:aws:iam::123456789012:role/web
web_identity_token_file = /run/token
[profile circle]
role_arn = r
source_profile = round
[profile round]
role_arn = r
source_profile = circle
[profile browser]
sso_session = s
[sso-session s]
region = us-east-1
[profile host]
role_arn = r
credential_source = Ec2InstanceMetadata
";
    const CREDENTIALS: &str = "\
[base]
aws_access_key_id=AKIABASE
aws_secret_access_key = se=cret/with+signs
";

    fn profiles() -> Profiles {
        let mut profiles = Profiles::default();
        profiles.add(CONFIG);
        profiles.add(CREDENTIALS);
        profiles
    }

    #[test]
    fn a_role_is_taken_with_the_keys_of_its_source() {
        let way = profiles().way("deploy", true).unwrap();
        let Some(Way::Role {
            role,
            external_id,
            from,
            ..
        }) = way
        else {
            panic!("{way:?}");
        };
        assert_eq!(role, "arn:aws:iam::123456789012:role/deploy");
        assert_eq!(external_id.as_deref(), Some("x1"));
        let Way::Keys(keys) = *from else { panic!() };
        assert_eq!(
            (keys.id.as_str(), keys.secret.expose_secret()),
            ("AKIABASE", "se=cret/with+signs")
        );
        assert_eq!(profiles().get("deploy", "region"), Some("eu-central-1"));
    }

    #[test]
    fn other_ways_are_told_apart() {
        let way = |name: &str| profiles().way(name, true);
        assert!(matches!(way("web"), Ok(Some(Way::WebIdentity { .. }))));
        assert!(matches!(way("default"), Ok(None)));
        assert!(
            matches!(way("host"), Ok(Some(Way::Role { from, .. })) if matches!(*from, Way::Instance))
        );
        assert!(way("circle").unwrap_err().contains("circle"));
        assert!(way("browser").unwrap_err().contains("export-credentials"));
        assert!(way("absent").unwrap_err().contains("`base`"));
        assert!(matches!(profiles().way("absent", false), Ok(None)));
    }
}
