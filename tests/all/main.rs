//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod faults;
mod promises;
#[expect(dead_code, reason = "shared with the campaigns and benchmarks")]
mod support;
mod sweep;
