//! Signals: the first asks the run to stop in good order, a second SIGINT or
//! SIGTERM ends the process at once. The journal makes both safe. And one that
//! is to end nothing.

use std::future::pending;
use std::sync::OnceLock;
use std::{fs, io, process, thread};

use rescind::sweep::{Reason, Shutdown};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::count_unprinted;
use super::{exit, printer};

/// The code of a process whose end is recorded: nothing is left to be done but
/// to show the report, and that the next signal may cut off.
static RECORDED: OnceLock<u8> = OnceLock::new();

/// SIGHUP, SIGINT and SIGTERM, listened to from the moment it is made. A
/// SIGHUP that is ignored by then stays so: that is what `nohup` asks for.
pub(super) struct Signals {
    hangup: Option<Signal>,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on; needs a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: (!is_ignored(SignalKind::hangup()))
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    pub(super) async fn next(&mut self) -> i32 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            // systemd sends SIGHUP right behind SIGTERM: the latter counts.
            biased;
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = hangup => SignalKind::hangup().as_raw_value(),
        }
    }
}

/// Listens from now on, on a thread of its own, so that nothing the run waits
/// for makes it deaf: the first signal stops the run, a second SIGINT or
/// SIGTERM ends the process. SIGHUP is never the second: a shell and the kernel
/// send one each when a window is closed, and service managers send it along
/// with SIGTERM.
///
/// `cut` is what is left to be done where a second signal ends the process
/// before its end is recorded.
pub(super) fn watch(stop: Shutdown, cut: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let attend = async move {
        let mut wishes = Wishes::default();
        loop {
            let number = signals.next().await;
            match wishes.wish(number, RECORDED.get().copied()) {
                Wish::Nothing => {}
                Wish::Stop => {
                    let stopping = stop.reason().is_some();
                    stop.raise(Reason::Signal(number));
                    if !stopping {
                        tracing::warn!(
                            "stopping at {}: calls under way are finished and recorded; \
                             Ctrl-C or SIGTERM once more stops at once",
                            name(number)
                        );
                    }
                }
                Wish::End(code) => {
                    tracing::warn!("ended at once by {}", name(number));
                    if !is_recorded() {
                        cut(number);
                    }
                    end(code);
                }
            }
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(attend))
        .map(drop)
}

/// From now on the process ends with this code, whatever still holds it up.
pub(super) fn recorded(code: u8) {
    let _ = RECORDED.set(code);
}

/// Whether the end of the process is recorded.
pub(super) fn is_recorded() -> bool {
    RECORDED.get().is_some()
}

#[expect(
    clippy::exit,
    reason = "the thread that would return may be in a write that never returns"
)]
fn end(code: u8) -> ! {
    printer::stderr().draw(None);
    printer::stderr().drain(printer::PATIENCE / 10);
    count_unprinted();
    process::exit(code.into())
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Nothing,
    /// To stop in good order.
    Stop,
    /// To end at once, with this code.
    End(u8),
}

/// The signals so far.
#[derive(Default)]
struct Wishes {
    /// Whether one was SIGINT or SIGTERM.
    pressed: bool,
}

impl Wishes {
    /// What the next signal asks for; `recorded` is the code of a process whose
    /// end is recorded.
    fn wish(&mut self, number: i32, recorded: Option<u8>) -> Wish {
        let hangup = number == SignalKind::hangup().as_raw_value();
        match recorded {
            Some(_) if hangup => Wish::Nothing,
            Some(code) => Wish::End(code),
            None if hangup => Wish::Stop,
            None if self.pressed => Wish::End(exit::signal(number)),
            None => {
                self.pressed = true;
                Wish::Stop
            }
        }
    }
}

/// Has a write beyond the size that a file may have (`ulimit -f`) fail like
/// any other, where the system would end the process without a word. That
/// lasts for the process, not for the programs that it starts.
pub(super) fn outlive_file_limits() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    // Once there is a handler it stays, also without the runtime.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Whether whoever started the process had it ignore a signal; where the
/// system does not say so, it is not.
fn is_ignored(signal: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// The name of a signal that is listened to.
fn name(signal: i32) -> &'static str {
    match SignalKind::from_raw(signal) {
        kind if kind == SignalKind::hangup() => "SIGHUP",
        kind if kind == SignalKind::interrupt() => "SIGINT",
        _ => "SIGTERM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUP: i32 = 1;
    const INT: i32 = 2;
    const TERM: i32 = 15;

    #[test]
    fn only_a_second_sigint_or_sigterm_ends_at_once() {
        for (signals, last) in [
            (&[HUP, HUP, HUP][..], Wish::Stop),
            (&[TERM, HUP, HUP], Wish::Stop),
            (&[HUP, TERM], Wish::Stop),
            (&[HUP, TERM, HUP, INT], Wish::End(130)),
            (&[INT, INT], Wish::End(130)),
            (&[INT, TERM], Wish::End(143)),
        ] {
            let mut wishes = Wishes::default();
            let told: Vec<_> = signals.iter().map(|it| wishes.wish(*it, None)).collect();
            let (end, before) = told.split_last().unwrap();
            assert_eq!(*end, last, "{signals:?}");
            assert!(before.iter().all(|it| *it == Wish::Stop), "{signals:?}");
        }
    }

    #[test]
    fn once_the_end_is_recorded_the_next_signal_ends_with_its_code() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.wish(HUP, Some(3)), Wish::Nothing);
        assert_eq!(wishes.wish(INT, Some(3)), Wish::End(3));
    }
}
