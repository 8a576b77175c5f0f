//! The HTTP client: one [`Call`] is one request on the wire.
//!
//! It promises that nothing here retries or follows a redirect, that the
//! token goes to the one host it is for, and what a log-in sends with it, that a loopback address is never
//! reached through a proxy, and that every call ends, its body included,
//! within the time-out. What cannot have been sent is told apart from what may
//! have been. Pacing, waiting and judging are left to others.

mod failure;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use hyper_util::client::proxy::matcher::Matcher;
use jiff::Timestamp;
use reqwest::{
    Certificate, Client, Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::{
    Answer, Api, BaseUrl, Call, Failure, FailureKind, LONGEST_WAIT, Response, Secrets, Token,
    judge::issued,
};
use crate::bounded_file;
use crate::list::PermissionId;

/// How long an unused connection is kept. Servers close theirs after some 15
/// seconds and more; a request on a connection that is just being closed
/// fails with an unknown outcome.
const IDLE: Duration = Duration::from_secs(10);

/// How often, while calls are under way, an HTTP/2 connection is asked for a
/// sign of life: without one, every call on it would run into its time-out.
const HTTP2_PING: Duration = Duration::from_secs(15);

/// The longest body that is read, decoded: gzip has no guard against bombs. A
/// read of 500 permissions has some 200 KB.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// The longest file of certificates: all that a system trusts have some 250 KB.
const LARGEST_CA_FILE: usize = 4 * 1024 * 1024;

/// What a client has to know, besides the token.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where the API is.
    pub base_url: BaseUrl,
    /// The longest that a call may take, its answer's body included.
    pub timeout: Duration,
    /// The longest that a connection with its TLS handshake may take; within
    /// the time-out in any case.
    pub connect_timeout: Duration,
    /// A PEM file with certificates to trust besides the system's.
    pub ca_cert: Option<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// The API over HTTP.
#[derive(Debug)]
pub struct HttpApi {
    client: Client,
    /// Requests to be completed: URL and headers are made once.
    revoke: Template,
    items: Template,
    item: Template,
    log_in: Template,
    renew: Template,
    bearer: RwLock<Bearer>,
    connect_timeout: Duration,
}

/// What is secret about a client.
#[derive(Default)]
struct Bearer {
    /// The header with the token, which is wiped from memory with its last
    /// clone.
    authorization: Option<HeaderValue>,
    /// What no message may repeat.
    secrets: Secrets,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl HttpApi {
    /// Makes a client, which has no token yet. Nothing is sent.
    ///
    /// # Errors
    ///
    /// If the certificates to trust cannot be had, or a setting cannot be a
    /// header.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpError> {
        // A connection that does not come about has to be told from an answer
        // that does not come: its time is over a little sooner.
        let connect_timeout = settings.connect_timeout.min(settings.timeout * 9 / 10);
        let agent = HeaderValue::from_str(&settings.user_agent)
            .map_err(|_| HttpError::Header("user agent"))?;
        if !settings.base_url.is_loopback() {
            check_proxies(settings.base_url.is_https())?;
        }
        let mut builder = Client::builder()
            .user_agent(agent)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .timeout(settings.timeout)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(HTTP2_PING)
            .http2_keep_alive_timeout(HTTP2_PING);
        if settings.base_url.is_loopback() {
            // What counts as this machine has to be this machine.
            let this_machine = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                .map(|address| SocketAddr::new(address, 0));
            builder = builder
                .no_proxy()
                .resolve_to_addrs("localhost", &this_machine);
        }
        builder = match &settings.ca_cert {
            Some(path) => builder.tls_certs_merge(certificates(path)?),
            // Without TLS a host needs no certificates; looking for them
            // fails where there are none.
            None if !settings.base_url.is_https() => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder.build().map_err(HttpError::Client)?;

        let json = HeaderValue::from_static("application/json");
        let template = |method: Method, path: &str| {
            let mut headers = HeaderMap::from_iter([(ACCEPT, json.clone())]);
            if method == Method::POST {
                headers.insert(CONTENT_TYPE, json.clone());
            }
            Template {
                method,
                url: settings.base_url.endpoint(path),
                headers,
            }
        };
        Ok(Self {
            client,
            revoke: template(Method::POST, "user/revoketradingpermissions"),
            items: template(Method::GET, "tradingPermission/items"),
            item: template(Method::GET, "tradingPermission/item"),
            log_in: template(Method::POST, "auth/accesstokenrequest"),
            renew: template(Method::GET, "auth/renewaccesstoken"),
            bearer: RwLock::default(),
            connect_timeout,
        })
    }

    fn request(&self, call: &Call) -> Request {
        let mut request = match call {
            Call::Revoke(body) => self.revoke.carrying(body),
            Call::Items(ids) => self.items.asking(&ids_query(ids)),
            Call::Item(id) => self.item.asking(&format!("id={id}")),
            Call::LogIn(log_in) => {
                let mut bearer = self.bearer.write().unwrap_or_else(PoisonError::into_inner);
                for secret in log_in.secrets() {
                    bearer.secrets.remember(secret.expose_secret());
                }
                return self.log_in.carrying(log_in.body());
            }
            Call::Renew => self.renew.request(),
        };
        let bearer = self.bearer.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(authorization) = &bearer.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// What is secret from now on; the tokens that a body issues, too.
    fn secrets(&self, issuing: Option<&[u8]>) -> Secrets {
        if let Some(tokens) = issuing.and_then(issued) {
            let mut bearer = self.bearer.write().unwrap_or_else(PoisonError::into_inner);
            for token in tokens {
                bearer.secrets.remember(token.expose_secret());
            }
        }
        let bearer = self.bearer.read().unwrap_or_else(PoisonError::into_inner);
        bearer.secrets.clone()
    }
}

impl Api for HttpApi {
    fn call(&self, call: &Call) -> impl Future<Output = Answer> + Send {
        let request = self.request(call);
        let may_grant = matches!(call, Call::LogIn(_) | Call::Renew);
        async move {
            let response = match self.client.execute(request).await {
                Ok(response) => response,
                Err(error) => return failure::of_request(error, self.connect_timeout),
            };
            let status = response.status();
            let retry_after = retry_after(response.headers(), SystemTime::now());
            let date = date(response.headers()).and_then(|date| Timestamp::try_from(date).ok());
            let (body, fault) = read_body(response).await;
            match fault {
                // Only with 2xx does the meaning lie in the body. A lockout has
                // to be kept even if its text breaks off.
                Some(failure) if status.is_success() => Answer::NoAnswer(failure),
                _ => Answer::Response(Response {
                    status: status.as_u16(),
                    retry_after,
                    date,
                    secrets: self.secrets(may_grant.then_some(&body)),
                    body,
                }),
            }
        }
    }

    fn bear(&self, token: &Token) {
        let mut bearer = self.bearer.write().unwrap_or_else(PoisonError::into_inner);
        bearer.secrets.remember(token.expose());
        bearer.authorization = Some(authorization(token));
    }
}

fn authorization(token: &Token) -> HeaderValue {
    let header = Zeroizing::new(["Bearer ", token.expose()].concat().into_bytes());
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(header))
        .unwrap_or_else(|_| unreachable!("a token is visible ASCII"));
    header.set_sensitive(true);
    header
}

/// A request without its query or body.
#[derive(Debug)]
struct Template {
    method: Method,
    url: Url,
    headers: HeaderMap,
}

impl Template {
    fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        request.headers_mut().clone_from(&self.headers);
        request
    }

    fn carrying(&self, body: &Bytes) -> Request {
        let mut request = self.request();
        *request.body_mut() = Some(body.clone().into());
        request
    }

    fn asking(&self, query: &str) -> Request {
        let mut request = self.request();
        request.url_mut().set_query(Some(query));
        request
    }
}

fn ids_query(ids: &[PermissionId]) -> String {
    use std::fmt::Write as _;

    let mut query = String::with_capacity(4 + 11 * ids.len());
    query.push_str("ids=");
    for (index, id) in ids.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(query, "{comma}{id}");
    }
    query
}

