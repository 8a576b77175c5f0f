//! What a request asks for, read strictly: whatever is not as the API's pages
//! say is turned away and named.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};

use crate::list::PermissionId;
use crate::sandbox::seeded_rng::SeededRng;

/// Where the API begins, as in the real base URLs
/// (`https://live.tradovateapi.com/v1`).
pub(super) const BASE_PATH: &str = "/v1";

/// The kinds of call, by the names they have in the settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `POST /user/revoketradingpermissions`
    Revoke,
    /// `GET /tradingPermission/items`
    Items,
    /// `GET /tradingPermission/item`
    Item,
    /// `GET /tradingPermission/list`
    List,
    /// `POST /auth/accesstokenrequest`
    LogIn,
    /// `GET /auth/renewaccesstoken`
    Renew,
    /// Any other path; not to be used in settings.
    Other,
}

impl Kind {
    /// The kind of call that is made at a path (without a query).
    pub(super) fn of(path: &str) -> Self {
        match path.strip_prefix(BASE_PATH) {
            Some("/user/revoketradingpermissions") => Self::Revoke,
            Some("/tradingPermission/items") => Self::Items,
            Some("/tradingPermission/item") => Self::Item,
            Some("/tradingPermission/list") => Self::List,
            Some("/auth/accesstokenrequest") => Self::LogIn,
            Some("/auth/renewaccesstoken") => Self::Renew,
            _ => Self::Other,
        }
    }

    /// The name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Items => "items",
            Self::Item => "item",
            Self::List => "list",
            Self::LogIn => "log_in",
            Self::Renew => "renew",
            Self::Other => "other",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Revoke | Self::LogIn => Method::POST,
            Self::Items | Self::Item | Self::List | Self::Renew | Self::Other => Method::GET,
        }
    }
}

/// A request that is as it should be.
#[derive(Debug)]
pub(super) enum Ask {
    Revoke(Revoke),
    Items(Vec<PermissionId>),
    Item(PermissionId),
    List,
    LogIn(LogInRequest),
    /// With the session of its token, which is known at the gate.
    Renew(Option<u64>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    #[serde(rename = "tradingPermissionIds")]
    pub(super) ids: Vec<PermissionId>,
    #[serde(rename = "p-ticket")]
    pub(super) ticket: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LogInRequest {
    pub(super) name: String,
    pub(super) password: String,
    #[serde(rename = "appId")]
    _app_id: String,
    #[serde(rename = "appVersion")]
    _app_version: String,
    pub(super) cid: KeyId,
    pub(super) sec: String,
    #[serde(rename = "deviceId")]
    _device_id: Option<String>,
    #[serde(rename = "p-ticket")]
    pub(super) ticket: Option<String>,
}

/// The ID of an API key: text in the schema, a number in the documentation.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum KeyId {
    Text(String),
    Number(u64),
}

impl KeyId {
    pub(super) fn is(&self, cid: &str) -> bool {
        match self {
            Self::Text(text) => text == cid,
            Self::Number(number) => number.to_string() == cid,
        }
    }
}

/// Why a request is turned away.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) what: String,
}

fn wrong(status: u16, what: impl Into<String>) -> Wrong {
    let what = what.into();
    Wrong { status, what }
}

