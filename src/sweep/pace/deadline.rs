//! When calls may start: within the time allowed, and clear of the windows to
//! avoid. Pure: it is asked about moments and knows no clock.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::clock::plus;
use crate::sweep::pace::windows::Avoid;

/// Windows may follow each other; so many without room for a call between
/// them leave none at all.
const IN_A_ROW: u32 = 100;

/// Windows and days beyond so many are not looked at to tell how long work
/// takes.
const FAR: u32 = 1_000;

/// When calls may start.
#[derive(Clone, Debug)]
pub struct TimeLimits {
    /// When none may be under way.
    pub avoid: Vec<Avoid>,
    /// When the last one has to be answered.
    pub deadline: Option<Deadline>,
    /// The zone in which moments are shown to people.
    pub zone: TimeZone,
}

/// A moment by which the last call has to be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// The setting that says so, as a person would write it.
    pub setting: String,
}

/// What the timetable says of a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartDecision {
    /// A call may start, at any moment from then on and up to this one.
    Now {
        /// The last one.
        until: Timestamp,
    },
    /// Not in this window, or so shortly before it that the call might be
    /// under way when it begins.
    After {
        /// The first moment after the window, and after those that follow it
        /// too closely.
        until: Timestamp,
        /// How the windows are called.
        window: String,
    },
    /// Not any more in the time allowed.
    Never,
}

impl Default for TimeLimits {
    /// At any time.
    fn default() -> Self {
        Self {
            avoid: Vec::new(),
            deadline: None,
            zone: TimeZone::UTC,
        }
    }
}

impl TimeLimits {
    /// Whether a call that may take `takes` may start at `at`.
    #[must_use]
    pub fn leave(&self, at: Timestamp, takes: Duration) -> StartDecision {
        let (start, window) = self.clear(at, takes);
        let Some(start) = start else {
            return StartDecision::Never;
        };
        let last = self
            .deadline
            .as_ref()
            .map_or(Timestamp::MAX, |deadline| less(deadline.at, takes));
        if start > last {
            StartDecision::Never
        } else if start > at {
            StartDecision::After {
                until: start,
                window,
            }
        } else {
            let next = self.next(at, takes);
            // Further ahead than a few days nothing was looked for.
            let known = plus(at, Duration::from_hours(24));
            StartDecision::Now {
                until: last.min(next.unwrap_or(known)).min(known),
            }
        }
    }

    /// The earliest moment from `at` on at which a call that may take `takes`
    /// may start, whatever the time allowed; `None` if the windows leave no
    /// room for one.
    #[must_use]
    pub fn earliest(&self, at: Timestamp, takes: Duration) -> Option<Timestamp> {
        self.clear(at, takes).0
    }

    /// The last moment from `at` on at which a call may start before the next
    /// window, if one is known.
    fn next(&self, at: Timestamp, takes: Duration) -> Option<Timestamp> {
        let windows = self.avoid.iter().flat_map(|avoid| avoid.around(at));
        windows
            .map(|(begin, _)| less(begin, takes))
            .filter(|last| *last >= at)
            .min()
    }

    /// When calls will have been free to start for so long, from `at` on and
    /// whatever the time allowed; `None` if the windows leave no room.
    #[must_use]
    pub fn after(&self, at: Timestamp, work: Duration, takes: Duration) -> Option<Timestamp> {
        let (mut at, mut work) = (self.earliest(at, takes)?, work);
        for _ in 0..FAR {
            // Further ahead than a few days no window is seen.
            let known = plus(at, Duration::from_hours(24));
            let window = self.next(at, takes).filter(|last| *last < known);
            let last = window.unwrap_or(known);
            let free = Duration::try_from(last.duration_since(at)).unwrap_or_default();
            if work <= free {
                break;
            }
            work -= free;
            at = match window {
                Some(last) => self.earliest(plus(last, Duration::from_millis(1)), takes)?,
                None => known,
            };
        }
        Some(plus(at, work))
    }

