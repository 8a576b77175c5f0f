mod auth;
mod read;

use bytes::Bytes;

use super::*;
use crate::{
    api::{Call, Failure, FailureKind, Secrets},
    list::PermissionId,
};

const HOUR: Duration = Duration::from_hours(1);

fn response(status: u16, body: impl AsRef<[u8]>) -> Answer {
    Answer::Response(Response {
        status,
        retry_after: None,
        date: None,
        body: Bytes::copy_from_slice(body.as_ref()),
        secrets: Secrets::default(),
    })
}

fn revoke(status: u16, body: impl AsRef<[u8]>) -> Verdict {
    judge_revoke(&response(status, body))
}

fn failure(kind: FailureKind) -> Failure {
    let detail = "what\nhappened".to_owned();
    Failure { kind, detail }
}

fn refused(reason: &'static str, message: &str) -> Verdict {
    let message = message.to_owned();
    Verdict::Refused { reason, message }
}

fn unfit(status: u16, message: &str) -> Verdict {
    let message = message.to_owned();
    Verdict::BadRequest { status, message }
}

fn in_doubt(reason: &str, message: &str) -> Verdict {
    Verdict::InDoubt {
        reason: reason.to_owned(),
        message: message.to_owned(),
        penalty: None,
    }
}

fn penalty(ticket: Option<&str>, seconds: f64, captcha: bool) -> Verdict {
    Verdict::Penalty {
        ticket: ticket.map(str::to_owned),
        wait: Duration::from_secs_f64(seconds),
        captcha,
    }
}

