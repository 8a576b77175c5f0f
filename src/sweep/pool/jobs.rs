//! What the coordinator asks of a worker, and what it hears back.

use tokio::sync::mpsc;

use super::worker::Worker;
use crate::api::Api;
use crate::journal::{Batch, Doubt, Owed};
use crate::list::PermissionId;
use crate::sweep::breaker::UNSHOWN;
use crate::sweep::deliver::delivery::{Delivery, DeliveryResult};
use crate::sweep::deliver::readback::Checked;
use crate::sweep::deliver::status_read::{StatusesSeen, UnreadableAnswer};
use crate::sweep::deliver::verify_run::{Examination, Examined};
use crate::sweep::shutdown::{Reason, Stopped};

/// What a worker is asked to do.
#[derive(Debug)]
pub(in crate::sweep) enum Job {
    /// Settle what an earlier process left in doubt.
    Settle(Doubt),
    /// Read back what is owed; for the second time, or not.
    Check { owed: Vec<Owed>, second: bool },
    /// Deliver the first batch of the process: alone, read before and after.
    First(Batch),
    /// Deliver a batch.
    Deliver(Batch),
    /// Read claims and compare.
    Examine(Examination),
}

/// What came of a job.
#[derive(Debug)]
pub(in crate::sweep) enum Report {
    Settled,
    Checked { checked: Checked, second: bool },
    First(DeliveryResult),
    Delivered(DeliveryResult),
    Examined(Examined),
    Stopped,
}

/// How a look at the first IDs is told of that shows none of them.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct Words {
    /// Which IDs they are.
    pub(in crate::sweep) which: &'static str,
    /// What follows from it.
    pub(in crate::sweep) so: &'static str,
    /// What may be the cause.
    pub(in crate::sweep) cause: &'static str,
}

/// Where they were about to be sent.
const UNSENT: Words = Words {
    which: "of the first batch",
    so: "nothing was sent",
    cause: "Wrong environment, or wrong column?",
};

impl<A: Api> Worker<A> {
    /// Does one job after the other, until no more can come.
    pub(in crate::sweep) async fn work(mut self, index: usize, mut jobs: mpsc::Receiver<Job>) {
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
            Job::Examine(asked) => Report::Examined(self.examine(asked).await?),
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
    async fn deliver_first(&mut self, batch: Batch) -> Result<DeliveryResult, Stopped> {
        let whole = self.shared.policy.read_first;
        let seen = if self.reads() {
            Some(self.first_look(&batch.ids, whole, UNSENT).await?)
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
        let in_vain = checked.lost > 0;
        fate.revoked = fate.revoked.saturating_sub(checked.lost) + checked.gained;
        if !checked.again.is_empty() {
            self.rest(self.shared.policy.retry_max).await?;
            let again: u64 = checked.again.iter().map(|owed| owed.batch.len()).sum();
            checked = self.check(checked.again).await?;
            fate.revoked += again.saturating_sub(checked.missed);
        }
        if fate.revoked == 0 && in_vain {
            fate.trouble = String::from(UNSHOWN);
        }
        Ok(fate)
    }

    /// Looks whether the API knows any of the first IDs: `whole`, or with as
    /// few reads as that takes. If it does not, the run stops, and says what
    /// that means and what may be the cause.
    pub(in crate::sweep) async fn first_look(
        &mut self,
        ids: &[PermissionId],
        whole: bool,
        words: Words,
    ) -> Result<StatusesSeen, Stopped> {
        let Words { which, so, cause } = words;
        let unread = |why: &UnreadableAnswer| {
            format!(
                "the IDs {which} could not be read, so {so}: {}",
                why.message
            )
        };
        let refusal = match self.look(ids, !whole).await? {
            Ok(seen) if seen.any() => return Ok(seen),
            Ok(seen) => {
                // Where an ID is still shown that was shown before, environment
                // and column are right, and a batch of which the API knows
                // nothing is sent like any other: otherwise such a run could
                // never be finished.
                match self.knows_witness().await? {
                    Ok(true) => return Ok(seen),
                    Ok(false) => format!(
                        "the API knows none of the {} IDs {which}; {so}. {cause}",
                        ids.len()
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
