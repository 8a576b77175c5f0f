//! The accounting: one pass over the journal's batches and rejected rows, in
//! memory that does not grow with them.
//!
//! Promises that every figure is counted by itself, and that a count that
//! does not add up is told and not smoothed over.

use std::collections::BTreeMap;

use serde::Serialize;

use super::serialize::word;
use crate::journal::{
    BatchRow, JournalError, JournalReader, RejectRow, RunMeta, State, Tally, Verified,
};
use crate::list::PermissionId;
use crate::report::format::{number, visible};

/// The IDs of one state and reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutcomeFigures {
    /// The state.
    #[serde(serialize_with = "word")]
    pub state: State,
    /// The reason, in a word; may be empty.
    pub reason: String,
    /// How many IDs.
    pub ids: u64,
    /// In how many undivided batches.
    pub batches: u64,
    /// The first words that the server, or the program, had for one of them.
    pub message: String,
    /// Whether there are other words for others of them.
    pub other_messages: bool,
    /// The first few IDs.
    pub samples: Vec<i64>,
}

/// The rejected rows of one reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RejectFigures {
    /// `duplicate`, or `invalid: …`.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
    /// The first few lines.
    pub lines: Vec<u64>,
}

/// So many IDs, or lines, stand for the others of their kind.
const SAMPLES: usize = 3;

/// A run's figures in the making.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) tally: Tally,
    pub(super) owed: u64,
    pub(super) read_back: u64,
    pub(super) unread: u64,
    pub(super) mismatches: u64,
    pub(super) lost: u64,
    pub(super) recovered: u64,
    pub(super) divided: u64,
    batches: u64,
    duplicate: u64,
    invalid: u64,
    without_line: u64,
    outcomes: BTreeMap<(usize, String), OutcomeFigures>,
    rejected: BTreeMap<String, RejectFigures>,
}

impl Account {
    /// Counts one of the list's own batches: itself, or all its parts.
    pub(super) fn whole(&mut self, parts: &[BatchRow]) {
        self.batches += 1;
        let divided = parts.iter().any(|part| part.batch.id != part.batch.root);
        self.divided += u64::from(divided);
        for part in parts {
            self.part(part);
        }
    }

    fn part(&mut self, row: &BatchRow) {
        let (state, ids) = (row.batch.state, row.batch.len());
        self.tally.add(state, ids);
        self.without_line += u64::from(row.batch.lines.len() != row.batch.ids.len());
        if row.owed {
            self.owed += ids;
        }
        if state == State::Revoked {
            self.recovered += u64::from(row.attempts > 1);
            match row.verified {
                Verified::Revoked => self.read_back += ids,
                Verified::Active | Verified::Absent => self.lost += ids,
                Verified::No | Verified::Unreadable => self.unread += ids,
            }
        }
        let otherwise = matches!(
            (state, row.verified),
            (State::Revoked, Verified::Active | Verified::Absent)
                | (State::Missing, Verified::Active)
        );
        if otherwise || row.reason == "verification_mismatch" {
            self.mismatches += ids;
        }
        let order = State::SHOWN.iter().position(|shown| *shown == state);
        let message = visible(&row.message);
        let figures = self
            .outcomes
            .entry((order.unwrap_or(usize::MAX), row.reason.clone()))
            .or_insert_with(|| OutcomeFigures {
                state,
                reason: visible(&row.reason).into_owned(),
                ids: 0,
                batches: 0,
                message: String::new(),
                other_messages: false,
                samples: Vec::new(),
            });
        figures.ids += ids;
        figures.batches += 1;
        let room = SAMPLES - figures.samples.len();
        let samples = row.batch.ids.iter().take(room).map(|id| id.get());
        figures.samples.extend(samples);
        if figures.message.is_empty() {
            figures.message = message.into_owned();
        } else if !message.is_empty() && message != figures.message {
            figures.other_messages = true;
        }
    }

    /// Counts a row that gave no ID to send.
    pub(super) fn reject(&mut self, row: &RejectRow) {
        self.duplicate += u64::from(row.reason == "duplicate");
        self.invalid += u64::from(row.reason.starts_with("invalid"));
        let figures = self
            .rejected
            .entry(row.reason.clone())
            .or_insert_with(|| RejectFigures {
                reason: visible(&row.reason).into_owned(),
                rows: 0,
                lines: Vec::new(),
            });
        figures.rows += 1;
        if figures.lines.len() < SAMPLES {
            figures.lines.push(row.line);
        }
    }

