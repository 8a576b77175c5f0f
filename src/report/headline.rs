//! The verdict on a run: what a reader has to know first, and what to do
//! next.

use std::path::Path;

use super::{Summary, Verification};
use crate::api::Environment;
use crate::journal::State;
use crate::report::format::{
    count, ids, ids_are, ids_were, moment, number, place, shortfall, visible,
};
use crate::report::report_model::{NextStep, Tone};

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
fn is_practice(summary: &Summary) -> bool {
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

pub(super) fn next(kind: HeadlineKind, summary: &Summary, folder: &Path) -> Vec<NextStep> {
    let command = |verb: &str| command(verb, &summary.run, folder);
    let step = |what: String, why: &str| NextStep {
        what,
        why: why.to_owned(),
    };
    let file = |name: &str, why: &str| step(quoted(&folder.join(name)), why);
    let mut steps = Vec::new();
    if kind == HeadlineKind::Running {
        steps.push(step(command("report"), "looks again"));
        return steps;
    }
    let verified = summary.verification.as_ref();
    if verified.is_some_and(|found| !found.is_clean() && found.read() > 0) {
        steps.push(file(
            super::VERIFICATION_CSV,
            "what was found, ID by ID; * is not revoked, - absent, ! unreadable",
        ));
    }
    if kind == HeadlineKind::Mismatch && summary.accepted_in_vain() > 0 {
        steps.push(file(
            super::RESULTS_CSV,
            "the rows with the reason verification_mismatch, or verified as active",
        ));
    }
    if let Some(digest) = &summary.approve {
        steps.push(step(
            format!("{} --approve {digest}", command("resume")),
            "releases this list, here and nowhere else, once a person has looked at it; if it is \
             the wrong one, leave it: nothing is sent",
        ));
    } else if !summary.finished || kind == HeadlineKind::Unfinished {
        let later = summary
            .resume_at
            .map(|at| format!("continues; not before {}", moment(at)));
        let why = match summary.outcome.as_str() {
            "deferred" if let Some(later) = &later => later,
            "unauthorized" => "continues, once the token is valid",
            "stopped" | "error" => "continues, once the cause is fixed",
            _ if summary.finished => "sends nothing, writes all files again and records the end",
            _ if summary.to_send(false) == 0 && summary.accepted_in_vain() > 0 => {
                "reads again what was accepted and is still active; sends nothing"
            }
            _ => "settles what is open and continues; nothing settled is sent again",
        };
        steps.push(step(command("resume"), why));
        if summary.accepted_in_vain() > 0 {
            steps.push(step(
                format!("{} --resend-mismatched", command("resume")),
                "sends again what was accepted and is still active; it may have been granted anew, \
                 so find out why first",
            ));
        }
    }
    let lost = summary.ids.of(State::Refused) + summary.ids.of(State::Missing);
    if summary.finished && summary.not_revoked() > 0 {
        steps.push(file(
            super::REMAINING_CSV,
            "the IDs not revoked and why; a list for a new run",
        ));
    } else if lost > 0 {
        steps.push(file(
            super::REMAINING_CSV,
            "the IDs not revoked so far and why",
        ));
    }
    if summary.rows.invalid > 0 {
        steps.push(file(
            super::REJECTED_CSV,
            "the rows that hold no valid ID and why",
        ));
    }
    if kind == HeadlineKind::Empty {
        steps.push(step(
            command("report"),
            "shows this again; look at what makes the list",
        ));
    }
    if steps.is_empty() {
        let left = if is_practice(summary) {
            "shows this again; the list is still to be run in a real environment"
        } else {
            "shows this again; there is nothing left to do"
        };
        steps.push(step(command("report"), left));
    }
    steps
}

/// What to type to have something done with the run in `folder`.
pub(super) fn command(verb: &str, run: &str, folder: &Path) -> String {
    let mut command = format!("rescind {verb} {run}");
    let runs = folder.parent().unwrap_or(folder);
    if runs != Path::new("runs") {
        command.push_str(" --runs-dir ");
        command.push_str(&quoted(runs));
    }
    command
}

/// A path as a shell takes it, and a terminal too.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    // It must not be taken for an option.
    let path = if path.starts_with('-') {
        format!("./{path}")
    } else {
        path.into_owned()
    };
    let path = visible(&path);
    shlex::try_quote(&path).map_or_else(|_| path.clone().into_owned(), std::borrow::Cow::into_owned)
}
