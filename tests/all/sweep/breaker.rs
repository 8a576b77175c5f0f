//! A mistake is stopped early: the first batch and the breaker.

use std::{collections::BTreeSet, time::Duration};

use rescind::{
    api::Call,
    journal::State,
    list::PermissionId,
    sandbox::{Fault, Kind, Latency, PermissionStatus, Rules},
    sweep::{Reason, Verify},
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, posts, status},
    support::in_process::{Ended, Stage, Start, plain_ids},
};

fn guarded(ended: &Ended) -> &str {
    match &ended.reason {
        Some(Reason::Guard(why)) => why,
        other => panic!("not stopped by a guard: {other:?}"),
    }
}

/// A world in which every answer takes a while, so that calls could overlap.
pub(crate) fn slow() -> Rules {
    Rules {
        latency: Latency {
            min: Duration::from_millis(100),
            max: Duration::from_millis(100),
        },
        ..Rules::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_goes_alone_and_is_read_before_and_after() {
    let ids = plain_ids(80);
    let stage = Stage::new(slow(), &ids, 10);
    stage.run().await;
    let calls = stage.wire.calls();
    let first: BTreeSet<_> = ids[..10].iter().copied().collect();
    for (call, post) in calls.iter().zip([false, true, false]) {
        assert_eq!(is_post(call), post);
        assert_eq!(
            carried(&call.call).into_iter().collect::<BTreeSet<_>>(),
            first
        );
    }
    let opened = calls[2].back.unwrap();
    assert!(calls[3..].iter().all(|call| call.sent >= opened));
    assert_eq!(
        calls[3].sent, calls[4].sent,
        "then the pool works side by side"
    );
    assert!(finished(&stage));
    audit(&stage, &ids);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_the_first_batch_is_not_known() {
    let ids = plain_ids(80);
    let stage = Stage::new(Rules::default(), &ids, 10);
    for id in &ids {
        stage.world.set(*id, None).unwrap();
    }
    let ended = stage.run().await;
    assert!(guarded(&ended).contains("none"), "{ended:?}");
    assert_eq!(posts(&stage), 0);
    assert_eq!(stage.tally().of(State::Pending), 80);

    // One that is known is enough.
    stage
        .world
        .set(ids[9], Some(PermissionStatus::Accepted))
        .unwrap();
    stage
        .world
        .set(ids[11], Some(PermissionStatus::Accepted))
        .unwrap();
    stage.run().await;
    assert!(posts(&stage) > 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_the_first_batch_cannot_be_read() {
    let ids = plain_ids(80);
    let stage = Stage::new(Rules::default(), &ids, 10);
    stage.wire.forge(|_, _| status(503));
    let ended = stage.run().await;
    assert!(guarded(&ended).contains("could not be read"), "{ended:?}");
    assert_eq!(posts(&stage), 0);
    assert_eq!(stage.wire.calls().len(), 5);
}

/// An earlier process has shown that the environment and the column are
/// right; without this a run could never get past such a batch.
#[tokio::test(start_paused = true)]
async fn a_resume_gets_past_a_batch_that_the_api_does_not_know() {
    let ids = plain_ids(40);
    let stage = Stage::new(Rules::default(), &ids, 10);
    for id in &ids[10..20] {
        stage.world.set(*id, None).unwrap();
    }
    let mut stage = stage;
    stage.policy.workers = 1;
    let faults = [Fault::None, Fault::Status(401)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Revoked), 10);
    for _ in 0..3 {
        stage.run().await;
    }
    assert!(finished(&stage), "{:?}", stage.tally());
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Missing, "absent"), 10);
}

#[tokio::test(start_paused = true)]
async fn a_resume_sends_nothing_where_its_revoked_ids_are_unknown() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::Status(401)]);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Revoked), 10);

    for id in &ids {
        stage.world.set(*id, None).unwrap();
    }
    let sent = posts(&stage);
    let ended = stage.run().await;
    assert!(guarded(&ended).contains("none"), "{ended:?}");
    assert_eq!(posts(&stage), sent);
    assert_eq!(stage.tally().of(State::Pending), 30);
}

#[tokio::test(start_paused = true)]
async fn a_failing_first_batch_stops_the_run() {
    // Not executed, in doubt, refused, accepted in vain.
    for (faults, state) in [
        (vec![Fault::Status(400)], State::Exhausted),
        (vec![Fault::Status(500); 5], State::Exhausted),
        (vec![Fault::Lie], State::Unknown),
    ] {
        let ids = plain_ids(80);
        let stage = Stage::new(Rules::default(), &ids, 10);
        let sent = faults.len();
        stage.world.script(Kind::Revoke, faults);
        let ended = stage.run().await;
        guarded(&ended);
        assert_eq!(posts(&stage), sent);
        assert_eq!(stage.tally().of(state), 10);
        assert_eq!(stage.tally().of(State::Pending), 70);
        audit(&stage, &ids);
    }
    let ids = plain_ids(80);
    let stage = Stage::new(Rules::default(), &ids, 10);
    for id in &ids[..10] {
        stage.world.protect(*id).unwrap();
    }
    let ended = stage.run().await;
    guarded(&ended);
    assert_eq!(stage.tally().of(State::Pending), 70);
}

