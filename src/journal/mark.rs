//! How far a journal has come, kept beside it: so that it is noticed when it
//! holds less than was written to it.
//!
//! What was committed last stands in SQLite's write-ahead log alone. A log
//! that is lost, or of which one frame is damaged, SQLite passes over without
//! a word from there on: batches that were sent would be pending once more,
//! and a lockout forgotten. So every transaction has a number, which is in the
//! journal, and then in a file named like it with `-mark` at its end. That
//! file is written after the commit, and not synced: neither a kill nor a
//! power cut leaves it ahead of the journal. A journal that is behind its mark
//! has lost something, or is an older copy. The mark goes when the journal
//! becomes one file again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::JournalError;
use super::folder::open_private;

/// The mark of a journal that is being written to.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    path: PathBuf,
}

impl Mark {
    /// Sets the mark of the journal at `path` at what it holds now.
    pub(super) fn of(path: &Path, commits: u64) -> Result<Self, JournalError> {
        let path = beside(path, "-mark");
        let file = open_private(&path, false).map_err(JournalError::folder("open", &path))?;
        let mark = Self { file, path };
        mark.set(commits)?;
        Ok(mark)
    }

    /// The journal holds so many transactions.
    pub(super) fn set(&self, commits: u64) -> Result<(), JournalError> {
        self.file
            .write_all_at(format!("{commits:020}\n").as_bytes(), 0)
            .map_err(JournalError::folder("write", &self.path))
    }

    /// The journal is one file again. Whoever took the mark away before did no
    /// harm.
    pub(super) fn remove(&self) -> Result<(), JournalError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::folder("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// The mark of the journal at `path`, if it has one.
fn recorded(path: &Path) -> Result<Option<u64>, JournalError> {
    let mark = beside(path, "-mark");
    let mut text = Vec::new();
    match File::open(&mark).and_then(|file| file.take(64).read_to_end(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::folder("read", &mark)(error)),
        // Made and not yet written; or what a power cut left.
        Ok(_) if text.iter().all(|byte| *byte == 0) => Ok(None),
        Ok(_) => {
            let number = std::str::from_utf8(&text).ok();
            let number = number.and_then(|text| text.trim_end().parse().ok());
            let what = || format!("{} holds no number", mark.display());
            number.map(Some).ok_or_else(|| damaged(path, what()))
        }
    }
}

/// What has to be known before a journal is looked at, so that one that goes
/// on meanwhile is not taken for one that lost something.
pub(super) struct Expected(Option<u64>);

impl Expected {
    /// Of the journal at `path`.
    ///
    /// # Errors
    /// If its write-ahead log is gone, as far as that is to be seen.
    pub(super) fn of(path: &Path) -> Result<Self, JournalError> {
        // It may become one file, and be taken up again, between two looks.
        for _ in 0..3 {
            let logged = is_logged(path);
            let mark = recorded(path)?;
            if mark.is_some() || !logged || has_log(path) {
                return Ok(Self(mark));
            }
        }
        Err(damaged(
            path,
            format!("its log {} is missing", beside(path, "-wal").display()),
        ))
    }

    /// Compares it with what the journal holds.
    ///
    /// # Errors
    /// If that is less.
    pub(super) fn compare(self, connection: &Connection, path: &Path) -> Result<(), JournalError> {
        let held = commits(connection).map_err(|source| JournalError::read(path, source))?;
        match self.0 {
            Some(mark) if held < mark => Err(damaged(
                path,
                format!(
                    "of the {mark} transactions written to it, it holds {held}: its log {} is \
                     damaged or missing, or it is an older copy",
                    beside(path, "-wal").display()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// How many transactions a journal holds.
pub(super) fn commits(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT commits FROM written", [], |row| {
        row.get::<_, i64>(0).map(i64::cast_unsigned)
    })
}

/// Whether the file says that there is a write-ahead log (SQLite, *Database
/// File Format*, bytes 18 and 19).
fn is_logged(path: &Path) -> bool {
    let mut versions = [0; 2];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut versions, 18));
    read.is_ok() && versions.contains(&2)
}

fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn damaged(path: &Path, what: String) -> JournalError {
    JournalError::Damaged {
        path: path.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::connect;
    use super::*;

    /// A journal's file that says what of its log, and that holds so many
    /// transactions.
    fn journal(mode: &str, commits: u64) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal.db");
        let database = Connection::open(&path).unwrap();
        database
            .execute_batch(&format!(
                "PRAGMA journal_mode = {mode}; CREATE TABLE written (commits INTEGER);
                 INSERT INTO written VALUES ({commits});"
            ))
            .unwrap();
        (home, path)
    }

    fn compared(path: &Path) -> Result<(), JournalError> {
        Expected::of(path)?.compare(&connect(path).unwrap(), path)
    }

    #[test]
    fn what_is_behind_its_mark_has_lost_something() {
        let (_home, path) = journal("DELETE", 7);
        compared(&path).unwrap();
        for (mark, good) in [(0, true), (6, true), (7, true), (8, false), (700, false)] {
            let kept = Mark::of(&path, mark).unwrap();
            assert_eq!(compared(&path).is_ok(), good, "{mark}");
            kept.remove().unwrap();
        }
        let kept = Mark::of(&path, 1).unwrap();
        fs::remove_file(beside(&path, "-mark")).unwrap();
        kept.remove().unwrap();
        let kept = Mark::of(&path, 1).unwrap();
        kept.set(8).unwrap();
        let error = compared(&path).unwrap_err();
        assert!(error.is_damage());
        assert!(
            error.to_string().contains("of the 8 transactions"),
            "{error}"
        );
    }

    #[test]
    fn a_log_that_is_missing_is_noticed_without_a_mark() {
        let (_home, path) = journal("WAL", 7);
        // The last one to close it has moved all of the log into the file.
        assert!(!has_log(&path));
        let error = compared(&path).unwrap_err();
        assert!(error.is_damage());
        assert!(
            error.to_string().contains("journal.db-wal is missing"),
            "{error}"
        );
        Mark::of(&path, 7).unwrap();
        compared(&path).unwrap();
    }

    #[test]
    fn an_unwritten_mark_says_nothing_and_a_bad_one_is_damage() {
        let (_home, path) = journal("DELETE", 7);
        for (text, good) in [("", true), ("\0\0\0", true), ("x", false), ("-1", false)] {
            fs::write(beside(&path, "-mark"), text).unwrap();
            assert_eq!(compared(&path).is_ok(), good, "{text:?}");
        }
        fs::write(beside(&path, "-mark"), [0xff]).unwrap();
        assert!(compared(&path).unwrap_err().is_damage());
    }
}
