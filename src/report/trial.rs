//! The summary's part about the container that was tried before the push.

use crate::artifact::Trial;

use super::markdown::{code, table, text};

/// What was measured and what was answered; empty when nothing was tried.
pub(super) fn section(trial: Option<&Trial>) -> String {
    let Some(trial) = trial else {
        return String::new();
    };
    let mut rows = vec![vec![
        "Start".to_owned(),
        milliseconds(trial.start_ms as f64),
    ]];
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push(vec![name.to_owned(), value]);
        }
    };
    row("First answer", trial.first_answer_ms.map(milliseconds));
    row("Latency, p50", trial.p50_ms.map(milliseconds));
    row("Latency, p95", trial.p95_ms.map(milliseconds));
    let memory = trial.peak_memory_mib.map(|peak| format!("{peak} MiB"));
    row("Peak memory", memory);
    let asked = trial.file.as_ref().map(|file| {
        let protocol = trial.protocol.as_deref().unwrap_or_default();
        let right = trial.rows.saturating_sub(trial.wrong);
        let rows = trial.rows;
        format!(
            "{right} of {rows} rows of {} as recorded ({})",
            code(file),
            text(protocol)
        )
    });
    row("Predictions", asked);
    row(
        "Not deterministic",
        (trial.noisy > 0).then(|| format!("{} rows vary from answer to answer", trial.noisy)),
    );
    let bounds = trial
        .tolerance
        .map(|bounds| format!("rtol {:e}, atol {:e}", bounds.rtol, bounds.atol));
    row(
        "Tolerance",
        bounds.filter(|_| !trial.differences.is_empty()),
    );
    row("Largest difference", trial.largest.map(small));
    row(
        "Noise, the same request asked twice",
        trial.noise.map(small),
    );
    let worst = trial.worst.as_ref();
    row(
        "Worst row",
        worst.map(|worst| format!("{}: {}", worst.row, text(&worst.what))),
    );
    let mut section = format!(
        "### Container before the push\n\n{}",
        table(&["Measured", "Value"], &rows)
    );
    if !trial.differences.is_empty() && trial.largest != Some(0.0) {
        let rows: Vec<_> = trial
            .differences
            .iter()
            .map(|bucket| {
                let up_to = bucket
                    .up_to
                    .map_or_else(|| "more".to_owned(), |bound| format!("≤ {}", small(bound)));
                vec![up_to, bucket.count.to_string()]
            })
            .collect();
        let table = table(&["Relative difference", "Numbers"], &rows);
        section.push_str(&format!(
            "\n<details><summary>Distribution of differences</summary>\n\n{table}\n</details>\n"
        ));
    }
    section
}

fn small(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    format!("{number:e}")
}

fn milliseconds(time: f64) -> String {
    if time < 10.0 {
        return format!("{time:.1} ms");
    }
    if time < 10_000.0 {
        return format!("{time:.0} ms");
    }
    format!("{:.1} s", time / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Bucket, WorstRow};

    #[test]
    fn what_was_measured_is_a_table_and_foreign_text_is_escaped() {
        assert_eq!(section(None), "");
        let trial = Trial {
            start_ms: 1234,
            p95_ms: Some(3.25),
            noise: Some(0.0),
            peak_memory_mib: Some(87),
            file: Some("golden.jsonl".to_owned()),
            protocol: Some("MLflow".to_owned()),
            rows: 5,
            wrong: 2,
            worst: Some(WorstRow {
                row: 3,
                what: "<script>".to_owned(),
            }),
            differences: vec![
                Bucket {
                    up_to: Some(0.0),
                    count: 4,
                },
                Bucket {
                    up_to: None,
                    count: 1,
                },
            ],
            ..Trial::default()
        };
        let text = section(Some(&trial));
        for part in [
            "1234 ms",
            "3.2 ms",
            "87 MiB",
            "3 of 5 rows",
            "(MLflow)",
            "asked twice | 0 |",
            "| more | 1 |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("<script>"), "{text}");
        assert!(!text.contains("First answer"), "{text}");
    }
}
