//! The verdict on a run: what a reader has to know first.

use super::{Summary, Verification};
use crate::api::Environment;
use crate::journal::State;
use crate::report::format::{count, ids, ids_are, ids_were, number, place, shortfall};
use crate::report::tone::Tone;

/// What a reader has to tell apart first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadlineKind {
    Complete,
    /// Every ID is revoked, but rows of the list named none.
    RowsLeftOut,
    Partial,
    Mismatch,
    Empty,
    Running,
    /// Guards hold it: no call is made.
    Held,
    Unfinished,
}

impl HeadlineKind {
    pub(super) fn of(summary: &Summary) -> Self {
        match summary.outcome.as_str() {
            "running" => Self::Running,
            _ if summary.approve.is_some() => Self::Held,
            // What a word claims is held against the figures.
            "complete" | "partial" if summary.not_revoked() > 0 || !summary.finished => {
                Self::Partial
            }
            "complete" | "partial" if summary.rows.invalid > 0 => Self::RowsLeftOut,
            "complete" | "partial" => Self::Complete,
            "mismatch" => Self::Mismatch,
            "empty" => Self::Empty,
            _ => Self::Unfinished,
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Complete => Tone::Good,
            Self::RowsLeftOut | Self::Partial | Self::Running | Self::Empty => Tone::Wary,
            Self::Mismatch | Self::Held | Self::Unfinished => Tone::Bad,
        }
    }
}

pub(super) fn headline(kind: HeadlineKind, summary: &Summary) -> String {
    let place = place(&summary.environment, &summary.base_url);
    let all = summary.rows.distinct;
    let invalid = count(summary.rows.invalid, "row was invalid", "rows were invalid");
    match kind {
        HeadlineKind::Complete if is_practice(summary) => {
            format!("PRACTISED {place}: {} revoked there.", ids_are(all))
        }
        HeadlineKind::Complete if all == 1 => format!("DONE {place}: the one ID is revoked."),
        HeadlineKind::Complete => format!("DONE {place}: all {} are revoked.", ids(all)),
        HeadlineKind::RowsLeftOut if all == 0 => {
            format!("NOTHING REVOKED {place}: the list names no ID; {invalid}.")
        }
        HeadlineKind::RowsLeftOut => {
            format!(
                "ROWS LEFT OUT {place}: {} revoked, but {invalid}.",
                ids_are(all)
            )
        }
        HeadlineKind::Partial if summary.not_revoked() == 0 => {
            format!(
                "NOT ALL READ BACK {place}: {} still to be read.",
                ids_are(summary.owed)
            )
        }
        HeadlineKind::Partial => missed(summary, &place),
        HeadlineKind::Mismatch if summary.lost == 1 => {
            format!("MISMATCH {place}: 1 ID counts as revoked, yet is not shown so.")
        }
        HeadlineKind::Mismatch if summary.lost > 0 => format!(
            "MISMATCH {place}: {} count as revoked, yet are not shown so.",
            ids(summary.lost)
        ),
        HeadlineKind::Mismatch if summary.accepted_in_vain() > 0 => format!(
            "MISMATCH {place}: {} accepted, yet not shown as revoked.",
            ids_were(summary.accepted_in_vain())
        ),
        HeadlineKind::Mismatch => format!(
            "MISMATCH {place}: {} not as claimed.",
            ids_are(summary.mismatches)
        ),
        HeadlineKind::Empty => format!("EMPTY LIST {place}: there was nothing to revoke."),
        HeadlineKind::Running if let Some(found) = being_verified(summary) => format!(
            "BEING VERIFIED {place}: {} of {} read so far.",
            number(found.read()),
            ids_are(all)
        ),
        HeadlineKind::Running => format!(
            "STILL RUNNING {place}: {} of {} revoked so far.",
            number(summary.ids.of(State::Revoked)),
            ids_are(all)
        ),
        HeadlineKind::Held => format!(
            "HELD {place}: nothing is sent until a person releases it; {} of {} open.",
            number(summary.open()),
            ids_are(all)
        ),
        HeadlineKind::Unfinished if summary.open() > 0 => format!(
            "NOT FINISHED {place}: {} of {} open.",
            number(summary.open()),
            ids_are(all)
        ),
        HeadlineKind::Unfinished if summary.owed > 0 => format!(
            "NOT FINISHED {place}: {} still to be read back.",
            ids_are(summary.owed)
        ),
        HeadlineKind::Unfinished if summary.not_revoked() > 0 => missed(summary, &place),
        HeadlineKind::Unfinished => {
            format!("NOT CLOSED {place}: all IDs are revoked, but the run was cut short.")
        }
    }
}

/// Whether the API was simulated, so that the list is still to be revoked
/// whatever came of it.
pub(super) fn is_practice(summary: &Summary) -> bool {
    summary.environment == Environment::Sandbox.name()
}

/// The verification that goes on.
fn being_verified(summary: &Summary) -> Option<&Verification> {
    let found = summary.verification.as_ref();
    found.filter(|found| found.outcome == "running")
}

