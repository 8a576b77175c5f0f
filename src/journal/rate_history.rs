//! What earlier processes did lately at one address, from their journals: the
//! limits hold over them, too.
//!
//! A time that lies in the future counts as now, and no hold lasts longer than
//! its full length.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::process::timeout;
use super::{HoldCause, JournalError, JournalReader};
use crate::address::server;
use crate::journal::rows::{moment, optional_moment};
use crate::journal::runs_dir::{RunFolder, RunsDir};

/// A call is sent at most this long after it was recorded (the sweep's
/// look-ahead).
const AHEAD: SignedDuration = SignedDuration::from_secs(1);

/// Renewals; one that found no connection never was.
const RENEWALS: &str = "kind = 'renew' AND verdict <> 'not_sent'";

/// Log-ins that were refused or may have been. Who is held back is not
/// counted again.
const REFUSED_LOG_INS: &str =
    "kind = 'login' AND verdict NOT IN ('granted', 'not_sent', 'penalty', 'lockout')";

/// When the calls of a process that are `such` were sent, not before a time.
/// The moment of sending is the answer's less the time it took; for a call
/// without an answer it is at most the look-ahead after its recording.
fn sent_since(such: &str) -> String {
    format!(
        "SELECT sent FROM (SELECT coalesce(answered_at - elapsed_us / 1000, recorded_at + 1000)
                               AS sent FROM call WHERE process = ?1 AND {such})
         WHERE sent >= ?2"
    )
}

/// Who asks, and how far back calls matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookback {
    /// The moment it asks at, by its own clock.
    pub now: Timestamp,
    /// Calls that are older do not matter.
    pub span: Duration,
    /// How long a call may take that nobody has seen the end of, unless the
    /// process that made it gave it longer.
    pub timeout: Duration,
}

impl Lookback {
    /// How long ago something was.
    fn age(&self, moment: Timestamp) -> Duration {
        self.now
            .duration_since(moment)
            .try_into()
            .unwrap_or_default()
    }

    /// Until when the calls matter that the journal at `path` may hold, if
    /// they still do: it, or its log, was written to within the span.
    pub(super) fn matters_until(&self, path: &Path) -> Option<Timestamp> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let written = |path: &Path| {
            let found = fs::metadata(path).ok().filter(|found| found.len() > 0)?;
            // What cannot be told or lies in the future counts as now.
            let at = found.modified().unwrap_or_else(|_| SystemTime::now());
            Some(Timestamp::try_from(at).unwrap_or(self.now).min(self.now))
        };
        let last = written(path).max(written(Path::new(&log)))?;
        let until = last.checked_add(self.span).unwrap_or(Timestamp::MAX);
        (until > self.now).then_some(until)
    }
}

/// What a new process has to know of earlier calls to keep the limits.
#[derive(Debug, Default)]
pub struct Recent {
    /// How long ago calls were sent, oldest first.
    pub calls: Vec<Duration>,
    /// How long ago renewals of a token were sent, oldest first.
    pub renewals: Vec<Duration>,
    /// How long ago log-ins were sent that were refused or may have been,
    /// oldest first.
    pub refused_log_ins: Vec<Duration>,
    /// Holds that are still on.
    pub holds: Vec<Remaining>,
    /// Journals that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A run whose calls and holds are not known.
#[derive(Debug)]
pub struct Unreadable {
    /// What it is called.
    pub name: String,
    /// Why they are not known.
    pub error: JournalError,
    /// Until when they may matter, going by the last time that the journal was
    /// written to; `None` if they do not matter any more.
    pub matters_until: Option<Timestamp>,
}

/// What is left of a hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remaining {
    /// Why it began.
    pub cause: HoldCause,
    /// What more is known of the cause.
    pub detail: String,
    /// How long it still lasts.
    pub left: Duration,
}

/// What was done lately at the server at `base_url` in any run or plan in
/// `runs`, whatever it was called there: a name, or another address of it. Runs that cannot be read are passed over; their
/// names come with it.
///
/// # Errors
/// If the runs folder cannot be listed.
pub fn recent_calls(
    runs: &RunsDir,
    base_url: &str,
    lookback: &Lookback,
) -> Result<Recent, JournalError> {
    let mut recent = Recent::default();
    for folder in runs.list()?.into_iter().chain(runs.plans()?) {
        // A run that was removed just now had nothing to say any more.
        if folder.journal().exists() {
            recent.add(&folder.name(), &folder.journal(), base_url, lookback);
        }
    }
    Ok(recent)
}

