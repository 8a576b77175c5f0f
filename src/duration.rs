//! Durations as people write them, in one grammar for every option, key and
//! table: `20ms`, `90s`, `1h30m`, `3d`. A day has 24 hours.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};

/// Reads a duration in jiff's friendly format, up to weeks; none is negative.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let span = SpanParser::new().parse_span(text.trim()).ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

/// The text that [`parse`] reads as this duration: `1h30m`, with hours as the
/// largest unit.
#[must_use]
pub fn show(duration: Duration) -> String {
    let printer = SpanPrinter::new().spacing(Spacing::None);
    printer.unsigned_duration_to_string(&duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_alike() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h30m", 5_400_000),
            ("72h", 259_200_000),
            ("1h2m3s4ms", 3_723_004),
        ] {
            let value = parse(text).unwrap();
            assert_eq!(value, Duration::from_millis(millis), "{text}");
            assert_eq!(show(value), text);
        }
        let longest = Duration::from_hours(175_307_616);
        assert_eq!(parse(&show(longest)), Some(longest));
    }

    #[test]
    fn days_weeks_and_blanks_between_units_are_read() {
        for (text, hours) in [
            ("3d", 72),
            ("1d12h", 36),
            ("1w", 168),
            ("1 day 2 hours", 26),
        ] {
            assert_eq!(parse(text), Some(Duration::from_hours(hours)), "{text}");
        }
        assert_eq!(parse("1m 30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("1.5h"), Some(Duration::from_mins(90)));
    }

    #[test]
    fn a_duration_that_could_be_misread_is_refused() {
        for text in [
            "",
            "s",
            "1",
            "60",
            "-1s",
            "1s ago",
            "1s1m",
            "1s1s",
            "1s1",
            "1mo",
            "1y",
            "99999999999999999999s",
            "9999999999999999h",
            "１s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
