//! The cache of environments among runs: who makes one, who uses one, which are not used any more. It makes none itself.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Failure, Outcome};

/// Written last, into the environment; its time is that of the last use.
pub(super) const MARKER: &str = ".complete";

/// How long an environment is kept after its last use.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a run holds an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To use it.
    Shared,
    /// To make it.
    Alone,
}

/// Waits until the environment can be held. The lock ends with the file, also when we are killed.
pub(super) async fn lock(ctx: &Context, path: &Path, kind: Kind) -> Outcome<File> {
    let file = File::create(path)
        .with_context(|| format!("failed to create `{}`", path.display()))
        .fail(Code::Internal)?;
    let mut said = false;
    loop {
        let tried = match kind {
            Kind::Shared => file.try_lock_shared(),
            Kind::Alone => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !said {
                    said = true;
                    ctx.events
                        .note("another run makes the same Python environment; waiting for it")
                        .await;
                }
                tokio::select! {
                    () = ctx.cancel.cancelled() => {
                        return Err(Failure::new(Code::Interrupted, "interrupted while waiting for another run"));
                    }
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
            // A file system without locks: two runs at once are then the user's to avoid.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Notes that the environment is used now. Where that is not allowed it only grows old.
pub(super) fn touch(venv: &Path) {
    drop(
        File::options()
            .write(true)
            .open(venv.join(MARKER))
            .and_then(|marker| marker.set_modified(SystemTime::now())),
    );
}

/// Removes environments that nobody has used for long and nobody holds. What cannot be removed stays.
pub(super) fn prune(envs: &Path) {
    let entries = fs::read_dir(envs).into_iter().flatten().flatten();
    for venv in entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        if !is_old(&venv) {
            continue;
        }
        let Ok(file) = File::create(venv.with_extension("lock")) else {
            continue;
        };
        // Somebody may have begun to use it just now.
        if file.try_lock().is_err() || !is_old(&venv) {
            continue;
        }
        // Without its marker it is a ruin, should we end in the middle.
        drop(fs::remove_file(venv.join(MARKER)));
        drop(fs::remove_dir_all(&venv));
    }
}

/// Whether the last use, or for a ruin the last change, is long ago. A time that cannot be read is not old.
fn is_old(venv: &Path) -> bool {
    let used = fs::metadata(venv.join(MARKER)).or_else(|_| fs::metadata(venv));
    used.and_then(|found| found.modified())
        .is_ok_and(|used| used.elapsed().is_ok_and(|age| age > KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(envs: &Path, name: &str, days: u64) -> File {
        let venv = envs.join(name);
        fs::create_dir_all(venv.join("bin")).unwrap();
        let marker = File::create(venv.join(MARKER)).unwrap();
        let age = Duration::from_secs(days * 24 * 3600 + 60);
        marker.set_modified(SystemTime::now() - age).unwrap();
        File::create(envs.join(format!("{name}.lock"))).unwrap()
    }

    #[test]
    fn only_what_nobody_uses_any_more_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let envs = folder.path();
        made(envs, "young", 29);
        made(envs, "old", 30);
        made(envs, "touched", 40);
        touch(&envs.join("touched"));
        let held = made(envs, "held", 40);
        held.lock_shared().unwrap();
        prune(envs);
        let there = |name: &str| envs.join(name).exists();
        assert!(there("young") && there("touched") && there("held"));
        assert!(!there("old"));
        drop(held);
        prune(envs);
        assert!(!there("held"));
    }
}
