//! Answers that are not HTTP, not encoded as they say, or too much.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, write::GzEncoder};

use super::super::{
    column::Column,
    expect::Expect::{Good, Lost},
    row::{Section, row},
    wire::{Step, head, http, send},
};

const GZIP: &str = "content-encoding: gzip\r\n";

/// So many pieces of 64 KiB are a gigabyte.
const PIECES: usize = 16 * 1024;

fn piece() -> Bytes {
    Bytes::from(vec![b' '; 64 * 1024])
}

fn gzip(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// A gigabyte of blanks in about a megabyte: one block that ends at a full
/// byte, again and again.
fn bomb() -> Vec<u8> {
    let blanks = vec![b' '; 1 << 20];
    let mut block = Vec::with_capacity(1 << 16);
    let mut deflate = Compress::new(Compression::fast(), false);
    deflate
        .compress_vec(&blanks, &mut block, FlushCompress::Full)
        .unwrap();
    assert_eq!(deflate.total_in(), 1 << 20);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [header.to_vec(), block.repeat(1024)].concat()
}

/// An answer with a gigabyte of blanks.
pub(in super::super) fn gigabyte() -> Vec<Step> {
    let length = PIECES * piece().len();
    let head = head("200 OK", &format!("content-length: {length}\r\n"));
    vec![send(head), Step::Flood(piece(), PIECES)]
}

/// The same in a megabyte of gzip.
pub(in super::super) fn gigabyte_in_gzip() -> Vec<Step> {
    vec![send(http("200 OK", GZIP, bomb()))]
}

pub(super) fn too_much() -> Section {
    let flood = || Step::Flood(piece(), PIECES);
    Section {
        title: "Too much of it",
        rows: vec![
            row("a body of a gigabyte", Lost("oversized"), |_| gigabyte())
                .or(move |_| {
                    let chunk = [b"10000\r\n", &piece()[..], b"\r\n"].concat();
                    vec![
                        send(head("200 OK", "transfer-encoding: chunked\r\n")),
                        Step::Flood(chunk.into(), PIECES),
                    ]
                })
                .or(move |_| vec![send(head("200 OK", "")), flood()]),
            row(
                "a gigabyte in a megabyte of gzip",
                Lost("oversized"),
                |_| vec![send(http("200 OK", GZIP, bomb()))],
            ),
            row("headers without end", Lost("unreadable"), |_| {
                let line = Bytes::from_static(b"x-more: and more\r\n");
                vec![send("HTTP/1.1 200 OK\r\n"), Step::Flood(line, 1_000_000)]
            })
            .or(|_| {
                let line = Bytes::from(vec![b'x'; 64 * 1024]);
                vec![
                    send("HTTP/1.1 200 OK\r\nx-more: "),
                    Step::Flood(line, PIECES),
                ]
            }),
            row("fifteen megabytes of padding", Good, |column| {
                vec![send(http("200 OK", "", vast(column, 15)))]
            }),
            row(
                "seventeen megabytes of padding",
                Lost("oversized"),
                |column| vec![send(http("200 OK", "", vast(column, 17)))],
            ),
        ],
    }
}

/// A good answer of so many megabytes.
fn vast(column: Column, megabytes: usize) -> String {
    let blanks = " ".repeat(megabytes << 20);
    format!("{blanks}{}", column.good())
}

pub(super) fn not_http() -> Section {
    let raw = |name: &str, texts: &'static [&'static str]| {
        let mut rows = row(name, Lost("unreadable"), |_| {
            vec![send(texts[0]), Step::Close]
        });
        for text in &texts[1..] {
            rows = rows.or(|_| vec![send(*text), Step::Close]);
        }
        rows
    };
    let with = |headers: &'static str| {
        move |column: Column| {
            let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{}", column.good());
            vec![send(answer), Step::Close]
        }
    };
    Section {
        title: "Not HTTP",
        rows: vec![
            raw(
                "another protocol",
                &[
                    "SSH-2.0-OpenSSH_9.9\r\n\r\n",
                    "220 mail ready\r\n\r\n",
                    "\0\0\0\0\0\0\0\0\r\n\r\n",
                    "\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{16}\r\n\r\n",
                    "{\"ok\":true}\r\n\r\n",
                    "<html>\r\n\r\n",
                ],
            ),
            raw(
                "a status line that is none",
                &[
                    "HTTP/1.1 abc\r\n\r\n",
                    "HTTP/1.1 20\r\n\r\n",
                    "HTTP/1.1 99 X\r\n\r\n",
                    "HTTP/3.0 200 OK\r\n\r\n",
                    "HTTP/1.1200 OK\r\n\r\n",
                ],
            ),
            row(
                "a length that is none",
                Lost("unreadable"),
                with("content-length: -1"),
            )
            .or(with("content-length: x"))
            .or(with("content-length: 18446744073709551616"))
            .or(with("content-length: 11\r\ncontent-length: 12")),
            row(
                "chunks that are none",
                Lost("unreadable"),
                with("transfer-encoding: chunked"),
            )
            .or(|_| {
                let chunk = "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n";
                vec![send(format!("HTTP/1.1 200 OK\r\n{chunk}")), Step::Close]
            }),
            row("HTTP/1.0, a body until the end", Good, |column| {
                let answer = format!("HTTP/1.0 200 OK\r\n\r\n{}", column.good());
                vec![send(answer), Step::Close]
            }),
        ],
    }
}

pub(super) fn encodings() -> Section {
    let coded = |coding: &str, body: Vec<u8>| {
        let header = format!("content-encoding: {coding}\r\n");
        vec![send(http("200 OK", &header, body))]
    };
    let typed = |kind: &'static str| {
        move |column: Column| {
            let header = format!("content-type: {kind}\r\n");
            vec![send(http("200 OK", &header, column.good()))]
        }
    };
    Section {
        title: "Encodings and types",
        rows: vec![
            row("gzip", Good, move |column| {
                coded("gzip", gzip(column.good()))
            }),
            row(
                "gzip with a wrong checksum",
                Lost("unreadable"),
                move |column| {
                    let mut bent = gzip(column.good());
                    let at = bent.len() - 6;
                    bent[at] ^= 1;
                    coded("gzip", bent)
                },
            ),
            row("gzip that is cut off", Lost("unreadable"), move |column| {
                let whole = gzip(column.good());
                coded("gzip", whole[..whole.len() - 10].to_vec())
            }),
            row("gzip that is none", Lost("unreadable"), move |column| {
                coded("gzip", column.good().into_bytes())
            }),
            row(
                "an encoding nobody asked for",
                Lost("unreadable"),
                move |_| coded("br", vec![0x0b, 0x05, 0x80, 0x7b, 0x7d, 0x03]),
            )
            .or(move |column| {
                coded(
                    "zstd",
                    zstd::encode_all(column.good().as_bytes(), 1).unwrap(),
                )
            }),
            row("a wrong content type", Good, typed("text/html"))
                .or(typed("image/png"))
                .or(typed("application/json; charset=utf-16")),
        ],
    }
}
