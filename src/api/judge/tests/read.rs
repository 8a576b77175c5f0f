use bytes::Bytes;

use super::{failed, id, read, response};
use crate::api::{Call, Reading, Shown, judge_read};

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
        read("1,2,3,5", &response(200, body)),
        Reading::Found(vec![
            (id(1), Shown::Declined),
            (id(3), Shown::Revoked),
            (id(5), Shown::Active),
        ])
    );
    assert_eq!(read("1,2", &response(200, "[]")), Reading::Found(vec![]));
    assert_eq!(
        read(
            "9223372036854775807",
            &response(200, r#"{"id":9223372036854775807,"status":"Revoked"}"#)
        ),
        Reading::Found(vec![(id(i64::MAX), Shown::Revoked)])
    );
}

#[test]
fn only_the_exact_words_are_out_of_force() {
    for (status, shown) in [
        ("Revoked", Shown::Revoked),
        ("Declined", Shown::Declined),
        ("Accepted", Shown::Active),
        ("Approved", Shown::Active),
        ("Requested", Shown::Active),
        ("Suspended", Shown::Active),
        ("revoked", Shown::Active),
        (" Revoked", Shown::Active),
        ("", Shown::Active),
    ] {
        let body = format!(r#"{{"id":1,"status":"{status}"}}"#);
        let expected = Reading::Found(vec![(id(1), shown)]);
        assert_eq!(read("1", &response(200, body)), expected, "{status:?}");
    }
}

#[test]
fn the_same_word_twice_is_one_finding_and_two_words_are_none() {
    let agreeing = r#"[{"id":1,"status":"Revoked"},{"id":1,"status":"Revoked"}]"#;
    assert_eq!(
        read("1,2", &response(200, agreeing)),
        Reading::Found(vec![(id(1), Shown::Revoked)])
    );
    let differing = r#"[{"id":1,"status":"Revoked"},{"id":1,"status":"Accepted"}]"#;
    assert!(is_unreadable(&read("1,2", &response(200, differing))));
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
