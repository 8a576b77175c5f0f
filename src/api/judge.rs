//! What an answer means: a pure function from an [`Answer`] to a verdict with
//! named arms, for revocations, for reads, and for log-ins and renewals.
//!
//! The API has two error channels, the HTTP status and, with status 200, the
//! body (partner pages: *error handling*). A verdict claims no more than an
//! answer says: whatever is not known to be executed, refused or not executed
//! is in doubt. What to do about a verdict is left to the
//! [`sweep`](crate::sweep).
//!
//! A body is judged as it came. Messages are the server's words without what
//! is secret, fit to be recorded (one line, at most 500 characters, no control
//! characters) and never trusted as markup. Pages, and bodies that may hold
//! entities with their names and e-mail addresses, are never quoted.

mod auth;
mod body;
mod read;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use super::{Answer, LONGEST_WAIT, Response, message::one_line};
pub(super) use auth::issued;
pub use auth::{AuthOutcome, judge_auth};
use body::RevokeBodyFields;
pub use read::{Permission, Reading, Status, judge_read};

/// The wait where a penalty does not say how long: the count behind it clears
/// in about an hour (partner pages: *penalty tickets*).
const UNTOLD_PENALTY: Duration = Duration::from_hours(1);

/// What the answer to a revocation means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// 200 with `ok:true` and nothing against it: executed.
    Accepted,
    /// Refused because of these IDs. Whether some of them were revoked is not
    /// known.
    Refused {
        /// `refused` (`ok:false`), `violation`, `http_409` or `http_422`; see
        /// [`Verdict::refused_by_status`].
        reason: &'static str,
        /// The server's words.
        message: String,
    },
    /// The request as such was refused with this status, and not executed.
    /// It says nothing about a record.
    BadRequest {
        /// 400, 403, 404, 405 or 415.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// 413: not executed, too many IDs at once.
    TooLarge,
    /// 401: not executed, the token was refused.
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// A time penalty: not executed.
    Penalty {
        /// What to send along with the identical body after the wait. Without
        /// one the body is sent plainly.
        ticket: Option<String>,
        /// How long no call may start, at most [`LONGEST_WAIT`]; an hour
        /// where the answer does not say.
        wait: Duration,
        /// A captcha is asked for, which no program can answer: no ticket, and
        /// the wait is at least that of a lockout.
        captcha: bool,
    },
    /// 423 or 429: not executed, and no call may start for a documented hour.
    Lockout {
        /// The status.
        status: u16,
        /// What the server asks for, if it does; it may be shorter than the
        /// documented hour.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent.
    NotSent {
        /// The kind of failure, e.g. `connect`.
        reason: &'static str,
        /// What happened.
        message: String,
    },
    /// It may or may not have been executed.
    InDoubt {
        /// `timeout`, `reset`, `oversized`, `unreadable`, `contradiction`, or
        /// the status: `http_500`.
        reason: String,
        /// What happened, or the server's words.
        message: String,
        /// A time penalty that the answer announces all the same: its wait,
        /// and whether a captcha is asked for.
        penalty: Option<(Duration, bool)>,
    },
}

impl Verdict {
    /// The word that is recorded.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused { .. } => "refused",
            Self::BadRequest { .. } => "unfit",
            Self::TooLarge => "too_large",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Penalty { .. } => "penalty",
            Self::Lockout { .. } => "lockout",
            Self::NotSent { .. } => "not_sent",
            Self::InDoubt { .. } => "in_doubt",
        }
    }

    /// The reason that is recorded with it; empty for an accepted request.
    #[must_use]
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Accepted => Cow::Borrowed(""),
            Self::Refused { reason, .. } | Self::NotSent { reason, .. } => Cow::Borrowed(reason),
            Self::InDoubt { reason, .. } => Cow::Owned(reason.clone()),
            Self::BadRequest { status, .. } | Self::Lockout { status, .. } => {
                Cow::Owned(http_reason(*status))
            }
            Self::TooLarge => Cow::Borrowed("http_413"),
            Self::Unauthorized { .. } => Cow::Borrowed("http_401"),
            Self::Penalty { captcha: true, .. } => Cow::Borrowed("captcha"),
            Self::Penalty { captcha: false, .. } => Cow::Borrowed("penalty"),
        }
    }

    /// What there is to say about it; often empty.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. }
            | Self::BadRequest { message, .. }
            | Self::Unauthorized { message }
            | Self::NotSent { message, .. }
            | Self::InDoubt { message, .. } => message,
            Self::Accepted | Self::TooLarge | Self::Penalty { .. } | Self::Lockout { .. } => "",
        }
    }

    /// Whether this is a refusal by status, 409 or 422, and not by a body
    /// with status 200. Such a refusal is likely, but not certain, to be
    /// about a record: it counts as one only once the API has accepted
    /// another batch.
    #[must_use]
    pub fn refused_by_status(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.starts_with("http_"))
    }
}