    /// What does not add up, if anything: the rows as they were counted when
    /// the list was frozen, and what was counted now. `tally`, `owed` and
    /// `mismatches` are the journal's own sums over the sizes of the batches.
    pub(super) fn check(
        &self,
        facts: &RunMeta,
        tally: &Tally,
        owed: u64,
        mismatches: u64,
    ) -> Result<(), String> {
        let equal = |what: &str, one: u64, and: &str, other: u64| {
            if one == other {
                return Ok(());
            }
            Err(format!(
                "{} {what}, but {} {and}",
                number(one),
                number(other)
            ))
        };
        let parts = facts.rows_distinct + facts.rows_duplicate + facts.rows_invalid;
        let counted = [
            (
                facts.rows_total,
                "rows",
                parts,
                "distinct, duplicate and invalid ones together",
            ),
            (
                facts.rows_duplicate,
                "duplicate rows",
                self.duplicate,
                "recorded one by one",
            ),
            (
                facts.rows_invalid,
                "invalid rows",
                self.invalid,
                "recorded one by one",
            ),
            (facts.batches, "batches", self.batches, "found"),
            (
                facts.rows_distinct,
                "distinct IDs",
                self.tally.total(),
                "in all states together",
            ),
            (
                self.tally.of(State::Divided),
                "IDs in a batch that was divided",
                0,
                "expected",
            ),
            (
                self.without_line,
                "batches whose IDs lack a line",
                0,
                "expected",
            ),
            (
                owed,
                "IDs owed a read by the size of their batches",
                self.owed,
                "by counting them",
            ),
            (
                mismatches,
                "mismatches by the size of their batches",
                self.mismatches,
                "by counting them",
            ),
        ];
        for (one, what, other, and) in counted {
            equal(what, one, and, other)?;
        }
        for state in State::SHOWN {
            let what = format!("IDs {state} by the size of their batches");
            equal(
                &what,
                tally.of(state),
                "by counting them",
                self.tally.of(state),
            )?;
        }
        Ok(())
    }

    /// The IDs by state and reason: in the order of the accounting, most
    /// first.
    pub(super) fn outcomes(&self) -> Vec<OutcomeFigures> {
        let mut sorted: Vec<_> = self.outcomes.iter().collect();
        sorted.sort_by_key(|((order, _), figures)| (*order, std::cmp::Reverse(figures.ids)));
        sorted
            .into_iter()
            .map(|(_, figures)| figures.clone())
            .collect()
    }

    /// The rejected rows by reason: most first.
    pub(super) fn rejected(&self) -> Vec<RejectFigures> {
        let mut sorted: Vec<_> = self.rejected.values().cloned().collect();
        sorted.sort_by_key(|figures| std::cmp::Reverse(figures.rows));
        sorted
    }
}

/// Hands on each of the list's own batches, in order: itself, or all the
/// undivided parts it came to.
pub(super) fn each_whole<E: From<JournalError>>(
    archive: &JournalReader,
    mut visit: impl FnMut(&[BatchRow]) -> Result<(), E>,
) -> Result<(), E> {
    let mut parts: Vec<BatchRow> = Vec::new();
    archive.each_batch(|row| {
        if parts
            .first()
            .is_some_and(|first| first.batch.root != row.batch.root)
        {
            visit(&parts)?;
            parts.clear();
        }
        parts.push(row);
        Ok::<_, E>(())
    })?;
    if parts.is_empty() {
        Ok(())
    } else {
        visit(&parts)
    }
}

/// Hands on the IDs of one of the list's own batches in the order of their
/// lines, each with its line and the part that it is in.
pub(super) fn each_id<E>(
    parts: &[BatchRow],
    mut visit: impl FnMut(PermissionId, u64, &BatchRow) -> Result<(), E>,
) -> Result<(), E> {
    if let [whole] = parts {
        let mut ids = whole.batch.ids.iter().zip(&whole.batch.lines);
        return ids.try_for_each(|(id, line)| visit(*id, *line, whole));
    }
    let mut ids: Vec<_> = parts
        .iter()
        .flat_map(|part| {
            let ids = part.batch.ids.iter().zip(&part.batch.lines);
            ids.map(move |(id, line)| (*line, *id, part))
        })
        .collect();
    ids.sort_by_key(|(line, _, _)| *line);
    ids.into_iter()
        .try_for_each(|(line, id, part)| visit(id, line, part))
}
