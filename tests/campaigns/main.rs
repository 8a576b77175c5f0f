//! What takes minutes: campaigns of kills, the bad night that is shipped, and
//! time-outs that are fixed.
//!
//! `cargo test --test campaigns` runs this; it is no part of `cargo test`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_night;
mod campaign;
mod kills;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../all/support/mod.rs"]
mod support;
mod token_command;
