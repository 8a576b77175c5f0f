//! The files of a run: written beside the journal, each replaced whole and
//! at once, readable by their owner only.
//!
//! A reader never meets half a file, and no file is replaced by figures that
//! do not add up.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::process_outcome::VERIFY;
use super::{ReportError, Summary, html, json};
use crate::journal::{JournalReader, ProcessEnd, RunFolder};
use crate::report::csv_files::{
    BeforeCsv, PermissionsCsv, RejectedCsv, RemainingCsv, ResultsCsv, VerificationCsv,
};
use crate::report::file_names::{
    BEFORE_CSV, PERMISSIONS_CSV, REJECTED_CSV, REMAINING_CSV, REPORT_HTML, RESULTS_CSV,
    SUMMARY_JSON, VERIFICATION_CSV,
};
use crate::report::totals::{Account, each_id, each_whole};

/// Writes all files of a run whose last process has recorded its end; they
/// are on the disk when this returns.
///
/// # Errors
/// If the journal cannot be read or does not add up, or a file cannot be
/// written; then none was replaced, unless renaming failed half-way.
pub fn write(folder: &RunFolder) -> Result<Summary, ReportError> {
    write_ending(folder, None)
}

/// The same for a run whose last process is about to record this `end`: it is
/// recorded once the files are in place, so a process that is killed in
/// between leaves a run that [`newest_unfinished`](super::newest_unfinished)
/// finds.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_ending(folder: &RunFolder, end: Option<&ProcessEnd>) -> Result<Summary, ReportError> {
    let archive = JournalReader::open(&folder.journal())?.ending(end);
    let mut account = Account::default();
    let mut page = html::Draft::default();
    let draft = |name| FileDraft::begin(folder.path(), name);
    let failed = |name| ReportError::file("write", &folder.path().join(name));

    let (results, permissions) = (draft(RESULTS_CSV)?, draft(PERMISSIONS_CSV)?);
    let (remaining, rejected) = (draft(REMAINING_CSV)?, draft(REJECTED_CSV)?);
    let mut by_batch = ResultsCsv::new(results.file()).map_err(failed(RESULTS_CSV))?;
    let mut by_id = PermissionsCsv::new(permissions.file()).map_err(failed(PERMISSIONS_CSV))?;
    let mut left = RemainingCsv::new(remaining.file()).map_err(failed(REMAINING_CSV))?;
    let mut out = RejectedCsv::new(rejected.file()).map_err(failed(REJECTED_CSV))?;
    each_whole(&archive, |parts| {
        account.whole(parts);
        page.whole(parts);
        by_batch.whole(parts).map_err(failed(RESULTS_CSV))?;
        by_id.whole(parts).map_err(failed(PERMISSIONS_CSV))?;
        left.whole(parts).map_err(failed(REMAINING_CSV))
    })?;
    archive.each_reject(|row| {
        account.reject(&row);
        page.reject(&row);
        out.row(&row).map_err(failed(REJECTED_CSV))
    })?;
    by_batch.finish().map_err(failed(RESULTS_CSV))?;
    by_id.finish().map_err(failed(PERMISSIONS_CSV))?;
    left.finish().map_err(failed(REMAINING_CSV))?;
    out.finish().map_err(failed(REJECTED_CSV))?;
    let summary = Summary::close(&account, &archive, folder, false)?;
    let figures = text(folder, SUMMARY_JSON, &json::json(&summary))?;
    let page = page.finish(&archive, &summary, folder, true)?;
    let page = text(folder, REPORT_HTML, &page)?;

    let mut drafts = vec![results, permissions, remaining, rejected, figures, page];
    drafts.extend(before(folder, &archive)?);
    drafts.extend(verification(folder, &archive)?);
    for draft in &drafts {
        draft.sync()?;
    }
    for draft in drafts {
        draft.replace()?;
    }
    File::open(folder.path())
        .and_then(|folder| folder.sync_all())
        .map_err(ReportError::file("sync", folder.path()))?;
    Ok(summary)
}

