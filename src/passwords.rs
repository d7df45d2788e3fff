//! What is secret whatever it is called: passwords and signatures within URLs, passwords in a netrc, keys in AWS's shared files,
//! private keys. Pure.

/// Passwords within the URLs of a text, as written and with `%xx` undone.
pub(crate) fn in_urls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let end = rest
            .find(|c: char| c == '/' || c.is_whitespace() || c == '"' || c == ',')
            .unwrap_or(rest.len());
        let Some((user, _)) = rest[..end].rsplit_once('@') else {
            continue;
        };
        // A name alone is a token.
        let secret = user.split_once(':').map_or(user, |(_, password)| password);
        // What the requirement file takes from the environment is masked where it comes from.
        if secret.is_empty() || secret.starts_with("${") {
            continue;
        }
        found.push(secret.to_owned());
        if let Some(plain) = percent_decoded(secret) {
            found.push(plain);
        }
    }
    found
}

/// The text without the queries of its URLs: an address that is signed is as good as a password.
pub(crate) fn without_queries(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("://") {
        let url = after.split(ends).next().unwrap_or_default();
        rest = &after[url.len()..];
        clean.extend([before, "://"]);
        let Some((place, query)) = url.split_once('?') else {
            clean.push_str(url);
            continue;
        };
        // The sentence around it goes on.
        let signs = query.trim_end_matches([':', ',', ';', ')', ']']).len();
        clean.extend([place, "?…", &query[signs..]]);
    }
    clean + rest
}

/// Passwords of a netrc, which names them so.
pub(crate) fn in_netrc(text: &str) -> Vec<String> {
    let mut words = text.split_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word == "password" {
            found.extend(words.next().map(str::to_owned));
        }
    }
    found
}

/// Secret halves of the keys in AWS's shared files, which name them so.
pub(crate) fn in_profiles(text: &str) -> Vec<String> {
    let settings = text.lines().filter_map(|line| line.split_once('='));
    let secret = settings.filter(|(name, _)| {
        let name = name.trim().to_ascii_lowercase();
        matches!(
            name.as_str(),
            "aws_secret_access_key" | "aws_session_token" | "aws_security_token"
        )
    });
    let values = secret.map(|(_, value)| value.trim().to_owned());
    values.filter(|value| !value.is_empty()).collect()
}

/// Whether a text holds a private key, alone or within a document.
pub(crate) fn holds_key(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netrc_and_a_private_key() {
        let text =
            "machine a login u\n  password one\nmachine b login c password two\ndefault login x\n";
        assert_eq!(in_netrc(text), ["one", "two"]);
        assert!(holds_key(
            r#"{"private_key": "-----BEGIN RSA PRIVATE KEY-----\nMII"}"#
        ));
        assert!(!holds_key("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn queries_of_urls_are_left_out() {
        for (text, clean) in [
            (
                r#"Get "https://s3.example/b/x?X-Amz-Date=1&X-Amz-Signature=ab": EOF"#,
                r#"Get "https://s3.example/b/x?…": EOF"#,
            ),
            (
                "PUT http://r/v2/x?_state=a%2Fb: 503, then (https://h/y?sig=c) and https://h/z",
                "PUT http://r/v2/x?…: 503, then (https://h/y?…) and https://h/z",
            ),
            ("why? see https://h/a", "why? see https://h/a"),
            ("is it denied?", "is it denied?"),
        ] {
            assert_eq!(without_queries(text), clean);
        }
    }

    #[test]
    fn they_are_found_as_written_and_decoded() {
        assert_eq!(
            in_urls("https://u:s%40cret@h/simple https://token@h/x"),
            ["s%40cret", "s@cret", "token"]
        );
        assert!(in_urls("https://h/a@b https://${USER}:${PW}@h").is_empty());
    }
}
