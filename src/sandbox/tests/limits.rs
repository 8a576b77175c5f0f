//! Limits, lockouts, penalties and tokens, on a paused clock.

use jiff::Timestamp;

use super::*;
use crate::sandbox::{Fault, Kind};

pub(super) fn renew(token: &str) -> Request<Bytes> {
    let mut request = get("/v1/auth/renewaccesstoken");
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

pub(super) fn log_in(password: &str, more: &str) -> Request<Bytes> {
    let body = format!(
        r#"{{"name":"sandbox","password":"{password}","appId":"rescind","appVersion":"1",
            "cid":1,"sec":"sandbox"{more}}}"#
    );
    let mut request = post("/v1/auth/accesstokenrequest", &body);
    request.headers_mut().remove("authorization");
    request
}

#[tokio::test(start_paused = true)]
async fn the_call_above_a_rolling_limit_begins_a_lockout() {
    let world = world(rules(
        "limits = [{ count = 3, window = '10s' }]\nlockout = '1h'",
    ));
    let door = door(&world);
    // Three in any ten seconds, whatever they are, are no more than three.
    for _ in 0..5 {
        assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
        assert_eq!(call(&door, revoke([2])).await.status(), 200);
        assert_eq!(call(&door, Call::Items(ids([1]))).await.status(), 200);
        advance(10.0).await;
    }
    assert_eq!(world.truth().busiest(Duration::from_secs(10)), 3);
    for _ in 0..3 {
        assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
    }
    advance(9.999).await;
    let got = call(&door, revoke([1])).await;
    assert_eq!(got, Got::Text(429, String::new()));
    assert_eq!(world.truth().lockouts, 1);
    assert!(!world.truth().revoked.contains_key(&id(1)));
}

