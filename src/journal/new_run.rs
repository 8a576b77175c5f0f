//! Making a new run: the list is frozen into a journal before the first
//! request.
//!
//! The journal is written in a folder whose name is no run's, made durable,
//! and then renamed. So a run either exists with its whole list or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::batch_ids::{first_line, insert_member, last_line};
use super::breach::insert_breach;
use super::list_digest::{LIST_DIGEST, ListDigest};
use super::log_state::STATE_TABLE;
use super::open;
use super::{BatchId, Finding, JournalError};
use crate::journal::runs_dir::{JOURNAL, RunFolder, RunId, RunsDir, sync_dir};
use crate::list::PermissionId;

/// The tables of a journal.
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// What a run is, as far as its list and its target go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunMeta {
    /// When the list was frozen.
    pub created: Timestamp,
    /// The environment's name.
    pub environment: String,
    /// The base URL that calls go to.
    pub base_url: String,
    /// Where the list came from, or `-`.
    pub input_path: String,
    /// SHA-256 of the input's bytes, in hex.
    pub input_sha256: String,
    /// SHA-256 of the distinct IDs in order, in hex.
    pub list_sha256: String,
    /// The column the IDs were taken from.
    pub column: String,
    /// How many IDs go into a batch.
    pub batch_size: u64,
    /// Rows of the input.
    pub rows_total: u64,
    /// Distinct IDs.
    pub rows_distinct: u64,
    /// Rows that repeat an earlier ID.
    pub rows_duplicate: u64,
    /// Rows that hold no ID.
    pub rows_invalid: u64,
    /// The list's own batches.
    pub batches: u64,
    /// The operator's note.
    pub note: String,
}

/// A run in the making. Dropped without [`commit`](Self::commit), it leaves
/// nothing behind.
#[derive(Debug)]
pub struct NewRun {
    runs: RunsDir,
    folder: tempfile::TempDir,
    /// Keeps the folder from being cleared away.
    lock: File,
    database: Connection,
    path: PathBuf,
    batches: BatchId,
    digest: ListDigest,
}

impl NewRun {
    /// Begins a run in `runs`.
    ///
    /// # Errors
    /// If the folder or the file cannot be made.
    pub fn begin(runs: &RunsDir) -> Result<Self, JournalError> {
        let (folder, lock) = runs.scratch()?;
        let path = folder.path().join(JOURNAL);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(JournalError::folder("create", &path))?;
        let at = |source| JournalError::write(&path, source);
        let database = Connection::open(&path).map_err(at)?;
        // Until the rename nobody relies on the file, so it is written plainly
        // and synced once.
        database
            .execute_batch(&format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA application_id = {}; PRAGMA user_version = {};
                 BEGIN;",
                open::APPLICATION_ID,
                open::FORMAT_VERSION
            ))
            .and_then(|()| database.execute_batch(SCHEMA))
            .map_err(at)?;
        Ok(Self {
            runs: runs.clone(),
            folder,
            lock,
            database,
            path,
            batches: 0,
            digest: ListDigest::default(),
        })
    }

    /// Adds the next batch. `lines` are the lines where the IDs' rows start.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn batch(&mut self, ids: &[PermissionId], lines: &[u64]) -> Result<(), JournalError> {
        self.batches += 1;
        let number = self.batches;
        for (id, line) in ids.iter().zip(lines) {
            self.digest.id(*id, *line);
        }
        let write = || {
            self.database
                .prepare_cached(
                    "INSERT INTO batch (id, path, root, ids, first_line, last_line, state)
                     VALUES (?1, ?1, ?1, ?2, ?3, ?4, 'pending')",
                )?
                .execute(params![
                    number,
                    i64::try_from(ids.len()).unwrap_or(i64::MAX),
                    first_line(lines),
                    last_line(lines)
                ])?;
            insert_member(&self.database, number, ids, lines)
        };
        write().map_err(|source| JournalError::write(&self.path, source))
    }

    /// Adds a row that gave no ID to send.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn reject(&mut self, line: u64, value: &str, reason: &str) -> Result<(), JournalError> {
        self.digest.reject(line, value, reason);
        self.database
            .prepare_cached("INSERT INTO reject (line, value, reason) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![line.cast_signed(), value, reason]))
            .map(drop)
            .map_err(|source| JournalError::write(&self.path, source))
    }

    /// Adds what a guard found: the run is held from its beginning.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn breach(&mut self, finding: &Finding, at: Timestamp) -> Result<(), JournalError> {
        insert_breach(&self.database, finding, at)
            .map_err(|source| JournalError::write(&self.path, source))
    }

    /// Makes the run exist: everything is on the disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written, or the folder cannot be given its name.
    pub fn commit(self, facts: &RunMeta) -> Result<RunFolder, JournalError> {
        self.settle(facts, RunsDir::folder)
            .map(|(folder, _)| folder)
    }

    /// The same for a plan, which is no run. While the file that comes with
    /// it is open, nobody clears it away.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_plan(self, facts: &RunMeta) -> Result<(RunFolder, File), JournalError> {
        self.settle(facts, RunsDir::plan)
    }

    fn settle(
        self,
        facts: &RunMeta,
        folder_of: impl Fn(&RunsDir, &RunId) -> RunFolder,
    ) -> Result<(RunFolder, File), JournalError> {
        let at = |source| JournalError::write(&self.path, source);
        let mut pairs = BTreeMap::from(facts.pairs());
        pairs.insert(LIST_DIGEST, self.digest.finish());
        for (name, value) in pairs {
            self.database
                .execute(
                    "INSERT INTO fact (name, value) VALUES (?1, ?2)",
                    params![name, value],
                )
                .map_err(at)?;
        }
        self.database
            .execute_batch(&format!("{STATE_TABLE} COMMIT"))
            .map_err(at)?;
        self.database
            .close()
            .map_err(|(_, source)| JournalError::write(&self.path, source))?;
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(JournalError::folder("sync", &self.path))?;
        sync_dir(self.folder.path())?;

        let mut run = RunId::new(facts.created, &facts.list_sha256);
        let folder = loop {
            let folder = folder_of(&self.runs, &run);
            // Renaming onto an existing, non-empty folder fails: a second run
            // of the same list in the same second takes the next name.
            match fs::rename(self.folder.path(), folder.path()) {
                Ok(()) => break folder,
                Err(_) if folder.path().exists() => run = run.next(),
                Err(source) => {
                    return Err(JournalError::folder("create", folder.path())(source));
                }
            }
        };
        // The folder has gone to its new name; there is nothing to clean up.
        let _ = self.folder.keep();
        sync_dir(self.runs.path())?;
        Ok((folder, self.lock))
    }
}

impl RunMeta {
    fn pairs(&self) -> [(&'static str, String); 14] {
        [
            ("created_at", self.created.as_millisecond().to_string()),
            ("environment", self.environment.clone()),
            ("base_url", self.base_url.clone()),
            ("input_path", self.input_path.clone()),
            ("input_sha256", self.input_sha256.clone()),
            ("list_sha256", self.list_sha256.clone()),
            ("column", self.column.clone()),
            ("batch_size", self.batch_size.to_string()),
            ("rows_total", self.rows_total.to_string()),
            ("rows_distinct", self.rows_distinct.to_string()),
            ("rows_duplicate", self.rows_duplicate.to_string()),
            ("rows_invalid", self.rows_invalid.to_string()),
            ("batches", self.batches.to_string()),
            ("note", self.note.clone()),
        ]
    }
}
