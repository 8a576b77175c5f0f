//! What becomes of an ID when a read shows it, or shows that the API does not
//! know it: one pure function of what is recorded, what was found, and why it
//! was read. Delivery, read-back, recovery, `--read-first` and `verify` all
//! use it.

use std::borrow::Cow;

use crate::journal::{ALREADY_REVOKED, State, VERIFICATION_MISMATCH, Verified};
use crate::sweep::deliver::bisect::NOT_ISOLATED;
use crate::sweep::deliver::status_read::Found;
use crate::sweep::pool::worker::StateChange;

/// Why IDs are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum Context<'a> {
    /// Before they are sent.
    BeforeSending,
    /// A request may have executed them. `last`: no attempt is left.
    /// `resend`: also what was accepted once may be sent again.
    InDoubt { last: bool, resend: bool },
    /// They are settled, and a read is owed.
    ReadBack,
    /// A verification on this date.
    Verification { date: &'a str },
}

/// What is recorded of IDs before they are read.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sweep) struct Recorded {
    pub(in crate::sweep) state: State,
    /// The last request that carried them was accepted.
    pub(in crate::sweep) accepted: bool,
    pub(in crate::sweep) reason: Cow<'static, str>,
    pub(in crate::sweep) message: String,
    pub(in crate::sweep) verified: Verified,
    pub(in crate::sweep) owed: bool,
}

impl Recorded {
    /// In doubt, with a message to keep.
    pub(in crate::sweep) fn in_doubt(accepted: bool, message: &str) -> Self {
        Self {
            state: State::Unknown,
            accepted,
            reason: Cow::Borrowed(""),
            message: message.to_owned(),
            verified: Verified::No,
            owed: false,
        }
    }

    /// As it stands.
    pub(in crate::sweep) fn unchanged(&self) -> (State, StateChange) {
        let finding = StateChange {
            reason: self.reason.clone(),
            message: self.message.clone(),
            status: None,
            verified: self.verified,
            owed: self.owed,
        };
        (self.state, finding)
    }
}

/// The state that IDs go over to, and what is recorded with it.
///
/// What was accepted never becomes sendable, unless `resend` says so: it may
/// have been granted anew since. A verification makes nothing sendable at all.
pub(in crate::sweep) fn settle(
    recorded: &Recorded,
    found: Found,
    context: Context<'_>,
) -> (State, StateChange) {
    match context {
        Context::BeforeSending => match found {
            Found::Revoked => plain(State::Revoked, ALREADY_REVOKED, Verified::Revoked),
            other => as_shown(other).unwrap_or_else(|| plain(State::Pending, "", Verified::Active)),
        },
        Context::InDoubt { last, resend } => {
            as_shown(found).unwrap_or_else(|| active_in_doubt(recorded, last, resend))
        }
        Context::ReadBack => as_shown(found).unwrap_or_else(|| active_at_readback(recorded)),
        Context::Verification { date } => verified(recorded, found, date),
    }
}

/// What needs no revocation.
fn as_shown(found: Found) -> Option<(State, StateChange)> {
    match found {
        Found::Revoked => Some(plain(State::Revoked, "", Verified::Revoked)),
        Found::Declined => Some(with(
            plain(State::Refused, "declined", Verified::No),
            "shown as Declined",
        )),
        Found::Absent => Some(plain(State::Missing, "absent", Verified::Absent)),
        Found::Active => None,
    }
}

fn active_in_doubt(recorded: &Recorded, last: bool, resend: bool) -> (State, StateChange) {
    let message = &recorded.message;
    if recorded.accepted && !resend {
        mismatch()
    } else if last {
        let settled = plain(State::Exhausted, "still_active", Verified::Active);
        with(settled, message)
    } else {
        with(plain(State::Pending, "", Verified::Active), message)
    }
}

fn active_at_readback(recorded: &Recorded) -> (State, StateChange) {
    match recorded.state {
        State::Unknown if recorded.reason == NOT_ISOLATED => {
            plain(State::Exhausted, NOT_ISOLATED, Verified::Active)
        }
        State::Revoked | State::Unknown => mismatch(),
        _ => {
            let (state, finding) = recorded.unchanged();
            let finding = StateChange {
                verified: Verified::Active,
                owed: false,
                ..finding
            };
            (state, finding)
        }
    }
}

/// Accepted, and a read shows that it was not revoked.
fn mismatch() -> (State, StateChange) {
    with(
        plain(State::Unknown, VERIFICATION_MISMATCH, Verified::Active),
        "accepted, but the API still shows it as active",
    )
}

fn verified(recorded: &Recorded, found: Found, date: &str) -> (State, StateChange) {
    let dated = |reason, verified, words: &str| {
        let settled = plain(recorded.state, reason, verified);
        with(settled, &format!("{words} on {date}"))
    };
    match (recorded.state, found) {
        (State::Divided, _) => recorded.unchanged(),
        (State::Revoked, Found::Revoked) if recorded.reason == ALREADY_REVOKED => {
            plain(State::Revoked, ALREADY_REVOKED, Verified::Revoked)
        }
        (State::Pending, Found::Revoked) => {
            plain(State::Revoked, ALREADY_REVOKED, Verified::Revoked)
        }
        (_, Found::Revoked) => plain(State::Revoked, "", Verified::Revoked),
        (State::InFlight, _) => plain(State::Unknown, "crash", Verified::No),
        // This is the read that the sweep owes.
        (State::Revoked | State::Refused | State::Exhausted, _) if recorded.owed => {
            settle(recorded, found, Context::ReadBack)
        }
        // A resume reads these itself.
        (State::Pending | State::Exhausted | State::Unknown, _) => recorded.unchanged(),
        (State::Revoked, Found::Declined)
        | (State::Refused | State::Missing, Found::Declined | Found::Absent) => {
            as_shown(found).unwrap_or_else(|| recorded.unchanged())
        }
        (State::Refused, Found::Active) => {
            let (state, finding) = recorded.unchanged();
            let finding = StateChange {
                verified: Verified::Active,
                ..finding
            };
            (state, finding)
        }
        // An earlier verification found it so, and recorded when.
        (_, Found::Active) if recorded.verified == Verified::Active => recorded.unchanged(),
        (_, Found::Absent) if recorded.verified == Verified::Absent => recorded.unchanged(),
        (State::Revoked, Found::Active) if recorded.verified == Verified::No => dated(
            VERIFICATION_MISMATCH,
            Verified::Active,
            "accepted, and shown as active",
        ),
        (_, Found::Active) => dated("active_later", Verified::Active, "shown as active"),
        (_, Found::Absent) if recorded.verified == Verified::No => {
            dated("absent", Verified::Absent, "accepted, and not known")
        }
        (_, Found::Absent) => dated("absent_later", Verified::Absent, "not known"),
    }
}

fn plain(state: State, reason: &'static str, verified: Verified) -> (State, StateChange) {
    let finding = StateChange {
        reason: Cow::Borrowed(reason),
        verified,
        ..StateChange::default()
    };
    (state, finding)
}

fn with((state, finding): (State, StateChange), message: &str) -> (State, StateChange) {
    let message = message.to_owned();
    (state, StateChange { message, ..finding })
}

#[cfg(test)]
mod tests;
