//! A stage for sweeps: a frozen list, a simulated world, and processes that
//! carry the run out against it, all inside this process and on tokio's time.
//!
//! A test sets the stage ([`Stage::new`]), changes the policy as it likes,
//! and lets one or several processes act on the same journal and world
//! ([`Stage::run`], or [`Stage::begin`] with [`Acting::end`] or
//! [`Acting::kill`]). Then it compares what the journal claims
//! ([`Stage::batches`], [`Stage::calls`]) with what the world knows
//! ([`World::truth`]) and with what went over the [`Wire`].

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rescind::{
    api::{Answer, Api, Call, Failure, FailureKind, Token},
    journal::{
        BatchRow, Entry, Journal, JournalError, JournalReader, Lookback, NewRun, Process,
        ProcessEnd, ProcessRow, RunMeta, RunsDir, State, Tally, recent_calls,
    },
    list::PermissionId,
    sandbox::{InProcess, Rules, World},
    sweep::{
        Clock, JournalHandle, Observer, Past, Policy, Quota, Reason, Shutdown, Sweep, TimeLimits,
        TokenProvider, Verify,
    },
};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};

use super::scratch;

/// The name under which runs on a stage are recorded.
pub(crate) const ENVIRONMENT: &str = "sandbox";

/// The policy that a stage starts with: the contract's defaults, without a
/// pace.
pub(crate) fn policy() -> Policy {
    Policy {
        workers: 4,
        rate: Vec::new(),
        burst: 1,
        max_attempts: 5,
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_mins(1),
        timeout: Duration::from_mins(1),
        lockout_wait: Duration::from_hours(1),
        penalty_margin: Duration::from_secs(1),
        renew_before: Duration::from_mins(10),
        login_limit: quota(4, 3_600),
        renewal_limit: quota(12, 3_600),
        max_wait: Duration::from_hours(4),
        timetable: TimeLimits::default(),
        verify: Verify::All,
        read_first: false,
        resend_mismatched: false,
        read_size: 100,
        max_consecutive_failures: 5,
    }
}

/// `count` calls in any `seconds`.
pub(crate) fn quota(count: u32, seconds: u64) -> Quota {
    Quota {
        count,
        window: Duration::from_secs(seconds),
    }
}

/// Rules from TOML, as in a settings file.
pub(crate) fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

pub(crate) fn id(number: i64) -> PermissionId {
    PermissionId::try_from(number).unwrap()
}

/// So many IDs that no ending singles out.
pub(crate) fn plain_ids(count: usize) -> Vec<PermissionId> {
    (1_000_000_001..)
        .filter(|number| !matches!(number % 10_000, 403 | 404 | 409 | 410))
        .take(count)
        .map(id)
        .collect()
}

/// A run, the world it meets, and how it is to be carried out.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) policy: Policy,
    pub(crate) wire: Wire,
    pub(crate) runs: RunsDir,
    pub(crate) journal: PathBuf,
    /// It goes with the last run in it.
    folder: Arc<TempDir>,
}

/// How a process starts.
#[derive(Default)]
pub(crate) struct Start {
    /// What it knows of earlier calls.
    pub(crate) past: Past,
    /// What its wall clock shows; none: what the world's clock shows.
    pub(crate) wall: Option<Timestamp>,
    /// Its token; by default the world's, which is not got anew.
    pub(crate) custody: TokenProvider,
    /// Whether it verifies the run instead of carrying it out.
    pub(crate) verifies: bool,
}

impl Stage {
    /// Freezes `ids` into batches of `batch_size`, and opens a world in
    /// memory.
    pub(crate) fn new(rules: Rules, ids: &[PermissionId], batch_size: usize) -> Self {
        let folder = scratch();
        let world = World::open(rules, None).unwrap();
        let runs = RunsDir::create(&folder.path().join("runs")).unwrap();
        let policy = policy();
        Self {
            wire: Wire::new(InProcess::new(world.clone(), policy.timeout)),
            journal: frozen(&runs, &world, ids, batch_size),
            world,
            policy,
            runs,
            folder: Arc::new(folder),
        }
    }

