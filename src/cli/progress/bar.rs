//! The one line of the bar, and the words of counter lines: pure text, made
//! to fit.

use std::time::Duration;

use rescind::journal::{State, Tally};
use rescind::report::{VerificationMark, number};
use rescind::sweep::Quota;

use super::cells;

/// The narrowest bar that is worth drawing, and the widest.
const BAR: std::ops::RangeInclusive<usize> = 8..=30;

/// The states that a person has to know of, in the order of the accounting.
const TROUBLES: [State; 4] = [
    State::Refused,
    State::Missing,
    State::Exhausted,
    State::Unknown,
];

/// What has been read where nothing is carried out, in IDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::cli::progress) struct VerifyProgress {
    pub(in crate::cli::progress) read: u64,
    pub(in crate::cli::progress) active: u64,
    pub(in crate::cli::progress) absent: u64,
    pub(in crate::cli::progress) unreadable: u64,
}

impl VerifyProgress {
    pub(in crate::cli::progress) fn add(&mut self, mark: VerificationMark, ids: u64) {
        self.read += ids;
        match mark {
            VerificationMark::AsClaimed => {}
            VerificationMark::Active => self.active += ids,
            VerificationMark::Absent => self.absent += ids,
            VerificationMark::Unreadable => self.unreadable += ids,
        }
    }
}

/// How things stand at one moment.
#[derive(Clone, Debug)]
pub(in crate::cli::progress) struct View {
    pub(in crate::cli::progress) tally: Tally,
    /// What counts where nothing is carried out.
    pub(in crate::cli::progress) looked: Option<VerifyProgress>,
    /// Calls answered a second.
    pub(in crate::cli::progress) pace: f64,
    /// The tightest limit.
    pub(in crate::cli::progress) limit: Option<Quota>,
    /// How long it will take, where that can be told.
    pub(in crate::cli::progress) left: Option<Duration>,
    /// What everybody waits for.
    pub(in crate::cli::progress) wait: Option<PauseView>,
    /// Calls that are on their way.
    pub(in crate::cli::progress) under_way: usize,
}

/// A hold that is on.
#[derive(Clone, Debug)]
pub(in crate::cli::progress) struct PauseView {
    /// What for.
    pub(in crate::cli::progress) cause: String,
    /// Until when, in local time.
    pub(in crate::cli::progress) until: String,
    pub(in crate::cli::progress) left: Duration,
}

impl View {
    /// The line of the bar, in no more than `columns` if that can be.
    pub(in crate::cli::progress) fn line(&self, columns: usize) -> String {
        for (words, bar) in self.wordings() {
            let length = words.chars().count();
            if !bar && length <= columns {
                return words;
            }
            // The brackets and the blank behind them.
            let room = columns.saturating_sub(length + 3);
            if bar && room >= *BAR.start() {
                return format!("[{}] {words}", self.bar(room.min(*BAR.end())));
            }
        }
        self.share().chars().take(columns).collect()
    }

    /// What the line may say, and whether with a bar, the richest first.
    fn wordings(&self) -> Vec<(String, bool)> {
        let share = self.share();
        let short = share.trim_end_matches(" IDs");
        let said = |parts: &[&str]| -> String {
            let parts: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
            parts.join(" · ")
        };
        let end = self.end();
        if let Some(wait) = &self.wait {
            let PauseView { cause, until, left } = wait;
            let left = hours(*left);
            let full = format!("{cause} until {until}, {left} left");
            let brief = cause.split(" (").next().unwrap_or(cause);
            return vec![
                (said(&[&share, &full, &end]), true),
                (said(&[&share, &full]), true),
                (said(&[&share, &full]), false),
                (said(&[short, &full]), false),
                (said(&[short, &format!("{brief}, {left} left")]), false),
                (format!("{brief}, {left} left"), false),
            ];
        }
        let pace = format!("{}/s", rate(self.pace));
        let limited = match self.limit {
            Some(limit) => format!("{pace} of {}", quota(limit)),
            None => pace.clone(),
        };
        let troubles = said(
            &self
                .troubles()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        );
        let sum = self.sum_of_troubles();
        let flying = format!("{} in flight", self.under_way);
        vec![
            (said(&[&share, &limited, &flying, &troubles, &end]), true),
            (said(&[&share, &limited, &flying, &troubles, &end]), false),
            (said(&[short, &limited, &flying, &troubles, &end]), false),
            (said(&[&share, &limited, &flying, &sum, &end]), true),
            (said(&[&share, &limited, &flying, &sum, &end]), false),
            (said(&[&share, &pace, &sum, &end]), false),
            (said(&[&share, &sum, &end]), false),
            (said(&[short, &sum]), false),
        ]
    }

