//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod commands;
mod contract;
mod exits;
mod holds;
mod pacing;
mod reading;
mod readme;
mod refusals;
mod secrets;
mod signals;
mod stage;
