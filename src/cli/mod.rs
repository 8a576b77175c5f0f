//! The binary: arguments, settings, the terminal, signals and exit codes.
//! What belongs to a process is here; what belongs to a run is the library's.

mod args;
mod carry;
mod consent;
mod exit;
mod gateway;
mod guards;
mod help;
mod logging;
mod notice;
mod online;
mod outlook;
mod output;
mod panics;
mod printer;
mod problem;
mod prune;
mod review;
mod run;
mod runs;
mod screen;
mod serve;
mod settings;
mod signals;
mod snapshot;
mod terminal;
mod unreadable;
mod uptime;
mod verify;

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

use args::{Cli, Task};
use notice::{Level, notice};
use printer::PATIENCE;
use problem::Problem;
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
fn show(text: &[u8], ended: Result<u8, Problem>) -> u8 {
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
fn misused(error: &clap::Error) -> Result<u8, Problem> {
    if asks_for_secret(error) {
        return Err(Problem::usage("a secret never comes from an option").hint(
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
    task: Task,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    match task {
        Task::Config { options } => {
            let effective = Layers::gather(&options.0, variables)?.settle(None)?;
            run::warn(&effective);
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
        Task::Help { names } => help::help(&names, out),
        Task::Completions { shell } => {
            // The generator panics when it cannot write; memory always can.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rescind", &mut text);
            written(out.write_all(&text))
        }
        Task::Man { command } => {
            let page = manual(command.as_deref())?;
            let mut text = Vec::new();
            written(page.render(&mut text).and_then(|()| out.write_all(&text)))
        }
        Task::Plan {
            input,
            online,
            options,
        } => review::plan(&input, online, &options, variables, out),
        Task::Run { input, options } => run::run(&input, &options, variables, out),
        Task::Resume {
            run,
            approve,
            resend_mismatched,
            options,
        } => {
            let asked = run::Asked {
                run: run.as_deref(),
                approve: approve.as_deref(),
                resend_mismatched,
            };
            run::resume(asked, &options, variables, out)
        }
        Task::Verify { run, options } => verify::verify(run.as_deref(), &options, variables, out),
        Task::Report {
            run,
            format,
            output,
            nights,
            folder,
        } => {
            let output = output.as_deref();
            if nights.history {
                return review::history(&nights, format, output, &folder, variables, out);
            }
            review::report(run.as_deref(), format, output, &folder, variables, out)
        }
        Task::Runs { task, json, folder } => runs::runs(task, json, &folder.0, variables, out),
        Task::Find { ids, json, folder } => runs::find(&ids, json, &folder, variables, out),
        Task::Sandbox(options) => serve::sandbox(&options, variables, &mut io::stdout()),
    }
}

fn manual(name: Option<&str>) -> Result<clap_mangen::Man, Problem> {
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
            Problem::usage(format!("there is no command {name:?}"))
                .hint(format!("the commands are {}", all.join(", ")))
        })
}

/// What was asked for is written; a reader who has seen enough (a closed
/// pipe) is content as well.
fn written(result: io::Result<()>) -> Result<u8, Problem> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::new(exit::ERROR, "cannot write to standard output").caused_by(&error))
        }
        _ => Ok(exit::COMPLETE),
    }
}

#[cfg(test)]
mod tests;
