//! Writing a journal: one connection, one transaction a group of entries.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Batch, BatchId, CallId, Entry, JournalError, Move, Owed, Part, State, Tally, read};

/// Marks an SQLite file as a journal of this program: "RSCD".
pub(super) const APPLICATION_ID: i32 = 0x5253_4344;

/// The version of the journal's format. A journal of another version is
/// refused, never guessed at.
pub(super) const FORMAT_VERSION: i32 = 1;

/// The journal of a run, open for writing. Only one process may hold it: the
/// [`Lock`](super::Lock) sees to that.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
    process: i64,
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

/// A batch in doubt, and what is known of its last sending.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The batch.
    pub batch: Batch,
    /// When its last call was recorded.
    pub recorded: Option<Timestamp>,
    /// When that call was answered or given up, if that is recorded.
    pub ended: Option<Timestamp>,
}

impl Journal {
    /// Opens the journal at `path` for writing.
    ///
    /// # Errors
    /// If it cannot be opened, is damaged, or is no journal of this format.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let at = |source| JournalError::open(path, source);
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(at)?;
        check_format(&connection, path)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;",
            )
            .map_err(at)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self {
            connection,
            path: path.to_owned(),
            process: 0,
        })
    }

    /// Where the journal is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: rusqlite::Error) -> JournalError {
        JournalError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// Records that a process takes the run up.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn begin_process(&mut self, process: &Process) -> Result<(), JournalError> {
        self.connection
            .execute(
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
            )
            .map_err(|source| self.failed(source))?;
        self.process = self.connection.last_insert_rowid();
        Ok(())
    }

    /// Records how the process ended, and leaves the journal as one file.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn end_process(
        mut self,
        at: Timestamp,
        outcome: &str,
        exit_code: u8,
        explanation: &str,
    ) -> Result<(), JournalError> {
        self.connection
            .execute(
                "UPDATE process SET ended_at = ?2, outcome = ?3, exit_code = ?4, explanation = ?5
                 WHERE id = ?1",
                params![
                    self.process,
                    at.as_millisecond(),
                    outcome,
                    exit_code,
                    explanation
                ],
            )
            .map_err(|source| self.failed(source))?;
        self.fold()
    }

    /// Folds the write-ahead log into the file. With a reader about, the log
    /// is emptied but stays; otherwise one file is left.
    fn fold(&mut self) -> Result<(), JournalError> {
        let single = self
            .connection
            .query_row("PRAGMA journal_mode = DELETE", [], |row| {
                row.get::<_, String>(0)
            });
        if single.is_ok() {
            return Ok(());
        }
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|source| self.failed(source))
    }

    /// Writes a group of entries in one transaction: all of them or none.
    /// When this returns they are on the disk.
    ///
    /// # Errors
    /// If the journal cannot be written, or if an entry contradicts it.
    pub fn write(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let process = self.process;
        let transaction = self
            .connection
            .transaction()
            .map_err(|source| JournalError::write(&self.path, source))?;
        for entry in entries {
            write_entry(&transaction, process, entry).map_err(|cause| match cause {
                Refusal::Database(source) => JournalError::write(&self.path, source),
                Refusal::Contradiction(what) => JournalError::Contradiction {
                    path: self.path.clone(),
                    what,
                },
            })?;
        }
        transaction
            .commit()
            .map_err(|source| JournalError::write(&self.path, source))
    }

    /// The next batches in one of `states`, or, where `owed` is given, of
    /// those states and with that debt; after batch `after` and up to batch
    /// `last`, at most `limit` of them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn batches(
        &self,
        pick: Pick,
        after: BatchId,
        last: BatchId,
        limit: usize,
    ) -> Result<Vec<Batch>, JournalError> {
        let sql = format!(
            "SELECT b.id, b.path, b.root, b.state, b.first_line, m.ids, m.lines
             FROM batch b JOIN member m ON m.batch = b.id
             WHERE b.id > ?1 AND b.id <= ?2 AND {} ORDER BY b.id LIMIT ?3",
            pick.condition()
        );
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(
                params![after, last, i64::try_from(limit).unwrap_or(i64::MAX)],
                read::batch_of_row,
            )?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| JournalError::read(&self.path, source))
    }

    /// Like [`batches`](Self::batches) with [`Pick::Owed`], and with what was
    /// said of them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn owed(&self, after: BatchId, limit: usize) -> Result<Vec<Owed>, JournalError> {
        let batches = self.batches(Pick::Owed, after, BatchId::MAX, limit)?;
        let read = |batch: Batch| {
            self.connection
                .prepare_cached("SELECT reason, message FROM batch WHERE id = ?1")?
                .query_row([batch.id], |row| {
                    Ok((row.get::<_, String>(0)?, row.get(1)?))
                })
                .map(|(reason, message)| Owed {
                    batch,
                    reason: reason.into(),
                    message,
                })
        };
        batches
            .into_iter()
            .map(|batch| read(batch).map_err(|source| JournalError::read(&self.path, source)))
            .collect()
    }

    /// The last call that carried `batch`: when it was recorded, and when it
    /// ended, if that is known. A part looks to what it was divided from.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn doubt(&self, batch: Batch) -> Result<Doubt, JournalError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "WITH RECURSIVE line (id, parent) AS (
                     SELECT id, parent FROM batch WHERE id = ?1
                     UNION ALL
                     SELECT b.id, b.parent FROM batch b JOIN line ON b.id = line.parent)
                 SELECT recorded_at, answered_at FROM call
                 WHERE batch IN (SELECT id FROM line) AND kind = 'revoke'
                 ORDER BY id DESC LIMIT 1",
            )?;
            statement
                .query_row([batch.id], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
                })
                .optional()
        };
        let last = read().map_err(|source| JournalError::read(&self.path, source))?;
        let moment = |ms| Timestamp::from_millisecond(ms).ok();
        Ok(Doubt {
            batch,
            recorded: last.and_then(|(recorded, _)| moment(recorded)),
            ended: last.and_then(|(_, ended)| ended).and_then(moment),
        })
    }

    /// The IDs in each state.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn tally(&self) -> Result<Tally, JournalError> {
        read::tally(&self.connection).map_err(|source| JournalError::read(&self.path, source))
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
    /// To be sent where nothing is read back: what is in doubt, too.
    SendableUnread,
}

