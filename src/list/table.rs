//! Records of a list with several columns.
//!
//! The cells are parsed by `csv-core`, the parser below the `csv` crate: that
//! crate's reader follows a stray quote to the end of the file, where this
//! one has to give the record up and carry on at the next line.
//!
//! A record may span lines only for the sake of a quoted cell, and is
//! believed only if each of its quotes closes where a cell ends, if it has as
//! many cells as the header, and if it is no longer than
//! [`MAX_RECORD`]. If not, its *first line* is one
//! invalid row, and reading carries on at the second.

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::{
    InvalidId, ListError, PermissionId, Row,
    dialect::scan,
    text::{MAX_RECORD, TextReader, line_len},
};

/// As much of a damaged line as is kept to be shown.
pub(super) const SHOWN: usize = 512;

pub(super) struct RecordReader {
    parser: csv_core::Reader,
    separator: u8,
    /// The cells of the current record, one after another, and where each
    /// ends. Large enough for any record.
    cells: Box<[u8]>,
    ends: Box<[usize]>,
    /// How many columns the header has; 0 until it is read.
    columns: usize,
    /// The column that holds the IDs.
    id: usize,
}

/// One record, or the line that was given up in its place.
struct Record {
    line: u64,
    /// The number of cells; or what is wrong, and how many bytes of the line
    /// are kept in `cells`.
    cells: Result<usize, (InvalidId, usize)>,
}

impl RecordReader {
    /// Reads the header: the table and the names of its columns. The ID
    /// column is the first until [`RecordReader::set_id`] says otherwise.
    pub(super) fn open(
        text: &mut TextReader,
        separator: u8,
    ) -> Result<(Self, Vec<String>), ListError> {
        let mut table = Self {
            parser: ReaderBuilder::new().delimiter(separator).build(),
            separator,
            cells: vec![0; MAX_RECORD + 1].into(),
            ends: vec![0; MAX_RECORD + 1].into(),
            columns: 0,
            id: 0,
        };
        let line = text.line();
        let name = text.source().name().to_owned();
        let width = match table.record(text)?.map(|record| record.cells) {
            Some(Ok(width)) => width,
            Some(Err((InvalidId::TooLong, _))) => return Err(ListError::LongHeader { name, line }),
            _ => return Err(ListError::DamagedHeader { name, line }),
        };
        table.columns = width;
        let names = (0..width)
            .map(|index| String::from_utf8_lossy(table.cell(index)).trim().to_owned())
            .collect();
        Ok((table, names))
    }

    /// Says which column holds the IDs.
    pub(super) fn set_id(&mut self, index: usize) {
        self.id = index;
    }

    /// The next row; `column` is the header of the ID column.
    pub(super) fn next_row(
        &mut self,
        text: &mut TextReader,
        column: &str,
    ) -> Result<Option<Row<'_>>, ListError> {
        let Some(Record { line, cells }) = self.record(text)? else {
            return Ok(None);
        };
        let (cell, id) = match cells {
            Ok(_) => {
                let cell = self.cell(self.id);
                let id = PermissionId::parse(cell);
                (cell, id.map_err(|reason| reason.or_header(cell, column)))
            }
            Err((reason, len)) => (&self.cells[..len], Err(reason)),
        };
        Ok(Some(Row { line, cell, id }))
    }

    fn record(&mut self, text: &mut TextReader) -> Result<Option<Record>, ListError> {
        self.skip_blank_lines(text)?;
        let line = text.line();
        let window = text.window()?;
        if window.is_empty() {
            return Ok(None);
        }
        let (result, taken, _, width) =
            self.parser
                .read_record(window, &mut self.cells, &mut self.ends);
        let first = line_len(window);
        let spans_lines = first.is_some_and(|len| len + 1 < taken);
        let damage = match result {
            ReadRecordResult::Record if spans_lines && !self.is_sound(&window[..taken], width) => {
                Some(InvalidId::UnclosedQuote)
            }
            ReadRecordResult::Record if width <= self.id => Some(InvalidId::Columns),
            ReadRecordResult::Record if self.has_surplus(width) => self.slipped(),
            ReadRecordResult::Record => None,
            // The text ended, or its bound was reached, inside the record.
            _ => Some(self.give_up()),
        };
        let cells = match damage {
            None => Ok(width),
            Some(reason) => {
                let len = first.unwrap_or(window.len()).min(SHOWN);
                self.cells[..len].copy_from_slice(&window[..len]);
                Err((reason, len))
            }
        };
        match first {
            Some(_) if spans_lines && cells.is_ok() => text.take_lines(taken),
            Some(len) => drop(text.take_line(len)),
            None => text.skip_line()?,
        }
        Ok(Some(Record { line, cells }))
    }

    fn skip_blank_lines(&self, text: &mut TextReader) -> Result<(), ListError> {
        loop {
            let window = text.window()?;
            // A tab between cells is no blank.
            let content = window
                .iter()
                .position(|byte| *byte != b' ' && (*byte != b'\t' || self.separator == b'\t'));
            match content {
                Some(len) if matches!(window[len], b'\n' | b'\r') => drop(text.take_line(len)),
                _ => return Ok(()),
            }
        }
    }

    /// Whether a record that spans lines may be believed.
    fn is_sound(&self, record: &[u8], width: usize) -> bool {
        let is_header = self.columns == 0;
        (is_header || width == self.columns) && scan(record, [self.separator]).is_some()
    }

    /// Whether there are cells beyond the header's columns, and not only empty
    /// ones, as spreadsheets write them.
    fn has_surplus(&self, width: usize) -> bool {
        let is_header = self.columns == 0;
        !is_header && (self.columns..width).any(|index| !self.cell(index).trim_ascii().is_empty())
    }

    /// Whether a separator too many may have moved the ID, or stands in it.
    /// What stands in the first column cannot move; but `1,234,567` there is
    /// no 1.
    fn slipped(&self) -> Option<InvalidId> {
        if self.id > 0 {
            return Some(InvalidId::Columns);
        }
        let group = |index, least| {
            let cell = self.cell(index).trim_ascii();
            (least..=3).contains(&cell.len()) && cell.iter().all(u8::is_ascii_digit)
        };
        (self.separator == b',' && group(0, 1) && group(1, 3)).then_some(InvalidId::Grouped)
    }

    /// Ends a record that did not end by itself, and says why it did not.
    fn give_up(&mut self) -> InvalidId {
        // A line end closes any record, unless it is part of a quoted cell.
        let (result, ..) = self.parser.read_record(b"\n", &mut [0], &mut [0]);
        self.parser.reset();
        match result {
            ReadRecordResult::Record => InvalidId::TooLong,
            _ => InvalidId::UnclosedQuote,
        }
    }

    fn cell(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[start..self.ends[index]]
    }
}
