//! The CSV tables: their columns, and what stands in a row of each.
//!
//! RFC 4180, UTF-8. A text cell that a spreadsheet would run as a formula
//! gets a quote in front; numbers, times and words of our own are no text.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use super::verification::VerificationMark;
use crate::journal::{BatchRow, EvidenceRow, PriorStatus, RejectRow, State};
use crate::report::format::{milliseconds, rfc3339, visible};
use crate::report::totals::each_id;

/// The rows are large and many, the system calls need not be.
const BUFFER: usize = 256 * 1024;

const RESULTS: [&str; 14] = [
    "batch",
    "state",
    "ids",
    "reason",
    "message",
    "http_status",
    "attempts",
    "first_line",
    "last_line",
    "first_sent_at",
    "settled_at",
    "elapsed_ms",
    "verified",
    "permission_ids",
];
const PERMISSIONS: [&str; 5] = ["permission_id", "line", "state", "reason", "batch"];
const REMAINING: [&str; 5] = ["permission_id", "line", "state", "reason", "message"];
const REJECTED: [&str; 3] = ["line", "value", "reason"];
const VERIFICATION: [&str; 4] = ["permission_id", "claimed", "found", "verdict"];
const BEFORE: [&str; 4] = ["permission_id", "account_id", "user_id", "status"];

/// A table that is being written.
struct CsvTable<W: Write> {
    csv: csv::Writer<W>,
    cell: String,
}

impl<W: Write> CsvTable<W> {
    fn new(out: W, header: &[&str]) -> io::Result<Self> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .buffer_capacity(BUFFER)
            .from_writer(out);
        csv.write_record(header)?;
        Ok(Self {
            csv,
            cell: String::new(),
        })
    }

    /// A word or time of our own.
    fn word(&mut self, word: &str) -> io::Result<()> {
        Ok(self.csv.write_field(word)?)
    }

    fn number(&mut self, number: impl Display) -> io::Result<()> {
        self.cell.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.cell, "{number}");
        Ok(self.csv.write_field(&self.cell)?)
    }

    fn optional(&mut self, value: Option<impl Display>) -> io::Result<()> {
        match value {
            Some(value) => self.number(value),
            None => self.word(""),
        }
    }

    fn end_row(&mut self) -> io::Result<()> {
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    fn finish(self) -> io::Result<W> {
        self.csv
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)
    }
}

/// Text from outside as a cell that can be looked at safely: a quote goes in
/// front of whatever a spreadsheet would run.
fn text_cell(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    // What stands in front is no part of a cell's own text.
    let hidden = text.starts_with(['\t', '\r', '\n']);
    if !hidden && !shown.split(SPLIT).any(is_formula) {
        return shown;
    }
    let mut cell = String::with_capacity(shown.len() + 2);
    for (index, part) in shown.split(SPLIT).enumerate() {
        if index > 0 {
            cell.push(SPLIT);
        }
        if is_formula(part) || (index == 0 && hidden) {
            cell.push('\'');
        }
        cell.push_str(part);
    }
    Cow::Owned(cell)
}

/// Where much of Europe's spreadsheets begin another cell, whatever the quotes
/// of a comma-separated file say.
const SPLIT: char = ';';

