//! What an answer of GitHub's means for the one who asked: wait and ask again, look first, or leave it. Pure.
//! Source: GitHub's documentation on rate limits and on best practices for using the REST interface.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

/// The least pause after a secondary rate limit that names no time; it doubles with every further one.
const SECONDARY: Duration = Duration::from_secs(60);

/// Why something could not be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The token may not do it: 401, 403, and 404 for what is there.
    Refused(String),
    /// GitHub does not take this request: 409, 410, 422.
    Rejected { status: u16, why: String },
    /// No answer, or 5xx, until our patience was over.
    Unanswered(String),
    /// GitHub lets this token wait for longer than we do.
    Limited(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) | Self::Unanswered(why) | Self::Limited(why) => f.write_str(why),
            Self::Rejected { status, why } => write!(f, "{status}: {why}"),
        }
    }
}

/// What to do after an answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It was not done. Ask again after this time.
    Wait(Duration),
    /// Nobody knows whether it was done.
    Unknown(String),
    /// Asking again would not help.
    Leave(Trouble),
}

/// Judges an answer. `now` is the time in seconds since 1970, `limited` how often a rate limit was met already.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    now: u64,
    limited: u32,
) -> Next {
    let number = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    if status.is_server_error() {
        return Next::Unknown(format!("{}: {message}", status.as_u16()));
    }
    if matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        let told = message.to_lowercase();
        let secondary = told.contains("secondary rate limit") || told.contains("abuse detection");
        let used_up = number("x-ratelimit-remaining") == Some(0);
        if let Some(seconds) = number("retry-after") {
            return Next::Wait(Duration::from_secs(seconds));
        }
        if let Some(reset) = number("x-ratelimit-reset").filter(|_| used_up) {
            return Next::Wait(Duration::from_secs(reset.saturating_sub(now).max(1)));
        }
        if secondary || status == StatusCode::TOO_MANY_REQUESTS {
            return Next::Wait(SECONDARY * 2_u32.pow(limited.min(5)));
        }
    }
    let why = message.to_owned();
    Next::Leave(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Trouble::Refused(why)
        }
        _ => Trouble::Rejected {
            status: status.as_u16(),
            why,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(status: u16, headers: &[(&'static str, &'static str)], message: &str) -> Next {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            message,
            1000,
            1,
        )
    }

    fn wait(seconds: u64) -> Next {
        Next::Wait(Duration::from_secs(seconds))
    }

    #[test]
    fn a_limit_says_how_long_it_lasts() {
        assert_eq!(next(429, &[("retry-after", "7")], ""), wait(7));
        assert_eq!(
            next(403, &[("retry-after", "7")], "secondary rate limit"),
            wait(7)
        );
        let used_up = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1030"),
        ];
        assert_eq!(next(403, &used_up, "API rate limit exceeded"), wait(30));
        // Its clock may be behind ours.
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")];
        assert_eq!(next(429, &used_up, ""), wait(1));
        assert_eq!(
            next(403, &[], "You have exceeded a secondary rate limit"),
            wait(120)
        );
        assert_eq!(next(429, &[], ""), wait(120));
    }

    #[test]
    fn a_missing_right_is_no_limit() {
        let left = [
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "1030"),
        ];
        let why = "Resource not accessible by integration";
        let refused = Next::Leave(Trouble::Refused(why.to_owned()));
        assert_eq!(next(403, &left, why), refused);
        assert_eq!(next(404, &[], why), refused);
        assert_eq!(next(401, &[], why), refused);
    }

    #[test]
    fn only_a_server_that_failed_leaves_it_open_whether_it_was_done() {
        assert_eq!(
            next(502, &[], "Bad Gateway"),
            Next::Unknown("502: Bad Gateway".to_owned())
        );
        for status in [409, 410, 422] {
            let why = "no".to_owned();
            assert_eq!(
                next(status, &[], "no"),
                Next::Leave(Trouble::Rejected { status, why })
            );
        }
    }
}
