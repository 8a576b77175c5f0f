//! `rescind run` and `rescind resume`: taking the lock, freezing the list or
//! finding the run, and handing it over to be carried out.

use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rescind::api::Environment;
use rescind::journal::{
    Holder, JournalError, JournalReader, Lock, LockError, NewRun, RunFolder, RunMeta, RunsDir,
};
use rescind::list::{FreezeError, Frozen, Input, ListCounts, NO_HEADER, Rows, freeze};
use rescind::report::{self, Newest, Summary, number, visible};
use rescind::sweep::{ExclusionCheck, Verify};
use rustc_hash::FxHashSet;

use super::runs::{found, runs_dir};
use crate::cli::args::Options;
use crate::cli::commands::plan_online;
use crate::cli::connect::Gateway;
use crate::cli::error::CliError;
use crate::cli::guards::Watch;
use crate::cli::input_hints::{Invalid, unreadable};
use crate::cli::notice::{self, Level, notice};
use crate::cli::session::{self, SessionTask, broken, carry_out, facts};
use crate::cli::settings::{Layers, Resolved, Verbosity};
use crate::cli::{confirm, exit, guards};

/// What a run may need on the disk in any case: SQLite's log has 4 MiB before
/// it is moved into the journal, and the page some 500 KiB.
const ROOM_AT_LEAST: u64 = 8 << 20;

/// What it may need for each ID: journal, results and log, all files of the
/// results twice while they are replaced, and with `--read-first` what was seen
/// of each. Measured at their highest, of lists of 100,000 IDs of ten digits in
/// batches of 100, in order or shuffled: 130 bytes, and 240 with what was seen;
/// IDs of nineteen digits take some 60 more.
const ROOM_PER_ID: u64 = 200;
const ROOM_PER_ID_SEEN: u64 = 120;

/// What it may need for each batch: its calls and retries, its row, its lines
/// of the log. Measured with batches of 10: 1 KiB.
const ROOM_PER_BATCH: u64 = 2 << 10;

/// `rescind run`.
pub(in crate::cli) fn run(
    input: &Path,
    options: &Options,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let given = Timestamp::now();
    let effective = Layers::gather(&options.0, variables)?.settle(None)?;
    warn(&effective);
    let environment = effective.environment()?;
    let settings = &effective.settings;
    let asks = environment.is_real() && !settings.yes;
    if asks && !confirm::is_possible() {
        return Err(CliError::usage(format!(
            "{environment} is a real environment, and there is no terminal to ask at"
        ))
        .hint("give consent beforehand with --yes"));
    }
    Gateway::check(&effective)?;
    let runs = RunsDir::create(&settings.runs_dir).map_err(|error| folder_problem(&error))?;
    let lock = lock(&runs, &effective, "run")?;
    plan_online::clear(&runs, &effective).map_err(|error| folder_problem(&error))?;
    let input = self::input(input);
    runs.check_room(room(&input))
        .map_err(|error| folder_problem(&error))?;

    let exclusion = guards::exclusion(settings)?;
    let mut sieve = ExclusionCheck::new(&exclusion, FxHashSet::default());
    let (mut new, census) = read(&runs, &input, &effective, &mut sieve)?;
    if asks || settings.verbosity != Verbosity::Quiet {
        for odd in &census.oddities {
            notice(Level::Note, format_args!("{odd}"));
        }
    }
    let facts = facts_of(&effective, &input, &census)?;
    let needed = room_of(facts.rows_distinct, facts.batches, settings.read_first);
    runs.check_room(needed)
        .map_err(|error| folder_problem(&error))?;
    let judged = guards::judge(
        settings,
        &runs,
        (&facts.environment, &facts.base_url),
        (facts.rows_distinct, facts.created),
        sieve,
        &exclusion,
    )?;
    let held = !judged.findings.is_empty();
    let ready = if held {
        None
    } else {
        // Not before the lock was waited for: tokens expire.
        let runtime = session::runtime()?;
        let gateway = Gateway::open(&effective, &runtime)?;
        if asks {
            confirm::ask(&facts, census.distinct)?;
        }
        Some((gateway, runtime))
    };
    let mut notes = mentions(&runs, &facts);
    notes.extend(judged.idle);
    for finding in &judged.findings {
        new.breach(finding, facts.created)
            .map_err(|error| broken(&error))?;
    }
    let folder = new.commit(&facts).map_err(|error| broken(&error))?;
    if let Err(error) = runs.point_latest(folder.run()) {
        notice(
            Level::Warning,
            format_args!("{}", visible(&error.to_string())),
        );
    }
    if settings.verbosity != Verbosity::Quiet {
        announce(&folder, &facts, &notes);
    }
    let task = SessionTask {
        command: "run",
        lock: &lock,
        runs: &runs,
        folder: &folder,
        facts: &facts,
        effective: &effective,
        given,
        resend_mismatched: false,
    };
    let Some((gateway, runtime)) = ready else {
        let problem = guards::held_at_once(&folder, &facts, &judged.findings);
        session::hold(&task, &problem, out)?;
        return Err(problem);
    };
    carry_out(&task, gateway, runtime, out)
}