    fn share(&self) -> String {
        format!("{}/{} IDs", number(self.done()), number(self.tally.total()))
    }

    /// The IDs that are done with: settled, or read.
    pub(in crate::cli::progress) fn done(&self) -> u64 {
        self.looked
            .map_or_else(|| self.tally.settled(), |looked| looked.read)
    }

    fn all_done(&self) -> bool {
        self.done() == self.tally.total()
    }

    /// Settled IDs may still have to be read, which no count shows.
    fn end(&self) -> String {
        match self.left {
            _ if self.all_done() => "last reads".to_owned(),
            Some(left) => format!("ETA {}", clock(left)),
            None => "ETA ?".to_owned(),
        }
    }

    fn bar(&self, length: usize) -> String {
        let (done, total) = (self.done(), self.tally.total().max(1));
        // A bar is full only when everything is done.
        let full = u128::from(done) * length as u128 / u128::from(total);
        let full = usize::try_from(full).unwrap_or(length).min(length);
        cells::draw(full, length)
    }

    fn troubles(&self) -> Vec<String> {
        if let Some(looked) = self.looked {
            let counts = [
                (looked.active, "not as claimed"),
                (looked.absent, "absent"),
                (looked.unreadable, "unreadable"),
            ];
            let counts = counts.iter().filter(|(ids, _)| *ids > 0);
            return counts
                .map(|(ids, what)| format!("{} {what}", number(*ids)))
                .collect();
        }
        let counts = TROUBLES.iter().map(|state| (state, self.tally.of(*state)));
        counts
            .filter(|(_, ids)| *ids > 0)
            .map(|(state, ids)| format!("{} {state}", number(ids)))
            .collect()
    }

    fn sum_of_troubles(&self) -> String {
        if let Some(looked) = self.looked {
            return match looked.active + looked.absent + looked.unreadable {
                0 => String::new(),
                ids => format!("{} not as claimed", number(ids)),
            };
        }
        match TROUBLES.iter().map(|state| self.tally.of(*state)).sum() {
            0 => String::new(),
            ids => format!("{} not revoked", number(ids)),
        }
    }

    /// The words of a counter line.
    pub(in crate::cli::progress) fn counters(&self) -> String {
        let mut states = self.troubles();
        let doubt = match self.tally.of(State::Unknown) {
            ids if ids > 0 && self.looked.is_none() => {
                // It is not settled, and so no part of what is.
                states.pop();
                format!("; {} in doubt", number(ids))
            }
            _ => String::new(),
        };
        let revoked = self.tally.of(State::Revoked);
        if revoked > 0 && self.looked.is_none() {
            states.insert(0, format!("{} revoked", number(revoked)));
        }
        let states = match states.as_slice() {
            [] => String::new(),
            some => format!(": {}", some.join(", ")),
        };
        let left = match self.left {
            Some(left) if !self.all_done() => format!("; about {} left", clock(left)),
            _ => String::new(),
        };
        let (done, total) = (number(self.done()), number(self.tally.total()));
        let what = match self.looked {
            Some(_) => "read",
            None => "settled",
        };
        let pace = rate(self.pace);
        format!("{done} of {total} IDs {what}{states}{doubt}; {pace} calls/s{left}")
    }
}

/// Below ten one decimal says more than none.
fn rate(pace: f64) -> String {
    if pace < 9.95 {
        format!("{pace:.1}")
    } else {
        format!("{pace:.0}")
    }
}

fn quota(quota: Quota) -> String {
    let count = number(quota.count.into());
    match quota.window.as_secs() {
        1 => format!("{count}/s"),
        60 => format!("{count}/m"),
        3600 => format!("{count}/h"),
        _ => format!("{count} in {:?}", quota.window),
    }
}

