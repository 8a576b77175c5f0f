//! The list of runs, and the particulars of one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{LIVE, assert_same, placed};
use crate::journal::{Holder, Lock, RunMeta};
use crate::report::fixture::{REVOKED, complete, facts, freeze, mixed};
use crate::report::*;

/// Damages the journal of a run of its own, and says where.
pub(super) fn damaged(runs: &crate::journal::RunsDir) -> PathBuf {
    let facts = RunMeta {
        created: "2026-11-22T02:00:00Z".parse().unwrap(),
        ..facts("live", LIVE)
    };
    let folder = freeze(runs, facts, &[(&[1], &[2])], &[]);
    fs::write(
        folder.journal(),
        "not a database, and long enough to be read as one",
    )
    .unwrap();
    folder.journal()
}

#[test]
fn runs_are_listed_newest_first_unreadable_ones_with_errors() {
    let run = mixed();
    damaged(&run.runs);
    let facts = RunMeta {
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        ..facts("sandbox", "")
    };
    freeze(&run.runs, facts, &[(&[1, 2], &[2, 3])], &[]);
    let listed = list(&run.runs).unwrap();
    let style = |width| Style {
        width,
        ..Style::PLAIN
    };
    let whole = listing(&listed, style(usize::MAX));
    assert_same("runs.txt", &placed(&run, &whole));
    let mut without = Vec::new();
    for (width, next) in [
        (160, "STARTED"),
        (120, "OTHER STATES"),
        (87, "CALLS"),
        (80, "DURATION"),
        (70, "NOT REVOKED"),
    ] {
        without.push(next);
        let text = listing(&listed, style(width));
        let header = text.lines().next().unwrap();
        assert!(header.len() <= width, "{header}");
        let whole = whole.lines().next().unwrap();
        for column in whole.split("  ").map(str::trim).filter(|c| !c.is_empty()) {
            let shown = header.contains(column);
            assert_eq!(shown, !without.contains(&column), "{width}: {header}");
        }
    }
    assert_eq!(listing(&[], Style::PLAIN), "no runs\n");
}

#[test]
fn only_the_run_that_was_taken_up_last_can_be_going_on() {
    let run = mixed();
    let facts = RunMeta {
        created: "2026-11-22T02:00:00Z".parse().unwrap(),
        ..facts("live", LIVE)
    };
    let older = freeze(&run.runs, facts, &[(&[1], &[2])], &[]);
    assert!(!is_live(&run.runs, &run.folder).unwrap());
    let holder = Holder {
        command: "resume".to_owned(),
        pid: 4711,
        host: "night-1".to_owned(),
        since: "2026-11-23T02:00:31Z".to_owned(),
    };
    let lock = Lock::take(&run.runs, "live", LIVE, &holder, Duration::ZERO).unwrap();
    assert!(is_live(&run.runs, &run.folder).unwrap());
    assert!(!is_live(&run.runs, &older).unwrap());
    drop(lock);
    assert!(!is_live(&run.runs, &run.folder).unwrap());
}

#[test]
fn earlier_runs_are_found_by_where_they_go_and_what_they_revoke() {
    let names = |listed: Vec<Listed>| -> Vec<String> {
        let runs = listed.into_iter().map(|run| run.folder.run().to_string());
        runs.collect()
    };
    let open = mixed();
    damaged(&open.runs);
    let run = open.folder.run().to_string();
    // Whether the damaged one is finished, and where it goes, nobody knows.
    let damaged = unfinished(&open.runs, "demo", LIVE).unwrap();
    assert!(matches!(&damaged[..], [one] if one.standing.is_err()));
    let damaged = damaged[0].folder.run().to_string();
    assert_eq!(
        names(unfinished(&open.runs, "live", "other").unwrap()),
        [run, damaged]
    );
    let list = facts("live", LIVE).list_sha256;
    assert!(names(finished_with_list(&open.runs, "live", LIVE, &list).unwrap()).is_empty());

    let done = complete("custom", "http://127.0.0.1:1/v1", &REVOKED, "all");
    let run = done.folder.run().to_string();
    let found =
        |url: &str, list: &str| names(finished_with_list(&done.runs, "custom", url, list).unwrap());
    assert_eq!(found("http://127.0.0.1:1/v1", &list), [run]);
    assert!(found("http://127.0.0.1:2/v1", &list).is_empty());
    assert!(found("http://127.0.0.1:1/v1", "another").is_empty());
    assert!(names(unfinished(&done.runs, "custom", "http://127.0.0.1:1/v1").unwrap()).is_empty());
}

