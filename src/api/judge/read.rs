//! What the answer to a read means.

use std::{borrow::Cow, time::Duration};

use rustc_hash::FxHashMap;

use super::{
    PenaltyTicket,
    body::{self, RevokeBodyFields, ShownEntity, StatusWord},
    http_reason, penalty,
};
use crate::{
    api::{Answer, Call, Response, Secrets, message::one_line},
    list::PermissionId,
};

/// What a permission's status comes down to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// `Revoked`.
    Revoked,
    /// `Accepted`, `Approved`, `Requested`, or a word unknown to us: not
    /// known to be out of force.
    Active,
    /// `Declined`: never came into force.
    Declined,
}

impl From<&StatusWord> for Status {
    fn from(status: &StatusWord) -> Self {
        match status.0 {
            Cow::Borrowed("Revoked") => Self::Revoked,
            Cow::Borrowed("Declined") => Self::Declined,
            _ => Self::Active,
        }
    }
}

/// A permission as a read shows it. The names and e-mail addresses that come
/// with it are not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permission {
    /// Its ID.
    pub id: PermissionId,
    /// The account it is for, where the answer says so.
    pub account: Option<i64>,
    /// The user who holds it, where the answer says so.
    pub user: Option<i64>,
    /// The API's word for its status; an unknown one on one line and cut short.
    pub status: Cow<'static, str>,
    /// What that comes down to.
    pub shown: Status,
}

impl Permission {
    fn of(entity: ShownEntity, secrets: &Secrets) -> Self {
        Self {
            id: entity.id,
            account: entity.account,
            user: entity.user,
            shown: Status::from(&entity.status),
            status: entity.status.kept(secrets),
        }
    }
}

/// What the answer to a read means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The asked permissions that the API shows, each once and in the order
    /// asked. It leaves out what it does not know.
    Found(Vec<Permission>),
    /// 404: for one ID, not known; for several it says nothing about any.
    NotFound,
    /// 413 or 414: too many IDs at once.
    TooLarge,
    /// 401: the token was refused.
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// A time penalty; fields as in
    /// [`Verdict::Penalty`](super::Verdict::Penalty). How a ticket would
    /// be handed back with a read is not documented: wait, then read plainly.
    Penalty {
        /// The ticket.
        ticket: Option<String>,
        /// How long no call may start.
        wait: Duration,
        /// A captcha is asked for.
        captcha: bool,
    },
    /// 423 or 429, as in [`Verdict::Lockout`](super::Verdict::Lockout).
    Lockout {
        /// The status.
        status: u16,
        /// What the server asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// No usable answer.
    Failed {
        /// A failure's kind, `unreadable`, or the status: `http_500`.
        reason: String,
        /// What happened, or the server's words.
        message: String,
        /// Whether the same read may well succeed later.
        transient: bool,
    },
}

impl Reading {
    /// The word that is recorded.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Penalty { .. } => "penalty",
            Self::Lockout { .. } => "lockout",
            Self::Failed { .. } => "failed",
        }
    }

    fn unreadable(message: String) -> Self {
        Self::Failed {
            reason: "unreadable".to_owned(),
            message,
            transient: true,
        }
    }
}

/// Judges the answer to `call`, a [`Call::Items`] or a [`Call::Item`]: an
/// array belongs to the one, an object to the other.
#[must_use]
pub fn judge_read(call: &Call, answer: &Answer) -> Reading {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::NotSent(failure) | Answer::NoAnswer(failure) => {
            return Reading::Failed {
                reason: failure.kind.word().to_owned(),
                message: one_line(&failure.detail),
                transient: true,
            };
        }
    };
    match response.status {
        200 => judge_entities(call, response),
        401 => Reading::Unauthorized {
            message: body::words(response),
        },
        404 => Reading::NotFound,
        413 | 414 => Reading::TooLarge,
        status @ (423 | 429) => Reading::Lockout {
            status,
            retry_after: response.retry_after,
        },
        status => Reading::Failed {
            reason: http_reason(status),
            message: body::words(response),
            transient: !matches!(status, 300..=399 | 400 | 403 | 405 | 409 | 415 | 422),
        },
    }
}

fn judge_entities(call: &Call, response: &Response) -> Reading {
    // An object may be a penalty or an error instead of what was asked for.
    if let Ok(outcome) = body::object::<RevokeBodyFields>(&response.body) {
        if outcome.is_penalty() {
            let PenaltyTicket {
                ticket,
                wait,
                captcha,
            } = penalty(&outcome);
            return Reading::Penalty {
                ticket,
                wait,
                captcha,
            };
        }
        if let Some(text) = outcome.complaint() {
            return Reading::unreadable(response.secrets.message(&text));
        }
    }
    let (asked, entities) = match call {
        Call::Revoke(_) | Call::LogIn(_) | Call::Renew => {
            return Reading::unreadable("not a read".to_owned());
        }
        Call::Items(ids) => (ids.as_slice(), body::objects::<ShownEntity>(&response.body)),
        Call::Item(id) => (
            std::slice::from_ref(id),
            body::object::<ShownEntity>(&response.body).map(|entity| vec![entity]),
        ),
    };
    match entities {
        Ok(entities) => found(asked, entities, &response.secrets),
        Err(fault) => Reading::unreadable(fault),
    }
}

/// An answer with IDs that were not asked for, or with two opinions on one,
/// is believed in nothing.
fn found(asked: &[PermissionId], entities: Vec<ShownEntity>, secrets: &Secrets) -> Reading {
    let mut shown: FxHashMap<PermissionId, Option<ShownEntity>> =
        asked.iter().map(|&id| (id, None)).collect();
    for entity in entities {
        let id = entity.id;
        match shown.get_mut(&id) {
            None => {
                return Reading::unreadable(format!("ID {id} was not asked for"));
            }
            Some(Some(other)) if other.status != entity.status => {
                return Reading::unreadable(format!("ID {id} has two statuses"));
            }
            Some(known) => *known = Some(entity),
        }
    }
    // Taken out, so that an ID asked for twice is shown once.
    let found = asked.iter().filter_map(|id| shown.remove(id)?);
    Reading::Found(
        found
            .map(|entity| Permission::of(entity, secrets))
            .collect(),
    )
}
