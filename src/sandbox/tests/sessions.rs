//! Sessions, permissions and locked log-ins, on a paused clock.

use super::{
    limits::{log_in, renew},
    *,
};

/// Logs in and gives the token.
async fn logged_in(world: &World) -> String {
    token(&send(world, log_in("sandbox", "")).await)
}

fn token(got: &Got) -> String {
    got.json()["accessToken"].as_str().unwrap().to_owned()
}

/// What a read with this token is answered.
async fn answered(world: &World, token: &str) -> u16 {
    let door = door(world).with_token(token);
    call(&door, Call::Item(id(1))).await.status()
}

#[tokio::test(start_paused = true)]
async fn a_third_log_in_closes_the_oldest_session_with_all_its_tokens() {
    let world = world(rules("token = ''"));
    let first = logged_in(&world).await;
    let second = logged_in(&world).await;
    // A renewal keeps the session, and opens none.
    let renewed = token(&send(&world, renew(&first)).await);
    for one in [&first, &second, &renewed] {
        assert_eq!(answered(&world, one).await, 200);
    }
    let third = logged_in(&world).await;
    for (one, status) in [
        (&first, 401),
        (&renewed, 401),
        (&second, 200),
        (&third, 200),
    ] {
        assert_eq!(answered(&world, one).await, status);
    }
    assert_eq!(send(&world, renew(&renewed)).await.status(), 401);
    let truth = world.truth();
    assert_eq!((truth.evicted, truth.mistakes.len()), (1, 0));
    // The next oldest is next.
    logged_in(&world).await;
    assert_eq!(answered(&world, &second).await, 401);
    assert_eq!(answered(&world, &third).await, 200);
}

#[tokio::test(start_paused = true)]
async fn the_rules_bound_open_sessions_without_expired_ones() {
    let only = world(rules("sessions = 1"));
    let first = logged_in(&only).await;
    let second = logged_in(&only).await;
    assert_eq!(answered(&only, &first).await, 401);
    assert_eq!(answered(&only, &second).await, 200);
    // The token of the rules belongs to no session.
    assert_eq!(answered(&only, "sandbox").await, 200);
    token(&send(&only, renew("sandbox")).await);
    assert_eq!(answered(&only, &second).await, 200);

    let world = world(rules("token_lifetime = '10m'"));
    logged_in(&world).await;
    advance(400.0).await;
    let second = logged_in(&world).await;
    advance(300.0).await;
    logged_in(&world).await;
    assert_eq!(answered(&world, &second).await, 200);
    assert_eq!(world.truth().evicted, 0);
}

#[tokio::test(start_paused = true)]
async fn others_log_in_by_the_rules_and_may_evict_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world");
    let text = "others_log_in = ['10s', '1m']";
    let open = || World::open(rules(text), Some(&file)).unwrap();
    let world = open();
    let ours = logged_in(&world).await;
    advance(10.0).await;
    assert_eq!(answered(&world, &ours).await, 200);
    drop(world);
    // Who is in is in after a restart, and time goes on from the beginning.
    let world = open();
    advance(49.9).await;
    assert_eq!(answered(&world, &ours).await, 200);
    advance(0.2).await;
    assert_eq!(answered(&world, &ours).await, 401);
    assert_eq!(answered(&world, "sandbox").await, 200);
    // They stay for good: a new session of ours closes one of theirs.
    let again = logged_in(&world).await;
    assert_eq!(answered(&world, &again).await, 200);
    assert_eq!(world.truth().evicted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_without_permission_gets_401_and_executes_nothing() {
    let world = world(rules("denied = ['revoke', 'item']"));
    let token = logged_in(&world).await;
    for token in ["sandbox", &token] {
        let door = door(&world).with_token(token);
        assert_eq!(call(&door, revoke([1])).await.status(), 401);
        assert_eq!(call(&door, Call::Item(id(1))).await.status(), 401);
        assert_eq!(call(&door, Call::Items(ids([1]))).await.status(), 200);
    }
    let truth = world.truth();
    assert!(truth.revoked.is_empty());
    assert_eq!(truth.mistakes, []);
}

#[tokio::test(start_paused = true)]
async fn log_ins_are_locked_after_so_many_failures_and_not_before() {
    let world = world(rules(
        "log_in.locked_after = 5\nlockout = '1h'\nendpoint_limits = []",
    ));
    let token = logged_in(&world).await;
    let fails = async || send(&world, log_in("wrong", "")).await;
    for _ in 0..3 {
        assert!(fails().await.json()["errorText"].is_string());
    }
    // One that is good begins the count anew.
    logged_in(&world).await;
    for _ in 0..3 {
        assert!(fails().await.json()["errorText"].is_string());
    }
    let about_to_be = fails().await;
    assert_eq!(about_to_be, Got::Text(423, String::new()));
    assert_eq!(world.truth().lockouts, 0);
    assert_eq!(fails().await.status(), 423);
    assert_eq!(world.truth().lockouts, 1);
    advance(3599.0).await;
    // Even a right one, and it starts the hour anew.
    assert_eq!(send(&world, log_in("sandbox", "")).await.status(), 423);
    assert_eq!(answered(&world, &token).await, 200);
    advance(3599.0).await;
    assert_eq!(send(&world, log_in("sandbox", "")).await.status(), 423);
    assert_eq!(world.truth().touched, 2);
    advance(3600.0).await;
    logged_in(&world).await;
    assert!(fails().await.json()["errorText"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_log_in_is_refused_as_the_rules_say() {
    let world = world(rules("log_in.refusal = 'unauthorized'"));
    assert_eq!(send(&world, log_in("wrong", "")).await.status(), 401);
    assert_eq!(world.truth().mistakes, []);
    logged_in(&world).await;
}
