//! The promises of this module, each test named for one.

mod history;
mod hostile;
mod page;
mod retention;
mod runs;
mod search;
mod verdicts;
mod verified;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::fixture::{Fixture, REVOKED, complete, facts, mixed};
use super::*;
use crate::journal::RunMeta;

const STYLE: &str = include_str!("../html/style.css");
const SCRIPT: &str = include_str!("../html/script.js");

const LIVE: &str = "https://live.tradovateapi.com/v1";

/// What is expected, in a file of its own: it has to be the same to the byte.
/// With `UPDATE_GOLDENS` in the environment the files are made anew. Pages are
/// kept without the style sheet and the script, which are the same in all.
#[track_caller]
fn assert_same(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/report")
        .join(name);
    let short;
    let actual = if path.extension().is_some_and(|end| end == "html") {
        let page = actual.replace(STYLE, "/* style.css */");
        short = page.replace(SCRIPT, "/* script.js */");
        assert!(short.len() < page.len() && page.len() < actual.len());
        short.as_str()
    } else {
        actual
    };
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(expected == actual, "{} differs:\n{actual}", path.display());
}

fn rendered(run: &Fixture, format: Format, style: Style, live: bool) -> String {
    let mut out = Vec::new();
    render(&run.folder, format, style, live, &mut out).unwrap();
    placed(run, &String::from_utf8(out).unwrap())
}

/// The text, as if the runs lay in `/srv/runs`.
fn placed(run: &Fixture, text: &str) -> String {
    text.replace(run.runs.path().to_str().unwrap(), "/srv/runs")
}

fn file(run: &Fixture, name: &str) -> String {
    fs::read_to_string(run.folder.path().join(name)).unwrap()
}

fn records(csv: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_file_is_what_the_contract_says() {
    let run = mixed();
    write(&run.folder).unwrap();
    for name in FILES {
        assert_same(&format!("mixed/{name}"), &placed(&run, &file(&run, name)));
    }
    let header = |name| file(&run, name).lines().next().unwrap().to_owned();
    assert_eq!(
        [RESULTS_CSV, PERMISSIONS_CSV, REMAINING_CSV, REJECTED_CSV].map(header),
        [
            "batch,state,ids,reason,message,http_status,attempts,first_line,last_line,first_sent_at,settled_at,elapsed_ms,verified,permission_ids",
            "permission_id,line,state,reason,batch",
            "permission_id,line,state,reason,message",
            "line,value,reason",
        ]
    );
}

#[test]
fn every_row_is_in_exactly_one_file_and_the_figures_add_up() {
    let run = mixed();
    write(&run.folder).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&file(&run, SUMMARY_JSON)).unwrap();
    let figure = |path: &str| summary.pointer(path).unwrap().as_u64().unwrap();
    assert_eq!(
        figure("/rows/total"),
        figure("/rows/distinct") + figure("/rows/duplicate") + figure("/rows/invalid")
    );
    let states = summary["ids"].as_object().unwrap();
    assert_eq!(
        states.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "exhausted",
            "in_flight",
            "missing",
            "pending",
            "refused",
            "revoked",
            "unknown"
        ]
    );
    let sum: u64 = states.values().map(|ids| ids.as_u64().unwrap()).sum();
    assert_eq!(sum, figure("/rows/distinct"));

    let permissions = records(&file(&run, PERMISSIONS_CSV));
    let mut lines: Vec<u64> = permissions
        .iter()
        .map(|row| row[1].parse().unwrap())
        .collect();
    assert!(lines.is_sorted(), "in the order of the list");
    let rejected = records(&file(&run, REJECTED_CSV));
    lines.extend(rejected.iter().map(|row| row[0].parse::<u64>().unwrap()));
    lines.sort_unstable();
    let all: Vec<u64> = (2..2 + figure("/rows/total")).collect();
    assert_eq!(lines, all, "each line of the list is told of once");

    for (state, ids) in states {
        let ids = ids.as_u64().unwrap();
        let in_permissions = permissions.iter().filter(|row| &row[2] == state).count();
        let results = records(&file(&run, RESULTS_CSV));
        let in_results = results.iter().filter(|row| &row[1] == state);
        let in_results: u64 = in_results
            .map(|row| {
                assert_eq!(row[2], row[13].split(' ').count().to_string());
                row[2].parse::<u64>().unwrap()
            })
            .sum();
        assert_eq!((in_permissions as u64, in_results), (ids, ids), "{state}");
    }
}

#[test]
fn what_remains_is_a_list_for_a_new_run() {
    use crate::list::{Frozen, Input, Rows, freeze};
    let run = mixed();
    write(&run.folder).unwrap();
    let remaining = run.folder.path().join(REMAINING_CSV);
    let rows = Rows::open(&Input::Path(remaining), None).unwrap();
    let mut ids = Vec::new();
    let census = freeze(rows, 100.try_into().unwrap(), |frozen| {
        match frozen {
            Frozen::Batch { ids: some, .. } => ids.extend(some.iter().map(|id| id.get())),
            Frozen::Reject { value, .. } => panic!("{value} is no ID"),
        }
        Ok::<_, std::convert::Infallible>(())
    })
    .unwrap();
    assert_eq!(census.column, "permission_id");
    assert_eq!(
        ids,
        [
            3003, 3006, 4001, 5001, 5002, 6001, 6002, 6003, 7001, 8001, 8002, 8003, 8004, 8005
        ]
    );
}

