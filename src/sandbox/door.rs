//! The door inside the process.

use std::{
    convert::Infallible,
    future::{Future, pending},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};

use super::{ask::BASE_PATH, reply::Reply, world::World};
use crate::{
    api::{Answer, Api, Call, Failure, FailureKind, Response},
    list::PermissionId,
};

/// Calls a [`World`] inside the process, by the same requests that an HTTP
/// client would send, on tokio's time.
#[derive(Clone)]
pub struct Door {
    world: World,
    token: String,
    timeout: Duration,
}

impl Door {
    /// A door with the token of the world's rules. A call that takes `timeout`
    /// ends without an answer.
    #[must_use]
    pub fn new(world: World, timeout: Duration) -> Self {
        let token = world.token().unwrap_or_default().to_owned();
        Self {
            world,
            token,
            timeout,
        }
    }

    /// The same door with another token.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        Self { token, ..self }
    }

    fn request(&self, call: &Call) -> Result<Request<Bytes>, hyper::http::Error> {
        let request = Request::builder().header(AUTHORIZATION, format!("Bearer {}", self.token));
        let get = |path: &str, query: &str| format!("{BASE_PATH}/tradingPermission/{path}?{query}");
        match call {
            Call::Revoke(body) => request
                .method(Method::POST)
                .uri(format!("{BASE_PATH}/user/revoketradingpermissions"))
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
            Call::Items(ids) => request
                .uri(get("items", &format!("ids={}", join(ids))))
                .body(Bytes::new()),
            Call::Item(id) => request
                .uri(get("item", &format!("id={id}")))
                .body(Bytes::new()),
        }
    }
}

fn join(ids: &[PermissionId]) -> String {
    let ids: Vec<_> = ids.iter().map(PermissionId::to_string).collect();
    ids.join(",")
}

impl Api for Door {
    fn call(&self, call: &Call) -> impl Future<Output = Answer> + Send {
        let request = self.request(call);
        async move {
            let request = match request {
                Ok(request) => request,
                Err(error) => return Answer::NotSent(failure(FailureKind::Connect, &error)),
            };
            let answered = tokio::time::timeout(self.timeout, async {
                match self.world.handle(request).await {
                    Reply::Response(response) => Ok(response),
                    Reply::Truncated(_) => Err("the answer broke off"),
                    Reply::Reset => Err("the connection was reset"),
                    Reply::Hang => match pending::<Infallible>().await {},
                }
            });
            match answered.await {
                Ok(Ok(response)) => Answer::Response(Response {
                    status: response.status().as_u16(),
                    retry_after: retry_after(response.headers()),
                    body: response.into_body(),
                }),
                Ok(Err(what)) => Answer::NoAnswer(failure(FailureKind::Reset, what)),
                Err(_) => Answer::NoAnswer(failure(FailureKind::Timeout, "no answer in time")),
            }
        }
    }
}

fn failure(kind: FailureKind, detail: &(impl ToString + ?Sized)) -> Failure {
    let detail = detail.to_string();
    Failure { kind, detail }
}

/// The world only says how many seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
