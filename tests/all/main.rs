//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod faults;
mod promises;
mod support;
mod sweep;
