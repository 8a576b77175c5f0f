//! What the answer to a log-in or a renewal means.

use std::{borrow::Cow, time::Duration};

use jiff::{Timestamp, civil, tz::TimeZone};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{
    PenaltyTicket,
    body::{self, RevokeBodyFields},
    http_reason, penalty,
};
use crate::api::{Answer, Call, Response, Secrets, Token, message::one_line};

/// What is wrong with an answer that grants and says nothing.
const NO_TOKEN: &str = "there is no token in the answer";

/// What the answer to a log-in or a renewal means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthOutcome {
    /// A token was issued.
    Granted {
        /// The token.
        token: Token,
        /// When it expires by the server's clock; none if the answer does
        /// not say so in a way that can be read.
        expires: Option<Timestamp>,
        /// What the server's clock showed, where the answer tells.
        date: Option<Timestamp>,
    },
    /// Refused, and it would be refused again: wrong credentials, a token
    /// that cannot be renewed any more.
    Refused {
        /// `refused` (200 with an `errorText`, or to a log-in without a
        /// token), `violation`, or the status: `http_401`.
        reason: Cow<'static, str>,
        /// The server's words.
        message: String,
    },
    /// A time penalty; fields as in
    /// [`Verdict::Penalty`](super::Verdict::Penalty). A log-in hands the
    /// ticket back; a renewal is made plainly.
    Penalty {
        /// The ticket.
        ticket: Option<String>,
        /// How long no call may start.
        wait: Duration,
        /// A captcha is asked for.
        captcha: bool,
    },
    /// 423 or 429, as in [`Verdict::Lockout`](super::Verdict::Lockout). After
    /// five refused log-ins every one is refused for a while.
    Lockout {
        /// The status.
        status: u16,
        /// What the server asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent.
    NotSent {
        /// The kind of failure, e.g. `connect`.
        reason: &'static str,
        /// What happened.
        message: String,
    },
    /// No usable answer: whether it was done is not known.
    Failed {
        /// A failure's kind, `unreadable`, `contradiction`, or the status:
        /// `http_500`.
        reason: Cow<'static, str>,
        /// What happened, or the server's words.
        message: String,
        /// Whether the same request may well succeed later.
        transient: bool,
    },
}

impl AuthOutcome {
    /// The word that is recorded.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Granted { .. } => "granted",
            Self::Refused { .. } => "refused",
            Self::Penalty { .. } => "penalty",
            Self::Lockout { .. } => "lockout",
            Self::NotSent { .. } => "not_sent",
            Self::Failed { .. } => "failed",
        }
    }

    /// What there is to say about it; often empty.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. }
            | Self::NotSent { message, .. }
            | Self::Failed { message, .. } => message,
            Self::Granted { .. } | Self::Penalty { .. } | Self::Lockout { .. } => "",
        }
    }

    fn unreadable(message: &str) -> Self {
        Self::Failed {
            reason: Cow::Borrowed("unreadable"),
            message: one_line(message.trim_end()),
            transient: true,
        }
    }
}

/// The body of a granted request, as far as it matters here.
#[derive(Deserialize)]
struct Grant {
    #[serde(rename = "accessToken")]
    token: Option<SecretString>,
    /// Another one, for market data; nothing here uses it.
    #[serde(rename = "mdAccessToken")]
    market_data: Option<SecretString>,
    #[serde(rename = "expirationTime")]
    expires: Option<Value>,
}

impl Grant {
    fn token(&self) -> Option<&str> {
        let token = self.token.as_ref()?.expose_secret();
        (!token.is_empty()).then_some(token)
    }
}

