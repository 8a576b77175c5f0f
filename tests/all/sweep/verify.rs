//! A verification reads every permission of a run back and marks what it
//! finds. It never revokes, and never makes anything sendable.

use std::{collections::BTreeSet, time::Duration};

use rescind::{
    api::Call,
    journal::{BatchRow, Evidence, EvidenceRow, JournalError, State, Verified},
    list::PermissionId,
    report::VerificationMark,
    sandbox::{Fault, Kind, Odds, PermissionStatus, Population, RefusalRule, Rules},
    sweep::{Reason, Verify},
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, posts, status},
    support::in_process::{Ended, Stage, Start, plain_ids, quota, rules},
    sweep::breaker::slow,
};

/// A run that came to its end, and was changed by nobody since.
async fn swept(ids: &[PermissionId], batch: usize) -> Stage {
    let stage = Stage::new(Rules::default(), ids, batch);
    stage.run().await;
    assert!(finished(&stage));
    stage
}

/// What the last verification recorded, in the order of the file.
fn evidence(stage: &Stage) -> Vec<EvidenceRow> {
    let archive = stage.archive();
    let processes = archive.processes().unwrap();
    let last = processes
        .iter()
        .rfind(|process| process.command == "verify");
    let mut rows = Vec::new();
    let visit = |of_one: &[EvidenceRow]| {
        rows.extend_from_slice(of_one);
        Ok::<_, JournalError>(())
    };
    archive.each_evidence(last.unwrap().id, visit).unwrap();
    rows
}

fn signs(stage: &Stage) -> String {
    let rows = evidence(stage).into_iter();
    rows.map(|row| VerificationMark::of(row.claimed, row.found).sign())
        .collect()
}

/// What a result shows of one ID.
fn of(stage: &Stage, id: PermissionId) -> BatchRow {
    let mut rows = stage.batches().into_iter();
    rows.find(|row| row.batch.ids.contains(&id)).unwrap()
}

fn sendable(stage: &Stage) -> BTreeSet<PermissionId> {
    let rows = stage.batches().into_iter();
    rows.filter(|row| row.batch.state.is_sendable() || row.batch.state.is_doubtful())
        .flat_map(|row| row.batch.ids)
        .collect()
}

