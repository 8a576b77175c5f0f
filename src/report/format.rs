//! Figures, times and recorded words, in words for people.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::journal::{State, causes};

/// `text` on one line that cannot steer a terminal or turn text around: line
/// breaks and tabs become blanks, whatever else is unseen becomes U+FFFD.
///
/// Every text from outside passes here on its way out of the journal: the
/// server's words and the list's cells, paths, notes and names.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_break(c) || steers(c)) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match c {
        c if is_break(c) => ' ',
        c if steers(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    });
    Cow::Owned(shown.collect())
}

fn is_break(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FEFF}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E007F}')
}

/// An error and its causes on one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    visible(&causes(error).join(": ")).into_owned()
}

/// A number with a comma at every thousand.
#[must_use]
pub fn number(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

/// `1 batch`, `2 batches`.
pub(super) fn count(n: u64, one: &str, several: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { several })
}

/// `1 ID`, `2 IDs`.
pub(super) fn ids(n: u64) -> String {
    count(n, "ID", "IDs")
}

/// `1 ID is`, `2 IDs are`.
pub(super) fn ids_are(n: u64) -> String {
    count(n, "ID is", "IDs are")
}

/// `1 ID was`, `2 IDs were`.
pub(super) fn ids_were(n: u64) -> String {
    count(n, "ID was", "IDs were")
}

/// A length of time to the precision that matters at its size: `0.4s`,
/// `6m 40s`, `2h 05m`, `3d 04h`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and saturates"
    )]
    let seconds = seconds.round() as u64;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes}m {:02}s", seconds % 60),
        1..48 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{}d {:02}h", hours / 24, hours % 24),
    }
}

/// A size to three figures: `812 B`, `4.2 KiB`, `1.4 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three figures are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    // From here on it would be shown as 1,000 of the smaller unit.
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 || size >= 99.95 {
        format!("{size:.0} {}", UNITS[unit])
    } else {
        format!("{size:.1} {}", UNITS[unit])
    }
}

/// The seconds from one time to another; none if the clock went backwards.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    milliseconds(from, to) as f64 / 1000.0
}

/// The milliseconds from one time to another; none if the clock went
/// backwards.
pub(super) fn milliseconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_millisecond() - from.as_millisecond()).max(0)
}

/// A time for people, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A time for programs: RFC 3339, UTC, with milliseconds.
pub(super) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The environment, so that it cannot be overlooked: `in the SANDBOX`,
/// `on LIVE`, `on CUSTOM (https://…)`.
pub(super) fn place(environment: &str, base_url: &str) -> String {
    match environment {
        "sandbox" => "in the SANDBOX".to_owned(),
        "custom" => format!("on CUSTOM ({base_url})"),
        named => format!("on {}", named.to_uppercase()),
    }
}

/// Where the IDs were taken from: `column tradingPermissionId`; a list
/// without a header has its own words.
#[must_use]
pub fn column(name: &str) -> Cow<'_, str> {
    if name.ends_with(" (no header)") {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("column {name}"))
    }
}

/// What a state and the reason recorded with it mean. A reason without a
/// phrase of its own speaks for itself.
pub(super) fn meaning(state: State, reason: &str) -> Cow<'_, str> {
    let phrase = match reason {
        "" => plain(state),
        "already_revoked" => "shown as Revoked before anything was sent",
        "unverified" => "answered with ok:true, not read back",
        "refused" => "refused by the API",
        "violation" => "refused by the API's validation",
        "declined" => "shown as Declined: never came into force",
        "absent" => "not known to the API in this environment, by two reads",
        "connect" => "no connection to the API",
        "tls" => "no secure connection to the API",
        "not_isolated" => {
            "in a refused request; the bounds for finding out which ID it was are used up"
        }
        "still_active" => "not executed: still active after the last attempt",
        "too_large" | "http_413" => "too many IDs in one request",
        "timeout" => "no answer in time",
        "reset" => "the connection was lost before the answer was complete",
        "oversized" => "the answer was longer than any that makes sense",
        "unreadable" => "the answer could not be read",
        "contradiction" => "the answer contradicted itself",
        "crash" => "the process ended before an answer was recorded",
        "read_failed" => "reading back failed",
        "active_later" => "active when it was verified: granted anew, or not what it was",
        "absent_later" => "not known to the API any more when it was verified",
        "verification_mismatch" => "accepted, yet still active when read back",
        "lockout" | "http_423" | "http_429" => "not executed: the API was locked",
        "penalty" => "not executed: a time penalty",
        "captcha" => "not executed: a penalty that asks for a captcha",
        "unauthorized" | "http_401" => "not executed: the token was refused",
        "token" => "not sent: no token could be had",
        other => return status(state, other),
    };
    Cow::Borrowed(phrase)
}

