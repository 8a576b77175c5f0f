//! How figures are written into JSON.

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::format;
use crate::journal::{State, Tally};

pub(super) fn time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format::rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(super) fn optional_time<S: Serializer>(
    at: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    at.map(format::rfc3339).serialize(to)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
pub(super) fn word<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(state.word())
}

pub(super) fn states<S: Serializer>(tally: &Tally, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(State::SHOWN.len()))?;
    for state in State::SHOWN {
        map.serialize_entry(state.word(), &tally.of(state))?;
    }
    map.end()
}
