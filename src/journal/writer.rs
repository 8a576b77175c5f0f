//! Writing a journal: one connection, one transaction a group of entries.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::log_state::{begin_log, beside, end_log};
use super::migrate::migrate;
use super::open::{check_format, check_pages, connect};
use super::{Entry, JournalError, JournalReader, Pinned, Process, ProcessEnd};
use crate::journal::apply::{ApplyError, write_entry};

/// How long a journal is tried to be left as one file, where a reader or the
/// disk prevents it, and how long one try waits.
const FOLDING: Duration = Duration::from_secs(5);
const ONE_TRY: Duration = Duration::from_millis(500);

/// The journal of a run, open for writing. Only one process may hold it: the
/// [`Lock`](super::Lock) sees to that.
#[derive(Debug)]
pub struct Journal {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    process: i64,
    /// The files that have to stay where they are: the journal, its log, and
    /// what is [added](Self::pin).
    pinned: Vec<Pinned>,
}

/// Why a journal could not be left as one file. It is complete all the same,
/// together with its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfolded {
    /// The journal.
    pub path: PathBuf,
    /// What prevented it.
    pub why: String,
}

impl std::fmt::Display for Unfolded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} could not be left as one file ({}): its log {} belongs to it; copy both, or neither",
            self.path.display(),
            self.why,
            beside(&self.path, "-wal").display()
        )
    }
}

