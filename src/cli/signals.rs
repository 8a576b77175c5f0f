//! Signals: the first asks the run to stop in good order, the second ends the
//! process at once. The journal makes both safe.

use std::io;

use rescind::sweep::{Reason, Stop};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGHUP, SIGINT and SIGTERM, listened to from the moment it is made.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on; needs a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    pub(super) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.hangup.recv() => SignalKind::hangup().as_raw_value(),
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

/// The name of a signal that is listened to.
fn name(signal: i32) -> &'static str {
    match SignalKind::from_raw(signal) {
        kind if kind == SignalKind::hangup() => "SIGHUP",
        kind if kind == SignalKind::interrupt() => "SIGINT",
        _ => "SIGTERM",
    }
}