#[test]
fn an_unreadable_run_is_named_where_it_may_be_the_newest() {
    let found = |newest: Newest| {
        let unreadable = newest.unreadable.iter();
        let unreadable: Vec<_> = unreadable.map(|(run, _)| run.run().to_string()).collect();
        (newest.run.map(|run| run.run().to_string()), unreadable)
    };
    let open = mixed();
    damaged(&open.runs);
    let run = open.folder.run().to_string();
    let there = newest_unfinished(&open.runs, "live", LIVE).unwrap();
    assert_eq!(found(there), (Some(run.clone()), vec![]));
    // Older than all that there is of another environment.
    let (none, unreadable) = found(newest_unfinished(&open.runs, "demo", LIVE).unwrap());
    assert_eq!((none, unreadable.len()), (None, 1));

    let later = RunMeta {
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        ..facts("demo", LIVE)
    };
    let later = freeze(&open.runs, later, &[(&[1], &[2])], &[]);
    fs::write(later.journal(), "no database").unwrap();
    let later = vec![later.run().to_string()];
    for there in [
        newest(&open.runs, "live", LIVE).unwrap(),
        newest_unfinished(&open.runs, "live", LIVE).unwrap(),
    ] {
        assert_eq!(found(there), (Some(run.clone()), later.clone()));
    }
}

/// Names are those of `summary.json` and mean the same.
#[test]
fn the_list_for_programs_says_what_the_summary_says() {
    let run = mixed();
    damaged(&run.runs);
    let text = listing_json(&list(&run.runs).unwrap());
    assert_same("runs.json", &placed(&run, &text));
    let listed: Value = serde_json::from_str(&text).unwrap();
    let summary = Summary::of(&run.folder, false).unwrap();
    let summary = serde_json::to_value(summary).unwrap();
    for (name, value) in listed[0].as_object().unwrap() {
        if name != "list_sha256" {
            assert_eq!(Some(value), summary.get(name), "{name}");
        }
    }
    let error = listed[1]["error"].as_str().unwrap();
    assert!(error.contains("not a database"), "{error}");
    assert_eq!(listing_json(&[]), "[]\n");
}

/// What the command line finds changed is its own affair.
fn picked(settings: &str) -> Vec<(String, String)> {
    let settings: Value = serde_json::from_str(settings).unwrap();
    let verify = settings["verify"].as_str().unwrap().to_owned();
    let note = "two\nlines\u{1b}[31m".to_owned();
    vec![("verify".to_owned(), verify), ("note".to_owned(), note)]
}

#[test]
fn the_particulars_of_a_run_read_as_expected() {
    let run = mixed();
    let mut shown = RunDetails::of(&run.folder, false, picked).unwrap();
    let names: Vec<&str> = shown.files.iter().map(|file| file.name.as_str()).collect();
    // It was killed: the log beside the journal is left.
    assert!(names.contains(&"journal.db"), "{names:?}");
    let length = fs::metadata(run.folder.journal()).unwrap().len();
    let journal = shown.files.iter().find(|file| file.name == "journal.db");
    assert_eq!(journal.unwrap().bytes, length);
    // How large a database comes out is not the fixture's to say.
    shown.files = vec![
        FileFigures {
            name: "journal.db".to_owned(),
            bytes: 61_440,
        },
        FileFigures {
            name: "run.log".to_owned(),
            bytes: 812,
        },
    ];
    assert_same("mixed/show.txt", &placed(&run, &shown.text(Style::PLAIN)));
    assert_same("mixed/show.json", &placed(&run, &shown.json()));
    let steers = |c: char| c.is_control() && c != '\n';
    assert!(!shown.text(Style::PLAIN).contains(steers));
}

#[test]
fn only_the_last_process_of_a_run_that_goes_on_is_running() {
    let run = mixed();
    let outcomes = |live| -> Vec<Value> {
        let shown = RunDetails::of(&run.folder, live, |_| Vec::new()).unwrap();
        let shown: Value = serde_json::from_str(&shown.json()).unwrap();
        let processes = shown["processes"].as_array().unwrap().iter();
        let of_run = [shown["outcome"].clone()].into_iter();
        of_run
            .chain(processes.map(|process| process["outcome"].clone()))
            .collect()
    };
    assert_eq!(
        outcomes(false),
        ["interrupted", "interrupted", "interrupted"]
    );
    assert_eq!(outcomes(true), ["running", "interrupted", "running"]);
}

#[test]
fn a_run_that_no_process_took_up_has_particulars_too() {
    let run = mixed();
    let facts = RunMeta {
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        ..facts("sandbox", "sandbox")
    };
    let folder = freeze(&run.runs, facts, &[(&[1, 2], &[2, 3])], &[]);
    let shown = RunDetails::of(&folder, false, picked).unwrap();
    let text = shown.text(Style::PLAIN);
    assert!(text.contains("none has taken it up yet"), "{text}");
    assert!(
        text.contains("0 revoked, 2 pending; not finished"),
        "{text}"
    );
    let shown: Value = serde_json::from_str(&shown.json()).unwrap();
    assert_eq!(shown["processes"], json!([]));
}