/// A run that exists, and the settings for what is to be done with it.
pub(in crate::cli) struct Chosen {
    pub(in crate::cli) runs: RunsDir,
    pub(in crate::cli) folder: RunFolder,
    pub(in crate::cli) frozen: RunMeta,
    pub(in crate::cli) effective: Resolved,
}

/// Finds the run that is `wanted`, or else the `newest` of its kind, and says
/// what of the settings is passed over.
pub(in crate::cli) fn choose(
    wanted: Option<&str>,
    newest: impl FnOnce(&RunsDir, &Resolved) -> Result<RunFolder, CliError>,
    options: &Options,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Chosen, CliError> {
    let layers = Layers::gather(&options.0, variables)?;
    let before = layers.settle(None)?;
    let runs = runs_dir(&before)?;
    let folder = match wanted {
        Some(wanted) => found(&runs, wanted)?,
        None => newest(&runs, &before)?,
    };
    let frozen = facts(&folder)?;
    let effective = layers.settle(Some(&recorded(&folder, &frozen)?))?;
    warn(&effective);
    Ok(Chosen {
        runs,
        folder,
        frozen,
        effective,
    })
}

/// What is asked of `rescind resume` alone.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Asked<'a> {
    /// The run.
    pub(in crate::cli) run: Option<&'a str>,
    /// The digest of an approval.
    pub(in crate::cli) approve: Option<&'a str>,
    /// Whether what was accepted once and is shown as active is sent again.
    pub(in crate::cli) resend_mismatched: bool,
}

