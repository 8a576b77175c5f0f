use std::borrow::Cow;

use super::{HOUR, failure, response};
use crate::api::{
    Answer, AuthOutcome, Call, FailureKind, LONGEST_WAIT, LogIn, Response, Token, judge_auth,
    login::tests::credentials,
};

fn log_in() -> Call {
    let credentials = credentials("pass-word", "key-secret");
    Call::LogIn(LogIn::new(&credentials, None))
}

fn calls() -> [Call; 2] {
    [log_in(), Call::Renew]
}

fn granted(token: &str, expires: Option<&str>) -> AuthOutcome {
    AuthOutcome::Granted {
        token: Token::new(token, "test").unwrap(),
        expires: expires.map(|text| text.parse().unwrap()),
        date: None,
    }
}

fn refused(reason: &'static str, message: &str) -> AuthOutcome {
    AuthOutcome::Refused {
        reason: Cow::Borrowed(reason),
        message: message.to_owned(),
    }
}

fn failed(reason: &'static str, message: &str, transient: bool) -> AuthOutcome {
    AuthOutcome::Failed {
        reason: Cow::Borrowed(reason),
        message: message.to_owned(),
        transient,
    }
}

fn lockout(status: u16) -> AuthOutcome {
    AuthOutcome::Lockout {
        status,
        retry_after: None,
    }
}

/// Checks answers to log-ins and renewals, row by row.
fn check(table: &[(u16, &str, AuthOutcome)]) {
    for (status, body, expected) in table {
        for call in calls() {
            let admission = judge_auth(&call, &response(*status, body));
            assert_eq!(admission, *expected, "{status} {body}");
        }
    }
}