#[tokio::test(start_paused = true)]
async fn a_lockout_starts_anew_when_touched() {
    let world = world(rules(
        "limits = [{ count = 1, window = '10s' }]\nlockout = '1h'",
    ));
    let door = door(&world);
    assert_eq!(call(&door, revoke([1])).await.status(), 200);
    assert_eq!(call(&door, revoke([2])).await.status(), 429);
    advance(3599.0).await;
    assert_eq!(call(&door, revoke([2])).await.status(), 429);
    advance(3599.0).await;
    // A wrong request touches it, too.
    assert_eq!(send(&world, get("/v1/nowhere")).await.status(), 429);
    advance(3600.0).await;
    assert_eq!(call(&door, revoke([2])).await.status(), 200);
    let truth = world.truth();
    assert_eq!((truth.lockouts, truth.touched), (1, 2));
    assert_eq!(truth.mistakes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lockout_clears_the_counts() {
    let world = world(rules(
        "limits = [{ count = 2, window = '1h' }]\nlockout = '2s'",
    ));
    let door = door(&world);
    for status in [200, 200, 429] {
        assert_eq!(call(&door, revoke([1])).await.status(), status);
    }
    advance(2.0).await;
    for status in [200, 200, 429] {
        assert_eq!(call(&door, revoke([1])).await.status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_423_every_call_is_answered_so_until_the_hour_is_over() {
    let world = world(Rules {
        retry_after: Duration::from_secs(7),
        ..Rules::default()
    });
    let door = door(&world);
    world.script(Kind::Revoke, [Fault::Status(423)]);
    assert_eq!(call(&door, revoke([1])).await.status(), 423);
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 423);
    advance(3600.0).await;
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_said_where_the_rules_say_so() {
    for (seconds, expected) in [(0, None), (7, Some(Duration::from_secs(7)))] {
        let world = world(Rules {
            retry_after: Duration::from_secs(seconds),
            ..Rules::default()
        });
        for status in [503, 429] {
            world.script(Kind::Revoke, [Fault::Status(status)]);
            match door(&world).call(&revoke([1])).await {
                Answer::Response(response) => assert_eq!(response.retry_after, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}

const PENALTIES: &str = "
    endpoint_limits = [{ endpoint = 'revoke', count = 1, window = '1m' }]
    penalty = '5s'
";

#[tokio::test(start_paused = true)]
async fn the_same_body_with_its_ticket_is_executed_after_the_time() {
    let world = world(rules(PENALTIES));
    let door = door(&world);
    assert!(call(&door, revoke([1])).await.ok());
    let (ticket, seconds) = call(&door, revoke([2, 3])).await.ticket();
    assert_eq!(seconds, 5);
    // Other endpoints are not concerned.
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
    advance(5.001).await;
    assert!(call(&door, with_ticket([2, 3], &ticket)).await.ok());
    let truth = world.truth();
    assert_eq!(truth.revoked.len(), 3);
    assert_eq!((truth.penalties, truth.impatient), (1, 0));
    // A ticket is good for once.
    advance(5.0).await;
    let again = call(&door, with_ticket([2, 3], &ticket)).await;
    assert_eq!(again.ticket().1, 10);
}

#[tokio::test(start_paused = true)]
async fn coming_at_the_very_instant_draws_a_longer_penalty() {
    let world = world(rules(PENALTIES));
    let door = door(&world);
    call(&door, revoke([1])).await;
    let (ticket, _) = call(&door, revoke([2])).await.ticket();
    advance(5.0).await;
    let (newer, seconds) = call(&door, with_ticket([2], &ticket)).await.ticket();
    assert_ne!(newer, ticket);
    assert_eq!(seconds, 10);
    advance(10.001).await;
    // Only the newest ticket counts.
    let (newest, seconds) = call(&door, with_ticket([2], &ticket)).await.ticket();
    assert_eq!(seconds, 20);
    advance(20.001).await;
    assert!(call(&door, with_ticket([2], &newest)).await.ok());
    assert_eq!(world.truth().impatient, 2);
    // Served: the next one is a first one again.
    assert_eq!(call(&door, revoke([3])).await.ticket().1, 5);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_belongs_to_its_body() {
    let world = world(rules(PENALTIES));
    let door = door(&world);
    call(&door, revoke([1])).await;
    let (ticket, _) = call(&door, revoke([2, 3])).await.ticket();
    advance(6.0).await;
    for other in [vec![2], vec![3, 2], vec![2, 3, 4]] {
        let got = call(&door, with_ticket(other, &ticket)).await;
        assert!(got.ticket().1 > 5);
        advance(3600.0).await;
    }
    assert_eq!(world.truth().revoked.len(), 1);
    assert_eq!(world.truth().impatient, 3);
}

#[tokio::test(start_paused = true)]
async fn others_in_flight_draw_a_plain_penalty_and_no_longer_one() {
    let world = world(rules(PENALTIES));
    let door = door(&world);
    call(&door, revoke([1])).await;
    for n in 2..=5 {
        assert_eq!(call(&door, revoke([n])).await.ticket().1, 5);
        advance(0.01).await;
    }
    assert_eq!(world.truth().impatient, 0);
    assert_eq!(call(&door, revoke([2])).await.ticket().1, 10);
}

#[tokio::test(start_paused = true)]
async fn a_read_serves_its_penalty_without_a_ticket() {
    let world = world(rules(
        "endpoint_limits = [{ endpoint = 'items', count = 1, window = '1h' }]",
    ));
    let door = door(&world);
    call(&door, Call::Items(ids([1]))).await;
    let drawn = call(&door, Call::Items(ids([2]))).await;
    assert_eq!(drawn.ticket().1, 5);
    advance(5.0).await;
    let early = call(&door, Call::Items(ids([2]))).await;
    assert_eq!(early.ticket().1, 10);
    advance(11.0).await;
    let got = call(&door, Call::Items(ids([2]))).await;
    assert_eq!(got.shown().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_captcha_is_waited_out_and_not_answered() {
    let world = world(rules(&format!("{PENALTIES}\ncaptcha = true")));
    let door = door(&world);
    call(&door, revoke([1])).await;
    let got = call(&door, revoke([2])).await;
    assert_eq!(got.json()["p-captcha"], true);
    let (ticket, seconds) = got.ticket();
    assert_eq!(seconds, 3600);
    advance(3601.0).await;
    assert!(call(&door, revoke([2])).await.ok());
    let got = call(&door, with_ticket([2], &ticket)).await;
    assert_eq!(got.json()["p-captcha"], true);
}

/// Both kinds of penalty can be drawn in one world.
#[tokio::test(start_paused = true)]
async fn a_captcha_strikes_like_a_fault_and_lasts_like_a_lockout() {
    let world = world(rules("lockout = '1h'"));
    let door = door(&world);
    world.script(Kind::Revoke, [Fault::Captcha, Fault::None, Fault::Penalty]);
    let got = call(&door, revoke([1])).await;
    assert_eq!(got.json()["p-captcha"], true);
    let (ticket, seconds) = got.ticket();
    assert_eq!(seconds, 3600);
    // Neither another body nor the ticket gets past it.
    advance(3599.0).await;
    assert_eq!(call(&door, revoke([2])).await.json()["p-captcha"], true);
    let early = call(&door, with_ticket([1], &ticket)).await;
    assert_eq!(early.json()["p-captcha"], true);
    assert_eq!(world.truth().impatient, 1);
    advance(3601.0).await;
    assert!(call(&door, revoke([1])).await.ok());
    // A plain one after it is a plain one.
    let got = call(&door, revoke([2])).await;
    assert_eq!(got.json().get("p-captcha"), None);
    let (ticket, seconds) = got.ticket();
    advance(f64::from(u32::try_from(seconds).unwrap()) + 1.0).await;
    assert!(call(&door, with_ticket([2], &ticket)).await.ok());
}

#[tokio::test(start_paused = true)]
async fn a_log_in_gives_a_token_that_expires() {
    let world = world(rules("token = ''\ntoken_lifetime = '80m'"));
    assert_eq!(call(&door(&world), Call::Item(id(1))).await.status(), 401);
    let got = send(&world, log_in("sandbox", "")).await;
    let token = got.json()["accessToken"].as_str().unwrap();
    let expires: Timestamp = got.json()["expirationTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = expires.as_millisecond() - i64::try_from(world.now().as_millis()).unwrap();
    assert!((79 * 60_000..=80 * 60_000).contains(&left), "{left}");
    let door = door(&world).with_token(token);
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
    advance(79.0 * 60.0).await;
    let renewed = send(&world, renew(token)).await;
    let renewed = renewed.json()["accessToken"].as_str().unwrap();
    assert_ne!(renewed, token);
    let mistakes = world.truth().mistakes.len();
    advance(60.0).await;
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 401);
    assert_eq!(send(&world, renew(token)).await.status(), 401);
    // An expired token is no mistake in the request.
    assert_eq!(world.truth().mistakes.len(), mistakes);
    let door = door.with_token(renewed);
    assert_eq!(call(&door, Call::Item(id(1))).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_even_a_right_log_in_draws_a_ticket() {
    let world = world(Rules::default());
    for _ in 0..20 {
        let got = send(&world, log_in("sandbox", "")).await;
        assert!(got.json()["accessToken"].is_string());
    }
    for _ in 0..5 {
        let got = send(&world, log_in("wrong", "")).await;
        let text = got.json()["errorText"].as_str().unwrap();
        assert!(text.starts_with("Incorrect username or password"));
    }
    let (ticket, seconds) = send(&world, log_in("sandbox", "")).await.ticket();
    advance(f64::from(u32::try_from(seconds).unwrap()) + 1.0).await;
    let more = format!(r#","p-ticket":"{ticket}","deviceId":"d""#);
    let got = send(&world, log_in("sandbox", &more)).await;
    assert!(got.json()["accessToken"].is_string());
    advance(3600.0).await;
    let got = send(&world, log_in("sandbox", "")).await;
    assert!(got.json()["accessToken"].is_string());
    assert_eq!(world.truth().mistakes, []);
}

#[tokio::test(start_paused = true)]
async fn a_log_in_is_read_strictly() {
    let world = world(Rules::default());
    for more in [r#","secret":"x""#, r#","cid":"1""#] {
        assert_eq!(send(&world, log_in("sandbox", more)).await.status(), 400);
    }
    let body = r#"{"name":"sandbox","password":"sandbox","cid":"1","sec":"sandbox"}"#;
    let got = send(&world, post("/v1/auth/accesstokenrequest", body)).await;
    assert_eq!(got.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_sixteenth_renewal_in_an_hour_draws_a_ticket() {
    let world = world(Rules::default());
    for _ in 0..15 {
        let got = send(&world, renew("sandbox")).await;
        assert!(got.json()["accessToken"].is_string());
        advance(60.0).await;
    }
    let got = send(&world, renew("sandbox")).await;
    assert_eq!(got.ticket().1, 5);
    advance(6.0).await;
    let got = send(&world, renew("sandbox")).await;
    assert!(got.json()["accessToken"].is_string());
}
