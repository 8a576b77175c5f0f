//! The pace of the whole pool: when the next call may go.
//!
//! Governor spreads the calls evenly; a record of the last calls makes each
//! limit exact at the point of sending: **no rolling window ever holds more
//! than its N calls**, over retries, reads and resumes alike. Callers are
//! served first come, first served. A [hold](crate::sweep::pace::pause) stops everybody.
//!
//! A call passes two doors. [`Pacer::approach`] lets it wait *before* it is
//! recorded until it is nearly its turn, so that what the journal calls
//! `in_flight` was really about to be sent; [`Slot::permit`] is the last
//! thing before the socket. There the age of the record is looked at once
//! more: the process may have been stopped, or the host asleep, since it was
//! made. So every call counts at most [`LOOK_AHEAD`] after its record.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use jiff::Timestamp;
use tokio::sync::Mutex as Queue;
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::Clock;
use crate::sweep::pace::deadline::StartDecision;
use crate::sweep::pace::pause::{PauseEntry, PauseNotice, PauseSignal, PauseState, PauseWindow};
use crate::sweep::pace::wait_limit::WaitLimits;
use crate::sweep::policy::{Policy, Quota};
use crate::sweep::shutdown::{Shutdown, Stopped};

/// A call is sent at most this long after it was recorded; otherwise its
/// record is withdrawn.
pub const LOOK_AHEAD: Duration = Duration::from_secs(1);

/// A call is recorded at most this long before it is due. The rest of the
/// look-ahead is for recording it, and for timers that are late.
const LEAD: Duration = Duration::from_millis(750);

/// How late a timer may wake whoever waits for it.
const LATE: Duration = Duration::from_millis(1);

/// Tokio's clock as governor wants it, so that a paused clock paces too.
#[derive(Clone, Copy, Debug)]
struct Ticks(Instant);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// One limit: governor's cells and the record of the last calls.
#[derive(Debug)]
struct RateLimit {
    cells: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
    count: usize,
    /// The window, with some room for the way from here to the socket.
    window: Duration,
    /// The time between cells.
    period: Duration,
    /// How far cells may be drawn ahead of their time.
    credit: Duration,
    /// The time up to which cells are drawn, as governor counts it.
    drawn: Instant,
    /// Whether a cell is drawn for a call that has not gone yet.
    in_hand: bool,
    /// When each call of the last window leaves it, oldest first.
    leaving: VecDeque<Instant>,
}

impl RateLimit {
    fn new(quota: Quota, burst: u32, origin: Instant) -> Self {
        // A permit and its packet are not the same instant: without some room
        // a window measured at the other end could hold one call more.
        let room = (quota.window / 400).min(Duration::from_millis(250));
        let window = quota.window + room;
        let burst = NonZeroU32::new(burst.min(quota.count)).unwrap_or(NonZeroU32::MIN);
        // N cells a window, of which a burst draws some early: it is the
        // record of calls that takes those out of the window's budget.
        let period = window / quota.count.max(1) + Duration::from_nanos(1);
        let cells = governor::Quota::with_period(period)
            .unwrap_or_else(|| unreachable!("the period is above zero"))
            .allow_burst(burst);
        let ticks = Ticks(origin);
        Self {
            cells: RateLimiter::direct_with_clock(cells, ticks),
            ticks,
            count: quota.count.max(1) as usize,
            window,
            period,
            credit: period * (burst.get() - 1),
            drawn: origin,
            in_hand: false,
            leaving: VecDeque::new(),
        }
    }

    /// Takes a cell, or says when one will be there. Who took one and did not
    /// go leaves it to the next.
    fn cell(&mut self) -> Result<(), Instant> {
        if !self.in_hand {
            self.cells
                .check()
                .map_err(|not_until| self.ticks.0 + not_until.earliest_possible())?;
            self.drawn = self.drawn.max(Instant::now()) + self.period;
            self.in_hand = true;
        }
        Ok(())
    }

    fn forget(&mut self, now: Instant) {
        while self.leaving.front().is_some_and(|leaves| *leaves <= now) {
            self.leaving.pop_front();
        }
    }

    /// When the window has room for one more call; `None`: now.
    fn room(&self) -> Option<Instant> {
        let over = self.leaving.len().checked_sub(self.count)?;
        self.leaving.get(over).copied()
    }

    /// When the next call but those in `turns` may go, with cells drawn up to
    /// `drawn`.
    fn due(&self, turns: &[Instant], drawn: Option<Instant>) -> Option<Instant> {
        let cell = drawn.and_then(|drawn| drawn.checked_sub(self.credit));
        // The window is full until the call that is `count` before it leaves.
        let known = self.leaving.len();
        let room = (known + turns.len()).checked_sub(self.count).map(|before| {
            match self.leaving.get(before) {
                Some(leaves) => *leaves,
                None => turns[before - known] + self.window,
            }
        });
        cell.max(room)
    }

    fn goes(&mut self, now: Instant) {
        self.in_hand = false;
        self.leaving.push_back(now + self.window);
    }
}

