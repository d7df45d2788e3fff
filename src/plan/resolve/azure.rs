//! The part of the plan about Azure: which identity the inputs name. Nothing of `creds` but the names of its keys is ever shown.
//! Source of the JSON's form: azure/login, and `az ad sp create-for-rbac --json-auth`, which writes it.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::super::*;
use super::Resolver;
use crate::cloud::spec::pasted;

/// Keys without which nobody can log in.
const NEEDED: &[&str] = &["clientId", "clientSecret", "tenantId"];
const SUBSCRIPTION: &str = "subscriptionId";
const AUTHORITY: &str = "activeDirectoryEndpointUrl";
const RESOURCE_MANAGER: &str = "resourceManagerEndpointUrl";
/// Keys that `--json-auth` writes too and that nothing here needs.
const UNUSED: &[&str] = &[
    "activeDirectoryGraphResourceId",
    "sqlManagementEndpointUrl",
    "galleryEndpointUrl",
    "managementEndpointUrl",
];
/// What the same command writes without `--json-auth`.
const OTHER_FORM: &[&str] = &["appId", "password", "tenant"];

impl Resolver<'_> {
    /// The identity at Azure that the inputs name, and where it is asked.
    pub(super) fn azure(&mut self) -> AzureSpec {
        let inputs = self.inputs.azure.clone();
        let environment = self.azure_environment(inputs.azure_environment.as_deref());
        for (name, id) in [
            ("client-id", &inputs.client_id),
            ("subscription-id", &inputs.subscription_id),
        ] {
            if id.as_deref().is_some_and(|id| !is_guid(id)) {
                self.invalid(
                    name,
                    "is not an ID of Azure, such as 01234567-89ab-cdef-0123-456789abcdef",
                );
            }
        }
        let mut spec = AzureSpec {
            environment,
            ..AzureSpec::default()
        };
        match (inputs.creds, inputs.client_id, inputs.tenant_id) {
            (Some(creds), None, None) => match Principal::read(&creds) {
                Ok(principal) => {
                    spec = AzureSpec {
                        environment,
                        ..principal.spec()
                    };
                }
                Err(findings) => {
                    for finding in findings {
                        self.invalid("creds", finding);
                    }
                }
            },
            (Some(_), client, _) => {
                let other = client.map_or("tenant-id", |_| "client-id");
                self.both("creds", other, "only one of them can say who we are");
            }
            (None, Some(client_id), Some(tenant_id)) => {
                if !is_tenant(&tenant_id) {
                    self.invalid(
                        "tenant-id",
                        "is neither an ID of Azure nor a domain of the tenant",
                    );
                }
                spec.identity = Some(AzureIdentity::Federated {
                    client_id,
                    tenant_id,
                });
            }
            (None, Some(_), None) => self.missing("tenant-id", "`client-id` is set"),
            (None, None, Some(_)) => self.missing("client-id", "`tenant-id` is set"),
            (None, None, None) => {}
        }
        spec.subscription = inputs.subscription_id.or(spec.subscription);
        spec
    }

    fn azure_environment(&mut self, name: Option<&str>) -> Option<AzureEnvironment> {
        // As azure/login: upper and lower case do not matter.
        match name?.to_lowercase().as_str() {
            "azurecloud" => Some(AzureEnvironment::Public),
            "azurechinacloud" => Some(AzureEnvironment::China),
            "azureusgovernment" => Some(AzureEnvironment::UsGovernment),
            _ => {
                self.invalid(
                    "azure-environment",
                    format!(
                        "is `{}`, expected AzureCloud, AzureChinaCloud or AzureUSGovernment",
                        name.unwrap_or_default()
                    ),
                );
                None
            }
        }
    }
}

/// The secret inside of `creds`, to be hidden by itself too.
pub(super) fn secret_of(creds: &SecretString) -> Option<String> {
    let document: Value = serde_json::from_str(&pasted::json(creds.expose_secret())).ok()?;
    let secret = document.get("clientSecret").and_then(Value::as_str);
    secret.map(str::to_owned)
}

/// What `creds` says.
#[derive(Debug)]
struct Principal(Map<String, Value>);

impl Principal {
    /// Reads it; the findings complete "input `creds` …".
    fn read(creds: &SecretString) -> Result<Self, Vec<String>> {
        let text = pasted::json(creds.expose_secret());
        let document = match serde_json::from_str(&text) {
            Ok(Value::Object(document)) => document,
            Ok(_) => {
                return Err(vec![format!(
                    "is JSON, but not an object with {}{}",
                    all(NEEDED),
                    pasted::why_no_json(&text)
                )]);
            }
            // The parser's own words may quote what it read.
            Err(error) => {
                return Err(vec![format!(
                    "is not JSON at line {}, column {}{}; expected what `az ad sp create-for-rbac --json-auth` prints (the value is not shown)",
                    error.line(),
                    error.column(),
                    pasted::why_no_json(&text)
                )]);
            }
        };
        if OTHER_FORM.iter().all(|key| document.contains_key(*key)) {
            return Err(vec![
                "is what `az ad sp create-for-rbac` prints without `--json-auth`: write appId as `clientId`, password as `clientSecret`, tenant as `tenantId`".to_owned(),
            ]);
        }
        let principal = Self(document);
        let findings = principal.findings();
        if findings.is_empty() {
            Ok(principal)
        } else {
            Err(findings)
        }
    }

