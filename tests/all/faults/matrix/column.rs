//! The calls: the columns of the matrix. Each has its request, an answer that
//! is in order, and words for what an answer to it is judged to mean.

use std::{sync::Arc, time::Duration};

use rescind::{
    api::{
        Answer, AuthOutcome, Call, Credentials, LogIn, Reading, Status, Token, Verdict, judge_auth,
        judge_read, judge_revoke, revoke_body,
    },
    list::PermissionId,
};

/// The two IDs of every call of several.
const IDS: [i64; 2] = [1001, 1002];

/// What a log-in sends, and what it is given: nobody may read them anywhere.
pub(super) const PASSWORD: &str = "p4ssword-of-the-faults";
pub(super) const KEY: &str = "k3y-of-the-faults";
pub(super) const GRANTED: &str = "gr4nted-t0ken-of-the-faults";

/// One kind of call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    Revoke,
    Items,
    Item,
    LogIn,
    Renew,
}

/// All of them, in the order of the table.
pub(super) const COLUMNS: [Column; 5] = [
    Column::Revoke,
    Column::Items,
    Column::Item,
    Column::LogIn,
    Column::Renew,
];

/// What an answer was judged to be.
pub(super) struct Judged {
    /// In the words of the table.
    pub(super) words: String,
    /// What is recorded of it for a person.
    pub(super) message: String,
}

