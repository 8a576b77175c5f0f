//! Looking for single permissions in a journal.
//!
//! The IDs of a batch are one text, and no index leads into it: that would
//! take as much room as the list again, for a question that is asked now and
//! then. So the whole list is looked through, which takes milliseconds.

use jiff::Timestamp;
use rusqlite::Row;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{BatchId, BatchRow, JournalError, JournalReader, RejectRow, State};
use crate::journal::rows::{batch_row, moment, optional_moment};
use crate::list::{InvalidId, PermissionId};

/// What a run has recorded of one of its IDs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdHistory {
    /// The ID.
    pub id: PermissionId,
    /// Where its row starts in the input.
    pub line: u64,
    /// The batches that it was in, one after the other: the list's own first,
    /// the undivided part that tells its state last. Never empty.
    pub trail: Vec<BatchRow>,
    /// The revocations that carried it, in order. Reads are recorded without
    /// their IDs.
    pub calls: Vec<CallRow>,
}

/// A call as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRow {
    /// Its number.
    pub call: i64,
    /// The batch that it carried.
    pub batch: BatchId,
    /// How many IDs it carried.
    pub ids: u64,
    /// When it was decided upon.
    pub recorded: Timestamp,
    /// When it was answered; `None` if that was not recorded.
    pub answered: Option<Timestamp>,
    /// From sending to the end of the answer, in microseconds.
    pub elapsed_us: Option<u64>,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// How it was judged, in a word.
    pub verdict: String,
    /// The server's own words, or what failed. Not to be trusted as markup.
    pub message: String,
}

impl JournalReader {
    /// What is recorded of the `wanted` IDs that are in the list, in no
    /// particular order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn look_for(
        &self,
        wanted: &FxHashSet<PermissionId>,
    ) -> Result<Vec<IdHistory>, JournalError> {
        let roots = self.roots(wanted)?;
        if roots.is_empty() {
            return Ok(Vec::new());
        }
        let mut families = self.families(&roots)?;
        let mut calls = self.calls_of(&families)?;
        let mut traces = Vec::new();
        for (id, root) in roots {
            let family = families.entry(root).or_default();
            let trail: Vec<BatchRow> = family
                .iter()
                .filter(|row| row.batch.ids.contains(&id))
                .cloned()
                .collect();
            let own = trail.first().map(|row| &row.batch);
            let line = own.and_then(|batch| {
                let mut lines = batch.ids.iter().zip(&batch.lines);
                lines.find(|(one, _)| **one == id).map(|(_, line)| *line)
            });
            let settled = trail.iter().filter(|row| row.batch.state != State::Divided);
            let (Some(line), 1) = (line, settled.count()) else {
                return Err(self.damaged(format!("it contradicts itself about {id}")));
            };
            let carried = trail.iter().flat_map(|row| {
                let calls = calls.entry(row.batch.id).or_default();
                calls.clone()
            });
            traces.push(IdHistory {
                id,
                line,
                calls: carried.collect(),
                trail,
            });
        }
        Ok(traces)
    }

    /// The list's own batches that hold the `wanted` IDs.
    fn roots(
        &self,
        wanted: &FxHashSet<PermissionId>,
    ) -> Result<FxHashMap<PermissionId, BatchId>, JournalError> {
        let mut roots = FxHashMap::default();
        self.with(|db| {
            // Parts repeat what their batch holds, and come after all of
            // them.
            let mut statement = db.prepare(
                "SELECT batch, ids FROM member
                 WHERE batch <= (SELECT max(id) FROM batch WHERE parent IS NULL)",
            )?;
            let mut rows = statement.query([])?;
            while roots.len() < wanted.len()
                && let Some(row) = rows.next()?
            {
                let batch = row.get(0)?;
                each_number(row.get_ref(1)?.as_bytes()?, |number| {
                    let id = PermissionId::try_from(number).ok();
                    if let Some(id) = id.filter(|id| wanted.contains(id)) {
                        roots.insert(id, batch);
                    }
                });
            }
            Ok(())
        })?;
        Ok(roots)
    }

    /// Each of the list's own batches that is asked for, with all parts that
    /// it came to.
    fn families(
        &self,
        roots: &FxHashMap<PermissionId, BatchId>,
    ) -> Result<FxHashMap<BatchId, Vec<BatchRow>>, JournalError> {
        let mut families: FxHashMap<BatchId, Vec<BatchRow>> = FxHashMap::default();
        self.with(|db| {
            let mut statement = db.prepare(
                "SELECT b.id, b.path, b.root, b.state, b.first_line, m.ids, m.lines, b.reason,
                        b.message, b.http_status, b.attempts, b.first_sent_at, b.settled_at,
                        b.verified, b.owed
                 FROM batch b JOIN member m ON m.batch = b.id
                 WHERE b.root IN (SELECT value FROM json_each(?1)) ORDER BY b.id",
            )?;
            let mut rows = statement.query([array(roots.values())])?;
            while let Some(row) = rows.next()? {
                let row = batch_row(row)?;
                families.entry(row.batch.root).or_default().push(row);
            }
            Ok(())
        })?;
        Ok(families)
    }

    /// The revocations that carried one of these batches, by the batch.
    fn calls_of(
        &self,
        families: &FxHashMap<BatchId, Vec<BatchRow>>,
    ) -> Result<FxHashMap<BatchId, Vec<CallRow>>, JournalError> {
        let mut calls: FxHashMap<BatchId, Vec<CallRow>> = FxHashMap::default();
        let batches = families.values().flatten().map(|row| &row.batch.id);
        self.with(|db| {
            let mut statement = db.prepare(
                "SELECT id, batch, ids, recorded_at, answered_at, elapsed_us, http_status, verdict,
                        message
                 FROM call
                 WHERE kind = 'revoke' AND batch IN (SELECT value FROM json_each(?1))
                 ORDER BY id",
            )?;
            let mut rows = statement.query([array(batches)])?;
            while let Some(row) = rows.next()? {
                let call = call_row(row)?;
                calls.entry(call.batch).or_default().push(call);
            }
            Ok(())
        })?;
        Ok(calls)
    }

    /// The rows that gave no ID to send and name one of the `wanted` ones:
    /// repeated, or written so that it could not be taken.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn rejects_of(
        &self,
        wanted: &FxHashSet<PermissionId>,
    ) -> Result<Vec<(PermissionId, RejectRow)>, JournalError> {
        let mut found = Vec::new();
        self.each_reject(|row| {
            if let Some(id) = named(&row.value).filter(|id| wanted.contains(id)) {
                found.push((id, row));
            }
            Ok::<_, JournalError>(())
        })?;
        Ok(found)
    }
}

