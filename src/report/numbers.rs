//! `metrics.txt`: the numbers of the run as OpenMetrics text, for GitLab's metrics report. Source: OpenMetrics 1.0.

use super::outputs::Facts;

/// The document. Series of the same name stand together.
pub(super) fn text(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let mut all = Text::default();
    let run = record.model.as_ref().and_then(|model| model.run.as_ref());
    let metrics = run.iter().flat_map(|run| &run.metrics);
    let metrics: Vec<_> = metrics
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    all.family(
        "ml_deploy_metric",
        "Last value of each metric of the training",
        "name",
        &metrics,
    );
    let stages = record.stages.iter();
    let stages: Vec<_> = stages
        .filter_map(|stage| Some((stage.stage.name(), stage.took?.as_secs_f64())))
        .collect();
    all.family(
        "ml_deploy_stage_seconds",
        "Time that each stage took",
        "stage",
        &stages,
    );
    let model = record.model.as_ref().map(|model| model.bytes as f64);
    all.single("ml_deploy_model_bytes", "Size of the model's files", model);
    let image = record.image.as_ref().map(|image| image.bytes as f64);
    all.single(
        "ml_deploy_image_bytes",
        "Uncompressed size of the image",
        image,
    );
    let trial = record.trial.as_ref();
    let seconds = |milliseconds: f64| milliseconds / 1000.0;
    let start = trial.map(|trial| seconds(trial.start_ms as f64));
    all.single(
        "ml_deploy_start_seconds",
        "From the start of the container until it was healthy",
        start,
    );
    let p95 = trial.and_then(|trial| trial.p95_ms).map(seconds);
    all.single(
        "ml_deploy_answer_p95_seconds",
        "Time within which 95 of 100 answers came",
        p95,
    );
    let peak = trial.and_then(|trial| trial.peak_memory_mib);
    let peak = peak.map(|mebibytes| (mebibytes << 20) as f64);
    all.single(
        "ml_deploy_peak_memory_bytes",
        "Most memory of the container",
        peak,
    );
    all.0 + "# EOF\n"
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str) {
        self.0
            .push_str(&format!("# TYPE {name} gauge\n# HELP {name} {help}\n"));
    }

    fn family(&mut self, name: &str, help: &str, label: &str, values: &[(&str, f64)]) {
        if values.is_empty() {
            return;
        }
        self.head(name, help);
        for (key, value) in values {
            let line = format!(
                "{name}{{{label}=\"{}\"}} {}\n",
                escaped(key),
                number(*value)
            );
            self.0.push_str(&line);
        }
    }

    fn single(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name, help);
            self.0.push_str(&format!("{name} {}\n", number(value)));
        }
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value if value.is_nan() => "NaN".to_owned(),
        value => value.to_string(),
    }
}

/// A label's value. GitLab takes everything behind a `#` for a comment, also between quotes, and would lose the whole file.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().take(200) {
        match c {
            '\\' | '"' => safe.extend(['\\', c]),
            '#' => safe.push('_'),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn numbers_of_the_run() {
        let all = sample::facts(sample::good(), None, text);
        for line in [
            "# TYPE ml_deploy_metric gauge\n",
            "ml_deploy_metric{name=\"accuracy\"} 0.97\n",
            "ml_deploy_metric{name=\"loss\"} NaN\n",
            "ml_deploy_stage_seconds{stage=\"train\"} 12.3\n",
            "ml_deploy_model_bytes 2048\n",
        ] {
            assert!(all.contains(line), "{line}\n{all}");
        }
        assert!(all.ends_with("\n# EOF\n"));
        assert_eq!(sample::facts(Vec::new(), None, text), "# EOF\n");
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(escaped("a\"b\\c\nd#e"), "a\\\"b\\\\c d_e");
        assert_eq!(number(f64::NEG_INFINITY), "-Inf");
        assert_eq!(number(1e30).parse::<f64>(), Ok(1e30));
    }
}
