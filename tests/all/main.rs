//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod exits;
mod holds;
mod pacing;
mod reading;
mod stage;