/// `rescind resume`.
pub(in crate::cli) fn resume(
    asked: Asked<'_>,
    options: &Options,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let given = Timestamp::now();
    let Asked {
        run,
        approve,
        resend_mismatched,
    } = asked;
    let Chosen {
        runs,
        folder,
        frozen,
        effective,
    } = choose(run, newest_unfinished, options, variables)?;
    if resend_mismatched && effective.settings.verify == Verify::Off {
        return Err(CliError::usage(
            "--resend-mismatched sends what a read shows as active, and --verify off reads nothing",
        )
        .hint("give --verify all"));
    }
    let lock = lock(&runs, &effective, "resume")?;
    let standing = Summary::of(&folder, false).map_err(|error| session::unreported(&error))?;
    if report::is_finished(&standing.ids, standing.owed) {
        let ending = standing.ending(effective.settings.allow_empty);
        let summary = if standing.concluded {
            report::write(&folder).map_err(|error| session::unreported(&error))?
        } else {
            session::conclude(&folder, &effective, ending)?
        };
        session::show(&summary, &folder, ending.code(), out)?;
        return Ok(ending.code());
    }
    let task = SessionTask {
        command: "resume",
        lock: &lock,
        runs: &runs,
        folder: &folder,
        facts: &frozen,
        effective: &effective,
        given,
        resend_mismatched,
    };
    let now = Timestamp::now();
    let watch = Watch::over(&effective.settings, &runs, &folder, &frozen, now)?;
    if effective.settings.verbosity != Verbosity::Quiet {
        for idle in &watch.idle {
            notice(Level::Note, format_args!("{}", visible(idle)));
        }
    }
    if watch.holds() && approve.is_none() {
        watch.record(now)?;
        let problem = watch.problem();
        session::hold(&task, &problem, out)?;
        return Err(problem);
    }
    let environment = effective.environment()?;
    let to_send = standing.to_send(resend_mismatched);
    // Where there is only something to read, nothing is revoked any more.
    let asks = environment.is_real() && !effective.settings.yes && to_send > 0;
    if asks && !confirm::is_possible() {
        return Err(CliError::usage(format!(
            "{environment} is a real environment, and there is no terminal to ask at"
        ))
        .hint("give consent beforehand with --yes"));
    }
    // Before anything is released or asked: there may be no access.
    let runtime = session::runtime()?;
    let gateway = Gateway::open(&effective, &runtime)?;
    if let Some(digest) = approve {
        for released in watch.approve(digest, now)? {
            notice(Level::Note, format_args!("approved in spite of {released}"));
        }
    }
    if asks {
        confirm::ask(&frozen, to_send)?;
    }
    if effective.settings.verbosity != Verbosity::Quiet {
        notice(
            Level::Info,
            format_args!(
                "run {} ({}), frozen at {:.0}\n  {} of {} IDs open, {} still to be read back",
                folder.run(),
                frozen.environment,
                frozen.created,
                number(standing.open()),
                number(frozen.rows_distinct),
                number(standing.owed),
            ),
        );
    }
    carry_out(&task, gateway, runtime, out)
}

/// Says what of the settings is passed over.
pub(in crate::cli) fn warn(effective: &Resolved) {
    notice::set_by_settings(effective);
    for warning in &effective.warnings {
        notice(Level::Warning, format_args!("{}", visible(warning)));
    }
}

fn newest_unfinished(runs: &RunsDir, effective: &Resolved) -> Result<RunFolder, CliError> {
    let environment = effective.environment()?;
    let url = recorded_url(effective)?;
    let newest = report::newest_unfinished(runs, environment.name(), &url)
        .map_err(|error| session::unreported(&error))?;
    let none = format!("there is no unfinished run for {environment}");
    only(newest, runs, "resume", none)
}

/// The newest run, where none that cannot be read may be newer: `command` is
/// not to take an older one in its place, nor to say that there is `none`.
pub(in crate::cli) fn only(
    newest: Newest,
    runs: &RunsDir,
    command: &str,
    none: String,
) -> Result<RunFolder, CliError> {
    let place = runs.path().display();
    let [(first, _), ..] = &newest.unreadable[..] else {
        return newest.run.ok_or_else(|| {
            CliError::usage(format!("{none} in {place}"))
                .hint("rescind runs lists the runs there are")
        });
    };
    let names: Vec<_> = newest
        .unreadable
        .iter()
        .map(|(folder, _)| folder.run().as_str())
        .collect();
    let otherwise = match &newest.run {
        Some(run) => format!("it would be {}", run.run()),
        None => none,
    };
    let mut problem = CliError::new(
        exit::ERROR,
        format!(
            "the run to {command} cannot be told: {} cannot be read; among the others {otherwise}",
            names.join(" and ")
        ),
    );
    for (_, error) in &newest.unreadable {
        problem = problem.caused_by(error);
    }
    let wanted = newest.run.as_ref().unwrap_or(first);
    Err(problem.hint(format!(
        "name the run that is meant: {}\nor mend what cannot be read, or move its folder out of {place}",
        report::command(command, wanted),
    )))
}

