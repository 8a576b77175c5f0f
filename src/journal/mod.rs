//! What is known, on disk: the only truth of a run.
//!
//! A run is a folder with one SQLite file, `journal.db`: the frozen list, the
//! batches and their states, every call, and who ran it. This module owns the
//! schema, the states and the transitions that are allowed between them, the
//! run folders, and the lock that keeps a second process out. It promises
//! that what [`Journal::write`] returned from is on the disk, and that a run
//! exists exactly when its frozen list is complete. What a state *means* for
//! the next call is left to the [`sweep`](crate::sweep).

mod activity;
mod breach;
mod entry;
mod error;
mod evidence;
mod find;
mod folder;
mod freeze;
mod list_digest;
mod lock;
mod log_state;
mod migrate;
mod pinned;
mod plan;
mod read;
mod recent;
mod removal;
mod state;
mod store;
mod write;

pub use activity::{CallTiming, TokenRow};
pub use breach::{Approval, Breach, BreachRow, Breaches, Finding, release_digest};
pub use entry::{
    ALREADY_REVOKED, Batch, BatchId, CallId, CallKind, Claim, Entry, HoldCause, Move, Owed, Part,
    Provenance, Sighting, Testimony, VERIFICATION_MISMATCH, Waited,
};
pub use error::{JournalError, causes};
pub use evidence::EvidenceRow;
pub use find::{CallRow, Trace};
pub use folder::{RunFolder, RunId, RunsDir, open_private};
pub use freeze::{Facts, NewRun};
pub use lock::{Holder, Lock, LockError, PLANNING, PRUNING};
pub use pinned::Pinned;
pub use read::{Archive, BatchRow, CallCounts, HoldRow, ProcessRow, RejectRow};
pub use recent::{Lookback, Recent, Remaining, Unreadable, counts_since, recent_calls};
pub use state::{Evidence, State, Tally, Verified};
pub use store::{Doubt, Journal, Pick, Process, ProcessEnd, Unfolded};
