//! `rescind verify`: reading every permission of a run back and comparing.
//! Nothing is revoked, so nobody is asked.

use std::ffi::OsString;
use std::io::Write;

use jiff::Timestamp;

use rescind::journal::{RunFolder, RunsDir};
use rescind::report::{self, number};

use super::run::{Chosen, choose, lock, only, recorded_url};
use crate::cli::args::Options;
use crate::cli::connect::Gateway;
use crate::cli::error::CliError;
use crate::cli::notice::{Level, notice};
use crate::cli::session::{self, SessionTask, carry_out};
use crate::cli::settings::{Resolved, Verbosity};

/// `rescind verify`.
pub(in crate::cli) fn verify(
    wanted: Option<&str>,
    options: &Options,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let given = Timestamp::now();
    let Chosen {
        runs,
        folder,
        frozen,
        effective,
    } = choose(wanted, newest, options, variables)?;
    Gateway::check(&effective)?;
    let lock = lock(&runs, &effective, "verify")?;
    let runtime = session::runtime()?;
    let gateway = Gateway::open(&effective, &runtime)?;
    if effective.settings.verbosity != Verbosity::Quiet {
        notice(
            Level::Info,
            format_args!(
                "run {} ({}), frozen at {:.0}\n  {} IDs to be read; nothing is revoked",
                folder.run(),
                frozen.environment,
                frozen.created,
                number(frozen.rows_distinct),
            ),
        );
    }
    let task = SessionTask {
        command: "verify",
        lock: &lock,
        runs: &runs,
        folder: &folder,
        facts: &frozen,
        effective: &effective,
        given,
        resend_mismatched: false,
    };
    carry_out(&task, gateway, runtime, out)
}

fn newest(runs: &RunsDir, effective: &Resolved) -> Result<RunFolder, CliError> {
    let environment = effective.environment()?;
    let url = recorded_url(effective)?;
    let newest = report::newest(runs, environment.name(), &url)
        .map_err(|error| session::unreported(&error))?;
    let none = format!("there is no run for {environment}");
    only(newest, runs, "verify", none)
}
