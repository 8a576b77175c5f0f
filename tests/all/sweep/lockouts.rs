//! Holds: after an answer that announces a penalty or a lockout no call starts
//! until the wait is over; then one goes alone, and the others follow when it
//! is answered cleanly.

use std::time::Duration;

use rescind::{
    journal::{Entry, HoldCause, Remaining, State},
    sandbox::Rules,
    sweep::{Past, Reason, Verify},
};
use tokio::time::{Instant, sleep};

use crate::support::in_process::{OnWire, Stage, Start, plain_ids, quota, rules};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);

/// Forty batches, sent by eight workers, nothing read.
fn stage(rules: Rules) -> Stage {
    let mut stage = Stage::new(rules, &plain_ids(80), 2);
    stage.policy.workers = 8;
    stage.policy.verify = Verify::Off;
    stage
}

/// A wait that held everybody, as seen on the wire.
#[derive(Debug)]
struct Hold {
    /// When the answer that announced it was there.
    began: Instant,
    /// When the last call then under way had ended.
    last: Instant,
    /// When the next call was sent.
    over: Instant,
    /// Where that one stands among the calls.
    next: usize,
}

/// The hold that begins with the answer to the call at `index`. Not one call
/// started in it, and the calls after it go one by one until one is `clean`.
fn hold(calls: &[OnWire], index: usize, clean: impl Fn(&OnWire) -> bool) -> Hold {
    let began = calls[index].back.unwrap();
    let before = calls.iter().take_while(|call| call.sent <= began);
    let next = before.clone().count();
    let last = before.filter_map(|call| call.back).max().unwrap();
    assert!(
        calls[next].sent >= last,
        "a call was sent while others were under way"
    );
    let mut lone = next;
    while lone + 1 < calls.len() {
        let back = calls[lone].back.unwrap();
        assert!(
            calls[lone + 1].sent >= back,
            "two went where one was to go first"
        );
        if clean(&calls[lone]) {
            break;
        }
        lone += 1;
    }
    Hold {
        began,
        last,
        over: calls[next].sent,
        next,
    }
}

fn accepted(call: &OnWire) -> bool {
    call.status() == Some(200) && call.answer()["ok"] == true
}

/// Checks that a wait has its length, but for the fineness of timers.
fn assert_length(wait: Duration, length: Duration) {
    assert!(
        wait >= length && wait <= length + 3 * MS,
        "{wait:?} instead of {length:?}"
    );
}

fn assert_near(seconds: f64, wait: Duration) {
    let wait = wait.as_secs_f64();
    assert!(
        (seconds - wait).abs() < 0.1,
        "{seconds} s instead of {wait} s"
    );
}

