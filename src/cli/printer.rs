//! Printing on standard error, on a thread of its own.
//!
//! A terminal in Ctrl-S and a pipe that is not read block whoever writes to
//! them, for hours if need be. Only this thread does. What it cannot print in
//! time waits in a queue of bounded size, and what does not fit in there is
//! dropped and counted.
//!
//! The thread also draws the bar below the lines: one line, drawn anew with
//! every line that is printed and a few times a second. The cursor rests at
//! its start, and everything from there on is erased before the next drawing.
//! So a bar that a narrower window has wrapped into several rows leaves
//! nothing behind.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the bar is drawn anew: seconds count down, and nothing flickers.
const TICK: Duration = Duration::from_millis(200);

/// The bytes of lines that may wait to be printed.
const ROOM: usize = 256 << 10;

/// What is handed to the system at once. Smaller pieces show progress where a
/// slow terminal takes its time.
const PIECE: usize = 4 << 10;

/// Takes the bar away: erases from the cursor to the end of the screen.
const ERASE: &[u8] = b"\r\x1b[J";

/// How long a terminal may take nothing before the process ends without it.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Makes the text of the bar.
pub(super) type Bar = Arc<dyn Fn() -> String + Send + Sync>;

/// A thread that prints, to the end of the process.
pub(super) struct Printer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    bar: Option<Bar>,
    /// Whether the bar is on the screen.
    drawn: bool,
    /// Whether the thread is writing, and how many lines it has in hand.
    writing: bool,
    in_hand: u64,
    /// Bytes written so far.
    written: u64,
    /// Lines that were not printed.
    dropped: u64,
    /// Whether lines are written by the caller, for want of a thread.
    direct: bool,
}

/// The printer of standard error.
pub(super) fn stderr() -> &'static Printer {
    static STDERR: OnceLock<Printer> = OnceLock::new();
    STDERR.get_or_init(|| {
        Printer::start(io::stderr()).unwrap_or_else(|_| {
            // The limit on processes is reached; the command fails for it soon.
            let printer = Printer(Arc::default());
            printer.0.lock().direct = true;
            printer
        })
    })
}

