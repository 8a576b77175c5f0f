//! Writing a journal: one connection, one transaction a group of entries.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::log_state::{begin_log, beside, end_log};
use super::migrate::{OLDEST_FORMAT, migrate};
use super::{
    Batch, BatchId, CallId, Entry, JournalError, JournalReader, Owed, Pinned, RecordedState, Tally,
    VERIFICATION_MISMATCH, Verified,
};
use crate::journal::apply::{ApplyError, write_entry};
use crate::journal::rate_history::timeout;
use crate::journal::reader;

/// Marks an SQLite file as a journal of this program: "RSCD".
pub(super) const APPLICATION_ID: i32 = 0x5253_4344;

/// The version of the journal's format. An older one is [migrated](migrate)
/// or read as it is, as far as that is known; every other is refused, never
/// guessed at.
pub(super) const FORMAT_VERSION: i32 = 6;

/// How long a journal is tried to be left as one file, where a reader or the
/// disk prevents it, and how long one try waits.
const FOLDING: Duration = Duration::from_secs(5);
const ONE_TRY: Duration = Duration::from_millis(500);

/// The journal of a run, open for writing. Only one process may hold it: the
/// [`Lock`](super::Lock) sees to that.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
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

/// Who carries a run out: one row of the journal a process.
#[derive(Clone, Debug)]
pub struct Process {
    /// `run`, `resume` or `verify`.
    pub command: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// The user's name.
    pub operator: String,
    /// The host's name.
    pub host: String,
    /// The process ID.
    pub pid: u32,
    /// The program's version.
    pub version: &'static str,
    /// The settings in effect, as JSON, without secrets.
    pub settings: String,
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessEnd {
    /// When.
    pub at: Timestamp,
    /// The word for it.
    pub outcome: &'static str,
    /// Its exit code.
    pub exit_code: u8,
    /// A sentence on why; may be empty.
    pub explanation: String,
    /// Where it was deferred: when it makes sense to carry on.
    pub resume_at: Option<Timestamp>,
}

impl ProcessEnd {
    /// An end without an explanation.
    #[must_use]
    pub const fn new(at: Timestamp, outcome: &'static str, exit_code: u8) -> Self {
        Self {
            at,
            outcome,
            exit_code,
            explanation: String::new(),
            resume_at: None,
        }
    }
}

/// A batch in doubt, and what is known of its last sending.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The batch.
    pub batch: Batch,
    /// Why it is in doubt, in a word; empty after a crash.
    pub reason: String,
    /// The last request that carried it was answered with a clean `ok:true`.
    pub accepted: bool,
    /// When its last call was recorded, on the clock of this process.
    pub recorded: Option<Timestamp>,
    /// When that call was answered or given up, if that is recorded.
    pub ended: Option<Timestamp>,
    /// How long its process would have waited for the answer, if that is
    /// recorded.
    pub timeout: Option<Duration>,
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

