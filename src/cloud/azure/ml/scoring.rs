//! How an endpoint is asked: its address, and what proves that we may.

use secrecy::SecretString;
use serde_json::Value;

use super::request::Ask;
use super::types::text;
use super::{Auth, Endpoint, MachineLearning};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Where an endpoint is asked, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Scoring {
    /// Without a path: the container has its own.
    pub(crate) base: String,
    /// Key or token.
    pub(crate) bearer: SecretString,
}

impl MachineLearning {
    /// Asks for what the endpoint wants to see.
    ///
    /// # Errors
    /// As `workspace`; `EndpointFailed` when it has no address.
    pub(crate) async fn scoring(&self, endpoint: &Endpoint) -> Outcome<Scoring> {
        let name = endpoint.name.as_str();
        let Some(base) = endpoint.scoring.as_deref().and_then(host) else {
            return Err(Failure::new(
                Code::EndpointFailed,
                format!("failed to ask endpoint `{name}`: Azure does not say where it answers"),
            )
            .help("look at it in the workspace: one that was never made has no address"));
        };
        let (what, path, field) = match endpoint.auth {
            Auth::Key => ("key", ["onlineEndpoints", name, "listKeys"], "/primaryKey"),
            Auth::Workspace => ("token", ["onlineEndpoints", name, "token"], "/accessToken"),
            Auth::Directory => {
                let identity = &self.clouds.azure.identity;
                let scope = scope(&identity.endpoints().resource_manager);
                let bearer = identity.token(scope, "Azure ML endpoints").await?;
                return Ok(Scoring { base, bearer });
            }
        };
        let tried = format!("get a {what} of endpoint `{name}`");
        let answer: Value = self.ask(&tried, Ask::post(&path, None)).await?.json();
        let found = text(&answer, field);
        if found.is_empty() {
            return Err(Failure::new(
                Code::EndpointFailed,
                format!("failed to {tried}: Azure's answer holds none"),
            )
            .help("run again; if it stays, see how the endpoint authenticates: az ml online-endpoint show --query auth_mode"));
        }
        let bearer = SecretString::from(found);
        self.clouds.voice.mask(&bearer).await;
        // Beside the key that we take stands another that is as good.
        let other = SecretString::from(text(&answer, "/secondaryKey"));
        self.clouds.voice.mask(&other).await;
        Ok(Scoring { base, bearer })
    }
}

/// Scheme, host and port of `https://wine.westeurope.inference.ml.azure.com/score`.
fn host(uri: &str) -> Option<String> {
    let uri: reqwest::Url = uri.parse().ok()?;
    Some(uri.origin().ascii_serialization()).filter(|origin| origin != "null")
}

/// What a token for an endpoint is asked for, in the cloud of this Resource Manager.
fn scope(resource_manager: &str) -> &'static str {
    if resource_manager.ends_with("chinacloudapi.cn") {
        "https://ml.azure.cn/.default"
    } else if resource_manager.ends_with("usgovcloudapi.net") {
        "https://ml.azure.us/.default"
    } else {
        "https://ml.azure.com/.default"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_endpoint_is_asked_whatever_path_azure_names() {
        let uri = "https://wine.westeurope.inference.ml.azure.com/score";
        assert_eq!(
            host(uri).as_deref(),
            Some("https://wine.westeurope.inference.ml.azure.com")
        );
        assert_eq!(
            host("http://127.0.0.1:8080/score").as_deref(),
            Some("http://127.0.0.1:8080")
        );
        assert_eq!(host("score"), None);
    }

    #[test]
    fn each_cloud_has_its_own_tokens() {
        assert_eq!(
            scope("https://management.azure.com"),
            "https://ml.azure.com/.default"
        );
        assert_eq!(
            scope("https://management.chinacloudapi.cn"),
            "https://ml.azure.cn/.default"
        );
    }
}