    fn findings(&self) -> Vec<String> {
        let mut findings: Vec<String> = self.0.keys().filter_map(|key| unknown(key)).collect();
        let lacking: Vec<&str> = NEEDED
            .iter()
            .copied()
            .filter(|key| self.text(key).is_none())
            .collect();
        if !lacking.is_empty() {
            let secret = lacking == ["clientSecret"];
            let hint = if secret {
                "; without a stored secret, set `client-id` and `tenant-id` instead"
            } else {
                ""
            };
            findings.push(format!("lacks {}{hint}", all(&lacking)));
        }
        let wrong =
            |key: &str, fits: fn(&str) -> bool| self.text(key).is_some_and(|text| !fits(text));
        for key in ["clientId", SUBSCRIPTION] {
            if wrong(key, is_guid) {
                findings.push(format!(
                    "has a `{key}` that is not an ID of Azure (the value is not shown)"
                ));
            }
        }
        if wrong("tenantId", is_tenant) {
            findings.push("has a `tenantId` that is neither an ID of Azure nor a domain (the value is not shown)".to_owned());
        }
        for key in [AUTHORITY, RESOURCE_MANAGER] {
            if wrong(key, may_carry_secrets) {
                findings.push(format!(
                    "has a `{key}` that is no https:// URL: a secret would be sent there readably"
                ));
            }
        }
        findings
    }

    fn text(&self, key: &str) -> Option<&str> {
        let text = self.0.get(key).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    fn spec(&self) -> AzureSpec {
        let owned = |key: &str| self.text(key).map(str::to_owned);
        let needed = |key: &str| owned(key).unwrap_or_default();
        AzureSpec {
            identity: Some(AzureIdentity::Secret {
                client_id: needed("clientId"),
                tenant_id: needed("tenantId"),
                secret: needed("clientSecret").into(),
            }),
            subscription: owned(SUBSCRIPTION),
            environment: None,
            authority: owned(AUTHORITY),
            resource_manager: owned(RESOURCE_MANAGER),
        }
    }
}

/// The finding for a key that nobody knows. What does not look like a name may be a secret that slipped.
fn unknown(key: &str) -> Option<String> {
    let known = NEEDED
        .iter()
        .chain(UNUSED)
        .chain(&[SUBSCRIPTION, AUTHORITY, RESOURCE_MANAGER]);
    if known.clone().any(|name| *name == key) {
        return None;
    }
    let name = key.len() <= 40
        && key
            .chars()
            .all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
    if !name {
        return Some("has a key that is no name (it is not shown)".to_owned());
    }
    let plain = key.replace(['_', '-'], "").to_lowercase();
    let score = |name: &&&str| strsim::normalized_damerau_levenshtein(&plain, &name.to_lowercase());
    let nearest = known.max_by(|a, b| score(a).total_cmp(&score(b)));
    let meant = nearest.filter(|name| score(name) > 0.6);
    let meant = meant.map(|name| format!("; did you mean `{name}`?"));
    Some(format!(
        "has the unknown key `{key}`{}",
        meant.unwrap_or_default()
    ))
}

fn all(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn is_tenant(text: &str) -> bool {
    let domain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
    };
    is_guid(text) || text.contains('.') && domain(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn read(text: &str) -> Result<Principal, Vec<String>> {
        Principal::read(&SecretString::from(text))
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().join("\n")
    }

    #[test]
    fn the_form_of_azure_login_is_read() {
        let text = format!(
            r#"{{"clientId":"{ID}","clientSecret":"s~3","subscriptionId":"{ID}","tenantId":"contoso.onmicrosoft.com",
            "activeDirectoryEndpointUrl":"http://127.0.0.1:4000/","managementEndpointUrl":"https://management.core.windows.net/"}}"#
        );
        let spec = read(&text).unwrap().spec();
        assert_eq!(spec.subscription.as_deref(), Some(ID));
        assert_eq!(spec.authority.as_deref(), Some("http://127.0.0.1:4000/"));
        assert!(matches!(spec.identity, Some(AzureIdentity::Secret { .. })));
        assert!(!format!("{spec:?}").contains("s~3"));
        use base64::Engine as _;
        let packed = base64::engine::general_purpose::STANDARD.encode(&text);
        assert!(read(&packed).is_ok());
        for text in [text, packed] {
            assert_eq!(secret_of(&text.into()).as_deref(), Some("s~3"));
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_its_values() {
        for (text, expected) in [
            ("hunter22-secret", "is not JSON at line 1"),
            ("\"hunter22-secret\"", "not an object"),
            ("{'clientSecret': 'hunter22-secret'}", "its quotes are `'`"),
            (
                r#"{"clientSecret":"hunter22-secret"}"#,
                "lacks `clientId`, `tenantId`",
            ),
            (
                r#"{"client_id":"hunter22-secret"}"#,
                "did you mean `clientId`?",
            ),
            (r#"{"hunter22-secret":1}"#, "no name (it is not shown)"),
            (
                r#"{"appId":"a","password":"hunter22-secret","tenant":"t"}"#,
                "without `--json-auth`",
            ),
            (
                r#"{"clientId":"hunter22-secret"}"#,
                "`clientId` that is not an ID",
            ),
            (
                r#"{"activeDirectoryEndpointUrl":"http://hunter22-secret.example"}"#,
                "no https:// URL",
            ),
        ] {
            let said = refused(text);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("hunter22"), "{said}");
        }
        let without = format!(r#"{{"clientId":"{ID}","tenantId":"{ID}"}}"#);
        assert!(refused(&without).contains("set `client-id`"));
    }

    #[test]
    fn ids_and_domains() {
        assert!(is_guid(ID) && is_tenant(ID) && is_tenant("contoso.example"));
        assert!(!is_guid("production") && !is_tenant("production") && !is_tenant("a.b/../c"));
    }
}
