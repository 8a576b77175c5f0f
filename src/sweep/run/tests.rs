//! The guard of whatever only reads: should some part of it be told to revoke
//! by mistake, nothing goes out.

use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::api::{Answer, Call, Response, Secrets, Token};
use crate::journal::{Batch, NewRun, Pick, Process, RunMeta, RunsDir, State};
use crate::list::PermissionId;
use crate::sweep::pool::jobs::Job;
use crate::sweep::pool::ledger::Message;
use crate::sweep::shutdown::Reason;
use crate::sweep::{Quota, TimeLimits, Verify};

/// Revokes whatever it is told to, and counts.
#[derive(Clone, Default)]
struct Willing(Arc<AtomicI64>);

impl Api for Willing {
    async fn call(&self, call: &Call) -> Answer {
        let body = match call {
            Call::Revoke(_) => {
                self.0.fetch_add(1, Ordering::Relaxed);
                r#"{"ok":true}"#
            }
            _ => r#"[{"id":1001,"status":"Accepted"}]"#,
        };
        Answer::Response(Response {
            status: 200,
            retry_after: None,
            date: None,
            body: Bytes::from_static(body.as_bytes()),
            secrets: Secrets::default(),
        })
    }

    fn bear(&self, _: &Token) {}
}

struct Silent;

impl Observer for Silent {
    fn recorded(&self, _: &[Entry], _: &Tally) {}
}

fn policy() -> Policy {
    let quota = Quota {
        count: 1,
        window: Duration::from_secs(1),
    };
    Policy {
        workers: 1,
        rate: Vec::new(),
        burst: 1,
        max_attempts: 1,
        retry_initial: Duration::ZERO,
        retry_max: Duration::ZERO,
        timeout: Duration::from_mins(1),
        lockout_wait: Duration::from_hours(1),
        penalty_margin: Duration::ZERO,
        renew_before: Duration::ZERO,
        login_limit: quota,
        renewal_limit: quota,
        max_wait: Duration::from_hours(4),
        timetable: TimeLimits::default(),
        verify: Verify::All,
        read_first: false,
        resend_mismatched: false,
        read_size: 100,
        max_consecutive_failures: 0,
    }
}

/// A journal with a list of one ID, and a process at work on it.
fn journal(home: &std::path::Path) -> Journal {
    let runs = RunsDir::create(home).unwrap();
    let mut new = NewRun::begin(&runs).unwrap();
    new.batch(&[PermissionId::try_from(1001).unwrap()], &[2])
        .unwrap();
    let folder = new
        .commit(&RunMeta {
            created: Timestamp::UNIX_EPOCH,
            environment: "demo".into(),
            base_url: String::new(),
            input_path: "-".into(),
            input_sha256: String::new(),
            list_sha256: "0".repeat(64),
            column: "id".into(),
            batch_size: 1,
            rows_total: 1,
            rows_distinct: 1,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches: 1,
            note: String::new(),
        })
        .unwrap();
    let mut journal = Journal::open(&folder.journal()).unwrap();
    journal
        .begin_process(&Process {
            command: "plan --online",
            started: Timestamp::UNIX_EPOCH,
            operator: String::new(),
            host: String::new(),
            pid: 1,
            version: "0",
            settings: "{}".into(),
        })
        .unwrap();
    journal
}

/// A sweep that is ready, and what it calls.
async fn sweep(journal: &Arc<Mutex<Journal>>, stop: &Shutdown) -> (Sweep<Willing>, Willing) {
    sweep_by(journal, stop, Clock::starting(Timestamp::UNIX_EPOCH)).await
}

/// One that goes by this clock.
async fn sweep_by(
    journal: &Arc<Mutex<Journal>>,
    stop: &Shutdown,
    clock: Clock,
) -> (Sweep<Willing>, Willing) {
    let api = Willing::default();
    let sweep = Sweep::prepare(
        api.clone(),
        TokenProvider::default(),
        JournalHandle::inline(Arc::clone(journal)),
        policy(),
        clock,
        stop.clone(),
        &Past::default(),
    )
    .await
    .unwrap();
    (sweep, api)
}

/// The batch of the list.
fn batch(journal: &Mutex<Journal>) -> Batch {
    let journal = journal.lock().unwrap();
    let mut batches = journal.batches(Pick::Sendable, 0, BatchId::MAX, 1).unwrap();
    batches.pop().unwrap()
}

