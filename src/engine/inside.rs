//! A look inside of an image: a container without network, programs run in it, files read from it.
//! It knows the engine's side of that, not what is looked for.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, TopOptionsBuilder,
};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::connect::Engine;
use super::container::{answered, present};

/// Marks containers that are only looked into; the value is the second (Unix time) after which nobody can still need it.
const LABEL: &str = "ml-deploy.look-until";

/// How long one may live, in seconds, when the run that made it was killed.
const LIFETIME: u64 = 900;

/// Processes and bytes of memory that one may use: enough for a server, not enough to take the machine down with it.
const PROCESSES: i64 = 4096;
const MEMORY: i64 = 16 << 30;

/// Between two looks at a container that runs.
const POLL: Duration = Duration::from_millis(50);

/// Bytes of output that are kept, and of a file that are read.
const LONGEST: usize = 32 << 20;
const LONGEST_FILE: usize = 1 << 20;

/// What an image starts with.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageStart {
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    /// As Docker names it: `amd64`, `arm64`.
    pub(crate) architecture: String,
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printed {
    /// Untrusted.
    pub(crate) stdout: Vec<u8>,
    /// Untrusted.
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<i64>,
}

impl Printed {
    fn take(&mut self, output: LogOutput) {
        let (to, bytes) = match output {
            LogOutput::StdErr { message } => (&mut self.stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                (&mut self.stdout, message)
            }
            LogOutput::StdIn { .. } => return,
        };
        let room = LONGEST.saturating_sub(to.len());
        to.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// A name for a container that is looked into. It is known before the container is made, so that one whose making is
/// interrupted can be removed too.
pub(crate) fn look_name() -> String {
    format!("ml-deploy-look-{:016x}", rand::random::<u64>())
}

impl Engine {
    /// What the image starts with; `None` when the engine has no such image.
    pub(crate) async fn image_start(&self, image: &str) -> anyhow::Result<Option<ImageStart>> {
        let found = present(self.docker.inspect_image(image).await)
            .with_context(|| format!("failed to inspect the image `{image}`"))?;
        Ok(found.map(|found| {
            let config = found.config.unwrap_or_default();
            let variables = config.env.unwrap_or_default().into_iter();
            ImageStart {
                entrypoint: config.entrypoint.unwrap_or_default(),
                command: config.cmd.unwrap_or_default(),
                architecture: found.architecture.unwrap_or_default(),
                variables: variables
                    .filter_map(|one| {
                        let (name, value) = one.split_once('=')?;
                        Some((name.to_owned(), value.to_owned()))
                    })
                    .collect(),
            }
        }))
    }

    /// Makes a container to look into, with a name of `look_name`: no network, bounded, marked. With `instead`, these words run
    /// and not the image's own. The caller removes it; one that a killed run left is removed by `remove_forgotten`.
    pub(crate) async fn create_isolated(
        &self,
        name: &str,
        image: &str,
        instead: Option<&[String]>,
    ) -> anyhow::Result<()> {
        let until = now() + LIFETIME;
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            labels: Some(HashMap::from([
                (LABEL.to_owned(), until.to_string()),
                self.temporary(),
            ])),
            entrypoint: instead.map(|words| words.iter().take(1).cloned().collect()),
            cmd: instead.map(|words| words.iter().skip(1).cloned().collect()),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                pids_limit: Some(PROCESSES),
                memory: Some(MEMORY),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        answered(self.docker.create_container(Some(options), body).await)
            .with_context(|| format!("failed to create a container of the image `{image}`"))?;
        Ok(())
    }

    /// Removes containers of `create_isolated` whose time is over. Another run may be removing the same ones: what fails is left
    /// to the next.
    pub(crate) async fn remove_forgotten(&self) -> anyhow::Result<()> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", vec![LABEL])]))
            .build();
        for found in answered(self.docker.list_containers(Some(options)).await)
            .context("failed to list containers")?
        {
            let labels = found.labels.unwrap_or_default();
            let until = labels.get(LABEL).and_then(|until| until.parse().ok());
            if let Some(id) = found.id
                && until.is_some_and(|until: u64| until < now())
            {
                drop(self.remove_container(&id).await);
            }
        }
        Ok(())
    }

    /// Runs a program in a running container, with the container's own environment.
    pub(crate) async fn exec(&self, container: &str, words: &[String]) -> anyhow::Result<Printed> {
        let program = words.first().map_or("", String::as_str);
        let story = || format!("failed to run `{program}` in the container");
        let options = CreateExecOptions {
            cmd: Some(words.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec =
            answered(self.docker.create_exec(container, options).await).with_context(story)?;
        let started = answered(self.docker.start_exec(&exec.id, None).await).with_context(story)?;
        let mut printed = Printed::default();
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.next().await {
                printed.take(answered(part).with_context(story)?);
            }
        }
        let state = answered(self.docker.inspect_exec(&exec.id).await).with_context(story)?;
        printed.exit = state.exit_code;
        Ok(printed)
    }

    /// Waits until a container has ended, and gives what it printed.
    pub(crate) async fn ended(&self, container: &str) -> anyhow::Result<Printed> {
        // Following the log instead may end before a short program has printed anything.
        let exit = loop {
            match self.inspect_container(container).await? {
                Some(state) if state.running => tokio::time::sleep(POLL).await,
                Some(state) => break state.exit_code,
                None => break None,
            }
        };
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let mut printed = Printed {
            exit,
            ..Printed::default()
        };
        let mut output = self.docker.logs(container, Some(options));
        while let Some(part) = output.next().await {
            printed.take(answered(part).context("failed to read what the container printed")?);
        }
        Ok(printed)
    }

    /// Command lines of what runs in a container, as the machine sees them; empty where it cannot say.
    pub(crate) async fn command_lines(&self, container: &str) -> Vec<String> {
        let options = TopOptionsBuilder::new().ps_args("-eo pid,args").build();
        let Ok(top) = self.docker.top_processes(container, Some(options)).await else {
            return Vec::new();
        };
        let rows = top.processes.unwrap_or_default().into_iter();
        rows.filter_map(|mut row| row.pop()).collect()
    }

    /// The first bytes of a file of a container, links followed; `None` when it has none. It need not run.
    pub(crate) async fn file_of(&self, container: &str, path: &str) -> Option<Vec<u8>> {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let options = DownloadFromContainerOptionsBuilder::new()
                .path(&path)
                .build();
            let stream = self
                .docker
                .download_from_container(container, Some(options));
            let mut archive = Vec::new();
            let mut stream = stream.into_stream();
            while archive.len() < LONGEST_FILE {
                match stream.next().await {
                    Some(Ok(part)) => archive.extend_from_slice(&part),
                    Some(Err(_)) => return None,
                    None => break,
                }
            }
            let mut archive = tar::Archive::new(&archive[..]);
            let entry = archive.entries().ok()?.next()?.ok()?;
            if let Some(link) = entry.link_name().ok().flatten() {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                path = match link.to_str()? {
                    absolute if absolute.starts_with('/') => absolute.to_owned(),
                    relative => format!("{folder}/{relative}"),
                };
                continue;
            }
            let mut text = Vec::new();
            // What is cut off is not needed.
            drop(entry.take(LONGEST_FILE as u64).read_to_end(&mut text));
            return Some(text);
        }
        None
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
