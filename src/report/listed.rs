//! The outputs as lists that other systems read: `outputs.env` (GitLab's dotenv report), `outputs.properties` and `outputs.json`
//! (Jenkins). It knows the three grammars and no output.

use serde_json::{Map, Value};

use super::outputs::{Facts, values};

/// GitLab takes 5 KiB, and 50 variables of a free group; a larger report fails the job.
const DOTENV: usize = 5 << 10;
const VARIABLES: usize = 50;

/// `ML_DEPLOY_IMAGE_REF=…`: names in capitals, behind our own prefix, because they become variables of later jobs. What the grammar
/// cannot say (several lines, blanks at the ends) or what has no room is left out; it stands in `outputs.json`.
pub(super) fn dotenv(facts: &Facts<'_>) -> String {
    dotenv_of(&values(facts))
}

fn dotenv_of(values: &[(&'static str, String)]) -> String {
    let mut text = String::new();
    let mut count = 0;
    for (name, value) in values {
        // JSON is no scalar: shells would take its quotes apart.
        let fits = *name != "metrics" && value.trim() == value && !value.contains(char::is_control);
        let name = name.to_ascii_uppercase().replace('-', "_");
        let line = format!("ML_DEPLOY_{name}={value}\n");
        if fits && count < VARIABLES && text.len() + line.len() <= DOTENV {
            text.push_str(&line);
            count += 1;
        }
    }
    text
}

/// `image-ref=…` as `java.util.Properties` reads it, in ASCII.
pub(super) fn properties(facts: &Facts<'_>) -> String {
    let values = values(facts).into_iter();
    values
        .map(|(name, value)| format!("{name}={}\n", escaped(&value)))
        .collect()
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (index, c) in value.chars().enumerate() {
        match c {
            '\\' | ':' | '=' | '#' | '!' => text.extend(['\\', c]),
            ' ' if index == 0 => text.push_str("\\ "),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            ' '..='~' => text.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

/// An object of strings.
pub(super) fn json(facts: &Facts<'_>) -> String {
    let values = values(facts).into_iter();
    let values: Map<String, Value> = values
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    format!("{:#}\n", Value::Object(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn variables_of_later_jobs_are_flat_and_within_limits() {
        let text = sample::facts(sample::good(), None, dotenv);
        assert!(
            text.contains("\nML_DEPLOY_IMAGE=ghcr.io/org/wine:1a2b3c4\n"),
            "{text}"
        );
        assert!(
            text.contains("ML_DEPLOY_ENDPOINT=http://127.0.0.1:8080\n"),
            "{text}"
        );
        assert!(!text.contains("METRICS"), "{text}");
        let hostile = vec![
            ("image", "a\nPATH=/evil".to_owned()),
            ("run-id", "x".repeat(DOTENV)),
            ("digest", " x".to_owned()),
            ("status", "success".to_owned()),
        ];
        assert_eq!(dotenv_of(&hostile), "ML_DEPLOY_STATUS=success\n");
        let many = vec![("status", "x".to_owned()); 60];
        assert_eq!(dotenv_of(&many).lines().count(), VARIABLES);
    }

    #[test]
    fn properties_are_escaped_as_java_reads_them() {
        assert_eq!(
            escaped(" a=b:c#d!\\\n\té🦀"),
            "\\ a\\=b\\:c\\#d\\!\\\\\\n\\t\\u00e9\\ud83e\\udd80"
        );
        let text = sample::facts(sample::good(), None, properties);
        assert!(
            text.contains("image=ghcr.io/org/wine\\:1a2b3c4\n"),
            "{text}"
        );
        let all: Value = serde_json::from_str(&sample::facts(sample::good(), None, json)).unwrap();
        assert_eq!(all["status"], "success");
    }
}
