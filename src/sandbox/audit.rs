//! What really happened, for comparing claims with.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::faults::Fault;
use crate::list::PermissionId;
use crate::sandbox::request::Kind;

/// Everything that happened in a world since it began, over all restarts.
///
/// Times are on the world's clock: since the Unix epoch, advancing with
/// tokio's time.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The permissions that the world revoked. Those that were so from the
    /// beginning are not among them.
    pub revoked: BTreeMap<PermissionId, Revocation>,
    /// Every call that arrived, in order, whatever became of it.
    pub calls: Vec<RecordedCall>,
    /// The faults that struck, in order.
    pub faults: Vec<Struck>,
    /// What was wrong with requests; empty for a client that keeps to the API.
    pub mistakes: Vec<Mistake>,
    /// How many lockouts began, of all calls or of log-ins.
    pub lockouts: usize,
    /// How many calls arrived during a lockout and started it anew.
    pub touched: usize,
    /// How many penalty tickets were drawn.
    pub penalties: usize,
    /// How many of them were drawn by coming back too early or with a wrong
    /// ticket.
    pub impatient: usize,
    /// How many sessions were closed because others were opened.
    pub evicted: usize,
}

/// One executed revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// When it was executed.
    pub at: Duration,
    /// In how many later revocations the ID arrived although it was revoked.
    pub posted_again: u32,
}

/// One call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordedCall {
    /// When it arrived.
    pub at: Duration,
    /// What it was.
    pub kind: Kind,
}

/// One fault that struck.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Struck {
    /// When its call arrived.
    pub at: Duration,
    /// What the call was.
    pub kind: Kind,
    /// The fault.
    pub fault: Fault,
}

/// One request that was wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mistake {
    /// The status it was answered with, but for faults and lockouts.
    pub status: u16,
    /// What was wrong, for a person.
    pub what: String,
}

impl Audit {
    /// The IDs that arrived in a revocation although the world had revoked
    /// them before, with how often they did.
    #[must_use]
    pub fn posted_again(&self) -> BTreeMap<PermissionId, u32> {
        let again = self.revoked.iter().filter(|(_, r)| r.posted_again > 0);
        again.map(|(id, r)| (*id, r.posted_again)).collect()
    }

    /// How many calls of a kind arrived.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.calls.iter().filter(|seen| seen.kind == kind).count()
    }

    /// The most calls that arrived in any rolling window of this length (its
    /// beginning included, its end not).
    #[must_use]
    pub fn busiest(&self, window: Duration) -> usize {
        let mut from = 0;
        let mut most = 0;
        for (to, seen) in self.calls.iter().enumerate() {
            while seen.at.saturating_sub(self.calls[from].at) >= window {
                from += 1;
            }
            most = most.max(to + 1 - from);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_window_is_half_open() {
        let calls = [0, 400, 999, 1000, 1300].map(|ms| RecordedCall {
            at: Duration::from_millis(ms),
            kind: Kind::Item,
        });
        let truth = Audit {
            revoked: BTreeMap::new(),
            calls: calls.to_vec(),
            faults: Vec::new(),
            mistakes: Vec::new(),
            lockouts: 0,
            touched: 0,
            penalties: 0,
            impatient: 0,
            evicted: 0,
        };
        assert_eq!(truth.busiest(Duration::from_secs(1)), 4);
        assert_eq!(truth.busiest(Duration::from_millis(2)), 2);
        assert_eq!(truth.busiest(Duration::from_millis(1)), 1);
        assert_eq!(truth.busiest(Duration::from_secs(9)), 5);
    }
}
