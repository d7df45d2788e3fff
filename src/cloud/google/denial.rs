//! What Google's refusals mean, in words that help: which right or setting is missing, and what stands in the job's token. Pure.
//! Sources: cloud.google.com/iam/docs/troubleshooting-workload-identity-federation, RFC 6749 §5.2.

use jiff::SignedDuration;
use serde_json::Value;

use super::super::oidc::Claims;
use crate::code::Code;
use crate::failure::Failure;

/// What was exchanged.
pub(super) struct Exchange<'a> {
    /// `//iam.googleapis.com/projects/…/providers/…`.
    pub(super) audience: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) claims: &'a Claims,
}

impl Exchange<'_> {
    /// `projects/…/providers/…`.
    fn provider(&self) -> &str {
        self.audience.trim_start_matches("//iam.googleapis.com/")
    }
}

/// What Google said, from either form of its errors.
fn said(body: &Value) -> String {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let words = text("/error_description")
        .or_else(|| text("/error/message"))
        .or_else(|| text("/error"));
    let words = words.unwrap_or("it gives no reason").split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// A key or a person that is not let in. `tried` completes "failed to …"; `ahead` is how far our clock is ahead of theirs.
pub(super) fn denied(
    tried: &str,
    place: &str,
    status: u16,
    body: &Value,
    ahead: Option<SignedDuration>,
) -> Failure {
    let said = said(body);
    let lower = said.to_lowercase();
    let has = |text: &str| lower.contains(text);
    let help = if has("signature") {
        format!(
            "the key of {place} was deleted or is of another account: make a new one, or do without stored keys (`workload-identity-provider`, docs/google.md)"
        )
    } else if has("short-lived") || has("iat and exp") {
        clock(ahead)
    } else if has("account not found") || has("disabled") {
        "the service account was deleted or disabled: enable it, or name another".to_owned()
    } else if body.get("error").and_then(Value::as_str) == Some("invalid_grant") {
        format!("what {place} holds is not valid any more: make it anew")
    } else {
        format!("check what {place} holds")
    };
    Failure::new(
        Code::CloudDenied,
        format!("failed to {tried}: {said} ({status})"),
    )
    .help(help)
}

/// What to do about a clock.
fn clock(ahead: Option<SignedDuration>) -> String {
    let Some(ahead) = ahead.filter(|ahead| ahead.abs() > SignedDuration::from_secs(60)) else {
        return "the clock of this machine is wrong: set it".to_owned();
    };
    let (by, way) = (
        SignedDuration::from_secs(ahead.abs().as_secs()),
        ahead.is_positive(),
    );
    let way = if way { "ahead of" } else { "behind" };
    format!("the clock of this machine is {by:#} {way} Google's: set it")
}

/// A token of the job that the provider does not take.
pub(super) fn denied_exchange(asked: &Exchange<'_>, status: u16, body: &Value) -> Failure {
    let said = said(body);
    let lower = said.to_lowercase();
    let has = |text: &str| lower.contains(text);
    let error = body.get("error").and_then(Value::as_str);
    let provider = asked.provider();
    let help = if has("attribute condition") {
        "the provider's attribute condition does not take this job: compare it with the subject above".to_owned()
    } else if has("attribute") || has("mapping") {
        "the provider's attribute mapping does not fit this job's token: `google.subject` must be mapped from `assertion.sub`".to_owned()
    } else if has("audience") && error != Some("invalid_target") {
        format!(
            "let the provider take the audience `https:{}`, which it does when it lists none of its own",
            asked.audience
        )
    } else if has("issuer") {
        format!(
            "the provider must name the issuer `{}`",
            asked.claims.issuer
        )
    } else if error == Some("invalid_target") {
        format!(
            "there is no provider `{provider}` that is enabled: correct `workload-identity-provider`; it has the project's number, not its name"
        )
    } else if has("expired") || has("stale") {
        "the token was made before the job began its work: run this step nearer to the start of the job, or let it ask for tokens itself (`workload-identity-provider`)".to_owned()
    } else {
        format!("compare the provider `{provider}` with the job's token above; docs/google.md")
    };
    Failure::new(
        Code::CloudDenied,
        format!(
            "failed to exchange the job's identity token at Google: {said} ({status}); the token has {}",
            asked.claims
        ),
    )
    .help(help)
}

/// A service account that the job may not act as.
pub(super) fn denied_impersonation(asked: &Exchange<'_>, status: u16, body: &Value) -> Failure {
    let said = said(body);
    let lower = said.to_lowercase();
    let account = asked.account.unwrap_or("?");
    let help = if lower.contains("has not been used") || lower.contains("is disabled") {
        "enable the IAM Service Account Credentials API (iamcredentials.googleapis.com) in the project of the service account".to_owned()
    } else if status == 404 {
        format!("there is no service account `{account}`: correct `service-account`")
    } else {
        format!(
            "give `{}` the role Workload Identity User (`roles/iam.workloadIdentityUser`) on the service account `{account}`",
            member(asked.audience, asked.claims)
        )
    };
    Failure::new(
        Code::CloudDenied,
        format!(
            "failed to get a token of Google's service account `{account}`: {said} ({status}); the job's token has {}",
            asked.claims
        ),
    )
    .help(help)
}

/// How policies name what the provider takes for this job: its repository, when that is known, else its very subject.
pub(super) fn member(audience: &str, claims: &Claims) -> String {
    let provider = audience.trim_start_matches("//iam.googleapis.com/");
    let pool = provider.split("/providers/").next().unwrap_or(provider);
    match repository(&claims.subject) {
        Some((attribute, name)) => {
            format!("principalSet://iam.googleapis.com/{pool}/attribute.{attribute}/{name}")
        }
        None => format!(
            "principal://iam.googleapis.com/{pool}/subject/{}",
            claims.subject
        ),
    }
}

/// The attribute and the repository in a subject of GitHub (`repo:owner/name:…`, with ids behind `@` in newer ones) or of GitLab
/// (`project_path:group/name:…`).
fn repository(subject: &str) -> Option<(&'static str, String)> {
    let mut parts = subject.split(':');
    let attribute = match parts.next()? {
        "repo" => "repository",
        "project_path" => "project_path",
        _ => return None,
    };
    let without_id = |part: &str| part.split('@').next().unwrap_or(part).to_owned();
    let name: Vec<_> = parts.next()?.split('/').map(without_id).collect();
    (name.len() > 1).then(|| (attribute, name.join("/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AUDIENCE: &str = "//iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci/providers/github";

    fn claims(subject: &str) -> Claims {
        Claims {
            subject: subject.to_owned(),
            audience: "a".to_owned(),
            issuer: "https://issuer.example".to_owned(),
        }
    }

    fn said(failure: &Failure) -> String {
        let finding = failure.findings().next().unwrap();
        format!("{} | {}", finding.message, finding.advice())
    }

    #[test]
    fn members_are_named_as_policies_name_them() {
        let pool = "iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci";
        for (subject, expected) in [
            (
                "repo:org/wine:ref:refs/heads/main",
                "principalSet://{pool}/attribute.repository/org/wine",
            ),
            (
                "repo:org@1/wine@22:environment:production",
                "principalSet://{pool}/attribute.repository/org/wine",
            ),
            (
                "project_path:a/b/c:ref_type:branch:ref:main",
                "principalSet://{pool}/attribute.project_path/a/b/c",
            ),
            ("somebody", "principal://{pool}/subject/somebody"),
        ] {
            let expected = expected.replace("{pool}", pool);
            assert_eq!(member(AUDIENCE, &claims(subject)), expected);
        }
    }

    #[test]
    fn refused_exchanges_say_what_to_compare() {
        let claims = claims("repo:org/wine:pull_request");
        let asked = Exchange {
            audience: AUDIENCE,
            account: Some("ci@wine"),
            claims: &claims,
        };
        for (error, description, expected) in [
            (
                "unauthorized_client",
                "The given credential is rejected by the attribute condition.",
                "compare it with the subject",
            ),
            (
                "invalid_grant",
                "The audience in ID Token [x] does not match the expected audience.",
                "let the provider take the audience `https://iam.googleapis.com/projects/12",
            ),
            (
                "invalid_grant",
                "The issuer in ID Token does not match the expected ones.",
                "the issuer `https://issuer.example`",
            ),
            (
                "invalid_target",
                "The target service indicated by the \"audience\" parameters is invalid.",
                "there is no provider `projects/12",
            ),
            ("invalid_request", "what?", "docs/google.md"),
        ] {
            let body = json!({"error": error, "error_description": description});
            let said = said(&denied_exchange(&asked, 400, &body));
            assert!(said.contains(expected), "{said}");
            assert!(
                said.contains("subject `repo:org/wine:pull_request`"),
                "{said}"
            );
        }
        let body = json!({"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).", "status": "PERMISSION_DENIED"}});
        let said = said(&denied_impersonation(&asked, 403, &body));
        assert!(
            said.contains("attribute.repository/org/wine")
                && said.contains("roles/iam.workloadIdentityUser"),
            "{said}"
        );
    }

    #[test]
    fn refused_keys_say_what_is_wrong_with_them() {
        for (description, expected) in [
            ("Invalid JWT Signature.", "was deleted"),
            (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
                "clock",
            ),
            ("Invalid grant: account not found", "deleted or disabled"),
            ("Token has been expired or revoked.", "make it anew"),
        ] {
            let body = json!({"error": "invalid_grant", "error_description": description});
            let said = said(&denied("log in", "input `x`", 400, &body, None));
            assert!(said.contains(expected), "{said}");
        }
        let hours = |hours| clock(Some(SignedDuration::from_hours(hours)));
        assert!(hours(2).contains("is 2h ahead of Google's") && hours(-3).contains("3h behind"));
        assert!(clock(Some(SignedDuration::from_secs(2))).contains("is wrong"));
    }
}
