//! Statuses other than 200, and `Retry-After`.

use std::net::SocketAddr;

use super::super::{
    column::Column,
    expect::Expect::{self, Each, Good, Lost, Same},
    row::{Row, Section, row},
    wire::{Step, head, http, send},
};

/// A status with a body that says the best.
fn status(status: u16, headers: &str, column: Column) -> Vec<Step> {
    let line = format!("{status} PermissionStatus");
    if matches!(status, 204 | 304) {
        return vec![send(head(&line, headers))];
    }
    vec![send(http(&line, headers, column.good()))]
}

/// Statuses that come to the same. `http_#` stands for the status.
fn each(statuses: &'static [u16], expect: Expect) -> Row {
    let names: Vec<_> = statuses.iter().map(u16::to_string).collect();
    let answer = |code| move |column| status(code, "", column);
    let row = row(names.join(", "), expect, answer(statuses[0]));
    let others = statuses[1..].iter();
    others.fold(row, |row, code| row.or(answer(*code)))
}

pub(super) fn statuses() -> Section {
    let doubt = Lost("http_#");
    let refused = "refused: `http_#`";
    let unfit = |read| Each("unfit: `http_#`", read, refused);
    // A log-in is not made again for any of them.
    let unknown = Each("in doubt: `http_#`", "failed: `http_#`", refused);
    let useless = "failed: `http_#`, for good";
    Section {
        title: "Other statuses, with the best of bodies",
        rows: vec![
            row("100 or 103, and then 200", Good, |column| {
                let first = head("100 Continue", "");
                vec![send(first), send(http("200 OK", "", column.good()))]
            })
            .or(|column| {
                let first = head("103 Early Hints", "link: </x>; rel=preload\r\n");
                vec![send(first), send(http("200 OK", "", column.good()))]
            }),
            row("101", doubt, |_| {
                let headers = "upgrade: x\r\nconnection: upgrade\r\n";
                vec![send(head("101 Switching Protocols", headers))]
            }),
            each(&[201, 202, 203, 204, 205, 206, 299], doubt),
            each(&[400, 403, 405, 415], unfit(useless)),
            each(&[401], Each("unauthorized", "unauthorized", refused)),
            each(&[404], unfit("not found")),
            each(&[409, 422], Each(refused, useless, refused)),
            each(&[413], Each("too large", "too large", refused)),
            each(&[414], Each("in doubt: `http_#`", "too large", refused)),
            each(&[423, 429], Same("lockout")),
            each(
                &[
                    402, 406, 407, 410, 411, 412, 416, 417, 418, 421, 424, 425, 426, 428, 431, 451,
                    499,
                ],
                unknown,
            ),
            each(&[408], doubt),
            each(
                &[
                    500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 524, 529, 599, 600,
                    999,
                ],
                doubt,
            ),
        ],
    }
}

/// Redirects, to another host where they say where.
pub(super) fn redirects(elsewhere: SocketAddr) -> Section {
    const CODES: [u16; 8] = [300, 301, 302, 303, 304, 305, 307, 308];
    let refused = "refused: `http_#`";
    let expect = Each("in doubt: `http_#`", "failed: `http_#`, for good", refused);
    let row = |name, places: Vec<String>| {
        let mut ways = CODES.into_iter().flat_map(|code| {
            let to = move |place: &String| (code, format!("location: {place}\r\n"));
            places.iter().map(to).collect::<Vec<_>>()
        });
        let answer = |(code, headers): (u16, String)| move |column| status(code, &headers, column);
        let row = row(name, expect, answer(ways.next().unwrap()));
        ways.fold(row, |row, way| row.or(answer(way)))
    };
    let away = ["http:", "https:", ""].map(|scheme| format!("{scheme}//{elsewhere}/v1/x"));
    Section {
        title: "Redirects: 300, 301, 302, 303, 304, 305, 307, 308",
        rows: vec![
            row("to another host", away.to_vec()),
            row("to the same host", vec!["/v1/elsewhere".to_owned()]),
            row("to nowhere", vec![String::new(), "%".to_owned()]),
        ],
    }
}

pub(super) fn waits() -> Section {
    let date = "date: Mon, 23 Nov 2026 02:00:00 GMT\r\n";
    let of = |name: &str, code: u16, expect: Expect, values: &'static [&'static str]| {
        let answer = move |value: &'static str| {
            let headers = format!("{date}retry-after: {value}\r\n");
            move |column| status(code, &headers, column)
        };
        let mut all = row(name, expect, answer(values[0]));
        for value in &values[1..] {
            all = all.or(answer(value));
        }
        all
    };
    let seconds = &["90", " 90 "];
    let dates = &[
        "Mon, 23 Nov 2026 02:01:30 GMT",
        "Monday, 23-Nov-26 02:01:30 GMT",
        "Mon Nov 23 02:01:30 2026",
    ];
    let absurd = &[
        "99999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ];
    let past = &["0", "Mon, 23 Nov 2026 01:00:00 GMT"];
    let none = &[
        "-5",
        "+5",
        "1.5",
        "1e3",
        "soon",
        "",
        "Mon, 99 Nov 2026 02:00:00 GMT",
    ];
    let mut rows = Vec::new();
    for code in [429, 423] {
        let after = |time: &str| Same(format!("lockout, not before {time} have passed").leak());
        rows.extend([
            of(&format!("{code}: seconds"), code, after("90 s"), seconds),
            of(&format!("{code}: a date"), code, after("90 s"), dates),
            of(
                &format!("{code}: absurdly long"),
                code,
                after("30 days"),
                absurd,
            ),
            of(&format!("{code}: already over"), code, after("0 s"), past),
            of(
                &format!("{code}: neither form"),
                code,
                Same("lockout"),
                none,
            ),
        ]);
    }
    for code in [503, 500] {
        let after = |time: &str| {
            let words = |verdict: &str| {
                format!("{verdict}: `http_{code}`, not before {time} have passed").leak()
            };
            Each(words("in doubt"), words("failed"), words("failed"))
        };
        let plain = Lost(format!("http_{code}").leak());
        rows.extend([
            of(&format!("{code}: seconds"), code, after("90 s"), seconds),
            of(&format!("{code}: a date"), code, after("90 s"), dates),
            of(
                &format!("{code}: absurdly long"),
                code,
                after("30 days"),
                absurd,
            ),
            of(&format!("{code}: already over"), code, after("0 s"), past),
            of(&format!("{code}: neither form"), code, plain, none),
        ]);
    }
    rows.push(row("429 whose body breaks off", Same("lockout"), |_| {
        vec![
            send(head("429 Too Many Requests", "content-length: 100\r\n")),
            send("wait"),
            Step::Close,
        ]
    }));
    Section {
        title: "`Retry-After`",
        rows,
    }
}
