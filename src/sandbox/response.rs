//! What a request comes back with, before a door puts it on its wire.

use bytes::Bytes;
use hyper::{
    HeaderMap, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};

/// What a request comes back with.
#[derive(Debug)]
pub enum Reply {
    /// A whole response.
    Response(Response<Bytes>),
    /// A response that breaks off: its `content-length` says more than its
    /// body holds, and the connection ends.
    Truncated(Response<Bytes>),
    /// The connection is reset.
    Reset,
    /// Nothing, ever.
    Hang,
}

impl Reply {
    pub(super) fn json(body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body);
        let body = body.unwrap_or_else(|error| unreachable!("plain data is JSON: {error}"));
        Self::with(200, "application/json; charset=utf-8", body)
    }

    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::with(status, "text/plain; charset=utf-8", text.into())
    }

    pub(super) fn html(text: &'static str) -> Self {
        Self::with(200, "text/html; charset=utf-8", text)
    }

    pub(super) fn with(status: u16, media: &'static str, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(body.into());
        *response.status_mut() = status
            .try_into()
            .unwrap_or_else(|_| unreachable!("statuses are checked or known: {status}"));
        if !response.body().is_empty() {
            let media = HeaderValue::from_static(media);
            response.headers_mut().insert(CONTENT_TYPE, media);
        }
        Self::Response(response)
    }

    /// The same, cut off in the middle of its body.
    pub(super) fn truncated(self) -> Self {
        let Self::Response(mut response) = self else {
            return self;
        };
        let whole = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, whole.into());
        let part = response.body().slice(..whole / 2);
        *response.body_mut() = part;
        Self::Truncated(response)
    }

    pub(super) fn headers_mut(&mut self) -> Option<&mut HeaderMap> {
        match self {
            Self::Response(response) | Self::Truncated(response) => Some(response.headers_mut()),
            Self::Reset | Self::Hang => None,
        }
    }
}
