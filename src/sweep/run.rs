//! A run about to be carried out: what is made ready, and the pool.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::policy::Policy;
use crate::api::Api;
use crate::journal::{BatchId, Entry, Journal, JournalError, Pick, Remaining, Tally};
use crate::sweep::auth::state::{Bounds, Keeper, TokenProvider};
use crate::sweep::deliver::bisect_budget::BisectBudget;
use crate::sweep::deliver::status_read::ReadSizes;
use crate::sweep::deliver::verify_run::Inspection;
use crate::sweep::pace::clock::Clock;
use crate::sweep::pace::pacer::Pacer;
use crate::sweep::pace::pause::{Idle, PauseState};
use crate::sweep::pool::coordinator::Coordinator;
use crate::sweep::pool::ledger::{JournalHandle, Recorder};
use crate::sweep::pool::worker::{Shared, Worker};
use crate::sweep::shutdown::Shutdown;

/// Somebody who is told what happens, after it was recorded.
pub trait Observer: Send + Sync {
    /// These entries are on the disk; `tally` is how the IDs stand now.
    fn recorded(&self, entries: &[Entry], tally: &Tally);
}

/// What has to be known of earlier processes to keep the limits.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How long ago calls were made, oldest first.
    pub calls: Vec<Duration>,
    /// How long ago tokens were renewed, oldest first.
    pub renewals: Vec<Duration>,
    /// How long ago log-ins were made that were refused, or may have been,
    /// oldest first.
    pub refused_log_ins: Vec<Duration>,
    /// A hold that is still on.
    pub hold: Option<Remaining>,
}

/// What the next call of a sweep waits for, for whoever shows it.
#[derive(Clone, Debug)]
pub struct Waits(Arc<PauseState>);

impl Waits {
    /// What the next call waits for, and until when, where none is under way
    /// and no hold is on.
    #[must_use]
    pub fn now(&self) -> Option<(Idle, Instant)> {
        self.0.idle()
    }
}

/// A run about to be carried out.
pub struct Sweep<A> {
    pub(super) shared: Arc<Shared<A>>,
    pub(super) ledger: JournalHandle,
    pub(super) tally: Tally,
    /// The highest number of a batch.
    pub(super) last: BatchId,
}

impl<A: Api> Sweep<A> {
    /// Gets ready to carry on the run in `ledger`. Calls bear the token of
    /// `custody` from here on, if there is one.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn prepare(
        api: A,
        custody: TokenProvider,
        ledger: JournalHandle,
        policy: Policy,
        clock: Clock,
        stop: Shutdown,
        past: &Past,
    ) -> Result<Self, JournalError> {
        let read = |journal: &mut Journal| {
            Ok::<_, JournalError>((
                journal.last_numbers()?,
                journal.tally()?,
                journal.whole_batches()?,
                journal.was_accepted()?,
                journal.batches(Pick::Proven, 0, BatchId::MAX, 1)?,
            ))
        };
        let ((batch, call, hold), tally, batches, accepted, proven) = ledger
            .with(read)
            .await
            .unwrap_or_else(|| unreachable!("the journal's thread ends after the sweep"))?;
        let pacer = Pacer::new(&policy, clock, stop.clone());
        pacer.seed(past.calls.iter().copied());
        if let Some(hold) = &past.hold {
            pacer.holding.inherit(hold);
            let what = format!("the {}", hold.cause.in_words(&hold.detail));
            if let Err(reason) = pacer.schedule.bears(&what, hold.left) {
                stop.raise(reason);
            }
        }
        if let Some(token) = custody.token() {
            api.bear(token);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                api,
                keeper: Keeper::new(custody, Bounds::of(&policy), clock, past),
                read_sizes: ReadSizes::new(policy.read_size),
                policy,
                pacer,
                clock,
                stop,
                last_batch: AtomicI64::new(batch),
                last_call: AtomicI64::new(call),
                last_hold: hold,
                accepted: AtomicBool::new(accepted),
                witness: Mutex::new(proven.first().and_then(|batch| batch.ids.first().copied())),
                isolation: BisectBudget::of_run(batches),
                revokes: AtomicBool::new(true),
            }),
            ledger,
            tally,
            last: batch,
        })
    }

    /// Somebody may look at what the next call waits for.
    #[must_use]
    pub fn waits(&self) -> Waits {
        Waits(Arc::clone(&self.shared.pacer.holding))
    }

    /// How the IDs stand before anything is done.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Carries the run out until nothing is left to do or it is stopped; why,
    /// the [`Shutdown`] knows.
    pub async fn run(self, observer: &dyn Observer) {
        self.conduct(None, observer).await;
    }

    /// Reads every permission of the run and compares it with what is claimed
    /// of it, until all are read or it is stopped. It revokes nothing and
    /// makes nothing sendable.
    pub async fn inspect(self, observer: &dyn Observer) {
        self.shared.revokes.store(false, Ordering::Relaxed);
        let inspection = Inspection::new(self.last);
        self.conduct(Some(inspection), observer).await;
    }

    async fn conduct(self, inspection: Option<Inspection>, observer: &dyn Observer) {
        let (desk, inbox) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut workers = Vec::new();
        for index in 0..self.shared.policy.workers {
            let (jobs, mine) = mpsc::channel(1);
            workers.push(jobs);
            let worker = Worker {
                shared: Arc::clone(&self.shared),
                desk: Recorder(desk.clone()),
                notes: Vec::new(),
                stale: 0,
            };
            tasks.spawn(worker.work(index, mine));
        }
        drop(desk);
        Coordinator::of(self, inspection, workers, tasks, inbox, observer)
            .run()
            .await;
    }
}

#[cfg(test)]
mod tests;
