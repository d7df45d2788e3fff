//! One signed question to a service of AWS, and what its refusals mean. What is throttled is asked again; a denial never is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::super::http::Answer;
use super::Aws;
use super::keys::Keys;
use super::place::{Service, endpoint};
use super::sign::{Request, Signer};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How often a question is asked while AWS says that there are too many, and how long is waited first; it doubles.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A question.
pub(super) struct Call<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    pub(super) method: Method,
    /// Begun by `/`, as it stands in the address.
    pub(super) path: &'a str,
    /// Names in lower case.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Vec<u8>,
    /// What is tried; completes "failed to …".
    pub(super) tried: &'a str,
}

/// A refusal, in AWS's own words.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Its name: `AccessDeniedException`.
    pub(super) kind: String,
    pub(super) message: String,
    status: StatusCode,
    /// How far AWS's clock is ahead of ours.
    ahead: Option<SignedDuration>,
}

impl Aws {
    /// Asks with the keys of the identity; the answer is JSON.
    ///
    /// # Errors
    /// Those of finding the identity, `CloudUnreachable`. What AWS refuses is the inner error.
    pub(super) async fn ask(&self, call: &Call<'_>) -> Outcome<Result<Value, Refused>> {
        let answer = self.send(call, &self.keys().await?).await?;
        Ok(answer.map(|answer| answer.json()))
    }

    /// Asks with these keys.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        keys: &Keys,
    ) -> Outcome<Result<Answer, Refused>> {
        let base = endpoint(call.service, call.region, &self.around.environment);
        let address = format!("{base}{}", call.path);
        let url = Url::parse(&address).map_err(|error| {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {}: `{base}` is no address: {error}", call.tried),
            )
            .help("correct AWS_ENDPOINT_URL, which names it")
        })?;
        let host = host_of(&url);
        let mut wait = FIRST_WAIT;
        for left in (0..TRIES).rev() {
            let signer = Signer {
                keys,
                region: call.region,
                service: call.service.signs_as(),
                at: Timestamp::now(),
            };
            let mut headers = call.headers.to_vec();
            let proof = signer.headers(&Request {
                method: call.method.as_str(),
                host: &host,
                path: url.path(),
                query: &[],
                headers: &headers,
                body: &call.body,
            });
            headers.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));
            let client = self.around.http.client();
            let mut request = client.request(call.method.clone(), url.clone());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request.body(call.body.clone());
            let answer = self.around.http.send(call.tried, request).await?;
            if answer.status.is_success() {
                return Ok(Ok(answer));
            }
            let refused = Refused::of(&answer);
            if left == 0 || !refused.is_throttled() {
                return Ok(Err(refused));
            }
            let why = format!("failed to {}: {}", call.tried, refused.kind);
            self.around.voice.retrying(wait, why).await;
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(Failure::new(Code::Internal, "a question has no end"))
    }
}

/// The host as it is signed.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// How far the clock of who answered is ahead of ours; whole seconds.
pub(super) fn ahead(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let seconds = date.as_second() - Timestamp::now().as_second();
    Some(SignedDuration::from_secs(seconds))
}

impl Refused {
    /// Reads an answer that is no success: JSON, or the XML of older services.
    pub(super) fn of(answer: &Answer) -> Self {
        let body = answer.json();
        let text = answer.text();
        let of_json = |names: &[&str]| {
            let found = names.iter().find_map(|name| body.get(name)?.as_str());
            found.map(str::to_owned)
        };
        let header = answer.headers.get("x-amzn-errortype");
        let header = header.and_then(|value| value.to_str().ok());
        let kind = header
            .map(str::to_owned)
            .or_else(|| of_json(&["__type", "code", "Code"]))
            .or_else(|| element(&text, "Code"))
            .unwrap_or_else(|| answer.status.to_string());
        // `com.amazonaws.ecr#Kind` and `Kind:http://…` are written too.
        let kind = kind.rsplit('#').next().unwrap_or(&kind);
        let kind = kind.split(':').next().unwrap_or(kind).to_owned();
        let message = of_json(&["message", "Message"])
            .or_else(|| element(&text, "Message"))
            .unwrap_or_default();
        Self {
            kind,
            message,
            status: answer.status,
            ahead: ahead(&answer.headers),
        }
    }

    /// Whether it would have gone well at a calmer time.
    fn is_throttled(&self) -> bool {
        let kinds = [
            "Throttl",
            "TooManyRequests",
            "RequestLimitExceeded",
            "SlowDown",
        ];
        kinds.iter().any(|kind| self.kind.contains(kind))
    }

    /// Whether a right is missing.
    pub(super) fn is_denied(&self) -> bool {
        let kinds = ["AccessDenied", "UnauthorizedOperation", "Forbidden"];
        kinds.iter().any(|kind| self.kind.contains(kind))
            || self.status == StatusCode::FORBIDDEN && !self.is_about_keys()
    }

    /// Whether the keys themselves are refused.
    pub(super) fn is_about_keys(&self) -> bool {
        [
            "UnrecognizedClient",
            "InvalidClientTokenId",
            "InvalidSignature",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "AuthFailure",
            "InvalidAccessKeyId",
            "NotAuthorized",
            "ExpiredToken",
            "RequestExpired",
            "RequestTimeTooSkewed",
        ]
        .iter()
        .any(|kind| self.kind.starts_with(kind))
    }

