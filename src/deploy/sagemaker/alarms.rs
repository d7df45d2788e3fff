//! The CloudWatch alarms that watch an update: before it whether they are there, after it which of them turned it back.

use crate::cloud::{Alarm, SageMaker};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;

/// Whether the alarms of the inputs can watch the update of an endpoint that is there.
///
/// # Errors
/// `InputInvalid` when one does not exist, and what the access fails with.
pub(super) async fn preflight(ctx: &Context, aws: &SageMaker, spec: &SageMakerSpec) -> Outcome<()> {
    if spec.alarms.is_empty() {
        return Ok(());
    }
    let Some(known) = aws.alarms(&spec.alarms).await? else {
        ctx.events
            .note("alarms are not looked at: the identity lacks `cloudwatch:DescribeAlarms`")
            .await;
        return Ok(());
    };
    if let Some(missing) = missing(&spec.alarms, &known) {
        let region = aws.region()?;
        let message = format!(
            "input `update-alarms` names `{missing}`, and CloudWatch has no such alarm in {region}"
        );
        return Err(Failure::new(Code::InputInvalid, message)
            .help("correct the name, or make the alarm in the endpoint's account and region"));
    }
    for alarm in known.iter().filter(|alarm| alarm.fires) {
        let message = format!(
            "alarm `{}` is in ALARM now, and as long as it is SageMaker turns every update back",
            alarm.name
        );
        let warning = Diagnostic::warning(Code::EndpointOldConfig, message)
            .help("see in CloudWatch why it is; it must be OK when requests begin to move")
            .evidence([alarm.reason.clone()]);
        ctx.events.diagnosed(warning).await;
    }
    Ok(())
}

/// The first that does not exist.
fn missing<'a>(wanted: &'a [String], known: &[Alarm]) -> Option<&'a String> {
    wanted
        .iter()
        .find(|name| !known.iter().any(|alarm| alarm.name == **name))
}

/// Those that are in ALARM at this moment. That they cannot be asked does not hide why the update failed.
pub(super) async fn firing(aws: &SageMaker, names: &[String]) -> Vec<Alarm> {
    if names.is_empty() {
        return Vec::new();
    }
    let known = aws.alarms(names).await.ok().flatten().unwrap_or_default();
    known.into_iter().filter(|alarm| alarm.fires).collect()
}

/// Names the alarms that turned an update back.
pub(super) fn named(failure: Failure, firing: &[Alarm]) -> Failure {
    if firing.is_empty() {
        return failure;
    }
    let names: Vec<_> = firing.iter().map(|alarm| alarm.name.as_str()).collect();
    let reasons = firing
        .iter()
        .map(|alarm| format!("alarm {}: {}", alarm.name, alarm.reason));
    let failure = failure
        .also(format!("; in ALARM meanwhile: `{}`", names.join("`, `")))
        .evidence(reasons);
    // Whoever must look after an endpoint first, looks after the alarm later.
    if failure.code() != Code::EndpointOldConfig {
        return failure;
    }
    failure.help("see in CloudWatch why the alarm went off while requests moved to the new version, correct that and deploy again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_does_not_exist_is_found_by_name() {
        let alarm = |name: &str| Alarm {
            name: name.to_owned(),
            fires: false,
            reason: String::new(),
        };
        let wanted = ["errors".to_owned(), "slow".to_owned()];
        assert_eq!(
            missing(&wanted, &[alarm("slow"), alarm("errors-2")]),
            Some(&wanted[0])
        );
        assert_eq!(missing(&wanted, &[alarm("slow"), alarm("errors")]), None);
    }

    #[test]
    fn what_turned_an_update_back_is_named() {
        let failure = || Failure::new(Code::EndpointOldConfig, "endpoint `wine` is back");
        let alarm = Alarm {
            name: "errors".to_owned(),
            fires: true,
            reason: "9.0 > 1.0".to_owned(),
        };
        let told = named(failure(), &[alarm]).into_findings().remove(0);
        assert!(told.message.ends_with("meanwhile: `errors`"), "{told:?}");
        assert_eq!(told.evidence, ["alarm errors: 9.0 > 1.0"]);
        let told = named(failure(), &[]).into_findings().remove(0);
        assert_eq!(told.message, "endpoint `wine` is back");
    }
}
