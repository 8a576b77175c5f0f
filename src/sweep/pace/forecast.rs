//! How long so many calls will take, at the set rate and by the timetable.
//! Pure: nothing is asked and nothing is waited for.

use std::time::Duration;

use jiff::Timestamp;

use super::clock::plus;
use crate::sweep::pace::deadline::{Deadline, StartDecision, TimeLimits, less};
use crate::sweep::policy::Quota;

/// How things stand for a run that begins now.
#[derive(Clone, Copy, Debug)]
pub struct EstimateInput<'a> {
    /// When it begins.
    pub now: Timestamp,
    /// The limits, all kept at once.
    pub rate: &'a [Quota],
    /// How long ago other calls were made that count for them, oldest first.
    pub used: &'a [Duration],
    /// What is left of a hold that is on.
    pub hold: Duration,
    /// When calls may start.
    pub timetable: &'a TimeLimits,
    /// How long one may take.
    pub takes: Duration,
}

/// How long calls will take if all goes well: without retries, and without
/// waits that nobody knows of yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// How many calls.
    pub calls: u64,
    /// The tightest limit.
    pub pace: Quota,
    /// When the first may go or has to wait.
    pub begins: Timestamp,
    /// When the last one starts; `None` if the windows to avoid leave no room.
    pub ends: Option<Timestamp>,
    /// How much of it is waited for the hold that is on.
    pub hold: Duration,
    /// For windows to avoid.
    pub window: Duration,
    /// And for what others used of the budget.
    pub budget: Duration,
    /// How many of the calls start within the time allowed.
    pub in_time: u64,
    /// The time allowed.
    pub deadline: Option<Deadline>,
}

impl Estimate {
    /// How long it takes.
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        self.ends.map(|ends| span(self.begins, ends))
    }

    /// Whether every call starts within the time allowed.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.in_time == self.calls
    }
}

/// How long `calls` will take; `None` where no rate is set, so that nobody
/// can tell.
#[must_use]
pub fn estimate(calls: u64, outlook: &EstimateInput<'_>) -> Option<Estimate> {
    let spacing = |quota: &Quota| quota.window / quota.count.max(1);
    let pace = *outlook.rate.iter().max_by_key(|quota| spacing(quota))?;
    let period = spacing(&pace).max(Duration::from_nanos(1));
    let last = match &outlook.timetable.deadline {
        Some(deadline) => less(deadline.at, outlook.takes),
        None => Timestamp::MAX,
    };
    // Its end is asked for whether it fits or not.
    let timetable = TimeLimits {
        deadline: None,
        ..outlook.timetable.clone()
    };
    let lanes: Vec<Used> = outlook
        .rate
        .iter()
        .map(|quota| Used::of(*quota, outlook))
        .collect();
    let crowded = lanes.iter().map(Used::crowded).max().unwrap_or(0);

    let mut found = Estimate {
        calls,
        pace,
        begins: outlook.now,
        ends: Some(outlook.now),
        hold: outlook.hold,
        window: Duration::ZERO,
        budget: Duration::ZERO,
        in_time: 0,
        deadline: outlook.timetable.deadline.clone(),
    };
    let mut at = plus(outlook.now, outlook.hold);
    let mut clear_until = Timestamp::MIN;
    let mut sent = 0;
    while sent < calls {
        let room = lanes.iter().filter_map(|lane| lane.room(sent)).max();
        if let Some(room) = room.filter(|room| *room > at) {
            found.budget += span(at, room);
            at = room;
        }
        if at > clear_until {
            match timetable.leave(at, outlook.takes) {
                StartDecision::Now { until } => clear_until = until,
                StartDecision::After { until, .. } => {
                    found.window += span(at, until);
                    at = until;
                    continue;
                }
                StartDecision::Never => {
                    found.ends = None;
                    return Some(found);
                }
            }
        }
        // From here on they go evenly, as long as no window comes.
        let most = if sent < crowded { 1 } else { calls - sent };
        let several = turns(at, clear_until, period).min(most);
        found.in_time += turns(at, last, period).min(several);
        let ends = plus(at, times(period, several - 1));
        found.ends = Some(ends);
        at = plus(ends, period);
        sent += several;
    }
    Some(found)
}

