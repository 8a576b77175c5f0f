//! The coordinator: it alone takes the next batch, writes the journal and
//! tells the observer, in the order record, then act or show.
//!
//! A process goes through three phases: what an earlier process left in doubt
//! is settled; the first batch goes alone; then the pool opens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::clock::Clock;
use super::deliver::Fate;
use super::desk::{Desk, Ledger, Message};
use super::isolation::Isolation;
use super::pacer::Pacer;
use super::policy::{Policy, Verify};
use super::stop::{Reason, Stop, Stopped};
use super::verify::Checked;
use super::worker::{Shared, Worker};
use crate::api::Api;
use crate::journal::{
    Batch, BatchId, Doubt, Entry, HoldCause, Journal, JournalError, Owed, Pick, State, Tally,
    Waited,
};

/// About this many IDs are fetched from the journal at once.
const FETCH: usize = 20_000;

/// How often the waits so far are written down, at most.
const WAITS_EVERY: Duration = Duration::from_secs(1);

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
    /// A hold that is still on, and for how long.
    pub hold: Option<(HoldCause, Duration)>,
}

/// A run about to be carried out.
pub struct Sweep<A> {
    shared: Arc<Shared<A>>,
    ledger: Ledger,
    tally: Tally,
    last: BatchId,
}

/// What a worker is asked to do.
enum Job {
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

impl<A: Api> Sweep<A> {
    /// Gets ready to carry on the run in `ledger`.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn prepare(
        api: A,
        ledger: Ledger,
        policy: Policy,
        clock: Clock,
        stop: Stop,
        past: &Past,
    ) -> Result<Self, JournalError> {
        let read = |journal: &mut Journal| Ok((journal.last_numbers()?, journal.tally()?));
        let ((batch, call, hold), tally) = ledger
            .with(read)
            .await
            .unwrap_or_else(|| unreachable!("the journal's thread ends after the sweep"))?;
        let batches = ledger
            .with(|journal| journal.whole_batches())
            .await
            .unwrap_or_else(|| unreachable!("the journal's thread ends after the sweep"))?;
        let pacer = Pacer::new(&policy.rate, policy.burst, stop.clone());
        pacer.seed(past.calls.iter().copied());
        if let Some((cause, left)) = past.hold {
            pacer.holding.inherit(cause, left);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                api,
                policy,
                pacer,
                clock,
                stop,
                last_batch: AtomicI64::new(batch),
                last_call: AtomicI64::new(call),
                last_hold: hold,
                accepted: AtomicBool::new(false),
                isolation: Isolation::of_run(batches),
            }),
            ledger,
            tally,
            last: batch,
        })
    }

    /// How the IDs stand before anything is done.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Carries the run out until nothing is left to do or it is stopped; why,
    /// the [`Stop`] knows.
    pub async fn run(self, observer: &dyn Observer) {
        let (desk, inbox) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut workers = Vec::new();
        for index in 0..self.shared.policy.workers {
            let (jobs, mine) = mpsc::channel(1);
            workers.push(jobs);
            let worker = Worker {
                shared: Arc::clone(&self.shared),
                desk: Desk(desk.clone()),
                notes: Vec::new(),
            };
            tasks.spawn(worker.work(index, mine));
        }
        drop(desk);
        let mut coordinator = Coordinator {
            idle: (0..workers.len()).rev().collect(),
            workers,
            inbox,
            observer,
            phase: Phase::Settling,
            doubts: Cursor::new(Pick::Doubtful, self.last),
            owing: self.shared.policy.verify != Verify::Off,
            owed_after: 0,
            sendable: Cursor::new(Pick::Sendable, self.last),
            owed: VecDeque::new(),
            second_looks: VecDeque::new(),
            failures: 0,
            waits_written: Instant::now(),
            broken: false,
            sweep: self,
        };
        coordinator.run().await;
        coordinator.write_waits().await;
        drop(coordinator);
        // With the jobs' channels gone every worker comes to its end.
        while tasks.join_next().await.is_some() {}
    }
}

