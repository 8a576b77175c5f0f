//! The list of permissions: reading rows, telling IDs from rejects, and
//! cutting the distinct IDs into batches.
//!
//! This module owns the input's *form* (CSV dialects, compression, columns,
//! damaged cells) and the promise that every row is either an ID, a duplicate
//! or invalid. It leaves storing to [`journal`](crate::journal).
//!
//! [`Rows`] reads in one pass and in memory of fixed size; [`freeze()`] adds
//! the set of the IDs seen.

mod dialect;
mod error;
mod exclusion;
mod foreign;
mod freeze;
mod id;
mod oddity;
mod reader;
mod source;
mod table;
mod text;
mod unpack;

pub use error::{Columns, ListError};
pub use exclusion::{Exclusion, ExclusionError};
pub use foreign::Foreign;
pub use freeze::{Census, FreezeError, Frozen, Rejection, freeze};
pub use id::{InvalidId, PermissionId};
pub use oddity::Oddity;
pub use reader::{NO_HEADER, Row, Rows};
pub use source::Input;
pub(crate) use source::hex;
pub use unpack::Compression;
