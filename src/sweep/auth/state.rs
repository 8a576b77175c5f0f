//! The keeper of the token: whether it is good, and what to do when it is not.
//!
//! Deciding is apart from doing: what the keeper decides, the worker that
//! asked carries out ([`bearing`](crate::sweep::auth::refresh)), one at a time, however
//! many wait for it. Tokens are counted by generation, so that a refusal of
//! an older one leads to nothing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex as Queue;
use tokio::time::Instant;

use crate::api::{Call, Credentials, Token, TokenSource};
use crate::journal::{Entry, TokenOrigin};
use crate::sweep::pace::clock::Clock;
use crate::sweep::policy::{Policy, Quota};
use crate::sweep::run::Past;

/// So many log-ins a process makes after its session was ended before its
/// time. Somebody else logs in as the same user then, and two who throw each
/// other out help nobody.
const EVICTIONS: u32 = 2;

/// Who is told of a token that was got by a log-in or a renewal, and when it
/// expires by this host's clock.
type Keep = Box<dyn Fn(&Token, Option<Timestamp>) + Send + Sync>;

/// The token that a run begins with, and how it is got anew.
pub struct TokenProvider {
    means: Means,
    token: Option<Token>,
    provenance: TokenOrigin,
    /// By this host's clock.
    expires: Option<Timestamp>,
    keep: Option<Keep>,
}

/// How a token is got anew.
enum Means {
    /// Not at all.
    Nothing,
    /// By a renewal.
    Renewal,
    /// From where it came.
    Source(TokenSource),
    /// By a renewal, and where that is refused or too late by a log-in.
    LogIn(Arc<Credentials>),
}

impl TokenProvider {
    /// A token that was handed in by value. It is not renewed unasked, since
    /// the old one might die under whoever else uses it; once it is refused,
    /// a renewal is tried.
    #[must_use]
    pub fn given(token: Token) -> Self {
        Self::of(Means::Renewal, Some(token), TokenOrigin::Given)
    }

    /// A token that came from a file or a command. Once it is refused, the
    /// file is read again, or the command run again.
    #[must_use]
    pub fn fetched(source: TokenSource, token: Token) -> Self {
        let provenance = source.provenance();
        match provenance {
            TokenOrigin::Given => Self::given(token),
            _ => Self::of(Means::Source(source), Some(token), provenance),
        }
    }

    /// A token that is got by logging in. `kept` is one that an earlier
    /// process got so, with its expiry by this host's clock.
    #[must_use]
    pub fn log_in(credentials: Arc<Credentials>, kept: Option<(Token, Timestamp)>) -> Self {
        let (token, expires) = kept.unzip();
        Self {
            expires,
            ..Self::of(Means::LogIn(credentials), token, TokenOrigin::Kept)
        }
    }

    /// Tells `keep` of every token that is got by a log-in or a renewal, and
    /// of its expiry by this host's clock.
    #[must_use]
    pub fn kept_by(self, keep: impl Fn(&Token, Option<Timestamp>) + Send + Sync + 'static) -> Self {
        Self {
            keep: Some(Box::new(keep)),
            ..self
        }
    }

    /// Whether the token was handed in by value: then its end is not known.
    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self.means, Means::Renewal)
    }

    fn of(means: Means, token: Option<Token>, provenance: TokenOrigin) -> Self {
        Self {
            means,
            token,
            provenance,
            expires: None,
            keep: None,
        }
    }

    /// The token that calls are to bear from the beginning.
    pub(in crate::sweep) const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }
}

impl Default for TokenProvider {
    /// Whatever calls bear is not got anew.
    fn default() -> Self {
        Self::of(Means::Nothing, None, TokenOrigin::Given)
    }
}

impl fmt::Debug for TokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenProvider")
            .field("provenance", &self.provenance)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What is to be done about the token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum AuthStep {
    /// Nothing: it may be used.
    Use,
    /// Renew it. If it is not `needed` yet, that may also be done later.
    Renew { needed: bool },
    /// Log in.
    LogIn,
    /// Read it or have it printed again.
    Fetch,
    /// It was refused, and there is nothing else to try.
    Refused,
    /// It was refused once more before its time, or when its end was `untold`.
    Evicted { untold: bool },
    /// What is to be done has been done so often that it may not be done
    /// before that time.
    Full { what: &'static str, until: Instant },
}

/// Calls of one kind that a limit counts.
#[derive(Debug)]
struct CallWindow {
    quota: Quota,
    /// When each leaves the window, oldest first.
    leaving: VecDeque<Instant>,
}

impl CallWindow {
    fn new(quota: Quota, ages: &[Duration]) -> Self {
        let now = Instant::now();
        let left = ages
            .iter()
            .filter_map(|age| quota.window.checked_sub(*age))
            .map(|left| now + left);
        Self {
            quota,
            leaving: left.collect(),
        }
    }

    fn add(&mut self, now: Instant) {
        self.leaving.push_back(now + self.quota.window);
    }

    /// `Err` says when there is room for one more.
    fn room(&mut self, now: Instant) -> Result<(), Instant> {
        while self.leaving.front().is_some_and(|leaves| *leaves <= now) {
            self.leaving.pop_front();
        }
        let count = self.quota.count as usize;
        match self.leaving.len().checked_sub(count) {
            Some(over) => Err(self.leaving[over]),
            None => Ok(()),
        }
    }
}

/// How the token stands.
#[derive(Debug)]
struct AuthState {
    /// Which token it is; 0: none yet.
    generation: u64,
    token: Option<Token>,
    expires: Option<Instant>,
    /// When it is to be seen to, unasked.
    due: Option<Instant>,
    /// Whether a call bore it. One that never did is not replaced unasked:
    /// where a token lives shorter than the pace between two calls, nothing
    /// but log-ins would go.
    used: bool,
    /// A call that bore it was answered 401, with these words.
    refused: Option<String>,
    /// The API has refused to renew it.
    unrenewable: bool,
    renewals: CallWindow,
    /// Log-ins that were refused or may have been.
    refusals: CallWindow,
    /// How often a log-in had to replace a token before its time, or one of
    /// unknown end that was refused.
    evictions: u32,
}

/// The settings that the keeper obeys.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct Bounds {
    renew_before: Duration,
    log_ins: Quota,
    renewals: Quota,
}

