//! Sweeps inside this process, on tokio's paused clock.

mod bisect;
pub(crate) mod breaker;
mod estimates;
mod lockouts;
mod mismatch;
mod pacing;
mod read_first;
mod reads;
mod resume;
mod settle;
mod token_renewal;
mod verify;
mod waits;
mod windows;
mod write_failures;
