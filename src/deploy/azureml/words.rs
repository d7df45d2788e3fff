//! Why a deployment failed at Azure, in words: its codes, what they mean, and what to change. Pure.
//! Source: learn.microsoft.com "Troubleshooting online endpoints deployment and scoring".

use serde_json::Value;

use crate::causes::{Seen, recognise};
use crate::cloud::azure_ml::{MORE_QUOTA, codes, lacks_quota, said};
use crate::code::Code;
use crate::failure::Failure;

/// What failed.
pub(super) struct Wrong<'a> {
    /// Such as ``deployment `green` of endpoint `wine` ``.
    pub(super) what: &'a str,
    pub(super) instance_type: &'a str,
    pub(super) instances: u32,
    /// Azure's error. Untrusted.
    pub(super) error: &'a Value,
    /// The end of the container's log. Untrusted.
    pub(super) log: &'a [String],
}

/// The failure, with the cause that the log shows where it is one that we know.
pub(super) fn failed(wrong: &Wrong<'_>) -> Failure {
    let (codes, said) = (codes(wrong.error), said(wrong.error));
    let quota = lacks_quota(&codes, &said).then(|| out_of_quota(wrong));
    let meaning = quota.or_else(|| codes.iter().find_map(|code| meaning(code, &said, wrong)));
    let seen = Seen {
        container: &Value::Null,
        pod: &Value::Null,
        log: wrong.log,
        events: &[],
    };
    let cause = (!wrong.log.is_empty()).then(|| recognise(&seen)).flatten();
    let (code, why, help) = match (meaning, cause) {
        // A container that runs and ends knows better than Azure why.
        (Some((Code::NotReady, ..)) | None, Some(cause)) => {
            let code = cause.code.unwrap_or(Code::EndpointFailed);
            (
                code,
                format!("the container fails: {}", cause.what),
                cause.help,
            )
        }
        (Some((code, why, help)), _) => (code, why, Some(help)),
        (None, None) => (
            Code::EndpointFailed,
            match codes.first() {
                Some(code) => format!("Azure says `{code}`"),
                None => "Azure gives no reason".to_owned(),
            },
            None,
        ),
    };
    let failure = Failure::new(code, format!("{} failed: {why}", wrong.what));
    let failure = match help {
        Some(help) => failure.help(help),
        None => failure,
    };
    let first = codes.first().cloned().unwrap_or_default();
    failure.evidence((!said.is_empty()).then(|| format!("{first}: {said}")))
}

fn machines(wrong: &Wrong<'_>) -> String {
    format!("{} x `{}`", wrong.instances, wrong.instance_type)
}

fn out_of_quota(wrong: &Wrong<'_>) -> (Code, String, String) {
    let why = format!("the quota does not suffice for {}", machines(wrong));
    (Code::QuotaExceeded, why, MORE_QUOTA.to_owned())
}

