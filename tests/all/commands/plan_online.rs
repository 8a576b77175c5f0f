//! `rescind plan --online` with the built binary: it reads, answers what the
//! afternoon asks, revokes nothing, leaves no run, and its calls count.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use rescind::sandbox::{Kind, PermissionStatus, World};
use rustix::process::Signal;

use crate::{
    support::in_process::id,
    support::process::{Ended, Running, Site, claims_hold, ended_so, rescind, until},
};

fn plan_line(site: &Site, rest: &str) -> String {
    let run = site.run_line(rest);
    format!("plan --online {}", run.strip_prefix("run ").unwrap())
}

fn plan(site: &Site, rest: &str) -> Ended {
    site.call(&plan_line(site, rest))
}

/// The folders of plans.
fn plans(site: &Site) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(site.runs_dir()) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_plan = |path: &PathBuf| path.to_string_lossy().contains("/.plan-");
    paths.filter(is_plan).collect()
}

/// The only calls were reads and what gets a token; there is no run.
#[track_caller]
fn only_read(site: &Site) {
    assert_eq!(site.truth().count(Kind::Revoke), 0);
    assert!(site.revoked().is_empty());
    assert!(!site.runs_dir().join("latest").is_symlink());
    let runs: Vec<_> = site.runs().into_iter().collect();
    assert!(runs.iter().all(|run| plans(site).contains(run)), "{runs:?}");
    site.call("runs").with(0).shows("no runs");
}

#[test]
fn exit_0_where_every_id_is_active() {
    let site = Site::new("");
    let list = site.list(1001..1251);
    plan(&site, &list)
        .with(0)
        .says("250 IDs to be read; nothing is revoked")
        .shows("PLAN on CUSTOM")
        .shows("IDs were read, nothing was revoked.")
        .shows(&format!("Target custom, {}", site.url))
        .shows("Token handed in, accepted; when it expires is not known")
        .shows("Read 250 of 250 IDs, with 3 calls")
        .shows("250 active 0 revoked already 0 declined")
        .shows("A run would revoke 250 IDs, and nothing speaks against exit code 0.");
    only_read(&site);
    assert_eq!(site.truth().calls.len(), 3);
    // It is no run to anybody.
    site.call("report").with(2).says("there are no runs yet");
    site.call("resume latest").with(2);
    site.call(&format!("resume --base-url {}", site.url))
        .with(2)
        .says("there is no unfinished run");
    site.call("verify latest").with(2);
    site.call("find 1001")
        .with(0)
        .shows("there is no run to look through");
    let name = plans(&site).remove(0);
    let name = name.file_name().unwrap().to_str().unwrap().to_owned();
    for wanted in [name.as_str(), name.trim_start_matches(".plan-")] {
        site.call(&format!("resume {wanted}")).with(2);
    }
    // The night comes, and does what it would have done anyhow.
    site.run(&list).with(0);
    let runs = site.runs();
    let run = runs.iter().find(|run| !plans(&site).contains(run)).unwrap();
    ended_so(run, "complete", 0, &[("revoked", 250)]);
    claims_hold_but_for_plans(&site, run, 3);
}

/// As [`claims_hold`]; the reads of the plan are not the run's.
fn claims_hold_but_for_plans(site: &Site, run: &Path, reads: usize) {
    claims_hold(site, run);
    let calls = site.truth().count(Kind::Items);
    let own = &crate::support::process::summary(run)["requests"]["read"];
    assert_eq!(own.as_u64().unwrap() + reads as u64, calls as u64);
}

#[test]
fn exit_0_with_words_about_what_is_not_active() {
    let mut site = Site::new("");
    let list = site.list((1001..1041).chain([10404, 20404, 10410]));
    site.amend(|world: &World| {
        for number in 1011..1021 {
            world
                .set(id(number), Some(PermissionStatus::Revoked))
                .unwrap();
        }
    });
    plan(&site, &list)
        .with(0)
        .shows("30 active 10 revoked already: 1011, 1012, 1013, … 1 declined")
        .shows("2 unknown in this environment: 10404, 20404 0 unreadable")
        .shows(
            "A run would revoke 30 IDs, and end with exit code 3 at best: 3 IDs cannot be revoked.",
        )
        .shows("WARNING: 23% of the IDs are revoked already: is it an old list?")
        .shows("--read-first would spend no revocation");
    assert_eq!(site.truth().count(Kind::Revoke), 0);
    plan(&site, &format!("{list} --read-first"))
        .with(0)
        .shows("No revocation is spent on what is revoked already");
}

