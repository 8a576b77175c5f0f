//! What the last verification found (`rescind verify`): its figures, and the
//! mark that each claim gets.

use jiff::Timestamp;
use serde::Serialize;

use super::outcome::Outcome;
use super::process_outcome::{VERIFY, how_a_process_ended};
use super::serialize::{optional_time, time};
use crate::journal::{Evidence, JournalError, JournalReader, ProcessRow, State};
use crate::report::format::{number, visible};

/// How a claim stands against what was found: the `verdict` of
/// `verification.csv`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerificationMark {
    /// As claimed, or better: shown as `Revoked`.
    AsClaimed,
    /// Not revoked, and there, though claimed otherwise.
    Active,
    /// Not there, though claimed otherwise.
    Absent,
    /// Nothing could be read.
    Unreadable,
}

impl VerificationMark {
    /// The mark for IDs that were `claimed` to be in a state, and `found` so.
    /// To have been refused, or not to have been executed, means to be there
    /// still; what is in doubt is not known to be either.
    #[must_use]
    pub const fn of(claimed: State, found: Evidence) -> Self {
        match (claimed, found) {
            (_, Evidence::Unreadable) => Self::Unreadable,
            (_, Evidence::Revoked)
            | (State::Missing, Evidence::Absent)
            | (
                State::Refused | State::Pending | State::Exhausted,
                Evidence::Active | Evidence::Declined,
            ) => Self::AsClaimed,
            (_, Evidence::Absent) => Self::Absent,
            (_, Evidence::Active | Evidence::Declined) => Self::Active,
        }
    }

    /// The sign for it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::AsClaimed => "=",
            Self::Active => "*",
            Self::Absent => "-",
            Self::Unreadable => "!",
        }
    }
}

/// What the last verification found, in IDs: they add up to those of the list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verification {
    /// When it started.
    #[serde(serialize_with = "time")]
    pub started_at: Timestamp,
    /// When it ended, if it said so.
    #[serde(serialize_with = "optional_time")]
    pub finished_at: Option<Timestamp>,
    /// How it ended, in a word: `complete` if all was found as claimed,
    /// `mismatch` if not.
    pub outcome: String,
    /// Its exit code, if it has one.
    pub exit_code: Option<u8>,
    /// A sentence on why it was stopped; may be empty.
    pub explanation: String,
    /// Found as claimed, or better: shown as `Revoked`.
    pub as_claimed: u64,
    /// Not revoked, though claimed otherwise.
    pub active: u64,
    /// Not there, though claimed otherwise.
    pub absent: u64,
    /// Could not be read.
    pub unreadable: u64,
    /// Not come to.
    pub not_read: u64,
}

impl Verification {
    /// The last of `processes` that verified the run in `archive`, of
    /// `distinct` IDs. `live` says that it may still be going on.
    pub(super) fn last(
        archive: &JournalReader,
        processes: &[ProcessRow],
        distinct: u64,
        live: bool,
    ) -> Result<Option<Self>, JournalError> {
        let last = processes.iter().rfind(|process| process.command == VERIFY);
        let Some(process) = last else {
            return Ok(None);
        };
        let (outcome, exit_code) = how_a_process_ended(Some(process), live);
        let mut found = Self {
            started_at: process.started,
            finished_at: process.ended,
            outcome,
            exit_code,
            explanation: visible(&process.explanation).into_owned(),
            as_claimed: 0,
            active: 0,
            absent: 0,
            unreadable: 0,
            not_read: distinct,
        };
        for (claimed, evidence, ids) in archive.evidence(process.id)? {
            *found.count(VerificationMark::of(claimed, evidence)) += ids;
            found.not_read = found.not_read.saturating_sub(ids);
        }
        Ok(Some(found))
    }

    fn count(&mut self, mark: VerificationMark) -> &mut u64 {
        match mark {
            VerificationMark::AsClaimed => &mut self.as_claimed,
            VerificationMark::Active => &mut self.active,
            VerificationMark::Absent => &mut self.absent,
            VerificationMark::Unreadable => &mut self.unreadable,
        }
    }

    /// All IDs that it came to.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.as_claimed + self.active + self.absent + self.unreadable
    }

    /// Whether every ID was found as claimed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.active + self.absent + self.unreadable + self.not_read == 0
    }

    /// How it ends if nothing stops it.
    #[must_use]
    pub const fn ending(&self) -> Outcome {
        if self.is_clean() {
            Outcome::Complete
        } else {
            Outcome::Mismatch
        }
    }

    /// The figures in words: `247 as claimed, 3 not as claimed`.
    pub(super) fn words(&self) -> String {
        let parts = [
            (self.active, "not revoked though claimed otherwise"),
            (self.absent, "absent though claimed otherwise"),
            (self.unreadable, "unreadable"),
            (self.not_read, "not read"),
        ];
        let parts = parts.into_iter().filter(|(ids, _)| *ids > 0);
        let parts = parts.map(|(ids, what)| format!(", {} {what}", number(ids)));
        format!(
            "{} as claimed{}",
            number(self.as_claimed),
            parts.collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_and_finding_has_its_mark() {
        use Evidence::{Absent, Active, Declined, Revoked};
        for (claimed, marks) in [
            (State::Revoked, "=**-"),
            (State::Refused, "===-"),
            (State::Missing, "=**="),
            (State::Exhausted, "===-"),
            (State::Unknown, "=**-"),
            (State::InFlight, "=**-"),
            (State::Pending, "===-"),
        ] {
            let found = [Revoked, Active, Declined, Absent];
            let signs = found.map(|found| VerificationMark::of(claimed, found).sign());
            assert_eq!(signs.concat(), marks, "{claimed}");
            assert_eq!(
                VerificationMark::of(claimed, Evidence::Unreadable).sign(),
                "!"
            );
        }
    }
}
