//! What a run's report says first and last.

use super::super::fixture::{
    self, Fixture, REVOKED, SampleOutcome, UNVERIFIED, complete, facts, plain,
};
use super::super::*;
use super::{LIVE, file, placed, rendered};
use crate::journal::{Breach, State, Verified};

/// The verdict's first lines, up to the facts.
fn verdict(run: &Fixture) -> String {
    let text = rendered(run, Format::Text, Style::PLAIN, false);
    text.split("\n\n").next().unwrap().to_owned()
}

/// What stands under `Next`.
fn next(run: &Fixture) -> String {
    let text = rendered(run, Format::Text, Style::PLAIN, false);
    text.split("Next\n").nth(1).unwrap().to_owned()
}

/// A run of three IDs that ends so.
fn ended(outcome: &'static str, code: u8, explanation: &str, last: &SampleOutcome) -> Fixture {
    let mut run = Fixture::freeze(facts("demo", ""), &[(&[1, 2], &[2, 3]), (&[3], &[4])], &[]);
    run.process("run", "{}");
    run.deliver(1, 2, &REVOKED);
    run.deliver(2, 1, last);
    run.end(outcome, code, explanation);
    run
}

#[test]
fn the_verdict_says_first_whether_the_run_can_be_forgotten() {
    let run = complete("live", LIVE, &REVOKED, "all");
    assert_eq!(
        verdict(&run),
        "DONE on LIVE: all 3 IDs are revoked.\nSafe to forget? Yes."
    );
    let run = complete("custom", "https://example.test/v1", &REVOKED, "all");
    assert!(verdict(&run).starts_with("DONE on CUSTOM (https://example.test/v1): "));
    let run = complete("staging-live", LIVE, &UNVERIFIED, "off");
    assert_eq!(
        verdict(&run),
        "DONE on STAGING-LIVE: all 3 IDs are revoked.\n\
         Safe to forget? Yes, if the API's ok:true is enough for you: 3 IDs were not read back."
    );
    let text = rendered(&run, Format::Text, Style::PLAIN, false);
    assert!(text.contains("for 3 IDs revoked here means ok:true, not read back (--verify off)"));
}

/// Whatever came of it and however it is shown: nothing real was revoked.
#[test]
fn a_sandbox_verdict_never_says_a_list_is_done_with() {
    let run = complete("sandbox", "sandbox", &REVOKED, "all");
    assert_eq!(
        verdict(&run),
        "PRACTISED in the SANDBOX: 3 IDs are revoked there.\n\
         Safe to forget? No.\n\
         This was the sandbox: nothing real was revoked."
    );
    let unread = complete("sandbox", "sandbox", &UNVERIFIED, "off");
    let mut cut = complete("sandbox", "sandbox", &REVOKED, "all");
    cut.process("resume", "{}");
    cut.end("interrupted", 130, "");
    let mut empty = Fixture::freeze(facts("sandbox", "sandbox"), &[], &[]);
    empty.process("run", "{}");
    empty.end("empty", 4, "");
    for run in [run, unread, cut, empty] {
        for format in [Format::Text, Format::Markdown, Format::Html, Format::Json] {
            let shown = rendered(&run, format, Style::PLAIN, false);
            for word in ["forget? Yes", "Nearly", "nothing left to do", "DONE"] {
                assert!(!shown.contains(word), "{word}: {shown}");
            }
        }
    }
}

#[test]
fn the_verdict_tells_the_outcomes_apart() {
    let refused = SampleOutcome {
        reason: "refused",
        ..plain(State::Refused)
    };
    let run = ended("partial", 3, "", &refused);
    assert_eq!(
        verdict(&run),
        "NOT ALL REVOKED on DEMO: 1 of 3 IDs are not revoked.\n\
         Safe to forget? No: 1 refused by the API."
    );
    assert!(next(&run).contains("remaining.csv\n      the IDs not revoked and why; a list for"));
    assert!(!next(&run).contains("resume"));

    let mismatch = SampleOutcome {
        reason: "verification_mismatch",
        verified: Verified::Active,
        ..plain(State::Unknown)
    };
    let run = ended("mismatch", 9, "", &mismatch);
    assert_eq!(
        verdict(&run),
        "MISMATCH on DEMO: 1 ID was accepted, yet not shown as revoked.\n\
         Safe to forget? No, a person has to find out why: 1 that may or may not be revoked."
    );
    let summary = Summary::of(&run.folder, false).unwrap();
    assert_eq!(summary.ending(false), Outcome::Mismatch);
    assert_eq!((summary.to_send(false), summary.to_send(true)), (0, 1));
    let again = next(&run);
    let resume = "  rescind resume 20261123T020000Z-3f2a9c --runs-dir /srv/runs";
    assert!(
        again.contains(&format!("{resume}\n      reads again")),
        "{again}"
    );
    assert!(
        again.contains(&format!("{resume} --resend-mismatched\n")),
        "{again}"
    );

    let owed = SampleOutcome {
        owed: true,
        ..UNVERIFIED
    };
    let run = ended("partial", 3, "", &owed);
    assert!(verdict(&run).starts_with("NOT ALL READ BACK on DEMO: 1 ID is still to be read."));
    assert!(
        next(&run).starts_with("  rescind resume 20261123T020000Z-3f2a9c --runs-dir /srv/runs\n")
    );

    let run = ended(
        "unauthorized",
        8,
        "401: token expired\u{1b}[2J",
        &plain(State::Pending),
    );
    assert_eq!(
        verdict(&run),
        "NOT FINISHED on DEMO: 1 of 3 IDs are open.\n\
         Safe to forget? No: 1 not sent yet.\n\
         It was stopped because the token or log-in was refused.\n\
         It says: 401: token expired\u{FFFD}[2J"
    );
    assert!(next(&run).contains("continues, once the token is valid"));

    let mut run = ended("deferred", 5, "", &REVOKED);
    run.process("resume", "{}");
    run.kill();
    assert_eq!(
        verdict(&run),
        "NOT CLOSED on DEMO: all IDs are revoked, but the run was cut short.\n\
         Safe to forget? Nearly: a resume sends nothing and closes it.\n\
         The process ended without a word: it was killed, or the power was cut."
    );
}

