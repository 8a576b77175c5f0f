//! What is said on standard error besides the log: notes, warnings and errors,
//! as lines for people or, with `--log-format json`, one JSON object each.

use std::env::{self, VarError};
use std::fmt::Display;
use std::sync::{OnceLock, RwLock};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::printer;
use super::settings::{LogFormat, Resolved};
use crate::cli::error::CliError;

/// How much a notice matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// What the process does.
    Info,
    /// What a person may want to know.
    Note,
    /// What a person should look at.
    Warning,
    /// Why the process ends.
    Error,
}

impl Level {
    /// The level of the log, and what begins a line for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Info => ("INFO", ""),
            Self::Note => ("INFO", "note: "),
            Self::Warning => ("WARN", "warning: "),
            Self::Error => ("ERROR", "error: "),
        }
    }
}

/// How this process speaks: in JSON, and with times in this zone.
#[derive(Clone, Default)]
struct Voice {
    json: bool,
    zone: Option<TimeZone>,
}

fn voice() -> &'static RwLock<Voice> {
    static VOICE: OnceLock<RwLock<Voice>> = OnceLock::new();
    VOICE.get_or_init(RwLock::default)
}

/// Sets how to speak before the settings are read, since they may be what is
/// wrong: from the command line, or else the variable.
pub(super) fn set_by_words() {
    let options: Vec<_> = env::args().collect();
    let words = options.windows(2).filter_map(|two| match &*two[0] {
        "--log-format" => Some(two[1].clone()),
        _ => None,
    });
    let joined = options
        .iter()
        .filter_map(|one| one.strip_prefix("--log-format=").map(str::to_owned));
    let word = words.chain(joined).last();
    let word = word.map_or_else(|| env::var("RESCIND_LOG_FORMAT"), Ok);
    set(word == Ok::<_, VarError>("json".to_owned()), None);
}

/// Speaks as the settings say from now on.
pub(super) fn set_by_settings(effective: &Resolved) {
    let settings = &effective.settings;
    set(
        settings.log_format == LogFormat::Json,
        Some(settings.zone()),
    );
}

fn set(json: bool, zone: Option<TimeZone>) {
    if let Ok(mut voice) = voice().write() {
        *voice = Voice { json, zone };
    }
}

fn spoken() -> Voice {
    voice()
        .read()
        .map(|voice| voice.clone())
        .unwrap_or_default()
}

/// Whether every line is a JSON object.
pub(super) fn is_json() -> bool {
    spoken().json
}

/// The zone of times for people.
pub(super) fn zone() -> TimeZone {
    spoken().zone.unwrap_or_else(TimeZone::system)
}

/// Prints one notice; it may be several lines for people.
pub(super) fn notice(level: Level, message: impl Display) {
    printer::stderr().print(text(level, message).as_bytes());
}

/// A notice as it is printed.
pub(super) fn text(level: Level, message: impl Display) -> String {
    let (word, begin) = level.words();
    if is_json() {
        json_line(word, &message.to_string(), Map::new())
    } else {
        format!("{begin}{message}\n")
    }
}

/// Prints why the process ends.
pub(super) fn problem(problem: &CliError) {
    if is_json() {
        let mut more = Map::new();
        if !problem.causes.is_empty() {
            more.insert("causes".to_owned(), json!(problem.causes));
        }
        if let Some(hint) = &problem.hint {
            more.insert("hint".to_owned(), json!(hint));
        }
        let line = json_line("ERROR", &problem.message, more);
        return printer::stderr().print(line.as_bytes());
    }
    let mut lines = Vec::new();
    // Writing to memory cannot fail.
    let _ = problem.print(&mut lines);
    printer::stderr().print(&lines);
}

/// With the keys of the log's lines.
fn json_line(level: &str, message: &str, more: Map<String, Value>) -> String {
    let mut line = Map::new();
    line.insert(
        "timestamp".into(),
        format!("{:.3}", Timestamp::now()).into(),
    );
    line.insert("level".into(), level.into());
    line.insert("message".into(), message.into());
    line.extend(more);
    format!("{}\n", Value::from(line))
}
