//! The digest of the frozen list: made when the list is frozen, and compared
//! before anything follows from the list.
//!
//! SQLite notices a damaged page and not a digit that became another. A list
//! altered by a bad disk, or by hand, is to be refused, and no other permission
//! revoked in its place. This is no guard against malice: who can write the
//! file can write its digest.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{BatchRow, JournalError, JournalReader};
use crate::list::{PermissionId, hex};

/// The fact that is the digest of the list.
pub(super) const LIST_DIGEST: &str = "rows_sha256";

/// Every ID with its line, and every row that gave none, each in the order of
/// the input.
#[derive(Clone, Debug, Default)]
pub(super) struct ListDigest {
    ids: Sha256,
    rejects: Sha256,
}

impl ListDigest {
    /// The next ID.
    pub(super) fn id(&mut self, id: PermissionId, line: u64) {
        self.ids.update(id.get().to_le_bytes());
        self.ids.update(line.to_le_bytes());
    }

    /// The next row that gave no ID.
    pub(super) fn reject(&mut self, line: u64, value: &str, reason: &str) {
        self.rejects.update(line.to_le_bytes());
        for text in [value, reason] {
            self.rejects.update(text);
            self.rejects.update([0]);
        }
    }

    /// The digest of it all, in hex.
    pub(super) fn finish(self) -> String {
        let mut whole = self.ids;
        whole.update(self.rejects.finalize());
        hex(&whole.finalize())
    }

    /// One of the list's own batches, as the undivided parts it came to. In
    /// the order of their lines the IDs are as they were frozen.
    fn parts(&mut self, parts: &[BatchRow]) {
        let of_part = |part: &BatchRow| {
            let ids = part.batch.ids.iter().copied();
            let lines = part.batch.lines.iter().copied();
            lines.zip(ids).collect::<Vec<_>>()
        };
        let mut ids: Vec<_> = parts.iter().flat_map(of_part).collect();
        if parts.len() > 1 {
            ids.sort_by_key(|(line, _)| *line);
        }
        for (line, id) in ids {
            self.id(id, line);
        }
    }
}

impl JournalReader {
    /// Compares the list with the digest that was made when it was frozen.
    ///
    /// # Errors
    /// If the journal cannot be read, or its list is another.
    pub fn check_list(&self) -> Result<(), JournalError> {
        let mut digest = ListDigest::default();
        let mut parts: Vec<BatchRow> = Vec::new();
        self.each_batch(|row| {
            if parts
                .first()
                .is_some_and(|first| first.batch.root != row.batch.root)
            {
                digest.parts(&parts);
                parts.clear();
            }
            parts.push(row);
            Ok::<_, JournalError>(())
        })?;
        digest.parts(&parts);
        self.each_reject(|row| {
            digest.reject(row.line, &row.value, &row.reason);
            Ok::<_, JournalError>(())
        })?;
        if self.with(recorded)? == digest.finish() {
            return Ok(());
        }
        Err(self.damaged("its rows are not those that were frozen".to_owned()))
    }
}

fn recorded(db: &Connection) -> rusqlite::Result<String> {
    db.query_row(
        "SELECT value FROM fact WHERE name = ?1",
        [LIST_DIGEST],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_altered_the_digest_is_another() {
        let id = |number| PermissionId::try_from(number).unwrap();
        let of = |ids: &[(i64, u64)], rejects: &[(u64, &str, &str)]| {
            let mut digest = ListDigest::default();
            for (number, line) in ids {
                digest.id(id(*number), *line);
            }
            for (line, value, reason) in rejects {
                digest.reject(*line, value, reason);
            }
            digest.finish()
        };
        let one = of(&[(1, 2), (3, 4)], &[(5, "x", "invalid")]);
        assert_eq!(one, of(&[(1, 2), (3, 4)], &[(5, "x", "invalid")]));
        for other in [
            of(&[(1, 2), (4, 4)], &[(5, "x", "invalid")]),
            of(&[(1, 2), (3, 5)], &[(5, "x", "invalid")]),
            of(&[(3, 4), (1, 2)], &[(5, "x", "invalid")]),
            of(&[(1, 2)], &[(5, "x", "invalid")]),
            of(&[(1, 2), (3, 4)], &[]),
            of(&[(1, 2), (3, 4)], &[(6, "x", "invalid")]),
            of(&[(1, 2), (3, 4)], &[(5, "", "xinvalid")]),
        ] {
            assert_ne!(one, other);
        }
    }
}
