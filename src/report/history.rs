//! The nights in a row, and which of them need a look.

use super::ReportError;
use super::runs::{Listed, RunStatus, list};
use super::search::UnreadableRun;
use crate::address::server;
use crate::journal::{RunsDir, State};
use crate::report::format::chain;
use crate::report::format::{count, duration, ids_are, number};
use crate::report::shell_command::command;
use crate::report::tone::Tone;
use crate::sweep::{GROWTH_FROM, GROWTH_RUNS};

/// What is usual is the median of at least so many earlier nights, and of at
/// most [`GROWTH_RUNS`], as for `--max-growth`.
const LEAST_EARLIER: usize = 3;

/// So many times more, or less, than usual is unusual.
const UNUSUAL: f64 = 2.0;

/// A share of IDs that are not revoked from which a night is a bad one: what
/// `--max-invalid` grants a list.
const FAILURES: f64 = 0.05;

/// A share of the time at work that is lost to waits from which a night needs
/// a look.
const LOST: f64 = 0.25;

/// Less than so many seconds are not worth a word.
const WORTH_A_WORD: f64 = 60.0;

/// Where the nights are to have gone; empty parts restrict nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restriction {
    /// The environment's name.
    pub environment: Option<String>,
    /// The base URL.
    pub base_url: Option<String>,
}

/// The nights in a row, newest first.
#[derive(Debug)]
pub struct History {
    /// What was asked for.
    pub restriction: Restriction,
    /// The nights: a run each.
    pub nights: Vec<HistoryRow>,
    /// Runs that cannot be read.
    pub unreadable: Vec<UnreadableRun>,
}

/// A run among others.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryRow {
    /// The run's ID.
    pub run: String,
    /// Where it stands.
    pub standing: RunStatus,
    /// Why somebody should look at it; empty if nobody needs to.
    pub remarks: Vec<HistoryWarning>,
}

/// Why a night needs a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryWarning {
    /// How urgent it is.
    pub(super) tone: Tone,
    /// What is the matter, in words.
    pub words: String,
    /// What to type, where that is known.
    pub command: Option<String>,
}

impl History {
    /// The nights of the runs folder.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn of(runs: &RunsDir, restriction: Restriction) -> Result<Self, ReportError> {
        let mut nights: Vec<HistoryRow> = Vec::new();
        let mut unreadable = Vec::new();
        // Oldest first: each is compared with those before it.
        for Listed { folder, standing } in list(runs)?.into_iter().rev() {
            let run = folder.run().to_string();
            match standing {
                Ok(standing) if restriction.admits(&standing) => {
                    let type_in = |verb: &str| command(verb, &run, folder.path());
                    let remarks = remarks(&standing, &usual(&standing, &nights), type_in);
                    nights.push(HistoryRow {
                        run,
                        standing,
                        remarks,
                    });
                }
                Ok(_) => {}
                Err(error) => unreadable.push(UnreadableRun {
                    run,
                    error: chain(&error),
                }),
            }
        }
        nights.reverse();
        unreadable.reverse();
        Ok(Self {
            restriction,
            nights,
            unreadable,
        })
    }

    /// The IDs that are revoked, and all IDs, of all nights together.
    pub(super) fn sums(&self) -> (u64, u64) {
        let standings = || self.nights.iter().map(|night| &night.standing);
        (
            standings().map(|run| run.ids.of(State::Revoked)).sum(),
            standings().map(|run| run.rows.distinct).sum(),
        )
    }

    /// How urgent the most urgent of all remarks is.
    pub(super) fn worst(&self) -> Option<Tone> {
        let remarks = self.nights.iter().flat_map(|night| &night.remarks);
        let tones = remarks.map(|remark| remark.tone);
        tones.max_by_key(|tone| *tone == Tone::Bad)
    }

    /// The nights that need a look.
    #[must_use]
    pub fn remarkable(&self) -> usize {
        let nights = self.nights.iter();
        nights.filter(|night| !night.remarks.is_empty()).count()
    }
}

impl Restriction {
    fn admits(&self, standing: &RunStatus) -> bool {
        let environment = self.environment.as_ref();
        let base_url = self.base_url.as_ref();
        environment.is_none_or(|wanted| *wanted == standing.environment)
            && base_url.is_none_or(|wanted| server(wanted) == server(&standing.base_url))
    }
}

/// What is usual, where there are enough nights to tell.
#[derive(Debug, Default)]
struct Usual {
    nights: usize,
    ids: Option<f64>,
    seconds_an_id: Option<f64>,
}

/// What was usual before a night, where it went; `earlier` are oldest first.
fn usual(standing: &RunStatus, earlier: &[HistoryRow]) -> Usual {
    let alike: Vec<&RunStatus> = earlier
        .iter()
        .rev()
        .map(|night| &night.standing)
        .filter(|run| run.goes_to(&standing.environment, &standing.base_url))
        .filter(|run| run.is_measured_by())
        .take(GROWTH_RUNS)
        .collect();
    if alike.len() < LEAST_EARLIER {
        return Usual::default();
    }
    let ids = alike.iter().map(|run| real(run.rows.distinct)).collect();
    let paces: Vec<f64> = alike.iter().filter_map(|run| seconds_an_id(run)).collect();
    Usual {
        nights: alike.len(),
        ids: median(ids),
        seconds_an_id: if paces.len() < LEAST_EARLIER {
            None
        } else {
            median(paces)
        },
    }
}

