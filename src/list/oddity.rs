//! What is odd about IDs that are valid: one that was cut off by the end of
//! the list, or the sum at the foot of a spreadsheet, is a number like any
//! other, and may be a stranger's permission.
//!
//! Told by the number of digits alone, which costs next to nothing. Nothing
//! is refused for it: a person has to look.

use std::fmt;

use super::PermissionId;

/// So many IDs of a length at most are odd: more of them are a kind.
const FEW: u64 = 3;

/// So many percent of the IDs have the commonest length, where another one is
/// odd.
const MOST_PERCENT: u64 = 90;

/// So many digits fewer than most are odd: IDs that are counted up grow by
/// one digit.
const FEWER: usize = 2;

/// 2^63−1 has so many digits.
const LONGEST: usize = 19;

/// Something that a person should look at before the IDs are revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// The list ends within a line, and the ID there is the shortest of all.
    CutOff {
        /// The last line.
        line: u64,
        /// Its ID.
        id: PermissionId,
    },
    /// A few IDs are much shorter than nearly all.
    Short {
        /// How many.
        ids: u64,
        /// Their number of digits.
        digits: usize,
        /// The number of digits that most have.
        most: usize,
        /// Where the first of them stands.
        line: u64,
    },
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { line, id } => write!(
                f,
                "line {line} is the last and has no line end, and its ID {id} is shorter than all \
                 others: the list may be cut off"
            ),
            Self::Short {
                ids,
                digits,
                most,
                line,
            } => {
                let (have, place) = match ids {
                    1 => ("1 ID has".to_owned(), "line"),
                    ids => (format!("{ids} IDs have"), "the first in line"),
                };
                let digits = match digits {
                    1 => "1 digit".to_owned(),
                    digits => format!("{digits} digits"),
                };
                write!(f, "{have} {digits} where most have {most}: {place} {line}")
            }
        }
    }
}

/// The distinct IDs of a list by their number of digits.
#[derive(Default)]
pub(super) struct Lengths([Length; LONGEST]);

#[derive(Clone, Copy, Default)]
struct Length {
    ids: u64,
    first: Option<(u64, PermissionId)>,
}

impl Lengths {
    #[inline]
    pub(super) fn note(&mut self, id: PermissionId, line: u64) {
        let length = &mut self.0[id.get().ilog10() as usize];
        length.ids += 1;
        length.first.get_or_insert((line, id));
    }

    /// What is odd about a list whose last line is `unended`, if it has no
    /// line end.
    pub(super) fn oddities(&self, unended: Option<u64>) -> Vec<Oddity> {
        // Each with its number of digits; the shortest first.
        let mut lengths: Vec<(usize, u64, u64, PermissionId)> = (1..)
            .zip(&self.0)
            .filter_map(|(digits, length)| {
                let (line, id) = length.first?;
                Some((digits, length.ids, line, id))
            })
            .collect();
        let all: u64 = lengths.iter().map(|(_, ids, ..)| ids).sum();
        let most = lengths.iter().max_by_key(|(_, ids, ..)| *ids);
        let most = most.map_or((0, 0), |(digits, ids, ..)| (*digits, *ids));
        let mut odd = Vec::new();
        if let [(_, 1, line, id), _, ..] = lengths[..]
            && Some(line) == unended
        {
            odd.push(Oddity::CutOff { line, id });
            lengths.remove(0);
        }
        if most.1 * 100 >= all * MOST_PERCENT {
            let few = lengths
                .iter()
                .filter(|(digits, ids, ..)| digits + FEWER <= most.0 && *ids <= FEW);
            odd.extend(few.map(|(digits, ids, line, _)| Oddity::Short {
                ids: *ids,
                digits: *digits,
                most: most.0,
                line: *line,
            }));
        }
        odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is odd about these IDs, each in a line below a header.
    fn odd(ids: impl IntoIterator<Item = i64>, ended: bool) -> Vec<String> {
        let mut lengths = Lengths::default();
        let mut last = 1;
        for id in ids {
            last += 1;
            lengths.note(PermissionId::try_from(id).unwrap(), last);
        }
        let odd = lengths.oddities((!ended).then_some(last));
        odd.iter().map(ToString::to_string).collect()
    }

    fn then(more: &[i64]) -> Vec<i64> {
        let usual = 1_000_000_000..1_000_000_029;
        usual.chain(more.iter().copied()).collect()
    }

    #[test]
    fn the_shortest_id_at_the_end_may_be_cut_off() {
        let cut_off = "line 31 is the last and has no line end, and its ID 100000 is shorter than \
                       all others: the list may be cut off";
        assert_eq!(odd(then(&[100_000]), false), [cut_off]);
        assert_eq!(odd([1_000_000_000, 100_000_000], false).len(), 1);
        // Others are as short, or it is whole.
        let [short] = &odd(then(&[100_001, 100_000]), false)[..] else {
            panic!("one length is odd");
        };
        assert!(short.starts_with("2 IDs"), "{short}");
        assert!(odd(then(&[1_000_000_040]), false).is_empty());
        assert!(odd(then(&[10_000_000_000]), false).is_empty());
        assert!(odd([5], false).is_empty());
        assert!(odd([], false).is_empty());
    }

    #[test]
    fn a_few_ids_that_are_much_shorter_than_nearly_all_are_odd() {
        let one = "1 ID has 2 digits where most have 10: line 31";
        assert_eq!(odd(then(&[30]), true), [one]);
        assert_eq!(
            odd(then(&[30, 7, 31]), true),
            [
                "1 ID has 1 digit where most have 10: line 32",
                "2 IDs have 2 digits where most have 10: the first in line 31"
            ]
        );
        // One digit fewer is what IDs had yesterday, four of a length are a
        // kind, and where lengths are mixed none is odd.
        assert!(odd(then(&[999_999_999]), true).is_empty());
        assert!(odd((0..50).chain(then(&[])).filter(|id| *id > 9), true).is_empty());
        assert!(odd((0..6).map(|n| 10_i64.pow(n)), true).is_empty());
        let longest = (0..40).map(|n| i64::MAX - n).chain([1]);
        assert_eq!(
            odd(longest, true),
            ["1 ID has 1 digit where most have 19: line 42"]
        );
    }
}
