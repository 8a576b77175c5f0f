//! What happened, told piece by piece: the outcomes with the server's own
//! words, the processes, the tries, and the divided batches down to the ID.

use std::slice;

use jiff::Timestamp;

use super::activity::Activity;
use super::bar::{Coord, share};
use super::extract::{BatchExtract, Extract};
use crate::journal::{ProcessRow, State};
use crate::report::format::{count, duration, ids, meaning, number, seconds, visible};
use crate::report::{Summary, WaitTotals, text};

/// The IDs of one state and reason.
pub(super) struct OutcomeView {
    pub(super) look: &'static str,
    pub(super) state: String,
    pub(super) number: String,
    pub(super) meaning: String,
    pub(super) reason: String,
    pub(super) batches: String,
    pub(super) samples: String,
    /// The words that were said, and of how many IDs.
    pub(super) told: Vec<(String, String)>,
    pub(super) others: Option<String>,
}

pub(super) fn outcomes(summary: &Summary, extract: &Extract) -> Vec<OutcomeView> {
    let outcomes = summary.outcomes.iter();
    outcomes
        .map(|figures| {
            let wordings = extract.wordings(figures.state, &figures.reason);
            let more = if figures.ids > figures.samples.len() as u64 {
                ", …"
            } else {
                ""
            };
            OutcomeView {
                look: look(figures.state, &figures.reason),
                state: words(figures.state),
                number: number(figures.ids),
                meaning: meaning(figures.state, &figures.reason).into_owned(),
                reason: figures.reason.clone(),
                batches: count(figures.batches, "batch", "batches"),
                samples: format!("{}{more}", text::joined(&figures.samples)),
                told: wordings
                    .told
                    .into_iter()
                    .map(|(words, n)| (words, ids(n)))
                    .collect(),
                others: (wordings.others > 0).then(|| ids(wordings.others)),
            }
        })
        .collect()
}

/// How a state is drawn; an unread `ok:true` is not drawn as proof.
pub(super) fn look(state: State, reason: &str) -> &'static str {
    match state {
        State::Revoked if reason == "unverified" => "unverified",
        state => state.word(),
    }
}

/// A state in words.
pub(super) fn words(state: State) -> String {
    state.word().replace('_', " ")
}

/// A process that ran or resumed the run.
pub(super) struct ProcessView {
    pub(super) name: String,
    pub(super) started: String,
    pub(super) lasted: String,
    pub(super) outcome: String,
    pub(super) explanation: String,
    pub(super) calls: String,
    pub(super) waited: String,
    /// The waits that stopped every call.
    pub(super) holds: Vec<String>,
}

pub(super) fn stints(activity: &Activity, running: bool) -> Vec<ProcessView> {
    let last = activity.stints.len();
    let numbered = (activity.left_out + 1..).zip(&activity.stints);
    numbered
        .map(|(n, stint)| {
            let process = &stint.process;
            let outcome = match (&process.outcome, process.exit_code) {
                (Some(word), Some(code)) => format!("{}, exit code {code}", visible(word)),
                (Some(word), None) => visible(word).into_owned(),
                (None, _) if running && n == activity.left_out + last => "running".to_owned(),
                (None, _) => "ended without a word".to_owned(),
            };
            let waits = WaitTotals::of(slice::from_ref(process))
                .by_cause()
                .into_iter();
            let waits: Vec<String> = waits
                .filter(|wait| wait.seconds > 0.0)
                .map(|wait| format!("{} {}", duration(wait.seconds), wait.cause))
                .collect();
            ProcessView {
                name: process_name(n, process),
                started: time(process.started),
                lasted: duration(seconds(process.started, stint.end)),
                outcome,
                explanation: visible(&process.explanation).into_owned(),
                calls: number(stint.calls),
                waited: waits.join(", "),
                holds: stint.holds.iter().map(hold).collect(),
            }
        })
        .collect()
}

/// A time in a table, which says that all are UTC.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

fn hold(hold: &crate::journal::HoldRow) -> String {
    let until = if day(hold.began) == day(hold.until) {
        hold.until.strftime("%H:%M:%S").to_string()
    } else {
        time(hold.until)
    };
    format!(
        "{}: {} to {until}",
        visible(&hold.in_words()),
        time(hold.began)
    )
}

