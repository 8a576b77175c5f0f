//! What is handed over in place of a list: workbooks, web pages, databases.
//! Told by the first bytes, so that nobody has to guess from a thousand
//! invalid rows what went wrong.

use std::fmt;

/// A file that is something other than a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// A ZIP archive; a workbook (`.xlsx`, `.ods`) is one.
    Zip,
    /// A workbook in the format of old spreadsheets (`.xls`).
    Workbook,
    /// HTML: a log-in or error page that was saved, or a table in disguise.
    WebPage,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// Statements or a dump of a database.
    Sql,
    /// RTF.
    RichText,
    /// PDF.
    Pdf,
    /// A picture, such as one of the list on a screen.
    Picture,
    /// An SQLite database, such as a run's own journal.
    Database,
    /// Apache Parquet.
    Parquet,
    /// Compressed by a program whose data is not read here.
    Packed(&'static str),
    /// Compressed, and then once more.
    PackedTwice,
    /// UTF-32, which nobody exports on purpose.
    Utf32,
}

impl fmt::Display for Foreign {
    /// The file is …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zip => f.write_str("a workbook (.xlsx, .ods) or another ZIP archive"),
            Self::Workbook => f.write_str("a workbook (.xls)"),
            Self::WebPage => f.write_str("a web page (HTML)"),
            Self::Xml => f.write_str("XML"),
            Self::Json => f.write_str("JSON"),
            Self::Sql => f.write_str("SQL"),
            Self::RichText => f.write_str("rich text (RTF)"),
            Self::Pdf => f.write_str("a PDF"),
            Self::Picture => f.write_str("a picture (PNG)"),
            Self::Database => f.write_str("an SQLite database"),
            Self::Parquet => f.write_str("Parquet"),
            Self::Packed(with) => write!(f, "compressed with {with}"),
            Self::PackedTwice => f.write_str("compressed twice"),
            Self::Utf32 => f.write_str("UTF-32"),
        }
    }
}

/// The files that begin with fixed bytes.
const MAGIC: [(&[u8], Foreign); 16] = [
    (b"PK\x03\x04", Foreign::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign::Workbook),
    (b"{\\rtf", Foreign::RichText),
    (b"%PDF-", Foreign::Pdf),
    (b"\x89PNG\r\n\x1a\n", Foreign::Picture),
    (b"SQLite format 3\0", Foreign::Database),
    (b"PAR1", Foreign::Parquet),
    (b"BZh", Foreign::Packed("bzip2")),
    (b"\xfd7zXZ\0", Foreign::Packed("xz")),
    (b"7z\xbc\xaf\x27\x1c", Foreign::Packed("7-Zip")),
    (b"Rar!\x1a\x07", Foreign::Packed("RAR")),
    (b"\x04\x22\x4d\x18", Foreign::Packed("lz4")),
    (b"\x1f\x8b", Foreign::PackedTwice),
    (b"\x28\xb5\x2f\xfd", Foreign::PackedTwice),
    (b"\xff\xfe\0\0", Foreign::Utf32),
    (b"\0\0\xfe\xff", Foreign::Utf32),
];

/// What a file is that begins with `head`, if it is no list.
pub(super) fn recognise(head: &[u8]) -> Option<Foreign> {
    if let Some((_, foreign)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*foreign);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let next = || {
        let rest = text.get(1..).unwrap_or_default().trim_ascii_start();
        rest.first().copied()
    };
    match text.first()? {
        b'<' => Some(if is_html(text) {
            Foreign::WebPage
        } else {
            Foreign::Xml
        }),
        b'i' | b'I' | b'-' if begins(text, &STATEMENTS) => Some(Foreign::Sql),
        b'{' if matches!(next(), Some(b'"' | b'}')) => Some(Foreign::Json),
        // A database may well write a header's names in brackets.
        b'[' if matches!(next(), Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9')) => {
            Some(Foreign::Json)
        }
        _ => None,
    }
}

fn is_html(text: &[u8]) -> bool {
    const TAGS: [&[u8]; 7] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<table",
        b"<meta",
        b"<!--",
    ];
    begins(text, &TAGS)
}

/// How statements begin, and dumps of databases.
const STATEMENTS: [&[u8]; 4] = [
    b"insert into ",
    b"-- mysql dump",
    b"-- mariadb dump",
    b"--\n-- postgresql",
];

/// Whether a text begins with one of these, whatever its case.
fn begins(text: &[u8], with: &[&[u8]]) -> bool {
    with.iter().any(|start| {
        text.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_recognised() {
        for (head, expected) in [
            (&b"PK\x03\x04\x14\0"[..], Foreign::Zip),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", Foreign::Workbook),
            (b"<!DOCTYPE html>\n<html>", Foreign::WebPage),
            (b"\xef\xbb\xbf\r\n  <HTML>", Foreign::WebPage),
            (b"<table><tr><td>1</td>", Foreign::WebPage),
            (b"<?xml version=\"1.0\"?>", Foreign::Xml),
            (b"{\"errorText\":\"Access is denied\"}", Foreign::Json),
            (b"{ }", Foreign::Json),
            (b"[1020304050, 2]", Foreign::Json),
            (b"[\n  {\"id\":1}]", Foreign::Json),
            (b"[]", Foreign::Json),
            (b"INSERT INTO t VALUES (1, 'x');", Foreign::Sql),
            (b"-- MySQL dump 10.13", Foreign::Sql),
            (b"--\n-- PostgreSQL database dump\n", Foreign::Sql),
            (b"{\\rtf1\\ansi", Foreign::RichText),
            (b"%PDF-1.7", Foreign::Pdf),
            (b"\x89PNG\r\n\x1a\n\0", Foreign::Picture),
            (b"SQLite format 3\0\x10", Foreign::Database),
            (b"PAR1\x15\0", Foreign::Parquet),
            (b"BZh91AY&SY", Foreign::Packed("bzip2")),
            (b"\xfd7zXZ\0\0", Foreign::Packed("xz")),
            (b"\x1f\x8b\x08", Foreign::PackedTwice),
            (b"\xff\xfe\0\0p\0\0\0", Foreign::Utf32),
        ] {
            assert_eq!(recognise(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn a_list_is_not_taken_for_anything_else() {
        for head in [
            &b""[..],
            b"\n",
            b"1\n",
            b"permissionId\n",
            b"[permissionId],[name]\n",
            b"{id}\n",
            b"-1\n",
            b"insert\n",
            b"--\n1\n",
            b"\xff\xfep\0",
            b"PK\n",
            b"\"<html>\"\n",
        ] {
            assert_eq!(recognise(head), None, "{head:?}");
        }
    }
}
