//! Images and containers of the engine in types of our own. Containers carry whatever labels the caller gives.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HealthStatusEnum, HostConfig, PortBinding};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StopContainerOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::TryStreamExt as _;

use super::connect::Engine;
use super::silence::Heard;
use super::wire::{EngineError, auth_header, empty, quote};
use crate::plan::PublishedPort;
use crate::registry::{Credentials, Reference};

/// Bytes of a log that are kept.
const LONGEST_LOG: usize = 4 << 20;

/// A container to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerSpec {
    pub(crate) name: String,
    /// Reference or id.
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) env: Vec<(String, String)>,
    /// Instead of the image's ENTRYPOINT, and of its CMD too.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Instead of the image's CMD.
    pub(crate) command: Option<Vec<String>>,
    /// A host port of 0 lets the engine choose; read it back with `inspect_container`.
    pub(crate) ports: Vec<PublishedPort>,
    /// Start again after a crash and after a reboot, until it is stopped.
    pub(crate) restart: bool,
}

/// A container as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerState {
    /// `sha256:…` of the image's configuration.
    pub(crate) image_id: String,
    pub(crate) running: bool,
    pub(crate) restarts: u64,
    pub(crate) exit_code: Option<i64>,
    pub(crate) out_of_memory: bool,
    /// Why the engine could not start it.
    pub(crate) error: Option<String>,
    /// The verdict of its HEALTHCHECK; `None` without one or while it is still starting.
    pub(crate) healthy: Option<bool>,
    pub(crate) ports: Vec<PublishedPort>,
    /// Its own address on the engine's network.
    pub(crate) address: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl ContainerState {
    /// Where it may answer: the published address first, then its own, by which another container of the same engine reaches it
    /// (there, 127.0.0.1 is not the machine).
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let published = self.ports.iter().map(|port| match port.address.as_str() {
            "" | "0.0.0.0" | "::" => format!("http://127.0.0.1:{}", port.host),
            address if address.contains(':') => format!("http://[{address}]:{}", port.host),
            address => format!("http://{address}:{}", port.host),
        });
        let own = self.address.iter().zip(&self.ports);
        let own = own.map(|(address, port)| format!("http://{address}:{}", port.container));
        published.take(1).chain(own).collect()
    }
}

/// An image as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageInfo {
    /// `sha256:…` of its configuration.
    pub(crate) id: String,
    /// Uncompressed size in bytes.
    pub(crate) bytes: u64,
    /// `repository@sha256:…` of every registry it was pulled from or pushed to.
    pub(crate) digests: Vec<String>,
    /// TCP ports of EXPOSE.
    pub(crate) ports: Vec<u16>,
    pub(crate) labels: BTreeMap<String, String>,
    /// System and processor, such as `linux` and `amd64`.
    pub(crate) platform: Option<(String, String)>,
}

