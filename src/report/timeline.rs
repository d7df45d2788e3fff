//! The summary's part about when what ran: a table, and bars that show what ran at the same time. It makes Markdown from the
//! record.

use crate::event::End;

use super::markdown::{table, text};
use super::mermaid::{Bar, Look, gantt};
use super::paint::duration;
use super::record::{Record, StageRecord};

/// The chart, then the stages with their results, folded away when all went well; empty when none began.
pub(super) fn section(record: &Record) -> String {
    if record.stages.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = record.stages.iter().map(row).collect();
    let well = record.stages.iter().all(went_well);
    let open = if well { "" } else { " open" };
    format!(
        "### Stages\n\n{}\n<details{open}><summary>What each did</summary>\n\n{}\n</details>\n",
        gantt(&bars(record)),
        table(&["Stage", "Result", "Duration", "What"], &rows),
    )
}

fn went_well(stage: &StageRecord) -> bool {
    stage.retries == 0 && matches!(stage.end, Some(End::Succeeded | End::Reused))
}

fn row(stage: &StageRecord) -> Vec<String> {
    let end = match stage.end {
        Some(End::Succeeded) => "✅ done",
        Some(End::Reused) => "✅ reused",
        Some(End::Failed) => "❌ failed",
        Some(End::Cancelled) => "⏹️ cancelled",
        None => "⏹️ not finished",
    };
    let retries = match stage.retries {
        0 => String::new(),
        count => format!(", {count} retried"),
    };
    vec![
        stage.stage.name().to_owned(),
        format!("{end}{retries}"),
        stage.took.map(duration).unwrap_or_default(),
        text(&stage.what),
    ]
}

/// A bar for each time that a stage ran, and for what it did before its turn.
fn bars(record: &Record) -> Vec<Bar> {
    let early = record.early.iter().filter(|(_, span)| span.0 < span.1);
    let mut bars: Vec<_> = early
        .map(|(stage, (from, to))| Bar {
            name: format!("{stage}, early"),
            look: Look::Beside,
            from: *from,
            to: *to,
        })
        .collect();
    for stage in &record.stages {
        bars.extend(stage.turns.iter().map(|turn| {
            Bar {
                name: stage.stage.name().to_owned(),
                look: match turn.end {
                    Some((_, End::Succeeded | End::Reused)) => Look::Done,
                    Some((_, End::Failed | End::Cancelled)) | None => Look::Critical,
                },
                from: turn.from,
                // One that never ended ran as long as anything was heard.
                to: turn
                    .end
                    .map_or(record.last, |(at, _)| Some(at))
                    .unwrap_or(turn.from),
            }
        }));
    }
    bars.sort_by_key(|bar| bar.from);
    bars
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{EventKind, Stage};
    use crate::report::sample;

    fn finished(end: End) -> EventKind {
        EventKind::Finished {
            end,
            took: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_overlaps_is_drawn_where_it_ran() {
        let started = || EventKind::Started("x".to_owned());
        let note = || EventKind::Note("layer".to_owned());
        let events = vec![
            sample::event(0, Stage::Train, started()),
            sample::event(1, Stage::Build, note()),
            sample::event(4, Stage::Build, note()),
            sample::event(9, Stage::Train, finished(End::Succeeded)),
            sample::event(10, Stage::Build, started()),
            sample::event(12, Stage::Build, note()),
            sample::event(13, Stage::Build, finished(End::Failed)),
        ];
        let text = section(&sample::record(events));
        let bars: Vec<_> = text.lines().filter(|line| line.contains(" :")).collect();
        assert_eq!(
            bars,
            [
                "    train :done, 1700000000000, 1700000009000",
                "    build, early :active, 1700000001000, 1700000004000",
                "    build :crit, 1700000010000, 1700000013000",
            ]
        );
    }

    #[test]
    fn a_stage_that_runs_twice_has_two_bars_and_one_that_never_ends_is_red() {
        let started = || EventKind::Started("<b>".to_owned());
        let events = vec![
            sample::event(0, Stage::Verify, started()),
            sample::event(1, Stage::Verify, finished(End::Failed)),
            sample::event(5, Stage::Verify, started()),
            sample::event(8, Stage::Verify, EventKind::Note("still".to_owned())),
        ];
        let text = section(&sample::record(events));
        assert!(
            text.contains("verify :crit, 1700000000000, 1700000001000\n"),
            "{text}"
        );
        assert!(
            text.contains("verify :crit, 1700000005000, 1700000008000\n"),
            "{text}"
        );
        assert!(
            text.contains("| verify | ⏹️ not finished | &#60;b&#62; |"),
            "{text}"
        );
        assert_eq!(section(&sample::record(Vec::new())), "");
    }
}
