//! What a page keeps of the batches and rows: those that need a look first,
//! within bounds, and the counts that the summary does not carry.
//!
//! Fed batch by batch in the one pass over the journal. What it holds does
//! not grow with the run; what it leaves out is in the CSV files.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::journal::{BatchRow, RejectRow, State, Tally, Verified};
use crate::report::format::visible;

/// So many batches are kept.
pub(super) const BATCHES: usize = 1_000;
/// So many IDs are kept of the batches of one rank, and shown in all.
pub(super) const IDS: usize = 10_000;
/// So many divided batches are kept with all their parts.
const DIVIDED: usize = 40;
/// So many rows that gave no ID are kept, the invalid ones first.
pub(super) const REJECTS: usize = 500;
/// So many different words are kept of each state and reason.
const WORDINGS: usize = 6;
/// Words from outside are cut after so many characters in a table, where
/// thousands of them can stand, and elsewhere.
const SHORT: usize = 100;
const LONG: usize = 2_000;

/// Why a batch is worth a look; the first comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rank {
    /// Read back, and not as it should be.
    Mismatch,
    /// Not revoked, and sent or settled.
    NotRevoked,
    /// Still to be read back.
    Owed,
    /// A part of a divided batch.
    Part,
    /// Revoked after more than one try.
    Retried,
    /// Not sent yet.
    Pending,
    /// Nothing to say.
    Plain,
}

impl Rank {
    const ALL: usize = 7;

    fn of(row: &BatchRow) -> Self {
        match row.batch.state {
            _ if row.reason == "verification_mismatch" => Self::Mismatch,
            State::Revoked if matches!(row.verified, Verified::Active | Verified::Absent) => {
                Self::Mismatch
            }
            State::Missing if row.verified == Verified::Active => Self::Mismatch,
            State::Pending if row.attempts == 0 => Self::Pending,
            State::Revoked if row.owed => Self::Owed,
            State::Revoked if row.batch.id != row.batch.root => Self::Part,
            State::Revoked if row.attempts > 1 => Self::Retried,
            State::Revoked => Self::Plain,
            _ => Self::NotRevoked,
        }
    }
}

/// An undivided batch as a page shows it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct BatchExtract {
    pub(super) rank: Rank,
    pub(super) path: String,
    pub(super) state: State,
    pub(super) reason: String,
    /// The words with it, cut.
    pub(super) message: String,
    pub(super) attempts: u32,
    pub(super) first_sent: Option<Timestamp>,
    pub(super) settled: Option<Timestamp>,
    pub(super) verified: Verified,
    pub(super) owed: bool,
    /// How many IDs it holds.
    pub(super) size: u64,
    /// The first and the last of its IDs.
    pub(super) ends: Option<(i64, i64)>,
    /// Its IDs with their lines, or as many as there is room for.
    pub(super) ids: Vec<(i64, u64)>,
}

impl BatchExtract {
    fn of(row: &BatchRow, rank: Rank, room: usize) -> Self {
        let batch = &row.batch;
        let ids = batch.ids.iter().map(|id| id.get());
        Self {
            rank,
            path: batch.path.clone(),
            state: batch.state,
            reason: visible(&row.reason).into_owned(),
            message: cut(&row.message, SHORT),
            attempts: row.attempts,
            first_sent: row.first_sent,
            settled: row.settled,
            verified: row.verified,
            owed: row.owed,
            size: batch.len(),
            ends: batch
                .ids
                .first()
                .zip(batch.ids.last())
                .map(|(first, last)| (first.get(), last.get())),
            ids: ids.zip(batch.lines.iter().copied()).take(room).collect(),
        }
    }

    /// Whether its IDs are ones that somebody may have to do something about.
    pub(super) fn is_unsettled(&self) -> bool {
        self.state != State::Revoked || matches!(self.rank, Rank::Mismatch | Rank::Owed)
    }
}

/// The batches of one rank.
#[derive(Debug, Default)]
struct Bucket {
    batches: Vec<BatchExtract>,
    ids: usize,
}

/// What was said of the IDs of one state and reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct MessageCounts {
    /// The words and how many IDs they were said of, first met first.
    pub(super) told: Vec<(String, u64)>,
    /// The IDs that further words were said of.
    pub(super) others: u64,
}

/// All rows of the list, each counted once.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Revoked IDs that a read showed as revoked, that no read has shown, and
    /// that a verification found otherwise.
    pub(super) read_back: u64,
    pub(super) unread: u64,
    pub(super) lost: u64,
    /// IDs in the other states.
    pub(super) others: Tally,
    /// Rows that repeat an earlier ID.
    pub(super) duplicate: u64,
    /// Rows that hold no ID.
    pub(super) invalid: u64,
}

