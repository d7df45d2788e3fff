//! `junit.xml`: stages, gates and checks as tests, for GitLab and Jenkins. Names stay the same from run to run, so that both can say
//! since when a test fails.

use crate::artifact::GateVerdict;
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{End, Stage};

use super::Status;
use super::outputs::Facts;
use super::record::StageRecord;
use super::xml::escaped;

/// Lines of evidence with a failure; all of them stand in report.json.
const EVIDENCE: usize = 60;

/// One test.
struct Case {
    suite: &'static str,
    name: String,
    seconds: f64,
    /// Kind, message and everything that is known of it.
    failure: Option<(String, String, String)>,
    /// What did not make it fail.
    output: String,
}

/// The document.
pub(super) fn xml(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let mut cases: Vec<Case> = record.stages.iter().map(|one| stage(facts, one)).collect();
    for rule in record.gates.iter().flat_map(|gates| &gates.rules) {
        let bad = matches!(rule.verdict, GateVerdict::Failed | GateVerdict::Missing);
        let words = rule.verdict.words().to_owned();
        cases.push(Case {
            suite: "gates",
            name: rule.rule.clone(),
            seconds: 0.0,
            failure: bad.then(|| (words, rule.why.clone(), rule.why.clone())),
            output: rule.why.clone(),
        });
    }
    for check in record.verification.iter().flat_map(|all| &all.checks) {
        let failure = (
            "verify".to_owned(),
            check.detail.clone(),
            check.detail.clone(),
        );
        cases.push(Case {
            suite: "verify",
            name: check.name.clone(),
            seconds: 0.0,
            failure: (!check.passed).then_some(failure),
            output: String::new(),
        });
    }
    let told = cases.iter().any(|case| case.failure.is_some());
    cases.push(whole(facts, told));
    document(&cases)
}

fn stage(facts: &Facts<'_>, stage: &StageRecord) -> Case {
    let findings = of_stage(facts, Some(stage.stage));
    let errors: Vec<_> = with(&findings, Severity::Error);
    let good = matches!(stage.end, Some(End::Succeeded | End::Reused));
    let failure = (!good).then(|| match errors.first() {
        Some(first) => (
            first.code.slug().to_owned(),
            first.message.clone(),
            all(&errors),
        ),
        None => {
            let code = facts.verdict.failure.map(crate::failure::Failure::code);
            let kind = code
                .map_or("unfinished", crate::code::Code::slug)
                .to_owned();
            (kind, format!("{} did not end", stage.stage), String::new())
        }
    });
    Case {
        suite: stage.stage.name(),
        name: stage.stage.name().to_owned(),
        seconds: stage.took.map_or(0.0, |took| took.as_secs_f64()),
        failure,
        output: all(&with(&findings, Severity::Warning)),
    }
}

/// The run itself: it fails when nothing else says why, and is there also when no stage ran.
fn whole(facts: &Facts<'_>, told: bool) -> Case {
    let findings = of_stage(facts, None);
    let errors = with(&findings, Severity::Error);
    let bad = matches!(facts.verdict.status, Status::Failure | Status::Cancelled);
    let failure = (bad && (!told || !errors.is_empty())).then(|| {
        let code = facts.verdict.failure.map(crate::failure::Failure::code);
        let first = errors.first();
        let kind = code.map_or("failure", crate::code::Code::slug).to_owned();
        let message = first.map_or_else(
            || code.map_or("failed", crate::code::Code::title).to_owned(),
            |first| first.message.clone(),
        );
        (kind, message, all(&errors))
    });
    Case {
        suite: "run",
        name: "run".to_owned(),
        seconds: 0.0,
        failure,
        output: all(&with(&findings, Severity::Warning)),
    }
}

fn of_stage<'a>(facts: &'a Facts<'_>, stage: Option<Stage>) -> Vec<&'a Diagnostic> {
    let findings = facts.record.findings.iter();
    let ran = |stage| {
        facts
            .record
            .stages
            .iter()
            .any(|one| Some(one.stage) == stage)
    };
    findings
        // What a stage said that never began belongs to the run.
        .filter(|one| one.stage == stage || (stage.is_none() && !ran(one.stage)))
        .map(|one| &one.what)
        .collect()
}

