//! The life of a token: renewed in time and once, however many want it; got
//! anew after a refusal or a long wait; and given up where that is right.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rescind::{
    api::{Answer, Call, Credentials, Response, Token},
    journal::{Entry, HoldCause, State, TokenOrigin},
    list::PermissionId,
    sandbox::{Fault, Kind, Rules},
    sweep::{Past, Reason, TokenProvider, Verify},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    support::audit::{audit, finished, is_post, ok, status},
    support::in_process::{Ended, OnWire, Stage, Start, plain_ids, quota, rules},
};

const SECOND: Duration = Duration::from_secs(1);
const MIN: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn credentials(password: &str) -> Arc<Credentials> {
    Arc::new(Credentials {
        name: "sandbox".into(),
        password: password.into(),
        app_id: "Clean-up".into(),
        app_version: "1.0".into(),
        cid: "1".into(),
        sec: "sandbox".into(),
        device_id: Some("stage".into()),
    })
}

fn log_in() -> TokenProvider {
    TokenProvider::log_in(credentials("sandbox"), None)
}

fn given() -> TokenProvider {
    TokenProvider::given(Token::new("sandbox", "test").unwrap())
}

/// Batches of one, sent by eight workers, nothing read, so slowly that it
/// takes `calls` / 4 minutes.
fn stage(rules: Rules, calls: usize) -> Stage {
    let mut stage = Stage::new(rules, &plain_ids(calls), 1);
    stage.policy.workers = 8;
    stage.policy.verify = Verify::Off;
    stage.policy.rate = vec![quota(4, 60)];
    stage
}

async fn act(stage: &Stage, custody: TokenProvider) -> Ended {
    let start = Start {
        custody,
        ..Start::default()
    };
    stage.begin(start).await.end().await
}

fn of(stage: &Stage, wanted: fn(&OnWire) -> bool) -> Vec<OnWire> {
    let calls = stage.wire.calls().into_iter();
    calls.filter(wanted).collect()
}

fn renewals(stage: &Stage) -> Vec<OnWire> {
    of(stage, OnWire::is_renewal)
}

fn log_ins(stage: &Stage) -> Vec<OnWire> {
    of(stage, OnWire::is_log_in)
}

fn refused(stage: &Stage) -> usize {
    of(stage, |call| call.status() == Some(401)).len()
}

#[track_caller]
fn unauthorized(ended: &Ended) -> &str {
    match &ended.reason {
        Some(Reason::Unauthorized(words)) => words,
        other => panic!("not unauthorized: {other:?}"),
    }
}

#[track_caller]
fn deferred(ended: &Ended) -> &str {
    match &ended.reason {
        Some(Reason::Deferred(deferral)) => &deferral.why,
        other => panic!("not deferred: {other:?}"),
    }
}

