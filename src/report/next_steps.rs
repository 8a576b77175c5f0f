//! What to do next with a run.

use std::path::Path;

use super::Summary;
use crate::journal::State;
use crate::report::format::moment;
use crate::report::headline::{HeadlineKind, is_practice};
use crate::report::shell_command::{command, quoted};

/// What to type or to look at next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NextStep {
    /// A command or a file.
    pub(super) what: String,
    /// What that does.
    pub(super) why: String,
}

/// What a person can do with the run in `folder`, the most useful first.
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
