//! What is to be done next: the batches to settle, to read back and to send.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row};

use super::process::timeout;
use super::rows::{batch_of_row, moment, optional_moment, tally};
use super::writer::Journal;
use super::{
    Batch, BatchId, CallId, JournalError, Owed, RecordedState, Tally, VERIFICATION_MISMATCH,
    Verified,
};

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

impl Journal {
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
        self.picked(pick, after..=last, ids, batch_of_row, |batch| batch)
    }

    /// Like [`batches`](Self::batches) with [`Pick::Owed`], and with what was
    /// said of them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn owed(&self, after: BatchId, ids: usize) -> Result<Vec<Owed>, JournalError> {
        let of_row = |row: &Row<'_>| {
            Ok(Owed {
                batch: batch_of_row(row)?,
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
                batch: batch_of_row(row)?,
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
                    let recorded = moment(row, 0)?;
                    let ended = optional_moment(row, 1)?;
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
        tally(&self.connection).map_err(|source| JournalError::read(&self.path, source))
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
