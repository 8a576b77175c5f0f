//! The promises that a crash must not break: nothing is sent that is not
//! recorded first, no ID is lost, none is claimed falsely, and a resume ends
//! where an undisturbed run would have ended.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use fastrand::Rng;
use rescind::{
    journal::JournalReader,
    sandbox::{Fault, Faults, Kind, Latency, Odds, Rules},
};

use crate::support::crash::{
    claims::{Terms, Verify, examine, settled},
    finish::{finish, window},
    interrupted::{Interruption, unhurried},
    phase::Phase,
    rig::{ANY, List, Moment, Sandbox, Site, gentle, program},
};
use crate::support::scratch;

const ALL: Terms = Terms {
    verify: Verify::All,
    whole: true,
};

/// A run that is quick and in no hurry to end: many small batches.
const QUICK: [&str; 16] = [
    "--batch-size",
    "10",
    "--read-size",
    "50",
    "--rate",
    "unlimited",
    "--timeout",
    "1s",
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
            min: Duration::from_millis(1),
            max: Duration::from_millis(4),
        },
        faults: Faults {
            revoke: Odds::from([(Fault::ServerErrorAfter, 0.03), (Fault::ResetAfter, 0.03)]),
            read: Odds::from([(Fault::Omit, 0.05)]),
            ..Faults::default()
        },
        ..gentle(seed)
    }
}

/// A run in a world of these rules, killed in its middle.
fn interrupted(home: &Path, list: &List, rules: Rules, happened: u64) -> (Site, Sandbox) {
    let interruption = Interruption {
        listen: ANY,
        rules: unhurried(rules),
        happened,
    };
    interruption.of((home, home), list, &QUICK)
}

#[test]
fn a_kill_while_freezing_leaves_no_run_and_is_cleared_up() {
    let home = scratch();
    let list = List::write(home.path().join("list.csv"), &mut Rng::with_seed(5), 200, 1);
    let sandbox = Sandbox::serve(home.path(), "one", gentle(5));
    let site = Site::new(home.path(), "one", &QUICK);
    let scratch = || {
        let names = fs::read_dir(site.runs.path()).into_iter().flatten();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".freezing")).count()
    };

    // A list whose end does not come: the process is freezing until it is
    // killed.
    let mut child = program()
        .args(["run", "-", "--base-url", &sandbox.url])
        .arg("--runs-dir")
        .arg(site.runs.path())
        .env("RESCIND_TOKEN", "sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A pipe holds little: once all this went through it, rows are frozen.
    let mut pipe = child.stdin.take().unwrap();
    for _ in 0..500 {
        pipe.write_all(&fs::read(&list.path).unwrap()).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert_eq!(scratch(), 1);
    assert!(site.run().is_none());
    assert_eq!(sandbox.look().truth().calls.len(), 0);

    let mut resume = program();
    resume.args(["resume", "--base-url", &sandbox.url, "--runs-dir"]);
    resume.arg(site.runs.path()).env("RESCIND_TOKEN", "sandbox");
    let resumed = resume.output().unwrap();
    assert_eq!(resumed.status.code(), Some(2), "{resumed:?}");

    finish(&site, &sandbox, &list);
    assert_eq!(scratch(), 0);
    settled(&site, &list, ALL);
}

#[test]
fn a_run_killed_after_its_freezing_is_resumed_as_frozen() {
    let home = scratch();
    let list = List::write(home.path().join("list.csv"), &mut Rng::with_seed(6), 100, 1);
    let sandbox = Sandbox::serve(home.path(), "one", gentle(6));
    let site = Site::new(home.path(), "one", &QUICK);
    let moment = Moment::In(Phase::Frozen, Duration::ZERO);
    site.until(moment, site.command(&list, &sandbox), &sandbox);
    let run = site.run().unwrap();
    // That process may have come a little further: it is put back to where
    // the list is frozen and nobody has taken the run up.
    let journal = rusqlite::Connection::open(run.journal()).unwrap();
    journal
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             DELETE FROM call; DELETE FROM hold; DELETE FROM token; DELETE FROM evidence;
             DELETE FROM process;
             DELETE FROM member WHERE batch IN (SELECT id FROM batch WHERE parent IS NOT NULL);
             DELETE FROM batch WHERE parent IS NOT NULL;
             UPDATE batch SET state = 'pending', reason = '', message = '', http_status = NULL,
                 attempts = 0, first_sent_at = NULL, settled_at = NULL, verified = '', owed = 0",
        )
        .unwrap();
    journal
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    drop(journal);

    let mut nameless = program();
    nameless.args(["resume", run.run().as_str(), "--runs-dir"]);
    nameless.arg(site.runs.path());
    let refused = nameless.output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "no token: {refused:?}");
    assert!(!run.path().join("sandbox.world").exists());

    let ended = site.until(Moment::Never, site.command(&list, &sandbox), &sandbox);
    assert_eq!(ended.unwrap().code(), Some(3), "{}", site.said());
    settled(&site, &list, ALL);
}

