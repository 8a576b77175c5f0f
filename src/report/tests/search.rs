//! What every run knows of single permissions.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::runs::damaged;
use super::{assert_same, placed};
use crate::journal::{JournalReader, RunMeta, RunsDir, State, Verified};
use crate::list::PermissionId;
use crate::report::fixture::{Fixture, REVOKED, SampleOutcome, facts, mixed, plain};
use crate::report::*;

fn wanted(ids: &[i64]) -> Vec<PermissionId> {
    ids.iter().map(|id| (*id).try_into().unwrap()).collect()
}

/// The night after [`mixed`], on the same list: what was left of batch 3 is
/// tried again, and comes apart again.
fn next_night(runs: &RunsDir) {
    let facts = RunMeta {
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        input_path: "-".to_owned(),
        ..facts("live", "https://live.tradovateapi.com/v1")
    };
    let batches: [(&[i64], &[u64]); 2] = [(&[3003, 13003, 300], &[2, 3, 5]), (&[4001], &[6])];
    let rejects = [
        (4, " 3003 ", "duplicate"),
        (7, "3003.0", "invalid: a decimal number"),
        (8, "3,003", "invalid: thousands\u{1b}[2J separators"),
        (9, "30031", "invalid: other"),
        (10, "6001 ", "invalid: only there"),
    ];
    let mut run = Fixture::among(runs, facts, &batches, &rejects);
    run.process("run", r#"{"verify":"all"}"#);
    run.sighted(3003, Some(77), None, "Approved\u{1b}[31m");
    run.send(1, 3, State::Pending);
    run.answer(Some(500), "in_doubt", "Internal\u{1b}[31m Server Error");
    let late = SampleOutcome {
        reason: "http_500",
        ..plain(State::Unknown)
    };
    run.settle(1, 3, State::InFlight, &late);
    run.settle(1, 3, State::Unknown, &plain(State::Pending));
    run.send(1, 3, State::Pending);
    run.answer(Some(200), "refused", "");
    let parts: [(&[i64], &[u64], SampleOutcome); 2] = [
        (&[13003, 300], &[3, 5], plain(State::Pending)),
        (&[3003], &[2], plain(State::Pending)),
    ];
    run.divide(1, "1", 1, &parts);
    run.deliver(3, 2, &REVOKED);
    run.send(4, 1, State::Pending);
    run.answer(Some(200), "refused", "permission is locked");
    let refused = SampleOutcome {
        reason: "refused",
        message: "permission is locked",
        verified: Verified::Active,
        ..plain(State::Refused)
    };
    run.settle(4, 1, State::InFlight, &refused);
    run.end("stopped", 6, "");
}

#[test]
fn every_run_that_had_it_says_what_became_of_it() {
    let run = mixed();
    next_night(&run.runs);
    damaged(&run.runs);
    let search = Search::of(&run.runs, &wanted(&[3003, 1001, 6001, 7001, 77])).unwrap();
    assert_same("find.txt", &placed(&run, &search.text(Style::PLAIN)));
    assert_same("find.json", &placed(&run, &search.json()));
    let steers = |c: char| c.is_control() && c != '\n';
    assert!(!search.text(Style::PLAIN).contains(steers));
    let narrow = Style {
        width: 60,
        ..Style::PLAIN
    };
    let narrow = search.text(narrow);
    let too_long = narrow.lines().find(|line| line.chars().count() > 64);
    // A row of the table of calls, without the column it can spare.
    assert_eq!(too_long, None, "{narrow}");
}

/// The current state of each ID is the one that all other files tell, and no
/// number is taken for another that it is a part of.
#[test]
fn what_is_found_is_what_the_files_say() {
    let run = mixed();
    let archive = JournalReader::open(&run.folder.journal()).unwrap();
    let mut told = BTreeMap::new();
    archive
        .each_batch(|row| {
            for (id, line) in row.batch.ids.iter().zip(&row.batch.lines) {
                let state = (*line, row.batch.path.clone(), row.batch.state);
                told.insert(id.get(), state);
            }
            Ok::<_, ReportError>(())
        })
        .unwrap();
    assert_eq!(told.len(), 25);
    let ids: Vec<i64> = told.keys().copied().collect();
    let parts_of_numbers = [1, 100, 300, 3, 900_719_925_474_099];
    let all: Vec<i64> = ids.iter().copied().chain(parts_of_numbers).collect();
    let search = Search::of(&run.runs, &wanted(&all)).unwrap();
    let mut found = BTreeMap::new();
    for permission in search.permissions {
        for fate in permission.runs.into_iter().filter_map(|run| run.fate) {
            let state = (fate.line, fate.batch, fate.state);
            found.insert(permission.permission_id, state);
        }
    }
    assert_eq!(found, told);
}

#[test]
fn a_permission_asked_for_twice_is_one() {
    let home = tempfile::tempdir().unwrap();
    let runs = RunsDir::at(&home.path().join("none"));
    let search = Search::of(&runs, &wanted(&[7, 8, 7])).unwrap();
    assert_eq!(
        search.text(Style::PLAIN),
        "7: there is no run to look through\n\n8: there is no run to look through\n"
    );
    let json: Value = serde_json::from_str(&search.json()).unwrap();
    assert_eq!(json["searched"], 0);
    assert_eq!(json["permissions"].as_array().unwrap().len(), 2);
}

/// A journal that contradicts itself is named, and no answer is made up.
#[test]
fn a_journal_that_contradicts_itself_is_named() {
    let run = mixed();
    let database = rusqlite::Connection::open(run.folder.journal()).unwrap();
    let spoil = "UPDATE batch SET state = 'pending' WHERE id = 3";
    assert_eq!(database.execute(spoil, []).unwrap(), 1);
    database
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    drop(database);
    let search = Search::of(&run.runs, &wanted(&[3003])).unwrap();
    assert_eq!((search.searched, search.unreadable.len()), (0, 1));
    let why = &search.unreadable[0].error;
    assert!(why.contains("contradicts itself about 3003"), "{why}");
    fs::remove_file(run.folder.journal()).unwrap();
    assert_eq!(Search::of(&run.runs, &wanted(&[1])).unwrap().searched, 0);
}
