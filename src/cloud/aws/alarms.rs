//! Alarms of CloudWatch: whether they are there, and which of them are in ALARM. It decides nothing.
//! Source: Amazon CloudWatch API Reference (2010-08-01), "DescribeAlarms".

use serde_json::json;

use super::place::Service;
use super::sagemaker::{SageMaker, text};
use crate::failure::Outcome;

const RIGHT: &str = "cloudwatch:DescribeAlarms";

/// An alarm as CloudWatch has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// It is in the state ALARM.
    pub(crate) fires: bool,
    /// Why it is in its state, in CloudWatch's words. Untrusted: numbers of a metric.
    pub(crate) reason: String,
}

impl SageMaker {
    /// Those of the alarms that exist in the endpoint's region and account; `None` when we may not look.
    ///
    /// # Errors
    /// As `describe`.
    pub(crate) async fn alarms(&self, names: &[String]) -> Outcome<Option<Vec<Alarm>>> {
        let tried = "look at the CloudWatch alarms";
        // Without types it leaves out alarms that are made of others.
        let body = json!({"AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]});
        let answer = self
            .question(
                Service::CloudWatch,
                "GraniteServiceVersion20100801",
                "DescribeAlarms",
                &body,
                tried,
            )
            .await?;
        let found = match answer {
            Ok(found) => found,
            Err(refused) if refused.is_denied() => return Ok(None),
            Err(refused) => {
                let keys = self.aws().keys().await?;
                return Err(refused.failure(tried, &keys, (RIGHT, "*")));
            }
        };
        let lists = ["MetricAlarms", "CompositeAlarms"].map(|list| found[list].as_array());
        let rows = lists.into_iter().flatten().flatten();
        let alarms = rows.map(|row| Alarm {
            name: text(row, "AlarmName"),
            fires: row["StateValue"] == "ALARM",
            reason: text(row, "StateReason"),
        });
        Ok(Some(alarms.collect()))
    }
}
