//! Revokes trading permissions in bulk through the Tradovate / NinjaTrader
//! partner API, and accounts for every row of the list it was given.
//!
//! The modules stand in the order in which the data flows; each imports only
//! from those above it:
//!
//! - [`list`] reads a list of permission IDs and cuts it into batches;
//! - [`journal`] keeps what is known, on disk: the frozen list, the batches
//!   and their states, every call;
//! - [`api`] speaks to the wire: calls, answers, and what an answer means;
//! - [`sweep`] carries a run out: pacing, retries, settling doubt, guards;
//! - [`report`] makes results and reports from a journal and nothing else;
//! - [`sandbox`] is a simulated API to practise against and to test with.
//!
//! Beside them stand [`address`], which tells which addresses are one server;
//! [`small`], which reads the small files that people name; and [`duration`], the one
//! grammar of durations.
//!
//! The binary adds what belongs to a process: arguments, settings, the
//! terminal, signals and exit codes.

pub mod address;
pub mod api;
pub mod duration;
pub mod journal;
pub mod list;
pub mod report;
pub mod sandbox;
pub mod small;
pub mod sweep;
