//! The accounting as a bar: all rows of the list, each in one part of it.

use super::extract::Counts;
use crate::journal::State;
use crate::report::format::number;

/// A part that holds anything is at least so wide, in percent: on a phone,
/// four pixels.
const THINNEST: f64 = 1.1;

/// A place or length in a drawing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Coord(pub(super) f64);

impl std::fmt::Display for Coord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.2}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// A part of the bar.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct BarPart {
    /// A word for its look.
    pub(super) look: &'static str,
    pub(super) words: &'static str,
    pub(super) n: u64,
    pub(super) number: String,
    pub(super) share: String,
    pub(super) x: Coord,
    pub(super) width: Coord,
}

/// The parts that hold anything, in the order of the accounting.
pub(super) fn parts(counts: &Counts) -> Vec<BarPart> {
    let of = |state| counts.others.of(state);
    let counted = [
        ("revoked", "revoked, read back", counts.read_back),
        ("unverified", "revoked, not read back", counts.unread),
        ("mismatch", "counted as revoked, not shown so", counts.lost),
        ("refused", "refused by the API", of(State::Refused)),
        ("missing", "not known to the API", of(State::Missing)),
        ("exhausted", "not executed", of(State::Exhausted)),
        ("unknown", "may or may not be revoked", of(State::Unknown)),
        ("in_flight", "sent, no answer recorded", of(State::InFlight)),
        ("pending", "not sent yet", of(State::Pending)),
        ("duplicate", "duplicate rows", counts.duplicate),
        ("invalid", "invalid rows", counts.invalid),
    ];
    let total: u64 = counted.iter().map(|(_, _, n)| n).sum();
    let counted: Vec<_> = counted.into_iter().filter(|(_, _, n)| *n > 0).collect();
    let wanted: Vec<f64> = counted
        .iter()
        .map(|(_, _, n)| (percent(*n, total)).max(THINNEST))
        .collect();
    let scale = 100.0 / wanted.iter().sum::<f64>().max(1.0);
    let mut x = 0.0;
    counted
        .into_iter()
        .zip(wanted)
        .map(|((look, words, n), wanted)| {
            let width = wanted * scale;
            x += width;
            BarPart {
                look,
                words,
                n,
                number: number(n),
                share: share(n, total),
                x: Coord(x - width),
                width: Coord(width),
            }
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
fn percent(n: u64, total: u64) -> f64 {
    n as f64 * 100.0 / total.max(1) as f64
}

/// A share in percent, rounded down: only all is 100 %.
pub(super) fn share(n: u64, total: u64) -> String {
    let tenths = u128::from(n) * 1000 / u128::from(total.max(1));
    match (n, tenths) {
        (0, _) => "0 %".to_owned(),
        (_, 0) => "< 0.1 %".to_owned(),
        (_, 1000) => "100 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all_or_down_to_nothing() {
        let shares = [
            (0, 7),
            (1, 10_000_000),
            (1, 3),
            (9_999_999, 10_000_000),
            (7, 7),
        ];
        assert_eq!(
            shares.map(|(n, total)| share(n, total)),
            ["0 %", "< 0.1 %", "33.3 %", "99.9 %", "100 %"]
        );
    }

    #[test]
    fn the_parts_fill_the_bar_and_the_least_of_them_can_be_seen() {
        let mut counts = Counts {
            read_back: 9_999_000,
            unread: 1,
            duplicate: 3,
            invalid: 1,
            ..Counts::default()
        };
        counts.others.add(State::Refused, 2);
        let parts = parts(&counts);
        assert_eq!(parts.iter().map(|part| part.n).sum::<u64>(), 9_999_007);
        assert_eq!(parts.len(), 5);
        let mut x = 0.0;
        for part in &parts {
            assert!(
                (part.x.0 - x).abs() < 1e-9 && part.width.0 > 0.6,
                "{part:?}"
            );
            x += part.width.0;
        }
        assert!((x - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_coordinate_is_written_short() {
        assert_eq!(
            [0.0, -0.001, 12.0, 33.333, 100.1].map(|at| Coord(at).to_string()),
            ["0", "0", "12", "33.33", "100.1"]
        );
    }
}
