//! Whatever cuts a run off, a resume carries it on: doubts first, nothing
//! twice, and the same end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::SignedDuration;
use rescind::{
    journal::State,
    list::PermissionId,
    sandbox::{
        AlreadyRevoked, Fault, Kind, Latency, Odds, Population, RefusalForm, RefusalRule, Rules,
        Unknown,
    },
    sweep::{LOOK_AHEAD, Reason},
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, posts},
    support::in_process::{Stage, Start, plain_ids, rules},
};

/// The states of all IDs that no resume may change.
fn settled(stage: &Stage) -> BTreeSet<PermissionId> {
    let claims = stage.claims().into_iter();
    claims
        .filter(|(_, (state, _))| matches!(state, State::Revoked | State::Refused | State::Missing))
        .map(|(id, _)| id)
        .collect()
}

/// No POST since call number `from` carries one of these.
fn none_sent(stage: &Stage, from: usize, settled: &BTreeSet<PermissionId>) {
    for call in &stage.wire.calls()[from..] {
        if is_post(call) {
            let again: Vec<_> = carried(&call.call)
                .into_iter()
                .filter(|id| settled.contains(id))
                .collect();
            assert!(again.is_empty(), "settled and sent again: {again:?}");
        }
    }
}

/// A world drawn from a seed, in which faults delay fates and do not change
/// them.
fn world(seed: u64, chance: &mut fastrand::Rng) -> Rules {
    let fault = |fault, share| (fault, share);
    Rules {
        seed,
        population: Population {
            endings: false,
            unknown: 0.06,
            protected: 0.03,
            revoked: 0.06,
            declined: 0.03,
        },
        unknown: *chance.choice(&[Unknown::Ignore, Unknown::Refuse]).unwrap(),
        refusal: *chance
            .choice(&[RefusalRule::AllOrNothing, RefusalRule::Partial])
            .unwrap(),
        refusal_form: *chance
            .choice(&[RefusalForm::Text, RefusalForm::Violations])
            .unwrap(),
        already_revoked: *chance
            .choice(&[AlreadyRevoked::Accept, AlreadyRevoked::Refuse])
            .unwrap(),
        max_batch: *chance.choice(&[None, Some(7)]).unwrap(),
        max_items: chance.usize(5..30),
        latency: Latency {
            min: Duration::from_millis(50),
            max: Duration::from_millis(500),
        },
        faults: rescind::sandbox::Faults {
            revoke: Odds::from([
                fault(Fault::ServerErrorBefore, 0.05),
                fault(Fault::ServerErrorAfter, 0.05),
                fault(Fault::ResetBefore, 0.03),
                fault(Fault::ResetAfter, 0.05),
                fault(Fault::Hang, 0.03),
                fault(Fault::Truncated, 0.03),
                fault(Fault::NotJson, 0.02),
                fault(Fault::Penalty, 0.03),
                fault(Fault::Status(503), 0.04),
            ]),
            read: Odds::from([
                fault(Fault::Omit, 0.05),
                fault(Fault::Reorder, 0.05),
                fault(Fault::Duplicate, 0.05),
                fault(Fault::ServerErrorBefore, 0.05),
                fault(Fault::ResetAfter, 0.05),
                fault(Fault::Truncated, 0.02),
            ]),
            ..Default::default()
        },
        ..Rules::default()
    }
}

fn fates(stage: &Stage) -> BTreeMap<PermissionId, State> {
    let claims = stage.claims().into_iter();
    claims.map(|(id, (state, _))| (id, state)).collect()
}

/// Carries a run on until nothing is left, cutting the processes off by
/// `cut`.
async fn carry_on(
    stage: &Stage,
    ids: &[PermissionId],
    mut cut: impl FnMut() -> Option<(Duration, bool)>,
) {
    for _ in 0..200 {
        if finished(stage) {
            return;
        }
        let done = settled(stage);
        let from = stage.wire.calls().len();
        let acting = stage.begin(Start::default()).await;
        match cut() {
            Some((after, kill)) => {
                tokio::time::sleep(after).await;
                if !kill {
                    acting.stop.raise(Reason::Signal(15));
                }
                if kill && !acting.is_over() {
                    acting.kill().await;
                } else {
                    acting.end().await;
                }
            }
            None => drop(acting.end().await),
        }
        audit(stage, ids);
        none_sent(stage, from, &done);
    }
    panic!("the run comes to no end: {:?}", stage.tally());
}

