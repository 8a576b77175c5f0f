//! What guards found against sending a list, and who released it all the
//! same.
//!
//! A run with a breach that nobody has approved is *held*: no call may be
//! made for it. This module owns how breaches and approvals are kept, and the
//! [digest](release_digest) that an approval has to name; what a guard looks
//! for is left to [`sweep`](crate::sweep), and the words to
//! [`report`](crate::report).

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Journal, JournalError, JournalReader, RunMeta};
use crate::journal::rows::{damaged, moment};
use crate::list::{PermissionId, hex};

/// What one guard found, with its figures.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Breach {
    /// The list has more IDs than it may.
    MaxIds {
        /// The distinct IDs of the list.
        ids: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The list is larger than earlier ones by more than it may be.
    MaxGrowth {
        /// The distinct IDs of the list.
        ids: u64,
        /// The median of the earlier lists.
        median: f64,
        /// Of how many finished runs.
        runs: u64,
        /// By how much it may be larger, in percent of the median.
        percent: f64,
    },
    /// IDs of the list must not be revoked.
    Exclude {
        /// How many.
        ids: u64,
        /// SHA-256 of them in the list's order, each in decimal and followed
        /// by a line feed, in hex.
        sha256: String,
        /// The first few, with the lines of the list where their rows start.
        first: Vec<(PermissionId, u64)>,
        /// The files that say so.
        files: Vec<String>,
    },
    /// The list was frozen, or last approved, too long ago.
    MaxAge {
        /// When that was, in milliseconds since 1970, UTC.
        since: i64,
        /// How old it may be, in milliseconds.
        limit_ms: u64,
    },
}

impl Breach {
    /// The guard's name, which is the setting's.
    #[must_use]
    pub const fn guard(&self) -> &'static str {
        match self {
            Self::MaxIds { .. } => "max-ids",
            Self::MaxGrowth { .. } => "max-growth",
            Self::Exclude { .. } => "exclude",
            Self::MaxAge { .. } => "max-age",
        }
    }
}

/// A breach as a guard hands it over.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// What was found.
    pub breach: Breach,
    /// The IDs that must not be revoked, in the list's order; empty for every
    /// guard but `exclude`.
    pub excluded: Vec<PermissionId>,
}

impl From<Breach> for Finding {
    fn from(breach: Breach) -> Self {
        Self {
            breach,
            excluded: Vec::new(),
        }
    }
}

/// A breach as the journal keeps it.
#[derive(Clone, PartialEq, Debug)]
pub struct BreachRow {
    /// What was found.
    pub breach: Breach,
    /// When.
    pub at: Timestamp,
    /// The approval that released it; none: it holds the run.
    pub approval: Option<Approval>,
}

/// A person's word that a list is to be sent in spite of its breaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// When.
    pub at: Timestamp,
    /// The user's name.
    pub operator: String,
    /// The host's name.
    pub host: String,
    /// The digest that was named.
    pub digest: String,
}

/// What is known of a run's guards.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Breaches(pub Vec<BreachRow>);

impl Breaches {
    /// What holds the run.
    pub fn pending(&self) -> impl Iterator<Item = &Breach> {
        let pending = self.0.iter().filter(|row| row.approval.is_none());
        pending.map(|row| &row.breach)
    }

    /// The approvals, oldest first.
    #[must_use]
    pub fn approvals(&self) -> Vec<&Approval> {
        let mut approvals: Vec<&Approval> = Vec::new();
        for approval in self.0.iter().filter_map(|row| row.approval.as_ref()) {
            if !approvals.contains(&approval) {
                approvals.push(approval);
            }
        }
        approvals.sort_by_key(|approval| approval.at);
        approvals
    }
}

