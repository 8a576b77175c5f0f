//! Exit codes: why the process stopped. Other programs rely on them; new ones
//! may be added, and an unknown one is a failure.

macro_rules! exit_codes {
    ($($name:ident = $code:literal: $sentence:literal)+) => {
        $(#[doc = $sentence] pub(crate) const $name: u8 = $code;)+

        /// Every code with its sentence, as `rescind --help` shows them.
        pub(crate) const TABLE: &[(u8, &str)] = &[$(($name, $sentence)),+];
    };
}

exit_codes! {
    COMPLETE = 0: "complete: every row's ID is revoked"
    ERROR = 1: "error: internal error, journal not writable or not trusted, or disk full"
    USAGE = 2: "usage, settings or input; nothing was sent"
    PARTIAL = 3: "partial: finished, but some IDs are not revoked or some rows were invalid"
    EMPTY = 4: "empty: the list holds nothing (--allow-empty makes it 0)"
    DEFERRED = 5: "deferred: stopped by a wait that does not fit; resume continues"
    STOPPED = 6: "stopped: by the first batch or the breaker"
    HELD = 7: "held: by a cap, or because the run is old; needs a person"
    UNAUTHORIZED = 8: "unauthorized: token or log-in refused, or none found; resume continues"
    MISMATCH = 9: "mismatch: reading back found what should not be"
    LOCKED = 11: "locked: another process holds the lock"
    HANGUP = 129: "interrupted by SIGHUP; resume continues"
    INTERRUPT = 130: "interrupted by SIGINT (Ctrl-C); resume continues"
    TERMINATED = 143: "interrupted by SIGTERM; resume continues"
}

/// The code of a process that a signal ended, by the shell's convention.
pub(crate) fn signal(number: i32) -> u8 {
    u8::try_from(128 + number).unwrap_or(ERROR)
}
