//! AWS's registries: the login for one, and whether a repository is there. Source: Amazon ECR and ECR Public API references.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::kept::{Fresh, Kept};
use super::super::registry::Login;
use super::Aws;
use super::call::Call;
use super::place::{PUBLIC_REGION, Partition, Registry, Service};
use super::refused::Refused;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How long a login lives when the answer's own time cannot be believed.
const LIFE: Duration = Duration::from_secs(12 * 3600);
const JSON: &str = "application/x-amz-json-1.1";

/// A registry as ECR's interface names it.
struct Place {
    service: Service,
    region: String,
    /// `None`: our own.
    account: Option<String>,
}

impl Aws {
    /// The login for a registry of AWS; see [`super::super::Clouds::registry`].
    pub(in crate::cloud) async fn registry(
        &self,
        host: &str,
        named: bool,
    ) -> Outcome<Option<Login>> {
        let Some(registry) = Registry::of(host, &self.around.environment) else {
            return Ok(None);
        };
        if named != self.is_named() {
            return Ok(None);
        }
        let login = self.login(host, &registry).await;
        match login {
            Ok((proxy, _)) if registry == Registry::Local && proxy != host => Ok(None),
            Ok((_, login)) => Ok(Some(login)),
            Err(failure) if does_without(&registry, named, failure.code()) => {
                if registry == Registry::Public && failure.code() != Code::CloudIdentity {
                    let why = failure.findings().map(|finding| finding.message.as_str());
                    let why = why.collect::<Vec<_>>().join("; ");
                    let voice = &self.around.voice;
                    voice
                        .note(format!("{why}; it is asked without a name"))
                        .await;
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The login, and the host that it says it is for.
    async fn login(&self, host: &str, registry: &Registry) -> Outcome<(String, Login)> {
        let place = self.place(registry)?;
        let kept = {
            let mut logins = self.logins.lock().await;
            let service = place.service.signs_as();
            let name = (service, place.account.clone(), place.region.clone());
            let new = || {
                let what = format!("login at the registry `{host}`");
                Arc::new(Kept::new(what, self.around.voice.clone()))
            };
            logins.entry(name).or_insert_with(new).clone()
        };
        kept.get(async || self.new_login(host, &place).await).await
    }

    fn place(&self, registry: &Registry) -> Outcome<Place> {
        Ok(match registry {
            Registry::Public => Place {
                service: Service::EcrPublic,
                region: PUBLIC_REGION.to_owned(),
                account: None,
            },
            Registry::Private { account, region } => Place {
                service: Service::Ecr,
                region: region.clone(),
                account: Some(account.clone()),
            },
            Registry::Local => Place {
                service: Service::Ecr,
                region: self.region_for("the registry")?,
                account: None,
            },
        })
    }

    async fn new_login(&self, host: &str, place: &Place) -> Outcome<Fresh<(String, Login)>> {
        let tried = format!("log in to the registry `{host}`");
        let keys = self.keys().await?;
        let body = match &place.account {
            Some(account) => json!({"registryIds": [account]}),
            None => json!({}),
        };
        let answer = self
            .question(place, "GetAuthorizationToken", body, &tried)
            .await?;
        let answer = answer.map_err(|refused| {
            // The public registry's right has a second half.
            let right = match place.service {
                Service::EcrPublic => "ecr-public:GetAuthorizationToken",
                _ => "ecr:GetAuthorizationToken",
            };
            let failure = refused.failure(&tried, &keys, (right, "*"));
            if place.service == Service::EcrPublic && refused.is_denied() {
                return failure.help("allow the identity `ecr-public:GetAuthorizationToken` and `sts:GetServiceBearerToken` on `*`");
            }
            failure
        })?;
        // A list, except for the public registry.
        let data = &answer["authorizationData"];
        let data = data.get(0).unwrap_or(data);
        let pair = data["authorizationToken"].as_str();
        let pair = pair.and_then(|text| STANDARD.decode(text).ok());
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((username, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
            return Err(Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: the answer holds no login"),
            ));
        };
        let login = Login {
            username: username.to_owned(),
            secret: secret.into(),
            identity_token: false,
            origin: format!("ECR for {}", keys.origin),
            right: None,
        };
        self.around.voice.mask(&login.secret).await;
        let proxy = data["proxyEndpoint"].as_str().unwrap_or_default();
        let proxy = proxy.split("://").last().unwrap_or_default();
        let proxy = proxy.trim_end_matches('/').to_owned();
        // It does not outlive the keys that it was made with.
        let life = keys.life().unwrap_or(LIFE).min(left(&data["expiresAt"]));
        Ok(Fresh {
            value: (proxy, login),
            life: Some(life),
        })
    }

    async fn question(
        &self,
        place: &Place,
        operation: &str,
        body: Value,
        tried: &str,
    ) -> Outcome<Result<Value, Refused>> {
        let family = match place.service {
            Service::EcrPublic => "SpencerFrontendService",
            _ => "AmazonEC2ContainerRegistry_V20150921",
        };
        let target = format!("{family}.{operation}");
        let call = Call {
            service: place.service,
            region: &place.region,
            method: Method::POST,
            path: "/",
            headers: &[("content-type", JSON), ("x-amz-target", &target)],
            body: body.to_string().into_bytes(),
            tried,
        };
        self.ask(&call).await
    }

    /// Whether a registry is AWS's, or may be that of an emulator of it.
    pub(in crate::cloud) fn has_registry(&self, host: &str) -> bool {
        Registry::of(host, &self.around.environment).is_some()
    }

    /// Sees that a repository is there; with `create` makes it when it is not. What may not be looked at is let pass: the
    /// registry itself is asked next. Returns what was made.
    ///
    /// # Errors
    /// `RepositoryMissing` with the line that makes it, `CloudDenied` when it may not be made.
    pub(in crate::cloud) async fn repository(
        &self,
        host: &str,
        path: &str,
        create: bool,
    ) -> Outcome<Option<String>> {
        let Some(registry) = Registry::of(host, &self.around.environment) else {
            return Ok(None);
        };
        let is_local = registry == Registry::Local;
        if is_local && self.registry(host, self.is_named()).await?.is_none() {
            return Ok(None);
        }
        let place = self.place(&registry)?;
        let keys = match self.keys().await {
            Ok(keys) => keys,
            Err(failure) if create || self.is_named() => return Err(failure),
            Err(_) => return Ok(None),
        };
        // Before the name stands the account's alias.
        let name = match registry {
            Registry::Public => path.split_once('/').map_or(path, |(_, name)| name),
            _ => path,
        };
        let account = |mut body: Value| {
            if let Some(account) = &place.account {
                body["registryId"] = account.as_str().into();
            }
            body
        };
        let tried = format!("look for the repository `{host}/{path}`");
        let body = account(json!({"repositoryNames": [name]}));
        let found = self
            .question(&place, "DescribeRepositories", body, &tried)
            .await?;
        match found {
            Err(refused) if refused.kind.starts_with("RepositoryNotFound") => {}
            Ok(_) | Err(_) => return Ok(None),
        }
        let service = place.service.signs_as();
        let region = &place.region;
        if !create {
            return Err(Failure::new(
                Code::RepositoryMissing,
                format!("failed to find the repository `{name}` in the registry `{host}`"),
            )
            .help(format!(
                "set `create-repository: true`, or make it once: `aws {service} create-repository --repository-name {name} --region {region}`"
            )));
        }
        let tried = format!("create the repository `{name}` in the registry `{host}`");
        let body = account(json!({"repositoryName": name}));
        let made = self
            .question(&place, "CreateRepository", body, &tried)
            .await?;
        match made {
            Ok(_) => Ok(Some(format!(
                "created the repository `{name}` in the registry `{host}`"
            ))),
            // Another job was faster.
            Err(refused) if refused.kind.starts_with("RepositoryAlreadyExists") => Ok(None),
            Err(refused) => {
                let partition = Partition::of(region).name;
                let account = place.account.as_deref().unwrap_or("ACCOUNT");
                let resource =
                    format!("arn:{partition}:{service}:{region}:{account}:repository/{name}");
                let action = format!("{service}:CreateRepository");
                Err(refused.failure(&tried, &keys, (&action, &resource)))
            }
        }
    }
}

/// Whether a registry is asked without a name when there is no login for it.
fn does_without(registry: &Registry, named: bool, code: Code) -> bool {
    match registry {
        // Anybody may pull from there: base images need no right of ours.
        Registry::Public => true,
        // Some other registry on this machine is none of an emulator's business, if it emulates ECR at all.
        Registry::Local => !named || code == Code::CloudUnreachable,
        Registry::Private { .. } => false,
    }
}

/// How long a login lives; a time that has passed already says only that a clock is wrong.
fn left(expires: &Value) -> Duration {
    let second = expires.as_f64().map(|second| second as i64);
    let time = second.and_then(|second| Timestamp::from_second(second).ok());
    let time = time.or_else(|| expires.as_str()?.parse().ok());
    let left = time.map(|time| time.duration_since(Timestamp::now()));
    let left = left.and_then(|left| Duration::try_from(left).ok());
    left.filter(|left| !left.is_zero())
        .map_or(LIFE, |left| left.min(LIFE))
}

#[cfg(test)]
mod tests {
    use super::super::super::environment::Environment;
    use super::*;

    #[test]
    fn only_what_may_be_open_is_asked_without_a_name() {
        let private = Registry::of(
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            &Environment::default(),
        );
        let private = private.unwrap();
        for code in [
            Code::CloudIdentity,
            Code::CloudDenied,
            Code::CloudUnreachable,
        ] {
            assert!(does_without(&Registry::Public, true, code));
            assert!(!does_without(&private, true, code));
            assert!(!does_without(&private, false, code));
            assert!(does_without(&Registry::Local, false, code));
        }
        assert!(!does_without(&Registry::Local, true, Code::CloudDenied));
        assert!(does_without(&Registry::Local, true, Code::CloudUnreachable));
    }

    #[test]
    fn the_life_of_a_login_is_read_and_not_always_believed() {
        let soon = Timestamp::now().as_second() + 60;
        let read = left(&json!(soon as f64 + 0.5));
        assert!(
            read <= Duration::from_secs(60) && read > Duration::from_secs(50),
            "{read:?}"
        );
        assert_eq!(left(&json!(1_420_070_400)), LIFE);
        assert_eq!(left(&json!(soon + 2 * 24 * 3600)), LIFE);
        assert_eq!(left(&Value::Null), LIFE);
    }
}
