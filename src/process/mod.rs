//! Foreign programs: each in a process group of its own, its output as whole lines, its end certain.
//! It knows the operating system, and neither what runs nor why.

mod capture;
mod environment;
mod group;
mod lines;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use capture::capture;
pub(crate) use environment::{Inherited, looks_secret};
use group::Group;
pub(crate) use group::kill_all;
use lines::{Lines, Tail};

use crate::context::Context;
use crate::event::Events;

/// How much is read at once, in bytes; what a Linux pipe holds.
const CHUNK: usize = 64 * 1024;

/// How a program ended.
#[derive(Debug)]
pub(crate) enum End {
    Exited(ExitStatus),
    /// The run was cancelled; the group was ended.
    Cancelled,
    /// The time was up; the group was ended.
    Deadline,
}

/// What is left of a program.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: End,
    /// The last lines of its output, at most 200. Untrusted.
    pub(crate) tail: Vec<String>,
    /// Whether members of its group were still alive after it had exited by itself; they were ended.
    pub(crate) orphans: bool,
}

/// Runs a program to its end and shows its output. Standard output and standard error are one pipe, so that their order
/// is kept; standard input is empty. When this returns, no member of the program's group is alive.
pub(crate) async fn run(
    ctx: &Context,
    mut command: Command,
    deadline: Option<Duration>,
) -> io::Result<Finished> {
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .kill_on_drop(true);
    let cookie = group::mark(&mut command);
    let mut child = command.spawn()?;
    // The command still holds our copies of the writing end; with them the pipe would never end.
    drop(command);
    let mut group = Group::of(&child, cookie);
    let receiver = Receiver::from_owned_fd(reader.into())?;

    let over = CancellationToken::new();
    let supervise = async {
        let time_up = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => Ok(End::Cancelled),
            status = child.wait() => status.map(End::Exited),
            () = time_up => Ok(End::Deadline),
        };
        if matches!(end, Ok(End::Deadline)) {
            group.ask_for_stacks().await;
        }
        let exited = matches!(end, Ok(End::Exited(_)));
        let orphans = group.end(&mut child, !exited).await && exited;
        over.cancel();
        end.map(|end| (end, orphans))
    };
    let (supervised, tail) = tokio::join!(supervise, read(receiver, &ctx.events, &over));
    let (end, orphans) = supervised?;
    Ok(Finished {
        end,
        tail: tail?.into_lines(),
        orphans,
    })
}

/// Hands on all output until the pipe ends, or until shortly after `over`: a process that left the group may keep the
/// pipe open for ever, and must not keep us.
async fn read(
    mut receiver: Receiver,
    events: &Events,
    over: &CancellationToken,
) -> io::Result<Tail> {
    const IDLE: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(1);
    let mut chunk = vec![0; CHUNK];
    let mut lines = Lines::default();
    let mut tail = Tail::default();
    let mut give_up: Option<Instant> = None;
    loop {
        let count = match give_up {
            None => tokio::select! {
                biased;
                count = receiver.read(&mut chunk) => count?,
                () = over.cancelled() => {
                    give_up = Some(Instant::now() + LAST);
                    continue;
                }
            },
            Some(end) if Instant::now() >= end => break,
            Some(_) => match timeout(IDLE, receiver.read(&mut chunk)).await {
                Ok(count) => count?,
                Err(_) => break,
            },
        };
        if count == 0 {
            break;
        }
        if let Some(text) = lines.feed(&chunk[..count]) {
            tail.push(&text);
            events.output(text).await;
        }
    }
    if let Some(text) = lines.finish() {
        tail.push(&text);
        events.output(text).await;
    }
    Ok(tail)
}