/// What others used of one limit.
struct Used {
    count: u64,
    /// When each of their calls leaves the window, the first first.
    leaving: Vec<Timestamp>,
}

impl Used {
    fn of(quota: Quota, outlook: &EstimateInput<'_>) -> Self {
        let left = outlook.used.iter();
        let left = left.filter_map(|age| quota.window.checked_sub(*age));
        Self {
            count: quota.count.into(),
            leaving: left.map(|left| plus(outlook.now, left)).collect(),
        }
    }

    /// Up to which call theirs may be in the way.
    fn crowded(&self) -> u64 {
        if self.leaving.is_empty() {
            0
        } else {
            self.count
        }
    }

    /// When there is room for a call with `sent` others of ours before it.
    /// They keep their distance; only theirs may be too many.
    fn room(&self, sent: u64) -> Option<Timestamp> {
        let over = (self.leaving.len() as u64 + sent).checked_sub(self.count)?;
        self.leaving.get(usize::try_from(over).ok()?).copied()
    }
}

/// How many turns there are from `at` to `last`, both included.
fn turns(at: Timestamp, last: Timestamp, period: Duration) -> u64 {
    if at > last {
        return 0;
    }
    let turns = span(at, last).as_nanos() / period.as_nanos() + 1;
    u64::try_from(turns).unwrap_or(u64::MAX)
}

