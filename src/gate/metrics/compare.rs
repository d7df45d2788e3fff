//! Two numbers and what lies between them, and whether two runs measured on the same data. Pure.

use crate::artifact::{Dataset, Measure};
use crate::plan::{Margin, Op, Side};

/// How far two sums may differ and still be the same number: far more than rounding does, far less than any metric means.
const ROUNDING: f64 = 1e-12;

/// Whether a number passes, and the comparison in words.
pub(super) fn with_number(op: Op, candidate: f64, line: f64) -> (bool, String) {
    let passes = match op {
        Op::AtLeast => candidate >= line,
        Op::Above => candidate > line,
        Op::AtMost => candidate <= line,
        Op::Below => candidate < line,
        Op::Equal => candidate == line,
    };
    let (candidate, line) = (Measure(candidate), Measure(line));
    (passes, format!("{candidate} {} {line}", words(op, passes)))
}

/// The same with the champion's number; `Err` says why a margin of it means nothing.
pub(super) fn with_champion(
    op: Op,
    margin: Margin,
    candidate: f64,
    champion: f64,
) -> Result<(bool, String), String> {
    if margin.percent && champion == 0.0 {
        return Err("the champion's number is 0, of which every share is 0".to_owned());
    }
    let width = if margin.percent {
        champion.abs() * margin.amount / 100.0
    } else {
        margin.amount
    };
    let unit = if margin.percent { "%" } else { "" };
    let amount = Measure(margin.amount);
    let shown = Measure(champion);
    if margin.side == Side::Both && margin.amount != 0.0 {
        let away = (candidate - champion).abs();
        let passes = away <= width || same(away, width);
        let verb = if passes { "is within" } else { "is not within" };
        let candidate = Measure(candidate);
        return Ok((
            passes,
            format!("{candidate} {verb} {amount}{unit} of the champion's {shown}"),
        ));
    }
    let line = match margin.side {
        Side::Above => champion + width,
        Side::Below => champion - width,
        Side::Both => champion,
    };
    // A sum is not the number that a person would write for it.
    let equal = same(candidate, line);
    let passes = match op {
        Op::AtLeast => candidate > line || equal,
        Op::Above => candidate > line && !equal,
        Op::AtMost => candidate < line || equal,
        Op::Below => candidate < line && !equal,
        Op::Equal => equal,
    };
    let how = match margin.side {
        _ if margin.amount == 0.0 => ", the champion's".to_owned(),
        Side::Below => format!(" (champion {shown} - {amount}{unit})"),
        Side::Above | Side::Both => format!(" (champion {shown} + {amount}{unit})"),
    };
    let line = rounded(line);
    let candidate = Measure(candidate);
    Ok((
        passes,
        format!("{candidate} {} {line}{how}", words(op, passes)),
    ))
}

fn words(op: Op, passes: bool) -> &'static str {
    match (op, passes) {
        (Op::AtLeast, true) => "is at least",
        (Op::AtLeast, false) => "is less than",
        (Op::Above, true) => "is above",
        (Op::Above, false) => "is not above",
        (Op::AtMost, true) => "is at most",
        (Op::AtMost, false) => "is more than",
        (Op::Below, true) => "is below",
        (Op::Below, false) => "is not below",
        (Op::Equal, true) => "is",
        (Op::Equal, false) => "is not",
    }
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= ROUNDING * a.abs().max(b.abs()).max(f64::MIN_POSITIVE)
}

/// Without the digits that only rounding made.
fn rounded(value: f64) -> Measure {
    Measure(format!("{value:.9e}").parse().unwrap_or(value))
}

/// What two runs' data says about comparing a metric of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// The same, or not known.
    Fine,
    /// Trained on other data, which retraining does: nothing says that the metric was measured on it.
    OtherTraining(String),
    /// Measured on other data.
    Other(String),
}

