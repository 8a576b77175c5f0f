//! Tokens, the sessions they belong to, and who may log in.
//!
//! A log-in opens a session, and a renewal keeps it. Of one user so many may
//! be open at once: who opens another one closes the oldest, and none of its
//! tokens is worth anything from then on (partner pages: *access token
//! request*, and other clients' reports). A session is over by itself when its
//! last token has expired.

use std::{collections::VecDeque, io};

use hyper::HeaderMap;
use jiff::Timestamp;
use rustc_hash::FxHashMap;
use serde_json::json;

use super::rules::LogInRefusal;
use super::world::WorldState;
use crate::sandbox::request::{Ask, Kind, LogInRequest, Wrong, bearer, unknown_token};
use crate::sandbox::response::Reply;
use crate::sandbox::seeded_rng::SeededRng;
use crate::sandbox::state::{Event, Moment, after};

/// What the API is known to say.
const WRONG_LOG_IN: &str =
    "Incorrect username or password. Please try again, noting that passwords are case-sensitive.";

/// What a token is worth.
pub(super) enum TokenCheck {
    /// It gives access, and belongs to this session; the token of the rules
    /// belongs to none.
    Granted(Option<u64>),
    /// It has expired, or its session was closed.
    Spent,
}

/// All sessions so far.
#[derive(Default)]
pub(super) struct Sessions {
    tokens: FxHashMap<String, Issued>,
    /// Those that may be open, the oldest first.
    open: VecDeque<Open>,
    /// How many were opened.
    opened: u64,
    /// How many of them by somebody else ([`Rules::others_log_in`]).
    ///
    /// [`Rules::others_log_in`]: super::Rules::others_log_in
    others: usize,
    /// How many were closed because others were opened.
    pub(super) evicted: usize,
    /// When log-ins failed.
    pub(super) failures: Vec<Moment>,
    /// How many failed since one was good, or since they were locked.
    in_a_row: usize,
    /// Until when every log-in fails, even a right one.
    locked: Moment,
}

struct Issued {
    expires: Moment,
    session: Option<u64>,
}

struct Open {
    number: u64,
    /// When its last token expires.
    until: Moment,
}

impl Sessions {
    /// A session is opened at `at`, and `closed` ones are not open any more.
    pub(super) fn open(&mut self, at: Moment, others: bool, closed: &[u64]) {
        self.open
            .retain(|one| one.until > at && !closed.contains(&one.number));
        self.evicted += closed.len();
        self.open.push_back(Open {
            number: self.opened,
            // Who else there is goes on renewing.
            until: if others { Moment::MAX } else { 0 },
        });
        self.opened += 1;
        if others {
            self.others += 1;
        } else {
            self.in_a_row = 0;
        }
    }

    /// A token is issued.
    pub(super) fn issue(&mut self, token: String, expires: Moment, session: Option<u64>) {
        let open = self.open.iter_mut();
        if let Some(open) = open.into_iter().find(|one| Some(one.number) == session) {
            open.until = open.until.max(expires);
        }
        self.tokens.insert(token, Issued { expires, session });
    }

    /// A log-in failed.
    pub(super) fn fail(&mut self, at: Moment) {
        self.failures.push(at);
        self.in_a_row += 1;
    }

    /// Log-ins are locked.
    pub(super) fn lock(&mut self, until: Moment) {
        self.locked = until;
        self.in_a_row = 0;
    }

    fn worth(&self, token: &str, now: Moment) -> Option<TokenCheck> {
        let issued = self.tokens.get(token)?;
        let closed = issued
            .session
            .is_some_and(|session| self.open.iter().all(|one| one.number != session));
        Some(if closed || now >= issued.expires {
            TokenCheck::Spent
        } else {
            TokenCheck::Granted(issued.session)
        })
    }

    /// The sessions to close, so that of `most` there is one to spare.
    fn surplus(&self, most: usize, now: Moment) -> Vec<u64> {
        let open = self.open.iter().filter(|one| one.until > now);
        let open: Vec<_> = open.map(|one| one.number).collect();
        let surplus = (open.len() + 1).saturating_sub(most);
        open[..surplus].to_vec()
    }
}

