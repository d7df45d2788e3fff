//! What the text of a failed pull means. The runtime hands on the registry's words, so they are read as words.

use super::rules::Rule;

const DENIED: &[&str] = &[
    "unauthorized",
    "denied",
    "403 forbidden",
    "401 unauthorized",
    "forbidden",
    "no basic auth",
    "authentication required",
    "authorization failed",
    "insufficient_scope",
];
const INTERRUPTED: &[&str] = &[
    "toomanyrequests",
    "too many requests",
    "429",
    "rate limit",
    "timeout",
    "timed out",
    "deadline exceeded",
    "connection refused",
    "connection reset",
    "no route to host",
    "network is unreachable",
    "server misbehaving",
    "temporary failure",
    "tls:",
    "x509",
    "unexpected eof",
    ": eof",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "gateway time-out",
    "unexpected status code 5",
    "pull qps exceeded",
    "context canceled",
];
const PLATFORM: &[&str] = &[
    "no match for platform",
    "no matching manifest",
    "does not match the specified platform",
];
const ABSENT: &[&str] = &[
    "not found",
    "manifest unknown",
    "name unknown",
    "does not exist",
    "manifest_unknown",
    "name_unknown",
];

/// The rule of a pull that failed with this text.
pub(super) fn rule(text: &str) -> Rule {
    let words = words(text);
    let says = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    // A registry that hides what is private says both, and a broken network mentions what it looked for.
    if says(PLATFORM) {
        Rule::PlatformAbsent
    } else if says(INTERRUPTED) {
        Rule::PullInterrupted
    } else if says(DENIED) {
        Rule::PullDenied
    } else if words.contains("no such host") {
        Rule::PullUnknown
    } else if says(ABSENT) {
        Rule::ImageAbsent
    } else {
        Rule::PullUnknown
    }
}

/// The text in lower case without what names the image: a repository may be called `denied` or `timeout`.
fn words(text: &str) -> String {
    let unquoted: Vec<&str> = text.split('"').step_by(2).collect();
    let plain = unquoted.join(" ");
    let kept = plain
        .split_whitespace()
        .filter(|word| !word.contains('/') && !word.contains("sha256:"));
    kept.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_words_decide() {
        let said = [
            (
                Rule::ImageAbsent,
                "rpc error: code = NotFound desc = failed to pull and unpack image \"r/wine:1\": failed to resolve reference \"r/wine:1\": r/wine:1: not found",
            ),
            (Rule::ImageAbsent, "manifest unknown: manifest unknown"),
            (
                Rule::PullDenied,
                "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            ),
            (
                Rule::PullDenied,
                "pull access denied, repository does not exist or may require authorization",
            ),
            (
                Rule::PullDenied,
                "unexpected status from HEAD request to https://r/v2/wine/manifests/1: 403 Forbidden",
            ),
            (
                Rule::PullInterrupted,
                "unexpected status from HEAD request to http://r/v2/x: 503 Service Unavailable",
            ),
            (
                Rule::PullInterrupted,
                "dial tcp 10.0.0.1:443: connect: connection refused",
            ),
            (
                Rule::PullInterrupted,
                "toomanyrequests: You have reached your pull rate limit",
            ),
            (
                Rule::PlatformAbsent,
                "no match for platform in manifest: not found",
            ),
            (
                Rule::PullUnknown,
                "dial tcp: lookup r: no such host, not found",
            ),
            (Rule::PullUnknown, "something else"),
            (
                Rule::PullUnknown,
                "failed to pull image \"r/denied/not found:1\": strange",
            ),
        ];
        for (wanted, text) in said {
            assert_eq!(rule(text), wanted, "{text}");
        }
    }
}
