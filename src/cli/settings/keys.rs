//! The one definition of every setting. Options, variables, keys of the
//! settings file, help and record are all made from this table.

use std::{fmt, path::PathBuf, time::Duration};

use rescind::{duration, sandbox::Rules};

use super::{
    LOG_FORMATS, PROGRESS, Settings, Target, VERIFY, Verbosity,
    tables::{AvoidTable, Structure, read, rules, structure},
    target::{address, choices},
    values::{
        ValueError, clock_time, duration_in, flag, growth, line, percent, quota, rates, show_quota,
        show_rates, show_time, show_unless_off, show_word, unless_off, whole, word, words, zone,
    },
};

/// One setting.
pub(crate) struct Key {
    /// The name, as an option and in the file: `batch-size`.
    pub(crate) name: &'static str,
    /// The letter of a short option.
    pub(crate) short: Option<char>,
    /// The group in the help.
    pub(crate) heading: &'static str,
    /// What stands for the value in the help.
    pub(crate) placeholder: &'static str,
    /// How it is given.
    pub(crate) shape: Shape,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// The default in words, where it depends on something else.
    pub(crate) default_in_words: Option<&'static str>,
    /// What becomes of the recorded value when a run is resumed.
    pub(crate) on_resume: OnResume,
    /// The words it can be, if it is one of a few.
    pub(crate) words: Option<fn() -> Vec<&'static str>>,
    /// Reads a value into the settings.
    set: fn(&mut Settings, &str) -> Result<(), ValueError>,
    /// The value as text that `set` reads back; `None` while there is none.
    show: fn(&Settings) -> Option<String>,
    /// The value in lines for people, where `show` is not made for them.
    pub(super) lines: Option<fn(&Settings) -> Vec<String>>,
}

/// How a setting is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// One value; the last one wins.
    One,
    /// Several values: a repeated option, an array in the file and in the
    /// record. A variable gives one.
    Many(List),
    /// `true` or `false`; the bare option means `true`.
    Flag,
    /// A table of the settings file, or several of one name. No option and no
    /// variable sets it.
    Table(Structure),
}

/// How a list of values is read and shown, in place of [`Key::set`] and
/// [`Key::show`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    set: fn(&mut Settings, &[String]) -> Result<(), ValueError>,
    show: fn(&Settings) -> Vec<String>,
}

impl Shape {
    /// Whether an option and a variable may set it.
    pub(crate) fn is_plain(self) -> bool {
        !matches!(self, Self::Table(_))
    }
}

