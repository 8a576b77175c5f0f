//! How a process ends: its files are in place before its end is recorded, and
//! every end that it lives to see is recorded with its cause.

use std::fs;

use rusqlite::{Connection, config::DbConfig};
use rustix::process::Signal;

use crate::support::process::{Site, claims_hold, ended_so, summary, until};

/// Kills a run when its files are in place and before its end is recorded.
/// Tells whether the test was fast enough.
fn killed_before_its_end(site: &Site, list: &str) -> bool {
    let running = site.start(&site.run_line(&format!("{list} --batch-size 500")));
    let latest = site.runs_dir().join("latest");
    until("the run exists", || latest.exists().then_some(()));
    let run = site.the_run();
    let journal = run.join("journal.db");
    until("the files are being written", || {
        let drafted = run.join(".permissions.csv.new").exists();
        (drafted || run.join("permissions.csv").exists()).then_some(())
    });
    // As long as another writes, the process waits with its own writing.
    let other = Connection::open(&journal).unwrap();
    other
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    let held = other.execute_batch("BEGIN IMMEDIATE").is_ok();
    let ended: Option<i64> = other
        .query_row("SELECT ended_at FROM process", [], |row| row.get(0))
        .unwrap();
    if !held || ended.is_some() {
        return false;
    }
    until("the last file is in place", || {
        run.join("report.html").exists().then_some(())
    });
    running.signal(Signal::KILL);
    running.end();
    true
}

#[test]
fn a_kill_before_the_end_is_recorded_is_found_by_a_resume() {
    for _ in 0..20 {
        let site = Site::new("");
        let list = site.list(1001..9001);
        if !killed_before_its_end(&site, &list) {
            continue;
        }
        let run = site.the_run();
        ended_so(&run, "complete", 0, &[("revoked", 8_000)]);
        // As if it had been killed in the middle of writing them.
        fs::remove_file(run.join("report.html")).unwrap();
        fs::write(run.join("remaining.csv"), "permission_id\n1001\n").unwrap();
        let calls = site.truth().calls.len();
        let resume = format!("resume --base-url {}", site.url);
        site.call(&resume).with(0).shows("DONE on CUSTOM");
        ended_so(&run, "complete", 0, &[("revoked", 8_000)]);
        claims_hold(&site, &run);
        let remaining = fs::read_to_string(run.join("remaining.csv")).unwrap();
        assert_eq!(remaining.lines().count(), 1, "{remaining}");
        assert!(run.join("report.html").exists());
        assert_eq!(site.truth().calls.len(), calls, "nothing was left to send");
        site.call(&resume)
            .with(2)
            .says("there is no unfinished run");
        return;
    }
    panic!("no run was killed in time");
}

#[test]
fn results_not_written_are_written_by_a_bare_resume() {
    let site = Site::new("latency = '10ms'");
    let list = site.list(1001..1041);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 1")));
    site.until_posted(2);
    let in_the_way = site.the_run().join("report.html");
    fs::create_dir(&in_the_way).unwrap();
    running
        .end()
        .with(1)
        .says("error: the results could not be written");
    let figures = site.call("report --format json").with(0);
    let figures: serde_json::Value = serde_json::from_str(&figures.out).unwrap();
    assert_eq!(figures["outcome"], "error");
    assert_eq!(figures["exit_code"], 1);
    let why = figures["explanation"].as_str().unwrap();
    assert!(why.contains("the results could not be written"), "{why}");
    fs::remove_dir(&in_the_way).unwrap();
    site.call(&format!("resume --base-url {}", site.url))
        .with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 40)]);
}

#[test]
fn a_failed_start_is_recorded_with_its_cause() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let held = site
        .call(&format!("run --env sandbox {list} --max-ids 5"))
        .with(7);
    let run = site.the_run();
    let digest = summary(&run)["approve"].as_str().unwrap().to_owned();
    let world = run.join("sandbox.world");
    let _ = fs::remove_file(&world);
    fs::create_dir(&world).unwrap();
    site.call(&format!("resume latest --approve {digest}"))
        .with(1)
        .says("error: cannot start the sandbox");
    ended_so(&run, "error", 1, &[("pending", 10)]);
    let why = summary(&run)["explanation"].as_str().unwrap().to_owned();
    assert!(
        why.starts_with("cannot start the sandbox: "),
        "{why}: {}",
        held.err
    );
    let told = site.call("report").with(0).out;
    assert!(!told.contains("was killed"), "{told}");
    fs::remove_dir(&world).unwrap();
    site.call("resume latest").with(0);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
}