/// Code, cause and advice for one of Azure's codes; `None`: it says nothing by itself.
fn meaning(code: &str, said: &str, wrong: &Wrong<'_>) -> Option<(Code, String, String)> {
    let pull = {
        let said = said.to_lowercase();
        ["pull", "container image", "container registry", "acrpull"]
            .iter()
            .any(|word| said.contains(word))
    };
    // Azure has more than one code for a container that ended or was killed; its words tell it.
    let dead = said.contains("container has crashed or terminated");
    let (code, why, help) = match code {
        "BadArgument" | "UserError" if dead => return meaning("ResourceNotReady", said, wrong),
        "OutOfCapacity" => (
            Code::QuotaExceeded,
            format!("the region has no machines left for {}", machines(wrong)),
            "choose another `instance-type`, or run again later",
        ),
        "ImageBuildFailure" => (
            Code::EndpointFailed,
            "Azure could not make the environment of the image".to_owned(),
            "read the log of the build in the workspace; behind a virtual network the workspace needs a compute to build on (`image-build-compute`)",
        ),
        "ImagePullFailure"
        | "ImagePullLoopBackOff"
        | "ImagePullUnauthorized"
        | "ACRSecretError"
        | "ACRAuthenticationChallengeFailed"
        | "ACRTokenExchangeFailed" => (
            Code::PullDenied,
            "the endpoint's identity cannot pull the image".to_owned(),
            "give the endpoint's identity the role 'AcrPull' on the registry; a registry that is not Azure's must be public, or connected to the workspace",
        ),
        "BadArgument" | "UserError" | "InferenceServerError" | "ResourceNotFound" if pull => (
            Code::PullDenied,
            "Azure cannot pull the image".to_owned(),
            "give the endpoint's identity the role 'AcrPull' on the registry; a registry that is not Azure's must be public, or connected to the workspace",
        ),
        "ResourceNotReady"
        | "DeploymentCrashLoopBackOff"
        | "KubernetesCrashLoopBackOff"
        | "UserScriptInitFailed"
        | "UserScriptImportError"
        | "ContainerCrash" => (
            Code::NotReady,
            "the container ended, or did not answer its health path".to_owned(),
            "read its log above; `health-path` and `port` must be those of the image, and a model that loads for long needs a longer `startup-timeout`",
        ),
        "OperationCanceled" | "OperationCancelled" => (
            Code::EndpointFailed,
            "Azure gave it up for something else".to_owned(),
            "run again; let only one job deploy to an endpoint at a time",
        ),
        "WorkspaceManagedNetworkNotReady" => (
            Code::EndpointFailed,
            "the workspace's managed network is not made yet".to_owned(),
            "make it, once: az ml workspace provision-network --resource-group GROUP --name WORKSPACE",
        ),
        "SecretsInjectionError" => (
            Code::EndpointFailed,
            "secrets of the workspace could not be read".to_owned(),
            "give the endpoint's identity the role 'Azure Machine Learning Workspace Connection Secrets Reader'",
        ),
        "InternalServerError" => (
            Code::EndpointFailed,
            "an error inside Azure".to_owned(),
            "run again; if it stays, ask Azure's support with the time and the endpoint's name",
        ),
        "AuthorizationFailed" | "AuthorizationError" => (
            Code::CloudDenied,
            "the endpoint's own identity lacks a right".to_owned(),
            "give it 'AcrPull' on the workspace's registry and 'Storage Blob Data Reader' on its storage",
        ),
        _ => return None,
    };
    Some((code, why, help.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(error: &Value, log: &[&str]) -> crate::diagnostic::Diagnostic {
        let log: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
        let wrong = Wrong {
            what: "deployment `green` of endpoint `wine`",
            instance_type: "Standard_DS3_v2",
            instances: 2,
            error,
            log: &log,
        };
        failed(&wrong).into_findings().remove(0)
    }

    #[test]
    fn azures_codes_are_told_in_words() {
        for (code, ours, words) in [
            ("OutOfQuota", Code::QuotaExceeded, "2 x `Standard_DS3_v2`"),
            (
                "ImageBuildFailure",
                Code::EndpointFailed,
                "environment of the image",
            ),
            ("ImagePullLoopBackOff", Code::PullDenied, "cannot pull"),
            ("ResourceNotReady", Code::NotReady, "health path"),
            ("OperationCanceled", Code::EndpointFailed, "gave it up"),
            (
                "WorkspaceManagedNetworkNotReady",
                Code::EndpointFailed,
                "not made yet",
            ),
        ] {
            // The outer code is what Azure writes whatever happened.
            let error =
                json!({"code": "UserError", "message": "It failed.", "details": [{"code": code}]});
            let found = of(&error, &[]);
            assert_eq!(found.code, ours, "{code}");
            assert!(found.message.contains(words), "{}", found.message);
            assert_eq!(found.evidence, [format!("{code}: It failed.")]);
        }
        let words = json!({"code": "BadRequest", "message": "Not enough quota available for Standard_DS3_v2."});
        let quota = of(&words, &[]);
        assert_eq!(quota.code, Code::QuotaExceeded);
        assert!(
            quota
                .message
                .ends_with("the quota does not suffice for 2 x `Standard_DS3_v2`")
        );
        assert!(quota.advice().contains("ask for more quota"));
        let pull =
            json!({"code": "BadArgument", "message": "Unable to download user container image"});
        assert_eq!(of(&pull, &[]).code, Code::PullDenied);
        let killed = json!({"code": "BadArgument", "message": "User container has crashed or terminated: Liveness probe failed: HTTP probe failed with statuscode: 502."});
        let killed = of(&killed, &[]);
        assert_eq!(killed.code, Code::NotReady);
        assert!(killed.advice().contains("`startup-timeout`"));
        let registry = json!({"code": "ResourceNotFound", "message": "Container Registry authorization error"});
        assert_eq!(of(&registry, &[]).code, Code::PullDenied);
        let other = json!({"code": "ResourceNotFound", "message": "The storage account is gone."});
        assert_eq!(of(&other, &[]).code, Code::EndpointFailed);
    }

    #[test]
    fn the_log_knows_better_why_a_container_ended() {
        let log = [
            "Traceback (most recent call last):",
            "  File \"/app/serve.py\", line 1, in <module>",
            "    import sklearn",
            "ModuleNotFoundError: No module named 'sklearn'",
        ];
        let error = json!({"code": "ResourceNotReady", "message": "User container has crashed."});
        let found = of(&error, &log);
        assert_eq!(found.code, Code::ModuleMissing);
        assert!(
            found.message.contains("No module named 'sklearn'"),
            "{}",
            found.message
        );
        // Of a quota the log knows nothing.
        let error = json!({"code": "OutOfQuota", "message": "No."});
        assert_eq!(of(&error, &log).code, Code::QuotaExceeded);
    }

    #[test]
    fn an_unknown_code_is_quoted() {
        let found = of(&json!({"code": "Odd", "message": "m"}), &[]);
        assert!(found.message.ends_with("Azure says `Odd`"));
        assert!(of(&Value::Null, &[]).message.ends_with("gives no reason"));
    }
}
