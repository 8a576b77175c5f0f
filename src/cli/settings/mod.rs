//! The settings of a process: every one with its default, where it may come
//! from, and what became of it.
//!
//! [`KEYS`] is the one definition: an option, a `RESCIND_…` variable and a key
//! of the settings file are made from the same entry, and so cannot drift.
//! [`Layers`] gathers what was given and settles it into [`Resolved`]
//! settings, each with its origin. Secrets are no settings: they come from
//! their own variables and never appear in a file, a record or a message.

mod access;
mod file;
mod keys;
mod layers;
mod listing;
mod record;
mod tables;
mod target;
mod values;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};
use rescind::sandbox::Rules;
use rescind::sweep::{Avoid, Deadline, Policy, Quota, TimeLimits, Verify, next_showing};

pub(crate) use access::{Access, LogInSettings};
pub(crate) use keys::{KEYS, Key, Shape};
pub(crate) use layers::{Given, Layers, Resolved, target_at};
pub(crate) use record::changed;
pub(crate) use tables::{AvoidTable, SettingTable};
pub(crate) use target::{Target, environments};
pub(crate) use values::{any_duration, show_time};

/// Everything that can be set, typed and within its bounds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Settings {
    /// Where runs are kept.
    pub(crate) runs_dir: PathBuf,
    /// Where a run goes; `None` until somebody names it
    /// ([`Resolved::environment`] insists).
    pub(crate) environment: Option<Target>,
    /// Certificates to trust besides the host's (PEM).
    pub(crate) ca_cert: Option<PathBuf>,
    /// Who logs in, where no token is handed in.
    pub(crate) log_in: LogInSettings,
    /// The file that keeps a token between processes.
    pub(crate) token_cache: Option<PathBuf>,
    /// How long before its end a token is renewed.
    pub(crate) renew_before: Duration,
    /// How many log-ins may be refused.
    pub(crate) login_limit: Quota,
    /// How many renewals there may be.
    pub(crate) renewal_limit: Quota,
    /// The column with the IDs; found by its name if not given.
    pub(crate) id_column: Option<String>,
    /// IDs in one request.
    pub(crate) batch_size: NonZeroUsize,
    /// Share of invalid rows from which the list is refused, in percent.
    pub(crate) max_invalid: f64,
    /// Whether a list that holds nothing is a success.
    pub(crate) allow_empty: bool,
    /// Requests under way at once.
    pub(crate) workers: NonZeroUsize,
    /// The quotas every call counts against; none is unlimited.
    pub(crate) rate: Vec<Quota>,
    /// Calls that may start together, taken out of the budget.
    pub(crate) burst: u32,
    /// POSTs of a batch without a clean answer, and tries of a read.
    pub(crate) max_attempts: u32,
    /// The first backoff.
    pub(crate) retry_initial: Duration,
    /// The longest backoff.
    pub(crate) retry_max: Duration,
    /// How long one request may take.
    pub(crate) timeout: Duration,
    /// How long a lockout (429, 423) lasts.
    pub(crate) lockout_wait: Duration,
    /// What is added to a penalty's stated time.
    pub(crate) penalty_margin: Duration,
    /// The time of day by which the last call has to be answered.
    pub(crate) finish_by: Option<Time>,
    /// How long a process may take to the last answer.
    pub(crate) max_duration: Option<Duration>,
    /// The longest wait that is sat through.
    pub(crate) max_wait: Duration,
    /// The zone of times for people; the host's if not given.
    pub(crate) time_zone: Option<TimeZone>,
    /// Windows in which no call may be under way.
    pub(crate) avoid: SettingTable<Vec<AvoidTable>>,
    /// What the sandbox is like.
    pub(crate) sandbox: SettingTable<Rules>,
    /// What is read back.
    pub(crate) verify: Verify,
    /// Whether each batch is read before it is sent.
    pub(crate) read_first: bool,
    /// IDs in one read.
    pub(crate) read_size: NonZeroUsize,
    /// Failed batches in a row that stop the run; 0 is off.
    pub(crate) max_consecutive_failures: u32,
    /// The most IDs a list may have without a person's approval.
    pub(crate) max_ids: Option<u64>,
    /// By how much a list may be larger than earlier ones, in percent.
    pub(crate) max_growth: Option<f64>,
    /// Lists of the IDs that must never be revoked; absolute.
    pub(crate) exclude: Vec<PathBuf>,
    /// How long to wait for another run's lock.
    pub(crate) lock_wait: Duration,
    /// The age from which an unfinished run needs a person.
    pub(crate) max_age: Duration,
    /// Consent to a real environment, given in advance.
    pub(crate) yes: bool,
    /// A line kept with the run.
    pub(crate) note: Option<String>,
    /// Whether a progress bar is drawn.
    pub(crate) progress: Progress,
    /// How the log is written to stderr.
    pub(crate) log_format: LogFormat,
    /// How much is said on stderr.
    pub(crate) verbosity: Verbosity,
}

