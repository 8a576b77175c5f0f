//! Bodies with status 200 that are not what was asked for.

use super::super::{
    column::{Column, GRANTED},
    expect::Expect::{self, Apart, Each, Good, Lost, NoToken, Same},
    row::{Row, Section, row},
    wire::{Step, http, send},
};

fn ok(body: impl AsRef<[u8]>) -> Vec<Step> {
    vec![send(http(
        "200 OK",
        "content-type: application/json\r\n",
        body,
    ))]
}

/// The same bodies whatever was asked.
fn bodies(name: &str, expect: Expect, bodies: &'static [&'static str]) -> Row {
    let mut all = row(name, expect, |_| ok(bodies[0]));
    for body in &bodies[1..] {
        all = all.or(move |_| ok(body));
    }
    all
}

/// A good answer with these members in each object.
fn members(name: &str, expect: Expect, members: &'static [&'static str]) -> Row {
    let mut all = row(name, expect, |column| ok(column.padded(members[0])));
    for some in &members[1..] {
        all = all.or(move |column| ok(column.padded(some)));
    }
    all
}

/// A body for a revocation, for a log-in or a renewal, and what takes the
/// place of an entity in a read of one and, in an array, of several.
fn either(
    name: &str,
    expect: Expect,
    revoke: &'static str,
    auth: &'static str,
    entities: &'static [&'static str],
) -> Row {
    let body = move |column, entity: &str| match column {
        Column::Revoke => revoke.to_owned(),
        Column::Items => format!("[{entity}]"),
        Column::Item => entity.to_owned(),
        Column::LogIn | Column::Renew => auth.to_owned(),
    };
    let mut all = row(name, expect, move |column| ok(body(column, entities[0])));
    for entity in &entities[1..] {
        all = all.or(move |column| ok(body(column, entity)));
    }
    all
}

const UNREADABLE: Expect = Lost("unreadable");
const UNREAD: &str = "failed: `unreadable`";

pub(super) fn not_json() -> Section {
    Section {
        title: "Status 200, and no JSON",
        rows: vec![
            bodies("nothing", UNREADABLE, &["", " \r\n"]),
            bodies(
                "a page of HTML",
                UNREADABLE,
                &["<!doctype html><title>Just a moment</title>"],
            ),
            bodies("text", UNREADABLE, &["OK", "true", "1", "null", "\"ok\""]),
            row("JSON that breaks off", UNREADABLE, |column| {
                let body = column.good();
                ok(&body[..body.len() - 1])
            }),
            row("JSON with more after its end", UNREADABLE, |column| {
                ok(format!("{}{}", column.good(), column.good()))
            })
            .or(|column| ok(format!("{} x", column.good())))
            .or(|column| ok(format!("{}\0", column.good()))),
            row("JSON with a comma too many", UNREADABLE, |column| {
                let body = column.good();
                let (start, end) = body.split_at(body.len() - 1);
                ok(format!("{start},{end}"))
            }),
            row("a byte order mark", UNREADABLE, |column| {
                ok(format!("\u{feff}{}", column.good()))
            }),
            row("UTF-16", UNREADABLE, |column| {
                let units = column.good().encode_utf16().collect::<Vec<_>>();
                let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                ok(bytes)
            }),
            row("text that is not UTF-8", UNREADABLE, |column| {
                let body = column.padded("\"name\":\"@\",").into_bytes();
                let bent = body
                    .iter()
                    .map(|byte| if *byte == b'@' { 0xff } else { *byte });
                ok(bent.collect::<Vec<_>>())
            }),
        ],
    }
}

