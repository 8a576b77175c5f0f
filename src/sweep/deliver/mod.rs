//! Delivering batches: attempts, bisecting, reading back, and what a read makes of an ID.

pub(super) mod attempt;
pub(super) mod bisect;
pub(super) mod bisect_budget;
pub(super) mod delivery;
pub(super) mod divide;
pub(super) mod precheck;
pub(super) mod readback;
pub(super) mod settle;
pub(super) mod status_read;
pub(super) mod verify_run;