/// `verification.csv`, where the run was verified: in the order of the list.
fn verification(
    folder: &RunFolder,
    archive: &JournalReader,
) -> Result<Option<FileDraft>, ReportError> {
    let processes = archive.processes()?;
    let last = processes.iter().rfind(|process| process.command == VERIFY);
    let Some(process) = last else {
        return Ok(None);
    };
    let failed = || ReportError::file("write", &folder.path().join(VERIFICATION_CSV));
    let draft = FileDraft::begin(folder.path(), VERIFICATION_CSV)?;
    let mut table = VerificationCsv::new(draft.file()).map_err(failed())?;
    archive.each_evidence(process.id, |rows| table.rows(rows).map_err(failed()))?;
    table.finish().map_err(failed())?;
    Ok(Some(draft))
}

/// `before.csv`, where the run saw permissions before it sent them: in the
/// order of the list.
fn before(folder: &RunFolder, archive: &JournalReader) -> Result<Option<FileDraft>, ReportError> {
    if !archive.has_sightings()? {
        return Ok(None);
    }
    let failed = || ReportError::file("write", &folder.path().join(BEFORE_CSV));
    let draft = FileDraft::begin(folder.path(), BEFORE_CSV)?;
    let mut table = BeforeCsv::new(draft.file()).map_err(failed())?;
    each_whole(archive, |parts| {
        each_id(parts, |id, _, _| match archive.sighting(id)? {
            Some(sighting) => table.row(&sighting).map_err(failed()),
            None => Ok(()),
        })
    })?;
    table.finish().map_err(failed())?;
    Ok(Some(draft))
}

/// Brings `results.csv` and `summary.json` up to date while the run goes on.
/// They are not forced onto the disk: the journal is.
///
/// # Errors
/// If the journal cannot be read or does not add up, or a file cannot be
/// written.
pub fn refresh(folder: &RunFolder) -> Result<Summary, ReportError> {
    let archive = JournalReader::open(&folder.journal())?;
    let mut account = Account::default();
    let failed = || ReportError::file("write", &folder.path().join(RESULTS_CSV));
    let results = FileDraft::begin(folder.path(), RESULTS_CSV)?;
    let mut by_batch = ResultsCsv::new(results.file()).map_err(failed())?;
    each_whole(&archive, |parts| {
        account.whole(parts);
        by_batch.whole(parts).map_err(failed())
    })?;
    archive.each_reject(|row| {
        account.reject(&row);
        Ok::<_, ReportError>(())
    })?;
    by_batch.finish().map_err(failed())?;
    let summary = Summary::close(&account, &archive, folder, true)?;
    let figures = text(folder, SUMMARY_JSON, &json::json(&summary))?;
    results.replace()?;
    figures.replace()?;
    Ok(summary)
}

fn text(folder: &RunFolder, name: &str, text: &str) -> Result<FileDraft, ReportError> {
    let draft = FileDraft::begin(folder.path(), name)?;
    draft
        .file()
        .write_all(text.as_bytes())
        .map_err(ReportError::file("write", &draft.path))?;
    Ok(draft)
}

/// A file that is going to replace another. Dropped, it leaves nothing.
struct FileDraft {
    file: NamedTempFile,
    path: PathBuf,
}

impl FileDraft {
    fn begin(folder: &Path, name: &str) -> Result<Self, ReportError> {
        // The name is always the same, so that a process that is killed
        // leaves one file at the most. Only the lock's holder writes here.
        let aside = format!(".{name}.new");
        let path = folder.join(name);
        let cleared = match fs::remove_file(folder.join(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let made = cleared.and_then(|()| {
            // Readable by the owner only: the crate makes it so.
            tempfile::Builder::new()
                .prefix(&aside)
                .rand_bytes(0)
                .tempfile_in(folder)
        });
        let file = made.map_err(ReportError::file("write", &path))?;
        Ok(Self { file, path })
    }

    fn file(&self) -> &File {
        self.file.as_file()
    }

    fn sync(&self) -> Result<(), ReportError> {
        self.file()
            .sync_all()
            .map_err(ReportError::file("write", &self.path))
    }

    fn replace(self) -> Result<(), ReportError> {
        match self.file.persist(&self.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(ReportError::file("replace", &self.path)(error.error)),
        }
    }
}
