//! The files of a run are taken away, replaced, or held by a reader while a
//! process works with them.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::read::GzDecoder;
use rescind::sandbox::Kind;
use rusqlite::Connection;

use crate::support::process::{Running, Site, claims_hold, ended_so, until};

/// A run of many small batches that has sent some of them.
fn started(site: &Site) -> Running {
    let list = site.list(1001..1401);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 2")));
    site.until_posted(5);
    running
}

/// It stopped soon, and said which file went.
fn stopped(site: &Site, running: Running, posted: usize, file: &str) {
    let ended = running.end().with(1);
    let said = format!("{file} was removed or replaced while this process was working with it");
    ended
        .says(&said)
        .says("nothing more is sent")
        .says("hint: ");
    let now = site.truth().count(Kind::Revoke);
    // Some were recorded before the file went.
    assert!(now <= posted + 20, "{posted} and then {now}");
}

#[test]
fn a_run_whose_folder_is_removed_sends_nothing_more() {
    let site = Site::new("latency = '20ms'");
    let running = started(&site);
    let (run, posted) = (site.the_run(), site.truth().count(Kind::Revoke));
    fs::remove_dir_all(&run).unwrap();
    stopped(&site, running, posted, "journal.db");
    assert!(!run.exists(), "nothing is written where it was");
}

#[test]
fn a_run_whose_log_is_removed_sends_nothing_more() {
    let site = Site::new("latency = '20ms'");
    let running = started(&site);
    let posted = site.truth().count(Kind::Revoke);
    fs::remove_file(site.the_run().join("journal.db-wal")).unwrap();
    stopped(&site, running, posted, "journal.db-wal");
}

#[test]
fn a_run_whose_lock_is_removed_sends_nothing_more() {
    let site = Site::new("latency = '20ms'");
    let running = started(&site);
    let posted = site.truth().count(Kind::Revoke);
    let lock = fs::read_dir(site.runs_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .as_encoded_bytes()
                .starts_with(b".lock-")
        })
        .unwrap();
    fs::remove_file(&lock).unwrap();
    let name = lock.file_name().unwrap().to_str().unwrap();
    stopped(&site, running, posted, name);
    site.call("resume latest").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 400)]);
}

/// `mv runs old && cp -a old runs`, and a resume beside the run.
#[test]
fn a_runs_folder_replaced_by_its_copy_is_noticed() {
    let site = Site::new("latency = '20ms'");
    let running = started(&site);
    let (runs, old) = (site.runs_dir(), site.home().join("old"));
    let posted = site.truth().count(Kind::Revoke);
    fs::rename(&runs, &old).unwrap();
    let copied = Command::new("cp").arg("-a").arg(&old).arg(&runs).status();
    assert!(copied.unwrap().success());
    let resume = format!("resume latest --timeout 1s --base-url {}", site.url);
    let beside = site.start(&resume);
    stopped(&site, running, posted, "journal.db");
    beside.end().with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 400)]);
    claims_hold(&site, &site.the_run());
    // The first one did not touch what the second worked with.
    assert!(!site.the_run().join("journal.db-wal").exists());
}

fn copied(files: &[PathBuf], to: &Path) -> PathBuf {
    let folder = to.join("20261123T020000Z-3f2a9c");
    fs::create_dir_all(&folder).unwrap();
    for file in files {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    folder
}

/// What a reader sees must stay in the log for it.
#[test]
fn a_journal_that_cannot_be_one_file_is_said_to_have_a_log() {
    let site = Site::new("latency = '10ms'");
    let list = site.list(1001..1041);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 1")));
    site.until_posted(5);
    let run = site.the_run();
    let reader = Connection::open(run.join("journal.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM call")
        .unwrap();
    running
        .end()
        .with(0)
        .says("could not be left as one file")
        .says("journal.db-wal belongs to it");
    let log = fs::read_to_string(run.join("run.log")).unwrap();
    assert!(log.contains("could not be left as one file"), "{log}");
    ended_so(&run, "complete", 0, &[("revoked", 40)]);

    let (journal, wal) = (run.join("journal.db"), run.join("journal.db-wal"));
    let home = tempfile::tempdir().unwrap();
    for (name, files, code) in [
        ("alone", vec![journal.clone()], 1),
        ("both", vec![journal, wal], 0),
    ] {
        let runs = home.path().join(name);
        copied(&files, &runs);
        let ended = site.call(&format!("report latest --runs-dir {}", runs.display()));
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.err);
    }
    drop(reader);
}

/// A reader that goes in time is waited for.
#[test]
fn a_reader_that_goes_in_time_leaves_a_journal_of_one_file() {
    let site = Site::new("latency = '10ms'");
    let list = site.list(1001..1021);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 1")));
    site.until_posted(5);
    let run = site.the_run();
    let reader = Connection::open(run.join("journal.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM call")
        .unwrap();
    until("the files are in place", || {
        run.join("report.html").exists().then_some(())
    });
    drop(reader);
    let ended = running.end().with(0);
    assert!(!ended.err.contains("one file"), "{}", ended.err);
    assert!(!run.join("journal.db-wal").exists());
}

/// As a partial run was left by the program of an earlier version.
#[test]
fn a_partial_run_of_format_5_is_reported_and_resumed() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal");
    let site = Site::new("");
    let run = site.runs_dir().join("20261129T024155Z-0d6c61");
    fs::create_dir_all(&run).unwrap();
    for (name, to) in [
        ("format-5.db.gz", "journal.db"),
        ("format-5.world.gz", "sandbox.world"),
    ] {
        let mut bytes = Vec::new();
        let packed = fs::File::open(fixtures.join(name)).unwrap();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        fs::write(run.join(to), bytes).unwrap();
    }
    let before = fs::read(run.join("journal.db")).unwrap();
    site.call("report").with(0).shows("30 revoked");
    site.call("runs").with(0);
    assert!(
        fs::read(run.join("journal.db")).unwrap() == before,
        "only read"
    );
    site.call("resume latest --rate unlimited").with(3);
    ended_so(&run, "partial", 3, &[("revoked", 40)]);
    let format = Connection::open(run.join("journal.db")).unwrap();
    let format: i32 = format
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(format, 6);
    site.call("resume latest").with(3);
}