impl Ask {
    /// Reads a request of such a kind; its token is looked at elsewhere.
    pub(super) fn read(kind: Kind, request: &Request<Bytes>) -> Result<Self, Wrong> {
        if kind == Kind::Other {
            return Err(wrong(
                404,
                format!("no such path: {}", request.uri().path()),
            ));
        }
        if *request.method() != kind.method() {
            let what = format!("{} on {}", request.method(), kind.name());
            return Err(wrong(405, what));
        }
        let body = request.body();
        let query = request.uri().query();
        if kind.method() == Method::POST {
            json_only(request.headers())?;
            if query.is_some() {
                return Err(wrong(400, "a query on a POST"));
            }
        } else if !body.is_empty() {
            return Err(wrong(400, "a body on a GET"));
        }
        match kind {
            Kind::Revoke => {
                let revoke: Revoke = parse(body)?;
                distinct(&revoke.ids)?;
                Ok(Self::Revoke(revoke))
            }
            Kind::LogIn => parse(body).map(Self::LogIn),
            Kind::Items => {
                let ids = value(query, "ids")?;
                let ids: Vec<_> = ids.split(',').map(number).collect::<Result<_, _>>()?;
                distinct(&ids)?;
                Ok(Self::Items(ids))
            }
            Kind::Item => number(&value(query, "id")?).map(Self::Item),
            Kind::List | Kind::Renew if query.is_some() => Err(wrong(400, "a needless query")),
            Kind::List => Ok(Self::List),
            Kind::Renew => Ok(Self::Renew(None)),
            Kind::Other => unreachable!("turned away above"),
        }
    }

    /// What tells this request from others, its ticket apart: the body a
    /// penalty ticket belongs to, and what faults are drawn for.
    pub(super) fn key(&self, kind: Kind) -> u64 {
        let dice = SeededRng::new(kind as u64);
        let all = |ids: &[PermissionId]| {
            ids.iter()
                .fold(dice, |dice, id| dice.with(id.get().unsigned_abs()))
        };
        match self {
            Self::Revoke(revoke) => all(&revoke.ids),
            Self::Items(ids) => all(ids),
            Self::Item(id) => all(&[*id]),
            Self::List | Self::Renew(_) => dice,
            Self::LogIn(log_in) => {
                let texts = [&log_in.name, &log_in.password, &log_in.sec];
                let bytes = texts.into_iter().flat_map(|text| text.bytes());
                bytes.fold(dice, |dice, byte| dice.with(byte.into()))
            }
        }
        .number()
    }

    pub(super) fn ticket(&self) -> Option<&str> {
        match self {
            Self::Revoke(revoke) => revoke.ticket.as_deref(),
            Self::LogIn(log_in) => log_in.ticket.as_deref(),
            Self::Items(_) | Self::Item(_) | Self::List | Self::Renew(_) => None,
        }
    }
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Wrong> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(wrong(401, "not exactly one Authorization header"));
    };
    let token = value.to_str().ok().and_then(|v| v.strip_prefix("Bearer "));
    token
        .filter(|token| !token.is_empty() && !token.contains(' '))
        .ok_or_else(|| wrong(401, "an Authorization header without a bearer token"))
}

pub(super) fn unknown_token() -> Wrong {
    wrong(401, "a token that was never issued")
}

fn json_only(headers: &HeaderMap) -> Result<(), Wrong> {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = media.and_then(|media| media.split(';').next());
    match essence {
        Some(essence) if essence.trim().eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(wrong(415, "a content type other than application/json")),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| wrong(400, format!("wrong body: {error}")))
}

/// The value of the only parameter there may be.
fn value<'a>(query: Option<&'a str>, name: &str) -> Result<Cow<'a, str>, Wrong> {
    let value = query.and_then(|query| query.strip_prefix(name)?.strip_prefix('='));
    let value = value.ok_or_else(|| wrong(400, format!("a query without `{name}`")))?;
    if value.contains('&') {
        return Err(wrong(400, format!("a query with more than `{name}`")));
    }
    if value.contains('%') {
        // A comma is the one character here that may come encoded.
        let plain = value.replace("%2C", ",").replace("%2c", ",");
        return Ok(plain.into());
    }
    Ok(value.into())
}

fn number(text: &str) -> Result<PermissionId, Wrong> {
    let id = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: Option<i64> = text.parse().ok();
        number.and_then(|number| PermissionId::try_from(number).ok())
    } else {
        None
    };
    id.ok_or_else(|| wrong(400, format!("`{text}` is no ID")))
}

fn distinct(ids: &[PermissionId]) -> Result<(), Wrong> {
    if ids.is_empty() {
        return Err(wrong(400, "no IDs"));
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(wrong(400, format!("the ID {} twice", pair[0]))),
        None => Ok(()),
    }
}
