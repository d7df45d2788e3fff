//! Every way in which a rule is decided, each with its opposite.

use std::collections::BTreeMap;

use super::super::sources::Found;
use super::*;
use crate::artifact::{Champion, Run};
use crate::plan::Side;

fn measured(pairs: &[(&str, f64)]) -> Measured {
    let pairs = pairs.iter().map(|(name, value)| {
        let found = Found {
            value: *value,
            from: "the MLflow run".to_owned(),
        };
        ((*name).to_owned(), found)
    });
    pairs.collect()
}

fn champion(pairs: &[(&str, f64)], digest: &str) -> Baseline {
    let metrics = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value));
    let run = Run {
        id: "old".to_owned(),
        metrics: metrics.collect::<BTreeMap<_, _>>(),
        datasets: vec![set(digest)],
        ..Run::default()
    };
    let champion = Champion {
        run_id: "old".to_owned(),
        url: None,
        known_by: "live as Deployment/wine".to_owned(),
        metrics: BTreeMap::new(),
    };
    Baseline::Run {
        run: Box::new(run),
        champion,
    }
}

fn set(digest: &str) -> Dataset {
    Dataset {
        name: "d".to_owned(),
        digest: digest.to_owned(),
        context: "eval".to_owned(),
    }
}

fn rule(metric: &str, test: Test) -> Rule {
    Rule {
        metric: metric.to_owned(),
        test,
        text: metric.to_owned(),
        at: None,
    }
}

fn relative(percent: bool) -> Test {
    let margin = Margin {
        side: Side::Below,
        amount: 1.0,
        percent,
    };
    Test::Champion(Op::AtLeast, margin)
}

/// The code of the failure, and why.
fn verdict(
    test: Test,
    metrics: &Measured,
    baseline: &Baseline,
    first: FirstDeploy,
) -> (Option<Code>, String) {
    let datasets = [set("same")];
    let candidate = Candidate {
        metrics,
        datasets: &datasets,
    };
    let (judged, finding) = judge(&rule("auc", test), &candidate, baseline, first);
    assert_eq!(finding.is_none(), judged.verdict == GateVerdict::Passed);
    (finding.map(|finding| finding.code), judged.why)
}

#[test]
fn a_number_is_needed_whatever_the_rule() {
    let none = Baseline::None("x".to_owned());
    let tests = [
        Test::Required,
        Test::Number(Op::AtMost, 9.0),
        relative(false),
    ];
    for test in tests {
        for metrics in [
            measured(&[("val_auc", 1.0)]),
            measured(&[("auc", f64::NAN)]),
        ] {
            let (code, _) = verdict(test, &metrics, &none, FirstDeploy::Pass);
            assert_eq!(code, Some(Code::GateMetricMissing), "{test:?}");
        }
        let (code, _) = verdict(test, &measured(&[("auc", 1.0)]), &none, FirstDeploy::Pass);
        assert_eq!(code, None, "{test:?}");
    }
}

#[test]
fn a_missing_metric_names_its_neighbours_and_what_there_is() {
    let metrics = measured(&[("val/auc", 0.9), ("auc{country=DE}", 0.8), ("loss", 1.0)]);
    let candidate = Candidate {
        metrics: &metrics,
        datasets: &[],
    };
    let none = Baseline::None("x".to_owned());
    let judged = judge(
        &rule("auc", Test::Required),
        &candidate,
        &none,
        FirstDeploy::Pass,
    );
    let finding = judged.1.unwrap();
    let help = finding.advice();
    assert!(
        help.contains("`val/auc`") && help.contains("`auc{country=DE}`"),
        "{help}"
    );
    assert!(!help.contains("`loss`"), "{help}");
    assert_eq!(finding.evidence.len(), 3);
    let judged = judge(
        &rule("f1", Test::Required),
        &candidate,
        &none,
        FirstDeploy::Pass,
    );
    assert!(!judged.1.unwrap().advice().contains("did you mean"));
}

#[test]
fn a_champion_is_compared_with_when_it_can_be() {
    let metrics = measured(&[("auc", 8.0)]);
    let judged = |test, baseline: &Baseline| verdict(test, &metrics, baseline, FirstDeploy::Pass).0;
    assert_eq!(
        judged(relative(false), &champion(&[("auc", 9.0)], "same")),
        None
    );
    assert_eq!(
        judged(relative(false), &champion(&[("auc", 9.5)], "same")),
        Some(Code::GateFailed)
    );
    for baseline in [
        champion(&[("auc", 9.0)], "other"),
        champion(&[("loss", 9.0)], "same"),
        champion(&[("auc", f64::NAN)], "same"),
    ] {
        assert_eq!(
            judged(relative(false), &baseline),
            Some(Code::GateNotComparable)
        );
        // The same champion is of no concern to a rule that does not name it.
        assert_eq!(judged(Test::Number(Op::AtLeast, 8.0), &baseline), None);
    }
    let zero = champion(&[("auc", 0.0)], "same");
    assert_eq!(judged(relative(true), &zero), Some(Code::GateNotComparable));
    assert_eq!(judged(relative(false), &zero), None);
}

#[test]
fn without_a_champion_the_input_decides_and_a_silent_one_is_an_error() {
    let metrics = measured(&[("auc", 8.0)]);
    let none = Baseline::None("nothing is live".to_owned());
    assert_eq!(
        verdict(relative(false), &metrics, &none, FirstDeploy::Pass).0,
        None
    );
    assert_eq!(
        verdict(relative(false), &metrics, &none, FirstDeploy::Fail).0,
        Some(Code::GateFailed)
    );
    let silent = Baseline::Unreadable("no answer".to_owned());
    assert_eq!(
        verdict(relative(false), &metrics, &silent, FirstDeploy::Pass),
        (Some(Code::ChampionUnreadable), "no answer".to_owned())
    );
    assert_eq!(
        verdict(Test::Required, &metrics, &silent, FirstDeploy::Pass).0,
        None
    );
}