fn guarded(ended: &Ended) -> &str {
    match &ended.reason {
        Some(Reason::Guard(why)) => why,
        other => panic!("not stopped by a guard: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_is_as_claimed_all_is_read_once_unchanged() {
    let ids = plain_ids(95);
    let mut stage = swept(&ids, 10).await;
    stage.policy.read_size = 30;
    let (before, sent, from) = (stage.batches(), posts(&stage), stage.wire.calls().len());
    let ended = stage.verify().await;
    assert_eq!(ended.reason, None);
    assert_eq!(stage.batches(), before);
    assert_eq!(posts(&stage), sent);
    let calls = stage.wire.calls().split_off(from);
    let asked: Vec<_> = calls.iter().flat_map(|call| carried(&call.call)).collect();
    assert_eq!(asked.len(), 95);
    assert_eq!(calls.len(), 4, "as many batches as fit into a read");
    let found = evidence(&stage);
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    assert!(
        found
            .iter()
            .all(|row| (row.claimed, row.found) == (State::Revoked, Evidence::Revoked))
    );
    // Its calls are recorded like any other.
    assert_eq!(stage.calls().len(), stage.wire.calls().len());
}

/// The heart of it: somebody may have granted a permission anew.
#[tokio::test(start_paused = true)]
async fn what_is_active_again_is_marked_and_never_revoked_again() {
    let ids = plain_ids(40);
    let stage = swept(&ids, 10).await;
    for index in [3, 4, 25] {
        stage
            .world
            .set(ids[index], Some(PermissionStatus::Approved))
            .unwrap();
    }
    let (sent, from) = (posts(&stage), stage.wire.calls().len());
    let settled = of(&stage, ids[3]).settled;
    stage.verify().await;
    let day = stage.now().strftime("%Y-%m-%d").to_string();
    for index in [3, 4, 25] {
        let row = of(&stage, ids[index]);
        assert_eq!(row.batch.state, State::Revoked);
        assert_eq!(
            (row.verified, row.reason.as_str()),
            (Verified::Active, "active_later")
        );
        assert!(
            row.message.starts_with("shown as active on "),
            "{}",
            row.message
        );
        assert!(row.message.contains(&day), "{}", row.message);
        assert!(!row.owed);
    }
    let row = of(&stage, ids[5]);
    assert_eq!((row.verified, row.reason.as_str()), (Verified::Revoked, ""));
    assert_eq!(row.batch.ids.len(), 8);
    // When it was revoked is no news of today.
    assert_eq!(of(&stage, ids[3]).settled, settled);
    assert!(finished(&stage) && sendable(&stage).is_empty());
    assert_eq!(stage.archive().mismatches().unwrap(), 3);
    let mut expected = vec!["="; 40];
    for index in [3, 4, 25] {
        expected[index] = "*";
    }
    assert_eq!(signs(&stage), expected.concat());

    // It is read once more, later, before that is said.
    let calls = stage.wire.calls().split_off(from);
    let about: Vec<_> = calls
        .iter()
        .filter(|call| carried(&call.call).contains(&ids[3]))
        .collect();
    assert_eq!(about.len(), 2);
    assert!(about[1].sent - about[0].back.unwrap() >= stage.policy.retry_max);

    for _ in 0..2 {
        stage.run().await;
        stage.verify().await;
    }
    assert_eq!(posts(&stage), sent);
    assert_eq!(stage.archive().mismatches().unwrap(), 3);

    // All is as it was left, and the mark goes.
    for index in [3, 4, 25] {
        stage
            .world
            .set(ids[index], Some(PermissionStatus::Revoked))
            .unwrap();
    }
    stage.verify().await;
    assert_eq!(stage.archive().mismatches().unwrap(), 0);
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 40);
    assert_eq!(signs(&stage), "=".repeat(40));
    assert_eq!(posts(&stage), sent);
}

/// As `plan --online` has it: a list that nobody sent yet.
#[tokio::test(start_paused = true)]
async fn a_list_never_sent_is_read_without_a_revocation() {
    let ids = plain_ids(95);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.read_size = 30;
    stage
        .world
        .set(ids[12], Some(PermissionStatus::Revoked))
        .unwrap();
    stage
        .world
        .set(ids[13], Some(PermissionStatus::Declined))
        .unwrap();
    stage.world.set(ids[14], None).unwrap();
    let ended = stage.verify().await;
    assert_eq!(ended.reason, None);
    assert_eq!(posts(&stage), 0);
    let found = evidence(&stage);
    let found: Vec<_> = found.iter().map(|row| (row.id, row.found)).collect();
    let expected = ids.iter().enumerate().map(|(index, id)| {
        let found = match index {
            12 => Evidence::Revoked,
            13 => Evidence::Declined,
            14 => Evidence::Absent,
            _ => Evidence::Active,
        };
        (*id, found)
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    // Four reads, and one for what they did not show.
    assert_eq!(stage.wire.calls().len(), 5);
    assert_eq!(stage.calls().len(), 5);
    assert!(stage.calls().iter().all(|call| call.kind == "read"));
}

/// One read that is behind the times frightens nobody.
#[tokio::test(start_paused = true)]
async fn what_a_second_look_shows_as_revoked_is_as_claimed() {
    let ids = plain_ids(20);
    let stage = swept(&ids, 10).await;
    let before = stage.batches();
    stage
        .world
        .set(ids[7], Some(PermissionStatus::Accepted))
        .unwrap();
    let acting = stage
        .begin(Start {
            verifies: true,
            ..Start::default()
        })
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!acting.is_over());
    stage
        .world
        .set(ids[7], Some(PermissionStatus::Revoked))
        .unwrap();
    acting.end().await;
    assert_eq!(stage.batches(), before);
    assert_eq!(signs(&stage), "=".repeat(20));
}

/// What a claim (state, reason, verified) becomes if it is shown as revoked,
/// active or declined, or is absent.
const CLAIMS: &str = "
revoked    .               revoked | revoked .               | revoked active_later          | refused declined   | revoked absent_later
revoked    unverified      .       | revoked .               | revoked verification_mismatch | refused declined   | revoked absent
revoked    already_revoked revoked | revoked already_revoked | revoked active_later          | refused declined   | revoked absent_later
refused    refused         active  | revoked .               | refused refused               | refused declined   | missing absent
refused    declined        .       | revoked .               | refused declined              | refused declined   | missing absent
missing    absent          absent  | revoked .               | missing active_later          | refused declined   | missing absent
pending    .               .       | revoked already_revoked | pending .                     | pending .          | pending .
exhausted  http_400        .       | revoked .               | exhausted http_400            | exhausted http_400 | exhausted http_400
unknown    http_500        .       | revoked .               | unknown http_500              | unknown http_500   | unknown http_500
in_flight  .               .       | revoked .               | unknown crash                 | unknown crash      | unknown crash";

#[tokio::test(start_paused = true)]
async fn claims_are_corrected_only_to_what_needs_no_revocation() {
    const FOUND: [Option<PermissionStatus>; 4] = [
        Some(PermissionStatus::Revoked),
        Some(PermissionStatus::Accepted),
        Some(PermissionStatus::Declined),
        None,
    ];
    let word = |text: &str| text.trim_matches('.').to_owned();
    let rows: Vec<Vec<&str>> = CLAIMS
        .trim()
        .lines()
        .map(|line| line.split('|').collect())
        .collect();
    let ids = plain_ids(1 + rows.len() * FOUND.len());
    let stage = swept(&ids, 1).await;
    let journal = rusqlite::Connection::open(&stage.journal).unwrap();
    let mut expected = Vec::new();
    let mut id = ids.iter().zip(1_i64..).skip(1);
    for row in &rows {
        for (held, after) in FOUND.into_iter().zip(&row[1..]) {
            let (id, batch) = id.next().unwrap();
            let claim: Vec<_> = row[0].split_whitespace().map(word).collect();
            let sent = claim[0] != "pending" && claim[1] != "already_revoked";
            let sql = "UPDATE batch SET state = ?2, reason = ?3, verified = ?4, attempts = ?5
                 WHERE id = ?1";
            let values = rusqlite::params![batch, claim[0], claim[1], claim[2], sent];
            journal.execute(sql, values).unwrap();
            stage.world.set(*id, held).unwrap();
            let after: Vec<_> = after.split_whitespace().map(word).collect();
            let left = State::from_word(&after[0]).unwrap();
            expected.push((*id, claim, held, (left, after[1].clone())));
        }
    }
    drop(journal);
    let (before, sent) = (sendable(&stage), posts(&stage));
    stage.verify().await;
    let claims = stage.claims();
    for (id, claim, held, after) in &expected {
        assert_eq!(&claims[id], after, "{claim:?} {held:?}");
    }
    assert!(sendable(&stage).is_subset(&before));
    assert_eq!(posts(&stage), sent);
    // A second one finds what the first one left.
    let marked = stage.batches();
    stage.verify().await;
    assert_eq!(stage.batches(), marked);
}

/// What was never sent stays one batch, for the next process to send.
#[tokio::test(start_paused = true)]
async fn pending_ids_are_left_alone_unless_revoked_already() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    let faults = [Fault::None, Fault::Status(401)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Pending), 30);
    stage.world.set(ids[12], None).unwrap();
    stage
        .world
        .set(ids[13], Some(PermissionStatus::Declined))
        .unwrap();
    stage
        .world
        .set(ids[22], Some(PermissionStatus::Revoked))
        .unwrap();
    let (before, sent) = (stage.batches(), posts(&stage));
    stage.verify().await;
    let after = stage.batches();
    assert_eq!(after[..2], before[..2]);
    assert_eq!(stage.tally().of(State::Pending), 29);
    let row = of(&stage, ids[22]);
    assert_eq!(row.batch.state, State::Revoked);
    assert_eq!(
        (row.reason.as_str(), row.verified),
        ("already_revoked", Verified::Revoked)
    );
    assert_eq!(of(&stage, ids[20]).batch.ids.len(), 9);
    assert_eq!(signs(&stage)[10..14], *"==-=");
    assert_eq!(posts(&stage), sent);

    stage.run().await;
    assert!(finished(&stage));
    let claims = audit(&stage, &ids);
    assert_eq!(claims[&ids[12]].0, State::Missing);
    assert!(stage.world.truth().posted_again().is_empty());
}

