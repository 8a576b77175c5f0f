//! The log: every event as a JSON line in `run.log`, and what a person wants
//! to see on standard error.
//!
//! `run.log` gets everything of this program down to debug, whatever `-q` and
//! `-v` say; other crates only warn, there and here, since their details may
//! hold what must stay secret. Every line is written before the event returns:
//! none is lost when the process dies.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use rescind::report::visible;
use tracing::{Subscriber, level_filters::LevelFilter, subscriber::SetGlobalDefaultError, warn};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{MakeWriter, format::Writer, layer, time::FormatTime},
    layer::SubscriberExt,
    registry,
};

use super::{
    notice::{self, Level},
    printer,
    settings::{LogFormat, Verbosity},
    terminal::Terminal,
};

/// The target of events that `run.log` alone gets.
pub(super) const ONLY_LOGGED: &str = "rescind::only_logged";

/// Local time, to the second, with its distance from UTC: beside the UTC of
/// the files it cannot be misread.
pub(super) const LOCAL: &str = "%Y-%m-%dT%H:%M:%S%:z";

/// Starts logging for the rest of the process; see [`subscriber`].
///
/// # Errors
/// If it was started before.
pub(crate) fn start(
    run_log: Option<File>,
    format: LogFormat,
    verbosity: Verbosity,
    terminal: Terminal,
) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(run_log, format, verbosity, terminal))
}

/// What sends events to `run_log` (opened for appending, readable by the
/// owner only), where there is a run, and to `terminal`.
pub(super) fn subscriber(
    run_log: Option<File>,
    format: LogFormat,
    verbosity: Verbosity,
    terminal: Terminal,
) -> impl Subscriber + Send + Sync + use<> {
    let (ours, others) = match verbosity {
        Verbosity::Quiet => (LevelFilter::ERROR, LevelFilter::ERROR),
        Verbosity::Normal => (LevelFilter::INFO, LevelFilter::WARN),
        Verbosity::Verbose => (LevelFilter::DEBUG, LevelFilter::WARN),
    };
    let shown = Targets::new()
        .with_default(others)
        .with_target("rescind", ours)
        .with_target(ONLY_LOGGED, LevelFilter::OFF);
    let logged = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("rescind", LevelFilter::DEBUG);

    let screen = match format {
        LogFormat::Text => layer()
            .compact()
            .with_target(false)
            .with_timer(LocalTime)
            .with_ansi(terminal.colour)
            .log_internal_errors(false)
            .with_writer(OneLine {
                to: terminal,
                colour: terminal.colour,
            })
            .boxed(),
        LogFormat::Json => json(terminal),
    };
    let file = run_log.map(|file| {
        json(RunLog {
            file,
            failed: AtomicBool::new(false),
            terminal,
        })
        .with_filter(logged)
    });
    registry().with(screen.with_filter(shown)).with(file)
}

/// Says in `run.log` how many lines standard error did not take, if any.
pub(super) fn count_unprinted() {
    let lines = printer::stderr().unprinted();
    if lines > 0 {
        warn!(target: ONLY_LOGGED, lines, "not all lines could be printed on standard error");
    }
}

/// One JSON object a line.
fn json<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_timer(UtcTime)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(OneLine {
            to: writer,
            colour: false,
        })
        .boxed()
}

/// Keeps an event to its one line, whatever its fields hold, and a terminal
/// from being steered by it. The formatter sees to neither in every place.
struct OneLine<W> {
    to: W,
    /// Whether the formatter's own colours are let through.
    colour: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine {
            to: self.to.make_writer(),
            colour: self.colour,
        }
    }
}

/// Each event is written with one call.
impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let shown = if self.colour {
            visible_but_colours(line)
        } else {
            visible(line)
        };
        if shown == line {
            self.to.write_all(event)?;
        } else {
            self.to.write_all(format!("{shown}\n").as_bytes())?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn visible_but_colours(line: &str) -> Cow<'_, str> {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        shown.push_str(&visible(before));
        let is_code = |b: &u8| b.is_ascii_digit() || *b == b';';
        let (codes, after) = sequence.split_at(sequence.bytes().take_while(is_code).count());
        rest = if let Some(after) = after.strip_prefix('m') {
            shown.push_str("\u{1b}[");
            shown.push_str(codes);
            shown.push('m');
            after
        } else {
            shown.push(char::REPLACEMENT_CHARACTER);
            sequence
        };
    }
    shown.push_str(&visible(rest));
    Cow::Owned(shown)
}

/// Times for people.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(
            w,
            "{}",
            Timestamp::now()
                .to_zoned_datetime(notice::zone())
                .strftime(LOCAL)
        )
    }
}

/// UTC to the millisecond, as in all files of a run.
struct UtcTime;

impl FormatTime for UtcTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{:.3}", Timestamp::now())
    }
}

/// `run.log`. If it cannot be written, the terminal is told so, once.
struct RunLog {
    file: File,
    failed: AtomicBool,
    terminal: Terminal,
}

impl Write for &RunLog {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Err(error) = (&self.file).write_all(lines)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            let words = format_args!("run.log cannot be written: {error}");
            let line = notice::text(Level::Error, words);
            self.terminal.print(line.as_bytes());
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for RunLog {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests;
