//! The cells of the bar, drawn by indicatif.
//!
//! Indicatif writes to a terminal itself, and would wait for one that is
//! stopped. So it draws into a string here, and the printer's thread prints it
//! with the rest of the line.

use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// `[###---]` without its brackets: so many of `length` cells are `full`.
pub(super) fn draw(full: usize, length: usize) -> String {
    let cells = Cells::default();
    let target = ProgressDrawTarget::term_like(Box::new(cells.clone()));
    // In halves of a cell: indicatif rounds down, and half a cell more keeps
    // its floating-point share from falling below a whole one.
    let bar = ProgressBar::with_draw_target(Some(2 * length as u64), target);
    if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:{length}}}")) {
        bar.set_style(style.progress_chars("#-"));
    }
    bar.set_position(2 * full as u64 + 1);
    bar.force_draw();
    bar.abandon();
    let mut drawn = cells.0.lock().unwrap_or_else(PoisonError::into_inner);
    // It may have been drawn more than once.
    drawn.truncate(length);
    std::mem::take(&mut drawn)
}

/// What was drawn.
#[derive(Clone, Debug, Default)]
struct Cells(Arc<Mutex<String>>);

impl TermLike for Cells {
    fn width(&self) -> u16 {
        u16::MAX
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.write_str(text).map_err(io::Error::other)
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_cells_are_full() {
        for length in 1..=60 {
            for full in 0..=length {
                let expected = format!("{}{}", "#".repeat(full), "-".repeat(length - full));
                assert_eq!(draw(full, length), expected);
            }
        }
    }
}
