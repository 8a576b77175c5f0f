//! Times in which the API is down: windows counted from the world's
//! beginning, or shown by a clock on the wall (partner pages: *maintenance
//! windows*).

use std::{io, time::Duration};

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::faults::Fault;
use super::sessions::timestamp;
use super::world::WorldState;
use crate::sandbox::duration_serde;
use crate::sandbox::request::Kind;
use crate::sandbox::response::Reply;
use crate::sandbox::seeded_rng::SeededRng;
use crate::sandbox::state::{Event, Moment, after};

/// A time in which nothing is executed, and every call meets one of some
/// faults.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "MaintenanceTable", into = "MaintenanceTable")]
pub struct Maintenance {
    /// When it is.
    pub when: When,
    /// What calls meet, drawn for each from the seed: any of the faults that
    /// leave a request undone. Never empty.
    pub faults: Vec<Fault>,
}

/// When a maintenance is.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// Once.
    Once {
        /// From so long after the world's beginning.
        after: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Every week.
    Weekly {
        /// The days on which it begins.
        days: Vec<Weekday>,
        /// When it begins.
        from: Time,
        /// When it ends; not after `from`: on the next day.
        to: Time,
        /// Whose clock it is.
        zone: TimeZone,
    },
}

/// A maintenance as the rules write it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MaintenanceTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<Fault>>,
}

/// What is wrong with a maintenance.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMaintenance {
    /// It is neither once nor weekly, or both.
    #[error(
        "a maintenance has either `after` and `lasts`, or `from`, `to` and perhaps `days` and `zone`"
    )]
    Form,
    /// A text is no duration.
    #[error("`{0}` is no duration such as `20ms` or `1h`")]
    Duration(String),
    /// A text is no time of day.
    #[error("`{0}` is no time of day such as `16:00`")]
    Time(String),
    /// A text is no day.
    #[error("`{0}` is none of mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// A text is no time zone.
    #[error("`{0}` is no time zone such as `America/Chicago`")]
    Zone(String),
    /// It lasts no time, or begins on no day.
    #[error("a maintenance lasts no time")]
    Never,
    /// A fault that would execute a request, or none at all.
    #[error(
        "a maintenance needs faults that leave a request undone: `reset_before`, `hang`, `not_json`, `server_error_before` or a status from 400 to 599 other than 423 and 429"
    )]
    Faults,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Where the vendor's clock hangs.
const ZONE: &str = "America/Chicago";

/// "May be unresponsive or answer errors."
const FAULTS: [Fault; 3] = [Fault::Status(503), Fault::ResetBefore, Fault::Hang];

impl TryFrom<MaintenanceTable> for Maintenance {
    type Error = InvalidMaintenance;

    fn try_from(table: MaintenanceTable) -> Result<Self, InvalidMaintenance> {
        let faults = table.faults.unwrap_or_else(|| FAULTS.to_vec());
        if faults.is_empty() || !faults.iter().all(|fault| leaves_undone(*fault)) {
            return Err(InvalidMaintenance::Faults);
        }
        let weekly = table.days.is_some() || table.zone.is_some();
        let when = match (table.after, table.lasts, table.from, table.to) {
            (Some(after), Some(lasts), None, None) if !weekly => When::Once {
                after: length(after)?,
                lasts: length(lasts)?,
            },
            (None, None, Some(from), Some(to)) => When::Weekly {
                days: match table.days {
                    Some(days) => days.into_iter().map(day).collect::<Result<_, _>>()?,
                    None => DAYS.map(|(_, day)| day).to_vec(),
                },
                from: time(from)?,
                to: time(to)?,
                zone: zone(table.zone.unwrap_or_else(|| ZONE.to_owned()))?,
            },
            _ => return Err(InvalidMaintenance::Form),
        };
        let never = match &when {
            When::Once { lasts, .. } => lasts.is_zero(),
            When::Weekly { days, from, to, .. } => days.is_empty() || from == to,
        };
        if never {
            return Err(InvalidMaintenance::Never);
        }
        Ok(Self { when, faults })
    }
}

impl From<Maintenance> for MaintenanceTable {
    fn from(maintenance: Maintenance) -> Self {
        let faults = Some(maintenance.faults);
        match maintenance.when {
            When::Once { after, lasts } => Self {
                after: Some(duration_serde::show(after)),
                lasts: Some(duration_serde::show(lasts)),
                faults,
                ..Self::default()
            },
            When::Weekly {
                days,
                from,
                to,
                zone,
            } => {
                let shown = DAYS.iter().filter(|(_, day)| days.contains(day));
                let clock = |time: Time| Some(time.strftime("%H:%M").to_string());
                Self {
                    days: Some(shown.map(|(name, _)| (*name).to_owned()).collect()),
                    from: clock(from),
                    to: clock(to),
                    zone: zone.iana_name().map(str::to_owned),
                    faults,
                    ..Self::default()
                }
            }
        }
    }
}

fn length(text: String) -> Result<Duration, InvalidMaintenance> {
    duration_serde::parse(&text).ok_or(InvalidMaintenance::Duration(text))
}

fn time(text: String) -> Result<Time, InvalidMaintenance> {
    let whole = text.len() == 5;
    let parsed = Time::strptime("%H:%M", &text).ok();
    parsed
        .filter(|_| whole)
        .ok_or(InvalidMaintenance::Time(text))
}

fn day(text: String) -> Result<Weekday, InvalidMaintenance> {
    let found = DAYS.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, day)| *day)
        .ok_or(InvalidMaintenance::Day(text))
}