/// Whether the run in `folder` made calls that matter still, or has a hold
/// that is still on: as long as that is so, the limits need its journal.
///
/// # Errors
/// If the journal cannot be read.
pub fn counts_since(folder: &RunFolder, lookback: &Lookback) -> Result<bool, JournalError> {
    let archive = JournalReader::open(&folder.journal())?;
    let mut recent = Recent::default();
    recent.look(&archive, lookback)?;
    Ok(!recent.calls.is_empty() || !recent.holds.is_empty())
}

/// A process as the journal knows it.
struct PastProcess {
    id: i64,
    /// How long its calls could take, if its settings tell.
    timeout: Option<SignedDuration>,
    ended: Option<Timestamp>,
}

impl Recent {
    /// Adds what the journal at `path`, called `name`, knows of calls to
    /// `base_url`.
    pub fn add(&mut self, name: &str, path: &Path, base_url: &str, lookback: &Lookback) {
        // Before it is opened, which may make a log that is empty.
        let matters_until = lookback.matters_until(path);
        let found = JournalReader::open(path).and_then(|archive| {
            if server(&archive.facts()?.base_url) == server(base_url) {
                self.look(&archive, lookback)?;
            }
            Ok(())
        });
        if let Err(error) = found
            && path.exists()
        {
            self.unreadable.push(Unreadable {
                name: name.to_owned(),
                error,
                matters_until,
            });
        }
        for (ages, _) in self.ages() {
            ages.sort_unstable_by(|one, other| other.cmp(one));
        }
    }