#[test]
fn a_run_killed_while_its_journal_is_folded_can_be_resumed() {
    let home = scratch();
    let list = List::write(home.path().join("list.csv"), &mut Rng::with_seed(3), 100, 1);
    let (site, sandbox) = interrupted(home.path(), &list, slow(3), 2_000);
    let run = site.run().unwrap();
    // What SQLite had kept of the old pages, as if the process had been killed
    // before it could throw that away.
    let aside = run.path().join("journal.db-journal");
    let journal = rusqlite::Connection::open(run.journal()).unwrap();
    journal
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    journal
        .execute_batch("BEGIN IMMEDIATE; UPDATE process SET pid = pid + 1")
        .unwrap();
    let half = fs::read(&aside).unwrap();
    drop(journal);

    let look = |line: &str| {
        let mut look = program();
        look.args(line.split(' ')).arg(site.runs.path());
        look.output().unwrap()
    };
    for line in ["report --runs-dir", "runs --runs-dir"] {
        fs::write(&aside, &half).unwrap();
        let shown = look(line);
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        assert!(String::from_utf8_lossy(&shown.stdout).contains(run.run().as_str()));
    }
    fs::write(&aside, &half).unwrap();
    let mut resume = program();
    resume.args(["resume", "--base-url", &sandbox.url, "--runs-dir"]);
    resume.arg(site.runs.path()).env("RESCIND_TOKEN", "sandbox");
    let resumed = resume.output().unwrap();
    assert_eq!(resumed.status.code(), Some(3), "{resumed:?}");
    examine(&run, &sandbox, &list, ALL);
    settled(&site, &list, ALL);
}

#[test]
fn a_run_killed_in_a_wait_long_after_its_calls_can_be_shown() {
    let home = scratch();
    let list = List::write(home.path().join("list.csv"), &mut Rng::with_seed(4), 300, 1);
    let (mut site, sandbox) = interrupted(home.path(), &list, slow(4), 3_000);
    site.config = Some(window(home.path(), true));
    let moment = Moment::In(Phase::Window, Duration::ZERO);
    let ended = site.until(moment, site.command(&list, &sandbox), &sandbox);
    assert!(ended.is_none(), "{}", site.said());
    let run = site.run().unwrap();
    let journal = rusqlite::Connection::open(run.journal()).unwrap();
    let moved = journal.execute("UPDATE hold SET began_at = began_at + 30000", []);
    assert_eq!(moved.unwrap(), 1);
    journal
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    drop(journal);

    let mut report = program();
    report.args(["report", "--format", "html", "--runs-dir"]);
    let shown = report.arg(site.runs.path()).output().unwrap();
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let page = String::from_utf8(shown.stdout).unwrap();
    assert!(
        page.contains("class=\"c-hold-window\" x="),
        "the wait is drawn"
    );
    site.config = Some(window(home.path(), false));
    finish(&site, &sandbox, &list);
    settled(&site, &list, ALL);
}

