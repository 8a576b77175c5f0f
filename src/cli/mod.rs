//! The binary: arguments, settings, the terminal, signals and exit codes.
//! What belongs to a process is here; what belongs to a run is the library's.

mod args;
mod atomic_file;
mod commands;
mod confirm;
mod connect;
mod error;
mod estimate;
mod exit;
mod guards;
mod help;
mod host_clock;
mod input_hints;
mod live_results;
mod logging;
mod notice;
mod panics;
mod printer;
mod progress;
mod session;
mod settings;
mod signals;
mod terminal;
#[cfg(test)]
mod tests;
mod topics;

use std::{
    env,
    ffi::OsString,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind as Usage},
};

use rescind::report::visible;

use args::{Cli, CommandArgs};
use error::CliError;
use notice::{Level, notice};
use printer::PATIENCE;
use settings::Layers;

/// Does what the command line says and tells how it ended.
pub(crate) fn main() -> ExitCode {
    panics::log();
    notice::set_by_words();
    let mut text = Vec::new();
    let ended = panics::caught(|| {
        // Without it only such a limit is told of less well.
        let _ = signals::outlive_file_limits();
        match Cli::try_parse() {
            Ok(cli) => perform(cli.command, env::vars_os(), &mut text),
            Err(error) => misused(&error),
        }
    });
    // Nothing is held any more that others wait for, however long this takes.
    ExitCode::from(show(&text, ended))
}

/// Shows what a command made, and why it failed; returns the exit code.
fn show(text: &[u8], ended: Result<u8, CliError>) -> u8 {
    let stderr = printer::stderr();
    // Both may be the same terminal: what came first stands first.
    stderr.drain(PATIENCE);
    let mut out = io::stdout().lock();
    let shown = written(out.write_all(text).and_then(|()| out.flush()));
    let (problem, code) = match (ended, shown) {
        // The files of the run have it all, and say how it ended.
        (Ok(code), Err(problem)) if signals::is_recorded() => (Some(problem), code),
        (Err(problem), _) | (_, Err(problem)) => (Some(problem.clone()), problem.code),
        (Ok(code), Ok(_)) => (None, code),
    };
    if let Some(problem) = problem {
        notice::problem(&problem);
    }
    stderr.drain(PATIENCE);
    logging::count_unprinted();
    code
}

/// Says what is wrong with the command line, or shows the help that it asks
/// for.
fn misused(error: &clap::Error) -> Result<u8, CliError> {
    if asks_for_secret(error) {
        return Err(CliError::usage("a secret never comes from an option").hint(
            "set RESCIND_TOKEN, RESCIND_TOKEN_FILE or RESCIND_TOKEN_COMMAND; \
                 for a log-in RESCIND_LOGIN_PASSWORD and RESCIND_LOGIN_SEC, or files",
        ));
    }
    let text = error.render().to_string();
    if notice::is_json() && error.use_stderr() {
        let text = text.trim_end().trim_start_matches("error: ");
        notice(Level::Error, text);
    } else if text.lines().all(|line| visible(line) == line) {
        // It is coloured on a terminal.
        let _ = error.print();
    } else {
        // It repeats what was typed, or what a script put in its place.
        let lines: Vec<_> = text.lines().map(visible).collect();
        notice(Level::Info, lines.join("\n"));
    }
    Ok(if error.use_stderr() {
        exit::USAGE
    } else {
        exit::COMPLETE
    })
}

/// Whether the option that is not known was meant for a secret.
fn asks_for_secret(error: &clap::Error) -> bool {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    if error.kind() != Usage::UnknownArgument {
        return false;
    }
    let secret = ["token", "password", "secret", "login-sec"]
        .iter()
        .any(|word| option.contains(word));
    secret || option == "--sec"
}

fn perform(
    task: CommandArgs,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    match task {
        CommandArgs::Config { options } => {
            let effective = Layers::gather(&options.0, variables)?.settle(None)?;
            commands::run::warn(&effective);
            let mut text = Vec::new();
            written(
                effective
                    .list(&mut text)
                    .and_then(|()| out.write_all(&text)),
            )?;
            // The table is shown first: it helps to see what is wrong.
            effective.environment()?;
            effective.access()?;
            Ok(exit::COMPLETE)
        }
        CommandArgs::Help { names } => help::help(&names, out),
        CommandArgs::Completions { shell } => {
            // The generator panics when it cannot write; memory always can.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rescind", &mut text);
            written(out.write_all(&text))
        }
        CommandArgs::Man { command } => {
            let page = manual(command.as_deref())?;
            let mut text = Vec::new();
            written(page.render(&mut text).and_then(|()| out.write_all(&text)))
        }
        CommandArgs::Plan {
            input,
            online,
            options,
        } => commands::review::plan(&input, online, &options, variables, out),
        CommandArgs::Run { input, options } => commands::run::run(&input, &options, variables, out),
        CommandArgs::Resume {
            run,
            approve,
            resend_mismatched,
            options,
        } => {
            let asked = commands::run::Asked {
                run: run.as_deref(),
                approve: approve.as_deref(),
                resend_mismatched,
            };
            commands::run::resume(asked, &options, variables, out)
        }
        CommandArgs::Verify { run, options } => {
            commands::verify::verify(run.as_deref(), &options, variables, out)
        }
        CommandArgs::Report {
            run,
            format,
            output,
            nights,
            folder,
        } => {
            let output = output.as_deref();
            if nights.history {
                return commands::review::history(&nights, format, output, &folder, variables, out);
            }
            commands::review::report(run.as_deref(), format, output, &folder, variables, out)
        }
        CommandArgs::Runs { task, json, folder } => {
            commands::runs::runs(task, json, &folder.0, variables, out)
        }
        CommandArgs::Find { ids, json, folder } => {
            commands::runs::find(&ids, json, &folder, variables, out)
        }
        CommandArgs::Sandbox(options) => {
            commands::sandbox::sandbox(&options, variables, &mut io::stdout())
        }
    }
}

fn manual(name: Option<&str>) -> Result<clap_mangen::Man, CliError> {
    let mut rescind = Cli::command();
    rescind.build();
    let page = |command| {
        clap_mangen::Man::new(command).source(concat!("rescind ", env!("CARGO_PKG_VERSION")))
    };
    let Some(name) = name else {
        return Ok(page(rescind));
    };
    rescind
        .find_subcommand(name)
        .map(|command| page(command.clone()))
        .ok_or_else(|| {
            let all: Vec<_> = rescind
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            CliError::usage(format!("there is no command {name:?}"))
                .hint(format!("the commands are {}", all.join(", ")))
        })
}

/// What was asked for is written; a reader who has seen enough (a closed
/// pipe) is content as well.
fn written(result: io::Result<()>) -> Result<u8, CliError> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::new(exit::ERROR, "cannot write to standard output").caused_by(&error))
        }
        _ => Ok(exit::COMPLETE),
    }
}
