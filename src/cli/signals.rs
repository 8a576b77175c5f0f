//! Signals: the first asks the run to stop in good order, the second ends the
//! process at once. The journal makes both safe. And one that is to end nothing.

use std::future::pending;
use std::{fs, io};

use rescind::sweep::{Reason, Stop};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
            _ = hangup => SignalKind::hangup().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }

    /// Stops the run at the first signal; returns at the second, with its
    /// number.
    pub(super) async fn watch(mut self, stop: &Stop) -> i32 {
        let first = self.next().await;
        let stopping = stop.reason().is_some();
        stop.raise(Reason::Signal(first));
        if !stopping {
            tracing::warn!(
                "stopping at {}: calls under way are finished and recorded; once more stops at once",
                name(first)
            );
        }
        self.next().await
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
