//! The rows of a list, one after another.

use std::io::Read;

use super::dialect::{self, is_header};
use super::table::{RecordReader, SHOWN};
use super::text::{TextReader, line_len};
use super::{Input, InvalidId, ListError, PermissionId};
use crate::list::input::ListText;

/// One row of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<'a> {
    /// The line at which the row starts, from 1, as an editor counts.
    pub line: u64,
    /// The cell that should hold the ID; of a damaged row, the start of its
    /// line.
    pub cell: &'a [u8],
    /// What the cell says.
    pub id: Result<PermissionId, InvalidId>,
}

/// What [`Rows::column`] says of a list without a header.
pub const NO_HEADER: &str = "column 1 (no header)";

/// A list that is being read: header and blank lines are stepped over, and
/// everything else is a [`Row`].
pub struct Rows {
    text: TextReader,
    form: Form,
    column: String,
    /// Where the input is no file.
    endless: Option<Box<Endless>>,
}

/// Counts the rows of an input without a size, which may have no end either.
struct Endless {
    name: String,
    rows: u64,
    /// Rows without an ID.
    invalid: u64,
    most_rows: u64,
    most_invalid: u64,
}

impl Endless {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rows: 0,
            invalid: 0,
            most_rows: 100_000_000,
            most_invalid: 100_000,
        }
    }

    fn count(&mut self, row: &Row<'_>) -> Result<(), ListError> {
        self.rows += 1;
        self.invalid += u64::from(row.id.is_err());
        if self.rows > self.most_rows {
            return Err(ListError::Endless {
                name: self.name.clone(),
                rows: self.most_rows,
            });
        }
        if self.invalid > self.most_invalid && self.invalid > self.rows / 2 {
            return Err(ListError::NoIds {
                name: self.name.clone(),
                rows: self.rows,
                invalid: self.invalid,
            });
        }
        Ok(())
    }
}

enum Form {
    /// One column: every line is a row, whatever its quotes. Holds the start
    /// of a line that is too long.
    Lines(Vec<u8>),
    Table(Box<RecordReader>),
}

impl Rows {
    /// Opens a list and finds its ID column: the one asked for, or the one
    /// that is named like it, or the only one.
    ///
    /// # Errors
    ///
    /// The list cannot be read, or its ID column cannot be told.
    pub fn open(input: &Input, id_column: Option<&str>) -> Result<Self, ListError> {
        Self::read(ListText::open(input)?, id_column)
    }

    /// Reads a list from anywhere; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Rows::open`].
    pub fn from_reader(
        name: impl Into<String>,
        reader: Box<dyn Read + Send>,
        id_column: Option<&str>,
    ) -> Result<Self, ListError> {
        Self::read(ListText::new(name.into(), None, reader)?, id_column)
    }

    fn read(source: ListText, id_column: Option<&str>) -> Result<Self, ListError> {
        let name = source.name().to_owned();
        let endless = source.len().is_none().then(|| Endless::new(&name).into());
        let id_column = id_column.map(str::trim);
        let mut text = TextReader::new(source);
        skip_blank_lines(&mut text)?;
        let window = text.window()?;
        let first = line_len(window).map_or(window, |len| &window[..len]);
        let stated = dialect::stated_separator(first);
        if stated.is_some() {
            text.skip_line()?;
            skip_blank_lines(&mut text)?;
        }
        let window = text.window()?;
        let separator = dialect::separator(window).map(|found| stated.unwrap_or(found));
        let (form, column) = if let Some(separator) = separator {
            let (mut table, mut names) = RecordReader::open(&mut text, separator)?;
            let index = dialect::id_column(&name, &names, id_column)?;
            table.set_id(index);
            (Form::Table(Box::new(table)), Some(names.swap_remove(index)))
        } else {
            let header = only_column(name, window, id_column)?;
            if header.is_some() {
                text.skip_line()?;
            }
            (Form::Lines(Vec::new()), header)
        };
        Ok(Self {
            text,
            form,
            column: column.unwrap_or_else(|| NO_HEADER.to_owned()),
            endless,
        })
    }

