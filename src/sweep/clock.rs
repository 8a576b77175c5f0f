//! Wall time for the record, counted on tokio's clock.

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Duration, Instant};

/// The wall clock as it stood when the process began, carried on by tokio's
/// clock: a change of the system's clock in mid-run changes nothing, and a
/// test can pause it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    origin: Instant,
}

impl Clock {
    /// A clock that shows `wall` now.
    #[must_use]
    pub fn starting(wall: Timestamp) -> Self {
        Self {
            wall,
            origin: Instant::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The time at `instant`.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.origin);
        SignedDuration::try_from(since)
            .ok()
            .and_then(|since| self.wall.checked_add(since).ok())
            .unwrap_or(Timestamp::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_recorded_time_in_the_future_counts_as_now() {
        let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000);
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
}
