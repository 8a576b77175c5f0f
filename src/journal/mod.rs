//! What is known, on disk: the only truth of a run.
//!
//! A run is a folder with one SQLite file, `journal.db`: the frozen list, the
//! batches and their states, every call, and who ran it. This module owns the
//! schema, the states and the transitions that are allowed between them, the
//! run folders, and the lock that keeps a second process out. It promises
//! that what [`Journal::write`] returned from is on the disk, and that a run
//! exists exactly when its frozen list is complete. What a state *means* for
//! the next call is left to the [`sweep`](crate::sweep).

mod apply;
mod batch_ids;
mod breach;
mod calls;
mod dry_run;
mod entry;
mod error;
mod list_digest;
mod lock;
mod log_state;
mod migrate;
mod new_run;
mod open;
mod pinned;
mod process;
mod queue;
mod rate_history;
mod reader;
mod removal;
mod rows;
mod runs_dir;
mod search;
mod state;
mod verifications;
mod writer;

pub use breach::{Approval, Breach, BreachRow, Breaches, Finding, release_digest};
pub use calls::{CallTiming, TokenRow};
pub use entry::{
    ALREADY_REVOKED, Batch, BatchId, CallId, CallKind, Entry, HoldCause, Move, Owed, Part,
    PriorStatus, RecordedState, TokenOrigin, VERIFICATION_MISMATCH, VerificationResult, Waited,
};
pub use error::{JournalError, causes};
pub use lock::{Holder, Lock, LockError, PLANNING, PRUNING};
pub use new_run::{NewRun, RunMeta};
pub use pinned::Pinned;
pub use process::{Process, ProcessEnd};
pub use queue::{Doubt, Pick};
pub use rate_history::{Lookback, Recent, Remaining, Unreadable, counts_since, recent_calls};
pub use reader::JournalReader;
pub use rows::{BatchRow, CallCounts, HoldRow, ProcessRow, RejectRow};
pub use runs_dir::{RunFolder, RunId, RunsDir, open_private};
pub use search::{CallRow, IdHistory};
pub use state::{Evidence, State, Tally, Verified};
pub use verifications::EvidenceRow;
pub use writer::{Journal, Unfolded};
