//! Who may come in: lockouts, rolling limits, penalties and permissions, by the
//! API's pages on rate limits and penalty tickets.

use std::{io, time::Duration};

use serde_json::json;

use super::world::WorldState;
use crate::sandbox::request::{Ask, Kind};
use crate::sandbox::response::Reply;
use crate::sandbox::seeded_rng::SeededRng;
use crate::sandbox::state::{Event, Moment, after, before};

/// A penalty lasts 64 times the first at the most.
const HIGHEST_LEVEL: u32 = 6;

/// How a penalty is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// As any other.
    Plain,
    /// By coming back too early, or with a wrong ticket.
    Impatient,
    /// By looking like a program.
    Captcha,
}

impl WorldState {
    /// The answer to a call during a lockout, which it starts anew.
    pub(super) fn locked(&mut self, now: Moment) -> io::Result<Option<Reply>> {
        match self.facts.lockout {
            Some(lockout) if now < lockout.until => {
                self.lock_out(lockout.status, true, now).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The answer to the call above a limit, which begins a lockout. The call
    /// itself has been counted.
    pub(super) fn crowded(&mut self, now: Moment) -> io::Result<Option<Reply>> {
        let anew = self.facts.lockout.map_or(0, |lockout| lockout.until);
        let calls = &self.facts.calls;
        let over = self.rules.limits.iter().any(|limit| {
            let earliest = before(now, limit.window);
            let gone = calls.partition_point(|(at, _)| *at <= earliest || *at < anew);
            calls.len() - gone > limit.count
        });
        if over {
            return self.lock_out(429, false, now).map(Some);
        }
        Ok(None)
    }

    /// Begins a lockout or starts it anew, and answers.
    pub(super) fn lock_out(
        &mut self,
        status: u16,
        touched: bool,
        now: Moment,
    ) -> io::Result<Reply> {
        self.record(Event::Lockout {
            until: after(now, self.rules.lockout),
            status,
            touched,
        })?;
        Ok(self.refusal(status))
    }

    /// The answer to a call that has a penalty to wait out, or draws one.
    pub(super) fn penalised(
        &mut self,
        kind: Kind,
        key: u64,
        ask: &Ask,
        now: Moment,
    ) -> io::Result<Option<Reply>> {
        let owed = self.facts.tickets.get(&key);
        let under = self.facts.penalties.get(&kind);
        // Who comes at the very instant meets an empty bucket.
        let early = under.is_some_and(|penalty| now <= penalty.until);
        let served = match (ask.ticket(), owed) {
            _ if early || under.is_some_and(|penalty| penalty.captcha) => false,
            (Some(ticket), Some(owed)) => owed == ticket,
            // How to hand a ticket back on a GET is not documented.
            (None, Some(_)) => !matches!(ask, Ask::Revoke(_) | Ask::LogIn(_)),
            (_, None) => false,
        };
        if served {
            self.record(Event::Served { kind, key })?;
            return Ok(None);
        }
        let impatient = ask.ticket().is_some() || (early && owed.is_some());
        if early || impatient || self.over(kind, now) {
            let draw = if impatient {
                Draw::Impatient
            } else {
                Draw::Plain
            };
            return self.penalise(kind, key, draw, now).map(Some);
        }
        Ok(None)
    }

    /// The answer to a call that the API key may not make.
    pub(super) fn denied(&self, kind: Kind) -> Option<Reply> {
        let denied = self.rules.denied.contains(&kind);
        denied.then(|| self.refusal(401))
    }

    /// Whether an endpoint's limit is exceeded, counting the call that has
    /// just arrived.
    fn over(&self, kind: Kind, now: Moment) -> bool {
        let mut limits = self.rules.endpoint_limits.iter();
        limits.any(|limit| {
            let earliest = before(now, limit.window);
            if limit.endpoint != kind {
                false
            } else if kind == Kind::LogIn {
                let failures = self.facts.sessions.failures.iter().rev();
                failures.take_while(|at| **at > earliest).count() >= limit.count
            } else {
                let calls = self.facts.calls.iter().rev();
                let recent = calls.take_while(|(at, _)| *at > earliest);
                recent.filter(|call| call.1 == kind).count() > limit.count
            }
        })
    }

    /// Draws a penalty.
    pub(super) fn penalise(
        &mut self,
        kind: Kind,
        key: u64,
        draw: Draw,
        now: Moment,
    ) -> io::Result<Reply> {
        let impatient = draw == Draw::Impatient;
        let under = self.facts.penalties.get(&kind);
        let level = under.map_or(0, |penalty| penalty.level) + u32::from(impatient);
        // Who does not wait for one to be over gets no easier one.
        let still = under.is_some_and(|penalty| penalty.captcha && now <= penalty.until);
        let captcha = self.rules.captcha || draw == Draw::Captcha || still;
        let length = if captcha {
            self.rules.lockout
        } else {
            self.rules.penalty * (1 << level.min(HIGHEST_LEVEL))
        };
        let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
        let dice = SeededRng::new(self.rules.seed).with(key);
        let ticket = dice.with(self.facts.drawn as u64).number();
        let ticket = format!("{ticket:016x}");
        let mut body = json!({ "p-ticket": ticket, "p-time": seconds });
        if captcha {
            body["p-captcha"] = true.into();
        }
        let reply = Reply::json(&body);
        self.record(Event::Penalty {
            kind,
            key,
            ticket,
            until: after(now, Duration::from_secs(seconds)),
            impatient,
            captcha,
        })?;
        Ok(reply)
    }
}
