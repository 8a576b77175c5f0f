//! A table for a terminal: every column as wide as its widest cell, and the
//! columns that can be spared left out where they do not fit.

use super::Style;
use super::text::TextPage;
use crate::report::tone::Tone;

/// A column of a [`Grid`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    header: &'static str,
    right: bool,
    /// When it is left out, the lowest first; 0 is never.
    spare: u8,
}

impl Column {
    /// Words, beginning at the left.
    pub(super) const fn left(header: &'static str) -> Self {
        Self {
            header,
            right: false,
            spare: 0,
        }
    }

    /// Numbers, ending at the right.
    pub(super) const fn right(header: &'static str) -> Self {
        Self {
            right: true,
            ..Self::left(header)
        }
    }

    /// May be left out, as the `order`-th one.
    pub(super) const fn spare(self, order: u8) -> Self {
        Self {
            spare: order,
            ..self
        }
    }
}

/// What stands in a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell that stands out, where there is colour.
    pub(super) fn toned(text: String, tone: Tone) -> Self {
        Self {
            text,
            tone: Some(tone),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A table in the making.
#[derive(Debug)]
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<TextRow>,
}

#[derive(Debug)]
enum TextRow {
    /// Cells for the first columns, and perhaps words in place of the others.
    Cells(Vec<Cell>, Option<String>),
    /// Words about the row above.
    Remark(String, Tone),
    /// What to type about it.
    Command(String),
}

impl TextRow {
    fn cell(&self, column: usize) -> Option<&Cell> {
        match self {
            Self::Cells(cells, _) => cells.get(column),
            Self::Remark(..) | Self::Command(_) => None,
        }
    }
}

impl Grid {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for every column.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(TextRow::Cells(cells, None));
    }

    /// Adds a row with cells for the first columns, and words in place of all
    /// the others.
    pub(super) fn spanned(&mut self, cells: Vec<Cell>, words: String) {
        self.rows.push(TextRow::Cells(cells, Some(words)));
    }

    /// Adds words about the last row, on lines of their own.
    pub(super) fn remark(&mut self, words: String, tone: Tone) {
        self.rows.push(TextRow::Remark(words, tone));
    }

    /// Adds what to type about the last row. It is never broken: it is there
    /// to be copied.
    pub(super) fn command(&mut self, command: String) {
        self.rows.push(TextRow::Command(command));
    }

    /// Lays the table out, `indent` blanks from the left.
    pub(super) fn lay(&self, page: &mut TextPage, indent: usize) {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.cell(column));
                let cells = cells.map(|cell| cell.text.chars().count());
                let header = self.columns[column].header.len();
                cells.chain([header]).max().unwrap_or(0)
            })
            .collect();
        let shown = self.fitting(&widths, page.style.width.saturating_sub(indent));
        let indent = " ".repeat(indent);
        let header = shown.iter().map(|column| {
            let cell = Cell::from(self.columns[*column].header);
            self.padded(*column, &cell, widths[*column], Style::PLAIN)
        });
        let header = header.collect::<Vec<_>>().join("  ");
        page.bold(&format!("{indent}{}", header.trim_end()));
        for row in &self.rows {
            let words = match row {
                TextRow::Cells(_, words) => words.as_ref(),
                TextRow::Remark(words, tone) => {
                    let first = format!("{indent}  ! ");
                    page.remark(&first, words, *tone);
                    continue;
                }
                TextRow::Command(command) => {
                    page.line(&format!("{indent}      {command}"));
                    continue;
                }
            };
            let laid = shown.iter().filter_map(|column| {
                let cell = row.cell(*column)?;
                Some(self.padded(*column, cell, widths[*column], page.style))
            });
            let line: Vec<String> = laid.chain(words.cloned()).collect();
            page.line(format!("{indent}{}", line.join("  ")).trim_end());
        }
    }

    /// The columns that are shown: all, or as many as fit.
    fn fitting(&self, widths: &[usize], width: usize) -> Vec<usize> {
        let most = self.columns.iter().map(|column| column.spare).max();
        let kept = |without: u8| -> Vec<usize> {
            let columns = self.columns.iter().enumerate();
            let kept = columns.filter(|(_, column)| column.spare == 0 || column.spare > without);
            kept.map(|(index, _)| index).collect()
        };
        let wide = |shown: &[usize]| -> usize {
            let all: usize = shown.iter().map(|column| widths[*column] + 2).sum();
            all.saturating_sub(2)
        };
        (0..most.unwrap_or(0))
            .map(kept)
            .find(|shown| wide(shown) <= width)
            .unwrap_or_else(|| kept(u8::MAX))
    }

    fn padded(&self, column: usize, cell: &Cell, width: usize, style: Style) -> String {
        let pad = " ".repeat(width.saturating_sub(cell.text.chars().count()));
        let text = match cell.tone {
            Some(tone) if style.colour => {
                format!("\u{1b}[{}m{}\u{1b}[0m", tone.colour(), cell.text)
            }
            _ => cell.text.clone(),
        };
        if self.columns[column].right {
            format!("{pad}{text}")
        } else {
            format!("{text}{pad}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(width: usize, colour: bool) -> String {
        let mut grid = Grid::new(&[
            Column::left("WHEN").spare(1),
            Column::left("RUN"),
            Column::right("IDS"),
            Column::left("WORDS").spare(2),
        ]);
        let toned = Cell::toned("bad".into(), Tone::Bad);
        grid.row(vec!["today".into(), toned, "1,234".into(), "".into()]);
        grid.row(vec!["now".into(), "b".into(), "7".into(), "why".into()]);
        grid.remark("look at it".into(), Tone::Wary);
        grid.command("look b".into());
        grid.spanned(vec!["?".into(), "c".into()], "it is damaged".into());
        let mut page = TextPage::new(Style { colour, width });
        grid.lay(&mut page, 1);
        page.text
    }

    #[test]
    fn columns_are_aligned_and_the_spare_ones_go_first() {
        assert_eq!(
            laid(80, false),
            " WHEN   RUN    IDS  WORDS\n today  bad  1,234\n now    b        7  why\n   ! look at it\n       look b\n ?      c    it is damaged\n"
        );
        assert_eq!(
            laid(24, false),
            " RUN    IDS  WORDS\n bad  1,234\n b        7  why\n   ! look at it\n       look b\n c    it is damaged\n"
        );
        assert_eq!(
            laid(3, false),
            " RUN    IDS\n bad  1,234\n b        7\n   ! look at it\n       look b\n c    it is damaged\n"
        );
    }

    #[test]
    fn colour_repeats_what_is_said_and_shifts_no_column() {
        let painted = laid(80, true);
        assert!(painted.contains("today  \u{1b}[31mbad\u{1b}[0m  1,234"));
        let plain = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[0m"]
            .iter()
            .fold(painted, |text, ours| text.replace(ours, ""));
        assert_eq!(plain, laid(80, false));
    }
}
