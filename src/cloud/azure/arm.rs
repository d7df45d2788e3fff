//! Requests to Azure's Resource Manager, and what it says when it refuses.
//! Source: learn.microsoft.com "Azure Resource Manager: REST API error response".

use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::super::http::Answer;
use super::Azure;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Why Resource Manager refuses: its own code and words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    /// Reads `{"error": {"code", "message"}}`; older services leave the outer object out.
    pub(super) fn of(body: &Value) -> Self {
        let error = body.get("error").unwrap_or(body);
        let text = |name: &str| {
            let value = error.get(name).and_then(Value::as_str);
            let words: Vec<&str> = value.unwrap_or_default().split_whitespace().collect();
            words.join(" ")
        };
        Self {
            code: text("code"),
            message: text("message"),
        }
    }

    /// Its words as evidence.
    pub(super) fn evidence(&self) -> Option<String> {
        (!self.message.is_empty()).then(|| format!("{}: {}", self.code, self.message))
    }
}

impl Azure {
    /// The subscription that everything is in.
    ///
    /// # Errors
    /// `InputMissing`.
    pub(super) fn subscription(&self) -> Outcome<&str> {
        let told = self.spec.subscription.as_deref();
        let told = told.or_else(|| self.around.environment.get("AZURE_SUBSCRIPTION_ID"));
        told.ok_or_else(|| {
            Failure::new(
                Code::InputMissing,
                "input `subscription-id` is not set: neither `creds` nor AZURE_SUBSCRIPTION_ID says which subscription it is",
            )
            .help("set it; `az account show --query id` prints it")
        })
    }

    /// Sends a request to Resource Manager; `path` are the parts after its host. `tried` completes "failed to …".
    ///
    /// # Errors
    /// Those of having a token, and `CloudUnreachable`. What a refusal means is the caller's business.
    pub(super) async fn arm(
        &self,
        tried: &str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Outcome<Answer> {
        let base = &self.identity.endpoints().resource_manager;
        let unusable = || {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: `{base}` is no URL of Resource Manager"),
            )
        };
        let mut url: reqwest::Url = base.parse().map_err(|_| unusable())?;
        url.path_segments_mut()
            .map_err(|()| unusable())?
            .pop_if_empty()
            .extend(path);
        let scope = format!("{base}/.default");
        let token = self.identity.token(&scope, "Resource Manager").await?;
        let request = self
            .around
            .http
            .client()
            .request(method, url)
            .query(query)
            .bearer_auth(token.expose_secret());
        let request = match body {
            Some(body) => request.json(body),
            None => request.header(reqwest::header::CONTENT_LENGTH, 0),
        };
        self.around.http.send(tried, request).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_read_in_both_forms() {
        let expected = Refusal {
            code: "ResourceNotFound".to_owned(),
            message: "not there".to_owned(),
        };
        let inner = json!({"code": "ResourceNotFound", "message": "not\n there"});
        assert_eq!(Refusal::of(&inner), expected);
        assert_eq!(Refusal::of(&json!({"error": inner})), expected);
        assert_eq!(Refusal::of(&Value::Null).evidence(), None);
    }
}
