//! `rescind runs prune`: removing runs that nobody needs any more.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use rescind::address::server;
use rescind::journal::{Holder, JournalError, Lock, LockError, PRUNING, RunsDir};
use rescind::report::{self, KeepReason, Listed, PruneDecision, Retention};

use super::review::style;
use crate::cli::args::Prune;
use crate::cli::error::CliError;
use crate::cli::session::{self, unreported};
use crate::cli::settings::Resolved;
use crate::cli::{exit, written};

/// `rescind runs prune`.
pub(in crate::cli) fn prune(
    runs: &RunsDir,
    wanted: &Prune,
    json: bool,
    effective: &Resolved,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let now = Timestamp::now();
    let retention = Retention {
        keep: wanted.keep,
        older_than: wanted.older_than,
        now,
        lookback: session::lookback(&effective.settings.policy(now), now),
    };
    let mut pruning = Pruning {
        runs,
        retention: &retention,
        gone: Vec::new(),
        locked: Vec::new(),
    };
    let (fates, done) = if wanted.dry_run {
        (pruning.rehearse()?, Ok(()))
    } else {
        let done = pruning.remove();
        // What was removed is told also where the rest could not be.
        (pruning.fates()?, done)
    };
    let text = if json {
        report::pruned_json(&fates, wanted.dry_run)
    } else {
        report::pruned(&fates, wanted.dry_run, style())
    };
    let code = written(out.write_all(text.as_bytes()))?;
    done.map(|()| code)
}

/// An environment as the lock tells it from others.
type Place = (String, String);

struct Pruning<'a> {
    runs: &'a RunsDir,
    retention: &'a Retention,
    /// What was removed.
    gone: Vec<PruneDecision>,
    /// Where another process holds the lock.
    locked: Vec<Place>,
}

impl Pruning<'_> {
    /// What would become of the runs. Takes no lock and changes nothing.
    fn rehearse(&self) -> Result<Vec<PruneDecision>, CliError> {
        let listed = list(self.runs)?;
        let decided = self.retention.decide(&listed);
        let fates = listed.iter().zip(decided);
        let fates = fates.map(|(listed, kept)| PruneDecision::of(listed, kept));
        fates.collect::<Result<_, _>>().map_err(|e| unremoved(&e))
    }

    /// Removes what may go, environment by environment, each under its lock:
    /// whoever carries on a run or counts its calls holds it. What is
    /// decided without the lock is decided again with it.
    fn remove(&mut self) -> Result<(), CliError> {
        let lookback = &self.retention.lookback;
        self.runs
            .clear_scratch()
            .and_then(|()| self.runs.clear_plans(lookback))
            .map_err(|e| unremoved(&e))?;
        let listed = list(self.runs)?;
        let mut places: Vec<Place> = Vec::new();
        for (listed, kept) in listed.iter().zip(self.retention.decide(&listed)) {
            if let (None, Some(place)) = (kept, place(listed))
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        for place in places {
            match lock(self.runs, &place)? {
                Some(_held) => self.remove_from(&place)?,
                None => self.locked.push(place),
            }
        }
        Ok(())
    }

    fn remove_from(&mut self, here: &Place) -> Result<(), CliError> {
        let listed = list(self.runs)?;
        for (listed, kept) in listed.iter().zip(self.retention.decide(&listed)) {
            if kept.is_some() || place(listed).as_ref() != Some(here) {
                continue;
            }
            let fate = PruneDecision::of(listed, None).map_err(|e| unremoved(&e))?;
            let removed = self.runs.remove(&listed.folder);
            if !listed.folder.path().exists() {
                self.gone.push(fate);
                self.runs.mend_latest().map_err(|e| unremoved(&e))?;
            }
            removed.map_err(|e| unremoved(&e))?;
        }
        Ok(())
    }

    /// What became of the runs: those that are gone, and why the others are
    /// still there.
    fn fates(&mut self) -> Result<Vec<PruneDecision>, CliError> {
        let left = list(self.runs)?;
        let mut fates = std::mem::take(&mut self.gone);
        for (listed, kept) in left.iter().zip(self.retention.decide(&left)) {
            let locked = place(listed).is_some_and(|here| self.locked.contains(&here));
            let otherwise = if locked {
                KeepReason::Locked
            } else {
                KeepReason::Left
            };
            let kept = kept.unwrap_or(otherwise);
            fates.push(PruneDecision::of(listed, Some(kept)).map_err(|e| unremoved(&e))?);
        }
        fates.sort_by(|a, b| b.run.cmp(&a.run));
        Ok(fates)
    }
}

fn place(listed: &Listed) -> Option<Place> {
    let standing = listed.standing.as_ref().ok()?;
    let url = match standing.environment.as_str() {
        "custom" => server(&standing.base_url).into_owned(),
        _ => String::new(),
    };
    Some((standing.environment.clone(), url))
}

/// The lock of an environment, if nobody else holds it: whoever does is at
/// work there, and the next time is soon enough.
fn lock(runs: &RunsDir, (environment, base_url): &Place) -> Result<Option<Lock>, CliError> {
    let holder = Holder {
        command: PRUNING.to_owned(),
        pid: std::process::id(),
        host: session::host(),
        since: format!("{:.0}", Timestamp::now()),
    };
    match Lock::take(runs, environment, base_url, &holder, Duration::ZERO) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held { .. }) => Ok(None),
        Err(error @ LockError::File { .. }) => {
            Err(CliError::new(exit::ERROR, "the lock cannot be taken").caused_by(&error))
        }
    }
}

fn list(runs: &RunsDir) -> Result<Vec<Listed>, CliError> {
    report::list(runs).map_err(|error| unreported(&error))
}

fn unremoved(error: &JournalError) -> CliError {
    CliError::new(exit::ERROR, "not every run could be removed").caused_by(error)
}