/// The answer table, row by row.
#[test]
fn every_row_of_the_answer_table_has_its_verdict() {
    let table: &[(u16, &str, Verdict)] = &[
        // 200, ok:true, errorText empty, null or absent
        (200, r#"{"ok":true}"#, Verdict::Accepted),
        (200, r#"{"ok":true,"errorText":""}"#, Verdict::Accepted),
        (200, r#"{"errorText":null,"ok":true}"#, Verdict::Accepted),
        // 200, ok:true with a non-empty errorText
        (
            200,
            r#"{"ok":true,"errorText":"No"}"#,
            in_doubt("contradiction", "`ok` is true, but also: No"),
        ),
        // 200, ok:false
        (
            200,
            r#"{"ok":false,"errorText":"Access denied"}"#,
            refused("refused", "Access denied"),
        ),
        (200, r#"{"ok":false}"#, refused("refused", "")),
        // 200, violations
        (
            200,
            r#"{"violations":[{"constraint":"size","value":[1,2],"description":"too many"}]}"#,
            refused("violation", "size: too many"),
        ),
        // 200, p-ticket
        (
            200,
            r#"{"p-ticket":"abc","p-time":15}"#,
            penalty(Some("abc"), 15.0, false),
        ),
        (
            200,
            r#"{"p-ticket":"abc","p-time":15,"p-captcha":false}"#,
            penalty(Some("abc"), 15.0, false),
        ),
        (
            200,
            r#"{"p-ticket":"abc","p-time":15,"p-captcha":true}"#,
            penalty(None, 15.0, true),
        ),
        // Not executed
        (400, "", unfit(400, "")),
        (403, "Forbidden\n", unfit(403, "Forbidden")),
        (404, r#"{"errorText":"Not found"}"#, unfit(404, "Not found")),
        (405, r#"{"message":"No POST"}"#, unfit(405, "No POST")),
        (415, r#"{"error":"No type"}"#, unfit(415, "No type")),
        (409, "Conflict", refused("http_409", "Conflict")),
        (
            422,
            r#"{"violations":[{"description":"unknown"}]}"#,
            refused("http_422", "unknown"),
        ),
        (413, "", Verdict::TooLarge),
        (
            401,
            "Expired",
            Verdict::Unauthorized {
                message: "Expired".to_owned(),
            },
        ),
        (
            423,
            "",
            Verdict::Lockout {
                status: 423,
                retry_after: None,
            },
        ),
        (
            429,
            "",
            Verdict::Lockout {
                status: 429,
                retry_after: None,
            },
        ),
        // May or may not have been executed
        (300, "", in_doubt("http_300", "")),
        (301, "", in_doubt("http_301", "")),
        (302, "Found", in_doubt("http_302", "Found")),
        (303, r#"{"ok":true}"#, in_doubt("http_303", "")),
        (304, "", in_doubt("http_304", "")),
        (307, "", in_doubt("http_307", "")),
        (308, "", in_doubt("http_308", "")),
        (399, "", in_doubt("http_399", "")),
        (500, "", in_doubt("http_500", "")),
        (502, "<html> <b>Bad", in_doubt("http_502", "an HTML page")),
        (502, "Bad <b>gateway", in_doubt("http_502", "Bad")),
        (503, "", in_doubt("http_503", "")),
        (504, r#"{"ok":true}"#, in_doubt("http_504", "")),
        (501, "", in_doubt("http_501", "")),
        (599, "", in_doubt("http_599", "")),
        // Statuses that nobody documents
        (201, r#"{"ok":true}"#, in_doubt("http_201", "")),
        (202, r#"{"ok":true}"#, in_doubt("http_202", "")),
        (204, "", in_doubt("http_204", "")),
        (206, r#"{"ok":true}"#, in_doubt("http_206", "")),
        (402, "", in_doubt("http_402", "")),
        (408, "", in_doubt("http_408", "")),
        (410, "", in_doubt("http_410", "")),
        (418, "", in_doubt("http_418", "")),
        (451, "", in_doubt("http_451", "")),
    ];
    for (status, body, expected) in table {
        assert_eq!(&revoke(*status, body), expected, "{status} {body}");
    }
}

/// A key without the permission in either form, and the time of maintenance.
#[test]
fn the_message_of_a_status_is_kept_and_changes_no_verdict() {
    let denied = Verdict::Unauthorized {
        message: "Access is denied".to_owned(),
    };
    let table = [
        (401, r#"{"errorText":"Access is denied"}"#, denied),
        (403, r#"{"errorText":"No right"}"#, unfit(403, "No right")),
        (
            503,
            "<html>Down for\nmaintenance",
            in_doubt("http_503", "an HTML page"),
        ),
    ];
    for (status, body, expected) in table {
        assert_eq!(revoke(status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_status_other_than_200_is_never_accepted() {
    for status in (100..=999).filter(|&status| status != 200) {
        let verdict = revoke(status, r#"{"ok":true}"#);
        assert_ne!(verdict, Verdict::Accepted, "{status}");
    }
}

#[test]
fn no_answer_is_in_doubt_and_not_sent_is_not() {
    use FailureKind::{Connect, Reset, Timeout, Tls, Token, TooLarge, Unreadable};
    for (kind, word) in [
        (Connect, "connect"),
        (Tls, "tls"),
        (Timeout, "timeout"),
        (Reset, "reset"),
        (TooLarge, "oversized"),
        (Unreadable, "unreadable"),
        (Token, "token"),
    ] {
        assert_eq!(
            judge_revoke(&Answer::NoAnswer(failure(kind))),
            in_doubt(word, "what happened")
        );
        assert_eq!(
            judge_revoke(&Answer::NotSent(failure(kind))),
            Verdict::NotSent {
                reason: word,
                message: "what happened".to_owned()
            }
        );
        for answer in [
            Answer::NoAnswer(failure(kind)),
            Answer::NotSent(failure(kind)),
        ] {
            assert_eq!(read("1", &answer), failed(word, "what happened", true));
        }
    }
}

#[test]
fn an_unreadable_answer_is_in_doubt() {
    let deep = "[".repeat(100_000);
    let deep_text = format!(r#"{{"ok":true,"errorText":{deep}"#);
    let deep_ticket = format!(
        r#"{{"p-ticket":{}1{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    let bodies: &[&[u8]] = &[
        b"",
        b" ",
        b"null",
        b"true",
        b"\"ok\"",
        b"{}",
        b"[]",
        br#"[{"ok":true}]"#,
        // serde would take these for objects.
        br#"[true,""]"#,
        br"[true,null,null,null,null,null]",
        br#"{"violations":[["size","too many"]]}"#,
        // Cut off, or too much.
        br#"{"ok":true"#,
        br#"{"ok":tru"#,
        br#"{"ok":true}}"#,
        br#"{"ok":true}{"ok":false}"#,
        br#"{"ok":true} x"#,
        // The same key twice.
        br#"{"ok":true,"ok":true}"#,
        br#"{"ok":true,"ok":false}"#,
        br#"{"ok":true,"errorText":"","errorText":"No"}"#,
        br#"{"p-ticket":"a","p-ticket":"b","p-time":1}"#,
        // Wrong types, and `ok` missing.
        br#"{"ok":"true"}"#,
        br#"{"ok":1}"#,
        br#"{"ok":null}"#,
        br#"{"OK":true}"#,
        br#"{"errorText":"Incorrect username"}"#,
        br#"{"ok":true,"errorText":0}"#,
        br#"{"ok":true,"errorText":{}}"#,
        br#"{"ok":true,"violations":"none"}"#,
        br#"{"ok":true,"violations":{}}"#,
        br#"{"ok":false,"errorText":["No"]}"#,
        // Not UTF-8, even where nobody looks.
        b"{\"ok\":true,\"errorText\":\"\xff\"}",
        b"{\"ok\":true,\"x\":\"\xff\"}",
        b"\xef\xbb\xbf{\"ok\":true}",
        b"\x1f\x8b\x08\x00",
        b"<html>Captive portal</html>",
        deep.as_bytes(),
        deep_text.as_bytes(),
        deep_ticket.as_bytes(),
    ];
    for body in bodies {
        let verdict = revoke(200, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(verdict.word(), "in_doubt", "{shown}");
        assert_eq!(verdict.reason(), "unreadable", "{shown}");
        assert!(!verdict.message().is_empty(), "{shown}");
    }
    // A page is named, so that a captive portal is recognised.
    let page = revoke(200, "<html>Captive portal</html>");
    assert!(page.message().ends_with("an HTML page"), "{page:?}");
    let missing = revoke(200, r#"{"errorText":"Incorrect username"}"#);
    assert!(missing.message().contains("Incorrect username"));
}

#[test]
fn keys_unknown_to_us_change_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        r#"{"ok":true,"requestId":"7","took":[1,{"ok":false}]}"#.to_owned(),
        "{ \"ok\" : true }\r\n".to_owned(),
        r#"{"\u006fk":true,"errorText":"","violations":[],"p-ticket":null}"#.to_owned(),
        r#"{"ok":true,"p-captcha":false}"#.to_owned(),
        format!(r#"{{"ok":true,"x":{deep}}}"#),
    ];
    for body in bodies {
        assert_eq!(revoke(200, &body), Verdict::Accepted, "{body:.60}");
    }
}

#[test]
fn whatever_speaks_against_ok_is_a_contradiction() {
    for body in [
        r#"{"ok":true,"errorText":" "}"#,
        r#"{"ok":true,"violations":[{"description":"size"}]}"#,
        r#"{"ok":true,"violations":[{}]}"#,
        r#"{"ok":true,"p-ticket":"abc","p-time":15}"#,
        r#"{"ok":true,"p-ticket":""}"#,
        r#"{"ok":true,"p-time":15}"#,
        r#"{"ok":true,"p-captcha":true}"#,
    ] {
        assert_eq!(revoke(200, body).reason(), "contradiction", "{body}");
    }
}

#[test]
fn a_wait_in_a_contradictory_answer_is_kept() {
    let announced = |body: &str| match revoke(200, body) {
        Verdict::InDoubt { penalty, .. } => penalty,
        other => panic!("not in doubt: {other:?}"),
    };
    let penalised = announced(r#"{"ok":true,"p-ticket":"abc","p-time":15}"#);
    assert_eq!(penalised, Some((Duration::from_secs(15), false)));
    let captcha = announced(r#"{"ok":true,"p-captcha":true,"p-time":15}"#);
    assert_eq!(captcha, Some((Duration::from_secs(15), true)));
    assert_eq!(announced(r#"{"ok":true,"errorText":"no"}"#), None);
}

#[test]
fn a_penalty_is_kept_whatever_is_wrong_with_its_parts() {
    let longest = LONGEST_WAIT.as_secs_f64();
    for (body, expected) in [
        // Seconds, whole or not.
        (
            r#"{"p-ticket":"t","p-time":0}"#,
            penalty(Some("t"), 0.0, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":1.5}"#,
            penalty(Some("t"), 1.5, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":6e1}"#,
            penalty(Some("t"), 60.0, false),
        ),
        // Absurdly long.
        (
            r#"{"p-ticket":"t","p-time":1e300}"#,
            penalty(Some("t"), longest, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":1e400}"#,
            penalty(Some("t"), longest, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":18446744073709551615}"#,
            penalty(Some("t"), longest, false),
        ),
        // Absent or unreadable: an hour, and no ticket.
        (r#"{"p-ticket":"t"}"#, penalty(None, 3600.0, false)),
        (
            r#"{"p-ticket":"t","p-time":null}"#,
            penalty(None, 3600.0, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":"15"}"#,
            penalty(None, 3600.0, false),
        ),
        (
            r#"{"p-ticket":"t","p-time":-1}"#,
            penalty(None, 3600.0, false),
        ),
        // No usable ticket.
        (r#"{"p-ticket":7,"p-time":15}"#, penalty(None, 15.0, false)),
        (r#"{"p-ticket":"","p-time":15}"#, penalty(None, 15.0, false)),
        (r#"{"p-time":15}"#, penalty(None, 15.0, false)),
        // A captcha.
        (r#"{"p-captcha":true}"#, penalty(None, 0.0, true)),
        (
            r#"{"p-ticket":"t","p-time":15,"p-captcha":"yes"}"#,
            penalty(None, 15.0, true),
        ),
        (
            r#"{"p-ticket":"t","p-time":7200,"p-captcha":true}"#,
            penalty(None, 7200.0, true),
        ),
        // With an error besides: still not handled.
        (
            r#"{"ok":false,"errorText":"Slow down","p-ticket":"t","p-time":15}"#,
            penalty(Some("t"), 15.0, false),
        ),
        (
            r#"{"violations":[{}],"p-ticket":"t","p-time":15}"#,
            penalty(Some("t"), 15.0, false),
        ),
    ] {
        assert_eq!(revoke(200, body), expected, "{body}");
        // The same answer to a read.
        let Verdict::Penalty {
            ticket,
            wait,
            captcha,
        } = expected
        else {
            panic!("{expected:?}")
        };
        let expected = Reading::Penalty {
            ticket,
            wait,
            captcha,
        };
        assert_eq!(read("1,2", &response(200, body)), expected, "{body}");
        assert_eq!(read("1", &response(200, body)), expected, "{body}");
    }
}

#[test]
fn a_lockout_carries_what_the_server_asks_for() {
    for status in [423, 429] {
        let answer = Answer::Response(Response {
            status,
            retry_after: Some(HOUR),
            date: None,
            body: Bytes::new(),
            secrets: Secrets::default(),
        });
        let retry_after = Some(HOUR);
        let verdict = Verdict::Lockout {
            status,
            retry_after,
        };
        assert_eq!(judge_revoke(&answer), verdict);
        let reading = Reading::Lockout {
            status,
            retry_after,
        };
        assert_eq!(read("1", &answer), reading);
    }
}

#[test]
fn only_409_and_422_are_refusals_by_status() {
    assert!(revoke(409, "").refused_by_status());
    assert!(revoke(422, "").refused_by_status());
    assert!(!revoke(200, r#"{"ok":false}"#).refused_by_status());
    assert!(!revoke(200, r#"{"violations":[{}]}"#).refused_by_status());
    assert!(!revoke(400, "").refused_by_status());
    assert!(!revoke(500, "").refused_by_status());
}

#[test]
fn messages_are_one_short_line_of_plain_text() {
    let nasty = r#"{"ok":false,"errorText":"\u001b[2J<b>a\r\nb\u0000"}"#;
    assert_eq!(
        revoke(200, nasty),
        refused("refused", "\u{FFFD}[2J<b>a b\u{FFFD}")
    );
    let long = "é".repeat(8192);
    for verdict in [
        revoke(200, format!(r#"{{"ok":false,"errorText":"{long}"}}"#)),
        revoke(200, format!(r#"{{"ok":true,"errorText":"{long}"}}"#)),
        revoke(200, format!(r#"{{"errorText":"{long}"}}"#)),
        revoke(
            200,
            format!(r#"{{"violations":[{{"description":"{long}"}}]}}"#),
        ),
        revoke(200, &long),
        revoke(400, &long),
        revoke(500, &long),
    ] {
        let message = verdict.message();
        assert_eq!(message.chars().count(), 500, "{verdict:?}");
        assert!(message.ends_with('…'), "{verdict:?}");
    }
}

#[test]
fn many_violations_are_counted_and_their_values_left_out() {
    let one = r#"{"constraint":"c","value":"s3cret","description":"d"}"#;
    let body = format!(r#"{{"violations":[{one},{one},{one},{one},{one}]}}"#);
    let verdict = revoke(200, body);
    assert_eq!(
        verdict,
        refused("violation", "c: d; c: d; c: d; and 2 more")
    );
}

#[test]
fn words_and_reasons_are_those_of_the_record() {
    for (verdict, word, reason) in [
        (revoke(200, r#"{"ok":true}"#), "accepted", ""),
        (revoke(200, r#"{"ok":false}"#), "refused", "refused"),
        (
            revoke(200, r#"{"violations":[{}]}"#),
            "refused",
            "violation",
        ),
        (revoke(409, ""), "refused", "http_409"),
        (revoke(403, ""), "unfit", "http_403"),
        (revoke(302, ""), "in_doubt", "http_302"),
        (revoke(413, ""), "too_large", "http_413"),
        (revoke(401, ""), "unauthorized", "http_401"),
        (revoke(429, ""), "lockout", "http_429"),
        (revoke(200, r#"{"p-time":1}"#), "penalty", "penalty"),
        (revoke(200, r#"{"p-captcha":true}"#), "penalty", "captcha"),
        (revoke(503, ""), "in_doubt", "http_503"),
    ] {
        assert_eq!((verdict.word(), &*verdict.reason()), (word, reason));
    }
}

fn id(number: i64) -> PermissionId {
    number.try_into().unwrap()
}

/// A read of one ID is an `item`, of several an `items`.
fn read(ids: &str, answer: &Answer) -> Reading {
    let mut ids: Vec<_> = ids
        .split(',')
        .map(|word| id(word.parse().unwrap()))
        .collect();
    let call = if ids.len() == 1 {
        Call::Item(ids.remove(0))
    } else {
        Call::Items(ids)
    };
    judge_read(&call, answer)
}

fn failed(reason: &str, message: &str, transient: bool) -> Reading {
    Reading::Failed {
        reason: reason.to_owned(),
        message: message.to_owned(),
        transient,
    }
}
