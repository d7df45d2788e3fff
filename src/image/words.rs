//! What an engine's words about a failed push mean: refused, unknown, or a fault that may pass. Pure.

/// Words of a registry that refuses, and of an engine that repeats it.
const REFUSED: &[&str] = &[
    "denied",
    "unauthorized",
    "authentication required",
    "no basic auth",
    "forbidden",
    "insufficient_scope",
];

/// Words of a registry that does not know the repository.
const UNKNOWN: &[&str] = &["name unknown", "not found", "does not exist"];

/// Words of faults that may pass: the network's, and a registry's for a failure of its own.
const PASSING: &[&str] = &[
    "toomanyrequests",
    "too many requests",
    "http status: 5",
    "service unavailable",
    "bad gateway",
    "unavailable: ",
    "unknown: unknown error",
    "unknown: internal server error",
    "error from registry: unknown",
    "error from registry: internal",
    "error from registry: unavailable",
    "connection reset",
    "connection refused",
    "closed network connection",
    "broken pipe",
    "eof",
    "timeout",
    "timed out",
    "deadline exceeded",
    "temporarily",
    "no digest",
];

/// What an engine said about a push that failed; engines differ in their words, and name a status in some of them only.
pub(super) struct Words {
    lower: String,
    statuses: Vec<u16>,
}

impl Words {
    pub(super) fn of(why: &str) -> Self {
        let lower = why.to_lowercase();
        // Only a word of its own is a status: within URLs, addresses, digests and ids such a number is a port, a tag, or nothing.
        let statuses = lower
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
            .filter_map(|word| word.parse().ok())
            .filter(|status| (400..600).contains(status))
            .collect();
        Self { lower, statuses }
    }

    pub(super) fn say(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.lower.contains(text))
    }

    fn status(&self, any: &[u16]) -> bool {
        self.statuses.iter().any(|status| any.contains(status))
    }

    pub(super) fn refused(&self) -> bool {
        self.say(REFUSED) || self.status(&[401, 403])
    }

    pub(super) fn unknown(&self) -> bool {
        self.say(UNKNOWN) || self.status(&[404])
    }

    /// What a registry or the network may do better at the next try. A refusal never is, but a busy registry may say 429 and
    /// give its reason in the same words.
    pub(super) fn transient(&self) -> bool {
        let busy = self.status(&[429]) || self.say(&["toomanyrequests"]);
        let passing = self.say(PASSING) || self.status(&[500, 502, 503, 504]);
        let never =
            self.refused() || self.unknown() || self.say(&["no such host", "x509", "certificate"]);
        busy || (passing && !never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for why in [
            "received unexpected HTTP status: 503 Service Unavailable",
            "toomanyrequests: rate exceeded",
            "Put http://r/v2/: read tcp: connection reset by peer",
            "net/http: TLS handshake timeout",
            "unexpected EOF",
            "received 502 from upstream",
            "Put \"http://127.0.0.1:4040/v2/o/n/blobs/uploads/12-404-401a?_state=403\": write: broken pipe",
            "failed commit on ref \"layer-404a\": write tcp 10.0.0.1:403->10.0.0.2:401: broken pipe",
            "HEAD request to \"https://r:401/v2/x\" failed: http2: server sent GOAWAY; 503 Service Unavailable",
            "unknown: unknown error",
            "unavailable: service unavailable",
            // Newer engines.
            "error from registry: unavailable unavailable",
            "error from registry: internal server error",
            "unexpected status from PUT request to http://r:40404/v2/x/manifests/401: 503 Service Unavailable",
            "failed commit on ref \"manifest-sha256:a404b\": failed to do request: write tcp 1->2: use of closed network connection",
            "unexpected status from HEAD request to http://r/v2/x: 429 Too Many Requests",
        ] {
            assert!(Words::of(why).transient(), "{why}");
        }
        for why in [
            "unauthorized: authentication required",
            "denied: permission_denied: write_package",
            "no basic auth credentials",
            "name unknown: repository not found",
            "dial tcp: lookup nowhere.test: no such host",
            "x509: certificate signed by unknown authority",
            "unexpected status from PUT request to http://r:5030/v2/x/manifests/503: 403 Forbidden",
            "error from registry: forbidden",
            "error from registry: tag v1 is immutable",
            "unexpected status 404 Not Found",
            "blob sha256:5025030429 is invalid",
            "layer 503-502a is invalid",
            "error parsing HTTP 404 response body: invalid character '<'",
        ] {
            assert!(!Words::of(why).transient(), "{why}");
        }
    }
}