    /// The column that is read: its header, or `column 1 (no header)`.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The size of the file in bytes, as it is stored; none if it is no file.
    #[must_use]
    pub fn input_len(&self) -> Option<u64> {
        self.text.source().len()
    }

    /// The next row, if there is one.
    ///
    /// # Errors
    ///
    /// The list cannot be read any further. The rows before it do not make a
    /// list: do not act on them.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, ListError> {
        let row = match &mut self.form {
            Form::Lines(long) => next_line(&mut self.text, long, &self.column),
            Form::Table(table) => table.next_row(&mut self.text, &self.column),
        }?;
        if let (Some(endless), Some(row)) = (&mut self.endless, &row) {
            endless.count(row)?;
        }
        Ok(row)
    }

    /// Reads the input to its very end: the SHA-256 of its bytes as stored,
    /// and the column.
    pub(super) fn finish(self) -> Result<(String, String), ListError> {
        Ok((self.text.into_source().finish()?, self.column))
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}

fn skip_blank_lines(text: &mut TextReader) -> Result<(), ListError> {
    loop {
        let window = text.window()?;
        match line_len(window) {
            Some(len) if is_blank(&window[..len]) => drop(text.take_line(len)),
            _ => return Ok(()),
        }
    }
}

/// The header of a list of one column, if its first line is one.
fn only_column(
    list: String,
    head: &[u8],
    asked: Option<&str>,
) -> Result<Option<String>, ListError> {
    let Some(len) = line_len(head) else {
        return Ok(None);
    };
    let cell = unquoted(&head[..len]).unwrap_or(&head[..len]);
    let name = String::from_utf8_lossy(cell).trim().to_owned();
    let is_header = is_header(cell);
    match asked {
        Some(asked) if name.eq_ignore_ascii_case(asked) => Ok(Some(name)),
        Some(asked) if is_header => Err(ListError::NoSuchColumn {
            name: list,
            asked: asked.to_owned(),
            columns: super::Columns(vec![name]),
        }),
        Some(asked) => Err(ListError::NoHeader {
            name: list,
            asked: asked.to_owned(),
        }),
        None => Ok(is_header.then_some(name)),
    }
}

/// The cell of a line: without blanks around it, and without the quotes
/// around that. `None` if a quote opens it and none closes it.
fn unquoted(line: &[u8]) -> Option<&[u8]> {
    let cell = line.trim_ascii();
    match cell.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(cell),
    }
}

#[inline]
fn next_line<'a>(
    text: &'a mut TextReader,
    long: &'a mut Vec<u8>,
    column: &str,
) -> Result<Option<Row<'a>>, ListError> {
    let line = text.line();
    let window = text.window()?;
    if let Some(len) = line_len(window)
        && let Some(id) = PermissionId::from_digits(&window[..len])
    {
        let taken = text.take_line(len);
        let cell = text.taken(taken);
        let id = Ok(id);
        return Ok(Some(Row { line, cell, id }));
    }
    next_line_with_care(text, long, column)
}

