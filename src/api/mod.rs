//! The wire: calls, their answers, and what an answer means.
//!
//! This module owns the API's vocabulary, the HTTP client, tokens, and the
//! pure judgement of answers. One [`Call`] is one request: nothing here
//! retries, waits or paces, so that every request stays a recorded and paced
//! attempt of the [`sweep`](crate::sweep).

use std::{future::Future, time::Duration};

use bytes::Bytes;

use crate::list::PermissionId;

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
}

/// The body of a revocation; `ticket` answers a time penalty
/// (partner pages: *penalty tickets*).
#[must_use]
pub fn revoke_body(ids: &[PermissionId], ticket: Option<&str>) -> Bytes {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        #[serde(rename = "tradingPermissionIds")]
        ids: &'a [PermissionId],
        #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
        ticket: Option<&'a str>,
    }
    let body = serde_json::to_vec(&Body { ids, ticket });
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

/// A complete HTTP response, reduced to what a judgement needs.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in either of its forms, as a time from now.
    pub retry_after: Option<Duration>,
    /// The decoded body.
    pub body: Bytes,
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
    /// No connection: refused, unreachable, name not found.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// No complete answer within the time-out.
    Timeout,
    /// The connection was lost, or the answer was cut off.
    Reset,
    /// The body grew past the limit.
    TooLarge,
    /// The token could not be obtained (command or file failed).
    Token,
}

/// Somebody who answers calls: the HTTP client, or the sandbox's world
/// inside the process.
pub trait Api: Send + Sync + 'static {
    /// Performs exactly one request. Whatever goes wrong is an [`Answer`].
    fn call(&self, call: &Call) -> impl Future<Output = Answer> + Send;
}
