//! A worker: what every delivery and every read is made of.
//!
//! A worker owns the batch it was given. Each call it makes is recorded
//! first, then takes its permit, then goes; what became of it is noted and
//! written down with the next call, or before the next wait, whichever comes
//! first.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::api::{Answer, Api, Call};
use crate::journal::{Batch, CallId, CallKind, Entry, HoldCause, Move, State, Verified};
use crate::list::PermissionId;
use crate::sweep::auth::state::Keeper;
use crate::sweep::deliver::status_read::ReadSizes;
use crate::sweep::pace::backoff::Backoff;
use crate::sweep::pace::clock::Clock;
use crate::sweep::pace::pacer::{Approach, Denied, LOOK_AHEAD, Pacer, Permit, Slot};
use crate::sweep::pace::pause::{PauseNotice, PauseSignal, PauseWindow};
use crate::sweep::policy::{Policy, Verify};
use crate::sweep::pool::ledger::Recorder;
use crate::sweep::shutdown::{Reason, Shutdown, Stopped};

/// So many lockouts in a row, without a clean answer between them, end the
/// run for now.
const LOCKOUTS: u32 = 3;

/// The same for time penalties.
const PENALTIES: u32 = 5;

/// So many records in a row that were too old to send their call end the run.
const STALE: u32 = 100;

/// What the pool shares.
#[derive(Debug)]
pub(in crate::sweep) struct Shared<A> {
    pub(in crate::sweep) api: A,
    pub(in crate::sweep) policy: Policy,
    pub(in crate::sweep) pacer: Pacer,
    pub(in crate::sweep) keeper: Keeper,
    pub(in crate::sweep) clock: Clock,
    pub(in crate::sweep) stop: Shutdown,
    pub(in crate::sweep) last_batch: AtomicI64,
    pub(in crate::sweep) last_call: AtomicI64,
    /// Added to a hold's number in this process.
    pub(in crate::sweep) last_hold: i64,
    /// Whether some batch of this run was accepted: before that a 409 or
    /// 422 may be about the request rather than a record.
    pub(in crate::sweep) accepted: AtomicBool,
    pub(in crate::sweep) read_sizes: ReadSizes,
    /// An ID that the API has shown, last or to an earlier process.
    pub(in crate::sweep) witness: Mutex<Option<PermissionId>>,
    /// Extra requests for isolation that this process may still make.
    pub(in crate::sweep) isolation: AtomicI64,
    /// Whether this process may revoke. Where it may not, no revocation goes
    /// out, whatever else goes wrong.
    pub(in crate::sweep) revokes: AtomicBool,
}

impl<A> Shared<A> {
    pub(in crate::sweep) fn witness(&self) -> MutexGuard<'_, Option<PermissionId>> {
        // Nothing panics while holding it.
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the pool.
#[derive(Debug)]
pub(in crate::sweep) struct Worker<A> {
    pub(in crate::sweep) shared: Arc<Shared<A>>,
    pub(in crate::sweep) desk: Recorder,
    /// Noted, not yet handed to the journal.
    pub(in crate::sweep) notes: Vec<Entry>,
    /// Records in a row that were too old to send their call.
    pub(in crate::sweep) stale: u32,
}

/// A call that was sent, and what came back.
#[derive(Debug)]
pub(in crate::sweep) struct Sent<'a> {
    pub(in crate::sweep) answer: Answer,
    /// Which token it bore.
    pub(in crate::sweep) generation: u64,
    /// When it was sent.
    pub(in crate::sweep) begun: Instant,
    call: CallId,
    elapsed: Duration,
    permit: Permit<'a>,
}

/// A change of state, in the words of the results.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::sweep) struct StateChange {
    pub(in crate::sweep) reason: Cow<'static, str>,
    pub(in crate::sweep) message: String,
    pub(in crate::sweep) status: Option<u16>,
    pub(in crate::sweep) verified: Verified,
    pub(in crate::sweep) owed: bool,
}

impl<A: Api> Worker<A> {
    pub(in crate::sweep) fn note(&mut self, entry: Entry) {
        self.notes.push(entry);
    }

    /// Returns when all notes are on the disk.
    pub(in crate::sweep) async fn flush(&mut self) -> Result<(), Stopped> {
        if self.notes.is_empty() {
            return Ok(());
        }
        self.desk.record(std::mem::take(&mut self.notes)).await
    }