/// The worker is given the very job that a run would give it; with and
/// without the word that it may.
#[tokio::test(start_paused = true)]
async fn a_reader_that_gets_a_batch_to_deliver_sends_nothing() {
    for may in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let journal = Arc::new(Mutex::new(journal(home.path())));
        let stop = Shutdown::default();
        let (sweep, api) = sweep(&journal, &stop).await;
        sweep.shared.revokes.store(may, Ordering::Relaxed);
        let (desk, mut inbox) = mpsc::unbounded_channel();
        let worker = Worker {
            shared: Arc::clone(&sweep.shared),
            desk: Recorder(desk),
            notes: Vec::new(),
            stale: 0,
        };
        let (jobs, mine) = mpsc::channel(1);
        jobs.try_send(Job::Deliver(batch(&journal))).unwrap();
        drop(jobs);
        let worker = tokio::spawn(worker.work(0, mine));
        let mut noted = Vec::new();
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Record { entries, done } => {
                    noted.extend(entries);
                    done.send(()).unwrap();
                }
                Message::Finished { entries, .. } => noted.extend(entries),
            }
        }
        worker.await.unwrap();
        assert_eq!(api.0.load(Ordering::Relaxed), i64::from(may));
        let sending = |entry: &Entry| matches!(entry, Entry::Sending { .. } | Entry::Begun { .. });
        assert_eq!(noted.iter().any(sending), may, "{noted:?}");
        match stop.reason() {
            None => assert!(may),
            Some(Reason::Error(why)) => {
                assert!(
                    !may && why.contains("where nothing may be revoked"),
                    "{why}"
                );
            }
            Some(other) => panic!("{other:?}"),
        }
    }
}

/// The process is stopped for two seconds, or the host sleeps for an hour,
/// while a call is recorded: it is sent, and counts, with a record of its own
/// time only.
#[tokio::test(start_paused = true)]
async fn a_call_is_sent_at_most_a_second_after_its_record() {
    static ASLEEP: AtomicU64 = AtomicU64::new(0);
    for (stopped, asleep) in [(2, 0), (0, 3_600)] {
        let home = tempfile::tempdir().unwrap();
        let journal = Arc::new(Mutex::new(journal(home.path())));
        let stop = Shutdown::default();
        let clock = Clock::with_sleep(Timestamp::UNIX_EPOCH, || {
            Duration::from_secs(ASLEEP.load(Ordering::Relaxed))
        });
        let (sweep, api) = sweep_by(&journal, &stop, clock).await;
        let (desk, mut inbox) = mpsc::unbounded_channel();
        let worker = Worker {
            shared: Arc::clone(&sweep.shared),
            desk: Recorder(desk),
            notes: Vec::new(),
            stale: 0,
        };
        let (jobs, mine) = mpsc::channel(1);
        jobs.try_send(Job::Deliver(batch(&journal))).unwrap();
        drop(jobs);
        let worker = tokio::spawn(worker.work(0, mine));
        let (mut noted, mut lost) = (Vec::new(), false);
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Record { entries, done } => {
                    let sends = |entry: &Entry| matches!(entry, Entry::Sending { .. });
                    if entries.iter().any(sends) && !lost {
                        lost = true;
                        tokio::time::advance(Duration::from_secs(stopped)).await;
                        ASLEEP.fetch_add(asleep, Ordering::Relaxed);
                    }
                    noted.extend(entries);
                    done.send(()).unwrap();
                }
                Message::Finished { entries, .. } => noted.extend(entries),
            }
        }
        worker.await.unwrap();
        assert_eq!(api.0.load(Ordering::Relaxed), 1);
        let of_the_batch = noted.iter().filter_map(|entry| match entry {
            Entry::Sending { at, .. } => Some(("sending", clock.since(*at).as_secs())),
            Entry::Withdrawn { .. } => Some(("withdrawn", 0)),
            Entry::Unsent { back_to, .. } => {
                assert_eq!(*back_to, State::Pending);
                Some(("unsent", 0))
            }
            _ => None,
        });
        assert_eq!(
            of_the_batch.collect::<Vec<_>>(),
            [
                ("sending", stopped + asleep),
                ("withdrawn", 0),
                ("unsent", 0),
                ("sending", 0)
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_inspects_may_not_revoke_and_who_carries_out_may() {
    for inspects in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let journal = Arc::new(Mutex::new(journal(home.path())));
        let stop = Shutdown::default();
        let (sweep, api) = sweep(&journal, &stop).await;
        let shared = Arc::clone(&sweep.shared);
        if inspects {
            sweep.inspect(&Silent).await;
        } else {
            sweep.run(&Silent).await;
        }
        assert_eq!(shared.revokes.load(Ordering::Relaxed), !inspects);
        assert_eq!(api.0.load(Ordering::Relaxed), i64::from(!inspects));
        if inspects {
            assert_eq!(stop.reason(), None);
            assert_eq!(batch(&journal).state, State::Pending);
        }
    }
}