/// A hundred thousand arrays in one another.
pub(in super::super) fn nested() -> String {
    let depth = 100_000;
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

pub(super) fn other_json() -> Section {
    Section {
        title: "Status 200, and JSON of another form",
        rows: vec![
            row(
                "a hundred thousand arrays in one another",
                UNREADABLE,
                |_| ok(nested()),
            )
            .or(|_| ok(format!("{{\"p-ticket\":{}}}", nested())))
            .or(move |_| ok(format!("[{{\"id\":{}}}]", nested()))),
            row("the same in a member nobody knows", Good, move |column| {
                let deep = format!("\"more\":{},", nested());
                ok(column.padded(&deep))
            }),
            row("a hundred thousand members nobody knows", Good, |column| {
                ok(column.padded(&"\"m\":0,".repeat(100_000)))
            }),
            members(
                "members nobody knows",
                Good,
                &["\"x\":null,", "\"x\":{\"ok\":false},"],
            ),
            either(
                "a key twice",
                UNREADABLE,
                r#"{"ok":false,"ok":true}"#,
                r#"{"accessToken":"one","accessToken":"two"}"#,
                &[
                    r#"{"id":1001,"id":1002,"status":"Revoked"}"#,
                    r#"{"id":1001,"status":"Accepted","status":"Revoked"}"#,
                ],
            ),
            either(
                "an array for an object",
                UNREADABLE,
                r"[true,null]",
                r#"["one","2026-11-23T03:20:00Z"]"#,
                &[r#"[1001,"Revoked"]"#],
            ),
            either(
                "an empty object",
                NoToken("in doubt: `unreadable`", UNREAD),
                "{}",
                "{}",
                &["{}"],
            ),
            either(
                "a type that is not the right one",
                UNREADABLE,
                r#"{"ok":"true"}"#,
                r#"{"accessToken":5}"#,
                &[
                    r#"{"id":"1001","status":"Revoked"}"#,
                    r#"{"id":1001,"status":5}"#,
                    r#"{"id":1001,"status":null}"#,
                    r#"{"id":1001}"#,
                    r#"{"status":"Revoked"}"#,
                ],
            ),
            either(
                "a number out of range",
                UNREADABLE,
                r#"{"ok":1e999}"#,
                r#"{"accessToken":1e999}"#,
                &[
                    r#"{"id":9223372036854775808,"status":"Revoked"}"#,
                    r#"{"id":18446744073709552617,"status":"Revoked"}"#,
                    r#"{"id":-1001,"status":"Revoked"}"#,
                    r#"{"id":0,"status":"Revoked"}"#,
                    r#"{"id":1001.0,"status":"Revoked"}"#,
                    r#"{"id":1.001e3,"status":"Revoked"}"#,
                    r#"{"id":1e999,"status":"Revoked"}"#,
                ],
            ),
            row(
                "what another call asks for",
                NoToken("in doubt: `unreadable`", UNREAD),
                |column| {
                    ok(match column {
                        Column::Items => Column::Item.good(),
                        Column::LogIn | Column::Renew => Column::Revoke.good(),
                        Column::Revoke | Column::Item => Column::Items.good(),
                    })
                },
            ),
        ],
    }
}

pub(super) fn answers() -> Section {
    Section {
        title: "Status 200, and an answer of another kind",
        rows: vec![
            bodies(
                "`ok` for whatever is asked",
                NoToken("accepted", UNREAD),
                &[
                    r#"{"ok":true}"#,
                    r#"{"ok":true,"errorText":null}"#,
                    r#"{"ok":true,"errorText":""}"#,
                ],
            ),
            bodies(
                "`ok` with an error beside it",
                Each("in doubt: `contradiction`", UNREAD, "refused: `refused`"),
                &[r#"{"ok":true,"errorText":"No"}"#],
            ),
            bodies(
                "`ok` with violations beside it",
                Each("in doubt: `contradiction`", UNREAD, "refused: `violation`"),
                &[r#"{"ok":true,"violations":[{"description":"No"}]}"#],
            ),
            bodies(
                "a refusal in the body",
                Each("refused: `refused`", UNREAD, "refused: `refused`"),
                &[r#"{"ok":false,"errorText":"No"}"#, r#"{"ok":false}"#],
            ),
            bodies(
                "violations",
                Each("refused: `violation`", UNREAD, "refused: `violation`"),
                &[r#"{"violations":[{"constraint":"size","value":[1],"description":"No"}]}"#],
            ),
            bodies(
                "an error without `ok`",
                Each("in doubt: `unreadable`", UNREAD, "refused: `refused`"),
                &[r#"{"errorText":"No"}"#],
            ),
            either(
                "a status nobody knows",
                NoToken("in doubt: `unreadable`", "shown: active"),
                r#"{"status":"Done"}"#,
                r#"{"userStatus":"Active"}"#,
                &[
                    r#"{"id":1001,"status":"Dissolved"}"#,
                    r#"{"id":1001,"status":""}"#,
                    r#"{"id":1001,"status":"revoked"}"#,
                ],
            ),
            either(
                "an ID nobody asked for",
                NoToken("in doubt: `unreadable`", UNREAD),
                r#"{"id":1001,"status":"Revoked"}"#,
                r#"{"id":1001}"#,
                &[r#"{"id":7,"status":"Revoked"}"#],
            ),
            row("one ID, two states", UNREADABLE, |column| {
                ok(match column {
                    Column::Revoke => r#"{"ok":true,"OK":false,"ok":true}"#.to_owned(),
                    _ => r#"[{"id":1001,"status":"Revoked"},{"id":1001,"status":"Accepted"}]"#
                        .to_owned(),
                })
            }),
            row(
                "no ID at all",
                Apart("in doubt: `unreadable`", ["shown: none", UNREAD], UNREAD),
                |_| ok("[]"),
            ),
        ],
    }
}

pub(super) fn tokens() -> Section {
    let granted = |words| Each("in doubt: `unreadable`", UNREAD, words);
    let unknown = granted("granted, for a time unknown");
    let contradicted = granted("failed: `contradiction`, for good");
    let token =
        |members: &'static str| move |_| ok(format!(r#"{{"accessToken":"{GRANTED}"{members}}}"#));
    Section {
        title: "Tokens",
        rows: vec![
            row(
                "a token and when it expires",
                granted("granted"),
                token(r#","expirationTime":"2026-11-23T03:20:00Z""#),
            )
            .or(token(r#","expirationTime":"2026-11-23T03:20:00.123Z""#))
            .or(token(
                r#","expirationTime":"2026-11-23T03:20:00","errorText":"""#,
            )),
            row("a token alone", unknown, token("")),
            row(
                "a token that expires at a time that is none",
                unknown,
                token(r#","expirationTime":1795404000"#),
            )
            .or(token(r#","expirationTime":"soon""#))
            .or(token(r#","expirationTime":"99999-01-01T00:00:00Z""#))
            .or(token(r#","expirationTime":null"#)),
            row(
                "a token and an error beside it",
                Each(
                    "in doubt: `unreadable`",
                    UNREAD,
                    "failed: `contradiction`, for good",
                ),
                token(r#","errorText":"No""#),
            ),
            bodies(
                "a token that cannot be sent",
                contradicted,
                &[
                    r#"{"accessToken":"two\r\nlines: 1"}"#,
                    r#"{"accessToken":"not ASCII: é"}"#,
                ],
            ),
            bodies(
                "an empty token",
                NoToken("in doubt: `unreadable`", UNREAD),
                &[r#"{"accessToken":""}"#],
            ),
        ],
    }
}

pub(super) fn penalties() -> Section {
    let ticket = |name: &str, words: &'static str, time: &'static [&'static str]| {
        let body = |time: &str| ok(format!(r#"{{"p-ticket":"t","p-time":{time}}}"#));
        let mut all = row(name, Same(words), move |_| body(time[0]));
        for other in &time[1..] {
            all = all.or(move |_| body(other));
        }
        all
    };
    Section {
        title: "Penalties",
        rows: vec![
            ticket(
                "a penalty ticket",
                "penalty of 15 s with ticket",
                &["15", "15.0", "1.5e1"],
            ),
            ticket(
                "the same, for the blink of an eye",
                "penalty of 0 s with ticket",
                &["0", "0.0"],
            ),
            ticket(
                "the same, for ever",
                "penalty of 30 days with ticket",
                &["1e18", "99999999999999999999"],
            ),
            ticket(
                "the same, for a number beyond all numbers",
                "penalty of 30 days with ticket",
                &["1e400"],
            ),
            ticket(
                "the same, with a time that is none",
                "penalty of 3600 s",
                &["-5", "\"15\"", "null", "true", "[]", "-1e400"],
            ),
            bodies(
                "a ticket without a time",
                Same("penalty of 3600 s"),
                &[r#"{"p-ticket":"t"}"#, r#"{"p-ticket":5}"#],
            ),
            bodies(
                "a time without a ticket",
                Same("penalty of 15 s"),
                &[r#"{"p-time":15}"#, r#"{"p-time":15,"p-ticket":""}"#],
            ),
            bodies(
                "a captcha",
                Same("penalty of 15 s, captcha"),
                &[
                    r#"{"p-ticket":"t","p-time":15,"p-captcha":true}"#,
                    r#"{"p-ticket":"t","p-time":15,"p-captcha":"yes"}"#,
                ],
            ),
            bodies(
                "a ticket and `ok`",
                Each(
                    "in doubt: `contradiction`, and a penalty of 15 s",
                    "penalty of 15 s with ticket",
                    "penalty of 15 s with ticket",
                ),
                &[r#"{"ok":true,"p-ticket":"t","p-time":15}"#],
            ),
        ],
    }
}