/// Reads that are owed are paid; what was accepted in vain is told as ever.
#[tokio::test(start_paused = true)]
async fn reads_that_are_owed_are_paid() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(slow(), &ids, 10);
    stage.policy.workers = 1;
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::None, Fault::Lie]);
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_millis(550)).await;
    acting.stop.raise(Reason::Signal(2));
    acting.end().await;
    assert_eq!(stage.archive().owed().unwrap(), 30);
    stage.verify().await;
    assert_eq!(stage.archive().owed().unwrap(), 0);
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "verification_mismatch"), 10);
    assert_eq!(count(&claims, State::Revoked, ""), 30);
    assert_eq!(
        signs(&stage),
        format!("{}{}{}", "=".repeat(20), "*".repeat(10), "=".repeat(10))
    );

    // Such a run goes on as it would have without a verification.
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "verification_mismatch"), 10);
    assert_eq!(count(&claims, State::Revoked, ""), 30);
    assert_eq!(posts(&stage), 4);
}

/// A request that may still be executing is not looked at too early.
#[tokio::test(start_paused = true)]
async fn doubt_is_not_read_before_its_request_has_come_to_rest() {
    for late in [false, true] {
        let ids = plain_ids(20);
        let rules = rules("faults.late_by = '50s'");
        let mut stage = Stage::new(rules, &ids, 10);
        stage.policy.workers = 1;
        let fault = if late { Fault::Late } else { Fault::Hang };
        stage.world.script(Kind::Revoke, [Fault::None, fault]);
        let acting = stage.begin(Start::default()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        acting.kill().await;
        assert_eq!(stage.tally().of(State::InFlight), 10);
        let from = stage.wire.calls().len();
        let sent = stage.wire.sent()[from - 1];
        stage.verify().await;
        let calls = stage.wire.calls().split_off(from);
        let read = calls
            .iter()
            .find(|call| carried(&call.call).contains(&ids[15]))
            .unwrap();
        let rest = stage.policy.timeout + stage.policy.retry_initial;
        assert!(read.sent - sent >= rest, "{:?}", read.sent - sent);
        assert!(!calls.iter().any(is_post));
        let row = of(&stage, ids[15]);
        if late {
            assert_eq!(
                (row.batch.state, row.verified),
                (State::Revoked, Verified::Revoked)
            );
            assert!(finished(&stage));
        } else {
            assert_eq!(
                (row.batch.state, row.reason.as_str()),
                (State::Unknown, "crash")
            );
            assert_eq!(signs(&stage)[10..], *"*".repeat(10));
        }
        stage.run().await;
        assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
        assert!(stage.world.truth().posted_again().is_empty());
    }
}

/// With a token of somebody else, or one that has expired, nothing is known.
/// That is no reason to call thousands absent.
#[tokio::test(start_paused = true)]
async fn where_nothing_is_known_nothing_is_marked() {
    let ids = plain_ids(60);
    let mut stage = swept(&ids, 10).await;
    for id in &ids {
        stage.world.set(*id, None).unwrap();
    }
    let (before, from) = (stage.batches(), stage.wire.calls().len());
    let ended = stage.verify().await;
    let why = guarded(&ended);
    assert!(
        why.contains("knows none of the 60 IDs that were read first"),
        "{why}"
    );
    assert!(why.contains("nothing more was read"), "{why}");
    assert_eq!(stage.batches(), before);
    assert!(evidence(&stage).is_empty());
    assert_eq!(
        stage.wire.calls().len() - from,
        2,
        "the batch, and a witness"
    );

    stage.wire.forge(|_, _| status(503));
    let ended = stage.verify().await;
    assert!(guarded(&ended).contains("could not be read, so nothing more was read"));
    assert_eq!(stage.batches(), before);
    assert!(evidence(&stage).is_empty());

    stage.policy.read_size = 10;
    // One that was proven before and is shown still vouches for the others.
    stage.wire.forge(|_, answer| answer);
    for id in &ids[10..] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    let journal = rusqlite::Connection::open(&stage.journal).unwrap();
    journal
        .execute("UPDATE batch SET verified = '' WHERE id = 1", [])
        .unwrap();
    drop(journal);
    let ended = stage.verify().await;
    assert_eq!(ended.reason, None);
    assert_eq!(
        signs(&stage),
        format!("{}{}", "-".repeat(10), "=".repeat(50))
    );
}

/// Nobody else reads, and so nothing is marked, before the first batch was
/// found to be known.
#[tokio::test(start_paused = true)]
async fn the_first_look_goes_alone() {
    let ids = plain_ids(80);
    let mut stage = Stage::new(slow(), &ids, 10);
    stage.policy.read_size = 10;
    stage.run().await;
    let from = stage.wire.calls().len();
    stage.verify().await;
    let calls = stage.wire.calls().split_off(from);
    assert_eq!(carried(&calls[0].call), ids[..10]);
    let known = calls[0].back.unwrap();
    assert!(calls[1..].iter().all(|call| call.sent >= known));
    assert_eq!(calls[1].sent, calls[2].sent, "then all read side by side");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_keeps_its_claim_and_is_told() {
    let ids = plain_ids(60);
    let mut stage = swept(&ids, 10).await;
    stage.policy.read_size = 10;
    let bad = ids[35];
    stage.wire.forge(move |call, answer| match call {
        Call::Items(asked) if asked.contains(&bad) => status(503),
        _ => answer,
    });
    let before = stage.batches();
    let ended = stage.verify().await;
    assert_eq!(ended.reason, None);
    assert_eq!(stage.batches(), before, "a failed read takes no proof back");
    assert_eq!(
        signs(&stage),
        format!("{}{}{}", "=".repeat(30), "!".repeat(10), "=".repeat(20))
    );
}

#[tokio::test(start_paused = true)]
async fn reads_that_keep_failing_stop_it() {
    let ids = plain_ids(200);
    let mut stage = swept(&ids, 10).await;
    stage.policy.read_size = 10;
    stage.policy.workers = 1;
    stage.policy.max_consecutive_failures = 3;
    let good: BTreeSet<_> = ids[..50].iter().copied().collect();
    stage.wire.forge(move |call, answer| {
        if carried(call).iter().all(|id| good.contains(id)) {
            answer
        } else {
            status(503)
        }
    });
    let ended = stage.verify().await;
    assert!(
        guarded(&ended).starts_with("3 reads in a row failed"),
        "{ended:?}"
    );
    assert_eq!(
        signs(&stage),
        format!("{}{}", "=".repeat(50), "!".repeat(30))
    );
    stage.policy.max_consecutive_failures = 0;
    assert_eq!(stage.verify().await.reason, None);
    assert_eq!(signs(&stage).len(), 200);
}

/// `--verify off` is about what a run reads; a verification reads.
#[tokio::test(start_paused = true)]
async fn a_run_that_read_nothing_is_read_all_the_same() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.verify = Verify::Off;
    stage.run().await;
    assert_eq!(stage.wire.calls().len(), 4);
    assert_eq!(
        count(&audit(&stage, &ids), State::Revoked, "unverified"),
        40
    );
    stage.verify().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 40);
    assert!(
        stage
            .batches()
            .iter()
            .all(|row| row.verified == Verified::Revoked)
    );
    assert_eq!(posts(&stage), 4);
}

