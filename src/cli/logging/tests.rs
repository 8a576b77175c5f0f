//! What reaches the terminal and what reaches `run.log`.

use std::io::{Read, Seek};

use serde_json::Value;
use tracing::{debug, error, info, warn};

use super::*;
use crate::cli::printer::tests::Printed;

/// A terminal that keeps what was printed.
fn terminal(draw: bool, colour: bool) -> (Terminal, Printed) {
    let printed = Printed::new();
    let terminal = Terminal::onto(printed.printer, draw, || 80, colour);
    (terminal, printed)
}

/// What the terminal and `run.log` got of what `tell` told.
fn logged(format: LogFormat, verbosity: Verbosity, tell: impl FnOnce()) -> (String, String) {
    let (terminal, out) = terminal(false, false);
    let mut file = tempfile::tempfile().unwrap();
    let log = Some(file.try_clone().unwrap());
    let subscriber = subscriber(log, format, verbosity, terminal);
    tracing::subscriber::with_default(subscriber, tell);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    let shown = out.text();
    (shown, text)
}

fn every_level() {
    error!("e-ours");
    warn!("w-ours");
    info!("i-ours");
    debug!("d-ours");
    warn!(target: ONLY_LOGGED, "w-only");
    error!(target: "hyper", "e-other");
    warn!(target: "hyper", "w-other");
    info!(target: "hyper", "i-other");
    debug!(target: "hyper", "Authorization: Bearer s3cret");
}

#[test]
fn the_terminal_shows_what_was_asked_for_run_log_everything() {
    for (verbosity, expected) in [
        (Verbosity::Quiet, "e-ours e-other"),
        (Verbosity::Normal, "e-ours w-ours i-ours e-other w-other"),
        (
            Verbosity::Verbose,
            "e-ours w-ours i-ours d-ours e-other w-other",
        ),
    ] {
        let (shown, file) = logged(LogFormat::Text, verbosity, every_level);
        let last = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
        let words: Vec<_> = shown.lines().map(last).collect();
        assert_eq!(words.join(" "), expected, "{verbosity:?}");
        let words: Vec<_> = file
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            words.join(" "),
            "e-ours w-ours i-ours d-ours w-only e-other w-other",
            "{verbosity:?}"
        );
    }
}

#[test]
fn without_a_run_the_terminal_still_gets_its_lines() {
    let (terminal, out) = terminal(false, false);
    let subscriber = subscriber(None, LogFormat::Text, Verbosity::Verbose, terminal);
    tracing::subscriber::with_default(subscriber, every_level);
    let shown = out.text();
    assert_eq!(shown.lines().count(), 6, "{shown}");
}

#[test]
fn lines_are_dated_and_have_fields() {
    let tell = || warn!(batch = %"7.2", ids = 3, status = Some(500), none = None::<u8>, "words");
    let (shown, file) = logged(LogFormat::Text, Verbosity::Normal, tell);
    let (date, rest) = shown.split_once(' ').unwrap();
    assert!(date.parse::<Timestamp>().is_ok(), "{shown}");
    assert_eq!(rest, " WARN words batch=7.2 ids=3 status=500\n");

    let (json, _) = logged(LogFormat::Json, Verbosity::Normal, tell);
    for line in [&json, &file] {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["timestamp"]
                .as_str()
                .is_some_and(|at| at.len() == 24 && at.parse::<Timestamp>().is_ok()),
            "{line}"
        );
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "words");
        assert_eq!(line["batch"], "7.2");
        assert_eq!(line["ids"], 3);
        assert_eq!(line["status"], 500);
        assert!(line["target"].as_str().unwrap().starts_with("rescind::"));
    }
}

/// Titles, the clipboard, links, colours, forged lines, text turned around.
const WORDS: &str = "red\u{1b}[31m\nforged line\r\u{7}\u{9b}2J\u{202e}\0\u{7f}\
                     \u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}]8;;http://x\u{1b}\\x\u{2028}y\u{85}z";

#[test]
fn no_field_steers_a_terminal_or_starts_a_line() {
    #[derive(Debug)]
    struct Error;
    impl std::fmt::Display for Error {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(WORDS)
        }
    }
    impl std::error::Error for Error {}
    let quoted = || warn!(said = WORDS, "{}", "\u{1b}[2J");
    let shown = || warn!(said = %WORDS, "{WORDS}");
    let failed = || warn!(error = &Error as &dyn std::error::Error, "words");
    let displayed = || warn!(error = %Error, path = ?std::path::Path::new(WORDS), "words");
    let tells: [&dyn Fn(); 4] = [&quoted, &shown, &failed, &displayed];
    for tell in tells {
        for format in [LogFormat::Text, LogFormat::Json] {
            let (shown, file) = logged(format, Verbosity::Normal, tell);
            for text in [&shown, &file] {
                assert!(text.contains("forged line"), "{text}");
                let line = text.strip_suffix('\n').unwrap();
                assert_eq!(visible(line), line);
            }
            let json: Value = serde_json::from_str(&file).unwrap();
            assert_eq!(json["level"], "WARN");
        }
    }
}

#[test]
fn only_colour_sequences_come_through_where_colour_is_on() {
    let (terminal, out) = terminal(false, true);
    let subscriber = subscriber(None, LogFormat::Text, Verbosity::Normal, terminal);
    tracing::subscriber::with_default(subscriber, || warn!(said = %WORDS, "{WORDS}"));
    let shown = out.text();
    let line = shown.strip_suffix('\n').unwrap();
    for sequence in line.split('\u{1b}').skip(1) {
        let codes = sequence.strip_prefix('[').unwrap();
        let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';');
        assert!(codes[end.unwrap()..].starts_with('m'), "{line:?}");
    }
    let plain = line.replace('\u{1b}', "");
    assert_eq!(visible(&plain), plain);
}

#[test]
fn nothing_is_coloured_unless_asked_for() {
    for colour in [false, true] {
        let (terminal, out) = terminal(false, colour);
        let subscriber = subscriber(None, LogFormat::Text, Verbosity::Normal, terminal);
        tracing::subscriber::with_default(subscriber, || warn!("words"));
        assert_eq!(out.text().contains('\u{1b}'), colour);
    }
}

#[test]
fn a_run_log_that_cannot_be_written_is_told_of_once() {
    let (terminal, out) = terminal(false, false);
    let reading_only = File::open(std::env::current_exe().unwrap()).unwrap();
    let subscriber = subscriber(
        Some(reading_only),
        LogFormat::Text,
        Verbosity::Quiet,
        terminal,
    );
    tracing::subscriber::with_default(subscriber, || {
        info!("one");
        info!("two");
    });
    let shown = out.text();
    assert!(
        shown.starts_with("error: run.log cannot be written: "),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1, "{shown}");
}
