//! How the values of settings are written: whole numbers, durations, shares,
//! rates and words. Every layer (option, variable, file, journal) is text
//! until it comes through here, so that all of them accept the same.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use jiff::{civil::Time, tz::TimeZone};
use rescind::{duration, sweep::Quota};

/// Why a value is refused: a fragment that follows the name of the setting,
/// and how to write it instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ValueError {
    /// What is wrong; quotes the value (so no secret may come through here).
    pub(crate) what: String,
    /// How to write it.
    pub(crate) hint: Option<String>,
}

impl ValueError {
    /// A complaint without advice.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    /// Adds advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The word for a limit that is not there.
const OFF: &str = "off";

const WINDOWS: [(&str, Duration); 3] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
];

/// A whole number within `range`.
pub(super) fn whole<T: FromStr>(text: &str, range: RangeInclusive<u64>) -> Result<T, ValueError> {
    digits(text)
        .filter(|number| range.contains(number))
        .and_then(|_| text.parse().ok())
        .ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            ValueError::new(format!(
                "{text:?} is not a whole number from {least} to {most}"
            ))
        })
}

/// `5%`, `0.5%` or `5`: a share in percent.
pub(super) fn percent(text: &str) -> Result<f64, ValueError> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match number.parse::<f64>() {
        Ok(share) if plain && (0.0..=100.0).contains(&share) => Ok(share),
        _ => Err(ValueError::new(format!(
            "{text:?} is not a share from 0% to 100%"
        ))),
    }
}

/// `50%`, `0.5%` or `300`: what comes on top, in percent.
pub(super) fn growth(text: &str) -> Result<f64, ValueError> {
    const MOST: f64 = 100_000.0;
    let number = text.strip_suffix('%').unwrap_or(text);
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match number.parse::<f64>() {
        Ok(share) if plain && share <= MOST => Ok(share),
        _ => Err(ValueError::new(format!(
            "{text:?} is not a growth from 0% to {MOST}%"
        ))),
    }
}

/// `500ms`, `90s`, `1h30m`, `3d`: see [`duration`]. Only zero may go without a
/// unit.
pub(super) fn duration_in(
    text: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, ValueError> {
    let value = match digits(text) {
        Some(0) => Duration::ZERO,
        Some(_) => {
            return Err(
                ValueError::new(format!("{text:?} has no unit")).hint(format!(
                    "add ms, s, m, h or d: {text}s is so many seconds, {text}m minutes"
                )),
            );
        }
        None => duration::parse(text).ok_or_else(|| {
            ValueError::new(format!("{text:?} is not a duration"))
                .hint("write it as 500ms, 90s, 1h30m or 3d")
        })?,
    };
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (duration::show(*range.start()), duration::show(*range.end()));
    Err(ValueError::new(format!(
        "{text:?} is not from {least} to {most}"
    )))
}

/// A duration for an option that is no setting.
pub(crate) fn any_duration(text: &str) -> Result<Duration, String> {
    duration_in(text, Duration::ZERO..=Duration::MAX).map_err(|complaint| {
        let hint = complaint.hint.map(|hint| format!("; {hint}"));
        complaint.what + &hint.unwrap_or_default()
    })
}

/// `06:00`: a time of day.
pub(super) fn clock_time(text: &str) -> Result<Time, ValueError> {
    let two = |text: &str| (text.len() == 2).then(|| digits(text)).flatten();
    text.split_once(':')
        .and_then(|(hour, minute)| {
            let hour = i8::try_from(two(hour)?).ok()?;
            let minute = i8::try_from(two(minute)?).ok()?;
            Time::new(hour, minute, 0, 0).ok()
        })
        .ok_or_else(|| {
            ValueError::new(format!("{text:?} is not a time of day"))
                .hint("write it as 06:00 or 22:30, with two digits each")
        })
}

/// The text that [`clock_time`] reads as this time.
pub(crate) fn show_time(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}

/// What may also be `off`.
pub(super) fn unless_off<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<Option<T>, ValueError> {
    if text == OFF {
        return Ok(None);
    }
    read(text).map(Some).map_err(|complaint| {
        let hint = complaint.hint.map(|hint| format!("{hint}, or {OFF}"));
        ValueError { hint, ..complaint }
    })
}

/// The text that [`unless_off`] reads as this value.
pub(super) fn show_unless_off<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| OFF.to_owned(), show)
}

/// A time zone by its IANA name.
pub(super) fn zone(text: &str) -> Result<TimeZone, ValueError> {
    TimeZone::get(text).map_err(|_| {
        ValueError::new(format!("{text:?} is not a time zone"))
            .hint("name it as in America/Chicago, Europe/Berlin or UTC")
    })
}

/// Rates such as `4000/h`, or `unlimited` alone: no quota. A rate holds no
/// comma, so one text may be several.
pub(super) fn rates(texts: &[String]) -> Result<Vec<Quota>, ValueError> {
    if texts == ["unlimited"] {
        return Ok(Vec::new());
    }
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts.map(|part| quota(part.trim())).collect()
}

/// `4000/h`: so many in a rolling second, minute or hour.
pub(super) fn quota(text: &str) -> Result<Quota, ValueError> {
    if text == "unlimited" {
        return Err(ValueError::new(
            "\"unlimited\" cannot be combined with a rate",
        ));
    }
    text.split_once('/')
        .and_then(|(count, unit)| {
            let (_, window) = *WINDOWS.iter().find(|(name, _)| *name == unit)?;
            let count = whole(count, 1..=1_000_000).ok()?;
            Some(Quota { count, window })
        })
        .ok_or_else(|| {
            ValueError::new(format!("{text:?} is not a rate"))
                .hint("write it as 5/s, 80/m or 4000/h (1 to 1000000 calls), or unlimited")
        })
}

