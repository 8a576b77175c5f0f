//! The list of runs, and what an earlier run says to a new one.

use jiff::Timestamp;
use serde::Serialize;

use super::outcome::{ending, is_finished};
use super::process_outcome::{how_it_ended, is_concluded, last_carried, resumes};
use super::serialize::{optional_time, states, time};
use super::{InputFigures, ReportError, Requests, RowFigures, WaitTotals};
use crate::address::server;
use crate::journal::{
    JournalError, JournalReader, Lock, ProcessRow, RunFolder, RunMeta, RunsDir, Tally,
};
use crate::report::approvals::release;
use crate::report::format::{seconds, visible};

/// A run in the list.
#[derive(Debug)]
pub struct Listed {
    /// Its folder.
    pub folder: RunFolder,
    /// Where it stands, or why that cannot be told.
    pub standing: Result<RunStatus, JournalError>,
}

/// Where a run stands, by its journal's own sums. The fields are those of a
/// [`Summary`](super::Summary) and mean the same; what only a pass over all
/// IDs can tell is not among them.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunStatus {
    /// The environment's name.
    pub environment: String,
    /// The base URL that calls go to.
    pub base_url: String,
    /// Where the list came from.
    pub input: InputFigures,
    /// SHA-256 of the distinct IDs in order, in hex.
    pub list_sha256: String,
    /// The operator's note.
    pub note: String,
    /// When the list was frozen.
    #[serde(skip)]
    pub created: Timestamp,
    /// How it ended, in a word; as in a [`Summary`](super::Summary).
    pub outcome: String,
    /// Its exit code, if it has one.
    pub exit_code: Option<u8>,
    /// What `--approve` has to name, if guards hold the run.
    pub approve: Option<String>,
    /// Whether nothing is open and no read is owed.
    pub finished: bool,
    /// As in a [`Summary`](super::Summary).
    #[serde(skip)]
    pub concluded: bool,
    /// When the first process started.
    #[serde(rename = "started_at", serialize_with = "time")]
    pub started: Timestamp,
    /// When the last process started.
    #[serde(skip)]
    pub taken_up: Timestamp,
    /// Whether the last process has not said that it ended.
    #[serde(skip)]
    open: bool,
    /// When the last process that carried it out ended, if it said so.
    #[serde(rename = "finished_at", serialize_with = "optional_time")]
    pub ended: Option<Timestamp>,
    /// The rows of the input.
    pub rows: RowFigures,
    /// The IDs in each state.
    #[serde(serialize_with = "states")]
    pub ids: Tally,
    /// IDs that are still to be read.
    pub owed: u64,
    /// The batches that the list was cut into.
    pub batches: u64,
    /// Calls made.
    pub requests: Requests,
    /// How often the run was resumed.
    pub resumes: u64,
    /// Time waited by all processes together, in seconds.
    pub waited: WaitTotals,
    /// The seconds that processes were at work on it, if all said when they
    /// ended.
    #[serde(skip)]
    pub worked: Option<f64>,
}

impl RunStatus {
    pub(super) fn of(folder: &RunFolder) -> Result<Self, JournalError> {
        let archive = JournalReader::open(&folder.journal())?;
        Self::told(&archive, &archive.facts()?, &archive.processes()?, false)
    }

    /// Where the run stands whose journal says so. `live` says that some
    /// process goes on with it.
    pub(super) fn told(
        archive: &JournalReader,
        facts: &RunMeta,
        processes: &[ProcessRow],
        live: bool,
    ) -> Result<Self, JournalError> {
        let last = last_carried(processes);
        let (ids, owed, rows) = (archive.tally()?, archive.owed()?, RowFigures::of(facts));
        let finished = is_finished(&ids, owed);
        let settled = if finished {
            Some(ending(&ids, owed, archive.mismatches()?, rows, false))
        } else {
            None
        };
        let (outcome, exit_code) = how_it_ended(processes, live, settled);
        Ok(Self {
            environment: visible(&facts.environment).into_owned(),
            base_url: visible(&facts.base_url).into_owned(),
            input: InputFigures::of(facts),
            list_sha256: facts.list_sha256.clone(),
            note: visible(&facts.note).into_owned(),
            concluded: is_concluded(processes, &outcome, settled),
            outcome,
            exit_code,
            finished,
            created: facts.created,
            approve: release(facts, &archive.breaches()?),
            started: processes
                .first()
                .map_or(facts.created, |first| first.started),
            taken_up: processes.last().map_or(facts.created, |last| last.started),
            open: processes.last().is_none_or(|last| last.ended.is_none()),
            ended: last.and_then(|last| last.ended),
            rows,
            ids,
            owed,
            batches: facts.batches,
            requests: archive.calls()?.into(),
            resumes: resumes(processes),
            waited: WaitTotals::of(processes),
            worked: processes
                .iter()
                .map(|process| process.ended.map(|ended| seconds(process.started, ended)))
                .sum(),
        })
    }

    /// Whether nothing is open and no read is owed.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the growth of later lists is measured by it.
    pub(super) const fn is_measured_by(&self) -> bool {
        self.finished && self.rows.distinct > 0
    }

    /// The seconds from the start of the first process to the end of the
    /// last one, pauses between them included.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        self.ended.map(|ended| seconds(self.started, ended))
    }

    /// Whether it goes to the same place: the server tells one `custom`
    /// environment from another. It may also be the one of a named
    /// environment, in a run that was frozen by its address.
    pub(super) fn goes_to(&self, environment: &str, base_url: &str) -> bool {
        if self.environment == "custom" || environment == "custom" {
            return server(&self.base_url) == server(base_url);
        }
        self.environment == environment
    }
}

