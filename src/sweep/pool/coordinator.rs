//! The coordinator: it alone takes the next batch, writes the journal and
//! tells the observer, in the order record, then act or show.
//!
//! A process goes through three phases: what an earlier process left in doubt
//! is settled; the first batch goes alone; then the pool opens.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::cursor::{Cursor, ReadbackQueue};
use super::worker::Shared;
use crate::api::Api;
use crate::journal::{
    Batch, BatchId, Entry, Journal, JournalError, Owed, Pick, State, Tally, Waited, causes,
};
use crate::sweep::breaker::Breaker;
use crate::sweep::deliver::readback::Looked;
use crate::sweep::deliver::verify_run::Inspection;
use crate::sweep::policy::Verify;
use crate::sweep::pool::jobs::{Job, Report};
use crate::sweep::pool::ledger::Message;
use crate::sweep::run::{Observer, Sweep};
use crate::sweep::shutdown::{Reason, Shutdown};

/// How often the waits so far are written down, at most.
const WAITS_EVERY: Duration = Duration::from_secs(1);

/// Where a process stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Settling what an earlier process left.
    Settling,
    /// Choosing the first batch.
    First,
    /// Waiting for what comes of it.
    Alone,
    /// The first batch needed no revocation: choosing another.
    Next,
    /// Everybody works.
    Pool,
}

/// What the coordinator knows; all of it dies with the process.
pub(in crate::sweep) struct Coordinator<'a, A> {
    sweep: Sweep<A>,
    observer: &'a dyn Observer,
    workers: Vec<mpsc::Sender<Job>>,
    tasks: JoinSet<()>,
    idle: Vec<usize>,
    /// Workers that panicked.
    gone: usize,
    inbox: mpsc::UnboundedReceiver<Message>,
    phase: Phase,
    doubts: Cursor,
    sendable: Cursor,
    debts: ReadbackQueue,
    /// Accepted but seen active: to be read once more at that time.
    second_looks: VecDeque<(Instant, Vec<Owed>)>,
    breaker: Breaker,
    waits_written: Instant,
    /// The journal could not be written: nothing is written or sent any more.
    broken: bool,
    /// Where nothing is carried out, and all is read and compared.
    inspection: Option<Inspection>,
}

impl<'a, A: Api> Coordinator<'a, A> {
    pub(in crate::sweep) fn of(
        sweep: Sweep<A>,
        inspection: Option<Inspection>,
        workers: Vec<mpsc::Sender<Job>>,
        tasks: JoinSet<()>,
        inbox: mpsc::UnboundedReceiver<Message>,
        observer: &'a dyn Observer,
    ) -> Self {
        let policy = &sweep.shared.policy;
        let reads = policy.verify != Verify::Off;
        Self {
            idle: (0..workers.len()).rev().collect(),
            gone: 0,
            workers,
            tasks,
            inbox,
            observer,
            phase: Phase::Settling,
            doubts: Cursor::new(Pick::Doubtful, sweep.last),
            sendable: Cursor::new(Pick::Sendable, sweep.last),
            debts: ReadbackQueue::new(policy.read_size, reads),
            second_looks: VecDeque::new(),
            breaker: Breaker::new(policy.max_consecutive_failures),
            waits_written: Instant::now(),
            broken: false,
            inspection,
            sweep,
        }
    }

    /// Carries the run out until nothing is left to do or it is stopped.
    pub(in crate::sweep) async fn run(mut self) {
        let token = self.sweep.shared.keeper.beginning();
        self.commit(token.into_iter().collect()).await;
        self.conduct().await;
        let waited = self.waited();
        self.commit(vec![Entry::Waited(waited)]).await;
        // With the jobs' channels gone every worker comes to its end.
        drop(self.workers);
        while self.tasks.join_next().await.is_some() {}
    }

    fn stop(&self) -> &Shutdown {
        &self.sweep.shared.stop
    }

    fn busy(&self) -> usize {
        self.workers.len() - self.idle.len() - self.gone
    }

    fn broke(&mut self, error: &JournalError) {
        self.broken = true;
        self.stop().raise(Reason::Error(chain(error)));
    }

    async fn conduct(&mut self) {
        let mut messages = Vec::new();
        loop {
            if let Err(error) = self.assign().await {
                self.broke(&error);
            }
            let stopping = self.stop().check().is_err();
            let due = self.next_look();
            if self.busy() == 0
                && !stopping
                && let Some(due) = due
                && let Err(reason) = self.sweep.shared.pacer.schedule.fits(
                    "the wait before a second look",
                    due.saturating_duration_since(Instant::now()),
                )
            {
                self.stop().raise(reason);
                continue;
            }
            if self.busy() == 0 && (stopping || due.is_none()) {
                return;
            }
            let may_look = due.is_some() && !self.idle.is_empty() && !stopping;
            let stop = self.stop().clone();
            tokio::select! {
                biased;
                received = self.inbox.recv_many(&mut messages, 1024) => {
                    if received == 0 {
                        return;
                    }
                }
                Some(ended) = self.tasks.join_next() => self.lost(&ended),
                () = stop.raised(), if !stopping => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if may_look => {}
            }
            self.attend_to(&mut messages).await;
        }
    }

