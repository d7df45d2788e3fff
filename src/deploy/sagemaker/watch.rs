//! How requests move to a new version, and who watches them meanwhile, in the words of `UpdateEndpoint`. Pure.

use serde_json::{Value, json};

use crate::plan::{SageMakerSpec, UpdatePolicy};

/// How requests are to move, for `UpdateEndpoint`. `None` where nothing is to be watched: SageMaker then moves them all at once,
/// also between configurations whose variants have other names, which it refuses under a policy.
pub(super) fn watched(spec: &SageMakerSpec) -> Option<Value> {
    if !spec.is_guarded() {
        return None;
    }
    let wait = spec.wait.as_secs();
    let share = |percent: u32| json!({"Type": "CAPACITY_PERCENT", "Value": percent});
    let routing = match spec.update {
        UpdatePolicy::AllAtOnce => json!({"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait}),
        UpdatePolicy::Canary { percent } => {
            json!({"Type": "CANARY", "WaitIntervalInSeconds": wait, "CanarySize": share(percent)})
        }
        UpdatePolicy::Linear { percent } => {
            json!({"Type": "LINEAR", "WaitIntervalInSeconds": wait, "LinearStepSize": share(percent)})
        }
    };
    let mut config = json!({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}});
    if !spec.alarms.is_empty() {
        let alarms = spec.alarms.iter().map(|name| json!({"AlarmName": name}));
        config["AutoRollbackConfiguration"] = json!({"Alarms": alarms.collect::<Value>()});
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::super::wanted::tests::spec;
    use super::*;

    #[test]
    fn requests_move_as_the_inputs_say() {
        let with = |update, alarms: &[&str]| {
            let alarms = alarms.iter().map(|&name| name.to_owned()).collect();
            watched(&SageMakerSpec {
                update,
                alarms,
                ..spec()
            })
        };
        let routing = "/BlueGreenUpdatePolicy/TrafficRoutingConfiguration";
        assert_eq!(with(UpdatePolicy::AllAtOnce, &[]), None);
        let at_once = with(UpdatePolicy::AllAtOnce, &["errors"]).unwrap();
        assert_eq!(
            at_once.pointer(routing),
            Some(&json!({"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300}))
        );
        let canary = with(UpdatePolicy::Canary { percent: 10 }, &["errors"]).unwrap();
        assert_eq!(
            canary.pointer(&format!("{routing}/CanarySize/Value")),
            Some(&10.into())
        );
        assert_eq!(
            canary["AutoRollbackConfiguration"]["Alarms"][0]["AlarmName"],
            "errors"
        );
    }
}
