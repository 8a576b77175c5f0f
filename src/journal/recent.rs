//! What earlier processes of an environment did lately, from their journals:
//! the limits hold over them, too.

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

/// When calls were sent since `since` in any run of `environment` in `runs`,
/// and which holds end after it. Runs that cannot be read are passed over;
/// their names come with it.
///
/// # Errors
/// If the runs folder cannot be listed.
pub fn recent_calls(
    runs: &RunsDir,
    environment: &str,
    base_url: &str,
    since: Timestamp,
) -> Result<Recent, JournalError> {
    let mut recent = Recent::default();
    for folder in runs.list()? {
        if let Err(error) = recent.add(&folder, environment, base_url, since) {
            recent.unreadable.push((folder.run().to_string(), error));
        }
    }
    recent.calls.sort_unstable();
    Ok(recent)
}

impl Recent {
    fn add(
        &mut self,
        folder: &RunFolder,
        environment: &str,
        base_url: &str,
        since: Timestamp,
    ) -> Result<(), JournalError> {
        let archive = Archive::open(&folder.journal())?;
        let facts = archive.facts()?;
        if facts.environment != environment || facts.base_url != base_url {
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