    /// That, and the windows in between.
    pub(in crate::sweep) fn clear(
        &self,
        at: Timestamp,
        takes: Duration,
    ) -> (Option<Timestamp>, String) {
        let mut start = at;
        let mut windows: Vec<String> = Vec::new();
        for _ in 0..IN_A_ROW {
            let in_the_way = self
                .avoid
                .iter()
                .flat_map(|avoid| avoid.around(start).map(move |times| (avoid, times)))
                .filter(|(_, (begin, end))| less(*begin, takes) < start && start < *end)
                .max_by_key(|(_, (_, end))| *end);
            let Some((avoid, (_, end))) = in_the_way else {
                return (Some(start), windows.join(", "));
            };
            let called = avoid.called();
            if !windows.contains(&called) {
                windows.push(called);
            }
            start = end;
        }
        (None, windows.join(", "))
    }

    /// A moment as people are told of it.
    #[must_use]
    pub fn show(&self, moment: Timestamp) -> String {
        moment
            .to_zoned_datetime(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string()
    }
}

/// `moment` without so much.
pub(in crate::sweep) fn less(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.checked_sub(span).ok())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn avoid(name: &str, day: Weekday, from: &str, to: &str) -> Avoid {
        Avoid {
            name: name.to_owned(),
            days: vec![day],
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            to_day: None,
            zone: TimeZone::UTC,
        }
    }

    fn after(until: &str, window: &str) -> StartDecision {
        StartDecision::After {
            until: at(until),
            window: window.to_owned(),
        }
    }

    fn now(until: &str) -> StartDecision {
        StartDecision::Now { until: at(until) }
    }

    /// 2026-11-23 is a Monday.
    #[test]
    fn no_call_may_be_under_way_in_a_window() {
        let timetable = TimeLimits {
            avoid: vec![avoid("maintenance", Weekday::Monday, "16:00", "17:00")],
            ..TimeLimits::default()
        };
        for (moment, leave) in [
            ("2026-11-23T15:00:00Z", now("2026-11-23T15:59:00Z")),
            // It is answered by 16:00 at the latest.
            ("2026-11-23T15:59:00Z", now("2026-11-23T15:59:00Z")),
            (
                "2026-11-23T15:59:00.001Z",
                after("2026-11-23T17:00:00Z", "maintenance"),
            ),
            (
                "2026-11-23T16:59:59.999Z",
                after("2026-11-23T17:00:00Z", "maintenance"),
            ),
            ("2026-11-23T17:00:00Z", now("2026-11-24T17:00:00Z")),
        ] {
            assert_eq!(timetable.leave(at(moment), MINUTE), leave, "{moment}");
        }
    }

    #[test]
    fn windows_that_leave_no_room_between_them_are_one() {
        let timetable = TimeLimits {
            avoid: vec![
                avoid("", Weekday::Monday, "17:00:30", "18:00"),
                avoid("maintenance", Weekday::Monday, "16:00", "17:00"),
                avoid("night", Weekday::Monday, "17:30", "20:00"),
            ],
            ..TimeLimits::default()
        };
        assert_eq!(
            timetable.leave(at("2026-11-23T16:10:00Z"), MINUTE),
            after(
                "2026-11-23T20:00:00Z",
                "maintenance, Mon 17:00 to 18:00, night"
            )
        );
        // A shorter call fits.
        assert_eq!(
            timetable.earliest(at("2026-11-23T16:10:00Z"), MINUTE / 2),
            Some(at("2026-11-23T17:00:00Z"))
        );
    }

