//! What AWS's services say when they refuse something: read in every form that they write it, and what it means for people.

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::super::http::Answer;
use super::choices::in_short;
use super::keys::Keys;
use crate::code::Code;
use crate::failure::Failure;

/// A refusal, in AWS's own words.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Its name: `AccessDeniedException`.
    pub(super) kind: String,
    pub(super) message: String,
    /// All of it, where it is JSON.
    pub(super) said: Value,
    status: StatusCode,
    /// How far AWS's clock is ahead of ours.
    ahead: Option<SignedDuration>,
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
            message: in_short(&message),
            said: body,
            status: answer.status,
            ahead: ahead(&answer.headers),
        }
    }

    /// Whether it would have gone well at a calmer time. Two of them are told by words alone: the token service could not ask
    /// who has signed a token.
    pub(super) fn is_passing(&self) -> bool {
        let kinds = [
            "Throttl",
            "TooManyRequests",
            "RequestLimitExceeded",
            "SlowDown",
            "RequestTimeout",
            "IDPCommunicationError",
        ];
        kinds.iter().any(|kind| self.kind.contains(kind))
            || self
                .message
                .contains("Couldn't retrieve verification key from your identity provider")
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

    /// Whether they have come to their end.
    pub(super) fn is_expired(&self) -> bool {
        self.kind.starts_with("ExpiredToken")
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
                let side = if ahead.is_negative() {
                    "behind"
                } else {
                    "ahead of"
                };
                format!("; AWS is {:#} {side} it", ahead.abs())
            });
            Failure::new(
                Code::CloudDenied,
                format!("{what}: the clock of this machine is wrong{by}"),
            )
            .help("set the clock; AWS takes only what was signed within five minutes")
        } else if self.is_expired() {
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
            .help("give the key and its secret as they were made, with the session token when there is one, and for the partition that made them; in a region that has to be enabled first, enable it for the account")
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
        assert!(denied.is_denied() && !denied.is_passing());
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
        let (message, _) = finding(&late);
        assert!(
            message.contains("clock of this machine is wrong; AWS is")
                && message.ends_with("ahead of it"),
            "{message}"
        );
        let early = refused(
            403,
            &[("date", "Wed, 01 Jan 2020 00:00:00 GMT")],
            r#"{"__type":"InvalidSignatureException","message":"Signature not yet current: x is still later than y"}"#,
        );
        let (message, _) = finding(&early);
        assert!(
            message.ends_with("behind it") && !message.contains("ago"),
            "{message}"
        );

        let busy = refused(
            400,
            &[],
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
        );
        assert!(busy.is_passing());
        let keyless = refused(
            400,
            &[],
            "<Error><Code>InvalidIdentityToken</Code><Message>Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements</Message></Error>",
        );
        assert!(keyless.is_passing());
        let unknown = refused(
            400,
            &[],
            "<Error><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found in your account</Message></Error>",
        );
        assert!(!unknown.is_passing());
    }
}