/// The texts that [`rates`] reads as these quotas.
pub(super) fn show_rates(quotas: &[Quota]) -> Vec<String> {
    if quotas.is_empty() {
        return vec!["unlimited".to_owned()];
    }
    quotas.iter().map(show_quota).collect()
}

/// The text that [`quota`] reads as this one.
pub(super) fn show_quota(quota: &Quota) -> String {
    let unit = WINDOWS.iter().find(|(_, window)| *window == quota.window);
    format!("{}/{}", quota.count, unit.map_or("?", |(name, _)| name))
}

/// `true` or `false`.
pub(super) fn flag(text: &str) -> Result<bool, ValueError> {
    text.parse()
        .map_err(|_| ValueError::new(format!("{text:?} is neither true nor false")))
}

/// The value of one of a table's words.
pub(super) fn word<T: Copy>(text: &str, table: &[(&str, T)]) -> Result<T, ValueError> {
    let found = table.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = table.iter().map(|(word, _)| *word).collect();
        ValueError::new(format!("{text:?} is not one of {}", all.join(", ")))
    })
}

/// All words of a table.
pub(super) fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// The word of a value.
pub(super) fn show_word<T: PartialEq>(value: &T, table: &[(&str, T)]) -> Option<String> {
    let (word, _) = table.iter().find(|(_, known)| known == value)?;
    Some((*word).to_owned())
}

/// One line of text that is not empty.
pub(super) fn line(text: &str) -> Result<String, ValueError> {
    if text.trim().is_empty() {
        return Err(ValueError::new("is empty"));
    }
    if text.contains(char::is_control) {
        return Err(ValueError::new("is more than one line of plain text"));
    }
    Ok(text.to_owned())
}

/// A number in plain digits: no sign, no blanks.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit_and_keeps_its_bounds() {
        let short = Duration::from_millis(1)..=Duration::from_hours(1);
        assert_eq!(
            duration_in("90s", short.clone()),
            Ok(Duration::from_secs(90))
        );
        assert_eq!(any_duration("0"), Ok(Duration::ZERO));
        let complaint = duration_in("60", short.clone()).unwrap_err();
        assert_eq!(complaint.what, "\"60\" has no unit");
        assert!(complaint.hint.unwrap().contains("60s"));
        assert_eq!(
            duration_in("2h", short).unwrap_err().what,
            "\"2h\" is not from 1ms to 1h"
        );
        any_duration("soon").unwrap_err();
    }

    #[test]
    fn a_time_of_day_that_could_be_misread_is_refused() {
        assert_eq!(clock_time("06:05").unwrap(), Time::constant(6, 5, 0, 0));
        assert_eq!(clock_time("23:59").unwrap(), Time::constant(23, 59, 0, 0));
        for text in [
            "", "6:00", "06:0", "0600", "06", "24:00", "06:60", "06:00:00", "+6:00", "06:00 ",
            "6pm",
        ] {
            assert!(clock_time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name_alone() {
        for text in ["America/Chicago", "Europe/Berlin", "UTC"] {
            assert_eq!(zone(text).unwrap().iana_name(), Some(text));
        }
        for text in [
            "",
            "CST",
            "Chicago",
            "America/Chicogo",
            "+01:00",
            "../etc/passwd",
        ] {
            assert!(zone(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_are_read_and_shown_alike() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        for given in [
            &["4000/h"][..],
            &["80/m"],
            &["5/s"],
            &["4000/h", "80/m"],
            &["unlimited"],
        ] {
            assert_eq!(show_rates(&rates(&texts(given)).unwrap()), given);
        }
        assert_eq!(
            rates(&texts(&["80/m, 5/s"])).unwrap(),
            [
                Quota {
                    count: 80,
                    window: Duration::from_mins(1)
                },
                Quota {
                    count: 5,
                    window: Duration::from_secs(1)
                }
            ]
        );
        for text in [
            "",
            "80",
            "80/",
            "/m",
            "0/m",
            "-1/s",
            "80/min",
            "80/d",
            "1000001/s",
            "unlimited,5/s",
            "5/s,",
            "5/s,unlimited",
            "Unlimited",
        ] {
            assert!(rates(&texts(&[text])).is_err(), "{text:?}");
        }
        assert!(rates(&texts(&["5/s", "unlimited"])).is_err());
    }

    #[test]
    fn shares_are_percent_with_or_without_the_sign() {
        for (text, share) in [
            ("5%", 5.0),
            ("5", 5.0),
            ("0.5%", 0.5),
            ("0", 0.0),
            ("100%", 100.0),
        ] {
            assert!(
                (percent(text).unwrap() - share).abs() < f64::EPSILON,
                "{text}"
            );
        }
        for text in ["", "%", ".", "101", "-1", "nan", "inf", "1e1", "5 %", "5%%"] {
            assert!(percent(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_growth_may_be_more_than_the_whole() {
        for (text, growth_of) in [("50%", 50.0), ("0", 0.0), ("300", 300.0), ("12.5%", 12.5)] {
            assert!(
                (growth(text).unwrap() - growth_of).abs() < f64::EPSILON,
                "{text}"
            );
        }
        for text in ["", "%", "-1", "100001", "nan", "inf", "1e3", "50 %"] {
            assert!(growth(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_keep_their_bounds() {
        assert_eq!(whole::<u32>("7", 1..=9), Ok(7));
        for text in ["", "0", "10", "+7", "-7", "7.0", " 7", "7 ", "seven"] {
            let complaint = whole::<u32>(text, 1..=9).unwrap_err();
            assert_eq!(
                complaint.what,
                format!("{text:?} is not a whole number from 1 to 9")
            );
        }
    }
}
