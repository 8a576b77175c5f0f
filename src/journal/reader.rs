//! Reading a journal, for reports. Nothing here writes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row};

use super::log_state::{check_log, has_log};
use super::open;
use super::rows::{
    BatchRow, CallCounts, HoldRow, ProcessRow, RejectRow, batch_row, moment, optional_moment,
    process_row, tally,
};
use super::{BatchId, JournalError, ProcessEnd, RunMeta, State, Tally};

/// A journal open for reading, as of one moment: a run that goes on beside
/// it does not show through.
#[derive(Debug)]
pub struct JournalReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// The end of the last process, where it is not recorded yet.
    end: Option<ProcessEnd>,
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
                Err(error) if error.is_half_written() => open::take_back(path)?,
                Err(JournalError::Damaged { .. }) => {}
                _ => break,
            }
            opened = Self::look_at(path);
        }
        opened
    }

    fn look_at(path: &Path) -> Result<Self, JournalError> {
        let at = |source| JournalError::open(path, source);
        open::check_access(path)?;
        let had_log = has_log(path);
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(at)?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .map_err(at)?;
        open::check_format(&connection, path)?;
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
