//! The part of the plan that builds and pushes: names, tags, login, build arguments and secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::super::*;
use super::values::{self, pairs};
use super::{Places, Resolver};
use crate::cloud::Clouds;
use crate::context::Workspace;
use crate::host::Kind;
use crate::registry::{Plain, Reference};

impl Resolver<'_> {
    pub(super) fn reference(&mut self, name: &str, text: Option<&str>) -> Option<Reference> {
        match text?.trim().parse() {
            Ok(reference) => Some(reference),
            Err(why) => {
                self.invalid(
                    name,
                    format!(
                        "is `{}`, which is no image reference: it {why}",
                        text.unwrap_or_default()
                    ),
                );
                None
            }
        }
    }

    /// The login, for the registry of the image that is pushed, else of the one that is deployed.
    pub(super) fn login(
        &mut self,
        image: Option<&Reference>,
        places: &Places,
        clouds: Arc<Clouds>,
    ) -> RegistryLogin {
        RegistryLogin {
            password: self.password(image),
            job: self.job_login(places),
            clouds,
            plain: Plain::default(),
        }
    }

    /// What the place gives its jobs: GitHub its token for its own registry, GitLab a password for its own.
    fn job_login(&self, places: &Places) -> Option<RegistryPassword> {
        match self.host.kind {
            Kind::GitHub => Some(RegistryPassword {
                host: of_github(places.environment.get("GITHUB_SERVER_URL")),
                // The registry looks at the token alone.
                username: places
                    .environment
                    .get("GITHUB_ACTOR")
                    .unwrap_or("token")
                    .to_owned(),
                password: self.inputs.github_token.clone()?,
            }),
            Kind::GitLab => Some(RegistryPassword {
                host: places.environment.get("CI_REGISTRY")?.to_owned(),
                username: places.environment.get("CI_REGISTRY_USER")?.to_owned(),
                password: places.environment.secret("CI_REGISTRY_PASSWORD")?,
            }),
            Kind::Jenkins | Kind::Terminal => None,
        }
    }

    fn password(&mut self, image: Option<&Reference>) -> Option<RegistryPassword> {
        let host = image.map_or("", Reference::host).to_owned();
        match (
            self.inputs.registry_username.clone(),
            self.inputs.registry_password.clone(),
        ) {
            (Some(username), Some(password)) => Some(RegistryPassword {
                host,
                username,
                password,
            }),
            (Some(_), None) => {
                self.missing(
                    "registry-password",
                    "`registry-username` is set, and a secret that is not set arrives empty",
                );
                None
            }
            (None, Some(_)) => {
                self.missing("registry-username", "`registry-password` is set");
                None
            }
            (None, None) => None,
        }
    }

    /// The tags of the image: those of `tags`, else the one that stands in `image`, else the commit.
    pub(super) fn tags(&mut self, image: Option<&Reference>) -> Vec<String> {
        let mut tags = values::list(&self.inputs.tags, true);
        if image.is_some_and(|image| image.digest().is_some()) {
            self.invalid(
                "image",
                "has a digest, which only the push can give; name an image that exists with `image-ref`",
            );
        }
        if let Some(tag) = image.and_then(Reference::tag) {
            if tags.is_empty() {
                tags.push(tag.to_owned());
            } else if !tags.iter().any(|listed| listed == tag) {
                self.invalid(
                    "image",
                    format!(
                        "has the tag `{tag}`, which is not among `tags`; give tags in one place"
                    ),
                );
            }
        }
        for tag in &tags {
            if let Err(why) = crate::registry::check_tag(tag) {
                self.invalid("tags", format!("cannot be used: {why}"));
            }
        }
        if tags.is_empty() {
            let commit = self
                .host
                .commit
                .as_deref()
                .map(|commit| commit.chars().take(12).collect());
            tags.push(commit.unwrap_or_else(|| "latest".to_owned()));
        }
        tags
    }

    pub(super) fn build(
        &mut self,
        workspace: &Workspace,
        repository: Reference,
        login: Option<RegistryLogin>,
        tags: &[String],
        secrets: &[SecretString],
    ) -> Option<BuildSpec> {
        let inputs = self.inputs;
        let context = workspace.folder.join(&inputs.context);
        if !context.is_dir() {
            self.invalid(
                "context",
                format!("names `{}`, which is no folder", inputs.context),
            );
        }
        let platforms = values::list(&inputs.platforms, true);
        if platforms.len() > 1 {
            self.invalid(
                "platforms",
                "names several platforms; one at a time can be built and tried on this engine",
            );
        }
        let args = self.pairs("build-args", &inputs.build_args);
        let labels = self.pairs("labels", &inputs.labels);
        for (name, pairs) in [("build-args", &args), ("labels", &labels)] {
            for one in readable::known(pairs, secrets) {
                let finding = readable::refusal(name, one).at(self.place(name));
                self.findings.push(finding);
            }
        }
        Some(BuildSpec {
            context,
            dockerfile: workspace.dockerfile.clone(),
            target: inputs.build_target.clone(),
            args,
            labels,
            secrets: self.build_secrets(),
            platform: platforms.into_iter().next(),
            cache_from: values::list(&inputs.cache_from, false),
            repository,
            login,
            tags: tags.to_vec(),
            source: self.host.source.clone(),
            commit: self.host.commit.clone(),
            created: self.host.made,
            early_layers: inputs.early_layers,
        })
    }

    /// An image for another processor than that of the machines that will run it would be refused after the training.
    pub(super) fn built_for(&mut self, architecture: &str, machines: &str) {
        let platforms = values::list(&self.inputs.platforms, true);
        let given = platforms.first().filter(|_| self.deploys);
        let parts = given.and_then(|given| given.split('/').nth(1));
        if let Some(given) = given
            && parts.is_some_and(|other| other != architecture)
        {
            self.invalid(
                "platforms",
                format!("is `{given}`, and {machines} run linux/{architecture}"),
            );
        }
    }

    pub(super) fn pairs(&mut self, name: &str, lines: &[String]) -> BTreeMap<String, String> {
        match pairs(&values::list(lines, false)) {
            Ok(pairs) => pairs.into_iter().collect(),
            Err(line) => {
                self.invalid(name, format!("has the line `{line}`, expected NAME=value"));
                BTreeMap::new()
            }
        }
    }

    pub(super) fn build_secrets(&mut self) -> BTreeMap<String, SecretString> {
        let mut secrets = BTreeMap::new();
        for block in &self.inputs.secrets {
            for line in block
                .expose_secret()
                .lines()
                .filter(|line| !line.trim().is_empty())
            {
                match line.split_once('=') {
                    Some((id, value)) if !id.trim().is_empty() => {
                        drop(secrets.insert(id.trim().to_owned(), value.into()));
                    }
                    _ => self.invalid(
                        "secrets",
                        "has a line without `=`, expected ID=value (the line is not shown)",
                    ),
                }
            }
        }
        secrets
    }
}

/// The registry of the instance of GitHub that a job runs on.
/// Source: docs.github.com/enterprise-server "Working with the Container registry": `containers.HOSTNAME`.
fn of_github(server: Option<&str>) -> String {
    let url = server.and_then(|server| server.parse::<reqwest::Url>().ok());
    let Some((url, host)) = url.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
        return "ghcr.io".to_owned();
    };
    match (host, url.port()) {
        ("github.com", _) => "ghcr.io".to_owned(),
        (host, None) => format!("containers.{host}"),
        (host, Some(port)) => format!("containers.{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_of_github_has_its_own_registry() {
        for (server, registry) in [
            (None, "ghcr.io"),
            (Some("https://github.com"), "ghcr.io"),
            (Some("https://wine.ghe.com"), "containers.wine.ghe.com"),
            (
                Some("https://git.example:8443/"),
                "containers.git.example:8443",
            ),
        ] {
            assert_eq!(of_github(server), registry);
        }
    }
}