/// `12s`, `1m 38s`, `1h 02m` or `2d 03h`: nothing that could be a time of day.
pub(in crate::cli::progress) fn clock(span: Duration) -> String {
    let seconds = rounded_up(span);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `00:42:10`.
pub(in crate::cli::progress) fn hours(span: Duration) -> String {
    let seconds = rounded_up(span);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// A countdown shows zero only when the time is over.
fn rounded_up(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(revoked: u64, refused: u64, unknown: u64, pending: u64) -> View {
        let mut tally = Tally::default();
        tally.add(State::Revoked, revoked);
        tally.add(State::Refused, refused);
        tally.add(State::Unknown, unknown);
        tally.add(State::Pending, pending);
        View {
            tally,
            looked: None,
            pace: 38.2,
            limit: Some(Quota {
                count: 200,
                window: Duration::from_secs(1),
            }),
            left: Some(Duration::from_millis(11_200)),
            wait: None,
            under_way: 4,
        }
    }

    fn waiting(view: &View) -> View {
        View {
            wait: Some(PauseView {
                cause: "lockout (429)".to_owned(),
                until: "03:12:45".to_owned(),
                left: Duration::from_secs(2_530),
            }),
            ..view.clone()
        }
    }

    #[test]
    fn the_line_says_less_on_a_narrower_terminal() {
        let some = view(1_219, 12, 3, 2_786);
        for (columns, line) in [
            (
                100,
                "[#####------------] 1,231/4,020 IDs · 38/s of 200/s · 4 in flight · 12 refused · 3 unknown · ETA 12s",
            ),
            (
                82,
                "1,231/4,020 IDs · 38/s of 200/s · 4 in flight · 12 refused · 3 unknown · ETA 12s",
            ),
            (
                79,
                "1,231/4,020 · 38/s of 200/s · 4 in flight · 12 refused · 3 unknown · ETA 12s",
            ),
            (
                75,
                "1,231/4,020 IDs · 38/s of 200/s · 4 in flight · 15 not revoked · ETA 12s",
            ),
            (59, "1,231/4,020 IDs · 38/s · 15 not revoked · ETA 12s"),
            (45, "1,231/4,020 IDs · 15 not revoked · ETA 12s"),
            (30, "1,231/4,020 · 15 not revoked"),
            (15, "1,231/4,020 IDs"),
            (8, "1,231/4,"),
            (0, ""),
        ] {
            assert_eq!(some.line(columns), line);
        }
        assert_eq!(
            view(1_200, 0, 0, 2_820).line(79),
            "[######---------------] 1,200/4,020 IDs · 38/s of 200/s · 4 in flight · ETA 12s"
        );
    }

    #[test]
    fn during_a_hold_the_line_says_what_it_waits_for_and_until_when() {
        let held = waiting(&view(1_219, 12, 3, 2_786));
        for (columns, line) in [
            (
                79,
                "[####-----------] 1,231/4,020 IDs · lockout (429) until 03:12:45, 00:42:10 left",
            ),
            (
                64,
                "1,231/4,020 IDs · lockout (429) until 03:12:45, 00:42:10 left",
            ),
            (
                59,
                "1,231/4,020 · lockout (429) until 03:12:45, 00:42:10 left",
            ),
            (45, "1,231/4,020 · lockout, 00:42:10 left"),
            (25, "lockout, 00:42:10 left"),
        ] {
            assert_eq!(held.line(columns), line);
        }
    }

    #[test]
    fn no_line_is_longer_than_its_columns() {
        let views = [
            view(0, 0, 0, 0),
            view(0, 0, 0, 1),
            view(12_345_678, 1_234_567, 7, 12_345_678_901),
            waiting(&view(12_345_678, 1_234_567, 7, 12_345_678_901)),
        ];
        for view in views {
            for columns in 0..100 {
                let line = view.line(columns);
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn the_bar_is_full_only_when_all_is_settled() {
        assert!(view(999_999, 0, 0, 1).line(79).contains("#-]"));
        let done = view(1_000_000, 0, 0, 0).line(79);
        assert!(done.contains("#]") && !done.contains('-'), "{done}");
        assert!(done.ends_with("last reads"), "{done}");
    }

    #[test]
    fn counters_name_every_state_that_is_taken() {
        let words = view(1_180, 12, 8, 2_820).counters();
        assert_eq!(
            words,
            "1,192 of 4,020 IDs settled: 1,180 revoked, 12 refused; 8 in doubt; \
             38 calls/s; about 12s left"
        );
        let start = View {
            left: None,
            pace: 0.0,
            ..view(0, 0, 0, 7)
        };
        assert_eq!(start.counters(), "0 of 7 IDs settled; 0.0 calls/s");
    }

    #[test]
    fn spans_and_numbers_read_well() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (98, "1m 38s"),
            (3_599, "59m 59s"),
            (3_723, "1h 02m"),
            (97_200, "1d 03h"),
        ] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
        assert_eq!(clock(Duration::from_millis(1)), "1s");
        assert_eq!(hours(Duration::from_secs(2_530)), "00:42:10");
        assert_eq!((rate(1.11), rate(9.96)), ("1.1".into(), "10".into()));
        let slow = Quota {
            count: 4_000,
            window: Duration::from_hours(1),
        };
        assert_eq!(quota(slow), "4,000/h");
    }
}
