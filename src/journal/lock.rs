//! The lock that keeps two processes from working on one environment.
//!
//! It is the operating system's advisory lock on a file, so it dies with its
//! holder. The file says who holds it, for whoever is refused.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Pinned, RunsDir};
use crate::address::server;
use crate::journal::runs_dir::open_private;

/// How often a waiting process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A refusal is believed only after this long: somebody who merely asks
/// whether the lock is held, holds it for an instant.
const GRACE: Duration = Duration::from_millis(250);

/// The command of a holder that makes a plan by reading.
pub const PLANNING: &str = "plan --online";

/// The command of a holder that removes runs.
pub const PRUNING: &str = "runs prune";

/// Who holds the lock, as the file says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The command that took it.
    pub command: String,
    /// The process ID.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// The lock of a runs folder and environment, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    pinned: Pinned,
}

/// A lock that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another run holds {}{}", path.display(), holder.as_ref().map(|h| format!(": {} by process {} on {} since {}", h.command, h.pid, h.host, h.since)).unwrap_or_default())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Who holds it, if that can be read.
        holder: Option<Holder>,
    },
    /// The file could not be opened, locked or written.
    #[error("cannot lock {}", path.display())]
    File {
        /// The lock's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of `environment` in `runs`, waiting up to `patience`
    /// for it. For the environment `custom` the [`server`] at the base URL
    /// tells one from another.
    ///
    /// # Errors
    /// If another process holds it, or the file cannot be locked.
    pub fn take(
        runs: &RunsDir,
        environment: &str,
        base_url: &str,
        holder: &Holder,
        patience: Duration,
    ) -> Result<Self, LockError> {
        let path = Self::path(runs, environment, base_url);
        let failed = |source| LockError::File {
            path: path.clone(),
            source,
        };
        let mut file = open_private(&path, false).map_err(failed)?;
        let begun = Instant::now();
        let pinned = loop {
            match file.try_lock() {
                Ok(()) => {
                    let pinned = Pinned::of(&path, &file.metadata().map_err(failed)?);
                    if pinned.check().is_ok() {
                        break pinned;
                    }
                    // Another one would not meet it there.
                    file = open_private(&path, false).map_err(failed)?;
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) => {
                    let left = patience.max(GRACE).saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        let mut text = String::new();
                        let _ = file.read_to_string(&mut text);
                        return Err(LockError::Held {
                            holder: serde_json::from_str(&text).ok(),
                            path,
                        });
                    }
                    std::thread::sleep(left.min(LOOK_AGAIN));
                }
            }
        };
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            serde_json::to_writer(&mut *file, holder)?;
            file.flush()
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { file, pinned })
    }

    /// The file, which others have to find at its path.
    #[must_use]
    pub const fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// Whether some process holds the lock of `environment` now.
    #[must_use]
    pub fn is_held(runs: &RunsDir, environment: &str, base_url: &str) -> bool {
        File::open(Self::path(runs, environment, base_url))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether some process holds it that goes on with a run: one that makes a
    /// plan, or removes runs, does not.
    #[must_use]
    pub fn is_held_for_a_run(runs: &RunsDir, environment: &str, base_url: &str) -> bool {
        let holder = || {
            let text = std::fs::read(Self::path(runs, environment, base_url)).ok()?;
            serde_json::from_slice::<Holder>(&text).ok()
        };
        let others = |holder: Holder| [PLANNING, PRUNING].contains(&holder.command.as_str());
        Self::is_held(runs, environment, base_url) && !holder().is_some_and(others)
    }

    fn path(runs: &RunsDir, environment: &str, base_url: &str) -> PathBuf {
        let name = if environment == "custom" {
            let digest = Sha256::digest(server(base_url).as_bytes());
            format!(
                ".lock-custom-{:02x}{:02x}{:02x}{:02x}",
                digest[0], digest[1], digest[2], digest[3]
            )
        } else {
            format!(".lock-{environment}")
        };
        runs.path().join(name)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays; an empty one says that nobody holds it.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            command: "run".into(),
            pid: 7,
            host: "night".into(),
            since: "2026-11-23T02:00:00Z".into(),
        }
    }

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let take = || Lock::take(&runs, "demo", "", &holder(), Duration::ZERO);
        let first = take().unwrap();
        let LockError::Held { holder: who, .. } = take().unwrap_err() else {
            panic!("the lock was to be held");
        };
        assert_eq!(who, Some(holder()));
        assert!(Lock::is_held(&runs, "demo", ""));
        Lock::take(&runs, "live", "", &holder(), Duration::ZERO).unwrap();
        drop(first);
        assert!(!Lock::is_held(&runs, "demo", ""));
        take().unwrap();
    }

    #[test]
    fn custom_environments_are_told_apart_by_their_url() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let take = |url| Lock::take(&runs, "custom", url, &holder(), Duration::ZERO);
        let _one = take("http://127.0.0.1:1/v1").unwrap();
        let _two = take("http://127.0.0.1:2/v1").unwrap();
    }

    #[test]
    fn one_server_has_one_lock_whatever_it_is_called() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let take = |url| Lock::take(&runs, "custom", url, &holder(), Duration::ZERO);
        let _one = take("http://127.0.0.1:1/v1").unwrap();
        for other in ["http://localhost:1/v1", "http://[::1]:1//v1/"] {
            assert!(matches!(take(other), Err(LockError::Held { .. })));
            assert!(Lock::is_held(&runs, "custom", other));
        }
    }
}
