//! Rows frozen a second, and the memory it takes at its peak.
//!
//! `cargo bench --bench freeze -- 10000000` writes a list of so many distinct
//! IDs in no order to a temporary file, freezes it without storing anything,
//! and prints both figures. The list is written and read as a stream, so the
//! peak is that of freezing.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    convert::Infallible,
    error::Error,
    fs,
    io::{BufWriter, Write},
    num::NonZeroUsize,
    time::Instant,
};

use rescind::list::{Input, Rows, freeze};

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds flags of its own.
    let rows: u64 = match std::env::args().skip(1).find(|arg| !arg.starts_with('-')) {
        Some(rows) => rows.parse()?,
        None => 10_000_000,
    };
    let mut file = tempfile::NamedTempFile::new()?;
    let mut out = BufWriter::new(&mut file);
    writeln!(out, "permissionId")?;
    for row in 0..rows {
        // An odd factor makes a permutation of the numbers below 2^33.
        let scattered = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 33) - 1);
        writeln!(out, "{}", 1_000_000_000 + scattered)?;
    }
    out.flush()?;
    drop(out);

    let input = Input::Path(file.path().to_owned());
    let start = Instant::now();
    let list = Rows::open(&input, None)?;
    let batch_size = NonZeroUsize::new(100).ok_or("a batch holds something")?;
    let census = freeze(list, batch_size, |_| Ok::<_, Infallible>(()))?;
    let seconds = start.elapsed().as_secs_f64();
    if (census.total, census.distinct) != (rows, rows) {
        return Err(format!("not every row was frozen: {census:?}").into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let millions = rows as f64 / seconds / 1e6;
    println!("{rows} rows in {seconds:.2} s: {millions:.2} million rows/s");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    match kib {
        Some(kib) => println!("peak memory {} MiB", kib.div_ceil(1024)),
        None => println!("peak memory unknown: the system does not say"),
    }
    Ok(())
}
