//! The door inside the process.

use std::{
    convert::Infallible,
    future::{Future, pending},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    http::request::Builder,
};
use jiff::{SignedDuration, Timestamp};

use super::world::World;
use crate::sandbox::request::BASE_PATH;
use crate::sandbox::response::Reply;
use crate::{
    api::{Answer, Api, Call, Failure, FailureKind, Response, Secrets, Token},
    list::PermissionId,
};

/// Calls a [`World`] inside the process, by the same requests that an HTTP
/// client would send, on tokio's time. Clones bear the same token.
#[derive(Clone)]
pub struct InProcess {
    world: World,
    token: Arc<Mutex<String>>,
    timeout: Duration,
}

impl InProcess {
    /// A door with the token of the world's rules. A call that takes `timeout`
    /// ends without an answer.
    #[must_use]
    pub fn new(world: World, timeout: Duration) -> Self {
        let token = world.token().unwrap_or_default().to_owned();
        Self {
            world,
            token: Arc::new(Mutex::new(token)),
            timeout,
        }
    }

    /// The same door with another token.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        let token = Arc::new(Mutex::new(token.into()));
        Self { token, ..self }
    }

    fn request(&self, call: &Call) -> Result<Request<Bytes>, hyper::http::Error> {
        let mut request = Request::builder();
        if !matches!(call, Call::LogIn(_)) {
            let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let get = |path: &str, query: &str| format!("{BASE_PATH}/tradingPermission/{path}?{query}");
        let post = |request: Builder, path: &str, body: &Bytes| {
            request
                .method(Method::POST)
                .uri(format!("{BASE_PATH}/{path}"))
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone())
        };
        match call {
            Call::Revoke(body) => post(request, "user/revoketradingpermissions", body),
            Call::LogIn(log_in) => post(request, "auth/accesstokenrequest", log_in.body()),
            Call::Renew => request
                .uri(format!("{BASE_PATH}/auth/renewaccesstoken"))
                .body(Bytes::new()),
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

impl Api for InProcess {
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
                    date: date(&self.world),
                    body: response.into_body(),
                    secrets: Secrets::default(),
                }),
                Ok(Err(what)) => Answer::NoAnswer(failure(FailureKind::Reset, what)),
                Err(_) => Answer::NoAnswer(failure(FailureKind::Timeout, "no answer in time")),
            }
        }
    }

    fn bear(&self, token: &Token) {
        let mut borne = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.expose().clone_into(&mut borne);
    }
}

/// What the world's clock shows, to the second, as a server's `Date` does.
fn date(world: &World) -> Option<Timestamp> {
    let since = SignedDuration::try_from(world.now()).ok()?;
    Timestamp::from_second(since.as_secs()).ok()
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