/// The runs, newest first. A run that cannot be read is listed with the
/// reason.
///
/// # Errors
/// If the folder cannot be listed.
pub fn list(runs: &RunsDir) -> Result<Vec<Listed>, ReportError> {
    let mut listed = standings(runs)?;
    let mut going: Vec<(String, String)> = Vec::new();
    let mut order: Vec<usize> = (0..listed.len()).collect();
    order.sort_by_key(|index| {
        let standing = listed[*index].standing.as_ref().ok();
        std::cmp::Reverse(standing.map(|standing| standing.taken_up))
    });
    // A lock is held by one process, so of all that have not ended only the
    // one that started last can be going on.
    for index in order {
        let Ok(standing) = &mut listed[index].standing else {
            continue;
        };
        let seen = going
            .iter()
            .any(|(environment, url)| standing.goes_to(environment, url));
        if !standing.open || seen {
            continue;
        }
        going.push((standing.environment.clone(), standing.base_url.clone()));
        if Lock::is_held_for_a_run(runs, &standing.environment, &standing.base_url) {
            "running".clone_into(&mut standing.outcome);
        }
    }
    Ok(listed)
}

/// Whether some process goes on with the run in `folder` now.
///
/// # Errors
/// If the folder of the runs cannot be listed.
pub fn is_live(runs: &RunsDir, folder: &RunFolder) -> Result<bool, ReportError> {
    let listed = list(runs)?;
    Ok(listed.iter().any(|listed| {
        let standing = listed.standing.as_ref();
        listed.folder.run() == folder.run()
            && standing.is_ok_and(|standing| standing.outcome == "running")
    }))
}

/// The newest run of a kind, as far as that can be told.
#[derive(Debug)]
pub struct Newest {
    /// The newest that can be read.
    pub run: Option<RunFolder>,
    /// The ones that are newer and cannot be read, with the reason: each of
    /// them may be the newest of the kind.
    pub unreadable: Vec<(RunFolder, JournalError)>,
}

/// The newest run of an environment.
///
/// # Errors
/// If the folder cannot be listed.
pub fn newest(runs: &RunsDir, environment: &str, base_url: &str) -> Result<Newest, ReportError> {
    newest_that(runs, |run| run.goes_to(environment, base_url))
}

/// The newest run of an environment that is not finished, or whose last
/// process did not come to record its end: its files may be those of an
/// earlier moment.
///
/// # Errors
/// If the folder cannot be listed.
pub fn newest_unfinished(
    runs: &RunsDir,
    environment: &str,
    base_url: &str,
) -> Result<Newest, ReportError> {
    newest_that(runs, |run| {
        run.goes_to(environment, base_url) && !run.concluded
    })
}

fn newest_that(
    runs: &RunsDir,
    is_wanted: impl Fn(&RunStatus) -> bool,
) -> Result<Newest, ReportError> {
    let mut unreadable = Vec::new();
    for folder in runs.list()?.into_iter().rev() {
        match RunStatus::of(&folder) {
            Ok(standing) if is_wanted(&standing) => {
                let run = Some(folder);
                return Ok(Newest { run, unreadable });
            }
            Ok(_) => {}
            Err(error) => unreadable.push((folder, error)),
        }
    }
    Ok(Newest {
        run: None,
        unreadable,
    })
}

/// The runs of an environment that a resume has something to do with, and
/// those of which that cannot be told, newest first.
///
/// # Errors
/// If the folder cannot be listed.
pub fn unfinished(
    runs: &RunsDir,
    environment: &str,
    base_url: &str,
) -> Result<Vec<Listed>, ReportError> {
    let mut listed = standings(runs)?;
    listed.retain(|listed| {
        let standing = listed.standing.as_ref();
        standing.map_or(true, |run| {
            run.goes_to(environment, base_url) && !run.concluded
        })
    });
    Ok(listed)
}

/// The finished runs of an environment that were of this same list, newest
/// first.
///
/// # Errors
/// If the folder cannot be listed.
pub fn finished_with_list(
    runs: &RunsDir,
    environment: &str,
    base_url: &str,
    list_sha256: &str,
) -> Result<Vec<Listed>, ReportError> {
    let mut listed = standings(runs)?;
    listed.retain(|listed| {
        let standing = listed.standing.as_ref();
        standing.is_ok_and(|run| {
            run.goes_to(environment, base_url)
                && run.list_sha256 == list_sha256
                && run.is_finished()
        })
    });
    Ok(listed)
}

/// The distinct IDs of the last `most` finished runs of an environment that
/// were frozen before `before` and had any, the newest first. A run that
/// cannot be read is passed over.
///
/// # Errors
/// If the folder cannot be listed.
pub fn finished_counts(
    runs: &RunsDir,
    environment: &str,
    base_url: &str,
    before: Timestamp,
    most: usize,
) -> Result<Vec<u64>, ReportError> {
    let folders = runs.list()?.into_iter().rev();
    let finished = folders
        .filter_map(|folder| RunStatus::of(&folder).ok())
        .filter(|run| {
            run.goes_to(environment, base_url) && run.created < before && run.is_measured_by()
        });
    Ok(finished.map(|run| run.rows.distinct).take(most).collect())
}

fn standings(runs: &RunsDir) -> Result<Vec<Listed>, ReportError> {
    let folders = runs.list()?.into_iter().rev();
    let listed = folders.map(|folder| Listed {
        standing: RunStatus::of(&folder),
        folder,
    });
    Ok(listed.collect())
}
