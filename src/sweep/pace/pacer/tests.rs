//! The pace by itself, on a paused clock.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use tokio::task::JoinSet;

use super::*;
use crate::sweep::{Avoid, Idle, TimeLimits, Verify};
use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

/// A pacer that keeps these limits at any time.
fn pacer(rate: &[Quota], burst: u32) -> Pacer {
    keeping(rate, burst, TimeLimits::default())
}

/// One that keeps a timetable, too.
fn keeping(rate: &[Quota], burst: u32, timetable: TimeLimits) -> Pacer {
    let policy = Policy {
        workers: 1,
        rate: rate.to_vec(),
        burst,
        max_attempts: 1,
        retry_initial: Duration::ZERO,
        retry_max: Duration::ZERO,
        timeout: Duration::from_mins(1),
        lockout_wait: Duration::from_hours(1),
        penalty_margin: Duration::ZERO,
        renew_before: Duration::ZERO,
        login_limit: quota(1, 1),
        renewal_limit: quota(1, 1),
        max_wait: Duration::from_hours(4),
        timetable,
        verify: Verify::All,
        read_first: false,
        resend_mismatched: false,
        read_size: 100,
        max_consecutive_failures: 0,
    };
    Pacer::new(
        &policy,
        Clock::starting(Timestamp::UNIX_EPOCH),
        Shutdown::default(),
    )
}

