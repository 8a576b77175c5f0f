//! What the coordinator asks of a worker, and what it hears back.

use tokio::sync::mpsc;

use super::breaker::UNSHOWN;
use super::delivery::Fate;
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
            Job::Deliver(batch) => Report::Delivered(self.deliver(batch, false).await?),
        })
    }

    /// The first batch of a process: unless nothing is read at all, it is
    /// read before it is sent, and read again before the pool opens.
    async fn deliver_first(&mut self, batch: Batch) -> Result<Fate, Stopped> {
        if self.reads() {
            let mut known = self.knows_any(&batch.ids).await?;
            // Where an ID is still shown that was shown before, environment
            // and column are right, and a batch of which the API knows nothing
            // is sent like any other: otherwise such a run could never be
            // finished.
            if let (Ok(false), Some(witness)) = (&known, self.witness()) {
                known = self.knows_any(&[witness]).await?;
            }
            let refusal = match known {
                Ok(true) => None,
                Ok(false) => Some(format!(
                    "the API knows none of the {} IDs of the first batch; nothing was sent. \
                     Wrong environment, or wrong column?",
                    batch.len()
                )),
                Err(unreadable) => Some(format!(
                    "the first batch could not be read, so nothing was sent: {}",
                    unreadable.message
                )),
            };
            if let Some(refusal) = refusal {
                self.shared.stop.raise(Reason::Guard(refusal));
                return Err(Stopped);
            }
        }
        let mut fate = self.deliver(batch, true).await?;
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
}
