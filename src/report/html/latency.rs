//! How long answers took, as a drawing for each kind of call: columns over a
//! scale on which each step is so many times the one before.

use super::activity::{Activity, Answers};
use super::bar::Coord;
use super::timeline::{Area, Label};
use crate::report::format::{count, number};

/// Columns to each tenfold.
const STEPS: f64 = 8.0;
pub(super) const HEIGHT: f64 = 96.0;
const TOP: f64 = 22.0;
const BASE: f64 = 74.0;

/// The answers of one kind.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct KindLatency {
    pub(super) kind: String,
    pub(super) answered: String,
    pub(super) without: String,
    /// The figures that are told: their names and what they are.
    pub(super) figures: [(&'static str, String); 4],
    pub(super) columns: Vec<Area>,
    /// Half, 95 % and 99 % of the answers took no longer.
    pub(super) marks: Vec<Label>,
    pub(super) ticks: Vec<Label>,
}

/// Each kind of which any was answered, over one scale.
pub(super) fn latencies(activity: &Activity) -> Vec<KindLatency> {
    let answered = || {
        activity
            .answers
            .iter()
            .filter(|kind| !kind.taken.is_empty())
    };
    let least = answered().map(|kind| kind.taken.min_nz()).min();
    let most = answered().map(|kind| kind.taken.max()).max();
    let Some((least, most)) = least.zip(most) else {
        return Vec::new();
    };
    let scale = Scale::over(least, most);
    answered().map(|kind| scale.draw(kind)).collect()
}

/// The scale, in steps.
struct Scale {
    first: f64,
    steps: f64,
}

impl Scale {
    fn over(least: u64, most: u64) -> Self {
        let first = steps(least).floor() - 1.0;
        Self {
            first,
            steps: (steps(most).floor() + 2.0 - first).max(6.0),
        }
    }

    /// Where so many microseconds are, in percent.
    fn at(&self, us: u64) -> f64 {
        (steps(us) - self.first) / self.steps * 100.0
    }

    fn draw(&self, answers: &Answers) -> KindLatency {
        let taken = &answers.taken;
        let quantile = |share: f64| taken.value_at_quantile(share);
        KindLatency {
            kind: words(&answers.kind).to_owned(),
            answered: number(taken.len()),
            without: number(answers.without),
            figures: [
                ("p50", time(quantile(0.5))),
                ("p95", time(quantile(0.95))),
                ("p99", time(quantile(0.99))),
                ("longest", time(taken.max())),
            ],
            columns: self.columns(answers),
            marks: self.marks(&[
                ("p50", quantile(0.5)),
                ("p95", quantile(0.95)),
                ("p99", quantile(0.99)),
            ]),
            ticks: self.ticks(),
        }
    }

    fn columns(&self, answers: &Answers) -> Vec<Area> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few dozen steps at the most"
        )]
        let mut counts = vec![0_u64; self.steps.ceil() as usize];
        for value in answers.taken.iter_recorded() {
            let step = steps(value.value_iterated_to()).floor() - self.first;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "inside the scale"
            )]
            let step = (step.max(0.0) as usize).min(counts.len() - 1);
            counts[step] += value.count_since_last_iteration();
        }
        let tallest = counts.iter().copied().max().unwrap_or(1).max(1);
        let width = 100.0 / self.steps;
        let mut columns = Vec::new();
        let mut step = self.first;
        for calls in counts {
            if calls > 0 {
                #[expect(clippy::cast_precision_loss, reason = "a height for the eye")]
                let height = (calls as f64 / tallest as f64 * (BASE - TOP)).max(1.0);
                columns.push(Area {
                    look: "clean",
                    x: Coord((step - self.first) * width + width * 0.06),
                    y: Coord(BASE - height),
                    width: Coord(width * 0.88),
                    height: Coord(height),
                    title: format!(
                        "{} in {} to {}",
                        count(calls, "answer", "answers"),
                        time(microseconds(step)),
                        time(microseconds(step + 1.0))
                    ),
                });
            }
            step += 1.0;
        }
        columns
    }

    /// Marks that would stand on one another share their words.
    fn marks(&self, all: &[(&str, u64)]) -> Vec<Label> {
        let mut marks: Vec<Label> = Vec::new();
        for (name, us) in all {
            let x = self.at(*us);
            match marks.last_mut() {
                Some(last) if x - last.x.0 < 7.0 => {
                    last.text.push_str(", ");
                    last.text.push_str(name);
                    // One line for both, at the longer time.
                    last.x = Coord(x);
                }
                _ => marks.push(Label {
                    x: Coord(x),
                    y: Coord(TOP),
                    text: (*name).to_owned(),
                }),
            }
        }
        marks
    }

    fn ticks(&self) -> Vec<Label> {
        let mut ticks = Vec::new();
        for us in (0..10).map(|power| 10_u64.pow(power)) {
            let x = self.at(us);
            if (0.0..96.0).contains(&x) {
                ticks.push(Label {
                    x: Coord(x),
                    y: Coord(BASE + 16.0),
                    text: time(us),
                });
            }
        }
        ticks
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most an hour")]
fn steps(us: u64) -> f64 {
    (us.max(1) as f64).log10() * STEPS
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most some hours, and saturates"
)]
fn microseconds(steps: f64) -> u64 {
    10_f64.powf(steps / STEPS).round() as u64
}

/// The calls of a kind, in words.
pub(super) fn words(kind: &str) -> &str {
    match kind {
        "revoke" => "revocations",
        "read" => "reads",
        "login" => "log-ins",
        "renew" => "renewals",
        "auth" => "log-ins and renewals",
        other => other,
    }
}

/// A time to about three digits: `640 µs`, `1.25 ms`, `12.3 s`, `1 h`.
pub(super) fn time(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "at most an hour")]
    let us = us as f64;
    let (value, unit) = match us {
        ..1e3 => (us, "µs"),
        ..1e6 => (us / 1e3, "ms"),
        ..60e6 => (us / 1e6, "s"),
        ..3600e6 => (us / 60e6, "min"),
        _ => (us / 3600e6, "h"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_the_digits_that_matter() {
        let all = [
            1,
            640,
            1_250,
            99_960,
            100_000,
            12_300_000,
            90_000_000,
            3_600_000_000,
        ];
        assert_eq!(
            all.map(time),
            [
                "1 µs", "640 µs", "1.25 ms", "100 ms", "100 ms", "12.3 s", "1.5 min", "1 h"
            ]
        );
    }
}
