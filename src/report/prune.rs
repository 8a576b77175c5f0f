//! Which runs may be removed: those that were asked for, less those that
//! somebody still needs.
//!
//! The decision is apart from the deed: it reads and changes nothing, and is
//! the same in a rehearsal.

use std::time::Duration;

use jiff::Timestamp;

use super::runs::{Listed, RunStatus};
use crate::journal::{JournalError, Lookback, counts_since};
use crate::report::format::chain;
use crate::sweep::GROWTH_RUNS;

/// What a person wants to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retention {
    /// The newest runs of each environment; all the others may go if `None`.
    pub keep: Option<usize>,
    /// Runs that ended no longer ago than this; all may go if `None`.
    pub older_than: Option<Duration>,
    /// Now.
    pub now: Timestamp,
    /// How far back calls count for the limits.
    pub lookback: Lookback,
}

/// Why a run is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeepReason {
    /// It is among the newest ones.
    Newest,
    /// It ended not long enough ago.
    Young,
    /// Its journal cannot be read, so nobody knows what it is.
    Unreadable(String),
    /// It is no folder, but a link to somewhere else.
    Foreign,
    /// Some process holds the lock of its environment.
    Locked,
    /// Some process goes on with it.
    Running,
    /// It is held for a person.
    Held,
    /// Not finished, or its last process did not come to its end.
    Unfinished,
    /// Its calls or holds still count for the limits.
    Counts,
    /// It is among the last finished ones of its environment, by which the
    /// growth of a list is measured.
    Growth,
    /// It may go, but could not be removed.
    Left,
}

impl KeepReason {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Young => "young",
            Self::Unreadable(_) => "unreadable",
            Self::Foreign => "foreign",
            Self::Locked => "locked",
            Self::Running => "running",
            Self::Held => "held",
            Self::Unfinished => "unfinished",
            Self::Counts => "counts",
            Self::Growth => "growth",
            Self::Left => "left",
        }
    }
}

impl Retention {
    /// Why each of `listed` is kept, which are all runs, newest first; `None`
    /// for one that may go.
    #[must_use]
    pub fn decide(&self, listed: &[Listed]) -> Vec<Option<KeepReason>> {
        (0..listed.len())
            .map(|index| {
                let (newer, rest) = listed.split_at(index);
                self.kept(&rest[0], newer)
            })
            .collect()
    }

    /// `newer` are the runs that were frozen after this one.
    fn kept(&self, listed: &Listed, newer: &[Listed]) -> Option<KeepReason> {
        let standing = match &listed.standing {
            Ok(standing) => standing,
            Err(error) => return Some(KeepReason::Unreadable(chain(error))),
        };
        let beside: Vec<&RunStatus> = newer
            .iter()
            .filter_map(|run| run.standing.as_ref().ok())
            .filter(|run| run.goes_to(&standing.environment, &standing.base_url))
            .collect();
        let wanted = self.wanted(standing, beside.len());
        if wanted.is_some() {
            return wanted;
        }
        if !listed.folder.is_plain() {
            Some(KeepReason::Foreign)
        } else if standing.outcome == "running" {
            Some(KeepReason::Running)
        } else if standing.outcome == "held" {
            Some(KeepReason::Held)
        } else if !standing.is_finished() || standing.ended.is_none() {
            Some(KeepReason::Unfinished)
        } else if is_measured_by(standing, &beside) {
            Some(KeepReason::Growth)
        } else {
            match counts_since(&listed.folder, &self.lookback) {
                Ok(true) => Some(KeepReason::Counts),
                Ok(false) => None,
                Err(error) => Some(KeepReason::Unreadable(chain(&error))),
            }
        }
    }

    /// Why a person wants to keep it.
    fn wanted(&self, standing: &RunStatus, newer: usize) -> Option<KeepReason> {
        if self.keep.is_some_and(|keep| newer < keep) {
            return Some(KeepReason::Newest);
        }
        // A time that lies in the future counts as now.
        let since = standing.ended.unwrap_or(standing.taken_up);
        let age = Duration::try_from(self.now.duration_since(since)).unwrap_or_default();
        let young = self.older_than.is_some_and(|limit| age <= limit);
        young.then_some(KeepReason::Young)
    }
}

/// Whether the growth of a list is still measured by this run: of the next
/// one, or of one of the `newer` runs (newest first) that may be resumed.
fn is_measured_by(standing: &RunStatus, newer: &[&RunStatus]) -> bool {
    let since = newer.iter().rev().take_while(|run| run.is_finished());
    let between = since.filter(|run| run.is_measured_by()).count();
    standing.is_measured_by() && between < GROWTH_RUNS
}

/// A run, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PruneDecision {
    /// The run's ID.
    pub run: String,
    /// Its environment; empty where that cannot be read.
    pub environment: String,
    /// How it ended; empty where that cannot be read.
    pub outcome: String,
    /// Why it is kept; `None` if it was, or would be, removed.
    pub kept: Option<KeepReason>,
    /// The bytes on the disk that it took, if it goes.
    pub bytes: u64,
}

impl PruneDecision {
    /// The fate of a run.
    ///
    /// # Errors
    /// If a run that may go cannot be looked through.
    pub fn of(listed: &Listed, kept: Option<KeepReason>) -> Result<Self, JournalError> {
        let standing = listed.standing.as_ref().ok();
        Ok(Self {
            run: listed.folder.run().to_string(),
            environment: standing.map_or_else(String::new, |run| run.environment.clone()),
            outcome: standing.map_or_else(String::new, |run| run.outcome.clone()),
            bytes: match kept {
                Some(_) => 0,
                None => listed.folder.room()?,
            },
            kept,
        })
    }
}
