//! The verdict on one rule. Pure: what was measured and what the champion has are given.

use super::champion::Baseline;
use super::compare::{self, Data};
use super::sources::Measured;
use crate::artifact::{Dataset, GateRule, GateVerdict, Measure};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::{FirstDeploy, Margin, Op, Rule, Test};

/// Metrics that a finding lists as evidence.
const LISTED: usize = 40;

/// The model that is judged.
pub(super) struct Candidate<'a> {
    pub(super) metrics: &'a Measured,
    pub(super) datasets: &'a [Dataset],
}

/// What a rule came to: the code of its failure, if it is one, and why.
struct Ruling {
    verdict: GateVerdict,
    code: Option<Code>,
    why: String,
    help: Option<String>,
}

impl Ruling {
    fn new(verdict: GateVerdict, code: Code, why: impl Into<String>) -> Self {
        Self {
            verdict,
            code: (verdict != GateVerdict::Passed).then_some(code),
            why: why.into(),
            help: None,
        }
    }

    fn of(passes: bool, why: String) -> Self {
        let verdict = if passes {
            GateVerdict::Passed
        } else {
            GateVerdict::Failed
        };
        Self::new(verdict, Code::GateFailed, why)
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// The verdict on a rule, and the finding when it does not pass.
pub(super) fn judge(
    rule: &Rule,
    candidate: &Candidate<'_>,
    baseline: &Baseline,
    first: FirstDeploy,
) -> (GateRule, Option<Diagnostic>) {
    let measured = candidate.metrics.get(&rule.metric).map(|found| found.value);
    let ruling = match measured {
        None => absent(rule, candidate.metrics),
        Some(value) if value.is_nan() => Ruling::new(
            GateVerdict::Missing,
            Code::GateMetricMissing,
            format!("`{}` is not a number (NaN)", rule.metric),
        )
        .help("find out in the training why it became NaN; a rule never passes without a number"),
        Some(value) => match rule.test {
            Test::Required => Ruling::of(true, format!("it is {}", Measure(value))),
            Test::Number(op, line) => {
                let (passes, why) = compare::with_number(op, value, line);
                Ruling::of(passes, why)
            }
            Test::Champion(op, margin) => {
                against(rule, op, margin, value, candidate, baseline, first)
            }
        },
    };
    let finding = ruling.code.map(|code| {
        let mut finding = Diagnostic::error(
            code,
            format!("gate `{}` does not pass: {}", rule.text, ruling.why),
        )
        .at(rule.at.clone());
        finding.help.clone_from(&ruling.help);
        if measured.is_none() {
            finding = finding.evidence(listed(candidate.metrics));
        }
        finding
    });
    let champion = match baseline {
        Baseline::Run { run, .. } => run.metrics.get(&rule.metric).copied().map(Measure),
        Baseline::None(_) | Baseline::Unreadable(_) => None,
    };
    let verdict = GateRule {
        metric: rule.metric.clone(),
        rule: rule.text.clone(),
        candidate: measured.map(Measure),
        champion,
        verdict: ruling.verdict,
        why: ruling.why,
    };
    (verdict, finding)
}

fn absent(rule: &Rule, metrics: &Measured) -> Ruling {
    let why = format!("nothing measured `{}`", rule.metric);
    let ruling = Ruling::new(GateVerdict::Missing, Code::GateMetricMissing, why);
    let near = near(&rule.metric, metrics);
    if near.is_empty() {
        return ruling;
    }
    let near: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    ruling.help(format!(
        "did you mean {}? Else log the metric in the training",
        near.join(" or ")
    ))
}

/// The rule against the champion's number.
fn against(
    rule: &Rule,
    op: Op,
    margin: Margin,
    value: f64,
    candidate: &Candidate<'_>,
    baseline: &Baseline,
    first: FirstDeploy,
) -> Ruling {
    let incomparable =
        |why: String| Ruling::new(GateVerdict::NotComparable, Code::GateNotComparable, why);
    let run = match baseline {
        Baseline::Run { run, .. } => run,
        Baseline::None(why) => {
            return match first {
                FirstDeploy::Pass => Ruling::of(true, format!("no champion yet: {why}")),
                FirstDeploy::Fail => Ruling::of(
                    false,
                    format!("there is no champion ({why}), and `first-deploy` is `fail`"),
                )
                .help("deploy the first model with `first-deploy: pass`, or compare with a number"),
            };
        }
        Baseline::Unreadable(why) => {
            return Ruling::new(
                GateVerdict::NotComparable,
                Code::ChampionUnreadable,
                why.clone(),
            );
        }
    };
    let Some(theirs) = run.metrics.get(&rule.metric).copied() else {
        return incomparable(format!(
            "the champion's run `{}` has no `{}`",
            run.id, rule.metric
        ))
        .help("compare with a number until a model that has the metric is live");
    };
    if !theirs.is_finite() {
        let theirs = Measure(theirs);
        return incomparable(format!("the champion's number is {theirs}"))
            .help("compare with a number until a model with a finite one is live");
    }
    let data = compare::data(&rule.metric, candidate.datasets, &run.datasets);
    if let Data::Other(how) = &data {
        return incomparable(format!("it was measured on {how}"))
            .help("measure both on the same data, or compare with a number");
    }
    match compare::with_champion(op, margin, value, theirs) {
        Ok((passes, mut why)) => {
            if let Data::OtherTraining(how) = data {
                why.push_str(&format!("; trained on {how}"));
            }
            Ruling::of(passes, why)
        }
        Err(why) => incomparable(why).help(format!(
            "write the difference as a number, such as `{} {} champion + 0.01`",
            rule.metric,
            op.sign()
        )),
    }
}

/// Names that look like the one asked for, nearest first.
fn near(wanted: &str, metrics: &Measured) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' ', '/', '.'], "_");
    let wanted = plain(wanted);
    let mut scored: Vec<(f64, &String)> = metrics
        .keys()
        .map(|name| {
            let known = plain(name);
            let holds = known.contains(&wanted) || wanted.contains(&known);
            let score = strsim::jaro_winkler(&wanted, &known);
            (if holds { score.max(0.9) } else { score }, name)
        })
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .into_iter()
        .take(3)
        .map(|(_, name)| name.clone())
        .collect()
}

/// What there is instead, as evidence.
fn listed(metrics: &Measured) -> Vec<String> {
    if metrics.is_empty() {
        return vec!["no metrics were found: neither an MLflow run, nor `metrics-file`, nor a summary of W&B".to_owned()];
    }
    let lines = metrics.iter().take(LISTED);
    lines
        .map(|(name, found)| format!("{name} = {} in {}", Measure(found.value), found.from))
        .collect()
}

#[cfg(test)]
mod tests;
