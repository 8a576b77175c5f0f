//! The states of a batch, and which may follow which.

use std::fmt;

/// What is known of a batch, and so of each of its IDs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Not sent, or known not to have been executed.
    Pending,
    /// About to be sent or sent; no answer is recorded.
    InFlight,
    /// The API shows the IDs as `Revoked`; or, where nothing is read back,
    /// it answered a clean `ok:true`.
    Revoked,
    /// The API refused these IDs and would again.
    Refused,
    /// The API does not know the ID in this environment.
    Missing,
    /// Known not to have been executed, attempts used up.
    Exhausted,
    /// May have been executed; could not be settled.
    Unknown,
    /// Replaced by its parts; never shown as a result.
    Divided,
}

impl State {
    /// All states that a result can show, in the order of the accounting.
    pub const SHOWN: [Self; 7] = [
        Self::Revoked,
        Self::Refused,
        Self::Missing,
        Self::Exhausted,
        Self::Unknown,
        Self::InFlight,
        Self::Pending,
    ];

    /// The word for it in the journal and in every file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Exhausted => "exhausted",
            Self::Unknown => "unknown",
            Self::Divided => "divided",
        }
    }

    /// The state that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::SHOWN
            .into_iter()
            .chain([Self::Divided])
            .find(|state| state.word() == word)
    }

    /// Whether a batch in this state may go over to `next`.
    ///
    /// `Divided` is an end. What is pending can be settled by a read alone,
    /// before anything is sent. `Refused`, `Missing` and `Exhausted` can still
    /// turn out to be something else when the IDs are read; `Revoked` can
    /// only be taken back by a read, never by sending.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use State::{Divided, Exhausted, InFlight, Missing, Pending, Refused, Revoked, Unknown};
        match self {
            InFlight => !matches!(next, InFlight),
            Pending | Unknown | Exhausted => true,
            Revoked => matches!(next, Revoked | Unknown | Missing | Refused | Divided),
            Refused => matches!(next, Refused | Revoked | Missing | Divided),
            Missing => matches!(next, Missing | Revoked | Refused | Divided),
            Divided => false,
        }
    }

    /// Whether a resume would send these IDs.
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self, Self::Pending | Self::Exhausted)
    }

    /// Whether the IDs may have been executed without our knowing.
    #[must_use]
    pub const fn is_doubtful(self) -> bool {
        matches!(self, Self::InFlight | Self::Unknown)
    }

    /// Whether a delivery is over for now, so that a result has a time.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a read showed of a batch (`verified` in the results).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verified {
    /// Not read.
    #[default]
    No,
    /// Every ID is shown as `Revoked`.
    Revoked,
    /// Every ID is shown as not revoked.
    Active,
    /// No ID is known to the API, by two reads.
    Absent,
    /// It was tried, and no usable answer came.
    Unreadable,
}

impl Verified {
    /// The word for it in the journal and the results; empty when not read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Revoked => "revoked",
            Self::Active => "active",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
        }
    }

    /// The finding that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::No,
            Self::Revoked,
            Self::Active,
            Self::Absent,
            Self::Unreadable,
        ]
        .into_iter()
        .find(|found| found.word() == word)
    }
}

/// What a verification found of an ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Evidence {
    /// Shown as `Revoked`.
    Revoked,
    /// Shown, and not known to be out of force.
    Active,
    /// Shown as `Declined`.
    Declined,
    /// Not known to the API, by two reads.
    Absent,
    /// It was tried, and no usable answer came.
    Unreadable,
}

impl Evidence {
    const ALL: [Self; 5] = [
        Self::Revoked,
        Self::Active,
        Self::Declined,
        Self::Absent,
        Self::Unreadable,
    ];

    /// The word for it in the journal and in `verification.csv`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Active => "active",
            Self::Declined => "declined",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
        }
    }

    /// The finding that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|found| found.word() == word)
    }
}

/// How many IDs are in each state: the run's accounting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally([u64; 8]);

impl Tally {
    /// The number of IDs in `state`.
    #[must_use]
    pub const fn of(&self, state: State) -> u64 {
        self.0[state as usize]
    }

    /// Counts `ids` more in `state`.
    pub const fn add(&mut self, state: State, ids: u64) {
        self.0[state as usize] += ids;
    }

    /// Moves `ids` from one state to another.
    pub const fn shift(&mut self, from: State, to: State, ids: u64) {
        self.0[from as usize] -= ids;
        self.0[to as usize] += ids;
    }

    /// All IDs of all states that a result can show.
    #[must_use]
    pub fn total(&self) -> u64 {
        State::SHOWN.iter().map(|state| self.of(*state)).sum()
    }

    /// The IDs whose fate is settled, one way or the other.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.of(State::Revoked)
            + self.of(State::Refused)
            + self.of(State::Missing)
            + self.of(State::Exhausted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_states_are_one_to_one() {
        for state in State::SHOWN.into_iter().chain([State::Divided]) {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("Revoked"), None);
        for found in Evidence::ALL {
            assert_eq!(Evidence::from_word(found.word()), Some(found));
        }
    }

    #[test]
    fn what_is_settled_for_good_is_never_sent_again() {
        for settled in [
            State::Revoked,
            State::Refused,
            State::Missing,
            State::Divided,
        ] {
            for next in State::SHOWN {
                let sent = next == State::InFlight || next.is_sendable();
                assert!(!(sent && settled.may_become(next)), "{settled} {next}");
            }
        }
    }
}
