use bytes::Bytes;

use super::{failed, id, read, response};
use crate::{
    api::{Call, Reading, Status, judge_read},
    list::PermissionId,
};

/// What a read shows of each ID.
fn shows(ids: &str, body: &str) -> Vec<(PermissionId, Status)> {
    match read(ids, &response(200, body)) {
        Reading::Found(found) => found.into_iter().map(|one| (one.id, one.shown)).collect(),
        other => panic!("{body}: {other:?}"),
    }
}

fn is_unreadable(reading: &Reading) -> bool {
    matches!(reading, Reading::Failed { reason, transient: true, .. } if reason == "unreadable")
}

#[test]
fn a_read_shows_the_asked_ids_by_id_and_leaves_out_the_unknown() {
    let body = r#"[
        {"id":3,"status":"Revoked","userId":1,"accountHolderEmail":"a@b.c"},
        {"status":"Declined","id":1},
        {"id":5,"status":"Requested","updated":{"clOrdId":[1]}}
    ]"#;
    assert_eq!(
        shows("1,2,3,5", body),
        [
            (id(1), Status::Declined),
            (id(3), Status::Revoked),
            (id(5), Status::Active),
        ]
    );
    assert_eq!(shows("1,2", "[]"), []);
    assert_eq!(
        shows(
            "9223372036854775807",
            r#"{"id":9223372036854775807,"status":"Revoked"}"#
        ),
        [(id(i64::MAX), Status::Revoked)]
    );
}

