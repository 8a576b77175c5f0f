//! The bookkeeping of one delivery: the pieces its IDs travel in, and what
//! came of them.

use crate::journal::{Batch, BatchId, Owed, State};
use crate::sweep::deliver::bisect_budget::BisectBudget;

/// What came of a delivery.
#[derive(Debug)]
pub(in crate::sweep) struct DeliveryResult {
    /// The list's own batch that was delivered, or that the part comes from.
    pub(in crate::sweep) root: BatchId,
    /// Whether it was one of the list's own batches, and not a part that an
    /// earlier process left.
    pub(in crate::sweep) own: bool,
    /// Whether any of it was sent, and not all settled by reading it first.
    pub(in crate::sweep) sent: bool,
    /// IDs that were revoked, as far as is known.
    pub(in crate::sweep) revoked: u64,
    /// The state it ended in as a whole; `Divided` if its IDs parted ways.
    pub(in crate::sweep) state: State,
    /// What is still to be read.
    pub(in crate::sweep) owed: Vec<Owed>,
    /// The last thing that went wrong with it.
    pub(in crate::sweep) trouble: String,
}

impl DeliveryResult {
    /// Whether nothing can be said of it as a whole: not executed, or not
    /// known to be.
    pub(in crate::sweep) fn unfinished(&self) -> bool {
        matches!(self.state, State::Exhausted | State::Unknown)
    }

    /// Whether the breaker counts it as a failure.
    pub(in crate::sweep) fn failed(&self) -> bool {
        self.revoked == 0 || self.unfinished()
    }

    /// How it ended, for a person.
    pub(in crate::sweep) fn words(&self) -> String {
        let (state, revoked) = (self.state, self.revoked);
        if self.trouble.is_empty() {
            format!("{state}, {revoked} IDs revoked")
        } else if revoked > 0 {
            format!("{state}, {revoked} IDs revoked, {}", self.trouble)
        } else {
            format!("{state}, {}", self.trouble)
        }
    }
}

/// How far a piece has come with being refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum Stage {
    /// Not refused so far.
    Fresh,
    /// Refused once: what a read left of it is sent once more.
    Again,
    /// A part of something refused. `certain`: its other half was accepted,
    /// so the cause must be in here.
    Part { certain: bool },
}

/// IDs that travel together.
#[derive(Debug)]
pub(in crate::sweep) struct SubBatch {
    pub(in crate::sweep) batch: Batch,
    pub(in crate::sweep) stage: Stage,
    /// POSTs without a clean answer, in this process.
    pub(in crate::sweep) tries: u32,
    /// How often a hold met it.
    pub(in crate::sweep) rounds: u32,
    /// Answers a time penalty, and belongs to the next request only.
    pub(in crate::sweep) ticket: Option<String>,
    /// The other half, if this is the first half of something refused.
    pub(in crate::sweep) sibling: Option<BatchId>,
    /// An earlier request may have executed some of it, and nothing was read
    /// since.
    pub(in crate::sweep) doubt: bool,
    /// The bounds of isolation have room for its next request.
    pub(in crate::sweep) paid: bool,
    /// Its last request was answered 401.
    pub(in crate::sweep) unauthorized: bool,
}

impl SubBatch {
    pub(in crate::sweep) fn new(batch: Batch) -> Self {
        Self {
            doubt: batch.state == State::Unknown,
            batch,
            stage: Stage::Fresh,
            tries: 0,
            rounds: 0,
            ticket: None,
            sibling: None,
            paid: false,
            unauthorized: false,
        }
    }

    /// Where a request that was not executed leaves it, if it is sent again.
    pub(in crate::sweep) fn unsent(&self) -> State {
        if self.doubt {
            State::Unknown
        } else {
            State::Pending
        }
    }

    /// Where a request that was not executed leaves it for good.
    pub(in crate::sweep) fn given_up(&self) -> State {
        if self.doubt {
            State::Unknown
        } else {
            State::Exhausted
        }
    }
}

/// A delivery under way.
pub(in crate::sweep) struct Delivery {
    pub(in crate::sweep) fate: DeliveryResult,
    pub(in crate::sweep) isolation: BisectBudget,
    /// What waits its turn, the next on top.
    pub(in crate::sweep) stack: Vec<SubBatch>,
    /// The batch goes alone and is read whatever the setting says.
    pub(in crate::sweep) alone: bool,
    batch: BatchId,
}

impl Delivery {
    pub(in crate::sweep) fn of(batch: Batch, alone: bool) -> Self {
        Self {
            fate: DeliveryResult {
                root: batch.root,
                own: batch.id == batch.root,
                sent: false,
                revoked: 0,
                state: batch.state,
                owed: Vec::new(),
                trouble: String::new(),
            },
            isolation: BisectBudget::of(batch.len()),
            batch: batch.id,
            stack: vec![SubBatch::new(batch)],
            alone,
        }
    }

    /// Remembers how the batch as a whole stands.
    pub(in crate::sweep) fn stands(&mut self, batch: &Batch, state: State) {
        if batch.id == self.batch {
            self.fate.state = state;
        }
    }

    pub(in crate::sweep) fn troubled(&mut self, reason: &str, message: &str) {
        self.fate.trouble = join(reason, message);
    }
}

/// What becomes of a piece after one answer.
pub(in crate::sweep) enum Next {
    /// It is settled, or its parts are on the stack.
    Done,
    /// It is to be sent again.
    Send(SubBatch),
}

pub(in crate::sweep) fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first}; {second}"),
    }
}