/// How long it is at most until a call with `ahead` others before it may go:
/// each of them takes its turn as soon as all lanes let it. Who waits for it
/// may wake late, and where no burst makes up for that the next cell counts
/// from then.
fn foresee(lanes: &[RateLimit], ahead: usize, now: Instant) -> Duration {
    if lanes.is_empty() {
        return Duration::ZERO;
    }
    let mut turns: Vec<Instant> = Vec::with_capacity(ahead + 1);
    let mut drawn: Vec<Option<Instant>> = lanes
        .iter()
        .map(|lane| (!lane.in_hand).then_some(lane.drawn))
        .collect();
    loop {
        let due = lanes.iter().zip(&drawn);
        let due = due.filter_map(|(lane, drawn)| lane.due(&turns, *drawn));
        let turn = due.chain(turns.last().copied()).fold(now, Instant::max);
        if turns.len() == ahead {
            return turn - now;
        }
        let turn = if turn > now { turn + LATE } else { turn };
        turns.push(turn);
        for (lane, drawn) in lanes.iter().zip(&mut drawn) {
            *drawn = Some(match drawn {
                Some(drawn) => turn.max(*drawn) + lane.period,
                None => lane.drawn,
            });
        }
    }
}

/// What a caller meets before its call is recorded.
#[derive(Debug)]
pub(in crate::sweep) enum Approach<'a> {
    /// A place near the gate.
    Place(Slot<'a>),
    /// A window to avoid, which it is the first to meet.
    Window(PauseWindow),
}

/// Why a permit was denied.
#[derive(Debug)]
pub(in crate::sweep) enum Denied {
    /// A hold began; the call may come again after it.
    Held,
    /// A window to avoid began with this call.
    Window(PauseWindow),
    /// The record is older than the look-ahead: it has to be made anew.
    Stale,
    /// The run stops.
    Stopped,
}

/// The pace of the whole pool.
#[derive(Debug)]
pub(in crate::sweep) struct Pacer {
    /// Longest window first.
    lanes: Mutex<Vec<RateLimit>>,
    unlimited: bool,
    /// The queue before the record, and the one before the socket.
    queue: Queue<()>,
    gate: Queue<()>,
    pub(in crate::sweep) holding: Arc<PauseState>,
    pub(in crate::sweep) schedule: WaitLimits,
    stop: Shutdown,
}

impl Pacer {
    /// A pacer that keeps all limits of `policy` at once, and its timetable.
    pub(in crate::sweep) fn new(policy: &Policy, clock: Clock, stop: Shutdown) -> Self {
        let origin = Instant::now();
        let mut lanes: Vec<RateLimit> = policy
            .rate
            .iter()
            .map(|quota| RateLimit::new(*quota, policy.burst, origin))
            .collect();
        lanes.sort_by_key(|lane| std::cmp::Reverse(lane.window));
        Self {
            unlimited: lanes.is_empty(),
            lanes: Mutex::new(lanes),
            queue: Queue::new(()),
            gate: Queue::new(()),
            holding: Arc::default(),
            schedule: WaitLimits::of(policy, clock),
            stop,
        }
    }

