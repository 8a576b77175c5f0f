//! What the calls of a run came to, one by one, for reports. Nothing here
//! writes.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row};

use super::{JournalError, JournalReader, TokenOrigin};
use crate::journal::rows::{damaged, moment, optional_moment};

/// When a call was made and what came of it, without what it carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallTiming {
    /// The process that made it ([`ProcessRow::id`](super::ProcessRow::id)).
    pub process: i64,
    /// Its kind, in a word.
    pub kind: String,
    /// When it was recorded, a moment before it was sent.
    pub recorded: Timestamp,
    /// When its end was recorded; `None` if the process ended first.
    pub answered: Option<Timestamp>,
    /// From sending to the end of the answer, or to where none came.
    pub elapsed: Option<Duration>,
    /// The HTTP status, where there was an answer.
    pub http_status: Option<u16>,
    /// How it was judged, in a word; empty where nothing is recorded.
    pub verdict: String,
}

impl CallTiming {
    /// When it was sent, as nearly as it is known.
    #[must_use]
    pub fn sent(&self) -> Timestamp {
        self.answered
            .zip(self.elapsed)
            .and_then(|(at, elapsed)| at.checked_sub(elapsed).ok())
            .unwrap_or(self.recorded)
    }
}

/// A token that calls bore; which, nobody may know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRow {
    /// Where it came from.
    pub provenance: TokenOrigin,
    /// When calls began to bear it.
    pub borne: Timestamp,
    /// When it expires, if that is known.
    pub expires: Option<Timestamp>,
}

impl JournalReader {
    /// The token that calls bore last, if any did.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_token(&self) -> Result<Option<TokenRow>, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT provenance, borne_at, expires_at FROM token ORDER BY id DESC LIMIT 1",
                [],
                |row| {
                    let word = row.get_ref(0)?.as_str()?;
                    Ok(TokenRow {
                        provenance: TokenOrigin::from_word(word)
                            .ok_or_else(|| damaged(0, format!("no token comes from {word}")))?,
                        borne: moment(row, 1)?,
                        expires: optional_moment(row, 2)?,
                    })
                },
            )
            .optional()
        })
    }

    /// Hands each call to `visit`, in the order in which they were recorded.
    ///
    /// # Errors
    /// If the journal cannot be read, or what `visit` answers.
    pub fn each_call<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(CallTiming) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "SELECT process, kind, recorded_at, answered_at, elapsed_us, http_status, verdict
             FROM call ORDER BY id",
            timing,
            &mut visit,
        )
    }

    /// The last moment that anything is recorded of, in each process that
    /// made a call.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_calls(&self) -> Result<Vec<(i64, Timestamp)>, JournalError> {
        self.with(|db| {
            db.prepare(
                "SELECT process, max(max(recorded_at, coalesce(answered_at, 0)))
                 FROM call GROUP BY process ORDER BY process",
            )?
            .query_map([], |row| Ok((row.get(0)?, moment(row, 1)?)))?
            .collect()
        })
    }
}

fn timing(row: &Row<'_>) -> rusqlite::Result<CallTiming> {
    Ok(CallTiming {
        process: row.get(0)?,
        kind: row.get(1)?,
        recorded: moment(row, 2)?,
        answered: optional_moment(row, 3)?,
        elapsed: row
            .get::<_, Option<i64>>(4)?
            .map(|us| Duration::from_micros(us.max(0).cast_unsigned())),
        http_status: row.get(5)?,
        verdict: row.get(6)?,
    })
}