/// What an approval has to name: twelve hexadecimal digits that stand for
/// this list, this environment, this address, the guards that hold it now
/// and the approvals it already has.
///
/// Another list, another environment or a further breach has another digest,
/// and so has a guard that comes back after it was approved. The figures are
/// no part of it, but the excluded IDs are: leave for one is none for another.
#[must_use]
pub fn release_digest<'a>(
    facts: &RunMeta,
    approvals: usize,
    pending: impl IntoIterator<Item = &'a Breach>,
) -> String {
    let mut guards: Vec<String> = pending
        .into_iter()
        .map(|breach| match breach {
            Breach::Exclude { sha256, .. } => format!("{} {sha256}", breach.guard()),
            other => other.guard().to_owned(),
        })
        .collect();
    guards.sort_unstable();
    // Each part on a line of its own: none of them can hold a line feed.
    let text = format!(
        "rescind approval 1\n{}\n{}\n{}\n{approvals}\n{}\n",
        facts.list_sha256,
        facts.environment,
        facts.base_url,
        guards.join("\n")
    );
    hex(&Sha256::digest(text)[..6])
}

impl JournalReader {
    /// What guards found, in the order in which they did.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn breaches(&self) -> Result<Breaches, JournalError> {
        self.with(|db| {
            db.prepare(
                "SELECT b.figures, b.at, a.at, a.operator, a.host, a.digest
                 FROM breach b LEFT JOIN approval a ON a.id = b.approval ORDER BY b.id",
            )?
            .query_map([], breach_row)?
            .collect::<Result<_, _>>()
            .map(Breaches)
        })
    }

    /// The IDs that a guard has found excluded before, approved or not.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn found_excluded(&self) -> Result<FxHashSet<PermissionId>, JournalError> {
        self.with(|db| {
            let mut statement =
                db.prepare("SELECT excluded FROM breach WHERE guard = 'exclude'")?;
            let mut rows = statement.query([])?;
            let mut found = FxHashSet::default();
            while let Some(row) = rows.next()? {
                let ids: Vec<PermissionId> = serde_json::from_str(row.get_ref(0)?.as_str()?)
                    .map_err(|error| damaged(0, error))?;
                found.extend(ids);
            }
            Ok(found)
        })
    }
}

fn breach_row(row: &Row<'_>) -> rusqlite::Result<BreachRow> {
    let approval = match row.get::<_, Option<String>>(5)? {
        None => None,
        Some(digest) => Some(Approval {
            at: moment(row, 2)?,
            operator: row.get(3)?,
            host: row.get(4)?,
            digest,
        }),
    };
    Ok(BreachRow {
        breach: serde_json::from_str(row.get_ref(0)?.as_str()?)
            .map_err(|error| damaged(0, error))?,
        at: moment(row, 1)?,
        approval,
    })
}

impl Journal {
    /// Records what guards found: all of it or nothing.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn found(&mut self, findings: &[Finding], at: Timestamp) -> Result<(), JournalError> {
        self.at_once(|db| {
            findings
                .iter()
                .try_for_each(|finding| insert_breach(db, finding, at))
        })
    }

    /// Records that a person releases everything that holds the run now.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn approve(&mut self, approval: &Approval) -> Result<(), JournalError> {
        self.at_once(|db| {
            db.execute(
                "INSERT INTO approval (at, operator, host, digest) VALUES (?1, ?2, ?3, ?4)",
                params![
                    approval.at.as_millisecond(),
                    approval.operator,
                    approval.host,
                    approval.digest
                ],
            )?;
            db.execute(
                "UPDATE breach SET approval = ?1 WHERE approval IS NULL",
                [db.last_insert_rowid()],
            )
            .map(drop)
        })
    }
}

