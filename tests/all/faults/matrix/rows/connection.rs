//! What can happen to a connection.

use super::super::{
    authority::Flaw,
    expect::Expect::{Each, Good, Lost, Unsent},
    row::{Host, Row, Section, absent, row, rude, secure},
    wire::{Greeting, Step, head, http, send},
};

/// The beginning of a good answer, and the rest of it.
fn parted(body: &str) -> (Vec<u8>, Vec<u8>) {
    let whole = http("200 OK", "", body);
    let (start, rest) = whole.split_at(whole.len() - 5);
    (start.to_vec(), rest.to_vec())
}

fn chunk(body: &str) -> Vec<u8> {
    format!("{:x}\r\n{body}\r\n", body.len()).into_bytes()
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

pub(super) fn before_anything() -> Section {
    let tls = |name, flaw| secure(name, Unsent("tls"), flaw, |_| Vec::new());
    // So much of the greeting is heard that closing is no reset.
    let deaf = |steps: Vec<Step>| Greeting::Rude([vec![Step::Hear], steps].concat());
    Section {
        title: "No connection",
        rows: vec![
            absent("nobody listens", Unsent("connect"), Host::Nobody),
            absent("the name is not found", Unsent("connect"), Host::Nameless),
            absent("no connection is taken", Unsent("connect"), Host::Busy).hurried(),
            tls("TLS: the certificate has expired", Flaw::Expired),
            tls("TLS: the certificate is not valid yet", Flaw::NotYetValid),
            tls("TLS: the certificate is for another host", Flaw::OtherHost),
            tls("TLS: an unknown authority", Flaw::UnknownAuthority),
            tls(
                "TLS: a certificate that vouches for itself",
                Flaw::SelfSigned,
            ),
            secured(rude(
                "TLS: the greeting is answered in plain HTTP",
                Unsent("tls"),
                deaf(vec![send("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::Close]),
            )),
            secured(rude(
                "TLS: the greeting is answered by closing",
                Unsent("tls"),
                deaf(vec![Step::Close]),
            )),
            secured(rude(
                "TLS: the greeting is never answered",
                Unsent("connect"),
                deaf(vec![Step::Hang]),
            ))
            .hurried(),
            rude(
                "closed as soon as it stands",
                Lost("reset"),
                Greeting::Rude(vec![Step::Close]),
            ),
            rude(
                "reset as soon as it stands",
                Each(
                    "in doubt: `reset`, or not sent: `connect`",
                    "failed: `reset`, or failed: `connect`",
                    "failed: `reset`, or not sent: `connect`",
                ),
                Greeting::Rude(vec![Step::Reset]),
            ),
        ],
    }
}

/// The same, called by https.
fn secured(row: Row) -> Row {
    let ways = row.ways.into_iter().map(|(host, script)| match host {
        Host::Server(greeting) => (Host::Secure(greeting), script),
        other => (other, script),
    });
    Row {
        ways: ways.collect(),
        ..row
    }
}

pub(super) fn cut_off() -> Section {
    Section {
        title: "The connection is lost",
        rows: vec![
            row("closed before the answer", Lost("reset"), |_| {
                vec![Step::Close]
            }),
            row("reset before the answer", Lost("reset"), |_| {
                vec![Step::Reset]
            }),
            row("closed within the headers", Lost("reset"), |_| {
                vec![send("HTTP/1.1 200 OK\r\ncontent-le"), Step::Close]
            }),
            row("reset within the headers", Lost("reset"), |_| {
                vec![send("HTTP/1.1 200 OK\r\ncontent-le"), Step::Reset]
            }),
            row("closed within the body", Lost("reset"), |column| {
                vec![send(parted(&column.good()).0), Step::Close]
            })
            .or(|column| {
                let body = column.good();
                vec![
                    send([head("200 OK", CHUNKED), chunk(&body)].concat()),
                    Step::Close,
                ]
            }),
            row("reset within the body", Lost("reset"), |column| {
                vec![send(parted(&column.good()).0), Step::Reset]
            })
            .or(|column| {
                let body = column.good();
                vec![
                    send([head("200 OK", CHUNKED), chunk(&body)].concat()),
                    Step::Reset,
                ]
            }),
            row("reset after the answer", Good, |column| {
                let answer = send(http("200 OK", "", column.good()));
                vec![answer, Step::UntilRead, Step::Reset]
            }),
            secure(
                "TLS: cut off within the body",
                Lost("reset"),
                Flaw::Nothing,
                |column| vec![send(parted(&column.good()).0), Step::Cut],
            ),
            secure(
                "TLS: cut off at the end of a body without a length",
                Lost("reset"),
                Flaw::Nothing,
                |column| vec![send(head("200 OK", "")), send(column.good()), Step::Cut],
            ),
            secure("TLS: everything in order", Good, Flaw::Nothing, |column| {
                vec![send(http("200 OK", "", column.good()))]
            }),
        ],
    }
}

pub(super) fn silence() -> Section {
    let late = Lost("timeout");
    Section {
        title: "The answer does not come",
        rows: vec![
            row("silence before the headers", late, |_| vec![Step::Hang]).hurried(),
            row("silence within the headers", late, |_| {
                vec![send("HTTP/1.1 200 OK\r\ncontent-le"), Step::Hang]
            })
            .hurried(),
            row("silence within the body", late, |column| {
                vec![send(parted(&column.good()).0), Step::Hang]
            })
            .or(|column| {
                let body = column.good();
                vec![
                    send([head("200 OK", CHUNKED), chunk(&body)].concat()),
                    Step::Hang,
                ]
            })
            .hurried(),
            row("the headers drip", late, |_| {
                vec![send("HTTP/1.1 200 OK\r\nx: "), Step::Drip(b"x")]
            })
            .hurried(),
            row("the body drips", late, |_| {
                vec![
                    send(head("200 OK", "content-length: 1000000\r\n")),
                    Step::Drip(b" "),
                ]
            })
            .or(|_| vec![send(head("200 OK", CHUNKED)), Step::Drip(b"1\r\n \r\n")])
            .hurried(),
            row("nothing but `100 Continue`", late, |_| {
                vec![Step::Drip(b"HTTP/1.1 100 Continue\r\n\r\n")]
            })
            .hurried(),
            row("late, and in time", Good, |column| {
                let (start, rest) = parted(&column.good());
                vec![
                    Step::Pause(std::time::Duration::from_millis(100)),
                    send(start),
                    Step::Pause(std::time::Duration::from_millis(100)),
                    send(rest),
                ]
            }),
        ],
    }
}
