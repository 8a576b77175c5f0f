//! Whether all of a journal is in its one file, or a write-ahead log belongs
//! to it.
//!
//! What was committed last stands in SQLite's write-ahead log alone. A journal
//! whose log is lost would show batches that were sent as pending once more,
//! and forget a lockout. So the journal's own file says whether there is a log
//! that it needs: that is written before the first entry goes into the log,
//! and taken back once the log has been moved into the file. A copy of the
//! file alone, made in mid-run, is refused; one that is complete is trusted,
//! whatever became of its empty log.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};

use super::JournalError;

/// The table that says so: one row, of 0 where no log is needed.
pub(super) const STATE_TABLE: &str = "
    CREATE TABLE log_state (needs_log INTEGER NOT NULL) STRICT;
    INSERT INTO log_state (needs_log) VALUES (0);";

/// How long a reader is waited for that looks at the journal just when it gets
/// its log. SQLite itself does not wait then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives the journal a log, and says that from now on it belongs to the file.
pub(super) fn begin_log(database: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        let mode = database.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        let late = begun.elapsed() >= PATIENCE;
        match mode.as_ref().map(String::as_str) {
            Ok("wal") => break,
            Err(error) if late || error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
                return mode.map(drop);
            }
            Ok(_) if late => {
                return Err(rusqlite::Error::SqliteFailure(
                    ffi::Error::new(ffi::SQLITE_BUSY),
                    Some("SQLite does not give the journal a log".to_owned()),
                ));
            }
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
    // Another number than before: SQLite writes nothing where nothing changes,
    // and the log is to have something in it.
    database.execute("UPDATE log_state SET needs_log = needs_log + 1", [])?;
    // Into the file itself. Where a reader prevents that for now, it follows
    // with the next checkpoint.
    checkpoint(database, "PASSIVE").map(drop)
}

/// Moves the log into the file, which then says that it needs none, and makes
/// it a file without a log. None of the steps loses anything if the next one
/// fails. The answer says what prevented it.
pub(super) fn end_log(database: &Connection) -> rusqlite::Result<Option<&'static str>> {
    database.execute("UPDATE log_state SET needs_log = 0", [])?;
    if checkpoint(database, "TRUNCATE")? {
        return Ok(Some("another process is reading it"));
    }
    let mode: String = database.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    Ok((mode != "delete").then_some("SQLite keeps its log"))
}

/// Whether something prevented moving all of the log.
fn checkpoint(database: &Connection, how: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({how})");
    database.query_row(&sql, [], |row| row.get::<_, i64>(0).map(|busy| busy != 0))
}

/// Whether there is anything in the log of the journal at `path`.
pub(super) fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0)
}

/// Refuses a journal that needs a log and had none when it was opened.
pub(super) fn check_log(database: &Connection, path: &Path) -> Result<(), JournalError> {
    let read = |source| JournalError::read(path, source);
    let mode: String = database
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .map_err(read)?;
    if mode != "wal" {
        return Ok(());
    }
    let has_state: bool = database
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'log_state')",
            [],
            |row| row.get(0),
        )
        .map_err(read)?;
    let needs_log = if has_state {
        database
            .query_row("SELECT needs_log FROM log_state", [], |row| row.get(0))
            .map_err(read)?
    } else {
        // Format 5 does not say so.
        true
    };
    if !needs_log {
        return Ok(());
    }
    Err(JournalError::Damaged {
        path: path.to_owned(),
        what: format!("its log {} is missing", beside(path, "-wal").display()),
    })
}

/// The file beside `path` whose name ends so.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, JournalReader, NewRun, RunFolder, RunMeta, RunsDir};
    use super::*;

    fn a_run(home: &Path) -> RunFolder {
        let runs = RunsDir::create(home).unwrap();
        let facts = RunMeta {
            created: "2026-11-23T02:00:00Z".parse().unwrap(),
            environment: "demo".to_owned(),
            base_url: String::new(),
            input_path: "-".to_owned(),
            input_sha256: String::new(),
            list_sha256: "abcdef".to_owned(),
            column: "id".to_owned(),
            batch_size: 1,
            rows_total: 1,
            rows_distinct: 1,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches: 1,
            note: String::new(),
        };
        let mut new = NewRun::begin(&runs).unwrap();
        new.batch(&[7.try_into().unwrap()], &[2]).unwrap();
        new.commit(&facts).unwrap()
    }

    #[test]
    fn a_journal_that_lost_its_log_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = a_run(home.path()).journal();
        drop(Journal::open(&path).unwrap());
        assert!(has_log(&path), "as a kill leaves it");
        JournalReader::open(&path).unwrap();
        fs::remove_file(beside(&path, "-wal")).unwrap();
        for error in [
            JournalReader::open(&path).unwrap_err(),
            Journal::open(&path).unwrap_err(),
        ] {
            assert!(error.is_damage());
            assert!(
                error.to_string().contains("journal.db-wal is missing"),
                "{error}"
            );
        }
    }

    /// SQLite removes the log first, and then says so in the file's header: an
    /// error in between leaves this.
    #[test]
    fn a_journal_whose_folding_failed_half_way_is_trusted() {
        let home = tempfile::tempdir().unwrap();
        let path = a_run(home.path()).journal();
        let journal = Journal::open(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other
            .execute("UPDATE log_state SET needs_log = 0", [])
            .unwrap();
        assert!(!checkpoint(&other, "TRUNCATE").unwrap());
        drop((journal, other));
        let _ = fs::remove_file(beside(&path, "-wal"));
        let header = fs::read(&path).unwrap();
        assert_eq!(header[18..20], [2, 2], "it still says that there is a log");
        JournalReader::open(&path).unwrap().check_list().unwrap();
        assert_eq!(Journal::open(&path).unwrap().close(), None);
        assert_eq!(fs::read(&path).unwrap()[18..20], [1, 1]);
    }

    #[test]
    fn an_altered_list_is_refused_where_it_is_opened_for_sending() {
        let home = tempfile::tempdir().unwrap();
        let path = a_run(home.path()).journal();
        let other = Connection::open(&path).unwrap();
        other.execute("UPDATE member SET ids = '[8]'", []).unwrap();
        drop(other);
        let error = Journal::open(&path).unwrap_err();
        assert!(error.is_damage());
        assert!(
            error.to_string().contains("not those that were frozen"),
            "{error}"
        );
    }
}
