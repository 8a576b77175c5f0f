//! The guards of a whole run: what is too much, too different, too precious
//! or too old to be sent without a person.
//!
//! A guard refuses and never cuts short: half of a list that should not have
//! been sent is no better than all of it. Everything here is a pure question;
//! who has to be told, and how a held run is released, is left to the binary.

use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use crate::journal::{Breach, Finding};
use crate::list::{Exclusion, PermissionId, hex};

/// The growth of a shorter list says nothing: from 3 IDs to 12 is no mistake.
pub const GROWTH_FROM: u64 = 100;

/// Growth is measured against the median of so many earlier lists: a week of
/// nights, in which one unusual list does not count.
pub const GROWTH_RUNS: usize = 7;

/// Of excluded IDs so many are named.
const NAMED: usize = 5;

/// Whether a list of `ids` IDs is too long.
#[must_use]
pub fn too_many(ids: u64, limit: Option<u64>) -> Option<Breach> {
    let limit = limit.filter(|limit| ids > *limit)?;
    Some(Breach::MaxIds { ids, limit })
}

/// What can be said of a list's growth.
#[derive(Clone, PartialEq, Debug)]
pub enum Growth {
    /// It may be as large as it is.
    Allowed {
        /// The median of the earlier lists.
        median: f64,
        /// How many they are.
        runs: u64,
    },
    /// The list is too short for its growth to say anything.
    Short,
    /// There is no earlier list to measure it by.
    NoHistory,
    /// It is too large.
    Breached(Breach),
}

/// Whether a list of `ids` IDs is larger than the `earlier` lists (their
/// distinct IDs, in any order) by more than `percent` of their median.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 IDs")]
pub fn growth(ids: u64, earlier: &[u64], percent: f64) -> Growth {
    let Some(median) = median(earlier) else {
        return Growth::NoHistory;
    };
    let runs = earlier.len() as u64;
    if ids < GROWTH_FROM {
        Growth::Short
    } else if (ids as f64 - median) * 100.0 > percent * median {
        Growth::Breached(Breach::MaxGrowth {
            ids,
            median,
            runs,
            percent,
        })
    } else {
        Growth::Allowed { median, runs }
    }
}

/// The middle one, or the mean of the two in the middle.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 IDs")]
fn median(numbers: &[u64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower as f64, upper as f64))
}

