//! Reading a journal, for reports. Nothing here writes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row};

use super::log_state::{check_log, has_log};
use super::{Batch, BatchId, HoldCause, JournalError, ProcessEnd, RunMeta, State, Tally, Verified};
use crate::journal::writer;
use crate::list::PermissionId;

/// A journal open for reading, as of one moment: a run that goes on beside
/// it does not show through.
#[derive(Debug)]
pub struct JournalReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// The end of the last process, where it is not recorded yet.
    end: Option<ProcessEnd>,
}

/// A batch as a report sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchRow {
    /// Its number, name, state, IDs and lines.
    pub batch: Batch,
    /// Why it is in its state, in a word.
    pub reason: String,
    /// The server's own words, or what else helps. Not to be trusted as
    /// markup.
    pub message: String,
    /// The last answer's HTTP status.
    pub http_status: Option<u16>,
    /// How many POSTs carried these IDs.
    pub attempts: u32,
    /// When it was first sent.
    pub first_sent: Option<Timestamp>,
    /// When its state was settled.
    pub settled: Option<Timestamp>,
    /// What a read showed.
    pub verified: Verified,
    /// Whether a read is still owed.
    pub owed: bool,
}

/// A row of the input that gave no ID to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RejectRow {
    /// Where the row starts.
    pub line: u64,
    /// What stood there, cut to a sensible length.
    pub value: String,
    /// `duplicate`, or `invalid: …`.
    pub reason: String,
}

/// A process that ran or resumed the run, or verified it.
#[derive(Clone, PartialEq, Debug)]
pub struct ProcessRow {
    /// Its number within the journal.
    pub id: i64,
    /// `run`, `resume` or `verify`.
    pub command: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `None` while it goes on, or if it was killed.
    pub ended: Option<Timestamp>,
    /// The word for how it ended.
    pub outcome: Option<String>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// A sentence on why it ended as it did; may be empty.
    pub explanation: String,
    /// Its process ID.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// The user's name.
    pub operator: String,
    /// The program's version.
    pub version: String,
    /// The settings in effect, as JSON, without secrets.
    pub settings: String,
    /// The seconds it waited, by cause.
    pub waited: super::Waited,
    /// Where it was deferred: from when on a resume makes sense.
    pub resume_at: Option<Timestamp>,
}

/// How many calls were made, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallCounts {
    /// Revocations.
    pub revoke: u64,
    /// Reads.
    pub read: u64,
    /// Log-ins and renewals.
    pub auth: u64,
}

/// A wait that stopped every call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRow {
    /// `penalty`, `lockout` or `window`.
    pub cause: String,
    /// What more is known of the cause; may be empty.
    pub detail: String,
    /// When it began.
    pub began: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When a call went again, if one did.
    pub ended: Option<Timestamp>,
}

impl HoldRow {
    /// The cause for people, with what more is known of it: `lockout
    /// (captcha)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match HoldCause::from_word(&self.cause) {
            Some(cause) => cause.in_words(&self.detail),
            None if self.detail.is_empty() => self.cause.clone(),
            None => format!("{} ({})", self.cause, self.detail),
        }
    }
}

