//! The seconds a run waited, by cause.

use serde::Serialize;

use crate::journal::ProcessRow;

/// Seconds waited, by cause.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct WaitTotals {
    /// Until the pace allowed the next call.
    pub rate: f64,
    /// For a backoff to pass.
    pub retry: f64,
    /// For time penalties.
    pub penalty: f64,
    /// For lockouts.
    pub lockout: f64,
    /// For windows to avoid.
    pub window: f64,
}

/// A wait of one cause.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WaitFigures {
    /// What it was for, as the head of a column: `PENALTIES`.
    pub heading: &'static str,
    /// What it was for, in words: `for penalties`.
    pub cause: &'static str,
    /// How long, in seconds.
    pub seconds: f64,
    /// Whether the time was lost; the pace is kept on purpose.
    pub lost: bool,
}

impl WaitTotals {
    /// The waits, cause by cause.
    #[must_use]
    pub const fn by_cause(self) -> [WaitFigures; 5] {
        const fn wait(
            heading: &'static str,
            cause: &'static str,
            seconds: f64,
            lost: bool,
        ) -> WaitFigures {
            WaitFigures {
                heading,
                cause,
                seconds,
                lost,
            }
        }
        [
            wait("PACE", "for the pace", self.rate, false),
            wait("RETRIES", "between tries", self.retry, true),
            wait("PENALTIES", "for penalties", self.penalty, true),
            wait("LOCKOUTS", "for lockouts", self.lockout, true),
            wait("WINDOWS", "for windows to avoid", self.window, false),
        ]
    }

    /// The seconds that were lost.
    #[must_use]
    pub fn lost(self) -> f64 {
        let lost = self.by_cause().into_iter().filter(|wait| wait.lost);
        lost.map(|wait| wait.seconds).sum()
    }

    pub(super) fn of(processes: &[ProcessRow]) -> Self {
        let sum = |of: fn(&ProcessRow) -> f64| {
            let seconds: f64 = processes.iter().map(of).sum();
            (seconds * 1000.0).round() / 1000.0
        };
        Self {
            rate: sum(|process| process.waited.rate),
            retry: sum(|process| process.waited.retry),
            penalty: sum(|process| process.waited.penalty),
            lockout: sum(|process| process.waited.lockout),
            window: sum(|process| process.waited.window),
        }
    }
}
