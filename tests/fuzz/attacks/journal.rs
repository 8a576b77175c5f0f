//! Any file in place of a journal, and journals that somebody has changed: an
//! error that can be shown, or a summary that adds up.

use std::{fs, path::Path, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use rescind::{
    journal::{
        Batch, CallKind, Entry, HoldCause, Journal, Lookback, Move, NewRun, Part, Pick, Process,
        ProcessEnd, RunFolder, RunMeta, RunsDir, State, Verified, recent_calls,
    },
    list::PermissionId,
    report::{self, Format, Style, Summary},
};
use rusqlite::{Connection, types::Value};

const URL: &str = "https://demo.tradovateapi.com/v1";

/// A journal of five batches with some of everything, and its columns.
static BASE: LazyLock<(Vec<u8>, String, Vec<(String, String)>)> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let runs = RunsDir::create(home.path()).unwrap();
    let folder = freeze(&runs);
    carry(&folder);
    let bytes = fs::read(folder.journal()).unwrap();
    let database = Connection::open(folder.journal()).unwrap();
    let mut statement = database
        .prepare(
            "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p
             WHERE m.type = 'table' ORDER BY 1, 2",
        )
        .unwrap();
    let columns = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let columns = columns.map(Result::unwrap).collect();
    (bytes, folder.run().to_string(), columns)
});

