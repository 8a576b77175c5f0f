//! How a run is to be carried out: the settings that the sweep obeys.

use std::time::Duration;

use crate::sweep::pace::deadline::TimeLimits;

/// At most `count` calls in any rolling `window`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// How many calls; at least 1.
    pub count: u32,
    /// The length of the window.
    pub window: Duration,
}

/// What is read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verify {
    /// Every ID, before the run ends.
    #[default]
    All,
    /// What is in doubt, and the first batch.
    Doubtful,
    /// Nothing: `ok:true` is believed, and doubt stays doubt.
    Off,
}

/// How a run is carried out. Each field is a setting of the same name.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How many batches may be under way at once.
    pub workers: usize,
    /// The limits, all kept at once; none means unlimited.
    pub rate: Vec<Quota>,
    /// How many calls may go back to back, taken out of the budget.
    pub burst: u32,
    /// POSTs without a clean answer, a batch and process; tries, a read.
    pub max_attempts: u32,
    /// The first backoff.
    pub retry_initial: Duration,
    /// The longest backoff.
    pub retry_max: Duration,
    /// How long a call may take from its sending to the end of its answer.
    pub timeout: Duration,
    /// The wait after a 429, a 423 or a captcha (the API's pages: one hour).
    pub lockout_wait: Duration,
    /// What is added to a time penalty.
    pub penalty_margin: Duration,
    /// How long before its end a token is renewed, where that is known; half
    /// of its life at the most.
    pub renew_before: Duration,
    /// How many log-ins may be refused (the API's pages: five an hour).
    pub login_limit: Quota,
    /// How many renewals there may be (the API's pages: fifteen an hour).
    pub renewal_limit: Quota,
    /// A single wait that the server asks for and that is longer than this is
    /// not sat through: the run is deferred.
    pub max_wait: Duration,
    /// When calls may start.
    pub timetable: TimeLimits,
    /// What is read back.
    pub verify: Verify,
    /// Whether each batch is read before it is sent, so that no revocation is
    /// spent on what is revoked already.
    pub read_first: bool,
    /// Whether what was accepted once and is shown as active is sent again: a
    /// person has asked for it.
    pub resend_mismatched: bool,
    /// How many IDs a read asks for.
    pub read_size: usize,
    /// So many failed batches in a row stop the run; 0 never does.
    pub max_consecutive_failures: u32,
}
