//! The time allowed: no call is under way in a window to avoid, and none
//! starts that might not be answered in time, whatever clocks on the wall do
//! in that night.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use rescind::{
    journal::State,
    sweep::{Avoid, Deadline, Deferral, Reason, TimeLimits, Verify, next_showing},
};

use crate::support::in_process::{Acting, Ended, Stage, Start, plain_ids, quota, rules};

const MIN: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const EVERY_DAY: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn window(days: &[Weekday], from: &str, to: &str, of: &str) -> Avoid {
    Avoid {
        name: "maintenance".to_owned(),
        days: days.to_vec(),
        from: time(from),
        to: time(to),
        to_day: None,
        zone: zone(of),
    }
}

/// Batches of one, one call a minute, each taking a few seconds.
fn stage(batches: usize) -> Stage {
    let mut stage = Stage::new(rules("latency = '1s..9s'"), &plain_ids(batches), 1);
    stage.policy.rate = vec![quota(1, 60)];
    stage.policy.verify = Verify::Off;
    stage
}

/// The time that the calls which were made after the first `before` took,
/// from their sending to their answer, by the process's own clock.
fn spans(stage: &Stage, acting: &Acting, before: usize) -> Vec<(Timestamp, Timestamp)> {
    let (wall, origin) = (acting.clock.now(), tokio::time::Instant::now());
    let shown =
        |instant: tokio::time::Instant| wall - SignedDuration::try_from(origin - instant).unwrap();
    let calls = stage.wire.calls();
    let calls = calls[before..].iter();
    calls
        .map(|call| (shown(call.sent), shown(call.back.unwrap())))
        .collect()
}

/// Lets a process act whose clock shows `wall` when it begins.
async fn act(stage: &Stage, wall: Timestamp) -> (Ended, Vec<(Timestamp, Timestamp)>) {
    let start = Start {
        wall: Some(wall),
        ..Start::default()
    };
    let before = stage.wire.calls().len();
    let acting = stage.begin(start).await;
    while !acting.is_over() {
        tokio::time::sleep(MIN).await;
    }
    let spans = spans(stage, &acting, before);
    (acting.end().await, spans)
}

/// No call was under way from the beginning of the window to its end, some
/// went before, and the first after it as soon as it was over.
#[track_caller]
fn assert_clear(spans: &[(Timestamp, Timestamp)], begin: Timestamp, end: Timestamp) {
    for (sent, back) in spans {
        assert!(*back <= begin || *sent >= end, "{sent} to {back}");
    }
    let next = spans.iter().map(|(sent, _)| *sent).find(|at| *at >= end);
    let late = next.unwrap().duration_since(end);
    assert!(late <= SignedDuration::from_millis(2), "{late} late");
}

#[track_caller]
fn deferral(ended: &Ended) -> &Deferral {
    match &ended.reason {
        Some(Reason::Deferred(deferral)) => deferral,
        other => panic!("not deferred: {other:?}"),
    }
}

/// The holds for windows, as the journal has them: begun and over.
fn held(stage: &Stage) -> Vec<(Timestamp, Timestamp)> {
    let holds = stage.archive().holds().unwrap();
    let held = holds.iter().map(|hold| {
        assert_eq!(
            (hold.cause.as_str(), hold.detail.as_str()),
            ("window", "maintenance")
        );
        (hold.began, hold.ended.unwrap())
    });
    held.collect()
}

