//! Holds: the waits that stop every call, and the lone call after them.
//!
//! A penalty, a lockout or a window to avoid begins a hold. The first two
//! count from the end of the last call then under way, since the API starts a
//! lockout anew with each request it gets. After it one call goes first; the others follow when that one is
//! answered cleanly.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::journal::{HoldCause, Remaining, Waited};

/// What an answer means for everybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum PauseSignal {
    /// The API answered; nothing to hold back for.
    Clean,
    /// Nothing can be said: no answer, or a fault.
    Unclear,
    /// Every call has to wait this long.
    Hold {
        cause: HoldCause,
        /// What more is known of the cause.
        detail: String,
        wait: Duration,
    },
}

/// How a hold stands after an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sweep) struct PauseNotice {
    /// The hold's number in this process, from 1.
    pub(in crate::sweep) number: i64,
    /// Why it began.
    pub(in crate::sweep) cause: HoldCause,
    /// What more is known of the cause.
    pub(in crate::sweep) detail: String,
    /// When it began.
    pub(in crate::sweep) began: Instant,
    /// Until when it lasts, unless a call under way prolongs it.
    pub(in crate::sweep) until: Instant,
    /// The wait from the end of the last call.
    pub(in crate::sweep) wait: Duration,
    /// How many holds of this cause there were without a clean answer
    /// between them.
    pub(in crate::sweep) in_a_row: u32,
}

/// A window that began to hold every call, and the hold before it that is
/// over, if nobody was told of that yet.
#[derive(Debug)]
pub(in crate::sweep) struct PauseWindow {
    pub(in crate::sweep) hold: PauseNotice,
    pub(in crate::sweep) over: Option<i64>,
}

/// What calls wait for, though nothing holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// For their turn by the rate.
    Pace,
    /// For the next try of what failed.
    Retry,
}

/// A place near the gate was had, and with it this hold is over.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct PauseEntry {
    pub(in crate::sweep) over: Option<i64>,
}

#[derive(Debug, Default)]
enum Mode {
    /// Calls may go.
    #[default]
    Open,
    /// None may.
    Held(PauseNotice),
    /// One may, and then the others if its answer is clean.
    Probing {
        /// Whether that one is under way.
        busy: bool,
    },
}

/// Time during which at least one of several waits was on.
#[derive(Debug, Default)]
struct Overlap {
    /// Until when each of them lasts.
    waiting: Vec<Instant>,
    since: Option<Instant>,
    total: Duration,
}

impl Overlap {
    fn enter(&mut self, until: Instant, now: Instant) {
        self.waiting.push(until);
        self.since.get_or_insert(now);
    }

    fn leave(&mut self, until: Instant, now: Instant) {
        if let Some(mine) = self.waiting.iter().position(|other| *other == until) {
            self.waiting.swap_remove(mine);
        }
        if self.waiting.is_empty() {
            self.total = self.so_far(now);
            self.since = None;
        }
    }

    /// When the first of them is over.
    fn first(&self) -> Option<Instant> {
        self.waiting.iter().min().copied()
    }

    fn so_far(&self, now: Instant) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now - since)
    }
}

#[derive(Debug, Default)]
struct PauseInner {
    mode: Mode,
    /// Calls with a place near the gate.
    near: usize,
    under_way: usize,
    holds: i64,
    lockouts: u32,
    penalties: u32,
    rate: Overlap,
    retry: Overlap,
    penalty: Duration,
    lockout: Duration,
    window: Duration,
    /// A hold that is over, until somebody is told of it.
    over: Option<i64>,
}

impl PauseInner {
    /// Ends a hold whose time has come.
    fn advance(&mut self, now: Instant) {
        if let Mode::Held(hold) = &self.mode
            && hold.until <= now
            && self.under_way == 0
        {
            let (cause, lasted) = (hold.cause, self.lasted(hold, now));
            self.over = Some(hold.number);
            *self.total(cause) += lasted;
            self.mode = Mode::Probing { busy: false };
        }
    }

    /// How long a hold has lasted. It may be noticed late that it is over.
    fn lasted(&self, hold: &PauseNotice, now: Instant) -> Duration {
        let end = match self.under_way {
            0 => now.min(hold.until),
            _ => now,
        };
        end - hold.began
    }

