//! The part of the plan that compares the image with the training: the mode, and what is allowed to differ.

use std::path::Path;

use super::super::*;
use super::Resolver;
use super::values;

impl Resolver<'_> {
    /// Whether the image's environment is compared with the one that trained: in this run, or in an earlier one that left its
    /// description.
    pub(super) fn parity(&self, trains: bool) -> bool {
        let kept = Path::new(&self.inputs.working_directory).join(".ml-deploy/training.json");
        self.inputs.parity != "off" && (trains || kept.exists() || self.inputs.parity == "strict")
    }

    pub(super) fn parity_spec(&mut self) -> ParitySpec {
        let inputs = self.inputs;
        let mode = self.one_of(
            "parity",
            &inputs.parity,
            [
                ("strict", ParityMode::Strict),
                ("safe", ParityMode::Safe),
                ("report", ParityMode::Report),
                ("off", ParityMode::Off),
            ],
            ParityMode::Safe,
        );
        let mut allow = Vec::new();
        for line in values::list(&inputs.parity_allow, false) {
            match entry(&line) {
                Ok(entry) => allow.push(entry),
                Err(why) => self.invalid(
                    "parity-allow",
                    format!("has `{line}`, {why}; expected `package trained->served reason until=YYYY-MM-DD`"),
                ),
            }
        }
        ParitySpec { mode, allow }
    }
}

/// `scikit-learn 1.5.2->1.6.1 the model is linear, see #12 until=2031-01-31`.
fn entry(line: &str) -> Result<ParityAllow, &'static str> {
    let mut words = line.split_whitespace();
    let subject = words.next().ok_or("which is empty")?;
    let versions = words.next().and_then(|versions| versions.split_once("->"));
    let (trained, served) = versions
        .filter(|(trained, served)| !trained.is_empty() && !served.is_empty())
        .ok_or("which has no versions")?;
    let rest: Vec<&str> = words.collect();
    let (until, reason): (Vec<&str>, Vec<&str>) = rest
        .into_iter()
        .partition(|word| word.starts_with("until="));
    if reason.is_empty() {
        return Err("which has no reason");
    }
    let until = match until[..] {
        [until] => until.trim_start_matches("until=").parse(),
        _ => return Err("which does not say until when"),
    };
    Ok(ParityAllow {
        subject: subject.to_lowercase().replace(['_', '.'], "-"),
        trained: trained.to_owned(),
        served: served.to_owned(),
        until: until.map_err(|_| "whose date cannot be read")?,
        text: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_versions_a_reason_and_a_day() {
        let entry =
            entry("Scikit_Learn 1.5.2->1.6.1 linear model, see #12 until=2031-01-31").unwrap();
        assert_eq!(entry.subject, "scikit-learn");
        assert_eq!(
            (entry.trained.as_str(), entry.served.as_str()),
            ("1.5.2", "1.6.1")
        );
        assert_eq!(entry.until.to_string(), "2031-01-31");
    }

    #[test]
    fn an_entry_without_one_of_them_is_refused() {
        for (line, why) in [
            ("numpy", "no versions"),
            ("numpy 1->", "no versions"),
            ("numpy 1->2 until=2031-01-31", "no reason"),
            ("numpy 1->2 because", "until when"),
            ("numpy 1->2 because until=soon", "date"),
        ] {
            assert!(entry(line).unwrap_err().contains(why), "{line}");
        }
    }
}