/// The settings that the last process recorded that carried the run out. What is frozen comes
/// from the run itself: a run that was cut off before a process took it up
/// must not be carried out anywhere else.
pub(in crate::cli) fn recorded(
    folder: &RunFolder,
    frozen: &RunMeta,
) -> Result<serde_json::Map<String, serde_json::Value>, CliError> {
    let processes = JournalReader::open(&folder.journal())
        .and_then(|archive| archive.processes())
        .map_err(|error| broken(&error))?;
    // A verification has a pace of its own.
    let carried = processes
        .iter()
        .rfind(|process| process.command != "verify");
    let mut recorded = match carried {
        Some(last) => serde_json::from_str(&last.settings).map_err(|error| {
            CliError::new(exit::ERROR, "the journal's settings cannot be read").caused_by(&error)
        })?,
        None => serde_json::Map::new(),
    };
    let (one, other, value) = if frozen.environment == Environment::Custom.name() {
        ("base-url", "env", &frozen.base_url)
    } else {
        ("env", "base-url", &frozen.environment)
    };
    recorded.remove(other);
    recorded.insert(one.to_owned(), value.as_str().into());
    recorded.insert(
        "batch-size".to_owned(),
        frozen.batch_size.to_string().into(),
    );
    // A column found by its header may be named on a resume; that is no change.
    if frozen.column != NO_HEADER {
        recorded.insert("id-column".to_owned(), frozen.column.as_str().into());
    }
    Ok(recorded)
}

/// The base URL as it is recorded; the sandbox inside the process has none
/// that lasts.
pub(in crate::cli) fn recorded_url(effective: &Resolved) -> Result<String, CliError> {
    Ok(effective
        .environment()?
        .base_url()
        .map_or_else(|| "sandbox".to_owned(), |url| url.to_string()))
}

pub(in crate::cli) fn lock(
    runs: &RunsDir,
    effective: &Resolved,
    command: &str,
) -> Result<Lock, CliError> {
    let environment = effective.environment()?;
    let holder = Holder {
        command: command.to_owned(),
        pid: std::process::id(),
        host: session::host(),
        since: format!("{:.0}", Timestamp::now()),
    };
    let url = recorded_url(effective)?;
    let take = |patience| Lock::take(runs, environment.name(), &url, &holder, patience);
    let patience = effective.settings.lock_wait;
    let mut taken = take(Duration::ZERO);
    if let Err(error @ LockError::Held { .. }) = &taken
        && !patience.is_zero()
    {
        // Whoever looks at a process that does nothing is to know why.
        notice(
            Level::Note,
            format_args!(
                "{}; waiting for it for up to {}",
                visible(&error.to_string()),
                rescind::duration::show(patience)
            ),
        );
        taken = take(patience);
    }
    taken.map_err(|error| match &error {
        LockError::Held { .. } => CliError::new(exit::LOCKED, error.to_string())
            .hint("wait for it to end, or give --lock-wait 10m"),
        LockError::File { .. } => {
            CliError::new(exit::ERROR, "the lock cannot be taken").caused_by(&error)
        }
    })
}

/// The list that is named. At a terminal it says what it waits for.
pub(in crate::cli) fn input(path: &Path) -> Input {
    let input = Input::from(path.to_owned());
    if input == Input::Stdin && std::io::stdin().is_terminal() {
        notice(
            Level::Note,
            "type or paste the list; Ctrl-D at the start of a line ends it",
        );
    }
    input
}

/// What is recorded of a list that was frozen just now, and of its target.
pub(in crate::cli) fn facts_of(
    effective: &Resolved,
    input: &Input,
    census: &ListCounts,
) -> Result<RunMeta, CliError> {
    let settings = &effective.settings;
    Ok(RunMeta {
        created: Timestamp::now(),
        environment: effective.environment()?.name().to_owned(),
        base_url: recorded_url(effective)?,
        input_path: match input {
            Input::Path(path) => path.display().to_string(),
            Input::Stdin => "-".to_owned(),
        },
        input_sha256: census.input_sha256.clone(),
        list_sha256: census.list_sha256.clone(),
        column: census.column.clone(),
        batch_size: settings.batch_size.get() as u64,
        rows_total: census.total,
        rows_distinct: census.distinct,
        rows_duplicate: census.duplicate,
        rows_invalid: census.invalid,
        batches: census.batches,
        note: settings.note.clone().unwrap_or_default(),
    })
}

