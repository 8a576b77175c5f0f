//! Panics: a fault of the program ends it with 1 and a message, like any other
//! failure, and is logged where it happened.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use super::exit;
use crate::cli::error::CliError;

/// Logs every panic from now on, of whatever thread.
pub(super) fn log() {
    panic::set_hook(Box::new(|info| {
        let at = info.location().map(tracing::field::display);
        tracing::error!(at, "internal error: {}", words(info.payload()));
    }));
}

/// Does something; a panic is a problem.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, CliError>) -> Result<T, CliError> {
    // What was half changed is dropped with the process; the journal is made
    // to be left at any moment.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(problem(&*panic)))
}

/// A panic as the process ends with it.
pub(super) fn problem(panic: &(dyn Any + Send)) -> CliError {
    let words = words(panic);
    // tokio panics where the system has no thread or file to give.
    let hint = if words.contains("OS can't spawn") || words.contains("failed to create") {
        "raise the limits on open files (ulimit -n) and processes (ulimit -u), and try again"
    } else {
        "what was recorded stays true, and rescind resume carries on from there; \
         please report this with the run's run.log"
    };
    CliError::new(exit::ERROR, format!("internal error: {words}")).hint(hint)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        let ended = caught::<u8>(|| panic!("no {}", "way"));
        let problem = ended.unwrap_err();
        assert_eq!(problem.code, exit::ERROR);
        assert_eq!(problem.message, "internal error: no way");
        assert_eq!(caught(|| Ok(7)), Ok(7));
    }
}
