//! Revokes trading permissions in bulk through the Tradovate / NinjaTrader
//! partner API, and accounts for every row of the list it was given.
//!
//! # The life of one permission ID
//!
//! 1. `list/reader.rs` reads its row, `list/id.rs` parses it, `list/freeze.rs`
//!    drops duplicates and cuts the list into batches.
//! 2. `journal/freeze.rs` commits list and batches before the first request.
//! 3. `sweep/coordinator.rs` takes the next batch and gives it to a worker.
//! 4. `sweep/deliver.rs` delivers the batch, with `sweep/worker.rs` for a call:
//!    it is recorded (`sweep/desk.rs`), then waits for `sweep/pacer.rs`.
//! 5. `api/http.rs` sends it; `api/judge.rs` turns the answer into a verdict.
//! 6. In doubt? `sweep/reading.rs` reads the ID, `sweep/settle.rs` decides what
//!    becomes of it, `sweep/division.rs` divides the batch accordingly.
//! 7. Refused? `sweep/refusal.rs` bisects until the refused IDs stand alone.
//! 8. `sweep/verify.rs` reads accepted IDs back before the run ends.
//! 9. `journal/store.rs` and `journal/write.rs` store each step and its state.
//! 10. `report/table.rs` writes its line in `permissions.csv`, `report/` the
//!     other files and the report.
//!
//! # Four words
//!
//! - **loader**: reads and checks the list: `list/source.rs`, `list/reader.rs`,
//!   `list/table.rs`.
//! - **chunker**: cuts it into batches: `list/freeze.rs`.
//! - **worker pool**: sends the batches: `sweep/coordinator.rs`,
//!   `sweep/worker.rs`, `sweep/deliver.rs`.
//! - **reporter**: makes files and reports: `report/`.
//!
//! # Modules
//!
//! In the order in which the data flows; each imports only from those above it:
//!
//! - [`list`] reads a list of permission IDs and cuts it into batches;
//! - [`journal`] stores, on disk, the frozen list, the batches and their
//!   states, and every call;
//! - [`api`] is the HTTP client: calls, answers, and what an answer means;
//! - [`sweep`] carries a run out: pacing, retries, read-back, guards;
//! - [`report`] makes results and reports from a journal and nothing else;
//! - [`sandbox`] is a simulated API to practise with and to test against.
//!
//! Beside them: [`address`] says which addresses are one server, [`bounded_file`] reads
//! small files that settings name, [`duration`] is the one grammar of durations,
//! [`guide`] is the manual behind `rescind help`.
//!
//! The binary (`main.rs`, `cli/`) adds what belongs to a process: arguments,
//! settings, the terminal, signals and exit codes.

pub mod address;
pub mod api;
pub mod bounded_file;
pub mod duration;
pub mod guide;
pub mod journal;
pub mod list;
pub mod report;
pub mod sandbox;
pub mod sweep;
