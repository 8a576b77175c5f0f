//! With `--read-first` a batch is read before it is sent: nothing is spent on
//! what is out of force already, and how it was shown is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rescind::{
    api::Call,
    journal::{State, Verified},
    list::PermissionId,
    sandbox::{Fault, Kind, PermissionStatus, Population, Rules},
    sweep::{Reason, Verify, Workload},
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, posts, status},
    support::in_process::{Stage, Start, plain_ids, rules},
    sweep::breaker::slow,
};

fn stage(rules: Rules, ids: &[PermissionId], batch: usize) -> Stage {
    let mut stage = Stage::new(rules, ids, batch);
    stage.policy.read_first = true;
    stage.policy.workers = 1;
    stage
}

/// What the journal keeps of each permission: account, user, status.
fn sights(
    stage: &Stage,
    ids: &[PermissionId],
) -> BTreeMap<PermissionId, (Option<i64>, Option<i64>, String)> {
    let archive = stage.archive();
    let kept = ids.iter().filter_map(|id| {
        let one = archive.sighting(*id).unwrap()?;
        Some((*id, (one.account, one.user, one.status.into_owned())))
    });
    kept.collect()
}

fn sent(stage: &Stage) -> BTreeSet<PermissionId> {
    let calls = stage.wire.calls().into_iter().filter(is_post);
    calls.flat_map(|call| carried(&call.call)).collect()
}

#[tokio::test(start_paused = true)]
async fn no_revocation_is_spent_on_what_needs_none() {
    let ids = plain_ids(40);
    let stage = stage(Rules::default(), &ids, 10);
    let mut idle: BTreeSet<_> = ids[20..30].iter().copied().collect();
    for id in &ids[20..30] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    for (index, held) in [
        (12, Some(PermissionStatus::Revoked)),
        (13, Some(PermissionStatus::Revoked)),
        (15, Some(PermissionStatus::Declined)),
        (17, None),
    ] {
        stage.world.set(ids[index], held).unwrap();
        idle.insert(ids[index]);
    }
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert!(finished(&stage));
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, "already_revoked"), 12);
    assert_eq!(count(&claims, State::Revoked, ""), 26);
    assert_eq!(claims[&ids[15]], (State::Refused, "declined".into()));
    assert_eq!(claims[&ids[17]], (State::Missing, "absent".into()));
    let listed: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(sent(&stage), &listed - &idle);
    // What is left of a batch goes in one request.
    assert_eq!(posts(&stage), 3);
    for row in stage.batches() {
        if row.reason == "already_revoked" {
            assert_eq!((row.attempts, row.first_sent), (0, None));
            assert_eq!(row.verified, Verified::Revoked);
        }
    }
}

/// Promise 2: what an earlier process sent may have been revoked by that.
#[tokio::test(start_paused = true)]
async fn what_was_sent_before_is_not_called_revoked_already() {
    let ids = plain_ids(30);
    let mut stage = stage(rules("faults.late_by = '100s'"), &ids, 10);
    stage.policy.workers = 1;
    stage.policy.max_attempts = 1;
    stage.world.script(Kind::Revoke, [Fault::None, Fault::Late]);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Exhausted, "still_active"), 10);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert!(finished(&stage));
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 30);
    assert_eq!(posts(&stage), 3);
}

/// One look does for both: whether the first batch is known, and what of it is
/// to be sent.
#[tokio::test(start_paused = true)]
async fn the_first_batch_is_read_once_before_it_is_sent() {
    let ids = plain_ids(20);
    let stage = stage(Rules::default(), &ids, 10);
    stage.run().await;
    let kinds: Vec<_> = stage.wire.calls().iter().map(is_post).collect();
    assert_eq!(kinds, [false, true, false, false, true, false]);
    assert!(finished(&stage));
}

