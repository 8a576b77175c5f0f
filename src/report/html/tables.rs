//! The tables of a page: permissions that are not settled, batches, and rows
//! that gave no ID. Each holds what needs a look first, and says how much it
//! leaves to the CSV files.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::extract::{BatchExtract, Extract, IDS, Rank};
use crate::journal::{RejectRow, State, Verified};
use crate::report::Summary;
use crate::report::format::{count, duration, meaning, milliseconds, number, rfc3339};
use crate::report::html::outcomes::{look, words};

/// So many permissions are shown.
const PERMISSIONS: usize = 2_000;

/// All tables.
pub(super) struct Tables {
    pub(super) permissions: Vec<PermissionLine>,
    /// How many there are, how many are shown, and how many are not.
    pub(super) unsettled: String,
    pub(super) permissions_shown: String,
    pub(super) permissions_left_out: Option<String>,
    pub(super) permission_choices: Vec<Choice>,
    pub(super) batches: Vec<BatchLine>,
    pub(super) batch_total: String,
    pub(super) batches_shown: String,
    pub(super) batches_left_out: Option<String>,
    pub(super) batch_choices: Vec<Choice>,
    /// Whether the IDs of all batches are on the page.
    pub(super) holds_all_ids: bool,
    pub(super) ids_held: String,
    pub(super) distinct: String,
    pub(super) rejects: Vec<RejectLine>,
    pub(super) rejects_shown: String,
    pub(super) rejects_left_out: Option<String>,
}

/// What the rows of a table can be narrowed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) words: String,
}

/// A permission that somebody may have to do something about.
pub(super) struct PermissionLine {
    pub(super) id: i64,
    pub(super) line: u64,
    pub(super) look: &'static str,
    pub(super) state: String,
    pub(super) why: String,
    pub(super) message: String,
    pub(super) batch: String,
}

/// An undivided batch.
pub(super) struct BatchLine {
    pub(super) path: String,
    pub(super) look: &'static str,
    pub(super) state: String,
    /// The words that it can be found by, besides its state.
    pub(super) tags: &'static str,
    pub(super) ids: String,
    pub(super) why: String,
    pub(super) message: String,
    pub(super) attempts: u32,
    pub(super) sent: String,
    pub(super) sent_at: String,
    pub(super) took: String,
    pub(super) took_ms: i64,
    pub(super) proof: &'static str,
    /// The one ID, or the first and the last.
    pub(super) ends: String,
    /// All IDs, if there is room for them.
    pub(super) all: String,
}

/// A row that gave no ID.
pub(super) struct RejectLine {
    pub(super) line: u64,
    pub(super) value: String,
    pub(super) reason: String,
}

impl Tables {
    pub(super) fn of(extract: &Extract, summary: &Summary) -> Self {
        let permissions = permissions(extract);
        let mut room = IDS;
        let mut held = 0;
        let one_day = within_a_day(extract);
        let batches: Vec<BatchLine> = extract
            .kept()
            .map(|kept| {
                let with_ids = kept.ids.len() as u64 == kept.size && kept.ids.len() <= room;
                if with_ids {
                    room -= kept.ids.len();
                    held += kept.size;
                }
                BatchLine::of(kept, with_ids, one_day)
            })
            .collect();
        let rejects: Vec<RejectLine> = extract.rejects().map(RejectLine::of).collect();
        let left_out = |all: u64, shown: usize, one, several| {
            let more = all - shown as u64;
            (more > 0).then(|| count(more, one, several))
        };
        Self {
            unsettled: number(extract.unsettled),
            distinct: number(summary.rows.distinct),
            permissions_shown: number(permissions.len() as u64),
            batches_shown: number(batches.len() as u64),
            rejects_shown: number(rejects.len() as u64),
            permissions_left_out: left_out(
                extract.unsettled,
                permissions.len(),
                "more is",
                "more are",
            ),
            permission_choices: choices(permissions.iter().map(|line| line.look)),
            permissions,
            batch_total: number(extract.batches),
            batches_left_out: left_out(extract.batches, batches.len(), "more is", "more are"),
            batch_choices: choices(
                batches
                    .iter()
                    .flat_map(|line| line.tags.split(' ').chain([line.look]))
                    .filter(|word| !word.is_empty()),
            ),
            batches,
            holds_all_ids: held == summary.rows.distinct,
            ids_held: number(held),
            rejects_left_out: left_out(
                extract.counts.invalid + extract.counts.duplicate,
                rejects.len(),
                "more is",
                "more are",
            ),
            rejects,
        }
    }
}

