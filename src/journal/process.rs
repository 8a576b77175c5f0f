//! A process that carries a run out: how it is recorded, and how it ended.

use jiff::{SignedDuration, Timestamp};

/// Who carries a run out: one row of the journal a process.
#[derive(Clone, Debug)]
pub struct Process {
    /// `run`, `resume` or `verify`.
    pub command: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// The user's name.
    pub operator: String,
    /// The host's name.
    pub host: String,
    /// The process ID.
    pub pid: u32,
    /// The program's version.
    pub version: &'static str,
    /// The settings in effect, as JSON, without secrets.
    pub settings: String,
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessEnd {
    /// When.
    pub at: Timestamp,
    /// The word for it.
    pub outcome: &'static str,
    /// Its exit code.
    pub exit_code: u8,
    /// A sentence on why; may be empty.
    pub explanation: String,
    /// Where it was deferred: when it makes sense to carry on.
    pub resume_at: Option<Timestamp>,
}

impl ProcessEnd {
    /// An end without an explanation.
    #[must_use]
    pub const fn new(at: Timestamp, outcome: &'static str, exit_code: u8) -> Self {
        Self {
            at,
            outcome,
            exit_code,
            explanation: String::new(),
            resume_at: None,
        }
    }
}

/// The time-out among the settings that a process recorded.
pub(super) fn timeout(settings: &str) -> Option<SignedDuration> {
    let settings: serde_json::Value = serde_json::from_str(settings).ok()?;
    let timeout = crate::duration::parse(settings.get("timeout")?.as_str()?)?;
    timeout.try_into().ok()
}