    fn total(&mut self, cause: HoldCause) -> &mut Duration {
        match cause {
            HoldCause::Window => &mut self.window,
            HoldCause::Penalty => &mut self.penalty,
            HoldCause::Lockout => &mut self.lockout,
        }
    }

    /// Counts a hold among those of its cause without a clean answer.
    fn count(&mut self, cause: HoldCause) -> u32 {
        let in_a_row = match cause {
            HoldCause::Window => return 1,
            HoldCause::Penalty => &mut self.penalties,
            HoldCause::Lockout => &mut self.lockouts,
        };
        *in_a_row += 1;
        *in_a_row
    }

    fn may_enter(&self) -> bool {
        match self.mode {
            Mode::Open => true,
            Mode::Held(_) => false,
            Mode::Probing { busy } => !busy && self.near == 0,
        }
    }
}

/// The state of holds, shared by the pool.
#[derive(Debug)]
pub(in crate::sweep) struct PauseState {
    state: Mutex<PauseInner>,
    change: watch::Sender<()>,
}

impl Default for PauseState {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            change: watch::Sender::new(()),
        }
    }
}

impl PauseState {
    fn lock(&self) -> MutexGuard<'_, PauseInner> {
        // Nothing panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a hold that an earlier process left, for what is left of it.
    pub(in crate::sweep) fn inherit(&self, hold: &Remaining) {
        let now = Instant::now();
        let mut state = self.lock();
        state.holds += 1;
        state.mode = Mode::Held(PauseNotice {
            number: state.holds,
            cause: hold.cause,
            detail: hold.detail.clone(),
            began: now,
            until: now + hold.left,
            wait: hold.left,
            in_a_row: 1,
        });
    }

    /// Holds every call until a window is over, unless a hold is on. Who
    /// began it is told.
    pub(in crate::sweep) fn avoid(&self, window: String, left: Duration) -> Option<PauseWindow> {
        let now = Instant::now();
        let mut state = self.lock();
        if matches!(state.mode, Mode::Held(_)) {
            return None;
        }
        state.holds += 1;
        let hold = PauseNotice {
            number: state.holds,
            cause: HoldCause::Window,
            detail: window,
            began: now,
            until: now + left,
            // An answer does not prolong it.
            wait: Duration::ZERO,
            in_a_row: 1,
        };
        state.mode = Mode::Held(hold.clone());
        let over = state.over.take();
        drop(state);
        self.change.send_replace(());
        Some(PauseWindow { hold, over })
    }

    pub(in crate::sweep) fn near(&self) -> usize {
        self.lock().near
    }

    /// Takes a place near the gate, unless a hold is on. Who is the first
    /// after a hold is told which.
    pub(in crate::sweep) fn try_enter(&self) -> Option<PauseEntry> {
        let mut state = self.lock();
        state.advance(Instant::now());
        state.may_enter().then(|| {
            state.near += 1;
            PauseEntry {
                over: state.over.take(),
            }
        })
    }

    pub(in crate::sweep) fn leave(&self) {
        let mut state = self.lock();
        state.near -= 1;
        let tell = !matches!(state.mode, Mode::Open);
        drop(state);
        if tell {
            self.change.send_replace(());
        }
    }

    /// Returns once a place near the gate may be had.
    pub(in crate::sweep) async fn passable(&self) {
        let mut change = self.change.subscribe();
        loop {
            let until = {
                let mut state = self.lock();
                state.advance(Instant::now());
                if state.may_enter() {
                    return;
                }
                match &state.mode {
                    Mode::Held(hold) if state.under_way == 0 => Some(hold.until),
                    _ => None,
                }
            };
            let told = change.changed();
            match until {
                Some(until) => tokio::select! {
                    _ = told => {}
                    () = sleep_until(until) => {}
                },
                None => drop(told.await),
            }
        }
    }

    /// Returns once no call may set out.
    pub(in crate::sweep) async fn begun(&self) {
        let mut change = self.change.subscribe();
        while !matches!(
            self.lock().mode,
            Mode::Held(_) | Mode::Probing { busy: true }
        ) {
            if change.changed().await.is_err() {
                return;
            }
        }
    }

    /// Counts a call as under way; false if a hold came first.
    pub(in crate::sweep) fn set_out(&self) -> bool {
        let mut state = self.lock();
        match &mut state.mode {
            Mode::Open => {}
            Mode::Probing { busy } if !*busy => *busy = true,
            Mode::Held(_) | Mode::Probing { .. } => return false,
        }
        state.under_way += 1;
        true
    }

