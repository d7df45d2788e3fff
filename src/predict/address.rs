//! Requests to a server at an address: a container's port, on this machine or on the engine's network.

use std::time::Duration;

use crate::failure::chain;

/// How long one answer may take: a large model on a busy machine is slow, a server that hangs is cut off.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read, in MiB, as through the API server: no prediction is longer, and a server that never ends must not fill our memory.
const LONGEST: usize = 4;

/// Redirects that are followed.
const REDIRECTS: usize = 3;

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

/// Why there is no answer, in one line.
#[derive(Clone, Debug)]
pub(crate) enum Silence {
    /// Nobody takes the connection: nothing listens there, or not yet.
    Refused(String),
    /// Somebody does, and no answer comes of it.
    Broken(String),
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Refused(why) | Self::Broken(why)) = self;
        f.write_str(why)
    }
}

/// A base address and the client that asks there.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) base: String,
    client: reqwest::Client,
    timeout: Duration,
}

impl Address {
    /// `base` has no trailing slash.
    ///
    /// # Errors
    /// The client cannot be made, which is a defect.
    pub(crate) fn new(base: impl Into<String>) -> reqwest::Result<Self> {
        Self::built(base, reqwest::Client::builder().no_proxy(), TIMEOUT)
    }

    /// One on the network, which wants to see these headers with every request.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn with(
        base: impl Into<String>,
        headers: reqwest::header::HeaderMap,
        timeout: Duration,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder().default_headers(headers);
        Self::built(base, client, timeout)
    }

    /// One that is given so long for each answer.
    fn built(
        base: impl Into<String>,
        client: reqwest::ClientBuilder,
        timeout: Duration,
    ) -> reqwest::Result<Self> {
        let client = client
            // A probe follows a redirect on the same server, and so do we; anywhere else the answer would be another server's.
            .redirect(reqwest::redirect::Policy::custom(|attempt| {
                let from = attempt.previous().first().map(reqwest::Url::origin);
                let here = from.is_some_and(|from| from == attempt.url().origin());
                if here && attempt.previous().len() <= REDIRECTS {
                    attempt.follow()
                } else {
                    attempt.stop()
                }
            }))
            .timeout(timeout)
            .build()?;
        let base = base.into();
        Ok(Self {
            base,
            client,
            timeout,
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Nobody answers, or not in time, or without end.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, Silence> {
        let url = format!("{}{}", self.base, question.path);
        let told = |error: reqwest::Error| {
            if error.is_timeout() {
                let seconds = self.timeout.as_secs_f64();
                return Silence::Broken(format!(
                    "{url} has not answered in full within {seconds} s"
                ));
            }
            let refused = error.is_connect();
            let why = chain(&error.without_url().into());
            let why = format!("{url} does not answer: {why}");
            if refused {
                Silence::Refused(why)
            } else {
                Silence::Broken(why)
            }
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
                let why = format!("{url} answers with more than {LONGEST} MiB");
                return Err(Silence::Broken(why));
            }
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, body })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What comes of a server that answers so, and then says one byte more every few milliseconds for ever.
    async fn of(answer: &'static str) -> Result<Answer, Silence> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                drop(stream.read(&mut asked).await);
                let mut said = stream.write_all(answer.as_bytes()).await;
                while said.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    said = stream.write_all(b"x").await;
                }
            }
        });
        drop(rustls::crypto::ring::default_provider().install_default());
        let address = Address::built(
            base,
            reqwest::Client::builder().no_proxy(),
            Duration::from_millis(500),
        )
        .unwrap();
        let answer = address.ask(Question::get("/")).await;
        serving.abort();
        answer
    }

    #[tokio::test]
    async fn an_answer_that_drips_is_cut_off() {
        let found = of("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n").await;
        let why = found.unwrap_err().to_string();
        assert!(
            why.contains("has not answered in full within 0.5 s"),
            "{why}"
        );
        let found = of("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        assert_eq!((found.status, found.body.as_str()), (200, "ok"));
    }

    #[tokio::test]
    async fn nobody_is_told_from_somebody_who_speaks_something_else() {
        let found = of("220 mail.example ESMTP\r\n").await;
        assert!(matches!(found, Err(Silence::Broken(_))), "{found:?}");
        // The first case has named the TLS provider.
        let address = Address::new("http://127.0.0.1:1").unwrap();
        let found = address.ask(Question::get("/")).await;
        assert!(matches!(found, Err(Silence::Refused(_))), "{found:?}");
    }

    #[tokio::test]
    async fn a_redirect_is_followed_only_on_the_same_server() {
        let away =
            of("HTTP/1.1 307 -\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(away.await.unwrap().status, 307);
        // One that goes in a circle ends too.
        let circle =
            of("HTTP/1.1 307 -\r\nlocation: /x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        assert_eq!(circle.await.unwrap().status, 307);
    }
}
