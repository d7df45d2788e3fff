//! Small grammars of inputs: lists, NAME=value pairs, published ports.

use crate::plan::PublishedPort;

/// Entries one a line (and, where `commas`, also separated by commas), trimmed, empty ones dropped.
pub(crate) fn list(values: &[String], commas: bool) -> Vec<String> {
    let separators: &[char] = if commas { &['\n', ','] } else { &['\n'] };
    let entries = values.iter().flat_map(|value| value.split(separators));
    entries
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `NAME=value` lines.
///
/// # Errors
/// The first line that is none.
pub(crate) fn pairs(lines: &[String]) -> Result<Vec<(String, String)>, String> {
    let pair = |line: &String| match line.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err(line.clone()),
    };
    lines.iter().map(pair).collect()
}

/// `HOST:CONTAINER` or `ADDRESS:HOST:CONTAINER`.
pub(crate) fn port(text: &str) -> Option<PublishedPort> {
    let (rest, container) = text.rsplit_once(':')?;
    let (address, host) = rest.rsplit_once(':').unwrap_or(("127.0.0.1", rest));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let address: std::net::IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    Some(PublishedPort {
        address: address.to_string(),
        host: number(host)?,
        container: number(container)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_lines_and_where_allowed_commas() {
        let values = ["a, b\n\nc".to_owned()];
        assert_eq!(list(&values, true), ["a", "b", "c"]);
        assert_eq!(list(&values, false), ["a, b", "c"]);
    }

    #[test]
    fn ports_have_two_or_three_parts() {
        let parsed = port("8080:80").unwrap();
        assert_eq!(
            (parsed.address.as_str(), parsed.host, parsed.container),
            ("127.0.0.1", 8080, 80)
        );
        assert_eq!(port("0.0.0.0:8080:80").unwrap().address, "0.0.0.0");
        for bad in ["80", "a:80", "80:0", "x:80:80", ""] {
            assert!(port(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn pairs_keep_everything_after_the_first_equals_sign() {
        assert_eq!(
            pairs(&["A=b=c".to_owned()]).unwrap(),
            [("A".to_owned(), "b=c".to_owned())]
        );
        assert_eq!(pairs(&["A".to_owned()]).unwrap_err(), "A");
    }
}
