//! The bookkeeping of one delivery: the pieces its IDs travel in, and what
//! came of them.

use super::isolation::Isolation;
use crate::journal::{Batch, BatchId, Owed, State};

/// What came of a delivery.
#[derive(Debug)]
pub(super) struct Fate {
    /// The list's own batch that was delivered, or that the part comes from.
    pub(super) root: BatchId,
    /// Whether it was one of the list's own batches, and not a part that an
    /// earlier process left.
    pub(super) own: bool,
    /// Whether any of it was sent, and not all settled by reading it first.
    pub(super) sent: bool,
    /// IDs that were revoked, as far as is known.
    pub(super) revoked: u64,
    /// The state it ended in as a whole; `Divided` if its IDs parted ways.
    pub(super) state: State,
    /// What is still to be read.
    pub(super) owed: Vec<Owed>,
    /// The last thing that went wrong with it.
    pub(super) trouble: String,
}

impl Fate {
    /// Whether nothing can be said of it as a whole: not executed, or not
    /// known to be.
    pub(super) fn unfinished(&self) -> bool {
        matches!(self.state, State::Exhausted | State::Unknown)
    }

    /// Whether the breaker counts it as a failure.
    pub(super) fn failed(&self) -> bool {
        self.revoked == 0 || self.unfinished()
    }

    /// How it ended, for a person.
    pub(super) fn words(&self) -> String {
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
pub(super) enum Stage {
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
pub(super) struct Piece {
    pub(super) batch: Batch,
    pub(super) stage: Stage,
    /// POSTs without a clean answer, in this process.
    pub(super) tries: u32,
    /// How often a hold met it.
    pub(super) rounds: u32,
    /// Answers a time penalty, and belongs to the next request only.
    pub(super) ticket: Option<String>,
    /// The other half, if this is the first half of something refused.
    pub(super) sibling: Option<BatchId>,
    /// An earlier request may have executed some of it, and nothing was read
    /// since.
    pub(super) doubt: bool,
    /// The bounds of isolation have room for its next request.
    pub(super) paid: bool,
    /// Its last request was answered 401.
    pub(super) unauthorized: bool,
}

impl Piece {
    pub(super) fn new(batch: Batch) -> Self {
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
    pub(super) fn unsent(&self) -> State {
        if self.doubt {
            State::Unknown
        } else {
            State::Pending
        }
    }

    /// Where a request that was not executed leaves it for good.
    pub(super) fn given_up(&self) -> State {
        if self.doubt {
            State::Unknown
        } else {
            State::Exhausted
        }
    }
}

/// A delivery under way.
pub(super) struct Delivery {
    pub(super) fate: Fate,
    pub(super) isolation: Isolation,
    /// What waits its turn, the next on top.
    pub(super) stack: Vec<Piece>,
    /// The batch goes alone and is read whatever the setting says.
    pub(super) alone: bool,
    batch: BatchId,
}

impl Delivery {
    pub(super) fn of(batch: Batch, alone: bool) -> Self {
        Self {
            fate: Fate {
                root: batch.root,
                own: batch.id == batch.root,
                sent: false,
                revoked: 0,
                state: batch.state,
                owed: Vec::new(),
                trouble: String::new(),
            },
            isolation: Isolation::of(batch.len()),
            batch: batch.id,
            stack: vec![Piece::new(batch)],
            alone,
        }
    }

    /// Remembers how the batch as a whole stands.
    pub(super) fn stands(&mut self, batch: &Batch, state: State) {
        if batch.id == self.batch {
            self.fate.state = state;
        }
    }

    pub(super) fn troubled(&mut self, reason: &str, message: &str) {
        self.fate.trouble = join(reason, message);
    }
}

/// What becomes of a piece after one answer.
pub(super) enum Next {
    /// It is settled, or its parts are on the stack.
    Done,
    /// It is to be sent again.
    Send(Piece),
}

pub(super) fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first}; {second}"),
    }
}