impl Journal {
    /// Opens the journal at `path` for writing.
    ///
    /// # Errors
    /// If it cannot be opened, is damaged, or is no journal of a known format;
    /// if its list is not the one that was frozen; or if it is a symbolic link.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let at = |source| JournalError::open(path, source);
        // Looked at before anything could be written: the last to close a
        // damaged log would clear it away.
        let archive = JournalReader::open(path)?;
        let journal = Pinned::at(path)?;
        let connection = connect(path)?;
        check_format(&connection, path)?;
        check_pages(&connection, path)?;
        archive.check_list()?;
        drop(archive);
        connection
            // A log goes when it was moved into the file, and by nothing else:
            // by the time that this process ends its path may be another's.
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .and_then(|_| migrate(&connection, path))
            .and_then(|()| {
                connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;")
            })
            .and_then(|()| begin_log(&connection))
            .map_err(at)?;
        let pinned = vec![journal, Pinned::at(&beside(path, "-wal"))?];
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self {
            connection,
            path: path.to_owned(),
            process: 0,
            pinned,
        })
    }

    /// Has every writing look, too, whether this file is still at its path.
    pub fn pin(&mut self, file: Pinned) {
        self.pinned.push(file);
    }

    /// The files that have to stay where they are.
    #[must_use]
    pub fn pinned(&self) -> &[Pinned] {
        &self.pinned
    }

    /// Looks whether the journal that is written to is the one at its path,
    /// and so is everything that was [added](Self::pin).
    ///
    /// # Errors
    /// If one of them is not.
    pub fn check_place(&self) -> Result<(), JournalError> {
        self.pinned.iter().try_for_each(Pinned::check)
    }

    /// Where the journal is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a process takes the run up.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn begin_process(&mut self, process: &Process) -> Result<(), JournalError> {
        self.process = self.at_once(|db| {
            db.execute(
                "INSERT INTO process (command, started_at, pid, host, operator, version, settings)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    process.command,
                    process.started.as_millisecond(),
                    process.pid,
                    process.host,
                    process.operator,
                    process.version,
                    process.settings,
                ],
            )?;
            Ok(db.last_insert_rowid())
        })?;
        Ok(())
    }

    /// The number of the process that [`begin_process`](Self::begin_process)
    /// recorded.
    #[must_use]
    pub const fn process(&self) -> i64 {
        self.process
    }

    /// Goes on as a process that is recorded already, where the connection
    /// that recorded it is lost.
    pub const fn continue_process(&mut self, process: i64) {
        self.process = process;
    }

    /// Records how the process ended, and leaves the journal as one file. The
    /// answer says if that was not possible.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn end_process(mut self, end: &ProcessEnd) -> Result<Option<Unfolded>, JournalError> {
        self.record_end(end)?;
        Ok(self.close())
    }

    /// Records how the process ended, and nothing else: for one that has no
    /// time left.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn record_end(&mut self, end: &ProcessEnd) -> Result<(), JournalError> {
        let process = self.process;
        self.at_once(|db| {
            db.execute(
                "UPDATE process SET ended_at = ?2, outcome = ?3, exit_code = ?4, explanation = ?5,
                     resume_at = ?6
                 WHERE id = ?1",
                params![
                    process,
                    end.at.as_millisecond(),
                    end.outcome,
                    end.exit_code,
                    end.explanation,
                    end.resume_at.map(Timestamp::as_millisecond),
                ],
            )
            .map(drop)
        })
    }

    /// Leaves the journal as one file, without a word on any process. The
    /// answer says if that was not possible.
    pub fn close(self) -> Option<Unfolded> {
        let begun = Instant::now();
        let _ = self.connection.busy_timeout(ONE_TRY);
        loop {
            let why = match self.check_place().map(|()| end_log(&self.connection)) {
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(why))) => why.to_owned(),
                Ok(Err(error)) => error.to_string(),
                // What is there belongs to another process.
                Err(replaced) => return Some(self.unfolded(replaced.to_string())),
            };
            if begun.elapsed() >= FOLDING {
                return Some(self.unfolded(why));
            }
            std::thread::sleep(ONE_TRY / 10);
        }
    }

    fn unfolded(&self, why: String) -> Unfolded {
        Unfolded {
            path: self.path.clone(),
            why,
        }
    }

    /// Writes a group of entries in one transaction: all of them or none.
    /// When this returns they are on the disk.
    ///
    /// # Errors
    /// If the journal cannot be written, or if an entry contradicts it.
    pub fn write(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let process = self.process;
        self.transact(|transaction, path| {
            for entry in entries {
                write_entry(transaction, process, entry).map_err(|cause| match cause {
                    ApplyError::Database(source) => JournalError::write(path, source),
                    ApplyError::Contradiction(what) => JournalError::Contradiction {
                        path: path.to_owned(),
                        what,
                    },
                })?;
            }
            Ok(())
        })
    }

    /// Does some writing in one transaction: all of it or nothing.
    pub(super) fn at_once<T>(
        &mut self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.transact(|transaction, path| {
            write(transaction).map_err(|source| JournalError::write(path, source))
        })
    }

    /// One transaction. What it writes is on record only if its files are
    /// still the ones that a later process will find.
    fn transact<T>(
        &mut self,
        write: impl FnOnce(&Connection, &Path) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let at = |source| JournalError::write(&self.path, source);
        let transaction = self.connection.transaction().map_err(at)?;
        let written = write(&transaction, &self.path)?;
        transaction.commit().map_err(at)?;
        self.check_place()?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::super::open::{APPLICATION_ID, FORMAT_VERSION};
    use super::*;
    use rusqlite::Row;

    fn database(pragmas: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal.db");
        let database = Connection::open(&path).unwrap();
        database.execute_batch(pragmas).unwrap();
        (home, path)
    }

    #[test]
    fn another_format_is_refused_and_never_guessed_at() {
        let (_home, path) = database(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
            FORMAT_VERSION + 1
        ));
        let error = Journal::open(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Version { found, .. } if found > FORMAT_VERSION),
            "{error}"
        );
        let error = crate::journal::JournalReader::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Version { .. }), "{error}");
    }

    /// What a commit returned from is on the disk (SQLite, *PRAGMA
    /// synchronous*: 2 is FULL).
    #[test]
    fn a_commit_is_synced() {
        let (_home, path) = database(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION};
             {} {}
             INSERT INTO fact VALUES ('rows_sha256', '{}');",
            crate::journal::new_run::SCHEMA,
            super::super::log_state::STATE_TABLE,
            super::super::list_digest::ListDigest::default().finish()
        ));
        let journal = Journal::open(&path).unwrap();
        let pragma = |name| {
            let found = |row: &Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            journal.connection.pragma_query_value(None, name, found)
        };
        assert_eq!(pragma("synchronous").unwrap(), 2.into());
        assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    }

    #[test]
    fn a_file_of_somebody_else_is_not_touched() {
        let (_home, path) = database("CREATE TABLE theirs (x); PRAGMA user_version = 1;");
        let before = std::fs::read(&path).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