fn remarks(
    standing: &RunStatus,
    usual: &Usual,
    type_in: impl Fn(&str) -> String,
) -> Vec<HistoryWarning> {
    let mut remarks = Vec::new();
    let mut say = |tone, words: String, command| {
        remarks.push(HistoryWarning {
            tone,
            words,
            command,
        });
    };
    if standing.outcome == "running" {
        say(Tone::Wary, "still running".to_owned(), None);
        return remarks;
    }
    if let Some((tone, words)) = ending(standing) {
        let verb = match standing.outcome.as_str() {
            // The report says what a person has to know, and to type, first.
            "held" | "mismatch" => Some("report"),
            _ if closed(standing) => None,
            _ => Some("resume"),
        };
        say(tone, words, verb.map(type_in));
    }
    if let Some((tone, words)) = losses(standing) {
        say(tone, words, None);
    }
    if standing.rows.invalid > 0 {
        let rows = count(standing.rows.invalid, "row holds", "rows hold");
        say(Tone::Wary, format!("{rows} no valid ID"), None);
    }
    if let Some(words) = volume(standing, usual) {
        say(Tone::Wary, words, None);
    }
    if let Some(words) = waits(standing) {
        say(Tone::Wary, words, None);
    }
    if let Some(words) = slowness(standing, usual) {
        say(Tone::Wary, words, None);
    }
    remarks
}

/// Whether nothing is left for a resume.
fn closed(standing: &RunStatus) -> bool {
    standing.is_finished() && standing.ended.is_some()
}

/// What is the matter with how it ended.
fn ending(standing: &RunStatus) -> Option<(Tone, String)> {
    let word = &standing.outcome;
    let open = super::open_ids(&standing.ids);
    Some(match word.as_str() {
        "held" => (Tone::Bad, "held for a person".to_owned()),
        "mismatch" => (
            Tone::Bad,
            "mismatch: reading back found what should not be".to_owned(),
        ),
        _ if open > 0 => {
            let of_all = number(standing.rows.distinct);
            let words = format!(
                "not finished ({word}): {} of {of_all} IDs are open",
                number(open)
            );
            (Tone::Bad, words)
        }
        _ if standing.owed > 0 => {
            let owed = ids_are(standing.owed);
            let words = format!("not finished ({word}): {owed} still to be read back");
            (Tone::Bad, words)
        }
        _ if !closed(standing) => (
            Tone::Wary,
            "cut off at its end: nothing is open, but its end was not recorded".to_owned(),
        ),
        "empty" => (Tone::Wary, "the list was empty".to_owned()),
        _ => return None,
    })
}

/// The IDs that a finished night did not revoke: none is safe to forget.
fn losses(standing: &RunStatus) -> Option<(Tone, String)> {
    let lost = standing.ids.total() - standing.ids.of(State::Revoked);
    if !standing.is_finished() || lost == 0 {
        return None;
    }
    let all = standing.rows.distinct;
    let share = real(lost) / real(all);
    Some(if share > FAILURES {
        let (lost, all) = (number(lost), ids_are(all));
        let words = format!("{lost} of {all} not revoked: {:.0}%", 100.0 * share);
        (Tone::Bad, words)
    } else {
        let words = format!("{} of {} not revoked", number(lost), ids_are(all));
        (Tone::Wary, words)
    })
}

/// Whether the list was unusually long or short.
fn volume(standing: &RunStatus, usual: &Usual) -> Option<String> {
    let (ids, median) = (real(standing.rows.distinct), usual.ids?);
    let telling = ids.max(median) >= real(GROWTH_FROM);
    let unusual = ids >= UNUSUAL * median || UNUSUAL * ids <= median;
    // An empty list is told by how the run ended.
    (telling && unusual && standing.rows.distinct > 0).then(|| {
        format!(
            "unusual volume: {} IDs, where the median of the {} before is {median}",
            number(standing.rows.distinct),
            count(usual.nights as u64, "night", "nights"),
        )
    })
}

/// Whether much of the time was lost to waits.
fn waits(standing: &RunStatus) -> Option<String> {
    let (lost, worked) = (standing.waited.lost(), standing.worked?);
    (lost >= WORTH_A_WORD && lost >= LOST * worked).then(|| {
        let causes = standing.waited.by_cause().into_iter();
        let causes = causes.filter(|wait| wait.lost && wait.seconds > 0.0);
        let causes: Vec<String> = causes
            .map(|wait| format!("{} {}", duration(wait.seconds), wait.cause))
            .collect();
        let waited = causes.join(", ");
        format!("many waits: {waited}; {} at work in all", duration(worked))
    })
}

/// Whether it was slower than usual; waits are told apart.
fn slowness(standing: &RunStatus, usual: &Usual) -> Option<String> {
    let (own, median) = (seconds_an_id(standing)?, usual.seconds_an_id?);
    let more = (own - median) * real(standing.rows.distinct);
    (own >= UNUSUAL * median && more >= WORTH_A_WORD).then(|| {
        format!(
            "slower than usual: {} for 1,000 IDs, where the median of the {} before is {}",
            duration(own * 1_000.0),
            count(usual.nights as u64, "night", "nights"),
            duration(median * 1_000.0)
        )
    })
}

/// The time at work that an ID took, without what was lost to waits.
fn seconds_an_id(standing: &RunStatus) -> Option<f64> {
    let worked = standing.worked? - standing.waited.lost();
    (standing.rows.distinct > 0 && worked > 0.0).then(|| worked / real(standing.rows.distinct))
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    Some(f64::midpoint(numbers[(numbers.len() - 1) / 2], upper))
}

#[expect(clippy::cast_precision_loss, reason = "a comparison of counts")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}
