//! A simulated API: one [`World`] behind two doors.
//!
//! The world keeps what the API keeps (permissions and their states, tokens
//! with an expiry, rolling limits, penalty tickets, lockouts that restart when
//! touched) and misbehaves as its [`Rules`] say, reproducibly from a seed.
//! Tests call it inside the process through the [`InProcess`]; the README, the
//! command line and the crash tests meet it over HTTP through [`serve`]. Both
//! doors lead through the same strict [`World::handle`], so that a request
//! that is wrong in one way or another is an error at both, never a shrug.
//!
//! It promises that what it executed is on record before it answers, that time
//! is tokio's throughout (an hour's lockout passes in no time on a paused
//! clock), and that the [`Audit`] of what happened can be had at any moment.
//! How rules are stored and chosen is left to the settings of the binary.
//!
//! - [`rules`](Rules), `check`: what the world is like; every key of
//!   `[sandbox]`;
//! - `faults`, `maintenance`, `dice`: how it misbehaves and when it is down,
//!   drawn from the seed;
//! - `population`: which permissions there are and what they look like;
//! - `ask`: what a request asks for, read strictly;
//! - `facts`, `ledger`: what happened, as events, in memory and on disk;
//! - `gate`, `sessions`, `execute`, `world`: who may come in, what is then done,
//!   and the order of it all;
//! - `door`, `server`: the two doors.

mod audit;
mod duration_serde;
mod event_log;
mod execute;
mod faults;
mod in_process;
mod limits;
mod maintenance;
mod population;
mod request;
mod response;
mod rules;
mod seeded_rng;
mod server;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod validate;
mod world;

pub use audit::{Audit, Mistake, RecordedCall, Revocation, Struck};
pub use duration_serde::{Durations, InvalidDuration, InvalidLatency, Latency};
pub use faults::{Fault, Faults, Odds, UnknownFault};
pub use in_process::InProcess;
pub use maintenance::{InvalidMaintenance, Maintenance, When};
pub use population::{PermissionStatus, Population};
pub use request::Kind;
pub use response::Reply;
pub use rules::{
    AlreadyRevoked, EndpointLimit, Limit, LogInRefusal, LogInRules, RefusalForm, RefusalRule,
    Rules, Unknown,
};
pub use server::{base_url, bind, serve};
pub use validate::InvalidRules;
pub use world::{SandboxError, World};
