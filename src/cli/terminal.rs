//! Standard error while a run goes on: log lines above, the bar below.
//!
//! Whatever is printed goes through one [`Terminal`], so that a line never
//! lands in the middle of the bar. A terminal that is gone (a lost session, a
//! closed pipe) is no reason for a run to fail: what cannot be written there
//! is passed over, and `run.log` has it all.

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};
use tracing_subscriber::fmt::MakeWriter;

use super::settings::{Progress, Verbosity};

/// Drawings a second, at most.
const REFRESH: u8 = 10;

/// The width assumed where there is none to ask for, and the most that a bar
/// takes: what was drawn wider would be broken when somebody makes the window
/// narrower, and its first half would stay.
const WIDTH: u16 = 80;

type Out = Arc<Mutex<dyn Write + Send>>;

/// Standard error, shared by the log and the bar. Clones are the same.
#[derive(Clone)]
pub(crate) struct Terminal {
    out: Out,
    bars: Option<MultiProgress>,
    width: fn() -> u16,
    /// Whether lines may be coloured.
    pub(crate) colour: bool,
}

impl Terminal {
    /// Standard error as the settings want it.
    pub(crate) fn stderr(progress: Progress, verbosity: Verbosity) -> Self {
        let able = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|t| t != "dumb");
        let draw = match progress {
            Progress::Always => true,
            Progress::Never => false,
            Progress::Auto => able && verbosity != Verbosity::Quiet,
        };
        let colour = able && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Self::onto(Arc::new(Mutex::new(io::stderr())), draw, columns, colour)
    }

    /// A terminal onto anything.
    pub(super) fn onto(out: Out, draw: bool, width: fn() -> u16, colour: bool) -> Self {
        let bars = draw.then(|| {
            let canvas = Canvas {
                out: Arc::clone(&out),
                frame: Mutex::default(),
                width,
            };
            let target = ProgressDrawTarget::term_like_with_hz(Box::new(canvas), REFRESH);
            MultiProgress::with_draw_target(target)
        });
        Self {
            out,
            bars,
            width,
            colour,
        }
    }

    /// Whether a bar is drawn; counter lines take its place otherwise.
    pub(crate) fn draws(&self) -> bool {
        self.bars.is_some()
    }

    /// Puts a bar below the lines, if bars are drawn at all.
    pub(super) fn attach(&self, bar: ProgressBar) -> Option<ProgressBar> {
        Some(self.bars.as_ref()?.add(bar))
    }

    /// How many columns a bar may fill.
    pub(super) fn columns(&self) -> usize {
        // The last column stays free: some terminals wrap when it is filled.
        usize::from((self.width)().clamp(1, WIDTH)) - 1
    }

    /// Prints whole lines above the bar.
    pub(crate) fn print(&self, lines: &[u8]) {
        let print = || write(&self.out, lines);
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
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

fn write(out: &Mutex<dyn Write + Send>, bytes: &[u8]) {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody is left to be told if this fails.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
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

/// Where indicatif draws: each frame reaches the terminal in one piece, so
/// that nothing flickers, and no failure comes back, since indicatif would
/// panic.
struct Canvas {
    out: Out,
    frame: Mutex<String>,
    width: fn() -> u16,
}

impl Canvas {
    fn add(&self, text: &str) {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        frame.push_str(text);
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "drawing passes failures over, and the trait wants results"
    )]
    fn steer(&self, n: usize, direction: char) -> io::Result<()> {
        if n > 0 {
            self.add(&format!("\x1b[{n}{direction}"));
        }
        Ok(())
    }
}

impl fmt::Debug for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canvas")
    }
}

impl TermLike for Canvas {
    /// It is filled up with blanks so far.
    fn width(&self) -> u16 {
        (self.width)().min(WIDTH)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text);
        self.add("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = std::mem::take(&mut *frame);
        if !frame.is_empty() {
            write(&self.out, frame.as_bytes());
        }
        Ok(())
    }
}
