//! What Azure's authority means by its refusals: the numbers behind `AADSTS` in words, and what to do next. Pure.
//! Source: learn.microsoft.com "Microsoft Entra authentication and authorization error codes".

use serde_json::{Value, json};

use super::super::oidc::Claims;
use crate::code::Code;
use crate::failure::Failure;

/// Who asked for a token, and how.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) client_id: String,
    pub(super) tenant_id: String,
    pub(super) proof: Proof,
}

/// What was shown to prove it.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// A secret, and where it came from, such as ``input `creds` ``.
    Secret(&'static str),
    /// A token that somebody else has signed.
    Assertion(Claims),
}

/// The failure for an answer of the authority that is no token.
pub(super) fn denied(asker: &Asker, status: u16, answer: &Value) -> Failure {
    let said = answer.get("error_description").and_then(Value::as_str);
    let said = said.unwrap_or_default();
    let number = number(answer, said);
    let Asker {
        client_id,
        tenant_id,
        proof,
    } = asker;
    let (why, help) = match number {
        Some(700_016 | 700_011) => (
            "the tenant has no such application".to_owned(),
            format!(
                "correct the client ID, or the tenant ID if the application lives in another tenant: `az ad app show --id {client_id}`"
            ),
        ),
        Some(7_000_215) => (
            "the secret is wrong".to_owned(),
            format!(
                "give the secret's value, which Azure shows once, not its ID; a new one: `az ad app credential reset --id {client_id} --append`"
            ),
        ),
        Some(7_000_222) => (
            "the secret has expired".to_owned(),
            format!(
                "make a new one, `az ad app credential reset --id {client_id} --append`, or do without: docs/azure.md, \"without a stored secret\""
            ),
        ),
        Some(7_000_112) => (
            "the application is disabled".to_owned(),
            format!("let an administrator enable it: `az ad sp update --id {client_id} --set accountEnabled=true`"),
        ),
        Some(7_000_229) => (
            "the application has no service principal in the tenant".to_owned(),
            format!("make one: `az ad sp create --id {client_id}`"),
        ),
        Some(90_002 | 900_023) => (
            "there is no such tenant in this cloud".to_owned(),
            "correct the tenant ID (`az account show --query tenantId`), or set `azure-environment` when the tenant is in another cloud".to_owned(),
        ),
        Some(53_003) => (
            "a conditional access policy forbids it".to_owned(),
            "ask the tenant's administrator which policy for workload identities it is: often the runner's address is not among the allowed ones".to_owned(),
        ),
        Some(500_011) => (
            "the tenant does not know the service that the token is for".to_owned(),
            "see that the tenant has a subscription in this cloud, or set `azure-environment`".to_owned(),
        ),
        Some(700_024) => (
            "the job's token is not valid now".to_owned(),
            "see whether the runner's clock is right; a token of GitLab lives as long as the job's timeout".to_owned(),
        ),
        Some(70_021 | 700_211 | 700_212 | 700_213 | 7_002_137 | 7_002_138) => unmatched(client_id, proof, number),
        _ => (
            said.split(" Trace ID").next().filter(|text| !text.is_empty()).map_or_else(|| format!("it answers {status}"), one_line),
            "the number after AADSTS is explained at https://login.microsoftonline.com/error".to_owned(),
        ),
    };
    let number = number.map(|number| format!(" (AADSTS{number})"));
    let shown = match proof {
        Proof::Secret(place) => format!("with the secret of {place}"),
        Proof::Assertion(claims) => format!("with a token of {claims}"),
    };
    let message = format!(
        "failed to log in to Azure as application `{client_id}` of tenant `{tenant_id}` {shown}: {why}{}",
        number.unwrap_or_default()
    );
    let evidence = (!said.is_empty()).then(|| one_line(said));
    Failure::new(Code::CloudDenied, message)
        .help(help)
        .evidence(evidence)
}