/// Reads to the end, so that the connection can be used again; and gives what
/// there was besides the failure, if it came to that.
async fn read_body(mut response: reqwest::Response) -> (Bytes, Option<Failure>) {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    loop {
        let fault = match response.chunk().await {
            Ok(Some(chunk)) if first.len() + more.len() + chunk.len() > LARGEST_BODY => Failure {
                kind: FailureKind::TooLarge,
                detail: format!("the answer is longer than {} MiB", LARGEST_BODY >> 20),
            },
            // Most bodies come in one piece and need no copy.
            Ok(Some(chunk)) if first.is_empty() => {
                first = chunk;
                continue;
            }
            Ok(Some(chunk)) => {
                more.extend_from_slice(&chunk);
                continue;
            }
            Ok(None) if more.is_empty() => return (first, None),
            Ok(None) => return (joined(&first, &more), None),
            Err(error) => failure::lost(&error.without_url()),
        };
        return (joined(&first, &more), Some(fault));
    }
}

fn joined(first: &[u8], more: &[u8]) -> Bytes {
    Bytes::from([first, more].concat())
}

/// `Retry-After`: seconds, or a date. A date is counted from the server's own
/// clock where it tells it, since ours may be wrong.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let now = date(headers).unwrap_or(now);
        until.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// What the server's own clock showed.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// The variables that name a proxy for this scheme or for all. The client
/// passes over one that it can make nothing of, and would go out directly.
fn check_proxies(https: bool) -> Result<(), HttpError> {
    let own = if https {
        ["HTTPS_PROXY", "https_proxy"]
    } else {
        ["HTTP_PROXY", "http_proxy"]
    };
    let anywhere = hyper::Uri::from_static("http://host/");
    for name in own.into_iter().chain(["ALL_PROXY", "all_proxy"]) {
        let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let proxy = value.to_str().and_then(|value| {
            let proxies = Matcher::builder().all(value.to_owned()).build();
            proxies.intercept(&anywhere)
        });
        if proxy.is_none_or(|proxy| proxy.uri().host().is_none_or(str::is_empty)) {
            return Err(HttpError::Proxy(name));
        }
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, HttpError> {
    let pem = bounded_file::bytes(path, LARGEST_CA_FILE).map_err(|source| HttpError::CaFile {
        path: path.to_owned(),
        source,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(HttpError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The CA file could not be read.
    #[error("cannot read the CA file {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The CA file holds no usable certificate.
    #[error("no usable PEM certificate in the CA file {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The client could not be built; mostly the host has no CA certificates,
    /// and a CA file helps.
    #[error("cannot set up HTTPS; if this host has no CA certificates, name a CA file")]
    Client(#[source] reqwest::Error),
    /// A variable does not name a proxy that can be used. Its value is not
    /// repeated, it may hold a password.
    #[error(
        "{0} is no proxy's address that can be used, as http://HOST:PORT or socks5h://HOST:PORT"
    )]
    Proxy(&'static str),
    /// A setting holds characters that cannot be in a header.
    #[error("the {0} cannot be sent as a header")]
    Header(&'static str),
}