#[cold]
fn next_line_with_care<'a>(
    text: &'a mut TextReader,
    long: &'a mut Vec<u8>,
    column: &str,
) -> Result<Option<Row<'a>>, ListError> {
    skip_blank_lines(text)?;
    let line = text.line();
    let window = text.window()?;
    if window.is_empty() {
        return Ok(None);
    }
    let Some(len) = line_len(window) else {
        long.clear();
        long.extend_from_slice(&window[..window.len().min(SHOWN)]);
        text.skip_line()?;
        let id = Err(InvalidId::TooLong);
        return Ok(Some(Row {
            line,
            cell: long,
            id,
        }));
    };
    let id = match unquoted(&window[..len]) {
        Some(cell) => PermissionId::parse(cell).map_err(|reason| reason.or_header(cell, column)),
        None => Err(InvalidId::UnclosedQuote),
    };
    let taken = text.take_line(len);
    let cell = text.taken(taken);
    Ok(Some(Row { line, cell, id }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use InvalidId::*;

    type Read = (u64, String, Result<i64, InvalidId>);

    fn rows(bytes: &[u8], id_column: Option<&str>) -> Result<(String, Vec<Read>), ListError> {
        let mut rows = Rows::from_reader(
            "list.csv",
            Box::new(std::io::Cursor::new(bytes.to_vec())),
            id_column,
        )?;
        let mut all = Vec::new();
        while let Some(Row { line, cell, id }) = rows.next_row()? {
            let cell = String::from_utf8_lossy(cell).into_owned();
            all.push((line, cell, id.map(PermissionId::get)));
        }
        Ok((rows.column, all))
    }

    fn ids(text: &str) -> Vec<(u64, Result<i64, InvalidId>)> {
        let (_, rows) = rows(text.as_bytes(), None).unwrap();
        rows.into_iter().map(|(line, _, id)| (line, id)).collect()
    }

    #[test]
    fn no_line_of_a_one_column_list_is_lost_to_a_stray_quote() {
        assert_eq!(
            ids("permissionId\n1\n\"2\n3\n\"4\"\n5\"\n\"\"\n6"),
            [
                (2, Ok(1)),
                (3, Err(UnclosedQuote)),
                (4, Ok(3)),
                (5, Ok(4)),
                (6, Err(Surrounded)),
                (7, Err(Empty)),
                (8, Ok(6)),
            ]
        );
    }

    #[test]
    fn blank_lines_are_no_rows_but_are_counted_as_lines() {
        assert_eq!(ids("\n \t\n1\n\r\n\n2\n \n"), [(3, Ok(1)), (6, Ok(2))]);
        assert_eq!(
            ids("\nid,userId\n  \n1,2\n\n,\n"),
            [(4, Ok(1)), (6, Err(Empty))]
        );
        assert_eq!(ids("id\tuserId\n\t\n1\t\n"), [(2, Err(Empty)), (3, Ok(1))]);
    }

    #[test]
    fn lines_end_with_lf_crlf_or_a_lone_cr() {
        for end in ["\n", "\r\n", "\r"] {
            let list = "1\n2\n\n4".replace('\n', end);
            assert_eq!(ids(&list), [(1, Ok(1)), (2, Ok(2)), (4, Ok(4))], "{end:?}");
            let table = "id,userId\n2,\"x\ny\"\n\n5,z".replace('\n', end);
            assert_eq!(ids(&table), [(2, Ok(2)), (5, Ok(5))], "{end:?}");
        }
    }

    #[test]
    fn a_list_without_a_header_loses_no_id_to_it() {
        assert_eq!(ids("1\n2\n"), [(1, Ok(1)), (2, Ok(2))]);
        assert_eq!(ids("1.02E+09\n2\n"), [(1, Err(Scientific)), (2, Ok(2))]);
        let (column, _) = rows(b"1\n", None).unwrap();
        assert_eq!(column, "column 1 (no header)");
        let (column, read) = rows(b"\xef\xbb\xbf\"Any name, really\"\r\n1\r\n", None).unwrap();
        assert_eq!((column.as_str(), read.len()), ("Any name, really", 1));
    }

    #[test]
    fn the_column_asked_for_may_be_the_only_one() {
        let (column, read) = rows(b"Number\n7\n", Some("number")).unwrap();
        assert_eq!((column.as_str(), read.len()), ("Number", 1));
        let error = rows(b"Number\n7\n", Some("id")).unwrap_err().to_string();
        assert_eq!(
            error,
            "list.csv has no column `id`; its columns are `Number`"
        );
        let error = rows(b"7\n", Some("id")).unwrap_err().to_string();
        assert_eq!(error, "list.csv has no header, so no column is named `id`");
        assert!(rows(b"", Some("id")).unwrap().1.is_empty());
    }

    #[test]
    fn a_stray_quote_in_a_table_costs_its_own_line_alone() {
        // Closed by the next stray quote; in the wrong place.
        assert_eq!(
            ids("id,userId\n1,\"a\n2,b\n3,\"c\"\n4,d\n"),
            [(2, Err(UnclosedQuote)), (3, Ok(2)), (4, Ok(3)), (5, Ok(4))]
        );
        // Closed where a cell ends, but then columns are missing.
        assert_eq!(
            ids("id,userId\n\"1,a\n2,b\"\n3,c\n"),
            [(2, Err(UnclosedQuote)), (3, Ok(2)), (4, Ok(3))]
        );
        // Never closed.
        assert_eq!(
            ids("id,userId\n1,\"a\n2,b\n3,c"),
            [(2, Err(UnclosedQuote)), (3, Ok(2)), (4, Ok(3))]
        );
        // Not closed within the bound of a record, and many lines after it.
        let rest: String = (2..=100_000).map(|id| id.to_string() + ",b\n").collect();
        let read = ids(&format!("id,userId\n1,\"a\n{rest}"));
        assert_eq!(read[0], (2, Err(UnclosedQuote)));
        assert!((2..=100_000).eq(read[1..].iter().map(|(_, id)| id.unwrap())));
        assert!((3..=100_001).eq(read[1..].iter().map(|(line, _)| *line)));
    }

    #[test]
    fn a_quoted_cell_may_hold_separators_quotes_and_line_ends() {
        assert_eq!(
            ids("note;id;userId\n\"a;\"\"b\"\"\r\nc\n\";1;x\n\"d\";\"2\";\"y\nz\"\n5;3;\n"),
            [(2, Ok(1)), (5, Ok(2)), (7, Ok(3))]
        );
    }

    #[test]
    fn a_row_that_is_too_long_is_one_invalid_row() {
        let long = "1".repeat(1_000_000);
        for (list, line) in [
            (format!("1\n{long}\n2\n"), 2),
            (format!("id,userId\n1,\n{long},x\n2,\n"), 3),
        ] {
            assert_eq!(
                ids(&list),
                [(line - 1, Ok(1)), (line, Err(TooLong)), (line + 1, Ok(2))]
            );
        }
        assert_eq!(ids(&long), [(1, Err(TooLong))]);
    }

    /// A device never ends a line.
    #[test]
    fn a_line_that_may_never_end_is_given_up() {
        for list in ["", "id,userId\n1,\n"] {
            let endless = std::io::Read::chain(list.as_bytes(), std::io::repeat(b'1'));
            let mut rows = Rows::from_reader("list.csv", Box::new(endless), None).unwrap();
            let line = 1 + list.lines().count();
            let error = loop {
                match rows.next_row() {
                    Ok(Some(row)) => assert_eq!(row.id.map(PermissionId::get), Ok(1)),
                    Ok(None) => panic!("it has no end"),
                    Err(error) => break error.to_string(),
                }
            };
            assert_eq!(
                error,
                format!("line {line} of list.csv does not end within 128 MiB")
            );
        }
    }

    #[test]
    fn a_pipe_that_may_never_end_is_given_up() {
        for (line, said) in [
            ("y\n", "11 of the first 11 rows of list.csv hold no ID"),
            ("5\n", "list.csv does not end within 100 rows"),
        ] {
            let endless = line.repeat(1_000);
            let reader = Box::new(std::io::Cursor::new(endless.into_bytes()));
            let mut rows = Rows::from_reader("list.csv", reader, None).unwrap();
            let endless = rows.endless.as_mut().unwrap();
            (endless.most_rows, endless.most_invalid) = (100, 10);
            let error = loop {
                match rows.next_row() {
                    Ok(row) => assert!(row.is_some(), "it has no end"),
                    Err(error) => break error.to_string(),
                }
            };
            assert_eq!(error, said);
        }
    }

    #[test]
    fn an_id_that_may_stand_in_the_wrong_column_is_not_believed() {
        let (column, read) =
            rows(b"name,permissionId\nx,1\ny\nDoe, John,2\nz,3,,\n", None).unwrap();
        assert_eq!(column, "permissionId");
        assert_eq!(
            read,
            [
                (2, "1".into(), Ok(1)),
                (3, "y".into(), Err(Columns)),
                (4, "Doe, John,2".into(), Err(Columns)),
                (5, "3".into(), Ok(3)),
            ]
        );
        assert_eq!(ids("permissionId,note\n1,a, b\n"), [(2, Ok(1))]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_clear_message() {
        let error = rows(b"\nid,\"userId\n1,2\n", None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the first row of list.csv (line 2) has an unclosed quote"
        );
        let wide = "a,".repeat(1_000_000);
        let error = rows(wide.as_bytes(), None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the first row of list.csv (line 1) is longer than 64 KiB"
        );
        for list in [&b"1,2\n3,4\n"[..], b"1.02E+09,x\n", b"x;-7\n"] {
            let error = rows(list, None).unwrap_err().to_string();
            assert!(error.contains("several columns and no header"), "{error}");
            let error = rows(list, Some("id")).unwrap_err().to_string();
            assert!(error.contains("has no header"), "{error}");
        }
    }

    #[test]
    fn utf_16_is_read_and_its_lines_are_counted() {
        let list = "id\tuserId\r\n10\tИмя\r\n\r\n20\t\"a\r\nb\"\r\n30\t\r\n";
        for big in [false, true] {
            for mark in ["", "\u{feff}"] {
                let units = format!("{mark}{list}");
                let to_bytes = |unit: u16| {
                    if big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    }
                };
                let bytes: Vec<u8> = units.encode_utf16().flat_map(to_bytes).collect();
                let (column, read) = rows(&bytes, None).unwrap();
                let read: Vec<_> = read.into_iter().map(|(line, _, id)| (line, id)).collect();
                assert_eq!(column, "id");
                assert_eq!(
                    read,
                    [(2, Ok(10)), (4, Ok(20)), (6, Ok(30))],
                    "{big} {mark:?}"
                );
            }
        }
    }

    #[test]
    fn a_first_line_that_states_the_separator_is_no_row() {
        assert_eq!(ids("sep=;\r\nid;userId\r\n1;a,b,c,d\r\n"), [(3, Ok(1))]);
        assert_eq!(ids("\"sep=,\"\n\nid,userId\n1,\n"), [(4, Ok(1))]);
        assert_eq!(ids("sep=;\n1\n2\n"), [(2, Ok(1)), (3, Ok(2))]);
        assert_eq!(ids("sep=\t\nid\tuserId\n1\tx\n"), [(3, Ok(1))]);
    }

    #[test]
    fn the_header_of_a_joined_list_is_told_from_other_words() {
        assert_eq!(
            ids("permissionId\n1\nPERMISSIONID \n\"permissionId\"\n2\nx\n"),
            [
                (2, Ok(1)),
                (3, Err(Header)),
                (4, Err(Header)),
                (5, Ok(2)),
                (6, Err(NotANumber))
            ]
        );
        assert_eq!(
            ids("id,userId\n1,a\nid,userId\n2,b\n"),
            [(2, Ok(1)), (3, Err(Header)), (4, Ok(2))]
        );
    }

    #[test]
    fn thousands_separators_in_the_first_column_make_no_small_id() {
        assert_eq!(
            ids("permissionId,name\n1,234,567,x\n12, 345,y\n7,a,b\n123,456,\n1234,567,x\n"),
            [
                (2, Err(Grouped)),
                (3, Err(Grouped)),
                (4, Ok(7)),
                (5, Ok(123)),
                (6, Ok(1234))
            ]
        );
    }
}