#[test]
fn exit_2_without_a_token_or_with_a_wrong_file() {
    let site = Site::new("");
    let list = site.list([1001]);
    let mut command = site.command(&plan_line(&site, &list));
    Running::start(command.env_remove("RESCIND_TOKEN"))
        .end()
        .with(2)
        .says("no token is given");
    let mut command = site.command(&plan_line(&site, &list));
    command.env_remove("RESCIND_TOKEN");
    command.env("RESCIND_TOKEN_FILE", "absent");
    Running::start(&mut command)
        .end()
        .with(2)
        .says("the token cannot be obtained");
    let bad = site.file("bad.csv", "permissionId\n1001\nx\ny\n");
    plan(&site, &bad).with(2).says("hold no permission ID");
    plan(&site, "absent.csv").with(2);
    let empty = site.file("empty.csv", "permissionId\n");
    plan(&site, &empty).with(4);
    plan(&site, &format!("{empty} --allow-empty")).with(0);
    site.is_untouched();
    assert!(plans(&site).is_empty());
}

#[test]
fn exit_3_where_some_ids_cannot_be_read() {
    let site = Site::new("faults.script = { items = ['none', '400'] }");
    let list = site.list(1001..1041);
    plan(
        &site,
        &format!("{list} --batch-size 10 --read-size 10 --workers 1"),
    )
    .with(3)
    .shows("30 active")
    .shows("10 unreadable: 1011, 1012, 1013, …")
    .shows("WARNING: 10 IDs could not be read");
    only_read(&site);
}

/// What the plan has met holds the run, too.
#[test]
fn exit_5_a_lockout_that_does_not_fit_holds_the_next_run() {
    let site = Site::new("lockout = '2s'\nfaults.script = { items = ['none', '429'] }");
    let list = site.list(1001..1041);
    let waits = "--lockout-wait 2h --max-wait 1m --workers 1 --read-size 10 --batch-size 10";
    plan(&site, &format!("{list} {waits}"))
        .with(5)
        .shows("NOT READY on CUSTOM")
        .shows("a wait does not fit: the lockout (429)")
        .shows("30 IDs were not read");
    let calls = site.truth().calls.len();
    site.run(&format!("{list} {waits}"))
        .with(5)
        .says("lockout (429) from before");
    assert_eq!(site.truth().calls.len(), calls);
    assert_eq!((calls, site.truth().touched), (2, 0));
}

#[test]
fn exit_6_where_the_api_knows_none_of_the_first() {
    let site = Site::new("");
    let list = site.list((1..=20).map(|n| n * 10_000 + 404));
    plan(&site, &list)
        .with(6)
        .shows("NOT READY on CUSTOM")
        .shows("the API knows none of the 20 IDs that were read first")
        .shows("Wrong environment or column, or another user's token?")
        .shows("20 IDs were not read.");
    only_read(&site);
}

/// A list that a guard holds is likely the wrong one: no call is spent on it.
#[test]
fn exit_7_where_a_run_would_be_held_nothing_is_asked() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    plan(&site, &format!("{list} --max-ids 30"))
        .with(7)
        .shows("HELD by max-ids")
        .shows("nothing was sent");
    let keep = site.file("keep.csv", "permissionId\n1007\n");
    plan(&site, &format!("{list} --exclude {keep}"))
        .with(7)
        .shows("HELD by exclude");
    site.is_untouched();
    assert!(plans(&site).is_empty());
}

#[test]
fn exit_8_where_the_token_or_the_log_in_is_refused() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    let mut command = site.command(&plan_line(&site, &list));
    Running::start(command.env("RESCIND_TOKEN", "expired"))
        .end()
        .with(8)
        .shows("Token handed in, REFUSED")
        .shows("NOT READY on CUSTOM")
        .shows("the token or log-in was refused")
        .shows("40 IDs were not read.");
    let who = "--login-name clerk --login-cid 1 --login-app-id x --login-app-version 1";
    let mut command = site.command(&plan_line(&site, &format!("{list} {who}")));
    command.env_remove("RESCIND_TOKEN");
    command.env("RESCIND_LOGIN_PASSWORD", "wrong");
    command.env("RESCIND_LOGIN_SEC", "wrong");
    Running::start(&mut command)
        .end()
        .with(8)
        .shows("Token none was obtained")
        .shows("the token or log-in was refused");
    only_read(&site);
    assert_eq!(site.truth().count(Kind::LogIn), 1);
}