/// Of a permission the account and the user are kept, and the word of its
/// status; never a name or an address, and no more of an unknown word than a
/// word needs.
#[test]
fn whose_a_permission_is_is_taken_along_and_decides_nothing() {
    let taken = |fields: &str| {
        let body = format!(r#"{{"id":1,{fields}}}"#);
        let Reading::Found(mut found) = read("1", &response(200, &body)) else {
            panic!("{body}");
        };
        let one = found.remove(0);
        assert!(!format!("{one:?}").contains("s3cret"), "{one:?}");
        (one.account, one.user, one.status.into_owned())
    };
    let holder = r#""accountHolderEmail":"s3cret@b.c","accountHolderContact":"s3cret""#;
    let whole =
        format!(r#""status":"Approved","accountId":7,"userId":9223372036854775807,{holder}"#);
    assert_eq!(taken(&whole), (Some(7), Some(i64::MAX), "Approved".into()));
    for odd in ["null", "1.5", r#""s3cret""#, r#"["s3cret"]"#, "9e99"] {
        let fields = format!(r#""status":"Revoked","accountId":{odd},"userId":{odd}"#);
        assert_eq!(taken(&fields), (None, None, "Revoked".into()), "{odd}");
    }
    let word = "x".repeat(40);
    for (status, kept) in [
        (word.as_str(), format!("\"{}\"", "x".repeat(32))),
        ("Suspended", "Suspended".to_owned()),
        (" Revoked", "\"Revoked\"".to_owned()),
        (
            r"Re\nvoked \u001b[31m",
            "\"Re voked \u{FFFD}[31m\"".to_owned(),
        ),
        ("", String::new()),
    ] {
        let fields = format!(r#""status":"{status}""#);
        assert_eq!(taken(&fields).2, kept);
    }
}

#[test]
fn only_the_exact_words_are_out_of_force() {
    for (status, shown) in [
        ("Revoked", Status::Revoked),
        ("Declined", Status::Declined),
        ("Accepted", Status::Active),
        ("Approved", Status::Active),
        ("Requested", Status::Active),
        ("Suspended", Status::Active),
        ("revoked", Status::Active),
        (" Revoked", Status::Active),
        ("", Status::Active),
    ] {
        let body = format!(r#"{{"id":1,"status":"{status}"}}"#);
        assert_eq!(shows("1", &body), [(id(1), shown)], "{status:?}");
    }
}

#[test]
fn the_same_word_twice_is_one_finding_and_two_words_are_none() {
    let agreeing = r#"[{"id":1,"status":"Revoked"},{"id":1,"status":"Revoked"}]"#;
    assert_eq!(shows("1,2", agreeing), [(id(1), Status::Revoked)]);
    for (one, other) in [
        ("Revoked", "Accepted"),
        ("Accepted", "Approved"),
        ("Approved", "Requested"),
        ("Accepted", "Suspended"),
        ("Suspended", "Paused"),
    ] {
        let differing = format!(r#"[{{"id":1,"status":"{one}"}},{{"id":1,"status":"{other}"}}]"#);
        let reading = read("1,2", &response(200, differing));
        assert!(is_unreadable(&reading), "{one} {other}: {reading:?}");
    }
}

#[test]
fn a_read_that_is_not_what_was_asked_for_is_unreadable() {
    for (ids, body) in [
        // IDs that were not asked for.
        ("1,2", r#"[{"id":3,"status":"Revoked"}]"#),
        (
            "1,2",
            r#"[{"id":1,"status":"Revoked"},{"id":3,"status":"Revoked"}]"#,
        ),
        ("1", r#"{"id":3,"status":"Revoked"}"#),
        // The other call's form.
        ("1", r#"[{"id":1,"status":"Revoked"}]"#),
        ("1,2", r#"{"id":1,"status":"Revoked"}"#),
        // No entities.
        ("1,2", ""),
        ("1,2", "null"),
        ("1", "null"),
        ("1", "{}"),
        ("1,2", "[1,2]"),
        ("1,2", r#"[[1,"Revoked"]]"#),
        ("1", r#"[1,"Revoked"]"#),
        ("1,2", "[null]"),
        ("1,2", r#"[{"id":1,"status":"Revoked"}"#),
        ("1,2", r#"[{"id":1,"status":"Revoked"}] x"#),
        // Damaged entities.
        ("1,2", r#"[{"id":1}]"#),
        ("1,2", r#"[{"status":"Revoked"}]"#),
        ("1,2", r#"[{"id":1,"status":null}]"#),
        ("1,2", r#"[{"id":1,"status":3}]"#),
        ("1,2", r#"[{"id":"1","status":"Revoked"}]"#),
        ("1,2", r#"[{"id":1.0,"status":"Revoked"}]"#),
        ("1,2", r#"[{"id":-1,"status":"Revoked"}]"#),
        ("1,2", r#"[{"id":0,"status":"Revoked"}]"#),
        ("1,2", r#"[{"id":9223372036854775808,"status":"Revoked"}]"#),
        (
            "1,2",
            r#"[{"id":1,"status":"Revoked","status":"Accepted"}]"#,
        ),
        ("1,2", r#"[{"id":1,"id":2,"status":"Revoked"}]"#),
        // Errors in the body.
        ("1,2", r#"{"errorText":"Access denied"}"#),
        (
            "1",
            r#"{"id":1,"status":"Revoked","errorText":"Access denied"}"#,
        ),
        ("1", r#"{"ok":false,"id":1,"status":"Revoked"}"#),
        ("1", r#"{"violations":[{"description":"id"}]}"#),
    ] {
        let reading = read(ids, &response(200, body));
        assert!(is_unreadable(&reading), "{ids} {body}: {reading:?}");
    }
    let call = Call::Revoke(Bytes::new());
    assert!(is_unreadable(&judge_read(&call, &response(200, "[]"))));
}

#[test]
fn an_unreadable_read_quotes_no_entity() {
    let entity = r#"{"id":1,"status":7,"accountHolderEmail":"s3cret@b.c","x":"#;
    for body in [
        format!("[{entity}"),
        format!("[{entity}1}}]"),
        r#"["s3cret@b.c"]"#.to_owned(),
        r#"[{"id":"s3cret@b.c","status":"Revoked"}]"#.to_owned(),
        format!("\u{feff}[{entity}1}}]"),
        format!("\u{feff} {entity}1}}"),
        "\u{feff}[\"s3cret@b.c\"]".to_owned(),
        format!(")]}}',\n[{entity}1}}]"),
        format!("while(1);{entity}1}}"),
        format!("{:?}", format!("[{entity}1}}]")),
        format!("Unexpected value in {entity}1}}"),
        r#"error: ["s3cret@b.c"]"#.to_owned(),
        "<t><accountHolderEmail>s3cret@b.c</accountHolderEmail></t>".to_owned(),
    ] {
        for status in [200, 500] {
            let reading = read("1,2", &response(status, &body));
            assert!(!format!("{reading:?}").contains("s3cret"), "{reading:?}");
        }
    }
}

#[test]
fn every_status_of_a_read_has_its_reading() {
    for (status, expected) in [
        (404, Reading::NotFound),
        (413, Reading::TooLarge),
        (414, Reading::TooLarge),
        (
            401,
            Reading::Unauthorized {
                message: "words".to_owned(),
            },
        ),
    ] {
        assert_eq!(read("1", &response(status, "words")), expected, "{status}");
        assert_eq!(
            read("1,2", &response(status, "words")),
            expected,
            "{status}"
        );
    }
    for status in [301, 302, 307, 308, 400, 403, 405, 409, 415, 422] {
        let expected = failed(&format!("http_{status}"), "words", false);
        assert_eq!(read("1,2", &response(status, "words")), expected);
    }
    for status in [202, 204, 408, 500, 502, 503, 504, 599] {
        let expected = failed(&format!("http_{status}"), "words", true);
        assert_eq!(read("1,2", &response(status, "words")), expected);
    }
}
