//! The commands of README.md and of the guide are run, in the order in which
//! a document has them; what they are shown to print is what they print.
//!
//! A block of `sh` has a command a line; a block of `console` has them behind
//! `$`, with output, and perhaps `^C` and `echo $?`. A `…` stands for any text.

use std::{fs, path::Path};

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::process::{Ended, Running, rescind, until};

/// A command of a document.
#[derive(Default, Debug)]
struct Step {
    command: String,
    output: Vec<String>,
    interrupted: bool,
    code: Option<i32>,
}

/// What is known of a command that is not simply run.
enum Known {
    /// It ends with this code, where no real API is at hand.
    Code(i32),
    /// It is not run here; the reason.
    NotRun(&'static str),
    /// `.ci/run` runs it.
    Ci,
}

const KNOWN: [(&str, Known); 8] = [
    (
        "cargo run --release -- run --env sandbox samples/permissions.csv",
        Known::Ci,
    ),
    ("cargo test", Known::Ci),
    (
        "export RESCIND_TOKEN_FILE=/etc/rescind/token",
        Known::NotRun("the shell's own"),
    ),
    (
        "rescind plan --env demo --online list.csv",
        Known::NotRun("it would call the real API"),
    ),
    // No terminal to type the number of IDs at.
    ("rescind run --env demo list.csv", Known::Code(2)),
    // No run of that environment.
    ("rescind resume --env demo", Known::Code(2)),
    (
        "rescind run --config configs/bad-night.toml samples/messy.csv",
        Known::NotRun("it takes a minute, and a test of the sandbox runs it"),
    ),
    ("rescind plan --env demo list.csv", Known::Code(0)),
];

/// The commands of a document.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = "";
    let mut asks_code = false;
    for line in document.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            block = kind;
            continue;
        }
        let command = match block {
            "sh" => line.split(" #").next().map(str::trim),
            "console" => line.strip_prefix("$ "),
            _ => continue,
        };
        match (command, steps.last_mut()) {
            (Some("echo $?"), _) => asks_code = true,
            (Some(""), _) => {}
            (Some(command), _) => steps.push(Step {
                command: command.split_whitespace().collect::<Vec<_>>().join(" "),
                ..Step::default()
            }),
            (None, Some(last)) if asks_code => {
                last.code = Some(line.parse().unwrap());
                asks_code = false;
            }
            (None, Some(last)) if line == "^C" => last.interrupted = true,
            (None, Some(last)) => last.output.push(line.to_owned()),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    steps
}

/// Text on one line, with the runs' IDs taken out.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_run = word.len() == 23 && digits >= 14 && word.as_bytes()[8] == b'T';
        if is_run { "RUN" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn prints(step: &Step, ended: &Ended) {
    let all = plain(&format!("{}\n{}", ended.err, ended.out));
    for line in &step.output {
        let mut rest = all.as_str();
        for part in line.split('…').map(plain).filter(|part| !part.is_empty()) {
            let Some((_, after)) = rest.split_once(&part) else {
                panic!("`{}` does not print {line:?}:\n{all}", step.command);
            };
            rest = after;
        }
    }
}

/// A folder as a reader of the documents has it: samples, settings, a list
/// and a token.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for folder in ["samples", "configs"] {
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::os::unix::fs::symlink(there, home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("list.csv"), "permissionId\n1001\n1002\n").unwrap();
    fs::write(home.path().join("token"), "sandbox\n").unwrap();
    home
}

/// How many calls the newest run has recorded.
fn calls(home: &Path) -> Option<i64> {
    let journal = home.join("runs/latest/journal.db");
    let journal = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let count = journal.query_row("SELECT count(*) FROM call", [], |row| row.get(0));
    count.ok()
}

fn run(step: &Step, home: &Path) {
    let line = step.command.strip_prefix("rescind ").unwrap();
    let mut command = rescind(home);
    command.args(line.split(' '));
    if line.contains("--env demo") {
        command.env("RESCIND_TOKEN_FILE", "token");
    }
    let running = Running::start(&mut command);
    if step.interrupted {
        until("the run makes calls", || calls(home).filter(|n| *n >= 5));
        running.signal(Signal::INT);
    }
    let known = KNOWN.iter().find(|(known, _)| *known == step.command);
    let code = match known {
        Some((_, Known::Code(code))) => *code,
        _ => step.code.unwrap_or(0),
    };
    let ended = running.end();
    assert_eq!(
        ended.code,
        Some(code),
        "`{}`:\n{}{}",
        step.command,
        ended.err,
        ended.out
    );
    prints(step, &ended);
}

/// Runs the commands of a document.
fn holds(path: &Path) -> usize {
    let ci = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run")).unwrap();
    let ci = ci.replace(" --locked", "");
    let home = home();
    let steps = steps(&fs::read_to_string(path).unwrap());
    for step in &steps {
        let known = KNOWN.iter().find(|(known, _)| *known == step.command);
        match known {
            Some((line, Known::Ci)) => assert!(ci.contains(line), "{line} is not in .ci/run"),
            Some((_, Known::NotRun(reason))) => assert!(!reason.is_empty()),
            _ => run(step, home.path()),
        }
    }
    steps.len()
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(holds(&readme) > 8);
    let commands = steps(&fs::read_to_string(readme).unwrap());
    for (known, _) in KNOWN.iter().filter(|(line, _)| !line.contains("bad-night")) {
        assert!(
            commands.iter().any(|step| step.command == *known),
            "{known}"
        );
    }
}

#[test]
fn the_commands_of_the_guide_do_what_it_says() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let mut count = 0;
    for entry in fs::read_dir(guide).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            count += holds(&path);
        }
    }
    assert!(count > 5);
}
