//! Maintenance, on a paused clock.

use super::{limits::log_in, *};
use crate::sandbox::{Fault, Kind};

const DOWN: &str = "maintenance = [{ after = '20s', lasts = '10s' }]";

/// What a call comes to, in a word.
async fn met(world: &World, request: Request<Bytes>) -> &'static str {
    match world.handle(request).await {
        Reply::Response(response) if response.status() == 503 => "503",
        Reply::Response(_) => "answer",
        Reply::Reset => "reset",
        Reply::Hang => "hang",
        Reply::Truncated(_) => "cut",
    }
}

/// What twenty revocations come to.
async fn revocations(world: &World) -> Vec<&'static str> {
    let mut all = Vec::new();
    for n in 1..=20 {
        let body = format!(r#"{{"tradingPermissionIds":[{n}]}}"#);
        all.push(met(world, post(REVOKE, &body)).await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn maintenance_executes_nothing_and_faults_follow_the_seed() {
    let drawn = async |seed: u64| {
        let world = world(rules(&format!("seed = {seed}\n{DOWN}")));
        advance(19.999).await;
        assert_eq!(
            met(&world, get("/v1/tradingPermission/list")).await,
            "answer"
        );
        advance(0.001).await;
        let all = revocations(&world).await;
        assert!(world.truth().revoked.is_empty());
        assert_eq!(world.truth().faults.len(), 20);
        for request in [
            get("/v1/tradingPermission/item?id=1"),
            get("/v1/auth/renewaccesstoken"),
            log_in("sandbox", ""),
            get("/v1/nowhere"),
        ] {
            assert_ne!(met(&world, request).await, "answer");
        }
        advance(9.999).await;
        assert_ne!(
            met(&world, get("/v1/tradingPermission/list")).await,
            "answer"
        );
        advance(0.001).await;
        assert_eq!(revocations(&world).await, ["answer"; 20]);
        assert_eq!(world.truth().revoked.len(), 20);
        all
    };
    let first = drawn(1).await;
    for word in ["503", "reset", "hang"] {
        assert!(first.contains(&word), "{word} is not in {first:?}");
    }
    assert_eq!(drawn(1).await, first);
    assert_ne!(drawn(2).await, first);
}

#[tokio::test(start_paused = true)]
async fn maintenance_brings_the_faults_it_is_given_and_no_others() {
    let world = world(rules(
        "maintenance = [{ after = '0s', lasts = '1h', faults = ['502'] }]",
    ));
    for n in 1..10 {
        assert_eq!(call(&door(&world), revoke([n])).await.status(), 502);
    }
}

/// The world's beginning is that of its file.
#[tokio::test(start_paused = true)]
async fn maintenance_is_counted_from_the_beginning_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world");
    let open = || World::open(rules(DOWN), Some(&file)).unwrap();
    let world = open();
    advance(15.0).await;
    assert_eq!(call(&door(&world), Call::Item(id(1))).await.status(), 200);
    drop(world);
    let world = open();
    advance(6.0).await;
    assert_ne!(
        met(&world, get("/v1/tradingPermission/list")).await,
        "answer"
    );
}

/// Promise 5 is not excused by nobody being there.
#[tokio::test(start_paused = true)]
async fn a_call_during_a_lockout_touches_it_also_in_maintenance() {
    let world = world(rules(&format!("{DOWN}\nlockout = '30s'")));
    advance(10.0).await;
    world.script(Kind::Revoke, [Fault::Status(429)]);
    assert_eq!(call(&door(&world), revoke([1])).await.status(), 429);
    advance(15.0).await;
    assert_ne!(
        met(&world, get("/v1/tradingPermission/list")).await,
        "answer"
    );
    assert_eq!(world.truth().touched, 1);
    advance(29.0).await;
    assert_eq!(call(&door(&world), revoke([1])).await.status(), 429);
}