    /// What is gathered, and which calls belong to it.
    fn ages(&mut self) -> [(&mut Vec<Duration>, &'static str); 3] {
        [
            (&mut self.calls, "true"),
            (&mut self.renewals, RENEWALS),
            (&mut self.refused_log_ins, REFUSED_LOG_INS),
        ]
    }

    fn look(&mut self, archive: &JournalReader, lookback: &Lookback) -> Result<(), JournalError> {
        let since = lookback
            .now
            .checked_sub(lookback.span)
            .unwrap_or(Timestamp::MIN);
        let processes = archive.with(|db| {
            db.prepare("SELECT id, ended_at, settings FROM process ORDER BY id")?
                .query_map([], |row| {
                    Ok(PastProcess {
                        id: row.get(0)?,
                        ended: optional_moment(row, 1)?,
                        timeout: timeout(&row.get::<_, String>(2)?),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()
        })?;
        for process in &processes {
            self.holds.extend(remaining(archive, process, lookback)?);
            // Most ended long ago; their calls need not be looked through.
            if process.ended.is_some_and(|ended| ended < since) {
                continue;
            }
            for (ages, such) in self.ages() {
                let sent = archive.with(|db| {
                    db.prepare_cached(&sent_since(such))?
                        .query_map(params![process.id, since.as_millisecond()], |row| {
                            moment(row, 0)
                        })?
                        .collect::<Result<Vec<_>, _>>()
                })?;
                ages.extend(sent.into_iter().map(|sent| lookback.age(sent)));
            }
        }
        Ok(())
    }
}

/// The holds of a process that are still on: those that no call has followed,
/// and for which the clock says so.
fn remaining(
    archive: &JournalReader,
    process: &PastProcess,
    lookback: &Lookback,
) -> Result<Vec<Remaining>, JournalError> {
    let holds = archive.with(|db| {
        db.prepare_cached(
            "SELECT cause, detail, until, full_ms FROM hold
             WHERE process = ?1 AND ended_at IS NULL AND cause <> 'window'",
        )?
        .query_map([process.id], |row| {
            let cause: String = row.get(0)?;
            let full: i64 = row.get(3)?;
            Ok((cause, row.get(1)?, moment(row, 2)?, full))
        })?
        .collect::<Result<Vec<(String, String, Timestamp, i64)>, _>>()
    })?;
    if holds.is_empty() {
        return Ok(Vec::new());
    }
    // A hold counts from the end of the last call that was under way. Of one
    // that was cut off with its process no end is known but the time-out: its
    // own, if that was longer than the one of whoever asks.
    let unanswered = archive.with(|db| {
        db.prepare_cached(
            "SELECT max(recorded_at) FROM call WHERE process = ?1 AND answered_at IS NULL",
        )?
        .query_row([process.id], |row| optional_moment(row, 0))
    })?;
    let timeout = SignedDuration::try_from(lookback.timeout).unwrap_or(SignedDuration::ZERO);
    let timeout = process.timeout.map_or(timeout, |own| own.max(timeout));
    let last = unanswered
        .map(|recorded| {
            recorded
                .checked_add(AHEAD + timeout)
                .unwrap_or(Timestamp::MAX)
        })
        .map(|end| end.min(lookback.now));
    let remaining = holds
        .into_iter()
        .filter_map(|(cause, detail, mut until, full)| {
            let full = Duration::from_millis(u64::try_from(full).ok()?);
            if let Some(last) = last {
                until = until.max(last.checked_add(full).unwrap_or(Timestamp::MAX));
            }
            let left = Duration::try_from(until.duration_since(lookback.now)).ok()?;
            let left = left.min(full);
            (!left.is_zero()).then(|| Remaining {
                cause: HoldCause::from_word(&cause).unwrap_or(HoldCause::Lockout),
                detail,
                left,
            })
        });
    Ok(remaining.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{CallKind, Entry, Journal, NewRun, Process, RunMeta};

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Somebody who asks about the last hour.
    fn lookback(now: Timestamp) -> Lookback {
        Lookback {
            now,
            span: MINUTE * 60,
            timeout: MINUTE,
        }
    }

    /// A run that made these calls, each answered in such a way or not at all.
    fn called(
        runs: &RunsDir,
        environment: &str,
        base_url: &str,
        calls: &[(Timestamp, CallKind, Option<&'static str>)],
    ) -> Journal {
        let created = calls[0].0;
        let facts = RunMeta {
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
                settings: r#"{"timeout":"1m30s","rate":null}"#.into(),
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
        journal
    }

    #[test]
    fn calls_to_one_address_share_its_limits_whatever_it_was_called() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let (old, late) = (at("2026-11-23T01:00:00Z"), at("2026-11-23T02:00:00Z"));
        let read = |at| [(at, CallKind::Read, Some("found"))];
        called(&runs, "demo", "https://demo.example/v1", &read(old));
        called(&runs, "demo", "https://demo.example/v1", &read(late));
        called(&runs, "custom", "https://demo.example./v1", &read(late));
        called(&runs, "live", "https://live.example/v1", &read(late));
        let lookback = lookback(at("2026-11-23T02:10:00Z"));
        let recent = recent_calls(&runs, "https://demo.example/v1", &lookback).unwrap();
        assert_eq!(recent.calls, [MINUTE * 10; 2]);
        assert!(recent.unreadable.is_empty());
        let counts = runs.list().unwrap();
        let counts = counts
            .iter()
            .map(|run| counts_since(run, &lookback).unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), [false, true, true, true]);
    }

    /// A hold counts from the end of the last call under way: how long that
    /// took at most, the process that made it decided.
    #[test]
    fn a_hold_cut_off_lasts_by_the_time_out_of_its_own_process() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let began = at("2026-11-23T02:00:00Z");
        let url = "https://demo.example/v1";
        let mut journal = called(&runs, "demo", url, &[(began, CallKind::Revoke, None)]);
        let hold = Entry::Held {
            hold: 1,
            cause: HoldCause::Lockout,
            detail: String::new(),
            began,
            until: began + SignedDuration::from_mins(10),
            full_ms: 600_000,
        };
        journal.write(&[hold]).unwrap();
        // Recorded, and at most a second later sent, and 90 s later answered.
        let end = |timeout| {
            let now = began + SignedDuration::from_mins(5);
            let lookback = Lookback {
                timeout,
                ..lookback(now)
            };
            let recent = recent_calls(&runs, url, &lookback).unwrap();
            MINUTE * 5 + recent.holds[0].left
        };
        assert_eq!(end(Duration::from_secs(1)), Duration::from_secs(600 + 91));
        assert_eq!(end(MINUTE * 2), Duration::from_secs(600 + 121));
    }

    #[test]
    fn only_log_ins_maybe_refused_count_against_their_limit() {
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
        let ages = |now: i64| {
            let lookback = lookback(minute(now));
            recent_calls(&runs, "https://demo.example/v1", &lookback).unwrap()
        };
        let recent = ages(30);
        assert_eq!(recent.calls.len(), 14);
        // One without an answer may have been sent a second later.
        let ago = |n: u64| Duration::from_secs(60 * (30 - n));
        let unanswered = |n: u64| Duration::from_secs(60 * (30 - n) - 1);
        assert_eq!(recent.refused_log_ins, [ago(1), ago(2), unanswered(6)]);
        assert_eq!(recent.renewals[..5], [10, 11, 12, 14, 15].map(ago));
        assert_eq!(recent.renewals[5..], [unanswered(16)]);
        let later = ages(72);
        assert_eq!((later.refused_log_ins.len(), later.renewals.len()), (0, 4));
    }
}
