//! Diagrams in Mermaid's grammar, which GitHub and GitLab draw. Foreign text passes through `label`: the grammar has no way to
//! escape, so only characters without a meaning stay.

use jiff::Timestamp;

/// Characters of a label.
const LABEL: usize = 40;

/// The grammar knows no exponents, and beyond this no axis can be read.
const GREATEST: f64 = 1e15;

/// How a bar looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Done,
    /// Red: what failed, or never ended.
    Critical,
    /// What ran beside something else.
    Beside,
}

impl Look {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Critical => "crit",
            Self::Beside => "active",
        }
    }
}

/// Something that took its time.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// There are no sections, so no room for their names.
const BARS: &str = "---
config:
  gantt:
    leftPadding: 8
---
";

/// The time from one tick to the next, so that their names do not overlap.
fn interval(seconds: i64) -> String {
    const TICKS: i64 = 9;
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600];
    let step = steps.into_iter().find(|step| seconds / step <= TICKS);
    let step = step.unwrap_or(seconds / TICKS / 3600 * 3600 + 3600);
    match step {
        step if step % 3600 == 0 => format!("{}hour", step / 3600),
        step if step % 60 == 0 => format!("{}minute", step / 60),
        step => format!("{step}second"),
    }
}

/// Bars over the time of day as the reader's clock shows it; empty without any.
pub(super) fn gantt(bars: &[Bar]) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let begin = bars.iter().map(|bar| bar.from).min();
    let end = bars.iter().map(|bar| bar.to).max();
    let span = begin
        .zip(end)
        .map_or(0, |(begin, end)| end.as_second() - begin.as_second());
    let mut lines = format!(
        "{BARS}gantt\n    dateFormat x\n    axisFormat %H:%M:%S\n    tickInterval {}\n    todayMarker off\n",
        interval(span)
    );
    for bar in bars {
        let from = bar.from.as_millisecond();
        // Nothing is drawn for an empty bar.
        let to = bar.to.as_millisecond().max(from.saturating_add(1));
        lines.push_str(&format!(
            "    {} :{}, {from}, {to}\n",
            label(&bar.name),
            bar.look.word()
        ));
    }
    fenced(&lines)
}

/// As wide as a summary and no higher than needed, in colours that are seen on light and dark pages: the line and the level.
const CHART: &str = "---
config:
  xyChart:
    width: 800
    height: 260
    titleFontSize: 16
    yAxis:
      labelFontSize: 11
  themeVariables:
    xyChart:
      plotColorPalette: \"#0969da, #bf8700\"
---
";

/// A line over named points, and a level to compare it with; empty when the numbers cannot be drawn or there are fewer than
/// two.
pub(super) fn line_chart(title: &str, points: &[(String, f64)], level: Option<f64>) -> String {
    let level = level.filter(|level| drawable(*level));
    if points.len() < 2 || !points.iter().all(|(_, value)| drawable(*value)) {
        return String::new();
    }
    let values = points.iter().map(|(_, value)| *value).chain(level);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let room = match high - low {
        // An axis without extent is an error.
        0.0 if high == 0.0 => 1.0,
        0.0 => high.abs() / 10.0,
        extent => extent / 10.0,
    };
    let names: Vec<_> = points
        .iter()
        .map(|(name, _)| format!("\"{}\"", label(name)))
        .collect();
    let list = |values: Vec<String>| values.join(", ");
    let line = list(points.iter().map(|(_, value)| value.to_string()).collect());
    let mut lines = format!(
        "{CHART}xychart-beta\n    title \"{}\"\n    x-axis [{}]\n    y-axis {} --> {}\n    line [{line}]\n",
        label(title),
        names.join(", "),
        rounded(low - room),
        rounded(high + room),
    );
    if let Some(level) = level {
        let level = list(vec![level.to_string(); points.len()]);
        lines.push_str(&format!("    line [{level}]\n"));
    }
    fenced(&lines)
}

/// Ends of an axis to four digits: the rest would only be read.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= GREATEST
}

fn fenced(lines: &str) -> String {
    format!("```mermaid\n{lines}```\n")
}

/// Letters, digits and a few signs that mean nothing to any of the grammars; all else is a space.
fn label(text: &str) -> String {
    let safe: String = text
        .chars()
        .map(|c| match c {
            c if c.is_alphanumeric() => c,
            '.' | '-' | '_' | '/' | '+' | ',' => c,
            _ => ' ',
        })
        .collect();
    let words: Vec<_> = safe.split_whitespace().collect();
    let short: String = words.join(" ").chars().take(LABEL).collect();
    match short.trim() {
        "" => "unnamed".to_owned(),
        short => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn bars_have_their_real_times() {
        let bar = |name: &str, look, from, to| Bar {
            name: name.to_owned(),
            look,
            from: at(from),
            to: at(to),
        };
        let bars = [
            bar("train", Look::Critical, 0, 5),
            bar("build, early", Look::Beside, 1, 1),
        ];
        assert_eq!(
            gantt(&bars),
            format!(
                "```mermaid\n{BARS}gantt\n    dateFormat x\n    axisFormat %H:%M:%S\n    tickInterval 1second\n    todayMarker off\n    \
                 train :crit, 1700000000000, 1700000005000\n    \
                 build, early :active, 1700000001000, 1700000001001\n```\n"
            )
        );
        assert_eq!(gantt(&[]), "");
    }

    #[test]
    fn ticks_are_as_far_apart_as_their_names_are_wide() {
        let table = [
            (0, "1second"),
            (17, "2second"),
            (100, "20second"),
            (4000, "10minute"),
            (9 * 3600, "1hour"),
            (40 * 3600, "5hour"),
        ];
        for (seconds, expected) in table {
            assert_eq!(interval(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_line_has_room_above_and_below() {
        let points = [("-1".to_owned(), 0.5), ("this".to_owned(), 1.0)];
        assert_eq!(
            line_chart("val acc/top 1", &points, Some(0.75)),
            format!(
                "```mermaid\n{CHART}xychart-beta\n    title \"val acc/top 1\"\n    x-axis [\"-1\", \"this\"]\n    \
             y-axis 0.45 --> 1.05\n    line [0.5, 1]\n    line [0.75, 0.75]\n```\n"
            )
        );
        let flat = [("a".to_owned(), 0.0), ("b".to_owned(), 0.0)];
        assert!(line_chart("x", &flat, Some(f64::NAN)).contains("y-axis -1 --> 1\n"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        for value in [f64::NAN, f64::INFINITY, -1e300] {
            let points = [("a".to_owned(), 1.0), ("b".to_owned(), value)];
            assert_eq!(line_chart("x", &points, None), "");
        }
        assert_eq!(line_chart("x", &[("a".to_owned(), 1.0)], None), "");
    }

    #[test]
    fn no_label_says_anything_in_the_grammar() {
        let hostile = [
            "a\"]\nline [9]",
            "%%{init: {'theme':'dark'}}%%",
            "x;click a href \"javascript:alert(1)\"",
            "<img src=x onerror=alert(1)>",
            "```\n# out",
            "a#quot;b#35;",
            "`md`",
            "a:b",
            "\u{202e}rtl\u{7}",
            "{}[]()|\\@&$!*~'^?=%",
        ];
        for text in hostile {
            let label = label(text);
            assert!(
                label
                    .chars()
                    .all(|c| c.is_alphanumeric() || " .-_/+,".contains(c)),
                "{text:?}: {label}"
            );
            assert!(!label.is_empty() && label.chars().count() <= LABEL);
        }
        assert_eq!(label("val acc/größe-1"), "val acc/größe-1");
        assert_eq!(label(";"), "unnamed");
    }
}
