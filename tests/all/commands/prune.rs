//! `rescind runs prune` removes what nobody needs, and nothing else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rescind::{
    journal::{
        Entry, Holder, Journal, Lock, Move, NewRun, Process, ProcessEnd, RunMeta, RunsDir, State,
        Verified,
    },
    sweep::GROWTH_RUNS,
};
use serde_json::Value;

use crate::support::process::Site;

/// A run of one ID, revoked so many days ago.
fn finished(runs: &RunsDir, days: u64, url: &str) -> PathBuf {
    let at = Timestamp::now() - Duration::from_hours(24 * days);
    let facts = RunMeta {
        created: at,
        environment: "custom".into(),
        base_url: url.into(),
        input_path: "list.csv".into(),
        input_sha256: String::new(),
        list_sha256: "abcdef".into(),
        column: "id".into(),
        batch_size: 100,
        rows_total: 1,
        rows_distinct: 1,
        rows_duplicate: 0,
        rows_invalid: 0,
        batches: 1,
        note: String::new(),
    };
    let mut new = NewRun::begin(runs).unwrap();
    new.batch(&[1001.try_into().unwrap()], &[2]).unwrap();
    let folder = new.commit(&facts).unwrap();
    let mut journal = Journal::open(&folder.journal()).unwrap();
    let process = Process {
        command: "run",
        started: at,
        operator: String::new(),
        host: String::new(),
        pid: 1,
        version: "0",
        settings: "{}".into(),
    };
    journal.begin_process(&process).unwrap();
    let sending = Entry::Sending {
        batch: 1,
        ids: 1,
        from: State::Pending,
        at,
    };
    let revoked = Entry::Moved(Move {
        batch: 1,
        ids: 1,
        from: State::InFlight,
        to: State::Revoked,
        reason: "".into(),
        message: String::new(),
        http_status: Some(200),
        verified: Verified::Revoked,
        owed: false,
        at,
    });
    journal.write(&[sending, revoked]).unwrap();
    let end = ProcessEnd::new(at, "complete", 0);
    journal.end_process(&end).unwrap();
    fs::write(folder.path().join("results.csv"), "batch\r\n").unwrap();
    folder.path().to_owned()
}

/// Runs folder with more finished runs than are needed: those that may go,
/// the oldest first.
fn old_runs(site: &Site) -> (RunsDir, [PathBuf; 3]) {
    let runs = RunsDir::create(&site.runs_dir()).unwrap();
    let old = [40, 39, 38].map(|days| finished(&runs, days, &site.url));
    for day in 0..GROWTH_RUNS as u64 {
        finished(&runs, 30 - day, &site.url);
    }
    (runs, old)
}

fn names(site: &Site) -> BTreeSet<String> {
    let entries = fs::read_dir(site.runs_dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with(".lock-")).collect()
}

fn name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

#[test]
fn old_runs_are_removed_and_what_was_done_is_told() {
    let site = Site::new("");
    let (_, old) = old_runs(&site);
    let before = names(&site);
    let rehearsed = site.call("runs prune --older-than 7d --dry-run").with(0);
    rehearsed.shows("would remove 3 of 10 runs");
    assert_eq!(names(&site), before, "a rehearsal changes nothing");
    assert!(!site.runs_dir().join(".lock-custom").exists());
    // Only what both let go.
    let kept = site.call("runs prune --keep 9 --older-than 7d --dry-run");
    kept.with(0).shows("would remove 1 of 10 runs");

    let pruned = site.call("runs prune --older-than 7d --json").with(0).out;
    let pruned: Value = serde_json::from_str(&pruned).unwrap();
    let removed = pruned["removed"].as_array().unwrap();
    let removed: Vec<&str> = removed
        .iter()
        .map(|run| run["run"].as_str().unwrap())
        .collect();
    // Newest first.
    assert_eq!(removed, [name(&old[2]), name(&old[1]), name(&old[0])]);
    assert!(
        pruned["freed_bytes"].as_u64().unwrap() > 3 * 10_000,
        "{pruned:#}"
    );
    assert_eq!(pruned["kept"].as_array().unwrap().len(), GROWTH_RUNS);
    let left: BTreeSet<String> = before
        .into_iter()
        .filter(|one| !removed.contains(&one.as_str()))
        .collect();
    assert_eq!(names(&site), left);
    let again = site.call("runs prune --keep 0").with(0);
    again.shows("none of 7 runs may go");
    assert!(site.truth().calls.is_empty());
}

