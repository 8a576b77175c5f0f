//! When a run will end: how many calls it needs, and what stands in their way.

use std::time::Duration;

use jiff::Timestamp;
use rescind::journal::{JournalReader, State, Tally};
use rescind::report;
use rescind::sweep::{self, Estimate, EstimateInput, Past, Policy, Verify, Workload};

use crate::cli::error::CliError;
use crate::cli::session::{SessionTask, broken};

/// A run that takes less is over before anybody wants to know.
const WORTH_A_WORD: Duration = Duration::from_mins(1);

/// How long so many calls will take.
pub(super) fn estimate(
    calls: u64,
    policy: &Policy,
    now: Timestamp,
    past: &Past,
) -> Option<Estimate> {
    let outlook = EstimateInput {
        now,
        rate: &policy.rate,
        used: &past.calls,
        hold: past.hold.as_ref().map_or(Duration::ZERO, |hold| hold.left),
        timetable: &policy.timetable,
        takes: policy.timeout,
    };
    sweep::estimate(calls, &outlook)
}

/// How many calls there are to be made, if all goes well.
pub(super) fn calls(
    task: &SessionTask<'_>,
    policy: &Policy,
    tally: &Tally,
) -> Result<u64, CliError> {
    let read_size = policy.read_size as u64;
    if task.only_reads() {
        return Ok(tally.total().div_ceil(read_size));
    }
    let doubtful = tally.of(State::InFlight) + tally.of(State::Unknown);
    let workload = Workload {
        ids: tally.of(State::Pending) + tally.of(State::Exhausted) + doubtful,
        batch_size: task.facts.batch_size,
        read_size,
        verify: policy.verify,
        read_first: policy.read_first,
    };
    let owed = JournalReader::open(&task.folder.journal())
        .and_then(|archive| archive.owed())
        .map_err(|error| broken(&error))?;
    let settling = match policy.verify {
        Verify::Off => 0,
        Verify::All | Verify::Doubtful => doubtful.div_ceil(read_size) + owed.div_ceil(read_size),
    };
    Ok(workload.calls() + settling)
}

/// Says when the run will end, where that is not at once, and warns where it
/// does not fit.
pub(super) fn foretell(calls: u64, policy: &Policy, now: Timestamp, past: &Past) {
    let Some(estimate) = estimate(calls, policy, now, past) else {
        return;
    };
    if estimate.lasts().is_none_or(|lasts| lasts >= WORTH_A_WORD) {
        let words = report::forecast(&estimate, &policy.timetable.zone);
        tracing::info!("{words}; retries and further waits come on top");
    }
    if let Some(misfit) = report::misfit(&estimate) {
        tracing::warn!("{misfit}");
    }
}
