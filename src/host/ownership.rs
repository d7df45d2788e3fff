//! Files that a container made as root belong to the workspace's owner afterwards, or the next checkout cannot remove them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Gives every file below `root` that belongs to root to the owner of `root`. Does nothing unless we are root and the
/// owner is somebody else. Returns how many could not be handed over.
pub(crate) fn hand_over(root: &Path) -> usize {
    let Ok(owner) = fs_err::metadata(root) else {
        return 0;
    };
    if owner.uid() == 0 || !rustix::process::geteuid().is_root() {
        return 0;
    }
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .build();
    let made_by_us = walk
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == 0));
    made_by_us
        .filter(|entry| {
            std::os::unix::fs::lchown(entry.path(), Some(owner.uid()), Some(owner.gid())).is_err()
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_root_go_to_the_owner_of_the_workspace() {
        if !rustix::process::geteuid().is_root() {
            // Without root there is nothing to hand over, and that is what must happen.
            assert_eq!(hand_over(Path::new(".")), 0);
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("model");
        std::fs::write(&made, "x").unwrap();
        std::os::unix::fs::chown(folder.path(), Some(4321), Some(4322)).unwrap();
        assert_eq!(hand_over(folder.path()), 0);
        let found = std::fs::metadata(&made).unwrap();
        assert_eq!((found.uid(), found.gid()), (4321, 4322));
    }
}
