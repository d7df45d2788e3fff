//! Whose name we use at a registry: which of all the places that know one is asked first.

use super::docker::stored;
use super::login::{Credentials, OF_JOB};
use crate::cloud;
use crate::code::Code;
use crate::failure::{Failure, Outcome, chain};
use crate::host;
use crate::plan::{RegistryLogin, RegistryPassword};

/// The login for a registry host: the inputs' password when it is for this host, that of a cloud whose identity the inputs
/// name, what Docker keeps, that of a cloud of the surroundings, what the place gives its jobs.
/// `None`: the registry is asked without a name. Callers mask the secret before they do anything else, and ask again at each
/// use: a cloud's login lives for some minutes or hours.
///
/// # Errors
/// `InputInvalid` when Docker's configuration cannot be read or its helper is not here or fails; those of a cloud.
pub(crate) async fn credentials(
    host: &str,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<Credentials>> {
    let Some(login) = login else {
        return docker(host).await;
    };
    if let Some(found) = of(login.password.as_ref(), host, "the inputs") {
        return Ok(Some(found));
    }
    if let Some(found) = login.clouds.registry(host, true).await? {
        return Ok(Some(found.into()));
    }
    if let Some(found) = docker(host).await? {
        return Ok(Some(found));
    }
    if let Some(found) = login.clouds.registry(host, false).await? {
        return Ok(Some(found.into()));
    }
    Ok(of(login.job.as_ref(), host, OF_JOB))
}

/// A password that is for this host; no other one is ever given it.
fn of(password: Option<&RegistryPassword>, host: &str, origin: &str) -> Option<Credentials> {
    let found = password.filter(|password| password.host == host)?;
    Some(Credentials {
        username: found.username.clone(),
        secret: found.password.clone(),
        identity_token: false,
        origin: origin.to_owned(),
        right: None,
    })
}

impl From<cloud::Login> for Credentials {
    fn from(login: cloud::Login) -> Self {
        Self {
            username: login.username,
            secret: login.secret,
            identity_token: login.identity_token,
            origin: login.origin,
            right: login.right,
        }
    }
}

/// What Docker keeps for a host.
async fn docker(host: &str) -> Outcome<Option<Credentials>> {
    let Some(path) = host::docker::folder().map(|folder| folder.join("config.json")) else {
        return Ok(None);
    };
    stored(&path, host).await.map_err(|error| {
        Failure::new(Code::InputInvalid, chain(&error)).help(
            "set `registry-username` and `registry-password`, or correct Docker's configuration",
        )
    })
}
