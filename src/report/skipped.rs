//! The summary's line about stages that did not run.

use super::markdown::text;
use crate::event::Stage;

/// Stages that did not run, by reason.
pub(super) fn section(stages: &[(Stage, String)]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (stage, why) in stages {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(stage.name()),
            None => reasons.push((why, vec![stage.name()])),
        }
    }
    let parts = reasons
        .iter()
        .map(|(why, names)| format!("{} ({})", names.join(", "), text(why)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return String::new();
    }
    format!("Left out: {}.\n", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_run_is_told_once_a_reason() {
        let out = |stage, why: &str| (stage, why.to_owned());
        let stages = [
            out(Stage::Train, "no command"),
            out(Stage::Push, "a pull request"),
            out(Stage::Deploy, "a pull request"),
        ];
        assert_eq!(
            section(&stages),
            "Left out: train (no command); push, deploy (a pull request).\n"
        );
        assert_eq!(section(&[]), "");
    }
}
