//! The promises that a disk must not break: where nothing can be written,
//! nothing is sent and it is said clearly; what is claimed stays true; and
//! with room again the run goes on.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use fastrand::Rng;
use rescind::{
    journal::{JournalReader, State},
    sandbox::{Kind, Latency, Rules},
};

use crate::support::scratch;
use crate::{
    support::crash::{
        claims::{Terms, Verify, examine, settled},
        finish::finish,
        interrupted::{Interruption, unhurried},
        rig::{ANY, List, Sandbox, Site, gentle, program},
    },
    support::process::{Ended, Running, until},
    support::small_fs::{Island, on_an_island},
};

const NO_SPACE: &str = "No space left on device";
const READ_ONLY: &str = "Read-only file system";

const ALL: Terms = Terms {
    verify: Verify::All,
    whole: true,
};

/// Small batches, in no hurry to end.
const OPTIONS: [&str; 14] = [
    "--batch-size",
    "10",
    "--rate",
    "unlimited",
    "--timeout",
    "2s",
    "--retry-initial",
    "20ms",
    "--retry-max",
    "100ms",
    "--progress",
    "never",
    "--workers",
    "4",
];

fn slow(seed: u64) -> Rules {
    Rules {
        latency: Latency {
            min: Duration::from_millis(3),
            max: Duration::from_millis(9),
        },
        ..gentle(seed)
    }
}

/// Starts the site's next command.
fn start(island: &Island, site: &Site, list: &List, sandbox: &Sandbox) -> Running {
    Running::start(&mut island.start(site.command(list, sandbox)))
}

fn calls(sandbox: &Sandbox) -> usize {
    sandbox.look().truth().calls.len()
}

/// A command that only looks.
fn look(island: &Island, site: &Site, line: &str) -> Ended {
    let mut command = program();
    command
        .args(line.split(' '))
        .arg("--runs-dir")
        .arg(site.runs.path());
    Running::start(&mut island.start(command)).end()
}

/// It ended with 1, said why in the system's words, and what to do.
#[track_caller]
fn failed(island: &Island, ended: Ended, error: &str, why: &str, hint: &str) -> Ended {
    // An injected fault has words of its own.
    let (why, hint) = if island.is_real() {
        (why, hint)
    } else {
        ("caused by: ", "\nhint: ")
    };
    ended.with(1).says(error).says(why).says(hint)
}

#[test]
fn a_disk_full_while_freezing_leaves_no_run_and_sends_nothing() {
    let test = "faults::disk::a_disk_full_while_freezing_leaves_no_run_and_sends_nothing";
    on_an_island(9 << 10, test, |island| {
        let home = scratch();
        let sandbox = Sandbox::serve(home.path(), "one", gentle(1));
        let runs = island.path().join("runs");
        if !island.is_real() {
            island.fill(1 << 10, None);
        }
        let mut command = program();
        command
            .args(["run", "-", "--base-url", &sandbox.url, "--runs-dir"])
            .arg(&runs)
            .env("RESCIND_TOKEN", "sandbox");
        let mut running = Running::start(island.start(command).stdin(Stdio::piped()));
        // Longer than the disk is; the room is looked at before, but how long
        // this list is nobody can know.
        let mut pipe = running.stdin();
        let writer = thread::spawn(move || {
            let rows = (0..700_000).map(|row| (i64::MAX - row).to_string() + "\n");
            let all = String::from("permissionId\n") + &rows.collect::<String>();
            // Nobody reads to the end.
            let _ = pipe.write_all(all.as_bytes());
        });
        let ended = running.end();
        writer.join().unwrap();
        failed(island, ended, "error: ", "disk is full", "hint: make room");
        assert_eq!(calls(&sandbox), 0);
        let left = fs::read_dir(runs).unwrap();
        let left: Vec<_> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".lock"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    });
}

