//! Looking back: `rescind runs`, the particulars of one, and `rescind find`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use rescind::journal::{RunFolder, RunsDir};
use rescind::list::PermissionId;
use rescind::report::{self, Particulars, Search};

use super::args::{Folder, RunsTask};
use super::carry::unreported;
use super::problem::Problem;
use super::prune::prune;
use super::review::style;
use super::settings::{Layers, changed};
use super::written;

/// `rescind runs` and its commands.
pub(super) fn runs(
    task: Option<RunsTask>,
    json: bool,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = RunsDir::at(&effective.settings.runs_dir);
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
    let runs = RunsDir::at(&effective.settings.runs_dir);
    let search = Search::of(&runs, ids).map_err(|error| unreported(&error))?;
    let text = if json {
        search.json()
    } else {
        search.text(style())
    };
    written(out.write_all(text.as_bytes()))
}

/// The run that a person named.
pub(super) fn found(runs: &RunsDir, wanted: &str) -> Result<RunFolder, Problem> {
    runs.find(wanted).map_err(|error| {
        Problem::usage("there is no such run")
            .caused_by(&error)
            .hint("rescind runs lists the runs there are")
    })
}