/// The limits hold for it, and a lockout that another process met.
#[tokio::test(start_paused = true)]
async fn it_keeps_the_limits_and_the_waits() {
    let ids = plain_ids(400);
    let mut stage = swept(&ids, 10).await;
    stage.policy.read_size = 10;
    stage.policy.rate = vec![quota(5, 1)];
    let from = stage.wire.calls().len();
    stage
        .world
        .script(Kind::Items, [Fault::None, Fault::Status(429)]);
    let ended = stage.verify().await;
    assert_eq!(ended.reason, None);
    assert!(ended.took >= Duration::from_hours(1));
    let sent = stage.wire.sent().split_off(from);
    for window in sent.windows(6) {
        assert!(window[5] - window[0] >= Duration::from_secs(1));
    }
    let truth = stage.world.truth();
    assert_eq!((truth.lockouts, truth.touched), (1, 0));
    assert_eq!(signs(&stage), "=".repeat(400));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_ends_it_and_what_was_read_is_kept() {
    let ids = plain_ids(60);
    let mut stage = swept(&ids, 10).await;
    stage.policy.read_size = 10;
    stage.policy.workers = 1;
    let faults = [Fault::None, Fault::None, Fault::Status(401)];
    stage.world.script(Kind::Items, faults);
    let ended = stage.verify().await;
    assert!(
        matches!(ended.reason, Some(Reason::Unauthorized(_))),
        "{ended:?}"
    );
    assert_eq!(signs(&stage), "=".repeat(20));
}

/// A world with some of everything, cut off at drawn moments, with reads that
/// fail and mislead: whatever happens, nothing is posted, and nothing becomes
/// sendable that was not.
#[tokio::test(start_paused = true)]
async fn it_never_revokes_and_never_makes_anything_sendable() {
    for seed in 0..8 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let fault = |fault, share| (fault, share);
        let rules = Rules {
            seed,
            population: Population {
                endings: false,
                unknown: 0.1,
                protected: 0.1,
                revoked: 0.1,
                declined: 0.05,
            },
            refusal: RefusalRule::Partial,
            faults: rescind::sandbox::Faults {
                revoke: Odds::from([
                    fault(Fault::ServerErrorBefore, 0.1),
                    fault(Fault::ResetAfter, 0.1),
                    fault(Fault::Lie, 0.05),
                ]),
                read: Odds::from([
                    fault(Fault::Omit, 0.1),
                    fault(Fault::Reorder, 0.1),
                    fault(Fault::Duplicate, 0.1),
                    fault(Fault::ServerErrorBefore, 0.2),
                    fault(Fault::ResetAfter, 0.1),
                ]),
                ..Default::default()
            },
            ..slow()
        };
        let ids = plain_ids(120);
        let mut stage = Stage::new(rules, &ids, 11);
        stage.policy.workers = 3;
        stage.policy.read_size = 15;
        stage.policy.max_consecutive_failures = 0;
        for round in 0..14 {
            let verifies = round % 2 == 1;
            // Somebody grants some anew, or takes them away.
            let granted = *chance.choice(&ids).unwrap();
            let held = *chance
                .choice(&[
                    Some(PermissionStatus::Accepted),
                    Some(PermissionStatus::Revoked),
                    None,
                ])
                .unwrap();
            let lost = stage.claims()[&granted].0 == State::Revoked;
            stage.world.set(granted, held).unwrap();
            let (before, sent) = (sendable(&stage), posts(&stage));
            let owed = stage.archive().owed().unwrap();
            let start = Start {
                verifies,
                ..Start::default()
            };
            let acting = stage.begin(start).await;
            let cut = Duration::from_millis(chance.u64(100..9_000));
            if round < 10 {
                tokio::time::sleep(cut).await;
            }
            if round < 10 && !acting.is_over() {
                acting.kill().await;
            } else {
                acting.end().await;
            }
            if verifies {
                assert_eq!(posts(&stage), sent, "seed {seed}, round {round}");
                if owed == 0 {
                    let new: Vec<_> = sendable(&stage).difference(&before).copied().collect();
                    assert!(new.is_empty(), "seed {seed}, round {round}: {new:?}");
                }
            }
            let claims = stage.claims();
            assert_eq!(claims.len(), ids.len());
            assert_eq!(stage.tally().total(), 120);
            // What was settled as revoked is not taken for anything to send.
            if lost && owed == 0 {
                assert!(!matches!(
                    claims[&granted].0,
                    State::Pending | State::Exhausted
                ));
            }
        }
    }
}
