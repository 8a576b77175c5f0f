//! What earlier processes did lately at one address, from their journals: the
//! limits hold over them, too.

use jiff::Timestamp;
use rusqlite::params;

use super::folder::{RunFolder, RunsDir};
use super::read::moment;
use super::{Archive, JournalError};

/// Renewals; one that found no connection never was.
const RENEWALS: &str = "kind = 'renew' AND verdict <> 'not_sent'";

/// Log-ins that were refused or may have been. Who is held back is not
/// counted again.
const REFUSED_LOG_INS: &str =
    "kind = 'login' AND verdict NOT IN ('granted', 'not_sent', 'penalty', 'lockout')";

/// When the calls that are `such` were sent, not before a time. The moment of
/// sending is the answer's less the time it took; for a call without an
/// answer it is at most the look-ahead after its recording.
fn sent_since(such: &str) -> String {
    format!(
        "SELECT sent FROM (SELECT coalesce(answered_at - elapsed_us / 1000, recorded_at + 1000)
                               AS sent FROM call WHERE {such})
         WHERE sent >= ?1"
    )
}

/// What a new process has to know of earlier calls to keep the limits.
#[derive(Debug, Default)]
pub struct Recent {
    /// When calls were sent, in order.
    pub calls: Vec<Timestamp>,
    /// When renewals of a token were sent, in order.
    pub renewals: Vec<Timestamp>,
    /// When log-ins were sent that were refused or may have been, in order.
    pub refused_log_ins: Vec<Timestamp>,
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
    for times in recent.times() {
        times.sort_unstable();
    }
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
    fn times(&mut self) -> [&mut Vec<Timestamp>; 3] {
        [
            &mut self.calls,
            &mut self.renewals,
            &mut self.refused_log_ins,
        ]
    }

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
            for (times, such) in self
                .times()
                .into_iter()
                .zip(["true", RENEWALS, REFUSED_LOG_INS])
            {
                times.extend(archive.with(|db| {
                    db.prepare(&sent_since(such))?
                        .query_map(since, |row| moment(row, 0))?
                        .collect::<Result<Vec<_>, _>>()
                })?);
            }
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

    /// A run that made these calls, each answered in such a way or not at all.
    fn called(
        runs: &RunsDir,
        environment: &str,
        base_url: &str,
        calls: &[(Timestamp, CallKind, Option<&'static str>)],
    ) {
        let created = calls[0].0;
        let facts = Facts {
            created,
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
                started: created,
                operator: String::new(),
                host: String::new(),
                pid: 1,
                version: "0",
                settings: "{}".into(),
            })
            .unwrap();
        for ((at, kind, verdict), call) in calls.iter().zip(1..) {
            let begun = Entry::Begun {
                call,
                kind: *kind,
                batch: None,
                ids: 1,
                at: *at,
            };
            journal.write(&[begun]).unwrap();
            if let Some(verdict) = verdict {
                let answered = Entry::Answered {
                    call,
                    at: *at,
                    elapsed_us: 0,
                    status: None,
                    verdict,
                    message: String::new(),
                };
                journal.write(&[answered]).unwrap();
            }
        }
    }

    #[test]
    fn calls_to_one_address_share_its_limits_whatever_it_was_called() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let (old, late) = (at("2026-11-23T01:00:00Z"), at("2026-11-23T02:00:00Z"));
        let read = |at| [(at, CallKind::Read, Some("found"))];
        called(&runs, "demo", "https://demo.example/v1", &read(old));
        called(&runs, "demo", "https://demo.example/v1", &read(late));
        called(&runs, "custom", "https://demo.example/v1", &read(late));
        called(&runs, "live", "https://live.example/v1", &read(late));
        let since = at("2026-11-23T01:30:00Z");
        let recent = recent_calls(&runs, "https://demo.example/v1", since).unwrap();
        assert_eq!(recent.calls, [late, late]);
        assert!(recent.unreadable.is_empty());
        let counts = runs.list().unwrap();
        let counts = counts.iter().map(|run| counts_since(run, since).unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), [false, true, true, true]);
    }

    #[test]
    fn only_log_ins_that_may_have_been_refused_count_against_their_limit() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let minute = |n: i64| at("2026-11-23T02:00:00Z") + jiff::SignedDuration::from_mins(n);
        let verdicts = [
            Some("granted"),
            Some("refused"),
            Some("failed"),
            Some("not_sent"),
            Some("penalty"),
            Some("lockout"),
            None,
        ];
        for (number, kind) in [(0, CallKind::LogIn), (10, CallKind::Renew)] {
            let calls = verdicts.iter().zip(number..);
            let calls: Vec<_> = calls.map(|(v, n)| (minute(n), kind, *v)).collect();
            called(&runs, "demo", "https://demo.example/v1", &calls);
        }
        let since = at("2026-11-23T01:00:00Z");
        let recent = recent_calls(&runs, "https://demo.example/v1", since).unwrap();
        assert_eq!(recent.calls.len(), 14);
        let second = jiff::SignedDuration::from_secs(1);
        let unanswered = minute(6) + second;
        assert_eq!(recent.refused_log_ins, [minute(1), minute(2), unanswered]);
        let renewals = [10, 11, 12, 14, 15].map(minute);
        assert_eq!(recent.renewals[..5], renewals);
        assert_eq!(recent.renewals[5..], [minute(16) + second]);
        let later = recent_calls(&runs, "https://demo.example/v1", minute(12)).unwrap();
        assert_eq!((later.refused_log_ins.len(), later.renewals.len()), (0, 4));
    }
}
