//! A run, carried out: what is sent when, what is tried again, what is read
//! back, and when to stop.
//!
//! One coordinator owns all mutable state. It hands batches to a capped set
//! of workers, writes the journal, and tells the [`Observer`] what was
//! written, in this order. A worker owns its batch until it is settled; each
//! of its calls is recorded, paced and only then sent. This module promises
//! that nothing is sent that is not recorded first, that the limits hold at
//! the point of sending, and that doubt is settled by reading before anything
//! is sent again. What a process does with the outcome (exit codes, files,
//! the terminal) is left to the binary and to [`report`](crate::report).

mod auth;
mod breaker;
mod deliver;
mod guards;
mod pace;
mod policy;
mod pool;
mod run;
mod shutdown;

pub use auth::state::TokenProvider;
pub use guards::{ExclusionCheck, GROWTH_FROM, GROWTH_RUNS, Growth, growth, too_many, too_old};
pub use pace::clock::Clock;
pub use pace::deadline::{Deadline, StartDecision, TimeLimits};
pub use pace::forecast::{Estimate, EstimateInput, estimate};
pub use pace::pacer::LOOK_AHEAD;
pub use pace::pause::Idle;
pub use pace::windows::{Avoid, next_showing};
pub use pace::workload::Workload;
pub use policy::{Policy, Quota, Verify};
pub use pool::ledger::JournalHandle;
pub use run::{Observer, Past, Sweep, Waits};
pub use shutdown::{Deferral, Reason, Shutdown, Stopped};
