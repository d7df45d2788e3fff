//! How a run ends that was told to stop: the cancel is the failure, and what the interrupted stage said is what is left.

use crate::diagnostic::Diagnostic;
use crate::failure::Outcome;
use crate::shutdown::Reason;
use crate::stage::Ended;

/// Exit status of a failure after which production may be broken: no cancel may hide it.
const BROKEN: u8 = 70;

/// After a cancel, what the interrupted stage says is what was left; the failure is the cancel itself, with what the stage
/// knows of it.
pub(crate) fn outcome(outcome: Outcome<Ended>, reason: &Reason) -> (Outcome<Ended>, Vec<String>) {
    let (failure, code) = match (outcome, reason.code()) {
        (Err(failure), Some(code)) if failure.code().exit() != BROKEN => (failure, code),
        (outcome, _) => return (outcome, Vec::new()),
    };
    let findings = failure.into_findings();
    let left = findings
        .iter()
        .map(|finding| finding.message.clone())
        .collect();
    let mut cancelled = Diagnostic::error(code, code.title());
    for finding in findings {
        cancelled.help = cancelled.help.or(finding.help);
        cancelled.at = cancelled.at.or(finding.at);
        cancelled.evidence.extend(finding.evidence);
    }
    (Err(cancelled.into()), left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::failure::Failure;

    fn half_done() -> Failure {
        Failure::new(Code::Interrupted, "`wine` was left half done")
            .help("run it again")
            .evidence(["pod a".to_owned()])
    }

    #[test]
    fn a_cancel_keeps_what_the_stage_knew() {
        let reason = Reason::of(Code::Terminated);
        let (outcome, left) = super::outcome(Err(half_done()), &reason);
        let failure = outcome.unwrap_err();
        assert_eq!(failure.code(), Code::Terminated);
        assert_eq!(left, ["`wine` was left half done"]);
        let finding = failure.findings().next().unwrap();
        assert_eq!(
            (finding.advice(), finding.evidence.len()),
            ("run it again", 1)
        );
    }

    #[test]
    fn a_cancel_does_not_hide_that_production_may_be_broken() {
        let failure = Failure::new(Code::RollbackFailed, "`wine` is down");
        let (outcome, left) = super::outcome(Err(failure), &Reason::of(Code::Terminated));
        assert_eq!(outcome.unwrap_err().code().exit(), BROKEN);
        assert!(left.is_empty());
    }

    #[test]
    fn without_a_cancel_the_failure_is_what_it_was() {
        let (outcome, left) = super::outcome(Err(half_done()), &Reason::default());
        assert_eq!(outcome.unwrap_err().code(), Code::Interrupted);
        assert!(left.is_empty());
    }
}