/// The words that rows carry, in the order in which they are offered.
const ORDER: [&str; 12] = [
    "mismatch",
    "refused",
    "missing",
    "exhausted",
    "unknown",
    "in_flight",
    "pending",
    "unverified",
    "revoked",
    "owed",
    "part",
    "retried",
];

/// The words that rows carry, with the number of rows.
fn choices(all: impl Iterator<Item = &'static str>) -> Vec<Choice> {
    let mut counted: BTreeMap<usize, (&'static str, u64)> = BTreeMap::new();
    for word in all {
        let order = ORDER.iter().position(|known| *known == word);
        counted
            .entry(order.unwrap_or(ORDER.len()))
            .or_insert((word, 0))
            .1 += 1;
    }
    counted
        .into_values()
        .map(|(value, n)| Choice {
            value,
            words: format!("{} ({})", chosen(value), number(n)),
        })
        .collect()
}

fn chosen(word: &str) -> &str {
    match word {
        "in_flight" => "in flight",
        "unverified" => "revoked, not read back",
        "owed" => "still to be read back",
        "part" => "parts of divided batches",
        "retried" => "sent more than once",
        other => other,
    }
}

fn permissions(extract: &Extract) -> Vec<PermissionLine> {
    extract
        .kept()
        .filter(|kept| kept.is_unsettled())
        .flat_map(|kept| kept.ids.iter().map(move |ids| (kept, ids)))
        .take(PERMISSIONS)
        .map(|(kept, (id, line))| PermissionLine {
            id: *id,
            line: *line,
            look: drawn(kept),
            state: words(kept.state),
            why: why(kept),
            message: kept.message.clone(),
            batch: kept.path.clone(),
        })
        .collect()
}

fn drawn(kept: &BatchExtract) -> &'static str {
    match kept.rank {
        Rank::Mismatch => "mismatch",
        _ => look(kept.state, &kept.reason),
    }
}

fn why(kept: &BatchExtract) -> String {
    meaning(kept.state, &kept.reason).into_owned()
}

/// Whether all batches were sent on one day, so that the time alone tells
/// when.
fn within_a_day(extract: &Extract) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    let mut days = extract.kept().filter_map(|kept| kept.first_sent).map(day);
    days.next().is_none_or(|first| days.all(|day| day == first))
}

impl BatchLine {
    fn of(kept: &BatchExtract, with_ids: bool, one_day: bool) -> Self {
        let elapsed = kept
            .first_sent
            .zip(kept.settled)
            .map(|(sent, settled)| milliseconds(sent, settled));
        let form = if one_day {
            "%H:%M:%S"
        } else {
            "%m-%d %H:%M:%S"
        };
        let ids: Vec<String> = kept.ids.iter().map(|(id, _)| id.to_string()).collect();
        Self {
            path: kept.path.clone(),
            look: drawn(kept),
            state: words(kept.state),
            tags: match (kept.owed, kept.path.contains('.'), kept.attempts > 1) {
                (false, false, false) => "",
                (false, false, true) => "retried",
                (false, true, false) => "part",
                (false, true, true) => "part retried",
                (true, false, false) => "owed",
                (true, false, true) => "owed retried",
                (true, true, false) => "owed part",
                (true, true, true) => "owed part retried",
            },
            ids: number(kept.size),
            why: why(kept),
            message: kept.message.clone(),
            attempts: kept.attempts,
            sent: kept
                .first_sent
                .map(|at| at.strftime(form).to_string())
                .unwrap_or_default(),
            sent_at: kept.first_sent.map(rfc3339).unwrap_or_default(),
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
            took: elapsed
                .map(|ms| duration(ms as f64 / 1000.0))
                .unwrap_or_default(),
            took_ms: elapsed.unwrap_or_default(),
            proof: proof(kept),
            ends: match kept.ends {
                Some((first, last)) if kept.size > 1 => format!("{first} … {last}"),
                Some((only, _)) => only.to_string(),
                None => String::new(),
            },
            all: if with_ids && kept.size > 1 {
                ids.join(" ")
            } else {
                String::new()
            },
        }
    }
}

/// What a read showed.
fn proof(kept: &BatchExtract) -> &'static str {
    match (kept.verified, kept.state) {
        (Verified::Revoked, _) => "shown as Revoked",
        (Verified::Active, _) => "shown as active",
        (Verified::Absent, _) => "not found, twice",
        (Verified::Unreadable, _) => "could not be read",
        (Verified::No, _) if kept.owed => "still to be read",
        (Verified::No, State::Revoked | State::Unknown) => "not read",
        (Verified::No, _) => "",
    }
}

impl RejectLine {
    fn of(row: &RejectRow) -> Self {
        Self {
            line: row.line,
            value: row.value.clone(),
            reason: row.reason.clone(),
        }
    }
}
