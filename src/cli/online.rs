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
use rescind::list::{Census, Frozen, Input};
use rescind::report::{Survey, number, visible};

use super::carry::{self, Task, Worked, broken, unreported, work};
use super::gateway::Gateway;
use super::notice::{Level, notice};
use super::problem::Problem;
use super::run::{self, facts_of, folder_problem};
use super::settings::{Effective, Verbosity};
use super::signals;

/// A list that is being frozen, to be read.
pub(super) struct Reading<'a> {
    effective: &'a Effective,
    given: Timestamp,
    runs: RunsDir,
    new: NewRun,
    lock: Lock,
}

impl<'a> Reading<'a> {
    /// Takes the lock of the environment and gets ready to freeze a list.
    pub(super) fn begin(
        effective: &'a Effective,
        input: &Input,
        given: Timestamp,
    ) -> Result<Self, Problem> {
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
    pub(super) fn take(&mut self, frozen: &Frozen<'_>) -> Result<(), JournalError> {
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
    pub(super) fn read(self, input: &Input, census: &Census) -> Result<(Box<Survey>, u8), Problem> {
        let Self {
            effective,
            given,
            runs,
            new,
            lock,
        } = self;
        let runtime = carry::runtime()?;
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
        let task = Task {
            command: PLANNING,
            lock: &lock,
            runs: &runs,
            folder: &folder,
            facts: &facts,
            effective,
            given,
            resend_mismatched: false,
        };
        let Worked {
            journal,
            stop,
            clock,
        } = work(&task, gateway, runtime)?;
        let (outcome, why) = match carry::stopped(&stop) {
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
            .map(carry::one_file)
            .map_err(|error| broken(&error))?;
        signals::recorded(code);
        Ok((Box::new(survey(&folder)?), code))
    }
}

fn survey(folder: &RunFolder) -> Result<Survey, Problem> {
    Survey::of(folder).map_err(|error| unreported(&error))
}

/// Clears away what processes left that were cut off, and plans whose calls
/// do not count any more.
pub(super) fn clear(runs: &RunsDir, effective: &Effective) -> Result<(), JournalError> {
    runs.clear_scratch()?;
    let now = Timestamp::now();
    runs.clear_plans(&carry::lookback(&effective.settings.policy(now), now))
}
