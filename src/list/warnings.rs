//! What a person should look at in a list of valid IDs: where nine of ten IDs
//! have the same number of digits, an ID with fewer may be cut off, and one
//! with more may be the sum at the foot of a spreadsheet. Either may be the
//! permission of someone else.
//!
//! Nothing is refused for it.

use std::fmt;

use super::PermissionId;

/// So many percent of the IDs have the commonest number of digits, where
/// another number is odd.
const MOST_PERCENT: u64 = 90;

/// So many lines are named.
const NAMED: usize = 5;

/// 2^63−1 has so many digits.
const LONGEST: usize = 19;

/// IDs whose number of digits is not that of nearly all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListWarning {
    /// How many IDs.
    pub ids: u64,
    /// Their number of digits.
    pub digits: usize,
    /// The number of digits that most have.
    pub most: usize,
    /// The lines of the first of them.
    pub lines: Vec<u64>,
}

impl fmt::Display for ListWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ids,
            digits,
            most,
            lines,
        } = self;
        let have = match ids {
            1 => "1 ID has".to_owned(),
            ids => format!("{ids} IDs have"),
        };
        let digits = match digits {
            1 => "1 digit".to_owned(),
            digits => format!("{digits} digits"),
        };
        let named: Vec<_> = lines.iter().map(u64::to_string).collect();
        let (word, more) = (
            if *ids == 1 { "line" } else { "lines" },
            if *ids > lines.len() as u64 {
                ", …"
            } else {
                ""
            },
        );
        let named = named.join(", ");
        write!(
            f,
            "{have} {digits} where most have {most}: {word} {named}{more}"
        )
    }
}

/// The distinct IDs of a list by their number of digits.
#[derive(Default)]
pub(super) struct Lengths([Length; LONGEST]);

#[derive(Default)]
struct Length {
    ids: u64,
    lines: Vec<u64>,
}

impl Lengths {
    #[inline]
    pub(super) fn note(&mut self, id: PermissionId, line: u64) {
        let length = &mut self.0[id.get().ilog10() as usize];
        length.ids += 1;
        if length.lines.len() < NAMED {
            length.lines.push(line);
        }
    }

    /// What is odd about the list, the shortest IDs first.
    pub(super) fn oddities(self) -> Vec<ListWarning> {
        let all: u64 = self.0.iter().map(|length| length.ids).sum();
        let most = (1..).zip(&self.0).max_by_key(|(_, length)| length.ids);
        let (most, ids) = most.map_or((0, 0), |(digits, length)| (digits, length.ids));
        if ids * 100 < all * MOST_PERCENT {
            return Vec::new();
        }
        let lengths = (1..).zip(self.0);
        let odd = lengths.filter(|(digits, length)| *digits != most && length.ids > 0);
        odd.map(|(digits, length)| ListWarning {
            ids: length.ids,
            digits,
            most,
            lines: length.lines,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is odd about these IDs, each in a line below a header.
    fn odd(ids: impl IntoIterator<Item = i64>) -> Vec<String> {
        let mut lengths = Lengths::default();
        for (id, line) in ids.into_iter().zip(2..) {
            lengths.note(PermissionId::try_from(id).unwrap(), line);
        }
        let odd = lengths.oddities();
        odd.iter().map(ToString::to_string).collect()
    }

    fn then(more: &[i64]) -> Vec<i64> {
        let usual = 1_000_000_000..1_000_000_099;
        usual.chain(more.iter().copied()).collect()
    }

    #[test]
    fn ids_with_fewer_or_more_digits_than_most_are_named() {
        assert_eq!(
            odd(then(&[100_000])),
            ["1 ID has 6 digits where most have 10: line 101"]
        );
        assert_eq!(
            odd(then(&[99_000_004_851, 30, 7, 31])),
            [
                "1 ID has 1 digit where most have 10: line 103",
                "2 IDs have 2 digits where most have 10: lines 102, 104",
                "1 ID has 11 digits where most have 10: line 101",
            ]
        );
        let many: Vec<_> = (0..9).map(|n| 900_000_000 + n).collect();
        assert_eq!(
            odd(then(&many)),
            ["9 IDs have 9 digits where most have 10: lines 101, 102, 103, 104, 105, …"]
        );
        let longest = (0..40).map(|n| i64::MAX - n).chain([1]);
        assert_eq!(
            odd(longest),
            ["1 ID has 1 digit where most have 19: line 42"]
        );
    }

    #[test]
    fn nothing_is_odd_where_the_lengths_are_alike_or_mixed() {
        assert!(odd(then(&[])).is_empty());
        assert!(odd([5]).is_empty());
        assert!(odd([]).is_empty());
        assert!(odd((10..50).chain(then(&[]))).is_empty());
        assert!(odd((0..6).map(|n| 10_i64.pow(n))).is_empty());
    }
}