/// What a run of so many rows needs is known once they are frozen.
#[test]
fn a_run_that_does_not_fit_is_refused_before_it_begins() {
    let test = "faults::disk::a_run_that_does_not_fit_is_refused_before_it_begins";
    on_an_island(40 << 10, test, |island| {
        if !island.is_real() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::serve(home.path(), "one", gentle(1));
        let runs = island.path().join("runs");
        let list = home.path().join("list.csv");
        let rows = (1_000_000_000..1_000_400_000).map(|id| format!("{id}\n"));
        fs::write(&list, rows.collect::<String>()).unwrap();
        let run = || {
            let mut command = program();
            command
                .args(["run", "--base-url", &sandbox.url, "--runs-dir"])
                .arg(&runs)
                .arg(&list)
                .env("RESCIND_TOKEN", "sandbox");
            Running::start(&mut island.start(command)).end()
        };
        let refused = run()
            .with(1)
            .says(" MiB free, and this run may need 93 MiB");
        refused.says("hint: make room");
        let left = || {
            let entries = fs::read_dir(&runs).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| !name.as_encoded_bytes().starts_with(b".lock"))
                .count()
        };
        assert_eq!(left(), 0, "no run");

        fs::write(&list, "1001\n").unwrap();
        for file in 0.. {
            if fs::write(island.path().join(file.to_string()), "").is_err() {
                break;
            }
        }
        for file in 0..10 {
            fs::remove_file(island.path().join(file.to_string())).unwrap();
        }
        run()
            .with(1)
            .says("has room for 10 more files (inodes), and this run may need 24")
            .says("hint: make room");
        assert_eq!(left(), 0, "no run");
        assert_eq!(calls(&sandbox), 0);
    });
}

#[test]
fn a_disk_that_fills_in_mid_run_stops_it_until_there_is_room() {
    let test = "faults::disk::a_disk_that_fills_in_mid_run_stops_it_until_there_is_room";
    on_an_island(20 << 10, test, |island| {
        let home = scratch();
        let mut rng = Rng::with_seed(2);
        let list = List::write(home.path().join("list.csv"), &mut rng, 3_000, 2);
        let sandbox = Sandbox::serve(home.path(), "one", slow(2));
        let site = Site::new(island.path(), "one", &OPTIONS);
        let running = start(island, &site, &list, &sandbox);
        until("revocations arrive", || {
            (sandbox.look().truth().count(Kind::Revoke) >= 20).then_some(())
        });
        island.fill(0, Some(running.pid()));
        let ended = running.end().with(1);
        let run = site.run().unwrap();
        let resume = format!("rescind resume {}", run.run());
        let ended = ended.says("cannot write the journal").says(&resume);
        ended.says("hint: make room");

        examine(&run, &sandbox, &list, ALL);
        let archive = JournalReader::open(&run.journal()).unwrap();
        let pending = archive.tally().unwrap().of(State::Pending);
        assert!(pending > 0, "it was to stop in mid-run");
        drop(archive);

        // Nor does it begin again. The end of a process frees a little.
        let before = calls(&sandbox);
        island.fill(0, None);
        let again = start(island, &site, &list, &sandbox).end();
        failed(island, again, "error: ", "", "hint: make room");
        assert_eq!(calls(&sandbox), before);
        if island.is_real() {
            look(island, &site, "report").with(0);
        }

        island.make_room();
        finish(&site, &sandbox, &list);
        examine(&run, &sandbox, &list, ALL);
        settled(&site, &list, ALL);
    });
}

#[test]
fn a_disk_too_full_for_the_results_keeps_the_journal_complete() {
    let test = "faults::disk::a_disk_too_full_for_the_results_keeps_the_journal_complete";
    on_an_island(80 << 10, test, |island| {
        let home = scratch();
        let mut rng = Rng::with_seed(3);
        let list = List::write(home.path().join("list.csv"), &mut rng, 150_000, 1);
        let sandbox = Sandbox::serve(home.path(), "one", gentle(3));
        let options = [
            &OPTIONS[2..],
            &["--batch-size", "1000", "--read-size", "500"],
        ]
        .concat();
        let site = Site::new(island.path(), "one", &options);
        let error = "error: the results could not be written";
        finish(&site, &sandbox, &list);
        let run = site.run().unwrap();
        let permissions = run.path().join("permissions.csv");
        let before = calls(&sandbox);

        // A file that is not there yet is not there by half. How much room
        // the journal of a run under way takes is not the test's to say, so
        // the run is finished.
        fs::remove_file(&permissions).unwrap();
        island.fill(2_000, None);
        let ended = start(island, &site, &list, &sandbox).end();
        failed(island, ended, error, NO_SPACE, "hint: make room");
        examine(&run, &sandbox, &list, ALL);
        assert!(!permissions.exists(), "half a file");
        island.make_room();
        start(island, &site, &list, &sandbox).end().with(3);
        settled(&site, &list, ALL);

        // What stood there stays whole where nothing else can be written.
        let old = fs::read(&permissions).unwrap();
        island.fill(64, None);
        let ended = start(island, &site, &list, &sandbox).end();
        failed(island, ended, error, NO_SPACE, "hint: make room");
        assert!(fs::read(&permissions).unwrap() == old);
        assert_eq!(calls(&sandbox), before);
    });
}

