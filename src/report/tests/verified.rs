//! What a verification leaves in the files and in the report.

use super::super::fixture::{Fixture, REVOKED, SampleOutcome, complete, facts, plain};
use super::super::*;
use super::{LIVE, file, rendered};
use crate::journal::{Entry, Evidence, State, VerificationResult, Verified};
use crate::list::PermissionId;

fn id(number: i64) -> PermissionId {
    number.try_into().unwrap()
}

/// What was found of a batch, or of some of its IDs.
fn found(batch: i64, root: i64, claimed: State, found: Evidence, ids: u64, some: &[i64]) -> Entry {
    Entry::Examined(VerificationResult {
        batch,
        root,
        claimed,
        found,
        ids,
        some: some.iter().map(|number| id(*number)).collect(),
    })
}

/// `complete`, verified so: of 101, 102 and 103.
fn verified(entries: &[Entry], word: &'static str, code: u8) -> Fixture {
    let mut run = complete("demo", LIVE, &REVOKED, "all");
    run.process("verify", r#"{"verify":"all"}"#);
    run.note(entries);
    run.end(word, code, "");
    run
}

fn text(run: &Fixture) -> String {
    rendered(
        run,
        Format::Text,
        Style {
            width: 120,
            ..Style::PLAIN
        },
        false,
    )
}

fn all_revoked() -> [Entry; 2] {
    [
        found(1, 1, State::Revoked, Evidence::Revoked, 2, &[]),
        found(2, 2, State::Revoked, Evidence::Revoked, 1, &[]),
    ]
}

/// The order is that of the list, however the batches were divided and in
/// whatever order they were read.
#[test]
fn the_file_has_a_row_for_each_id_read_in_list_order() {
    let batches: [(&[i64], &[u64]); 2] = [(&[5, 3, 4, 1], &[2, 3, 4, 6]), (&[9, 8], &[7, 8])];
    let mut run = Fixture::freeze(facts("live", LIVE), &batches, &[]);
    run.process("run", "{}");
    run.send(1, 4, State::Pending);
    let refused = SampleOutcome {
        reason: "refused",
        ..plain(State::Refused)
    };
    run.divide(
        1,
        "1",
        1,
        &[(&[5, 4], &[2, 4], REVOKED), (&[3, 1], &[3, 6], refused)],
    );
    run.deliver(2, 2, &REVOKED);
    run.end("partial", 3, "");
    write(&run.folder).unwrap();
    assert!(!run.folder.path().join(VERIFICATION_CSV).exists());

    run.process("verify", "{}");
    run.note(&[
        found(2, 2, State::Revoked, Evidence::Unreadable, 2, &[]),
        found(4, 1, State::Refused, Evidence::Absent, 1, &[1]),
        found(4, 1, State::Refused, Evidence::Active, 1, &[3]),
        found(3, 1, State::Revoked, Evidence::Revoked, 1, &[5]),
        found(3, 1, State::Revoked, Evidence::Active, 1, &[4]),
    ]);
    run.end("mismatch", 9, "");
    let summary = write(&run.folder).unwrap();
    assert_eq!(
        file(&run, VERIFICATION_CSV),
        "permission_id,claimed,found,verdict\r\n\
         5,revoked,revoked,=\r\n\
         3,refused,active,=\r\n\
         4,revoked,active,*\r\n\
         1,refused,absent,-\r\n\
         9,revoked,unreadable,!\r\n\
         8,revoked,unreadable,!\r\n"
    );
    let figures = summary.verification.unwrap();
    assert_eq!(
        (figures.as_claimed, figures.active, figures.absent),
        (2, 1, 1)
    );
    assert_eq!((figures.unreadable, figures.not_read), (2, 0));
    assert_eq!(figures.ending(), Outcome::Mismatch);

    // The file is that of the last verification, which was cut off.
    run.process("verify", "{}");
    run.note(&[found(3, 1, State::Revoked, Evidence::Revoked, 2, &[])]);
    run.kill();
    let summary = write(&run.folder).unwrap();
    assert_eq!(
        file(&run, VERIFICATION_CSV),
        "permission_id,claimed,found,verdict\r\n5,revoked,revoked,=\r\n4,revoked,revoked,=\r\n"
    );
    let figures = summary.verification.unwrap();
    assert_eq!((figures.as_claimed, figures.not_read), (2, 4));
    assert_eq!(figures.outcome, "interrupted");
}

#[test]
fn a_run_that_is_found_as_claimed_is_what_it_was() {
    let run = verified(&all_revoked(), "complete", 0);
    let summary = Summary::of(&run.folder, false).unwrap();
    assert_eq!(
        (summary.outcome.as_str(), summary.exit_code),
        ("complete", Some(0))
    );
    let before = complete("demo", LIVE, &REVOKED, "all");
    let before = Summary::of(&before.folder, false).unwrap();
    assert_eq!(summary.finished_at, before.finished_at);
    assert!(summary.verification.unwrap().is_clean());
    let text = text(&run);
    assert!(text.starts_with("DONE on DEMO: all 3 IDs are revoked.\nSafe to forget? Yes.\n"));
    assert!(
        text.contains(": 3 as claimed; complete, exit code 0\n"),
        "{text}"
    );
    let listed = list(&run.runs).unwrap().remove(0).standing.unwrap();
    assert_eq!(
        (listed.outcome.as_str(), listed.exit_code),
        ("complete", Some(0))
    );
}

/// A mark of the batch, as the sweep makes it.
fn marked(run: &mut Fixture, batch: i64, ids: u64, state: State, verified: Verified) {
    let fate = SampleOutcome {
        reason: "active_later",
        message: "shown as active on 2026-11-24 10:00 UTC",
        verified,
        ..plain(state)
    };
    run.settle(batch, ids, state, &fate);
}

#[test]
fn a_mismatch_comes_first_and_stays_until_it_is_found_right() {
    let mut run = complete("demo", LIVE, &REVOKED, "all");
    run.process("verify", "{}");
    run.note(&[
        found(1, 1, State::Revoked, Evidence::Revoked, 2, &[]),
        found(2, 2, State::Revoked, Evidence::Active, 1, &[]),
    ]);
    marked(&mut run, 2, 1, State::Revoked, Verified::Active);
    run.end("mismatch", 9, "");
    let summary = write(&run.folder).unwrap();
    assert_eq!(
        (summary.outcome.as_str(), summary.exit_code),
        ("mismatch", Some(9))
    );
    assert_eq!(
        (summary.mismatches, summary.lost, summary.unread),
        (1, 1, 0)
    );
    assert_eq!(summary.ending(false), Outcome::Mismatch);
    assert_eq!(file(&run, REMAINING_CSV).lines().count(), 1);
    let words = text(&run);
    assert!(
        words.starts_with(
            "MISMATCH on DEMO: 1 ID counts as revoked, yet is not shown so.\n\
             Safe to forget? No, a person has to find out why.\n\
             It may have been granted anew: remaining.csv leaves it out"
        ),
        "{words}"
    );
    assert!(words.contains("[active_later]") && words.contains("2026-11-24 10:00 UTC"));
    assert!(words.contains("/verification.csv\n"), "{words}");
    let listed = list(&run.runs).unwrap().remove(0).standing.unwrap();
    assert_eq!(
        (listed.outcome.as_str(), listed.exit_code),
        ("mismatch", Some(9))
    );
    // A resume that sends nothing does not change that.
    run.process("resume", "{}");
    run.end("mismatch", 9, "");
    assert!(text(&run).starts_with("MISMATCH on DEMO: 1 ID counts as revoked"));

    run.process("verify", "{}");
    run.note(&all_revoked());
    run.settle(2, 1, State::Revoked, &REVOKED);
    run.end("complete", 0, "");
    assert!(text(&run).starts_with("DONE on DEMO: all 3 IDs are revoked."));
}

#[test]
fn a_missing_id_that_appears_is_a_mismatch_for_a_new_run() {
    let mut run = complete("demo", LIVE, &plain(State::Missing), "all");
    run.process("verify", "{}");
    run.note(&[
        found(1, 1, State::Missing, Evidence::Absent, 2, &[]),
        found(2, 2, State::Missing, Evidence::Active, 1, &[]),
    ]);
    marked(&mut run, 2, 1, State::Missing, Verified::Active);
    run.end("mismatch", 9, "");
    let summary = write(&run.folder).unwrap();
    assert_eq!((summary.mismatches, summary.lost), (1, 0));
    assert!(text(&run).starts_with("MISMATCH on DEMO: 1 ID is not as claimed.\n"));
    assert_eq!(file(&run, REMAINING_CSV).lines().count(), 4);
}

#[test]
fn a_verification_that_could_not_read_accuses_nothing() {
    let run = verified(
        &[
            found(1, 1, State::Revoked, Evidence::Revoked, 2, &[]),
            found(2, 2, State::Revoked, Evidence::Unreadable, 1, &[]),
        ],
        "mismatch",
        9,
    );
    let summary = Summary::of(&run.folder, false).unwrap();
    assert_eq!(
        (summary.outcome.as_str(), summary.exit_code),
        ("complete", Some(0))
    );
    let words = text(&run);
    assert!(
        words.starts_with(
            "DONE on DEMO: all 3 IDs are revoked.\n\
             Safe to forget? Not quite: 1 ID was not read by the last verification.\n"
        ),
        "{words}"
    );
    assert!(words.contains(": 2 as claimed, 1 unreadable; mismatch, exit code 9\n"));
    assert!(words.contains("/verification.csv\n"));
}

#[test]
fn while_it_goes_on_it_says_how_far_it_has_come() {
    let mut run = complete("demo", LIVE, &REVOKED, "all");
    run.process("verify", "{}");
    run.note(&all_revoked()[..1]);
    let live = rendered(&run, Format::Text, Style::PLAIN, true);
    assert!(
        live.starts_with("BEING VERIFIED on DEMO: 2 of 3 IDs are read so far.\n"),
        "{live}"
    );
    run.kill();
    assert!(text(&run).starts_with("DONE on DEMO: all 3 IDs are revoked.\n"));
}

/// What an earlier process could not say any more, the figures say.
#[test]
fn a_run_cut_off_at_its_end_is_closed_by_a_verification() {
    let mut run = Fixture::freeze(facts("demo", LIVE), &[(&[1, 2], &[2, 3])], &[]);
    run.process("run", "{}");
    run.deliver(1, 2, &REVOKED);
    run.kill();
    assert!(text(&run).starts_with("NOT CLOSED on DEMO"));
    run.process("verify", "{}");
    run.note(&[found(1, 1, State::Revoked, Evidence::Revoked, 2, &[])]);
    run.end("complete", 0, "");
    assert!(text(&run).starts_with("DONE on DEMO: all 2 IDs are revoked.\n"));

    // One that is not finished stays what it is.
    let mut run = Fixture::freeze(facts("demo", LIVE), &[(&[1], &[2])], &[]);
    run.process("run", "{}");
    run.end("interrupted", 130, "");
    run.process("verify", "{}");
    run.note(&[found(1, 1, State::Pending, Evidence::Active, 1, &[])]);
    run.end("complete", 0, "");
    let words = text(&run);
    assert!(
        words.starts_with("NOT FINISHED on DEMO: 1 of 1 ID is open."),
        "{words}"
    );
    assert!(words.contains("It was interrupted by SIGINT"));
}
