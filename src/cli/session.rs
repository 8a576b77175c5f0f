//! Carrying out or reading a run that exists, or reading a plan: what `run`,
//! `resume`, `verify` and `plan --online` share.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rescind::journal::{
    Journal, JournalError, JournalReader, Lock, Lookback, PLANNING, Process, ProcessEnd, Recent,
    RunFolder, RunMeta, RunsDir, Unfolded, Unreadable, open_private, recent_calls,
};
use rescind::report::{self, Outcome, ReportError, Summary};
use rescind::sweep::{Clock, JournalHandle, Past, Policy, Reason, Shutdown, Sweep};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::exit;
use super::logging;
use super::panics;
use super::settings::Resolved;
use super::signals;
use super::terminal::Terminal;
use crate::cli::connect::Gateway;
use crate::cli::error::{CliError, MAKE_WAY};
use crate::cli::estimate;
use crate::cli::host_clock;
use crate::cli::live_results::Snapshots;
use crate::cli::progress::{Beginning, Screen};

/// How far back calls are looked for: the longest window there is, and some.
const MEMORY: Duration = Duration::from_hours(2);

/// How long a process that a second signal ends may take to record that.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The threads of a process that sends: two that call, one each that resolves
/// names, takes signals, keeps the journal, and writes results.
const THREADS: usize = 6;

/// The runtime of a process that sends, where the system has the threads that
/// it takes: where one is missing the runtime waits for it forever, or panics.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    spare_threads().map_err(|error| {
        CliError::new(exit::ERROR, "the system has no threads to spare")
            .caused_by(&error)
            .hint("raise the limit on processes (ulimit -u), and try again")
    })?;
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::new(exit::ERROR, "cannot start the runtime").caused_by(&error))
}

/// Has all of them at once, for a moment.
fn spare_threads() -> std::io::Result<()> {
    let gate = Mutex::new(());
    let closed = gate.lock();
    thread::scope(|scope| {
        let wait = || drop(gate.lock());
        let spawn = |_| {
            let thread = thread::Builder::new();
            thread.spawn_scoped(scope, wait).map(drop)
        };
        let spawned = (0..THREADS).try_for_each(spawn);
        drop(closed);
        spawned
    })
}

/// A run to be carried on.
pub(super) struct SessionTask<'a> {
    pub(super) command: &'static str,
    pub(super) lock: &'a Lock,
    pub(super) runs: &'a RunsDir,
    pub(super) folder: &'a RunFolder,
    pub(super) facts: &'a RunMeta,
    pub(super) effective: &'a Resolved,
    /// When the command was given. The time allowed counts from then, however
    /// long the lock, the list or a person was waited for.
    pub(super) given: Timestamp,
    /// Whether what was accepted once and is shown as active is sent again.
    pub(super) resend_mismatched: bool,
}

impl SessionTask<'_> {
    /// Whether nothing is carried out: everything is read, and compared with
    /// what is claimed of it.
    pub(super) fn only_reads(&self) -> bool {
        !matches!(self.command, "run" | "resume")
    }
}

/// What is left when a process has done its work: the journal, and why the
/// work stopped, if something was left to do.
pub(super) struct SessionEnd {
    pub(super) journal: Journal,
    pub(super) stop: Shutdown,
    pub(super) clock: Clock,
}

