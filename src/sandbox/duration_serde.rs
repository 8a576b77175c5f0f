//! Durations as people write them: `20ms`, `1h30m`, `10ms..30ms`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub(super) use crate::duration::{parse, show};

/// For `#[serde(with = …)]`.
pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&show(*value))
}

/// For `#[serde(with = …)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{text}` is no duration such as `20ms` or `1h`"
        ))
    })
}

/// Several durations.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Durations(pub Vec<Duration>);

/// A text that is no duration.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no duration such as `20ms` or `1h`")]
pub struct InvalidDuration(String);

impl TryFrom<Vec<String>> for Durations {
    type Error = InvalidDuration;

    fn try_from(texts: Vec<String>) -> Result<Self, InvalidDuration> {
        let durations = texts.into_iter();
        let durations = durations.map(|text| parse(&text).ok_or(InvalidDuration(text)));
        durations.collect::<Result<_, _>>().map(Self)
    }
}

impl From<Durations> for Vec<String> {
    fn from(durations: Durations) -> Self {
        let shown = durations.0.into_iter();
        shown.map(show).collect()
    }
}

/// How long an answer takes: a time, or anything between two times
/// (`"20ms"`, `"10ms..30ms"`; both ends included).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Latency {
    /// The shortest.
    pub min: Duration,
    /// The longest; not below `min`.
    pub max: Duration,
}

/// A text that is no [`Latency`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no latency such as `20ms` or `10ms..30ms`")]
pub struct InvalidLatency(String);

impl FromStr for Latency {
    type Err = InvalidLatency;

    fn from_str(text: &str) -> Result<Self, InvalidLatency> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        match (parse(min), parse(max)) {
            (Some(min), Some(max)) if min <= max => Ok(Self { min, max }),
            _ => Err(InvalidLatency(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Latency {
    type Error = InvalidLatency;

    fn try_from(text: String) -> Result<Self, InvalidLatency> {
        text.parse()
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.to_string()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            f.write_str(&show(self.min))
        } else {
            write!(f, "{}..{}", show(self.min), show(self.max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_reads_back_as_it_was_written() {
        for text in ["0s", "20ms", "10ms..30ms", "1m30s..1h"] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_no_latency() {
        for text in ["", "20", "30ms..10ms", "-1s", "10ms..", "1ms..2ms..3ms"] {
            assert!(text.parse::<Latency>().is_err(), "{text}");
        }
    }
}
