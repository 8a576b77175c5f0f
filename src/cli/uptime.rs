//! The clocks of the host that nobody sets: how long ago it was booted, and
//! how much of that it slept.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rescind::journal::Boot;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// What tells one boot from another (Linux).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The wall clock now, and the boot that this process belongs to, where the
/// host tells it.
pub(super) fn moment() -> (Timestamp, Option<Boot>) {
    let wall = Timestamp::now();
    let since = SignedDuration::try_from(span(clock_gettime(ClockId::Boottime)));
    let boot = fs::read_to_string(BOOT_ID).ok().and_then(|id| {
        let id = id.trim().to_owned();
        let began = wall.checked_sub(since.ok()?).ok()?;
        (!id.is_empty()).then_some(Boot { id, began })
    });
    (wall, boot)
}

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
    fn the_boot_is_the_same_however_often_it_is_looked_at() {
        let (wall, boot) = moment();
        let (later, again) = moment();
        assert!(later >= wall);
        let (boot, again) = (boot.unwrap(), again.unwrap());
        assert_eq!(boot.id, again.id);
        assert!(boot.began < wall);
        // Unless somebody sets the clock just now.
        let apart = again.began.duration_since(boot.began).unsigned_abs();
        assert!(apart < Duration::from_secs(1), "{apart:?}");
    }

    #[test]
    fn sleep_is_counted_forwards_only() {
        let first = asleep();
        assert!((0..1000).all(|_| asleep() >= first));
    }
}
