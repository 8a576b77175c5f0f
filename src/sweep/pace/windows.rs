//! Times as clocks on the wall show them, made into moments: the windows that
//! calls keep clear of, and the time of day by which a run has to be done.
//!
//! Clocks are set forward and back. A time that comes twice is two moments; a
//! time that is skipped is the moment of the change, when the clock passes
//! it.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

/// A window can last a week, and one may begin while the clock of its zone is
/// a day ahead or behind.
const REACH: i8 = 8;

/// A time of the week in which no call may be under way: a maintenance
/// window, with what is to be kept clear before and after it.
#[derive(Clone, PartialEq, Debug)]
pub struct Avoid {
    /// What it is, for people; may be empty.
    pub name: String,
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// When it begins.
    pub from: Time,
    /// When it ends: the next time that the clock shows this, on `to_day` if
    /// there is one.
    pub to: Time,
    /// The day on which it ends, where that is not within a day.
    pub to_day: Option<Weekday>,
    /// Whose clock it is.
    pub zone: TimeZone,
}

impl Avoid {
    /// The occurrence that begins on `date`: from its first moment to the
    /// first after it.
    #[must_use]
    pub fn on(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let day = date.weekday();
        if !self.days.contains(&day) {
            return None;
        }
        let ahead = match self.to_day {
            None => i8::from(self.to <= self.from),
            Some(last) => match day.until(last) {
                0 if self.to <= self.from => 7,
                days => days,
            },
        };
        let last = date.checked_add(Span::new().days(ahead)).ok()?;
        let (begin, _) = showings(&self.zone, date, self.from)?;
        let (_, end) = showings(&self.zone, last, self.to)?;
        (begin < end).then_some((begin, end))
    }

    /// The occurrences that may be on at `moment` or begin within a week of
    /// it.
    pub(in crate::sweep) fn around(
        &self,
        moment: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let today = self.zone.to_datetime(moment).date();
        (-REACH..=REACH)
            .filter_map(move |days| today.checked_add(Span::new().days(days)).ok())
            .filter_map(|date| self.on(date))
    }

    /// How it is called where something is said of it.
    #[must_use]
    pub fn called(&self) -> String {
        if self.name.is_empty() {
            self.times()
        } else {
            self.name.clone()
        }
    }

    fn times(&self) -> String {
        let days: Vec<_> = self.days.iter().map(|day| short(*day)).collect();
        let to_day = self.to_day.map_or("", short);
        format!(
            "{} {} to {to_day}{}{}",
            days.join(", "),
            self.from.strftime("%H:%M"),
            if to_day.is_empty() { "" } else { " " },
            self.to.strftime("%H:%M"),
        )
    }
}

impl fmt::Display for Avoid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} {zone}", self.times())?;
        if !self.name.is_empty() {
            write!(f, ", {}", self.name)?;
        }
        Ok(())
    }
}

/// A day's short name.
fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

/// The first and the last moment at which the clock of `zone` comes to `time`
/// on `date`.
fn showings(zone: &TimeZone, date: Date, time: Time) -> Option<(Timestamp, Timestamp)> {
    let shown = date.to_datetime(time);
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    if let AmbiguousOffset::Gap { before, .. } = ambiguous.offset() {
        let unchanged = before.to_timestamp(shown).ok()?;
        let just_after = unchanged.checked_add(Span::new().nanoseconds(1)).ok()?;
        let change = zone.preceding(just_after).next()?.timestamp();
        return Some((change, change));
    }
    Some((ambiguous.earlier().ok()?, ambiguous.later().ok()?))
}