/// What freezing a list may need on the disk: an ID takes as much in the
/// journal as in a list of nothing else.
pub(in crate::cli) fn room(input: &Input) -> u64 {
    let bytes = match input {
        Input::Path(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
        Input::Stdin => 0,
    };
    bytes.saturating_add(ROOM_AT_LEAST)
}

/// What the run of a list may need on the disk once its rows are known.
const fn room_of(ids: u64, batches: u64, read_first: bool) -> u64 {
    let seen = if read_first { ROOM_PER_ID_SEEN } else { 0 };
    ids.saturating_mul(ROOM_PER_ID + seen)
        .saturating_add(batches.saturating_mul(ROOM_PER_BATCH))
        .saturating_add(ROOM_AT_LEAST)
}

/// Reads the list into a run that does not exist yet, and past the sieve; too
/// many invalid rows make it no list.
fn read(
    runs: &RunsDir,
    input: &Input,
    effective: &Resolved,
    sieve: &mut ExclusionCheck<'_>,
) -> Result<(NewRun, ListCounts), CliError> {
    let settings = &effective.settings;
    let rows =
        Rows::open(input, settings.id_column.as_deref()).map_err(|error| unreadable(&error))?;
    let mut new = NewRun::begin(runs).map_err(|error| broken(&error))?;
    let mut invalid = Invalid::default();
    let census = freeze(rows, settings.batch_size, |frozen| {
        invalid.note(&frozen);
        match frozen {
            Frozen::Batch { ids, lines } => {
                sieve.look(ids, lines);
                new.batch(ids, lines)
            }
            Frozen::Reject {
                line,
                value,
                reason,
            } => new.reject(line, value, &reason.to_string()),
        }
    })
    .map_err(|error| match error {
        FreezeError::List(error) => unreadable(&error),
        FreezeError::Sink(error) => broken(&error),
    })?;
    invalid.check(&census, input, settings.max_invalid)?;
    Ok((new, census))
}

/// What a person should know of earlier runs before this one goes on.
fn mentions(runs: &RunsDir, facts: &RunMeta) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(unfinished) = report::unfinished(runs, &facts.environment, &facts.base_url) {
        lines.extend(unfinished.iter().map(|listed| {
            let run = listed.folder.run();
            let Ok(standing) = &listed.standing else {
                return format!("run {run} cannot be read: it may be unfinished");
            };
            if standing.approve.is_some() {
                let report = report::report_command(&listed.folder);
                return format!("run {run} is held; to see what releases it: {report}");
            }
            let resume = report::resume_command(&listed.folder);
            format!("run {run} is not finished; to carry it on: {resume}")
        }));
    }
    if facts.rows_distinct == 0 {
        return lines;
    }
    let same = report::finished_with_list(
        runs,
        &facts.environment,
        &facts.base_url,
        &facts.list_sha256,
    );
    if let Ok(same) = same {
        lines.extend(same.first().map(|listed| {
            let run = listed.folder.run();
            format!("this same list was already finished in run {run}")
        }));
    }
    lines
}

fn announce(folder: &RunFolder, facts: &RunMeta, earlier: &[String]) {
    for line in earlier {
        notice(Level::Note, format_args!("{}", visible(line)));
    }
    // On two lines: together they are wider than many a terminal.
    notice(
        Level::Info,
        format_args!(
            "run {} ({}), IDs from {}\n  {} rows = {} distinct + {} duplicate + {} invalid; batches: {}",
            folder.run(),
            facts.environment,
            visible(&facts.column),
            number(facts.rows_total),
            number(facts.rows_distinct),
            number(facts.rows_duplicate),
            number(facts.rows_invalid),
            number(facts.batches),
        ),
    );
}

pub(in crate::cli) fn folder_problem(error: &JournalError) -> CliError {
    let problem = CliError::new(exit::ERROR, "the runs folder cannot be used").caused_by(error);
    match error {
        JournalError::Network { .. } => {
            problem.hint("name a folder on a local disk with --runs-dir")
        }
        JournalError::NoRoom { .. } | JournalError::NoInodes { .. } => {
            problem.hint("make room, or name another folder with --runs-dir")
        }
        _ => problem,
    }
}
