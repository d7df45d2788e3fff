//! Compares what the program said with what the case expects, and writes down what was measured. It plays nothing.

use std::io::Write as _;

use serde_json::Value;

use super::case::Case;
use crate::cluster::kubectl;
use crate::support::Ended;

/// Whether the program said what it had to say.
pub(super) fn judge(case: &Case, ended: &Ended) -> Result<(), String> {
    let expect = &case.expect;
    let code = ended.output("failure-code");
    if ended.status != expect.status || code != expect.code {
        return Err(format!(
            "expected status {} `{}`, got {} `{code}`",
            expect.status, expect.code, ended.status
        ));
    }
    if let Some(text) = expect
        .says
        .iter()
        .find(|text| !ended.stdout.contains(text.as_str()))
    {
        return Err(format!("it does not say `{text}`"));
    }
    match expect
        .never
        .iter()
        .find(|text| ended.stdout.contains(text.as_str()))
    {
        Some(text) => Err(format!("it says `{text}`")),
        None => Ok(()),
    }
}

/// What is found before anything is applied must leave nothing behind.
pub(super) fn untouched(case: &Case, namespace: &str) -> Result<(), String> {
    if case.expect.status != 10 || case.live.is_some() {
        return Ok(());
    }
    let kinds =
        "deployments,statefulsets,daemonsets,jobs,pods,services,ingresses,horizontalpodautoscalers";
    let (_, left) = kubectl(&["-n", namespace, "get", kinds, "-o", "name"]);
    if left.trim().is_empty() {
        Ok(())
    } else {
        Err(format!("left behind: {left}"))
    }
}

/// Where the bench wants its records.
pub(super) fn recording() -> Option<std::ffi::OsString> {
    std::env::var_os("ML_DEPLOY_CASE_RECORDS")
}

/// Adds what was measured.
pub(super) fn record(line: &Value) {
    if let Some(path) = recording() {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