/// Compares the data that two runs name. Sets with the context `train` or `training` count for metrics that are measured in
/// training (`training_…`, as MLflow's autolog names them); all other sets count for all other metrics.
pub(super) fn data(metric: &str, candidate: &[Dataset], champion: &[Dataset]) -> Data {
    let training = |set: &&Dataset| {
        let context = set.context.to_lowercase();
        matches!(context.as_str(), "train" | "training")
    };
    let of = |sets: &[Dataset], wanted: bool| {
        let sets = sets.iter().filter(|set| training(set) == wanted);
        let mut digests: Vec<String> = sets.map(|set| set.digest.clone()).collect();
        digests.sort();
        digests.dedup();
        digests
    };
    let difference = |training: bool| {
        let (ours, theirs) = (of(candidate, training), of(champion, training));
        let known = !ours.is_empty() && !theirs.is_empty();
        (known && ours != theirs).then(|| {
            format!(
                "data {} and not {}, the champion's",
                ours.join(", "),
                theirs.join(", ")
            )
        })
    };
    let in_training = metric.starts_with("training_") || metric.starts_with("train_");
    match (difference(in_training), difference(true)) {
        (Some(how), _) => Data::Other(how),
        (None, Some(how)) => Data::OtherTraining(how),
        (None, None) => Data::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margin(side: Side, amount: f64, percent: bool) -> Margin {
        Margin {
            side,
            amount,
            percent,
        }
    }

    #[test]
    fn numbers_are_compared_as_written() {
        for (op, candidate, line, passes) in [
            (Op::AtLeast, 0.92, 0.92, true),
            (Op::AtLeast, 0.919, 0.92, false),
            (Op::Above, 0.92, 0.92, false),
            (Op::AtMost, 1.0, 1.0, true),
            (Op::AtMost, 1.1, 1.0, false),
            (Op::Below, 1.0, 1.0, false),
            (Op::Below, f64::NEG_INFINITY, 1.0, true),
            (Op::Equal, 3.0, 3.0, true),
            (Op::Equal, 3.0, 3.5, false),
        ] {
            assert_eq!(
                with_number(op, candidate, line).0,
                passes,
                "{candidate} {op:?} {line}"
            );
        }
        assert_eq!(
            with_number(Op::AtLeast, 0.9, 0.92).1,
            "0.9 is less than 0.92"
        );
    }

    #[test]
    fn margins_are_of_the_champions_size_whatever_its_sign() {
        let two = margin(Side::Above, 2.0, true);
        let judged = |op, margin, candidate, champion| {
            with_champion(op, margin, candidate, champion).unwrap()
        };
        assert!(judged(Op::AtMost, two, 0.51, 0.5).0);
        assert!(!judged(Op::AtMost, two, 0.52, 0.5).0);
        // 2 % worse than -100 is -98 for what should be small.
        assert!(judged(Op::AtMost, two, -98.0, -100.0).0);
        assert!(!judged(Op::AtMost, two, -97.0, -100.0).0);
        let point = margin(Side::Below, 0.01, false);
        // 0.93 - 0.01 is not quite 0.92.
        assert!(judged(Op::AtLeast, point, 0.92, 0.93).0);
        assert!(!judged(Op::Above, point, 0.92, 0.93).0);
        assert!(!judged(Op::AtLeast, point, 0.919, 0.93).0);
        let within = margin(Side::Both, 0.1, false);
        assert!(judged(Op::Equal, within, 0.4, 0.5).0);
        assert!(!judged(Op::Equal, within, 0.39, 0.5).0);
        let as_good = margin(Side::Both, 0.0, false);
        assert_eq!(
            judged(Op::AtLeast, as_good, 0.85, 0.9).1,
            "0.85 is less than 0.9, the champion's"
        );
        assert_eq!(
            judged(Op::AtMost, two, 0.61, 0.52).1,
            "0.61 is more than 0.5304 (champion 0.52 + 2%)"
        );
    }

    #[test]
    fn a_share_of_nothing_is_not_compared() {
        let share = margin(Side::Above, 2.0, true);
        assert!(with_champion(Op::AtMost, share, 0.0, 0.0).is_err());
        let absolute = margin(Side::Above, 0.1, false);
        assert!(with_champion(Op::AtMost, absolute, 0.05, 0.0).unwrap().0);
    }

    #[test]
    fn other_data_is_seen_where_it_was_measured_on() {
        let set = |digest: &str, context: &str| Dataset {
            name: "d".to_owned(),
            digest: digest.to_owned(),
            context: context.to_owned(),
        };
        let ours = [set("a", "eval"), set("t1", "training")];
        let theirs = [set("b", "eval"), set("t1", "training")];
        assert!(matches!(data("auc", &ours, &theirs), Data::Other(_)));
        assert_eq!(data("auc", &ours, &ours), Data::Fine);
        // Nothing is known of the champion's data.
        assert_eq!(data("auc", &ours, &[]), Data::Fine);
        let retrained = [set("a", "eval"), set("t2", "training")];
        assert!(matches!(
            data("auc", &ours, &retrained),
            Data::OtherTraining(_)
        ));
        assert!(matches!(
            data("training_auc", &ours, &retrained),
            Data::Other(_)
        ));
    }
}