/// 2026-11-23 is a Monday, and Chicago six hours behind.
#[tokio::test(start_paused = true)]
async fn a_run_waits_for_the_end_of_a_window_and_goes_on() {
    for (verify, workers) in [(Verify::Off, 1), (Verify::All, 8)] {
        let mut stage = stage(60);
        stage.policy.verify = verify;
        stage.policy.workers = workers;
        stage.policy.read_size = 5;
        stage.policy.timetable.avoid = vec![window(
            &[Weekday::Monday, Weekday::Tuesday],
            "16:00",
            "17:00",
            "America/Chicago",
        )];
        let (ended, spans) = act(&stage, at("2026-11-23T21:30:00Z")).await;
        assert_eq!(ended.reason, None);
        assert_eq!(stage.world.truth().revoked.len(), 60);
        assert_eq!(stage.tally().of(State::Revoked), 60);
        let (begin, end) = (at("2026-11-23T22:00:00Z"), at("2026-11-23T23:00:00Z"));
        assert_clear(&spans, begin, end);
        // Up to the last minute before it, since a call may take one.
        let before = spans.iter().filter(|(sent, _)| *sent < begin).count();
        assert!((28..=30).contains(&before), "{before} calls before");

        let holds = held(&stage);
        assert_eq!(holds.len(), 1, "{holds:?}");
        let waited = stage.last_process().waited;
        let lasted = end.duration_since(holds[0].0).as_secs_f64();
        assert!((3_600.0..=3_660.0).contains(&lasted), "{lasted}");
        assert!(
            (waited.window - lasted).abs() < 0.1,
            "{waited:?} of {lasted}"
        );
        assert!(
            waited.lockout + waited.penalty + waited.retry < 0.001,
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_in_a_window_sends_nothing_before_its_end() {
    for takes in [1, 20] {
        let mut stage = stage(3);
        stage.policy.timeout = MIN * takes;
        let every = window(&EVERY_DAY, "23:30", "04:00", "America/Chicago");
        stage.policy.timetable.avoid = vec![every];
        // Within it, and so near that a call could be under way when it begins.
        for (begin, end) in [
            ("2026-11-24T06:00:00Z", "2026-11-24T10:00:00Z"),
            ("2026-11-24T05:29:30Z", "2026-11-24T10:00:00Z"),
        ] {
            let stage = stage.another(&plain_ids(3), 1);
            let (begin, end) = (at(begin), at(end));
            let (ended, spans) = act(&stage, begin).await;
            assert_eq!(ended.reason, None);
            assert_clear(&spans, begin, end);
            assert_eq!(spans.len(), 3);
            let waited = stage.last_process().waited.window;
            let length = end.duration_since(begin).as_secs_f64();
            assert!((waited - length).abs() < 0.1, "{waited} of {length}");
        }
    }
}

/// What would follow a backoff, a penalty or a second look follows the window.
#[tokio::test(start_paused = true)]
async fn retries_penalties_and_reads_keep_clear_of_a_window_too() {
    for script in [
        "revoke = ['none', 'none', '503']",
        "revoke = ['none', 'none', 'penalty']",
        "revoke = ['none', 'none', '429']",
        "items = ['none', 'none', '503']",
    ] {
        let text = format!("latency = '1s'\npenalty = '30s'\nfaults.script = {{ {script} }}");
        let mut stage = Stage::new(rules(&text), &plain_ids(8), 2);
        stage.policy.workers = 1;
        stage.policy.read_size = 2;
        stage.policy.retry_initial = MIN;
        stage.policy.lockout_wait = MIN;
        stage.policy.timetable.avoid = vec![window(&EVERY_DAY, "16:00", "17:00", "UTC")];
        let (ended, spans) = act(&stage, at("2026-11-23T15:58:45Z")).await;
        assert_eq!(ended.reason, None, "{script}");
        let (begin, end) = (at("2026-11-23T16:00:00Z"), at("2026-11-23T17:00:00Z"));
        assert_clear(&spans, begin, end);
        assert!(
            spans[0].0 < begin && spans.last().unwrap().0 >= end,
            "{script}"
        );
        let truth = stage.world.truth();
        assert_eq!(
            (truth.revoked.len(), truth.impatient, truth.touched),
            (8, 0, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_met_again_and_again_is_waited_out_each_time() {
    let mut stage = stage(90);
    let hours = ["01:00", "02:00", "03:00", "04:00"];
    let windows = hours.map(|from| {
        let to = from.replace(":00", ":30");
        window(&EVERY_DAY, from, &to, "UTC")
    });
    stage.policy.timetable.avoid = windows.to_vec();
    let (ended, spans) = act(&stage, at("2026-11-24T00:40:00Z")).await;
    assert_eq!(ended.reason, None);
    let holds = held(&stage);
    assert_eq!(holds.len(), 3, "{holds:?}");
    for hour in 1..=3 {
        let begin = at(&format!("2026-11-24T0{hour}:00:00Z"));
        assert_clear(&spans, begin, begin + MIN * 30);
    }
    let waited = stage.last_process().waited.window;
    assert!((5_400.0..5_580.0).contains(&waited), "{waited}");
}

/// In 2026 the clocks of America go forward on 8 March and back on 1 November.
#[tokio::test(start_paused = true)]
async fn a_night_in_which_clocks_are_set_keeps_its_window_and_its_end() {
    let saturday = Avoid {
        to_day: Some(Weekday::Sunday),
        ..window(&[Weekday::Saturday], "22:00", "06:30", "America/Chicago")
    };
    let small = window(&EVERY_DAY, "01:30", "02:30", "America/New_York");
    let early = window(&EVERY_DAY, "00:45", "01:30", "America/New_York");
    for (avoid, finish_by, times) in [
        // The weekend's maintenance, an hour longer and an hour shorter.
        (&saturday, "08:00", "2026-11-01: 02:50 03:00 12:30 14:00"),
        (&saturday, "08:00", "2026-03-08: 03:50 04:00 11:30 13:00"),
        // 01:30 comes twice, and 02:30 does not come at all.
        (&small, "05:00", "2026-11-01: 05:00 05:30 07:30 10:00"),
        (&early, "05:00", "2026-11-01: 04:30 04:45 06:30 10:00"),
        (&small, "05:00", "2026-03-08: 06:00 06:30 07:00 09:00"),
    ] {
        // When the run begins, the window from and to, and the time allowed
        // until; all of them UTC.
        let (date, times) = times.split_once(": ").unwrap();
        let times = times.split(' ').map(|time| at(&format!("{date}T{time}Z")));
        let [start, begin, end, by] = times.collect::<Vec<_>>().try_into().unwrap();
        let mut stage = stage(400);
        let deadline = Deadline {
            at: next_showing(&avoid.zone, time(finish_by), start).unwrap(),
            setting: format!("--finish-by {finish_by}"),
        };
        assert_eq!(deadline.at, by);
        stage.policy.timetable = TimeLimits {
            avoid: vec![avoid.clone()],
            deadline: Some(deadline),
            zone: avoid.zone.clone(),
        };
        let (ended, spans) = act(&stage, start).await;
        assert_clear(&spans, begin, end);
        // It works up to the last minute, and not a moment longer.
        let last = spans.iter().map(|(_, back)| *back).max().unwrap();
        let unused = by.duration_since(last);
        assert!(
            !unused.is_negative() && unused < SignedDuration::from_mins(2),
            "{unused}"
        );
        let deferral = deferral(&ended);
        assert!(
            deferral.why.contains(&format!("{finish_by}:00")),
            "{deferral:?}"
        );
        assert!(deferral.why.contains("--finish-by"), "{deferral:?}");
        let allowed = by.duration_since(start) - end.duration_since(begin);
        let calls = i64::try_from(spans.len()).unwrap();
        let minutes = allowed.as_mins();
        assert!(
            (minutes - 5..=minutes).contains(&calls),
            "{calls} in {minutes} minutes"
        );
        assert_eq!(stage.tally().of(State::Revoked), spans.len() as u64);
        assert_eq!(stage.tally().of(State::InFlight), 0);
    }
}

/// By the setting of either limit: the sweep knows but one deadline.
fn until(stage: &mut Stage, at: Timestamp) {
    stage.policy.timetable.deadline = Some(Deadline {
        at,
        setting: "--max-duration 30m".to_owned(),
    });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_that_might_not_be_answered_in_time() {
    for (takes, rate, workers, verify) in [
        (1, vec![quota(4, 60)], 1, Verify::Off),
        (10, vec![quota(1, 1)], 16, Verify::All),
        (5, Vec::new(), 8, Verify::All),
        (29, vec![quota(2, 1)], 4, Verify::Doubtful),
    ] {
        let text = format!("latency = '1s..{}s'", takes * 59);
        let mut stage = Stage::new(rules(&text), &plain_ids(9_000), 1);
        stage.policy.timeout = MIN * takes;
        stage.policy.rate = rate;
        stage.policy.workers = workers;
        stage.policy.verify = verify;
        let start = at("2026-11-24T01:00:00Z");
        let limit = start + MIN * 30;
        until(&mut stage, limit);
        let (ended, spans) = act(&stage, start).await;
        let deferral = deferral(&ended).clone();
        for (sent, back) in &spans {
            assert!(
                *sent + MIN * takes <= limit,
                "sent at {sent}, to take {takes} minutes"
            );
            assert!(*back <= limit, "answered at {back}");
        }
        assert!(!spans.is_empty());
        assert!(deferral.why.contains("--max-duration 30m"), "{deferral:?}");
        let tally = stage.tally();
        assert_eq!(
            (tally.of(State::InFlight), tally.of(State::Unknown)),
            (0, 0)
        );
        assert_eq!(tally.total(), 9_000);
        // There is nothing to wait for: a resume may begin at once.
        assert!(deferral.resume_at.unwrap() <= limit, "{deferral:?}");
        assert!(deferral.why.contains("at any time"), "{deferral:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_process_carries_on_what_the_deadline_cut_off() {
    let mut stage = stage(40);
    stage.policy.verify = Verify::All;
    stage.policy.read_size = 10;
    let start = at("2026-11-24T01:00:00Z");
    until(&mut stage, start + MIN * 30);
    let (ended, _) = act(&stage, start).await;
    deferral(&ended);
    let sent = stage.wire.calls().len();
    assert!(stage.tally().of(State::Pending) > 0);
    stage.policy.timetable = TimeLimits::default();
    let (ended, spans) = act(&stage, start + HOUR).await;
    assert_eq!(ended.reason, None);
    assert_eq!(stage.tally().of(State::Revoked), 40);
    let truth = stage.world.truth();
    assert!(truth.posted_again().is_empty());
    assert_eq!(truth.calls.len(), sent + spans.len());
}

/// A window that lasts past the deadline is not waited for.
#[tokio::test(start_paused = true)]
async fn a_window_that_ends_too_late_defers_the_run_at_once() {
    let mut stage = stage(20);
    stage.policy.timetable.avoid = vec![window(&EVERY_DAY, "16:00", "17:00", "UTC")];
    let start = at("2026-11-24T15:50:00Z");
    until(&mut stage, at("2026-11-24T17:00:30Z"));
    let (ended, spans) = act(&stage, start).await;
    let deferral = deferral(&ended);
    let end = at("2026-11-24T17:00:00Z");
    assert_eq!(deferral.resume_at, Some(end));
    let said = "window to avoid (maintenance) lasts until 2026-11-24 17:00:00 UTC";
    assert!(deferral.why.contains(said), "{deferral:?}");
    assert!(ended.took <= MIN * 10, "{:?}", ended.took);
    assert!((9..=10).contains(&spans.len()), "{} calls", spans.len());
    assert_eq!(stage.archive().holds().unwrap(), []);
    assert!(stage.last_process().waited.window < 0.001);

    // Whoever begins in it is deferred before anything is sent.
    let acting = stage
        .begin(Start {
            wall: Some(at("2026-11-24T16:30:00Z")),
            ..Start::default()
        })
        .await;
    let ended = acting.end().await;
    assert_eq!(ended.took, Duration::ZERO);
    assert!(matches!(ended.reason, Some(Reason::Deferred(_))));
}
