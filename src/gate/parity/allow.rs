//! What the mode and `parity-allow` make of the rows. Pure: it is given the day.

use jiff::civil::Date;

use super::row::Row;
use crate::artifact::{ParityLevel as Level, ParityVerdict as Verdict};
use crate::code::Code;
use crate::plan::{ParityAllow, ParityMode, ParitySpec};

/// A row with its last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) row: Row,
    /// The entry that lets it pass, as it was written.
    pub(super) allowed: Option<String>,
    /// The last day of an entry that no longer does.
    pub(super) expired: Option<Date>,
}

/// Applies mode and entries; worst first again.
pub(super) fn judge(rows: Vec<Row>, spec: &ParitySpec, today: Date) -> Vec<Judged> {
    let mut judged: Vec<Judged> = rows.into_iter().map(|row| one(row, spec, today)).collect();
    judged.sort_by_key(|one| std::cmp::Reverse(one.row.level));
    judged
}

fn one(mut row: Row, spec: &ParitySpec, today: Date) -> Judged {
    if spec.mode == ParityMode::Strict && row.level == Level::Warn {
        row.level = Level::Block;
    }
    let entry = spec
        .allow
        .iter()
        .filter(|entry| row.level > Level::Info && about(entry, &row))
        .max_by_key(|entry| entry.until);
    let (mut allowed, mut expired) = (None, None);
    match entry {
        Some(entry) if entry.until >= today => {
            row.level = Level::Warn;
            allowed = Some(entry.text.clone());
        }
        Some(entry) => {
            row.level = Level::Block;
            row.code = Code::ParityAllowExpired;
            expired = Some(entry.until);
        }
        None => {}
    }
    Judged {
        row,
        allowed,
        expired,
    }
}

fn about(entry: &ParityAllow, row: &Row) -> bool {
    let subject = row.subject.to_lowercase().replace(['_', '.'], "-");
    let fits = |allowed: &str, version: &str| {
        allowed == "*"
            || allowed == version
            // `python 3.11->3.12` means every patch of them.
            || row.code == Code::ParityPython && version.starts_with(&format!("{allowed}."))
    };
    entry.subject == subject
        && fits(&entry.trained, &row.trained)
        && fits(&entry.served, &row.served)
}

/// The whole in a word; the mode `report` changes what follows from it, not what it is.
pub(super) fn verdict(judged: &[Judged]) -> Verdict {
    match judged.iter().map(|one| one.row.level).max() {
        Some(Level::Block) => Verdict::Fail,
        Some(Level::Warn) => Verdict::Warn,
        Some(Level::Info) | None => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(level: Level) -> Row {
        let why = "the model's classes live in it";
        Row::new(
            level,
            Code::ParityPackage,
            "scikit-learn",
            ("1.5.2", "1.6.1"),
            why,
        )
    }

    fn spec(mode: ParityMode, versions: (&str, &str)) -> ParitySpec {
        let entry = ParityAllow {
            subject: "scikit-learn".to_owned(),
            trained: versions.0.to_owned(),
            served: versions.1.to_owned(),
            until: "2030-06-30".parse().unwrap(),
            text: "the entry".to_owned(),
        };
        ParitySpec {
            mode,
            allow: vec![entry],
        }
    }

    fn judged(row: Row, spec: &ParitySpec, today: &str) -> Judged {
        judge(vec![row], spec, today.parse().unwrap()).remove(0)
    }

    #[test]
    fn an_entry_counts_unstopped_of_its_last_day() {
        let spec = spec(ParityMode::Safe, ("1.5.2", "1.6.1"));
        let used = judged(row(Level::Block), &spec, "2030-06-30");
        assert_eq!(used.allowed.as_deref(), Some("the entry"));
        assert_eq!(verdict(&[used]), Verdict::Warn);
        let late = judged(row(Level::Warn), &spec, "2030-07-01");
        assert_eq!(late.row.code, Code::ParityAllowExpired);
        assert_eq!(verdict(&[late]), Verdict::Fail);
    }

    #[test]
    fn an_entry_is_about_its_versions_only() {
        let today = "2030-01-01";
        let other = spec(ParityMode::Safe, ("1.5.2", "1.7.0"));
        assert_eq!(judged(row(Level::Block), &other, today).allowed, None);
        let any = spec(ParityMode::Safe, ("*", "1.6.1"));
        assert!(judged(row(Level::Block), &any, today).allowed.is_some());
        assert_eq!(
            judged(row(Level::Info), &any, "2031-01-01").row.level,
            Level::Info
        );
    }

    #[test]
    fn strict_blocks_what_safe_warns_about() {
        let level = |mode, level| {
            let spec = ParitySpec {
                mode,
                allow: Vec::new(),
            };
            judged(row(level), &spec, "2030-01-01").row.level
        };
        assert_eq!(level(ParityMode::Strict, Level::Warn), Level::Block);
        assert_eq!(level(ParityMode::Safe, Level::Warn), Level::Warn);
        assert_eq!(level(ParityMode::Strict, Level::Info), Level::Info);
        assert_eq!(verdict(&[]), Verdict::Pass);
    }
}
