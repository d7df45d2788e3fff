//! The summary's part about what the experiment's last runs measured: a chart for each of the metrics that matter most.

use super::markdown::{code, link, table, text};
use super::mermaid::line_chart;
use super::record::Record;
use crate::artifact::{Gates, History, PastRun};

/// Charts; every metric of every run stands in the report.
const CHARTS: usize = 4;

/// The charts and the runs that they show; empty when there is nothing to compare this run with.
pub(super) fn section(record: &Record) -> String {
    let run = record.model.as_ref().and_then(|model| model.run.as_ref());
    let (Some(history), Some(run)) = (&record.history, run) else {
        return String::new();
    };
    let Some(this) = history.runs.iter().position(|past| past.id == run.id) else {
        return String::new();
    };
    let gates = record.gates.as_ref();
    let judged = gates.map_or(&[][..], |gates| &gates.rules).iter();
    let names = judged.map(|rule| &rule.metric).chain(run.metrics.keys());
    let mut seen: Vec<&str> = Vec::new();
    let mut charts = String::new();
    let mut levels = false;
    for name in names {
        if seen.contains(&name.as_str()) || seen.len() >= CHARTS {
            continue;
        }
        let level = champion(gates, name);
        let chart = line_chart(name, &points(history, this, name), level);
        if !chart.is_empty() {
            seen.push(name);
            levels |= level.is_some();
            charts.push('\n');
            charts.push_str(&chart);
        }
    }
    if charts.is_empty() {
        return String::new();
    }
    let flat = if levels {
        " The flat line is the champion."
    } else {
        ""
    };
    let rows = history.runs.iter().enumerate();
    let rows: Vec<_> = rows.map(|(at, past)| row(past, place(at, this))).collect();
    format!(
        "### Last runs of the experiment\n\nOldest first, this one as `this`.{flat}\n{charts}\n<details><summary>Runs</summary>\n\n{}\n</details>\n",
        table(&["", "Run", "Name"], &rows)
    )
}

/// How far a run is from this one.
fn place(at: usize, this: usize) -> String {
    match at.cmp(&this) {
        std::cmp::Ordering::Less => format!("-{}", this - at),
        std::cmp::Ordering::Equal => "this".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", at - this),
    }
}

/// The runs that measured it; none when this one did not.
fn points(history: &History, this: usize, name: &str) -> Vec<(String, f64)> {
    let runs = history.runs.iter().enumerate();
    let points: Vec<_> = runs
        .filter_map(|(at, run)| Some((at, run.metrics.get(name)?.0)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    if !points.iter().any(|(at, _)| *at == this) {
        return Vec::new();
    }
    let points = points.into_iter();
    points.map(|(at, value)| (place(at, this), value)).collect()
}

fn champion(gates: Option<&Gates>, name: &str) -> Option<f64> {
    let champion = gates?.champion.as_ref()?;
    Some(champion.metrics.get(name)?.0)
}

fn row(run: &PastRun, place: String) -> Vec<String> {
    let id = match &run.url {
        Some(url) => link(&run.id, url),
        None => code(&run.id),
    };
    vec![place, id, text(&run.name)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::artifact::{Champion, Measure};
    use crate::event::{EventKind, Stage};
    use crate::report::sample;

    fn past(id: &str, metrics: &[(&str, f64)]) -> PastRun {
        let metrics = metrics.iter();
        PastRun {
            id: id.to_owned(),
            name: "<b>calm</b>".to_owned(),
            url: None,
            metrics: metrics
                .map(|(name, value)| ((*name).to_owned(), Measure(*value)))
                .collect(),
        }
    }

    fn shown(runs: Vec<PastRun>, champion: Option<f64>) -> String {
        let mut events = sample::good();
        let champion = champion.map(|value| Champion {
            run_id: "old".to_owned(),
            url: None,
            known_by: "x".to_owned(),
            metrics: BTreeMap::from([("accuracy".to_owned(), Measure(value))]),
        });
        let gates = Gates {
            champion,
            rules: Vec::new(),
        };
        events.extend([
            sample::event(14, Stage::Gates, EventKind::Produced(gates.into())),
            sample::event(
                14,
                Stage::Train,
                EventKind::Produced(History { runs }.into()),
            ),
        ]);
        section(&sample::record(events))
    }

    #[test]
    fn runs_are_drawn_beside_the_champion() {
        let runs = vec![
            past("a", &[("accuracy", 0.5)]),
            past("b", &[("accuracy", f64::NAN), ("loss", 2.0)]),
            past("abc123", &[("accuracy", 0.97), ("loss", f64::NAN)]),
        ];
        let text = shown(runs, Some(0.9));
        for part in [
            "title \"accuracy\"",
            "x-axis [\"-2\", \"this\"]",
            "line [0.5, 0.97]",
            "line [0.9, 0.9]",
            "The flat line is the champion.",
            "| -1 | <code>b</code> | &#60;b&#62;calm&#60;/b&#62; |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        // This run has no number there.
        assert!(!text.contains("\"loss\""), "{text}");
    }

    #[test]
    fn one_run_is_no_history() {
        assert_eq!(shown(vec![past("abc123", &[("accuracy", 1.0)])], None), "");
        assert_eq!(shown(vec![past("a", &[("accuracy", 1.0)])], None), "");
        let other = shown(
            vec![past("a", &[]), past("abc123", &[("accuracy", 1.0)])],
            None,
        );
        assert_eq!(other, "");
    }
}
