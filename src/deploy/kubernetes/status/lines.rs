//! Status as aligned text. Pure.

use super::super::record::{Record, Release};
use super::health::{images, ready, since};
use crate::cluster::Standing;

/// One aligned line a workload, under a head.
pub(super) fn table(standing: &[Standing], current: Option<&Release>) -> Vec<String> {
    let head = ["WORKLOAD", "READY", "SINCE", "COMMIT", "RUN", "RUNS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in standing {
        rows.push(row(one, current));
    }
    align(&rows)
}

fn row(one: &Standing, current: Option<&Release>) -> Vec<String> {
    let note = |key: &str| {
        let notes = one.workload.as_ref()?.pointer("/metadata/annotations")?;
        notes.get(key)?.as_str().map(str::to_owned)
    };
    let or_dash = |found: Option<String>| found.unwrap_or_else(|| "-".to_owned());
    let commit = note("ml-deploy/commit").or_else(|| current?.commit.clone());
    let run = note("ml-deploy/run-id").or_else(|| current?.run_id.clone());
    let images = images(one);
    vec![
        one.object.clone(),
        ready(one),
        or_dash(since(one)),
        or_dash(commit.map(|commit| commit.chars().take(12).collect())),
        or_dash(run),
        if images.is_empty() {
            "-".to_owned()
        } else {
            images.join(", ")
        },
    ]
}

/// Columns as wide as their longest cell.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let padded: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What the record says of now and before.
pub(super) fn history(name: &str, record: &Record) -> Vec<String> {
    let Some(current) = &record.current else {
        return vec![format!("record    none of `{name}` in this namespace")];
    };
    let mut lines = vec![format!("live      {}", release(current))];
    if let Some(url) = &current.run_url {
        lines.push(format!("made by   {url}"));
    }
    match record.verified.last() {
        Some(last) if last.number != current.number => {
            lines.push(format!("verified  {}", release(last)));
        }
        Some(_) => {}
        None => lines.push("verified  none yet".to_owned()),
    }
    if let Some(earlier) = record.before(false).filter(|_| current.verified) {
        lines.push(format!("before    {}", release(earlier)));
    }
    if let Some(failed) = &record.failed {
        let image = failed.image.as_deref().unwrap_or("?");
        let end = if failed.rolled_back {
            "rolled back"
        } else {
            "not rolled back"
        };
        lines.push(format!(
            "failed    {image} at {}: {}, {end}",
            failed.at, failed.code
        ));
    }
    lines
}

/// One deployment in one line.
pub(in super::super) fn release(release: &Release) -> String {
    let number = if release.verified {
        format!("revision {}, verified {}", release.number, release.at)
    } else {
        format!("not verified, deployed {}", release.at)
    };
    let image = release.image.as_deref().unwrap_or("no image");
    let commit = release
        .commit
        .as_deref()
        .map_or_else(String::new, |commit| {
            let short: String = commit.chars().take(12).collect();
            format!(", commit {short}")
        });
    let run = release.run_id.as_deref();
    let run = run.map_or_else(String::new, |run| format!(", run {run}"));
    format!("{number}, {image}{commit}{run}")
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::one;
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let lines = table(&[one(1, &[true])], None);
        assert_eq!(lines[0].find("READY"), lines[1].find("1 of 1"));
        assert!(
            lines[1].ends_with("docker.io/library/wine@sha256:abc"),
            "{}",
            lines[1]
        );
    }
}
