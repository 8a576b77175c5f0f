//! What the calls of a run came to over time: how many in each stretch of
//! time, and how long their answers took.
//!
//! One pass over the calls; what is held does not grow with them.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};

use crate::journal::{CallTiming, HoldRow, JournalError, JournalReader, ProcessRow};
use crate::report::format::milliseconds;

/// About so many columns are drawn.
const COLUMNS: i64 = 120;
/// So many processes are drawn, the last ones; a run that was taken up more
/// often than that is past drawing.
const PROCESSES: usize = 24;
/// Widths of a column that a person can count in, in milliseconds.
const WIDTHS: [i64; 19] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000,
];
const DAY: i64 = 86_400_000;
/// Answers are told apart from a microsecond to an hour, to three digits.
const SHORTEST_US: u64 = 1;
const LONGEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// What a call came to, as far as a picture tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// Answered, and nothing wrong.
    Clean,
    /// Refused by the API.
    Refused,
    /// No answer, a fault, a penalty or a lockout.
    Trouble,
}

impl Ending {
    pub(super) const ALL: [Self; 3] = [Self::Clean, Self::Refused, Self::Trouble];

    fn of(call: &CallTiming) -> Self {
        match call.verdict.as_str() {
            "refused" | "unfit" => Self::Refused,
            "" | "in_doubt" | "failed" | "not_sent" | "too_large" | "unauthorized" | "penalty"
            | "lockout" => Self::Trouble,
            _ => Self::Clean,
        }
    }
}

/// The calls that were sent in one stretch of time, by [`Ending`].
pub(super) type Column = [u64; 3];

/// One process and what it did.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ProcessActivity {
    pub(super) process: ProcessRow,
    /// When it ended, or the last that is recorded of it.
    pub(super) end: Timestamp,
    pub(super) columns: Vec<Column>,
    pub(super) calls: u64,
    /// The waits that stopped every call, in this process.
    pub(super) holds: Vec<HoldRow>,
}

/// The answers of one kind of call.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// The kind, in a word.
    pub(super) kind: String,
    /// Microseconds, of the calls that were answered.
    pub(super) taken: Histogram<u64>,
    /// Calls that were not answered.
    pub(super) without: u64,
}

/// What the calls of a run came to.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    /// The processes that are drawn, oldest first.
    pub(super) stints: Vec<ProcessActivity>,
    /// Processes before them.
    pub(super) left_out: usize,
    /// How long a column lasts, in milliseconds.
    pub(super) width: i64,
    /// By kind, most calls first.
    pub(super) answers: Vec<Answers>,
    /// The last moment that anything is recorded of.
    pub(super) as_of: Option<Timestamp>,
}

impl Activity {
    pub(super) fn of(archive: &JournalReader) -> Result<Self, JournalError> {
        let mut stints = stints(archive)?;
        let as_of = stints.iter().map(|stint| stint.end).max();
        let left_out = stints.len().saturating_sub(PROCESSES);
        stints.drain(..left_out);
        let lasted = |stint: &ProcessActivity| milliseconds(stint.process.started, stint.end);
        let width = width(stints.iter().map(lasted).sum());
        for stint in &mut stints {
            // What ends on the edge of a column is still in it.
            let columns = lasted(stint) / width + 1;
            stint.columns = vec![Column::default(); usize::try_from(columns).unwrap_or(1)];
        }
        let mut answers = BTreeMap::new();
        archive.each_call(|call| {
            let index = stints.binary_search_by_key(&call.process, |stint| stint.process.id);
            if let Ok(index) = index {
                stints[index].count(&call, width);
            }
            Answers::count(&mut answers, &call);
            Ok::<_, JournalError>(())
        })?;
        let mut answers: Vec<Answers> = answers.into_values().collect();
        answers.sort_by_key(|kind| std::cmp::Reverse(kind.taken.len() + kind.without));
        Ok(Self {
            stints,
            left_out,
            width,
            answers,
            as_of,
        })
    }

    /// The most calls in a column.
    pub(super) fn peak(&self) -> u64 {
        let columns = self.stints.iter().flat_map(|stint| &stint.columns);
        columns.map(|column| column.iter().sum()).max().unwrap_or(0)
    }
}

fn stints(archive: &JournalReader) -> Result<Vec<ProcessActivity>, JournalError> {
    let last_calls: BTreeMap<i64, Timestamp> = archive.last_calls()?.into_iter().collect();
    let mut stints: Vec<ProcessActivity> = archive
        .processes()?
        .into_iter()
        .map(|process| {
            let last = last_calls.get(&process.id).copied();
            let end = process.ended.or(last).unwrap_or(process.started);
            ProcessActivity {
                end: end.max(process.started),
                process,
                columns: Vec::new(),
                calls: 0,
                holds: Vec::new(),
            }
        })
        .collect();
    for hold in archive.holds()? {
        let stint = stints
            .iter_mut()
            .rev()
            .find(|stint| stint.process.started <= hold.began);
        if let Some(stint) = stint {
            // That it began may be the last that a killed process recorded.
            stint.end = stint.end.max(hold.began);
            stint.holds.push(hold);
        }
    }
    Ok(stints)
}

/// The width at which about [`COLUMNS`] columns hold all the time.
fn width(total: i64) -> i64 {
    let fits = |width: &i64| total / width < COLUMNS;
    WIDTHS
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| (total / COLUMNS / DAY + 1) * DAY)
}

impl ProcessActivity {
    fn count(&mut self, call: &CallTiming, width: i64) {
        self.calls += 1;
        let since = milliseconds(self.process.started, call.sent());
        let last = self.columns.len() - 1;
        let column = usize::try_from(since / width).map_or(last, |column| column.min(last));
        self.columns[column][Ending::of(call) as usize] += 1;
    }

    /// When a column begins.
    pub(super) fn at(&self, column: usize, width: i64) -> Timestamp {
        let since = i64::try_from(column).unwrap_or(i64::MAX);
        let since = SignedDuration::from_millis(since.saturating_mul(width));
        self.process.started.checked_add(since).unwrap_or(self.end)
    }
}

impl Answers {
    fn count(answers: &mut BTreeMap<String, Self>, call: &CallTiming) {
        // The kinds are a few words of our own.
        let kind = answers
            .entry(call.kind.clone())
            .or_insert_with(|| Self::none(&call.kind));
        match (call.http_status, call.elapsed) {
            (Some(_), Some(elapsed)) => kind.taken.saturating_record(microseconds(elapsed)),
            _ => kind.without += 1,
        }
    }

    fn none(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            taken: Histogram::new_with_bounds(SHORTEST_US, LONGEST_US, DIGITS)
                .unwrap_or_else(|_| unreachable!("the bounds are sound")),
            without: 0,
        }
    }
}

fn microseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros())
        .unwrap_or(u64::MAX)
        .max(SHORTEST_US)
}
