//! How many reads it takes where a read shows less than it was asked for.

use rescind::{
    api::{Answer, Call},
    journal::State,
    list::PermissionId,
    sandbox::{Kind, Rules},
    sweep::Reason,
};
use serde_json::Value;

use crate::{
    support::audit::{audit, count, finished, ok, posts},
    support::in_process::{Stage, plain_ids},
};

/// A thousand IDs in ten batches.
fn a_thousand() -> (Stage, Vec<PermissionId>) {
    let ids = plain_ids(1_000);
    (Stage::new(Rules::default(), &ids, 100), ids)
}

/// A server that shows the first `most` of the permissions it was asked for.
fn truncate(stage: &Stage, most: usize) {
    stage.wire.forge(move |call, answer| match (call, &answer) {
        (Call::Items(_), Answer::Response(response)) if response.status == 200 => {
            let mut shown: Vec<Value> = serde_json::from_slice(&response.body).unwrap();
            shown.truncate(most);
            ok(serde_json::to_string(&shown).unwrap())
        }
        _ => answer,
    });
}

/// The calls that a run takes, and the single reads among them.
fn calls(stage: &Stage) -> (usize, usize) {
    let calls = stage.wire.calls();
    let single = |call: &&crate::support::in_process::OnWire| matches!(call.call, Call::Item(_));
    (calls.len(), calls.iter().filter(single).count())
}

#[tokio::test(start_paused = true)]
async fn a_truncated_read_is_continued_together() {
    for (most, expected) in [(50, 32), (30, 51), (99, 32), (7, 165)] {
        let (stage, ids) = a_thousand();
        truncate(&stage, most);
        assert_eq!(stage.run().await.reason, None);
        assert!(finished(&stage));
        assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 1_000);
        assert_eq!(posts(&stage), 10);
        let (all, single) = calls(&stage);
        assert!(all <= expected, "{most}: {all} calls");
        assert!(single <= 10, "{most}: {single} single reads");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shows_one_at_a_time_costs_a_read_each() {
    let (stage, ids) = a_thousand();
    truncate(&stage, 1);
    assert_eq!(stage.run().await.reason, None);
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 1_000);
    let (all, _) = calls(&stage);
    assert!(all <= 1_020, "{all}");
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_cost_a_read_each_and_one_more_a_batch() {
    for (unknown, expected) in [([150, 450, 750], 24), ([150, 151, 152], 25)] {
        let (stage, ids) = a_thousand();
        for index in unknown {
            stage.world.set(ids[index], None).unwrap();
        }
        assert_eq!(stage.run().await.reason, None);
        let claims = audit(&stage, &ids);
        assert_eq!(count(&claims, State::Missing, "absent"), 3);
        assert_eq!(count(&claims, State::Revoked, ""), 997);
        let (all, single) = calls(&stage);
        assert_eq!(single, 3);
        assert_eq!(all, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_environment_costs_one_read() {
    let (stage, ids) = a_thousand();
    for id in &ids {
        stage.world.set(*id, None).unwrap();
    }
    let ended = stage.run().await;
    assert!(matches!(ended.reason, Some(Reason::Guard(_))), "{ended:?}");
    assert_eq!(calls(&stage), (1, 0));
    assert_eq!(stage.world.truth().count(Kind::Revoke), 0);
}

/// A read that is refused as too large is not made so large again.
#[tokio::test(start_paused = true)]
async fn a_size_that_was_refused_is_not_asked_for_again() {
    let ids = plain_ids(1_000);
    let mut world = crate::support::in_process::rules("max_items = 30");
    world.max_items_status = 413;
    let stage = Stage::new(world, &ids, 100);
    assert_eq!(stage.run().await.reason, None);
    assert_eq!(count(&audit(&stage, &ids), State::Revoked, ""), 1_000);
    let (all, _) = calls(&stage);
    assert!(all <= 56, "{all}");
}