    /// Freezes another run in the same folder; it meets the same world, by
    /// the same policy and over the same wire.
    pub(crate) fn another(&self, ids: &[PermissionId], batch_size: usize) -> Self {
        Self {
            wire: self.wire.clone(),
            journal: frozen(&self.runs, &self.world, ids, batch_size),
            world: self.world.clone(),
            policy: self.policy.clone(),
            runs: self.runs.clone(),
            folder: Arc::clone(&self.folder),
        }
    }

    /// What a process whose clock shows `wall` learns of the calls of all
    /// runs in the folder.
    pub(crate) fn past(&self, wall: Timestamp) -> Past {
        let lookback = Lookback {
            now: wall,
            span: Duration::from_hours(2),
            timeout: self.policy.timeout,
        };
        let recent = recent_calls(&self.runs, "", &lookback).unwrap();
        assert!(recent.unreadable.is_empty());
        Past {
            calls: recent.calls,
            renewals: recent.renewals,
            refused_log_ins: recent.refused_log_ins,
            hold: recent.holds.into_iter().max_by_key(|hold| hold.left),
        }
    }

    /// Lets one process act from beginning to end.
    pub(crate) async fn run(&self) -> Ended {
        self.begin(Start::default()).await.end().await
    }

    /// Lets one process verify the run from beginning to end.
    pub(crate) async fn verify(&self) -> Ended {
        let start = Start {
            verifies: true,
            ..Start::default()
        };
        self.begin(start).await.end().await
    }