/// Whether a list that was frozen, or last approved, at `since` is too old to
/// be carried on. A time that lies in the future counts as now.
#[must_use]
pub fn too_old(since: Timestamp, now: Timestamp, limit: Duration) -> Option<Breach> {
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    (age > limit).then(|| Breach::MaxAge {
        since: since.as_millisecond(),
        limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Looks for IDs that must not be revoked, batch by batch.
#[derive(Debug)]
pub struct ExclusionCheck<'a> {
    exclusion: &'a Exclusion,
    /// Found before: no news.
    known: FxHashSet<PermissionId>,
    found: Vec<PermissionId>,
    first: Vec<(PermissionId, u64)>,
    files: Vec<String>,
}

impl<'a> ExclusionCheck<'a> {
    /// A sieve that lets the `known` IDs pass.
    #[must_use]
    pub fn new(exclusion: &'a Exclusion, known: FxHashSet<PermissionId>) -> Self {
        Self {
            exclusion,
            known,
            found: Vec::new(),
            first: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Looks at some IDs of the list, with the lines where their rows start.
    pub fn look(&mut self, ids: &[PermissionId], lines: &[u64]) {
        if self.exclusion.is_empty() {
            return;
        }
        for (id, line) in ids.iter().zip(lines) {
            let Some(file) = self.exclusion.excludes(*id) else {
                continue;
            };
            if self.known.contains(id) {
                continue;
            }
            self.found.push(*id);
            if self.first.len() < NAMED {
                self.first.push((*id, *line));
            }
            let file = file.display().to_string();
            if !self.files.contains(&file) {
                self.files.push(file);
            }
        }
    }

    /// What was found, if anything was.
    #[must_use]
    pub fn finding(self) -> Option<Finding> {
        if self.found.is_empty() {
            return None;
        }
        let mut digest = Sha256::new();
        for id in &self.found {
            digest.update(format!("{id}\n"));
        }
        Some(Finding {
            breach: Breach::Exclude {
                ids: self.found.len() as u64,
                sha256: hex(&digest.finalize()),
                first: self.first,
                files: self.files,
            },
            excluded: self.found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_have_as_many_ids_as_the_cap_says_and_no_more() {
        assert_eq!(too_many(1_000_000, None), None);
        assert_eq!(too_many(250, Some(250)), None);
        let breach = Breach::MaxIds {
            ids: 251,
            limit: 250,
        };
        assert_eq!(too_many(251, Some(250)), Some(breach));
    }

    #[test]
    fn growth_is_measured_against_the_median_of_earlier_lists() {
        let allowed = |ids, earlier: &[u64], percent| {
            matches!(growth(ids, earlier, percent), Growth::Allowed { .. })
        };
        // One unusual night does not count.
        let week = [100, 110, 90, 100_000, 105, 95, 1];
        assert!(allowed(150, &week, 50.0));
        let Growth::Breached(breach) = growth(151, &week, 50.0) else {
            panic!("151 is more than half above 100");
        };
        let expected = Breach::MaxGrowth {
            ids: 151,
            median: 100.0,
            runs: 7,
            percent: 50.0,
        };
        assert_eq!(breach, expected);
        // Of an even number of lists the two in the middle count.
        assert!(allowed(300, &[100, 300], 50.0));
        assert!(!allowed(301, &[100, 300], 50.0));
        // As large is no growth, and smaller is none either.
        assert!(allowed(200, &[200], 0.0));
        assert!(!allowed(201, &[200], 0.0));
        assert!(allowed(100, &[200], 0.0));
    }

    #[test]
    fn growth_is_no_question_of_short_lists_or_without_a_history() {
        assert_eq!(growth(99, &[1], 0.0), Growth::Short);
        assert!(matches!(growth(100, &[1], 0.0), Growth::Breached(_)));
        assert_eq!(growth(1_000_000, &[], 0.0), Growth::NoHistory);
    }

    #[test]
    fn a_list_is_too_old_when_its_age_is_past_the_limit() {
        let since: Timestamp = "2026-11-20T02:00:00Z".parse().unwrap();
        let limit = Duration::from_hours(72);
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(too_old(since, at("2026-11-23T02:00:00Z"), limit), None);
        assert!(too_old(since, at("2026-11-23T02:00:00.001Z"), limit).is_some());
        assert_eq!(too_old(since, at("2020-01-01T00:00:00Z"), limit), None);
    }

    #[test]
    fn excluded_ids_are_found_with_their_lines_and_known_ones_pass() {
        let id = |number: i64| PermissionId::try_from(number).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keep.csv");
        std::fs::write(&file, "3\n4\n5\n6\n7\n8\n9\n").unwrap();
        let exclusion = Exclusion::read([file.clone()], None).unwrap();
        let sieve = |known: &[i64]| {
            let known = known.iter().copied().map(id).collect();
            let mut sieve = ExclusionCheck::new(&exclusion, known);
            sieve.look(&[1, 3, 4, 5].map(id), &[2, 4, 6, 8]);
            sieve.look(&[6, 7, 8].map(id), &[9, 10, 11]);
            sieve.finding()
        };
        let found = sieve(&[4]).unwrap();
        assert_eq!(found.excluded, [3, 5, 6, 7, 8].map(id));
        let Breach::Exclude {
            ids, first, files, ..
        } = found.breach
        else {
            panic!("another guard");
        };
        assert_eq!((ids, files), (5, vec![file.display().to_string()]));
        let named = [(3, 4), (5, 8), (6, 9), (7, 10), (8, 11)];
        assert_eq!(first, named.map(|(number, line)| (id(number), line)));
        assert_eq!(sieve(&[3, 4, 5, 6, 7, 8]), None);
    }
}
