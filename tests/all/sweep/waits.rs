//! Waits that hold every call, whatever it is; that are kept by whoever comes
//! in the middle of one; and that are not begun where they do not fit.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rescind::{
    api::{Call, Credentials},
    journal::{HoldCause, Remaining, State},
    sweep::{Deadline, Deferral, Past, Reason, TokenProvider, Verify},
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::in_process::{Ended, OnWire, Stage, Start, plain_ids, quota, rules};

const SECOND: Duration = Duration::from_secs(1);
const MIN: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

#[track_caller]
fn deferral(ended: &Ended) -> &Deferral {
    match &ended.reason {
        Some(Reason::Deferred(deferral)) => deferral,
        other => panic!("not deferred: {other:?}"),
    }
}

/// The moment that the world's clock shows at `instant`.
fn shown(stage: &Stage, instant: Instant) -> Timestamp {
    let now = Instant::now();
    stage.now() - SignedDuration::try_from(now - instant).unwrap()
}

#[track_caller]
fn assert_near(actual: Timestamp, wanted: Timestamp) {
    let apart = actual.duration_since(wanted).abs();
    assert!(
        apart <= SignedDuration::from_millis(5),
        "{actual} instead of {wanted}"
    );
}

/// What kinds of calls these are.
fn kinds(calls: &[OnWire]) -> [bool; 3] {
    let any = |of: fn(&OnWire) -> bool| calls.iter().any(of);
    [
        any(OnWire::is_revoke),
        any(|call| matches!(call.call, Call::Items(_))),
        any(OnWire::is_renewal),
    ]
}

/// Everybody logs in, renews every ten minutes, revokes and reads. Then a
/// call of each kind draws each kind of wait.
#[tokio::test(start_paused = true)]
async fn a_wait_stops_revocations_reads_and_renewals_alike() {
    for (announced, captcha, length) in [
        ("429", false, HOUR),
        ("423", false, HOUR),
        ("penalty", true, HOUR + SECOND),
        ("penalty", false, 45 * MIN + SECOND),
    ] {
        for (kind, calls_before) in [("revoke", 60), ("items", 30), ("renew", 2)] {
            let script = [vec!["none"; calls_before], vec![announced]].concat();
            let text = format!(
                "latency = '2s..20s'
                 token_lifetime = '20m'
                 penalty = '45m'
                 captcha = {captcha}
                 faults.script = {{ {kind} = {script:?} }}"
            );
            let mut stage = Stage::new(rules(&text), &plain_ids(200), 2);
            stage.policy.workers = 8;
            stage.policy.read_size = 2;
            stage.policy.rate = vec![quota(4, 60)];
            let credentials = Credentials {
                name: "sandbox".into(),
                password: "sandbox".into(),
                app_id: "Clean-up".into(),
                app_version: "1.0".into(),
                cid: "1".into(),
                sec: "sandbox".into(),
                device_id: None,
            };
            let start = Start {
                custody: TokenProvider::log_in(Arc::new(credentials), None),
                ..Start::default()
            };
            let ended = stage.begin(start).await.end().await;
            let case = format!("{announced} on {kind}");
            assert_eq!(ended.reason, None, "{case}");
            let truth = stage.world.truth();
            assert_eq!((truth.revoked.len(), truth.posted_again().len()), (200, 0));

            let calls = stage.wire.calls();
            let locked = calls.iter().position(|call| {
                call.status() != Some(200) || call.answer().get("p-ticket").is_some()
            });
            let began = calls[locked.unwrap()].back.unwrap();
            let next = calls.iter().take_while(|call| call.sent <= began).count();
            let last = calls[..next].iter().filter_map(|call| call.back).max();
            let wait = calls[next].sent - last.unwrap();
            assert!(
                wait >= length && wait <= length + SECOND,
                "{wait:?}: {case}"
            );
            assert_eq!(kinds(&calls[..next]), [true; 3], "{case}");
            let [revokes, reads, _] = kinds(&calls[next..]);
            assert!(revokes && reads, "{case}");
        }
    }
}