#[test]
fn a_log_in_is_shown_with_the_end_of_its_token() {
    let site = Site::new("log_in = { name = 'clerk', password = 'a-password', sec = 'a-secret' }");
    let list = site.list(1001..1041);
    let who = "--login-name clerk --login-cid 1 --login-app-id x --login-app-version 1";
    let mut command = site.command(&plan_line(&site, &format!("{list} {who}")));
    command.env_remove("RESCIND_TOKEN");
    command.env("RESCIND_LOGIN_PASSWORD", "a-password");
    command.env("RESCIND_LOGIN_SEC", "a-secret");
    Running::start(&mut command)
        .end()
        .with(0)
        .shows("Token from a log-in, accepted; valid until 20")
        .shows("Read 40 of 40 IDs, with 2 calls");
    only_read(&site);
}

#[test]
fn exit_11_while_a_run_goes_on_and_a_plan_is_no_run() {
    let site = Site::new("latency = '60ms'");
    let list = site.list(1001..1101);
    // A run that was cut off, so that somebody might take it for the one that
    // goes on.
    let cut = site.start(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    site.until_posted(2);
    cut.signal(Signal::KILL);
    cut.end();
    let reads = site.truth().count(Kind::Items);
    let going = site.start(&plan_line(
        &site,
        &format!("{list} --read-size 5 --batch-size 5 --workers 1"),
    ));
    until("reads arrive", || {
        (site.truth().count(Kind::Items) >= reads + 3).then_some(())
    });
    // It keeps the lock while it stands still.
    going.signal(Signal::STOP);
    site.call("runs").with(0).shows("interrupted");
    site.call("report").with(0).shows("NOT FINISHED on CUSTOM");
    plan(&site, &list)
        .with(11)
        .says(&format!("plan --online by process {}", going.id()));
    site.call("resume latest").with(11);
    assert_eq!(plans(&site).len(), 1, "a refused one leaves nothing");
    going.signal(Signal::INT);
    going.signal(Signal::CONT);
    going
        .end()
        .with(130)
        .shows("NOT READY on CUSTOM")
        .shows("a signal stopped it.");
}

/// A crash at any instant.
#[test]
fn a_plan_that_is_killed_leaves_nothing_that_harms() {
    let site = Site::new("latency = '30ms'");
    let list = site.list(1001..1101);
    for wanted in [0, 1, 4] {
        let before = site.truth().count(Kind::Items);
        let line = plan_line(
            &site,
            &format!("{list} --read-size 5 --batch-size 5 --workers 1"),
        );
        let going = site.start(&line);
        until("reads arrive", || {
            (site.truth().count(Kind::Items) >= before + wanted).then_some(())
        });
        going.signal(Signal::KILL);
        assert_eq!(going.end().code, None);
    }
    only_read(&site);
    // Each call that arrived is on record; one that did not may be, too.
    let recorded: i64 = plans(&site).iter().map(|plan| calls(plan)).sum();
    let arrived = site.truth().calls.len();
    assert!(
        usize::try_from(recorded).unwrap() >= arrived,
        "{recorded} {arrived}"
    );
    plan(&site, &list).with(0).shows("100 active");
    site.run(&list).with(0);
    assert_eq!(site.revoked().len(), 100);
}

fn calls(plan: &Path) -> i64 {
    // One that may write would move the log into the file when it is closed,
    // and the file would still say that it needs its log.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let journal = rusqlite::Connection::open_with_flags(plan.join("journal.db"), flags).unwrap();
    let query = "SELECT count(*) FROM call";
    journal.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Promise 5, over whatever makes calls.
#[test]
fn its_calls_count_in_the_budget_of_the_night() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    plan(&site, &format!("{list} --batch-size 10 --read-size 10")).with(0);
    let calls = site.truth().calls.len();
    assert_eq!(calls, 4);
    // The hour is full: not one call fits into the next ten minutes.
    let line = format!(
        "run {list} --base-url {} --rate {calls}/h --max-duration 10m",
        site.url
    );
    site.call(&line).with(5);
    assert_eq!(site.truth().calls.len(), calls);
    // With one more call an hour exactly one goes.
    let line = format!("resume latest --rate {}/h --max-duration 10m", calls + 1);
    site.call(&line).with(5);
    assert_eq!(site.truth().calls.len(), calls + 1);
}

/// Makes a plan one of some hours ago.
fn age(plan: &Path, hours: i64) {
    let journal = rusqlite::Connection::open(plan.join("journal.db")).unwrap();
    let ms = hours * 3_600_000;
    journal
        .execute_batch(&format!(
            "UPDATE call SET recorded_at = recorded_at - {ms}, answered_at = answered_at - {ms};
             UPDATE process SET started_at = started_at - {ms}, ended_at = ended_at - {ms}"
        ))
        .unwrap();
}

#[test]
fn a_plan_is_cleared_away_once_its_calls_do_not_count_any_more() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    plan(&site, &list).with(0);
    let old = plans(&site).remove(0);
    plan(&site, &list).with(0);
    assert_eq!(plans(&site).len(), 2, "its calls still count");
    age(&old, 1);
    site.call("runs prune --keep 1").with(0);
    assert!(old.exists(), "an hour is within the memory");
    age(&old, 2);
    for line in ["runs", "runs prune --keep 1 --dry-run", "report"] {
        site.call(line);
        assert!(old.exists(), "{line} changes nothing");
    }
    site.call("runs prune --keep 1").with(0);
    assert!(!old.exists());
    let young = plans(&site);
    assert_eq!(young.len(), 1);
    // A run does it, too, and another plan.
    age(&young[0], 3);
    site.run(&list).with(0);
    assert!(plans(&site).is_empty());
    plan(&site, &list).with(0).shows("40 revoked already");
    let old = plans(&site).remove(0);
    age(&old, 3);
    // Somebody who is at work on it does not look like that, but is left alone.
    let busy = fs::File::open(&old).unwrap();
    busy.lock().unwrap();
    plan(&site, &list).with(0);
    assert!(old.exists());
    drop(busy);
    // What cannot be read goes once it is old enough.
    fs::write(old.join("journal.db"), "no journal").unwrap();
    site.run(&list).with(1).says("it is not known what .plan-");
    assert!(old.exists());
    let ago = std::time::SystemTime::now() - std::time::Duration::from_hours(3);
    let file = fs::File::options().write(true).open(old.join("journal.db"));
    file.unwrap().set_modified(ago).unwrap();
    // Its log is a part of it, unless it is empty.
    let log = old.join("journal.db-wal");
    fs::write(&log, "no log").unwrap();
    site.run(&list).with(1).says("it is not known what .plan-");
    assert!(old.exists());
    fs::write(&log, "").unwrap();
    let again = site.run(&list).with(0);
    assert!(!again.err.contains("cannot be counted"), "{}", again.err);
    assert!(!old.exists());
}

#[test]
fn in_the_sandbox_it_reads_a_world_of_its_own() {
    let site = Site::new("");
    let call = |line: &str| {
        let mut command = rescind(site.home());
        Running::start(command.args(line.split(' '))).end()
    };
    let sample = format!("{}/samples/messy.csv", env!("CARGO_MANIFEST_DIR"));
    call(&format!("plan --env sandbox --online {sample}"))
        .with(0)
        .shows("PLAN in the SANDBOX: IDs were read, nothing was revoked.")
        .shows("Read 4,017 of 4,017 IDs");
    call(&format!("run --env sandbox {sample}"))
        .with(3)
        .shows("12 of 4,017 IDs are not revoked");
    assert!(site.truth().calls.is_empty());
}

#[test]
fn a_list_from_a_pipe_is_read_once_and_kept_for_the_reading() {
    let site = Site::new("");
    let mut command = site.command(&plan_line(&site, "-"));
    let mut going = Running::start(command.stdin(Stdio::piped()));
    going
        .stdin()
        .write_all(b"permissionId\n1001\n1002\n")
        .unwrap();
    going
        .end()
        .with(0)
        .shows("List standard input")
        .shows("Read 2 of 2 IDs");
    only_read(&site);
}
