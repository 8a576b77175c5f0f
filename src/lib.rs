//! Revokes trading permissions in bulk through the Tradovate / NinjaTrader
//! partner API, and accounts for every row of the list it was given.
//!
//! # The life of one permission ID
//!
//! 1. `list/loader.rs` reads its row, `list/id.rs` parses it, `list/chunker.rs`
//!    drops duplicates and cuts the list into batches.
//! 2. `journal/new_run.rs` commits list and batches before the first request.
//! 3. `sweep/pool/coordinator.rs` takes the next batch and gives it to a worker.
//! 4. `sweep/deliver/attempt.rs` delivers the batch, with `sweep/pool/worker.rs` for a call:
//!    it is recorded (`sweep/pool/ledger.rs`), then waits for `sweep/pace/pacer.rs`.
//! 5. `api/http.rs` sends it; `api/judge.rs` turns the answer into a verdict.
//! 6. In doubt? `sweep/deliver/status_read.rs` reads the ID, `sweep/deliver/settle.rs` decides what
//!    becomes of it, `sweep/deliver/divide.rs` divides the batch accordingly.
//! 7. Refused? `sweep/deliver/bisect.rs` bisects until the refused IDs stand alone.
//! 8. `sweep/deliver/readback.rs` reads accepted IDs back before the run ends.
//! 9. `journal/writer.rs` and `journal/apply.rs` store each step and its state.
//! 10. `report/csv_files.rs` writes its line in `permissions.csv`, `report/` the
//!     other files and the report.
//!
//! # Four words
//!
//! - **loader**: reads and checks the list: `list/input.rs`, `list/loader.rs`,
//!   `list/table.rs`.
//! - **chunker**: cuts it into batches: `list/chunker.rs`.
//! - **worker pool**: sends the batches: `sweep/pool/coordinator.rs`,
//!   `sweep/pool/worker.rs`, `sweep/deliver/attempt.rs`.
//! - **reporter**: makes files and reports: `report/reporter.rs`, `report/`.
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
