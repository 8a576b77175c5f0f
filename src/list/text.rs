//! The text of a list in a buffer of fixed size, with the number of the line.
//!
//! Promises that a whole record can be looked at before it is taken, so that
//! a damaged one can be given up and reading carried on at its second line.
//! A line ends with LF, CRLF or a CR alone.

use std::ops::Range;

use memchr::memchr2;

use super::ListError;
use crate::list::input::ListText;

/// No record of a list is longer. It bounds what a stray quote can swallow.
pub(super) const MAX_RECORD: usize = 64 * 1024;

/// A line that is longer than [`MAX_RECORD`] is stepped over, up to this many
/// bytes. One that does not end by then may never end.
const MAX_LINE: usize = 128 << 20;

const BUFFER: usize = 4 * MAX_RECORD;

pub(super) struct TextReader {
    source: ListText,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    line: u64,
}

impl TextReader {
    pub(super) fn new(source: ListText) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            ended: false,
            line: 1,
        }
    }

    pub(super) fn source(&self) -> &ListText {
        &self.source
    }

    pub(super) fn into_source(self) -> ListText {
        self.source
    }

    /// The line at which the next byte stands, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next [`MAX_RECORD`] bytes, or fewer where the text ends; none at
    /// its end. The last line is closed by a line end even if the list does
    /// not close it.
    #[inline]
    pub(super) fn window(&mut self) -> Result<&[u8], ListError> {
        // One more byte shows whether a CR at the edge is half of a CRLF.
        if self.end - self.start <= MAX_RECORD && !self.ended {
            self.fill()?;
        }
        let end = self.end.min(self.start + MAX_RECORD);
        Ok(&self.buffer[self.start..end])
    }

    #[cold]
    fn fill(&mut self) -> Result<(), ListError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end <= MAX_RECORD && !self.ended {
            // A byte is kept for the line end of the last line.
            let free = self.end..self.buffer.len() - 1;
            match self.source.read(&mut self.buffer[free])? {
                0 => {
                    self.buffer[self.end] = b'\n';
                    self.end += 1;
                    self.ended = true;
                }
                read => self.end += read,
            }
        }
        Ok(())
    }

    /// Steps over `len` bytes of one line, without its end.
    pub(super) fn skip(&mut self, len: usize) {
        self.start += len;
    }

    /// Takes `len` bytes that reach up to a line end, and the line end.
    #[inline]
    pub(super) fn take_line(&mut self, len: usize) -> Range<usize> {
        let taken = self.start..self.start + len;
        let crlf = self.buffer[taken.end..self.end].starts_with(b"\r\n");
        self.start = taken.end + if crlf { 2 } else { 1 };
        self.line += 1;
        taken
    }

    /// Takes `len` bytes that reach up to and into a line end, and the rest
    /// of that line end.
    pub(super) fn take_lines(&mut self, len: usize) {
        let until = self.start + len;
        while let Some(len) = line_len(&self.buffer[self.start..self.end.min(until)]) {
            self.take_line(len);
            if self.start >= until {
                break;
            }
        }
    }

    /// Bytes taken just now; the next look at the window may move them.
    pub(super) fn taken(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Steps over the rest of the line.
    pub(super) fn skip_line(&mut self) -> Result<(), ListError> {
        let mut skipped = 0;
        while skipped <= MAX_LINE {
            let window = self.window()?;
            match line_len(window) {
                Some(len) => {
                    self.take_line(len);
                    return Ok(());
                }
                None if window.is_empty() => return Ok(()),
                None => {
                    let len = window.len();
                    self.skip(len);
                    skipped += len;
                }
            }
        }
        Err(ListError::EndlessLine {
            name: self.source.name().to_owned(),
            line: self.line,
        })
    }
}

/// The length of the first line without its end, if it ends here.
#[inline]
pub(super) fn line_len(text: &[u8]) -> Option<usize> {
    memchr2(b'\n', b'\r', text)
}
