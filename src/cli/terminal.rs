//! Standard error while a run goes on: log lines above, the bar below.
//!
//! Whatever is printed goes through one [`Printer`], so that a line never
//! lands in the middle of the bar, and printing never holds up the run.

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
};

use tracing_subscriber::fmt::MakeWriter;

use super::notice;
use super::printer::{self, Bar, Printer};
use super::settings::{Progress, Verbosity};

/// The width assumed where there is none to ask for.
const WIDTH: u16 = 80;

/// Standard error, shared by the log and the bar. Copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Terminal {
    printer: &'static Printer,
    draws: bool,
    width: fn() -> u16,
    /// Whether lines may be coloured.
    pub(crate) colour: bool,
}

impl Terminal {
    /// Standard error as the settings want it.
    pub(crate) fn stderr(progress: Progress, verbosity: Verbosity) -> Self {
        let able = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|t| t != "dumb");
        let draws = match progress {
            // A bar is no JSON object.
            _ if notice::is_json() => false,
            Progress::Always => true,
            Progress::Never => false,
            Progress::Auto => able && verbosity != Verbosity::Quiet,
        };
        let colour = able && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Self::onto(printer::stderr(), draws, columns, colour)
    }

    /// A terminal behind any printer.
    pub(super) fn onto(
        printer: &'static Printer,
        draws: bool,
        width: fn() -> u16,
        colour: bool,
    ) -> Self {
        Self {
            printer,
            draws,
            width,
            colour,
        }
    }

    /// Whether a bar is drawn; counter lines take its place otherwise.
    pub(crate) fn draws(&self) -> bool {
        self.draws
    }

    /// Draws a bar below the lines from now on, if bars are drawn at all, or
    /// none.
    pub(super) fn draw(&self, bar: Option<Bar>) {
        if self.draws {
            self.printer.draw(bar);
        }
    }

    /// How many columns a bar may fill.
    pub(super) fn columns(&self) -> usize {
        // The last column stays free: some terminals wrap when it is filled.
        usize::from((self.width)().max(1)) - 1
    }

    /// Prints whole lines above the bar.
    pub(crate) fn print(&self, lines: &[u8]) {
        self.printer.print(lines);
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("draws", &self.draws())
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

fn columns() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr())
        .map(|size| size.ws_col)
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(WIDTH)
}

/// The log prints each event with one call of `write`.
impl Write for &Terminal {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.print(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
