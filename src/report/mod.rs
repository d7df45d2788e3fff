//! One run, one truth: a single task listens to all events, hides secrets first, and writes log, summary, outputs and report.
//! It never imports a stage. A reporter that fails is a warning, never the run's result.
//!
//! ```text
//! let (events, receiver) = Events::channel();
//! let reporters = report::start(settings, receiver, cancel);   // listens until every `Events` is dropped
//! let outcome = pipeline::run(…, events).await;
//! reporters.await?.finish(&Verdict::…).await;           // the verdict, after everything else was written
//! ```

mod chain;
mod changes;
mod console;
mod files;
mod findings;
mod gates;
mod github;
mod gitlab;
mod history;
#[cfg(test)]
mod hostile;
mod json;
mod jsonl;
mod junit;
mod layers;
mod listed;
mod live;
mod markdown;
mod mermaid;
mod neutral;
mod numbers;
pub(crate) mod outputs;
mod paint;
mod parity;
mod record;
mod redact;
mod reporters;
#[cfg(test)]
mod sample;
mod settings;
mod shapes;
mod skipped;
mod snippet;
mod stream;
mod summary;
mod telling;
mod terminal;
mod text;
mod timeline;
mod trial;
mod undone;
mod verdict;
mod xml;

pub(crate) use github::{Place, Wanted, close};
pub(crate) use gitlab::Place as GitlabPlace;
pub(crate) use settings::{GithubFiles, Settings};
pub(crate) use text::{clap, lines, page};
pub(crate) use verdict::{Status, Verdict};

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::event::Event;

use reporters::Reporters;
use stream::Stdout;

/// How often the live line is drawn when nothing happens.
const REDRAWN: Duration = Duration::from_millis(500);

/// Starts to listen. The handle is ready when every sending end is dropped; then call `finish`.
pub(crate) fn start(
    settings: Settings,
    mut receiver: mpsc::Receiver<Event>,
    cancel: CancellationToken,
) -> JoinHandle<Reporters> {
    // A thread of its own: a reader of our output that is slow must not hold up the pipeline's other work.
    tokio::task::spawn_blocking(move || {
        let mut reporters = Reporters::new(settings, Box::new(Stdout::new(cancel)));
        let runtime = Handle::current();
        loop {
            let next = match reporters.console.is_live() {
                false => Ok(receiver.blocking_recv()),
                // The next event, or time to draw the line of a terminal again.
                true => runtime.block_on(async { timeout(REDRAWN, receiver.recv()).await }),
            };
            match next {
                Ok(Some(event)) => reporters.take(event),
                Ok(None) => return reporters,
                Err(_) => reporters.console.redraw(),
            }
        }
    })
}

#[cfg(test)]
mod tests;