impl JournalReader {
    /// Opens the journal at `path` for reading. What a killed process had half
    /// written is taken back before.
    ///
    /// # Errors
    /// If it cannot be opened, is no journal of a known format, or lacks the log
    /// that belongs to it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut opened = Self::look_at(path);
        // It may be taken up, and get its log, between two looks.
        for _ in 0..2 {
            match &opened {
                Err(error) if error.is_half_written() => writer::take_back(path)?,
                Err(JournalError::Damaged { .. }) => {}
                _ => break,
            }
            opened = Self::look_at(path);
        }
        opened
    }

    fn look_at(path: &Path) -> Result<Self, JournalError> {
        let at = |source| JournalError::open(path, source);
        let had_log = has_log(path);
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(at)?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .map_err(at)?;
        writer::check_format(&connection, path)?;
        connection.execute_batch("BEGIN").map_err(at)?;
        if !had_log {
            check_log(&connection, path)?;
        }
        Ok(Self {
            connection,
            path: path.to_owned(),
            end: None,
        })
    }

    /// Shows the last process as one that has ended so. The files of a run are
    /// written before the end of a process is recorded, and show it.
    #[must_use]
    pub fn ending(mut self, end: Option<&ProcessEnd>) -> Self {
        self.end = end.cloned();
        self
    }

    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        read(&self.connection).map_err(|source| JournalError::read(&self.path, source))
    }

    /// What the run is.
    ///
    /// # Errors
    /// If the journal cannot be read, or a fact is missing or damaged.
    pub fn facts(&self) -> Result<RunMeta, JournalError> {
        let facts = self.with(|db| {
            db.prepare("SELECT name, value FROM fact")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<BTreeMap<String, String>, _>>()
        })?;
        let text = |name: &str| {
            facts
                .get(name)
                .cloned()
                .ok_or_else(|| self.damaged(format!("it lacks {name}")))
        };
        let number = |name: &str| {
            text(name)?
                .parse::<u64>()
                .map_err(|_| self.damaged(format!("{name} is no number")))
        };
        let created = text("created_at")?
            .parse()
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .ok_or_else(|| self.damaged("created_at is no time".to_owned()))?;
        Ok(RunMeta {
            created,
            environment: text("environment")?,
            base_url: text("base_url")?,
            input_path: text("input_path")?,
            input_sha256: text("input_sha256")?,
            list_sha256: text("list_sha256")?,
            column: text("column")?,
            batch_size: number("batch_size")?,
            rows_total: number("rows_total")?,
            rows_distinct: number("rows_distinct")?,
            rows_duplicate: number("rows_duplicate")?,
            rows_invalid: number("rows_invalid")?,
            batches: number("batches")?,
            note: text("note")?,
        })
    }

    pub(super) fn damaged(&self, what: String) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            what,
        }
    }

    /// The IDs in each state, counted batch by batch.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn tally(&self) -> Result<Tally, JournalError> {
        self.with(tally)
    }

    /// How many IDs are still owed a read.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn owed(&self) -> Result<u64, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT coalesce(sum(ids), 0) FROM batch WHERE owed = 1 AND state <> 'divided'",
                [],
                |row| row.get::<_, i64>(0),
            )
        })
        .map(i64::cast_unsigned)
    }

    /// How many IDs a read found in a state that they should not be in:
    /// accepted and still active, or counted as revoked or missing and found
    /// otherwise by a verification.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn mismatches(&self) -> Result<u64, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT coalesce(sum(ids), 0) FROM batch
                 WHERE state <> 'divided' AND (reason = 'verification_mismatch'
                     OR (state = 'revoked' AND verified IN ('active', 'absent'))
                     OR (state = 'missing' AND verified = 'active'))",
                [],
                |row| row.get::<_, i64>(0),
            )
        })
        .map(i64::cast_unsigned)
    }

    /// Hands each undivided batch to `visit`: in the order of the list, the
    /// parts of a divided batch by their paths.
    ///
    /// # Errors
    /// If the journal cannot be read, or what `visit` answers.
    pub fn each_batch<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(BatchRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = |source| E::from(JournalError::read(&self.path, source));
        let mut statement = self
            .connection
            .prepare(
                "SELECT b.id, b.path, b.root, b.state, b.first_line, m.ids, m.lines, b.reason,
                        b.message, b.http_status, b.attempts, b.first_sent_at, b.settled_at,
                        b.verified, b.owed
                 FROM batch b JOIN member m ON m.batch = b.id
                 WHERE b.parent IS NULL ORDER BY b.id",
            )
            .map_err(read)?;
        let mut parts = self.parts()?;
        let mut rows = statement.query([]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let row = batch_row(row).map_err(read)?;
            if row.batch.state == State::Divided {
                for part in parts.remove(&row.batch.id).unwrap_or_default() {
                    visit(part)?;
                }
            } else {
                visit(row)?;
            }
        }
        Ok(())
    }

    /// The undivided parts by the list's own batch they come from. They are
    /// few: extra requests are bounded.
    fn parts(&self) -> Result<HashMap<BatchId, Vec<BatchRow>>, JournalError> {
        let rows = self.with(|db| {
            db.prepare(
                "SELECT b.id, b.path, b.root, b.state, b.first_line, m.ids, m.lines, b.reason,
                        b.message, b.http_status, b.attempts, b.first_sent_at, b.settled_at,
                        b.verified, b.owed
                 FROM batch b JOIN member m ON m.batch = b.id
                 WHERE b.parent IS NOT NULL AND b.state <> 'divided'",
            )?
            .query_map([], batch_row)?
            .collect::<Result<Vec<_>, _>>()
        })?;
        let mut parts: HashMap<BatchId, Vec<BatchRow>> = HashMap::new();
        for row in rows {
            parts.entry(row.batch.root).or_default().push(row);
        }
        for of_one in parts.values_mut() {
            of_one.sort_by_cached_key(|row| {
                row.batch
                    .path
                    .split('.')
                    .map(|step| step.parse().unwrap_or(u64::MAX))
                    .collect::<Vec<_>>()
            });
        }
        Ok(parts)
    }

    /// The names of the parts that batches were divided into.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn part_paths(&self) -> Result<HashMap<BatchId, String>, JournalError> {
        self.with(|db| {
            db.prepare("SELECT id, path FROM batch WHERE parent IS NOT NULL")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Hands each row that gave no ID to `visit`, in the order of the input.
    ///
    /// # Errors
    /// If the journal cannot be read, or what `visit` answers.
    pub fn each_reject<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(RejectRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "SELECT line, value, reason FROM reject ORDER BY rowid",
            |row| {
                Ok(RejectRow {
                    line: row.get::<_, i64>(0)?.cast_unsigned(),
                    value: row.get(1)?,
                    reason: row.get(2)?,
                })
            },
            &mut visit,
        )
    }

    /// Hands each row of a query to `visit`.
    pub(super) fn each<T, E: From<JournalError>>(
        &self,
        query: &str,
        make: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        visit: &mut impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = |source| E::from(JournalError::read(&self.path, source));
        let mut statement = self.connection.prepare(query).map_err(read)?;
        let mut rows = statement.query([]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            visit(make(row).map_err(read)?)?;
        }
        Ok(())
    }

    /// The processes that ran or resumed the run, oldest first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn processes(&self) -> Result<Vec<ProcessRow>, JournalError> {
        let mut processes: Vec<ProcessRow> = self.with(|db| {
            db.prepare(
                "SELECT command, started_at, ended_at, outcome, exit_code, explanation, pid, host,
                        operator, version, settings, waited_rate, waited_retry, waited_penalty,
                        waited_lockout, id, waited_window, resume_at
                 FROM process ORDER BY id",
            )?
            .query_map([], process_row)?
            .collect()
        })?;
        if let (Some(last), Some(end)) = (processes.last_mut(), &self.end) {
            last.ended = Some(end.at);
            last.outcome = Some(end.outcome.to_owned());
            last.exit_code = Some(end.exit_code);
            last.explanation.clone_from(&end.explanation);
            last.resume_at = end.resume_at;
        }
        Ok(processes)
    }

    /// How many calls were made, by kind; one that may not have been sent
    /// counts.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn calls(&self) -> Result<CallCounts, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT count(*) FILTER (WHERE kind = 'revoke'), count(*) FILTER (WHERE kind = 'read'),
                        count(*) FILTER (WHERE kind IN ('login', 'renew')) FROM call",
                [],
                |row| {
                    Ok(CallCounts {
                        revoke: row.get::<_, i64>(0)?.cast_unsigned(),
                        read: row.get::<_, i64>(1)?.cast_unsigned(),
                        auth: row.get::<_, i64>(2)?.cast_unsigned(),
                    })
                },
            )
        })
    }

    /// The waits that stopped every call, oldest first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn holds(&self) -> Result<Vec<HoldRow>, JournalError> {
        self.with(|db| {
            db.prepare("SELECT cause, detail, began_at, until, ended_at FROM hold ORDER BY id")?
                .query_map([], |row| {
                    Ok(HoldRow {
                        cause: row.get(0)?,
                        detail: row.get(1)?,
                        began: moment(row, 2)?,
                        until: moment(row, 3)?,
                        ended: optional_moment(row, 4)?,
                    })
                })?
                .collect()
        })
    }
}