impl<A: Api> Worker<A> {
    async fn work(mut self, index: usize, mut jobs: mpsc::Receiver<Job>) {
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
            let refusal = match self.knows_any(&batch.ids).await? {
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
        if owed.is_empty() || !self.reads() {
            return Ok(fate);
        }
        let checked = self.check(owed).await?;
        fate.revoked = fate.revoked.saturating_sub(checked.lost);
        if !checked.again.is_empty() {
            self.rest(self.shared.policy.retry_max).await?;
            let again = checked
                .again
                .iter()
                .map(|owed| owed.batch.len())
                .sum::<u64>();
            let second = self.check(checked.again).await?;
            fate.revoked += again.saturating_sub(second.missed);
        }
        Ok(fate)
    }
}

/// Where a process stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Settling what an earlier process left.
    Settling,
    /// Choosing the first batch.
    First,
    /// Waiting for what comes of it.
    Alone,
    /// Everybody works.
    Pool,
}

/// A way through the journal's batches, in order, each once.
struct Cursor {
    pick: Pick,
    after: BatchId,
    last: BatchId,
    ahead: VecDeque<Batch>,
    done: bool,
}

impl Cursor {
    fn new(pick: Pick, last: BatchId) -> Self {
        Self {
            pick,
            after: 0,
            last,
            ahead: VecDeque::new(),
            done: false,
        }
    }

    /// Sees to it that the next batch, if there is one, is at hand.
    async fn fill(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        if self.done || !self.ahead.is_empty() {
            return Ok(());
        }
        let (pick, after, last) = (self.pick, self.after, self.last);
        let batches = ledger
            .with(move |journal| {
                let first = journal.batches(pick, after, last, 1)?;
                let size = first.first().map_or(1, |batch| batch.ids.len());
                journal.batches(pick, after, last, (FETCH / size).clamp(1, 1024))
            })
            .await
            .unwrap_or_else(|| Ok(Vec::new()))?;
        match batches.last() {
            Some(batch) => self.after = batch.id,
            None => self.done = true,
        }
        self.ahead.extend(batches);
        Ok(())
    }

    async fn next(&mut self, ledger: &Ledger) -> Result<Option<Batch>, JournalError> {
        self.fill(ledger).await?;
        Ok(self.ahead.pop_front())
    }
}

struct Coordinator<'a, A> {
    sweep: Sweep<A>,
    observer: &'a dyn Observer,
    workers: Vec<mpsc::Sender<Job>>,
    idle: Vec<usize>,
    inbox: mpsc::UnboundedReceiver<Message>,
    phase: Phase,
    doubts: Cursor,
    /// Whether earlier processes' owed reads are still to be looked for.
    owing: bool,
    owed_after: BatchId,
    sendable: Cursor,
    /// Settled, and to be read back.
    owed: VecDeque<Owed>,
    /// Accepted but seen active: to be read once more at that time.
    second_looks: VecDeque<(Instant, Vec<Owed>)>,
    /// The list's own batches that failed, in a row.
    failures: u32,
    waits_written: Instant,
    /// The journal could not be written: nothing is written or sent any more.
    broken: bool,
}

