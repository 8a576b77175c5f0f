//! The commands that send nothing: `plan` and `report`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use jiff::Timestamp;
use rescind::journal::{RunsDir, recent_calls};
use rescind::list::{FreezeError, Frozen, Rows, freeze};
use rescind::report::{self, History, Plan, ReportError, Restriction, Style};
use rescind::sweep::{ExclusionCheck, Workload};
use rustc_hash::FxHashSet;

use super::run::{input, recorded_url, warn};
use super::runs::{found, runs_dir};
use crate::cli::args::{Folder, FormatArg, Nights, Options};
use crate::cli::commands::plan_online::OnlinePlan;
use crate::cli::error::CliError;
use crate::cli::input_hints::{Invalid, unreadable};
use crate::cli::session::{broken, lookback, past, unreported};
use crate::cli::settings::{Layers, target_at};
use crate::cli::{atomic_file, estimate, exit, guards, written};

/// `rescind plan`.
pub(in crate::cli) fn plan(
    path: &Path,
    online: bool,
    options: &Options,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let given = Timestamp::now();
    let effective = Layers::gather(&options.0, variables)?.settle(None)?;
    warn(&effective);
    let environment = effective.environment()?;
    let settings = &effective.settings;
    let input = input(path);
    let mut reading = online
        .then(|| OnlinePlan::begin(&effective, &input, given))
        .transpose()?;
    let rows =
        Rows::open(&input, settings.id_column.as_deref()).map_err(|error| unreadable(&error))?;
    let exclusion = guards::exclusion(settings)?;
    let mut sieve = ExclusionCheck::new(&exclusion, FxHashSet::default());
    let mut invalid = Invalid::default();
    let census = freeze(rows, settings.batch_size, |frozen| {
        invalid.note(&frozen);
        if let Frozen::Batch { ids, lines } = frozen {
            sieve.look(ids, lines);
        }
        match &mut reading {
            Some(reading) => reading.take(&frozen),
            None => Ok(()),
        }
    })
    .map_err(|error| match error {
        FreezeError::List(error) => unreadable(&error),
        FreezeError::Sink(error) => broken(&error),
    })?;
    let url = recorded_url(&effective)?;
    let runs = RunsDir::at(&settings.runs_dir);
    let judged = guards::judge(
        settings,
        &runs,
        (environment.name(), &url),
        (census.distinct, Timestamp::now()),
        sieve,
        &exclusion,
    )?;
    let breaches: Vec<_> = judged
        .findings
        .into_iter()
        .map(|found| found.breach)
        .collect();
    let others: Vec<_> = judged.idle.into_iter().chain(judged.passed).collect();
    let refused = census.invalid_percent() > settings.max_invalid;
    let read = match reading {
        Some(reading) if !refused && breaches.is_empty() && census.distinct > 0 => {
            Some(reading.read(&input, &census)?)
        }
        // Such a list is the wrong one: no call is spent on it.
        _ => None,
    };
    let (survey, code) = match read {
        Some((survey, code)) => (Some(survey), code),
        None => (None, exit::COMPLETE),
    };
    let workload = Workload {
        ids: census.distinct,
        batch_size: settings.batch_size.get() as u64,
        read_size: settings.read_size.get() as u64,
        verify: settings.verify,
        read_first: settings.read_first,
    };
    let now = Timestamp::now();
    let policy = settings.policy(given);
    let recent = recent_calls(&runs, &url, &lookback(&policy, now));
    let past = past(recent.map_err(|error| broken(&error))?);
    let estimate = estimate::estimate(workload.calls(), &policy, now, &past);
    let plan = Plan {
        input: &path.display().to_string(),
        column: &census.column,
        environment: environment.name(),
        base_url: &url,
        rows: report::RowFigures {
            total: census.total,
            distinct: census.distinct,
            duplicate: census.duplicate,
            invalid: census.invalid,
        },
        invalid: &invalid.0,
        oddities: &census.oddities,
        workload,
        estimate,
        zone: settings.zone(),
        max_invalid_percent: settings.max_invalid,
        breaches: &breaches,
        guards: &others,
        survey: survey.as_deref(),
    };
    written(out.write_all(plan.text(style()).as_bytes()))?;
    // The rows are in the plan.
    invalid.check_shown(&census, &input, settings.max_invalid)?;
    if !breaches.is_empty() {
        return Ok(exit::HELD);
    }
    if census.total == 0 && !settings.allow_empty {
        return Ok(exit::EMPTY);
    }
    Ok(code)
}

/// `rescind report`.
pub(in crate::cli) fn report(
    wanted: Option<&str>,
    format: FormatArg,
    output: Option<&Path>,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = runs_dir(&effective)?;
    let run = found(&runs, wanted.unwrap_or("latest"))?;
    let format = match format {
        FormatArg::Text => report::Format::Text,
        FormatArg::Html => report::Format::Html,
        FormatArg::Json => report::Format::Json,
        FormatArg::Markdown => report::Format::Markdown,
        FormatArg::Csv => report::Format::Csv,
    };
    let live = report::is_live(&runs, &run).map_err(|error| unreported(&error))?;
    deliver(output, out, |style, out| {
        report::render(&run, format, style, live, out).map_err(|error| unreported(&error))
    })
}

/// `rescind report --history`.
pub(in crate::cli) fn history(
    nights: &Nights,
    format: FormatArg,
    output: Option<&Path>,
    folder: &Folder,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    if !matches!(format, FormatArg::Text | FormatArg::Html) {
        return Err(CliError::usage("the nights in a row come as text or html")
            .hint("rescind runs --json has the figures for programs"));
    }
    let effective = Layers::gather(&folder.0, variables)?.settle(None)?;
    let runs = runs_dir(&effective)?;
    let restriction = Restriction {
        environment: nights.env.clone(),
        base_url: nights.base_url.as_deref().map(target_at).transpose()?,
    };
    let history = History::of(&runs, restriction).map_err(|error| unreported(&error))?;
    let shown = output.is_none() && io::stdout().is_terminal();
    deliver(output, out, |mut style, out| {
        if !shown {
            // Whoever reads a file or a mail gets every column.
            style.width = usize::MAX;
        }
        let text = if format == FormatArg::Html {
            history.html()
        } else {
            history.text(style)
        };
        out.write_all(text.as_bytes())
            .map_err(|error| unreported(&ReportError::Output(error)))
    })
}

/// Writes what `make` makes to a file, or to standard output at once.
fn deliver(
    output: Option<&Path>,
    out: &mut dyn Write,
    make: impl FnOnce(Style, &mut dyn Write) -> Result<(), CliError>,
) -> Result<u8, CliError> {
    let Some(path) = output else {
        let mut text = Vec::new();
        make(style(), &mut text)?;
        return written(out.write_all(&text));
    };
    atomic_file::write(path, |out| make(Style::PLAIN, out))?;
    Ok(exit::COMPLETE)
}

/// How standard output takes a report: in colour only on a terminal, and not
/// where `NO_COLOR` is set.
pub(in crate::cli) fn style() -> Style {
    let terminal = io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = if terminal {
        rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col))
    } else {
        80
    };
    Style { colour, width }
}
