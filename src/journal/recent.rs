//! What earlier processes did lately at one address, from their journals: the
//! limits hold over them, too.

use jiff::Timestamp;
use rusqlite::params;

use super::folder::{RunFolder, RunsDir};
use super::read::moment;
use super::{Archive, JournalError};

/// The moment of sending is the answer's less the time it took; for a call
/// without an answer it is at most the look-ahead after its recording.
const SENT_SINCE: &str = "
    SELECT sent FROM (SELECT coalesce(answered_at - elapsed_us / 1000, recorded_at + 1000) AS sent
                      FROM call)
    WHERE sent >= ?1";

/// What a new process has to know of earlier calls to keep the limits.
#[derive(Debug, Default)]
pub struct Recent {
    /// When calls were sent, in order.
    pub calls: Vec<Timestamp>,
    /// Holds that may still be on: their end, their full length in
    /// milliseconds, their cause.
    pub holds: Vec<(Timestamp, i64, String)>,
    /// Runs whose journal could not be read.
    pub unreadable: Vec<(String, JournalError)>,
}

/// When calls were sent to `base_url` since `since` in any run in `runs`, and
/// which holds end after it. The address counts and not the environment's
/// name: whoever names it by its URL shares its limits all the same. Runs that cannot be read are passed over;
/// their names come with it.
///
/// # Errors
/// If the runs folder cannot be listed.
pub fn recent_calls(
    runs: &RunsDir,
    base_url: &str,
    since: Timestamp,
) -> Result<Recent, JournalError> {
    let mut recent = Recent::default();
    for folder in runs.list()? {
        if let Err(error) = recent.add(&folder, base_url, since)
            // A run that was removed just now had nothing to say any more.
            && folder.path().exists()
        {
            recent.unreadable.push((folder.run().to_string(), error));
        }
    }
    recent.calls.sort_unstable();
    Ok(recent)
}

/// Whether the run in `folder` made calls since `since`, or has a hold that
/// ends after it: as long as that is so, the limits need its journal.
///
/// # Errors
/// If the journal cannot be read.
pub fn counts_since(folder: &RunFolder, since: Timestamp) -> Result<bool, JournalError> {
    let archive = Archive::open(&folder.journal())?;
    let mut recent = Recent::default();
    let base_url = archive.facts()?.base_url;
    recent.add(folder, &base_url, since)?;
    Ok(!recent.calls.is_empty() || !recent.holds.is_empty())
}

impl Recent {
    fn add(
        &mut self,
        folder: &RunFolder,
        base_url: &str,
        since: Timestamp,
    ) -> Result<(), JournalError> {
        let archive = Archive::open(&folder.journal())?;
        let facts = archive.facts()?;
        if facts.base_url != base_url {
            return Ok(());
        }
        let since = params![since.as_millisecond()];
        self.holds.extend(archive.with(|db| {
            db.prepare("SELECT until, full_ms, cause FROM hold WHERE until >= ?1")?
                .query_map(since, |row| Ok((moment(row, 0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<(Timestamp, i64, String)>, _>>()
        })?);
        // Most runs ended long ago; their calls need not be looked through.
        let lately = archive.with(|db| {
            db.query_row(
                "SELECT EXISTS (SELECT 1 FROM process WHERE ended_at IS NULL OR ended_at >= ?1)",
                since,
                |row| row.get(0),
            )
        })?;
        if lately {
            self.calls.extend(archive.with(|db| {
                db.prepare(SENT_SINCE)?
                    .query_map(since, |row| moment(row, 0))?
                    .collect::<Result<Vec<_>, _>>()
            })?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{CallKind, Entry, Facts, Journal, NewRun, Process};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A run that made one call.
    fn called(runs: &RunsDir, environment: &str, base_url: &str, sent: Timestamp) {
        let facts = Facts {
            created: sent,
            environment: environment.into(),
            base_url: base_url.into(),
            input_path: "-".into(),
            input_sha256: String::new(),
            list_sha256: "abcdef".into(),
            column: "id".into(),
            batch_size: 100,
            rows_total: 0,
            rows_distinct: 0,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches: 0,
            note: String::new(),
        };
        let folder = NewRun::begin(runs).unwrap().commit(&facts).unwrap();
        let mut journal = Journal::open(&folder.journal()).unwrap();
        journal
            .begin_process(&Process {
                command: "run",
                started: sent,
                operator: String::new(),
                host: String::new(),
                pid: 1,
                version: "0",
                settings: "{}".into(),
            })
            .unwrap();
        let begun = Entry::Begun {
            call: 1,
            kind: CallKind::Read,
            batch: None,
            ids: 1,
            at: sent,
        };
        let answered = Entry::Answered {
            call: 1,
            at: sent,
            elapsed_us: 0,
            status: Some(200),
            verdict: "found",
            message: String::new(),
        };
        journal.write(&[begun, answered]).unwrap();
    }

    #[test]
    fn calls_to_one_address_share_its_limits_whatever_it_was_called() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let (old, late) = (at("2026-11-23T01:00:00Z"), at("2026-11-23T02:00:00Z"));
        called(&runs, "demo", "https://demo.example/v1", old);
        called(&runs, "demo", "https://demo.example/v1", late);
        called(&runs, "custom", "https://demo.example/v1", late);
        called(&runs, "live", "https://live.example/v1", late);
        let since = at("2026-11-23T01:30:00Z");
        let recent = recent_calls(&runs, "https://demo.example/v1", since).unwrap();
        assert_eq!(recent.calls, [late, late]);
        assert!(recent.unreadable.is_empty());
        let counts = runs.list().unwrap();
        let counts = counts.iter().map(|run| counts_since(run, since).unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), [false, true, true, true]);
    }
}
