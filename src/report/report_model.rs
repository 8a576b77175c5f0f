//! What there is to say about a run, before it is laid out: the verdict, the
//! accounting in words, what "revoked" rests on, and what to do next.

use super::Summary;
use crate::journal::{RunFolder, State};
use crate::report::approvals::ApprovalFigures;
use crate::report::format::{
    column, count, duration, ids, ids_are, ids_were, moment, number, seconds,
};
use crate::report::headline::{HeadlineKind, answers, headline};
use crate::report::next_steps::{NextStep, next};
use crate::report::tone::Tone;

/// A run in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Review {
    pub(super) tone: Tone,
    /// The verdict, with the environment.
    pub(super) headline: String,
    /// Whether the run can be forgotten, and why it ended as it did.
    pub(super) answers: Vec<String>,
    /// Who, where, when.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The identities.
    pub(super) accounting: [String; 2],
    /// Calls, waits, retries.
    pub(super) work: Vec<String>,
    /// What "revoked" rests on.
    pub(super) proof: Vec<String>,
    pub(super) next: Vec<NextStep>,
}

impl Review {
    pub(super) fn of(summary: &Summary, folder: &RunFolder) -> Self {
        let kind = HeadlineKind::of(summary);
        Self {
            tone: kind.tone(),
            headline: headline(kind, summary),
            answers: answers(kind, summary),
            facts: facts(summary),
            accounting: accounting(summary),
            work: work(summary),
            proof: proof(summary),
            next: next(kind, summary, folder.path()),
        }
    }
}

fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let code = summary.exit_code.map(|code| format!(", exit code {code}"));
    let program = match summary.version.as_str() {
        "" => String::new(),
        version => format!(", rescind {version}"),
    };
    let input = match summary.input.path.as_str() {
        "-" => "standard input",
        path => path,
    };
    let who = match (summary.operator.as_str(), summary.host.as_str()) {
        ("", _) => String::new(),
        (operator, host) => format!(", by {operator} on {host}"),
    };
    let mut facts = vec![
        ("Run", format!("{}{program}", summary.run)),
        (
            "Target",
            match (summary.environment.as_str(), summary.base_url.as_str()) {
                ("sandbox", _) => "sandbox, inside the process".to_owned(),
                (environment, url) => format!("{environment} at {url}"),
            },
        ),
        (
            "List",
            format!("{input}, {}", column(&summary.input.column)),
        ),
        ("Started", format!("{}{who}", moment(summary.started_at))),
        (
            "Ended",
            match summary.finished_at {
                Some(at) => {
                    let took = duration(seconds(summary.started_at, at));
                    format!("{}, after {took}", moment(at))
                }
                None if summary.outcome == "running" => "not yet".to_owned(),
                None => "not recorded".to_owned(),
            },
        ),
        (
            "Outcome",
            format!("{}{}", summary.outcome, code.unwrap_or_default()),
        ),
    ];
    if let Some(found) = &summary.verification {
        let code = found.exit_code.map(|code| format!(", exit code {code}"));
        facts.push((
            "Verified",
            format!(
                "{}: {}; {}{}",
                moment(found.started_at),
                found.words(),
                found.outcome,
                code.unwrap_or_default()
            ),
        ));
        if !found.explanation.is_empty() {
            facts.push(("", found.explanation.clone()));
        }
    }
    if !summary.note.is_empty() {
        facts.push(("Note", summary.note.clone()));
    }
    facts.extend(
        approvals(summary)
            .into_iter()
            .map(|approval| ("Approved", approval)),
    );
    facts
}

/// Who released the run from which guards.
fn approvals(summary: &Summary) -> Vec<String> {
    let mut approvals: Vec<(&ApprovalFigures, Vec<&str>)> = Vec::new();
    for breach in &summary.breaches {
        let Some(approval) = &breach.approved else {
            continue;
        };
        match approvals.iter_mut().find(|(known, _)| *known == approval) {
            Some((_, guards)) => guards.push(&breach.guard),
            None => approvals.push((approval, vec![&breach.guard])),
        }
    }
    approvals
        .into_iter()
        .map(|(approval, mut guards)| {
            guards.dedup();
            format!(
                "{}, in spite of {}, by {} on {}",
                moment(approval.at),
                guards.join(" and "),
                approval.operator,
                approval.host
            )
        })
        .collect()
}

