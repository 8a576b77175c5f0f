//! Whether a file that a process has open is still the one at its path.
//!
//! A folder that is removed or renamed takes its files along, and whoever has
//! them open goes on writing to what no later process will find.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::JournalError;

/// A file, and which one it is. It is not opened: to close it again would
/// give up the locks that SQLite holds on it (SQLite, *How To Corrupt*, 2.2).
#[derive(Clone, Debug)]
pub struct Pinned {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Pinned {
    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> Result<Self, JournalError> {
        let found = fs::metadata(path).map_err(JournalError::folder("examine", path))?;
        Ok(Self::of(path, &found))
    }

    /// The file with this metadata, which was opened at `path`.
    pub(super) fn of(path: &Path, found: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        }
    }

    /// Looks whether it is still the file at its path.
    ///
    /// # Errors
    /// If it is not, or that cannot be told.
    pub fn check(&self) -> Result<(), JournalError> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(()),
            _ => Err(JournalError::Replaced {
                path: self.path.clone(),
            }),
        }
    }
}
