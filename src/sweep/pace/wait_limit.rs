//! The timetable on the run's clock: whether a call may start now, and
//! whether a wait fits into the time allowed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::clock::{Clock, plus};
use crate::journal::HoldCause;
use crate::sweep::pace::deadline::{StartDecision, TimeLimits};
use crate::sweep::policy::Policy;
use crate::sweep::shutdown::{Deferral, Reason};

/// The timetable, the clock, and how long calls and waits may be.
#[derive(Debug)]
pub(in crate::sweep) struct WaitLimits {
    timetable: TimeLimits,
    pub(in crate::sweep) clock: Clock,
    /// How long a call may take.
    takes: Duration,
    /// A single wait that is longer is not sat through.
    max_wait: Duration,
    /// Up to this moment calls may start (milliseconds since 1970): it need
    /// not be looked up for every one of them.
    clear_until: AtomicI64,
}

impl WaitLimits {
    pub(in crate::sweep) fn of(policy: &Policy, clock: Clock) -> Self {
        Self {
            timetable: policy.timetable.clone(),
            clock,
            takes: policy.timeout,
            max_wait: policy.max_wait,
            clear_until: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether a call may start after `wait`.
    pub(in crate::sweep) fn leave(&self, wait: Duration) -> StartDecision {
        let at = plus(self.clock.now(), wait);
        let clear_until = self.clear_until.load(Ordering::Relaxed);
        if at.as_millisecond() < clear_until {
            let until = Timestamp::from_millisecond(clear_until).unwrap_or(Timestamp::MAX);
            return StartDecision::Now { until };
        }
        let leave = self.timetable.leave(at, self.takes);
        // What lies further ahead does not say that all until then is clear.
        if let StartDecision::Now { until } = &leave
            && wait.is_zero()
        {
            self.clear_until
                .store(until.as_millisecond(), Ordering::Relaxed);
        }
        leave
    }

    /// Whether it makes sense to wait so long, and then to make a call.
    /// `what` says in words what lasts until then.
    ///
    /// # Errors
    /// Why the run is to be deferred instead.
    pub(in crate::sweep) fn fits(&self, what: &str, wait: Duration) -> Result<(), Reason> {
        if self.leave(wait) != StartDecision::Never {
            return Ok(());
        }
        let end = plus(self.clock.now(), wait);
        let (ready, windows) = self.timetable.clear(end, self.takes);
        let (Some(deadline), Some(ready)) = (&self.timetable.deadline, ready) else {
            let why = "the windows to avoid leave no time for a call".to_owned();
            return Err(self.deferred(why, end));
        };
        let until = |what: &str, end| {
            let end = self.timetable.show(end);
            format!("{what} lasts until {end}, and no call after it could be answered before")
        };
        let before = if ready > end {
            let window = HoldCause::Window.in_words(&windows);
            until(&format!("the {window}"), ready)
        } else if wait.is_zero() {
            "no call could be answered any more before".to_owned()
        } else {
            until(what, end)
        };
        let limit = self.timetable.show(deadline.at);
        Err(self.deferred(format!("{before} {limit} ({})", deadline.setting), end))
    }

    /// Like [`fits`](Self::fits), for a single wait that the server asks for:
    /// one that is too long is not sat through.
    ///
    /// # Errors
    /// Why the run is to be deferred instead.
    pub(in crate::sweep) fn bears(&self, what: &str, wait: Duration) -> Result<(), Reason> {
        if wait <= self.max_wait {
            return self.fits(what, wait);
        }
        let end = plus(self.clock.now(), wait);
        let why = format!(
            "{what} lasts until {}, longer than --max-wait allows",
            self.timetable.show(end)
        );
        Err(self.deferred(why, end))
    }

    /// The run is deferred: why, and when it makes sense to carry on, which
    /// is not before `ready`.
    pub(in crate::sweep) fn deferred(&self, why: String, ready: Timestamp) -> Reason {
        let resume_at = self.timetable.earliest(ready, self.takes);
        let advice = match resume_at {
            Some(at) if at > self.clock.now() => {
                format!("; not before {}", self.timetable.show(at))
            }
            Some(_) => "; a resume is possible at any time".to_owned(),
            None => String::new(),
        };
        Reason::Deferred(Deferral {
            why: why + &advice,
            resume_at,
        })
    }
}
