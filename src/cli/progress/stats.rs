//! The figures behind the bar and the counter lines: how the IDs stand, how
//! fast it goes, how long it will take.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rescind::journal::{HoldCause, State, Tally};
use rescind::report::VerificationMark;
use rescind::sweep::{Clock, Idle, Quota, TimeLimits, Waits};
use tokio::time::Instant;

use crate::cli::progress::bar::{PauseView, VerifyProgress, View};
use crate::cli::progress::log_events::Turn;

/// A shorter wait for the pace or the next try is nothing to wonder at.
pub(in crate::cli::progress) const WONDERED_AT: Duration = Duration::from_secs(5);

/// Calls a second are counted over this time.
const WINDOW: Duration = Duration::from_secs(5);

/// What is known of a run under way.
#[derive(Debug)]
pub(in crate::cli::progress) struct Figures {
    tally: Tally,
    /// What was read, where nothing is carried out.
    looked: Option<VerifyProgress>,
    /// The least that was ever settled: what this process started from.
    /// Settled IDs that are sent again (exhausted ones) lower it.
    floor: u64,
    clock: Clock,
    began: Instant,
    /// When how many calls were answered, oldest first.
    answers: VecDeque<(Instant, usize)>,
    limit: Option<Quota>,
    /// What everybody waits for, and until when.
    hold: Option<(String, Timestamp)>,
    /// Calls that are on their way.
    under_way: usize,
    /// When calls may start, and how long one may take.
    timetable: TimeLimits,
    takes: Duration,
    /// When a window began that is on, and how long those before it lasted.
    window: Option<Instant>,
    windows: Duration,
    /// Tells what the next call waits for where nobody is held.
    waits: Option<Waits>,
}

impl Figures {
    /// Where `only_reads`, what is read counts, and not what is settled.
    pub(in crate::cli::progress) fn new(
        tally: &Tally,
        only_reads: bool,
        rate: &[Quota],
        clock: Clock,
        timetable: TimeLimits,
        takes: Duration,
    ) -> Self {
        let spacing = |quota: &&Quota| quota.window / quota.count.max(1);
        Self {
            tally: *tally,
            looked: only_reads.then(VerifyProgress::default),
            floor: if only_reads { 0 } else { tally.settled() },
            clock,
            timetable,
            takes,
            window: None,
            windows: Duration::ZERO,
            under_way: 0,
            began: Instant::now(),
            answers: VecDeque::new(),
            limit: rate.iter().max_by_key(spacing).copied(),
            hold: None,
            waits: None,
        }
    }

    /// Takes up how the IDs stand now. True when the last one was settled
    /// by it.
    pub(in crate::cli::progress) fn update(&mut self, tally: &Tally, answers: usize) -> bool {
        let before = self.tally;
        self.tally = *tally;
        if self.looked.is_none() {
            self.floor = self.floor.min(tally.settled());
        }
        let now = Instant::now();
        if answers > 0 {
            self.answers.push_back((now, answers));
        }
        self.forget(now);
        before.settled() < before.total() && tally.settled() == tally.total()
    }

    /// So many calls set out, and so many came back or were not made.
    pub(in crate::cli::progress) fn calls(&mut self, begun: usize, over: usize) {
        self.under_way = (self.under_way + begun).saturating_sub(over);
    }

    /// So many IDs were read. True when they were the last ones.
    pub(in crate::cli::progress) fn look(&mut self, mark: VerificationMark, ids: u64) -> bool {
        let total = self.tally.total();
        self.looked.as_mut().is_some_and(|looked| {
            looked.add(mark, ids);
            looked.read == total
        })
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
        while self.answers.front().is_some_and(|(at, _)| old(at)) {
            self.answers.pop_front();
        }
    }

    /// A hold is on until then, or is over.
    pub(in crate::cli::progress) fn turn(&mut self, turn: Turn) {
        let now = Instant::now();
        if let Some(began) = self.window.take() {
            self.windows += now.saturating_duration_since(began);
        }
        self.hold = match turn {
            Turn::Held(cause, words, until) => {
                self.window = (cause == HoldCause::Window).then_some(now);
                Some((words, until))
            }
            Turn::Released => None,
        };
    }

    /// From now on the waits of this sweep are shown, too.
    pub(in crate::cli::progress) fn watch(&mut self, waits: Waits) {
        self.waits = Some(waits);
    }

    /// What the next call waits for, and until when, where that is at least
    /// so long.
    pub(in crate::cli::progress) fn idle(
        &self,
        now: Instant,
        least: Duration,
    ) -> Option<(PauseView, Instant)> {
        let (what, until) = self.waits.as_ref()?.now()?;
        let left = until.saturating_duration_since(now);
        if left < least {
            return None;
        }
        let cause = match (what, self.limit.map(|limit| limit.window.as_secs())) {
            (Idle::Retry, _) if self.left_behind() > 0 => "waiting to read what was under way",
            (Idle::Retry, _) => "waiting for the next try",
            (Idle::Pace, Some(3_600)) => "waiting for the hourly budget",
            (Idle::Pace, _) => "waiting for the pace",
        };
        let wait = PauseView {
            cause: cause.to_owned(),
            until: self.local(self.clock.at(until), left),
            left,
        };
        Some((wait, until))
    }

