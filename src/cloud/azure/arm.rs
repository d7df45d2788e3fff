//! Requests to Azure's Resource Manager, lists page by page, and what it says when it refuses.
//! Sources: learn.microsoft.com "Azure Resource Manager: REST API error response", "REST API: nextLink".

use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::super::http::Answer;
use super::Azure;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Pages of one list at most: an answer that leads to itself must end some time.
const PAGES: usize = 200;

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
            .help("set `creds` with a `subscriptionId`, or `subscription-id`, which `az account show --query id` prints; a secret whose name is misspelt, and every secret in a run from a fork, is empty")
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

    /// Asks an address that Resource Manager gave; `None`: it is elsewhere, and our token goes only to where it was made for.
    ///
    /// # Errors
    /// As [`Self::arm`].
    pub(super) async fn arm_at(&self, tried: &str, address: &str) -> Outcome<Option<Answer>> {
        let base = &self.identity.endpoints().resource_manager;
        let (Ok(url), Ok(own)) = (
            address.parse::<reqwest::Url>(),
            base.parse::<reqwest::Url>(),
        ) else {
            return Ok(None);
        };
        if url.origin() != own.origin() {
            return Ok(None);
        }
        let scope = format!("{base}/.default");
        let token = self.identity.token(&scope, "Resource Manager").await?;
        let request = self.around.http.client().get(url);
        let request = request.bearer_auth(token.expose_secret());
        self.around.http.send(tried, request).await.map(Some)
    }

    /// Everything in a list, page by page; `Err`: the answer that was no success.
    ///
    /// # Errors
    /// As [`Self::arm`], and when a list does not end: half of one would be taken for all.
    pub(super) async fn arm_list(
        &self,
        tried: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Outcome<Result<Vec<Value>, Answer>> {
        let endless = || {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: the list leads elsewhere, or does not end"),
            )
        };
        let mut all = Vec::new();
        let mut answer = self.arm(tried, Method::GET, path, query, None).await?;
        for _ in 0..PAGES {
            if !answer.status.is_success() {
                return Ok(Err(answer));
            }
            let (entries, next) = page(answer.json());
            all.extend(entries);
            let Some(next) = next else {
                return Ok(Ok(all));
            };
            answer = self.arm_at(tried, &next).await?.ok_or_else(endless)?;
        }
        Err(endless())
    }
}

/// What stands on one page, and where the next is.
fn page(mut body: Value) -> (Vec<Value>, Option<String>) {
    let next = body.get("nextLink").and_then(Value::as_str);
    let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
    let entries = match body.get_mut("value").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    (entries, next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_names_the_next() {
        let (entries, next) = page(json!({"value": [1, 2], "nextLink": "https://x/y"}));
        assert_eq!((entries.len(), next.as_deref()), (2, Some("https://x/y")));
        assert_eq!(page(json!({"value": [1], "nextLink": ""})).1, None);
        assert_eq!(page(json!({"value": [1], "nextLink": null})).1, None);
        assert_eq!(page(Value::Null), (Vec::new(), None));
    }

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
