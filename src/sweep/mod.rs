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

mod backoff;
mod bearing;
mod breaker;
mod calendar;
mod clock;
mod coordinator;
mod cursor;
mod deliver;
mod delivery;
mod desk;
mod division;
mod estimate;
mod guards;
mod hold;
mod inspection;
mod isolation;
mod job;
mod keeper;
mod pacer;
mod policy;
mod reading;
mod refusal;
mod run;
mod schedule;
mod settle;
mod sight;
mod stop;
mod timetable;
mod verify;
mod worker;
mod workload;

pub use calendar::{Avoid, next_showing};
pub use clock::Clock;
pub use desk::Ledger;
pub use estimate::{Estimate, Outlook, estimate};
pub use guards::{GROWTH_FROM, GROWTH_RUNS, Growth, Sieve, growth, too_many, too_old};
pub use hold::Idle;
pub use keeper::Custody;
pub use pacer::LOOK_AHEAD;
pub use policy::{Policy, Quota, Verify};
pub use run::{Observer, Past, Sweep, Waits};
pub use stop::{Deferral, Reason, Stop, Stopped};
pub use timetable::{Deadline, Leave, Timetable};
pub use workload::Workload;