    #[test]
    fn a_call_has_to_be_answered_before_the_deadline() {
        let mut timetable = TimeLimits {
            avoid: vec![avoid("maintenance", Weekday::Monday, "16:00", "17:00")],
            deadline: Some(Deadline {
                at: at("2026-11-23T17:30:00Z"),
                setting: "--finish-by 17:30".to_owned(),
            }),
            ..TimeLimits::default()
        };
        let leave = |timetable: &TimeLimits, moment| timetable.leave(at(moment), MINUTE);
        for (moment, expected) in [
            ("2026-11-23T15:30:00Z", now("2026-11-23T15:59:00Z")),
            (
                "2026-11-23T16:30:00Z",
                after("2026-11-23T17:00:00Z", "maintenance"),
            ),
            ("2026-11-23T17:29:00Z", now("2026-11-23T17:29:00Z")),
            ("2026-11-23T17:29:00.001Z", StartDecision::Never),
        ] {
            assert_eq!(leave(&timetable, moment), expected, "{moment}");
        }
        // Where the window ends too late it is never, as soon as it is in the way.
        timetable.deadline = Some(Deadline {
            at: at("2026-11-23T17:00:59Z"),
            setting: "--finish-by 17:01".to_owned(),
        });
        assert_eq!(
            leave(&timetable, "2026-11-23T15:59:30Z"),
            StartDecision::Never
        );
        assert_eq!(
            timetable.earliest(at("2026-11-23T15:59:30Z"), MINUTE),
            Some(at("2026-11-23T17:00:00Z")),
            "whoever resumes is told when"
        );
    }

    #[test]
    fn work_goes_on_after_the_windows_that_it_meets() {
        let timetable = TimeLimits {
            avoid: vec![
                avoid("maintenance", Weekday::Monday, "16:00", "17:00"),
                avoid("", Weekday::Tuesday, "16:00", "16:30"),
            ],
            // It is not asked for.
            deadline: Some(Deadline {
                at: at("2026-11-23T15:00:00Z"),
                setting: "--finish-by 15:00".to_owned(),
            }),
            ..TimeLimits::default()
        };
        for (from, minutes, ends) in [
            ("2026-11-23T15:00:00Z", 59, "2026-11-23T15:59:00Z"),
            // One minute is kept clear before it.
            ("2026-11-23T15:00:00Z", 60, "2026-11-23T17:01:00Z"),
            ("2026-11-23T16:20:00Z", 10, "2026-11-23T17:10:00Z"),
            ("2026-11-23T15:00:00Z", 24 * 60, "2026-11-24T16:32:00Z"),
        ] {
            let work = Duration::from_mins(minutes);
            let found = timetable.after(at(from), work, MINUTE);
            assert_eq!(found, Some(at(ends)), "{from} and {minutes} minutes");
        }
        let free = TimeLimits::default();
        let (from, long) = (at("2026-11-23T15:00:00Z"), Duration::from_hours(24 * 5_000));
        assert_eq!(free.after(from, long, MINUTE), Some(plus(from, long)));
    }

    #[test]
    fn windows_that_leave_no_room_at_all_are_found_out() {
        let days = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ];
        let always = Avoid {
            days: days.to_vec(),
            ..avoid("", Weekday::Monday, "16:00", "15:59:30")
        };
        let timetable = TimeLimits {
            avoid: vec![always],
            ..TimeLimits::default()
        };
        let moment = at("2026-11-23T15:30:00Z");
        assert_eq!(timetable.leave(moment, MINUTE), StartDecision::Never);
        assert_eq!(timetable.earliest(moment, MINUTE), None);
        assert_eq!(timetable.after(moment, MINUTE, MINUTE), None);
        assert!(timetable.earliest(moment, MINUTE / 3).is_some());
    }

    #[test]
    fn without_windows_and_deadline_a_call_may_always_start() {
        let moment = at("2026-11-23T16:30:00Z");
        assert_eq!(
            TimeLimits::default().leave(moment, MINUTE),
            now("2026-11-24T16:30:00Z")
        );
        assert_eq!(TimeLimits::default().earliest(moment, MINUTE), Some(moment));
    }

    #[test]
    fn a_moment_is_shown_in_the_zone_that_was_chosen() {
        let timetable = TimeLimits {
            zone: TimeZone::get("America/Chicago").unwrap(),
            ..TimeLimits::default()
        };
        assert_eq!(
            timetable.show(at("2026-11-24T09:12:45Z")),
            "2026-11-24 03:12:45 CST"
        );
        assert_eq!(
            timetable.show(at("2026-07-24T09:12:45Z")),
            "2026-07-24 04:12:45 CDT"
        );
    }
}