pub(super) fn insert_breach(
    db: &Connection,
    finding: &Finding,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let as_json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    db.execute(
        "INSERT INTO breach (guard, at, figures, excluded) VALUES (?1, ?2, ?3, ?4)",
        params![
            finding.breach.guard(),
            at.as_millisecond(),
            serde_json::to_string(&finding.breach).map_err(as_json)?,
            serde_json::to_string(&finding.excluded).map_err(as_json)?,
        ],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{NewRun, RunsDir};

    fn facts(environment: &str, base_url: &str, list_sha256: &str) -> RunMeta {
        RunMeta {
            created: "2026-11-23T02:00:00Z".parse().unwrap(),
            environment: environment.to_owned(),
            base_url: base_url.to_owned(),
            input_path: "-".to_owned(),
            input_sha256: String::new(),
            list_sha256: list_sha256.to_owned(),
            column: "id".to_owned(),
            batch_size: 100,
            rows_total: 0,
            rows_distinct: 0,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches: 0,
            note: String::new(),
        }
    }

    fn excluded(sha256: &str) -> Breach {
        Breach::Exclude {
            ids: 1,
            sha256: sha256.to_owned(),
            first: vec![(7.try_into().unwrap(), 2)],
            files: vec!["keep.csv".to_owned()],
        }
    }

    fn too_many(limit: u64) -> Breach {
        Breach::MaxIds { ids: 9, limit }
    }

    #[test]
    fn a_digest_is_for_one_list_one_environment_and_its_guards() {
        let ours = facts("demo", "https://demo.example/v1", "aa");
        let digest = |facts: &RunMeta, approvals, pending: &[Breach]| {
            release_digest(facts, approvals, pending)
        };
        let wanted = digest(&ours, 0, &[too_many(3), excluded("cc")]);
        assert_eq!(wanted.len(), 12);
        assert!(wanted.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // Neither the order nor the figures matter.
        assert_eq!(digest(&ours, 0, &[excluded("cc"), too_many(4)]), wanted);
        let age = Breach::MaxAge {
            since: 0,
            limit_ms: 1,
        };
        let others = [
            digest(
                &facts("live", "https://demo.example/v1", "aa"),
                0,
                &[too_many(3), excluded("cc")],
            ),
            digest(
                &facts("demo", "https://other.example/v1", "aa"),
                0,
                &[too_many(3), excluded("cc")],
            ),
            digest(
                &facts("demo", "https://demo.example/v1", "ab"),
                0,
                &[too_many(3), excluded("cc")],
            ),
            digest(&ours, 0, &[too_many(3)]),
            digest(&ours, 0, &[too_many(3), excluded("cd")]),
            digest(&ours, 0, &[too_many(3), excluded("cc"), excluded("cd")]),
            digest(&ours, 0, &[too_many(3), excluded("cc"), age]),
            digest(&ours, 1, &[too_many(3), excluded("cc")]),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, wanted, "{index}");
        }
    }

    #[test]
    fn what_is_found_holds_the_run_until_it_is_approved() {
        let home = tempfile::tempdir().unwrap();
        let runs = RunsDir::create(home.path()).unwrap();
        let facts = facts("demo", "", "abcdef");
        let at = facts.created;
        let id = |number: i64| PermissionId::try_from(number).unwrap();
        let mut new = NewRun::begin(&runs).unwrap();
        new.breach(&too_many(3).into(), at).unwrap();
        let finding = Finding {
            breach: excluded("cc"),
            excluded: vec![id(7), id(8)],
        };
        new.breach(&finding, at).unwrap();
        let folder = new.commit(&facts).unwrap();
        let breaches = || {
            JournalReader::open(&folder.journal())
                .unwrap()
                .breaches()
                .unwrap()
        };
        let pending: Vec<_> = breaches().pending().cloned().collect();
        assert_eq!(pending, [too_many(3), excluded("cc")]);

        let approval = |digest: &str| Approval {
            at,
            operator: "ops".to_owned(),
            host: "night-1".to_owned(),
            digest: digest.to_owned(),
        };
        let mut journal = Journal::open(&folder.journal()).unwrap();
        journal.approve(&approval("one")).unwrap();
        let later = Finding {
            breach: excluded("dd"),
            excluded: vec![id(9)],
        };
        journal.found(&[later], at).unwrap();
        assert_eq!(journal.close(), None);
        let pending: Vec<_> = breaches().pending().cloned().collect();
        assert_eq!(
            pending,
            [excluded("dd")],
            "an approval is for what was found by then"
        );
        assert_eq!(breaches().approvals(), [&approval("one")]);
        let found = JournalReader::open(&folder.journal())
            .unwrap()
            .found_excluded()
            .unwrap();
        assert_eq!(found, [7, 8, 9].map(id).into_iter().collect());
    }
}
