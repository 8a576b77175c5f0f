//! Text from outside does nothing wherever it is shown: in a spreadsheet, a
//! terminal, a page of Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::journal::{Entry, Evidence, PriorStatus, State, VerificationResult};
use crate::report::fixture::{SampleOutcome, plain};

/// What a hostile server, list or colleague may write.
const HOSTILE: [&str; 40] = [
    // Spreadsheets.
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "  =1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://x\",\"ok\")",
    "a;=1+1",
    "a; \"=1+1",
    "\",=1+1",
    "\"\r\n=1+1,",
    "＝1+1",
    // Terminals: colours, titles, the clipboard, links, text turned around.
    "\u{1b}[2J\u{1b}[31mred",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]52;c;aGk=\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{9b}31mred \u{9d}0;owned\u{9c}",
    "\u{202e}desrever \u{2066}x\u{2069} \u{200b}\u{feff}",
    "cut\0off \u{8}\u{8}\u{7f}",
    "over\rwritten",
    "DONE on LIVE: all IDs are revoked.\nSafe to forget? Yes.",
    "a\u{2028}b\u{85}c\u{b}d\u{c}e",
    // Pages.
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp;",
    "[link](http://x) ![image](http://x) [ref]: http://x",
    "https://x.example www.x.example a@x.example mailto:a@x.example",
    "@everyone #1 !1 GH-1",
    "**b** __b__ ~~s~~ $m$ `c` ``c` \\",
    "a | b | c \\| d",
    "```\n# heading\n```",
    "- item\n1. item\n> quote\n---\n===",
    "<!-- comment",
    "\\`c`",
    "` `",
    "`",
    "x",
];

/// Wherever text from outside can stand, it is this one.
fn told(text: &'static str) -> Fixture {
    let facts = RunMeta {
        input_path: text.to_owned(),
        column: text.to_owned(),
        note: text.to_owned(),
        ..facts("live", LIVE)
    };
    let batches: [(&[i64], &[u64]); 2] = [(&[1, 2], &[2, 3]), (&[3], &[5])];
    // In memory, where there is such a folder: nobody waits for a disk.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let rejects = [(4, text, "invalid: not a number")];
    let mut run = Fixture::freeze_in(home.unwrap(), facts, &batches, &rejects);
    run.process_of("run", r#"{"verify":"all"}"#, text, text);
    let refused = SampleOutcome {
        reason: "refused",
        message: text,
        ..plain(State::Refused)
    };
    // The word for a status is the API's, too.
    run.note(&[Entry::Sighted(vec![PriorStatus {
        id: 1.try_into().unwrap(),
        account: None,
        user: None,
        status: text.into(),
    }])]);
    run.deliver(1, 2, &refused);
    run.deliver(2, 1, &REVOKED);
    run.end("error", 1, text);
    run.process("verify", r#"{"verify":"all"}"#);
    run.note(&[Entry::Examined(VerificationResult {
        batch: 2,
        root: 2,
        claimed: State::Revoked,
        found: Evidence::Active,
        ids: 1,
        some: Vec::new(),
    })]);
    run.end("mismatch", 9, text);
    // Nobody writes such a name of a part, but a journal may have been changed.
    let journal = rusqlite::Connection::open(run.folder.journal()).unwrap();
    let renamed = journal.execute("UPDATE batch SET path = ?1 WHERE id = 1", [text]);
    assert_eq!(renamed.unwrap(), 1);
    run
}

/// A very long one, which has no end that anybody sees.
fn long() -> &'static str {
    "=long \u{1b}[31m`|<b>@x ".repeat(2_000).leak()
}

fn every_run() -> impl Iterator<Item = (&'static str, Fixture)> {
    let all = HOSTILE.into_iter().chain([long()]);
    all.map(|text| (text, told(text)))
}

#[test]
fn it_does_nothing_in_a_spreadsheet_wherever_that_begins_a_cell() {
    let begins_formula = |cell: &str| {
        cell.trim_start_matches(|c: char| c == '"' || c.is_whitespace())
            .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    };
    for (text, run) in every_run() {
        write(&run.folder).unwrap();
        for name in [
            RESULTS_CSV,
            PERMISSIONS_CSV,
            REMAINING_CSV,
            REJECTED_CSV,
            VERIFICATION_CSV,
            BEFORE_CSV,
        ] {
            let csv = file(&run, name);
            let header = csv.lines().next().unwrap().split(',').count();
            for record in records(&csv) {
                assert_eq!(record.len(), header, "{name} {text:?}");
                assert!(!record.iter().any(begins_formula), "{name} {text:?}");
            }
            // Elsewhere in Europe, and where somebody chose tabs.
            for line in csv.lines() {
                assert!(
                    !line.split([';', '\t']).any(begins_formula),
                    "{name} {line}"
                );
            }
            let rows = csv.matches("\r\n").count();
            assert_eq!(
                csv.matches(['\r', '\n']).count(),
                2 * rows,
                "{name} {text:?}"
            );
            assert_eq!(rows, csv.lines().count());
        }
    }
}

#[test]
fn it_does_nothing_to_a_terminal_and_makes_no_line_of_its_own() {
    let plain_run = told("x");
    let lines = |text: &str| text.lines().count();
    for (text, run) in every_run() {
        for format in [Format::Text, Format::Json] {
            let shown = rendered(
                &run,
                format,
                Style {
                    colour: false,
                    width: usize::MAX,
                },
                false,
            );
            for line in shown.lines() {
                assert_eq!(visible(line), line, "{format:?} {text:?}");
                assert!(!line.starts_with("DONE"), "{line}");
            }
            if format == Format::Json {
                assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok());
                let expected = rendered(&plain_run, format, Style::PLAIN, false);
                assert_eq!(lines(&shown), lines(&expected), "{text:?}");
            }
        }
        let listed = listing(&list(&run.runs).unwrap(), Style::PLAIN);
        assert!(listed.lines().all(|line| visible(line) == line), "{text:?}");
    }
}

/// As forges read it: tables, struck-out text, and addresses that stand alone.
#[test]
fn it_is_no_markup_in_markdown_and_no_address_and_nobodys_name() {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH;
    let shape = |page: &str| -> Vec<String> {
        let events = Parser::new_ext(page, options);
        let shape = events.filter_map(|event| match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => panic!("{event:?} in:\n{page}"),
            Event::Start(tag) => Some(format!("{tag:?}")),
            Event::Code(_) => Some("code".to_owned()),
            Event::Text(text) => {
                let lower = text.to_lowercase();
                for address in ["http://", "https://", "www.", "@x", "@everyone"] {
                    assert!(!lower.contains(address), "{text:?} in:\n{page}");
                }
                None
            }
            _ => None,
        });
        shape.collect()
    };
    let expected = shape(&rendered(&told("x"), Format::Markdown, Style::PLAIN, false));
    assert!(expected.iter().filter(|part| *part == "code").count() > 8);
    for (text, run) in every_run() {
        let page = rendered(&run, Format::Markdown, Style::PLAIN, false);
        assert_eq!(shape(&page), expected, "{text:?} in:\n{page}");
    }
}