fn with<'a>(findings: &[&'a Diagnostic], severity: Severity) -> Vec<&'a Diagnostic> {
    let findings = findings.iter().copied();
    findings.filter(|one| one.severity == severity).collect()
}

fn all(findings: &[&Diagnostic]) -> String {
    let texts = findings.iter().map(|finding| {
        let at = finding.at.as_ref().map(|at| format!("\n  at {at}"));
        let skipped = finding.evidence.len().saturating_sub(EVIDENCE);
        let evidence = finding.evidence.iter().skip(skipped);
        let evidence: String = evidence.map(|line| format!("\n  | {line}")).collect();
        format!(
            "[{}] {}{}{evidence}\n  help: {}",
            finding.code.slug(),
            finding.message,
            at.unwrap_or_default(),
            finding.advice()
        )
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

fn document(cases: &[Case]) -> String {
    let failures = |cases: &[&Case]| cases.iter().filter(|case| case.failure.is_some()).count();
    let seconds = |cases: &[&Case]| cases.iter().map(|case| case.seconds).sum::<f64>();
    let every: Vec<&Case> = cases.iter().collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ml-deploy\" tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{:.3}\">\n",
        every.len(),
        failures(&every),
        seconds(&every)
    );
    let mut suites: Vec<&str> = Vec::new();
    for case in cases {
        if !suites.contains(&case.suite) {
            suites.push(case.suite);
        }
    }
    for suite in suites {
        let of: Vec<&Case> = cases.iter().filter(|case| case.suite == suite).collect();
        text.push_str(&format!(
            "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\">\n",
            of.len(),
            failures(&of),
            seconds(&of)
        ));
        of.iter().for_each(|case| text.push_str(&test(case)));
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn test(case: &Case) -> String {
    let mut text = format!(
        "    <testcase classname=\"ml-deploy.{}\" name=\"{}\" time=\"{:.3}\"",
        case.suite,
        escaped(&case.name),
        case.seconds
    );
    if case.failure.is_none() && case.output.is_empty() {
        return text + "/>\n";
    }
    text.push_str(">\n");
    if let Some((kind, message, whole)) = &case.failure {
        text.push_str(&format!(
            "      <failure type=\"{kind}\" message=\"{}\">{}</failure>\n",
            escaped(message),
            escaped(whole)
        ));
    }
    if !case.output.is_empty() {
        let output = escaped(&case.output);
        text.push_str(&format!("      <system-out>{output}</system-out>\n"));
    }
    text + "    </testcase>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_good_run_has_no_failure() {
        let text = sample::facts(sample::good(), None, xml);
        assert!(
            text.contains("<testsuites name=\"ml-deploy\" tests=\"4\" failures=\"0\""),
            "{text}"
        );
        assert!(
            text.contains(
                "<testcase classname=\"ml-deploy.train\" name=\"train\" time=\"12.300\"/>"
            ),
            "{text}"
        );
        assert!(
            text.contains("classname=\"ml-deploy.verify\" name=\"health\""),
            "{text}"
        );
        assert!(!text.contains("<failure"), "{text}");
    }

    #[test]
    fn a_failure_stands_with_its_stage_and_not_twice() {
        let failure = sample::failure();
        let text = sample::facts(sample::bad(), Some(&failure), xml);
        assert_eq!(text.matches("<failure").count(), 1, "{text}");
        assert!(text.contains("<failure type=\"train-failed\" message=\"`python train.py` exited with 1: &lt;script&gt;"), "{text}");
        assert!(
            text.contains("at train.py:2&#10;  | ```&#10;  | ValueError: x"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_never_began_is_a_test_too() {
        let failure = sample::failure();
        let text = sample::facts(Vec::new(), Some(&failure), xml);
        assert!(text.contains("tests=\"1\" failures=\"1\""), "{text}");
        assert!(
            text.contains("classname=\"ml-deploy.run\" name=\"run\""),
            "{text}"
        );
        let text = sample::facts(Vec::new(), None, xml);
        assert!(text.contains("tests=\"1\" failures=\"0\""), "{text}");
    }
}