fn times(period: Duration, count: u64) -> Duration {
    let nanos = period.as_nanos().saturating_mul(count.into());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::sweep::Avoid;

    const SECOND: Duration = Duration::from_secs(1);
    const MIN: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn an_hour(count: u32) -> Quota {
        Quota {
            count,
            window: HOUR,
        }
    }

    /// An hour on Mondays.
    fn avoid(from: &str, to: &str) -> Avoid {
        Avoid {
            name: String::new(),
            days: vec![Weekday::Monday],
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            to_day: None,
            zone: TimeZone::UTC,
        }
    }

    /// An outlook on Monday, 23 November 2026, at one o'clock.
    fn outlook<'a>(rate: &'a [Quota], timetable: &'a TimeLimits) -> EstimateInput<'a> {
        EstimateInput {
            now: at("2026-11-23T01:00:00Z"),
            rate,
            used: &[],
            hold: Duration::ZERO,
            timetable,
            takes: MIN,
        }
    }

    /// How long it lasts, and the waits for a hold, windows, the budget.
    fn figures(calls: u64, outlook: &EstimateInput<'_>) -> [Duration; 4] {
        let found = estimate(calls, outlook).unwrap();
        [
            found.lasts().unwrap(),
            found.hold,
            found.window,
            found.budget,
        ]
    }

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn calls_go_at_the_tightest_rate() {
        let always = TimeLimits::default();
        for (rate, calls, lasts) in [
            (vec![an_hour(3_600)], 1, NONE),
            (vec![an_hour(3_600)], 0, NONE),
            (vec![an_hour(3_600)], 3_601, HOUR),
            (
                vec![
                    an_hour(3_600),
                    Quota {
                        count: 30,
                        window: MIN,
                    },
                ],
                3_601,
                2 * HOUR,
            ),
            (
                vec![an_hour(4_000)],
                20_202,
                Duration::from_millis(900) * 20_201,
            ),
            (vec![an_hour(4_000)], 20_000_001, 5_000 * HOUR),
        ] {
            let found = figures(calls, &outlook(&rate, &always));
            assert_eq!(found, [lasts, NONE, NONE, NONE], "{calls} {rate:?}");
        }
        assert_eq!(
            estimate(10, &outlook(&[], &always)),
            None,
            "as fast as can be"
        );
    }

    #[test]
    fn what_others_used_of_the_budget_is_waited_for() {
        let always = TimeLimits::default();
        let rate = [an_hour(60)];
        // 40 calls back to back, half an hour ago; and some long ago.
        let used = [vec![2 * HOUR; 9], vec![30 * MIN; 40]].concat();
        let crowded = EstimateInput {
            used: &used,
            ..outlook(&rate, &always)
        };
        for (calls, lasts, budget) in [
            (20, 19 * MIN, NONE),
            // From the 21st on there is room when the first of them leave.
            (21, 30 * MIN, 10 * MIN),
            (120, 129 * MIN, 10 * MIN),
        ] {
            assert_eq!(
                figures(calls, &crowded),
                [lasts, NONE, NONE, budget],
                "{calls}"
            );
        }
        // All of it, one after another.
        let used: Vec<_> = (0..60).rev().map(|n| n * MIN + 59 * SECOND).collect();
        let full = EstimateInput {
            used: &used,
            ..outlook(&rate, &always)
        };
        assert_eq!(figures(60, &full), [59 * MIN + SECOND, NONE, NONE, SECOND]);
    }

    #[test]
    fn holds_and_windows_come_on_top() {
        let timetable = TimeLimits {
            avoid: vec![avoid("02:00", "03:30")],
            ..TimeLimits::default()
        };
        let rate = [an_hour(60)];
        let plain = outlook(&rate, &timetable);
        // A call may take a minute: the last one before it goes at 01:59.
        assert_eq!(figures(60, &plain), [59 * MIN, NONE, NONE, NONE]);
        let window = 90 * MIN;
        assert_eq!(figures(61, &plain), [150 * MIN, NONE, window, NONE]);
        let held = EstimateInput {
            hold: 40 * MIN,
            ..plain
        };
        assert_eq!(figures(20, &held), [59 * MIN, 40 * MIN, NONE, NONE]);
        assert_eq!(figures(21, &held), [150 * MIN, 40 * MIN, window, NONE]);
        // The hold ends within the window.
        let long = EstimateInput {
            hold: 80 * MIN,
            ..plain
        };
        assert_eq!(figures(1, &long), [150 * MIN, 80 * MIN, 70 * MIN, NONE]);
        // Every Monday.
        let week: u64 = 7 * 24 * 60;
        let found = figures(week + 60, &plain);
        assert_eq!(found[2], 2 * window);
    }

    #[test]
    fn what_does_not_fit_the_time_allowed_is_told_with_its_share() {
        let rate = [an_hour(60)];
        let until = |moment| TimeLimits {
            avoid: vec![avoid("02:00", "03:30")],
            deadline: Some(Deadline {
                at: at(moment),
                setting: "--finish-by".to_owned(),
            }),
            ..TimeLimits::default()
        };
        for (deadline, calls, in_time) in [
            ("2026-11-23T02:00:00Z", 60, 60),
            ("2026-11-23T01:59:59Z", 60, 59),
            ("2026-11-23T01:00:59Z", 60, 0),
            ("2026-11-23T03:00:00Z", 90, 60),
            ("2026-11-23T03:31:00Z", 90, 61),
            ("2026-11-23T04:00:00Z", 90, 90),
        ] {
            let timetable = until(deadline);
            let found = estimate(calls, &outlook(&rate, &timetable)).unwrap();
            assert_eq!(found.in_time, in_time, "{deadline}");
            assert_eq!(found.fits(), in_time == calls, "{deadline}");
            assert!(found.ends.is_some());
        }
    }

    #[test]
    fn windows_that_leave_no_room_have_no_end() {
        let always = Avoid {
            days: vec![
                Weekday::Monday,
                Weekday::Tuesday,
                Weekday::Wednesday,
                Weekday::Thursday,
                Weekday::Friday,
                Weekday::Saturday,
                Weekday::Sunday,
            ],
            ..avoid("16:00", "15:59:30")
        };
        let timetable = TimeLimits {
            avoid: vec![always],
            ..TimeLimits::default()
        };
        let rate = [an_hour(60)];
        let found = estimate(5, &outlook(&rate, &timetable)).unwrap();
        assert_eq!((found.ends, found.in_time, found.fits()), (None, 0, false));
    }
}
