//! The report as a page: one file that loads nothing and sends nothing.
//!
//! The model is made here and in the modules below, out of the summary that
//! every format shares and one more pass over the calls; the templates beside
//! them lay it out. They are checked when the program is built, and escape
//! whatever they are given: only the style and the script of our own, which
//! the page's policy names by their digests, are put in as they are.
//!
//! The page does not grow with the run. It holds the batches and permissions
//! that need a look first and says where the others are.

mod activity;
mod bar;
mod extract;
mod history;
mod latency;
mod outcomes;
mod page;
mod tables;
mod timeline;

use askama::Template as _;

use super::{ReportError, Summary};
use crate::journal::{BatchRow, JournalReader, RejectRow, RunFolder};
use crate::report::totals;

/// A page in the making: fed in the pass in which the figures are counted.
#[derive(Debug, Default)]
pub(super) struct Draft(extract::Extract);

impl Draft {
    /// Takes in one of the list's own batches: itself, or all its parts.
    pub(super) fn whole(&mut self, parts: &[BatchRow]) {
        self.0.whole(parts);
    }

    /// Takes in a row that gave no ID to send.
    pub(super) fn reject(&mut self, row: &RejectRow) {
        self.0.reject(row);
    }

    /// The page. `beside` says that it is going to lie among the other files
    /// of the run, so that it can link to them.
    pub(super) fn finish(
        &self,
        archive: &JournalReader,
        summary: &Summary,
        folder: &RunFolder,
        beside: bool,
    ) -> Result<String, ReportError> {
        let activity = activity::Activity::of(archive)?;
        let files = page::files(summary, archive.has_sightings()?);
        let page = page::Page::of(&self.0, &activity, summary, folder, files, beside);
        Ok(page
            .render()
            .unwrap_or_else(|error| unreachable!("a page is text: {error}")))
    }
}

/// The page on the run in `folder`, by itself.
pub(super) fn page(folder: &RunFolder, live: bool) -> Result<String, ReportError> {
    let archive = JournalReader::open(&folder.journal())?;
    let mut account = totals::Account::default();
    let mut draft = Draft::default();
    totals::each_whole(&archive, |parts| {
        account.whole(parts);
        draft.whole(parts);
        Ok::<_, ReportError>(())
    })?;
    archive.each_reject(|row| {
        account.reject(&row);
        draft.reject(&row);
        Ok::<_, ReportError>(())
    })?;
    let summary = Summary::close(&account, &archive, folder, live)?;
    draft.finish(&archive, &summary, folder, false)
}
