//! The breaker: so many failed batches in a row stop the run.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::journal::{BatchId, State};
use crate::sweep::deliver::delivery::DeliveryResult;
use crate::sweep::deliver::readback::Looked;

/// What is said of a batch whose acceptance was worth nothing.
pub(super) const UNSHOWN: &str = "accepted, but none of its IDs is shown as revoked";

/// How a batch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BatchEnd {
    Good,
    Failed,
    /// Accepted, and nothing of it was read back so far.
    Unread,
}

/// Counts the list's own batches in the order in which they settle; parts
/// and attempts do not count. Where a batch was accepted and is still to be
/// read back, that read decides, in the batch's place in the order.
#[derive(Debug)]
pub(super) struct Breaker {
    /// 0: off.
    limit: usize,
    /// How batches ended, as far back as it matters.
    ends: VecDeque<BatchEnd>,
    /// How many were forgotten before those.
    forgotten: usize,
    /// The place of each unread batch, and how many of its parts are still
    /// to be read.
    unread: FxHashMap<BatchId, (usize, usize)>,
    tripped: Option<String>,
}

impl Breaker {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            ends: VecDeque::new(),
            forgotten: 0,
            unread: FxHashMap::default(),
            tripped: None,
        }
    }

    /// A delivery is over.
    pub(super) fn delivered(&mut self, fate: &DeliveryResult) {
        if !fate.own || self.limit == 0 {
            return;
        }
        let claimed: u64 = fate
            .owed
            .iter()
            .filter(|owed| owed.batch.state == State::Revoked)
            .map(|owed| owed.batch.len())
            .sum();
        let place = self.forgotten + self.ends.len();
        self.ends.push_back(BatchEnd::Unread);
        if fate.failed() {
            self.end(place, BatchEnd::Failed, &fate.words());
        } else if fate.revoked > claimed {
            self.end(place, BatchEnd::Good, "");
        } else {
            self.unread.insert(fate.root, (place, fate.owed.len()));
        }
    }

    /// A batch, or a part of one, was read back.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Some((place, left)) = self.unread.get_mut(&looked.root) else {
            return;
        };
        let place = *place;
        if looked.revoked {
            self.unread.remove(&looked.root);
            self.end(place, BatchEnd::Good, "");
        } else if !looked.again {
            *left -= 1;
            if *left == 0 {
                self.unread.remove(&looked.root);
                self.end(place, BatchEnd::Failed, UNSHOWN);
            }
        }
    }

    fn end(&mut self, place: usize, end: BatchEnd, words: &str) {
        let index = place - self.forgotten;
        self.ends[index] = end;
        if end == BatchEnd::Failed {
            let failed = |end: &&BatchEnd| **end == BatchEnd::Failed;
            let before = self.ends.range(..index).rev().take_while(failed);
            let after = self.ends.range(index..).take_while(failed);
            let in_a_row = before.count() + after.count();
            if in_a_row >= self.limit {
                self.tripped.get_or_insert_with(|| {
                    format!("{in_a_row} batches in a row failed; the last one: {words}")
                });
            }
        }
        // What lies before a good end matters no more once all of it is known.
        while let Some(first) = self.ends.iter().position(|end| *end != BatchEnd::Failed)
            && self.ends[first] == BatchEnd::Good
        {
            self.ends.drain(..=first);
            self.forgotten += first + 1;
        }
    }

    /// Why the run has to stop, if it has.
    pub(super) fn tripped(&self) -> Option<&str> {
        self.tripped.as_deref()
    }
}