impl Printer {
    /// Starts a thread that prints onto `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        thread::Builder::new()
            .name("printer".into())
            .spawn(move || its.serve(out))?;
        Ok(Self(shared))
    }

    /// Prints whole lines, above the bar. Never waits.
    pub(super) fn print(&self, lines: &[u8]) {
        let mut queue = self.0.lock();
        if queue.direct {
            drop(queue);
            // Nothing else can be done where standard error is closed.
            let _ = io::stderr().write_all(lines);
            return;
        }
        if queue.lines.len() + lines.len() > ROOM && !queue.lines.is_empty() {
            queue.dropped += count(lines);
            return;
        }
        queue.lines.extend_from_slice(lines);
        self.0.changed.notify_all();
    }

    /// Draws this bar from now on, or none.
    pub(super) fn draw(&self, bar: Option<Bar>) {
        self.0.lock().bar = bar;
        self.0.changed.notify_all();
    }

    /// Waits until everything is printed. `false` if nothing could be printed
    /// for so long before that.
    pub(super) fn drain(&self, patience: Duration) -> bool {
        let mut queue = self.0.lock();
        let (mut written, mut since) = (queue.written, Instant::now());
        while !queue.is_drained() {
            if queue.written != written {
                (written, since) = (queue.written, Instant::now());
            }
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lines that were not printed, those included that still wait.
    pub(super) fn unprinted(&self) -> u64 {
        let queue = self.0.lock();
        queue.dropped + queue.in_hand + count(&queue.lines)
    }
}

impl Queue {
    fn is_drained(&self) -> bool {
        self.direct || (self.lines.is_empty() && !self.writing && self.drawn == self.bar.is_some())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut out: impl Write) {
        let mut queue = self.lock();
        loop {
            let drawn = Instant::now();
            while queue.is_drained() && (queue.bar.is_none() || drawn.elapsed() < TICK) {
                let wait = if queue.bar.is_some() {
                    TICK.saturating_sub(drawn.elapsed())
                } else {
                    Duration::MAX
                };
                let waited = self.changed.wait_timeout(queue, wait);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let mut frame = if queue.drawn {
                ERASE.to_vec()
            } else {
                Vec::new()
            };
            frame.append(&mut queue.lines);
            let bar = queue.bar.clone();
            queue.drawn = bar.is_some();
            (queue.writing, queue.in_hand) = (true, count(&frame));
            drop(queue);
            if let Some(bar) = bar {
                frame.extend(bar().bytes());
                frame.push(b'\r');
            }
            self.write(&mut out, &frame);
            queue = self.lock();
            queue.dropped += queue.in_hand;
            (queue.writing, queue.in_hand) = (false, 0);
            self.changed.notify_all();
        }
    }

    /// What fails is passed over: a terminal that is gone (a lost session, a
    /// closed pipe) is no reason for a run to fail.
    fn write(&self, out: &mut impl Write, frame: &[u8]) {
        for piece in frame.chunks(PIECE) {
            if out.write_all(piece).and_then(|()| out.flush()).is_err() {
                return;
            }
            let mut queue = self.lock();
            queue.written += piece.len() as u64;
            queue.in_hand -= count(piece);
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Far longer than a thread needs, on a busy machine, too.
    const LONG: Duration = Duration::from_mins(1);

    /// A printer whose output can be looked at.
    pub(in crate::cli) struct Printed {
        pub(in crate::cli) printer: &'static Printer,
        out: Arc<Mutex<Vec<u8>>>,
    }

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Printed {
        pub(in crate::cli) fn new() -> Self {
            let out = Arc::default();
            let printer = Printer::start(Kept(Arc::clone(&out))).unwrap();
            let printer = Box::leak(Box::new(printer));
            Self { printer, out }
        }

        /// All that was printed.
        pub(in crate::cli) fn text(&self) -> String {
            assert!(self.printer.drain(LONG));
            String::from_utf8(self.out.lock().unwrap().clone()).unwrap()
        }

        pub(in crate::cli) fn clear(&self) {
            assert!(self.printer.drain(LONG));
            self.out.lock().unwrap().clear();
        }
    }

    /// A terminal in Ctrl-S: each write waits until it is let through.
    struct StoppedTerminal {
        begun: Sender<()>,
        go: Receiver<()>,
        out: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for StoppedTerminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(()).unwrap();
            // Once the sender is gone everything goes through.
            let _ = self.go.recv();
            self.out.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stopped_terminal_delays_nothing_and_losses_are_counted() {
        let (begun, writing) = channel();
        let (go, hold) = channel();
        let out = Arc::default();
        let printer = Printer::start(StoppedTerminal {
            begun,
            go: hold,
            out: Arc::clone(&out),
        });
        let printer = printer.unwrap();
        printer.print(b"first\n");
        writing.recv().unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..2 * ROOM / line.len() {
            printer.print(&line);
        }
        let room = (ROOM / line.len()) as u64;
        assert!(!printer.drain(Duration::from_millis(1)));
        // The one in hand, those that wait, and those that are lost.
        assert_eq!(printer.unprinted(), 1 + 2 * room);
        drop(go);
        assert!(printer.drain(LONG));
        assert_eq!(printer.unprinted(), room);
        let out = out.lock().unwrap();
        assert!(out.starts_with(b"first\nx"));
        assert_eq!(count(&out), 1 + room);
    }

    #[test]
    fn a_terminal_that_is_gone_harms_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let printer = Printer::start(Gone).unwrap();
        printer.draw(Some(Arc::new(|| "[##--]".to_owned())));
        printer.print(b"words\n");
        printer.draw(None);
        assert!(printer.drain(LONG));
        assert_eq!(printer.unprinted(), 1);
    }
}