impl Engine {
    /// Pulls an image. An answer of the registry that refuses it is an `EngineError`.
    pub(crate) async fn pull(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> anyhow::Result<()> {
        let path = format!("/images/create?fromImage={}", quote(&reference.to_string()));
        let path = match (reference.tag(), reference.digest()) {
            // Without a tag the engine would pull every one.
            (None, None) => format!("{path}&tag=latest"),
            _ => path,
        };
        let story = || format!("failed to pull `{reference}`");
        let headers = auth_header(reference.host(), credentials)?;
        let mut messages = self
            .messages(&path, headers, empty(), Heard::now())
            .await
            .with_context(story)?;
        while messages.next().await.with_context(story)?.is_some() {}
        Ok(())
    }

    /// The image, by reference or id; `None` when the engine has none.
    pub(crate) async fn inspect_image(&self, image: &str) -> anyhow::Result<Option<ImageInfo>> {
        let story = || format!("failed to inspect the image `{image}`");
        let Some(found) = present(self.docker.inspect_image(image).await).with_context(story)?
        else {
            return Ok(None);
        };
        let config = found.config.unwrap_or_default();
        Ok(Some(ImageInfo {
            platform: found.os.zip(found.architecture),
            id: found.id.unwrap_or_default(),
            bytes: found
                .size
                .unwrap_or_default()
                .try_into()
                .unwrap_or_default(),
            digests: found.repo_digests.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            ports: config
                .exposed_ports
                .unwrap_or_default()
                .iter()
                .filter_map(|port| tcp(port))
                .collect(),
        }))
    }

    /// Adds a tag to an image.
    pub(crate) async fn tag_image(&self, image: &str, reference: &Reference) -> anyhow::Result<()> {
        let options = TagImageOptionsBuilder::new()
            .repo(&reference.repository())
            .tag(reference.tag().unwrap_or("latest"))
            .build();
        answered(self.docker.tag_image(image, Some(options)).await)
            .with_context(|| format!("failed to tag `{image}` as `{reference}`"))
    }

    /// Makes a container and returns its id.
    pub(crate) async fn create_container(&self, spec: &ContainerSpec) -> anyhow::Result<String> {
        let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
        for port in &spec.ports {
            let binding = PortBinding {
                host_ip: Some(port.address.clone()),
                host_port: Some(port.host.to_string()),
            };
            bindings
                .entry(format!("{}/tcp", port.container))
                .or_default()
                .get_or_insert_default()
                .push(binding);
        }
        let restart = spec.restart.then_some(bollard::models::RestartPolicy {
            name: Some(bollard::models::RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        });
        let body = ContainerCreateBody {
            image: Some(spec.image.clone()),
            labels: Some(spec.labels.clone().into_iter().collect()),
            entrypoint: spec.entrypoint.clone(),
            cmd: spec.command.clone(),
            env: Some(
                spec.env
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            ),
            exposed_ports: Some(bindings.keys().cloned().collect()),
            host_config: Some(HostConfig {
                port_bindings: Some(bindings),
                restart_policy: restart,
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new()
            .name(&spec.name)
            .build();
        let created = answered(self.patient().create_container(Some(options), body).await)
            .with_context(|| format!("failed to create the container `{}`", spec.name))?;
        Ok(created.id)
    }

    /// Starts a container, by id or name.
    pub(crate) async fn start_container(&self, container: &str) -> anyhow::Result<()> {
        answered(self.patient().start_container(container, None).await)
            .with_context(|| format!("failed to start the container `{container}`"))
    }

    /// Stops a container; it is killed after `seconds`. One that is gone or stopped is no error.
    pub(crate) async fn stop_container(&self, container: &str, seconds: u16) -> anyhow::Result<()> {
        let options = StopContainerOptionsBuilder::new()
            .t(i32::from(seconds))
            .build();
        present(
            self.patient()
                .stop_container(container, Some(options))
                .await,
        )
        .map(drop)
        .with_context(|| format!("failed to stop the container `{container}`"))
    }

    /// Gives a container another name.
    pub(crate) async fn rename_container(&self, container: &str, name: &str) -> anyhow::Result<()> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        answered(self.docker.rename_container(container, options).await)
            .with_context(|| format!("failed to rename the container `{container}` to `{name}`"))
    }

    /// Kills and removes a container with its anonymous volumes. One that is gone is no error.
    pub(crate) async fn remove_container(&self, container: &str) -> anyhow::Result<()> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        present(
            self.patient()
                .remove_container(container, Some(options))
                .await,
        )
        .map(drop)
        .with_context(|| format!("failed to remove the container `{container}`"))
    }

    /// The container, by id or name; `None` when there is none.
    pub(crate) async fn inspect_container(
        &self,
        container: &str,
    ) -> anyhow::Result<Option<ContainerState>> {
        let found = present(self.docker.inspect_container(container, None).await)
            .with_context(|| format!("failed to inspect the container `{container}`"))?;
        let Some(found) = found else { return Ok(None) };
        let state = found.state.unwrap_or_default();
        let healthy = match state.health.and_then(|health| health.status) {
            Some(HealthStatusEnum::HEALTHY) => Some(true),
            Some(HealthStatusEnum::UNHEALTHY) => Some(false),
            _ => None,
        };
        let running = state.running.unwrap_or_default();
        let network = found.network_settings.unwrap_or_default();
        Ok(Some(ContainerState {
            image_id: found.image.unwrap_or_default(),
            running,
            restarts: found
                .restart_count
                .unwrap_or_default()
                .try_into()
                .unwrap_or_default(),
            exit_code: state.exit_code.filter(|_| !running),
            out_of_memory: state.oom_killed.unwrap_or_default(),
            error: state.error.filter(|error| !error.is_empty()),
            healthy,
            ports: published(network.ports),
            address: network
                .networks
                .into_iter()
                .flatten()
                .filter_map(|(_, network)| network.ip_address)
                .find(|address| !address.is_empty()),
            labels: found
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }))
    }

    /// The last `lines` lines of both streams, oldest first. Untrusted text.
    pub(crate) async fn logs_tail(
        &self,
        container: &str,
        lines: u32,
    ) -> anyhow::Result<Vec<String>> {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut chunks = std::pin::pin!(self.docker.logs(container, Some(options)));
        let all = async {
            let mut text = Vec::new();
            while let Some(chunk) = chunks.try_next().await? {
                text.extend_from_slice(&chunk.into_bytes());
                // A line may be as long as whoever writes it likes; its end is what counts.
                if text.len() > 2 * LONGEST_LOG {
                    text.drain(..text.len() - LONGEST_LOG);
                }
            }
            Ok(text)
        };
        let text: Vec<u8> = tokio::time::timeout(self.docker.timeout(), all)
            .await
            .unwrap_or(Err(Error::RequestTimeoutError))
            .with_context(|| format!("failed to read the log of the container `{container}`"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// `8080/tcp` is 8080; other protocols do not serve HTTP.
fn tcp(port: &str) -> Option<u16> {
    match port.split_once('/') {
        Some((number, "tcp")) => number.parse().ok(),
        Some(_) => None,
        None => port.parse().ok(),
    }
}

fn published(ports: Option<HashMap<String, Option<Vec<PortBinding>>>>) -> Vec<PublishedPort> {
    let mut all = Vec::new();
    for (port, bindings) in ports.unwrap_or_default() {
        let Some(container) = tcp(&port) else {
            continue;
        };
        for binding in bindings.unwrap_or_default() {
            let host = binding.host_port.and_then(|port| port.parse().ok());
            if let (Some(address), Some(host)) = (binding.host_ip, host) {
                all.push(PublishedPort {
                    address,
                    host,
                    container,
                });
            }
        }
    }
    all.sort_by(|a, b| (a.container, &a.address).cmp(&(b.container, &b.address)));
    all
}

/// The client library's answer with the engine's own words.
pub(super) fn answered<T>(result: Result<T, Error>) -> anyhow::Result<T> {
    result.map_err(|error| match error {
        Error::DockerResponseServerError { message, .. } => EngineError::new(&message).into(),
        Error::RequestTimeoutError => anyhow::anyhow!("the engine does not answer"),
        other => other.into(),
    })
}

/// The same, but 404 (not there) and 304 (already so) are `None`.
pub(super) fn present<T>(result: Result<T, Error>) -> anyhow::Result<Option<T>> {
    match result {
        Err(Error::DockerResponseServerError {
            status_code: 404 | 304,
            ..
        }) => Ok(None),
        other => answered(other).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_becomes_one_that_can_be_asked() {
        for (address, expected) in [
            ("0.0.0.0", "http://127.0.0.1:80"),
            ("127.0.0.1", "http://127.0.0.1:80"),
            ("::1", "http://[::1]:80"),
        ] {
            let port = PublishedPort {
                address: address.to_owned(),
                host: 80,
                container: 8080,
            };
            let state = ContainerState {
                ports: vec![port],
                ..ContainerState::default()
            };
            assert_eq!(state.endpoints(), [expected]);
        }
    }
}
