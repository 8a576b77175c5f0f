//! What there is to say about a run, before it is laid out: the verdict, the
//! accounting in words, and what to do next.

use std::path::Path;

use super::Summary;
use super::phrase::{
    count, duration, ids, ids_are, moment, number, place, seconds, shortfall, visible,
};
use crate::journal::{RunFolder, State};

/// How urgent it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    Wary,
    Bad,
}

/// What to type or to look at next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// A command or a file.
    pub(super) what: String,
    /// What that does.
    pub(super) why: String,
}

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
    pub(super) next: Vec<Step>,
}

impl Review {
    pub(super) fn of(summary: &Summary, folder: &RunFolder) -> Self {
        let kind = Kind::of(summary);
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

/// What a reader has to tell apart first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Complete,
    /// Every ID is revoked, but rows of the list named none.
    RowsLeftOut,
    Partial,
    Mismatch,
    Empty,
    Running,
    Unfinished,
}

impl Kind {
    fn of(summary: &Summary) -> Self {
        match summary.outcome.as_str() {
            "running" => Self::Running,
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

    fn tone(self) -> Tone {
        match self {
            Self::Complete => Tone::Good,
            Self::RowsLeftOut | Self::Partial | Self::Running | Self::Empty => Tone::Wary,
            Self::Mismatch | Self::Unfinished => Tone::Bad,
        }
    }
}

fn headline(kind: Kind, summary: &Summary) -> String {
    let place = place(&summary.environment, &summary.base_url);
    let all = summary.rows.distinct;
    let invalid = count(summary.rows.invalid, "row was invalid", "rows were invalid");
    match kind {
        Kind::Complete if all == 1 => format!("DONE {place}: the one ID is revoked."),
        Kind::Complete => format!("DONE {place}: all {} are revoked.", ids(all)),
        Kind::RowsLeftOut if all == 0 => {
            format!("NOTHING REVOKED {place}: the list names no ID; {invalid}.")
        }
        Kind::RowsLeftOut => {
            format!(
                "ROWS LEFT OUT {place}: {} revoked, but {invalid}.",
                ids_are(all)
            )
        }
        Kind::Partial if summary.not_revoked() == 0 => {
            format!(
                "NOT ALL READ BACK {place}: {} still to be read.",
                ids_are(summary.owed)
            )
        }
        Kind::Partial => {
            let missed = summary.not_revoked();
            format!(
                "NOT ALL REVOKED {place}: {} of {} not revoked.",
                number(missed),
                ids_are(all)
            )
        }
        Kind::Mismatch => format!(
            "MISMATCH {place}: {} accepted, yet not shown as revoked.",
            count(summary.mismatches, "ID was", "IDs were")
        ),
        Kind::Empty => format!("EMPTY LIST {place}: there was nothing to revoke."),
        Kind::Running => format!(
            "STILL RUNNING {place}: {} of {} revoked so far.",
            number(summary.ids.of(State::Revoked)),
            ids_are(all)
        ),
        Kind::Unfinished if summary.open() > 0 => format!(
            "NOT FINISHED {place}: {} of {} open.",
            number(summary.open()),
            ids_are(all)
        ),
        Kind::Unfinished if summary.owed > 0 => format!(
            "NOT FINISHED {place}: {} still to be read back.",
            ids_are(summary.owed)
        ),
        Kind::Unfinished => {
            format!("NOT CLOSED {place}: every ID is settled, the run did not end.")
        }
    }
}

fn answers(kind: Kind, summary: &Summary) -> Vec<String> {
    let (unread, short) = (summary.unread, shortfalls(summary));
    let mut answers = vec![match kind {
        Kind::Complete if unread == 0 => "Safe to forget? Yes.".to_owned(),
        Kind::Complete => format!(
            "Safe to forget? Yes, if the API's ok:true is enough for you: {} not read back.",
            ids_were(unread)
        ),
        Kind::Empty => "Safe to forget? Only if an empty list was expected.".to_owned(),
        Kind::Running => "Safe to forget? Not yet.".to_owned(),
        Kind::Mismatch if short.is_empty() => {
            "Safe to forget? No, a person has to find out why.".to_owned()
        }
        Kind::Mismatch => format!("Safe to forget? No, a person has to find out why: {short}."),
        Kind::Unfinished if short.is_empty() => {
            "Safe to forget? Nearly: only its end is not recorded.".to_owned()
        }
        Kind::RowsLeftOut | Kind::Partial | Kind::Unfinished => {
            format!("Safe to forget? No: {short}.")
        }
    }];
    if summary.environment == "sandbox" {
        answers.push("This was the sandbox: nothing real was revoked.".to_owned());
    }
    answers.extend(why(summary).map(str::to_owned));
    if !summary.explanation.is_empty() {
        answers.push(format!("It says: {}", summary.explanation));
    }
    answers
}

fn ids_were(n: u64) -> String {
    count(n, "ID was", "IDs were")
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
        ("held", _) => "It is held by a cap, or because it is old: a person has to decide.",
        ("unauthorized", _) => "It was stopped because the token or log-in was refused.",
        _ => return None,
    })
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
            format!("{} at {}", summary.environment, summary.base_url),
        ),
        ("List", format!("{input}, column {}", summary.input.column)),
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
    if !summary.note.is_empty() {
        facts.push(("Note", summary.note.clone()));
    }
    facts
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
    let waits = [
        (summary.waited.rate, "for the pace"),
        (summary.waited.retry, "between tries"),
        (summary.waited.penalty, "for penalties"),
        (summary.waited.lockout, "for lockouts"),
    ];
    let waits: Vec<String> = waits
        .into_iter()
        .filter(|(seconds, _)| *seconds > 0.0)
        .map(|(seconds, cause)| format!("{} {cause}", duration(seconds)))
        .collect();
    work.push(if waits.is_empty() {
        "waited for nothing".to_owned()
    } else {
        format!("waited {}", waits.join(", "))
    });
    let notable = [
        (
            summary.recovered,
            "batch was revoked after more than one try",
            "batches were revoked after more than one try",
        ),
        (
            summary.divided,
            "batch was divided, because its IDs parted ways",
            "batches were divided, because their IDs parted ways",
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
    let unread = revoked - summary.read_back;
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
        if unread > 0 {
            proof.push(format!(
                "for {} revoked here means ok:true, not read back{setting}",
                ids(unread)
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

fn next(kind: Kind, summary: &Summary, folder: &Path) -> Vec<Step> {
    let command = |verb: &str| {
        let mut command = format!("rescind {verb} {}", summary.run);
        let runs = folder.parent().unwrap_or(folder);
        if runs != Path::new("runs") {
            command.push_str(" --runs-dir ");
            command.push_str(&quoted(runs));
        }
        command
    };
    let step = |what: String, why: &str| Step {
        what,
        why: why.to_owned(),
    };
    let file = |name: &str, why: &str| step(quoted(&folder.join(name)), why);
    let mut steps = Vec::new();
    if kind == Kind::Running {
        steps.push(step(command("report"), "looks again"));
        return steps;
    }
    if kind == Kind::Mismatch {
        steps.push(file(
            super::RESULTS_CSV,
            "the rows with the reason verification_mismatch, or verified as active",
        ));
    }
    if !summary.finished || kind == Kind::Unfinished {
        let why = match summary.outcome.as_str() {
            "unauthorized" => "carries on, once the token is good",
            "stopped" | "error" => "carries on, once the cause is mended",
            "held" => "carries on, once a person has looked at it",
            _ if summary.finished => "sends nothing, writes all files again and records the end",
            _ => "settles what is open and carries on; nothing settled is sent again",
        };
        steps.push(step(command("resume"), why));
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
    if kind == Kind::Empty {
        steps.push(step(
            command("report"),
            "shows this again; look at what makes the list",
        ));
    }
    if steps.is_empty() {
        steps.push(step(
            command("report"),
            "shows this again; there is nothing left to do",
        ));
    }
    steps
}

/// A path as a shell takes it, and a terminal too.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = visible(&path);
    shlex::try_quote(&path).map_or_else(|_| path.clone().into_owned(), std::borrow::Cow::into_owned)
}
