//! Integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bearing;
mod binary;
mod books;
mod commands;
mod contract;
mod crash;
mod deferred;
mod exits;
mod faults;
mod files;
mod guards;
mod held;
mod holds;
mod input;
mod isolation;
mod login;
mod pacing;
mod proof;
mod pruning;
mod reading;
mod readme;
mod recording;
mod refusals;
mod resuming;
mod runs;
mod schema;
mod secrets;
mod settling;
mod sights;
mod signals;
mod stage;
mod verifying;
mod waits;
mod windows;
mod world;
