//! The container that is tried: how it is made, where it answers, and what becomes of those that an earlier run left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{REPLAY, Subject};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{ContainerSpec, ContainerState, Engine};
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::PublishedPort;

/// On every container that is only tried; its value is the second since 1970 after which nobody needs it.
const LABEL: &str = "ml-deploy.trial-until";

/// The port that a container answers on when neither input nor manifest nor image says.
const PORT: u16 = 8080;

/// A container that was started.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) name: String,
    /// On which it answers, inside.
    pub(super) port: u16,
    pub(super) started: Instant,
}

impl Container {
    /// Makes and starts it; one that cannot be started is gone again.
    pub(super) async fn start(engine: &Engine, subject: &Subject<'_>) -> Outcome<Self> {
        let info = engine
            .inspect_image(&subject.image.id)
            .await
            .fail(Code::ContainerUnready)?;
        let info = info.unwrap_or_default();
        let port = port(subject.verify.port, &subject.launch.ports, &info.ports);
        let name = format!("ml-deploy-trial-{:08x}", rand::random::<u32>());
        let needed = subject.trial.deadline + REPLAY + Duration::from_secs(60);
        let until = Timestamp::now()
            .as_second()
            .saturating_add_unsigned(needed.as_secs());
        let labels = [
            ("ml-deploy.trial", subject.image.repository.clone()),
            (LABEL, until.to_string()),
        ];
        let labels: BTreeMap<_, _> = labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .chain([engine.temporary()])
            .collect();
        let mut env: BTreeMap<String, String> = subject.launch.env.iter().cloned().collect();
        env.extend(subject.trial.environment.iter().cloned());
        let mut spec = ContainerSpec {
            name: name.clone(),
            image: subject.image.id.clone(),
            labels,
            env: env.into_iter().collect(),
            entrypoint: subject.launch.entrypoint.clone(),
            command: subject.launch.command.clone(),
            ports: vec![PublishedPort {
                address: "127.0.0.1".to_owned(),
                host: 0,
                container: port,
            }],
            restart: false,
        };
        let mut started = begin(engine, &spec).await;
        if started.is_err() {
            // An engine that publishes nothing may still let us ask the container at its own address.
            spec.ports.clear();
            started = begin(engine, &spec).await.or(started);
        }
        match started {
            Ok(started) => Ok(Self {
                name,
                port,
                started,
            }),
            Err(error) => Err(Failure::new(
                Code::ContainerUnready,
                format!("failed to try the image: {}", chain(&error)),
            )
            .help("correct what the engine names, such as the command of the image")),
        }
    }

    /// Addresses where it may answer.
    pub(super) fn endpoints(&self, state: &ContainerState) -> Vec<String> {
        let mut places = state.endpoints();
        let own = state
            .address
            .as_ref()
            .map(|address| format!("http://{address}:{}", self.port));
        places.extend(own.filter(|own| !places.contains(own)));
        places
    }
}

/// The moment before it runs; a container that does not start is removed.
async fn begin(engine: &Engine, spec: &ContainerSpec) -> anyhow::Result<Instant> {
    engine.create_container(spec).await?;
    let started = Instant::now();
    if let Err(error) = engine.start_container(&spec.name).await {
        engine.remove_container(&spec.name).await?;
        return Err(error);
    }
    Ok(started)
}

/// The input, unless it is the Service's port and the manifest knows the container's; then the manifest; then EXPOSE.
fn port(asked: Option<u16>, manifest: &[u16], exposed: &[u16]) -> u16 {
    let unknown = |port: &u16| manifest.is_empty() || manifest.contains(port);
    asked
        .filter(unknown)
        .or_else(|| manifest.first().copied())
        .or_else(|| exposed.first().copied())
        .unwrap_or(PORT)
}

/// Removes containers of runs that were killed: those whose time is over. Others may belong to a run beside this one.
pub(super) async fn tidy(ctx: &Context, engine: &Engine) {
    let now = Timestamp::now().as_second();
    for (id, until) in engine.labelled(LABEL).await.unwrap_or_default() {
        if until.parse().is_ok_and(|until: i64| until < now)
            && engine.remove_container(&id).await.is_ok()
        {
            let short = id.get(..12).unwrap_or(&id);
            ctx.events
                .note(format!(
                    "removed container {short}, which an interrupted run had left"
                ))
                .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_own_port_is_asked() {
        assert_eq!(port(Some(5000), &[], &[8080]), 5000);
        assert_eq!(port(Some(80), &[9000], &[8080]), 9000);
        assert_eq!(port(Some(9001), &[9000, 9001], &[]), 9001);
        assert_eq!(port(None, &[], &[5000]), 5000);
        assert_eq!(port(None, &[], &[]), PORT);
    }
}