fn zone(text: String) -> Result<TimeZone, InvalidMaintenance> {
    TimeZone::get(&text).map_err(|_| InvalidMaintenance::Zone(text))
}

/// A fault of a server that is down: it executes nothing, and begins neither
/// a lockout nor a penalty.
const fn leaves_undone(fault: Fault) -> bool {
    match fault {
        Fault::ResetBefore | Fault::Hang | Fault::NotJson | Fault::ServerErrorBefore => true,
        Fault::Status(status) => !matches!(status, 423 | 429),
        _ => false,
    }
}

impl When {
    fn covers(&self, now: Moment, born: Moment) -> bool {
        match self {
            Self::Once {
                after: since,
                lasts,
            } => {
                let begins = after(born, *since);
                (begins..after(begins, *lasts)).contains(&now)
            }
            Self::Weekly {
                days,
                from,
                to,
                zone,
            } => {
                // As a clock on the wall shows it, whatever it was set to.
                let shown = zone.to_datetime(timestamp(now));
                let (day, time) = (shown.date().weekday(), shown.time());
                if from < to {
                    days.contains(&day) && (*from..*to).contains(&time)
                } else {
                    (days.contains(&day) && time >= *from)
                        || (days.contains(&day.previous()) && time < *to)
                }
            }
        }
    }
}

impl WorldState {
    /// What a call meets while the API is down.
    pub(super) fn down(
        &mut self,
        kind: Kind,
        dice: SeededRng,
        now: Moment,
    ) -> io::Result<Option<Reply>> {
        let born = self.facts.born;
        let mut windows = self.rules.maintenance.iter();
        let Some(window) = windows.find(|window| window.when.covers(now, born)) else {
            return Ok(None);
        };
        let draw = dice.with(3).number() % window.faults.len() as u64;
        let fault = usize::try_from(draw).map_or(window.faults[0], |draw| window.faults[draw]);
        self.record(Event::Fault {
            at: now,
            kind,
            fault,
            scripted: false,
        })?;
        Ok(Some(match fault {
            Fault::ResetBefore => Reply::Reset,
            Fault::Hang => Reply::Hang,
            Fault::NotJson => Reply::html(super::execute::HTML),
            Fault::Status(status) => self.refusal(status),
            _ => self.refusal(500),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Maintenance, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_maintenance_reads_back_as_it_was_written() {
        for text in [
            "after = '20s'\nlasts = '10s'",
            "from = '16:00'\nto = '17:00'",
            "days = ['fri', 'sat']\nfrom = '22:00'\nto = '06:30'\nzone = 'Europe/Berlin'\n\
             faults = ['hang', '502']",
        ] {
            let maintenance = read(text).unwrap();
            let written = toml::to_string(&maintenance).unwrap();
            assert_eq!(read(&written).unwrap(), maintenance, "{written}");
        }
        assert_eq!(read("after = '0s'\nlasts = '1s'").unwrap().faults, FAULTS);
    }

    #[test]
    fn a_maintenance_that_cannot_be_is_refused() {
        for text in [
            "",
            "after = '1s'",
            "after = '1s'\nlasts = '0s'",
            "after = '1s'\nlasts = '1s'\nzone = 'UTC'",
            "after = '1s'\nlasts = '1s'\nfrom = '16:00'\nto = '17:00'",
            "after = '1'\nlasts = '1s'",
            "from = '16:00'",
            "from = '16:00'\nto = '16:00'",
            "from = '16'\nto = '17:00'",
            "from = '25:00'\nto = '17:00'",
            "days = []\nfrom = '16:00'\nto = '17:00'",
            "days = ['monday']\nfrom = '16:00'\nto = '17:00'",
            "zone = 'Chicago'\nfrom = '16:00'\nto = '17:00'",
            "after = '1s'\nlasts = '1s'\nfaults = []",
            "after = '1s'\nlasts = '1s'\nfaults = ['reset_after']",
            "after = '1s'\nlasts = '1s'\nfaults = ['429']",
            "after = '1s'\nlasts = '1s'\nuntil = '2s'",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_weekly_window_is_what_the_clock_on_the_wall_shows() {
        let at = |text: &str| {
            let moment: jiff::Timestamp = text.parse().unwrap();
            Moment::try_from(moment.as_nanosecond()).unwrap()
        };
        let covers = |text: &str, moment| read(text).unwrap().when.covers(at(moment), 0);
        let weekdays = "days = ['mon', 'tue', 'wed', 'thu']\nfrom = '16:00'\nto = '17:00'";
        // Chicago is six hours behind in winter and five in summer.
        for (moment, down) in [
            ("2026-11-23T21:59:59Z", false),
            ("2026-11-23T22:00:00Z", true),
            ("2026-11-23T22:59:59Z", true),
            ("2026-11-23T23:00:00Z", false),
            ("2026-07-06T21:30:00Z", true),
            ("2026-07-06T22:30:00Z", false),
            ("2026-11-27T22:30:00Z", false),
        ] {
            assert_eq!(covers(weekdays, moment), down, "{moment}");
        }
        let over_midnight = "days = ['sat']\nfrom = '22:00'\nto = '06:30'\nzone = 'UTC'";
        for (moment, down) in [
            ("2026-11-28T21:59:59Z", false),
            ("2026-11-28T22:00:00Z", true),
            ("2026-11-29T06:29:59Z", true),
            ("2026-11-29T06:30:00Z", false),
            ("2026-11-29T22:30:00Z", false),
            ("2026-11-28T03:00:00Z", false),
        ] {
            assert_eq!(covers(over_midnight, moment), down, "{moment}");
        }
    }
}
