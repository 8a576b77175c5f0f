//! What holds a run for a person, and what releases it.
//!
//! Every guard is judged when the list is frozen and again whenever the run
//! is taken up, by the settings that hold then. What was found once holds the
//! run until it is approved, whatever the settings say later; what was
//! approved is not asked about again, but an ID that is excluded since is, and
//! so is the age, which counts from the last approval.

use jiff::Timestamp;
use rescind::journal::{
    Approval, Breach, Breaches, Finding, Journal, JournalReader, RunFolder, RunMeta, RunsDir,
    State, release_digest,
};
use rescind::list::{Exclusion, ExclusionError};
use rescind::report::{self, number};
use rescind::sweep::{ExclusionCheck, GROWTH_FROM, GROWTH_RUNS, Growth, growth, too_many, too_old};

use super::exit;
use super::settings::Settings;
use crate::cli::error::CliError;
use crate::cli::session::{self, broken, unreported};

/// What the guards of a list say.
#[derive(Default)]
pub(super) struct Judged {
    /// What has to be approved.
    pub(super) findings: Vec<Finding>,
    /// What a person has to be told: guards that are set and guard nothing.
    pub(super) idle: Vec<String>,
    /// What the other guards looked at, and found good.
    pub(super) passed: Vec<String>,
}

/// Reads the lists of IDs that must never be revoked.
pub(super) fn exclusion(settings: &Settings) -> Result<Exclusion, CliError> {
    Exclusion::read(
        settings.exclude.iter().cloned(),
        settings.id_column.as_deref(),
    )
    .map_err(|error| {
        let problem = CliError::usage("the IDs that must not be revoked are not known; nothing was sent")
            .caused_by(&error);
        match error {
            ExclusionError::Invalid { .. } => {
                problem.hint("mend or remove that line; a list that is not wholly understood guards nothing")
            }
            ExclusionError::List(_) => problem.hint(
                "every file that exclude names is read; one that is meant to exclude nothing may be empty",
            ),
        }
    })
}

/// Judges a list of `ids` IDs that is frozen at `frozen`, or that could be.
pub(super) fn judge(
    settings: &Settings,
    runs: &RunsDir,
    (environment, url): (&str, &str),
    (ids, frozen): (u64, Timestamp),
    sieve: ExclusionCheck<'_>,
    exclusion: &Exclusion,
) -> Result<Judged, CliError> {
    let mut judged = Judged::default();
    if let Some(limit) = settings.max_ids {
        match too_many(ids, Some(limit)) {
            Some(breach) => judged.findings.push(breach.into()),
            None => judged.passed.push(format!(
                "max-ids: {} of at most {}",
                number(ids),
                number(limit)
            )),
        }
    }
    if let Some(percent) = settings.max_growth {
        let earlier = report::finished_counts(runs, environment, url, frozen, GROWTH_RUNS)
            .map_err(|error| unreported(&error))?;
        match growth(ids, &earlier, percent) {
            Growth::Breached(breach) => judged.findings.push(breach.into()),
            Growth::NoHistory => judged.idle.push(
                "max-growth is not applied: no earlier run of this environment is finished"
                    .to_owned(),
            ),
            Growth::Short => judged.passed.push(format!(
                "max-growth is not applied: the list has fewer than {GROWTH_FROM} IDs"
            )),
            Growth::Allowed { median, runs } => judged.passed.push(format!(
                "max-growth: {} IDs are at most {percent}% more than {median}, the median of \
                 {runs} finished runs",
                number(ids)
            )),
        }
    }
    match sieve.finding() {
        Some(finding) => judged.findings.push(finding),
        None if exclusion.files().is_empty() => {}
        None if exclusion.is_empty() => judged.idle.push(format!(
            "exclude guards nothing: there is no ID in {}",
            files(exclusion)
        )),
        None => judged.passed.push(format!(
            "exclude: none of {} IDs in {} is in the list",
            number(exclusion.len() as u64),
            files(exclusion)
        )),
    }
    Ok(judged)
}

fn files(exclusion: &Exclusion) -> String {
    let files = exclusion
        .files()
        .iter()
        .map(|file| file.display().to_string());
    files.collect::<Vec<_>>().join(", ")
}

/// What holds a run that is taken up.
pub(super) struct Watch<'a> {
    folder: &'a RunFolder,
    facts: &'a RunMeta,
    /// On record.
    known: Breaches,
    /// Found just now.
    new: Vec<Finding>,
    /// What a person has to be told: guards that are set and guard nothing.
    pub(super) idle: Vec<String>,
}