    /// The next batches that `pick` asks for, after batch `after` and up to
    /// batch `last`: as many as hold `ids` IDs together, and at least one, if
    /// there is one.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn batches(
        &self,
        pick: Pick,
        after: BatchId,
        last: BatchId,
        ids: usize,
    ) -> Result<Vec<Batch>, JournalError> {
        self.picked(pick, after..=last, ids, reader::batch_of_row, |batch| batch)
    }

    /// Like [`batches`](Self::batches) with [`Pick::Owed`], and with what was
    /// said of them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn owed(&self, after: BatchId, ids: usize) -> Result<Vec<Owed>, JournalError> {
        let of_row = |row: &Row<'_>| {
            Ok(Owed {
                batch: reader::batch_of_row(row)?,
                reason: row.get::<_, String>(7)?.into(),
                message: row.get(8)?,
            })
        };
        let range = after..=BatchId::MAX;
        self.picked(Pick::Owed, range, ids, of_row, |owed| &owed.batch)
    }

    /// Like [`batches`](Self::batches) with [`Pick::Undivided`], and with what
    /// is claimed of them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn claims(
        &self,
        after: BatchId,
        last: BatchId,
        ids: usize,
    ) -> Result<Vec<RecordedState>, JournalError> {
        let of_row = |row: &Row<'_>| {
            Ok(RecordedState {
                batch: reader::batch_of_row(row)?,
                reason: row.get::<_, String>(7)?.into(),
                message: row.get(8)?,
                verified: Verified::from_word(row.get_ref(9)?.as_str()?).unwrap_or_default(),
                owed: row.get(10)?,
            })
        };
        let range = after..=last;
        self.picked(Pick::Undivided, range, ids, of_row, |claim| &claim.batch)
    }

    /// What `of_row` makes of the batches in `range` but its first, until
    /// they hold `ids` IDs together.
    fn picked<T>(
        &self,
        pick: Pick,
        range: RangeInclusive<BatchId>,
        ids: usize,
        of_row: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        batch: impl Fn(&T) -> &Batch,
    ) -> Result<Vec<T>, JournalError> {
        let sql = format!(
            "SELECT b.id, b.path, b.root, b.state, b.first_line, m.ids, m.lines, b.reason, b.message,
                    b.verified, b.owed
             FROM batch b JOIN member m ON m.batch = b.id
             WHERE b.id > ?1 AND b.id <= ?2 AND {} ORDER BY b.id",
            pick.condition()
        );
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([range.start(), range.end()])?;
            let (mut picked, mut held) = (Vec::new(), 0);
            while held < ids
                && let Some(row) = rows.next()?
            {
                let one = of_row(row)?;
                held += batch(&one).ids.len();
                picked.push(one);
            }
            Ok(picked)
        };
        read().map_err(|source| JournalError::read(&self.path, source))
    }

    /// The last call that carried `batch`: when it was recorded, and when it
    /// ended, if that is known. A part looks to what it was divided from.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn doubt(&self, batch: Batch) -> Result<Doubt, JournalError> {
        let read = || {
            let reason: String = self
                .connection
                .prepare_cached("SELECT reason FROM batch WHERE id = ?1")?
                .query_row([batch.id], |row| row.get(0))?;
            let last = self
                .connection
                .prepare_cached(
                    "WITH RECURSIVE line (id, parent) AS (
                         SELECT id, parent FROM batch WHERE id = ?1
                         UNION
                         SELECT b.id, b.parent FROM batch b JOIN line ON b.id = line.parent)
                     SELECT recorded_at, answered_at, settings,
                         verdict = 'accepted'
                     FROM call JOIN process ON process.id = call.process
                     WHERE batch IN (SELECT id FROM line) AND kind = 'revoke'
                     ORDER BY call.id DESC LIMIT 1",
                )?
                .query_row([batch.id], |row| {
                    let recorded = reader::moment(row, 0)?;
                    let ended = reader::optional_moment(row, 1)?;
                    let timeout = timeout(&row.get::<_, String>(2)?);
                    let timeout = timeout.and_then(|own| own.try_into().ok());
                    let accepted: bool = row.get(3)?;
                    Ok((recorded, ended, accepted, timeout))
                })
                .optional()?;
            Ok((reason, last))
        };
        let (reason, last) = read().map_err(|source| JournalError::read(&self.path, source))?;
        Ok(Doubt {
            batch,
            accepted: reason == VERIFICATION_MISMATCH
                || last.is_some_and(|(_, _, accepted, _)| accepted),
            reason,
            recorded: last.map(|(recorded, ..)| recorded),
            ended: last.and_then(|(_, ended, ..)| ended),
            timeout: last.and_then(|(.., timeout)| timeout),
        })
    }

    /// Whether the API ever accepted a batch of this run.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn was_accepted(&self) -> Result<bool, JournalError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM call WHERE verdict = 'accepted')",
                [],
                |row| row.get(0),
            )
            .map_err(|source| JournalError::read(&self.path, source))
    }

    /// The IDs in each state.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn tally(&self) -> Result<Tally, JournalError> {
        reader::tally(&self.connection).map_err(|source| JournalError::read(&self.path, source))
    }

    /// How many batches the list was cut into.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn whole_batches(&self) -> Result<u64, JournalError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM batch WHERE parent IS NULL",
                [],
                |row| row.get::<_, i64>(0),
            )
            .map(i64::cast_unsigned)
            .map_err(|source| JournalError::read(&self.path, source))
    }

    /// The highest numbers given to a batch, a call and a hold so far.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_numbers(&self) -> Result<(BatchId, CallId, i64), JournalError> {
        self.connection
            .query_row(
                "SELECT (SELECT coalesce(max(id), 0) FROM batch),
                        (SELECT coalesce(max(id), 0) FROM call),
                        (SELECT coalesce(max(id), 0) FROM hold)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .map_err(|source| JournalError::read(&self.path, source))
    }
}

/// Which batches are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// May have been executed without our knowing: to be settled first.
    Doubtful,
    /// Settled, but a read is still owed.
    Owed,
    /// To be sent: the list's own batches.
    SendableWhole,
    /// To be sent, parts of divided batches too.
    Sendable,
    /// To be sent where nothing is read back: what is in doubt, too, unless
    /// the last request that carried it was accepted.
    SendableUnread,
    /// Shown as revoked by a read.
    Proven,
    /// Every one that a result shows.
    Undivided,
}

impl Pick {
    const fn condition(self) -> &'static str {
        match self {
            Self::Doubtful => "state IN ('in_flight', 'unknown')",
            Self::Owed => "state IN ('revoked', 'refused', 'exhausted') AND owed = 1",
            Self::SendableWhole => "state IN ('pending', 'exhausted') AND parent IS NULL",
            Self::Sendable => "state IN ('pending', 'exhausted')",
            Self::SendableUnread => {
                "(state IN ('pending', 'exhausted')
                 OR state = 'unknown' AND reason <> 'verification_mismatch' AND NOT EXISTS (
                     WITH RECURSIVE line (id, parent) AS (
                         SELECT b.id, b.parent
                         UNION
                         SELECT up.id, up.parent FROM batch up JOIN line ON up.id = line.parent)
                     SELECT 1 FROM (
                         SELECT verdict FROM call
                         WHERE batch IN (SELECT id FROM line) AND kind = 'revoke'
                         ORDER BY id DESC LIMIT 1)
                     WHERE verdict = 'accepted'))"
            }
            Self::Proven => "state = 'revoked' AND verified = 'revoked'",
            Self::Undivided => "state <> 'divided'",
        }
    }
}

/// Opens a journal for writing, whatever it holds.
pub(super) fn connect(path: &Path) -> Result<Connection, JournalError> {
    if path.is_symlink() {
        return Err(JournalError::Link {
            path: path.to_owned(),
        });
    }
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
fn check_pages(connection: &Connection, path: &Path) -> Result<(), JournalError> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