/// How many calls were under way at once at the most.
fn at_once(calls: &[OnWire]) -> usize {
    let under_way = |at| {
        calls
            .iter()
            .filter(|call| call.sent <= at && call.back > Some(at))
            .count()
    };
    calls
        .iter()
        .map(|call| under_way(call.sent))
        .max()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn not_one_call_starts_in_the_hour_after_a_lockout() {
    for announced in ["429", "423", "penalty"] {
        // `penalty` with a captcha, which no program can answer.
        let text = format!(
            "latency = '200ms..3s'
             captcha = true
             faults.script = {{ revoke = ['none', 'none', 'none', 'none', 'none', '{announced}'] }}"
        );
        let stage = stage(rules(&text));
        let ended = stage.run().await;
        assert_eq!(ended.reason, None, "{announced}");
        assert_eq!(stage.world.truth().revoked.len(), 80);
        assert_eq!(stage.world.truth().posted_again().len(), 0);

        let calls = stage.wire.calls();
        let announcement = calls.iter().position(|call| !accepted(call)).unwrap();
        let hold = hold(&calls, announcement, accepted);
        assert!(hold.last > hold.began, "no call was under way any more");
        // With the captcha the API names the hour itself; to such a time the
        // margin is added.
        let margin = if announced == "penalty" {
            stage.policy.penalty_margin
        } else {
            Duration::ZERO
        };
        assert_length(hold.over - hold.last, HOUR + margin);
        // All of the pool follows.
        assert_eq!(at_once(&calls[hold.next + 1..]), 8);

        let lasted = hold.over - hold.began;
        let waited = stage.last_process().waited;
        assert_near(waited.lockout, lasted);
        assert!(
            waited.rate + waited.retry + waited.penalty < 0.001,
            "{waited:?}"
        );
        let holds = stage.archive().holds().unwrap();
        assert_eq!(holds.len(), 1);
        assert_eq!(holds[0].cause, "lockout");
        let recorded = Duration::try_from(holds[0].until.duration_since(holds[0].began)).unwrap();
        assert!(recorded <= lasted + MS && recorded + 4 * MS >= lasted);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unclear_answer_lets_another_one_go_alone() {
    let text = "latency = '300ms'
        faults.script = { revoke = ['none', '429', '503', 'reset_before', 'none'] }";
    let stage = stage(rules(text));
    assert_eq!(stage.run().await.reason, None);
    let calls = stage.wire.calls();
    let locked = calls
        .iter()
        .position(|call| call.status() == Some(429))
        .unwrap();
    let hold = hold(&calls, locked, accepted);
    let alone: Vec<_> = calls[hold.next..hold.next + 3]
        .iter()
        .map(OnWire::status)
        .collect();
    assert_eq!(alone, [Some(503), None, Some(200)]);
    assert!(at_once(&calls[hold.next + 3..]) > 1);
    assert_eq!(stage.world.truth().revoked.len(), 80);
}

#[tokio::test(start_paused = true)]
async fn three_lockouts_without_a_clean_answer_defer_the_run() {
    let text = "latency = '300ms'
        faults.script = { revoke = ['none', '429', '429', '429'] }";
    let stage = stage(rules(text));
    let ended = stage.run().await;
    let Some(Reason::Deferred(deferral)) = &ended.reason else {
        panic!("{:?}", ended.reason);
    };
    assert!(deferral.why.contains("3 lockouts"), "{deferral:?}");
    // It does not wait for a third hour, and sends nothing more.
    assert!(ended.took > 2 * HOUR && ended.took < 2 * HOUR + Duration::from_secs(3));
    let calls = stage.wire.calls();
    let last = calls.len() - 1;
    assert_eq!(calls[last].status(), Some(429));
    assert_eq!(calls[last - 1].status(), Some(429));
    let tally = stage.tally();
    assert_eq!(
        (tally.of(State::Revoked), tally.of(State::Pending)),
        (2, 78)
    );
    assert_eq!(stage.world.truth().revoked.len(), 2);
    // What is left of the third hour is known to whoever comes next.
    let until = stage.archive().holds().unwrap().last().unwrap().until;
    let said = deferral.resume_at.unwrap().as_millisecond();
    assert_eq!(said, until.as_millisecond());
    let left = Duration::try_from(until.duration_since(stage.now())).unwrap();
    assert!(left > Duration::from_mins(59) && left <= HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_clean_answer_between_lockouts_starts_the_count_anew() {
    let script = [
        "none", "429", "none", "429", "none", "429", "none", "429", "none",
    ];
    let text = format!("faults.script = {{ revoke = {script:?} }}");
    let mut stage = stage(rules(&text));
    stage.policy.workers = 1;
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    assert_length(ended.took, 4 * HOUR);
    assert_near(stage.last_process().waited.lockout, 4 * HOUR);
    assert_eq!(stage.world.truth().revoked.len(), 80);
}

#[tokio::test(start_paused = true)]
async fn retry_after_prolongs_a_lockout_and_never_shortens_it() {
    for (asked, length) in [("10m", HOUR), ("2h 5s", 2 * HOUR + Duration::from_secs(5))] {
        for kind in ["revoke", "items"] {
            let text = format!(
                "retry_after = '{asked}'
                 faults.script = {{ {kind} = ['none', '429'] }}"
            );
            let mut stage = stage(rules(&text));
            stage.policy.verify = Verify::All;
            assert_eq!(stage.run().await.reason, None);
            let calls = stage.wire.calls();
            let locked = calls
                .iter()
                .position(|call| call.status() == Some(429))
                .unwrap();
            assert_eq!(calls[locked].is_revoke(), kind == "revoke");
            let hold = hold(&calls, locked, |call| call.status() == Some(200));
            assert_length(hold.over - hold.last, length);
            assert_eq!(stage.world.truth().revoked.len(), 80);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_penalty_is_answered_with_the_body_and_newest_ticket() {
    let text = "latency = '300ms'
        penalty = '7s'
        faults.script = { revoke = ['none', 'none', 'none', 'penalty', 'penalty'] }";
    let stage = stage(rules(text));
    assert_eq!(stage.run().await.reason, None);
    let truth = stage.world.truth();
    assert_eq!((truth.revoked.len(), truth.penalties >= 2), (80, true));
    assert_eq!(truth.mistakes, []);
    assert_eq!(truth.impatient, 0);

    let calls = stage.wire.calls();
    let first = calls.iter().position(|call| !accepted(call)).unwrap();
    let hold = hold(&calls, first, accepted);
    assert_length(hold.over - hold.last, Duration::from_secs(8));
    // Whoever drew a ticket hands it back, with the body as it was.
    let mut served = 0;
    for (index, call) in calls.iter().enumerate() {
        let Some(ticket) = call.answer().get("p-ticket").cloned() else {
            continue;
        };
        let ids = &call.body()["tradingPermissionIds"];
        let again = calls[index + 1..]
            .iter()
            .find(|later| later.body()["tradingPermissionIds"] == *ids);
        let again = again.unwrap();
        let mut wanted = call.body();
        wanted["p-ticket"] = ticket;
        assert_eq!(again.body(), wanted);
        assert!(again.sent - call.back.unwrap() >= Duration::from_secs(8));
        served += 1;
    }
    assert_eq!(served, truth.penalties);
    let waited = stage.last_process().waited;
    assert!(waited.penalty >= 8.0, "{waited:?}");
    assert!(
        waited.lockout + waited.rate + waited.retry < 0.001,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn rounds_of_penalties_are_bounded() {
    let script = ["none"]
        .into_iter()
        .chain(["penalty"; 20])
        .collect::<Vec<_>>();
    let text = format!("faults.script = {{ revoke = {script:?} }}");
    let mut stage = stage(rules(&text));
    stage.policy.workers = 1;
    let ended = stage.run().await;
    assert!(
        matches!(ended.reason, Some(Reason::Deferred(_))),
        "{:?}",
        ended.reason
    );
    assert_eq!(stage.world.truth().penalties, 5);
    assert_eq!(stage.tally().of(State::InFlight), 0);
}

#[tokio::test(start_paused = true)]
async fn a_penalty_on_a_read_is_waited_out_and_read_plainly() {
    let text = "penalty = '7s'
        faults.script = { items = ['penalty', 'none', 'penalty'] }";
    let mut stage = stage(rules(text));
    stage.policy.verify = Verify::All;
    assert_eq!(stage.run().await.reason, None);
    let truth = stage.world.truth();
    assert_eq!((truth.revoked.len(), truth.penalties), (80, 2));
    assert_eq!((truth.impatient, truth.mistakes.len()), (0, 0));
    let calls = stage.wire.calls();
    // The read before the first batch is the first call of all.
    assert_length(
        calls[1].sent - calls[0].back.unwrap(),
        Duration::from_secs(8),
    );
    assert!(!calls[1].is_revoke());
    assert_near(stage.last_process().waited.penalty, Duration::from_secs(16));
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_a_hold_begins_goes_back_to_pending() {
    let text = "latency = '700ms'
        faults.script = { revoke = ['none', 'none', '429'] }";
    let mut stage = stage(rules(text));
    stage.policy.rate = vec![quota(4, 1)];
    let acting = stage.begin(Start::default()).await;
    // Well into the hold: all answers are there.
    sleep(Duration::from_mins(30)).await;
    assert!(!acting.is_over());
    assert_eq!(stage.wire.under_way(), 0);
    let calls = stage.wire.calls();
    let locked = calls.iter().find(|call| call.status() == Some(429));
    let began = locked.unwrap().back.unwrap();
    let entries = acting.written.entries();
    let withdrawn = entries
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::Withdrawn { .. }));
    let withdrawn: Vec<_> = withdrawn.map(|(at, _)| *at).collect();
    assert!(!withdrawn.is_empty(), "nothing was recorded and waiting");
    assert!(withdrawn.iter().all(|at| *at == began), "not at once");

    let answered = calls.iter().filter(|call| accepted(call)).count();
    let tally = stage.tally();
    assert_eq!(tally.of(State::InFlight), 0);
    assert_eq!(tally.of(State::Revoked), 2 * answered as u64);
    assert_eq!(tally.of(State::Pending), 80 - 2 * answered as u64);
    // Attempts and calls are those that went over the wire, and no others.
    assert_eq!(stage.calls().len(), calls.len());
    for row in stage.batches() {
        let ids = serde_json::json!(row.batch.ids);
        let sent = calls
            .iter()
            .filter(|call| call.body()["tradingPermissionIds"] == ids)
            .count();
        assert_eq!(row.attempts as usize, sent);
        assert_eq!(row.first_sent.is_some(), sent > 0);
    }
    assert_eq!(acting.end().await.reason, None);
    assert_eq!(stage.world.truth().revoked.len(), 80);
    assert_eq!(stage.world.truth().posted_again().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_hold_at_once() {
    for script in [
        "revoke = ['none', '429']",
        "items = ['none', 'none', '429']",
    ] {
        let mut stage = stage(rules(&format!("faults.script = {{ {script} }}")));
        stage.policy.verify = Verify::All;
        stage.policy.read_size = 10;
        let acting = stage.begin(Start::default()).await;
        sleep(Duration::from_mins(20)).await;
        assert!(!acting.is_over());
        let sent = stage.wire.calls().len();
        let raised = Instant::now();
        acting.stop.raise(Reason::Signal(1));
        let ended = acting.end().await;
        assert_eq!(raised.elapsed(), Duration::ZERO);
        assert_eq!(ended.reason, Some(Reason::Signal(1)));
        assert_eq!(stage.wire.calls().len(), sent);
        assert_eq!(stage.tally().of(State::InFlight), 0);
        assert_near(stage.last_process().waited.lockout, Duration::from_mins(20));

        // Whoever carries on waits for the rest of it.
        let past = Past {
            hold: Some(remaining(HoldCause::Lockout, Duration::from_mins(40))),
            ..Past::default()
        };
        let acting = stage
            .begin(Start {
                past,
                ..Start::default()
            })
            .await;
        assert_eq!(acting.end().await.reason, None);
        let truth = stage.world.truth();
        assert_eq!((truth.revoked.len(), truth.touched), (80, 0));
    }
}

/// What is left of a hold.
fn remaining(cause: HoldCause, left: Duration) -> Remaining {
    Remaining {
        cause,
        detail: String::new(),
        left,
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_the_past_is_kept() {
    for (cause, left) in [(HoldCause::Lockout, 2_400), (HoldCause::Penalty, 9)] {
        let left = Duration::from_secs(left);
        let stage = stage(rules("latency = '100ms'"));
        let past = Past {
            hold: Some(remaining(cause, left)),
            ..Past::default()
        };
        let began = Instant::now();
        let acting = stage
            .begin(Start {
                past,
                ..Start::default()
            })
            .await;
        assert_eq!(acting.end().await.reason, None);
        assert_length(stage.wire.sent()[0] - began, left);
        let waited = stage.last_process().waited;
        let (of_it, other) = match cause {
            HoldCause::Lockout => (waited.lockout, waited.penalty),
            _ => (waited.penalty, waited.lockout),
        };
        assert_near(of_it, left);
        assert!(other < 0.001, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lockout_outweighs_the_penalty_before_it() {
    // A read draws the penalty, and while its answer is on the way a
    // revocation draws the lockout.
    let revoke = [["none"; 11].as_slice(), &["429"]].concat();
    let text = format!(
        "latency = '100ms..2s'
         faults.script = {{ revoke = {revoke:?}, items = ['none', 'none', 'penalty'] }}"
    );
    let mut outweighed = 0;
    for seed in 1..=8 {
        let mut rules = rules(&text);
        rules.seed = seed;
        let mut stage = stage(rules);
        stage.policy.verify = Verify::All;
        stage.policy.read_size = 6;
        assert_eq!(stage.run().await.reason, None);
        let calls = stage.wire.calls();
        let back = |found: &dyn Fn(&&OnWire) -> bool| {
            let found = calls.iter().filter(found);
            found.filter_map(|call| call.back).min().unwrap()
        };
        let penalised =
            back(&|call| call.status() == Some(200) && call.answer().get("p-ticket").is_some());
        let locked = back(&|call| call.status() == Some(429));
        if penalised >= locked || locked - penalised > Duration::from_secs(3) {
            continue;
        }
        outweighed += 1;
        let first = calls
            .iter()
            .position(|call| call.back == Some(penalised))
            .unwrap();
        let hold = hold(&calls, first, |call| call.status() == Some(200));
        assert_length(hold.over - hold.last, HOUR);
        let waited = stage.last_process().waited;
        assert_near(waited.lockout, hold.over - hold.began);
        assert!(waited.penalty < 0.001, "{waited:?}");
        let holds = stage.archive().holds().unwrap();
        assert_eq!((holds.len(), holds[0].cause.as_str()), (1, "lockout"));
    }
    assert!(outweighed >= 2, "only {outweighed} cases");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_counted_until_its_end_and_no_longer() {
    // When the penalty is over everybody waits for the pace, and nobody
    // notices at once.
    let text = "penalty = '5s'
        latency = '100ms'
        faults.script = { revoke = ['none', 'penalty'] }";
    let mut stage = Stage::new(rules(text), &plain_ids(8), 2);
    stage.policy.rate = vec![quota(2, 60)];
    stage.policy.workers = 3;
    stage.policy.verify = Verify::Off;
    assert_eq!(stage.run().await.reason, None);
    let waited = stage.last_process().waited;
    assert_near(waited.penalty, Duration::from_secs(6));
    assert!(waited.rate > 115.0, "{waited:?}");
}