impl Bounds {
    pub(in crate::sweep) const fn of(policy: &Policy) -> Self {
        Self {
            renew_before: policy.renew_before,
            log_ins: policy.login_limit,
            renewals: policy.renewal_limit,
        }
    }
}

/// The token's keeper, shared by the pool.
pub(in crate::sweep) struct Keeper {
    custody: TokenProvider,
    renew_before: Duration,
    clock: Clock,
    state: Mutex<AuthState>,
    /// Whoever holds it sees to the token.
    pub(in crate::sweep) turn: Queue<()>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    pub(in crate::sweep) fn new(
        custody: TokenProvider,
        bounds: Bounds,
        clock: Clock,
        past: &Past,
    ) -> Self {
        let now = Instant::now();
        let expires = custody.expires.map(|at| now + clock.until(at));
        let logs_in = matches!(custody.means, Means::LogIn(_));
        let state = AuthState {
            // Where there is none to log in, calls bear what they bear.
            generation: u64::from(custody.token.is_some() || !logs_in),
            token: custody.token.clone(),
            expires,
            due: expires.map(|expires| expires.checked_sub(bounds.renew_before).unwrap_or(now)),
            used: true,
            refused: None,
            unrenewable: false,
            renewals: CallWindow::new(bounds.renewals, &past.renewals),
            refusals: CallWindow::new(bounds.log_ins, &past.refused_log_ins),
            evictions: 0,
        };
        Self {
            custody,
            renew_before: bounds.renew_before,
            clock,
            state: Mutex::new(state),
            turn: Queue::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, AuthState> {
        // Nothing panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry for the token that the process begins with, if there is one.
    pub(in crate::sweep) fn beginning(&self) -> Option<Entry> {
        self.custody.token.as_ref()?;
        Some(Entry::Bearing {
            provenance: self.custody.provenance,
            expires: self.custody.expires,
            at: self.clock.now(),
        })
    }

    pub(in crate::sweep) fn credentials(&self) -> Option<&Arc<Credentials>> {
        match &self.custody.means {
            Means::LogIn(credentials) => Some(credentials),
            _ => None,
        }
    }

    pub(in crate::sweep) fn source(&self) -> Option<&TokenSource> {
        match &self.custody.means {
            Means::Source(source) => Some(source),
            _ => None,
        }
    }

    /// Whether the token is to be seen to before another call bears it.
    pub(in crate::sweep) fn is_due(&self) -> bool {
        let state = self.lock();
        state.generation == 0 || state.is_due(Instant::now())
    }

    /// Makes a request, and tells which token it bears.
    pub(in crate::sweep) fn sending<T>(&self, call: &Call, make: impl FnOnce() -> T) -> (T, u64) {
        let mut state = self.lock();
        state.used |= !matches!(call, Call::LogIn(_) | Call::Renew);
        (make(), state.generation)
    }

    /// A call that bore the token of this generation was answered 401, with
    /// these words. No other call is to bear it; what an older one was
    /// answered means nothing.
    pub(in crate::sweep) fn refuse(&self, generation: u64, words: &str) {
        let mut state = self.lock();
        if state.generation == generation {
            state.refused.get_or_insert_with(|| words.to_owned());
        }
    }

    /// With which words the token was refused, if it was.
    pub(in crate::sweep) fn refusal(&self) -> Option<String> {
        self.lock().refused.clone()
    }

    /// What is to be done about the token.
    pub(in crate::sweep) fn step(&self) -> AuthStep {
        let now = Instant::now();
        let mut state = self.lock();
        let refused = state.refused.is_some();
        let expired = state.expires.is_some_and(|expires| expires <= now);
        let due = state.is_due(now);
        match &self.custody.means {
            Means::Nothing if refused => AuthStep::Refused,
            Means::Source(_) if refused => AuthStep::Fetch,
            Means::Nothing | Means::Source(_) => AuthStep::Use,
            Means::LogIn(_) if state.generation == 0 || expired || refused && state.unrenewable => {
                state.log_in(now)
            }
            Means::Renewal if refused && state.unrenewable => AuthStep::Refused,
            Means::Renewal | Means::LogIn(_) if !due => AuthStep::Use,
            // Until it is refused, or a log-in has to do.
            Means::Renewal | Means::LogIn(_) if state.unrenewable => {
                state.due = state.expires.filter(|expires| *expires > now);
                AuthStep::Use
            }
            Means::Renewal | Means::LogIn(_) => state.renewal(now, refused || expired),
        }
    }

    /// The API does not renew this token.
    pub(in crate::sweep) fn unrenewable(&self) {
        self.lock().unrenewable = true;
    }

    /// A renewal was sent.
    pub(in crate::sweep) fn renewed(&self) {
        self.lock().renewals.add(Instant::now());
    }

    /// A log-in was refused, or may have been.
    pub(in crate::sweep) fn log_in_refused(&self) {
        self.lock().refusals.add(Instant::now());
    }

    /// What was not needed yet is tried again after `wait`, and not after the
    /// token's end.
    pub(in crate::sweep) fn postpone(&self, wait: Duration) {
        let mut state = self.lock();
        let later = Instant::now() + wait;
        state.due = Some(state.expires.map_or(later, |expires| expires.min(later)));
    }

    /// Whether `token` is the one that calls bear.
    pub(in crate::sweep) fn bears(&self, token: &Token) -> bool {
        self.lock().token.as_ref() == Some(token)
    }

    /// Lets calls bear another token from now on: `bear` tells whoever makes
    /// them. Its life is counted from the moment its request was sent, and
    /// by the server's own clock where it is known (`date`): this host's may
    /// be wrong.
    pub(in crate::sweep) fn bear(
        &self,
        token: &Token,
        provenance: TokenOrigin,
        life: Option<Life>,
        bear: impl FnOnce(&Token),
    ) -> Entry {
        let life = life.map(|life| (life.sent, life.length(&self.clock)));
        // A token that is dead on arrival has an expiry that cannot be right.
        let life = life.filter(|(_, length)| !length.is_zero());
        let expires = life.map(|(sent, length)| sent + length);
        let recorded = expires.map(|expires| self.clock.at(expires));
        let mut state = self.lock();
        bear(token);
        // Nobody logs in anew while a token is good. Where its end was not told,
        // a refusal has to be taken for an early one: two who throw each other
        // out would go on until no renewal is left.
        let early = match state.expires {
            Some(expires) => expires > Instant::now(),
            None => state.refused.is_some(),
        };
        state.evictions += u32::from(early && provenance == TokenOrigin::LogIn);
        state.generation += 1;
        state.expires = expires;
        // A short life is not spent on renewals alone.
        state.due = life
            .map(|(sent, length)| sent + length.saturating_sub(self.renew_before).max(length / 2));
        state.used = false;
        state.refused = None;
        state.unrenewable = false;
        state.token = Some(token.clone());
        drop(state);
        if let Some(keep) = &self.custody.keep
            && matches!(provenance, TokenOrigin::LogIn | TokenOrigin::Renewal)
        {
            keep(token, recorded);
        }
        Entry::Bearing {
            provenance,
            expires: recorded,
            at: self.clock.now(),
        }
    }
}

/// How long a token lives, as the answer that issued it says.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct Life {
    /// When the request was sent.
    pub(in crate::sweep) sent: Instant,
    /// When the token expires, by the server's clock.
    pub(in crate::sweep) expires: Timestamp,
    /// What the server's clock showed, if it said so.
    pub(in crate::sweep) date: Option<Timestamp>,
}

impl Life {
    fn length(&self, clock: &Clock) -> Duration {
        let now = self.date.unwrap_or_else(|| clock.at(self.sent));
        let length = self.expires.duration_since(now);
        length.try_into().unwrap_or_default()
    }
}

impl AuthState {
    fn is_due(&self, now: Instant) -> bool {
        self.refused.is_some() || self.used && self.due.is_some_and(|due| due <= now)
    }

    fn log_in(&mut self, now: Instant) -> AuthStep {
        match self.refusals.room(now) {
            Err(until) => {
                let what = "refused log-ins";
                AuthStep::Full { what, until }
            }
            Ok(()) if self.evictions >= EVICTIONS => AuthStep::Evicted {
                untold: self.expires.is_none(),
            },
            Ok(()) => AuthStep::LogIn,
        }
    }

    fn renewal(&mut self, now: Instant, needed: bool) -> AuthStep {
        match self.renewals.room(now) {
            Ok(()) => AuthStep::Renew { needed },
            Err(until) if needed => {
                let what = "renewals of the token";
                AuthStep::Full { what, until }
            }
            Err(until) => {
                self.due = Some(self.expires.map_or(until, |expires| expires.min(until)));
                AuthStep::Use
            }
        }
    }
}

#[cfg(test)]
mod tests;
