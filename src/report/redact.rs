//! Hides secret values, in the shapes in which programs print them. It owns which values are worth hiding and how they are
//! found fast; it knows no event and no reporter.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands where a secret stood.
const HIDDEN: &str = "***";
/// A shorter value would hide parts of ordinary words.
const SHORTEST: usize = 4;
/// A line of a longer secret must be this long, because short lines are structure: `}`, `users:`.
const SHORTEST_LINE: usize = 8;
/// Above this many bytes a secret is a document; its encodings as a whole would cost megabytes of automaton.
const LONGEST_ENCODED: usize = 1024;
/// Below this many bytes of patterns the fastest automaton still fits into a few megabytes.
const LARGEST_DFA: usize = 8192;
/// A mapping's line is hidden by its value only, and only under a key that says it is secret: in a kubeconfig `apiVersion: v1`
/// and the namespace must stay readable.
const SECRET_KEYS: [&str; 8] = [
    "token",
    "password",
    "secret",
    "key",
    "data",
    "credential",
    "auth",
    "cert",
];

/// All values to hide, compiled.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    patterns: BTreeSet<String>,
    automaton: Option<AhoCorasick>,
}

impl Redactor {
    /// Hides the values from now on. Returns what is new and single-line, for hosts that mask by themselves.
    pub(super) fn add<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut new = Vec::new();
        let mut changed = false;
        for secret in secrets {
            for value in meaningful(secret) {
                if self.patterns.contains(&value) {
                    continue;
                }
                changed = true;
                self.patterns.extend(shapes(&value));
                if !value.contains(['\n', '\r']) {
                    new.push(value);
                }
            }
        }
        if changed {
            self.automaton = compile(&self.patterns);
        }
        new
    }

    /// The text without secrets; borrowed when there is nothing to hide.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(automaton) = &self.automaton else {
            return Cow::Borrowed(text);
        };
        let mut clean = String::new();
        let mut end = 0;
        for found in automaton.find_iter(text) {
            clean.push_str(&text[end..found.start()]);
            clean.push_str(HIDDEN);
            end = found.end();
        }
        if end == 0 {
            return Cow::Borrowed(text);
        }
        clean.push_str(&text[end..]);
        Cow::Owned(clean)
    }

    /// Redacts in place.
    pub(super) fn scrub(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.redact(text) {
            *text = clean;
        }
    }

    /// Whether nothing is hidden.
    pub(super) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }
}

fn compile(patterns: &BTreeSet<String>) -> Option<AhoCorasick> {
    let size: usize = patterns.iter().map(String::len).sum();
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .kind((size <= LARGEST_DFA).then_some(AhoCorasickKind::DFA))
        .build(patterns)
        .ok()
}

/// The parts of a secret that are worth hiding: the whole, and the telling lines of a document (also of one in base64).
fn meaningful(secret: &str) -> Vec<String> {
    let whole = secret.trim();
    let mut values = Vec::new();
    if worth_hiding(whole) {
        values.push(whole.to_owned());
    }
    values.extend(telling_lines(whole));
    if let Some(inner) = decoded(whole) {
        values.extend(telling_lines(&inner));
    }
    values
}

fn worth_hiding(value: &str) -> bool {
    let boolean = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    let number = value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    value.chars().count() >= SHORTEST && !boolean && !number
}

