//! A process group: who of it is alive, and its end. It knows `/proc` where there is one.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// From SIGTERM to SIGKILL. The runner gives 7.5 s in all.
const GRACE: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(25);

/// Leaders of the groups that run now, for the one case in which nothing is dropped any more.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The variable by which a process is known for ours after it has left the group (a new session, a daemon).
const COOKIE: &str = "ML_DEPLOY_PROCESS";

/// Kills every group at once. For the last moment before the process ends without unwinding.
pub(crate) fn kill_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    for leader in running.iter().copied().filter_map(Pid::from_raw) {
        kill_process_group(leader, Signal::KILL).ok();
    }
}

/// The group that a child leads. Dropped before its end, it is killed.
#[derive(Debug)]
pub(super) struct Group {
    leader: Option<Pid>,
    /// `NAME=value` as it stands in the environment of everything that comes of the child.
    cookie: String,
    ended: bool,
}

/// Makes the command a leader of a new group, and marks what comes of it; returns the mark for `Group::of`.
pub(super) fn mark(command: &mut Command) -> String {
    let value = format!("{:032x}", rand::random::<u128>());
    command.process_group(0).env(COOKIE, &value);
    format!("{COOKIE}={value}")
}

impl Group {
    /// The child must have been started by a command that `mark` has marked.
    pub(super) fn of(child: &Child, cookie: String) -> Self {
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(leader) = leader {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.insert(leader.as_raw_pid());
        }
        Self {
            leader,
            cookie,
            ended: false,
        }
    }

    /// Ends every member: SIGTERM, 4 s, SIGKILL. Says whether anyone was alive. `all`: also those that have left the group;
    /// after a good end they are daemons that somebody wanted.
    pub(super) async fn end(&mut self, child: &mut Child, all: bool) -> bool {
        let alive = self.alive();
        let left = if all { self.escaped() } else { Vec::new() };
        if alive || !left.is_empty() {
            self.signal(Signal::TERM);
            signal_each(&left, Signal::TERM);
            let end = Instant::now() + GRACE;
            while (self.alive() || left.iter().any(|pid| self.is_ours(*pid)))
                && Instant::now() < end
            {
                // Reaps the leader, which else stays as a zombie.
                drop(timeout(POLL, child.wait()).await);
                sleep(POLL / 5).await;
            }
            if self.alive() {
                self.signal(Signal::KILL);
            }
            if all {
                signal_each(&self.escaped(), Signal::KILL);
            }
        }
        drop(timeout(Duration::from_secs(1), child.wait()).await);
        self.over();
        alive
    }

    fn over(&mut self) {
        self.ended = true;
        if let Some(leader) = self.leader {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.remove(&leader.as_raw_pid());
        }
    }

    /// What comes of the child and is no member any more; none where there is no `/proc`.
    fn escaped(&self) -> Vec<Pid> {
        let group = self.leader.map_or(0, Pid::as_raw_pid);
        processes()
            .filter(|(_, _, of)| *of != group)
            .map(|(pid, ..)| pid)
            .filter(|pid| self.is_ours(*pid))
            .collect()
    }

    /// Whether a process carries our mark. A zombie has no environment any more.
    fn is_ours(&self, pid: Pid) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_pid()));
        environment.is_ok_and(|bytes| {
            let mut variables = bytes.split(|byte| *byte == 0);
            variables.any(|variable| variable == self.cookie.as_bytes())
        })
    }

    /// Makes Python say where it hangs: its fault handler (`PYTHONFAULTHANDLER`) prints all stacks on SIGABRT. Members
    /// that catch SIGTERM are left alone, because they may want to save their work; so are those without the handler.
    pub(super) async fn ask_for_stacks(&self) {
        let mut asked = false;
        for (pid, _) in self.members() {
            let caught = caught_signals(pid);
            let catches = |signal: Signal| caught & (1 << (signal.as_raw() - 1)) != 0;
            if catches(Signal::ABORT) && !catches(Signal::TERM) {
                asked |= kill_process(pid, Signal::ABORT).is_ok();
            }
        }
        if asked {
            sleep(Duration::from_millis(300)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // The only error left is that nobody is there any more.
            kill_process_group(leader, signal).ok();
        }
    }

    /// Whether a member runs. Zombies do not count: where nobody reaps orphans they stay for ever.
    fn alive(&self) -> bool {
        let Some(leader) = self.leader else {
            return false;
        };
        if test_kill_process_group(leader).is_err() {
            return false;
        }
        let known = fs::exists("/proc/self/stat").unwrap_or(false);
        !known
            || self
                .members()
                .any(|(_, state)| state != b'Z' && state != b'X')
    }

    /// Members with their state letter; none where there is no `/proc`.
    fn members(&self) -> impl Iterator<Item = (Pid, u8)> {
        let group = self.leader.map_or(0, Pid::as_raw_pid);
        processes()
            .filter(move |(_, _, of)| *of == group)
            .map(|(pid, state, _)| (pid, state))
    }
}

/// All processes with their state letter and group.
fn processes() -> impl Iterator<Item = (Pid, u8, i32)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(entry.path().join("stat")).ok()?;
            let (state, group) = parse_stat(&stat)?;
            Some((Pid::from_raw(pid)?, state, group))
        })
}

fn signal_each(processes: &[Pid], signal: Signal) {
    for pid in processes {
        // The only error left is that it is not there any more.
        kill_process(*pid, signal).ok();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
            signal_each(&self.escaped(), Signal::KILL);
            self.over();
        }
    }
}

/// State and group of `/proc/<pid>/stat`: `pid (name) state parent group …`; the name may hold anything.
fn parse_stat(stat: &[u8]) -> Option<(u8, i32)> {
    let name_end = stat.iter().rposition(|&b| b == b')')?;
    let mut fields = std::str::from_utf8(&stat[name_end + 1..])
        .ok()?
        .split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

/// The mask of signals that a process catches; bit 0 is signal 1.
fn caught_signals(pid: Pid) -> u64 {
    fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid()))
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        assert_eq!(parse_stat(b"7 (a) b) S 1 42 42 0"), Some((b'S', 42)));
    }
}
