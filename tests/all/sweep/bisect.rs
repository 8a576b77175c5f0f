//! The IDs that the API refuses are found, and within bounds.

use rescind::{
    journal::{Entry, State, Verified},
    list::PermissionId,
    sandbox::{
        AlreadyRevoked, Fault, Kind, PermissionStatus, RefusalForm, RefusalRule, Rules, Unknown,
    },
    sweep::{Reason, Verify},
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, posts},
    support::in_process::{OnWire, Stage, Start, plain_ids, rules},
};

/// 4·⌈log₂ n⌉ + 8.
fn bound(ids: usize) -> usize {
    4 * usize::try_from(ids.next_power_of_two().trailing_zeros()).unwrap() + 8
}

/// A first batch that passes, and one of `size` with some that are refused.
fn spoilt(
    world: Rules,
    size: usize,
    bad: &[usize],
) -> (Stage, Vec<PermissionId>, Vec<PermissionId>) {
    let ids = plain_ids(2 * size);
    let mut stage = Stage::new(world, &ids, size);
    stage.policy.read_size = size;
    let bad: Vec<_> = bad.iter().map(|index| ids[size + index]).collect();
    for id in &bad {
        stage.world.protect(*id).unwrap();
    }
    (stage, ids, bad)
}

#[tokio::test(start_paused = true)]
async fn one_and_two_bad_ids_are_found_wherever_they_are() {
    let mut worst = 0;
    for refusal in [RefusalRule::AllOrNothing, RefusalRule::Partial] {
        for size in [1, 2, 3, 100, 128] {
            let last = size - 1;
            let mut cases = vec![vec![0], vec![last], vec![size / 3]];
            if size > 2 {
                cases.extend([
                    vec![0, last],
                    vec![0, 1],
                    vec![size / 3, size / 2],
                    vec![last - 1, last],
                ]);
            }
            for mut bad in cases {
                bad.dedup();
                let world = Rules {
                    refusal,
                    ..Rules::default()
                };
                let (stage, ids, refused) = spoilt(world, size, &bad);
                let ended = stage.run().await;
                assert_eq!(ended.reason, None);
                let claims = audit(&stage, &ids);
                for id in &refused {
                    assert_eq!(
                        claims[id],
                        (State::Refused, "refused".into()),
                        "{size} {bad:?}"
                    );
                }
                let revoked = count(&claims, State::Revoked, "");
                assert_eq!(revoked, ids.len() - bad.len(), "{refusal:?} {size} {bad:?}");
                assert!(
                    stage.world.truth().posted_again().is_empty(),
                    "{size} {bad:?}"
                );
                assert!(finished(&stage));
                // From its first POST on to its last, reads and POSTs alike;
                // what comes after is the proof that every batch owes.
                let mut calls = stage.wire.calls();
                let of_it = |call: &OnWire| carried(&call.call)[0] >= ids[size];
                let from = calls.iter().position(of_it).unwrap();
                let to = calls.iter().rposition(is_post).unwrap();
                let extra = calls.drain(from..=to).count() - 1;
                assert!(extra <= bound(size), "{size} {bad:?}: {extra}");
                worst = worst.max(extra);
            }
        }
    }
    assert!(worst > 20, "the count counts nothing: {worst}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_id_is_found_in_every_form_of_refusal() {
    for (form, reason) in [
        (RefusalForm::Text, "refused"),
        (RefusalForm::Violations, "violation"),
        (RefusalForm::Conflict, "http_409"),
        (RefusalForm::Unprocessable, "http_422"),
    ] {
        let world = Rules {
            refusal_form: form,
            ..Rules::default()
        };
        let (stage, ids, bad) = spoilt(world, 20, &[7]);
        stage.run().await;
        let claims = audit(&stage, &ids);
        assert_eq!(claims[&bad[0]], (State::Refused, reason.into()));
        assert_eq!(count(&claims, State::Revoked, ""), 39);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_before_any_acceptance_is_about_the_request() {
    for form in [RefusalForm::Conflict, RefusalForm::Unprocessable] {
        let ids = plain_ids(20);
        let world = Rules {
            refusal_form: form,
            ..Rules::default()
        };
        let stage = Stage::new(world, &ids, 10);
        stage.world.protect(ids[4]).unwrap();
        let ended = stage.run().await;
        assert!(matches!(ended.reason, Some(Reason::Guard(_))), "{ended:?}");
        assert_eq!(posts(&stage), 1);
        assert_eq!(stage.tally().of(State::Exhausted), 10);
    }
}

/// What an earlier process of the same run saw accepted counts: otherwise a
/// run could never get past a conflict.
#[tokio::test(start_paused = true)]
async fn a_conflict_is_about_a_record_once_a_batch_was_accepted() {
    let world = Rules {
        refusal_form: RefusalForm::Conflict,
        ..Rules::default()
    };
    let (stage, ids, bad) = spoilt(world, 20, &[7]);
    let faults = [Fault::None, Fault::Status(401)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Pending), 20);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let claims = audit(&stage, &ids);
    assert_eq!(claims[&bad[0]].0, State::Refused);
    assert_eq!(count(&claims, State::Revoked, ""), 39);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_neither_retried_nor_isolated() {
    for status in [400, 403, 404, 405, 415] {
        let ids = plain_ids(20);
        let stage = Stage::new(Rules::default(), &ids, 10);
        let faults = [Fault::None, Fault::Status(status)];
        stage.world.script(Kind::Revoke, faults);
        stage.run().await;
        let claims = audit(&stage, &ids);
        let reason = format!("http_{status}");
        assert_eq!(count(&claims, State::Exhausted, &reason), 10);
        assert_eq!(posts(&stage), 2, "{status}");
        assert_eq!(stage.batches()[1].http_status, Some(status));
    }
}

#[tokio::test(start_paused = true)]
async fn too_large_a_batch_is_halved() {
    let ids = plain_ids(200);
    let stage = Stage::new(rules("max_batch = 30"), &ids, 100);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 200);
    // 100, 50 twice, 25 four times; and no call for isolation.
    assert_eq!(posts(&stage), 2 * 7);
    let stage = Stage::new(rules("max_batch = 30"), &ids[..2], 1);
    let faults = [Fault::None, Fault::Status(413)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(count(&stage.claims(), State::Exhausted, "http_413"), 1);
}

#[tokio::test(start_paused = true)]
async fn already_revoked_and_unknown_ids_end_as_what_they_are() {
    for refusal in [RefusalRule::AllOrNothing, RefusalRule::Partial] {
        for already_revoked in [AlreadyRevoked::Accept, AlreadyRevoked::Refuse] {
            for unknown in [Unknown::Ignore, Unknown::Refuse] {
                let world = Rules {
                    refusal,
                    already_revoked,
                    unknown,
                    ..Rules::default()
                };
                let (stage, ids, bad) = spoilt(world, 50, &[3, 33]);
                stage
                    .world
                    .set(ids[0], Some(PermissionStatus::Revoked))
                    .unwrap();
                stage
                    .world
                    .set(ids[60], Some(PermissionStatus::Revoked))
                    .unwrap();
                stage.world.set(ids[70], None).unwrap();
                stage
                    .world
                    .set(ids[71], Some(PermissionStatus::Declined))
                    .unwrap();
                stage.run().await;
                let claims = audit(&stage, &ids);
                assert_eq!(count(&claims, State::Refused, "refused"), 2);
                assert_eq!(claims[&bad[1]].0, State::Refused);
                assert_eq!(claims[&ids[70]], (State::Missing, "absent".into()));
                assert_eq!(claims[&ids[71]], (State::Refused, "declined".into()));
                assert_eq!(count(&claims, State::Revoked, ""), 96);
                let again = stage.world.truth().posted_again();
                assert!(again.is_empty(), "{again:?}");
                assert!(finished(&stage));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn isolation_keeps_its_bounds_and_a_resume_carries_it_on() {
    for refusal in [RefusalRule::AllOrNothing, RefusalRule::Partial] {
        let world = Rules {
            refusal,
            ..Rules::default()
        };
        let every_third: Vec<_> = (0..33).map(|n| 3 * n).collect();
        let (stage, ids, bad) = spoilt(world, 100, &every_third);
        stage.run().await;
        let claims = audit(&stage, &ids);
        let left = count(&claims, State::Exhausted, "not_isolated");
        assert!(left > 0);
        // A refused request may have revoked some of them: they were read.
        for row in stage.batches() {
            let seen = row.verified == Verified::Active;
            assert!(seen || row.batch.state != State::Exhausted);
        }
        assert!(posts(&stage) <= 2 + bound(100), "{}", posts(&stage));
        for _ in 0..100 {
            if finished(&stage) {
                break;
            }
            let before = posts(&stage);
            stage.run().await;
            audit(&stage, &ids);
            assert!(posts(&stage) > before, "a resume that does nothing");
        }
        assert!(finished(&stage));
        let claims = audit(&stage, &ids);
        assert_eq!(count(&claims, State::Refused, "refused"), bad.len());
        assert!(stage.world.truth().posted_again().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn isolation_is_bounded_over_the_run() {
    let ids = plain_ids(3000);
    let mut stage = Stage::new(Rules::default(), &ids, 100);
    stage.policy.max_consecutive_failures = 0;
    for batch in ids.chunks(100).skip(1) {
        stage.world.protect(batch[10]).unwrap();
        stage.world.protect(batch[60]).unwrap();
    }
    stage.run().await;
    // 30 batches, and the larger of 100 and a tenth of them on top.
    let extra = posts(&stage) - 30;
    assert!(extra <= 100, "{extra}");
    let claims = audit(&stage, &ids);
    assert!(count(&claims, State::Exhausted, "not_isolated") > 1000);
}

/// What was split for its size alone was never refused: it is sent whatever
/// becomes of the isolation in its other half.
#[tokio::test(start_paused = true)]
async fn the_other_half_of_a_batch_is_sent_when_bisecting_gives_up() {
    let bad: Vec<_> = (0..50).step_by(2).collect();
    let (stage, ids, _) = spoilt(rules("max_batch = 50"), 100, &bad);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert!(count(&claims, State::Exhausted, "not_isolated") > 0);
    for id in &ids[150..] {
        assert_eq!(claims[id], (State::Revoked, String::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_does_not_use_up_isolation() {
    let (stage, ids, bad) = spoilt(Rules::default(), 100, &[0, 99]);
    // Every other request from the first refusal on is held back.
    let faults: Vec<_> = (0..60)
        .map(|n| {
            if n > 2 && n % 2 == 0 {
                Fault::Penalty
            } else {
                Fault::None
            }
        })
        .collect();
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Refused, "refused"), bad.len());
    assert_eq!(count(&claims, State::Revoked, ""), 198);
}

#[tokio::test(start_paused = true)]
async fn without_reading_isolation_still_ends() {
    let (mut stage, ids, bad) = spoilt(Rules::default(), 100, &[0, 42]);
    stage.policy.verify = Verify::Off;
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Refused, "refused"), bad.len());
    assert_eq!(count(&claims, State::Revoked, "unverified"), 198);
    assert!(stage.wire.calls().iter().all(is_post));
}

/// Promise 2: what a refused batch has revoked is not called unexecuted,
/// where nothing is read back, nor before it is.
#[tokio::test(start_paused = true)]
async fn unisolated_ids_are_not_called_unexecuted_unless_read() {
    let world = Rules {
        refusal: RefusalRule::Partial,
        ..Rules::default()
    };
    let every_third: Vec<_> = (0..33).map(|n| 3 * n).collect();
    for verify in [Verify::Off, Verify::All] {
        let (mut stage, ids, _) = spoilt(world.clone(), 100, &every_third);
        stage.policy.verify = verify;
        let acting = stage.begin(Start::default()).await;
        let written = acting.written.clone();
        acting.end().await;
        let revoked = stage.world.truth().revoked;
        for (id, (state, reason)) in stage.claims() {
            let wrong = state == State::Exhausted && revoked.contains_key(&id);
            assert!(
                !wrong,
                "{verify:?}: {id} is revoked, not {state} ({reason})"
            );
        }
        if verify == Verify::Off {
            assert!(count(&stage.claims(), State::Unknown, "not_isolated") > 0);
            continue;
        }
        // Whatever instant it is that a process ends at.
        for (_, entry) in written.entries() {
            if let Entry::Moved(change) = entry {
                assert!(change.to != State::Exhausted || change.verified == Verified::Active);
            }
        }
        assert_eq!(ids.len(), stage.claims().len());
    }
}
