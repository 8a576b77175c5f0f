//! Opening a journal's file: what marks it, and what is refused.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;
use super::migrate::OLDEST_FORMAT;

/// Marks an SQLite file as a journal of this program: "RSCD".
pub(super) const APPLICATION_ID: i32 = 0x5253_4344;

/// The version of the journal's format. An older one is [migrated](super::migrate)
/// or read as it is, as far as that is known; every other is refused, never
/// guessed at.
pub(super) const FORMAT_VERSION: i32 = 6;

/// Says that a folder may not be entered. `SQLite` says only that it cannot
/// open the file, and not why.
pub(super) fn check_access(path: &Path) -> Result<(), JournalError> {
    match fs::metadata(path) {
        Err(denied) if denied.kind() == ErrorKind::PermissionDenied => {
            Err(JournalError::folder("open", path)(denied))
        }
        _ => Ok(()),
    }
}

/// Opens a journal for writing, whatever it holds.
pub(super) fn connect(path: &Path) -> Result<Connection, JournalError> {
    if path.is_symlink() {
        return Err(JournalError::Link {
            path: path.to_owned(),
        });
    }
    check_access(path)?;
    // SQLite refuses links on the whole way; only the last step matters.
    let real = match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(real, flags).map_err(|source| JournalError::open(path, source))
}

/// Takes back what a process that was killed had half written into the file
/// itself: that is so while the write-ahead log begins or ends. SQLite does it
/// at the first look, and cannot where it may only read.
pub(super) fn take_back(path: &Path) -> Result<(), JournalError> {
    check_format(&connect(path)?, path)
}

/// Refuses a file that is no journal, or one of another format.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0))
            .map_err(|source| JournalError::open(path, source))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(JournalError::Foreign {
            path: path.to_owned(),
        });
    }
    match pragma("user_version")? {
        OLDEST_FORMAT..=FORMAT_VERSION => Ok(()),
        found => Err(JournalError::Version {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Refuses a file whose pages do not hang together, before anything follows
/// from it: what is damaged somewhere is not to be met in the middle of a run.
pub(super) fn check_pages(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| JournalError::read(path, source))?;
    if found == "ok" {
        return Ok(());
    }
    Err(JournalError::Damaged {
        path: path.to_owned(),
        what: found.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}