    /// Counts a call as answered, and draws the consequences.
    pub(in crate::sweep) fn came_back(&self, strike: PauseSignal) -> Option<PauseNotice> {
        let now = Instant::now();
        let mut state = self.lock();
        state.under_way -= 1;
        let notice = match (&state.mode, strike) {
            (Mode::Held(before), strike) => {
                let mut hold = before.clone();
                if let PauseSignal::Hold {
                    cause,
                    detail,
                    wait,
                } = strike
                {
                    hold.wait = hold.wait.max(wait);
                    // A lockout outweighs the penalty that was there first.
                    if hold.cause < cause {
                        hold.cause = cause;
                        hold.detail = detail;
                        hold.in_a_row = state.count(cause);
                    }
                }
                hold.until = hold.until.max(now + hold.wait);
                state.mode = Mode::Held(hold.clone());
                Some(hold)
            }
            (
                _,
                PauseSignal::Hold {
                    cause,
                    detail,
                    wait,
                },
            ) => {
                state.holds += 1;
                let hold = PauseNotice {
                    number: state.holds,
                    cause,
                    detail,
                    began: now,
                    until: now + wait,
                    wait,
                    in_a_row: state.count(cause),
                };
                state.mode = Mode::Held(hold.clone());
                Some(hold)
            }
            (Mode::Open, PauseSignal::Unclear) => return None,
            (Mode::Open, PauseSignal::Clean) => {
                state.lockouts = 0;
                state.penalties = 0;
                return None;
            }
            (Mode::Probing { .. }, PauseSignal::Clean) => {
                state.lockouts = 0;
                state.penalties = 0;
                state.mode = Mode::Open;
                None
            }
            (Mode::Probing { .. }, PauseSignal::Unclear) => {
                state.mode = Mode::Probing { busy: false };
                None
            }
        };
        drop(state);
        self.change.send_replace(());
        notice
    }

    /// Counts time as waited for the pace, until then, while the guard lives.
    pub(in crate::sweep) fn rate_timer(&self, until: Instant) -> Timer<'_> {
        self.lock().rate.enter(until, Instant::now());
        Timer {
            holding: self,
            until,
            retry: false,
        }
    }

    /// Counts time as waited for a backoff, until then, while the guard
    /// lives.
    pub(in crate::sweep) fn retry_timer(&self, until: Instant) -> Timer<'_> {
        self.lock().retry.enter(until, Instant::now());
        Timer {
            holding: self,
            until,
            retry: true,
        }
    }

    /// What the next call waits for, and until when, where none is under way
    /// and no hold is on.
    pub(in crate::sweep) fn idle(&self) -> Option<(Idle, Instant)> {
        let state = self.lock();
        if state.under_way > 0 || matches!(state.mode, Mode::Held(_)) {
            return None;
        }
        let pace = state.rate.first().map(|until| (Idle::Pace, until));
        let retry = state.retry.first().map(|until| (Idle::Retry, until));
        pace.into_iter()
            .chain(retry)
            .min_by_key(|(_, until)| *until)
    }

    /// What has been waited so far, by cause. Waits of several workers at
    /// the same time count once.
    pub(in crate::sweep) fn waited(&self) -> Waited {
        let now = Instant::now();
        let state = self.lock();
        let mut waited = Waited {
            rate: state.rate.so_far(now).as_secs_f64(),
            retry: state.retry.so_far(now).as_secs_f64(),
            penalty: state.penalty.as_secs_f64(),
            lockout: state.lockout.as_secs_f64(),
            window: state.window.as_secs_f64(),
        };
        if let Mode::Held(hold) = &state.mode {
            let so_far = state.lasted(hold, now).as_secs_f64();
            match hold.cause {
                HoldCause::Window => waited.window += so_far,
                HoldCause::Penalty => waited.penalty += so_far,
                HoldCause::Lockout => waited.lockout += so_far,
            }
        }
        waited
    }
}

/// Counts a wait while it lives.
#[derive(Debug)]
pub(in crate::sweep) struct Timer<'a> {
    holding: &'a PauseState,
    until: Instant,
    retry: bool,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.holding.lock();
        if self.retry {
            state.retry.leave(self.until, now);
        } else {
            state.rate.leave(self.until, now);
        }
    }
}