    /// Makes one call, bearing a token that is good: records it, waits for its
    /// turn, sends it. A batch that it carries is marked as in flight first,
    /// and goes back to where it was if the call is not made after all.
    pub(in crate::sweep) async fn request<'a>(
        &mut self,
        shared: &'a Shared<A>,
        call: &Call,
        ids: u64,
        mut carried: Option<&mut Batch>,
    ) -> Result<Sent<'a>, Stopped> {
        if matches!(call, Call::Revoke(_)) && !shared.revokes.load(Ordering::Relaxed) {
            let words = "a revocation was about to be sent where nothing may be revoked";
            shared.stop.raise(Reason::Error(words.to_owned()));
            return Err(Stopped);
        }
        loop {
            let place = self.place(shared).await?;
            // Looked at as late as can be: a wait may have outlasted it.
            if shared.keeper.is_due() {
                drop(place);
                self.freshen().await?;
                continue;
            }
            let carried = carried.as_deref_mut();
            if let Some(sent) = self.send_from(shared, place, call, ids, carried).await? {
                return Ok(sent);
            }
        }
    }

    /// Waits, with everything written down, for a place near the gate.
    pub(in crate::sweep) async fn place<'a>(
        &mut self,
        shared: &'a Shared<A>,
    ) -> Result<Slot<'a>, Stopped> {
        loop {
            let place = if let Some(place) = shared.pacer.try_approach() {
                place
            } else {
                self.flush().await?;
                match shared.pacer.approach().await? {
                    Approach::Place(place) => place,
                    Approach::Window(avoided) => {
                        self.avoided(shared, &avoided);
                        continue;
                    }
                }
            };
            self.released(shared, place.over);
            return Ok(place);
        }
    }

    /// Records a call and sends it; none if a hold came first, or if so much
    /// time has passed since the record that it has to be made anew.
    pub(in crate::sweep) async fn send_from<'a>(
        &mut self,
        shared: &'a Shared<A>,
        place: Slot<'a>,
        call: &Call,
        ids: u64,
        carried: Option<&mut Batch>,
    ) -> Result<Option<Sent<'a>>, Stopped> {
        let number = shared.last_call.fetch_add(1, Ordering::Relaxed) + 1;
        let at = place.since;
        self.note(Entry::Begun {
            call: number,
            kind: match call {
                Call::Revoke(_) => CallKind::Revoke,
                Call::Items(_) | Call::Item(_) => CallKind::Read,
                Call::LogIn(_) => CallKind::LogIn,
                Call::Renew => CallKind::Renew,
            },
            batch: carried.as_ref().map(|batch| batch.id),
            ids,
            at,
        });
        if let Some(batch) = &carried {
            self.note(Entry::Sending {
                batch: batch.id,
                ids,
                from: batch.state,
                at,
            });
        }
        self.flush().await?;
        match place.permit().await {
            Ok(permit) => {
                self.stale = 0;
                if let Some(batch) = carried {
                    batch.state = State::InFlight;
                }
                let begun = Instant::now();
                let (answer, generation) = shared.keeper.sending(call, || shared.api.call(call));
                let answer = answer.await;
                Ok(Some(Sent {
                    answer,
                    generation,
                    begun,
                    call: number,
                    elapsed: begun.elapsed(),
                    permit,
                }))
            }
            Err(denied) => {
                self.note(Entry::Withdrawn { call: number });
                if let Some(batch) = &carried {
                    self.note(Entry::Unsent {
                        batch: batch.id,
                        ids,
                        back_to: batch.state,
                    });
                }
                match denied {
                    Denied::Held => Ok(None),
                    Denied::Window(avoided) => {
                        self.avoided(shared, &avoided);
                        Ok(None)
                    }
                    Denied::Stale => self.recorded_too_early(shared).map(|()| None),
                    Denied::Stopped => Err(Stopped),
                }
            }
        }
    }

    /// A record was too old when its call was to be sent. Where that goes on
    /// and on, it is the journal that takes so long, and the run stops.
    fn recorded_too_early(&mut self, shared: &Shared<A>) -> Result<(), Stopped> {
        self.stale += 1;
        if self.stale < STALE {
            return Ok(());
        }
        let words = format!(
            "{STALE} times in a row it took longer than {LOOK_AHEAD:?} to record a call: the disk \
             of the journal is too slow"
        );
        shared.stop.raise(Reason::Error(words));
        Err(Stopped)
    }

    /// Notes how a call was answered and judged, and what that means for
    /// everybody.
    pub(in crate::sweep) fn answered(
        &mut self,
        sent: Sent<'_>,
        word: &'static str,
        message: &str,
        mut strike: PauseSignal,
    ) {
        let shared = Arc::clone(&self.shared);
        if let PauseSignal::Hold {
            cause: HoldCause::Lockout,
            detail,
            ..
        } = &mut strike
            && detail.is_empty()
            && let Some(status) = status(&sent.answer)
        {
            *detail = status.to_string();
        }
        self.note(Entry::Answered {
            call: sent.call,
            at: shared.clock.now(),
            elapsed_us: u64::try_from(sent.elapsed.as_micros()).unwrap_or(u64::MAX),
            status: status(&sent.answer),
            verdict: word,
            message: message.to_owned(),
        });
        let Some(hold) = sent.permit.answered(strike) else {
            return;
        };
        let until = self.note_hold(&shared, &hold);
        let schedule = &shared.pacer.schedule;
        let (limit, what) = match hold.cause {
            HoldCause::Lockout => (LOCKOUTS, "lockouts"),
            HoldCause::Penalty => (PENALTIES, "time penalties"),
            // Its end was looked at when it began.
            HoldCause::Window => return,
        };
        if hold.in_a_row >= limit {
            let why = format!("{limit} {what} without a clean answer between them");
            shared.stop.raise(schedule.deferred(why, until));
            return;
        }
        let what = format!("the {}", hold.cause.in_words(&hold.detail));
        if let Err(reason) = schedule.bears(&what, hold.until - Instant::now()) {
            shared.stop.raise(reason);
        }
    }

    /// Notes how a hold stands.
    fn note_hold(&mut self, shared: &Shared<A>, hold: &PauseNotice) -> Timestamp {
        let until = shared.clock.at(hold.until);
        self.note(Entry::Held {
            hold: shared.last_hold + hold.number,
            cause: hold.cause,
            detail: hold.detail.clone(),
            began: shared.clock.at(hold.began),
            until,
            full_ms: i64::try_from(hold.wait.as_millis()).unwrap_or(i64::MAX),
        });
        until
    }

    /// Notes that a window to avoid holds every call.
    fn avoided(&mut self, shared: &Shared<A>, avoided: &PauseWindow) {
        self.released(shared, avoided.over);
        self.note_hold(shared, &avoided.hold);
    }

    /// Notes that a hold is over.
    fn released(&mut self, shared: &Shared<A>, over: Option<i64>) {
        if let Some(number) = over {
            self.note(Entry::Released {
                hold: shared.last_hold + number,
                at: shared.clock.now(),
            });
        }
    }

    /// Notes a change of a batch's state.
    pub(in crate::sweep) fn moved(&mut self, batch: &mut Batch, to: State, finding: StateChange) {
        self.note(Entry::Moved(Move {
            batch: batch.id,
            ids: batch.len(),
            from: batch.state,
            to,
            reason: finding.reason,
            message: finding.message,
            http_status: finding.status,
            verified: finding.verified,
            owed: finding.owed,
            at: self.shared.clock.now(),
        }));
        batch.state = to;
    }

    /// Waits for the backoff after the `tries`-th failure, and no shorter than
    /// the server asked for.
    pub(in crate::sweep) async fn back_off(
        &mut self,
        tries: u32,
        asked: Option<Duration>,
    ) -> Result<(), Stopped> {
        let policy = &self.shared.policy;
        let backoff = Backoff {
            initial: policy.retry_initial,
            longest: policy.retry_max,
        };
        let wait = backoff.after(tries).max(asked.unwrap_or_default());
        let schedule = &self.shared.pacer.schedule;
        if let Some(asked) = asked
            && let Err(reason) = schedule.bears("the wait that the API asks for", asked)
        {
            self.shared.stop.raise(reason);
        }
        self.rest(wait).await
    }

    /// Waits, with everything written down, until the time is over or the
    /// run stops. If no call could follow in the time allowed, it does not
    /// wait.
    pub(in crate::sweep) async fn rest(&mut self, wait: Duration) -> Result<(), Stopped> {
        self.flush().await?;
        let shared = Arc::clone(&self.shared);
        if let Err(reason) = shared
            .pacer
            .schedule
            .fits("the wait for the next try", wait)
        {
            shared.stop.raise(reason);
            return Err(Stopped);
        }
        let _timer = shared.pacer.holding.retry_timer(Instant::now() + wait);
        tokio::select! {
            biased;
            () = shared.stop.raised() => Err(Stopped),
            () = sleep(wait) => Ok(()),
        }
    }

    /// The wait that a lockout asks of everybody: never less than the set
    /// one, whatever `Retry-After` says.
    pub(in crate::sweep) fn lockout(&self, retry_after: Option<Duration>) -> PauseSignal {
        let wait = self.shared.policy.lockout_wait;
        PauseSignal::Hold {
            cause: HoldCause::Lockout,
            // The status of the answer, which is not known here.
            detail: String::new(),
            wait: wait.max(retry_after.unwrap_or_default()),
        }
    }

    /// The wait that a time penalty asks of everybody. A captcha cannot be
    /// answered: it is waited out like a lockout.
    pub(in crate::sweep) fn penalty(&self, wait: Duration, captcha: bool) -> PauseSignal {
        let policy = &self.shared.policy;
        let wait = wait + policy.penalty_margin;
        if captcha {
            PauseSignal::Hold {
                cause: HoldCause::Lockout,
                detail: "captcha".to_owned(),
                wait: policy.lockout_wait.max(wait),
            }
        } else {
            PauseSignal::Hold {
                cause: HoldCause::Penalty,
                detail: String::new(),
                wait,
            }
        }
    }

    pub(in crate::sweep) fn reads(&self) -> bool {
        self.shared.policy.verify != Verify::Off
    }
}

/// The HTTP status of an answer that has one.
pub(in crate::sweep) fn status(answer: &Answer) -> Option<u16> {
    match answer {
        Answer::Response(response) => Some(response.status),
        Answer::NotSent(_) | Answer::NoAnswer(_) => None,
    }
}