    /// The IDs that a process that ended had under way: nothing of this one
    /// carries them.
    pub(in crate::cli::progress) fn left_behind(&self) -> u64 {
        if self.under_way > 0 {
            return 0;
        }
        self.tally.of(State::InFlight)
    }

    /// How things stand at this moment.
    pub(in crate::cli::progress) fn view(&self) -> View {
        let now = Instant::now();
        let wait = self.hold.as_ref().and_then(|(cause, until)| {
            let left = self.clock.until(*until);
            (!left.is_zero()).then(|| PauseView {
                cause: cause.clone(),
                until: self.local(*until, left),
                left,
            })
        });
        let wait = wait.or_else(|| Some(self.idle(now, WONDERED_AT)?.0));
        View {
            tally: self.tally,
            looked: self.looked,
            pace: self.pace(now),
            limit: self.limit,
            left: self.left(now, wait.as_ref()),
            wait,
            under_way: self.under_way,
        }
    }

    fn pace(&self, now: Instant) -> f64 {
        let recent = self.answers.iter();
        let recent = recent.filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let calls: usize = recent.map(|(_, calls)| calls).sum();
        let span = now.saturating_duration_since(self.began);
        // Within the first second a rate would be a guess.
        let span = span.clamp(Duration::from_secs(1), WINDOW);
        real(calls as u64) / span.as_secs_f64()
    }

    /// Waits count: what this process has settled a second of wall time, what
    /// is left of a hold, and the windows to come.
    fn left(&self, now: Instant, wait: Option<&PauseView>) -> Option<Duration> {
        let done = self
            .looked
            .map_or_else(|| self.tally.settled(), |looked| looked.read);
        let gained = done - self.floor;
        if gained == 0 {
            return None;
        }
        let open = self.tally.total().saturating_sub(done);
        let elapsed = now.saturating_duration_since(self.began);
        // Windows come by the clock, and not the more often the more there is
        // to do.
        let window = self
            .window
            .map(|began| now.saturating_duration_since(began));
        let worked = elapsed.saturating_sub(self.windows + window.unwrap_or_default());
        let work = worked.as_secs_f64() * real(open) / real(gained);
        let work = Duration::try_from_secs_f64(work).ok()?;
        let held = wait.map_or(Duration::ZERO, |wait| wait.left);
        let moment = self.clock.now();
        let begins = moment
            .checked_add(SignedDuration::try_from(held).ok()?)
            .ok()?;
        let ends = self.timetable.after(begins, work, self.takes)?;
        Duration::try_from(ends.duration_since(moment)).ok()
    }

    fn local(&self, moment: Timestamp, left: Duration) -> String {
        let format = if left < Duration::from_hours(24) {
            "%H:%M:%S"
        } else {
            "%b %d %H:%M"
        };
        let zoned = moment.to_zoned_datetime(self.timetable.zone.clone());
        zoned.strftime(format).to_string()
    }
}

