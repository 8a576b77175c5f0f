//! Seals: what decides which permissions are revoked, where and how fast is
//! digested when it is written, and compared when it is read.
//!
//! SQLite notices a damaged page and not a digit that became another. A
//! journal altered by a bad disk, or by hand, is to be refused, and not to
//! revoke somebody else's permission. What changes as a run goes on is kept
//! twice in its row (`twin` in the schema). This is no guard against malice: whoever
//! may write the file may write its seal.

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::freeze::SCHEMA;
use crate::list::{PermissionId, hex};

/// The frozen list: every ID with its line, and every row that gave none,
/// each in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct ListSeal {
    ids: Sha256,
    rejects: Sha256,
}

impl ListSeal {
    /// The next ID.
    pub fn id(&mut self, id: PermissionId, line: u64) {
        self.ids.update(id.get().to_le_bytes());
        self.ids.update(line.to_le_bytes());
    }

    /// The next row that gave no ID.
    pub fn reject(&mut self, line: u64, value: &str, reason: &str) {
        self.rejects.update(line.to_le_bytes());
        for text in [value, reason] {
            self.rejects.update(text);
            self.rejects.update([0]);
        }
    }

    /// The digest of it all, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut whole = self.ids.clone();
        whole.update(self.rejects.clone().finalize());
        hex(&whole.finalize())
    }
}

/// The seal on a run's facts, given in the order of their names.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut digest = Sha256::new();
    for part in facts.into_iter().flat_map(|(name, value)| [name, value]) {
        digest.update(part);
        digest.update([0]);
    }
    hex(&digest.finalize())
}

/// The tables whose rows are written twice, and what their twins are made of.
fn twins() -> impl Iterator<Item = (&'static str, &'static str)> {
    let tables = SCHEMA.split("CREATE TABLE ").skip(1);
    tables.filter_map(|table| {
        let (_, twin) = table.split_once("GENERATED ALWAYS AS ")?;
        Some((table.split(' ').next()?, twin.split(" STORED").next()?))
    })
}

/// What is wrong with the rows that have a twin, if anything: one of them is
/// not what was written.
pub(super) fn rows(db: &Connection) -> rusqlite::Result<Option<String>> {
    for (table, twin) in twins() {
        let altered = db
            .prepare(&format!("SELECT id FROM {table} WHERE twin IS NOT {twin}"))?
            .query_row([], |row| row.get::<_, i64>(0))
            .optional()?;
        if let Some(id) = altered {
            return Ok(Some(format!("{table} {id} is not as it was recorded")));
        }
    }
    Ok(None)
}

/// The seal on a process's settings.
pub(super) fn settings(text: &str) -> String {
    hex(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_which_a_part_was_altered_is_noticed() {
        assert_eq!(
            twins().map(|(table, _)| table).collect::<Vec<_>>(),
            ["batch", "hold"]
        );
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db.execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO batch (id, path, root, ids, first_line, last_line, state)
                 VALUES (1, '1', 1, 9, 2, 10, 'pending');
             INSERT INTO hold (id, process, cause, began_at, until, full_ms)
                 VALUES (1, 1, 'penalty', 1, 2, 1);
             UPDATE batch SET state = 'revoked', owed = 1;
             VACUUM;",
        )
        .unwrap();
        assert_eq!(rows(&db).unwrap(), None);
        drop(db);
        // As nobody but a bad disk does it: the bytes of the file.
        let image = std::fs::read(&path).unwrap();
        let altered = |from: &str, to: &str| {
            let (from, to) = (from.as_bytes(), to.as_bytes());
            let mut found = image.windows(from.len());
            let at = found.position(|found| found == from).unwrap();
            let mut image = image.clone();
            image[at..at + to.len()].copy_from_slice(to);
            std::fs::write(&path, image).unwrap();
            rows(&Connection::open(&path).unwrap()).unwrap()
        };
        let batch = "1 1 0 1 9 2 10 revoked   1 0 0 0";
        assert_eq!(altered(batch, batch), None);
        assert_eq!(
            altered(batch, "1 1 0 1 9 2 10 refused").as_deref(),
            Some("batch 1 is not as it was recorded")
        );
        assert_eq!(
            altered("1 1 penalty 1 2 1 0", "1 1 penalty 1 1 1 0").as_deref(),
            Some("hold 1 is not as it was recorded")
        );
    }

    #[test]
    fn whatever_is_altered_the_digest_is_another() {
        let id = |number| PermissionId::try_from(number).unwrap();
        let of = |ids: &[(i64, u64)], rejects: &[(u64, &str, &str)]| {
            let mut seal = ListSeal::default();
            for (number, line) in ids {
                seal.id(id(*number), *line);
            }
            for (line, value, reason) in rejects {
                seal.reject(*line, value, reason);
            }
            seal.digest()
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
        assert_ne!(
            facts([("a", "b"), ("c", "d")]),
            facts([("a", "bc"), ("", "d")])
        );
    }
}
