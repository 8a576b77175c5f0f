//! The list of permissions: reading rows, telling IDs from rejects, and
//! cutting the distinct IDs into batches.
//!
//! This module owns the input's *form* (CSV dialects, compression, columns,
//! damaged cells) and the promise that every row is either an ID, a duplicate
//! or invalid. It leaves storing to [`journal`](crate::journal).

mod id;

pub use id::{InvalidId, PermissionId};
