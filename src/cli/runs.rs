//! Looking back: `rescind runs`, the particulars of one, and `rescind find`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use rescind::journal::{JournalError, RunFolder, RunsDir};
use rescind::list::PermissionId;
use rescind::report::{self, Particulars, Search, visible};

use super::args::{Folder, RunsTask};
use super::carry::unreported;
use super::problem::Problem;
use super::prune::prune;
use super::review::style;
use super::settings::{Effective, Layers, changed};
use super::{exit, written};

/// `rescind runs` and its commands.
pub(super) fn runs(
    task: Option<RunsTask>,
    json: bool,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = runs_dir(&effective)?;
    match task {
        None => list(&runs, json, out),
        Some(RunsTask::Show { run }) => show(&runs, &run, json, out),
        Some(RunsTask::Prune(wanted)) => prune(&runs, &wanted, json, &effective, out),
    }
}

fn list(runs: &RunsDir, json: bool, out: &mut dyn Write) -> Result<u8, Problem> {
    let listed = report::list(runs).map_err(|error| unreported(&error))?;
    if json {
        return written(out.write_all(report::listing_json(&listed).as_bytes()));
    }
    if runs.is_missing() {
        let words = format!("no runs yet: {}", there_is_none(runs));
        return written(writeln!(out, "{}", visible(&words)));
    }
    let mut style = style();
    if !io::stdout().is_terminal() {
        // Programs get every column.
        style.width = usize::MAX;
    }
    written(out.write_all(report::listing(&listed, style).as_bytes()))
}

fn show(runs: &RunsDir, wanted: &str, json: bool, out: &mut dyn Write) -> Result<u8, Problem> {
    let run = found(runs, wanted)?;
    let live = report::is_live(runs, &run).map_err(|error| unreported(&error))?;
    let particulars = Particulars::of(&run, live, changed).map_err(|error| unreported(&error))?;
    let text = if json {
        particulars.json()
    } else {
        particulars.text(style())
    };
    written(out.write_all(text.as_bytes()))
}

/// `rescind find`.
pub(super) fn find(
    ids: &[PermissionId],
    json: bool,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = runs_dir(&effective)?;
    let search = Search::of(&runs, ids).map_err(|error| unreported(&error))?;
    let text = if json {
        search.json()
    } else {
        search.text(style())
    };
    written(out.write_all(text.as_bytes()))
}

/// The runs folder. Where somebody named it, it is there; the default one is
/// made by the first run.
pub(super) fn runs_dir(effective: &Effective) -> Result<RunsDir, Problem> {
    let runs = RunsDir::at(&effective.settings.runs_dir);
    if effective.is_given("runs-dir") && runs.is_missing() {
        return Err(Problem::usage(there_is_none(&runs))
            .hint("--runs-dir names the folder that the runs were kept in"));
    }
    Ok(runs)
}

fn there_is_none(runs: &RunsDir) -> String {
    // Only without a working directory it cannot be told where it would be.
    let path = std::path::absolute(runs.path());
    let path = path.unwrap_or_else(|_| runs.path().to_owned());
    format!("there is no folder {}", path.display())
}

/// The run that a person named.
pub(super) fn found(runs: &RunsDir, wanted: &str) -> Result<RunFolder, Problem> {
    runs.find(wanted).map_err(|error| match error {
        JournalError::NoRun { .. } if runs.is_missing() => {
            Problem::usage(format!("no runs yet: {}", there_is_none(runs)))
        }
        JournalError::NoRun { .. } => Problem::usage("there are no runs yet").caused_by(&error),
        JournalError::AmbiguousRun { .. } => {
            Problem::usage("several runs begin so; give more of it").caused_by(&error)
        }
        JournalError::NoSuchRun { .. } => Problem::usage("there is no such run")
            .caused_by(&error)
            .hint("rescind runs lists the runs there are"),
        error => Problem::new(exit::ERROR, "the runs folder cannot be read")
            .caused_by(&error)
            .hint("let this user read it, or name another one with --runs-dir"),
    })
}