pub(super) fn tally(db: &Connection) -> rusqlite::Result<Tally> {
    let mut tally = Tally::default();
    let mut left = i64::MAX;
    let mut statement = db.prepare("SELECT state, sum(ids), min(ids) FROM batch GROUP BY state")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (ids, least): (i64, i64) = (row.get(1)?, row.get(2)?);
        if least < 1 || ids > left {
            return Err(damaged(1, "the batches have no such sizes"));
        }
        left -= ids;
        tally.add(state(row, 0)?, ids.cast_unsigned());
    }
    Ok(tally)
}

/// A batch from the columns id, path, root, state, first line, ids, lines.
pub(super) fn batch_of_row(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let ids: Vec<PermissionId> = numbers(row, 5)?;
    let lines = if row.get_ref(6)?.as_str()?.is_empty() {
        let first = row.get::<_, i64>(4)?.cast_unsigned();
        (first..first.saturating_add(ids.len() as u64)).collect()
    } else {
        numbers(row, 6)?
    };
    Ok(Batch {
        id: row.get(0)?,
        path: row.get(1)?,
        root: row.get(2)?,
        state: state(row, 3)?,
        ids,
        lines,
    })
}

pub(super) fn batch_row(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        batch: batch_of_row(row)?,
        reason: row.get(7)?,
        message: row.get(8)?,
        http_status: row.get(9)?,
        attempts: row.get(10)?,
        first_sent: optional_moment(row, 11)?,
        settled: optional_moment(row, 12)?,
        verified: Verified::from_word(row.get_ref(13)?.as_str()?).unwrap_or_default(),
        owed: row.get(14)?,
    })
}

fn process_row(row: &Row<'_>) -> rusqlite::Result<ProcessRow> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
    let seconds = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)? as f64 / 1000.0);
    Ok(ProcessRow {
        id: row.get(15)?,
        command: row.get(0)?,
        started: moment(row, 1)?,
        ended: optional_moment(row, 2)?,
        outcome: row.get(3)?,
        exit_code: row.get(4)?,
        explanation: row.get(5)?,
        pid: row.get(6)?,
        host: row.get(7)?,
        operator: row.get(8)?,
        version: row.get(9)?,
        settings: row.get(10)?,
        waited: super::Waited {
            rate: seconds(11)?,
            retry: seconds(12)?,
            penalty: seconds(13)?,
            lockout: seconds(14)?,
            window: seconds(16)?,
        },
        resume_at: optional_moment(row, 17)?,
    })
}

pub(super) fn numbers<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Vec<T>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| damaged(column, error))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let word = row.get_ref(column)?.as_str()?;
    State::from_word(word).ok_or_else(|| damaged(column, format!("no state is called {word}")))
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| damaged(column, error))
}

pub(super) fn optional_moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?
        .map(Timestamp::from_millisecond)
        .transpose()
        .map_err(|error| damaged(column, error))
}

pub(super) fn damaged(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