/// The place that a caller has now.
fn place(approach: Approach<'_>) -> Slot<'_> {
    match approach {
        Approach::Place(place) => place,
        Approach::Window(avoided) => panic!("{avoided:?}"),
    }
}

fn quota(count: u32, seconds: u64) -> Quota {
    Quota {
        count,
        window: Duration::from_secs(seconds),
    }
}

/// What a pool of callers did: milliseconds and finer since the beginning.
#[derive(Default)]
struct Deeds {
    /// When each call went.
    went: Vec<Duration>,
    /// The longest time from a place near the gate to the permit, without
    /// the time that recording took.
    longest: Duration,
}

/// Lets `workers` call as fast as they may until `until`, each taking
/// `record` to write its call down and `answer` to be answered.
async fn deeds(
    pacer: Pacer,
    workers: usize,
    until: Duration,
    record: Duration,
    answer: Duration,
) -> Deeds {
    let origin = Instant::now();
    let pacer = Arc::new(pacer);
    let deeds = Arc::new(Mutex::new(Deeds::default()));
    let mut pool = JoinSet::new();
    for _ in 0..workers {
        let (pacer, deeds) = (Arc::clone(&pacer), Arc::clone(&deeds));
        pool.spawn(async move {
            while origin.elapsed() < until {
                let place = match pacer.try_approach() {
                    Some(place) => place,
                    None => place(pacer.approach().await.unwrap()),
                };
                sleep(record).await;
                let near = Instant::now();
                let permit = place.permit().await.unwrap();
                {
                    let mut deeds = deeds.lock().unwrap();
                    deeds.went.push(origin.elapsed());
                    deeds.longest = deeds.longest.max(near.elapsed());
                }
                sleep(answer).await;
                permit.answered(PauseSignal::Clean);
            }
        });
    }
    while let Some(done) = pool.join_next().await {
        done.unwrap();
    }
    Arc::into_inner(deeds).unwrap().into_inner().unwrap()
}

/// The most of `times` (in order) in any window, both its ends included.
fn most(times: &[i128], window: Duration) -> usize {
    let window = i128::try_from(window.as_nanos()).unwrap();
    let held = times.iter().enumerate().map(|(from, begin)| {
        let after = times.partition_point(|time| *time <= begin + window);
        after - from
    });
    held.max().unwrap_or(0)
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

fn quotas() -> impl Strategy<Value = Vec<Quota>> {
    let second = (1..=20_u32, Just(1_u64));
    let some = (1..=30_u32, 2..=20_u64);
    let minute = (5..=80_u32, Just(60_u64));
    let one = prop_oneof![second, some, minute];
    vec(one.prop_map(|(count, seconds)| quota(count, seconds)), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rolling_window_ever_holds_more_than_its_calls(
        rate in quotas(),
        burst in 1..=10_u32,
        workers in 1..=64_usize,
        // What earlier processes sent: some of it back to back.
        ages in vec((0..60_000_u64, 1..4_usize), 0..20),
        record in 0..40_u64,
        answer in 0..300_u64,
    ) {
        let mut ages: Vec<_> = ages
            .into_iter()
            .flat_map(|(age, times)| std::iter::repeat_n(Duration::from_millis(age), times))
            .collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        // The past kept the limits, too.
        let mut past: Vec<Duration> = Vec::new();
        for age in ages {
            let fits = rate.iter().all(|quota| {
                let since = past.iter().filter(|earlier| **earlier <= age + quota.window);
                since.count() < quota.count as usize
            });
            if fits {
                past.push(age);
            }
        }
        let ms = Duration::from_millis;
        let deeds = paused().block_on(async {
            let pacer = pacer(&rate, burst);
            pacer.seed(past.iter().copied());
            deeds(pacer, workers, ms(90_000), ms(record), ms(answer)).await
        });
        let times: Vec<i128> = past
            .iter()
            .map(|age| -i128::try_from(age.as_nanos()).unwrap())
            .chain(deeds.went.iter().map(|at| i128::try_from(at.as_nanos()).unwrap()))
            .collect();
        prop_assert!(times.is_sorted());
        for quota in &rate {
            let most = most(&times, quota.window);
            prop_assert!(most <= quota.count as usize, "{most} calls in {quota:?}");
        }
        // Timers are as fine as a millisecond, and one may follow another.
        let slack = ms(10) + ms(record);
        prop_assert!(deeds.longest <= LOOK_AHEAD + slack, "{:?} before its turn", deeds.longest);
    }
}

/// Each of those ahead goes up to a millisecond late, and the next cell counts
/// from then.
#[tokio::test(start_paused = true)]
async fn a_queue_of_late_timers_makes_nobody_early() {
    for (rate, workers) in [
        (quota(20, 1), 23),
        (quota(19, 1), 40),
        (quota(300, 1), 400),
        (quota(990, 1), 1_200),
    ] {
        let pacer = pacer(&[rate], 1);
        let length = Duration::from_secs(8);
        let deeds = deeds(pacer, workers, length, Duration::ZERO, Duration::ZERO).await;
        let early = deeds.longest.saturating_sub(LOOK_AHEAD);
        assert!(early <= Duration::from_millis(2), "{early:?} with {rate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_burst_of_a_few_cells_the_asked_rate_is_delivered() {
    for (rate, burst, seconds) in [
        (quota(5, 1), 2, 600),
        (quota(50, 1), 3, 60),
        (quota(200, 1), 3, 20),
        (quota(500, 1), 3, 12),
        (quota(1000, 1), 4, 8),
        (quota(80, 60), 3, 7_200),
        (quota(4000, 3600), 3, 10_800),
    ] {
        let pacer = pacer(&[rate], burst);
        let length = Duration::from_secs(seconds);
        let answer = Duration::from_millis(30);
        let deeds = deeds(pacer, 64, length, Duration::ZERO, answer).await;
        let asked = f64::from(rate.count) * length.as_secs_f64() / rate.window.as_secs_f64();
        let went = deeds.went.iter().filter(|at| **at < length).count();
        let share = f64::from(u32::try_from(went).unwrap()) / asked;
        assert!(share >= 0.99, "{share} of {rate:?} with a burst of {burst}");
        assert!(share <= 1.01, "{share} of {rate:?} with a burst of {burst}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_limits_hold_together_for_hours() {
    let rate = [quota(5, 1), quota(80, 60), quota(4000, 3600)];
    for burst in [1, 10] {
        let pacer = pacer(&rate, burst);
        let length = Duration::from_hours(2);
        let answer = Duration::from_millis(100);
        let deeds = deeds(pacer, 16, length, Duration::ZERO, answer).await;
        let times: Vec<i128> = deeds
            .went
            .iter()
            .map(|at| i128::try_from(at.as_nanos()).unwrap())
            .collect();
        for quota in &rate {
            let most = most(&times, quota.window);
            assert!(most <= quota.count as usize, "{most} calls in {quota:?}");
        }
        // The tightest of them is used up.
        assert!(times.len() >= 7_920, "{} calls", times.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_back_to_back_and_is_taken_out_of_the_budget() {
    let pacer = pacer(&[quota(10, 10)], 4);
    let length = Duration::from_secs(25);
    let deeds = deeds(pacer, 8, length, Duration::ZERO, Duration::ZERO).await;
    let until = |seconds| {
        let until = Duration::from_secs_f64(seconds);
        deeds.went.iter().filter(|at| **at <= until).count()
    };
    assert_eq!(until(0.0), 4);
    assert_eq!(until(0.9), 4);
    assert_eq!(until(10.0), 10);
    // What the burst drew early is not there at the end of the window.
    assert_eq!(until(6.2), 10);
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_first_come_first_served() {
    for rate in [
        vec![quota(2, 1), quota(30, 60)],
        // So fast that many of them wait before the socket.
        vec![quota(20, 1)],
    ] {
        let pacer = Arc::new(pacer(&rate, 2));
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut pool = JoinSet::new();
        for number in 0..50 {
            let (pacer, served) = (Arc::clone(&pacer), Arc::clone(&served));
            pool.spawn(async move {
                // Each comes a little after the one before it.
                sleep(Duration::from_millis(2 * number)).await;
                let place = place(pacer.approach().await.unwrap());
                let permit = place.permit().await.unwrap();
                served.lock().unwrap().push(number);
                permit.answered(PauseSignal::Clean);
            });
        }
        while let Some(done) = pool.join_next().await {
            done.unwrap();
        }
        let served = served.lock().unwrap();
        assert!(served.is_sorted() && served.len() == 50, "{served:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_pass_those_who_wait() {
    let pacer = pacer(&[quota(1, 10)], 1);
    let permit = pacer.try_approach().unwrap().permit().await.unwrap();
    permit.answered(PauseSignal::Clean);
    let waiting = pacer.approach();
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        place = &mut waiting => panic!("too early: {place:?}"),
        () = sleep(Duration::from_secs(5)) => {}
    }
    // Its turn has come and it has not noticed yet: whoever comes now is
    // behind it all the same.
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(pacer.try_approach().is_none());
    let place = place(waiting.await.unwrap());
    place.permit().await.unwrap().answered(PauseSignal::Clean);
}

/// Recording a call may take longer than anybody thought.
#[tokio::test(start_paused = true)]
async fn what_comes_too_late_from_its_recording_does_not_go() {
    let avoid = Avoid {
        name: "maintenance".to_owned(),
        // The clock begins with 1 January 1970.
        days: vec![Weekday::Thursday],
        from: "00:10".parse().unwrap(),
        to: "00:20".parse().unwrap(),
        to_day: None,
        zone: TimeZone::UTC,
    };
    let timetable = TimeLimits {
        avoid: vec![avoid],
        ..TimeLimits::default()
    };
    let pacer = keeping(&[], 1, timetable);
    sleep(Duration::from_mins(9)).await;
    let place = pacer.try_approach().unwrap();
    let other = pacer.try_approach().unwrap();
    sleep(Duration::from_millis(1)).await;
    let Err(Denied::Window(avoided)) = place.permit().await else {
        panic!("it went");
    };
    assert_eq!(avoided.hold.detail, "maintenance");
    let until = avoided.hold.until - Instant::now();
    assert_eq!(until, Duration::from_mins(11) - Duration::from_millis(1));
    // One of them tells of it.
    assert!(matches!(other.permit().await, Err(Denied::Held)));
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_is_told_what_the_next_call_waits_for() {
    let pacer = pacer(&[quota(2, 3_600)], 2);
    pacer.seed([Duration::from_mins(20); 2]);
    let begun = Instant::now();
    assert_eq!(pacer.holding.idle(), None);
    let waiting = pacer.approach();
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        place = &mut waiting => panic!("too early: {place:?}"),
        () = sleep(Duration::from_mins(1)) => {}
    }
    let (what, until) = pacer.holding.idle().unwrap();
    assert_eq!(what, Idle::Pace);
    let near = Duration::from_secs(1);
    assert!((until - begun).abs_diff(Duration::from_mins(40)) <= near);
    // Who waits for another try waits longer, until that is not so.
    let retry = pacer.holding.retry_timer(begun + Duration::from_mins(50));
    assert_eq!(pacer.holding.idle(), Some((Idle::Pace, until)));
    drop(retry);
    let soon = begun + Duration::from_mins(2);
    let retry = pacer.holding.retry_timer(soon);
    assert_eq!(pacer.holding.idle(), Some((Idle::Retry, soon)));
    drop(retry);
    let permit = place(waiting.await.unwrap()).permit().await.unwrap();
    // A call is under way; and then a hold is on.
    let _other = pacer.holding.retry_timer(begun + Duration::from_hours(9));
    assert_eq!(pacer.holding.idle(), None);
    permit.answered(PauseSignal::Hold {
        cause: crate::journal::HoldCause::Lockout,
        detail: String::new(),
        wait: Duration::from_hours(1),
    });
    assert_eq!(pacer.holding.idle(), None);
}