    /// A worker ended before its time, and its job with it: what it held is
    /// in doubt, and the run cannot be trusted to go on.
    fn lost(&mut self, ended: &Result<(), JoinError>) {
        self.gone += 1;
        let why = match ended {
            Ok(()) => "a worker ended unexpectedly".to_owned(),
            Err(error) => format!("a worker ended unexpectedly: {error}"),
        };
        self.stop().raise(Reason::Error(why));
    }

    /// When the next second look is due. Until the pool is open there is
    /// nobody to take it.
    fn next_look(&self) -> Option<Instant> {
        if let Some(inspection) = &self.inspection {
            return inspection.next_look();
        }
        self.second_looks
            .front()
            .map(|(due, _)| *due)
            .filter(|_| self.phase == Phase::Pool)
    }

    /// Writes down what the workers say, all in one commit, and only then
    /// answers them.
    async fn attend_to(&mut self, messages: &mut Vec<Message>) {
        let mut entries = Vec::new();
        for message in messages.iter_mut() {
            let (Message::Record { entries: some, .. } | Message::Finished { entries: some, .. }) =
                message;
            entries.append(some);
        }
        if self.waits_written.elapsed() >= WAITS_EVERY && !entries.is_empty() {
            entries.push(Entry::Waited(self.waited()));
            self.waits_written = Instant::now();
        }
        self.commit(entries).await;
        for message in messages.drain(..) {
            match message {
                // Dropped unanswered, it tells the worker to stop.
                Message::Record { done, .. } if self.broken => drop(done),
                Message::Record { done, .. } => drop(done.send(())),
                Message::Finished { worker, report, .. } => {
                    self.idle.push(worker);
                    self.hear(report).await;
                }
            }
        }
    }

    async fn commit(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() || self.broken {
            return;
        }
        let written = self
            .sweep
            .ledger
            .with(move |journal| journal.write(&entries).map(|()| entries))
            .await;
        match written {
            Some(Ok(entries)) => {
                for entry in &entries {
                    count(&mut self.sweep.tally, entry);
                }
                self.observer.recorded(&entries, &self.sweep.tally);
            }
            Some(Err(error)) => self.broke(&error),
            None => {
                self.broken = true;
                self.stop().raise(Reason::Error(
                    "the thread that writes the journal ended unexpectedly".to_owned(),
                ));
            }
        }
    }

    fn waited(&self) -> Waited {
        self.sweep.shared.pacer.holding.waited()
    }

    /// Draws the consequences of a job.
    async fn hear(&mut self, report: Report) {
        match report {
            Report::Settled | Report::Stopped => {}
            Report::Examined(examined) => {
                let Shared { policy, stop, .. } = &*self.sweep.shared;
                if let Some(inspection) = &mut self.inspection {
                    inspection.hear(examined, policy, stop);
                }
            }
            Report::Checked { checked, second } => {
                for looked in checked.looked {
                    self.breaker.looked(Looked {
                        again: looked.again && !second,
                        ..looked
                    });
                }
                if !second && !checked.again.is_empty() {
                    let due = Instant::now() + self.sweep.shared.policy.retry_max;
                    self.second_looks.push_back((due, checked.again));
                }
                self.heed_breaker();
            }
            Report::First(fate) => {
                // If reading settled all of it, the next one goes alone.
                self.phase = if fate.sent { Phase::Pool } else { Phase::Next };
                if fate.unfinished() || fate.revoked == 0 && self.more_to_send().await {
                    let words = fate.words();
                    self.stop().raise(Reason::Guard(format!(
                        "the first batch failed, so the run stops here: {words}"
                    )));
                }
            }
            Report::Delivered(fate) => {
                self.breaker.delivered(&fate);
                self.debts.add(fate.owed);
                self.heed_breaker();
            }
        }
    }

    fn heed_breaker(&self) {
        if let Some(why) = self.breaker.tripped() {
            self.stop().raise(Reason::Guard(why.to_owned()));
        }
    }

    async fn more_to_send(&mut self) -> bool {
        match self.sendable.more(&self.sweep.ledger).await {
            Ok(more) => more,
            Err(error) => {
                self.broke(&error);
                true
            }
        }
    }

