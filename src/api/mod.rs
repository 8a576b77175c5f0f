//! The wire: calls, their answers, and what an answer means.
//!
//! This module owns the API's vocabulary, the HTTP client, tokens, and the
//! pure judgement of answers. One [`Call`] is one request: nothing here
//! retries, waits or paces, so that every request stays a recorded and paced
//! attempt of the [`sweep`](crate::sweep).

mod environment;
mod http;
mod judge;
mod login;
mod message;
mod redact;
mod token;
mod token_cache;

use std::{fmt, future::Future, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use crate::list::PermissionId;

pub use environment::{BaseUrl, Environment, InvalidBaseUrl, UnknownEnvironment};
pub use http::{HttpApi, HttpError, HttpSettings};
pub use judge::{
    AuthOutcome, Permission, Reading, Status, Verdict, judge_auth, judge_read, judge_revoke,
};
pub use login::{Credentials, LogIn};
pub use redact::Secrets;
pub use token::{Token, TokenError, TokenSource, unread_file};
pub use token_cache::{CacheError, TokenCache};

/// The longest wait that is believed when a server asks for one, 30 days: far
/// beyond any known penalty or lockout, and small enough to be added to any
/// clock.
pub const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// One request to the API.
#[derive(Clone, Debug)]
pub enum Call {
    /// `POST /user/revoketradingpermissions` with a body made by
    /// [`revoke_body`].
    Revoke(Bytes),
    /// `GET /tradingPermission/items?ids=…`
    Items(Vec<PermissionId>),
    /// `GET /tradingPermission/item?id=…`
    Item(PermissionId),
    /// `POST /auth/accesstokenrequest`; the one call that carries no token.
    LogIn(LogIn),
    /// `GET /auth/renewaccesstoken`: the current token's life is prolonged,
    /// or another token takes its place.
    Renew,
}

/// The body of a revocation; `ticket` answers a time penalty
/// (partner pages: *penalty tickets*).
#[must_use]
pub fn revoke_body(ids: &[PermissionId], ticket: Option<&str>) -> Bytes {
    #[derive(serde::Serialize)]
    struct RevokeBody<'a> {
        #[serde(rename = "tradingPermissionIds")]
        ids: &'a [PermissionId],
        #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
        ticket: Option<&'a str>,
    }
    let body = serde_json::to_vec(&RevokeBody { ids, ticket });
    Bytes::from(body.unwrap_or_else(|error| unreachable!("numbers and text are JSON: {error}")))
}

/// What came back from one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A complete HTTP response.
    Response(Response),
    /// Nothing was sent: no connection came about.
    NotSent(Failure),
    /// Something may have been sent, and no complete answer came.
    NoAnswer(Failure),
}

impl Answer {
    /// The HTTP status, if there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            Self::NotSent(_) | Self::NoAnswer(_) => None,
        }
    }

    /// The wait that the server asked for in `Retry-After`, whatever the
    /// status; at most [`LONGEST_WAIT`].
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Response(response) => response.retry_after,
            Self::NotSent(_) | Self::NoAnswer(_) => None,
        }
    }
}

/// An HTTP response, reduced to what a judgement needs. It is complete, but
/// for this: where the status alone decides (anything but 2xx), a body that
/// broke off does not hide the status.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in either of its forms, as a time from now; at most
    /// [`LONGEST_WAIT`].
    pub retry_after: Option<Duration>,
    /// What the server's own clock showed (`Date`), to the second.
    pub date: Option<Timestamp>,
    /// The decoded body, as it came: it may repeat what is secret.
    pub body: Bytes,
    /// What no message of a judgement may repeat.
    pub secrets: Secrets,
}

/// Not the body: it may hold a token, or names and e-mail addresses.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("date", &self.date)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The kind, as it is recorded (`reason` in the results).
    pub kind: FailureKind,
    /// One line for a person, free of secrets and of URLs.
    pub detail: String,
}

/// The kinds of failure below HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// No connection: refused, unreachable, name not found, too slow.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// No complete answer within the time-out.
    Timeout,
    /// The connection was lost, or the answer was cut off.
    Reset,
    /// The body grew past the limit.
    TooLarge,
    /// What came is not HTTP, or its compression is damaged.
    Unreadable,
    /// The token could not be obtained (command or file failed).
    Token,
}

impl FailureKind {
    /// The word that is recorded.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::TooLarge => "oversized",
            Self::Unreadable => "unreadable",
            Self::Token => "token",
        }
    }
}

/// Somebody who answers calls: the HTTP client, or the sandbox's world
/// inside the process.
pub trait Api: Send + Sync + 'static {
    /// Performs exactly one request. Whatever goes wrong is an [`Answer`].
    /// The request is made at once, with the token of this moment, and goes
    /// out when the future is first polled.
    fn call(&self, call: &Call) -> impl Future<Output = Answer> + Send;

    /// From now on every request but a log-in carries this token.
    fn bear(&self, token: &Token);
}