/// Judges the answer to a [`Call::Revoke`](super::Call::Revoke).
#[must_use]
pub fn judge_revoke(answer: &Answer) -> Verdict {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::NotSent(failure) => {
            return Verdict::NotSent {
                reason: failure.kind.word(),
                message: one_line(&failure.detail),
            };
        }
        Answer::NoAnswer(failure) => {
            return Verdict::InDoubt {
                reason: failure.kind.word().to_owned(),
                message: one_line(&failure.detail),
                penalty: None,
            };
        }
    };
    let refused = |reason| Verdict::Refused {
        reason,
        message: body::words(response),
    };
    match response.status {
        200 => judge_outcome(response),
        401 => Verdict::Unauthorized {
            message: body::words(response),
        },
        409 => refused("http_409"),
        422 => refused("http_422"),
        413 => Verdict::TooLarge,
        status @ (423 | 429) => Verdict::Lockout {
            status,
            retry_after: response.retry_after,
        },
        status @ (400 | 403 | 404 | 405 | 415) => Verdict::BadRequest {
            status,
            message: body::words(response),
        },
        // Redirects, too: a 303 is chiefly the answer to a request that was
        // executed.
        status => Verdict::InDoubt {
            reason: http_reason(status),
            message: body::words(response),
            penalty: None,
        },
    }
}

/// Status 200: the body decides.
fn judge_outcome(response: &Response) -> Verdict {
    let outcome = match body::object::<RevokeBodyFields>(&response.body) {
        Ok(outcome) => outcome,
        Err(fault) => {
            let words = body::words(response);
            return Verdict::InDoubt {
                reason: "unreadable".to_owned(),
                message: one_line(format!("{fault} {words}").trim_end()),
                penalty: None,
            };
        }
    };
    let said = |text: &str| response.secrets.message(text);
    let refusal = outcome.violations_text();
    if outcome.ok == Some(true) {
        let against = match (&outcome.error_text, &refusal) {
            (Some(text), _) if !text.is_empty() => text,
            (_, Some(text)) => text,
            _ if outcome.is_penalty() => "a time penalty",
            _ => return Verdict::Accepted,
        };
        return Verdict::InDoubt {
            reason: "contradiction".to_owned(),
            message: said(&format!("`ok` is true, but also: {against}")),
            penalty: outcome.is_penalty().then(|| {
                let announced = penalty(&outcome);
                (announced.wait, announced.captcha)
            }),
        };
    }
    if outcome.is_penalty() {
        let PenaltyTicket {
            ticket,
            wait,
            captcha,
        } = penalty(&outcome);
        return Verdict::Penalty {
            ticket,
            wait,
            captcha,
        };
    }
    match (refusal, outcome.ok, outcome.error_text) {
        (Some(text), _, _) => Verdict::Refused {
            reason: "violation",
            message: said(&text),
        },
        (None, Some(_), text) => Verdict::Refused {
            reason: "refused",
            message: said(&text.unwrap_or_default()),
        },
        (None, None, text) => Verdict::InDoubt {
            reason: "unreadable".to_owned(),
            message: said(&format!(
                "there is no `ok` in the answer. {}",
                text.unwrap_or_default()
            )),
            penalty: None,
        },
    }
}

struct PenaltyTicket {
    ticket: Option<String>,
    wait: Duration,
    captcha: bool,
}

/// Reads the parts of a time penalty leniently: it has been announced,
/// whatever is wrong with its parts, and has to be kept.
fn penalty(outcome: &RevokeBodyFields) -> PenaltyTicket {
    let told = outcome.penalty_seconds().and_then(|seconds| {
        Duration::try_from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())).ok()
    });
    let captcha = outcome.asks_captcha();
    let wait = match told {
        Some(wait) => wait,
        // Whoever keeps the waits knows how long a captcha's count takes.
        None if captcha => Duration::ZERO,
        None => UNTOLD_PENALTY,
    };
    PenaltyTicket {
        // A ticket whose time is not known, or that wants a captcha, would
        // only draw the next penalty.
        ticket: outcome.ticket().filter(|_| told.is_some() && !captcha),
        wait,
        captcha,
    }
}

fn http_reason(status: u16) -> String {
    format!("http_{status}")
}
