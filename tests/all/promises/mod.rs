//! Promises that hold across commands: rows, files, secrets, documents.

mod contract;
mod documented_commands;
mod file_access;
mod readme;
mod rows;
mod schema;
mod secrets;
