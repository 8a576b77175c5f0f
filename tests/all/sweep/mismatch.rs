//! An ID that was accepted once and that a later read shows as active is
//! never sent again unless a person asks for it.

use std::time::Duration;

use rescind::{
    api::Call,
    journal::{State, Verified},
    list::PermissionId,
    sandbox::{Fault, Kind, PermissionStatus, Rules},
    sweep::Verify,
};

use crate::{
    support::audit::{audit, carried, count, finished, is_post, ok, posts, status},
    support::in_process::{OnWire, Stage, Start, plain_ids},
    sweep::breaker::slow,
};

const MISMATCH: &str = "verification_mismatch";

/// Two batches of ten; the second one is accepted, and not executed.
async fn accepted_in_vain() -> (Stage, Vec<PermissionId>) {
    let ids = plain_ids(20);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.workers = 1;
    stage.world.script(Kind::Revoke, [Fault::None, Fault::Lie]);
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
    (stage, ids)
}

fn posts_of(stage: &Stage, id: PermissionId) -> usize {
    let calls = stage.wire.calls();
    let of = |call: &&OnWire| is_post(call) && carried(&call.call).contains(&id);
    calls.iter().filter(of).count()
}

#[tokio::test(start_paused = true)]
async fn an_accepted_id_shown_as_active_is_never_sent_again() {
    let (stage, ids) = accepted_in_vain().await;
    for _ in 0..2 {
        stage.run().await;
        stage.verify().await;
        assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
        assert_eq!(stage.batches()[1].verified, Verified::Active);
        assert_eq!(posts(&stage), 2);
        assert_eq!(stage.archive().mismatches().unwrap(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_settles_a_mismatch_that_has_gone() {
    let (stage, ids) = accepted_in_vain().await;
    for id in &ids[10..14] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    stage.world.set(ids[14], None).unwrap();
    stage
        .world
        .set(ids[15], Some(PermissionStatus::Declined))
        .unwrap();
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, ""), 14);
    assert_eq!(claims[&ids[14]], (State::Missing, "absent".into()));
    assert_eq!(claims[&ids[15]], (State::Refused, "declined".into()));
    assert_eq!(count(&claims, State::Unknown, MISMATCH), 4);
    for id in &ids[16..] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    stage.run().await;
    assert!(finished(&stage));
    assert_eq!(posts(&stage), 2);
}

/// The process is killed before it has read back what was accepted.
#[tokio::test(start_paused = true)]
async fn what_was_granted_anew_before_its_readback_is_not_sent() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(slow(), &ids, 10);
    stage.policy.workers = 1;
    let acting = stage.begin(Start::default()).await;
    tokio::time::sleep(Duration::from_millis(550)).await;
    acting.kill().await;
    assert!(stage.archive().owed().unwrap() > 0);
    let claims = stage.claims();
    let accepted: Vec<_> = ids
        .iter()
        .filter(|id| claims[id] == (State::Revoked, "unverified".into()))
        .collect();
    assert!(accepted.len() >= 10, "{claims:?}");
    for id in &accepted {
        stage
            .world
            .set(**id, Some(PermissionStatus::Accepted))
            .unwrap();
    }
    for turn in 0..4 {
        if turn == 1 {
            stage.verify().await;
        } else {
            stage.run().await;
        }
    }
    for id in accepted {
        assert_eq!(stage.claims()[id], (State::Unknown, MISMATCH.into()));
        assert_eq!(posts_of(&stage, *id), 1);
    }
}

/// It was accepted, the read after it failed, and it was granted anew.
#[tokio::test(start_paused = true)]
async fn what_was_accepted_and_could_not_be_read_is_not_sent() {
    for verify in [Verify::All, Verify::Doubtful, Verify::Off] {
        let ids = plain_ids(40);
        let mut stage = Stage::new(Rules::default(), &ids, 10);
        let mut reads = 0;
        stage.wire.forge(move |call, answer| {
            reads += usize::from(!matches!(call, Call::Revoke(_)));
            // The first batch is read before and after.
            let fails = (3..10).contains(&reads) && !matches!(call, Call::Revoke(_));
            if fails { status(500) } else { answer }
        });
        stage.run().await;
        assert_eq!(
            count(&audit(&stage, &ids), State::Unknown, "read_failed"),
            30
        );
        for id in &ids[10..] {
            stage
                .world
                .set(*id, Some(PermissionStatus::Accepted))
                .unwrap();
        }
        stage.wire.forge(|_, answer| answer);
        stage.policy.verify = verify;
        stage.run().await;
        stage.run().await;
        let claims = audit(&stage, &ids);
        let reason = if verify == Verify::Off {
            "read_failed"
        } else {
            MISMATCH
        };
        assert_eq!(count(&claims, State::Unknown, reason), 30, "{verify:?}");
        assert_eq!(posts(&stage), 4, "{verify:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_is_not_sent_where_nothing_is_read() {
    for verify in [Verify::Doubtful, Verify::Off] {
        let (mut stage, ids) = accepted_in_vain().await;
        stage.policy.verify = verify;
        stage.run().await;
        assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
        assert_eq!(posts(&stage), 2, "{verify:?}");
    }
}

/// A read that fails does not make a mismatch forgotten.
#[tokio::test(start_paused = true)]
async fn a_mismatch_stays_one_when_it_cannot_be_read() {
    let (stage, ids) = accepted_in_vain().await;
    stage.wire.forge(|_, _| status(500));
    stage.run().await;
    stage.wire.forge(|_, answer| answer);
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
    assert_eq!(posts(&stage), 2);
}

/// Doubt without a clean answer is settled by reading and sent, as ever.
#[tokio::test(start_paused = true)]
async fn doubt_without_a_clean_answer_is_still_sent() {
    let ids = plain_ids(20);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.max_attempts = 1;
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::ServerErrorBefore]);
    stage.wire.forge(|call, answer| match call {
        Call::Items(asked) if asked.contains(&plain_ids(20)[10]) => ok("no"),
        _ => answer,
    });
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Unknown, "http_500"), 10);
    stage.wire.forge(|_, answer| answer);
    stage.run().await;
    assert!(finished(&stage));
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    assert_eq!(posts(&stage), 3);
}

/// A person asks for it: what is still active is sent, and read back.
#[tokio::test(start_paused = true)]
async fn a_mismatch_is_sent_again_where_a_person_asks() {
    for verify in [Verify::All, Verify::Doubtful] {
        let (mut stage, ids) = accepted_in_vain().await;
        stage
            .world
            .set(ids[10], Some(PermissionStatus::Revoked))
            .unwrap();
        stage.policy.verify = verify;
        stage.policy.resend_mismatched = true;
        stage.run().await;
        assert!(finished(&stage));
        assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
        assert_eq!(posts_of(&stage, ids[10]), 1);
        assert_eq!(posts_of(&stage, ids[11]), 2);
        assert_eq!(posts_of(&stage, ids[0]), 1);
    }
}

/// What comes to nothing again is a mismatch again, and waits for a person.
#[tokio::test(start_paused = true)]
async fn what_is_accepted_in_vain_again_is_a_mismatch_again() {
    let (mut stage, ids) = accepted_in_vain().await;
    stage.policy.resend_mismatched = true;
    stage.world.script(Kind::Revoke, [Fault::Lie]);
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
    stage.policy.resend_mismatched = false;
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Unknown, MISMATCH), 10);
    assert_eq!(posts(&stage), 3);
}