/// A document handed over in base64, as kubeconfigs often are.
fn decoded(value: &str) -> Option<String> {
    let packed: String = value.split_whitespace().collect();
    if packed.len() < 64 {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(packed.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

fn telling_lines(text: &str) -> Vec<String> {
    if !text.contains(['\n', '\r']) {
        return Vec::new();
    }
    text.split(['\n', '\r']).filter_map(telling_line).collect()
}

fn telling_line(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("- ");
    if let Some((key, value)) = mapping(line) {
        let key = key.to_ascii_lowercase();
        let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
        let secret = SECRET_KEYS.iter().any(|word| key.contains(word));
        return (secret && worth_hiding(value) && !matches!(value, "{" | "|" | ">"))
            .then(|| value.to_owned());
    }
    let armour = line.starts_with("-----");
    let words = line.chars().filter(|c| c.is_alphanumeric()).count();
    (!armour && line.len() >= SHORTEST_LINE && words * 2 >= line.len() && worth_hiding(line))
        .then(|| line.to_owned())
}

/// `key: value` of YAML or JSON, or `key = value`.
fn mapping(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line
        .split_once(": ")
        .or_else(|| line.split_once(" = "))
        .or_else(|| line.strip_suffix(':').map(|key| (key, "")))?;
    let key = key.trim_matches(['"', '\'']);
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!key.is_empty() && key.chars().all(name)).then_some((key, value))
}

/// The shapes in which programs print a value: as it is, in base64 at any offset, URL-encoded, JSON-escaped.
fn shapes(value: &str) -> Vec<String> {
    let mut shapes = vec![value.to_owned()];
    if value.contains('\n') {
        shapes.push(value.replace('\n', "\r\n"));
    }
    if value.len() <= LONGEST_ENCODED {
        shapes.push(STANDARD.encode(value));
        for offset in 0..3 {
            for shape in [
                stable_base64(&STANDARD_NO_PAD, value, offset),
                stable_base64(&URL_SAFE_NO_PAD, value, offset),
            ] {
                shapes.push(shape);
            }
        }
        for upper in [true, false] {
            let encoded = url_encoded(value, upper);
            shapes.push(encoded.replace("%20", "+"));
            shapes.push(encoded);
        }
    }
    shapes.push(json_escaped(value, false));
    shapes.push(json_escaped(value, true));
    shapes.retain(|shape| shape.len() >= SHORTEST);
    shapes
}

/// The characters of base64 that do not depend on what stands before (`offset` bytes into a group of three) and after.
fn stable_base64(alphabet: &base64::engine::GeneralPurpose, value: &str, offset: usize) -> String {
    let mut bytes = vec![0_u8; offset];
    bytes.extend_from_slice(value.as_bytes());
    let encoded = alphabet.encode(&bytes);
    let start = [0, 2, 3][offset % 3];
    let end = bytes.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_owned()
}

fn url_encoded(value: &str, upper: bool) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ if upper => text.push_str(&format!("%{byte:02X}")),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text
}

/// The inside of a JSON string; `ascii` as Python's `json.dumps` writes it.
fn json_escaped(value: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    if !ascii {
        return inner.to_owned();
    }
    let mut text = String::new();
    for c in inner.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.add(secrets.iter().copied());
        redactor
    }

    #[test]
    fn every_shape_of_a_secret_is_hidden() {
        let secret = "pä$$ w/rd\"1";
        let redactor = redactor(&[secret]);
        assert_eq!(redactor.redact("x pä$$ w/rd\"1 y"), "x *** y");
        assert_eq!(redactor.redact("p%C3%A4%24%24%20w%2Frd%221"), "***");
        assert_eq!(redactor.redact("p%c3%a4%24%24+w%2frd%221"), "***");
        assert_eq!(redactor.redact(r#""pä$$ w/rd\"1""#), r#""***""#);
        assert_eq!(redactor.redact(r#""p\u00e4$$ w/rd\"1""#), r#""***""#);
        assert_eq!(redactor.redact(&STANDARD.encode(secret)), "***");
        for before in ["u", "us", "use", "user"] {
            let encoded = STANDARD.encode(format!("{before}:{secret}@host"));
            let shown = redactor.redact(&encoded).into_owned();
            assert!(shown.contains("***"), "{before}: {shown}");
        }
    }

    #[test]
    fn what_would_hide_ordinary_text_is_refused() {
        for value in ["", "abc", "true", "FALSE", "12345", "  a "] {
            let redactor = redactor(&[value]);
            assert!(redactor.is_empty(), "{value}");
        }
        assert_eq!(redactor(&["123456"]).redact("a123456b"), "a***b");
    }

    #[test]
    fn a_document_is_hidden_line_by_line_and_its_structure_stays() {
        let text = "apiVersion: v1\nkind: Config\nusers:\n- name: deployer\n  user:\n    token: abcd1234efgh\n    client-key-data: \"TFMwdExTMUNSVWRK\"\ncurrent-context: prod\n";
        for secret in [text.to_owned(), STANDARD.encode(text)] {
            let redactor = redactor(&[&secret]);
            assert_eq!(redactor.redact("t=abcd1234efgh"), "t=***");
            assert_eq!(redactor.redact("TFMwdExTMUNSVWRK"), "***");
            assert_eq!(
                redactor.redact("apiVersion: v1, kind: Config, deployer, prod"),
                "apiVersion: v1, kind: Config, deployer, prod"
            );
        }
        let pem = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nabc\n-----END KEY-----";
        let redactor = redactor(&[pem]);
        assert_eq!(redactor.redact("MIIEowIBAAKCAQEA"), "***");
        assert_eq!(
            redactor.redact("-----BEGIN KEY-----"),
            "-----BEGIN KEY-----"
        );
        assert_eq!(redactor.redact(&pem.replace('\n', "\r\n")), "***");
    }

    #[test]
    fn the_longest_of_overlapping_secrets_wins() {
        let redactor = redactor(&["secret", "secret-value"]);
        assert_eq!(redactor.redact("secret-value secret"), "*** ***");
    }

    #[test]
    fn only_new_single_lines_are_handed_to_the_host() {
        let mut redactor = Redactor::default();
        assert_eq!(redactor.add(["hunter22"]), ["hunter22"]);
        assert!(redactor.add(["hunter22"]).is_empty());
        assert_eq!(redactor.add(["line one is long\nx"]), ["line one is long"]);
    }
}
