//! How long to wait before trying again.

use std::time::Duration;

/// How far a wait may exceed its nominal length, as a share of it.
const SPREAD: f64 = 0.5;

/// Exponential backoff: the policy, without state.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct Backoff {
    /// The first wait.
    pub(in crate::sweep) initial: Duration,
    /// The longest wait.
    pub(in crate::sweep) longest: Duration,
}

impl Backoff {
    /// The wait after the `tries`-th failure (from 1): the nominal wait
    /// doubles each time, and up to half of it is added by chance, so that
    /// batches that failed together do not come back together. Never shorter
    /// than nominal, never longer than the longest.
    pub(in crate::sweep) fn after(self, tries: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(tries.saturating_sub(1))
            .map_or(self.longest, |factor| self.initial.saturating_mul(factor));
        let nominal = doubled.min(self.longest);
        let chance = nominal.mul_f64(SPREAD * fastrand::f64());
        nominal.saturating_add(chance).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_and_stays_between_nominal_and_longest() {
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            longest: Duration::from_mins(1),
        };
        for (tries, nominal) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)] {
            for _ in 0..200 {
                let wait = backoff.after(tries);
                assert!(wait >= Duration::from_secs(nominal), "{tries}: {wait:?}");
                assert!(
                    wait <= Duration::from_millis(nominal * 1_500),
                    "{tries}: {wait:?}"
                );
                assert!(wait <= Duration::from_mins(1));
            }
        }
    }

    #[test]
    fn waits_differ() {
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            longest: Duration::from_mins(1),
        };
        let first = backoff.after(3);
        assert!((0..50).any(|_| backoff.after(3) != first));
    }
}
