//! The names of the files of a run.

/// One row per batch.
pub const RESULTS_CSV: &str = "results.csv";
/// One row per distinct ID.
pub const PERMISSIONS_CSV: &str = "permissions.csv";
/// The IDs not revoked; a valid input for a new run.
pub const REMAINING_CSV: &str = "remaining.csv";
/// The rows that gave no ID to send.
pub const REJECTED_CSV: &str = "rejected.csv";
/// The figures.
pub const SUMMARY_JSON: &str = "summary.json";
/// The report to look at.
pub const REPORT_HTML: &str = "report.html";

/// What the last verification found, ID by ID. There is one only where there
/// was a verification.
pub const VERIFICATION_CSV: &str = "verification.csv";
/// How the IDs were shown before they were sent. There is one only where they
/// were read then.
pub const BEFORE_CSV: &str = "before.csv";

/// Every file that each run has, in the order of writing.
pub const FILES: [&str; 6] = [
    RESULTS_CSV,
    PERMISSIONS_CSV,
    REMAINING_CSV,
    REJECTED_CSV,
    SUMMARY_JSON,
    REPORT_HTML,
];