/// Judges the answer to `call`, a [`Call::LogIn`] or a [`Call::Renew`]. No
/// message repeats what a log-in sends, nor anything of a body with a token.
#[must_use]
pub fn judge_auth(call: &Call, answer: &Answer) -> AuthOutcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::NotSent(failure) => {
            return AuthOutcome::NotSent {
                reason: failure.kind.word(),
                message: one_line(&failure.detail),
            };
        }
        Answer::NoAnswer(failure) => {
            return AuthOutcome::Failed {
                reason: Cow::Borrowed(failure.kind.word()),
                message: one_line(&failure.detail),
                transient: true,
            };
        }
    };
    match response.status {
        200 => judge_grant(call, response),
        status @ (423 | 429) => AuthOutcome::Lockout {
            status,
            retry_after: response.retry_after,
        },
        // For an expired token 400 and 404 have been seen, too.
        status @ (300..=407 | 409..=499) => AuthOutcome::Refused {
            reason: Cow::Owned(http_reason(status)),
            message: words(call, response),
        },
        status => AuthOutcome::Failed {
            reason: Cow::Owned(http_reason(status)),
            message: words(call, response),
            transient: true,
        },
    }
}

/// Status 200: the body decides.
fn judge_grant(call: &Call, response: &Response) -> AuthOutcome {
    let parts = body::object::<RevokeBodyFields>(&response.body)
        .and_then(|outcome| Ok((outcome, body::object::<Grant>(&response.body)?)));
    let (outcome, grant) = match parts {
        Ok(parts) => parts,
        Err(fault) => {
            let words = words(call, response);
            return AuthOutcome::unreadable(&format!("{fault} {words}"));
        }
    };
    if outcome.is_penalty() {
        let PenaltyTicket {
            ticket,
            wait,
            captcha,
        } = penalty(&outcome);
        return AuthOutcome::Penalty {
            ticket,
            wait,
            captcha,
        };
    }
    let contradiction = |message: &str| AuthOutcome::Failed {
        reason: Cow::Borrowed("contradiction"),
        message: message.to_owned(),
        transient: false,
    };
    match (grant.token(), outcome.complaint()) {
        (Some(token), None) => match Token::new(token, "the answer") {
            Ok(token) => AuthOutcome::Granted {
                token,
                expires: grant.expires.as_ref().and_then(moment),
                date: response.date,
            },
            Err(_) => contradiction("the token in the answer cannot be sent as a header"),
        },
        (Some(_), Some(_)) => contradiction("a token in the answer, but also a complaint"),
        (None, Some(text)) => AuthOutcome::Refused {
            reason: Cow::Borrowed(if outcome.violations_text().is_some() {
                "violation"
            } else {
                "refused"
            }),
            message: secrets(call, response).message(&text),
        },
        // What can be read and grants nothing is a refusal, e.g. of a user who
        // is locked. Who repeats it is locked out after five.
        (None, None) if matches!(call, Call::LogIn(_)) => AuthOutcome::Refused {
            reason: Cow::Borrowed("refused"),
            message: NO_TOKEN.to_owned(),
        },
        (None, None) => AuthOutcome::unreadable(NO_TOKEN),
    }
}

/// The tokens that a body issues, if it does: what is secret from now on.
pub(in crate::api) fn issued(body: &[u8]) -> Option<Vec<SecretString>> {
    let grant = body::object::<Grant>(body).ok()?;
    grant.token()?;
    Some(grant.token.into_iter().chain(grant.market_data).collect())
}

/// ISO 8601, in UTC, with or without a fraction of a second; it has been seen
/// without its `Z`, too.
fn moment(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let civil = || {
        let civil: civil::DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    };
    text.parse().ok().or_else(civil)
}

/// The words of a body that is no answer to what was asked. One that may hold
/// a token (there is an `mdAccessToken`, too) is not quoted.
fn words(call: &Call, response: &Response) -> String {
    let body = &response.body;
    if memmem::find(body, b"ccessToken").is_some() || issued(body).is_some() {
        return String::new();
    }
    body::words(&Response {
        secrets: secrets(call, response),
        ..response.clone()
    })
}

/// What a log-in sends is not repeated, however short it is.
fn secrets(call: &Call, response: &Response) -> Secrets {
    match call {
        Call::LogIn(log_in) => response.secrets.and(&log_in.secrets()),
        _ => response.secrets.clone(),
    }
}
