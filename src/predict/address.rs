//! Requests to a server at an address: a container's port, on this machine or on the engine's network.

use std::time::Duration;

use crate::failure::chain;

/// How long one answer may take: a large model on a busy machine is slow, a server that hangs is cut off.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read, in MiB, as through the API server: no prediction is longer, and a server that never ends must not fill our memory.
const LONGEST: usize = 4;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Sent as JSON.
    pub(crate) body: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// A question without a body.
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            body: None,
        }
    }
}

/// An answer with any status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Untrusted.
    pub(crate) body: String,
}

impl Answer {
    /// Whether it is one of 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A base address and the client that asks there.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) base: String,
    client: reqwest::Client,
}

impl Address {
    /// `base` has no trailing slash.
    ///
    /// # Errors
    /// The client cannot be made, which is a defect.
    pub(crate) fn new(base: impl Into<String>) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .build()?;
        let base = base.into();
        Ok(Self { base, client })
    }

    /// Sends a request; the error is one line.
    ///
    /// # Errors
    /// Nobody answers, or not in time.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, String> {
        let url = format!("{}{}", self.base, question.path);
        let told = |error: reqwest::Error| {
            let why = chain(&error.without_url().into());
            format!("{url} does not answer: {why}")
        };
        let method = question.method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = self.client.request(method, &url);
        if let Some(body) = question.body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let mut response = request.send().await.map_err(told)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST << 20 {
                return Err(format!("{url} answers with more than {LONGEST} MiB"));
            }
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, body })
    }
}
