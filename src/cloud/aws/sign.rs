//! Signature Version 4: how a request to AWS proves who sends it, in its headers or in its address. Pure: the time is given.
//! Source: AWS, "Create a signed AWS API request"; held to the vectors of AWS's own test suite below.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::hmac;
use secrecy::ExposeSecret as _;

use super::keys::Keys;
use crate::sha256;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request as it will go over the wire.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// With its port when that is not the scheme's own.
    pub(super) host: &'a str,
    /// As it stands in the address, begun by `/`.
    pub(super) path: &'a str,
    /// Plain names and values.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Further headers that are signed, names in lower case, without `host`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Who signs, for which service where, and when.
pub(super) struct Signer<'a> {
    pub(super) keys: &'a Keys,
    pub(super) region: &'a str,
    /// The service's name in signatures, which is not always that of its host: `ecr`, `sagemaker`.
    pub(super) service: &'a str,
    pub(super) at: Timestamp,
}

impl Signer<'_> {
    /// The headers to add to the request; the last of them is the proof.
    pub(super) fn headers(&self, request: &Request<'_>) -> Vec<(&'static str, String)> {
        let date = self.date();
        let token = self.keys.session_token.as_ref();
        let token = token.map(|token| token.expose_secret().to_owned());
        let mut signed: Vec<(&str, &str)> = request.headers.to_vec();
        signed.push(("host", request.host));
        signed.push(("x-amz-date", &date));
        if let Some(token) = &token {
            signed.push(("x-amz-security-token", token));
        }
        let query = encoded(request.query);
        let (names, signature) = self.signature(request, &query, signed, &date);
        let proof = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            self.keys.id,
            self.scope(&date)
        );
        let mut added = vec![("x-amz-date", date)];
        added.extend(token.map(|token| ("x-amz-security-token", token)));
        added.push(("authorization", proof));
        added
    }

    /// The query of an address that proves who sends it, for `life` seconds.
    pub(super) fn query(&self, request: &Request<'_>, life: u32) -> String {
        let date = self.date();
        let credential = format!("{}/{}", self.keys.id, self.scope(&date));
        let life = life.to_string();
        let mut signed: Vec<(&str, &str)> = request.headers.to_vec();
        signed.push(("host", request.host));
        let names = names(&mut signed);
        let mut query = request.query.to_vec();
        query.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &date),
            ("X-Amz-Expires", &life),
            ("X-Amz-SignedHeaders", &names),
        ]);
        if let Some(token) = &self.keys.session_token {
            query.push(("X-Amz-Security-Token", token.expose_secret()));
        }
        let query = encoded(&query);
        let (_, signature) = self.signature(request, &query, signed, &date);
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn date(&self) -> String {
        let at = self.at.to_zoned(TimeZone::UTC);
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn scope(&self, date: &str) -> String {
        let day = date.get(..8).unwrap_or(date);
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    /// The names of the signed headers, and the signature.
    fn signature(
        &self,
        request: &Request<'_>,
        query: &str,
        mut headers: Vec<(&str, &str)>,
        date: &str,
    ) -> (String, String) {
        let names = names(&mut headers);
        let mut lines = String::new();
        for (name, value) in &headers {
            let value: Vec<_> = value.split_ascii_whitespace().collect();
            lines.push_str(&format!("{name}:{}\n", value.join(" ")));
        }
        let canonical = format!(
            "{}\n{}\n{query}\n{lines}\n{names}\n{}",
            request.method,
            encode(request.path, true),
            sha256::of(request.body)
        );
        let scope = self.scope(date);
        let hash = sha256::of(canonical.as_bytes());
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
        let secret = format!("AWS4{}", self.keys.secret.expose_secret());
        let mut key = secret.into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        (names, sha256::hex(&mac(&key, &to_sign)))
    }
}

/// Puts headers into the order in which they are signed, and gives their names.
fn names(headers: &mut [(&str, &str)]) -> String {
    headers.sort_unstable();
    let names: Vec<_> = headers.iter().map(|&(name, _)| name).collect();
    names.join(";")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// A query as it is signed, which is also a way to write it.
pub(super) fn encoded(query: &[(&str, &str)]) -> String {
    let pairs = query.iter();
    let mut pairs: Vec<_> = pairs
        .map(|&(name, value)| (encode(name, false), encode(value, false)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Everything but letters, digits and `-._~` as `%XX`.
pub(super) fn encode(text: &str, is_path: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (is_path && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    type Query = &'static [(&'static str, &'static str)];

    const HOST: &str = "example.amazonaws.com";
    const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

    /// The identity of the suite.
    fn keys(token: Option<&str>) -> Keys {
        Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.map(Into::into),
            expires: None,
            origin: "the suite".to_owned(),
        }
    }

    fn signer(keys: &Keys) -> Signer<'_> {
        Signer {
            keys,
            region: "us-east-1",
            service: "service",
            at: "2015-08-30T12:36:00Z".parse().unwrap(),
        }
    }

    fn get<'a>(path: &'a str, query: &'a [(&'a str, &'a str)]) -> Request<'a> {
        Request {
            method: "GET",
            host: HOST,
            path,
            query,
            headers: &[],
            body: b"",
        }
    }

    /// The signed headers' names and the signature.
    fn proof(request: &Request<'_>, token: Option<&str>) -> (String, String) {
        let keys = keys(token);
        let added = signer(&keys).headers(request);
        let (name, value) = added.last().unwrap();
        assert_eq!(*name, "authorization");
        let rest = value
            .strip_prefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=")
            .unwrap();
        let (names, signature) = rest.split_once(", Signature=").unwrap();
        (names.to_owned(), signature.to_owned())
    }

    #[test]
    fn requests_are_signed_as_the_suite_has_it() {
        let plain: &[(&str, Query, &str)] = &[
            // get-vanilla
            (
                "/",
                &[],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            // get-vanilla-query-order-key-case
            (
                "/",
                &[("Param2", "value2"), ("Param1", "value1")],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            // get-vanilla-query-order-encoded
            (
                "/",
                &[
                    ("Param-3", "Value3"),
                    ("Param", "Value2"),
                    ("\u{1234}", "Value1"),
                ],
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            // get-query-plus
            (
                "/",
                &[("c+d", "")],
                "ae684ce3aadc299e3ac7d9216fcc039c7edf40dea57cf5b3005821dd2f176654",
            ),
            // get-space-normalized
            (
                "/example space/",
                &[],
                "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ),
            // get-utf8
            (
                "/\u{1234}",
                &[],
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
        ];
        for (path, query, signature) in plain {
            let expected = ("host;x-amz-date".to_owned(), (*signature).to_owned());
            assert_eq!(proof(&get(path, query), None), expected, "{path} {query:?}");
        }
    }

    #[test]
    fn headers_bodies_and_tokens_are_signed_as_the_suite_has_it() {
        // post-vanilla
        let post = Request {
            method: "POST",
            ..get("/", &[])
        };
        assert_eq!(
            proof(&post, None).1,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        // get-header-value-trim
        let trimmed = Request {
            headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            ..get("/", &[])
        };
        let (names, signature) = proof(&trimmed, None);
        assert_eq!(names, "host;my-header1;my-header2;x-amz-date");
        assert_eq!(
            signature,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
        );
        // post-x-www-form-urlencoded-parameters
        let form = Request {
            method: "POST",
            headers: &[
                (
                    "content-type",
                    "application/x-www-form-urlencoded; charset=utf-8",
                ),
                ("content-length", "13"),
                (
                    "x-amz-content-sha256",
                    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                ),
            ],
            body: b"Param1=value1",
            ..get("/", &[])
        };
        assert_eq!(
            proof(&form, None).1,
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"
        );
        // get-vanilla-with-session-token
        let (names, signature) = proof(&get("/", &[]), Some(TOKEN));
        assert_eq!(names, "host;x-amz-date;x-amz-security-token");
        assert_eq!(
            signature,
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
        );
    }

    #[test]
    fn addresses_are_signed_as_the_suite_has_it() {
        let cases: &[(Query, Option<&str>, &str)] = &[
            // get-vanilla
            (
                &[],
                None,
                "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
            ),
            // get-query-plus
            (
                &[("c+d", "")],
                None,
                "0eab864b028f58edbf5290cbe84acc5db34e5f92786a96fe01434e515f9342b8",
            ),
            // get-vanilla-query-order-encoded
            (
                &[
                    ("Param-3", "Value3"),
                    ("Param", "Value2"),
                    ("\u{1234}", "Value1"),
                ],
                None,
                "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
            ),
            // get-vanilla-with-session-token
            (
                &[],
                Some(TOKEN),
                "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
            ),
        ];
        for (query, token, signature) in cases {
            let keys = keys(*token);
            let signed = signer(&keys).query(&get("/", query), 3600);
            assert!(
                signed.ends_with(&format!("&X-Amz-Signature={signature}")),
                "{signed}"
            );
            assert!(signed.contains("X-Amz-Expires=3600&"), "{signed}");
        }
    }

    #[test]
    fn another_secret_signs_otherwise() {
        let mut other = keys(None);
        other.secret = "another".into();
        let added = signer(&other).headers(&get("/", &[]));
        assert!(!added.iter().any(|(_, value)| value.contains("5fa00fa3")));
    }
}
