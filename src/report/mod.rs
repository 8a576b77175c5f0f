//! What is made from a journal and nothing else: the files of a run, the
//! report on it, and the list of runs.
//!
//! This module owns the figures ([`Summary`]), the form of every file that a
//! run leaves but its journal and its log, and the words in which a run is
//! told. It promises that the figures add up or that it says so and fails,
//! that memory does not grow with the size of a run, and that no text from
//! outside reaches a terminal, a spreadsheet or a page in a form that could
//! do something there. It opens journals for reading only.

mod approvals;
mod csv_files;
mod file_names;
mod find;
#[cfg(test)]
mod fixture;
mod forecast;
mod format;
mod headline;
mod history;
mod history_table;
mod html;
mod json;
mod listing;
mod markdown;
mod next_steps;
mod outcome;
mod plan;
mod preflight;
mod process_outcome;
mod prune;
mod prune_text;
mod report_model;
mod reporter;
mod run_details;
mod runs;
mod search;
mod serialize;
mod shell_command;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod text_table;
mod tone;
mod totals;
mod verification;
mod waits;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::journal::{JournalError, JournalReader, RunFolder};

pub use approvals::{ApprovalFigures, BreachFigures, breach, release_command};
pub use file_names::{
    BEFORE_CSV, FILES, PERMISSIONS_CSV, REJECTED_CSV, REMAINING_CSV, REPORT_HTML, RESULTS_CSV,
    SUMMARY_JSON, VERIFICATION_CSV,
};
pub use forecast::{forecast, misfit};
pub use format::{column, number, visible};
pub use history::{History, HistoryRow, HistoryWarning, Restriction};
pub use listing::{listing, listing_json};
pub use outcome::{Outcome, ending, is_finished, open_ids};
pub use plan::{Plan, PlannedReject};
pub use preflight::{Alike, Preflight};
pub use prune::{KeepReason, PruneDecision, Retention};
pub use prune_text::{pruned, pruned_json};
pub use reporter::{refresh, write, write_ending};
pub use run_details::{FileFigures, HoldFigures, ProcessFigures, RunDetails};
pub use runs::{
    Listed, Newest, RunStatus, finished_counts, finished_with_list, is_live, list, newest,
    newest_unfinished, unfinished,
};
pub use search::{
    Before, CallFigures, PermissionFate, PermissionHistory, RejectedRow, RunHit, Search,
    UnreadableRun,
};
pub use summary::{InputFigures, Requests, RowFigures, Summary};
pub use totals::{OutcomeFigures, RejectFigures};
pub use verification::{Verification, VerificationMark};
pub use waits::{WaitFigures, WaitTotals};

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The figures contradict each other.
    #[error("the journal of run {run} does not add up: {what}")]
    DoesNotAddUp {
        /// The run.
        run: String,
        /// What contradicts what.
        what: String,
    },
    /// A file of the run could not be written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be handed over; a closed pipe, for one.
    #[error("cannot write the report")]
    Output(#[source] io::Error),
}

impl ReportError {
    /// Whether the journal itself is damaged, so that nothing can be made of
    /// it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Journal(error) => error.is_damage(),
            Self::DoesNotAddUp { .. } => true,
            Self::File { .. } | Self::Output(_) => false,
        }
    }

    fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File {
            what,
            path,
            source: by_the_system(source),
        }
    }
}

/// What the system said of a file, of an error that a table may have wrapped
/// up.
fn by_the_system(error: io::Error) -> io::Error {
    match error.downcast::<csv::Error>().map(csv::Error::into_kind) {
        Ok(csv::ErrorKind::Io(error)) | Err(error) => error,
        Ok(kind) => io::Error::other(format!("{kind:?}")),
    }
}

/// How a report is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For a terminal.
    Text,
    /// A page for a browser.
    Html,
    /// For a ticket or a chat.
    Markdown,
    /// `summary.json`.
    Json,
    /// `results.csv`.
    Csv,
}

/// What a terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Whether to use colour. Nothing is said by colour alone.
    pub colour: bool,
    /// How many characters fit into a line.
    pub width: usize,
}

impl Style {
    /// For a file or a pipe.
    pub const PLAIN: Self = Self {
        colour: false,
        width: 100,
    };
}

/// Writes the report on the run in `folder` to `out`. `live` says that some
/// process holds the lock and goes on with this run ([`is_live`]).
///
/// # Errors
/// If the journal cannot be read or does not add up, or `out` takes no more.
pub fn render(
    folder: &RunFolder,
    format: Format,
    style: Style,
    live: bool,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    if format == Format::Csv {
        return results(folder, out);
    }
    let summary = || Summary::of(folder, live);
    let text = match format {
        Format::Html => html::page(folder, live)?,
        Format::Markdown => markdown::markdown(&summary()?, folder),
        Format::Json => json::json(&summary()?),
        Format::Text | Format::Csv => text::text(&summary()?, folder, style),
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(ReportError::Output)
}

/// The report for a terminal, where the figures are known already.
#[must_use]
pub fn text(summary: &Summary, folder: &RunFolder, style: Style) -> String {
    text::text(summary, folder, style)
}

/// The command that carries on the run in `folder`, to be typed as it is.
#[must_use]
pub fn resume_command(folder: &RunFolder) -> String {
    command("resume", folder)
}

/// The command that shows the run in `folder`, to be typed as it is.
#[must_use]
pub fn report_command(folder: &RunFolder) -> String {
    command("report", folder)
}

/// The command that does something with the run in `folder`, to be typed as
/// it is.
#[must_use]
pub fn command(verb: &str, folder: &RunFolder) -> String {
    shell_command::command(verb, folder.run().as_str(), folder.path())
}

fn results(folder: &RunFolder, out: &mut dyn Write) -> Result<(), ReportError> {
    let archive = JournalReader::open(&folder.journal())?;
    let mut account = totals::Account::default();
    let mut table = csv_files::ResultsCsv::new(out).map_err(ReportError::Output)?;
    totals::each_whole(&archive, |parts| {
        account.whole(parts);
        table.whole(parts).map_err(ReportError::Output)
    })?;
    table.finish().map_err(ReportError::Output)?;
    archive.each_reject(|row| {
        account.reject(&row);
        Ok::<_, ReportError>(())
    })?;
    Summary::close(&account, &archive, folder, false).map(drop)
}
