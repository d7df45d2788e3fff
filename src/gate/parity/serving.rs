//! Looks into the image: starts it without network, lets the interpreter that serves describe itself, and removes it again.

use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use super::start::{Guess, guesses, helpers, is_python};
use super::weights::Found;
use crate::artifact::{Environment, ModelFile};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{Engine, ImageStart, Printed, look_name};
use crate::failure::{Failure, Outcome};
use crate::python::{FREEZE, SERVING};

/// Longest time for the whole look, besides reading files as large as the model's.
const LONGEST: Duration = Duration::from_secs(90);

/// Bytes a second that even a slow disk gives.
const SLOWEST: u64 = 50 << 20;

/// Seconds until a process of Python must have appeared.
const WAIT: u32 = 3;

/// Files of the model that are looked for, the largest first: their names and sizes are an argument of a program.
const MOST_FILES: usize = 400;

/// What serves.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Serving {
    pub(super) servers: Vec<Server>,
    /// Interpreters on the image's `PATH`, first one first.
    pub(super) on_path: Vec<String>,
    pub(super) files: Vec<Found>,
    /// Whether the whole image was searched for the model.
    pub(super) complete: bool,
    /// How the interpreter was found; empty when it runs.
    #[serde(default)]
    pub(super) how: String,
}

/// An interpreter that serves.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    pub(super) path: String,
    /// Command line of its process; empty when it was not running.
    pub(super) command: String,
    /// Whether it waits for connections.
    #[serde(default)]
    pub(super) listens: bool,
    pub(super) environment: Option<Environment>,
    /// Why it could not describe itself.
    pub(super) error: Option<String>,
}

/// Looks into the image. `Err` in the inner result says why that was not possible.
///
/// # Errors
/// `Interrupted` on cancel.
pub(super) async fn look(
    ctx: &Context,
    engine: &Engine,
    image: &str,
    files: &[ModelFile],
) -> Outcome<Result<Serving, String>> {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let longest = LONGEST + Duration::from_secs(bytes / SLOWEST);
    let mut look = Look {
        engine,
        image,
        files,
        mark: format!("{:032x}", rand::random::<u128>()),
        made: Vec::new(),
    };
    let result = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => None,
        result = tokio::time::timeout(longest, look.inside()) => Some(result),
    };
    // Also after a cancel and after a failure: nothing of it is of use to anyone.
    for container in &look.made {
        if let Err(error) = engine.remove_container(container).await {
            ctx.events
                .note(format!(
                    "the container `{container}` is left behind: {error:#}"
                ))
                .await;
        }
    }
    match result {
        None => Err(Failure::new(
            Code::Interrupted,
            "the image was not compared with the training",
        )),
        Some(Err(_)) => Ok(Err(format!(
            "the image did not say what it serves with within {} s",
            longest.as_secs()
        ))),
        Some(Ok(Err(error))) => Ok(Err(format!("{error:#}"))),
        Some(Ok(Ok(serving))) => Ok(Ok(serving)),
    }
}

/// A look into one image.
struct Look<'a> {
    engine: &'a Engine,
    image: &'a str,
    files: &'a [ModelFile],
    /// Stands around the answer: nothing of the image can have known it before.
    mark: String,
    /// Names of containers, each noted before it is made.
    made: Vec<String>,
}