#[test]
fn a_token_is_issued_for_as_long_as_the_answer_says() {
    check(&[
        (
            200,
            r#"{"accessToken":"t","expirationTime":"2026-11-23T03:20:00.000Z","userId":1}"#,
            granted("t", Some("2026-11-23T03:20:00Z")),
        ),
        (
            200,
            r#"{"errorText":null,"accessToken":"t","expirationTime":"2026-11-23T03:20:00Z"}"#,
            granted("t", Some("2026-11-23T03:20:00Z")),
        ),
        (
            200,
            r#"{"errorText":"","accessToken":"t","expirationTime":"2026-11-23T03:20:00"}"#,
            granted("t", Some("2026-11-23T03:20:00Z")),
        ),
        (
            200,
            r#"{"accessToken":"t","expirationTime":"2026-11-23T04:20:00+01:00"}"#,
            granted("t", Some("2026-11-23T03:20:00Z")),
        ),
        // It may be used, and nobody knows for how long.
        (200, r#"{"accessToken":"t"}"#, granted("t", None)),
        (
            200,
            r#"{"accessToken":"t","expirationTime":"soon"}"#,
            granted("t", None),
        ),
        (
            200,
            r#"{"accessToken":"t","expirationTime":80}"#,
            granted("t", None),
        ),
    ]);
}

#[test]
fn every_answer_without_a_token_has_its_verdict() {
    let unreadable = |message: &str| failed("unreadable", message, true);
    check(&[
        (
            200,
            r#"{"errorText":"Incorrect username or password"}"#,
            refused("refused", "Incorrect username or password"),
        ),
        (
            200,
            r#"{"accessToken":"","errorText":"No"}"#,
            refused("refused", "No"),
        ),
        (200, r#"{"ok":false}"#, refused("refused", "`ok` is false")),
        (
            200,
            r#"{"violations":[{"constraint":"size","description":"too long"}]}"#,
            refused("violation", "size: too long"),
        ),
        (401, "Expired", refused("http_401", "Expired")),
        (
            403,
            r#"{"errorText":"Not yours"}"#,
            refused("http_403", "Not yours"),
        ),
        (400, "", refused("http_400", "")),
        (404, "Not Found", refused("http_404", "Not Found")),
        (302, "", refused("http_302", "")),
        (423, "", lockout(423)),
        (429, "", lockout(429)),
        (500, "Oops", failed("http_500", "Oops", true)),
        (502, "", failed("http_502", "", true)),
        (503, "", failed("http_503", "", true)),
        (408, "", failed("http_408", "", true)),
        (201, "", failed("http_201", "", true)),
        // What is no answer at all.
        (
            200,
            "<html>Just a moment",
            unreadable("the answer is not JSON (line 1, column 1). an HTML page"),
        ),
        (
            200,
            "",
            unreadable("the answer is empty (line 1, column 0)."),
        ),
        // Several sessions would be opened by trying this again.
        (
            200,
            r#"{"accessToken":"t","errorText":"but t is bad"}"#,
            failed(
                "contradiction",
                "a token in the answer, but also a complaint",
                false,
            ),
        ),
        (
            200,
            r#"{"accessToken":"two words"}"#,
            failed(
                "contradiction",
                "the token in the answer cannot be sent as a header",
                false,
            ),
        ),
    ]);
}

/// Repeated, it would count towards the lockout after five.
#[test]
fn an_answer_without_a_token_refuses_a_log_in_not_a_renewal() {
    let message = "there is no token in the answer";
    for body in [
        "{}",
        r#"{"ok":true}"#,
        r#"{"accessToken":""}"#,
        r#"{"accessToken":null,"mdAccessToken":"m"}"#,
        r#"{"userStatus":"Locked"}"#,
    ] {
        let judged = |call: &Call| judge_auth(call, &response(200, body));
        assert_eq!(judged(&log_in()), refused("refused", message), "{body}");
        let unreadable = failed("unreadable", message, true);
        assert_eq!(judged(&Call::Renew), unreadable, "{body}");
    }
}

#[test]
fn a_penalty_is_announced_like_any_other() {
    for (body, ticket, wait, captcha) in [
        (r#"{"p-ticket":"abc","p-time":15}"#, Some("abc"), 15, false),
        (r#"{"p-time":7,"errorText":"Wait"}"#, None, 7, false),
        (r#"{"p-ticket":"abc","p-captcha":true}"#, None, 0, true),
        (r#"{"p-ticket":"abc"}"#, None, 3_600, false),
        (
            r#"{"p-ticket":"a","p-time":1e99}"#,
            Some("a"),
            LONGEST_WAIT.as_secs(),
            false,
        ),
    ] {
        for call in calls() {
            let expected = AuthOutcome::Penalty {
                ticket: ticket.map(str::to_owned),
                wait: std::time::Duration::from_secs(wait),
                captcha,
            };
            assert_eq!(judge_auth(&call, &response(200, body)), expected, "{body}");
        }
    }
}

#[test]
fn nothing_sent_is_told_from_no_answer() {
    let unsent = judge_auth(&log_in(), &Answer::NotSent(failure(FailureKind::Connect)));
    let message = "what happened".to_owned();
    let reason = "connect";
    assert_eq!(unsent, AuthOutcome::NotSent { reason, message });
    let unanswered = judge_auth(&log_in(), &Answer::NoAnswer(failure(FailureKind::Timeout)));
    assert_eq!(unanswered, failed("timeout", "what happened", true));
}

#[test]
fn the_servers_date_and_retry_after_are_handed_on() {
    let date = "2026-11-23T02:00:00Z".parse().unwrap();
    let answer = |status, body: &'static str| {
        Answer::Response(Response {
            status,
            retry_after: Some(HOUR),
            date: Some(date),
            body: body.into(),
            secrets: crate::api::Secrets::default(),
        })
    };
    let AuthOutcome::Granted { date: told, .. } =
        judge_auth(&Call::Renew, &answer(200, r#"{"accessToken":"t"}"#))
    else {
        panic!("not granted");
    };
    assert_eq!(told, Some(date));
    let AuthOutcome::Lockout { retry_after, .. } = judge_auth(&Call::Renew, &answer(429, ""))
    else {
        panic!("no lockout");
    };
    assert_eq!(retry_after, Some(HOUR));
}

/// However a server repeats what it was sent, and however short that is.
#[test]
fn no_message_repeats_a_secret_or_a_token() {
    let credentials = credentials("s3cret\"", "s3");
    let log_in = Call::LogIn(LogIn::new(&credentials, None));
    for (status, body) in [
        (200, r#"{"errorText":"s3cret\" is wrong, s3 too"}"#),
        (200, r#"{"violations":[{"description":"s3cret\" s3"}]}"#),
        (200, "no JSON: s3cret\" s3"),
        (401, "s3cret\" s3"),
        (403, r#"{"message":"s3cret\""}"#),
        (500, r#"s3cret\" s3"#),
        (200, r#"{"accessToken":"s3cret t","errorText":"s3cret"}"#),
        (200, r#"{"accessToken":"s3cret t"}"#),
        (500, "accessToken=s3t mdAccessToken=s3t"),
        (201, r#"{"mdAccessToken":"s3t","errorText":"s3t"}"#),
        (200, "accessToken=s3t"),
        (403, r#"{"errorText":"s\u0033cret\u0022"}"#),
    ] {
        let admission = judge_auth(&log_in, &response(status, body));
        assert!(!admission.message().contains("s3"), "{admission:?}");
        assert!(!matches!(admission, AuthOutcome::Granted { .. }), "{body}");
    }
}

#[test]
fn a_token_is_not_repeated_however_its_key_is_written() {
    let body = r#"{"access\u0054oken":"s3cret","errorText":"s3cret"}"#;
    let admission = judge_auth(&Call::Renew, &response(403, body));
    assert_eq!(admission, refused("http_403", ""));
}

#[test]
fn each_arm_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = [
        granted("t", None),
        refused("refused", ""),
        failed("timeout", "", true),
        lockout(429),
        judge_auth(&Call::Renew, &response(200, r#"{"p-time":1}"#)),
        judge_auth(&Call::Renew, &Answer::NotSent(failure(FailureKind::Tls))),
    ]
    .iter()
    .map(AuthOutcome::word)
    .collect();
    assert_eq!(words.len(), 6);
    // A journal keeps `Debug` nowhere, and yet it may be printed.
    let shown = format!("{:?}", granted("s3cret", None));
    assert!(!shown.contains("s3cret"), "{shown}");
}