fn accounting(summary: &Summary) -> [String; 2] {
    let rows = summary.rows;
    let states: Vec<String> = State::SHOWN
        .into_iter()
        .filter(|state| *state == State::Revoked || summary.ids.of(*state) > 0)
        .map(|state| {
            let word = state.word().replace('_', " ");
            format!("{} {word}", number(summary.ids.of(state)))
        })
        .collect();
    [
        format!(
            "{} = {} distinct + {} + {} invalid",
            count(rows.total, "row", "rows"),
            number(rows.distinct),
            count(rows.duplicate, "duplicate", "duplicates"),
            number(rows.invalid),
        ),
        format!("{} = {}", ids(rows.distinct), states.join(" + ")),
    ]
}

fn work(summary: &Summary) -> Vec<String> {
    let requests = summary.requests;
    let calls = requests.revoke + requests.read + requests.auth;
    let mut work = vec![format!(
        "{} = {} + {} + {}, for {}",
        count(calls, "call", "calls"),
        count(requests.revoke, "revocation", "revocations"),
        count(requests.read, "read", "reads"),
        count(requests.auth, "log-in or renewal", "log-ins or renewals"),
        count(summary.batches, "batch", "batches"),
    )];
    let waits: Vec<String> = summary
        .waited
        .by_cause()
        .into_iter()
        .filter(|wait| wait.seconds > 0.0)
        .map(|wait| format!("{} {}", duration(wait.seconds), wait.cause))
        .collect();
    work.push(if waits.is_empty() {
        "waited for nothing".to_owned()
    } else {
        format!("waited {}", waits.join(", "))
    });
    let notable = [
        (
            summary.recovered,
            "batch or part was revoked after more than one try",
            "batches and parts were revoked after more than one try",
        ),
        (
            summary.divided,
            "batch was divided, because its IDs ended in different states; under Outcomes each part counts as a batch",
            "batches were divided, because their IDs ended in different states; under Outcomes each part counts as a batch",
        ),
    ];
    for (n, one, several) in notable {
        if n > 0 {
            work.push(count(n, one, several));
        }
    }
    match summary.resumes {
        0 => {}
        1 => work.push("resumed once".to_owned()),
        n => work.push(format!("resumed {} times", number(n))),
    }
    work
}

fn proof(summary: &Summary) -> Vec<String> {
    let revoked = summary.ids.of(State::Revoked);
    let setting = match &summary.verify {
        Some(verify) if verify != "all" => format!(" (--verify {verify})"),
        _ => String::new(),
    };
    let mut proof = Vec::new();
    if revoked == 0 {
        proof.push("no ID is revoked, so there was none to read back".to_owned());
    } else if summary.read_back == revoked {
        proof.push(match revoked {
            1 => "the revoked ID was read back and is shown as Revoked".to_owned(),
            n => format!(
                "all {} revoked IDs were read back and are shown as Revoked",
                number(n)
            ),
        });
    } else {
        if summary.read_back > 0 {
            proof.push(format!(
                "{} of {} revoked were read back and shown as Revoked",
                number(summary.read_back),
                ids(revoked)
            ));
        }
        if summary.unread > 0 {
            proof.push(format!(
                "for {} revoked here means ok:true, not read back{setting}",
                ids(summary.unread)
            ));
        }
    }
    if summary.owed > 0 {
        proof.push(format!("{} still to be read back", ids_are(summary.owed)));
    }
    if summary.mismatches > 0 {
        proof.push(format!(
            "{} found not to be revoked",
            ids_were(summary.mismatches)
        ));
    }
    proof
}