#[test]
fn a_run_killed_before_it_said_done_is_concluded_by_a_resume() {
    let home = scratch();
    let list = List::write(home.path().join("list.csv"), &mut Rng::with_seed(9), 60, 1);
    let sandbox = Sandbox::serve(home.path(), "one", gentle(9));
    let site = Site::new(home.path(), "one", &QUICK);
    finish(&site, &sandbox, &list);
    let calls = sandbox.look().truth().calls.len();
    let journal = rusqlite::Connection::open(site.run().unwrap().journal()).unwrap();
    journal
        .execute_batch("UPDATE process SET ended_at = NULL, outcome = NULL, exit_code = NULL")
        .unwrap();
    drop(journal);

    finish(&site, &sandbox, &list);
    settled(&site, &list, ALL);
    assert_eq!(sandbox.look().truth().calls.len(), calls);
}

#[test]
fn an_unwritable_journal_stops_the_run_before_more_is_sent() {
    let home = scratch();
    let list = List::write(
        home.path().join("list.csv"),
        &mut Rng::with_seed(7),
        2_000,
        2,
    );
    let sandbox = Sandbox::serve(home.path(), "one", slow(7));
    let site = Site::new(home.path(), "one", &QUICK);

    // No file may grow beyond about a megabyte: as if the disk were full for
    // the journal's log, which grows the fastest.
    let plain = site.command(&list, &sandbox);
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [limited.stdout, limited.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    let run = site.run().unwrap();
    let resume = format!("rescind resume {}", run.run());
    assert!(said.contains("journal"), "{said}");
    assert!(said.contains(&resume), "{said}");

    // What was sent is on record, batch by batch; much is still to do.
    examine(&run, &sandbox, &list, ALL);
    let archive = JournalReader::open(&run.journal()).unwrap();
    let sent = sandbox.look().truth().count(Kind::Revoke);
    assert!(sent > 0, "it stopped in mid-run");
    assert!(
        archive
            .tally()
            .unwrap()
            .of(rescind::journal::State::Pending)
            > 0
    );
    drop(archive);

    finish(&site, &sandbox, &list);
    examine(&run, &sandbox, &list, ALL);
    settled(&site, &list, ALL);
}

/// The size of a page of the write-ahead log, with the frame's header.
const FRAME: usize = 4096 + 24;

/// Damages the end of a write-ahead log as a power cut may with a disk that
/// only said it had written. What was moved to the journal's own file had been
/// synced before, so the log is not cut before that.
fn cut(wal: &Path, rng: &mut Rng) {
    let bytes = fs::read(wal).unwrap();
    let frames = bytes.len().saturating_sub(32) / FRAME;
    assert!(frames < 1000, "a part of the log was moved already");
    let at = rng.usize(1..bytes.len());
    let file = OpenOptions::new().write(true).open(wal).unwrap();
    file.set_len(at as u64).unwrap();
    if rng.bool() {
        // The length of a file may survive what was to stand in it.
        file.set_len(bytes.len() as u64).unwrap();
    }
}

#[test]
fn a_journal_that_lost_its_tail_claims_nothing_falsely() {
    let mut rng = Rng::with_seed(8);
    let terms = Terms {
        whole: false,
        ..ALL
    };
    for seed in 0..3 {
        let home = scratch();
        let list = List::write(home.path().join("list.csv"), &mut rng, 600, 1);
        let happened = rng.u64(1_000..12_000);
        let (site, sandbox) = interrupted(home.path(), &list, slow(seed), happened);
        let run = site.run().unwrap();
        cut(&run.path().join("journal.db-wal"), &mut rng);
        let _ = fs::remove_file(run.path().join("journal.db-shm"));
        examine(&run, &sandbox, &list, terms);
        finish(&site, &sandbox, &list);
        examine(&run, &sandbox, &list, terms);
        settled(&site, &list, terms);
    }
}
