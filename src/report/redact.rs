//! Hides secret values, in the shapes in which programs print them. It owns how they are found fast; it knows no event and no
//! reporter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::shapes::{is_base64, shapes};
use super::telling;

/// What stands where a secret stood.
const HIDDEN: &str = "***";
/// Where a text was cut, before anybody could see that a secret stood there.
const CUT: char = '…';
/// So many bytes of a secret are taken for its beginning or its end, and none of one that is not longer than twice that.
const PART: usize = 6;
/// Below this many bytes of patterns the fastest automaton still fits into a few megabytes.
const LARGEST_DFA: usize = 8192;

/// All values to hide, compiled.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// What is looked for, and whether the base64 around it is hidden too.
    patterns: BTreeMap<String, bool>,
    automaton: Option<AhoCorasick>,
    /// By number of the pattern.
    wide: Vec<bool>,
    /// What is recognised by its beginning and its end too: words, no documents, whose beginnings are ordinary.
    words: Vec<String>,
}

impl Redactor {
    /// Hides the values from now on. Returns what is new and single-line, for hosts that mask by themselves.
    pub(super) fn add<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut new = Vec::new();
        let mut changed = false;
        for secret in secrets {
            for value in telling::parts(secret) {
                if self.patterns.contains_key(&value) {
                    continue;
                }
                changed = true;
                let shapes = shapes(&value);
                let word = |shape: &&String| {
                    let document = shape.contains(|c: char| c.is_whitespace() || c == '{');
                    shape.len() > 2 * PART && !document && !shape.contains("://")
                };
                let all = shapes.exact.iter().chain(&shapes.pieces);
                self.words.extend(all.filter(word).cloned());
                for piece in shapes.pieces {
                    self.patterns.entry(piece).or_insert(true);
                }
                self.patterns
                    .extend(shapes.exact.into_iter().map(|shape| (shape, false)));
                if !value.contains(['\n', '\r']) {
                    new.push(value);
                }
            }
        }
        if changed {
            self.automaton = compile(&self.patterns);
            self.wide = self.patterns.values().copied().collect();
        }
        new
    }

    /// The text without secrets; borrowed when there is nothing to hide.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let clean = self.without_whole(text);
        if !clean.contains(CUT) {
            return clean;
        }
        match self.without_parts(&clean) {
            Some(clean) => Cow::Owned(clean),
            None => clean,
        }
    }

    /// Hides what stands before a cut and is the beginning of a secret, and what stands behind one and is the end of one.
    fn without_parts(&self, text: &str) -> Option<String> {
        let (mut clean, mut from) = (String::new(), 0);
        for (at, cut) in text.match_indices(CUT) {
            let (before, behind) = (&text[from..at], &text[at + cut.len()..]);
            // No blank is in a word.
            let last = before.rsplit(char::is_whitespace).next().unwrap_or(before);
            let first = behind.split(char::is_whitespace).next().unwrap_or(behind);
            let begun = self.part(last.len(), |word, length| {
                let begin = word.get(..length);
                begin.is_some_and(|begin| last.ends_with(begin))
            });
            let ended = self.part(first.len(), |word, length| {
                let end = word.get(word.len() - length..);
                end.is_some_and(|end| first.starts_with(end))
            });
            if begun == 0 && ended == 0 {
                continue;
            }
            let hidden = |part: usize| if part > 0 { HIDDEN } else { "" };
            clean.push_str(&before[..before.len() - begun]);
            clean.extend([hidden(begun), cut, hidden(ended)]);
            from = at + cut.len() + ended;
        }
        if from == 0 {
            return None;
        }
        clean.push_str(&text[from..]);
        Some(clean)
    }

    /// The length of the longest part of a secret that is there; 0 when there is none. A part ends within no character.
    fn part(&self, room: usize, is_there: impl Fn(&str, usize) -> bool) -> usize {
        let longest = |word: &String| {
            let lengths = PART..=room.min(word.len() - 1);
            lengths.rev().find(|length| is_there(word, *length))
        };
        self.words.iter().filter_map(longest).max().unwrap_or(0)
    }

    fn without_whole<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(automaton) = &self.automaton else {
            return Cow::Borrowed(text);
        };
        let mut clean = String::new();
        let mut end = 0;
        for found in automaton.find_iter(text) {
            let (mut from, mut to) = (found.start(), found.end());
            if self.wide.get(found.pattern().as_usize()) == Some(&true) {
                let bytes = text.as_bytes();
                from -= bytes[..from]
                    .iter()
                    .rev()
                    .take_while(|b| is_base64(**b))
                    .count();
                to += bytes[to..].iter().take_while(|b| is_base64(**b)).count();
            }
            if from >= end {
                clean.push_str(&text[end..from]);
                clean.push_str(HIDDEN);
            }
            // What begins in the part that is hidden already only makes it longer.
            end = end.max(to);
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

fn compile(patterns: &BTreeMap<String, bool>) -> Option<AhoCorasick> {
    let size: usize = patterns.keys().map(String::len).sum();
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .kind((size <= LARGEST_DFA).then_some(AhoCorasickKind::DFA))
        .build(patterns.keys())
        .ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

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
        assert_eq!(redactor.redact("p%C3%A4%24%24%20w/rd%221"), "***");
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
    fn the_beginning_of_a_secret_before_a_cut_is_hidden() {
        let redactor = redactor(&[
            "hunter22/secret-ü-value",
            "apiVersion: v1\ntoken: abcd1234efghi\n",
        ]);
        assert_eq!(
            redactor.redact("p=hunter22/sec… (90 characters)"),
            "p=***… (90 characters)"
        );
        assert_eq!(
            redactor.redact("p=hunter22/secret-ü…, q=hunter22%2Fs…"),
            "p=***…, q=***…"
        );
        assert_eq!(redactor.redact("t=abcd1234e…"), "t=***…");
        for plain in [
            "p=hunt…",
            "p=hunter22/sec",
            "hunter22/sec and more…",
            "apiVersion…",
            "waits…",
        ] {
            assert_eq!(redactor.redact(plain), plain);
        }
    }

    #[test]
    fn the_end_of_a_secret_behind_a_cut_is_hidden() {
        let redactor = redactor(&["hunter22/secret-ü-value"]);
        assert_eq!(
            redactor.redact("…ret-ü-value&x=1 and …ü-value."),
            "…***&x=1 and …***."
        );
        // A line that was broken within it.
        assert_eq!(
            redactor.redact("p=hunter22/sec…\n…ret-ü-value, q"),
            "p=***…\n…***, q"
        );
        for plain in ["…value", "-ü-value", "… ü-value and", "ü-value…"] {
            assert_eq!(redactor.redact(plain), plain);
        }
    }

    #[test]
    fn a_secret_in_a_long_base64_text_is_hidden_wherever_that_is_cut() {
        let short = "hunter22-secret-value";
        let long = "hunter22-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for secret in [short, long] {
            let redactor = redactor(&[secret]);
            let around = "0123 some other text ".repeat(20);
            let text = format!("{around}{secret}{around}");
            let packed = STANDARD.encode(&text);
            let plain = |part: &str| {
                // What base64 tells from here, whatever stands before.
                let found = (0..4).filter_map(|skip| {
                    let whole = part.get(skip..)?.len() / 4 * 4;
                    STANDARD.decode(&part[skip..skip + whole]).ok()
                });
                let texts = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                texts.collect::<Vec<_>>().join(" ")
            };
            for at in 0..packed.len() {
                let cut = format!("{}…\n…{}", &packed[..at], &packed[at..]);
                let shown = redactor.redact(&cut);
                let told = shown.split(['…', '\n', '*']).map(plain);
                let told: Vec<_> = told.collect();
                // So much may be left of it as would be left without base64.
                for part in secret.as_bytes().windows(PART) {
                    let part = std::str::from_utf8(part).unwrap();
                    assert!(
                        !told.iter().any(|text| text.contains(part)),
                        "{at}: {shown}"
                    );
                }
            }
        }
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

    #[test]
    fn a_long_secret_is_hidden_in_base64_broken_into_lines_and_url_encoded() {
        // Deterministic text that looks like a key.
        let mut state = 7_u32;
        let secret: String = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                    [(state >> 24) as usize % 64],
            )
        })
        .take(3000)
        .collect();
        let redactor = redactor(&[&secret]);
        for before in ["", "x", "xy"] {
            for packed in [
                STANDARD.encode(format!("{before}{secret}")),
                URL_SAFE_NO_PAD.encode(format!("{before}{secret}\n")),
            ] {
                assert_eq!(redactor.redact(&format!("a: {packed}.")), "a: ***.");
                for width in [64, 76] {
                    for line in packed
                        .as_bytes()
                        .chunks(width)
                        .filter(|line| line.len() == width)
                    {
                        let line = std::str::from_utf8(line).unwrap();
                        assert_eq!(redactor.redact(line), "***", "{width}");
                    }
                }
            }
        }
        let encoded = secret
            .replace('+', "%2B")
            .replace('/', "%2f")
            .replace("%2f", "%2F");
        assert_eq!(redactor.redact(&format!("k={encoded}&b=1")), "k=***&b=1");
        let other = "Q29tcGxldGVseSBvdGhlciB0ZXh0IHRoYXQgaXMgbm8gc2VjcmV0IGF0IGFsbCwgaW4gYmFzZTY0";
        assert_eq!(redactor.redact(other), other);
    }

    #[test]
    fn filling_in_a_secret_hides_no_other_filling() {
        let secret = format!("{}tail-of-a-secret", "A".repeat(400));
        let redactor = redactor(&[&secret]);
        let zeros = STANDARD.encode("A".repeat(90));
        assert_eq!(redactor.redact(&zeros), zeros);
    }
}