/// The tokens that the journal knows of: where from, and good until when.
fn recorded(stage: &Stage) -> Vec<(String, Option<Timestamp>)> {
    let journal = rusqlite::Connection::open(&stage.journal).unwrap();
    let mut rows = journal
        .prepare("SELECT provenance, expires_at FROM token ORDER BY id")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let expires: Option<i64> = row.get(1)?;
        let expires = expires.map(|ms| Timestamp::from_millisecond(ms).unwrap());
        Ok((row.get(0)?, expires))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn words(recorded: &[(String, Option<Timestamp>)]) -> Vec<&str> {
    recorded.iter().map(|(word, _)| word.as_str()).collect()
}

#[track_caller]
fn assert_near(actual: Duration, wanted: Duration) {
    let tolerance = Duration::from_secs(20);
    assert!(
        actual + tolerance >= wanted && actual <= wanted + tolerance,
        "{actual:?} instead of {wanted:?}"
    );
}

/// An answer that issues a token for so long.
fn issued(token: &str, life: Duration, stage_now: Timestamp) -> Answer {
    let expires = stage_now + SignedDuration::try_from(life).unwrap();
    ok(json!({ "accessToken": token, "expirationTime": expires.to_string() }).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_log_in_comes_first_and_its_token_is_renewed_in_time() {
    // Two and a half hours; tokens live for 80 minutes.
    let stage = stage(rules("latency = '3s..9s'"), 600);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!(stage.world.truth().revoked.len(), 600);
    assert_eq!(refused(&stage), 0);
    let calls = stage.wire.calls();
    assert!(calls[0].is_log_in());
    assert!(calls[1].sent >= calls[0].back.unwrap());
    assert_eq!(log_ins(&stage).len(), 1);
    let renewals = renewals(&stage);
    assert_eq!(renewals.len(), 2);
    assert_near(renewals[0].sent - calls[0].sent, 70 * MIN);
    assert_near(renewals[1].sent - renewals[0].sent, 70 * MIN);
    // One at a time: while it is under way nobody sets out with the old one.
    for renewal in &renewals {
        let back = renewal.back.unwrap();
        let during = calls
            .iter()
            .filter(|c| c.sent > renewal.sent && c.sent < back);
        assert_eq!(during.count(), 0);
    }
    // They are calls like any other.
    let kinds: Vec<_> = stage.calls().iter().map(|call| call.kind.clone()).collect();
    assert_eq!(kinds[0], "login");
    assert_eq!(kinds.iter().filter(|kind| *kind == "renew").count(), 2);
    assert_eq!(stage.archive().calls().unwrap().auth, 3);
    assert!(stage.world.truth().busiest(MIN) <= 4);
    let recorded = recorded(&stage);
    assert_eq!(words(&recorded), ["login", "renewal", "renewal"]);
    let until = recorded[0]
        .1
        .unwrap()
        .duration_since(stage.calls()[0].recorded);
    assert_near(until.try_into().unwrap(), 80 * MIN);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_waits_for_no_pace_that_others_need_not_wait_for() {
    // Everybody wants the token at the same moment, without any pace.
    let mut stage = stage(rules("latency = '20m'"), 64);
    stage.policy.rate = Vec::new();
    stage.policy.timeout = HOUR;
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!(refused(&stage), 0);
    let renewals = renewals(&stage).len();
    let hours = stage.wire.calls().last().unwrap().back.unwrap() - stage.wire.sent()[0];
    // At the earliest 70 minutes after the one before.
    assert!(renewals >= 2 && hours > 70 * MIN * u32::try_from(renewals).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_of_the_host_renews_neither_early_nor_late() {
    for hours in [-30, -2, 2, 30] {
        let stage = stage(Rules::default(), 400);
        let start = Start {
            custody: log_in(),
            wall: Some(stage.now() + SignedDuration::from_hours(hours)),
            ..Start::default()
        };
        let ended = stage.begin(start).await.end().await;
        assert_eq!(ended.reason, None, "{hours}");
        let renewals = renewals(&stage);
        assert_eq!((renewals.len(), refused(&stage)), (1, 0), "{hours}");
        assert_near(renewals[0].sent - stage.wire.sent()[0], 70 * MIN);
        // What is recorded is this host's time.
        let until = recorded(&stage)[0].1.unwrap();
        let until = until.duration_since(stage.calls()[0].recorded);
        assert_near(until.try_into().unwrap(), 80 * MIN);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_not_spent_on_renewals_alone() {
    let mut stage = stage(rules("token_lifetime = '6m'\nendpoint_limits = []"), 120);
    stage.policy.renewal_limit = quota(100, 3_600);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!((log_ins(&stage).len(), refused(&stage)), (1, 0));
    let renewals = renewals(&stage);
    // Every three minutes in half an hour.
    assert!((8..=11).contains(&renewals.len()), "{}", renewals.len());
    assert_near(renewals[1].sent - renewals[0].sent, 3 * MIN);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leads_to_one_renewal_and_all_calls_are_repeated() {
    for kind in [Kind::Revoke, Kind::Items] {
        // Several at once are refused with the same token.
        let mut stage = stage(rules("latency = '3s'"), 64);
        stage.policy.rate = Vec::new();
        stage.policy.verify = Verify::All;
        stage.policy.read_size = 1;
        let first = if kind == Kind::Revoke { 1 } else { 2 };
        let faults = [vec![Fault::None; first], vec![Fault::Status(401); 5]].concat();
        stage.world.script(kind, faults);
        assert_eq!(act(&stage, given()).await.reason, None, "{kind:?}");
        assert_eq!((refused(&stage), renewals(&stage).len()), (5, 1));
        assert!(finished(&stage));
        assert_eq!(stage.world.truth().revoked.len(), 64);
        assert_eq!(stage.world.truth().posted_again().len(), 0);
        assert_eq!(words(&recorded(&stage)), ["given", "renewal"]);
        let once: Vec<_> = stage.wire.calls();
        let first = once.iter().find(|call| call.status() == Some(401)).unwrap();
        let again = once
            .iter()
            .filter(|call| format!("{:?}", call.call) == format!("{:?}", first.call));
        assert_eq!(again.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_older_token_leads_to_nothing() {
    let mut seen = 0;
    for seed in 0..6 {
        // The old token dies with its renewal, and what is under way then is
        // refused. What is sent afterwards takes longer than this.
        let text = format!("seed = {seed}\nlatency = '50s..100s'");
        let mut stage = stage(rules(&text), 280);
        stage.policy.timeout = HOUR;
        let mut renewed: Option<Instant> = None;
        stage.wire.forge(move |call, answer| match call {
            Call::Renew => {
                renewed.get_or_insert_with(Instant::now);
                answer
            }
            Call::Revoke(_) if renewed.is_some_and(|at| at.elapsed() < 50 * SECOND) => status(401),
            _ => answer,
        });
        assert_eq!(act(&stage, log_in()).await.reason, None);
        seen += refused(&stage);
        assert_eq!((renewals(&stage).len(), log_ins(&stage).len()), (1, 1));
        assert_eq!(stage.tally().of(State::Revoked), 280);
    }
    assert!(seen > 0, "nothing was under way");
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_twice_ends_the_run_and_stays_pending() {
    for (custody, kind) in [
        (given(), Kind::Revoke),
        (log_in(), Kind::Revoke),
        (given(), Kind::Items),
        (log_in(), Kind::Items),
    ] {
        let ids = plain_ids(12);
        let mut stage = Stage::new(Rules::default(), &ids, 2);
        stage.policy.workers = 1;
        stage.policy.max_attempts = 1;
        stage.policy.read_size = 2;
        stage.world.script(
            kind,
            [
                Fault::None,
                Fault::None,
                Fault::Status(401),
                Fault::Status(401),
            ],
        );
        let ended = act(&stage, custody).await;
        let words = unauthorized(&ended);
        assert!(words.contains("a second time (401)"), "{words}");
        for cause in [
            "expired",
            "another environment",
            "permission",
            "another log-in",
        ] {
            assert!(words.contains(cause), "{words}");
        }
        assert_eq!((refused(&stage), renewals(&stage).len()), (2, 1));
        if kind == Kind::Revoke {
            // Not an attempt, and known not to be executed.
            let row = &stage.batches()[2];
            assert_eq!((row.batch.state, row.attempts), (State::Pending, 2));
            assert_eq!(row.reason, "http_401");
        }
        audit(&stage, &ids);
        assert_eq!(act(&stage, TokenProvider::default()).await.reason, None);
        assert_eq!(stage.world.truth().revoked.len(), 12);
        assert_eq!(stage.world.truth().posted_again().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn another_answer_in_between_makes_a_refusal_a_first_one_again() {
    let ids = plain_ids(4);
    let mut stage = Stage::new(Rules::default(), &ids, 2);
    stage.policy.workers = 1;
    let faults = [401, 503, 401, 503, 401].map(Fault::Status);
    stage
        .world
        .script(Kind::Revoke, [Fault::None].into_iter().chain(faults));
    assert_eq!(act(&stage, given()).await.reason, None);
    assert_eq!((refused(&stage), renewals(&stage).len()), (3, 3));
    assert!(finished(&stage));
}

#[tokio::test(start_paused = true)]
async fn where_a_renewal_is_refused_there_is_one_log_in() {
    let stage = stage(Rules::default(), 40);
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::Status(401)]);
    stage.world.script(Kind::Renew, [Fault::Status(401)]);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!((log_ins(&stage).len(), renewals(&stage).len()), (2, 1));
    assert_eq!(words(&recorded(&stage)), ["login", "login"]);
    assert_eq!(stage.world.truth().revoked.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn where_a_renewal_of_a_token_handed_in_is_refused_the_run_ends() {
    for refusal in [400, 401, 403, 404] {
        let stage = stage(Rules::default(), 40);
        stage
            .world
            .script(Kind::Revoke, [Fault::None, Fault::Status(401)]);
        stage.world.script(Kind::Renew, [Fault::Status(refusal)]);
        let ended = act(&stage, given()).await;
        let words = unauthorized(&ended);
        assert!(words.contains("expired"), "{words}");
        assert_eq!((log_ins(&stage).len(), renewals(&stage).len()), (0, 1));
        assert_eq!(refused(&stage), 1 + usize::from(refusal == 401));
    }
}

/// The refusal came first; that nothing better could be had does not hide it.
#[tokio::test(start_paused = true)]
async fn an_unanswered_renewal_of_a_refused_token_ends_the_run() {
    let stage = stage(Rules::default(), 40);
    stage
        .world
        .script(Kind::Revoke, [Fault::None, Fault::Status(401)]);
    stage.world.script(Kind::Renew, vec![Fault::Status(502); 9]);
    let ended = act(&stage, given()).await;
    let words = unauthorized(&ended);
    assert!(
        words.contains("(401)") && words.contains("and the renewal failed"),
        "{words}"
    );
    assert_eq!(renewals(&stage).len(), 5);
}

/// It might be the vendor's own services that use it.
#[tokio::test(start_paused = true)]
async fn a_given_token_is_renewed_only_after_a_first_renewal() {
    let untouched = stage(Rules::default(), 1_000);
    assert_eq!(act(&untouched, given()).await.reason, None);
    assert_eq!(renewals(&untouched).len(), 0);

    let refused_once = stage(Rules::default(), 1_000);
    let faults = [Fault::None, Fault::None, Fault::Status(401)];
    refused_once.world.script(Kind::Revoke, faults);
    let ended = act(&refused_once, given()).await;
    assert_eq!(ended.reason, None);
    // Four hours and some: the first was asked for.
    assert_eq!(
        (renewals(&refused_once).len(), refused(&refused_once)),
        (4, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_early_renewal_is_retried_while_the_token_is_good() {
    for (faults, log_ins_made) in [
        // No answer, an error, a penalty; then it works.
        (vec![Fault::Hang, Fault::Status(502), Fault::Penalty], 1),
        // Refused: the token is used as long as it lasts, and then a log-in
        // has to do.
        (vec![Fault::Status(401)], 2),
    ] {
        let stage = stage(Rules::default(), 400);
        let refusals = usize::from(log_ins_made == 2);
        let tried = faults.len();
        stage.world.script(Kind::Renew, faults);
        assert_eq!(act(&stage, log_in()).await.reason, None);
        assert_eq!(refused(&stage), refusals);
        assert_eq!(log_ins(&stage).len(), log_ins_made);
        let renewals = renewals(&stage);
        assert_eq!(renewals.len(), tried + 1 - refusals);
        let began = stage.wire.sent()[0];
        assert!(renewals.last().unwrap().sent - began < 80 * MIN);
        if log_ins_made == 2 {
            assert_near(log_ins(&stage)[1].sent - began, 80 * MIN);
        }
        assert_eq!(stage.world.truth().revoked.len(), 400);
        assert_eq!(stage.world.truth().impatient, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_log_in_is_never_repeated() {
    for wrong in ["wrong", "sandbox", "locked"] {
        let stage = stage(Rules::default(), 40);
        if wrong == "sandbox" {
            // As the conformance page has it.
            stage.world.script(Kind::LogIn, [Fault::Status(401)]);
        }
        if wrong == "locked" {
            // Neither a token nor a complaint.
            let locked = json!({ "userStatus": "Locked", "userId": 1 }).to_string();
            stage.wire.forge(move |_, _| ok(locked.clone()));
        }
        let custody = TokenProvider::log_in(credentials(wrong), None);
        let ended = act(&stage, custody).await;
        let words = unauthorized(&ended);
        assert!(words.starts_with("the log-in was refused"), "{words}");
        assert!(!words.contains("wrong "), "{words}");
        assert_eq!(stage.wire.calls().len(), 1);
        assert_eq!(stage.calls()[0].verdict, "refused");
        assert_eq!(stage.tally().of(State::Pending), 40);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_in_without_connection_or_answer_is_retried_in_bounds() {
    let stage = stage(Rules::default(), 4);
    stage.wire.cut([true, true, true]);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!(log_ins(&stage).len(), 4);

    let stage = self::stage(Rules::default(), 4);
    stage.world.script(Kind::LogIn, vec![Fault::Status(502); 9]);
    let ended = act(&stage, log_in()).await;
    let words = deferred(&ended);
    assert!(words.contains("refused log-ins"), "{words}");
    assert_eq!(log_ins(&stage).len(), 4);

    // Where nothing is ever sent, that is no refusal.
    let stage = self::stage(Rules::default(), 4);
    stage.wire.cut([true; 9]);
    let ended = act(&stage, log_in()).await;
    assert!(
        matches!(&ended.reason, Some(Reason::Guard(words)) if words.contains("the log-in failed")),
        "{ended:?}"
    );
    assert_eq!(log_ins(&stage).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_penalty_on_a_log_in_is_answered_with_body_and_ticket() {
    let mut stage = stage(rules("penalty = '7s'"), 4);
    stage.policy.rate = Vec::new();
    stage
        .world
        .script(Kind::LogIn, [Fault::Penalty, Fault::Penalty]);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    let log_ins = log_ins(&stage);
    assert_eq!(log_ins.len(), 3);
    for pair in log_ins.windows(2) {
        let mut again = pair[1].body();
        let ticket = again.as_object_mut().unwrap().remove("p-ticket");
        assert_eq!(ticket.unwrap(), pair[0].answer()["p-ticket"]);
        let mut plain = pair[0].body();
        plain.as_object_mut().unwrap().remove("p-ticket");
        assert_eq!(again, plain);
        let wait = pair[1].sent - pair[0].back.unwrap();
        let ticket = pair[0].answer()["p-time"].as_u64().unwrap();
        let stated = Duration::from_secs(ticket + 1);
        assert!(
            wait >= stated && wait < stated + Duration::from_secs(1),
            "{wait:?}"
        );
    }
    assert_eq!(stage.world.truth().impatient, 0);
    assert_eq!(stage.world.truth().mistakes, []);
}

#[tokio::test(start_paused = true)]
async fn a_lockout_on_a_renewal_holds_all_calls_until_it_ends() {
    for (fault, captcha) in [(429, false), (423, false), (0, true)] {
        let text = format!("latency = '30s'\ncaptcha = {captcha}");
        let stage = stage(rules(&text), 400);
        let fault = if captcha {
            Fault::Penalty
        } else {
            Fault::Status(fault)
        };
        stage.world.script(Kind::Renew, [fault]);
        assert_eq!(act(&stage, log_in()).await.reason, None);
        let calls = stage.wire.calls();
        let locked = calls.iter().position(OnWire::is_renewal).unwrap();
        let back = calls[locked].back.unwrap();
        let next = calls
            .iter()
            .find(|call| call.sent > calls[locked].sent)
            .unwrap();
        assert!(next.sent - back >= HOUR, "{:?}", next.sent - back);
        // The token had ten minutes left: the lone call is the log-in, and
        // the others follow when it is answered.
        assert!(next.is_log_in(), "{fault:?} {next:?}");
        let first = calls.iter().find(|call| call.sent > next.sent).unwrap();
        assert!(first.sent >= next.back.unwrap());
        assert_eq!((refused(&stage), stage.world.truth().touched), (0, 0));
        assert_eq!(stage.world.truth().revoked.len(), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_in_a_hold_is_got_anew_before_any_call() {
    // The lockout begins half an hour into the life of the token.
    let stage = stage(rules("token_lifetime = '80m'"), 200);
    let faults = [vec![Fault::None; 119], vec![Fault::Status(429)]].concat();
    stage.world.script(Kind::Revoke, faults);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    let calls = stage.wire.calls();
    let locked = calls
        .iter()
        .position(|call| call.status() == Some(429))
        .unwrap();
    let after: Vec<_> = calls[locked + 1..]
        .iter()
        .filter(|c| c.sent > calls[locked].back.unwrap())
        .collect();
    assert!(after[0].is_log_in());
    assert!(after[1].sent >= after[0].back.unwrap());
    assert_eq!(
        (
            log_ins(&stage).len(),
            renewals(&stage).len(),
            refused(&stage)
        ),
        (2, 0, 0)
    );
}

/// Nobody knows when it expires; the log says so when the hold begins.
#[tokio::test(start_paused = true)]
async fn a_given_token_that_dies_in_a_hold_ends_the_run() {
    let mut stage = stage(rules("token = ''\ntoken_lifetime = '80m'"), 200);
    let faults = [vec![Fault::None; 119], vec![Fault::Status(429)]].concat();
    stage.world.script(Kind::Revoke, faults);
    let token = first_token(&stage).await;
    let ended = act(&stage, TokenProvider::given(token)).await;
    unauthorized(&ended);
    // The lone call, and the renewal that was tried.
    assert_eq!((refused(&stage), renewals(&stage).len()), (2, 1));
    assert_eq!(stage.tally().of(State::InFlight), 0);
    stage.policy.rate = Vec::new();
    let token = first_token(&stage).await;
    assert_eq!(act(&stage, TokenProvider::given(token)).await.reason, None);
    assert_eq!(stage.world.truth().revoked.len(), 200);
    assert_eq!(stage.world.truth().posted_again().len(), 0);
}

/// A token that somebody else has logged in for.
async fn first_token(stage: &Stage) -> Token {
    use rescind::api::{Api, LogIn};
    use rescind::sandbox::InProcess;

    let door = InProcess::new(stage.world.clone(), MIN);
    let answer = door
        .call(&Call::LogIn(LogIn::new(&credentials("sandbox"), None)))
        .await;
    let Answer::Response(Response { body, .. }) = answer else {
        panic!("no answer");
    };
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    Token::new(body["accessToken"].as_str().unwrap(), "test").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_kept_token_is_used_and_renewed_near_its_end() {
    for (left, first) in [(75, "revoke"), (5, "renew"), (0, "login"), (-10, "login")] {
        let stage = stage(rules("token = ''"), 40);
        let token = first_token(&stage).await;
        let expires = stage.now() + SignedDuration::from_mins(left);
        let custody = TokenProvider::log_in(credentials("sandbox"), Some((token, expires)));
        assert_eq!(act(&stage, custody).await.reason, None, "{left}");
        assert_eq!(stage.calls()[0].kind, first, "{left}");
        assert_eq!(refused(&stage), 0);
        assert_eq!(words(&recorded(&stage))[0], "kept");
    }
    // One that is dead all the same, as after a third log-in.
    let stage = stage(rules("token = ''"), 40);
    let token = Token::new("evicted", "test").unwrap();
    let expires = stage.now() + SignedDuration::from_mins(75);
    let custody = TokenProvider::log_in(credentials("sandbox"), Some((token, expires)));
    assert_eq!(act(&stage, custody).await.reason, None);
    assert_eq!((refused(&stage), log_ins(&stage).len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_token_is_handed_on_with_its_expiry() {
    let stage = stage(Rules::default(), 400);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let custody = log_in().kept_by(move |token, expires| {
        keep.lock().unwrap().push((token.clone(), expires.unwrap()));
    });
    let began = stage.now();
    assert_eq!(act(&stage, custody).await.reason, None);
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), 2);
    assert_ne!(kept[0].0, kept[1].0);
    for ((_, expires), minutes) in kept.iter().zip([80, 150]) {
        let life = expires.duration_since(began).try_into().unwrap();
        assert_near(life, minutes * MIN);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_somebody_else_ended_is_begun_anew() {
    let text = "token = ''\nsessions = 1\nothers_log_in = ['10m']";
    let stage = stage(rules(text), 120);
    assert_eq!(act(&stage, log_in()).await.reason, None);
    // The call, and the renewal that came too late.
    assert_eq!((refused(&stage), renewals(&stage).len()), (2, 1));
    let log_ins = log_ins(&stage);
    assert_eq!(log_ins.len(), 2);
    let anew = log_ins[1].sent - log_ins[0].sent;
    assert!(anew > 10 * MIN && anew < 11 * MIN, "{anew:?}");
    assert_eq!(stage.world.truth().revoked.len(), 120);
}

/// Two who throw each other out help nobody.
#[tokio::test(start_paused = true)]
async fn a_session_conflict_that_repeats_is_given_way_to() {
    let text = "token = ''\nsessions = 1\n\
                others_log_in = ['5m', '10m', '15m', '20m', '25m']";
    let stage = stage(rules(text), 120);
    let ended = act(&stage, log_in()).await;
    let words = unauthorized(&ended);
    assert!(words.contains("somebody else logs in"), "{words}");
    assert_eq!(log_ins(&stage).len(), 3);
    assert!(ended.took > 15 * MIN && ended.took < 16 * MIN);
    assert_eq!(stage.tally().of(State::InFlight), 0);
}

/// Nor does it help where the API does not tell when a token is to end.
#[tokio::test(start_paused = true)]
async fn a_session_without_expiry_ended_repeatedly_is_given_up() {
    let text = "token = ''\nsessions = 1\n\
                others_log_in = ['5m', '10m', '15m', '20m', '25m']";
    let stage = stage(rules(text), 120);
    stage.wire.forge(|call, answer| match (call, answer) {
        (Call::LogIn(_), Answer::Response(mut response)) => {
            let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            body.as_object_mut().unwrap().remove("expirationTime");
            response.body = body.to_string().into_bytes().into();
            Answer::Response(response)
        }
        (_, answer) => answer,
    });
    let ended = act(&stage, log_in()).await;
    let words = unauthorized(&ended);
    assert!(words.contains("was not told: probably somebody"), "{words}");
    assert_eq!(log_ins(&stage).len(), 3);
    assert!(ended.took > 15 * MIN && ended.took < 16 * MIN);
    assert_eq!(stage.tally().of(State::InFlight), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_without_the_permission_ends_the_run_after_one_renewal() {
    for custody in [given(), log_in()] {
        let stage = stage(rules("denied = ['revoke']"), 40);
        let ended = act(&stage, custody).await;
        let words = unauthorized(&ended);
        assert!(words.contains("without the permission"), "{words}");
        assert_eq!((refused(&stage), renewals(&stage).len()), (2, 1));
        assert_eq!(stage.tally().of(State::Pending), 40);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_log_ins_of_earlier_processes_count() {
    let ages = [50, 40, 30, 20].map(|minutes| minutes * MIN);
    for (refused_log_ins, allowed) in [(ages.to_vec(), false), (ages[1..].to_vec(), true)] {
        let stage = stage(Rules::default(), 4);
        let start = Start {
            custody: log_in(),
            past: Past {
                refused_log_ins,
                ..Past::default()
            },
            ..Start::default()
        };
        let ended = stage.begin(start).await.end().await;
        assert_eq!(log_ins(&stage).len(), usize::from(allowed));
        if allowed {
            assert_eq!(ended.reason, None);
        } else {
            let when = stage.now() + SignedDuration::from_mins(10);
            let words = deferred(&ended);
            let when = when.strftime("%Y-%m-%d %H:%M:%S UTC");
            assert!(
                words.contains(&format!("not before {when}")),
                "{words} {when}"
            );
            assert_eq!(stage.wire.calls().len(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn renewals_stay_inside_their_limit_over_processes() {
    // An early one is put off until there is room, and the token lasts so
    // long; a needed one defers the run.
    let past = || Past {
        renewals: vec![5 * MIN; 12],
        ..Past::default()
    };
    let early = stage(rules("token_lifetime = '60m'"), 400);
    let start = Start {
        custody: log_in(),
        past: past(),
        ..Start::default()
    };
    assert_eq!(early.begin(start).await.end().await.reason, None);
    assert_near(renewals(&early)[0].sent - early.wire.sent()[0], 55 * MIN);
    assert_eq!((log_ins(&early).len(), refused(&early)), (1, 0));

    let needed = stage(Rules::default(), 40);
    needed
        .world
        .script(Kind::Revoke, [Fault::None, Fault::Status(401)]);
    let start = Start {
        custody: given(),
        past: past(),
        ..Start::default()
    };
    let ended = needed.begin(start).await.end().await;
    let words = deferred(&ended);
    assert!(
        words.contains("renewals") && words.contains("not before"),
        "{words}"
    );
    assert_eq!(renewals(&needed).len(), 0);
    assert_eq!(needed.tally().of(State::Pending), 39);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_end_is_not_told_is_used_until_it_is_refused() {
    for end in [json!(null), json!("soon"), json!("2001-01-01T00:00:00Z")] {
        let stage = stage(Rules::default(), 600);
        let ends = end.clone();
        stage.wire.forge(move |call, answer| match call {
            Call::LogIn(_) => {
                ok(json!({ "accessToken": "sandbox", "expirationTime": ends }).to_string())
            }
            _ => answer,
        });
        assert_eq!(act(&stage, log_in()).await.reason, None, "{end}");
        assert_eq!((log_ins(&stage).len(), renewals(&stage).len()), (1, 0));
        assert_eq!(recorded(&stage)[0].1, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_may_prolong_the_very_same_token() {
    let stage = stage(Rules::default(), 600);
    let (world, began) = (stage.world.clone(), stage.now());
    let start = world.now();
    stage.wire.forge(move |call, answer| match call {
        Call::LogIn(_) | Call::Renew => {
            let since = world.now().checked_sub(start).unwrap();
            issued("sandbox", 80 * MIN + since, began)
        }
        _ => answer,
    });
    assert_eq!(act(&stage, log_in()).await.reason, None);
    assert_eq!((log_ins(&stage).len(), renewals(&stage).len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_wait_for_a_token() {
    let stage = stage(rules("latency = '20s'"), 100);
    stage.world.script(Kind::LogIn, [Fault::Status(429)]);
    let start = Start {
        custody: log_in(),
        ..Start::default()
    };
    let acting = stage.begin(start).await;
    tokio::time::sleep(10 * MIN).await;
    acting.stop.raise(Reason::Signal(15));
    let ended = acting.end().await;
    assert_eq!(ended.reason, Some(Reason::Signal(15)));
    assert_eq!(ended.took, 10 * MIN);
    assert_eq!(stage.wire.calls().len(), 1);
    let holds = stage.archive().holds().unwrap();
    assert_eq!(holds[0].cause, HoldCause::Lockout.word());
}

#[tokio::test(start_paused = true)]
async fn what_is_got_is_recorded_before_a_call_bears_it() {
    let stage = stage(Rules::default(), 4);
    let start = Start {
        custody: log_in(),
        ..Start::default()
    };
    let acting = stage.begin(start).await;
    let written = acting.written.clone();
    acting.end().await;
    let entries = written.entries();
    let at = |wanted: fn(&Entry) -> bool| entries.iter().position(|(_, e)| wanted(e)).unwrap();
    let begun = at(|e| matches!(e, Entry::Begun { .. }));
    let answered = at(|e| {
        matches!(
            e,
            Entry::Answered {
                verdict: "granted",
                ..
            }
        )
    });
    let bearing = at(|e| {
        matches!(
            e,
            Entry::Bearing {
                provenance: TokenOrigin::LogIn,
                ..
            }
        )
    });
    let sending = at(|e| matches!(e, Entry::Sending { .. }));
    assert!(begun < answered && answered < bearing && bearing < sending);
    assert!(is_post(&stage.wire.calls()[1]));
}

/// Where a token lives shorter than the pace between two calls, nothing but
/// log-ins would go, for ever.
#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_last_until_the_next_call_ends_the_run() {
    let ids: Vec<PermissionId> = plain_ids(8);
    let mut stage = Stage::new(rules("token_lifetime = '2m'"), &ids, 2);
    stage.policy.rate = vec![quota(1, 180)];
    let ended = tokio::time::timeout(24 * HOUR, act(&stage, log_in())).await;
    let ended = ended.expect("it goes on for ever");
    unauthorized(&ended);
    assert_eq!((log_ins(&stage).len(), refused(&stage)), (2, 2));
    assert_eq!(stage.world.truth().revoked.len(), 0);
}