/// With nothing else to protect, refused IDs are a result like any other.
#[tokio::test(start_paused = true)]
async fn a_list_of_one_refused_batch_comes_to_its_end() {
    let ids = plain_ids(4);
    let stage = Stage::new(Rules::default(), &ids, 10);
    for id in &ids {
        stage.world.protect(*id).unwrap();
    }
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert!(finished(&stage));
    assert_eq!(count(&audit(&stage, &ids), State::Refused, "refused"), 4);
}

fn failing(stage: &Stage, ids: &[PermissionId]) {
    let bad: BTreeSet<_> = ids.iter().copied().collect();
    stage.wire.forge(move |call, answer| match call {
        Call::Revoke(_) if carried(call).iter().any(|id| bad.contains(id)) => status(400),
        _ => answer,
    });
}

#[tokio::test(start_paused = true)]
async fn the_breaker_stops_after_so_many_failures_in_a_row() {
    for (limit, sent) in [(3, 1 + 3), (5, 1 + 5), (0, 40)] {
        let ids = plain_ids(400);
        let mut stage = Stage::new(Rules::default(), &ids, 10);
        stage.policy.workers = 1;
        stage.policy.max_consecutive_failures = limit;
        failing(&stage, &ids[10..]);
        let ended = stage.run().await;
        assert_eq!(posts(&stage), sent, "{limit}");
        if limit == 0 {
            assert_eq!(ended.reason, None);
        } else {
            assert!(guarded(&ended).contains("in a row"));
        }
        audit(&stage, &ids);
    }
}

#[tokio::test(start_paused = true)]
async fn one_success_between_failures_resets_the_breaker() {
    let ids = plain_ids(400);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage.policy.max_consecutive_failures = 3;
    let bad: Vec<_> = ids
        .chunks(10)
        .enumerate()
        .filter(|(index, _)| index % 3 != 0)
        .flat_map(|(_, batch)| batch.to_vec())
        .collect();
    failing(&stage, &bad);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_eq!(posts(&stage), 40);
}

/// Attempts do not count, and neither do the parts that an earlier process
/// left.
#[tokio::test(start_paused = true)]
async fn the_breaker_counts_batches_and_not_their_parts() {
    let ids = plain_ids(120);
    let mut stage = Stage::new(Rules::default(), &ids, 100);
    stage.policy.workers = 1;
    stage.policy.max_consecutive_failures = 0;
    // Leaves many parts of the first batch, and the second as it is.
    for id in ids[..100].iter().step_by(3) {
        stage.world.protect(*id).unwrap();
    }
    let second = ids[100];
    stage.wire.forge(move |call, answer| match call {
        Call::Revoke(_) if carried(call).contains(&second) => status(401),
        _ => answer,
    });
    stage.run().await;
    let parts = stage
        .batches()
        .iter()
        .filter(|row| row.batch.state == State::Exhausted)
        .count();
    assert!(parts > 3, "{parts}");
    stage.policy.max_consecutive_failures = 2;
    // Refused as a request: each part fails.
    failing(&stage, &ids[..100]);
    let sent = posts(&stage);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_eq!(posts(&stage), sent + 1 + parts);
}

/// An acceptance that is worth nothing is no success: the column may be wrong
/// and the API may ignore what it does not know.
#[tokio::test(start_paused = true)]
async fn the_breaker_sees_what_reading_back_shows() {
    let ids = plain_ids(1000);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage.policy.read_size = 10;
    stage.policy.max_consecutive_failures = 3;
    for id in &ids[10..] {
        stage.world.set(*id, None).unwrap();
    }
    let ended = stage.run().await;
    assert!(guarded(&ended).contains("in a row"));
    assert_eq!(posts(&stage), 1 + 3);
}

/// A read that falls due while the first batch still travels alone waits for
/// the pool, and time goes on.
#[tokio::test(start_paused = true)]
async fn a_second_look_that_is_due_early_waits_for_the_pool() {
    let ids = plain_ids(30);
    let mut stage = Stage::new(slow(), &ids, 10);
    stage.policy.workers = 2;
    stage.policy.retry_max = Duration::from_secs(2);
    stage.policy.read_size = 10;
    // The second batch is accepted in vain, and the process is cut off before
    // it is read back.
    let faults = [Fault::None, Fault::Lie, Fault::Hang];
    stage.world.script(Kind::Revoke, faults);
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    acting.kill().await;
    assert_eq!(stage.archive().owed().unwrap(), 10);

    stage.world.script(Kind::Revoke, [Fault::Slow]);
    stage.policy.verify = Verify::All;
    let acting = stage.begin(Start::default()).await;
    let over = tokio::time::timeout(Duration::from_hours(1), acting.end());
    over.await.unwrap();
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "verification_mismatch"), 10);
}