#[tokio::test(start_paused = true)]
async fn a_run_cut_off_anywhere_ends_like_one_that_never_was() {
    for seed in 0..16 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let rules = world(seed, &mut chance);
        let ids = plain_ids(90);
        let size = chance.usize(1..25);
        let stage = || {
            let mut stage = Stage::new(rules.clone(), &ids, size);
            stage.policy.workers = 3;
            stage.policy.read_size = 20;
            stage.policy.max_consecutive_failures = 0;
            stage
        };
        let whole = stage();
        carry_on(&whole, &ids, || None).await;
        let pieces = stage();
        carry_on(&pieces, &ids, || {
            let after = Duration::from_millis(chance.u64(0..8_000));
            Some((after, chance.bool())).filter(|_| chance.u8(0..8) > 0)
        })
        .await;
        assert_eq!(fates(&pieces), fates(&whole), "seed {seed}");
        for stage in [&whole, &pieces] {
            let again = stage.world.truth().posted_again();
            let again: Vec<_> = again.keys().collect();
            assert!(again.is_empty(), "seed {seed}: {again:?}");
        }
    }
}

/// The moment of the cut falls between any two writes, and around calls.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_loses_and_misstates_nothing() {
    for after in (0..1_600).step_by(57) {
        let ids = plain_ids(60);
        let rules = Rules {
            latency: Latency {
                min: Duration::from_millis(90),
                max: Duration::from_millis(110),
            },
            refusal: RefusalRule::Partial,
            ..Rules::default()
        };
        let mut stage = Stage::new(rules, &ids, 10);
        stage.policy.workers = 2;
        stage.world.protect(ids[14]).unwrap();
        stage.world.set(ids[37], None).unwrap();
        let acting = stage.begin(Start::default()).await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        if acting.is_over() {
            acting.end().await;
        } else {
            acting.kill().await;
        }
        let claims = audit(&stage, &ids);
        let (done, from) = (settled(&stage), stage.wire.calls().len());
        let doubtful: BTreeSet<_> = claims
            .iter()
            .filter(|(_, claim)| matches!(claim.0, State::InFlight | State::Unknown))
            .map(|(id, _)| *id)
            .collect();
        let mut unanswered = stage.wire.calls();
        unanswered.retain(|call| is_post(call) && call.back.is_none());

        stage.run().await;
        none_sent(&stage, from, &done);
        let calls = stage.wire.calls().split_off(from);
        if let Some(first) = calls.iter().position(is_post) {
            let read: BTreeSet<_> = calls[..first]
                .iter()
                .flat_map(|call| carried(&call.call))
                .collect();
            assert!(
                doubtful.is_subset(&read),
                "{after} ms: sent before it was read"
            );
        }
        let wait = stage.policy.timeout + LOOK_AHEAD + stage.policy.retry_initial;
        for post in unanswered {
            let first = carried(&post.call)[0];
            let next = calls
                .iter()
                .find(|call| carried(&call.call).contains(&first));
            let waited = next.unwrap().sent - post.sent + Duration::from_millis(2);
            assert!(waited >= wait, "{after} ms: read after {waited:?}");
        }
        let claims = audit(&stage, &ids);
        assert!(finished(&stage), "{after} ms: {:?}", stage.tally());
        assert_eq!(count(&claims, State::Refused, "refused"), 1);
        assert_eq!(count(&claims, State::Missing, "absent"), 1);
        assert_eq!(count(&claims, State::Revoked, ""), 58);
        assert!(stage.world.truth().posted_again().is_empty(), "{after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_run_sends_nothing() {
    let ids = plain_ids(30);
    let stage = Stage::new(Rules::default(), &ids, 10);
    stage.run().await;
    assert!(finished(&stage));
    let calls = stage.wire.calls().len();
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_eq!(stage.wire.calls().len(), calls);
}

/// A clock that was set back does not shorten the wait, and one that was set
/// forward does not prolong it.
#[tokio::test(start_paused = true)]
async fn a_recorded_time_in_the_future_counts_as_now() {
    let ids = plain_ids(20);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage.world.script(Kind::Revoke, [Fault::None, Fault::Hang]);
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    acting.kill().await;
    assert_eq!(stage.tally().of(State::InFlight), 10);
    let from = stage.wire.calls().len();
    let start = Start {
        wall: Some(stage.now() - SignedDuration::from_hours(5)),
        ..Start::default()
    };
    let acting = stage.begin(start).await;
    let began = acting.began;
    acting.end().await;
    let wait = stage.policy.timeout + LOOK_AHEAD + stage.policy.retry_initial;
    let read = stage.wire.calls()[from].sent - began;
    assert!(read >= wait && read < wait * 2, "{read:?}");
    assert!(finished(&stage));
}

/// A request goes on for as long as its own process would have waited, also
/// where the next one is less patient.
#[tokio::test(start_paused = true)]
async fn what_was_sent_with_a_longer_time_out_is_read_after_it() {
    let ids = plain_ids(20);
    let mut stage = Stage::new(rules("faults.late_by = '50s'"), &ids, 10);
    stage.policy.workers = 1;
    stage.world.script(Kind::Revoke, [Fault::None, Fault::Late]);
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    acting.kill().await;
    assert_eq!(stage.tally().of(State::InFlight), 10);
    let from = stage.wire.calls().len();
    let sent = stage.wire.sent()[from - 1];
    let patience = stage.policy.timeout;
    stage.policy.timeout = Duration::from_secs(1);
    stage.run().await;
    let read = stage.wire.calls()[from].sent;
    assert!(read - sent >= patience, "{:?}", read - sent);
    assert!(finished(&stage));
    assert!(stage.world.truth().posted_again().is_empty());
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
}

/// Stopped between being accepted and being read back, an ID owes its read.
#[tokio::test(start_paused = true)]
async fn a_read_that_is_owed_is_made_by_the_resume() {
    let ids = plain_ids(40);
    let rules = Rules {
        latency: Latency {
            min: Duration::from_millis(100),
            max: Duration::from_millis(100),
        },
        ..Rules::default()
    };
    let mut stage = Stage::new(rules, &ids, 10);
    stage.policy.workers = 1;
    let acting = stage.begin(Start::default()).await;
    // The first batch takes three calls, then two more are accepted.
    tokio::time::sleep(Duration::from_millis(450)).await;
    acting.stop.raise(Reason::Signal(2));
    acting.end().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, "unverified"), 20);
    assert_eq!(stage.archive().owed().unwrap(), 20);
    let sent = posts(&stage);
    stage.run().await;
    assert!(finished(&stage));
    assert_eq!(posts(&stage), sent + 1);
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 40);
}

/// A batch that is in doubt is settled before the first batch goes, and the
/// rest of it is sent.
#[tokio::test(start_paused = true)]
async fn what_a_stop_leaves_in_doubt_is_settled_first() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage.policy.retry_initial = Duration::from_secs(30);
    let faults = [Fault::None, Fault::ServerErrorBefore];
    stage.world.script(Kind::Revoke, faults);
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    acting.stop.raise(Reason::Signal(15));
    acting.end().await;
    assert_eq!(stage.tally().of(State::Unknown), 10);
    let (from, stopped) = (stage.wire.calls().len(), stage.wire.sent()[3]);
    stage.run().await;
    let calls = &stage.wire.calls()[from..];
    assert!(!is_post(&calls[0]));
    assert_eq!(carried(&calls[0].call), ids[10..20]);
    assert!(
        calls[0].sent - stopped >= Duration::from_secs(30),
        "the backoff"
    );
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 40);
}