/// This process, as the journal keeps it.
fn process(command: &'static str, effective: &Resolved, started: Timestamp) -> Process {
    Process {
        command,
        started,
        operator: operator(),
        host: host(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
        settings: serde_json::Value::from(effective.recorded()).to_string(),
    }
}

/// Writes the files of a run whose last process was cut off after there was
/// nothing left to do, and records its end.
pub(super) fn conclude(
    folder: &RunFolder,
    effective: &Resolved,
    ending: Outcome,
) -> Result<Summary, CliError> {
    let now = Timestamp::now();
    let mut journal = Journal::open(&folder.journal()).map_err(|error| broken(&error))?;
    journal
        .begin_process(&process("resume", effective, now))
        .map_err(|error| broken(&error))?;
    close(folder, journal, &end_of(ending, now))
}

/// The end of a process with this outcome.
const fn end_of(outcome: Outcome, at: Timestamp) -> ProcessEnd {
    ProcessEnd::new(at, outcome.word(), outcome.code())
}

/// Warns where a journal could not be left as one file.
pub(super) fn one_file(unfolded: Option<Unfolded>) {
    if let Some(unfolded) = unfolded {
        tracing::warn!("{unfolded}");
    }
}

/// Ends a process: its files first, then the record of its end. So a process
/// that is killed in between is one without an end, and a bare `resume` finds
/// the run and writes the files again.
fn close(folder: &RunFolder, journal: Journal, end: &ProcessEnd) -> Result<Summary, CliError> {
    let written = report::write_ending(folder, Some(end)).map_err(|error| unreported(&error));
    let mut end = end.clone();
    if let Err(problem) = &written {
        let problem = problem.clone().after(&end.explanation);
        end.explanation = problem.in_one_line();
        end.outcome = Outcome::Error.word();
        end.exit_code = Outcome::Error.code();
    }
    let recorded = journal.end_process(&end).map(one_file);
    // What came first is said first.
    let summary = written?;
    recorded.map_err(|error| broken(&error))?;
    Ok(summary)
}

/// Carries the run on, writes its files, says how it went.
pub(super) fn carry_out(
    task: &SessionTask<'_>,
    gateway: Gateway,
    runtime: Runtime,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let worked = work(task, gateway, runtime).and_then(|worked| finish(task, worked, out));
    worked.map_err(|problem| {
        if task.only_reads() {
            problem
        } else {
            problem.then(&report::resume_command(task.folder))
        }
    })
}

/// Does what there is to be done, and shows how it goes on. Once the process
/// is on record, every end that it lives to see is recorded with its cause.
pub(super) fn work(
    task: &SessionTask<'_>,
    gateway: Gateway,
    runtime: Runtime,
) -> Result<SessionEnd, CliError> {
    let settings = &task.effective.settings;
    let started = Timestamp::now();
    let clock = {
        let _runtime = runtime.enter();
        Clock::with_sleep(started, host_clock::asleep)
    };
    let policy = Policy {
        resend_mismatched: task.resend_mismatched,
        ..settings.policy(task.given)
    };
    let terminal = Terminal::stderr(settings.progress, settings.verbosity);
    start_log(task, terminal)?;
    let stop = Shutdown::default();
    let on_record = Arc::new(OnceLock::new());
    let (path, begun) = (task.folder.journal(), Arc::clone(&on_record));
    let cut = move |number| {
        if let Some(process) = begun.get() {
            record_cut(path, *process, number);
        }
    };
    signals::watch(stop.clone(), cut).map_err(|error| {
        CliError::new(exit::ERROR, "cannot listen to signals").caused_by(&error)
    })?;
    let mut journal = Journal::open(&task.folder.journal()).map_err(|e| broken(&e))?;
    let lookback = lookback(&policy, started);
    let found = recent_calls(task.runs, &task.facts.base_url, &lookback);
    let recent = found.map_err(|error| broken(&error))?;
    journal.pin(task.lock.pinned().clone());
    begin(task, &mut journal, started)?;
    let process = journal.process();
    let _ = on_record.set(process);
    let begun = BegunProcess {
        journal,
        recent,
        stop,
        clock,
        started,
        policy,
        terminal,
    };
    panics::caught(|| act(task, gateway, runtime, begun))
        .map_err(|problem| failed(task, process, problem, clock.now()))
}

/// A process that is on record and has done nothing yet.
struct BegunProcess {
    journal: Journal,
    recent: Recent,
    stop: Shutdown,
    clock: Clock,
    started: Timestamp,
    policy: Policy,
    terminal: Terminal,
}

fn act(
    task: &SessionTask<'_>,
    gateway: Gateway,
    runtime: Runtime,
    begun: BegunProcess,
) -> Result<SessionEnd, CliError> {
    let BegunProcess {
        journal,
        recent,
        stop,
        clock,
        started,
        policy,
        terminal,
    } = begun;
    if let Some(problem) = uncounted(task, &recent) {
        return Err(problem);
    }
    let past = past(recent);
    let tally = journal.tally().map_err(|error| broken(&error))?;
    let calls = estimate::calls(task, &policy, &tally)?;
    estimate::foretell(calls, &policy, started, &past);
    let screen = Screen::start(
        terminal,
        Beginning {
            tally: &tally,
            only_reads: task.only_reads(),
            rate: &policy.rate,
            batches: task.facts.batches,
            parts: JournalReader::open(&task.folder.journal())
                .and_then(|archive| archive.part_paths())
                .map_err(|error| broken(&error))?,
            hold: past.hold.as_ref(),
            mortal: gateway.bears_unknown(),
            clock,
            timetable: &policy.timetable,
            takes: policy.timeout,
        },
    );
    tracing::info!(
        target: logging::ONLY_LOGGED,
        "{} {}: {} IDs in {} batches, {}",
        task.command,
        task.folder.run(),
        task.facts.rows_distinct,
        task.facts.batches,
        task.facts.environment
    );
    let pinned = journal.pinned().to_vec();
    let (ledger, thread) = JournalHandle::spawn(journal).map_err(|error| {
        CliError::new(exit::ERROR, "cannot start the journal's thread").caused_by(&error)
    })?;
    let snapshots = (!task.only_reads()).then(|| Snapshots::start(task.folder.clone(), pinned));
    let swept = runtime.block_on(sweep(
        task, gateway, ledger, policy, clock, &stop, &past, &screen,
    ));
    screen.finish();
    drop(snapshots);
    drop(runtime);
    swept?;
    let journal = thread
        .join()
        .map_err(|_| CliError::new(exit::ERROR, "the journal's thread failed"))?;
    Ok(SessionEnd {
        journal,
        stop,
        clock,
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "everything a sweep needs, passed in once"
)]
async fn sweep(
    task: &SessionTask<'_>,
    gateway: Gateway,
    ledger: JournalHandle,
    policy: Policy,
    clock: Clock,
    stop: &Shutdown,
    past: &Past,
    screen: &Screen,
) -> Result<(), CliError> {
    let shutdown = CancellationToken::new();
    let _guard = shutdown.clone().drop_guard();
    let settings = &task.effective.settings;
    let (api, custody) = gateway.connect(settings, task.folder, shutdown).await?;
    let sweep = Sweep::prepare(api, custody, ledger, policy, clock, stop.clone(), past)
        .await
        .map_err(|error| broken(&error))?;
    screen.watch(sweep.waits());
    let sweeping = async {
        if task.only_reads() {
            sweep.inspect(screen).await;
        } else {
            sweep.run(screen).await;
        }
    };
    tokio::select! {
        biased;
        () = sweeping => {}
        () = screen.say_waits() => {}
    }
    Ok(())
}

/// How a process ends that was stopped, and why.
pub(super) fn stopped(stop: &Shutdown) -> Option<(Outcome, String)> {
    Some(match stop.reason()? {
        Reason::Error(words) => (Outcome::Error, words.clone()),
        Reason::Unauthorized(words) => (Outcome::Unauthorized, words.clone()),
        Reason::Guard(words) => (Outcome::Stopped, words.clone()),
        Reason::Deferred(deferral) => (Outcome::Deferred, deferral.why.clone()),
        Reason::Signal(number) => {
            let signal = u8::try_from(*number).unwrap_or_default();
            (Outcome::Interrupted(signal), String::new())
        }
    })
}

/// Writes everything there is to read, records how the process ended, and
/// shows it.
fn finish(
    task: &SessionTask<'_>,
    SessionEnd {
        mut journal,
        stop,
        clock,
    }: SessionEnd,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let (outcome, explanation) = if let Some(stopped) = stopped(&stop) {
        stopped
    } else {
        let summary = match Summary::of(task.folder, false) {
            Ok(summary) => summary,
            Err(error) => {
                let problem = unreported(&error);
                let process = journal.process();
                drop(journal);
                return Err(failed(task, process, problem, clock.now()));
            }
        };
        let ending = match &summary.verification {
            Some(found) if task.only_reads() => found.ending(),
            _ => summary.ending(task.effective.settings.allow_empty),
        };
        (ending, String::new())
    };
    let end = ProcessEnd {
        explanation,
        resume_at: match stop.reason() {
            Some(Reason::Deferred(deferral)) => deferral.resume_at,
            _ => None,
        },
        ..end_of(outcome, clock.now())
    };
    if let Err(error) = journal.check_place() {
        // What is at the path now belongs to another process, or to none.
        let _ = journal.record_end(&end);
        return Err(broken(&error));
    }
    let summary = close(task.folder, journal, &end).map_err(|problem| {
        // Where nothing can be recorded any more, what is on the disk stays
        // true.
        let problem = problem.after(&end.explanation);
        match problem.hint {
            Some(_) => problem,
            None => problem.hint(format!(
                "make room or make it writable, then: {}",
                report::resume_command(task.folder)
            )),
        }
    })?;
    show(&summary, task.folder, end.exit_code, out)?;
    Ok(end.exit_code)
}

/// Records that a process that is on record ends with a problem, and writes
/// the run's files. The journal is opened anew: what failed may have taken it
/// along.
fn failed(task: &SessionTask<'_>, process: i64, problem: CliError, at: Timestamp) -> CliError {
    let outcome = match problem.code {
        exit::UNAUTHORIZED => Outcome::Unauthorized,
        _ => Outcome::Error,
    };
    let end = ProcessEnd {
        explanation: problem.in_one_line(),
        ..end_of(outcome, at)
    };
    let recorded = Journal::open(&task.folder.journal())
        .map_err(|error| broken(&error))
        .and_then(|mut journal| {
            journal.continue_process(process);
            if task.command == PLANNING {
                let ended = journal.end_process(&end).map(one_file);
                ended.map_err(|error| broken(&error))
            } else {
                close(task.folder, journal, &end).map(drop)
            }
        });
    if let Err(error) = recorded {
        tracing::warn!(
            "the end of this process could not be recorded: {}",
            error.in_one_line()
        );
    }
    CliError {
        code: outcome.code(),
        ..problem
    }
}

/// Records that a second signal cuts the process off, if that can be done at
/// once: the journal's thread may still be waiting for the disk.
fn record_cut(path: PathBuf, process: i64, number: i32) {
    let signal = u8::try_from(number).unwrap_or_default();
    let end = ProcessEnd {
        explanation: "a second signal ended it at once; calls under way were given up".to_owned(),
        ..end_of(Outcome::Interrupted(signal), Timestamp::now())
    };
    let (done, recorded) = mpsc::channel();
    let record = move || {
        let ended = Journal::open(&path).and_then(|mut journal| {
            journal.continue_process(process);
            journal.record_end(&end)
        });
        // It may have been given up.
        let _ = done.send(ended);
    };
    if thread::Builder::new().spawn(record).is_ok() {
        let _ = recorded.recv_timeout(AT_ONCE);
    }
}

/// Records that the run is held for a person, and shows how it stands; nothing
/// is sent.
pub(super) fn hold(
    task: &SessionTask<'_>,
    problem: &CliError,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let why = problem.causes.join("; ");
    let settings = &task.effective.settings;
    let terminal = Terminal::stderr(settings.progress, settings.verbosity);
    start_log(task, terminal)?;
    tracing::warn!(target: logging::ONLY_LOGGED, "{}: {why}", problem.message);
    let mut journal = Journal::open(&task.folder.journal()).map_err(|e| broken(&e))?;
    begin(task, &mut journal, Timestamp::now())?;
    let end = ProcessEnd {
        explanation: why,
        ..end_of(Outcome::Held, Timestamp::now())
    };
    let summary = close(task.folder, journal, &end)?;
    show(&summary, task.folder, end.exit_code, out)
}

/// Records that this process is at work on the run.
fn begin(
    task: &SessionTask<'_>,
    journal: &mut Journal,
    started: Timestamp,
) -> Result<(), CliError> {
    journal
        .begin_process(&process(task.command, task.effective, started))
        .map_err(|error| broken(&error))
}

/// Shows the report on a run whose end is recorded, with this code.
pub(super) fn show(
    summary: &Summary,
    folder: &RunFolder,
    code: u8,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let text = report::text(summary, folder, crate::cli::commands::review::style());
    signals::recorded(code);
    out.write_all(text.as_bytes()).map_err(|error| {
        CliError::new(exit::ERROR, "cannot write to standard output").caused_by(&error)
    })
}

/// How far back the limits look.
pub(super) fn lookback(policy: &Policy, now: Timestamp) -> Lookback {
    Lookback {
        now,
        span: MEMORY,
        timeout: policy.timeout,
    }
}

/// What earlier calls and holds at an address still mean for a process.
pub(super) fn past(recent: Recent) -> Past {
    for Unreadable { name, error, .. } in &recent.unreadable {
        tracing::warn!(run = name, %error, "calls of a run cannot be counted");
    }
    Past {
        calls: recent.calls,
        renewals: recent.renewals,
        refused_log_ins: recent.refused_log_ins,
        hold: recent.holds.into_iter().max_by_key(|hold| hold.left),
    }
}

/// Why no call may be made, where a run that cannot be read was written to so
/// lately that its calls may still count, or a lockout that it met be on.
fn uncounted(task: &SessionTask<'_>, recent: &Recent) -> Option<CliError> {
    let matters = |run: &Unreadable| run.matters_until.is_some();
    let runs = || recent.unreadable.iter().filter(|run| matters(run));
    let until = runs().filter_map(|run| run.matters_until).max()?;
    let names: Vec<_> = runs().map(|run| run.name.as_str()).collect();
    // To the minute, and not before it.
    let until = until.saturating_add(SignedDuration::from_secs(59));
    let until = until
        .ok()?
        .to_zoned_datetime(task.effective.settings.zone());
    let mut problem = CliError::new(
        exit::ERROR,
        format!(
            "it is not known what {} called lately, nor whether a lockout or a penalty is on; \
             nothing was sent",
            names.join(" and ")
        ),
    );
    for run in runs() {
        problem = problem.caused_by(&run.error);
    }
    let again = match task.command {
        "run" | "resume" => format!(", then: {}", report::resume_command(task.folder)),
        _ => String::new(),
    };
    Some(problem.hint(format!(
        "wait until {}, when it cannot matter any more, or move that folder out of {} (its calls \
         then do not count, and a lockout is not waited for){again}",
        until.strftime("%H:%M %Z"),
        task.runs.path().display(),
    )))
}

fn start_log(task: &SessionTask<'_>, terminal: Terminal) -> Result<(), CliError> {
    let settings = &task.effective.settings;
    logging::start(
        Some(run_log(task.folder)?),
        settings.log_format,
        settings.verbosity,
        terminal,
    )
    .map_err(|error| CliError::new(exit::ERROR, "cannot start the log").caused_by(&error))
}

fn run_log(folder: &RunFolder) -> Result<File, CliError> {
    let path = folder.path().join("run.log");
    open_private(&path, true).map_err(|error| {
        CliError::new(exit::ERROR, format!("cannot open {}", path.display())).caused_by(&error)
    })
}

pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> CliError {
    if let Some(replaced @ JournalError::Replaced { .. }) = error.downcast_ref() {
        return CliError::new(exit::ERROR, format!("{replaced}; nothing more is sent")).hint(
            "bring the runs folder back as it was, where it was, and see that nothing else works \
             on it; what was sent last is on record in the file that went, and nowhere else",
        );
    }
    damaged(error)
        .unwrap_or_else(|| CliError::new(exit::ERROR, "the journal failed").caused_by(error))
}

pub(super) fn unreported(error: &(dyn std::error::Error + 'static)) -> CliError {
    damaged(error).unwrap_or_else(|| {
        let problem = |message| CliError::new(exit::ERROR, message).caused_by(error);
        match error.downcast_ref() {
            Some(ReportError::File { source, .. }) if source.kind() == ErrorKind::IsADirectory => {
                problem("the results could not be written").hint(MAKE_WAY)
            }
            Some(ReportError::File { .. } | ReportError::Output(_)) => {
                problem("the results could not be written")
            }
            Some(ReportError::Journal(JournalError::Folder { .. })) => {
                problem("the runs folder cannot be read")
            }
            _ => problem("the run cannot be read"),
        }
    })
}

/// A journal that cannot be trusted any more, if that is what it is.
fn damaged(error: &(dyn std::error::Error + 'static)) -> Option<CliError> {
    let journal = error.downcast_ref().is_some_and(JournalError::is_damage);
    let report = error.downcast_ref().is_some_and(ReportError::is_damage);
    (journal || report).then(|| {
        CliError::new(
            exit::ERROR,
            "the journal cannot be trusted any more, and nothing is done with it",
        )
        .caused_by(error)
        .hint(
            "bring journal.db and its log back as the last process left them (an older copy will \
                 not do), or freeze the list as a new run with --read-first: what is revoked \
                 already is not sent again",
        )
    })
}

/// The user's name, for the record.
pub(super) fn operator() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The host's name, for the record.
pub(super) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The facts of a run.
pub(super) fn facts(folder: &RunFolder) -> Result<RunMeta, CliError> {
    JournalReader::open(&folder.journal())
        .and_then(|archive| archive.facts())
        .map_err(|error| broken(&error))
}
