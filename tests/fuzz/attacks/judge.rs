//! Any answer to any call: a verdict that claims no more than the answer
//! says, in words that can be recorded.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use rescind::{
    api::{
        Answer, AuthOutcome, Call, Credentials, LONGEST_WAIT, LogIn, Reading, Response, Secrets,
        Verdict, judge_auth, judge_read, judge_revoke,
    },
    list::PermissionId,
};
use secrecy::SecretString;
use serde_json::Value;

const STATUSES: [u16; 16] = [
    200, 201, 204, 301, 400, 401, 403, 404, 409, 413, 414, 422, 423, 429, 500, 503,
];

fn can_be_recorded(message: &str) {
    assert!(message.chars().count() <= 500, "{message:?}");
    assert!(!message.contains(char::is_control), "{message:?}");
}

fn log_in() -> Call {
    let credentials = Credentials {
        name: "clerk".to_owned(),
        password: SecretString::from("s3cret-one"),
        app_id: "Clean-up".to_owned(),
        app_version: "1.0".to_owned(),
        cid: "8".to_owned(),
        sec: SecretString::from("s3cret-two"),
        device_id: None,
    };
    Call::LogIn(LogIn::new(&Arc::new(credentials), None))
}

fn is_bounded(wait: Option<Duration>) {
    assert!(wait.is_none_or(|wait| wait <= LONGEST_WAIT), "{wait:?}");
}

/// The first bytes are the status, the IDs asked for and `Retry-After`; the
/// others are the body.
pub(crate) fn attack(input: &[u8]) {
    let [form, asked, wait, body @ ..] = input else {
        return;
    };
    let answer = Answer::Response(Response {
        status: STATUSES[usize::from(form & 15)],
        retry_after: (wait & 1 == 1).then(|| Duration::from_secs(u64::from(*wait))),
        date: Some(Timestamp::UNIX_EPOCH),
        body: Bytes::copy_from_slice(body),
        secrets: Secrets::default(),
    });
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let flag = |name: &str| json.as_ref().and_then(|json| json.get(name));

    let verdict = judge_revoke(&answer);
    can_be_recorded(verdict.message());
    can_be_recorded(&verdict.reason());
    match &verdict {
        Verdict::Accepted => {
            assert_eq!(answer.status(), Some(200));
            assert_eq!(flag("ok"), Some(&Value::Bool(true)));
            assert!(flag("violations").is_none_or(|v| v.is_null() || *v == Value::Array(vec![])));
            assert!(flag("errorText").is_none_or(|v| v.is_null() || *v == ""));
            assert!(flag("p-ticket").is_none_or(Value::is_null));
        }
        Verdict::Penalty { wait, .. } => is_bounded(Some(*wait)),
        Verdict::Lockout { retry_after, .. } => is_bounded(*retry_after),
        Verdict::InDoubt { penalty, .. } => is_bounded(penalty.map(|(wait, _)| wait)),
        _ => {}
    }

    let ids: Vec<PermissionId> = (1..=i64::from(asked & 7) + 1)
        .map(|id| id.try_into().unwrap())
        .collect();
    let call = match ids[..] {
        [id] => Call::Item(id),
        _ => Call::Items(ids.clone()),
    };
    match judge_read(&call, &answer) {
        Reading::Found(found) => {
            assert_eq!(answer.status(), Some(200));
            let mut found: Vec<_> = found.into_iter().map(|permission| permission.id).collect();
            assert!(found.is_sorted(), "in the order asked");
            assert!(found.iter().all(|id| ids.contains(id)));
            let all = found.len();
            found.dedup();
            assert_eq!(found.len(), all);
        }
        Reading::Penalty { wait, .. } => is_bounded(Some(wait)),
        Reading::Lockout { retry_after, .. } => is_bounded(retry_after),
        Reading::Unauthorized { message } => can_be_recorded(&message),
        Reading::Failed {
            reason, message, ..
        } => {
            can_be_recorded(&reason);
            can_be_recorded(&message);
        }
        Reading::NotFound | Reading::TooLarge => {}
    }

    for call in [Call::Renew, log_in()] {
        match judge_auth(&call, &answer) {
            AuthOutcome::Granted { .. } => {
                assert_eq!(answer.status(), Some(200));
                assert!(flag("accessToken").is_some_and(|token| token.as_str().is_some()));
            }
            AuthOutcome::Penalty { wait, .. } => is_bounded(Some(wait)),
            AuthOutcome::Lockout { retry_after, .. } => is_bounded(retry_after),
            AuthOutcome::Refused { message, .. } => {
                can_be_recorded(&message);
                // A renewal sends nothing that it could strike out.
                let repeated = message.contains("s3cret-one") || message.contains("s3cret-two");
                assert!(matches!(call, Call::Renew) || !repeated, "{message}");
            }
            _ => {}
        }
    }
}