/// Whether a spreadsheet might run this. Some strip blanks and quotes before
/// they look, and some take the wide forms of the signs (OWASP, *CSV
/// injection*).
fn is_formula(text: &str) -> bool {
    text.trim_start_matches(|c: char| c == '"' || c.is_whitespace())
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// `results.csv`: one row per undivided batch.
pub(super) struct ResultsCsv<W: Write>(CsvTable<W>);

impl<W: Write> ResultsCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &RESULTS)?))
    }

    pub(super) fn whole(&mut self, parts: &[BatchRow]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.part(part))
    }

    fn part(&mut self, row: &BatchRow) -> io::Result<()> {
        let table = &mut self.0;
        let batch = &row.batch;
        let elapsed = row.first_sent.zip(row.settled);
        table.word(&text_cell(&batch.path))?;
        table.word(batch.state.word())?;
        table.number(batch.ids.len())?;
        table.word(&text_cell(&row.reason))?;
        table.word(&text_cell(&row.message))?;
        table.optional(row.http_status)?;
        table.number(row.attempts)?;
        table.optional(batch.lines.first())?;
        table.optional(batch.lines.last())?;
        table.optional(row.first_sent.map(rfc3339))?;
        table.optional(row.settled.map(rfc3339))?;
        table.optional(elapsed.map(|(sent, settled)| milliseconds(sent, settled)))?;
        table.word(row.verified.word())?;
        table.cell.clear();
        for (index, id) in batch.ids.iter().enumerate() {
            let blank = if index > 0 { " " } else { "" };
            let _ = write!(table.cell, "{blank}{id}");
        }
        table.csv.write_field(&table.cell)?;
        table.end_row()
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// `permissions.csv`: one row per distinct ID.
pub(super) struct PermissionsCsv<W: Write>(CsvTable<W>);

impl<W: Write> PermissionsCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &PERMISSIONS)?))
    }

    pub(super) fn whole(&mut self, parts: &[BatchRow]) -> io::Result<()> {
        let table = &mut self.0;
        each_id(parts, |id, line, row| {
            table.number(id)?;
            table.number(line)?;
            table.word(row.batch.state.word())?;
            table.word(&text_cell(&row.reason))?;
            table.word(&text_cell(&row.batch.path))?;
            table.end_row()
        })
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// `remaining.csv`: one row per ID that is not revoked.
pub(super) struct RemainingCsv<W: Write>(CsvTable<W>);

impl<W: Write> RemainingCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &REMAINING)?))
    }

    pub(super) fn whole(&mut self, parts: &[BatchRow]) -> io::Result<()> {
        if parts.iter().all(|part| part.batch.state == State::Revoked) {
            return Ok(());
        }
        let table = &mut self.0;
        each_id(parts, |id, line, row| {
            if row.batch.state == State::Revoked {
                return Ok(());
            }
            table.number(id)?;
            table.number(line)?;
            table.word(row.batch.state.word())?;
            table.word(&text_cell(&row.reason))?;
            table.word(&text_cell(&row.message))?;
            table.end_row()
        })
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// `rejected.csv`: one row per row of the input that gave no ID to send.
pub(super) struct RejectedCsv<W: Write>(CsvTable<W>);

impl<W: Write> RejectedCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &REJECTED)?))
    }

    pub(super) fn row(&mut self, row: &RejectRow) -> io::Result<()> {
        let table = &mut self.0;
        table.number(row.line)?;
        table.word(&text_cell(&row.value))?;
        table.word(&text_cell(&row.reason))?;
        table.end_row()
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// `verification.csv`: one row per ID that the last verification came to.
pub(super) struct VerificationCsv<W: Write>(CsvTable<W>);

impl<W: Write> VerificationCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &VERIFICATION)?))
    }

    pub(super) fn rows(&mut self, rows: &[EvidenceRow]) -> io::Result<()> {
        let table = &mut self.0;
        rows.iter().try_for_each(|row| {
            table.number(row.id)?;
            table.word(row.claimed.word())?;
            table.word(row.found.word())?;
            table.word(VerificationMark::of(row.claimed, row.found).sign())?;
            table.end_row()
        })
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// `before.csv`: one row per ID that was read before it was sent, as it was
/// shown then.
pub(super) struct BeforeCsv<W: Write>(CsvTable<W>);

impl<W: Write> BeforeCsv<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self(CsvTable::new(out, &BEFORE)?))
    }

    pub(super) fn row(&mut self, one: &PriorStatus) -> io::Result<()> {
        let table = &mut self.0;
        table.number(one.id)?;
        table.optional(one.account)?;
        table.optional(one.user)?;
        table.word(&text_cell(&one.status))?;
        table.end_row()
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_defused() {
        for (text, expected) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1.02E+09", "'-1.02E+09"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("＝1+1", "'＝1+1"),
            ("\tx", "' x"),
            ("\rx", "' x"),
            ("a=b", "a=b"),
            ("\"=1+1\"", "'\"=1+1\""),
            ("no such ID;=1+1", "no such ID;'=1+1"),
            ("a; \"@SUM(A1)\";b;-1", "a;' \"@SUM(A1)\";b;'-1"),
            ("a; b", "a; b"),
            ("1.02E+09", "1.02E+09"),
            ("", ""),
            ("\u{1b}[31m", "\u{FFFD}[31m"),
        ] {
            assert_eq!(text_cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn cells_are_quoted_as_rfc_4180_says() {
        let mut table = RejectedCsv::new(Vec::new()).unwrap();
        table
            .row(&RejectRow {
                line: 7,
                value: "a \"b\", c".to_owned(),
                reason: "invalid: not a number".to_owned(),
            })
            .unwrap();
        assert_eq!(
            String::from_utf8(table.finish().unwrap()).unwrap(),
            "line,value,reason\r\n7,\"a \"\"b\"\", c\",invalid: not a number\r\n"
        );
    }
}
