//! A login, and where it may be from. It knows neither who gives it nor who asks.

use secrecy::SecretString;

/// The key under which Docker keeps the login of its own hub.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

/// Where a login is from that the place gives its jobs.
pub(super) const OF_JOB: &str = "the job's own token";

/// A login at one registry.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) secret: SecretString,
    /// The secret is an OAuth2 refresh token, not a password.
    pub(crate) identity_token: bool,
    /// Where it came from, for messages: `inputs`, or the path of a file and the helper.
    pub(crate) origin: String,
    /// What would give a cloud's identity the right to push.
    pub(crate) right: Option<String>,
}