fn plain(state: State) -> &'static str {
    match state {
        State::Revoked => "read back and shown as Revoked",
        State::Refused => "refused by the API",
        State::Missing => "not known to the API in this environment",
        State::Exhausted => "not executed, attempts used up",
        State::Unknown => "may or may not be revoked",
        State::InFlight => "sent or about to be sent, no answer recorded",
        State::Pending => "not sent yet",
        State::Divided => "divided into parts",
    }
}

fn status(state: State, reason: &str) -> Cow<'_, str> {
    let code = reason
        .strip_prefix("http_")
        .filter(|code| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()));
    match (code, state) {
        (None, _) => Cow::Borrowed(reason),
        (Some(code), State::Refused) => {
            Cow::Owned(format!("refused by the API with HTTP status {code}"))
        }
        (Some(code), State::Exhausted) => {
            Cow::Owned(format!("the request was refused with HTTP status {code}"))
        }
        (Some(code), _) => Cow::Owned(format!("answered with HTTP status {code}")),
    }
}

/// What makes a revocation incomplete, state by state.
pub(super) fn shortfall(state: State, n: u64) -> String {
    let n = number(n);
    match state {
        State::Revoked => format!("{n} revoked"),
        State::Refused => format!("{n} refused by the API"),
        State::Missing => format!("{n} not known to the API"),
        State::Exhausted => format!("{n} not executed with all attempts used up"),
        State::Unknown => format!("{n} that may or may not be revoked"),
        State::InFlight => format!("{n} sent without a recorded answer"),
        State::Pending => format!("{n} not sent yet"),
        State::Divided => format!("{n} divided"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_stays() {
        for (text, expected) in [
            ("plain, ünïcödé 漢字", "plain, ünïcödé 漢字"),
            ("two\r\nlines\tand", "two  lines and"),
            (
                "\u{1b}[31mred\u{7}\u{9b}0m",
                "\u{FFFD}[31mred\u{FFFD}\u{FFFD}0m",
            ),
            ("\u{202e}gnp.exe", "\u{FFFD}gnp.exe"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.0, 59.96, 400.4, 7500.0, 273_600.0].map(duration),
            ["0.0s", "1m 00s", "6m 40s", "2h 05m", "3d 04h"]
        );
        assert_eq!(
            [0, 999, 1_000, 4_301, 123_456_789, u64::MAX].map(size),
            [
                "0 B",
                "999 B",
                "1.0 KiB",
                "4.2 KiB",
                "118 MiB",
                "16777216 TiB"
            ]
        );
        let at = "2026-11-23T02:00:00.07Z".parse().unwrap();
        assert_eq!(rfc3339(at), "2026-11-23T02:00:00.070Z");
        assert_eq!(moment(at), "2026-11-23 02:00:00 UTC");
    }

    /// It comes out before anything is sent, or only after the API refused it.
    #[test]
    fn what_was_shown_as_declined_may_have_been_sent() {
        let words = meaning(State::Refused, "declined");
        assert!(words.contains("never came into force"), "{words}");
        assert!(!words.contains("sent"), "{words}");
    }

    #[test]
    fn an_unknown_reason_speaks_for_itself() {
        assert_eq!(meaning(State::Unknown, "gremlins"), "gremlins");
        assert_eq!(meaning(State::Unknown, "http_"), "http_");
        assert_eq!(
            meaning(State::Exhausted, "http_400"),
            "the request was refused with HTTP status 400"
        );
        assert_eq!(
            meaning(State::Unknown, "http_500"),
            "answered with HTTP status 500"
        );
    }
}
