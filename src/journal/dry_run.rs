//! Plans that read (`rescind plan --online`): a frozen list and its calls, in
//! a folder whose name is no run's.
//!
//! Nothing lists such a folder, finds it or carries it on. It is there because
//! calls are recorded before they are made, and count for the limits of
//! whoever comes next; once none of them counts any more, it is cleared away.

use std::fs::{File, TryLockError};

use super::{JournalError, RunFolder, RunId, RunsDir};
use crate::journal::rate_history::{Lookback, counts_since};

/// How the folder of a plan begins; no run's ID begins so.
const PLAN: &str = ".plan-";

impl RunsDir {
    /// The folder of a plan that has an ID like a run's.
    pub(super) fn plan(&self, run: &RunId) -> RunFolder {
        RunFolder {
            path: self.path().join(format!("{PLAN}{run}")),
            run: run.clone(),
        }
    }

    /// The plans that are there, in no order.
    pub(super) fn plans(&self) -> Result<Vec<RunFolder>, JournalError> {
        let names = self.names()?.into_iter();
        let runs = names.filter_map(|name| RunId::parse(name.strip_prefix(PLAN)?));
        let plans = runs.map(|run| self.plan(&run));
        Ok(plans.filter(RunFolder::is_plain).collect())
    }

    /// Clears away the plans whose calls and holds do not count any more for
    /// somebody who looks back so far. One that is being made stays.
    ///
    /// # Errors
    /// If the folder cannot be listed, or a plan cannot be removed.
    pub fn clear_plans(&self, lookback: &Lookback) -> Result<(), JournalError> {
        for plan in self.plans()? {
            let counts = || {
                // What nobody can read is of use to nobody either.
                let matters = lookback.matters_until(&plan.journal()).is_some();
                counts_since(&plan, lookback).unwrap_or(matters)
            };
            if is_being_made(&plan) || counts() {
                continue;
            }
            if let Err(error) = self.remove(&plan)
                && plan.path().exists()
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Whether a process is at work on it.
fn is_being_made(plan: &RunFolder) -> bool {
    File::open(plan.path())
        .is_ok_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
}