/// A JSON array for `json_each`.
fn array<'a>(batches: impl Iterator<Item = &'a BatchId>) -> String {
    let array: serde_json::Value = batches.copied().collect();
    array.to_string()
}

/// Hands on each number in a JSON array of whole numbers.
fn each_number(array: &[u8], mut visit: impl FnMut(i64)) {
    let mut number = 0_i64;
    for byte in array {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
        } else {
            visit(number);
            number = 0;
        }
    }
}

/// The ID that a person would read in a rejected cell: `1503646012.0`,
/// `'1503646012` and `1,503,646,012` name one, what a spreadsheet has rounded
/// names none.
fn named(cell: &str) -> Option<PermissionId> {
    let runs = cell.split(|c: char| !c.is_ascii_digit());
    let digits: String = match PermissionId::parse(cell.as_bytes()) {
        Ok(id) => return Some(id),
        Err(InvalidId::Scientific) => return None,
        Err(InvalidId::Grouped) => runs.collect(),
        Err(_) => runs.filter(|run| !run.is_empty()).take(1).collect(),
    };
    PermissionId::parse(digits.as_bytes()).ok()
}

fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    Ok(CallRow {
        call: row.get(0)?,
        batch: row.get(1)?,
        ids: row.get::<_, i64>(2)?.cast_unsigned(),
        recorded: moment(row, 3)?,
        answered: optional_moment(row, 4)?,
        elapsed_us: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        http_status: row.get(6)?,
        verdict: row.get(7)?,
        message: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_an_array_are_found_whole() {
        let numbers = |array: &str| {
            let mut numbers = Vec::new();
            each_number(array.as_bytes(), |number| numbers.push(number));
            numbers.retain(|number| *number > 0);
            numbers
        };
        assert_eq!(numbers("[1]"), [1]);
        assert_eq!(
            numbers("[12,1,112,9223372036854775807]"),
            [12, 1, 112, i64::MAX]
        );
        assert_eq!(numbers("[ 7 , 8 ]"), [7, 8]);
        assert!(numbers("[]").is_empty());
    }

    #[test]
    fn a_rejected_cell_names_what_a_person_would_read_in_it() {
        for (cell, id) in [
            ("1503646012", Some(1_503_646_012)),
            (" 001503646012 ", Some(1_503_646_012)),
            ("'1503646012", Some(1_503_646_012)),
            ("+1503646012", Some(1_503_646_012)),
            ("1503646012.0", Some(1_503_646_012)),
            ("1503646012 (old)", Some(1_503_646_012)),
            ("1,503,646,012", Some(1_503_646_012)),
            ("1.50E+09", None),
            ("0", None),
            ("", None),
            ("abc", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(named(cell).map(PermissionId::get), id, "{cell:?}");
        }
    }
}
