//! Azure's clouds and where each is asked: the world's, China's, and that of the United States' government. Pure.
//! Source: the table of `az cloud list`, learn.microsoft.com "Workload identity federation" (audiences).

use super::super::environment::Environment;
use crate::cloud::spec::{AzureEnvironment, AzureSpec};

/// Where one of Azure's clouds is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// Who hands out tokens, without a slash at the end.
    pub(super) authority: String,
    /// Resource Manager, without a slash at the end.
    pub(super) resource_manager: String,
    /// What a token for a registry is asked for.
    pub(super) registry_scope: String,
    /// What the job's own token must be made for.
    pub(super) audience: &'static str,
}

impl Endpoints {
    /// Those of the inputs, else of the surroundings, else the world's. `creds` may name servers of its own, as Azure Stack's.
    pub(super) fn new(spec: &AzureSpec, surroundings: &Environment) -> Self {
        let told = surroundings.get("AZURE_AUTHORITY_HOST").map(bare);
        let named = spec.authority.as_deref().map(bare);
        let cloud = spec.environment.or_else(|| {
            let authority = named.as_deref().or(told.as_deref());
            authority.and_then(of_authority)
        });
        let (authority, resource_manager, audience) =
            known(cloud.unwrap_or(AzureEnvironment::Public));
        let resource_manager = match &spec.resource_manager {
            Some(url) => bare(url),
            None => resource_manager.to_owned(),
        };
        let registry_scope = match cloud {
            // Registries may refuse tokens that are good for all of Resource Manager; this one is good for registries only.
            None | Some(AzureEnvironment::Public) => {
                "https://containerregistry.azure.net/.default".to_owned()
            }
            Some(_) => format!("{resource_manager}/.default"),
        };
        let authority = match (named, spec.environment) {
            (Some(url), _) => url,
            (None, None) => told.unwrap_or_else(|| authority.to_owned()),
            (None, Some(_)) => authority.to_owned(),
        };
        Self {
            authority,
            resource_manager,
            registry_scope,
            audience,
        }
    }
}

/// Authority, Resource Manager and audience of a cloud.
fn known(cloud: AzureEnvironment) -> (&'static str, &'static str, &'static str) {
    match cloud {
        AzureEnvironment::Public => (
            "https://login.microsoftonline.com",
            "https://management.azure.com",
            "api://AzureADTokenExchange",
        ),
        AzureEnvironment::China => (
            "https://login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
        ),
        AzureEnvironment::UsGovernment => (
            "https://login.microsoftonline.us",
            "https://management.usgovcloudapi.net",
            "api://AzureADTokenExchangeUSGov",
        ),
    }
}

/// The cloud whose authority this is.
fn of_authority(url: &str) -> Option<AzureEnvironment> {
    let all = [
        AzureEnvironment::Public,
        AzureEnvironment::China,
        AzureEnvironment::UsGovernment,
    ];
    all.into_iter().find(|cloud| known(*cloud).0 == url)
}

fn bare(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// The name of a registry as a resource, by the host where it answers. No name has a hyphen; what stands behind one is Azure's own
/// (`wine-a1b2c3.azurecr.io`).
pub(super) fn registry_name(host: &str) -> &str {
    host.split(['.', '-']).next().unwrap_or(host)
}

/// Whether a registry is one of Azure's, by its name.
pub(super) fn is_registry(host: &str) -> bool {
    [".azurecr.io", ".azurecr.cn", ".azurecr.us"]
        .iter()
        .any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> Environment {
        let list: Vec<_> = list
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Environment::new(&list)
    }

    #[test]
    fn each_cloud_has_its_own_servers() {
        let none = variables(&[]);
        let of = |environment| {
            let spec = AzureSpec {
                environment,
                ..AzureSpec::default()
            };
            let found = Endpoints::new(&spec, &none);
            [
                found.authority,
                found.resource_manager,
                found.registry_scope,
                found.audience.to_owned(),
            ]
        };
        let public = [
            "https://login.microsoftonline.com",
            "https://management.azure.com",
            "https://containerregistry.azure.net/.default",
            "api://AzureADTokenExchange",
        ];
        assert_eq!(of(None), public);
        assert_eq!(of(Some(AzureEnvironment::Public)), public);
        assert_eq!(
            of(Some(AzureEnvironment::China)),
            [
                "https://login.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
                "https://management.chinacloudapi.cn/.default",
                "api://AzureADTokenExchangeChina",
            ]
        );
        assert_eq!(
            of(Some(AzureEnvironment::UsGovernment)),
            [
                "https://login.microsoftonline.us",
                "https://management.usgovcloudapi.net",
                "https://management.usgovcloudapi.net/.default",
                "api://AzureADTokenExchangeUSGov",
            ]
        );
        // The variable that Azure's own libraries know names the cloud too.
        let told = variables(&[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")]);
        let government = Endpoints::new(&AzureSpec::default(), &told);
        assert_eq!(government.authority, "https://login.microsoftonline.us");
        assert_eq!(
            government.resource_manager,
            "https://management.usgovcloudapi.net"
        );
    }

    #[test]
    fn servers_of_creds_win() {
        let spec = AzureSpec {
            authority: Some("https://login.stack.example/".to_owned()),
            resource_manager: Some("https://management.stack.example/".to_owned()),
            ..AzureSpec::default()
        };
        let told = variables(&[("AZURE_AUTHORITY_HOST", "https://other.example")]);
        let endpoints = Endpoints::new(&spec, &told);
        assert_eq!(endpoints.authority, "https://login.stack.example");
        assert_eq!(
            endpoints.resource_manager,
            "https://management.stack.example"
        );
    }

    #[test]
    fn creds_of_another_cloud_name_it() {
        // As `az ad sp create-for-rbac --json-auth` writes them there.
        let spec = AzureSpec {
            authority: Some("https://login.chinacloudapi.cn".to_owned()),
            resource_manager: Some("https://management.chinacloudapi.cn/".to_owned()),
            ..AzureSpec::default()
        };
        let endpoints = Endpoints::new(&spec, &variables(&[]));
        assert_eq!(
            endpoints.registry_scope,
            "https://management.chinacloudapi.cn/.default"
        );
        assert_eq!(endpoints.audience, "api://AzureADTokenExchangeChina");
    }

    #[test]
    fn registries_are_known_by_their_names() {
        assert!(is_registry("wine.azurecr.io") && is_registry("wine.azurecr.cn"));
        assert!(is_registry("wine.azurecr.us"));
        assert_eq!(registry_name("wine.azurecr.io"), "wine");
        assert_eq!(registry_name("wine-a1b2c3.azurecr.io"), "wine");
        assert!(!is_registry("azurecr.io.example") && !is_registry("ghcr.io"));
    }
}
