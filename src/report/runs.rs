//! The list of runs, and what an earlier run says to a new one.

use jiff::Timestamp;

use super::outcome::is_finished;
use super::phrase::{duration, moment, number, seconds, visible};
use super::summary::how_it_ended;
use super::text::Page;
use super::{ReportError, Style};
use crate::journal::{Archive, JournalError, Lock, RunFolder, RunsDir, State, Tally};

/// A run in the list.
#[derive(Debug)]
pub struct Listed {
    /// Its folder.
    pub folder: RunFolder,
    /// Where it stands, or why that cannot be told.
    pub standing: Result<Standing, JournalError>,
}

/// Where a run stands, by its journal's own sums.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// The environment's name.
    pub environment: String,
    /// The base URL that calls go to.
    pub base_url: String,
    /// SHA-256 of the distinct IDs in order, in hex.
    pub list_sha256: String,
    /// When the first process started.
    pub started: Timestamp,
    /// When the last process started.
    pub taken_up: Timestamp,
    /// When the last process ended, if it said so.
    pub ended: Option<Timestamp>,
    /// How the last process ended, in a word.
    pub outcome: String,
    /// Its exit code, if it has one.
    pub exit_code: Option<u8>,
    /// The distinct IDs of the list.
    pub distinct: u64,
    /// The IDs in each state.
    pub ids: Tally,
    /// IDs that are still to be read.
    pub owed: u64,
}

impl Standing {
    fn of(folder: &RunFolder) -> Result<Self, JournalError> {
        let archive = Archive::open(&folder.journal())?;
        let facts = archive.facts()?;
        let processes = archive.processes()?;
        let last = processes.last();
        let (outcome, exit_code) = how_it_ended(last, false);
        Ok(Self {
            started: processes
                .first()
                .map_or(facts.created, |first| first.started),
            taken_up: last.map_or(facts.created, |last| last.started),
            ended: last.and_then(|last| last.ended),
            outcome,
            exit_code,
            distinct: facts.rows_distinct,
            ids: archive.tally()?,
            owed: archive.owed()?,
            environment: facts.environment,
            base_url: facts.base_url,
            list_sha256: facts.list_sha256,
        })
    }

    /// Whether nothing is open and no read is owed.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        is_finished(&self.ids, self.owed)
    }

    /// Whether it goes to the same place. As with the lock, the URL tells
    /// one `custom` environment from another.
    fn goes_to(&self, environment: &str, base_url: &str) -> bool {
        self.environment == environment && (environment != "custom" || self.base_url == base_url)
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
        if standing.ended.is_some() || seen {
            continue;
        }
        going.push((standing.environment.clone(), standing.base_url.clone()));
        if Lock::is_held(runs, &standing.environment, &standing.base_url) {
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

/// The runs of an environment that are not finished, newest first.
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
        standing.is_ok_and(|run| run.goes_to(environment, base_url) && !run.is_finished())
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

fn standings(runs: &RunsDir) -> Result<Vec<Listed>, ReportError> {
    let folders = runs.list()?.into_iter().rev();
    let listed = folders.map(|folder| Listed {
        standing: Standing::of(&folder),
        folder,
    });
    Ok(listed.collect())
}

/// The columns that a narrow terminal goes without, one after the other: a
/// run's name begins with its time, and the others follow from what is left.
const LEFT_OUT: [usize; 3] = [0, 6, 5];

/// The list of runs for a terminal.
#[must_use]
pub fn listing(listed: &[Listed], style: Style) -> String {
    let mut page = Page::new(style);
    if listed.is_empty() {
        page.line("no runs");
        return page.text;
    }
    let header = [
        "STARTED",
        "RUN",
        "ENVIRONMENT",
        "OUTCOME",
        "REVOKED",
        "NOT REVOKED",
        "DURATION",
    ];
    let rows: Vec<Result<[String; 7], [String; 2]>> = listed.iter().map(cells).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows
                .iter()
                .flatten()
                .map(|cells| cells[column].chars().count());
            cells.chain([header[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut left_out = LEFT_OUT.as_slice();
    let wide = |without: &[usize]| -> usize {
        let columns = widths.iter().enumerate();
        let columns = columns.filter(|(column, _)| !without.contains(column));
        columns.map(|(_, width)| width + 2).sum::<usize>() - 2
    };
    let needless = (0..LEFT_OUT.len()).find(|n| wide(&LEFT_OUT[..*n]) <= style.width);
    if let Some(n) = needless {
        left_out = &LEFT_OUT[..n];
    }
    let laid = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.filter(|(column, _)| !left_out.contains(column));
        let cells = cells.map(|(column, (cell, width))| match column {
            4 | 5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        let line: Vec<String> = cells.collect();
        line.join("  ").trim_end().to_owned()
    };
    page.line(&laid(&header.map(str::to_owned)));
    for row in rows {
        match row {
            Ok(cells) => page.line(&laid(&cells)),
            Err([run, why]) if left_out.is_empty() => page.line(&format!(
                "{:<started$}  {run}  {why}",
                "?",
                started = widths[0]
            )),
            Err([run, why]) => page.line(&format!("{run}  {why}")),
        }
    }
    page.text
}

fn cells(listed: &Listed) -> Result<[String; 7], [String; 2]> {
    let run = listed.folder.run().to_string();
    let standing = match &listed.standing {
        Ok(standing) => standing,
        Err(error) => {
            let why: Vec<String> =
                std::iter::successors(Some(error as &dyn std::error::Error), |error| {
                    error.source()
                })
                .map(ToString::to_string)
                .collect();
            return Err([run, visible(&why.join(": ")).into_owned()]);
        }
    };
    let revoked = standing.ids.of(State::Revoked);
    let others: u64 = State::SHOWN
        .into_iter()
        .filter(|state| *state != State::Revoked)
        .map(|state| standing.ids.of(state))
        .sum();
    let outcome = match standing.exit_code {
        Some(code) => format!("{} ({code})", standing.outcome),
        None => standing.outcome.clone(),
    };
    Ok([
        moment(standing.started),
        run,
        visible(&standing.environment).into_owned(),
        outcome,
        format!("{}/{}", number(revoked), number(standing.distinct)),
        number(others),
        standing.ended.map_or_else(
            || "-".to_owned(),
            |ended| duration(seconds(standing.started, ended)),
        ),
    ])
}
