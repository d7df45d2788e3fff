//! The server that machines of Google ask who they are. On any other machine nobody answers there, and that must not cost much.
//! Source: cloud.google.com/compute/docs/metadata/overview.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::super::Surroundings;
use super::super::environment::Environment;
use super::super::http::{Answer, built};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Where it is: by its address, because its name needs a name server that may take its time to say no.
const HOST: &str = "169.254.169.254";
const CONNECT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The server, perhaps.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    base: String,
    /// Nothing says that this is a machine of Google.
    pub(super) is_guess: bool,
    /// This is a pod of some cluster.
    in_pod: bool,
}

impl Metadata {
    pub(super) fn new(env: &Environment) -> Self {
        let named = env.get("GCE_METADATA_HOST");
        let host = named.unwrap_or(HOST);
        Self {
            base: format!("http://{host}/computeMetadata/v1"),
            is_guess: named.is_none(),
            in_pod: env.get("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }

    /// The answer with a token of the machine's account.
    ///
    /// # Errors
    /// `CloudIdentity`: this is no machine of Google, or it has no account.
    pub(super) async fn token(&self, around: &Surroundings) -> Outcome<Value> {
        let path = "instance/service-accounts/default/token";
        let answer = self.ask(around, path).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        let why = if answer.status == StatusCode::NOT_FOUND {
            "it has no service account".to_owned()
        } else {
            format!("it answers {}", answer.status)
        };
        Err(Failure::new(
            Code::CloudIdentity,
            format!("failed to get a token of this machine's service account: {why}"),
        )
        .help("give the machine (or the pod's Kubernetes service account) a service account of Google, or set `workload-identity-provider` or `credentials-json`"))
    }

    /// A word about the machine, such as its project; `None` when it does not say.
    pub(super) async fn word(&self, around: &Surroundings, path: &str) -> Option<String> {
        let answer = self.ask(around, path).await.ok()?;
        let text = answer.text().trim().to_owned();
        (answer.status.is_success() && !text.is_empty()).then_some(text)
    }

    async fn ask(&self, around: &Surroundings, path: &str) -> Outcome<Answer> {
        // What stands at the machine's own address is not behind the company's proxy.
        let client = built(|| {
            Client::builder()
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(TIMEOUT)
        });
        let request = client
            .get(format!("{}/{path}", self.base))
            .header("Metadata-Flavor", "Google");
        let tries = match (self.is_guess, self.in_pod) {
            (true, false) => 1,
            // In the first seconds of a pod of GKE it is not there yet.
            (true, true) => 3,
            (false, _) => 5,
        };
        let tried = "ask this machine's metadata server";
        match around.http.send_at_most(tries, tried, request).await {
            // Other clouds have a server at the same address.
            Ok(answer) if answer.headers.contains_key("Metadata-Flavor") => Ok(answer),
            Err(failure) if !self.is_guess => Err(failure),
            _ => Err(Failure::new(
                Code::CloudIdentity,
                "failed to log in to Google: no identity is named, GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no credentials, and this is no machine of Google",
            )
            .help("set `workload-identity-provider` (with `permissions: id-token: write`) or `credentials-json`; docs/google.md")),
        }
    }
}