impl<'a> Watch<'a> {
    /// Judges a run that is taken up at `now`.
    pub(super) fn over(
        settings: &Settings,
        runs: &RunsDir,
        folder: &'a RunFolder,
        facts: &'a RunMeta,
        now: Timestamp,
    ) -> Result<Self, CliError> {
        let archive = JournalReader::open(&folder.journal()).map_err(|error| broken(&error))?;
        let known = archive.breaches().map_err(|error| broken(&error))?;
        let exclusion = exclusion(settings)?;
        let found = archive.found_excluded().map_err(|error| broken(&error))?;
        let mut sieve = ExclusionCheck::new(&exclusion, found);
        if !exclusion.is_empty() {
            archive
                .each_batch(|row| {
                    if is_open(row.batch.state) {
                        sieve.look(&row.batch.ids, &row.batch.lines);
                    }
                    Ok(())
                })
                .map_err(|error: rescind::journal::JournalError| broken(&error))?;
        }
        let place = (facts.environment.as_str(), facts.base_url.as_str());
        let list = (facts.rows_distinct, facts.created);
        let judged = judge(settings, runs, place, list, sieve, &exclusion)?;
        let (mut new, idle) = (judged.findings, judged.idle);
        // What was found once is not found again.
        new.retain(|finding| {
            let guard = finding.breach.guard();
            guard == "exclude" || known.0.iter().all(|row| row.breach.guard() != guard)
        });
        let approved = known.approvals().last().map(|approval| approval.at);
        let since = approved.map_or(facts.created, |at| at.max(facts.created));
        if known.pending().all(|breach| breach.guard() != "max-age") {
            new.extend(too_old(since, now, settings.max_age).map(Finding::from));
        }
        Ok(Self {
            folder,
            facts,
            known,
            new,
            idle,
        })
    }

    fn pending(&self) -> Vec<&Breach> {
        let new = self.new.iter().map(|finding| &finding.breach);
        self.known.pending().chain(new).collect()
    }

    /// Whether nobody has approved all of it.
    pub(super) fn holds(&self) -> bool {
        !self.pending().is_empty()
    }

    /// Puts what was found just now on record.
    pub(super) fn record(&self, now: Timestamp) -> Result<(), CliError> {
        if self.new.is_empty() {
            return Ok(());
        }
        Journal::open(&self.folder.journal())
            .and_then(|mut journal| {
                journal.found(&self.new, now)?;
                session::one_file(journal.close());
                Ok(())
            })
            .map_err(|error| broken(&error))
    }

    /// Why the run is held.
    pub(super) fn problem(&self) -> CliError {
        held(self.folder, self.facts, &self.known, &self.pending())
    }

    /// Lets a person's word count, if it is for exactly what holds the run.
    /// It is on record before this returns. What it released is named.
    pub(super) fn approve(&self, digest: &str, now: Timestamp) -> Result<Vec<String>, CliError> {
        let approvals = self.known.approvals();
        let pending = self.pending();
        if pending.is_empty() {
            // Whoever repeats the command that released it means no harm.
            if approvals.iter().any(|approval| approval.digest == digest) {
                return Ok(Vec::new());
            }
            return Err(CliError::usage(format!(
                "--approve: run {} is not held, so there is nothing to approve; nothing was sent",
                self.folder.run()
            ))
            .hint(format!(
                "without --approve it continues: {}",
                report::resume_command(self.folder)
            )));
        }
        self.record(now)?;
        let wanted = release_digest(self.facts, approvals.len(), pending.iter().copied());
        if digest != wanted {
            let mut problem = CliError::usage(format!(
                "--approve: {digest:?} is not the digest of what holds run {} now; nothing was sent",
                self.folder.run()
            ));
            problem.causes = pending
                .iter()
                .map(|breach| report::breach(breach))
                .collect();
            return Err(problem.hint(format!(
                "a digest is for one list, one environment and the guards that hold it; what is \
                 to be approved now is shown by: {}",
                report::report_command(self.folder)
            )));
        }
        let approval = Approval {
            at: now,
            operator: session::operator(),
            host: session::host(),
            digest: wanted,
        };
        Journal::open(&self.folder.journal())
            .and_then(|mut journal| {
                journal.approve(&approval)?;
                session::one_file(journal.close());
                Ok(())
            })
            .map_err(|error| broken(&error))?;
        Ok(pending
            .iter()
            .map(|breach| report::breach(breach))
            .collect())
    }
}

/// Whether a resume may send these IDs.
const fn is_open(state: State) -> bool {
    state.is_sendable() || state.is_doubtful()
}

/// Why a run is held that has just been frozen.
pub(super) fn held_at_once(folder: &RunFolder, facts: &RunMeta, findings: &[Finding]) -> CliError {
    let pending: Vec<_> = findings.iter().map(|finding| &finding.breach).collect();
    held(folder, facts, &Breaches::default(), &pending)
}

fn held(folder: &RunFolder, facts: &RunMeta, known: &Breaches, pending: &[&Breach]) -> CliError {
    let approvals = known.approvals().len();
    let digest = release_digest(facts, approvals, pending.iter().copied());
    let mut problem = CliError::new(
        exit::HELD,
        format!(
            "run {} is held: nothing is sent until a person releases it",
            folder.run()
        ),
    );
    problem.causes = pending
        .iter()
        .map(|breach| report::breach(breach))
        .collect();
    problem.hint(format!(
        "if the list is right, this releases it in this environment and no other:\n  {}",
        report::release_command(folder, &digest)
    ))
}