    /// What to say. `right` is the action that the identity needs, and on what.
    pub(super) fn failure(&self, tried: &str, keys: &Keys, right: (&str, &str)) -> Failure {
        let what = format!("failed to {tried}");
        let who = &keys.origin;
        let said = (!self.message.is_empty()).then(|| self.message.clone());
        let late = [
            "Signature expired",
            "not yet current",
            "Skewed",
            "RequestExpired",
        ];
        let late = late
            .iter()
            .any(|word| self.message.contains(word) || self.kind.contains(word));
        let failure = if late {
            let by = self.ahead.map_or_else(String::new, |ahead| {
                format!(
                    "; AWS is {:#} ahead of it",
                    SignedDuration::from_secs(ahead.as_secs())
                )
            });
            Failure::new(
                Code::CloudDenied,
                format!("{what}: the clock of this machine is wrong{by}"),
            )
            .help("set the clock; AWS takes only what was signed within five minutes")
        } else if self.kind.starts_with("ExpiredToken") {
            Failure::new(
                Code::CloudDenied,
                format!("{what}: the session keys of {who} have expired"),
            )
            .help("give `role-to-assume` instead of session keys: then they are made when they are needed")
        } else if self.is_about_keys() {
            Failure::new(
                Code::CloudDenied,
                format!("{what}: AWS does not take the keys of {who} ({})", self.kind),
            )
            .help("give the key and its secret as they were made, with the session token when there is one, and for the partition that made them")
        } else if self.is_denied() {
            let (action, resource) = right;
            Failure::new(
                Code::CloudDenied,
                format!("{what}: {who} may not do `{action}`"),
            )
            .help(format!(
                "add to the identity's policy `{{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": \"{resource}\"}}`"
            ))
        } else {
            let why = if self.message.is_empty() {
                &self.kind
            } else {
                &self.message
            };
            return Failure::new(Code::CloudDenied, format!("{what}: {why} ({})", self.kind));
        };
        failure.evidence(said)
    }
}

/// The text of the first element with this name. The service's answers have no attributes and no sections of plain text.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    Some(plain)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn refused(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Refused {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, http::HeaderValue::from_static(value));
        }
        Refused::of(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }

    fn finding(refused: &Refused) -> (String, String) {
        let keys = Keys {
            id: "AKIA".to_owned(),
            secret: "s".into(),
            session_token: None,
            expires: None,
            origin: "the inputs".to_owned(),
        };
        let failure = refused.failure("do it", &keys, ("ecr:CreateRepository", "*"));
        assert_eq!(failure.code(), Code::CloudDenied);
        let finding = failure.findings().next().unwrap();
        (finding.message.clone(), finding.advice().to_owned())
    }

    #[test]
    fn refusals_are_read_in_every_form() {
        let json = refused(
            400,
            &[],
            r#"{"__type":"com.amazonaws.ecr#RepositoryNotFoundException","message":"no"}"#,
        );
        assert_eq!(
            (json.kind.as_str(), json.message.as_str()),
            ("RepositoryNotFoundException", "no")
        );
        let header = refused(
            404,
            &[("x-amzn-errortype", "ResourceNotFoundException:http://x")],
            "{}",
        );
        assert_eq!(header.kind, "ResourceNotFoundException");
        let xml = refused(
            403,
            &[],
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not &lt;you&gt;</Message></Error></ErrorResponse>",
        );
        assert_eq!(
            (xml.kind.as_str(), xml.message.as_str()),
            ("AccessDenied", "not <you>")
        );
        assert_eq!(refused(418, &[], "").kind, "418 I'm a teapot");
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let denied = refused(
            400,
            &[],
            r#"{"__type":"AccessDeniedException","message":"User: x"}"#,
        );
        assert!(denied.is_denied() && !denied.is_throttled());
        let (message, help) = finding(&denied);
        assert!(
            message.contains("the inputs may not do `ecr:CreateRepository`"),
            "{message}"
        );
        assert!(
            help.contains(r#""Action": "ecr:CreateRepository""#),
            "{help}"
        );

        let unknown = refused(
            400,
            &[],
            r#"{"__type":"UnrecognizedClientException","message":"m"}"#,
        );
        assert!(!unknown.is_denied());
        assert!(finding(&unknown).0.contains("does not take the keys"));

        let expired = refused(
            403,
            &[],
            r#"{"__type":"ExpiredTokenException","message":"m"}"#,
        );
        assert!(finding(&expired).1.contains("role-to-assume"));

        let late = refused(
            403,
            &[("date", "Wed, 01 Jan 2200 00:00:00 GMT")],
            r#"{"__type":"InvalidSignatureException","message":"Signature expired: x is now earlier than y"}"#,
        );
        assert!(
            finding(&late)
                .0
                .contains("clock of this machine is wrong; AWS is")
        );

        let busy = refused(
            400,
            &[],
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
        );
        assert!(busy.is_throttled());
    }
}
