//! The worker pool: the coordinator, the workers, their jobs, and the way to the journal.

pub(super) mod coordinator;
pub(super) mod cursor;
pub(super) mod jobs;
pub(super) mod ledger;
pub(super) mod worker;
