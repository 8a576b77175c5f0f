//! Seals: what decides which permissions are revoked, where and how fast is
//! digested when it is written, and compared when it is read.
//!
//! SQLite notices a damaged page and not a digit that became another. A
//! journal altered by a bad disk, or by hand, is to be refused, and not to
//! revoke somebody else's permission. This is no guard against malice: whoever
//! may write the file may write its seal.

use sha2::{Digest, Sha256};

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

/// The seal on a process's settings.
pub(super) fn settings(text: &str) -> String {
    hex(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

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
