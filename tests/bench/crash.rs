//! Kills runs for as long as one likes: `cargo bench --bench crash [-- KILLS
//! [SEED] [waits]]`. It ends with the figures, or with the first broken promise
//! and the folder that shows it. With `waits` every kill is aimed at a penalty
//! or a lockout.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for the terminal"
)]

#[expect(dead_code, reason = "one kill in every phase is for the tests")]
#[path = "../campaigns/campaign.rs"]
mod campaign;
#[expect(dead_code, reason = "shared with the tests")]
#[path = "../all/support/mod.rs"]
mod support;

use std::{env, time::Instant};

use support::crash::phase::Phase;

fn main() {
    let mut numbers = env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let kills = numbers.next().unwrap_or(200);
    let seed = numbers.next().unwrap_or(1);
    let begun = Instant::now();
    let kills = usize::try_from(kills).unwrap_or(usize::MAX);
    let waits = env::args().any(|argument| argument == "waits");
    let targets: &[_] = if waits {
        &[Phase::Penalty, Phase::Lockout]
    } else {
        &[]
    };
    let figures = campaign::campaign(seed, kills, targets);
    println!(
        "seed {seed}, {:.0} s: {figures:#?}",
        begun.elapsed().as_secs_f64()
    );
}
