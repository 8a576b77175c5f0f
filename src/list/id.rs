//! A permission's ID, and what can be wrong with a cell that should hold one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The ID of a trading permission: a whole number from 1 to 2^63−1.
///
/// The API's type is `int64` and its IDs are greater than zero
/// (`user/revoketradingpermissions`, OpenAPI text).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct PermissionId(i64);

impl PermissionId {
    /// The number itself, always at least 1.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for PermissionId {
    type Error = InvalidId;

    fn try_from(number: i64) -> Result<Self, InvalidId> {
        match number {
            1.. => Ok(Self(number)),
            0 => Err(InvalidId::Zero),
            _ => Err(InvalidId::Signed),
        }
    }
}

impl From<PermissionId> for i64 {
    fn from(id: PermissionId) -> i64 {
        id.0
    }
}

impl fmt::Display for PermissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a cell is no permission ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidId {
    /// The number 0.
    #[error("zero is not an ID")]
    Zero,
    /// A `+` or `-` in front.
    #[error("a sign")]
    Signed,
}