fn missed(summary: &Summary, place: &str) -> String {
    format!(
        "NOT ALL REVOKED {place}: {} of {} not revoked.",
        number(summary.not_revoked()),
        ids_are(summary.rows.distinct)
    )
}

pub(super) fn answers(kind: HeadlineKind, summary: &Summary) -> Vec<String> {
    let (unread, mut short) = (summary.unread, shortfalls(summary));
    let bare = by_word_alone(summary);
    if let Some(bare) = &bare
        && !short.is_empty()
    {
        short = format!("{short}, {bare}");
    }
    let unreadable = summary.verification.as_ref().map_or(0, |v| v.unreadable);
    let mut answers = vec![match kind {
        _ if is_practice(summary) && short.is_empty() => "Safe to forget? No.".to_owned(),
        HeadlineKind::Complete if unreadable > 0 => format!(
            "Safe to forget? Not quite: {} not read by the last verification.",
            ids_were(unreadable)
        ),
        HeadlineKind::Complete if unread == 0 => "Safe to forget? Yes.".to_owned(),
        HeadlineKind::Complete => format!(
            "Safe to forget? Yes, if the API's ok:true is enough for you: {} not read back.",
            ids_were(unread)
        ),
        HeadlineKind::Empty => "Safe to forget? Only if an empty list was expected.".to_owned(),
        HeadlineKind::Running => "Safe to forget? Not yet.".to_owned(),
        HeadlineKind::Mismatch if short.is_empty() => {
            "Safe to forget? No, a person has to find out why.".to_owned()
        }
        HeadlineKind::Mismatch => {
            format!("Safe to forget? No, a person has to find out why: {short}.")
        }
        HeadlineKind::Unfinished if short.is_empty() => {
            "Safe to forget? Nearly: a resume sends nothing and closes it.".to_owned()
        }
        HeadlineKind::RowsLeftOut
        | HeadlineKind::Partial
        | HeadlineKind::Held
        | HeadlineKind::Unfinished => {
            format!("Safe to forget? No: {short}.")
        }
    }];
    if let Some(bare) = bare
        && short.is_empty()
        && matches!(kind, HeadlineKind::Mismatch | HeadlineKind::Unfinished)
    {
        answers.push(format!("Of the IDs, {bare}."));
    }
    if is_practice(summary) {
        answers.push("This was the sandbox: nothing real was revoked.".to_owned());
    }
    if summary.lost > 0 {
        answers.push(match summary.lost {
            1 => "It may have been granted anew: remaining.csv leaves it out, and nothing here \
                  revokes it again."
                .to_owned(),
            _ => "They may have been granted anew: remaining.csv leaves them out, and nothing \
                  here revokes them again."
                .to_owned(),
        });
    }
    if kind == HeadlineKind::Held {
        let pending = summary.breaches.iter().filter(|one| one.approved.is_none());
        answers.extend(pending.map(|breach| format!("Held by {}.", breach.what)));
        return answers;
    }
    answers.extend(why(summary).map(str::to_owned));
    if !summary.explanation.is_empty() {
        answers.push(format!("It says: {}", summary.explanation));
    }
    answers
}

/// All that keeps a run from being complete.
fn shortfalls(summary: &Summary) -> String {
    let mut all: Vec<String> = State::SHOWN
        .into_iter()
        .filter(|state| *state != State::Revoked && summary.ids.of(*state) > 0)
        .map(|state| shortfall(state, summary.ids.of(state)))
        .collect();
    if summary.owed > 0 {
        all.push(format!("{} still to be read back", number(summary.owed)));
    }
    if summary.rows.invalid > 0 {
        let rows = count(summary.rows.invalid, "row holds", "rows hold");
        all.push(format!("{rows} no valid ID"));
    }
    all.join(", ")
}

/// The IDs that count as revoked by the API's first word, which nobody is to
/// read any more. Those that are still to be read are a shortfall.
fn by_word_alone(summary: &Summary) -> Option<String> {
    (summary.owed == 0 && summary.unread > 0).then(|| {
        let unread = number(summary.unread);
        format!("{unread} revoked by ok:true alone and not read back")
    })
}

/// Why the last process ended before it was done, as far as its word says.
fn why(summary: &Summary) -> Option<&'static str> {
    Some(match (summary.outcome.as_str(), summary.exit_code) {
        ("interrupted", None) => {
            "The process ended without a word: it was killed, or the power was cut."
        }
        ("interrupted", Some(129)) => "It was interrupted by SIGHUP.",
        ("interrupted", Some(130)) => "It was interrupted by SIGINT (Ctrl-C).",
        ("interrupted", Some(143)) => "It was interrupted by SIGTERM.",
        ("interrupted", _) => "It was interrupted by a signal.",
        ("error", _) => "It was stopped by an internal error, or the journal could not be written.",
        ("deferred", _) => "It was stopped by a wait that does not fit.",
        ("stopped", _) => "It was stopped by the first batch or the breaker.",
        ("held", _) => "It was held, and a person has released it since.",
        ("unauthorized", _) => "It was stopped because the token or log-in was refused.",
        _ => return None,
    })
}
