//! Guards in words: what holds a run, what releases it, who did.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::journal::{Approval, Breach, BreachRow, Breaches, RunFolder, RunMeta, release_digest};
use crate::report::format::{self, count, ids, moment, number, visible};
use crate::report::shell_command;

/// What a guard found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BreachFigures {
    /// The guard: `max-ids`, `max-growth`, `exclude` or `max-age`.
    pub guard: String,
    /// A sentence with the figures.
    pub what: String,
    /// When it was found.
    #[serde(serialize_with = "time")]
    pub found_at: Timestamp,
    /// Who released it; nobody: it holds the run.
    pub approved: Option<ApprovalFigures>,
}

/// Who released a held run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ApprovalFigures {
    /// When.
    #[serde(serialize_with = "time")]
    pub at: Timestamp,
    /// Who.
    pub operator: String,
    /// Where.
    pub host: String,
    /// The digest that was named.
    pub digest: String,
}

fn time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format::rfc3339(*at))
}

impl BreachFigures {
    pub(super) fn of(row: &BreachRow) -> Self {
        Self {
            guard: row.breach.guard().to_owned(),
            what: breach(&row.breach),
            found_at: row.at,
            approved: row.approval.as_ref().map(ApprovalFigures::of),
        }
    }
}

impl ApprovalFigures {
    fn of(approval: &Approval) -> Self {
        Self {
            at: approval.at,
            operator: visible(&approval.operator).into_owned(),
            host: visible(&approval.host).into_owned(),
            digest: visible(&approval.digest).into_owned(),
        }
    }
}

/// The digest that releases the run, if it is held.
pub(super) fn release(facts: &RunMeta, breaches: &Breaches) -> Option<String> {
    breaches.pending().next()?;
    let approvals = breaches.approvals().len();
    Some(release_digest(facts, approvals, breaches.pending()))
}

/// The command that releases the held run in `folder`, to be typed as it is.
#[must_use]
pub fn release_command(folder: &RunFolder, digest: &str) -> String {
    let resume = shell_command::command("resume", folder.run().as_str(), folder.path());
    format!("{resume} --approve {digest}")
}

/// What a guard found, as a sentence without its end.
#[must_use]
pub fn breach(breach: &Breach) -> String {
    let what = match breach {
        Breach::MaxIds { ids: n, limit } => {
            format!(
                "the list has {}, and {} are allowed",
                ids(*n),
                number(*limit)
            )
        }
        Breach::MaxGrowth {
            ids: n,
            median,
            runs,
            percent,
        } => {
            let earlier = match runs {
                1 => "the only finished run before it".to_owned(),
                n => format!("the median of the last {n} finished runs"),
            };
            format!(
                "the list has {}, {:.0}% more than {}, {earlier} here, and {percent}% is allowed",
                ids(*n),
                growth(*n, *median),
                figure(*median),
            )
        }
        Breach::Exclude {
            ids: n,
            first,
            files,
            ..
        } => {
            let named: Vec<String> = first
                .iter()
                .map(|(id, line)| format!("{id} (line {line})"))
                .collect();
            let more = if *n > first.len() as u64 { ", …" } else { "" };
            format!(
                "{} in {} and must not be revoked: {}{more}",
                count(*n, "ID of the list stands", "IDs of the list stand"),
                visible(&files.join(", ")),
                named.join(", ")
            )
        }
        Breach::MaxAge { since, limit_ms } => {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let limit = format::duration(*limit_ms as f64 / 1000.0);
            let since = Timestamp::from_millisecond(*since).unwrap_or_default();
            format!(
                "the list was frozen, or last approved, at {}; it may be {limit} old",
                moment(since)
            )
        }
    };
    format!("{}: {what}", breach.guard())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn growth(ids: u64, median: f64) -> f64 {
    (ids as f64 - median) * 100.0 / median
}

/// A median: whole, or with its half.
fn figure(median: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of IDs"
    )]
    let whole = number(median.trunc() as u64);
    if median.fract() > 0.0 {
        format!("{whole}.5")
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breach_says_its_figures() {
        let id = |number: i64| number.try_into().unwrap();
        for (found, words) in [
            (
                Breach::MaxIds {
                    ids: 4012,
                    limit: 1000,
                },
                "max-ids: the list has 4,012 IDs, and 1,000 are allowed",
            ),
            (
                Breach::MaxGrowth {
                    ids: 4012,
                    median: 1000.5,
                    runs: 7,
                    percent: 50.0,
                },
                "max-growth: the list has 4,012 IDs, 301% more than 1,000.5, the median of the \
                 last 7 finished runs here, and 50% is allowed",
            ),
            (
                Breach::Exclude {
                    ids: 12,
                    sha256: String::new(),
                    first: vec![(id(1001), 2), (id(1002), 5)],
                    files: vec!["keep.csv".to_owned(), "vip\u{1b}.csv".to_owned()],
                },
                "exclude: 12 IDs of the list stand in keep.csv, vip\u{FFFD}.csv and must not be \
                 revoked: 1001 (line 2), 1002 (line 5), …",
            ),
            (
                Breach::Exclude {
                    ids: 1,
                    sha256: String::new(),
                    first: vec![(id(7), 1)],
                    files: vec!["keep.csv".to_owned()],
                },
                "exclude: 1 ID of the list stands in keep.csv and must not be revoked: 7 (line 1)",
            ),
            (
                Breach::MaxAge {
                    since: 0,
                    limit_ms: 72 * 3_600_000,
                },
                "max-age: the list was frozen, or last approved, at 1970-01-01 00:00:00 UTC; it \
                 may be 3d 00h old",
            ),
        ] {
            assert_eq!(breach(&found), words);
        }
    }
}
