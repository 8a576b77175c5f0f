//! What the binary says when it cannot go on: one `error:` line, the chain of
//! causes, and what to do next.

use std::{
    error::Error,
    io::{self, ErrorKind, Write},
};

use rusqlite::ErrorCode;

use rescind::journal::causes;
use rescind::report::visible;

use super::exit;

/// An error at the edge of the process, with the exit code it leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CliError {
    /// The exit code.
    pub(crate) code: u8,
    /// A lower-case fragment; never carries a secret.
    pub(crate) message: String,
    /// The causes, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl CliError {
    /// A problem that ends the process with `code` (see [`exit`]).
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// Usage, settings or input: nothing was sent.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Adds `error` and everything below it as causes; where the disk is one
    /// of them, with what to do about it.
    pub(crate) fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        self.causes.extend(causes(error));
        let mut next = Some(error);
        while let Some(error) = next {
            self.hint = self.hint.or_else(|| advice(error).map(str::to_owned));
            next = error.source();
        }
        self
    }

    /// Adds advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where the disk was the cause, there is a run by now: to try again is to
    /// carry it on by this command, and not to begin another.
    pub(crate) fn then(mut self, command: &str) -> Self {
        for advice in [MAKE_ROOM, MAKE_WRITABLE, MAKE_WAY, LOOK_AT_THE_DISK] {
            if self.hint.as_deref() == Some(advice) {
                let made = advice.trim_end_matches(", and try again");
                self.hint = Some(format!("{made}, then: {command}"));
            }
        }
        self
    }

    /// What had stopped the process before this came on top of it, if anything:
    /// that is said first.
    pub(crate) fn after(mut self, earlier: &str) -> Self {
        if !earlier.is_empty() {
            self.message = format!("{earlier}; and {}", self.message);
        }
        self
    }

    /// The problem and its causes, for a record.
    pub(crate) fn in_one_line(&self) -> String {
        let parts: Vec<_> = [&self.message].into_iter().chain(&self.causes).collect();
        parts.into_iter().cloned().collect::<Vec<_>>().join(": ")
    }

    /// Prints the problem for a person. Paths, cells and names come from
    /// outside: none of them steers the terminal or makes a line of its own.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "error: {}", visible(&self.message))?;
        for cause in &self.causes {
            writeln!(out, "caused by: {}", visible(cause))?;
        }
        if let Some(hint) = &self.hint {
            // It may be several lines of our own, with a command to copy.
            let lines: Vec<_> = hint.split('\n').map(visible).collect();
            writeln!(out, "\nhint: {}", lines.join("\n"))?;
        }
        Ok(())
    }
}

/// What to do where a disk is full, where it cannot be written to at all,
/// where something stands in the place of a file, and where nobody says what
/// it is about the disk.
const MAKE_ROOM: &str = "make room, and try again";
const MAKE_WRITABLE: &str = "make it writable, and try again";
pub(super) const MAKE_WAY: &str = "nothing is lost: the journal is complete; move away what is in the place of the file, and try again";
const LOOK_AT_THE_DISK: &str = "see whether the disk is in order and has room, and whether the \
                                size of files is limited (ulimit -f), and try again";

/// What to do where a journal cannot even be looked at. One with a write-ahead
/// log needs an index beside it, which whoever reads it has to be able to make.
const MAKE_READABLE: &str = "run it as the user who owns the run; or copy its folder (journal.db, \
                             and journal.db-wal where there is one) to where you may write";

/// What to do where a disk takes no more.
fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let by_system = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let by_database = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    match (by_system, by_database) {
        (Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge), _)
        | (_, Some(ErrorCode::DiskFull)) => Some(MAKE_ROOM),
        (Some(ErrorKind::ReadOnlyFilesystem), _) | (_, Some(ErrorCode::ReadOnly)) => {
            Some(MAKE_WRITABLE)
        }
        (_, Some(ErrorCode::SystemIoFailure)) => Some(LOOK_AT_THE_DISK),
        (_, Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied)) => Some(MAKE_READABLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_its_causes_and_then_its_hint() {
        let problem = CliError::usage("cannot read x.toml")
            .caused_by(&io::Error::other("gone"))
            .hint("look for it");
        let mut out = Vec::new();
        problem.print(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "error: cannot read x.toml\ncaused by: gone\n\nhint: look for it\n"
        );
        assert_eq!(problem.code, 2);
    }

    #[test]
    fn what_came_first_is_said_first() {
        let problem = CliError::new(1, "the results could not be written");
        let both = problem.clone().after("the token was refused");
        let words = "the token was refused; and the results could not be written";
        assert_eq!(both.message, words);
        assert_eq!(problem.clone().after(""), problem);
    }
}
