//! The pace of whole sweeps: no rolling window ever holds more than its calls,
//! whatever they are; what is recorded goes soon; a stop ends every wait.

use std::time::Duration;

use jiff::SignedDuration;
use rescind::{
    journal::{Entry, Lookback, State, recent_calls},
    sandbox::Kind,
    sweep::{LOOK_AHEAD, Past, Quota, Reason, Verify},
};
use tokio::time::{Instant, sleep};

use crate::support::in_process::{Stage, Start, plain_ids, quota, rules};

const MS: Duration = Duration::from_millis(1);

/// The most calls in any window, both its ends included. `times` are in order.
fn most(times: &[Duration], window: Duration) -> usize {
    let held = times.iter().enumerate().map(|(from, begin)| {
        let after = times.partition_point(|time| *time <= *begin + window);
        after - from
    });
    held.max().unwrap_or(0)
}

/// When calls arrived, by the world's own record.
fn arrivals(stage: &Stage) -> Vec<Duration> {
    stage
        .world
        .truth()
        .calls
        .iter()
        .map(|seen| seen.at)
        .collect()
}

fn assert_within(times: &[Duration], rate: &[Quota], what: &str) {
    assert!(times.is_sorted());
    for quota in rate {
        let most = most(times, quota.window);
        assert!(
            most <= quota.count as usize,
            "{most} calls in {quota:?}: {what}"
        );
    }
}

const ROUGH: &str = "
    latency = '5ms..400ms'
    faults.revoke = { server_error_before = 0.1, reset_after = 0.1, 503 = 0.05 }
    faults.read = { 503 = 0.1, omit = 0.1 }
";