/// What becomes of the recorded value when a run is resumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnResume {
    /// It stands, unless a stronger layer says otherwise.
    Kept,
    /// It stands, and nothing can change it.
    Frozen,
    /// It is not taken over: it belongs to one process, not to the run.
    Anew,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Key {
    /// The variable: `RESCIND_BATCH_SIZE`.
    pub(crate) fn variable(&self) -> String {
        format!("RESCIND_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// The default as the help shows it.
    pub(crate) fn default(&self) -> Option<String> {
        match self.default_in_words {
            Some(words) => Some(words.to_owned()),
            None if matches!(self.shape, Shape::Flag) => None,
            None => self.in_words(&Settings::default()),
        }
    }

    /// Reads what one layer gives into the settings.
    pub(super) fn read(&self, settings: &mut Settings, texts: &[String]) -> Result<(), ValueError> {
        match (self.shape, texts) {
            (Shape::Many(list), _) => (list.set)(settings, texts),
            (_, [.., text]) => (self.set)(settings, text),
            (_, []) => Ok(()),
        }
    }

    /// The value as texts that [`Key::read`] reads back; `None` while there is
    /// none.
    pub(super) fn texts(&self, settings: &Settings) -> Option<Vec<String>> {
        match self.shape {
            Shape::Many(list) => Some((list.show)(settings)).filter(|texts| !texts.is_empty()),
            _ => (self.show)(settings).map(|text| vec![text]),
        }
    }

    /// The values as they are recorded: a resume from another working directory
    /// has to find the same files.
    pub(super) fn recorded(&self, settings: &Settings) -> Option<Vec<String>> {
        let texts = self.texts(settings)?;
        if self.placeholder != "FILE" {
            return Some(texts);
        }
        let absolute = |text: String| match std::path::absolute(&text) {
            Ok(path) => path.display().to_string(),
            Err(_) => text,
        };
        Some(texts.into_iter().map(absolute).collect())
    }

    /// The value for people.
    pub(super) fn in_words(&self, settings: &Settings) -> Option<String> {
        self.texts(settings).map(|texts| texts.join(", "))
    }

    /// The setting of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

const ENVIRONMENT: &str = "Environment";
const ACCESS: &str = "Token and log-in";
const LIST: &str = "List";
const PACE: &str = "Pace";
const RETRIES: &str = "Retries and waits";
const TIME: &str = "Time allowed";
const PROOF: &str = "Verification";
const GUARDS: &str = "Guards";
const OUTPUT: &str = "Output";

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(168);
const YEAR: Duration = Duration::from_hours(8_760);

/// What entries have in common.
const BLANK: Key = Key {
    name: "",
    short: None,
    heading: "",
    placeholder: "N",
    shape: Shape::One,
    doc: "",
    default_in_words: None,
    on_resume: OnResume::Kept,
    words: None,
    set: |_, _| Ok(()),
    show: |_| None,
    lines: None,
};

/// Every setting, in the order of the help.
pub(crate) static KEYS: &[Key] = &[
    Key {
        name: "env",
        heading: ENVIRONMENT,
        placeholder: "NAME",
        doc: "Where to revoke; required, unless --base-url is given",
        on_resume: OnResume::Frozen,
        words: Some(|| words(&choices())),
        set: |s, text| {
            let named = word(text, &choices()).map(Target::Named);
            put(&mut s.environment, named.map(Some))
        },
        show: |s| match &s.environment {
            Some(Target::Named(environment)) => Some(environment.to_string()),
            _ => None,
        },
        ..BLANK
    },
    Key {
        name: "base-url",
        heading: ENVIRONMENT,
        placeholder: "URL",
        doc: "An address instead of --env: https, or http to a loopback address",
        on_resume: OnResume::Frozen,
        set: |s, text| {
            let there = address(text).map(Target::at);
            put(&mut s.environment, there.map(Some))
        },
        show: |s| match &s.environment {
            Some(Target::Custom(url)) => Some(url.to_string()),
            _ => None,
        },
        ..BLANK
    },
    Key {
        name: "ca-cert",
        heading: ENVIRONMENT,
        placeholder: "FILE",
        doc: "Trust these certificates (PEM) besides the host's",
        set: |s, text| put(&mut s.ca_cert, path(text).map(Some)),
        show: |s| shown(s.ca_cert.as_ref()),
        ..BLANK
    },
    Key {
        name: "login-name",
        heading: ACCESS,
        placeholder: "NAME",
        doc: "Log in as this user, instead of handing a token in; the password \
              comes from RESCIND_LOGIN_PASSWORD or a file",
        set: |s, text| put(&mut s.log_in.name, line(text).map(Some)),
        show: |s| s.log_in.name.clone(),
        ..BLANK
    },
    Key {
        name: "login-password-file",
        heading: ACCESS,
        placeholder: "FILE",
        doc: "The file with the user's password",
        set: |s, text| put(&mut s.log_in.password_file, path(text).map(Some)),
        show: |s| shown(s.log_in.password_file.as_ref()),
        ..BLANK
    },
    Key {
        name: "login-cid",
        heading: ACCESS,
        placeholder: "ID",
        doc: "The ID of the API key; its secret comes from RESCIND_LOGIN_SEC \
              or a file",
        set: |s, text| put(&mut s.log_in.cid, line(text).map(Some)),
        show: |s| s.log_in.cid.clone(),
        ..BLANK
    },
    Key {
        name: "login-sec-file",
        heading: ACCESS,
        placeholder: "FILE",
        doc: "The file with the API key's secret",
        set: |s, text| put(&mut s.log_in.sec_file, path(text).map(Some)),
        show: |s| shown(s.log_in.sec_file.as_ref()),
        ..BLANK
    },
    Key {
        name: "login-app-id",
        heading: ACCESS,
        placeholder: "TEXT",
        doc: "The application that the API key was made for",
        set: |s, text| put(&mut s.log_in.app_id, line(text).map(Some)),
        show: |s| s.log_in.app_id.clone(),
        ..BLANK
    },
    Key {
        name: "login-app-version",
        heading: ACCESS,
        placeholder: "TEXT",
        doc: "The application's version",
        set: |s, text| put(&mut s.log_in.app_version, line(text).map(Some)),
        show: |s| s.log_in.app_version.clone(),
        ..BLANK
    },
    Key {
        name: "login-device-id",
        heading: ACCESS,
        placeholder: "TEXT",
        doc: "The device, where the API key asks for one",
        set: |s, text| put(&mut s.log_in.device_id, line(text).map(Some)),
        show: |s| s.log_in.device_id.clone(),
        ..BLANK
    },
    Key {
        name: "token-cache",
        heading: ACCESS,
        placeholder: "FILE",
        doc: "Keep the token of a log-in in this file for the next process",
        set: |s, text| put(&mut s.token_cache, path(text).map(Some)),
        show: |s| shown(s.token_cache.as_ref()),
        ..BLANK
    },
    Key {
        name: "renew-before",
        heading: ACCESS,
        placeholder: "TIME",
        doc: "Renew a token this long before it expires, but not before half of its \
              life; not one that is handed in, since its end is unknown",
        set: |s, text| {
            put(
                &mut s.renew_before,
                duration_in(text, Duration::ZERO..=HOUR),
            )
        },
        show: |s| Some(duration::show(s.renew_before)),
        ..BLANK
    },
    Key {
        name: "login-limit",
        heading: ACCESS,
        placeholder: "N/UNIT",
        doc: "At most this many refused log-ins in every rolling second, minute or \
              hour; no further log-in until the window has room",
        set: |s, text| put(&mut s.login_limit, quota(text)),
        show: |s| Some(show_quota(&s.login_limit)),
        ..BLANK
    },
    Key {
        name: "renewal-limit",
        heading: ACCESS,
        placeholder: "N/UNIT",
        doc: "At most this many renewals of the token in every rolling second, \
              minute or hour",
        set: |s, text| put(&mut s.renewal_limit, quota(text)),
        show: |s| Some(show_quota(&s.renewal_limit)),
        ..BLANK
    },
    Key {
        name: "sandbox",
        heading: ENVIRONMENT,
        shape: Shape::Table(structure::<Rules>),
        doc: "What the sandbox is like; a mild world if there is no table",
        on_resume: OnResume::Frozen,
        set: |s, text| put(&mut s.sandbox, rules(text)),
        show: |s| s.sandbox.text(),
        lines: Some(|s| s.sandbox.keys()),
        ..BLANK
    },
    Key {
        name: "id-column",
        heading: LIST,
        placeholder: "NAME",
        doc: "The column with the IDs",
        default_in_words: Some("found by its name"),
        on_resume: OnResume::Frozen,
        set: |s, text| put(&mut s.id_column, line(text).map(Some)),
        show: |s| s.id_column.clone(),
        ..BLANK
    },
    Key {
        name: "batch-size",
        heading: LIST,
        doc: "IDs in one request",
        on_resume: OnResume::Frozen,
        set: |s, text| put(&mut s.batch_size, whole(text, 1..=100_000)),
        show: |s| Some(s.batch_size.to_string()),
        ..BLANK
    },
    Key {
        name: "max-invalid",
        heading: LIST,
        placeholder: "PERCENT",
        doc: "Refuse a list with more invalid rows than this",
        set: |s, text| put(&mut s.max_invalid, percent(text)),
        show: |s| Some(format!("{}%", s.max_invalid)),
        ..BLANK
    },
    Key {
        name: "allow-empty",
        heading: LIST,
        shape: Shape::Flag,
        doc: "An empty list is a success (exit 0)",
        set: |s, text| put(&mut s.allow_empty, flag(text)),
        show: |s| Some(s.allow_empty.to_string()),
        ..BLANK
    },
    Key {
        name: "workers",
        heading: PACE,
        doc: "Requests under way at once",
        set: |s, text| put(&mut s.workers, whole(text, 1..=1_024)),
        show: |s| Some(s.workers.to_string()),
        ..BLANK
    },
    Key {
        name: "rate",
        heading: PACE,
        placeholder: "N/UNIT",
        shape: Shape::Many(List {
            set: |s, texts| put(&mut s.rate, rates(texts)),
            show: |s| show_rates(&s.rate),
        }),
        doc: "At most this many calls, reads and retries included, in every \
              rolling second, minute or hour (s, m, h); may be repeated, and \
              then all hold; or unlimited",
        default_in_words: Some("4000/h; 200/s in the sandbox and on loopback"),
        ..BLANK
    },
    Key {
        name: "burst",
        heading: PACE,
        doc: "Calls that may start together, taken out of the rate's budget",
        set: |s, text| put(&mut s.burst, whole(text, 1..=1_000_000)),
        show: |s| Some(s.burst.to_string()),
        ..BLANK
    },
    Key {
        name: "max-attempts",
        heading: RETRIES,
        doc: "Tries of a batch or read without a clean answer",
        set: |s, text| put(&mut s.max_attempts, whole(text, 1..=100)),
        show: |s| Some(s.max_attempts.to_string()),
        ..BLANK
    },
    Key {
        name: "retry-initial",
        heading: RETRIES,
        placeholder: "TIME",
        doc: "The first wait before a retry; it doubles from there",
        set: |s, text| put(&mut s.retry_initial, duration_in(text, MILLISECOND..=HOUR)),
        show: |s| Some(duration::show(s.retry_initial)),
        ..BLANK
    },
    Key {
        name: "retry-max",
        heading: RETRIES,
        placeholder: "TIME",
        doc: "The longest wait before a retry",
        set: |s, text| put(&mut s.retry_max, duration_in(text, MILLISECOND..=HOUR)),
        show: |s| Some(duration::show(s.retry_max)),
        ..BLANK
    },
    Key {
        name: "timeout",
        heading: RETRIES,
        placeholder: "TIME",
        doc: "How long one request may take",
        set: |s, text| put(&mut s.timeout, duration_in(text, MILLISECOND..=HOUR)),
        show: |s| Some(duration::show(s.timeout)),
        ..BLANK
    },
    Key {
        name: "lockout-wait",
        heading: RETRIES,
        placeholder: "TIME",
        doc: "How long no call starts after a lockout (429 or 423)",
        set: |s, text| put(&mut s.lockout_wait, duration_in(text, MILLISECOND..=WEEK)),
        show: |s| Some(duration::show(s.lockout_wait)),
        ..BLANK
    },
    Key {
        name: "penalty-margin",
        heading: RETRIES,
        placeholder: "TIME",
        doc: "Added to the wait that a penalty states",
        set: |s, text| {
            put(
                &mut s.penalty_margin,
                duration_in(text, Duration::ZERO..=HOUR),
            )
        },
        show: |s| Some(duration::show(s.penalty_margin)),
        ..BLANK
    },
    Key {
        name: "finish-by",
        heading: TIME,
        placeholder: "HH:MM",
        doc: "Start no call that might not be answered by this time of day",
        set: |s, text| put(&mut s.finish_by, unless_off(text, clock_time)),
        show: |s| Some(show_unless_off(s.finish_by, show_time)),
        ..BLANK
    },
    Key {
        name: "max-duration",
        heading: TIME,
        placeholder: "TIME",
        doc: "Start no call that might be answered later than this after the start",
        set: |s, text| {
            let read = |text: &str| duration_in(text, MILLISECOND..=YEAR);
            put(&mut s.max_duration, unless_off(text, read))
        },
        show: |s| Some(show_unless_off(s.max_duration, duration::show)),
        ..BLANK
    },
    Key {
        name: "max-wait",
        heading: TIME,
        placeholder: "TIME",
        doc: "Wait for no single penalty, lockout or Retry-After that is longer; \
              end the run as deferred instead",
        set: |s, text| put(&mut s.max_wait, duration_in(text, Duration::ZERO..=YEAR)),
        show: |s| Some(duration::show(s.max_wait)),
        ..BLANK
    },
    Key {
        name: "time-zone",
        heading: TIME,
        placeholder: "NAME",
        doc: "The zone of --finish-by and of times on the terminal, as in \
              America/Chicago",
        default_in_words: Some("the host's"),
        set: |s, text| put(&mut s.time_zone, zone(text).map(Some)),
        show: |s| Some(s.time_zone.as_ref()?.iana_name()?.to_owned()),
        lines: Some(|s| {
            let zone = s.zone();
            vec![match zone.iana_name() {
                Some(name) => name.to_owned(),
                None if zone.is_unknown() => "UTC, since the host's is not known".to_owned(),
                None => format!("{zone:?}"),
            }]
        }),
        ..BLANK
    },
    Key {
        name: "avoid",
        heading: TIME,
        shape: Shape::Table(structure::<Vec<AvoidTable>>),
        doc: "Windows of the week in which no call may be under way",
        set: |s, text| put(&mut s.avoid, read(text)),
        show: |s| s.avoid.text(),
        lines: Some(|s| {
            let windows = s.avoid.value.iter();
            windows.map(|window| window.0.to_string()).collect()
        }),
        ..BLANK
    },
    Key {
        name: "verify",
        heading: PROOF,
        placeholder: "WHAT",
        doc: "Read back every ID, only those in doubt, or none",
        words: Some(|| words(VERIFY)),
        set: |s, text| put(&mut s.verify, word(text, VERIFY)),
        show: |s| show_word(&s.verify, VERIFY),
        ..BLANK
    },
    Key {
        name: "read-first",
        heading: PROOF,
        shape: Shape::Flag,
        doc: "Read each batch before it is sent: spend no revocation on what is \
              revoked already, and keep before.csv",
        set: |s, text| put(&mut s.read_first, flag(text)),
        show: |s| Some(s.read_first.to_string()),
        ..BLANK
    },
    Key {
        name: "read-size",
        heading: PROOF,
        doc: "IDs in one read",
        set: |s, text| put(&mut s.read_size, whole(text, 1..=1_000)),
        show: |s| Some(s.read_size.to_string()),
        ..BLANK
    },
    Key {
        name: "max-consecutive-failures",
        heading: GUARDS,
        doc: "Stop after this many failed batches in a row; 0 is off",
        set: |s, text| put(&mut s.max_consecutive_failures, whole(text, 0..=1_000_000)),
        show: |s| Some(s.max_consecutive_failures.to_string()),
        ..BLANK
    },
    Key {
        name: "max-ids",
        heading: GUARDS,
        doc: "Hold a list with more IDs for approval (exit 7)",
        set: |s, text| put(&mut s.max_ids, whole(text, 1..=1_000_000_000).map(Some)),
        show: |s| s.max_ids.map(|most| most.to_string()),
        ..BLANK
    },
    Key {
        name: "max-growth",
        heading: GUARDS,
        placeholder: "PERCENT",
        doc: "Hold a list of 100 IDs or more that exceeds the median of the last \
              seven finished runs by more than this",
        set: |s, text| put(&mut s.max_growth, growth(text).map(Some)),
        show: |s| s.max_growth.map(|percent| format!("{percent}%")),
        ..BLANK
    },
    Key {
        name: "exclude",
        heading: GUARDS,
        placeholder: "FILE",
        shape: Shape::Many(List {
            set: |s, texts| exclude(&mut s.exclude, texts),
            show: |s| {
                s.exclude
                    .iter()
                    .filter_map(|file| shown(Some(file)))
                    .collect()
            },
        }),
        doc: "A file of IDs that must never be revoked: hold a list that has one of \
              them; may be repeated, and adds to the files named elsewhere",
        lines: Some(|s| show_paths(&s.exclude)),
        ..BLANK
    },
    Key {
        name: "max-age",
        heading: GUARDS,
        placeholder: "TIME",
        doc: "Hold an unfinished run that is older than this for approval",
        set: |s, text| put(&mut s.max_age, duration_in(text, MILLISECOND..=YEAR)),
        show: |s| Some(duration::show(s.max_age)),
        ..BLANK
    },
    Key {
        name: "lock-wait",
        heading: GUARDS,
        placeholder: "TIME",
        doc: "How long to wait while another run holds the lock",
        on_resume: OnResume::Anew,
        set: |s, text| put(&mut s.lock_wait, duration_in(text, Duration::ZERO..=WEEK)),
        show: |s| Some(duration::show(s.lock_wait)),
        ..BLANK
    },
    Key {
        name: "yes",
        heading: GUARDS,
        shape: Shape::Flag,
        doc: "Do not ask before revoking in a real environment",
        on_resume: OnResume::Anew,
        set: |s, text| put(&mut s.yes, flag(text)),
        show: |s| Some(s.yes.to_string()),
        ..BLANK
    },
    Key {
        name: "runs-dir",
        heading: OUTPUT,
        placeholder: "DIR",
        doc: "Where runs are kept",
        on_resume: OnResume::Anew,
        set: |s, text| put(&mut s.runs_dir, path(text)),
        show: |s| Some(s.runs_dir.display().to_string()),
        ..BLANK
    },
    Key {
        name: "note",
        heading: OUTPUT,
        placeholder: "TEXT",
        doc: "A line to keep with the run",
        set: |s, text| put(&mut s.note, line(text).map(Some)),
        show: |s| s.note.clone(),
        ..BLANK
    },
    Key {
        name: "progress",
        heading: OUTPUT,
        placeholder: "WHEN",
        doc: "Draw a progress bar; auto: on a terminal",
        on_resume: OnResume::Anew,
        words: Some(|| words(PROGRESS)),
        set: |s, text| put(&mut s.progress, word(text, PROGRESS)),
        show: |s| show_word(&s.progress, PROGRESS),
        ..BLANK
    },
    Key {
        name: "log-format",
        heading: OUTPUT,
        placeholder: "FORMAT",
        doc: "How the log is written to stderr",
        on_resume: OnResume::Anew,
        words: Some(|| words(LOG_FORMATS)),
        set: |s, text| put(&mut s.log_format, word(text, LOG_FORMATS)),
        show: |s| show_word(&s.log_format, LOG_FORMATS),
        ..BLANK
    },
    Key {
        name: "quiet",
        short: Some('q'),
        heading: OUTPUT,
        shape: Shape::Flag,
        doc: "Print only problems and the summary",
        on_resume: OnResume::Anew,
        set: |s, text| voice(&mut s.verbosity, Verbosity::Quiet, text),
        show: |s| Some((s.verbosity == Verbosity::Quiet).to_string()),
        ..BLANK
    },
    Key {
        name: "verbose",
        short: Some('v'),
        heading: OUTPUT,
        shape: Shape::Flag,
        doc: "Log every call",
        on_resume: OnResume::Anew,
        set: |s, text| voice(&mut s.verbosity, Verbosity::Verbose, text),
        show: |s| Some((s.verbosity == Verbosity::Verbose).to_string()),
        ..BLANK
    },
];

fn put<T>(slot: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *slot = value?;
    Ok(())
}

fn path(text: &str) -> Result<PathBuf, ValueError> {
    line(text).map(PathBuf::from)
}

fn shown(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

/// Adds files to those of weaker layers: a guard is not lost because another
/// one is named.
fn exclude(slot: &mut Vec<PathBuf>, texts: &[String]) -> Result<(), ValueError> {
    for text in texts {
        let file = std::path::absolute(path(text)?)
            .map_err(|error| ValueError::new(format!("{text:?}: {error}")))?;
        if !slot.contains(&file) {
            slot.push(file);
        }
    }
    Ok(())
}

fn show_paths(paths: &[PathBuf]) -> Vec<String> {
    let shown = paths.iter().map(|path| path.display().to_string());
    shown.collect()
}

/// Sets one of the two flags that make up the verbosity; `false` takes back
/// only its own.
fn voice(slot: &mut Verbosity, own: Verbosity, text: &str) -> Result<(), ValueError> {
    if flag(text)? {
        *slot = own;
    } else if *slot == own {
        *slot = Verbosity::Normal;
    }
    Ok(())
}