    /// Starts a process; it acts whenever the test waits.
    pub(crate) async fn begin(&self, start: Start) -> Acting {
        let clock = Clock::starting(start.wall.unwrap_or_else(|| self.now()));
        let mut journal = Journal::open(&self.journal).unwrap();
        journal
            .begin_process(&Process {
                command: if start.verifies { "verify" } else { "run" },
                started: clock.now(),
                operator: "tester".into(),
                host: "stage".into(),
                pid: 1,
                version: "0",
                settings: format!(r#"{{"timeout":"{}ms"}}"#, self.policy.timeout.as_millis()),
            })
            .unwrap();
        let journal = Arc::new(Mutex::new(journal));
        let stop = Shutdown::default();
        let wire = self.wire.until(self.policy.timeout, &self.world);
        let sweep = Sweep::prepare(
            wire,
            start.custody,
            JournalHandle::inline(Arc::clone(&journal)),
            self.policy.clone(),
            clock,
            stop.clone(),
            &start.past,
        )
        .await
        .unwrap();
        let written = Written::default();
        let observer = written.clone();
        Acting {
            task: tokio::spawn(async move {
                if start.verifies {
                    sweep.inspect(&observer).await;
                } else {
                    sweep.run(&observer).await;
                }
            }),
            began: Instant::now(),
            journal,
            clock,
            stop,
            written,
        }
    }

    /// The time on the world's clock.
    pub(crate) fn now(&self) -> Timestamp {
        wall(&self.world)
    }

    pub(crate) fn archive(&self) -> JournalReader {
        JournalReader::open(&self.journal).unwrap()
    }

    /// The undivided batches, in the order of the list.
    pub(crate) fn batches(&self) -> Vec<BatchRow> {
        let mut rows = Vec::new();
        self.archive()
            .each_batch(|row| {
                rows.push(row);
                Ok::<_, JournalError>(())
            })
            .unwrap();
        rows
    }

    pub(crate) fn tally(&self) -> Tally {
        self.archive().tally().unwrap()
    }

    /// What the journal claims of each ID: its state and the reason.
    pub(crate) fn claims(&self) -> BTreeMap<PermissionId, (State, String)> {
        let mut claims = BTreeMap::new();
        for row in self.batches() {
            for id in &row.batch.ids {
                let claim = (row.batch.state, row.reason.clone());
                let twice = claims.insert(*id, claim).is_some();
                assert!(!twice, "{id} is in two undivided batches");
            }
        }
        claims
    }

    /// The process that came last, as the journal has it.
    pub(crate) fn last_process(&self) -> ProcessRow {
        self.archive().processes().unwrap().pop().unwrap()
    }

    /// The recorded calls, in the order of their numbers.
    pub(crate) fn calls(&self) -> Vec<CallRow> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let journal = rusqlite::Connection::open_with_flags(&self.journal, flags).unwrap();
        let mut statement = journal
            .prepare(
                "SELECT id, kind, batch, ids, recorded_at, answered_at, http_status, verdict,
                        message FROM call ORDER BY id",
            )
            .unwrap();
        let moment = |ms| Timestamp::from_millisecond(ms).unwrap();
        let rows = statement.query_map([], |row| {
            Ok(CallRow {
                id: row.get(0)?,
                kind: row.get(1)?,
                batch: row.get(2)?,
                ids: row.get(3)?,
                recorded: moment(row.get(4)?),
                answered: row.get::<_, Option<i64>>(5)?.map(moment),
                http_status: row.get(6)?,
                verdict: row.get(7)?,
                message: row.get(8)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

/// Freezes `ids` into batches of `batch_size`; the journal of that run.
fn frozen(runs: &RunsDir, world: &World, ids: &[PermissionId], batch_size: usize) -> PathBuf {
    let mut run = NewRun::begin(runs).unwrap();
    let mut line = 2;
    let mut batches = 0;
    for batch in ids.chunks(batch_size) {
        let lines: Vec<u64> = (line..).take(batch.len()).collect();
        line += batch.len() as u64;
        run.batch(batch, &lines).unwrap();
        batches += 1;
    }
    let run = run
        .commit(&RunMeta {
            created: wall(world),
            environment: ENVIRONMENT.into(),
            base_url: String::new(),
            input_path: "-".into(),
            input_sha256: "0".repeat(64),
            list_sha256: "0".repeat(64),
            column: "permission_id".into(),
            batch_size: batch_size as u64,
            rows_total: ids.len() as u64,
            rows_distinct: ids.len() as u64,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches,
            note: String::new(),
        })
        .unwrap();
    run.journal()
}

fn wall(world: &World) -> Timestamp {
    let since = SignedDuration::try_from(world.now()).unwrap();
    Timestamp::UNIX_EPOCH + since
}

/// A call as the journal has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CallRow {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) batch: Option<i64>,
    pub(crate) ids: i64,
    pub(crate) recorded: Timestamp,
    pub(crate) answered: Option<Timestamp>,
    pub(crate) http_status: Option<u16>,
    pub(crate) verdict: String,
    pub(crate) message: String,
}

/// A process that is carrying the run out.
pub(crate) struct Acting {
    pub(crate) stop: Shutdown,
    pub(crate) clock: Clock,
    pub(crate) began: Instant,
    pub(crate) written: Written,
    task: JoinHandle<()>,
    journal: Arc<Mutex<Journal>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why it stopped, if something was left to do.
    pub(crate) reason: Option<Reason>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Acting {
    /// Waits until the process has nothing left to do or has stopped.
    pub(crate) async fn end(self) -> Ended {
        self.task.await.unwrap();
        let took = self.began.elapsed();
        let journal = Arc::into_inner(self.journal).unwrap();
        let journal = journal.into_inner().unwrap();
        let end = ProcessEnd::new(self.clock.now(), "", 0);
        journal.end_process(&end).unwrap();
        Ended {
            reason: self.stop.reason().cloned(),
            took,
        }
    }

    /// Cuts the process off where it stands, as `kill -9` does: requests
    /// under way go unanswered, and nothing more is written.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err(), "it had come to its end before");
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

/// What was written into the journal, and when; as an observer is told.
#[derive(Clone, Default, Debug)]
pub(crate) struct Written(Arc<Mutex<Vec<(Instant, Entry)>>>);

impl Written {
    pub(crate) fn entries(&self) -> Vec<(Instant, Entry)> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Written {
    fn recorded(&self, entries: &[Entry], _: &Tally) {
        let now = Instant::now();
        let entries = entries.iter().map(|entry| (now, entry.clone()));
        self.0.lock().unwrap().extend(entries);
    }
}

/// What lies between a sweep and the world: it remembers every call, and can
/// be cut. Clones are the same wire.
#[derive(Clone)]
pub(crate) struct Wire {
    door: InProcess,
    line: Arc<Mutex<Line>>,
}

/// Puts another answer in the place of the world's.
type Forge = Box<dyn FnMut(&Call, Answer) -> Answer + Send>;

#[derive(Default)]
struct Line {
    calls: Vec<OnWire>,
    cut: VecDeque<bool>,
    forge: Option<Forge>,
}

/// One call as it went over the wire.
#[derive(Clone, Debug)]
pub(crate) struct OnWire {
    pub(crate) sent: Instant,
    /// When its answer was there; none while it is under way, or if the
    /// process was cut off before.
    pub(crate) back: Option<Instant>,
    pub(crate) call: Call,
    pub(crate) answer: Option<Answer>,
}

impl OnWire {
    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.answer.as_ref().and_then(Answer::status)
    }

    pub(crate) fn is_revoke(&self) -> bool {
        matches!(self.call, Call::Revoke(_))
    }

    pub(crate) fn is_log_in(&self) -> bool {
        matches!(self.call, Call::LogIn(_))
    }

    pub(crate) fn is_renewal(&self) -> bool {
        matches!(self.call, Call::Renew)
    }

    /// How many IDs it carries.
    pub(crate) fn ids(&self) -> usize {
        match &self.call {
            Call::Revoke(_) => self.body()["tradingPermissionIds"]
                .as_array()
                .unwrap()
                .len(),
            Call::Items(ids) => ids.len(),
            Call::Item(_) => 1,
            Call::LogIn(_) | Call::Renew => 0,
        }
    }

    /// The body of a revocation or a log-in.
    pub(crate) fn body(&self) -> serde_json::Value {
        match &self.call {
            Call::Revoke(body) => serde_json::from_slice(body).unwrap(),
            Call::LogIn(log_in) => serde_json::from_slice(log_in.body()).unwrap(),
            other => panic!("no body: {other:?}"),
        }
    }

    /// The body of the answer.
    pub(crate) fn answer(&self) -> serde_json::Value {
        match &self.answer {
            Some(Answer::Response(response)) => serde_json::from_slice(&response.body).unwrap(),
            other => panic!("no response: {other:?}"),
        }
    }
}

impl Wire {
    fn new(door: InProcess) -> Self {
        Self {
            door,
            line: Arc::default(),
        }
    }

    fn until(&self, timeout: Duration, world: &World) -> Self {
        Self {
            door: InProcess::new(world.clone(), timeout),
            line: Arc::clone(&self.line),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap()
    }

    /// Says of the next calls, in order, whether they find no connection.
    pub(crate) fn cut(&self, next: impl IntoIterator<Item = bool>) {
        self.line().cut.extend(next);
    }

    /// Changes every answer on its way back.
    pub(crate) fn forge(&self, forge: impl FnMut(&Call, Answer) -> Answer + Send + 'static) {
        self.line().forge = Some(Box::new(forge));
    }

    /// Every call so far, in the order in which they were sent.
    pub(crate) fn calls(&self) -> Vec<OnWire> {
        self.line().calls.clone()
    }

    /// When each call was sent, in order.
    pub(crate) fn sent(&self) -> Vec<Instant> {
        self.line().calls.iter().map(|call| call.sent).collect()
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        let line = self.line();
        line.calls.iter().filter(|call| call.back.is_none()).count()
    }
}

impl Api for Wire {
    fn call(&self, call: &Call) -> impl Future<Output = Answer> + Send {
        let (number, cut) = {
            let mut line = self.line();
            line.calls.push(OnWire {
                sent: Instant::now(),
                back: None,
                call: call.clone(),
                answer: None,
            });
            (line.calls.len() - 1, line.cut.pop_front() == Some(true))
        };
        let answer = (!cut).then(|| self.door.call(call));
        let call = call.clone();
        async move {
            let answer = match answer {
                Some(answer) => answer.await,
                None => Answer::NotSent(Failure {
                    kind: FailureKind::Connect,
                    detail: "the wire is cut".into(),
                }),
            };
            let mut line = self.line();
            let answer = match &mut line.forge {
                Some(forge) => forge(&call, answer),
                None => answer,
            };
            line.calls[number].back = Some(Instant::now());
            line.calls[number].answer = Some(answer.clone());
            drop(line);
            answer
        }
    }

    fn bear(&self, token: &Token) {
        self.door.bear(token);
    }
}