/// Counts as figures for a rate; a rounding error does not matter there.
fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use jiff::{civil::Weekday, tz::TimeZone};
    use rescind::sweep::Avoid;
    use tokio::time::advance;

    use super::*;

    /// What is under way now is none of it.
    #[tokio::test(start_paused = true)]
    async fn what_a_killed_process_left_is_told_from_what_is_under_way() {
        let (mut figures, mut tally) = figures(100, &[]);
        assert_eq!(figures.left_behind(), 0);
        tally.shift(State::Pending, State::InFlight, 40);
        figures.update(&tally, 0);
        assert_eq!(figures.left_behind(), 40);
        figures.calls(1, 0);
        assert_eq!(figures.left_behind(), 0);
        figures.calls(0, 1);
        assert_eq!(figures.left_behind(), 40);
    }

    fn figures(total: u64, rate: &[(u32, u64)]) -> (Figures, Tally) {
        let mut tally = Tally::default();
        tally.add(State::Pending, total);
        let rate: Vec<Quota> = rate
            .iter()
            .map(|(count, seconds)| Quota {
                count: *count,
                window: Duration::from_secs(*seconds),
            })
            .collect();
        let wall = "2026-11-23T02:00:00Z".parse().unwrap();
        let clock = Clock::starting(wall);
        (
            Figures::new(
                &tally,
                false,
                &rate,
                clock,
                TimeLimits::default(),
                Duration::from_mins(1),
            ),
            tally,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_that_of_the_last_five_seconds() {
        let (mut figures, tally) = figures(100, &[]);
        assert!(figures.view().pace < 0.001);
        figures.update(&tally, 10);
        assert!((figures.view().pace - 10.0).abs() < 0.001, "one second");
        advance(Duration::from_secs(4)).await;
        figures.update(&tally, 30);
        assert!((figures.view().pace - 10.0).abs() < 0.001, "40 in 4 s");
        advance(Duration::from_millis(1_001)).await;
        assert!((figures.view().pace - 6.0).abs() < 0.001, "the 10 are old");
        advance(Duration::from_secs(5)).await;
        assert!(figures.view().pace < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_left_counts_waits() {
        let (mut figures, mut tally) = figures(1_000, &[]);
        advance(Duration::from_secs(10)).await;
        assert_eq!(figures.view().left, None, "nothing is settled");
        tally.shift(State::Pending, State::Revoked, 250);
        figures.update(&tally, 3);
        assert_eq!(figures.view().left, Some(Duration::from_secs(30)));
        let until = figures.clock.now() + Duration::from_secs(100);
        figures.turn(Turn::Held(
            HoldCause::Lockout,
            "lockout (429)".to_owned(),
            until,
        ));
        assert_eq!(figures.view().left, Some(Duration::from_secs(130)));
        advance(Duration::from_secs(90)).await;
        // 250 in 100 s, 750 left; and 10 s of the hold.
        assert_eq!(figures.view().left, Some(Duration::from_secs(310)));
    }

    /// The sweep begins on a Monday at 02:00.
    #[tokio::test(start_paused = true)]
    async fn the_time_left_counts_windows_to_come_not_past_ones() {
        let (mut figures, mut tally) = figures(1_000, &[]);
        figures.timetable.avoid.push(Avoid {
            name: String::new(),
            days: vec![Weekday::Monday],
            from: "02:11".parse().unwrap(),
            to: "02:30".parse().unwrap(),
            to_day: None,
            zone: TimeZone::UTC,
        });
        advance(Duration::from_mins(10)).await;
        tally.shift(State::Pending, State::Revoked, 500);
        figures.update(&tally, 5);
        // Ten minutes of work, and the window.
        assert_eq!(figures.view().left, Some(Duration::from_mins(30)));
        let until = "2026-11-23T02:30:00Z".parse().unwrap();
        figures.turn(Turn::Held(
            HoldCause::Window,
            "window to avoid".into(),
            until,
        ));
        advance(Duration::from_mins(10)).await;
        assert_eq!(figures.view().left, Some(Duration::from_mins(20)));
        advance(Duration::from_mins(10)).await;
        figures.turn(Turn::Released);
        assert_eq!(figures.view().left, Some(Duration::from_mins(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_under_way_until_it_is_answered_or_not_made() {
        let (mut figures, _) = figures(10, &[]);
        figures.calls(4, 0);
        figures.calls(2, 3);
        assert_eq!(figures.view().under_way, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_this_process_settled_tells_how_fast_it_is() {
        let (_, mut tally) = figures(1_000, &[]);
        tally.shift(State::Pending, State::Revoked, 500);
        tally.shift(State::Pending, State::Exhausted, 100);
        let clock = Clock::starting("2026-11-23T02:00:00Z".parse().unwrap());
        let mut figures = Figures::new(
            &tally,
            false,
            &[],
            clock,
            TimeLimits::default(),
            Duration::from_mins(1),
        );
        tally.shift(State::Exhausted, State::InFlight, 100);
        figures.update(&tally, 0);
        advance(Duration::from_secs(10)).await;
        tally.shift(State::InFlight, State::Revoked, 100);
        figures.update(&tally, 1);
        assert_eq!(figures.view().left, Some(Duration::from_secs(40)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_shown_until_its_time_is_over() {
        let (mut figures, _) = figures(10, &[(4_000, 3_600), (5, 1), (80, 60)]);
        assert_eq!(
            figures.view().limit.map(|quota| quota.count),
            Some(4_000),
            "the tightest"
        );
        let until = figures.clock.now() + Duration::from_secs(4_365);
        figures.turn(Turn::Held(
            HoldCause::Lockout,
            "lockout (429)".to_owned(),
            until,
        ));
        let wait = figures.view().wait.unwrap();
        assert_eq!(wait.until, "03:12:45");
        assert_eq!(wait.left, Duration::from_secs(4_365));
        advance(Duration::from_secs(4_365)).await;
        assert!(figures.view().wait.is_none());

        let until = figures.clock.now() + Duration::from_hours(30);
        figures.turn(Turn::Held(HoldCause::Lockout, "lockout".to_owned(), until));
        assert_eq!(figures.view().wait.unwrap().until, "Nov 24 09:12");
        figures.turn(Turn::Released);
        assert!(figures.view().wait.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_id_settled_is_noticed_once() {
        let (mut figures, mut tally) = figures(2, &[]);
        tally.shift(State::Pending, State::Revoked, 1);
        assert!(!figures.update(&tally, 1));
        tally.shift(State::Pending, State::Refused, 1);
        assert!(figures.update(&tally, 1));
        assert!(!figures.update(&tally, 1));
    }
}