impl<A: Api> Coordinator<'_, A> {
    fn stop(&self) -> &Stop {
        &self.sweep.shared.stop
    }

    fn busy(&self) -> usize {
        self.workers.len() - self.idle.len()
    }

    fn broke(&mut self, error: &JournalError) {
        self.broken = true;
        self.stop().raise(Reason::Error(chain(error)));
    }

    async fn run(&mut self) {
        let mut messages = Vec::new();
        loop {
            if let Err(error) = self.assign().await {
                self.broke(&error);
            }
            let stopping = self.stop().check().is_err();
            let due = self.second_looks.front().map(|look| look.0);
            if self.busy() == 0 && (stopping || due.is_none()) {
                return;
            }
            let stop = self.stop().clone();
            tokio::select! {
                biased;
                received = self.inbox.recv_many(&mut messages, 1024) => {
                    if received == 0 {
                        return;
                    }
                }
                () = stop.raised(), if !stopping => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !self.idle.is_empty() && !stopping => {}
            }
            self.attend_to(&mut messages).await;
        }
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
                self.stop()
                    .raise(Reason::Error("the journal's thread is gone".to_owned()));
            }
        }
    }

    fn waited(&self) -> Waited {
        self.sweep.shared.pacer.holding.waited()
    }

    async fn write_waits(&mut self) {
        let waited = self.waited();
        self.commit(vec![Entry::Waited(waited)]).await;
    }

    /// Draws the consequences of a job.
    async fn hear(&mut self, report: Report) {
        match report {
            Report::Settled | Report::Stopped => {}
            Report::Checked { checked, second } => {
                if !second && !checked.again.is_empty() {
                    let due = Instant::now() + self.sweep.shared.policy.retry_max;
                    self.second_looks.push_back((due, checked.again));
                }
            }
            Report::First(fate) => {
                self.phase = Phase::Pool;
                self.owed.extend(fate.owed.iter().cloned());
                if fate.failed() && self.more_to_send().await {
                    let words = fate.words();
                    self.stop().raise(Reason::Guard(format!(
                        "the first batch failed, so the others were not sent: {words}"
                    )));
                }
            }
            Report::Delivered(fate) => {
                let failed = fate.failed();
                let words = fate.words();
                self.owed.extend(fate.owed);
                self.failures = if failed { self.failures + 1 } else { 0 };
                let limit = self.sweep.shared.policy.max_consecutive_failures;
                if limit > 0 && self.failures >= limit {
                    self.stop().raise(Reason::Guard(format!(
                        "{limit} batches in a row failed; the last one: {words}"
                    )));
                }
            }
        }
    }

    async fn more_to_send(&mut self) -> bool {
        match self.sendable.fill(&self.sweep.ledger).await {
            Ok(()) => !self.sendable.ahead.is_empty(),
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
                    .raise(Reason::Error("a worker is gone".to_owned()));
            }
        }
        Ok(())
    }

    async fn next_job(&mut self) -> Result<Option<Job>, JournalError> {
        if self.phase == Phase::Settling {
            if let Some(job) = self.unsettled().await? {
                return Ok(Some(job));
            }
            if self.busy() > 0 {
                return Ok(None);
            }
            self.open_list().await?;
        }
        if self.phase == Phase::First {
            self.phase = Phase::Alone;
            let mut whole = Cursor::new(Pick::SendableWhole, self.sendable.last);
            let first = match whole.next(&self.sweep.ledger).await? {
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
        while self.owing && self.owed_ids() < self.sweep.shared.policy.read_size {
            let after = self.owed_after;
            let owed = self
                .sweep
                .ledger
                .with(move |journal| journal.owed(after, 16))
                .await
                .unwrap_or_else(|| Ok(Vec::new()))?;
            match owed.last() {
                Some(last) => self.owed_after = last.batch.id,
                None => self.owing = false,
            }
            self.owed.extend(owed);
        }
        Ok(self.next_check())
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
        if self.owed_ids() >= self.sweep.shared.policy.read_size {
            return Ok(self.next_check());
        }
        if let Some(batch) = self.sendable.next(&self.sweep.ledger).await? {
            return Ok(Some(Job::Deliver(batch)));
        }
        if let Some((due, _)) = self.second_looks.front()
            && *due <= Instant::now()
        {
            return Ok(self
                .second_looks
                .pop_front()
                .map(|(_, owed)| Job::Check { owed, second: true }));
        }
        // The rest is read together, once everybody is done.
        if self.busy() == 0 {
            return Ok(self.next_check());
        }
        Ok(None)
    }

    fn owed_ids(&self) -> usize {
        self.owed.iter().map(|owed| owed.batch.ids.len()).sum()
    }

    /// As many owed batches as one read holds, and at least one.
    fn next_check(&mut self) -> Option<Job> {
        let size = self.sweep.shared.policy.read_size;
        let mut owed = Vec::new();
        let mut ids = 0;
        while let Some(next) = self.owed.front() {
            ids += next.batch.ids.len();
            if ids > size && !owed.is_empty() {
                break;
            }
            owed.extend(self.owed.pop_front());
        }
        (!owed.is_empty()).then_some(Job::Check {
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
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