impl Column {
    /// The head of its column.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Items => "read several",
            Self::Item => "read one",
            Self::LogIn => "log in",
            Self::Renew => "renew",
        }
    }

    pub(super) fn call(self) -> Call {
        let ids: Vec<PermissionId> = IDS.map(|id| id.try_into().unwrap()).to_vec();
        match self {
            Self::Revoke => Call::Revoke(revoke_body(&ids, None)),
            Self::Items => Call::Items(ids),
            Self::Item => Call::Item(ids[0]),
            Self::LogIn => Call::LogIn(LogIn::new(&credentials(), None)),
            Self::Renew => Call::Renew,
        }
    }

    /// The start of its request, as a server sees it.
    pub(super) const fn request(self) -> &'static str {
        match self {
            Self::Revoke => "POST /v1/user/revoketradingpermissions HTTP/1.1",
            Self::Items => "GET /v1/tradingPermission/items?ids=1001,1002 HTTP/1.1",
            Self::Item => "GET /v1/tradingPermission/item?id=1001 HTTP/1.1",
            Self::LogIn => "POST /v1/auth/accesstokenrequest HTTP/1.1",
            Self::Renew => "GET /v1/auth/renewaccesstoken HTTP/1.1",
        }
    }

    /// Whether it is a log-in or a renewal.
    pub(super) const fn admits(self) -> bool {
        matches!(self, Self::LogIn | Self::Renew)
    }

    /// The best answer there is: done, shown as revoked, or a token.
    pub(super) fn good(self) -> String {
        self.with("", "Revoked")
    }

    /// An answer that is in order and the opposite of [`good`](Self::good).
    pub(super) fn bad(self) -> String {
        match self {
            Self::Revoke => r#"{"ok":false,"errorText":"No"}"#.to_owned(),
            Self::Items | Self::Item => self.with("", "Accepted"),
            Self::LogIn | Self::Renew => r#"{"errorText":"No"}"#.to_owned(),
        }
    }

    /// The best answer with these members put into each object, each member
    /// with its comma.
    pub(super) fn padded(self, members: &str) -> String {
        self.with(members, "Revoked")
    }

    fn with(self, members: &str, status: &str) -> String {
        let entity = |id| format!(r#"{{{members}"id":{id},"status":"{status}"}}"#);
        match self {
            Self::Revoke => format!(r#"{{{members}"ok":true}}"#),
            Self::Items => format!("[{}]", IDS.map(entity).join(",")),
            Self::Item => entity(IDS[0]),
            Self::LogIn | Self::Renew => {
                let expires = r#""expirationTime":"2026-11-23T03:20:00.000Z""#;
                format!(r#"{{{members}"accessToken":"{GRANTED}",{expires}}}"#)
            }
        }
    }

    /// What an answer to the call means.
    pub(super) fn judged(self, answer: &Answer) -> Judged {
        let asked = answer.retry_after();
        let (words, message) = match self {
            Self::Revoke => {
                let judged = judge_revoke(answer);
                (verdict(&judged, asked), judged.message().to_owned())
            }
            Self::Items | Self::Item => {
                let judged = judge_read(&self.call(), answer);
                let message = match &judged {
                    Reading::Failed { message, .. } | Reading::Unauthorized { message } => message,
                    _ => "",
                };
                (reading(&judged, asked), message.to_owned())
            }
            Self::LogIn | Self::Renew => {
                let judged = judge_auth(&self.call(), answer);
                (admission(&judged, asked), judged.message().to_owned())
            }
        };
        Judged { words, message }
    }
}

fn credentials() -> Arc<Credentials> {
    Arc::new(Credentials {
        name: "clerk".to_owned(),
        password: PASSWORD.into(),
        app_id: "Clean-up".to_owned(),
        app_version: "1.0".to_owned(),
        cid: "8".to_owned(),
        sec: KEY.into(),
        device_id: None,
    })
}

fn verdict(verdict: &Verdict, asked: Option<Duration>) -> String {
    match verdict {
        Verdict::Accepted => "accepted".to_owned(),
        Verdict::Refused { reason, .. } => format!("refused: `{reason}`"),
        Verdict::BadRequest { status, .. } => format!("unfit: `http_{status}`"),
        Verdict::TooLarge => "too large".to_owned(),
        Verdict::Unauthorized { .. } => "unauthorized".to_owned(),
        Verdict::Penalty {
            ticket,
            wait,
            captcha,
        } => penalty(ticket.as_deref(), *wait, *captcha),
        Verdict::Lockout { retry_after, .. } => format!("lockout{}", after(*retry_after)),
        Verdict::NotSent { reason, .. } => format!("not sent: `{reason}`"),
        Verdict::InDoubt {
            reason, penalty, ..
        } => {
            let held = penalty.map_or_else(String::new, |(wait, _)| {
                format!(", and a penalty of {}", time(wait))
            });
            format!("in doubt: `{reason}`{held}{}", after(asked))
        }
    }
}

fn reading(reading: &Reading, asked: Option<Duration>) -> String {
    match reading {
        Reading::Found(shown) => {
            let mut words: Vec<_> = shown.iter().map(|one| word(one.shown)).collect();
            words.dedup();
            if words.is_empty() {
                words.push("none");
            }
            format!("shown: {}", words.join(", "))
        }
        Reading::NotFound => "not found".to_owned(),
        Reading::TooLarge => "too large".to_owned(),
        Reading::Unauthorized { .. } => "unauthorized".to_owned(),
        Reading::Penalty {
            ticket,
            wait,
            captcha,
        } => penalty(ticket.as_deref(), *wait, *captcha),
        Reading::Lockout { retry_after, .. } => format!("lockout{}", after(*retry_after)),
        Reading::Failed {
            reason, transient, ..
        } => {
            let end = if *transient { "" } else { ", for good" };
            format!("failed: `{reason}`{end}{}", after(asked))
        }
    }
}

fn admission(admission: &AuthOutcome, asked: Option<Duration>) -> String {
    match admission {
        AuthOutcome::Granted { token, expires, .. } => {
            assert_eq!(*token, Token::new(GRANTED, "test").unwrap());
            let life = if expires.is_some() {
                ""
            } else {
                ", for a time unknown"
            };
            format!("granted{life}")
        }
        AuthOutcome::Refused { reason, .. } => format!("refused: `{reason}`"),
        AuthOutcome::Penalty {
            ticket,
            wait,
            captcha,
        } => penalty(ticket.as_deref(), *wait, *captcha),
        AuthOutcome::Lockout { retry_after, .. } => format!("lockout{}", after(*retry_after)),
        AuthOutcome::NotSent { reason, .. } => format!("not sent: `{reason}`"),
        AuthOutcome::Failed {
            reason, transient, ..
        } => {
            let end = if *transient { "" } else { ", for good" };
            format!("failed: `{reason}`{end}{}", after(asked))
        }
    }
}

const fn word(shown: Status) -> &'static str {
    match shown {
        Status::Revoked => "revoked",
        Status::Active => "active",
        Status::Declined => "declined",
    }
}

fn penalty(ticket: Option<&str>, wait: Duration, captcha: bool) -> String {
    let ticket = if ticket.is_some() { " with ticket" } else { "" };
    let captcha = if captcha { ", captcha" } else { "" };
    format!("penalty of {}{ticket}{captcha}", time(wait))
}

/// What `Retry-After` asked for.
fn after(asked: Option<Duration>) -> String {
    asked.map_or_else(String::new, |wait| {
        format!(", not before {} have passed", time(wait))
    })
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        days if days >= 86_400 && days % 86_400 == 0 => format!("{} days", days / 86_400),
        _ => format!("{} s", time.as_secs_f64()),
    }
}
