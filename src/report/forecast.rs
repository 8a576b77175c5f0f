//! How long a run will take, in words: for `plan` and for the start of a run.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::report::format::count;
use crate::sweep::{Estimate, Quota};

/// A weekday says enough for so long.
const WEEK: Duration = Duration::from_hours(6 * 24);

/// `about 5 h 3 min at 4,000 calls an hour: until Tue 07:05 CST`, and what of
/// it is known to be waited for.
#[must_use]
pub fn forecast(estimate: &Estimate, zone: &TimeZone) -> String {
    let pace = pace(estimate.pace);
    let (Some(ends), Some(lasts)) = (estimate.ends, estimate.lasts()) else {
        return "never: the windows to avoid leave no time for a call".to_owned();
    };
    let until = if lasts < Duration::from_mins(1) {
        String::new()
    } else {
        let format = if lasts < WEEK {
            "%a %H:%M %Z"
        } else {
            "%Y-%m-%d %H:%M %Z"
        };
        let ends = ends.to_zoned_datetime(zone.clone());
        format!(": until {}", ends.strftime(format))
    };
    let waits = [
        (estimate.hold, "for a penalty or lockout that is on"),
        (estimate.window, "for windows to avoid"),
        (estimate.budget, "for what was used of the budget before"),
    ];
    let waits = waits
        .iter()
        .filter(|(wait, _)| *wait >= Duration::from_secs(1));
    let waits: Vec<_> = waits
        .map(|(wait, what)| format!("{} {what}", span(*wait)))
        .collect();
    let waits = match waits.as_slice() {
        [] => String::new(),
        some => format!(" (of which {})", some.join(", ")),
    };
    format!("about {} at {pace}{until}{waits}", span(lasts))
}

/// What does not fit the time allowed, if that is so.
#[must_use]
pub fn misfit(estimate: &Estimate) -> Option<String> {
    if estimate.fits() {
        return None;
    }
    let Some(deadline) = &estimate.deadline else {
        return Some("the windows to avoid leave no time for a call".to_owned());
    };
    let share = estimate.in_time * 100 / estimate.calls.max(1);
    Some(format!(
        "it does not fit {}: about {share}% of the calls can be made by then; the rest is \
         deferred (exit code 5), and a resume carries it on",
        deadline.setting
    ))
}

/// `2 d 4 h`, `5 h 3 min`, `42 min`, `1 min 15 s`, `12 s`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_millis() >= 500);
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1_800) / 3_600);
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large} {one}"),
        _ => format!("{large} {one} {small} {other}"),
    };
    match seconds {
        0 => "a second".to_owned(),
        1..60 => format!("{seconds} s"),
        60..600 => two(seconds / 60, "min", seconds % 60, "s"),
        // What would be rounded to an hour is one.
        600..3_570 => format!("{minutes} min"),
        3_570..172_800 => two(minutes / 60, "h", minutes % 60, "min"),
        _ => two(hours / 24, "d", hours % 24, "h"),
    }
}

/// `4,000 calls an hour`.
fn pace(quota: Quota) -> String {
    let calls = count(quota.count.into(), "call", "calls");
    match quota.window.as_secs() {
        1 => format!("{calls} a second"),
        60 => format!("{calls} a minute"),
        3_600 => format!("{calls} an hour"),
        seconds => format!("{calls} in {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Deadline;

    fn estimate(lasts: Duration) -> Estimate {
        let begins: jiff::Timestamp = "2026-11-24T08:02:00Z".parse().unwrap();
        Estimate {
            calls: 20_202,
            pace: Quota {
                count: 4_000,
                window: Duration::from_hours(1),
            },
            begins,
            ends: Some(begins + lasts),
            hold: Duration::ZERO,
            window: Duration::ZERO,
            budget: Duration::ZERO,
            in_time: 20_202,
            deadline: None,
        }
    }

    #[test]
    fn a_forecast_says_how_long_at_which_pace_and_until_when() {
        let chicago = TimeZone::get("America/Chicago").unwrap();
        let hour = Duration::from_hours(1);
        for (lasts, said) in [
            (
                5 * hour + Duration::from_secs(181),
                "about 5 h 3 min at 4,000 calls an hour: until Tue 07:05 CST",
            ),
            (Duration::from_secs(42), "about 42 s at 4,000 calls an hour"),
            (
                200 * hour,
                "about 8 d 8 h at 4,000 calls an hour: until 2026-12-02 10:02 CST",
            ),
        ] {
            assert_eq!(forecast(&estimate(lasts), &chicago), said);
        }
        let waits = Estimate {
            hold: Duration::from_mins(40),
            window: 2 * hour,
            budget: Duration::from_secs(90),
            ..estimate(3 * hour)
        };
        assert_eq!(
            forecast(&waits, &chicago),
            "about 3 h at 4,000 calls an hour: until Tue 05:02 CST (of which 40 min for a penalty \
             or lockout that is on, 2 h for windows to avoid, 1 min 30 s for what was used of the \
             budget before)"
        );
        let never = Estimate {
            ends: None,
            in_time: 0,
            ..estimate(hour)
        };
        assert!(forecast(&never, &chicago).starts_with("never: "));
        assert!(misfit(&never).unwrap().contains("leave no time"));
    }

    #[test]
    fn what_does_not_fit_is_said_with_the_setting_and_the_share() {
        let allowed = |in_time| Estimate {
            in_time,
            deadline: Some(Deadline {
                at: "2026-11-24T12:00:00Z".parse().unwrap(),
                setting: "--finish-by 06:00".to_owned(),
            }),
            ..estimate(Duration::from_hours(5))
        };
        assert_eq!(misfit(&allowed(20_202)), None);
        assert_eq!(
            misfit(&allowed(15_900)).unwrap(),
            "it does not fit --finish-by 06:00: about 78% of the calls can be made by then; the \
             rest is deferred (exit code 5), and a resume carries it on"
        );
    }

    #[test]
    fn spans_are_rounded_as_people_do() {
        for (seconds, said) in [
            (0, "a second"),
            (1, "1 s"),
            (75, "1 min 15 s"),
            (120, "2 min"),
            (2_520, "42 min"),
            (3_569, "59 min"),
            (3_570, "1 h"),
            (18_181, "5 h 3 min"),
            (172_799, "48 h"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said, "{seconds}");
        }
        let quota = |count, seconds| Quota {
            count,
            window: Duration::from_secs(seconds),
        };
        assert_eq!(pace(quota(1, 60)), "1 call a minute");
        assert_eq!(pace(quota(200, 1)), "200 calls a second");
    }
}