impl Pick {
    const fn condition(self) -> &'static str {
        match self {
            Self::Doubtful => {
                "(state IN ('in_flight', 'unknown') OR (state = 'exhausted' AND owed = 1))"
            }
            Self::Owed => "state IN ('revoked', 'refused') AND owed = 1",
            Self::SendableWhole => "state IN ('pending', 'exhausted') AND parent IS NULL",
            Self::Sendable => "state IN ('pending', 'exhausted')",
            Self::SendableUnread => "state IN ('pending', 'exhausted', 'unknown')",
        }
    }
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
        FORMAT_VERSION => Ok(()),
        found => Err(JournalError::Version {
            path: path.to_owned(),
            found,
        }),
    }
}

enum Refusal {
    Database(rusqlite::Error),
    Contradiction(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

fn write_entry(db: &Connection, process: i64, entry: &Entry) -> Result<(), Refusal> {
    match entry {
        Entry::Begun {
            call,
            kind,
            batch,
            ids,
            at,
        } => {
            db.prepare_cached(
                "INSERT INTO call (id, process, kind, batch, ids, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                call,
                process,
                kind.word(),
                batch,
                ids.cast_signed(),
                at.as_millisecond()
            ])?;
        }
        Entry::Withdrawn { call } => {
            db.prepare_cached("DELETE FROM call WHERE id = ?1 AND answered_at IS NULL")?
                .execute([call])?;
        }
        Entry::Answered {
            call,
            at,
            elapsed_us,
            status,
            verdict,
            message,
        } => {
            db.prepare_cached(
                "UPDATE call SET answered_at = ?2, elapsed_us = ?3, http_status = ?4,
                     verdict = ?5, message = ?6 WHERE id = ?1",
            )?
            .execute(params![
                call,
                at.as_millisecond(),
                elapsed_us.cast_signed(),
                status,
                verdict,
                message
            ])?;
        }
        Entry::Sending {
            batch, from, at, ..
        } => {
            allowed(*batch, *from, State::InFlight)?;
            let changed = db
                .prepare_cached(
                    "UPDATE batch SET state = 'in_flight', owed = 0, attempts = attempts + 1,
                         first_sent_at = coalesce(first_sent_at, ?3), settled_at = NULL, verified = ''
                     WHERE id = ?1 AND state = ?2",
                )?
                .execute(params![batch, from.word(), at.as_millisecond()])?;
            exactly_one(changed, *batch, *from)?;
        }
        Entry::Unsent { batch, back_to, .. } => {
            let changed = db
                .prepare_cached(
                    "UPDATE batch SET state = ?2, attempts = attempts - 1,
                         first_sent_at = CASE WHEN attempts = 1 THEN NULL ELSE first_sent_at END
                     WHERE id = ?1 AND state = 'in_flight'",
                )?
                .execute(params![batch, back_to.word()])?;
            exactly_one(changed, *batch, State::InFlight)?;
        }
        Entry::Moved(change) => write_move(db, change)?,
        Entry::Divided {
            batch,
            from,
            parts,
            at,
        } => write_parts(db, *batch, *from, parts, *at)?,
        Entry::Held {
            hold,
            cause,
            began,
            until,
            full_ms,
        } => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO hold (id, process, cause, began_at, until, full_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                hold,
                process,
                cause.word(),
                began.as_millisecond(),
                until.as_millisecond(),
                full_ms
            ])?;
        }
        Entry::Waited(waited) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a wait fits i64 milliseconds"
            )]
            let ms = |seconds: f64| (seconds * 1000.0).round() as i64;
            db.prepare_cached(
                "UPDATE process SET waited_rate = ?2, waited_retry = ?3, waited_penalty = ?4,
                     waited_lockout = ?5 WHERE id = ?1",
            )?
            .execute(params![
                process,
                ms(waited.rate),
                ms(waited.retry),
                ms(waited.penalty),
                ms(waited.lockout)
            ])?;
        }
    }
    Ok(())
}