impl Look<'_> {
    async fn inside(&mut self) -> anyhow::Result<Serving> {
        self.engine.remove_forgotten().await?;
        let start = self
            .engine
            .image_start(self.image)
            .await?
            .with_context(|| format!("the engine no longer has the image `{}`", self.image))?;
        let why = match self.running(&start).await {
            Ok(serving)
                if serving
                    .servers
                    .iter()
                    .any(|server| server.environment.is_some()) =>
            {
                return Ok(serving);
            }
            Ok(serving) => serving
                .servers
                .into_iter()
                .find_map(|server| server.error)
                .unwrap_or_else(|| "no process of Python runs in it".to_owned()),
            Err(error) => format!("{error:#}"),
        };
        self.resting(&start, &why).await
    }

    async fn make(&mut self, instead: Option<&[String]>) -> anyhow::Result<String> {
        let name = look_name();
        self.made.push(name.clone());
        self.engine
            .create_isolated(&name, self.image, instead)
            .await?;
        Ok(name)
    }

    /// Starts the image as it is meant to be started, and asks its processes.
    async fn running(&mut self, start: &ImageStart) -> anyhow::Result<Serving> {
        let container = self.make(None).await?;
        let engine = self.engine;
        if let Err(error) = engine.start_container(&container).await {
            // Not with the name of our container, which is gone when this is read.
            anyhow::bail!("it does not start: {}", error.root_cause());
        }
        let mut helpers = helpers(start);
        let mut why = "there is no Python in the image".to_owned();
        let mut asked = false;
        while !helpers.is_empty() {
            let helper = helpers.remove(0);
            match engine.exec(&container, &self.words(&helper, WAIT)).await {
                Ok(printed) => match self.answer(&printed) {
                    Some(serving) => return Ok(serving),
                    // What the engine says when there is no such program.
                    None if !matches!(printed.exit, Some(126 | 127)) => {
                        why = format!("`{helper}` of the image: {}", last_line(&printed));
                    }
                    None => {}
                },
                Err(error) => why = format!("{error:#}"),
            }
            let state = engine.inspect_container(&container).await?;
            if !state.is_some_and(|state| state.running) {
                anyhow::bail!("the container ends at once when it has no network");
            }
            // Only the machine sees its processes when nothing on the image's PATH is Python.
            if !asked {
                asked = true;
                let lines = engine.command_lines(&container).await;
                let seen = lines
                    .iter()
                    .filter_map(|line| line.split_whitespace().next());
                let paths = seen.filter(|word| word.starts_with('/') && is_python(word));
                helpers.splice(0..0, paths.map(str::to_owned));
            }
        }
        anyhow::bail!(why)
    }

    /// Asks the interpreter that the image's configuration leads to, without starting what it serves.
    async fn resting(&mut self, start: &ImageStart, why: &str) -> anyhow::Result<Serving> {
        let idle = self.make(Some(&["true".to_owned()])).await?;
        let engine = self.engine;
        let read = async |path: &str| {
            let text = engine.file_of(&idle, path).await?;
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        let mut tried = Vec::new();
        let mut last = "there is none".to_owned();
        for Guess { interpreter, how } in guesses(start, read).await {
            if tried.contains(&interpreter) {
                continue;
            }
            let known = !interpreter.starts_with('/')
                || engine.file_of(&idle, &interpreter).await.is_some();
            if !known {
                continue;
            }
            tried.push(interpreter.clone());
            let words = self.words(&interpreter, 0);
            let container = self.make(Some(&words)).await?;
            if let Err(error) = engine.start_container(&container).await {
                last = format!("`{interpreter}`: {}", error.root_cause());
                continue;
            }
            let printed = engine.ended(&container).await?;
            if let Some(mut serving) = self.answer(&printed) {
                serving.how = format!("by {how}, because {why}");
                return Ok(serving);
            }
            last = format!("`{interpreter}`: {}", last_line(&printed));
        }
        anyhow::bail!("{why}, and no Python of the image can be asked ({last})")
    }

    /// The program that looks, and what it looks for.
    fn words(&self, interpreter: &str, wait: u32) -> Vec<String> {
        let mut files: Vec<&ModelFile> = self.files.iter().filter(|file| file.bytes > 0).collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.bytes));
        files.truncate(MOST_FILES);
        let name = |file: &ModelFile| file.relative.rsplit('/').next().map(str::to_owned);
        let request = json!({
            "script": FREEZE,
            "wait": wait,
            "mark": self.mark,
            "names": files.iter().filter_map(|file| name(file)).collect::<Vec<_>>(),
            "sizes": files.iter().map(|file| file.bytes).collect::<Vec<_>>(),
        });
        [interpreter, "-c", SERVING, &request.to_string()]
            .map(str::to_owned)
            .to_vec()
    }

    /// What stands between the last two marks.
    fn answer(&self, printed: &Printed) -> Option<Serving> {
        let text = String::from_utf8_lossy(&printed.stdout);
        let (before, _) = text.rsplit_once(&self.mark)?;
        let (_, answer) = before.rsplit_once(&self.mark)?;
        serde_json::from_str(answer).ok()
    }
}

fn last_line(printed: &Printed) -> String {
    let text = String::from_utf8_lossy(&printed.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(
        || match printed.exit {
            Some(exit) => format!("it ended with {exit}, and what it printed is no answer"),
            None => "it did not end".to_owned(),
        },
        |line| match line.char_indices().nth(300) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        },
    )
}
