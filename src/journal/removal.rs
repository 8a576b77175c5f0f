//! Removing a run for good.
//!
//! The folder is first given a name that is no run's, and then emptied: a
//! run either exists whole or not at all, also where the process is cut off
//! in between. What is left then goes with the next
//! [`clear_scratch`](RunsDir::clear_scratch).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{JournalError, RunFolder, RunsDir};
use crate::journal::runs_dir::{REMOVING, sync_dir};

/// `st_blocks` counts in these (POSIX leaves the unit open, Linux does not).
const BLOCK: u64 = 512;

impl RunsDir {
    /// Removes a run. The caller holds the lock of its environment, and has
    /// made sure that nobody needs the run any more.
    ///
    /// # Errors
    /// If the folder is not one, as a link would not be, or cannot be
    /// removed. When only the emptying failed the run is gone all the same.
    pub fn remove(&self, run: &RunFolder) -> Result<(), JournalError> {
        let failed = || JournalError::folder("remove", run.path());
        if !run.is_plain() {
            return Err(failed()(io::ErrorKind::NotADirectory.into()));
        }
        // While it is locked nobody else clears it away.
        let locked = File::open(run.path()).map_err(failed())?;
        locked.lock().map_err(failed())?;
        let aside = self.path().join(format!("{REMOVING}{}", run.run()));
        fs::rename(run.path(), &aside).map_err(failed())?;
        sync_dir(self.path())?;
        fs::remove_dir_all(&aside).map_err(JournalError::folder("remove", &aside))
    }

    /// Points the link `latest` at the newest run, if it points at one that
    /// is gone. Without any run the link goes, too.
    ///
    /// # Errors
    /// If the folder cannot be listed, or the link cannot be changed.
    pub fn mend_latest(&self) -> Result<(), JournalError> {
        let link = self.path().join("latest");
        if !link.is_symlink() || link.exists() {
            return Ok(());
        }
        match self.list()?.last() {
            Some(newest) => self.point_latest(newest.run()),
            None => fs::remove_file(&link).map_err(JournalError::folder("remove", &link)),
        }
    }
}

impl RunFolder {
    /// Whether it is a folder of its own, and no link to one somewhere else.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok_and(|found| found.is_dir())
    }

    /// The bytes on the disk that removing it gives back.
    ///
    /// # Errors
    /// If it cannot be looked through.
    pub fn room(&self) -> Result<u64, JournalError> {
        room(self.path()).map_err(JournalError::folder("examine", self.path()))
    }
}

fn room(path: &Path) -> io::Result<u64> {
    let found = fs::symlink_metadata(path)?;
    let own = found.blocks() * BLOCK;
    if !found.is_dir() {
        return Ok(own);
    }
    fs::read_dir(path)?.try_fold(own, |sum, entry| Ok(sum + room(&entry?.path())?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::RunId;
    use super::*;

    fn a_run(runs: &RunsDir, name: &str) -> RunFolder {
        let folder = runs.folder(&RunId::parse(name).unwrap());
        fs::create_dir(folder.path()).unwrap();
        fs::write(folder.journal(), vec![7; 100_000]).unwrap();
        folder
    }

    const OLD: &str = "20261122T020000Z-3f2a9c";
    const NEW: &str = "20261123T020000Z-3f2a9c";

    #[test]
    fn a_run_is_removed_whole_and_its_room_is_known() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let (old, new) = (a_run(&runs, OLD), a_run(&runs, NEW));
        assert!(old.room().unwrap() >= 100_000);
        runs.remove(&old).unwrap();
        assert!(!old.path().exists() && new.path().exists());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    /// As a process leaves it that is killed between the two steps.
    #[test]
    fn what_a_removal_left_half_done_is_no_run_and_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let old = a_run(&runs, OLD);
        let aside = home.path().join(format!("{REMOVING}{OLD}"));
        fs::rename(old.path(), &aside).unwrap();
        assert!(runs.list().unwrap().is_empty());
        let busy = File::open(&aside).unwrap();
        busy.lock().unwrap();
        runs.clear_scratch().unwrap();
        assert!(aside.exists(), "somebody is at work on it");
        drop(busy);
        runs.clear_scratch().unwrap();
        assert!(!aside.exists());
    }

    #[test]
    fn a_link_that_is_called_like_a_run_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let theirs = RunsDir::create(elsewhere.path()).unwrap();
        let theirs = a_run(&theirs, OLD);
        let runs = RunsDir::create(home.path()).unwrap();
        let link = runs.folder(theirs.run());
        symlink(theirs.path(), link.path()).unwrap();
        assert!(!link.is_plain());
        runs.remove(&link).unwrap_err();
        assert!(theirs.journal().exists() && link.path().is_symlink());
    }

    #[test]
    fn latest_points_at_the_newest_run_there_is() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let (old, new) = (a_run(&runs, OLD), a_run(&runs, NEW));
        let link = home.path().join("latest");
        runs.mend_latest().unwrap();
        assert!(!link.is_symlink(), "there was none");
        runs.point_latest(old.run()).unwrap();
        runs.mend_latest().unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(OLD));
        runs.remove(&old).unwrap();
        runs.mend_latest().unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(NEW));
        runs.remove(&new).unwrap();
        runs.mend_latest().unwrap();
        assert!(!link.is_symlink());
    }
}
