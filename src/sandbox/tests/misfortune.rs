//! Every kind of fault, through the inner door and on a paused clock.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::*;
use crate::sandbox::{Fault, Kind, PermissionStatus};

/// What a revocation meets, and whether it was executed.
#[tokio::test(start_paused = true)]
async fn each_fault_of_a_revocation_does_what_it_says() {
    use FailureKind::{Reset, Timeout};
    for (fault, executed, expected) in [
        (Fault::None, true, Ok(200)),
        (Fault::Slow, true, Ok(200)),
        (Fault::ServerErrorBefore, false, Ok(500)),
        (Fault::ServerErrorAfter, true, Ok(500)),
        (Fault::ResetBefore, false, Err(Reset)),
        (Fault::ResetAfter, true, Err(Reset)),
        (Fault::Late, false, Err(Timeout)),
        (Fault::Hang, false, Err(Timeout)),
        (Fault::Truncated, true, Err(Reset)),
        (Fault::NotJson, false, Ok(200)),
        (Fault::Lie, false, Ok(200)),
        (Fault::Penalty, false, Ok(200)),
        (Fault::Status(401), false, Ok(401)),
        (Fault::Status(409), false, Ok(409)),
        (Fault::Status(423), false, Ok(423)),
        (Fault::Status(429), false, Ok(429)),
        (Fault::Status(502), false, Ok(502)),
        (Fault::Status(503), false, Ok(503)),
        (Fault::Status(599), false, Ok(599)),
    ] {
        let world = world(Rules::default());
        world.script(Kind::Revoke, [fault]);
        let began = Instant::now();
        let got = call(&door(&world), revoke([1, 2])).await;
        match expected {
            Ok(status) => assert_eq!(got.status(), status, "{fault}"),
            Err(kind) => assert_eq!(got, Got::Failed(kind), "{fault}"),
        }
        let took = match fault {
            Fault::Slow => Duration::from_secs(2),
            Fault::Late | Fault::Hang => TIMEOUT,
            _ => Duration::ZERO,
        };
        assert_eq!(began.elapsed(), took, "{fault}");
        match fault {
            Fault::None | Fault::Slow | Fault::Lie => assert!(got.ok(), "{fault}"),
            Fault::NotJson => assert!(matches!(got, Got::Text(200, _)), "{fault}"),
            Fault::Penalty => assert_eq!(got.ticket().1, 5),
            Fault::Status(423 | 429) => assert_eq!(got, Got::Text(got.status(), String::new())),
            _ => {}
        }
        let truth = world.truth();
        assert_eq!(truth.revoked.len(), if executed { 2 } else { 0 }, "{fault}");
        let struck: Vec<_> = truth.faults.iter().map(|s| (s.kind, s.fault)).collect();
        if fault == Fault::None {
            assert!(struck.is_empty());
        } else {
            assert_eq!(struck, [(Kind::Revoke, fault)]);
        }
        let lockouts = usize::from(matches!(fault, Fault::Status(423 | 429)));
        assert_eq!(truth.lockouts, lockouts, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_revocation_is_executed_after_its_delay() {
    let world = world(rules("faults.late_by = '90s'"));
    let door = door(&world);
    world.script(Kind::Revoke, [Fault::Late]);
    let arrived = world.now();
    let got = call(&door, revoke([1, 2])).await;
    assert_eq!(got, Got::Failed(FailureKind::Timeout));
    // Read back at once: not yet.
    let got = call(&door, Call::Items(ids([1, 2]))).await;
    assert!(got.shown().iter().all(|(_, status)| status == "Accepted"));
    advance(29.9).await;
    assert_eq!(world.status(id(1)), Some(PermissionStatus::Accepted));
    // Sent again before it was executed: that is no fault of the client.
    assert!(call(&door, revoke([1])).await.ok());
    advance(0.1).await;
    let got = call(&door, Call::Items(ids([1, 2]))).await;
    assert!(got.shown().iter().all(|(_, status)| status == "Revoked"));
    let truth = world.truth();
    let at = |n| truth.revoked[&id(n)].at.checked_sub(arrived).unwrap();
    assert_eq!(at(2), Duration::from_secs(90));
    assert!(at(1) < at(2));
    assert!(truth.posted_again().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_revocation_of_what_is_refused_by_then_revokes_nothing() {
    let world = world(Rules::default());
    world.script(Kind::Revoke, [Fault::Late]);
    call(&door(&world), revoke([1, 2])).await;
    world.protect(id(2)).unwrap();
    advance(3600.0).await;
    assert_eq!(world.status(id(1)), Some(PermissionStatus::Accepted));
}

#[tokio::test(start_paused = true)]
async fn giving_up_takes_nothing_back() {
    let world = world(rules("latency = '2m'"));
    let got = call(&door(&world), revoke([1])).await;
    assert_eq!(got, Got::Failed(FailureKind::Timeout));
    assert_eq!(world.status(id(1)), Some(PermissionStatus::Revoked));
}

#[tokio::test(start_paused = true)]
async fn latency_stays_within_its_range() {
    let world = world(rules("latency = '10ms..30ms'"));
    let door = door(&world);
    let mut seen = std::collections::BTreeSet::new();
    for n in 1..=50 {
        let began = Instant::now();
        call(&door, revoke([n * 10_000 + 1])).await;
        seen.insert(began.elapsed());
    }
    // The paused clock moves in whole milliseconds.
    assert!(*seen.first().unwrap() >= Duration::from_millis(10));
    assert!(*seen.last().unwrap() <= Duration::from_millis(31));
    assert!(seen.len() > 5);
}

#[tokio::test]
async fn reads_are_spoilt_as_told() {
    let all = 1..=30;
    let world = world(Rules::default());
    let door = door(&world);
    let plain = call(&door, Call::Items(ids(all.clone()))).await.shown();
    world.script(Kind::Items, [Fault::Omit, Fault::Reorder, Fault::Duplicate]);

    let omitted = call(&door, Call::Items(ids(all.clone()))).await.shown();
    assert_eq!(omitted.len(), 27);
    assert!(omitted.iter().all(|entity| plain.contains(entity)));

    let mut reordered = call(&door, Call::Items(ids(all.clone()))).await.shown();
    assert_ne!(reordered, plain);
    reordered.sort();
    assert_eq!(reordered, plain);

    let mut doubled = call(&door, Call::Items(ids(all))).await.shown();
    assert_eq!(doubled.len(), 31);
    doubled.sort();
    doubled.dedup();
    assert_eq!(doubled, plain);

    // A single permission can be left out, too.
    world.script(Kind::Items, [Fault::Omit]);
    let got = call(&door, Call::Items(ids([5]))).await;
    assert_eq!(got.shown(), []);
}

#[tokio::test]
async fn a_truncated_answer_says_how_long_it_should_be() {
    let world = world(Rules::default());
    world.script(Kind::Item, [Fault::Truncated]);
    let path = "/v1/tradingPermission/item?id=1";
    let Reply::Truncated(cut) = world.handle(get(path)).await else {
        panic!("not truncated");
    };
    let Reply::Response(whole) = world.handle(get(path)).await else {
        panic!("not whole");
    };
    let length = cut.headers()["content-length"].to_str().unwrap();
    assert_eq!(length, whole.body().len().to_string());
    assert!(whole.body().starts_with(cut.body()));
    assert!(cut.body().len() < whole.body().len());
}

#[tokio::test]
async fn a_script_of_the_rules_strikes_first_and_chance_after_it() {
    let world = world(rules(
        "faults.revoke.503 = 1.0\nfaults.script.revoke = ['none', '502']",
    ));
    let door = door(&world);
    // What is turned away before uses nothing up.
    send(&world, post(REVOKE, "{}")).await;
    let mut statuses = Vec::new();
    for n in 1..=4 {
        statuses.push(call(&door, revoke([n])).await.status());
    }
    assert_eq!(statuses, [200, 502, 503, 503]);
}

const CHANCES: &str = "
    faults.revoke = { server_error_before = 0.2, reset_after = 0.2, lie = 0.2, 503 = 0.2 }
    faults.read = { omit = 0.2, duplicate = 0.2, 502 = 0.2 }
";

/// The faults that befell each of these calls, made one after another.
async fn befell(seed: u64, order: impl Iterator<Item = i64>) -> BTreeMap<i64, Vec<Got>> {
    let world = world(Rules {
        seed,
        ..rules(CHANCES)
    });
    let door = door(&world);
    let mut answers: BTreeMap<i64, Vec<Got>> = BTreeMap::new();
    for n in order {
        let batch = ids(n * 10..n * 10 + 5);
        let answers = answers.entry(n).or_default();
        for _ in 0..3 {
            let body = revoke_body(&batch, None);
            answers.push(call(&door, Call::Revoke(body)).await);
            let mut read = call(&door, Call::Items(batch.clone())).await;
            if let Got::Json(_, Value::Array(entities)) = &mut read {
                // The one thing that does depend on time.
                for entity in entities {
                    entity.as_object_mut().unwrap().remove("updated");
                }
            }
            answers.push(read);
        }
    }
    answers
}

#[tokio::test]
async fn the_seed_decides_whatever_the_order() {
    let forwards = befell(1, 1..=40).await;
    assert!(forwards == befell(1, (1..=40).rev()).await);
    assert!(forwards != befell(2, 1..=40).await);
    // A body's second try is not doomed to its first one's fate.
    assert!(forwards.values().any(|answers| answers[0] != answers[2]));
}

#[tokio::test(start_paused = true)]
async fn the_sample_world_has_faults_and_none_of_them_hangs() {
    let world = world(Rules::sample());
    let door = door(&world);
    for batch in 0..400 {
        let batch = batch * 10_000 + 1_000;
        let began = Instant::now();
        call(&door, revoke(batch..batch + 100)).await;
        call(&door, Call::Items(ids(batch..batch + 100))).await;
        assert!(began.elapsed() < Duration::from_millis(100));
    }
    let struck = world.truth().faults.len();
    assert!((10..40).contains(&struck), "{struck}");
}