/// What does not fit: the setting, and the limit that it sets.
fn limits(stage: &Stage) -> [(&'static str, Stage); 2] {
    let mut by = stage.another(&plain_ids(20), 2);
    by.policy.timetable.deadline = Some(Deadline {
        at: by.now() + 30 * MIN,
        setting: "--finish-by 06:00".to_owned(),
    });
    by.policy.max_wait = 100 * HOUR;
    let mut most = stage.another(&plain_ids(20), 2);
    most.policy.max_wait = 30 * MIN;
    [("--finish-by 06:00", by), ("--max-wait", most)]
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_the_server_that_does_not_fit_ends_the_run_at_once() {
    for (announced, more, wait) in [
        ("429", "", HOUR),
        ("423", "", HOUR),
        ("penalty", "captcha = true", HOUR + SECOND),
        ("penalty", "penalty = '2h'", 2 * HOUR + SECOND),
        ("429", "retry_after = '72h'", 72 * HOUR),
        ("503", "retry_after = '72h'", 72 * HOUR),
        ("503", "retry_after = '40m'", 40 * MIN),
    ] {
        for kind in ["revoke", "items"] {
            let text = format!(
                "latency = '1s'
                 {more}
                 faults.script = {{ {kind} = ['none', 'none', '{announced}', 'none', 'none', '{announced}'] }}"
            );
            let mut stage = Stage::new(rules(&text), &[], 2);
            stage.policy.workers = 1;
            stage.policy.read_size = 2;
            for (setting, stage) in limits(&stage) {
                let before = stage.wire.calls().len();
                let ended = stage.run().await;
                let case = format!("{announced} {more} on {kind}, {setting}");
                let calls = &stage.wire.calls()[before..];
                let last = calls.last().unwrap();
                assert!(
                    last.status() == Some(announced.parse().unwrap_or(200)),
                    "{case}"
                );
                assert_eq!(last.is_revoke(), kind == "revoke", "{case}");
                // Not a moment after the answer.
                let back = last.back.unwrap();
                assert_eq!(Instant::now(), back, "{case}");
                let deferral = deferral(&ended);
                assert_near(deferral.resume_at.unwrap(), shown(&stage, back) + wait);
                assert!(deferral.why.contains(setting), "{case}: {deferral:?}");
                assert_eq!(stage.tally().of(State::InFlight), 0, "{case}");
                assert_eq!(stage.tally().total(), 20);
                // The world is left alone until whoever comes next may call.
                sleep(wait + MIN).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waits_of_its_own_that_do_not_fit_end_the_run_at_once() {
    let deadline = |stage: &mut Stage| {
        stage.policy.timetable.deadline = Some(Deadline {
            at: stage.now() + 30 * MIN,
            setting: "--max-duration 30m".to_owned(),
        });
    };
    // The pace, a backoff, the time until a second look.
    for (script, what, wait, revoked) in [
        ("", "the wait for the pace", HOUR, 4),
        ("revoke = ['503']", "the wait for the next try", 40 * MIN, 4),
        // What was accepted in vain is not sent again.
        (
            "revoke = ['none', 'lie']",
            "the wait before a second look",
            40 * MIN,
            2,
        ),
    ] {
        let text = format!("latency = '1s'\nfaults.script = {{ {script} }}");
        let mut stage = Stage::new(rules(&text), &plain_ids(4), 2);
        stage.policy.workers = 1;
        if script.is_empty() {
            stage.policy.rate = vec![quota(1, 3_600)];
            stage.policy.verify = Verify::Off;
        }
        stage.policy.retry_initial = 40 * MIN;
        stage.policy.retry_max = 40 * MIN;
        deadline(&mut stage);
        let ended = stage.run().await;
        let back = stage.wire.calls().last().unwrap().back.unwrap();
        assert_eq!(Instant::now(), back, "{what}");
        let deferral = deferral(&ended);
        assert!(deferral.why.starts_with(what), "{deferral:?}");
        assert!(deferral.why.contains("--max-duration 30m"), "{deferral:?}");
        let wait = wait.as_secs_f64();
        let until = deferral.resume_at.unwrap().duration_since(stage.now());
        let until = until.as_secs_f64();
        assert!(
            until >= wait - 1.0 && until <= wait * 1.5 + 1.0,
            "{what}: {until}"
        );

        // The next process has no such limit, and all of it is done.
        stage.policy.timetable.deadline = None;
        let past = stage.past(stage.now());
        let start = Start {
            past,
            ..Start::default()
        };
        assert_eq!(stage.begin(start).await.end().await.reason, None, "{what}");
        assert_eq!(stage.world.truth().revoked.len(), revoked, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_ends_the_run_before_it_calls() {
    for (setting, stage) in limits(&Stage::new(rules(""), &[], 2)) {
        let hold = Remaining {
            cause: HoldCause::Lockout,
            detail: "429".to_owned(),
            left: 40 * MIN,
        };
        let start = Start {
            past: Past {
                hold: Some(hold),
                ..Past::default()
            },
            ..Start::default()
        };
        let begun = stage.now();
        let ended = stage.begin(start).await.end().await;
        assert_eq!((ended.took, stage.wire.calls().len()), (Duration::ZERO, 0));
        let deferral = deferral(&ended);
        assert_near(deferral.resume_at.unwrap(), begun + 40 * MIN);
        assert!(deferral.why.contains(setting), "{deferral:?}");
        assert!(deferral.why.contains("lockout (429)"), "{deferral:?}");
    }
}

/// A lockout, and a process that is cut off twenty minutes into it. The next
/// one's clock is `set` ahead; it is cut off after ten minutes more, and a
/// third one goes on from there. When the first call after the lockout went,
/// counted from its beginning.
async fn kept(set: SignedDuration) -> Duration {
    let text = "latency = '1s'\nfaults.script = { revoke = ['none', '429'] }";
    let mut stage = Stage::new(rules(text), &plain_ids(8), 2);
    stage.policy.workers = 1;
    let acting = stage.begin(Start::default()).await;
    sleep(MIN).await;
    let calls = stage.wire.calls();
    let locked = calls.last().unwrap();
    assert_eq!(locked.status(), Some(429));
    let (began, before) = (locked.back.unwrap(), calls.len());
    sleep_until(began + 20 * MIN).await;
    acting.kill().await;

    let next = || {
        let wall = stage.now() + set;
        Start {
            past: stage.past(wall),
            wall: Some(wall),
            ..Start::default()
        }
    };
    let acting = stage.begin(next()).await;
    sleep(10 * MIN).await;
    if stage.wire.calls().len() == before {
        acting.kill().await;
        let ended = stage.begin(next()).await.end().await;
        assert_eq!(ended.reason, None);
    } else {
        assert_eq!(acting.end().await.reason, None);
    }
    assert_eq!(stage.world.truth().revoked.len(), 8);
    stage.wire.calls()[before].sent - began
}

#[tokio::test(start_paused = true)]
async fn a_lockout_outlives_its_process_never_beyond_its_length() {
    let near = |wait: Duration, wanted: Duration| {
        assert!(
            wait >= wanted && wait <= wanted + Duration::from_millis(5),
            "{wait:?}"
        );
    };
    // Set back it may take longer, and yet never longer than a full hour from
    // the start of the process.
    near(kept(SignedDuration::ZERO).await, HOUR);
    near(kept(SignedDuration::from_mins(-10)).await, 70 * MIN);
    near(kept(SignedDuration::from_hours(-5)).await, 90 * MIN);
    // Set forward, so much of it seems to be over.
    near(kept(SignedDuration::from_mins(10)).await, 50 * MIN);
}

/// The most of `times` (in order) in any window, both its ends included.
fn most(times: &[Duration], window: Duration) -> usize {
    let held = times.iter().enumerate().map(|(from, begin)| {
        let after = times.partition_point(|time| *time <= *begin + window);
        after - from
    });
    held.max().unwrap_or(0)
}

/// Three runs of one folder, one of them cut off and resumed.
#[tokio::test(start_paused = true)]
async fn the_budget_holds_over_runs_and_resumes_and_is_used() {
    for burst in [300, 100] {
        let mut first = Stage::new(rules("latency = '20ms..300ms'"), &plain_ids(120), 1);
        let rate = vec![quota(5, 1), quota(80, 60), quota(300, 3_600)];
        first.policy.rate.clone_from(&rate);
        first.policy.burst = burst;
        first.policy.workers = 16;
        first.policy.verify = Verify::Off;
        let next = |stage: &Stage| Start {
            past: stage.past(stage.now()),
            ..Start::default()
        };
        let ended = first.begin(next(&first)).await.end().await;
        assert_eq!(ended.reason, None);
        let second = first.another(&plain_ids(240)[120..], 1);
        let acting = second.begin(next(&second)).await;
        sleep(40 * SECOND).await;
        acting.kill().await;
        let ended = second.begin(next(&second)).await.end().await;
        assert_eq!(ended.reason, None);
        let third = first.another(&plain_ids(400)[240..], 1);
        let ended = third.begin(next(&third)).await.end().await;
        assert_eq!(ended.reason, None);

        let calls = first.world.truth().calls;
        assert!(calls.len() >= 400);
        let times: Vec<_> = calls.iter().map(|call| call.at).collect();
        for quota in &rate {
            let most = most(&times, quota.window);
            assert!(most <= quota.count as usize, "{most} calls in {quota:?}");
        }
        // The third run waits for what the first one used, and no longer. What
        // a cut-off call used is counted, too.
        assert!(
            ended.took > 50 * MIN && ended.took < HOUR,
            "{:?}",
            ended.took
        );
        assert!(most(&times, HOUR) >= 298);
    }
}
