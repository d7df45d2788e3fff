//! Keys that the place hands out to whoever runs there: a container of ECS or EKS, a machine of EC2.
//! Sources: SDK reference guide, "Container credential provider" and "IMDS credential provider"; EC2 user guide, IMDSv2.

use std::time::Duration;

use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Aws;
use super::keys::Keys;
use super::place::is_true;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Where containers of ECS ask.
const ECS: &str = "http://169.254.170.2";
/// Where machines ask. What is no machine of AWS has nobody there.
const EC2: &str = "http://169.254.169.254";
/// How long the machine's own server may take: it is next door.
const NEAR: Duration = Duration::from_secs(1);
/// Hosts that may be asked without TLS: this machine, and those next to a container.
const CLEAR: &[&str] = &[
    "localhost",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl Aws {
    /// Keys of the container that we run in; `None` when it names no place to ask.
    ///
    /// # Errors
    /// `CloudIdentity` when the place answers with something else or may not be asked, `CloudUnreachable`.
    pub(super) async fn of_container(&self) -> Outcome<Option<Keys>> {
        let get = |name: &str| self.around.environment.get(name);
        let address = match (
            get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ) {
            (Some(path), _) => format!("{ECS}{path}"),
            (None, Some(address)) => address.to_owned(),
            (None, None) => return Ok(None),
        };
        let failed = "failed to get the container's keys";
        let url = Url::parse(&address)
            .ok()
            .filter(may_be_asked)
            .ok_or_else(|| {
                Failure::new(
                    Code::CloudIdentity,
                    format!("{failed}: `{address}` is neither https nor next to this container"),
                )
                .help("correct AWS_CONTAINER_CREDENTIALS_FULL_URI")
            })?;
        let http = &self.around.http;
        let mut request = http.client().get(url);
        if let Some(token) = self.container_token()? {
            // The file may hold another one than at the beginning.
            self.around.voice.mask(&token).await;
            request = request.header("authorization", token.expose_secret());
        }
        let answer = http
            .send_at_most(3, "get the container's keys", request)
            .await?;
        self.handed_out(
            &answer.body,
            answer.status.is_success(),
            failed,
            "the container's role",
        )
        .await
        .map(Some)
    }

    /// What the container's place wants to see. The file is read again each time: what is in it is changed.
    fn container_token(&self) -> Outcome<Option<SecretString>> {
        let environment = &self.around.environment;
        if let Some(path) = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            let text = fs_err::read_to_string(path).map_err(|error| {
                Failure::new(
                    Code::CloudIdentity,
                    format!("failed to get the container's keys: {error}"),
                )
                .help("correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            })?;
            return Ok(Some(text.trim().into()));
        }
        Ok(environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
    }

    /// Keys of the machine that we run on; `None` when nobody answers within a second, or when it has no role.
    ///
    /// # Errors
    /// `CloudIdentity` when it answers with something else.
    pub(super) async fn of_machine(&self) -> Outcome<Option<Keys>> {
        let environment = &self.around.environment;
        if is_true(environment, "AWS_EC2_METADATA_DISABLED") {
            return Ok(None);
        }
        let base = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let base = base.unwrap_or(EC2).trim_end_matches('/');
        let client = self.around.http.client();
        let begin = client
            .put(format!("{base}/latest/api/token"))
            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        let Some(token) = self.near(begin).await.map(SecretString::from) else {
            return Ok(None);
        };
        self.around.voice.mask(&token).await;
        let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
        let ask = |url: &str| {
            let request = client.get(url);
            request.header("x-aws-ec2-metadata-token", token.expose_secret())
        };
        let Some(role) = self.near(ask(&roles)).await else {
            return Ok(None);
        };
        let role = role.lines().next().unwrap_or_default().trim().to_owned();
        let Some(text) = self.near(ask(&format!("{roles}{role}"))).await else {
            return Ok(None);
        };
        let origin = format!("the machine's role `{role}`");
        let failed = "failed to get the machine's keys";
        self.handed_out(text.as_bytes(), true, failed, &origin)
            .await
            .map(Some)
    }

    /// What a server next door answers; `None` when there is none, or nothing.
    async fn near(&self, request: RequestBuilder) -> Option<String> {
        let request = request.timeout(NEAR);
        let sent = self.around.http.send_at_most(1, "ask the machine", request);
        let answer = sent.await.ok()?;
        let text = answer.text();
        (answer.status.is_success() && !text.trim().is_empty()).then_some(text)
    }

    async fn handed_out(
        &self,
        body: &[u8],
        is_success: bool,
        failed: &str,
        origin: &str,
    ) -> Outcome<Keys> {
        // A parse error could quote the keys: only say that it failed.
        let answer: Option<Answer> = serde_json::from_slice(body).ok();
        let Some(answer) = answer.filter(|_| is_success) else {
            return Err(Failure::new(
                Code::CloudIdentity,
                format!("{failed}: the answer holds none"),
            )
            .help("give the container or machine a role, or name an identity in the inputs"));
        };
        let expires = answer.expiration.and_then(|text| text.parse().ok());
        let keys = Keys {
            id: answer.access_key_id,
            secret: answer.secret_access_key.into(),
            session_token: answer.token.map(SecretString::from),
            expires,
            origin: origin.to_owned(),
        };
        keys.mask(&self.around.voice).await;
        Ok(keys)
    }
}

/// Keys do not travel in the clear over a network.
fn may_be_asked(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let loopback = host
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && (loopback || CLEAR.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_in_the_clear_only_next_door() {
        for (url, may) in [
            ("http://127.0.0.1:1/x", true),
            ("http://[::1]/x", true),
            ("http://localhost/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("https://keys.example/x", true),
            ("http://keys.example/x", false),
            ("ftp://127.0.0.1/x", false),
        ] {
            assert_eq!(may_be_asked(&url.parse().unwrap()), may, "{url}");
        }
    }
}
