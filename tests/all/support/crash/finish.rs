//! Carrying a run that was cut off to its end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use rescind::{journal::JournalReader, report::is_finished};

use super::rig::{List, Moment, Sandbox, Site};

/// A run that is not killed has to finish in so many processes: one may stop
/// early because the first batch or several in a row met too many faults, or
/// one lockout came after the other.
const PROCESSES: usize = 15;

/// A settings file with a window to avoid that is on, and so for two minutes;
/// or one without any, which outweighs what is on record.
pub(crate) fn window(home: &Path, on: bool) -> PathBuf {
    let path = home.join(if on { "window.toml" } else { "none.toml" });
    let time = |minutes| {
        let at = Timestamp::now() + SignedDuration::from_mins(minutes);
        at.to_string()["2026-11-24T".len()..][.."12:00".len()].to_owned()
    };
    let text = format!(
        "[[avoid]]\ndays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']\nfrom = '{}'\n\
         to = '{}'\nzone = 'UTC'\n",
        time(-1),
        time(3)
    );
    fs::write(&path, if on { &text } else { "avoid = []\n" }).unwrap();
    path
}

/// Carries a run on, undisturbed, until nothing is left to do; the exit codes
/// of its processes.
pub(crate) fn finish(site: &Site, sandbox: &Sandbox, list: &List) -> Vec<i32> {
    let mut codes = Vec::new();
    for _ in 0..PROCESSES {
        let status = site.until(Moment::Never, site.command(list, sandbox), sandbox);
        let code = status.unwrap().code().unwrap();
        ended(site, code);
        codes.push(code);
        if finished(site) {
            assert_eq!(code, 3, "the list has invalid rows");
            return codes;
        }
    }
    panic!("it does not finish: {}", site.said());
}

/// Asserts that a process ended as one may by itself.
#[track_caller]
pub(crate) fn ended(site: &Site, code: i32) {
    assert!(
        matches!(code, 0 | 3 | 5 | 6),
        "exit {code}: {}",
        site.said()
    );
}

/// Whether nothing is left to do.
pub(crate) fn finished(site: &Site) -> bool {
    let archive = JournalReader::open(&site.run().unwrap().journal()).unwrap();
    is_finished(&archive.tally().unwrap(), archive.owed().unwrap())
}