fn write_move(db: &Connection, change: &Move) -> Result<(), Refusal> {
    allowed(change.batch, change.from, change.to)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = ?3, reason = ?4, message = ?5, verified = ?6, owed = ?7,
                 settled_at = ?8, http_status = coalesce(?9, http_status)
             WHERE id = ?1 AND state = ?2",
        )?
        .execute(params![
            change.batch,
            change.from.word(),
            change.to.word(),
            change.reason,
            change.message,
            change.verified.word(),
            change.owed,
            change.to.is_settled().then(|| change.at.as_millisecond()),
            change.http_status,
        ])?;
    exactly_one(changed, change.batch, change.from)
}

fn write_parts(
    db: &Connection,
    whole: BatchId,
    from: State,
    parts: &[Part],
    at: Timestamp,
) -> Result<(), Refusal> {
    allowed(whole, from, State::Divided)?;
    let changed = db
        .prepare_cached(
            "UPDATE batch SET state = 'divided', owed = 0, settled_at = ?3
             WHERE id = ?1 AND state = ?2 AND ids = ?4",
        )?
        .execute(params![
            whole,
            from.word(),
            at.as_millisecond(),
            parts
                .iter()
                .map(|part| part.batch.len())
                .sum::<u64>()
                .cast_signed()
        ])?;
    exactly_one(changed, whole, from)?;
    for part in parts {
        let batch = &part.batch;
        db.prepare_cached(
            "INSERT INTO batch (id, path, parent, root, ids, first_line, last_line, state, reason,
                 message, http_status, attempts, first_sent_at, settled_at, verified, owed)
             SELECT ?2, ?3, ?1, root, ?4, ?5, ?6, ?7, ?8, ?9, http_status, attempts, first_sent_at,
                 ?10, ?11, ?12
             FROM batch WHERE id = ?1",
        )?
        .execute(params![
            whole,
            batch.id,
            batch.path,
            batch.len().cast_signed(),
            super::freeze::first_line(&batch.lines),
            super::freeze::last_line(&batch.lines),
            batch.state.word(),
            part.reason,
            part.message,
            batch.state.is_settled().then(|| at.as_millisecond()),
            part.verified.word(),
            part.owed,
        ])?;
        super::freeze::insert_member(db, batch.id, &batch.ids, &batch.lines)?;
    }
    Ok(())
}

fn allowed(batch: BatchId, from: State, to: State) -> Result<(), Refusal> {
    if from.may_become(to) {
        Ok(())
    } else {
        Err(Refusal::Contradiction(format!(
            "batch {batch} may not go from {from} to {to}"
        )))
    }
}

fn exactly_one(changed: usize, batch: BatchId, from: State) -> Result<(), Refusal> {
    if changed == 1 {
        Ok(())
    } else {
        Err(Refusal::Contradiction(format!(
            "batch {batch} is not {from} as it was thought to be"
        )))
    }
}
