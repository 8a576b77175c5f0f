//! Getting the token anew: what the [keeper](crate::sweep::auth::state) decides, done by
//! the worker that was the first to ask. The others wait and use its result.
//!
//! A log-in and a renewal are calls like others: recorded, paced, held back
//! and counted. A log-in that was refused is never repeated.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;

use crate::api::{Api, AuthOutcome, Call, LogIn, judge_auth};
use crate::journal::TokenOrigin;
use crate::sweep::auth::state::{AuthStep, Life};
use crate::sweep::deliver::attempt::ROUNDS;
use crate::sweep::pace::pacer::Slot;
use crate::sweep::pace::pause::PauseSignal;
use crate::sweep::pool::coordinator::chain;
use crate::sweep::pool::worker::{Shared, Worker};
use crate::sweep::shutdown::{Reason, Stopped};

/// What a 401 says of the token.
const REFUSED: &str = "the API refused the token (401)";

/// What may be wrong with a token that is refused.
const CAUSES: &str = "It may have expired, be of another environment, belong to an API key \
                      without the permission, or its session may have been ended by another log-in";

/// What may be wrong with a log-in that is refused.
const LOG_IN_CAUSES: &str = "It is not repeated: after some refusals the API refuses every log-in \
                             for a while. The name, the password, the cid or the sec may be \
                             wrong, or of another environment";

/// How far getting a token has come.
#[derive(Debug, Default)]
struct RefreshAttempt {
    /// Requests without an answer that could be used.
    tries: u32,
    /// How often a hold met it.
    rounds: u32,
    /// Answers a time penalty on a log-in.
    ticket: Option<String>,
    /// How long the server asked to be left alone, with its last answer.
    asked: Option<Duration>,
}

/// Whether a request brought a token.
enum RefreshOutcome {
    Granted,
    /// Look again at what is to be done.
    Again,
}