/// Whoever resumes a run, or counts its calls, holds the lock.
#[test]
fn nothing_is_removed_while_the_environment_is_in_use() {
    let site = Site::new("");
    let (runs, old) = old_runs(&site);
    // Of another environment, where nobody is at work.
    let elsewhere = "http://127.0.0.1:9/v1";
    let other = finished(&runs, 50, elsewhere);
    for day in 0..GROWTH_RUNS as u64 {
        finished(&runs, 20 - day, elsewhere);
    }
    let holder = Holder {
        command: "resume".into(),
        pid: 1,
        host: "night".into(),
        since: String::new(),
    };
    let lock = Lock::take(&runs, "custom", &site.url, &holder, Duration::ZERO).unwrap();
    let pruned = site.call("runs prune --keep 0").with(0);
    let pruned = pruned.shows("removed 1 of 18 runs");
    pruned.shows("3 another process holds the lock of the environment");
    assert!(old.iter().all(|run| run.exists()) && !other.exists());
    drop(lock);
    site.call("runs prune --keep 0").with(0);
    assert!(!old.iter().any(|run| run.exists()));
}

#[test]
fn a_run_of_just_now_stays_whatever_is_asked_for() {
    let site = Site::new("faults.script = { revoke = ['401', '401'] }");
    let open = site.list([1001]);
    site.run(&open).with(8);
    let done = site.file("done.csv", "2001\n");
    site.run(&done).with(0);
    let runs = RunsDir::at(&site.runs_dir());
    for _ in 0..GROWTH_RUNS {
        finished(&runs, 0, &site.url);
    }
    let before = names(&site);
    let pruned = site.call("runs prune --keep 0 --older-than 0s").with(0);
    pruned
        .shows("none of 9 runs may go")
        .shows("1 not finished: ")
        .shows("1 its calls or holds still count for the limits: ");
    assert_eq!(names(&site), before);
    // And it can be carried on.
    site.call(&format!("resume --base-url {}", site.url))
        .with(0);
    assert_eq!(site.revoked(), [1001, 2001].into());
}

/// As a process leaves it that is killed in the middle.
#[test]
fn a_removal_that_was_cut_off_is_finished_the_next_time() {
    let site = Site::new("");
    let (_, old) = old_runs(&site);
    let aside = site.runs_dir().join(format!(".removing-{}", name(&old[0])));
    fs::rename(&old[0], &aside).unwrap();
    // It is no run any more.
    let listed = site.call("runs").with(0).out;
    assert_eq!(listed.lines().count(), 1 + 2 + GROWTH_RUNS);
    site.call("runs prune --older-than 365d --dry-run").with(0);
    assert!(aside.exists());
    site.call("runs prune --older-than 365d").with(0);
    assert!(!aside.exists());
}

#[test]
fn latest_still_leads_to_a_run() {
    let site = Site::new("");
    let (runs, old) = old_runs(&site);
    let newest = runs.list().unwrap().pop().unwrap();
    let link = site.runs_dir().join("latest");
    let leads_to = || {
        fs::read_link(&link)
            .unwrap()
            .into_os_string()
            .into_string()
            .unwrap()
    };
    runs.point_latest(newest.run()).unwrap();
    site.call("runs prune --keep 9").with(0);
    assert_eq!(leads_to(), newest.run().as_str());
    // Somebody has pointed it at an old one.
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(name(&old[2]), &link).unwrap();
    site.call("runs prune --keep 0").with(0);
    assert_eq!(leads_to(), newest.run().as_str());
}

#[test]
fn what_could_not_be_removed_is_an_error_and_the_rest_is_told() {
    let site = Site::new("");
    let (_, old) = old_runs(&site);
    // The newest goes first. For the second one its place is taken.
    let aside = site.runs_dir().join(format!(".removing-{}", name(&old[1])));
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("file"), "").unwrap();
    let busy = fs::File::open(&aside).unwrap();
    busy.lock().unwrap();
    let ended = site.call("runs prune --keep 0").with(1);
    let ended = ended.says("not every run could be removed");
    ended
        .shows("removed 1 of 10 runs")
        .shows("2 could not be removed");
}

#[test]
fn a_removal_has_to_say_which_runs_it_means() {
    let site = Site::new("");
    let (_, _) = old_runs(&site);
    let before = names(&site);
    for line in [
        "runs prune",
        "runs prune --dry-run",
        "runs prune --keep -1",
        "runs prune --keep few",
        "runs prune --older-than 7",
        "runs prune --older-than week",
        "runs prune 7d",
    ] {
        site.call(line).with(2);
    }
    assert_eq!(names(&site), before);
    let nowhere = site.call("runs prune --keep 3 --runs-dir nowhere").with(2);
    nowhere.says("there is no folder");
    assert!(!site.home().join("nowhere").exists());
    fs::create_dir(site.home().join("empty")).unwrap();
    let empty = site.call("runs prune --keep 3 --runs-dir empty").with(0);
    empty.shows("there are no runs");
}
