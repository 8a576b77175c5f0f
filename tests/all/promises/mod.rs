//! Promises that hold across commands: rows, files, secrets, documents.

mod contract;
mod file_access;
mod readme;
mod rows;
pub(crate) mod schema;
mod secrets;