/// The batches that were sent so many times.
pub(super) struct Tries {
    pub(super) words: String,
    pub(super) batches: String,
    pub(super) share: String,
    pub(super) width: Coord,
}

/// Each number of tries up to nine, and all above it together.
pub(super) fn tries(extract: &Extract) -> Vec<Tries> {
    let mut by_tries = std::collections::BTreeMap::new();
    for (tries, batches) in &extract.attempts {
        *by_tries.entry((*tries).min(10)).or_insert(0) += batches;
    }
    let most = by_tries.values().copied().max().unwrap_or(1);
    by_tries
        .into_iter()
        .map(|(tries, batches)| Tries {
            words: match tries {
                0 => "never sent".to_owned(),
                1 => "sent once".to_owned(),
                2 => "sent twice".to_owned(),
                10 => "ten times or more".to_owned(),
                tries => format!("{tries} times"),
            },
            batches: number(batches),
            share: share(batches, extract.batches),
            #[expect(clippy::cast_precision_loss, reason = "a length for the eye")]
            width: Coord((batches as f64 * 100.0 / most as f64).max(0.5)),
        })
        .collect()
}

/// A divided batch.
pub(super) struct Divided {
    pub(super) path: String,
    pub(super) words: String,
    /// Its parts, those that were divided again included.
    pub(super) parts: Vec<PartLine>,
}

/// A part of a divided batch.
pub(super) struct PartLine {
    /// How deep it lies, from 1.
    pub(super) depth: usize,
    pub(super) path: String,
    /// How it is drawn; empty for one that was divided again.
    pub(super) look: &'static str,
    pub(super) state: String,
    pub(super) ids: String,
    /// The IDs, if they are few.
    pub(super) samples: String,
    pub(super) message: String,
}

/// No drawing goes deeper.
const DEPTH: usize = 12;

pub(super) fn divided(extract: &Extract) -> Vec<Divided> {
    extract
        .divided
        .iter()
        .map(|parts| Divided::of(parts))
        .collect()
}

impl Divided {
    fn of(parts: &[BatchExtract]) -> Self {
        let mut lines = Vec::new();
        let mut above = Vec::new();
        for part in parts {
            let steps: Vec<&str> = part.path.split('.').collect();
            for depth in 1..steps.len() - 1 {
                let path = steps[..=depth].join(".");
                if !above.contains(&path) {
                    lines.push(PartLine::divided(depth, &path, parts));
                    above.push(path);
                }
            }
            lines.push(PartLine::of(steps.len() - 1, part));
        }
        let total: u64 = parts.iter().map(|part| part.size).sum();
        let by_state = State::SHOWN.into_iter().filter_map(|state| {
            let here = parts.iter().filter(|part| part.state == state);
            let n: u64 = here.map(|part| part.size).sum();
            (n > 0).then(|| format!("{} {}", number(n), words(state)))
        });
        let by_state: Vec<String> = by_state.collect();
        Self {
            path: parts
                .first()
                .and_then(|part| part.path.split('.').next())
                .unwrap_or_default()
                .to_owned(),
            words: format!("{} = {}", ids(total), by_state.join(" + ")),
            parts: lines,
        }
    }
}

impl PartLine {
    fn of(depth: usize, part: &BatchExtract) -> Self {
        let few: Vec<i64> = part.ids.iter().map(|(id, _)| *id).collect();
        Self {
            depth: depth.clamp(1, DEPTH),
            path: part.path.clone(),
            look: look(part.state, &part.reason),
            state: words(part.state),
            ids: ids(part.size),
            samples: if part.size > few.len() as u64 || part.size > 3 {
                String::new()
            } else {
                text::joined(&few)
            },
            message: part.message.clone(),
        }
    }

    fn divided(depth: usize, path: &str, parts: &[BatchExtract]) -> Self {
        let within = |part: &&BatchExtract| {
            let rest = part.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        Self {
            depth: depth.clamp(1, DEPTH),
            path: path.to_owned(),
            look: "",
            state: "divided".to_owned(),
            ids: ids(parts.iter().filter(within).map(|part| part.size).sum()),
            samples: String::new(),
            message: String::new(),
        }
    }
}

/// How one process is told apart from the others.
pub(super) fn process_name(n: usize, process: &ProcessRow) -> String {
    format!("{n} {}", crate::report::format::visible(&process.command))
}
