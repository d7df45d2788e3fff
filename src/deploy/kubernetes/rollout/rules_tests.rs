//! A positive and a negative example for every rule of the table.

use super::replay::{Example, Replay, failed, named};
use super::rules::{Class, Rule};
use super::{container_examples as containers, workload_examples as workloads};

fn examples() -> Vec<Example> {
    [
        containers::pulls(),
        containers::starts(),
        containers::ends(),
        workloads::pods(),
        workloads::workloads(),
        workloads::others(),
    ]
    .concat()
}

#[test]
fn every_rule_has_examples() {
    let examples = examples();
    // What is no fault has its own tests with the judge's.
    for rule in Rule::ALL.iter().filter(|rule| rule.is_fault()) {
        assert!(examples.iter().any(|(of, ..)| of == rule), "{rule:?}");
    }
}

/// What is wrong with the verdicts on a scene that shows the rule.
fn unlike(rule: Rule, positive: &Replay) -> Option<String> {
    let grace = match rule.class() {
        Class::Sustained(seconds) => i64::try_from(seconds).unwrap(),
        _ => 0,
    };
    let verdicts = positive.after(&[0, (grace - 1).max(0), grace, 100_000]);
    let rules: Vec<_> = verdicts.iter().map(named).collect();
    let fails: Vec<bool> = verdicts
        .iter()
        .map(|verdict| failed(verdict).is_some())
        .collect();
    let wanted = match rule.class() {
        Class::Immediate | Class::Counted(_) => [true, true, true, true],
        Class::Sustained(_) => [false, false, true, true],
        Class::Never | Class::Held(_) => [false, false, false, false],
    };
    let holds = fails == wanted && rules.iter().all(|named| *named == Some(rule));
    (!holds).then(|| format!("{rule:?}: {rules:?} {fails:?}"))
}

#[test]
fn every_rule_holds_where_it_should_and_when_its_class_says() {
    let examples = examples();
    let wrong: Vec<String> = examples
        .iter()
        .filter_map(|(rule, positive, _)| unlike(*rule, positive))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rule_holds_where_it_should_not() {
    for (rule, _, negative) in examples() {
        for verdict in negative.after(&[0, 100_000]) {
            let finding = failed(&verdict).map(|finding| finding.rule);
            assert_ne!(finding, Some(rule), "{verdict:?}");
            if rule.class() == Class::Never {
                assert_ne!(named(&verdict), Some(rule), "{verdict:?}");
            }
        }
    }
}