/// No federated credential fits the job's token: what to add, as a line to paste.
fn unmatched(client_id: &str, proof: &Proof, number: Option<u64>) -> (String, String) {
    let Proof::Assertion(claims) = proof else {
        return (
            "no federated credential of the application fits".to_owned(),
            "see the application's federated credentials".to_owned(),
        );
    };
    let parameters = json!({
        "name": "ml-deploy",
        "issuer": claims.issuer,
        "subject": claims.subject,
        "audiences": [claims.audience],
    });
    // A branch's name is part of the subject, and anybody's.
    let parameters = shell_words::quote(&parameters.to_string()).into_owned();
    let why = if number == Some(7_002_138) {
        "a federated credential has the same subject but for upper and lower case, and these count"
    } else {
        "none of the application's federated credentials has exactly these"
    };
    (
        why.to_owned(),
        format!(
            "add one: az ad app federated-credential create --id {client_id} --parameters {parameters}"
        ),
    )
}

/// The first number: of the list, else of the text.
fn number(answer: &Value, said: &str) -> Option<u64> {
    let listed = answer.get("error_codes").and_then(|codes| codes.get(0));
    listed.and_then(Value::as_u64).or_else(|| {
        let digits = said.split_once("AADSTS")?.1;
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits.get(..end)?.parse().ok()
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(proof: Proof) -> Asker {
        Asker {
            client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            tenant_id: "contoso.onmicrosoft.com".to_owned(),
            proof,
        }
    }

    /// An answer as the authority writes it.
    fn refusal(number: u64, text: &str) -> Value {
        json!({
            "error": "invalid_client",
            "error_description": format!("AADSTS{number}: {text} Trace ID: 0f2e Correlation ID: 77aa Timestamp: 2026-01-02 03:04:05Z"),
            "error_codes": [number],
        })
    }

    fn of(proof: Proof, number: u64) -> crate::diagnostic::Diagnostic {
        denied(&asker(proof), 401, &refusal(number, "Something."))
            .into_findings()
            .remove(0)
    }

    #[test]
    fn the_numbers_are_told_in_words() {
        for (number, why, help) in [
            (700_016, "no such application", "az ad app show"),
            (7_000_215, "the secret is wrong", "not its ID"),
            (7_000_222, "has expired", "credential reset"),
            (90_002, "no such tenant", "azure-environment"),
            (53_003, "conditional access", "administrator"),
            (700_011, "no such application", "az ad app show"),
            (500_011, "does not know the service", "azure-environment"),
        ] {
            let finding = of(Proof::Secret("input `creds`"), number);
            assert!(finding.message.contains(why), "{}", finding.message);
            assert!(finding.message.contains(&format!("(AADSTS{number})")));
            assert!(finding.advice().contains(help), "{}", finding.advice());
        }
    }

    #[test]
    fn a_missing_federated_credential_is_given_as_a_line_to_paste() {
        let claims = Claims {
            subject: "repo:org/wine:ref:refs/heads/it's-$(id)".to_owned(),
            audience: "api://AzureADTokenExchange".to_owned(),
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
        };
        let finding = of(Proof::Assertion(claims.clone()), 700_213);
        assert!(
            finding
                .message
                .contains("subject `repo:org/wine:ref:refs/heads/it's-$(id)`")
        );
        assert!(
            finding
                .message
                .contains("audience `api://AzureADTokenExchange`")
        );
        let words = shell_words::split(finding.advice().split_once(": ").unwrap().1).unwrap();
        let parameters: Value = serde_json::from_str(words.last().unwrap()).unwrap();
        assert_eq!(parameters["subject"], claims.subject.as_str());
        let other = of(Proof::Assertion(claims), 7_002_138);
        assert!(other.message.contains("upper and lower case"));
    }

    #[test]
    fn an_unknown_number_keeps_azures_own_words() {
        let finding = of(Proof::Secret("input `creds`"), 123);
        assert!(
            finding.message.contains("AADSTS123: Something."),
            "{}",
            finding.message
        );
        assert!(!finding.message.contains("Trace ID"));
        let failure = denied(&asker(Proof::Secret("input `creds`")), 418, &Value::Null);
        assert!(
            failure
                .findings()
                .next()
                .unwrap()
                .message
                .contains("answers 418")
        );
    }
}
