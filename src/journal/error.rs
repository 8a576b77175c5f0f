//! What can go wrong with a journal.

use std::path::{Path, PathBuf};

/// A journal that could not be made, opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be opened as a database.
    #[error("cannot open the journal {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The journal is a link to somewhere else.
    #[error("the journal {} is a symbolic link, and nothing is written through one", path.display())]
    Link {
        /// The journal.
        path: PathBuf,
    },
    /// The file is a database, but not one of this program.
    #[error("{} is not a journal of this program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The journal is of another version.
    #[error("the journal {} has format {found}; this program reads formats {} to {}", path.display(), super::migrate::OLDEST_FORMAT, super::open::FORMAT_VERSION)]
    Version {
        /// The journal.
        path: PathBuf,
        /// The version it has.
        found: i32,
    },
    /// Reading failed.
    #[error("cannot read the journal {}", path.display())]
    Read {
        /// The journal.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Writing failed: a full disk, a read-only file.
    #[error("cannot write the journal {}", path.display())]
    Write {
        /// The journal.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// An entry does not fit what the journal holds. Nothing was written.
    #[error("the journal {} contradicts the program: {what}", path.display())]
    Contradiction {
        /// The journal.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The journal holds what was not written into it.
    #[error("the journal {} is damaged: {what}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file that a process works with is not at its path any more.
    #[error("{} was removed or replaced while this process was working with it", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder of a run could not be made, moved or listed.
    #[error("cannot {what} {}", path.display())]
    Folder {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is not enough room for the run.
    #[error("{} has {free_mib} MiB free, and this run may need {needed_mib} MiB", path.display())]
    NoRoom {
        /// The runs folder.
        path: PathBuf,
        /// What is free, in MiB.
        free_mib: u64,
        /// What may be needed, in MiB.
        needed_mib: u64,
    },
    /// There are not enough inodes for the run's files.
    #[error("the file system of {} has room for {free} more files (inodes), and this run may need {needed}", path.display())]
    NoInodes {
        /// The runs folder.
        path: PathBuf,
        /// How many are free.
        free: u64,
        /// How many may be needed.
        needed: u64,
    },
    /// The runs folder is on a network file system.
    #[error("{} is on a network file system ({kind}), where a journal is not safe", path.display())]
    Network {
        /// The runs folder.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// Nothing has run.
    #[error("no run in {}", path.display())]
    NoRun {
        /// The runs folder.
        path: PathBuf,
    },
    /// No run answers to a name.
    #[error("no run {wanted} in {}", path.display())]
    NoSuchRun {
        /// What was asked for.
        wanted: String,
        /// The runs folder.
        path: PathBuf,
    },
    /// Several runs answer to a name.
    #[error("{wanted} could be {}", listed(candidates))]
    AmbiguousRun {
        /// What was asked for.
        wanted: String,
        /// The runs that begin so.
        candidates: Vec<String>,
    },
}

impl JournalError {
    /// Whether the journal itself is damaged, so that nothing can be done with
    /// it any more.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Foreign { .. } => true,
            Self::Open { source, .. } | Self::Read { source, .. } | Self::Write { source, .. } => {
                damage(source)
            }
            _ => false,
        }
    }

    /// Whether a killed process left something half written, which has to be
    /// taken back before anything can be read.
    pub(super) fn is_half_written(&self) -> bool {
        let (Self::Open { source, .. } | Self::Read { source, .. }) = self else {
            return false;
        };
        let code = source.sqlite_error().map(|error| error.extended_code);
        code == Some(rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
    }

    pub(super) fn open(path: &Path, source: rusqlite::Error) -> Self {
        Self::Open {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn read(path: &Path, source: rusqlite::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: rusqlite::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn folder(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Folder { what, path, source }
    }
}

/// What an error and its causes say, outermost first. `SQLite`'s own words
/// stand there once, unless its code says more than they do.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        let code = error.downcast_ref::<rusqlite::ffi::Error>();
        // An extended one has more than eight bits.
        let is_plain = code.is_some_and(|error| error.extended_code < 1 << 8);
        let repeats = said.last().is_some_and(|before| words.ends_with(before));
        if !(is_plain && repeats) {
            said.push(words);
        }
        next = error.source();
    }
    said
}

/// The first five names, and how many there are besides.
fn listed(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{}, and {more} more", first.join(", ")),
    }
}

/// Whether SQLite, or whoever makes something of what it read, says that the
/// file is damaged.
fn damage(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    match error {
        Error::SqliteFailure(failure, _) | Error::SqlInputError { error: failure, .. } => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
        ),
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_twice_is_said_once() {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let words = "database or disk is full".to_owned();
        let full = rusqlite::Error::SqliteFailure(failure, Some(words));
        let error = JournalError::write(Path::new("journal.db"), full);
        assert_eq!(
            causes(&error).join(": "),
            "cannot write the journal journal.db: database or disk is full"
        );
        // More than that is told.
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_WRITE);
        let words = "disk I/O error".to_owned();
        let failed = rusqlite::Error::SqliteFailure(failure, Some(words));
        let [first, second] = &causes(&failed)[..] else {
            panic!("{:?}", causes(&failed));
        };
        assert_eq!(first, "disk I/O error");
        assert!(second.contains("778"), "{second}");
    }
}