/// A run that was killed in its middle, on an island.
fn interrupted(island: &Island, home: &Path, seed: u64) -> (Site, List, Sandbox) {
    let mut rng = Rng::with_seed(seed);
    let list = List::write(home.join("list.csv"), &mut rng, 600, 1);
    let interruption = Interruption {
        listen: ANY,
        rules: unhurried(gentle(seed)),
        happened: 5_000,
    };
    let (site, sandbox) = interruption.of((home, island.path()), &list, &OPTIONS);
    (site, list, sandbox)
}

#[test]
fn on_a_read_only_disk_nothing_is_sent_and_all_can_be_read() {
    let test = "faults::disk::on_a_read_only_disk_nothing_is_sent_and_all_can_be_read";
    on_an_island(20 << 10, test, |island| {
        let home = scratch();
        let (mut site, list, sandbox) = interrupted(island, home.path(), 4);
        let before = calls(&sandbox);
        let run = site.run().unwrap();
        // What a command says is kept elsewhere.
        let island_home = std::mem::replace(&mut site.home, home.path().to_owned());
        island.read_only(true);
        let ended = start(island, &site, &list, &sandbox).end();
        failed(
            island,
            ended,
            "error: ",
            READ_ONLY,
            "hint: make it writable",
        );
        let mut command = program();
        command
            .args(["run", "--base-url", &sandbox.url, "--runs-dir"])
            .arg(site.runs.path())
            .arg(&list.path)
            .env("RESCIND_TOKEN", "sandbox");
        let ended = Running::start(&mut island.start(command)).end();
        failed(
            island,
            ended,
            "error: ",
            READ_ONLY,
            "hint: make it writable",
        );
        assert_eq!(calls(&sandbox), before);
        // A journal with a write-ahead log that nobody folded in. (Where
        // nothing at all can be written, not even its index can be made.)
        let lines = ["report", "report --format json", "runs"];
        for line in lines.into_iter().filter(|_| island.is_real()) {
            let ended = look(island, &site, line).with(0);
            assert!(
                ended.out.contains(run.run().as_str()),
                "{line}: {}",
                ended.out
            );
        }

        island.read_only(false);
        site.home = island_home;
        finish(&site, &sandbox, &list);
        examine(&run, &sandbox, &list, ALL);
        settled(&site, &list, ALL);
        // A finished run, copied away and made safe.
        island.read_only(true);
        look(island, &site, "report").with(0).shows("resumed once");
    });
}

#[test]
fn with_a_read_only_journal_nothing_is_sent() {
    let test = "faults::disk::with_a_read_only_journal_nothing_is_sent";
    on_an_island(20 << 10, test, |island| {
        let home = scratch();
        let (site, list, sandbox) = interrupted(island, home.path(), 5);
        let before = calls(&sandbox);
        let journal = site.run().unwrap().journal();
        island.file_read_only(&journal, true);
        let ended = start(island, &site, &list, &sandbox).end();
        let (why, hint) = (
            "attempt to write a readonly database",
            "hint: make it writable",
        );
        failed(island, ended, "error: the journal failed", why, hint);
        assert_eq!(calls(&sandbox), before);
        island.file_read_only(&journal, false);
        finish(&site, &sandbox, &list);
        settled(&site, &list, ALL);
    });
}

/// The log is the least of what is lost: it may be short, and nothing else
/// may be.
#[test]
fn a_log_that_cannot_be_written_costs_no_claim() {
    let home = scratch();
    let mut rng = Rng::with_seed(6);
    let list = List::write(home.path().join("list.csv"), &mut rng, 300, 1);
    let interruption = Interruption {
        listen: ANY,
        rules: unhurried(gentle(6)),
        happened: 3_000,
    };
    let (site, sandbox) = interruption.of((home.path(), home.path()), &list, &OPTIONS);
    // A device that is always full, where the log was.
    let run = site.run().unwrap();
    let log = run.path().join("run.log");
    fs::remove_file(&log).unwrap();
    let made = Command::new("mknod")
        .arg(&log)
        .args(["c", "1", "7"])
        .status();
    if made.is_ok_and(|status| status.success()) {
        let again = Running::start(&mut site.command(&list, &sandbox)).end();
        assert!(matches!(again.code, Some(1 | 3)), "{}", again.err);
        examine(&run, &sandbox, &list, ALL);
        fs::remove_file(&log).unwrap();
    } else {
        // Who may not make a device: a folder cannot be written to either.
        fs::create_dir(&log).unwrap();
        let before = calls(&sandbox);
        let again = Running::start(&mut site.command(&list, &sandbox)).end();
        again.with(1).says("error: cannot open ").says("run.log");
        assert_eq!(calls(&sandbox), before);
        fs::remove_dir(&log).unwrap();
    }
    finish(&site, &sandbox, &list);
    examine(&run, &sandbox, &list, ALL);
    settled(&site, &list, ALL);
}
