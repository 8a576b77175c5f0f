//! How a process ended: the word and the exit code, and the rule for a
//! process that nothing stopped.

use crate::journal::{State, Tally};

use super::RowFigures;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Every row's ID is revoked.
    Complete,
    /// An internal error; the journal could not be written, the disk is full.
    Error,
    /// Finished, but some IDs are not revoked or some rows were invalid.
    Partial,
    /// The list holds nothing.
    Empty {
        /// Whether that is no failure (`--allow-empty`).
        allowed: bool,
    },
    /// Stopped by a wait that does not fit.
    Deferred,
    /// Stopped by the first batch or the breaker.
    Stopped,
    /// Held by a cap or an old run; needs a person.
    Held,
    /// The token or log-in was refused.
    Unauthorized,
    /// Reading back found what should not be.
    Mismatch,
    /// Stopped by the signal with this number (1 SIGHUP, 2 SIGINT, 15
    /// SIGTERM).
    Interrupted(u8),
}

impl Outcome {
    /// The word for it in the journal and in `summary.json`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Partial => "partial",
            Self::Empty { .. } => "empty",
            Self::Deferred => "deferred",
            Self::Stopped => "stopped",
            Self::Held => "held",
            Self::Unauthorized => "unauthorized",
            Self::Mismatch => "mismatch",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete | Self::Empty { allowed: true } => 0,
            Self::Error => 1,
            Self::Partial => 3,
            Self::Empty { allowed: false } => 4,
            Self::Deferred => 5,
            Self::Stopped => 6,
            Self::Held => 7,
            Self::Unauthorized => 8,
            Self::Mismatch => 9,
            Self::Interrupted(signal) => signal.saturating_add(128),
        }
    }
}

/// How a process ended that nothing stopped: it sent and read all it was to
/// send and read. `owed` IDs are still to be read, `mismatches` IDs were
/// found in a state that they should not be in.
#[must_use]
pub const fn ending(
    tally: &Tally,
    owed: u64,
    mismatches: u64,
    rows: RowFigures,
    allow_empty: bool,
) -> Outcome {
    if rows.total == 0 {
        Outcome::Empty {
            allowed: allow_empty,
        }
    } else if mismatches > 0 {
        Outcome::Mismatch
    } else if rows.invalid > 0 || owed > 0 || tally.of(State::Revoked) != rows.distinct {
        Outcome::Partial
    } else {
        Outcome::Complete
    }
}

/// The IDs that a resume would send or settle.
#[must_use]
pub const fn open_ids(tally: &Tally) -> u64 {
    tally.of(State::Pending)
        + tally.of(State::InFlight)
        + tally.of(State::Exhausted)
        + tally.of(State::Unknown)
}

/// Whether a run is finished: nothing is open and no read is owed.
#[must_use]
pub const fn is_finished(tally: &Tally, owed: u64) -> bool {
    open_ids(tally) == 0 && owed == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: RowFigures = RowFigures {
        total: 12,
        distinct: 10,
        duplicate: 2,
        invalid: 0,
    };

    fn tally(counts: &[(State, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (state, ids) in counts {
            tally.add(*state, *ids);
        }
        tally
    }

    #[test]
    fn the_code_is_nine_then_three_then_zero() {
        let all = tally(&[(State::Revoked, 10)]);
        let invalid = RowFigures {
            total: 13,
            invalid: 1,
            ..ROWS
        };
        assert_eq!(ending(&all, 0, 0, ROWS, false), Outcome::Complete);
        assert_eq!(ending(&all, 0, 0, invalid, false), Outcome::Partial);
        assert_eq!(ending(&all, 3, 0, ROWS, false), Outcome::Partial);
        assert_eq!(ending(&all, 0, 1, ROWS, false), Outcome::Mismatch);
        for state in State::SHOWN.into_iter().skip(1) {
            let one_short = tally(&[(State::Revoked, 9), (state, 1)]);
            assert_eq!(ending(&one_short, 0, 0, ROWS, false), Outcome::Partial);
            assert_eq!(ending(&one_short, 0, 1, invalid, false), Outcome::Mismatch);
        }
    }

    #[test]
    fn an_empty_list_is_a_failure_unless_allowed() {
        let none = RowFigures::default();
        for (allowed, code) in [(false, 4), (true, 0)] {
            let outcome = ending(&Tally::default(), 0, 0, none, allowed);
            assert_eq!((outcome.word(), outcome.code()), ("empty", code));
        }
        let only_invalid = RowFigures {
            total: 2,
            invalid: 2,
            ..none
        };
        assert_eq!(
            ending(&Tally::default(), 0, 0, only_invalid, true),
            Outcome::Partial
        );
    }

    #[test]
    fn words_and_codes_are_the_contracts() {
        let table = [
            (Outcome::Complete, "complete", 0),
            (Outcome::Error, "error", 1),
            (Outcome::Partial, "partial", 3),
            (Outcome::Deferred, "deferred", 5),
            (Outcome::Stopped, "stopped", 6),
            (Outcome::Held, "held", 7),
            (Outcome::Unauthorized, "unauthorized", 8),
            (Outcome::Mismatch, "mismatch", 9),
            (Outcome::Interrupted(1), "interrupted", 129),
            (Outcome::Interrupted(2), "interrupted", 130),
            (Outcome::Interrupted(15), "interrupted", 143),
        ];
        for (outcome, word, code) in table {
            assert_eq!((outcome.word(), outcome.code()), (word, code));
        }
    }

    #[test]
    fn finished_is_nothing_open_and_no_read_owed() {
        let settled = tally(&[
            (State::Revoked, 5),
            (State::Refused, 3),
            (State::Missing, 2),
        ]);
        assert!(is_finished(&settled, 0));
        assert!(!is_finished(&settled, 1));
        for state in [
            State::Pending,
            State::InFlight,
            State::Exhausted,
            State::Unknown,
        ] {
            assert!(!is_finished(&tally(&[(state, 1)]), 0), "{state}");
        }
    }
}
