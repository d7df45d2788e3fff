//! How long a server asks us to wait before it is asked again.
//! Source: RFC 9110, section 10.2.3 (`Retry-After`: seconds, or a date).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The time from now that an answer's `Retry-After` names; none for a date that has passed. `None`: it names none.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| until(text, Timestamp::now()))
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let date = rfc2822::parse(date).ok()?.timestamp();
    let left = date.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let asked = |text: &'static str| {
            let value = http::HeaderValue::from_static(text);
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(asked(" 7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("-1"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
        let now = "2026-10-21T07:27:50Z".parse().unwrap();
        let left = until("Wed, 21 Oct 2026 07:28:00 GMT", now);
        assert_eq!(left, Some(Duration::from_secs(10)));
    }
}