#[test]
fn files_are_replaced_whole_and_nothing_is_left_behind() {
    let run = mixed();
    let at = |name: &str| run.folder.path().join(name);
    for name in FILES {
        fs::write(at(name), "old").unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    // What a process that was killed left.
    fs::write(at(".results.csv.new"), "half a fi").unwrap();
    let old = fs::File::open(at(RESULTS_CSV)).unwrap();
    write(&run.folder).unwrap();
    assert_eq!(
        std::io::read_to_string(old).unwrap(),
        "old",
        "whoever reads the old file goes on reading it"
    );
    for name in FILES {
        let mode = fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mut found: Vec<String> = fs::read_dir(run.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("journal.db"))
        .collect();
    found.sort();
    let mut expected = FILES.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);

    let first = FILES.map(|name| file(&run, name));
    write(&run.folder).unwrap();
    assert_eq!(
        first,
        FILES.map(|name| file(&run, name)),
        "same journal, same files"
    );
}

#[test]
fn while_a_run_goes_on_results_and_summary_say_so() {
    let run = mixed();
    let summary = refresh(&run.folder).unwrap();
    assert_eq!(
        (summary.outcome.as_str(), summary.exit_code),
        ("running", None)
    );
    let shown: serde_json::Value = serde_json::from_str(&file(&run, SUMMARY_JSON)).unwrap();
    assert_eq!(shown["outcome"], "running");
    assert!(shown["exit_code"].is_null());
    assert!(!run.folder.path().join(PERMISSIONS_CSV).exists());
    let refreshed = file(&run, RESULTS_CSV);
    write(&run.folder).unwrap();
    assert_eq!(refreshed, file(&run, RESULTS_CSV));
    assert!(file(&run, SUMMARY_JSON).contains("\"outcome\": \"interrupted\""));
    assert!(rendered(&run, Format::Text, Style::PLAIN, true).starts_with("STILL RUNNING on LIVE"));
}

#[test]
fn figures_that_do_not_add_up_are_an_error_and_replace_nothing() {
    type Spoil = fn(&mut RunMeta);
    let wrong: [(Spoil, &str); 5] = [
        (|facts| facts.rows_total += 1, "rows"),
        (|facts| facts.rows_distinct += 1, "distinct IDs"),
        (|facts| facts.rows_duplicate += 1, "duplicate rows"),
        (|facts| facts.rows_invalid += 1, "invalid rows"),
        (|facts| facts.batches += 1, "batches"),
    ];
    for (spoil, what) in wrong {
        let mut facts = facts("live", LIVE);
        spoil(&mut facts);
        let rejects = [(3, "1", "duplicate"), (4, "x", "invalid: not a number")];
        let run = Fixture::freeze(facts, &[(&[1], &[2])], &rejects);
        fs::write(run.folder.path().join(RESULTS_CSV), "old").unwrap();
        for error in [
            write(&run.folder).unwrap_err(),
            refresh(&run.folder).unwrap_err(),
            Summary::of(&run.folder, false).unwrap_err(),
            render(
                &run.folder,
                Format::Csv,
                Style::PLAIN,
                false,
                &mut Vec::new(),
            )
            .unwrap_err(),
        ] {
            assert!(matches!(error, ReportError::DoesNotAddUp { .. }));
            assert!(error.to_string().contains(what), "{error}");
        }
        assert_eq!(file(&run, RESULTS_CSV), "old");
    }
}

#[test]
fn the_reports_read_as_expected() {
    let run = mixed();
    assert_same(
        "mixed/report.txt",
        &rendered(&run, Format::Text, Style::PLAIN, false),
    );
    assert_same(
        "mixed/report.md",
        &rendered(&run, Format::Markdown, Style::PLAIN, false),
    );
    write(&run.folder).unwrap();
    let json = rendered(&run, Format::Json, Style::PLAIN, false);
    assert_eq!(json, file(&run, SUMMARY_JSON));
    let csv = rendered(&run, Format::Csv, Style::PLAIN, false);
    assert_eq!(csv, file(&run, RESULTS_CSV));
    let done = complete("sandbox", "http://127.0.0.1:4000/v1", &REVOKED, "all");
    assert_same(
        "complete.txt",
        &rendered(&done, Format::Text, Style::PLAIN, false),
    );
}

#[test]
fn no_text_from_outside_steers_a_terminal() {
    let run = mixed();
    let colour = Style {
        colour: true,
        width: 72,
    };
    for format in [Format::Text, Format::Markdown, Format::Json, Format::Csv] {
        let text = rendered(&run, format, Style::PLAIN, false);
        let steering = text
            .chars()
            .find(|c| c.is_control() && !matches!(c, '\n' | '\r'));
        assert_eq!(steering, None, "{format:?}");
        assert!(format == Format::Csv || !text.contains('\r'), "{format:?}");
        assert!(
            !text.lines().any(|line| line.starts_with("DONE")),
            "{format:?}: the server's words are no verdict"
        );
    }
    // With colour, the only sequences are ours.
    let painted = rendered(&run, Format::Text, colour, false);
    let plain = ["\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m"]
        .iter()
        .fold(painted.clone(), |text, ours| text.replace(ours, ""));
    assert_ne!(painted, plain);
    let style = Style {
        colour: false,
        ..colour
    };
    assert_eq!(
        plain,
        rendered(&run, Format::Text, style, false),
        "nothing is said by colour alone"
    );
    let too_long = plain
        .lines()
        .filter(|line| !line.contains("/srv/runs"))
        .find(|line| line.chars().count() > 72);
    assert_eq!(too_long, None);
}
