//! What IAM says of a role, and of what we may do. Both are asked only to find out early: whoever may not ask is no worse off.
//! Source: AWS Identity and Access Management API Reference (2010-05-08).

use reqwest::Method;

use super::Aws;
use super::call::Call;
use super::place::Service;
use super::refused::{Refused, element};
use super::sagemaker::SageMaker;
use super::sign::encoded;
use crate::failure::Outcome;

const VERSION: &str = "2010-05-08";

/// What is known of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Missing,
    /// We may not look.
    Unknown,
    Found {
        arn: String,
        /// Who may take it on: its policy, as JSON.
        trust: String,
    },
}

impl SageMaker {
    /// Looks at a role, by ARN or by name.
    ///
    /// # Errors
    /// Those of finding the identity, `CloudDenied` when its keys are refused, `CloudUnreachable`.
    pub(crate) async fn role(&self, role: &str) -> Outcome<Role> {
        let name = role.rsplit('/').next().unwrap_or(role);
        let tried = format!("look at the role `{role}`");
        let form = [
            ("Action", "GetRole"),
            ("RoleName", name),
            ("Version", VERSION),
        ];
        Ok(match iam(self.aws(), &form, &tried).await? {
            Ok(answer) => {
                let trust = element(&answer, "AssumeRolePolicyDocument").unwrap_or_default();
                Role::Found {
                    arn: element(&answer, "Arn").unwrap_or_default(),
                    trust: percent_decoded(&trust),
                }
            }
            Err(refused) if refused.kind == "NoSuchEntity" => Role::Missing,
            // Keys that nobody takes are another matter, and other questions tell it.
            Err(refused) if refused.is_about_keys() => {
                let keys = self.aws().keys().await?;
                return Err(refused.failure(&tried, &keys, ("iam:GetRole", role)));
            }
            Err(_) => Role::Unknown,
        })
    }

    /// The role's ARN: a name alone is one of the identity's own account, and says nothing of the path that the role is under,
    /// such as `service-role/`. Who may not look takes it for none.
    ///
    /// # Errors
    /// Those of finding the identity, `CloudUnreachable`.
    pub(crate) async fn role_arn(&self, role: &str) -> Outcome<String> {
        if role.starts_with("arn:") {
            return Ok(role.to_owned());
        }
        if let Role::Found { arn, .. } = self.role(role).await? {
            return Ok(arn);
        }
        let who = self.aws().principal().await?;
        let mut parts = who.split(':');
        let partition = parts.nth(1).unwrap_or("aws");
        let account = parts.nth(2).unwrap_or_default();
        Ok(format!("arn:{partition}:iam::{account}:role/{role}"))
    }

    /// Those of the actions that we may not do, as IAM judges it; `None` when we may not ask. What depends on a condition
    /// that only the request itself shows is not judged.
    ///
    /// # Errors
    /// As `role`.
    pub(crate) async fn denied(
        &self,
        actions: &[&str],
        resource: &str,
    ) -> Outcome<Option<Vec<String>>> {
        let principal = self.aws().principal().await?;
        let names: Vec<_> = (1..=actions.len())
            .map(|number| format!("ActionNames.member.{number}"))
            .collect();
        let mut form = vec![
            ("Action", "SimulatePrincipalPolicy"),
            ("PolicySourceArn", &principal),
            ("ResourceArns.member.1", resource),
            // `iam:PassRole` is mostly allowed for one service alone.
            (
                "ContextEntries.member.1.ContextKeyName",
                "iam:PassedToService",
            ),
            ("ContextEntries.member.1.ContextKeyType", "string"),
            (
                "ContextEntries.member.1.ContextKeyValues.member.1",
                "sagemaker.amazonaws.com",
            ),
            ("Version", VERSION),
        ];
        form.extend(
            names
                .iter()
                .map(String::as_str)
                .zip(actions.iter().copied()),
        );
        let Ok(answer) = iam(self.aws(), &form, "ask what the identity may do").await? else {
            return Ok(None);
        };
        let verdicts = answer.split("<EvalActionName>").skip(1).filter_map(|part| {
            let (action, _) = part.split_once('<')?;
            let allowed = element(part, "EvalDecision")? == "allowed";
            let missing = element(part, "MissingContextValues").unwrap_or_default();
            (!allowed && missing.trim().is_empty()).then(|| action.to_owned())
        });
        Ok(Some(verdicts.collect()))
    }
}

/// IAM is one for all regions of a partition.
async fn iam(aws: &Aws, form: &[(&str, &str)], tried: &str) -> Outcome<Result<String, Refused>> {
    let region = aws.region_for("the role")?;
    let signing = Service::iam_region(&region);
    let call = Call {
        service: Service::Iam,
        region: signing,
        method: Method::POST,
        path: "/",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: encoded(form).into_bytes(),
        tried,
    };
    Ok(aws.asked(&call).await?.map(|answer| answer.text()))
}

/// IAM writes policies as they would stand in an address.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_iam_writes_them() {
        assert_eq!(
            percent_decoded("%7B%22a%22%3A%20%22%C3%A4%22%7D"),
            "{\"a\": \"ä\"}"
        );
        assert_eq!(percent_decoded("100%"), "100%");
    }
}
