//! Wall time for the record, counted on tokio's clock.

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Duration, Instant};

/// The wall clock as it stood when the process began, carried on by tokio's
/// clock: a change of the system's clock in mid-run changes nothing, and a
/// test can pause it. Tokio's clock stands while the host sleeps; what it
/// slept is added.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    origin: Instant,
    /// How long the host has slept, ever.
    asleep: fn() -> Duration,
    /// And how long before this clock began.
    before: Duration,
}

impl Clock {
    /// A clock that shows `wall` now, of a host that never sleeps.
    #[must_use]
    pub fn starting(wall: Timestamp) -> Self {
        Self::with_sleep(wall, || Duration::ZERO)
    }

    /// A clock that shows `wall` now; `asleep` tells how long the host has
    /// slept so far, and never less than it told before.
    #[must_use]
    pub fn with_sleep(wall: Timestamp, asleep: fn() -> Duration) -> Self {
        Self {
            wall,
            origin: Instant::now(),
            asleep,
            before: asleep(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shown(Instant::now())
    }

    fn shown(&self, now: Instant) -> Timestamp {
        let slept = (self.asleep)().saturating_sub(self.before);
        let since = now.saturating_duration_since(self.origin);
        plus(self.wall, since.saturating_add(slept))
    }

    /// The time at `instant`, as far as can be told now: what lies ahead is
    /// counted from now on, and what is past back from now.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        let now = Instant::now();
        if let Some(ahead) = instant.checked_duration_since(now) {
            return plus(self.shown(now), ahead);
        }
        let ago = SignedDuration::try_from(now - instant).unwrap_or(SignedDuration::MAX);
        let then = self.shown(now).checked_sub(ago);
        then.unwrap_or(self.wall).max(self.wall)
    }

    /// How long ago `moment` was. A time that lies in the future counts as
    /// now.
    #[must_use]
    pub fn since(&self, moment: Timestamp) -> Duration {
        self.now()
            .duration_since(moment)
            .try_into()
            .unwrap_or_default()
    }

    /// How long it is until `moment`; nothing if it has passed.
    #[must_use]
    pub fn until(&self, moment: Timestamp) -> Duration {
        moment
            .duration_since(self.now())
            .try_into()
            .unwrap_or_default()
    }
}

/// `moment` and so much.
pub(in crate::sweep) fn plus(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn wall() -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000)
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorded_time_in_the_future_counts_as_now() {
        let wall = wall();
        let clock = Clock::starting(wall);
        tokio::time::sleep(Duration::from_mins(90)).await;
        assert_eq!(clock.now(), wall + SignedDuration::from_mins(90));
        let early = wall + SignedDuration::from_mins(30);
        assert_eq!(clock.since(early), Duration::from_hours(1));
        assert_eq!(clock.until(early), Duration::ZERO);
        let late = wall + SignedDuration::from_mins(100);
        assert_eq!(clock.since(late), Duration::ZERO);
        assert_eq!(clock.until(late), Duration::from_mins(10));
    }

    /// Tokio's clock stands meanwhile, as the host's own does.
    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_while_the_host_sleeps() {
        static SLEPT: AtomicU64 = AtomicU64::new(100);
        let wall = wall();
        let clock = Clock::with_sleep(wall, || Duration::from_mins(SLEPT.load(Ordering::Relaxed)));
        assert_eq!(clock.now(), wall, "what it slept before does not count");
        tokio::time::sleep(Duration::from_mins(5)).await;
        SLEPT.store(160, Ordering::Relaxed);
        assert_eq!(clock.now(), wall + SignedDuration::from_mins(65));
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        assert_eq!(clock.at(now + minute), wall + SignedDuration::from_mins(66));
        assert_eq!(clock.at(now - minute), wall + SignedDuration::from_mins(64));
        assert_eq!(clock.since(wall), Duration::from_mins(65));
    }
}
