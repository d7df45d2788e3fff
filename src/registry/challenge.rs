//! What a registry asks for in `WWW-Authenticate`: one header may hold several challenges, and there may be several headers.
//! Source: RFC 9110 §11.6.1.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A challenge that we can answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token has to be fetched from `realm`.
    Bearer {
        realm: String,
        service: String,
    },
}

/// All that we can answer, in their order.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(parse).collect()
}

/// A scheme with its parameters, as far as they are read.
#[derive(Default)]
struct Reading<'a> {
    scheme: &'a str,
    realm: Option<String>,
    service: String,
}

impl Reading<'_> {
    fn challenge(self) -> Option<Challenge> {
        if self.scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        let is_bearer = self.scheme.eq_ignore_ascii_case("bearer");
        Some(Challenge::Bearer {
            realm: self.realm.filter(|_| is_bearer)?,
            service: self.service,
        })
    }
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut reading = Reading::default();
    for part in parts(header) {
        // `scheme`, `scheme name=value` or `name=value`.
        let (first, rest) = part.split_once([' ', '\t']).unwrap_or((part, ""));
        let parameter = if first.contains('=') || rest.trim_start().starts_with('=') {
            part
        } else {
            found.extend(
                std::mem::replace(
                    &mut reading,
                    Reading {
                        scheme: first,
                        ..Reading::default()
                    },
                )
                .challenge(),
            );
            rest
        };
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "realm" => reading.realm = Some(unquoted(value)),
            "service" => reading.service = unquoted(value),
            _ => {}
        }
    }
    found.extend(reading.challenge());
    found
}

/// What stands between commas that are not quoted.
fn parts(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = header.split(move |c| {
        let was_escaped = escaped;
        escaped = quoted && !was_escaped && c == '\\';
        quoted ^= c == '"' && !was_escaped;
        c == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inside = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.map_or_else(|| value.to_owned(), |inside| inside.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
        }
    }

    #[test]
    fn challenges_are_read() {
        assert_eq!(
            parse(r#"BASIC realm="Sonatype Nexus, Repository""#),
            [Challenge::Basic]
        );
        let header = r#"Bearer realm="https://a/t?x=1",service="r.io",scope="repository:a:pull,push",error=invalid"#;
        assert_eq!(parse(header), [bearer("https://a/t?x=1", "r.io")]);
        assert_eq!(parse("Negotiate"), []);
        // Without a realm there is nowhere to ask.
        assert_eq!(parse(r#"Bearer service="r.io""#), []);
    }

    #[test]
    fn several_challenges_may_stand_in_one_header() {
        let header =
            r#"Negotiate, NTLM, Basic realm="x", Bearer realm="https://a/t", service="say \"r\"""#;
        let expected = [Challenge::Basic, bearer("https://a/t", "say \"r\"")];
        assert_eq!(parse(header), expected);
        let header = r#"Bearer realm=/t,service=r,Basic realm="x""#;
        assert_eq!(parse(header), [bearer("/t", "r"), Challenge::Basic]);
    }
}