/// Where no ID is known, one read of the batch is enough to see it: nothing is
/// asked for one by one.
#[tokio::test(start_paused = true)]
async fn a_first_batch_that_is_not_known_stops_the_run_after_one_read() {
    let ids = plain_ids(40);
    let stage = stage(Rules::default(), &ids, 10);
    for id in &ids {
        stage.world.set(*id, None).unwrap();
    }
    let ended = stage.run().await;
    let Some(Reason::Guard(why)) = &ended.reason else {
        panic!("{ended:?}");
    };
    assert!(why.contains("knows none of the 10 IDs"), "{why}");
    assert_eq!(stage.wire.calls().len(), 1);
    assert_eq!(stage.tally().of(State::Pending), 40);
    assert!(sights(&stage, &ids).is_empty());
}

/// Promise 6: whatever reading settles, the first batch that is sent is sent
/// alone.
#[tokio::test(start_paused = true)]
async fn the_first_batch_that_is_really_sent_goes_alone() {
    let ids = plain_ids(80);
    let mut stage = stage(slow(), &ids, 10);
    stage.policy.workers = 4;
    for id in &ids[..20] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    stage.run().await;
    let calls = stage.wire.calls();
    let first = calls.iter().position(is_post).unwrap();
    assert_eq!(carried(&calls[first].call), ids[20..30]);
    for pair in calls[..first + 2].windows(2) {
        assert!(pair[0].back.unwrap() <= pair[1].sent, "side by side");
    }
    assert!(!is_post(&calls[first + 1]), "read before the pool opens");
    assert!(finished(&stage));
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 60);
    assert!(stage.world.truth().posted_again().is_empty());
}

/// Where everything is revoked already, reading is all there is to do.
#[tokio::test(start_paused = true)]
async fn a_list_revoked_already_is_finished_without_a_revocation() {
    let ids = plain_ids(40);
    let stage = stage(Rules::default(), &ids, 10);
    for id in &ids {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert!(finished(&stage));
    assert_eq!((posts(&stage), stage.wire.calls().len()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_read_waits_for_a_resume() {
    let ids = plain_ids(40);
    let stage = stage(Rules::default(), &ids, 10);
    let bad = ids[15];
    stage.wire.forge(move |call, answer| match call {
        Call::Items(asked) if asked.contains(&bad) => status(503),
        _ => answer,
    });
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Exhausted, "read_failed"), 10);
    assert!(!sent(&stage).contains(&bad));
    let row = &stage.batches()[1];
    assert!(row.message.starts_with("not sent; "), "{}", row.message);
    assert_eq!((row.attempts, row.verified), (0, Verified::Unreadable));

    stage.wire.forge(|_, answer| answer);
    stage.run().await;
    assert!(finished(&stage));
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 40);
}

/// Enough to grant again what a mistaken sweep revoked: what was first seen is
/// kept, whatever is seen later.
#[tokio::test(start_paused = true)]
async fn the_first_sight_of_a_permission_is_kept() {
    let ids = plain_ids(30);
    let stage = stage(Rules::default(), &ids, 10);
    stage
        .world
        .set(ids[3], Some(PermissionStatus::Approved))
        .unwrap();
    stage
        .world
        .set(ids[4], Some(PermissionStatus::Requested))
        .unwrap();
    stage
        .world
        .set(ids[5], Some(PermissionStatus::Revoked))
        .unwrap();
    stage.world.set(ids[6], None).unwrap();
    // The second batch is read and then refused as a request.
    let faults = [Fault::None, Fault::Status(400)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Exhausted), 10);
    let before = sights(&stage, &ids);
    assert_eq!(before.len(), 29);
    assert!(!before.contains_key(&ids[6]), "not shown, not kept");
    for (index, word) in [
        (0, "Accepted"),
        (3, "Approved"),
        (4, "Requested"),
        (5, "Revoked"),
    ] {
        assert_eq!(before[&ids[index]].2, word);
    }
    assert!(
        before
            .values()
            .all(|one| one.0.is_some() && one.1.is_some())
    );

    stage
        .world
        .set(ids[12], Some(PermissionStatus::Approved))
        .unwrap();
    stage.run().await;
    assert!(finished(&stage));
    assert_eq!(sights(&stage, &ids), before);
}

