//! The list of permissions: reading rows, telling IDs from rejects, and
//! cutting the distinct IDs into batches.
//!
//! This module owns the input's *form* (CSV dialects, compression, columns,
//! damaged cells) and the promise that every row is either an ID, a duplicate
//! or invalid. It leaves storing to [`journal`](crate::journal).
//!
//! [`Rows`] reads in one pass and in memory of fixed size; [`freeze()`] adds
//! the set of the IDs seen.

mod chunker;
mod decompress;
mod dialect;
mod error;
mod exclusion;
mod file_type;
mod hex;
mod id;
mod input;
mod loader;
mod table;
mod text;
mod warnings;

pub use chunker::{FreezeError, Frozen, ListCounts, Rejection, freeze};
pub use decompress::Compression;
pub use error::{Columns, ListError};
pub use exclusion::{Exclusion, ExclusionError};
pub use file_type::FileType;
pub(crate) use hex::hex;
pub use id::{InvalidId, PermissionId};
pub use input::Input;
pub use loader::{NO_HEADER, Row, Rows};
pub use warnings::ListWarning;