/// Nobody reads them any more: a verdict that is silent of them would say that
/// they are shown as revoked.
#[test]
fn unverified_ids_are_named_where_a_run_falls_short() {
    let refused = SampleOutcome {
        reason: "refused",
        ..plain(State::Refused)
    };
    let mut run = Fixture::freeze(facts("demo", ""), &[(&[1, 2], &[2, 3]), (&[3], &[4])], &[]);
    run.process("run", r#"{"verify":"off"}"#);
    run.deliver(1, 2, &UNVERIFIED);
    run.deliver(2, 1, &refused);
    run.end("partial", 3, "");
    assert_eq!(
        verdict(&run),
        "NOT ALL REVOKED on DEMO: 1 of 3 IDs are not revoked.\n\
         Safe to forget? No: 1 refused by the API, 2 revoked by ok:true alone and not read back."
    );
}

#[test]
fn rows_that_name_no_permission_keep_a_run_from_being_complete() {
    let rejects = [(3, "x", "invalid: not a number")];
    let mut run = Fixture::freeze(facts("live", LIVE), &[(&[1], &[2])], &rejects);
    run.process("run", "{}");
    run.deliver(1, 1, &REVOKED);
    let summary = Summary::of(&run.folder, true).unwrap();
    assert_eq!(summary.ending(false), Outcome::Partial);
    run.end("partial", 3, "");
    assert_eq!(
        verdict(&run),
        "ROWS LEFT OUT on LIVE: 1 ID is revoked, but 1 row was invalid.\n\
         Safe to forget? No: 1 row holds no valid ID."
    );
    assert!(next(&run).contains("rejected.csv"));
}

#[test]
fn an_empty_list_is_told_as_such() {
    let mut run = Fixture::freeze(facts("live", LIVE), &[], &[]);
    run.process("run", "{}");
    run.end("empty", 4, "");
    assert!(verdict(&run).starts_with("EMPTY LIST on LIVE: there was nothing to revoke."));
    write(&run.folder).unwrap();
    assert_eq!(
        file(&run, PERMISSIONS_CSV),
        "permission_id,line,state,reason,batch\r\n"
    );
}

#[test]
fn a_run_that_nobody_took_up_is_interrupted() {
    let run = Fixture::freeze(facts("live", LIVE), &[(&[1], &[2])], &[]);
    let summary = Summary::of(&run.folder, false).unwrap();
    assert_eq!(
        (summary.outcome.as_str(), summary.exit_code),
        ("interrupted", None)
    );
    assert_eq!(summary.started_at, fixture::start());
    assert!(verdict(&run).starts_with("NOT FINISHED on LIVE: 1 of 1 ID is open."));
}

#[test]
fn a_held_run_says_what_releases_it_and_later_who_did() {
    let mut run = Fixture::freeze(facts("live", ""), &[(&[1, 2], &[2, 3]), (&[3], &[4])], &[]);
    run.process("run", "{}");
    run.found(Breach::MaxIds { ids: 3, limit: 2 });
    run.found(Breach::MaxAge {
        since: 0,
        limit_ms: 3_600_000,
    });
    run.end("held", 7, "what the log says");
    assert_eq!(
        verdict(&run),
        "HELD on LIVE: nothing is sent until a person releases it; 3 of 3 IDs are open.\n\
         Safe to forget? No: 3 not sent yet.\n\
         Held by max-ids: the list has 3 IDs, and 2 are allowed.\n\
         Held by max-age: the list was frozen, or last approved, at 1970-01-01 00:00:00 UTC; it may be 1h 00m\n\
         old."
    );
    let summary = Summary::of(&run.folder, false).unwrap();
    let digest = summary.approve.unwrap();
    let release = format!(
        "  rescind resume {} --runs-dir /srv/runs --approve {digest}\n",
        run.folder.run()
    );
    assert!(next(&run).starts_with(&release), "{}", next(&run));
    let listed = listing(&list(&run.runs).unwrap(), Style::PLAIN);
    assert!(listed.contains("HELD (7)"), "{listed}");
    assert!(placed(&run, &listed).ends_with(&release), "{listed}");

    run.process("resume", "{}");
    run.approve(&digest);
    run.kill();
    assert!(verdict(&run).starts_with("NOT FINISHED on LIVE"));
    assert!(!next(&run).contains("--approve"));
    let text = rendered(&run, Format::Text, Style::PLAIN, false);
    assert!(
        text.contains(
            "Approved 2026-11-23 02:00:07 UTC, in spite of max-ids and max-age, by ada on desk-7"
        ),
        "{text}"
    );
}