/// The words of [`Settings::verify`].
const VERIFY: &[(&str, Verify)] = &[
    ("all", Verify::All),
    ("doubtful", Verify::Doubtful),
    ("off", Verify::Off),
];

/// Whether a progress bar is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// On a terminal only.
    Auto,
    /// Even without a terminal.
    Always,
    /// Never; dated counter lines instead.
    Never,
}

/// The words of [`Settings::progress`].
const PROGRESS: &[(&str, Progress)] = &[
    ("auto", Progress::Auto),
    ("always", Progress::Always),
    ("never", Progress::Never),
];

/// How the log is written to stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The words of [`Settings::log_format`].
const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// How much is said on stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verbosity {
    /// What went wrong, and the summary (`-q`).
    Quiet,
    /// What a person wants to know.
    Normal,
    /// What every call does (`-v`).
    Verbose,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            runs_dir: PathBuf::from("runs"),
            environment: None,
            ca_cert: None,
            log_in: LogInSettings::default(),
            token_cache: None,
            renew_before: Duration::from_mins(10),
            // Partner pages, *rate limits*: five and fifteen an hour. Others
            // who log in from this network need some of them.
            login_limit: an_hour(4),
            renewal_limit: an_hour(12),
            id_column: None,
            batch_size: count(100),
            max_invalid: 5.0,
            allow_empty: false,
            workers: count(4),
            rate: default_rate(None),
            burst: 1,
            max_attempts: 5,
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
            timeout: Duration::from_mins(1),
            // Partner pages, *rate limits*: a 429 lasts an hour.
            lockout_wait: Duration::from_hours(1),
            // A retry at the stated instant meets an empty bucket.
            penalty_margin: Duration::from_secs(1),
            finish_by: None,
            max_duration: None,
            max_wait: Duration::from_hours(4),
            time_zone: None,
            avoid: SettingTable::default(),
            sandbox: SettingTable::default(),
            verify: Verify::All,
            read_first: false,
            read_size: count(100),
            max_consecutive_failures: 5,
            max_ids: None,
            max_growth: None,
            exclude: Vec::new(),
            lock_wait: Duration::ZERO,
            max_age: Duration::from_hours(72),
            yes: false,
            note: None,
            progress: Progress::Auto,
            log_format: LogFormat::Text,
            verbosity: Verbosity::Normal,
        }
    }
}

impl Settings {
    /// The zone of times for people.
    pub(crate) fn zone(&self) -> TimeZone {
        self.time_zone.clone().unwrap_or_else(TimeZone::system)
    }

    /// When calls may start, for a process that was asked for at `now`: clear of the
    /// windows, and within the tighter of its two limits.
    pub(crate) fn timetable(&self, now: Timestamp) -> TimeLimits {
        let zone = self.zone();
        let by = self.finish_by.and_then(|time| {
            let at = next_showing(&zone, time, now)?;
            let setting = format!("--finish-by {}", show_time(time));
            Some(Deadline { at, setting })
        });
        let within = self.max_duration.and_then(|duration| {
            let at = now
                .checked_add(SignedDuration::try_from(duration).ok()?)
                .ok()?;
            let setting = format!("--max-duration {}", rescind::duration::show(duration));
            Some(Deadline { at, setting })
        });
        let windows = self.avoid.value.iter();
        TimeLimits {
            avoid: windows
                .map(|window| window.0.clone())
                .collect::<Vec<Avoid>>(),
            deadline: by
                .into_iter()
                .chain(within)
                .min_by_key(|deadline| deadline.at),
            zone,
        }
    }

    /// How the sweep is to carry the run out, in a process that was asked for at `now`.
    pub(crate) fn policy(&self, now: Timestamp) -> Policy {
        Policy {
            workers: self.workers.get(),
            rate: self.rate.clone(),
            burst: self.burst,
            max_attempts: self.max_attempts,
            retry_initial: self.retry_initial,
            retry_max: self.retry_max,
            timeout: self.timeout,
            lockout_wait: self.lockout_wait,
            penalty_margin: self.penalty_margin,
            renew_before: self.renew_before,
            login_limit: self.login_limit,
            renewal_limit: self.renewal_limit,
            max_wait: self.max_wait,
            timetable: self.timetable(now),
            verify: self.verify,
            read_first: self.read_first,
            resend_mismatched: false,
            read_size: self.read_size.get(),
            max_consecutive_failures: self.max_consecutive_failures,
        }
    }
}

/// The rate where none is given. On real environments a fifth of the user's
/// 5,000 an hour (partner pages: *rate limits*) is left to the vendor's other
/// services; the sandbox and loopback addresses have nobody to spare.
fn default_rate(target: Option<&Target>) -> Vec<Quota> {
    let quota = match target {
        Some(target) if !target.is_real() => Quota {
            count: 200,
            window: Duration::from_secs(1),
        },
        _ => Quota {
            count: 4_000,
            window: Duration::from_hours(1),
        },
    };
    vec![quota]
}

#[cfg(test)]
mod tests;

const fn an_hour(count: u32) -> Quota {
    Quota {
        count,
        window: Duration::from_hours(1),
    }
}

const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}
