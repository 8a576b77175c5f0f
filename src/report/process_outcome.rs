//! How a run and each of its processes ended, in a word and a code.

use super::format::visible;
use super::outcome::Outcome;
use crate::journal::ProcessRow;

/// The command of a process that verifies.
pub(super) const VERIFY: &str = "verify";

/// The last process that carried the run out, and did not only verify it.
pub(super) fn last_carried(processes: &[ProcessRow]) -> Option<&ProcessRow> {
    processes.iter().rfind(|process| process.command != VERIFY)
}

/// A run's word and code: those of the last process that carried it out. A
/// verification that came after it may have settled what was open, or found
/// that things are not as they were left: then `settled` counts, how a
/// finished run ends that is left so.
pub(super) fn how_it_ended(
    processes: &[ProcessRow],
    live: bool,
    settled: Option<Outcome>,
) -> (String, Option<u8>) {
    let verified = processes.last().filter(|last| last.command == VERIFY);
    let ended = verified.is_some_and(|last| last.ended.is_some());
    match settled {
        _ if live && !ended => how_a_process_ended(processes.last(), live),
        Some(outcome) if verified.is_some() && !matches!(outcome, Outcome::Empty { .. }) => {
            (outcome.word().to_owned(), Some(outcome.code()))
        }
        _ => how_a_process_ended(last_carried(processes), false),
    }
}

/// Whether the last process has recorded its end, and the run's word is the
/// one of a finished run that is left so, if it is finished.
pub(super) fn is_concluded(
    processes: &[ProcessRow],
    outcome: &str,
    settled: Option<Outcome>,
) -> bool {
    let ended = processes.last().is_some_and(|last| last.ended.is_some());
    ended && settled.is_some_and(|settled| settled.word() == outcome)
}

/// A process's word and code. One that has not ended goes on if the run is
/// `live`, and was cut off otherwise.
pub(super) fn how_a_process_ended(last: Option<&ProcessRow>, live: bool) -> (String, Option<u8>) {
    match last {
        Some(process) if process.ended.is_some() => {
            let word = process.outcome.as_deref().unwrap_or("interrupted");
            (visible(word).into_owned(), process.exit_code)
        }
        _ if live => ("running".to_owned(), None),
        _ => ("interrupted".to_owned(), None),
    }
}

/// How often a run was resumed.
pub(super) fn resumes(processes: &[ProcessRow]) -> u64 {
    let resumes = processes.iter();
    resumes
        .filter(|process| process.command == "resume")
        .count() as u64
}

/// The setting `verify` of a process.
pub(super) fn verify_of(process: &ProcessRow) -> Option<String> {
    let settings: serde_json::Value = serde_json::from_str(&process.settings).ok()?;
    let word = settings.get("verify")?.as_str()?;
    Some(visible(word).into_owned())
}