    /// Gives idle workers something to do.
    async fn assign(&mut self) -> Result<(), JournalError> {
        while !self.idle.is_empty() && self.stop().check().is_ok() {
            let Some(job) = self.next_job().await? else {
                return Ok(());
            };
            if let Some(worker) = self.idle.pop()
                && self.workers[worker].try_send(job).is_err()
            {
                // A worker that panicked takes no jobs; the run cannot go on.
                self.stop()
                    .raise(Reason::Error("a worker ended unexpectedly".to_owned()));
            }
        }
        Ok(())
    }

    async fn next_job(&mut self) -> Result<Option<Job>, JournalError> {
        if let Some(inspection) = &mut self.inspection {
            let policy = &self.sweep.shared.policy;
            return inspection.next_job(&self.sweep.ledger, policy).await;
        }
        if self.phase == Phase::Settling {
            if let Some(job) = self.unsettled().await? {
                return Ok(Some(job));
            }
            if self.busy() > 0 {
                return Ok(None);
            }
            self.open_list().await?;
        }
        if self.phase == Phase::Next {
            self.open_list().await?;
        }
        if self.phase == Phase::First {
            self.phase = Phase::Alone;
            let first = match self.first_whole().await? {
                Some(batch) => Some(batch),
                None => self.sendable.next(&self.sweep.ledger).await?,
            };
            if let Some(batch) = first {
                return Ok(Some(Job::First(batch)));
            }
            self.phase = Phase::Pool;
        }
        if self.phase == Phase::Alone {
            return Ok(None);
        }
        self.pool_job().await
    }

    /// What earlier processes left: first what is in doubt, then what is owed.
    async fn unsettled(&mut self) -> Result<Option<Job>, JournalError> {
        if let Some(batch) = self.doubts.next(&self.sweep.ledger).await? {
            let doubt = self
                .sweep
                .ledger
                .with(move |journal| journal.doubt(batch))
                .await;
            return doubt.map(|doubt| doubt.map(Job::Settle)).transpose();
        }
        self.debts.inherit(&self.sweep.ledger).await?;
        Ok(self.next_check())
    }

    /// The first of the list's own batches that is to be sent: it shows best
    /// whether the list is right.
    async fn first_whole(&self) -> Result<Option<Batch>, JournalError> {
        let whole =
            |journal: &mut Journal| journal.batches(Pick::SendableWhole, 0, BatchId::MAX, 1);
        let batches = self.sweep.ledger.with(whole).await;
        Ok(batches.transpose()?.and_then(|mut batches| batches.pop()))
    }

    /// From here on batches are sent: what was pending before, and what the
    /// settling made so.
    async fn open_list(&mut self) -> Result<(), JournalError> {
        let numbers = self
            .sweep
            .ledger
            .with(|journal| journal.last_numbers())
            .await;
        let last = numbers.transpose()?.map_or(0, |(batch, _, _)| batch);
        let pick = match self.sweep.shared.policy.verify {
            Verify::Off => Pick::SendableUnread,
            Verify::All | Verify::Doubtful => Pick::Sendable,
        };
        self.sendable = Cursor::new(pick, last);
        self.phase = Phase::First;
        Ok(())
    }

    async fn pool_job(&mut self) -> Result<Option<Job>, JournalError> {
        if let Some((due, _)) = self.second_looks.front()
            && *due <= Instant::now()
        {
            return Ok(self
                .second_looks
                .pop_front()
                .map(|(_, owed)| Job::Check { owed, second: true }));
        }
        if self.debts.are_due() {
            return Ok(self.next_check());
        }
        if let Some(batch) = self.sendable.next(&self.sweep.ledger).await? {
            return Ok(Some(Job::Deliver(batch)));
        }
        // The rest is read together, once everybody is done.
        if self.busy() == 0 {
            return Ok(self.next_check());
        }
        Ok(None)
    }

    fn next_check(&mut self) -> Option<Job> {
        let owed = self.debts.take()?;
        Some(Job::Check {
            owed,
            second: false,
        })
    }
}

/// Keeps the tally in step with the journal.
fn count(tally: &mut Tally, entry: &Entry) {
    match entry {
        Entry::Sending { ids, from, .. } => tally.shift(*from, State::InFlight, *ids),
        Entry::Unsent { ids, back_to, .. } => tally.shift(State::InFlight, *back_to, *ids),
        Entry::Moved(change) => tally.shift(change.from, change.to, change.ids),
        Entry::Divided { from, parts, .. } => {
            for part in parts {
                tally.shift(*from, part.batch.state, part.batch.len());
                tally.add(State::Divided, part.batch.len());
            }
        }
        _ => {}
    }
}

/// An error with its causes, on one line.
pub(in crate::sweep) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).join(": ")
}
