//! A simulated API: one [`World`] behind two doors.
//!
//! The world keeps what the API keeps (permissions and their states, tokens
//! with an expiry, rolling limits, penalty tickets, lockouts that restart when
//! touched) and misbehaves as its [`Rules`] say, reproducibly from a seed.
//! Tests call it inside the process through the [`Door`]; the README, the
//! command line and the crash tests meet it over HTTP through [`serve`]. Both
//! doors lead through the same strict [`World::handle`], so that a request
//! that is wrong in one way or another is an error at both, never a shrug.
//!
//! It promises that what it executed is on record before it answers, that time
//! is tokio's throughout (an hour's lockout passes in no time on a paused
//! clock), and that the [`Truth`] of what happened can be had at any moment.
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

mod ask;
mod check;
mod dice;
mod door;
mod execute;
mod facts;
mod faults;
mod gate;
mod humane;
mod ledger;
mod maintenance;
mod population;
mod reply;
mod rules;
mod server;
mod sessions;
mod truth;
mod world;

#[cfg(test)]
mod tests;

pub use ask::Kind;
pub use check::InvalidRules;
pub use door::Door;
pub use faults::{Fault, Faults, Odds, UnknownFault};
pub use humane::{Durations, InvalidDuration, InvalidLatency, Latency};
pub use maintenance::{InvalidMaintenance, Maintenance, When};
pub use population::{Population, Status};
pub use reply::Reply;
pub use rules::{
    AlreadyRevoked, Credentials, EndpointLimit, Limit, LogInRefusal, Refusal, RefusalForm, Rules,
    Unknown,
};
pub use server::{base_url, bind, serve};
pub use truth::{Mistake, Revocation, Seen, Struck, Truth};
pub use world::{SandboxError, World};
