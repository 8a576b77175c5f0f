//! Finding permissions in many runs.
//!
//! `cargo bench --bench find -- RUNS BATCHES` makes so many runs of so many
//! batches of 100 IDs in a temporary folder (100 of 10,000: 1.5 GB) and looks
//! for three permissions with the built binary: one in all runs, one in the
//! last batch of all runs, and one in none.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{error::Error, fs, process::Command, time::Instant};

use jiff::{SignedDuration, Timestamp};
use rescind::{
    journal::{NewRun, RunMeta, RunsDir},
    list::PermissionId,
    report,
};

const BATCH: u64 = 100;
const FIRST: i64 = 1_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds flags of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let (count, batches) = (
        numbers.next().unwrap_or(100_u64),
        numbers.next().unwrap_or(10_000_u64),
    );
    let home = tempfile::tempdir()?;
    let runs = RunsDir::create(home.path())?;
    let begun = Instant::now();
    for night in 0..count {
        freeze(&runs, night.cast_signed(), batches)?;
    }
    let bytes: u64 = runs
        .list()?
        .iter()
        .map(|run| fs::metadata(run.journal()).map_or(0, |found| found.len()))
        .sum();
    println!(
        "{count} runs of {} IDs made in {:.0} s: {} MiB",
        batches * BATCH,
        begun.elapsed().as_secs_f64(),
        bytes >> 20
    );
    let last = FIRST + (batches * BATCH).cast_signed() - 1;
    for (what, ids) in [
        ("in the first batch of all runs", vec![FIRST + 7]),
        ("in the last batch of all runs", vec![last]),
        ("in no run", vec![7]),
        ("a thousand, in all runs", (last - 999..=last).collect()),
    ] {
        let mut seconds: Vec<f64> = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let ended = Command::new(env!("CARGO_BIN_EXE_rescind"))
                .arg("find")
                .args(ids.iter().map(i64::to_string))
                .arg("--json")
                .arg("--runs-dir")
                .arg(home.path())
                .output()?;
            seconds.push(begun.elapsed().as_secs_f64());
            assert!(
                ended.status.success(),
                "{}",
                String::from_utf8_lossy(&ended.stderr)
            );
        }
        seconds.sort_by(f64::total_cmp);
        println!("{what}: {:.2} s (median of 3)", seconds[1]);
    }
    let begun = Instant::now();
    report::list(&runs)?;
    println!("list of runs: {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// A run of the same IDs a day later, as a list that is never worked off.
fn freeze(runs: &RunsDir, night: i64, batches: u64) -> Result<(), Box<dyn Error>> {
    let first: Timestamp = "2026-01-01T02:00:00Z".parse()?;
    let mut run = NewRun::begin(runs)?;
    for batch in 0..batches {
        let lines: Vec<u64> = (2 + batch * BATCH..2 + (batch + 1) * BATCH).collect();
        let ids = lines
            .iter()
            .map(|line| PermissionId::try_from(FIRST + line.cast_signed() - 2))
            .collect::<Result<Vec<_>, _>>()?;
        run.batch(&ids, &lines)?;
    }
    run.commit(&RunMeta {
        created: first + SignedDuration::from_hours(24 * night),
        environment: "demo".to_owned(),
        base_url: "https://demo.example/v1".to_owned(),
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
    })?;
    Ok(())
}
