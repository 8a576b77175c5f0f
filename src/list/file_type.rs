//! What is handed over in place of a list: workbooks, web pages, databases.
//! Told by the first bytes, so that no one has to guess
//! from a thousand invalid rows what went wrong.

/// A file that is something other than a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FileType {
    /// A ZIP archive; a workbook (`.xlsx`, `.ods`) is one.
    #[error("a workbook (.xlsx, .ods) or another ZIP archive")]
    Zip,
    /// A workbook in the format of old spreadsheets (`.xls`).
    #[error("a workbook (.xls)")]
    Workbook,
    /// PDF.
    #[error("a PDF")]
    Pdf,
    /// An SQLite database, such as a run's own journal.
    #[error("an SQLite database")]
    Database,
    /// HTML: a log-in or error page that was saved, or a table in disguise; or
    /// other XML.
    #[error("a web page (HTML) or XML")]
    WebPage,
    /// JSON.
    #[error("JSON")]
    Json,
}

/// The files that begin with fixed bytes.
const MAGIC: [(&[u8], FileType); 4] = [
    (b"PK\x03\x04", FileType::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType::Workbook),
    (b"%PDF-", FileType::Pdf),
    (b"SQLite format 3\0", FileType::Database),
];

/// What a file is that begins with `head`, if it is no list.
pub(super) fn recognise(head: &[u8]) -> Option<FileType> {
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
        b'<' => Some(FileType::WebPage),
        b'{' if matches!(next(), Some(b'"' | b'}')) => Some(FileType::Json),
        // A database may well write a header's names in brackets.
        b'[' if matches!(next(), Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9')) => {
            Some(FileType::Json)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_recognised() {
        for (head, expected) in [
            (&b"PK\x03\x04\x14\0"[..], FileType::Zip),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", FileType::Workbook),
            (b"<!DOCTYPE html>\n<html>", FileType::WebPage),
            (b"\xef\xbb\xbf\r\n  <HTML>", FileType::WebPage),
            (b"<?xml version=\"1.0\"?>", FileType::WebPage),
            (b"{\"errorText\":\"Access is denied\"}", FileType::Json),
            (b"{ }", FileType::Json),
            (b"[1020304050, 2]", FileType::Json),
            (b"[\n  {\"id\":1}]", FileType::Json),
            (b"[]", FileType::Json),
            (b"%PDF-1.7", FileType::Pdf),
            (b"SQLite format 3\0\x10", FileType::Database),
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
