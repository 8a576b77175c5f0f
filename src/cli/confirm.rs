//! The confirmation of a real environment: a person types the number of IDs.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use rescind::journal::RunMeta;
use rescind::report::{column, number, visible};

use super::printer::{PATIENCE, stderr};
use crate::cli::error::CliError;

/// Whether somebody could be asked.
pub(super) fn is_possible() -> bool {
    io::stderr().is_terminal() && OpenOptions::new().read(true).open("/dev/tty").is_ok()
}

/// Asks the person at the terminal to type the number of `ids` of the list
/// frozen with `facts`. The terminal is asked, not standard input: the list may
/// come from there.
pub(super) fn ask(facts: &RunMeta, ids: u64) -> Result<(), CliError> {
    let failed = |error: io::Error| {
        CliError::usage("cannot ask at the terminal")
            .caused_by(&error)
            .hint("give consent beforehand with --yes")
    };
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(failed)?;
    // Notes that belong to the question come before it.
    stderr().drain(PATIENCE);
    let mut out = &terminal;
    write!(
        out,
        "{} There is no way back.\nType the number of IDs to go on: ",
        question(facts, ids)
    )
    .map_err(failed)?;
    let mut typed = String::new();
    BufReader::new(&terminal)
        .read_line(&mut typed)
        .map_err(failed)?;
    if typed.trim().replace([',', '.', '\''], "") == ids.to_string() {
        return Ok(());
    }
    Err(CliError::usage("not confirmed; nothing was sent"))
}

/// What would be done: how much, of which list, and where.
fn question(facts: &RunMeta, ids: u64) -> String {
    let list = match facts.input_path.as_str() {
        "-" => "standard input",
        path => path,
    };
    let what = if ids == 1 {
        "permission"
    } else {
        "permissions"
    };
    let question = format!(
        "This revokes {} {what} of {list} ({}) on {} ({}).",
        number(ids),
        column(&facts.column),
        facts.environment.to_uppercase(),
        facts.base_url
    );
    visible(&question).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_list_its_column_and_the_place() {
        let mut facts = RunMeta {
            created: "2026-11-23T02:00:00Z".parse().unwrap(),
            environment: "live".into(),
            base_url: "https://live.example/v1".into(),
            input_path: "samples/small.csv".into(),
            input_sha256: String::new(),
            list_sha256: String::new(),
            column: "tradingPermissionId".into(),
            batch_size: 100,
            rows_total: 0,
            rows_distinct: 0,
            rows_duplicate: 0,
            rows_invalid: 0,
            batches: 0,
            note: String::new(),
        };
        assert_eq!(
            question(&facts, 4_017),
            "This revokes 4,017 permissions of samples/small.csv (column tradingPermissionId) on \
             LIVE (https://live.example/v1)."
        );
        facts.input_path = "-".into();
        facts.column = "1 (no header)".into();
        assert_eq!(
            question(&facts, 1),
            "This revokes 1 permission of standard input (1 (no header)) on LIVE \
             (https://live.example/v1)."
        );
    }
}
