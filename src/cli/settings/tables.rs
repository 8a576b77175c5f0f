//! Settings that are tables of the settings file and not single values. No
//! option and no variable sets them; in the record they are JSON text, like
//! every setting text that reads back to the same value.
//!
//! A table is a type of its own that serde reads, with unknown keys denied,
//! so that whatever is wrong inside is found with its line.

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};
use rescind::{sandbox::Rules, sweep::Avoid};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use toml::{Spanned, de::DeValue, de::ValueDeserializer};

use super::values::{ValueError, clock_time, line, zone};

/// Makes of a value of the file the text that [`read`] reads.
pub(crate) type Structure = fn(Spanned<DeValue<'_>>) -> Result<String, toml::de::Error>;

/// A table, or several of one name, as typed by `T`, and the text it was read
/// from.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SettingTable<T> {
    /// What it says.
    pub(crate) value: T,
    text: String,
}

impl<T> SettingTable<T> {
    /// The text that [`read`] reads; `None` where there is no table.
    pub(super) fn text(&self) -> Option<String> {
        (!self.text.is_empty()).then(|| self.text.clone())
    }

    /// What it says, if there is one.
    pub(crate) fn given(&self) -> Option<&T> {
        (!self.text.is_empty()).then_some(&self.value)
    }

    /// The keys of the table, each with its value, for people.
    pub(super) fn keys(&self) -> Vec<String> {
        let Ok(table) = serde_json::from_str::<Map<String, Value>>(&self.text) else {
            return Vec::new();
        };
        if table.is_empty() {
            return vec!["all defaults".to_owned()];
        }
        let keys = table.iter();
        keys.map(|(key, value)| format!("{key} = {value}"))
            .collect()
    }
}

/// Takes a table of the file, if `T` can be made of it, over as text.
pub(super) fn structure<T: DeserializeOwned>(
    value: Spanned<DeValue<'_>>,
) -> Result<String, toml::de::Error> {
    let text = serde_json::Value::deserialize(ValueDeserializer::from(value.clone()))?;
    T::deserialize(ValueDeserializer::from(value))?;
    Ok(text.to_string())
}

/// Reads the text of a table.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<SettingTable<T>, ValueError> {
    let value = serde_json::from_str(text)
        .map_err(|error| ValueError::new(format!("is no table: {error}")))?;
    Ok(SettingTable {
        value,
        text: text.to_owned(),
    })
}

/// Reads the rules of the sandbox.
pub(super) fn rules(text: &str) -> Result<SettingTable<Rules>, ValueError> {
    let table: SettingTable<Rules> = read(text)?;
    let checked = table.value.check();
    checked.map_err(|error| ValueError::new(error.to_string()))?;
    Ok(table)
}

/// `[[avoid]]`: a window as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WindowTable {
    name: Option<Text<Name>>,
    days: Vec<Text<Weekday>>,
    from: Text<Time>,
    to: Text<Time>,
    to_day: Option<Text<Weekday>>,
    zone: Text<TimeZone>,
}

/// A window to keep clear of, read and checked.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(try_from = "WindowTable")]
pub(crate) struct AvoidTable(pub(crate) Avoid);

impl TryFrom<WindowTable> for AvoidTable {
    type Error = String;

    fn try_from(window: WindowTable) -> Result<Self, String> {
        let (from, to) = (window.from.0, window.to.0);
        if window.days.is_empty() {
            return Err("names no day on which the window begins".to_owned());
        }
        if from == to && window.to_day.is_none() {
            return Err("ends when it begins; with to-day it would end on another day".to_owned());
        }
        Ok(Self(Avoid {
            name: window.name.map(|name| name.0.0).unwrap_or_default(),
            days: window.days.into_iter().map(|day| day.0).collect(),
            from,
            to,
            to_day: window.to_day.map(|day| day.0),
            zone: window.zone.0,
        }))
    }
}

/// A value that is written as a text in a table.
struct Text<T>(T);

/// What can be read from a text.
trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, ValueError>;
}

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_text(&text).map(Self).map_err(|complaint| {
            let hint = complaint.hint.map(|hint| format!("; {hint}"));
            serde::de::Error::custom(format!("{}{}", complaint.what, hint.unwrap_or_default()))
        })
    }
}

/// A line of plain text.
struct Name(String);

impl FromText for Name {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        line(text).map(Self)
    }
}

impl FromText for Time {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        clock_time(text)
    }
}

impl FromText for TimeZone {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        zone(text)
    }
}

impl FromText for Weekday {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        let days = [
            ("mon", Self::Monday),
            ("tue", Self::Tuesday),
            ("wed", Self::Wednesday),
            ("thu", Self::Thursday),
            ("fri", Self::Friday),
            ("sat", Self::Saturday),
            ("sun", Self::Sunday),
        ];
        super::values::word(text, &days)
    }
}
