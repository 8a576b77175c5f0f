//! Rows of a journal as a report sees them, and how each is decoded.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::{Batch, HoldCause, State, Tally, Verified};
use crate::list::PermissionId;

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

pub(super) fn process_row(row: &Row<'_>) -> rusqlite::Result<ProcessRow> {
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