impl WorldState {
    /// Whether a token, or none for a log-in, gives access.
    pub(super) fn access(
        &self,
        kind: Kind,
        headers: &HeaderMap,
        now: Moment,
    ) -> Result<TokenCheck, Wrong> {
        if kind == Kind::LogIn {
            return Ok(TokenCheck::Granted(None));
        }
        let token = bearer(headers)?;
        if self.rules.token.as_deref() == Some(token) {
            return Ok(TokenCheck::Granted(None));
        }
        let worth = self.facts.sessions.worth(token, now);
        worth.ok_or_else(unknown_token)
    }

    /// Lets everybody else log in who does so by now.
    pub(super) fn let_others_in(&mut self, now: Moment) -> io::Result<()> {
        loop {
            let next = self.rules.others_log_in.0.get(self.facts.sessions.others);
            let Some(at) = next.map(|since| after(self.facts.born, *since)) else {
                return Ok(());
            };
            if at > now {
                return Ok(());
            }
            self.open_session(at, true)?;
        }
    }

    fn open_session(&mut self, at: Moment, others: bool) -> io::Result<u64> {
        let number = self.facts.sessions.opened;
        let closed = self.facts.sessions.surplus(self.rules.sessions, at);
        self.record(Event::Session { at, others, closed })?;
        Ok(number)
    }

    /// The answer to a log-in while they are locked, which it starts anew.
    pub(super) fn locked_out(&mut self, ask: &Ask, now: Moment) -> io::Result<Option<Reply>> {
        if !matches!(ask, Ask::LogIn(_)) || now >= self.facts.sessions.locked {
            return Ok(None);
        }
        self.lock_log_ins(true, now).map(Some)
    }

    fn lock_log_ins(&mut self, touched: bool, now: Moment) -> io::Result<Reply> {
        let until = after(now, self.rules.lockout);
        self.record(Event::Locked { until, touched })?;
        Ok(self.refusal(423))
    }

    pub(super) fn log_in(&mut self, log_in: &LogInRequest, now: Moment) -> io::Result<Reply> {
        let ours = &self.rules.log_in;
        let good = log_in.name == ours.name
            && log_in.password == ours.password
            && log_in.cid.is(&ours.cid)
            && log_in.sec == ours.sec;
        if good {
            let session = self.open_session(now, false)?;
            return self.issue(Some(session), now);
        }
        let (locked_after, refusal) = (ours.locked_after, ours.refusal);
        self.record(Event::LogInFailed { at: now })?;
        match locked_after.map(|most| most.saturating_sub(self.facts.sessions.in_a_row)) {
            Some(0) => self.lock_log_ins(false, now),
            // About to be locked out.
            Some(1) => Ok(self.refusal(423)),
            _ if refusal == LogInRefusal::Unauthorized => Ok(self.refusal(401)),
            _ => Ok(Reply::json(&json!({ "errorText": WRONG_LOG_IN }))),
        }
    }

    /// Issues a token of a session.
    pub(super) fn issue(&mut self, session: Option<u64>, now: Moment) -> io::Result<Reply> {
        let number = self.facts.sessions.tokens.len() as u64;
        let dice = SeededRng::new(self.rules.seed).with(number);
        let token = format!("sandbox-{number}-{:016x}", dice.number());
        let expires = after(now, self.rules.token_lifetime);
        self.record(Event::Token {
            token: token.clone(),
            expires,
            session,
        })?;
        let expires = timestamp(expires);
        // Both forms have been seen.
        let expires = if number.is_multiple_of(2) {
            format!("{expires:.3}")
        } else {
            format!("{expires:.0}")
        };
        Ok(Reply::json(&json!({
            "accessToken": token,
            "expirationTime": expires,
            "userId": 4711,
            "name": self.rules.log_in.name,
            "userStatus": "Active",
        })))
    }
}

/// A moment for people and programs.
pub(super) fn timestamp(at: Moment) -> Timestamp {
    Timestamp::from_nanosecond(at.into()).unwrap_or(Timestamp::MAX)
}