#[tokio::test(start_paused = true)]
async fn no_window_holds_more_over_retries_reads_and_an_earlier_past() {
    for (burst, workers, seed) in [(1, 1, 1), (2, 4, 2), (5, 16, 3), (10, 64, 4)] {
        let mut stage = Stage::new(rules(ROUGH), &plain_ids(400), 2);
        let rate = vec![quota(5, 1), quota(80, 60), quota(300, 600)];
        stage.policy.rate.clone_from(&rate);
        stage.policy.burst = burst;
        stage.policy.workers = workers;
        stage.policy.max_consecutive_failures = 0;
        // Somebody used a part of the budget, right up to this moment.
        let ages: Vec<_> = (0..50_u32).rev().map(|n| MS * (n * 1_000 + seed)).collect();
        let begun = stage.world.now();
        let past = Past {
            calls: ages.clone(),
            hold: None,
            ..Past::default()
        };
        let acting = stage
            .begin(Start {
                past,
                ..Start::default()
            })
            .await;
        let ended = acting.end().await;
        assert_eq!(ended.reason, None);

        let truth = stage.world.truth();
        assert_eq!(truth.revoked.len(), 400);
        assert!(truth.faults.len() > 20 && truth.count(Kind::Items) > 20);
        let mut times: Vec<_> = ages
            .iter()
            .map(|age| begun.checked_sub(*age).unwrap())
            .collect();
        times.extend(arrivals(&stage));
        assert!(times.len() > 300);
        assert_within(&times, &rate, &format!("burst {burst}, {workers} workers"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_limit_holds_and_is_used() {
    let mut stage = Stage::new(rules("latency = '50ms'"), &plain_ids(450), 1);
    let rate = vec![quota(5, 1), quota(80, 60), quota(400, 360)];
    stage.policy.rate.clone_from(&rate);
    stage.policy.burst = 5;
    stage.policy.workers = 8;
    stage.policy.verify = Verify::Off;
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let times = arrivals(&stage);
    assert_eq!(times.len(), 450);
    assert_within(&times, &rate, "a long sweep");
    // Nor is it kept by dawdling: the window is full, and the next one begins
    // at once.
    assert!(most(&times, Duration::from_mins(6)) >= 399);
    let took = ended.took.as_secs_f64();
    assert!(took < 360.0 + 50.0 * 0.9 * 1.02, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn windows_hold_over_a_crash_by_the_journal_alone() {
    for cut in [3_100, 20_050, 33_333] {
        let mut stage = Stage::new(rules(ROUGH), &plain_ids(240), 2);
        let rate = vec![quota(4, 1), quota(60, 60)];
        stage.policy.rate.clone_from(&rate);
        stage.policy.burst = 4;
        stage.policy.workers = 16;
        stage.policy.max_consecutive_failures = 0;
        let acting = stage.begin(Start::default()).await;
        sleep(MS * cut).await;
        acting.kill().await;
        let before = arrivals(&stage).len();
        // The next process begins at once.
        let lookback = Lookback {
            now: stage.now(),
            span: Duration::from_mins(61),
            timeout: stage.policy.timeout,
        };
        let recent = recent_calls(&stage.runs, "", &lookback).unwrap();
        assert!(recent.unreadable.is_empty());
        assert!(recent.calls.len() >= before);
        let past = Past {
            calls: recent.calls,
            ..Past::default()
        };
        let ended = stage
            .begin(Start {
                past,
                ..Start::default()
            })
            .await
            .end()
            .await;
        assert_eq!(ended.reason, None);
        assert_eq!(stage.world.truth().revoked.len(), 240);
        assert_within(&arrivals(&stage), &rate, &format!("cut off after {cut} ms"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_is_sent_within_the_look_ahead() {
    for (rate, burst, workers) in [
        (vec![quota(3, 1)], 1, 32),
        (vec![quota(20, 60), quota(2, 1)], 3, 16),
        (vec![quota(2, 30)], 2, 8),
    ] {
        let mut stage = Stage::new(rules("latency = '30ms..2s'"), &plain_ids(80), 2);
        stage.policy.rate.clone_from(&rate);
        stage.policy.burst = burst;
        stage.policy.workers = workers;
        let clock = stage.now();
        let origin = Instant::now();
        let ended = stage.run().await;
        assert_eq!(ended.reason, None);
        let recorded = stage.calls();
        let sent = stage.wire.calls();
        assert_eq!(recorded.len(), sent.len());
        for (row, call) in recorded.iter().zip(&sent) {
            assert_eq!(
                (row.kind == "revoke", row.ids),
                (call.is_revoke(), i64::try_from(call.ids()).unwrap())
            );
            let sent = clock + SignedDuration::try_from(call.sent - origin).unwrap();
            let ahead = sent.duration_since(row.recorded);
            // The record is cut to milliseconds, and timers are no finer.
            let most = SignedDuration::try_from(LOOK_AHEAD + 5 * MS).unwrap();
            assert!(
                !ahead.is_negative() && ahead <= most,
                "{ahead:?} ahead with {rate:?}"
            );
        }
    }
}

/// The process ended at once, and left nothing that might have been sent.
async fn assert_stops_at_once(stage: &Stage, acting: crate::support::in_process::Acting) {
    assert!(!acting.is_over());
    let sent = stage.wire.calls().len();
    let raised = Instant::now();
    acting.stop.raise(Reason::Signal(15));
    let ended = acting.end().await;
    assert_eq!(raised.elapsed(), Duration::ZERO);
    assert_eq!(ended.reason, Some(Reason::Signal(15)));
    assert_eq!(stage.wire.calls().len(), sent);
    assert_eq!(stage.wire.under_way(), 0);
    assert_eq!(stage.tally().of(State::InFlight), 0);
    assert_eq!(
        stage.calls().len(),
        sent,
        "a call that was not sent is no call"
    );
    assert!(stage.calls().iter().all(|call| call.answered.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_the_pace_at_once() {
    let mut withdrawn = 0;
    for after in [10_u32, 1_500, 4_500, 5_010, 6_000, 9_990] {
        let mut stage = Stage::new(rules(""), &plain_ids(40), 2);
        stage.policy.rate = vec![quota(1, 5)];
        stage.policy.workers = 4;
        stage.policy.verify = Verify::Off;
        let acting = stage.begin(Start::default()).await;
        sleep(MS * after).await;
        let written = acting.written.clone();
        assert_stops_at_once(&stage, acting).await;
        let entries = written.entries();
        withdrawn += entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Withdrawn { .. }))
            .count();
        let attempts: u32 = stage.batches().iter().map(|row| row.attempts).sum();
        assert_eq!(attempts as usize, stage.wire.calls().len());
    }
    assert!(
        withdrawn > 0,
        "no stop came between the record and the permit"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_backoff_at_once() {
    let mut stage = Stage::new(
        rules("faults.script = { revoke = ['503'] }"),
        &plain_ids(4),
        2,
    );
    stage.policy.retry_initial = Duration::from_mins(1);
    let acting = stage.begin(Start::default()).await;
    sleep(Duration::from_secs(30)).await;
    assert_stops_at_once(&stage, acting).await;
    // In doubt, and said to be so; the other one was not touched.
    let tally = stage.tally();
    assert_eq!((tally.of(State::Unknown), tally.of(State::Pending)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_finishes_and_is_recorded_after_a_stop() {
    let mut stage = Stage::new(rules("latency = '20s'"), &plain_ids(40), 2);
    stage.policy.verify = Verify::Off;
    stage.policy.workers = 3;
    let acting = stage.begin(Start::default()).await;
    // The first one alone, then three at once.
    sleep(Duration::from_secs(25)).await;
    assert_eq!(stage.wire.under_way(), 3);
    acting.stop.raise(Reason::Signal(2));
    let ended = acting.end().await;
    assert_eq!(ended.took, Duration::from_secs(40));
    assert_eq!(stage.wire.calls().len(), 4);
    assert!(stage.calls().iter().all(|call| call.verdict == "accepted"));
    let tally = stage.tally();
    assert_eq!(
        (tally.of(State::Revoked), tally.of(State::Pending)),
        (8, 32)
    );
}

/// Checks that the time between two moments is a backoff's.
fn assert_backoff(gap: Duration, nominal: u64) {
    let nominal = Duration::from_secs(nominal);
    assert!(
        gap >= nominal && gap <= nominal * 3 / 2 + 2 * MS,
        "{gap:?} for {nominal:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_tried_again_after_a_doubling_wait() {
    let mut stage = Stage::new(rules(""), &plain_ids(2), 2);
    stage.policy.retry_max = Duration::from_secs(6);
    stage.policy.max_attempts = 6;
    stage.policy.verify = Verify::Off;
    stage.wire.cut([true; 5]);
    let ended = stage.run().await;
    assert_eq!(ended.reason, None);
    let sent = stage.wire.sent();
    assert_eq!(sent.len(), 6);
    for (pair, nominal) in sent.windows(2).zip([1, 2, 4]) {
        assert_backoff(pair[1] - pair[0], nominal);
    }
    // The fourth and fifth wait would be longer than the longest.
    for pair in sent.windows(2).skip(3) {
        assert!(pair[1] - pair[0] <= Duration::from_secs(6) + 2 * MS);
        assert!(pair[1] - pair[0] >= Duration::from_secs(6));
    }
    assert_eq!(stage.batches()[0].attempts, 6);
    assert_eq!(stage.tally().of(State::Revoked), 2);
    let waited = stage.last_process().waited;
    assert!(
        (waited.retry - ended.took.as_secs_f64()).abs() < 0.05,
        "{waited:?}"
    );
    assert!(
        waited.rate + waited.penalty + waited.lockout < 0.001,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_are_limited() {
    for (max, cut) in [(1, 1), (3, 3), (5, 5)] {
        let mut stage = Stage::new(rules(""), &plain_ids(2), 2);
        stage.policy.max_attempts = max;
        stage.policy.verify = Verify::Off;
        stage.wire.cut(vec![true; cut]);
        // Nothing got through with the first batch: the guard stops the run.
        let reason = stage.run().await.reason;
        assert!(matches!(reason, Some(Reason::Guard(_))), "{reason:?}");
        assert_eq!(stage.wire.calls().len(), cut);
        let batch = &stage.batches()[0];
        assert_eq!((batch.batch.state, batch.attempts), (State::Exhausted, max));
        assert_eq!(batch.reason, "connect");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_is_tried_again_as_often_as_a_revocation() {
    let mut stage = Stage::new(
        rules("faults.script = { items = ['503', '500'] }"),
        &plain_ids(2),
        2,
    );
    stage.policy.max_attempts = 3;
    assert_eq!(stage.run().await.reason, None);
    let sent = stage.wire.sent();
    assert_backoff(sent[1] - sent[0], 1);
    assert_backoff(sent[2] - sent[1], 2);
    assert_eq!(stage.tally().of(State::Revoked), 2);

    let script = "faults.script = { items = ['503', '500', '502'] }";
    let mut stage = Stage::new(rules(script), &plain_ids(2), 2);
    stage.policy.max_attempts = 3;
    let reason = stage.run().await.reason;
    assert!(matches!(reason, Some(Reason::Guard(_))), "{reason:?}");
    assert_eq!(stage.wire.calls().len(), 3);
    assert_eq!(stage.tally().of(State::Pending), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_pace_are_counted_once_whoever_waits() {
    for workers in [1, 16] {
        let mut stage = Stage::new(rules(""), &plain_ids(60), 2);
        stage.policy.rate = vec![quota(6, 60)];
        stage.policy.workers = workers;
        stage.policy.verify = Verify::Off;
        let ended = stage.run().await;
        assert_eq!(stage.wire.calls().len(), 30);
        // Nobody did anything but wait for the pace: 29 times ten seconds.
        let took = ended.took.as_secs_f64();
        assert!((290.0..292.0).contains(&took), "{took}");
        let waited = stage.last_process().waited;
        assert!((waited.rate - took).abs() < 0.1, "{waited:?} of {took}");
        assert!(
            waited.retry + waited.penalty + waited.lockout < 0.001,
            "{waited:?}"
        );
    }
}
