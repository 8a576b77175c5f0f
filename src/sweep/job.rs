//! What the coordinator asks of a worker, and what it hears back.

use tokio::sync::mpsc;

use super::breaker::UNSHOWN;
use super::delivery::{Delivery, Fate};
use super::reading::{Seen, Unreadable};
use super::stop::{Reason, Stopped};
use super::verify::Checked;
use super::worker::Worker;
use crate::api::Api;
use crate::journal::{Batch, Doubt, Owed};

/// What a worker is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Settle what an earlier process left in doubt.
    Settle(Doubt),
    /// Read back what is owed; for the second time, or not.
    Check { owed: Vec<Owed>, second: bool },
    /// Deliver the first batch of the process: alone, read before and after.
    First(Batch),
    /// Deliver a batch.
    Deliver(Batch),
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Report {
    Settled,
    Checked { checked: Checked, second: bool },
    First(Fate),
    Delivered(Fate),
    Stopped,
}

impl<A: Api> Worker<A> {
    /// Does one job after the other, until no more can come.
    pub(super) async fn work(mut self, index: usize, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let report = self.take_on(job).await.unwrap_or(Report::Stopped);
            let notes = std::mem::take(&mut self.notes);
            self.desk.finished(index, notes, report);
        }
    }

    async fn take_on(&mut self, job: Job) -> Result<Report, Stopped> {
        Ok(match job {
            Job::Settle(doubt) => {
                self.settle_doubt(doubt).await?;
                Report::Settled
            }
            Job::Check { owed, second } => Report::Checked {
                checked: self.check(owed).await?,
                second,
            },
            Job::First(batch) => Report::First(self.deliver_first(batch).await?),
            Job::Deliver(batch) => {
                let mut delivery = Delivery::of(batch, false);
                if self.shared.policy.read_first {
                    self.read_first(&mut delivery, None).await?;
                }
                Report::Delivered(self.deliver(delivery).await?)
            }
        })
    }

    /// The first batch of a process: unless nothing is read at all, it is
    /// read before it is sent, and read again before the pool opens.
    async fn deliver_first(&mut self, batch: Batch) -> Result<Fate, Stopped> {
        let whole = self.shared.policy.read_first;
        let seen = if self.reads() {
            Some(self.first_look(&batch, whole).await?)
        } else {
            None
        };
        let mut delivery = Delivery::of(batch, true);
        if whole {
            self.read_first(&mut delivery, seen).await?;
        }
        let mut fate = self.deliver(delivery).await?;
        let owed = std::mem::take(&mut fate.owed);
        if owed.is_empty() {
            return Ok(fate);
        }
        let mut checked = self.check(owed).await?;
        fate.revoked = fate.revoked.saturating_sub(checked.lost);
        if !checked.again.is_empty() {
            self.rest(self.shared.policy.retry_max).await?;
            let again: u64 = checked.again.iter().map(|owed| owed.batch.len()).sum();
            checked = self.check(checked.again).await?;
            fate.revoked += again.saturating_sub(checked.missed);
        }
        if fate.revoked == 0 && checked.missed > 0 {
            fate.trouble = String::from(UNSHOWN);
        }
        Ok(fate)
    }

    /// Looks whether the API knows any of the first batch: `whole`, or with as
    /// few reads as that takes. If it does not, the run stops and nothing is
    /// sent.
    async fn first_look(&mut self, batch: &Batch, whole: bool) -> Result<Seen, Stopped> {
        let refusal = match self.look(&batch.ids, !whole).await? {
            Ok(seen) if seen.any() => return Ok(seen),
            Ok(seen) => {
                // Where an ID is still shown that was shown before, environment
                // and column are right, and a batch of which the API knows
                // nothing is sent like any other: otherwise such a run could
                // never be finished.
                match self.knows_witness().await? {
                    Ok(true) => return Ok(seen),
                    Ok(false) => format!(
                        "the API knows none of the {} IDs of the first batch; nothing was sent. \
                         Wrong environment, or wrong column?",
                        batch.len()
                    ),
                    Err(unreadable) => unread(&unreadable),
                }
            }
            Err(unreadable) => unread(&unreadable),
        };
        self.shared.stop.raise(Reason::Guard(refusal));
        Err(Stopped)
    }
}

fn unread(why: &Unreadable) -> String {
    format!(
        "the first batch could not be read, so nothing was sent: {}",
        why.message
    )
}
