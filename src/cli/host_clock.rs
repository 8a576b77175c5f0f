//! How much of the time since it was booted the host has slept: the clock of a
//! process stands meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How long the host has slept since it was booted. Never less than it was
/// before.
pub(super) fn asleep() -> Duration {
    static MOST: AtomicU64 = AtomicU64::new(0);
    // The clocks cannot be read at once. In this order the time between the
    // two makes the difference smaller, never larger.
    let looks = (0..3).map(|_| {
        let since = span(clock_gettime(ClockId::Boottime));
        let awake = span(clock_gettime(ClockId::Monotonic));
        since.saturating_sub(awake)
    });
    let found = looks.max().unwrap_or_default();
    let found = u64::try_from(found.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(MOST.fetch_max(found, Ordering::Relaxed).max(found))
}

fn span(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_counted_forwards_only() {
        let first = asleep();
        assert!((0..1000).all(|_| asleep() >= first));
    }
}
