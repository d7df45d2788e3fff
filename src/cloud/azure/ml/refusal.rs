//! What Azure Machine Learning means by refusing a request, and what to do next. Pure.

use serde_json::Value;

use super::read::{MORE_QUOTA, codes, lacks_quota, said};
use crate::cloud::spec::MlWorkspace;
use crate::code::Code;
use crate::failure::Failure;

/// The role that holds every right that a deployment needs.
pub(super) const ROLE: &str = "AzureML Data Scientist";

/// What was tried, on what, as whom.
pub(super) struct Asked<'a> {
    pub(super) tried: &'a str,
    pub(super) workspace: &'a MlWorkspace,
    pub(super) scope: &'a str,
    pub(super) assignee: &'a str,
}

/// The failure for an answer that is no success.
pub(super) fn refused(asked: &Asked<'_>, status: u16, body: &Value) -> Failure {
    let Asked {
        tried, workspace, ..
    } = asked;
    let (codes, said) = (codes(body), said(body));
    let has = |code: &str| codes.iter().any(|one| one == code);
    let (code, why, help) = match status {
        _ if has("SubscriptionNotFound") || has("InvalidSubscriptionId") => (
            Code::CloudDenied,
            "the subscription does not exist, or the identity has no role in it".to_owned(),
            Some("correct `subscription-id`; `az account list` shows what there is".to_owned()),
        ),
        401 => (
            Code::CloudDenied,
            "Azure does not take the identity's token".to_owned(),
            Some("see that `tenant-id` and `subscription-id` belong together".to_owned()),
        ),
        403 => (
            Code::CloudDenied,
            match action(&said) {
                Some(action) => format!("the identity lacks the right `{action}`"),
                None => "the identity may not".to_owned(),
            },
            Some(give(asked)),
        ),
        _ if lacks_quota(&codes, &said) => (
            Code::QuotaExceeded,
            "the quota does not suffice".to_owned(),
            Some(MORE_QUOTA.to_owned()),
        ),
        404 if has("ResourceGroupNotFound") => (
            Code::WorkspaceMissing,
            format!(
                "there is no resource group `{}` in the subscription",
                workspace.resource_group
            ),
            None,
        ),
        404 if has("ResourceNotFound") && said.contains("/workspaces/") => (
            Code::WorkspaceMissing,
            format!(
                "resource group `{}` has no Azure ML workspace `{}`",
                workspace.resource_group, workspace.name
            ),
            None,
        ),
        404 => (Code::EndpointFailed, "it is not there".to_owned(), None),
        409 => (
            Code::EndpointFailed,
            "something else is changing it".to_owned(),
            Some(
                "let only one job deploy to an endpoint at a time (`concurrency:`), then run again"
                    .to_owned(),
            ),
        ),
        _ if taken(&said) => (
            Code::EndpointFailed,
            "the name is taken: it must be the only one in the whole region".to_owned(),
            Some(
                "choose another `endpoint-name`, such as one with the team's name in it".to_owned(),
            ),
        ),
        _ => (
            Code::EndpointFailed,
            format!("Azure answers {status}"),
            None,
        ),
    };
    let failure = Failure::new(code, format!("failed to {tried}: {why}"));
    let failure = match help {
        Some(help) => failure.help(help),
        None => failure,
    };
    failure.evidence(evidence(&codes, &said))
}

/// How the identity is given the role.
pub(super) fn give(asked: &Asked<'_>) -> String {
    format!(
        "give it the role: az role assignment create --assignee {} --role '{ROLE}' --scope {}; a new assignment takes up to five minutes",
        asked.assignee, asked.scope
    )
}

/// The action in `… does not have authorization to perform action 'X' over scope …`.
fn action(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("perform action '")?;
    rest.split('\'').next()
}

fn taken(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("already") && (said.contains("in use") || said.contains("taken"))
        || said.contains("name is not available")
}

/// Azure's own words.
fn evidence(codes: &[String], said: &str) -> Option<String> {
    let first = codes.first().map_or("", String::as_str);
    (!said.is_empty()).then(|| format!("{first}: {said}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, code: &str, message: &str) -> crate::diagnostic::Diagnostic {
        let workspace = MlWorkspace {
            resource_group: "rg".to_owned(),
            name: "wine-ws".to_owned(),
        };
        let asked = Asked {
            tried: "make deployment `blue`",
            workspace: &workspace,
            scope: "/subscriptions/s",
            assignee: "app",
        };
        let body = json!({"error": {"code": code, "message": message}});
        refused(&asked, status, &body).into_findings().remove(0)
    }

    #[test]
    fn a_missing_right_is_named_with_the_role_that_holds_it() {
        let text = "The client 'x' does not have authorization to perform action 'Microsoft.X/write' over scope '/y'.";
        let found = of(403, "AuthorizationFailed", text);
        assert_eq!(found.code, Code::CloudDenied);
        assert!(
            found
                .message
                .ends_with("lacks the right `Microsoft.X/write`")
        );
        assert!(
            found
                .advice()
                .contains("--assignee app --role 'AzureML Data Scientist'")
        );
        assert!(of(403, "Forbidden", "no").message.ends_with("may not"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let text = "The Resource 'Microsoft.MachineLearningServices/workspaces/wine-ws' under resource group 'rg' was not found.";
        assert_eq!(
            of(404, "ResourceNotFound", text).code,
            Code::WorkspaceMissing
        );
        assert_eq!(
            of(404, "ResourceGroupNotFound", "").code,
            Code::WorkspaceMissing
        );
        assert_eq!(
            of(404, "UserError", "no endpoint").code,
            Code::EndpointFailed
        );
    }

    #[test]
    fn a_refusal_for_want_of_quota_is_one() {
        let text = "Not enough quota available for Standard_DS3_v2 in SubscriptionId s. Current usage/limit: 0/6. Additional needed: 8";
        let found = of(400, "BadRequest", text);
        assert_eq!(found.code, Code::QuotaExceeded);
        assert!(found.advice().contains("ask for more quota"));
        assert_eq!(found.evidence, [format!("BadRequest: {text}")]);
    }

    #[test]
    fn other_refusals_keep_azures_words() {
        let found = of(400, "UserError", "Instance type X is odd.");
        assert_eq!(found.evidence, ["UserError: Instance type X is odd."]);
        assert!(
            of(400, "UserError", "Endpoint name wine is already in use.")
                .message
                .contains("taken")
        );
        assert!(of(409, "Conflict", "").message.contains("something else"));
    }
}
