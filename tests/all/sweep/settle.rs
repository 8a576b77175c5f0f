//! Doubt is settled by reading, and before anything is sent again.

use std::time::Duration;

use rescind::{
    api::{Answer, Call},
    journal::{State, Verified},
    list::PermissionId,
    sandbox::{Fault, Kind, PermissionStatus, Rules},
    sweep::{Reason, Verify},
};
use serde_json::json;

use crate::{
    support::audit::{audit, carried, count, finished, is_post, ok, posts, status},
    support::in_process::{OnWire, Stage, plain_ids, quota, rules},
};

const SECOND: Duration = Duration::from_secs(1);

/// Two batches; the second one's first POST meets `fault`.
fn struck(fault: Fault, batch: usize) -> (Stage, Vec<PermissionId>) {
    let ids = plain_ids(2 * batch);
    let mut stage = Stage::new(Rules::default(), &ids, batch);
    stage.policy.workers = 1;
    stage.world.script(Kind::Revoke, [Fault::None, fault]);
    (stage, ids)
}

/// The calls that carry `id`, in order.
fn about(stage: &Stage, id: PermissionId) -> Vec<OnWire> {
    let mut calls = stage.wire.calls();
    calls.retain(|call| carried(&call.call).contains(&id));
    calls
}

#[tokio::test(start_paused = true)]
async fn every_doubt_is_read_back_before_anything_is_sent_again() {
    for (fault, executed) in [
        (Fault::Hang, false),
        (Fault::Late, false),
        (Fault::ResetBefore, false),
        (Fault::ResetAfter, true),
        (Fault::ServerErrorBefore, false),
        (Fault::ServerErrorAfter, true),
        (Fault::Status(502), false),
        (Fault::Status(503), false),
        (Fault::Status(504), false),
        (Fault::Truncated, true),
        (Fault::NotJson, false),
    ] {
        let (stage, ids) = struck(fault, 10);
        let ended = stage.run().await;
        assert_eq!(ended.reason, None, "{fault}");
        let claims = audit(&stage, &ids);
        assert_eq!(count(&claims, State::Revoked, ""), 20, "{fault}");
        assert!(stage.world.truth().posted_again().is_empty(), "{fault}");

        let calls = about(&stage, ids[15]);
        let kinds: Vec<_> = calls.iter().map(is_post).collect();
        let expected: &[bool] = if executed {
            &[true, false]
        } else {
            &[true, false, true, false]
        };
        assert_eq!(kinds, expected, "{fault}");
        let waited = calls[1].sent - calls[0].back.unwrap();
        assert!(waited >= SECOND, "{fault}: read after {waited:?}");
        assert_eq!(posts(&stage), if executed { 2 } else { 3 }, "{fault}");
    }
}

/// A redirect is chiefly the answer to a request that was executed.
#[tokio::test(start_paused = true)]
async fn every_redirect_is_in_doubt_and_read_back() {
    for code in [300, 301, 302, 303, 304, 307, 308, 399] {
        for executed in [true, false] {
            let fault = if executed {
                Fault::None
            } else {
                Fault::ServerErrorBefore
            };
            let (stage, ids) = struck(fault, 10);
            let (second, mut times) = (ids[10], 0);
            stage.wire.forge(move |call, answer| {
                let hit = matches!(call, Call::Revoke(_)) && carried(call).contains(&second);
                times += usize::from(hit);
                if hit && times == 1 {
                    return status(code);
                }
                answer
            });
            let ended = stage.run().await;
            assert_eq!(ended.reason, None, "{code}");
            let claims = audit(&stage, &ids);
            assert_eq!(count(&claims, State::Revoked, ""), 20, "{code} {executed}");
            assert_eq!(posts(&stage), if executed { 2 } else { 3 }, "{code}");
        }
    }
}