fn ids(ids: &[i64]) -> Vec<PermissionId> {
    ids.iter().map(|id| (*id).try_into().unwrap()).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn freeze(runs: &RunsDir) -> RunFolder {
    let mut new = NewRun::begin(runs).unwrap();
    for batch in 0..5 {
        let first = 10 * batch + 1;
        let lines = [2, 3, 5].map(|line| u64::try_from(first).unwrap() + line);
        new.batch(&ids(&[first, first + 1, first + 2]), &lines)
            .unwrap();
    }
    new.reject(100, "1", "duplicate").unwrap();
    new.reject(101, "1.02E+09", "invalid: scientific notation")
        .unwrap();
    let facts = RunMeta {
        created: at(0),
        environment: "demo".to_owned(),
        base_url: URL.to_owned(),
        input_path: "list.csv".to_owned(),
        input_sha256: "a1".repeat(32),
        list_sha256: "b2".repeat(32),
        column: "permissionId".to_owned(),
        batch_size: 3,
        rows_total: 17,
        rows_distinct: 15,
        rows_duplicate: 1,
        rows_invalid: 1,
        batches: 5,
        note: "a note".to_owned(),
    };
    new.commit(&facts).unwrap()
}

fn carry(folder: &RunFolder) {
    let mut journal = Journal::open(&folder.journal()).unwrap();
    let process = Process {
        command: "run",
        started: at(1),
        operator: "ops".to_owned(),
        host: "night".to_owned(),
        pid: 7,
        version: "0.1.0",
        settings: r#"{"verify":"all"}"#.to_owned(),
    };
    journal.begin_process(&process).unwrap();
    let fates = [
        (State::Revoked, "", Verified::Revoked, false),
        (State::Revoked, "unverified", Verified::No, true),
        (State::Unknown, "timeout", Verified::No, false),
    ];
    let mut entries = Vec::new();
    for (batch, (to, reason, verified, owed)) in (1..).zip(fates) {
        entries.extend(sent(batch));
        entries.push(Entry::Answered {
            call: batch,
            at: at(10 + batch),
            elapsed_us: 1_000,
            status: Some(200),
            verdict: "accepted",
            message: String::new(),
        });
        entries.push(Entry::Moved(Move {
            batch,
            ids: 3,
            from: State::InFlight,
            to,
            reason: reason.into(),
            message: "what was said".to_owned(),
            http_status: Some(200),
            verified,
            owed,
            at: at(10 + batch),
        }));
    }
    entries.extend(sent(4));
    let parts = [(1, &[31, 32][..]), (2, &[33][..])].map(|(step, numbers)| Part {
        batch: Batch {
            id: 5 + step,
            path: format!("4.{step}"),
            root: 4,
            state: State::Refused,
            ids: ids(numbers),
            lines: numbers.iter().map(|line| line.cast_unsigned()).collect(),
        },
        reason: "refused".into(),
        message: String::new(),
        verified: Verified::Active,
        owed: false,
    });
    entries.push(Entry::Divided {
        batch: 4,
        from: State::InFlight,
        parts: parts.into(),
        at: at(20),
    });
    entries.push(Entry::Held {
        hold: 1,
        cause: HoldCause::Lockout,
        detail: "429".to_owned(),
        began: at(21),
        until: at(3_621),
        full_ms: 3_600_000,
    });
    journal.write(&entries).unwrap();
    let end = ProcessEnd::new(at(30), "deferred", 5);
    journal.end_process(&end).unwrap();
}

fn sent(batch: i64) -> [Entry; 2] {
    let begun = Entry::Begun {
        call: batch,
        kind: CallKind::Revoke,
        batch: Some(batch),
        ids: 3,
        at: at(batch),
    };
    let sending = Entry::Sending {
        batch,
        ids: 3,
        from: State::Pending,
        at: at(batch),
    };
    [begun, sending]
}

/// What a changed cell may hold.
fn value(number: u8) -> Value {
    const NUMBERS: [i64; 8] = [-1, 0, 1, 3, 1 << 31, i64::MAX, i64::MIN, 1_795_000_000_000];
    const TEXTS: [&str; 16] = [
        "",
        "x",
        "-1",
        "18446744073709551615",
        "99999999999999999999999",
        "[1,2]",
        "[0]",
        "[9223372036854775807]",
        "revoked",
        "divided",
        "4.1.1.1",
        "duplicate",
        "\u{1b}]0;owned\u{7}\n\u{202e}",
        "=1+1",
        "{\"verify\":\"\u{9b}2J\"}",
        "demo",
    ];
    match number {
        0..8 => Value::Integer(NUMBERS[usize::from(number)]),
        8..16 => Value::Null,
        16..24 => Value::Blob(vec![0xff, number]),
        _ => Value::Text(TEXTS[usize::from(number) % TEXTS.len()].to_owned()),
    }
}

/// The first byte says what is done: the others are the file, or changes of
/// its bytes, or of its rows.
pub(crate) fn attack(input: &[u8]) {
    let Some((way, rest)) = input.split_first() else {
        return;
    };
    let (base, run, columns) = &*BASE;
    let home = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let runs = RunsDir::create(home.path()).unwrap();
    let path = home.path().join(run).join("journal.db");
    fs::create_dir(path.parent().unwrap()).unwrap();
    match way % 3 {
        0 => fs::write(&path, rest).unwrap(),
        1 => {
            let mut bytes = base.clone();
            for edit in rest.chunks_exact(4) {
                let at = usize::from(edit[0]) << 8 | usize::from(edit[1]);
                let at = (at | usize::from(edit[2] & 1) << 16) % bytes.len();
                bytes[at] = edit[3];
            }
            if let [.., last] = rest.chunks_exact(4).remainder() {
                bytes.truncate(usize::from(*last) << 8);
            }
            fs::write(&path, bytes).unwrap();
        }
        _ => {
            fs::write(&path, base).unwrap();
            let database = Connection::open(&path).unwrap();
            database
                .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;")
                .unwrap();
            for edit in rest.chunks_exact(3).take(8) {
                let (table, column) = &columns[usize::from(edit[0]) % columns.len()];
                let chosen = format!(
                    "\"{column}\" IS (SELECT \"{column}\" FROM \"{table}\" LIMIT 1 OFFSET ?1)"
                );
                let row = edit[1] % 16;
                // A value that the column does not take changes nothing.
                let _ = if edit[1] & 0x80 == 0 {
                    database.execute(
                        &format!("UPDATE \"{table}\" SET \"{column}\" = ?2 WHERE {chosen}"),
                        (row, value(edit[2])),
                    )
                } else {
                    database.execute(&format!("DELETE FROM \"{table}\" WHERE {chosen}"), [row])
                };
            }
        }
    }
    examine(&runs, &runs.find(run).unwrap(), &path);
}

/// Does all that is done with a journal but sending.
fn examine(runs: &RunsDir, folder: &RunFolder, path: &Path) {
    let shown = |text: &str| {
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
        assert!(!text.contains(steers), "{text:?}");
    };
    let listed = report::list(runs).unwrap();
    shown(&report::listing(&listed, Style::PLAIN));
    for format in [Format::Text, Format::Markdown, Format::Json, Format::Csv] {
        let mut out = Vec::new();
        match report::render(folder, format, Style::PLAIN, false, &mut out) {
            Ok(()) => shown(std::str::from_utf8(&out).unwrap()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    match Summary::of(folder, false) {
        Ok(summary) => {
            let rows = summary.rows;
            assert_eq!(
                rows.total,
                rows.distinct + rows.duplicate + rows.invalid,
                "{rows:?}"
            );
            let ids: u64 = State::SHOWN
                .iter()
                .map(|state| summary.ids.of(*state))
                .sum();
            assert_eq!(ids, rows.distinct);
            assert!(summary.owed <= ids && summary.read_back + summary.unread <= ids);
            // It reads more than the summary does, and that may be damaged.
            if let Ok(written) = report::write(folder) {
                assert_eq!(written.ids, summary.ids);
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            report::write(folder).unwrap_err();
        }
    }
    let lookback = Lookback {
        now: at(40),
        span: Duration::from_hours(2),
        timeout: Duration::from_mins(1),
    };
    let _ = recent_calls(runs, URL, &lookback);
    let Ok(journal) = Journal::open(path) else {
        return;
    };
    let _ = (
        journal.tally(),
        journal.whole_batches(),
        journal.last_numbers(),
    );
    let _ = (journal.was_accepted(), journal.owed(0, 10));
    for pick in [
        Pick::Doubtful,
        Pick::Owed,
        Pick::SendableWhole,
        Pick::Sendable,
        Pick::SendableUnread,
        Pick::Proven,
    ] {
        for batch in journal.batches(pick, 0, i64::MAX, 100).unwrap_or_default() {
            assert!(batch.ids.iter().all(|id| id.get() > 0));
            let _ = journal.doubt(batch);
        }
    }
}
