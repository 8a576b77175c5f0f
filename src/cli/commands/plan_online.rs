//! `rescind plan --online`: reading a list alone, in the afternoon before the
//! night.
//!
//! Its calls are like any others: the list is frozen and each call recorded
//! before it is made, in a folder beside the runs that is no run; they are
//! paced, held back by what holds others back, and count for the limits of
//! whoever comes next. Nothing is revoked, so nobody is asked.

use std::fs::File;

use jiff::Timestamp;
use rescind::journal::{JournalError, Lock, NewRun, PLANNING, ProcessEnd, RunFolder, RunsDir};
use rescind::list::{Frozen, Input, ListCounts};
use rescind::report::{Preflight, number, visible};

use super::run::{self, facts_of, folder_problem};
use crate::cli::connect::Gateway;
use crate::cli::error::CliError;
use crate::cli::notice::{Level, notice};
use crate::cli::session::{self, SessionEnd, SessionTask, broken, unreported, work};
use crate::cli::settings::{Resolved, Verbosity};
use crate::cli::signals;

/// A list that is being frozen, to be read.
pub(in crate::cli) struct OnlinePlan<'a> {
    effective: &'a Resolved,
    given: Timestamp,
    runs: RunsDir,
    new: NewRun,
    lock: Lock,
}

impl<'a> OnlinePlan<'a> {
    /// Takes the lock of the environment and gets ready to freeze a list.
    pub(in crate::cli) fn begin(
        effective: &'a Resolved,
        input: &Input,
        given: Timestamp,
    ) -> Result<Self, CliError> {
        Gateway::check(effective)?;
        let settings = &effective.settings;
        let runs = RunsDir::create(&settings.runs_dir).map_err(|error| folder_problem(&error))?;
        let lock = run::lock(&runs, effective, PLANNING)?;
        clear(&runs, effective).map_err(|error| folder_problem(&error))?;
        runs.check_room(run::room(input))
            .map_err(|error| folder_problem(&error))?;
        let new = NewRun::begin(&runs).map_err(|error| broken(&error))?;
        Ok(Self {
            effective,
            given,
            runs,
            new,
            lock,
        })
    }

    /// Takes what freezing hands on.
    pub(in crate::cli) fn take(&mut self, frozen: &Frozen<'_>) -> Result<(), JournalError> {
        match frozen {
            Frozen::Batch { ids, lines } => self.new.batch(ids, lines),
            Frozen::Reject {
                line,
                value,
                reason,
            } => self.new.reject(*line, value, &reason.to_string()),
        }
    }

    /// Reads every ID of the list. Returns what came of it, and the exit code.
    pub(in crate::cli) fn read(
        self,
        input: &Input,
        census: &ListCounts,
    ) -> Result<(Box<Preflight>, u8), CliError> {
        let Self {
            effective,
            given,
            runs,
            new,
            lock,
        } = self;
        let runtime = session::runtime()?;
        let gateway = Gateway::open(effective, &runtime)?;
        let facts = facts_of(effective, input, census)?;
        let (folder, _being_made): (_, File) =
            new.commit_plan(&facts).map_err(|error| broken(&error))?;
        if effective.settings.verbosity != Verbosity::Quiet {
            notice(
                Level::Info,
                format_args!(
                    "plan of {} ({}): {} IDs to be read; nothing is revoked",
                    visible(&facts.input_path),
                    facts.environment,
                    number(facts.rows_distinct),
                ),
            );
        }
        let task = SessionTask {
            command: PLANNING,
            lock: &lock,
            runs: &runs,
            folder: &folder,
            facts: &facts,
            effective,
            given,
            resend_mismatched: false,
        };
        let SessionEnd {
            journal,
            stop,
            clock,
        } = work(&task, gateway, runtime)?;
        let (outcome, why) = match session::stopped(&stop) {
            Some(stopped) => stopped,
            None => (survey(&folder)?.ending(), String::new()),
        };
        let code = outcome.code();
        let end = ProcessEnd {
            explanation: why,
            ..ProcessEnd::new(clock.now(), outcome.word(), code)
        };
        journal
            .end_process(&end)
            .map(session::one_file)
            .map_err(|error| broken(&error))?;
        signals::recorded(code);
        Ok((Box::new(survey(&folder)?), code))
    }
}

fn survey(folder: &RunFolder) -> Result<Preflight, CliError> {
    Preflight::of(folder).map_err(|error| unreported(&error))
}

/// Clears away what processes left that were cut off, and plans whose calls
/// do not count any more.
pub(in crate::cli) fn clear(runs: &RunsDir, effective: &Resolved) -> Result<(), JournalError> {
    runs.clear_scratch()?;
    let now = Timestamp::now();
    runs.clear_plans(&session::lookback(&effective.settings.policy(now), now))
}
