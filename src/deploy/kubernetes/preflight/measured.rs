//! What was measured when the built image was tried, against what the manifests give its container: time to start and
//! memory. Pure. A node is another machine than the one that measured, so these are warnings.

use std::time::Duration;

use super::pods::{Container, Template};
use super::quantity;
use super::workloads::{killer, patience};
use crate::cluster::text;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::registry::Reference;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) start: Duration,
    /// In MiB.
    pub(super) memory: Option<u64>,
}

/// Findings about the containers of a template that run the image.
pub(super) fn check(
    template: &Template<'_>,
    measured: Measured,
    ours: Option<&Reference>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for container in template.containers().iter().filter(|one| runs(one, ours)) {
        findings.extend(budget(template, container, measured.start));
        let peak = measured
            .memory
            .and_then(|peak| memory(template, container, peak));
        findings.extend(peak);
    }
    findings
}

/// Whether a container runs the image that was tried.
pub(super) fn runs(container: &Container<'_>, ours: Option<&Reference>) -> bool {
    let image = text(container.value, "/image").parse::<Reference>();
    ours.is_none_or(|ours| image.is_ok_and(|image| image.same_repository(ours)))
}

/// The start that was measured, against the time that probes give.
fn budget(
    template: &Template<'_>,
    container: &Container<'_>,
    measured: Duration,
) -> Option<Diagnostic> {
    let (name, probe) = killer(container)?;
    let given = patience(probe);
    // A little more than was measured is no margin.
    if measured * 5 <= given * 4 {
        return None;
    }
    let message = format!(
        "`{}`: container `{}` needed {:.1} s to start when it was tried, and its {name} kills it after {} s",
        template.object.label(),
        container.name(),
        measured.as_secs_f64(),
        given.as_secs()
    );
    let wanted = measured.as_secs() * 3 / 10 + 1;
    let help =
        format!("add a `startupProbe` with `periodSeconds: 10` and `failureThreshold: {wanted}`");
    Some(
        Diagnostic::warning(Code::ProbeBudget, message)
            .help(help)
            .at(template.object.at(&format!("{}.{name}", container.path))),
    )
}

/// The memory that was measured, against the limit.
fn memory(template: &Template<'_>, container: &Container<'_>, peak: u64) -> Option<Diagnostic> {
    let limit = container.value.pointer("/resources/limits/memory")?;
    let bytes = quantity::read(limit)? / 1000;
    if i128::from(peak) << 20 <= bytes {
        return None;
    }
    let message = format!(
        "`{}`: container `{}` used {peak} MiB when it was tried, and its memory limit is {}",
        template.object.label(),
        container.name(),
        limit
            .as_str()
            .map_or_else(|| limit.to_string(), str::to_owned)
    );
    // Room for requests that come at once.
    let wanted = (peak * 3 / 2).div_ceil(64) * 64;
    Some(
        Diagnostic::warning(Code::OutOfMemory, message)
            .help(format!(
                "raise `resources.limits.memory` to about {wanted}Mi"
            ))
            .at(template
                .object
                .at(&format!("{}.resources.limits.memory", container.path))),
    )
}

#[cfg(test)]
mod tests {
    use super::super::pods::templates;
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;
    use crate::diagnostic::Severity;

    const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    spec:
      containers:
      - name: model
        image: ghcr.io/org/wine:1
        resources:
          limits:
            memory: 128Mi
        livenessProbe:
          periodSeconds: 10
          failureThreshold: 3
          httpGet: {port: http}
";

    /// Code and line of what a start of so many seconds and so many MiB give; never an error.
    fn found(text: &str, start: u64, memory: u64) -> Vec<(Code, u32)> {
        let objects = parse("k.yaml", text).unwrap();
        let templates = templates(&objects, "ml");
        let ours: Reference = "ghcr.io/org/wine".parse().unwrap();
        let measured = Measured {
            start: Duration::from_secs(start),
            memory: Some(memory),
        };
        let found = check(&templates[0], measured, Some(&ours));
        let one = |finding: &Diagnostic| {
            assert_eq!(finding.severity, Severity::Warning);
            (finding.code, finding.at.as_ref().unwrap().line.unwrap())
        };
        found.iter().map(one).collect()
    }

    #[test]
    fn a_start_that_outlasts_its_probe_is_told() {
        assert_eq!(found(TEXT, 20, 1), []);
        assert_eq!(found(TEXT, 28, 1), [(Code::ProbeBudget, 13)]);
        assert_eq!(found(TEXT, 61, 1), [(Code::ProbeBudget, 13)]);
        // A startup probe holds the other back.
        let startup = "        startupProbe: {periodSeconds: 5, failureThreshold: 20}\n        livenessProbe:";
        let text = TEXT.replace("        livenessProbe:", startup);
        assert_eq!(found(&text, 61, 1), []);
        assert_eq!(found(&text, 90, 1), [(Code::ProbeBudget, 13)]);
        // What was measured is our image, not somebody else's.
        assert_eq!(found(&TEXT.replace("org/wine", "org/beer"), 61, 500), []);
    }

    #[test]
    fn a_limit_below_what_was_used_is_told() {
        assert_eq!(found(TEXT, 1, 128), []);
        assert_eq!(found(TEXT, 1, 129), [(Code::OutOfMemory, 12)]);
        assert_eq!(found(&TEXT.replace("128Mi", "1Gi"), 1, 129), []);
    }
}