/// The rest of the journal comes first, and so does this.
#[tokio::test(start_paused = true)]
async fn what_is_sent_was_seen_and_recorded_before() {
    let ids = plain_ids(60);
    for after in (0..1_500).step_by(83) {
        let mut stage = stage(slow(), &ids, 10);
        stage.policy.workers = 2;
        stage
            .world
            .set(ids[25], Some(PermissionStatus::Revoked))
            .unwrap();
        let acting = stage.begin(Start::default()).await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        if acting.is_over() {
            acting.end().await;
        } else {
            acting.kill().await;
        }
        let seen = sights(&stage, &ids);
        let unseen: Vec<_> = sent(&stage)
            .into_iter()
            .filter(|id| !seen.contains_key(id))
            .collect();
        assert!(unseen.is_empty(), "{after} ms: {unseen:?}");
        audit(&stage, &ids);
        stage.run().await;
        assert!(finished(&stage), "{after} ms: {:?}", stage.tally());
        let claims = audit(&stage, &ids);
        assert_eq!(claims[&ids[25]], (State::Revoked, "already_revoked".into()));
        assert!(stage.world.truth().posted_again().is_empty(), "{after} ms");
        let seen = sights(&stage, &ids);
        assert_eq!(seen.len(), 60);
        assert_eq!(seen[&ids[0]].2, "Accepted");
    }
}

/// What `rescind plan` says is what is made.
#[tokio::test(start_paused = true)]
async fn the_reads_are_as_many_as_planned() {
    for (ids, batch, read, verify) in [
        (95, 10, 10, Verify::All),
        (100, 10, 25, Verify::All),
        (95, 20, 8, Verify::All),
        (95, 10, 10, Verify::Doubtful),
        (7, 10, 10, Verify::All),
    ] {
        let ids = plain_ids(ids);
        let mut stage = stage(Rules::default(), &ids, batch);
        stage.policy.read_size = read;
        stage.policy.verify = verify;
        stage.run().await;
        let planned = Workload {
            ids: ids.len() as u64,
            batch_size: batch as u64,
            read_size: read as u64,
            verify,
            read_first: true,
        };
        let reads = stage.wire.calls().len() - posts(&stage);
        assert_eq!(
            reads as u64,
            planned.reads(),
            "{} {batch} {read}",
            ids.len()
        );
        assert_eq!(posts(&stage) as u64, planned.batches());
    }
}

/// A world with some of everything, cut off at drawn moments.
#[tokio::test(start_paused = true)]
async fn a_run_that_reads_first_ends_like_one_that_does_not() {
    for seed in 0..6 {
        let rules = Rules {
            seed,
            population: Population {
                endings: false,
                unknown: 0.1,
                protected: 0.05,
                revoked: 0.2,
                declined: 0.05,
            },
            ..slow()
        };
        let ids = plain_ids(120);
        let fates = |stage: &Stage| -> BTreeMap<PermissionId, State> {
            let claims = audit(stage, &ids).into_iter();
            claims.map(|(id, (state, _))| (id, state)).collect()
        };
        let mut plain = Stage::new(rules.clone(), &ids, 15);
        plain.policy.max_consecutive_failures = 0;
        let mut first = stage(rules, &ids, 15);
        first.policy.max_consecutive_failures = 0;
        first.policy.workers = 3;
        for stage in [&plain, &first] {
            for cut_after in [700, 400, 1_100, 66_000] {
                let acting = stage.begin(Start::default()).await;
                tokio::time::sleep(Duration::from_millis(cut_after)).await;
                if acting.is_over() {
                    acting.end().await;
                } else {
                    acting.kill().await;
                }
                audit(stage, &ids);
            }
            for _ in 0..20 {
                if !finished(stage) {
                    stage.run().await;
                }
            }
            assert!(finished(stage), "seed {seed}: {:?}", stage.tally());
        }
        assert_eq!(fates(&first), fates(&plain), "seed {seed}");
        assert!(first.world.truth().posted_again().is_empty(), "seed {seed}");
    }
}
