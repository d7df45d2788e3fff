//! Requests that the client library cannot make: streamed bodies, upgraded connections, exact headers.
//! One connection a request; dropping the answer closes it, and the engine stops what it was doing.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::connect::Engine;
use super::silence::Heard;
use crate::passwords::without_queries;
use crate::registry::{Credentials, HUB};

/// Longest message that a stream may carry; a longer one is not the engine's.
const LONGEST: usize = 64 << 20;

/// What the engine answered instead of doing it.
#[derive(Clone, Debug)]
pub(crate) struct EngineError {
    /// The engine's own words. Untrusted text, but without the queries of addresses: registries lead to signed ones.
    pub(crate) message: String,
}

impl EngineError {
    pub(super) fn new(words: &str) -> Self {
        Self {
            message: without_queries(words),
        }
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

/// A request's body.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// No body.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An answer, and the connection that carries it.
pub(super) struct Answer {
    pub(super) response: http::Response<Incoming>,
    connection: AbortOnDropHandle<()>,
}

impl Answer {
    /// The answer, and what keeps its connection open.
    pub(super) fn into_parts(self) -> (http::Response<Incoming>, AbortOnDropHandle<()>) {
        (self.response, self.connection)
    }
}

impl Engine {
    /// Sends a request on a connection of its own. `path` begins after the version: `/build?…`.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/{}{path}", self.version()))
            .header(http::header::HOST, "engine")
            .body(body)
            .context("failed to form a request to the engine")?;
        request.headers_mut().extend(headers);
        let socket = self.dial().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .context("failed to talk to the engine")?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // Its error reaches whoever reads the answer.
            drop(connection.with_upgrades().await);
        }));
        let response = sender
            .send_request(request)
            .await
            .context("failed to talk to the engine")?;
        Ok(Answer {
            response,
            connection,
        })
    }

    /// Sends a request whose answer is a stream of JSON messages. It ends with `Silent` when nothing is heard for long.
    pub(super) async fn messages(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Body,
        heard: Heard,
    ) -> anyhow::Result<Messages> {
        let sent = self.send(Method::POST, path, headers, body);
        let answer = heard.wait(sent).await??;
        let status = answer.response.status();
        if status != StatusCode::OK {
            return Err(heard.wait(rejected(answer)).await?.into());
        }
        Ok(Messages {
            body: answer.response.into_body(),
            buffer: BytesMut::new(),
            heard,
            _connection: answer.connection,
        })
    }
}

/// Reads the engine's error from an answer that is not a success.
pub(super) async fn rejected(answer: Answer) -> EngineError {
    let status = answer.response.status();
    let text = match answer.response.into_body().collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value["message"].as_str().map(str::to_owned))
        .unwrap_or(text);
    if message.is_empty() {
        EngineError::new(&status.to_string())
    } else {
        EngineError::new(&message)
    }
}

/// One message of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    pub(super) aux: Option<Value>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: String,
}

/// A stream of JSON messages. Dropping it makes the engine stop.
pub(super) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    heard: Heard,
    _connection: AbortOnDropHandle<()>,
}

impl Messages {
    /// The next message; `None` at the end. An error that the engine reports inside the stream is an `EngineError`.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Message>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(seen + at);
                self.buffer.advance(1);
                seen = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return parse(&line).map(Some);
            }
            seen = self.buffer.len();
            anyhow::ensure!(
                seen < LONGEST,
                "failed to read the engine's answer: a message is too long"
            );
            match self.heard.wait(self.body.frame()).await? {
                Some(frame) => {
                    let frame = frame.context("failed to read the engine's answer")?;
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => {
                    let line = self.buffer.split();
                    return parse(&line).map(Some);
                }
            }
        }
    }
}

fn parse(line: &[u8]) -> anyhow::Result<Message> {
    let message: Message =
        serde_json::from_slice(line).context("failed to read the engine's answer")?;
    let error = message
        .error_detail
        .as_ref()
        .map(|detail| detail.message.clone())
        .or_else(|| message.error.clone());
    match error {
        Some(message) => Err(EngineError::new(&message).into()),
        None => Ok(message),
    }
}

/// The header that carries credentials for a pull or push. The engine wants the URL-safe alphabet and, given anything
/// else, silently goes on without credentials; so it does when the address is not the one that it has itself.
pub(super) fn auth_header(
    host: &str,
    credentials: Option<&Credentials>,
) -> anyhow::Result<HeaderMap> {
    let host = match host {
        // Engines with the image store of containerd know their own hub by this address only.
        "docker.io" => HUB,
        host => host,
    };
    let value = match credentials {
        None => json!({}),
        Some(credentials) if credentials.identity_token => {
            json!({ "identitytoken": credentials.secret.expose_secret(), "serveraddress": host })
        }
        Some(credentials) => json!({
            "username": credentials.username,
            "password": credentials.secret.expose_secret(),
            "serveraddress": host,
        }),
    };
    let mut value = http::HeaderValue::from_str(&URL_SAFE.encode(value.to_string()))
        .context("failed to encode credentials")?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("X-Registry-Auth", value);
    Ok(headers)
}

/// Percent-encodes one value of a query.
pub(super) fn quote(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_stream_is_the_engines_error() {
        let error = parse(br#"{"errorDetail":{"message":"denied"},"error":"denied"}"#).unwrap_err();
        let error = error.downcast_ref::<EngineError>().unwrap();
        assert_eq!(error.message, "denied");
        let signed = br#"{"error":"Get \"https://s3.example/x?sig=hunter22\": EOF"}"#;
        let error = parse(signed).unwrap_err().to_string();
        assert_eq!(error, "Get \"https://s3.example/x?…\": EOF");
    }

    #[test]
    fn queries_are_quoted() {
        assert_eq!(quote("a b/c:1&é"), "a%20b%2Fc%3A1%26%C3%A9");
    }

    #[test]
    fn credentials_use_the_url_safe_alphabet() {
        let credentials = Credentials {
            username: "u".to_owned(),
            secret: "~~~???>>>".to_owned().into(),
            identity_token: false,
            origin: String::new(),
            right: None,
        };
        let headers = auth_header("r", Some(&credentials)).unwrap();
        let text = headers["X-Registry-Auth"].to_str().unwrap();
        assert!(
            !text.contains(['+', '/']) && text.contains(['-', '_']),
            "{text}"
        );
    }

    #[test]
    fn the_hub_is_named_as_every_engine_knows_it() {
        let credentials = |identity_token| Credentials {
            username: "u".to_owned(),
            secret: "s".into(),
            identity_token,
            origin: String::new(),
            right: None,
        };
        for (host, is_token, named) in [
            ("docker.io", false, "https://index.docker.io/v1/"),
            ("docker.io", true, "https://index.docker.io/v1/"),
            ("r.example:443", false, "r.example:443"),
        ] {
            let headers = auth_header(host, Some(&credentials(is_token))).unwrap();
            let value = URL_SAFE.decode(&headers["X-Registry-Auth"]).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
            assert_eq!(value["serveraddress"], named);
        }
    }
}
