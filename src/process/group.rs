//! A process group: who of it is alive, and its end. It knows `/proc` where there is one.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

/// From SIGTERM to SIGKILL. The runner gives 7.5 s in all.
const GRACE: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(25);

/// The group that a child leads. Dropped before its end, it is killed.
#[derive(Debug)]
pub(super) struct Group {
    leader: Option<Pid>,
    ended: bool,
}

impl Group {
    /// The child must have been started as leader of a new group.
    pub(super) fn of(child: &Child) -> Self {
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self {
            leader,
            ended: false,
        }
    }

    /// Ends every member: SIGTERM, 4 s, SIGKILL. Says whether anyone was alive.
    pub(super) async fn end(&mut self, child: &mut Child) -> bool {
        let alive = self.alive();
        if alive {
            self.signal(Signal::TERM);
            let end = Instant::now() + GRACE;
            while self.alive() && Instant::now() < end {
                // Reaps the leader, which else stays as a zombie.
                drop(timeout(POLL, child.wait()).await);
                sleep(POLL / 5).await;
            }
            if self.alive() {
                self.signal(Signal::KILL);
            }
        }
        drop(timeout(Duration::from_secs(1), child.wait()).await);
        self.ended = true;
        alive
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
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(move |entry| {
                let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read(entry.path().join("stat")).ok()?;
                let (state, of) = parse_stat(&stat)?;
                (of == group).then_some((Pid::from_raw(pid)?, state))
            })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
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