    /// Counts calls that were made before this process began, given by their
    /// age, oldest first.
    pub(in crate::sweep) fn seed(&self, ages: impl IntoIterator<Item = Duration>) {
        let now = Instant::now();
        let mut lanes = self.lock();
        for age in ages {
            for lane in lanes.iter_mut() {
                if let Some(left) = lane.window.checked_sub(age).filter(|left| !left.is_zero()) {
                    lane.leaving.push_back(now + left);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RateLimit>> {
        // Nothing panics while holding it; if it did, the times are still true.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place near the gate, if there is one without waiting.
    pub(in crate::sweep) fn try_approach(&self) -> Option<Slot<'_>> {
        if self.stop.check().is_err() {
            return None;
        }
        let _first = if self.unlimited {
            None
        } else {
            Some(self.queue.try_lock().ok()?)
        };
        let due = self.due_in(self.holding.near());
        if due > LEAD || !matches!(self.schedule.leave(due), StartDecision::Now { .. }) {
            return None;
        }
        self.holding.try_enter().map(|entered| self.place(entered))
    }

    /// Waits until it is nearly this caller's turn.
    pub(in crate::sweep) async fn approach(&self) -> Result<Approach<'_>, Stopped> {
        tokio::select! {
            biased;
            () = self.stop.raised() => Err(Stopped),
            met = self.queue_up() => met,
        }
    }

    async fn queue_up(&self) -> Result<Approach<'_>, Stopped> {
        let _first = self.queue.lock().await;
        loop {
            self.holding.passable().await;
            if let Some(avoided) = self.keep_clear()? {
                return Ok(Approach::Window(avoided));
            }
            let near = self.holding.near();
            let due = self.due_in(near);
            if let Err(reason) = self.schedule.fits("the wait for the pace", due) {
                if let Some(others) = near.checked_sub(1) {
                    // Those before it may still go in time.
                    sleep(self.due_in(others).max(LATE)).await;
                    continue;
                }
                self.stop.raise(reason);
                return Err(Stopped);
            }
            match due.checked_sub(LEAD) {
                Some(wait) if !wait.is_zero() => {
                    let _timer = self.holding.rate_timer(Instant::now() + due);
                    sleep(wait).await;
                }
                _ => {
                    if let Some(entered) = self.holding.try_enter() {
                        return Ok(Approach::Place(self.place(entered)));
                    }
                }
            }
        }
    }

    fn place(&self, entered: PauseEntry) -> Slot<'_> {
        Slot {
            pacer: self,
            over: entered.over,
            since: self.schedule.clock.now(),
        }
    }

    /// Begins to hold every call where a window to avoid is on, or so near
    /// that a call could still be under way in it. Where none may start any
    /// more in the time allowed, the run is deferred.
    fn keep_clear(&self) -> Result<Option<PauseWindow>, Stopped> {
        match self.schedule.leave(Duration::ZERO) {
            StartDecision::Now { .. } => Ok(None),
            StartDecision::After { until, window } => {
                let left = self.schedule.clock.until(until);
                Ok(self.holding.avoid(window, left))
            }
            StartDecision::Never => {
                if let Err(reason) = self.schedule.fits("", Duration::ZERO) {
                    self.stop.raise(reason);
                }
                Err(Stopped)
            }
        }
    }

    fn due_in(&self, ahead: usize) -> Duration {
        let now = Instant::now();
        let mut lanes = self.lock();
        for lane in lanes.iter_mut() {
            lane.forget(now);
        }
        foresee(&lanes, ahead, now)
    }

    /// Waits until every limit allows one more call, and counts it.
    async fn turn(&self) {
        if self.unlimited {
            return;
        }
        let _first = self.gate.lock().await;
        let lanes = self.lock().len();
        for index in 0..lanes {
            loop {
                let cell = self.lock()[index].cell();
                let Err(due) = cell else { break };
                self.wait_until(due).await;
            }
        }
        while let Err(due) = self.take() {
            self.wait_until(due).await;
        }
    }

    async fn wait_until(&self, due: Instant) {
        let _timer = self.holding.rate_timer(due);
        sleep_until(due).await;
    }

    /// Counts a call in every window at this instant, or says when all have
    /// room.
    fn take(&self) -> Result<(), Instant> {
        let now = Instant::now();
        let mut lanes = self.lock();
        let full = lanes.iter_mut().filter_map(|lane| {
            lane.forget(now);
            lane.room()
        });
        if let Some(due) = full.max() {
            return Err(due);
        }
        for lane in lanes.iter_mut() {
            lane.goes(now);
        }
        Ok(())
    }
}

/// A place near the gate: the call may be recorded now.
#[derive(Debug)]
pub(in crate::sweep) struct Slot<'a> {
    pacer: &'a Pacer,
    /// The hold that is over with this call.
    pub(in crate::sweep) over: Option<i64>,
    /// When it was had: the time that the record is to have.
    pub(in crate::sweep) since: Timestamp,
}

impl<'a> Slot<'a> {
    /// Waits for this call's turn. With the permit in hand the call goes out
    /// at once.
    pub(in crate::sweep) async fn permit(self) -> Result<Permit<'a>, Denied> {
        let pacer = self.pacer;
        tokio::select! {
            biased;
            () = pacer.stop.raised() => return Err(Denied::Stopped),
            () = pacer.holding.begun() => return Err(Denied::Held),
            () = pacer.turn() => {}
        }
        if pacer.stop.check().is_err() {
            return Err(Denied::Stopped);
        }
        match pacer.keep_clear() {
            Ok(None) => {}
            Ok(Some(avoided)) => return Err(Denied::Window(avoided)),
            Err(Stopped) => return Err(Denied::Stopped),
        }
        // The last look: on a clock that counts while the process is stopped
        // and while the host sleeps.
        if pacer.schedule.clock.since(self.since) > LOOK_AHEAD {
            return Err(Denied::Stale);
        }
        if !pacer.holding.set_out() {
            return Err(Denied::Held);
        }
        Ok(Permit {
            pacer,
            answered: false,
        })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.pacer.holding.leave();
    }
}

/// Leave to make one call, now; it lasts until the answer.
#[derive(Debug)]
pub(in crate::sweep) struct Permit<'a> {
    pacer: &'a Pacer,
    answered: bool,
}

impl Permit<'_> {
    /// Says what the answer means for everybody. A strike begins a hold, and
    /// any answer during a hold prolongs it: the notice says how it stands.
    pub(in crate::sweep) fn answered(mut self, strike: PauseSignal) -> Option<PauseNotice> {
        self.answered = true;
        self.pacer.holding.came_back(strike)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.pacer.holding.came_back(PauseSignal::Unclear);
        }
    }
}

#[cfg(test)]
mod tests;