/// What a page keeps of one run.
#[derive(Debug, Default)]
pub(super) struct Extract {
    shelves: [Bucket; Rank::ALL],
    kept: usize,
    pub(super) counts: Counts,
    /// Undivided batches by the number of times they were sent.
    pub(super) attempts: BTreeMap<u32, u64>,
    /// All undivided batches.
    pub(super) batches: u64,
    /// The IDs that somebody may have to do something about.
    pub(super) unsettled: u64,
    /// Divided batches, each with all its parts.
    pub(super) divided: Vec<Vec<BatchExtract>>,
    wordings: BTreeMap<(&'static str, String), MessageCounts>,
    invalid_rows: Vec<RejectRow>,
    duplicate_rows: Vec<RejectRow>,
}

impl Extract {
    /// Takes in one of the list's own batches: itself, or all its parts.
    pub(super) fn whole(&mut self, parts: &[BatchRow]) {
        for part in parts {
            self.part(part);
        }
        let divided = parts.iter().any(|part| part.batch.id != part.batch.root);
        if divided && self.divided.len() < DIVIDED {
            let kept = |part| BatchExtract::of(part, Rank::of(part), 4);
            self.divided.push(parts.iter().map(kept).collect());
        }
    }

    fn part(&mut self, row: &BatchRow) {
        let (state, ids, rank) = (row.batch.state, row.batch.len(), Rank::of(row));
        self.batches += 1;
        *self.attempts.entry(row.attempts).or_default() += 1;
        match (state, row.verified) {
            (State::Revoked, Verified::Revoked) => self.counts.read_back += ids,
            (State::Revoked, Verified::Active | Verified::Absent) => self.counts.lost += ids,
            (State::Revoked, _) => self.counts.unread += ids,
            (state, _) => self.counts.others.add(state, ids),
        }
        if !row.message.is_empty() {
            let reason = visible(&row.reason).into_owned();
            let wordings = self.wordings.entry((state.word(), reason)).or_default();
            wordings.add(&row.message, ids);
        }
        self.keep(row, rank);
        self.unsettled += match rank {
            Rank::Part | Rank::Retried | Rank::Plain => 0,
            _ => ids,
        };
    }

    /// Keeps a batch, if need be instead of one that is less worth a look.
    fn keep(&mut self, row: &BatchRow, rank: Rank) {
        if self.kept == BATCHES {
            let least = self.shelves[rank as usize + 1..]
                .iter_mut()
                .rev()
                .find(|shelf| !shelf.batches.is_empty());
            let Some(least) = least else { return };
            if let Some(dropped) = least.batches.pop() {
                least.ids -= dropped.ids.len();
            }
        } else {
            self.kept += 1;
        }
        let chosen = &mut self.shelves[rank as usize];
        let kept = BatchExtract::of(row, rank, IDS - chosen.ids);
        chosen.ids += kept.ids.len();
        chosen.batches.push(kept);
    }

    /// Takes in a row that gave no ID to send.
    pub(super) fn reject(&mut self, row: &RejectRow) {
        let rows = if row.reason == "duplicate" {
            self.counts.duplicate += 1;
            &mut self.duplicate_rows
        } else {
            self.counts.invalid += 1;
            &mut self.invalid_rows
        };
        if rows.len() < REJECTS {
            rows.push(RejectRow {
                line: row.line,
                value: cut(&row.value, SHORT),
                reason: cut(&row.reason, SHORT),
            });
        }
    }

    /// What was said of the IDs of a state and reason.
    pub(super) fn wordings(&self, state: State, reason: &str) -> MessageCounts {
        let key = (state.word(), reason.to_owned());
        self.wordings.get(&key).cloned().unwrap_or_default()
    }

    /// The kept batches, those that need a look first.
    pub(super) fn kept(&self) -> impl Iterator<Item = &BatchExtract> {
        self.shelves.iter().flat_map(|shelf| &shelf.batches)
    }

    /// The kept rows that gave no ID: the invalid ones, then the duplicates.
    pub(super) fn rejects(&self) -> impl Iterator<Item = &RejectRow> {
        let rows = self.invalid_rows.iter().chain(&self.duplicate_rows);
        rows.take(REJECTS)
    }
}

impl MessageCounts {
    fn add(&mut self, message: &str, ids: u64) {
        let words = cut(message, LONG);
        if let Some((_, told)) = self.told.iter_mut().find(|(known, _)| *known == words) {
            *told += ids;
        } else if self.told.len() < WORDINGS {
            self.told.push((words, ids));
        } else {
            self.others += ids;
        }
    }
}

/// Text from outside: on one line, harmless, and not longer than `most`
/// characters.
fn cut(text: &str, most: usize) -> String {
    let shown = visible(text);
    match shown.char_indices().nth(most) {
        None => shown.into_owned(),
        Some((end, _)) => format!("{} …", shown[..end].trim_end()),
    }
}