/// A process stops at its first batch where the request as such is refused,
/// and has read that batch back before.
#[tokio::test(start_paused = true)]
async fn a_refused_first_batch_is_read_back_before_the_stop() {
    for code in [400, 403, 404, 405, 409, 415, 422] {
        for executed in [true, false] {
            let ids = plain_ids(20);
            let stage = Stage::new(Rules::default(), &ids, 10);
            if !executed {
                stage.world.script(Kind::Revoke, [Fault::ServerErrorBefore]);
            }
            stage.wire.forge(move |call, answer| match call {
                Call::Revoke(_) => status(code),
                _ => answer,
            });
            let ended = stage.run().await;
            assert!(matches!(ended.reason, Some(Reason::Guard(_))), "{ended:?}");
            let claims = audit(&stage, &ids);
            let (claimed, reason, verified) = if executed {
                (State::Revoked, String::new(), Verified::Revoked)
            } else {
                (State::Exhausted, format!("http_{code}"), Verified::Active)
            };
            assert_eq!(count(&claims, claimed, &reason), 10, "{code} {executed}");
            assert_eq!(stage.batches()[0].verified, verified, "{code}");
            assert_eq!(count(&claims, State::Pending, ""), 10);
            assert_eq!(posts(&stage), 1);
            assert_eq!(stage.archive().owed().unwrap(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_contradicts_itself_is_in_doubt() {
    let ids = plain_ids(20);
    let stage = Stage::new(Rules::default(), &ids, 10);
    let mut posts_seen = 0;
    stage.wire.forge(move |call, answer| {
        posts_seen += usize::from(matches!(call, Call::Revoke(_)));
        if posts_seen == 2 && matches!(call, Call::Revoke(_)) {
            return ok(r#"{"ok":true,"errorText":"but no"}"#);
        }
        answer
    });
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    assert_eq!(posts(&stage), 2);
    assert!(stage.world.truth().posted_again().is_empty());
}

/// Promise 5: no call starts in a wait that was announced, whatever else the
/// answer says.
#[tokio::test(start_paused = true)]
async fn a_penalty_beside_ok_is_waited_out_before_the_read() {
    let ids = plain_ids(20);
    let stage = Stage::new(Rules::default(), &ids, 10);
    let mut posts_seen = 0;
    stage.wire.forge(move |call, answer| {
        let post = matches!(call, Call::Revoke(_));
        posts_seen += usize::from(post);
        if posts_seen == 2 && post {
            return ok(r#"{"ok":true,"p-ticket":"t","p-time":300}"#);
        }
        answer
    });
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    let calls = about(&stage, ids[15]);
    let waited = calls[1].sent - calls[0].back.unwrap();
    assert!(waited >= Duration::from_mins(5), "{waited:?}");
    assert_eq!(posts(&stage), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_executed_is_done_and_only_the_rest_is_sent_again() {
    let (stage, ids) = struck(Fault::ServerErrorBefore, 10);
    for done in &ids[12..15] {
        stage
            .world
            .set(*done, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    stage
        .world
        .set(ids[16], Some(PermissionStatus::Declined))
        .unwrap();
    stage.world.set(ids[17], None).unwrap();
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, ""), 18);
    assert_eq!(claims[&ids[16]], (State::Refused, "declined".into()));
    assert_eq!(claims[&ids[17]], (State::Missing, "absent".into()));
    let last = stage.wire.calls().into_iter().rfind(is_post).unwrap();
    let active = [10, 11, 15, 18, 19].map(|index| ids[index]);
    assert_eq!(carried(&last.call), active);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_unknown_and_not_sent_again() {
    let (stage, ids) = struck(Fault::ResetAfter, 10);
    let bad = ids[10];
    stage.wire.forge(move |call, answer| match call {
        Call::Items(asked) if asked.contains(&bad) => status(503),
        _ => answer,
    });
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "reset"), 10);
    assert_eq!(posts(&stage), 2);
    // Each read is tried as often as a POST would be.
    let calls = about(&stage, bad);
    assert_eq!(calls.len(), 1 + 5);
    assert_eq!(stage.batches()[1].verified, Verified::Unreadable);

    stage.wire.forge(|_, answer| answer);
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    assert_eq!(posts(&stage), 2, "it had been executed");
    assert!(finished(&stage));
}

/// API.md: `Retry-After` is honoured when it comes.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_how_long_is_not_asked_sooner() {
    let ids = plain_ids(20);
    let rules = Rules {
        retry_after: Duration::from_secs(90),
        ..Rules::default()
    };
    let mut stage = Stage::new(rules, &ids, 10);
    stage.policy.workers = 1;
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::Status(503)]);
    stage.run().await;
    let calls = about(&stage, ids[15]);
    let (post, next) = (&calls[0], &calls[1]);
    assert!(is_post(post) && !is_post(next));
    let waited = next.sent - post.back.unwrap();
    assert!(waited >= Duration::from_secs(90), "{waited:?}");
    audit(&stage, &ids);
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out_only_after_a_last_read() {
    let ids = plain_ids(20);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.max_attempts = 3;
    let faults = [
        Fault::None,
        Fault::Hang,
        Fault::Status(500),
        Fault::ResetBefore,
    ];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Exhausted, "still_active"), 10);
    assert_eq!(stage.batches()[1].attempts, 3);
    let calls = about(&stage, ids[10]);
    let kinds: Vec<_> = calls.iter().map(is_post).collect();
    assert_eq!(kinds, [true, false, true, false, true, false]);
    for (tries, pair) in calls.chunks(2).enumerate() {
        let waited = pair[1].sent - pair[0].back.unwrap();
        assert!(waited >= SECOND * (1 << tries), "{tries}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_reading_doubt_is_sent_again_as_it_is_and_stays_doubt() {
    let ids = plain_ids(20);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.verify = Verify::Off;
    stage.policy.max_attempts = 3;
    stage.world.script(Kind::Revoke, [Fault::None, Fault::Hang]);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, "unverified"), 20);
    assert_eq!(stage.world.truth().count(Kind::Items), 0);
    assert_eq!(posts(&stage), 3);

    let stage = {
        let mut other = Stage::new(Rules::default(), &ids, 10);
        other.policy = stage.policy.clone();
        other
    };
    let faults = [
        Fault::None,
        Fault::ResetAfter,
        Fault::Hang,
        Fault::Status(502),
    ];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "http_502"), 10);
}

/// Once a POST is in doubt, a later one that was certainly not executed does
/// not make the first one so.
#[tokio::test(start_paused = true)]
async fn without_reading_a_refusal_does_not_end_a_doubt() {
    let ids = plain_ids(20);
    for last in [Fault::Status(400), Fault::Status(413)] {
        let mut stage = Stage::new(Rules::default(), &ids, 10);
        stage.policy.verify = Verify::Off;
        stage.policy.workers = 1;
        let faults = [Fault::None, Fault::ResetAfter, last];
        stage.world.script(Kind::Revoke, faults);
        stage.world.script(Kind::Revoke, [Fault::Status(400); 2]);
        stage.run().await;
        let claims = audit(&stage, &ids);
        let unknown = claims.values().filter(|claim| claim.0 == State::Unknown);
        assert_eq!(unknown.count(), 10, "{last}: {:?}", stage.tally());
    }
    // A 401 stops the run in the midst of it.
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.verify = Verify::Off;
    let faults = [Fault::None, Fault::ResetAfter, Fault::Status(401)];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    assert_eq!(stage.tally().of(State::Unknown), 10);
    assert_eq!(stage.tally().of(State::Pending), 0);
}

#[tokio::test(start_paused = true)]
async fn absence_is_believed_after_a_second_read_alone() {
    let ids = plain_ids(20);
    let stage = Stage::new(Rules::default(), &ids, 10);
    stage.world.set(ids[13], None).unwrap();
    // One that is only left out of a read is there.
    let (gone, hidden) = (ids[13], ids[14]);
    stage.wire.forge(move |call, answer| match call {
        Call::Items(asked) if asked.contains(&hidden) => {
            let shown = asked.iter().filter(|id| **id != gone && **id != hidden);
            ok(json!(
                shown
                    .map(|id| json!({"id": id.get(), "status": "Revoked"}))
                    .collect::<Vec<_>>()
            )
            .to_string())
        }
        _ => answer,
    });
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(claims[&gone], (State::Missing, "absent".into()));
    assert_eq!(count(&claims, State::Revoked, ""), 19);
    let alone: Vec<_> = stage
        .wire
        .calls()
        .into_iter()
        .filter(|call| matches!(call.call, Call::Item(_)))
        .flat_map(|call| carried(&call.call))
        .collect();
    assert_eq!(alone, [gone, hidden]);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_several_that_is_too_large_is_split() {
    for status in [404, 413, 414] {
        let ids = plain_ids(100);
        let mut world = rules("max_items = 13");
        world.max_items_status = status;
        let stage = Stage::new(world, &ids, 50);
        let ended = stage.run().await;
        assert_eq!(ended.reason, None, "{status}");
        assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 100);
        assert_eq!(posts(&stage), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_and_contradicting_answers_are_believed_in_nothing() {
    let foreign =
        |asked: &[PermissionId]| json!([{"id": asked[0].get() + 1_000_000, "status": "Revoked"}]);
    let twice = |asked: &[PermissionId]| {
        json!([
            {"id": asked[0].get(), "status": "Revoked"},
            {"id": asked[0].get(), "status": "Accepted"},
        ])
    };
    for lie in [foreign as fn(&[PermissionId]) -> serde_json::Value, twice] {
        let (stage, ids) = struck(Fault::ResetBefore, 10);
        let second = ids[10];
        stage.wire.forge(move |call, answer| match call {
            Call::Items(asked) if asked.contains(&second) => ok(lie(asked).to_string()),
            _ => answer,
        });
        stage.run().await;
        let claims = audit(&stage, &ids);
        assert_eq!(count(&claims, State::Unknown, "reset"), 10);
        assert_eq!(posts(&stage), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lie_is_looked_at_twice_and_then_said() {
    let (stage, ids) = struck(Fault::Lie, 10);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Unknown, "verification_mismatch"), 10);
    let calls = about(&stage, ids[10]);
    let kinds: Vec<_> = calls.iter().map(is_post).collect();
    assert_eq!(kinds, [true, false, false], "and it is never sent again");
    assert!(calls[2].sent - calls[1].sent >= stage.policy.retry_max);
    assert_eq!(stage.batches()[1].verified, Verified::Active);
}

#[tokio::test(start_paused = true)]
async fn what_shows_late_is_revoked_after_all() {
    let (stage, ids) = struck(Fault::Lie, 10);
    let acting = stage
        .begin(crate::support::in_process::Start::default())
        .await;
    tokio::time::sleep(SECOND * 10).await;
    for id in &ids[10..] {
        stage
            .world
            .set(*id, Some(PermissionStatus::Revoked))
            .unwrap();
    }
    acting.end().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    assert_eq!(posts(&stage), 2);
    assert!(finished(&stage));
}

#[tokio::test(start_paused = true)]
async fn accepted_and_then_absent_or_declined_is_not_claimed() {
    let ids = plain_ids(20);
    let stage = Stage::new(Rules::default(), &ids, 10);
    stage.world.set(ids[3], None).unwrap();
    stage.world.set(ids[13], None).unwrap();
    let declined = ids[14];
    stage.wire.forge(move |call, answer| match call {
        Call::Items(asked) if asked.contains(&declined) => {
            let shown: Vec<_> = asked
                .iter()
                .map(|id| {
                    let status = if *id == declined {
                        "Declined"
                    } else {
                        "Revoked"
                    };
                    json!({"id": id.get(), "status": status})
                })
                .collect();
            ok(json!(shown).to_string())
        }
        _ => answer,
    });
    stage.run().await;
    let claims = stage.claims();
    assert_eq!(claims[&ids[3]].0, State::Missing);
    assert_eq!(claims[&declined], (State::Refused, "declined".into()));
}

#[tokio::test(start_paused = true)]
async fn doubtful_reads_the_first_batch_and_what_is_in_doubt() {
    let ids = plain_ids(40);
    let mut stage = Stage::new(Rules::default(), &ids, 10);
    stage.policy.verify = Verify::Doubtful;
    stage.policy.workers = 1;
    let faults = [Fault::None, Fault::None, Fault::ResetAfter];
    stage.world.script(Kind::Revoke, faults);
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Revoked, ""), 20);
    assert_eq!(count(&claims, State::Revoked, "unverified"), 20);
    assert_eq!(stage.world.truth().count(Kind::Items), 3);
    assert!(finished(&stage));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_stops_the_run_and_claims_nothing() {
    let (stage, ids) = struck(Fault::Status(401), 10);
    let ended = stage.run().await;
    assert!(
        matches!(ended.reason, Some(Reason::Unauthorized(_))),
        "{ended:?}"
    );
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Pending, "http_401"), 10);
    let after = stage.wire.calls();
    assert!(is_post(after.last().unwrap()), "nothing came after the 401");
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    assert!(finished(&stage));
}

/// An API that holds one request back for ever, and answers all others, does
/// not keep the run from coming to an end.
#[tokio::test(start_paused = true)]
async fn one_request_that_is_always_held_back_is_given_up() {
    let ids = plain_ids(200);
    let mut stage = Stage::new(Rules::default(), &ids, 1);
    stage.policy.rate = vec![quota(2, 1)];
    let bad = ids[5];
    stage.wire.forge(move |call, answer| {
        if matches!(call, Call::Revoke(_)) && carried(call) == [bad] {
            return ok(r#"{"p-ticket":"x","p-time":1}"#);
        }
        answer
    });
    let ended = stage.run().await;
    // Whichever bound comes first: what was not executed is not claimed.
    let posts = about(&stage, bad)
        .iter()
        .filter(|call| is_post(call))
        .count();
    assert!(posts <= 8, "{posts} posts, {ended:?}");
    let claim = stage.claims()[&bad].0;
    assert!(
        matches!(claim, State::Exhausted | State::Pending),
        "{claim}"
    );
}

/// A ticket is worth one request: after an answer it is not handed in again.
#[tokio::test(start_paused = true)]
async fn a_used_ticket_is_not_used_again() {
    let (stage, ids) = struck(Fault::Penalty, 10);
    stage.world.script(Kind::Revoke, [Fault::ServerErrorBefore]);
    stage.run().await;
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 20);
    let truth = stage.world.truth();
    assert_eq!((truth.penalties, truth.impatient), (1, 0));
    assert_eq!(posts(&stage), 4);
}

/// An expired token and a gateway without its backend answer 404 as well.
#[tokio::test(start_paused = true)]
async fn absence_is_not_believed_where_every_read_is_answered_404() {
    let ids = plain_ids(40);
    let stage = Stage::new(Rules::default(), &ids, 10);
    let mut reads = 0;
    stage.wire.forge(move |call, answer| {
        reads += usize::from(!matches!(call, Call::Revoke(_)));
        // The first batch is read before and after.
        if reads > 2 && !matches!(call, Call::Revoke(_)) {
            return status(404);
        }
        answer
    });
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(stage.world.truth().revoked.len(), 40);
    assert_eq!(count(&claims, State::Missing, "absent"), 0);
    assert_eq!(count(&claims, State::Unknown, "read_failed"), 30);
}

/// Where lists are answered 404 for an unknown ID, too, one that is known
/// tells the one from the other.
#[tokio::test(start_paused = true)]
async fn absence_by_404_alone_is_believed_while_others_are_shown() {
    let ids = plain_ids(40);
    let stage = Stage::new(Rules::default(), &ids, 10);
    for id in &ids[10..20] {
        stage.world.set(*id, None).unwrap();
    }
    stage.wire.forge(|call, answer| match (call, &answer) {
        (Call::Items(_), Answer::Response(response)) if response.body == "[]" => status(404),
        _ => answer,
    });
    stage.run().await;
    let claims = audit(&stage, &ids);
    assert_eq!(count(&claims, State::Missing, "absent"), 10);
    assert_eq!(count(&claims, State::Revoked, ""), 30);
}
