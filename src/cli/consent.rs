//! The confirmation of a real environment: a person types the number of IDs.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use super::problem::Problem;

/// Whether somebody could be asked.
pub(super) fn is_possible() -> bool {
    io::stderr().is_terminal() && OpenOptions::new().read(true).open("/dev/tty").is_ok()
}

/// Asks the person at the terminal to type the number of IDs. The terminal is
/// asked, not standard input: the list may come from there.
pub(super) fn ask(environment: &str, ids: u64) -> Result<(), Problem> {
    let failed = |error: io::Error| {
        Problem::usage("cannot ask at the terminal")
            .caused_by(&error)
            .hint("give consent beforehand with --yes")
    };
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(failed)?;
    let mut out = &terminal;
    write!(
        out,
        "This revokes {ids} permissions on {environment}. There is no way back.\n\
         Type the number of IDs to go on: "
    )
    .map_err(failed)?;
    let mut typed = String::new();
    BufReader::new(&terminal)
        .read_line(&mut typed)
        .map_err(failed)?;
    if typed.trim().replace([',', '.', '\''], "") == ids.to_string() {
        return Ok(());
    }
    Err(Problem::usage("not confirmed; nothing was sent"))
}
