//! Looking back: `rescind runs`, the particulars of one, and `rescind find`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use rescind::journal::{JournalError, RunFolder, RunsDir};
use rescind::list::PermissionId;
use rescind::report::{self, RunDetails, Search, visible};

use super::prune::prune;
use super::review::style;
use crate::cli::args::{Folder, RunsTask};
use crate::cli::error::CliError;
use crate::cli::session::unreported;
use crate::cli::settings::{Layers, Resolved, changed};
use crate::cli::{exit, written};

/// `rescind runs` and its commands.
pub(in crate::cli) fn runs(
    task: Option<RunsTask>,
    json: bool,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = runs_dir(&effective)?;
    match task {
        None => list(&runs, json, out),
        Some(RunsTask::Show { run }) => show(&runs, &run, json, out),
        Some(RunsTask::Prune(wanted)) => prune(&runs, &wanted, json, &effective, out),
    }
}

fn list(runs: &RunsDir, json: bool, out: &mut dyn Write) -> Result<u8, CliError> {
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

fn show(runs: &RunsDir, wanted: &str, json: bool, out: &mut dyn Write) -> Result<u8, CliError> {
    let run = found(runs, wanted)?;
    let live = report::is_live(runs, &run).map_err(|error| unreported(&error))?;
    let particulars = RunDetails::of(&run, live, changed).map_err(|error| unreported(&error))?;
    let text = if json {
        particulars.json()
    } else {
        particulars.text(style())
    };
    written(out.write_all(text.as_bytes()))
}

/// `rescind find`.
pub(in crate::cli) fn find(
    ids: &[PermissionId],
    json: bool,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
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
pub(in crate::cli) fn runs_dir(effective: &Resolved) -> Result<RunsDir, CliError> {
    let runs = RunsDir::at(&effective.settings.runs_dir);
    if effective.is_given("runs-dir") && runs.is_missing() {
        return Err(CliError::usage(there_is_none(&runs))
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
pub(in crate::cli) fn found(runs: &RunsDir, wanted: &str) -> Result<RunFolder, CliError> {
    runs.find(wanted).map_err(|error| match error {
        JournalError::NoRun { .. } if runs.is_missing() => {
            CliError::usage(format!("no runs yet: {}", there_is_none(runs)))
        }
        JournalError::NoRun { .. } => CliError::usage("there are no runs yet").caused_by(&error),
        JournalError::AmbiguousRun { .. } => {
            CliError::usage("several runs begin so; give more of it").caused_by(&error)
        }
        JournalError::NoSuchRun { .. } => CliError::usage("there is no such run")
            .caused_by(&error)
            .hint("rescind runs lists the runs there are"),
        error => CliError::new(exit::ERROR, "the runs folder cannot be read")
            .caused_by(&error)
            .hint("let this user read it, or name another one with --runs-dir"),
    })
}