/// The next moment after `after` at which the clock of `zone` comes to
/// `time`.
#[must_use]
pub fn next_showing(zone: &TimeZone, time: Time, after: Timestamp) -> Option<Timestamp> {
    let today = zone.to_datetime(after).date();
    let days = (-1..=2).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
    let moments = days.filter_map(|date| showings(zone, date, time));
    moments
        .flat_map(|(first, last)| [first, last])
        .filter(|moment| *moment > after)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn avoid(days: &[Weekday], from: &str, to: &str, to_day: Option<Weekday>, of: &str) -> Avoid {
        Avoid {
            name: String::new(),
            days: days.to_vec(),
            from: time(from),
            to: time(to),
            to_day,
            zone: zone(of),
        }
    }

    /// In 2026 America/Chicago goes forward on 8 March and back on 1
    /// November, Europe/Berlin on 29 March and 25 October.
    #[test]
    fn a_time_of_day_is_found_also_where_clocks_change() {
        for (of, shown, after, next) in [
            // An ordinary night: later today, and tomorrow.
            (
                "America/Chicago",
                "06:00",
                "2026-11-24T07:00:00Z",
                "2026-11-24T12:00:00Z",
            ),
            (
                "America/Chicago",
                "06:00",
                "2026-11-24T12:00:00Z",
                "2026-11-25T12:00:00Z",
            ),
            // Forward: 02:30 is skipped, and passed when the clock jumps.
            (
                "America/Chicago",
                "02:30",
                "2026-03-08T06:00:00Z",
                "2026-03-08T08:00:00Z",
            ),
            (
                "America/Chicago",
                "02:00",
                "2026-03-08T06:00:00Z",
                "2026-03-08T08:00:00Z",
            ),
            (
                "America/Chicago",
                "03:00",
                "2026-03-08T06:00:00Z",
                "2026-03-08T08:00:00Z",
            ),
            (
                "America/Chicago",
                "06:00",
                "2026-03-08T06:00:00Z",
                "2026-03-08T11:00:00Z",
            ),
            // Back: 01:30 comes twice.
            (
                "America/Chicago",
                "01:30",
                "2026-11-01T05:00:00Z",
                "2026-11-01T06:30:00Z",
            ),
            (
                "America/Chicago",
                "01:30",
                "2026-11-01T06:30:00Z",
                "2026-11-01T07:30:00Z",
            ),
            (
                "America/Chicago",
                "01:30",
                "2026-11-01T07:30:00Z",
                "2026-11-02T07:30:00Z",
            ),
            (
                "America/Chicago",
                "06:00",
                "2026-11-01T05:00:00Z",
                "2026-11-01T12:00:00Z",
            ),
            (
                "Europe/Berlin",
                "02:30",
                "2026-03-28T23:00:00Z",
                "2026-03-29T01:00:00Z",
            ),
            (
                "Europe/Berlin",
                "02:30",
                "2026-10-24T22:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "Europe/Berlin",
                "02:30",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "UTC",
                "00:00",
                "2026-11-24T00:00:00Z",
                "2026-11-25T00:00:00Z",
            ),
        ] {
            let found = next_showing(&zone(of), time(shown), at(after));
            assert_eq!(found, Some(at(next)), "{shown} in {of} after {after}");
        }
    }

    #[test]
    fn a_window_may_run_over_midnight_and_over_days() {
        let sunday = Some(Weekday::Sunday);
        let chicago = "America/Chicago";
        for (window, date, found) in [
            (
                avoid(&[Weekday::Monday], "16:00", "17:00", None, chicago),
                "2026-11-23",
                Some(("2026-11-23T22:00:00Z", "2026-11-23T23:00:00Z")),
            ),
            (
                avoid(&[Weekday::Monday], "16:00", "17:00", None, chicago),
                "2026-11-24",
                None,
            ),
            (
                avoid(&[Weekday::Monday], "23:30", "00:30", None, chicago),
                "2026-11-23",
                Some(("2026-11-24T05:30:00Z", "2026-11-24T06:30:00Z")),
            ),
            // The night before clocks go back is an hour longer.
            (
                avoid(&[Weekday::Saturday], "22:00", "06:30", sunday, chicago),
                "2026-10-31",
                Some(("2026-11-01T03:00:00Z", "2026-11-01T12:30:00Z")),
            ),
            // And the one before they go forward an hour shorter.
            (
                avoid(&[Weekday::Saturday], "22:00", "06:30", sunday, chicago),
                "2026-03-07",
                Some(("2026-03-08T04:00:00Z", "2026-03-08T11:30:00Z")),
            ),
            (
                avoid(
                    &[Weekday::Friday],
                    "20:00",
                    "06:00",
                    Some(Weekday::Monday),
                    "UTC",
                ),
                "2026-11-27",
                Some(("2026-11-27T20:00:00Z", "2026-11-30T06:00:00Z")),
            ),
            // To the same day of the next week, and to later the same day.
            (
                avoid(&[Weekday::Sunday], "12:00", "11:00", sunday, "UTC"),
                "2026-11-22",
                Some(("2026-11-22T12:00:00Z", "2026-11-29T11:00:00Z")),
            ),
            (
                avoid(&[Weekday::Sunday], "12:00", "13:00", sunday, "UTC"),
                "2026-11-22",
                Some(("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z")),
            ),
            // Both its ends come twice: from the first to the last.
            (
                avoid(&[Weekday::Sunday], "01:15", "01:45", None, chicago),
                "2026-11-01",
                Some(("2026-11-01T06:15:00Z", "2026-11-01T07:45:00Z")),
            ),
            // It lies within the hour that is skipped.
            (
                avoid(&[Weekday::Sunday], "02:15", "02:45", None, chicago),
                "2026-03-08",
                None,
            ),
            // It begins there.
            (
                avoid(&[Weekday::Sunday], "02:15", "04:00", None, chicago),
                "2026-03-08",
                Some(("2026-03-08T08:00:00Z", "2026-03-08T09:00:00Z")),
            ),
        ] {
            let found = found.map(|(begin, end)| (at(begin), at(end)));
            assert_eq!(
                window.on(date.parse().unwrap()),
                found,
                "{window} on {date}"
            );
        }
    }

    #[test]
    fn a_window_is_called_by_its_name_or_its_times() {
        let mut window = avoid(
            &[Weekday::Monday, Weekday::Saturday],
            "22:00",
            "06:30",
            Some(Weekday::Sunday),
            "America/Chicago",
        );
        assert_eq!(window.called(), "Mon, Sat 22:00 to Sun 06:30");
        assert_eq!(
            window.to_string(),
            "Mon, Sat 22:00 to Sun 06:30 America/Chicago"
        );
        window.name = "maintenance".to_owned();
        assert_eq!(window.called(), "maintenance");
        assert_eq!(
            window.to_string(),
            "Mon, Sat 22:00 to Sun 06:30 America/Chicago, maintenance"
        );
    }
}
