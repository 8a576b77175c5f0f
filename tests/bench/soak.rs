//! A long run: `cargo bench --bench soak [-- IDS [SEED]]`, a million IDs by
//! default, through a served sandbox with faults, every ID read back.
//!
//! It is interrupted and resumed a few times on the way. Twice a second it is
//! looked at from outside: memory, open files, the size of the journal; and
//! at each resume the time from the start of the process to its first
//! request. At the end all claims are compared with the sandbox's truth.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for the terminal"
)]

#[expect(dead_code, reason = "shared with the tests")]
#[path = "../all/support/mod.rs"]
mod support;

use std::{
    env, fs,
    path::Path,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rescind::{
    journal::{JournalReader, State},
    sandbox::{Fault, Faults, Odds, Rules},
};
use rustix::process::{Pid, Signal, kill_process};
use support::crash::{
    claims::{Terms, Verify, examine, settled},
    rig::{List, Sandbox, Site, gentle},
};

/// How often the process is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// At so many hundredths of the list a process is interrupted, and the run
/// resumed: the first one goes far, to show whether anything grows.
const PARTS: [u64; 4] = [70, 80, 90, 100];

/// Everything but the list, the address and the runs folder.
const OPTIONS: [&str; 12] = [
    "--rate",
    "unlimited",
    "--timeout",
    "2s",
    "--retry-initial",
    "20ms",
    "--retry-max",
    "200ms",
    "--max-consecutive-failures",
    "20",
    "--progress",
    "never",
];

/// A world that misbehaves in one call of twenty.
fn rules(seed: u64) -> Rules {
    Rules {
        faults: Faults {
            revoke: Odds::from([
                (Fault::ServerErrorBefore, 0.01),
                (Fault::ServerErrorAfter, 0.01),
                (Fault::ResetBefore, 0.01),
                (Fault::ResetAfter, 0.01),
                (Fault::Truncated, 0.005),
                (Fault::NotJson, 0.004),
                (Fault::Late, 0.001),
            ]),
            read: Odds::from([
                (Fault::Omit, 0.02),
                (Fault::Reorder, 0.02),
                (Fault::ServerErrorBefore, 0.01),
            ]),
            late_by: Duration::from_millis(300),
            ..Faults::default()
        },
        ..gentle(seed)
    }
}

/// What a process looked like at one moment.
#[derive(Clone, Copy, Default, Debug)]
struct Look {
    settled: u64,
    resident_kib: u64,
    files: usize,
    journal: u64,
    log: u64,
}

/// The processes of the run, one after the other.
#[derive(Default)]
struct Soak {
    /// How each was looked at, from its first request on.
    looks: Vec<Vec<Look>>,
    /// From the start of each to its first request.
    first_requests: Vec<Duration>,
}

fn main() {
    let mut numbers = env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let ids = numbers.next().unwrap_or(1_000_000);
    let seed = numbers.next().unwrap_or(1);
    let home = tempfile::tempdir().unwrap();
    let mut rng = Rng::with_seed(seed);
    let list = List::write(
        home.path().join("list.csv"),
        &mut rng,
        ids.cast_signed(),
        20,
    );
    let sandbox = Sandbox::serve(home.path(), "soaked", rules(seed));
    let site = Site::new(home.path(), "soaked", &OPTIONS);
    let total = list.natures.len() as u64;
    println!("{total} IDs, seed {seed}");

    let begun = Instant::now();
    let mut soak = Soak::default();
    let mut code = None;
    for part in PARTS {
        let goal = if part == 100 {
            u64::MAX
        } else {
            total * part / 100
        };
        code = soak.carry_on(&site, &list, &sandbox, goal);
    }
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(code, Some(3), "{}", site.said());
    let run = site.run().unwrap();
    let terms = Terms {
        verify: Verify::All,
        whole: true,
    };
    examine(&run, &sandbox, &list, terms);
    settled(&site, &list, terms);
    let truth = sandbox.look().truth();
    println!(
        "{took:.0} s, {} calls, {} faults; every claim is true",
        truth.calls.len(),
        truth.faults.len()
    );
    soak.tell(total, truth.calls.len());
}

impl Soak {
    /// Starts a process, and interrupts it when so many IDs are settled.
    fn carry_on(&mut self, site: &Site, list: &List, sandbox: &Sandbox, goal: u64) -> Option<i32> {
        let before = sandbox.happened();
        let mut command = site.command(list, sandbox);
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        while sandbox.happened() == before {
            assert!(child.try_wait().unwrap().is_none(), "{}", site.said());
            thread::sleep(Duration::from_micros(200));
        }
        self.first_requests.push(begun.elapsed());
        let mut looks = Vec::new();
        let mut interrupted = false;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.looks.push(looks);
                return status.code();
            }
            if let Some(look) = look(&child, site) {
                looks.push(look);
                if look.settled >= goal && !interrupted {
                    interrupted = true;
                    let pid = Pid::from_child(&child);
                    kill_process(pid, Signal::INT).unwrap();
                }
            }
            thread::sleep(EVERY);
        }
    }

    fn tell(&self, total: u64, calls: usize) {
        println!(
            "process  first request  settled IDs  resident MiB        open files  journal MiB"
        );
        for (index, looks) in self.looks.iter().enumerate() {
            // Once it has warmed up.
            let (first, last) = (looks[looks.len() / 10], looks[looks.len() - 1]);
            let peak = looks.iter().map(|look| look.resident_kib).max().unwrap();
            let files = looks.iter().map(|look| look.files);
            println!(
                "{:>7}  {:>10} ms  {:>11}  {:>18.1}, {:>4.1}, {:>4.1}  {:>4} – {:<4}  {:.1} – {:.1}",
                index + 1,
                self.first_requests[index].as_millis(),
                last.settled,
                mib(first.resident_kib << 10),
                mib(last.resident_kib << 10),
                mib(peak << 10),
                files.clone().min().unwrap(),
                files.max().unwrap(),
                mib(first.journal),
                mib(last.journal),
            );
        }
        let all = || self.looks.iter().flatten();
        let (first, last) = (all().next().unwrap(), all().last().unwrap());
        let log = all().map(|look| look.log).max().unwrap();
        println!(
            "journal: {:.1} MiB when frozen, {:.1} MiB at the end, that is {:.1} MiB a million IDs; \
             its write-ahead log: {:.1} MiB at the most; {:.0} bytes a call",
            mib(first.journal),
            mib(last.journal),
            mib(last.journal) * 1e6 / float(total),
            mib(log),
            float(last.journal - first.journal) / float(calls as u64),
        );
    }
}

/// Looks at a process from outside; none if it ends just now.
fn look(child: &Child, site: &Site) -> Option<Look> {
    let proc = format!("/proc/{}", child.id());
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib = resident.split_whitespace().next()?.parse().ok()?;
    let files = fs::read_dir(format!("{proc}/fd")).ok()?.count();
    let journal = site.run()?.journal();
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let tally = JournalReader::open(&journal).ok()?.tally().ok()?;
    let open = [State::Pending, State::InFlight, State::Unknown];
    let open: u64 = open.iter().map(|state| tally.of(*state)).sum();
    Some(Look {
        settled: tally.total() - open,
        resident_kib,
        files,
        journal: bytes(&journal),
        log: bytes(&journal.with_extension("db-wal")),
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures for a person")]
fn float(number: u64) -> f64 {
    number as f64
}

fn mib(bytes: u64) -> f64 {
    float(bytes) / f64::from(1 << 20)
}
