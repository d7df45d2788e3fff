//! Reports that could not be written, and what is said of them: one notice for all that the token may not write, a warning for
//! each that failed. It knows permissions by name, no request.

use super::trouble::Trouble;

/// Something to say about reporting.
#[derive(Clone, Debug)]
pub(in crate::report) enum Remark {
    /// As it should be; a line in the log.
    Note(String),
    /// Somebody may want to change a setting.
    Notice(String),
    /// It should have worked.
    Warning(String),
}

/// Reports that were not written, and why.
pub(super) struct LeftOut {
    read_only: bool,
    /// What, and the permission it needs.
    refused: Vec<(&'static str, &'static str)>,
    /// GitHub's words on the first.
    why: String,
    failed: Vec<Remark>,
    /// GitHub does not answer, or not in time.
    pub(super) silent: bool,
}

impl LeftOut {
    pub(super) fn new(read_only: bool) -> Self {
        Self {
            read_only,
            refused: Vec::new(),
            why: String::new(),
            failed: Vec::new(),
            silent: false,
        }
    }

    pub(super) fn take(
        &mut self,
        what: &'static str,
        permission: &'static str,
        done: Result<(), Trouble>,
    ) {
        match done {
            Ok(()) => {}
            Err(Trouble::Refused(why)) => {
                if self.refused.is_empty() {
                    self.why = why;
                }
                self.refused.push((what, permission));
            }
            Err(trouble) => {
                self.silent |= matches!(trouble, Trouble::Unanswered(_) | Trouble::Limited(_));
                self.failed.push(Remark::Warning(format!(
                    "the {what} on GitHub could not be written: {trouble}"
                )));
            }
        }
    }

    /// One notice for all that the token may not write, and a warning for each that failed.
    pub(super) fn remarks(self) -> Vec<Remark> {
        let mut remarks = self.failed;
        if self.refused.is_empty() {
            return remarks;
        }
        let names: Vec<&str> = self.refused.iter().map(|(what, _)| *what).collect();
        let names = names.join(", ");
        let why = self.why;
        let notice = if self.read_only {
            format!(
                "left out on GitHub: {names}; the token of a pull request from a fork or from Dependabot can only read ({why}). The job summary has everything"
            )
        } else {
            let needed: Vec<String> = self
                .refused
                .iter()
                .map(|(_, permission)| format!("`{permission}`"))
                .collect();
            let needed = needed.join(", ");
            format!(
                "left out on GitHub: {names}; the token may not write them ({why}). Add {needed} to the job's `permissions`, or name in `github-reports` only what is wanted"
            )
        };
        remarks.push(Remark::Notice(notice));
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(read_only: bool, done: [Result<(), Trouble>; 2]) -> Vec<String> {
        let mut left_out = LeftOut::new(read_only);
        let [check, comment] = done;
        left_out.take("check run", "checks: write", check);
        left_out.take("comment", "pull-requests: write", comment);
        let text = |remark| match remark {
            Remark::Note(text) => format!("note {text}"),
            Remark::Notice(text) => format!("notice {text}"),
            Remark::Warning(text) => format!("warning {text}"),
        };
        left_out.remarks().into_iter().map(text).collect()
    }

    #[test]
    fn what_a_token_may_not_write_is_said_once() {
        let refused = || Err(Trouble::Refused("Resource not accessible".to_owned()));
        let said = said(false, [refused(), refused()]);
        assert_eq!(said.len(), 1, "{said:?}");
        for part in [
            "notice ",
            "check run, comment",
            "`checks: write`, `pull-requests: write`",
        ] {
            assert!(said[0].contains(part), "{part} {said:?}");
        }
    }

    #[test]
    fn a_fork_is_told_that_nothing_can_be_done() {
        let said = said(true, [Err(Trouble::Refused("x".to_owned())), Ok(())]);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("from a fork") && !said[0].contains("permissions"));
    }

    #[test]
    fn a_failure_is_a_warning_and_success_is_silent() {
        assert!(said(false, [Ok(()), Ok(())]).is_empty());
        let trouble = Trouble::Unanswered("502: Bad Gateway".to_owned());
        let said = said(false, [Err(trouble), Ok(())]);
        assert_eq!(
            said,
            ["warning the check run on GitHub could not be written: 502: Bad Gateway"]
        );
    }
}