impl<A: Api> Worker<A> {
    /// Sees to the token if it is due or was refused, or waits until somebody
    /// else has.
    pub(in crate::sweep) async fn freshen(&mut self) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.shared);
        let _turn = self.token_turn(&shared).await?;
        if shared.keeper.is_due() {
            self.pursue(&shared).await?;
        }
        Ok(())
    }

    /// A call that bore the token of this generation was answered 401, with
    /// these words. Returns when calls bear another one: it may be made again
    /// then.
    pub(in crate::sweep) async fn token_refused(
        &mut self,
        generation: u64,
        words: &str,
    ) -> Result<(), Stopped> {
        // Before anything is waited for: nobody else is to bear it.
        self.shared.keeper.refuse(generation, words);
        self.freshen().await
    }

    /// A call was answered 401 once more although the token was got anew: the
    /// run stops.
    pub(in crate::sweep) fn refused_again(&self, words: &str) -> Stopped {
        let what = with("the API refused the token a second time (401)", words);
        self.unauthorized(format!("{what}. {CAUSES}"))
    }

    fn unauthorized(&self, words: String) -> Stopped {
        self.shared.stop.raise(Reason::Unauthorized(words));
        Stopped
    }

    /// Waits, with everything written down, for the turn to see to the token.
    async fn token_turn<'a>(
        &mut self,
        shared: &'a Shared<A>,
    ) -> Result<MutexGuard<'a, ()>, Stopped> {
        self.flush().await?;
        let turn = tokio::select! {
            biased;
            () = shared.stop.raised() => return Err(Stopped),
            turn = shared.keeper.turn.lock() => turn,
        };
        shared.stop.check()?;
        Ok(turn)
    }

    /// Gets the token anew, as far as that is to be done.
    async fn pursue(&mut self, shared: &Shared<A>) -> Result<(), Stopped> {
        let mut pursuit = RefreshAttempt::default();
        let refusal = || {
            let words = shared.keeper.refusal().unwrap_or_default();
            with(REFUSED, &words)
        };
        let mut place = None;
        loop {
            // Decided with a place at hand: the wait for one may be long.
            let outcome = match (shared.keeper.step(), place.take()) {
                (AuthStep::Use, _) => return Ok(()),
                (AuthStep::Renew { .. } | AuthStep::LogIn, None) => {
                    place = Some(self.place(shared).await?);
                    continue;
                }
                (AuthStep::Renew { needed }, Some(place)) => {
                    self.renew(shared, place, needed, &mut pursuit).await?
                }
                (AuthStep::LogIn, Some(place)) => self.log_in(shared, place, &mut pursuit).await?,
                (AuthStep::Fetch, _) => return self.fetch(shared, &refusal()).await,
                (AuthStep::Refused, _) => {
                    return Err(self.unauthorized(format!("{}. {CAUSES}", refusal())));
                }
                (AuthStep::Evicted { untold }, _) => {
                    let when = if untold {
                        "again, and when it was to end was not told: probably"
                    } else {
                        "again before its time:"
                    };
                    return Err(self.unauthorized(format!(
                        "{}, {when} somebody else logs in as the same user, and each log-in \
                         ends the session of another",
                        refusal()
                    )));
                }
                (AuthStep::Full { what, until }, _) => {
                    let until = shared.clock.at(until);
                    let why = format!("there were as many {what} lately as are allowed");
                    shared
                        .stop
                        .raise(shared.pacer.schedule.deferred(why, until));
                    return Err(Stopped);
                }
            };
            if matches!(outcome, RefreshOutcome::Granted) {
                return Ok(());
            }
        }
    }

    async fn renew(
        &mut self,
        shared: &Shared<A>,
        place: Slot<'_>,
        needed: bool,
        pursuit: &mut RefreshAttempt,
    ) -> Result<RefreshOutcome, Stopped> {
        let Some(admission) = self
            .ask_for_token(shared, place, &Call::Renew, pursuit)
            .await?
        else {
            return Ok(RefreshOutcome::Again);
        };
        if !matches!(admission, AuthOutcome::NotSent { .. }) {
            shared.keeper.renewed();
        }
        match admission {
            AuthOutcome::Granted { .. } => return Ok(RefreshOutcome::Granted),
            AuthOutcome::Penalty { .. } | AuthOutcome::Lockout { .. } => {
                pursuit.rounds += 1;
                if pursuit.rounds >= ROUNDS {
                    shared.keeper.unrenewable();
                }
            }
            failed @ (AuthOutcome::NotSent { .. }
            | AuthOutcome::Failed {
                transient: true, ..
            }) => {
                if needed {
                    return self.later(shared, "the renewal", &failed, pursuit).await;
                }
                let wait = shared.policy.retry_max;
                shared
                    .keeper
                    .postpone(wait.max(pursuit.asked.unwrap_or_default()));
            }
            AuthOutcome::Refused { .. } | AuthOutcome::Failed { .. } => shared.keeper.unrenewable(),
        }
        Ok(RefreshOutcome::Again)
    }

    async fn log_in(
        &mut self,
        shared: &Shared<A>,
        place: Slot<'_>,
        pursuit: &mut RefreshAttempt,
    ) -> Result<RefreshOutcome, Stopped> {
        let credentials = shared.keeper.credentials();
        let credentials = credentials.unwrap_or_else(|| unreachable!("decided by the keeper"));
        let call = Call::LogIn(LogIn::new(credentials, pursuit.ticket.as_deref()));
        let Some(admission) = self.ask_for_token(shared, place, &call, pursuit).await? else {
            return Ok(RefreshOutcome::Again);
        };
        match admission {
            AuthOutcome::Granted { .. } => Ok(RefreshOutcome::Granted),
            AuthOutcome::Penalty { ticket, .. } => {
                pursuit.ticket = ticket;
                self.held_back(pursuit)
            }
            AuthOutcome::Lockout { .. } => self.held_back(pursuit),
            AuthOutcome::NotSent { .. } => {
                self.later(shared, "the log-in", &admission, pursuit).await
            }
            AuthOutcome::Failed {
                transient: true, ..
            } => {
                // It may have been refused without our learning of it.
                shared.keeper.log_in_refused();
                pursuit.ticket = None;
                self.later(shared, "the log-in", &admission, pursuit).await
            }
            refused => {
                shared.keeper.log_in_refused();
                let what = with("the log-in was refused", refused.message());
                Err(self.unauthorized(format!("{what}. {LOG_IN_CAUSES}")))
            }
        }
    }

    fn held_back(&self, pursuit: &mut RefreshAttempt) -> Result<RefreshOutcome, Stopped> {
        pursuit.rounds += 1;
        if pursuit.rounds < ROUNDS {
            return Ok(RefreshOutcome::Again);
        }
        let why = format!("penalties or lockouts stopped the log-in {ROUNDS} times");
        let now = self.shared.clock.now();
        let reason = self.shared.pacer.schedule.deferred(why, now);
        self.shared.stop.raise(reason);
        Err(Stopped)
    }

    /// Whether it was done is not known, or it was not: it is done again after
    /// a backoff, unless that has been tried often enough.
    async fn later(
        &mut self,
        shared: &Shared<A>,
        what: &str,
        failed: &AuthOutcome,
        pursuit: &mut RefreshAttempt,
    ) -> Result<RefreshOutcome, Stopped> {
        pursuit.tries += 1;
        if pursuit.tries >= shared.policy.max_attempts {
            let failed = with(&format!("{what} failed"), failed.message());
            if let Some(words) = shared.keeper.refusal() {
                let refusal = with(REFUSED, &words);
                return Err(self.unauthorized(format!("{refusal}, and {failed}")));
            }
            let words = format!("no token could be had: {failed}");
            shared.stop.raise(Reason::Guard(words));
            return Err(Stopped);
        }
        self.back_off(pursuit.tries, pursuit.asked).await?;
        Ok(RefreshOutcome::Again)
    }

    /// Makes the call; none if a hold came first. If a token is issued, calls
    /// bear it from now on.
    async fn ask_for_token(
        &mut self,
        shared: &Shared<A>,
        place: Slot<'_>,
        call: &Call,
        pursuit: &mut RefreshAttempt,
    ) -> Result<Option<AuthOutcome>, Stopped> {
        let Some(sent) = self.send_from(shared, place, call, 0, None).await? else {
            return Ok(None);
        };
        let admission = judge_auth(call, &sent.answer);
        let strike = match &admission {
            AuthOutcome::Granted { .. } => PauseSignal::Clean,
            AuthOutcome::Penalty { wait, captcha, .. } => self.penalty(*wait, *captcha),
            AuthOutcome::Lockout { retry_after, .. } => self.lockout(*retry_after),
            AuthOutcome::Refused { .. }
            | AuthOutcome::NotSent { .. }
            | AuthOutcome::Failed { .. } => PauseSignal::Unclear,
        };
        let begun = sent.begun;
        pursuit.asked = sent.answer.retry_after();
        self.answered(sent, admission.word(), admission.message(), strike);
        if let AuthOutcome::Granted {
            token,
            expires,
            date,
        } = &admission
        {
            let provenance = match call {
                Call::LogIn(_) => TokenOrigin::LogIn,
                _ => TokenOrigin::Renewal,
            };
            let life = expires.map(|expires| Life {
                sent: begun,
                expires,
                date: *date,
            });
            let bear = |token: &_| shared.api.bear(token);
            self.note(shared.keeper.bear(token, provenance, life, bear));
        }
        Ok(Some(admission))
    }

    /// Reads the token's file or runs its command again.
    async fn fetch(&mut self, shared: &Shared<A>, refusal: &str) -> Result<(), Stopped> {
        let source = shared.keeper.source();
        let source = source.unwrap_or_else(|| unreachable!("decided by the keeper"));
        let obtained = tokio::select! {
            biased;
            () = shared.stop.raised() => return Err(Stopped),
            obtained = source.obtain() => obtained,
        };
        let token = match obtained {
            Ok(token) => token,
            Err(error) => {
                let why = chain(&error);
                return Err(self.unauthorized(format!("{refusal}, and {why}")));
            }
        };
        if shared.keeper.bears(&token) {
            return Err(self.unauthorized(format!(
                "{refusal}, and {} still gives the same one. {CAUSES}",
                source.describe()
            )));
        }
        let bear = |token: &_| shared.api.bear(token);
        self.note(shared.keeper.bear(&token, source.provenance(), None, bear));
        Ok(())
    }
}

fn with(what: &str, words: &str) -> String {
    if words.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {words}")
    }
}
