//! The files of a run: how long they take, and in how much memory.
//!
//! `cargo bench --bench report -- 100000` makes a journal of so many batches
//! of 100 IDs in a temporary folder, one batch in a hundred refused, and
//! writes all files of that run.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{error::Error, fs, time::Instant};

use jiff::Timestamp;
use rescind::{
    journal::{
        Entry, Journal, Move, NewRun, Process, ProcessEnd, RunMeta, RunsDir, State, Verified,
    },
    list::PermissionId,
    report,
};

const BATCH: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds flags of its own.
    let batches: u64 = match std::env::args().skip(1).find(|arg| !arg.starts_with('-')) {
        Some(batches) => batches.parse()?,
        None => 100_000,
    };
    let home = tempfile::tempdir()?;
    let runs = RunsDir::create(home.path())?;
    let now = Timestamp::now();
    let mut run = NewRun::begin(&runs)?;
    for batch in 0..batches {
        let lines: Vec<u64> = (2 + batch * BATCH..2 + (batch + 1) * BATCH).collect();
        let ids = lines
            .iter()
            .map(|line| PermissionId::try_from(1_000_000_000 + line.cast_signed()))
            .collect::<Result<Vec<_>, _>>()?;
        run.batch(&ids, &lines)?;
    }
    let folder = run.commit(&facts(batches, now))?;
    let mut journal = Journal::open(&folder.journal())?;
    journal.begin_process(&Process {
        command: "run",
        started: now,
        operator: "bench".to_owned(),
        host: "bench".to_owned(),
        pid: 1,
        version: "0",
        settings: "{}".to_owned(),
    })?;
    for batch in 1..=batches.cast_signed() {
        journal.write(&delivered(batch, now))?;
        if batch % 10_000 == 0 {
            println!("{batch} batches made");
        }
    }
    journal.end_process(&ProcessEnd::new(now, "partial", 3))?;

    let before = peak();
    let start = Instant::now();
    let summary = report::write(&folder)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{batches} batches, {} IDs: all files in {seconds:.2} s",
        summary.rows.distinct
    );
    let start = Instant::now();
    report::refresh(&folder)?;
    println!(
        "results.csv and summary.json alone in {:.2} s",
        start.elapsed().as_secs_f64()
    );
    match (before, peak()) {
        (Some(before), Some(after)) => println!(
            "peak memory {} MiB, {} MiB before the files were written",
            after / 1024,
            before / 1024
        ),
        _ => println!("peak memory unknown: the system does not say"),
    }
    Ok(())
}

fn facts(batches: u64, created: Timestamp) -> RunMeta {
    RunMeta {
        created,
        environment: "sandbox".to_owned(),
        base_url: "http://127.0.0.1/v1".to_owned(),
        input_path: "-".to_owned(),
        input_sha256: "0".repeat(64),
        list_sha256: "0".repeat(64),
        column: "permissionId".to_owned(),
        batch_size: BATCH,
        rows_total: batches * BATCH,
        rows_distinct: batches * BATCH,
        rows_duplicate: 0,
        rows_invalid: 0,
        batches,
        note: String::new(),
    }
}

fn delivered(batch: i64, at: Timestamp) -> [Entry; 2] {
    let refused = batch % 100 == 0;
    [
        Entry::Sending {
            batch,
            ids: BATCH,
            from: State::Pending,
            at,
        },
        Entry::Moved(Move {
            batch,
            ids: BATCH,
            from: State::InFlight,
            to: if refused {
                State::Refused
            } else {
                State::Revoked
            },
            reason: if refused { "refused" } else { "" }.into(),
            message: if refused { "not revocable" } else { "" }.to_owned(),
            http_status: Some(200),
            verified: if refused {
                Verified::No
            } else {
                Verified::Revoked
            },
            owed: false,
            at,
        }),
    ]
}

/// The most memory this process has had, in KiB.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}
