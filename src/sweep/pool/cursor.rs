//! Ways through the journal's batches, and what is still to be read back.

use std::collections::VecDeque;

use crate::journal::{Batch, BatchId, JournalError, Owed, Pick};
use crate::sweep::pool::ledger::JournalHandle;

/// About this many IDs are fetched from the journal at once.
const FETCH: usize = 20_000;

/// A way through the journal's batches, in order, each once.
#[derive(Debug)]
pub(in crate::sweep) struct Cursor {
    pick: Pick,
    after: BatchId,
    last: BatchId,
    ahead: VecDeque<Batch>,
    done: bool,
}

impl Cursor {
    /// Up to the batch `last`: what is made on the way is not met.
    pub(in crate::sweep) fn new(pick: Pick, last: BatchId) -> Self {
        Self {
            pick,
            after: 0,
            last,
            ahead: VecDeque::new(),
            done: false,
        }
    }

    /// Whether there is a next one; it is at hand then.
    pub(in crate::sweep) async fn more(
        &mut self,
        ledger: &JournalHandle,
    ) -> Result<bool, JournalError> {
        if self.ahead.is_empty() && !self.done {
            let (pick, after, last) = (self.pick, self.after, self.last);
            let batches = ledger
                .with(move |journal| journal.batches(pick, after, last, FETCH))
                .await
                .unwrap_or_else(|| Ok(Vec::new()))?;
            match batches.last() {
                Some(batch) => self.after = batch.id,
                None => self.done = true,
            }
            self.ahead.extend(batches);
        }
        Ok(!self.ahead.is_empty())
    }

    pub(in crate::sweep) async fn next(
        &mut self,
        ledger: &JournalHandle,
    ) -> Result<Option<Batch>, JournalError> {
        self.more(ledger).await?;
        Ok(self.ahead.pop_front())
    }
}

/// Batches that are settled and still to be read back, in the order in which
/// they came. Reading goes before sending, so they are never many.
#[derive(Debug)]
pub(in crate::sweep) struct ReadbackQueue {
    queue: VecDeque<Owed>,
    ids: usize,
    /// Whether earlier processes' debts are still to be looked for, and after
    /// which batch.
    after: Option<BatchId>,
    read_size: usize,
}

impl ReadbackQueue {
    pub(in crate::sweep) fn new(read_size: usize, inherited: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            ids: 0,
            after: inherited.then_some(0),
            read_size,
        }
    }

    pub(in crate::sweep) fn add(&mut self, owed: Vec<Owed>) {
        self.ids += owed.iter().map(|owed| owed.batch.ids.len()).sum::<usize>();
        self.queue.extend(owed);
    }

    /// Whether they fill a read.
    pub(in crate::sweep) fn are_due(&self) -> bool {
        self.ids >= self.read_size
    }

    /// Fetches what earlier processes left, as far as a read needs it.
    pub(in crate::sweep) async fn inherit(
        &mut self,
        ledger: &JournalHandle,
    ) -> Result<(), JournalError> {
        while !self.are_due()
            && let Some(after) = self.after
        {
            let ids = self.read_size;
            let owed = ledger
                .with(move |journal| journal.owed(after, ids))
                .await
                .unwrap_or_else(|| Ok(Vec::new()))?;
            self.after = owed.last().map(|last| last.batch.id);
            self.add(owed);
        }
        Ok(())
    }

    /// As many as one read holds, and at least one, if there is one.
    pub(in crate::sweep) fn take(&mut self) -> Option<Vec<Owed>> {
        let mut taken = Vec::new();
        let mut ids = 0;
        while let Some(next) = self.queue.front() {
            let size = next.batch.ids.len();
            if ids + size > self.read_size && ids > 0 {
                break;
            }
            ids += size;
            taken.extend(self.queue.pop_front());
        }
        self.ids -= ids;
        (!taken.is_empty()).then_some(taken)
    }
}
