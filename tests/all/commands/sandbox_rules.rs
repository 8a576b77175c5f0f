//! The sandbox plays what its rules say: those of a settings file's
//! `[sandbox]` table, in the process and served by itself.

use std::{fs, time::Duration};

use rescind::sandbox::{Audit, Kind, World};
use rustix::process::Signal;

use crate::support::process::{Running, Site, claims_hold, ended_so, rescind, summary};

/// Settings for a run in the sandbox inside the process, with short waits.
fn brisk(table: &str) -> String {
    format!(
        "env = 'sandbox'\nrate = 'unlimited'\nretry-initial = '20ms'\nretry-max = '200ms'\n\
         timeout = '20s'\nlockout-wait = '100ms'\npenalty-margin = '10ms'\n[sandbox]\n{table}"
    )
}

/// `rescind LINE` without any token.
fn call(site: &Site, line: &str) -> crate::support::process::Ended {
    let mut command = rescind(site.home());
    Running::start(command.args(line.split_whitespace())).end()
}

/// What happened in the world beside the only run.
fn truth(site: &Site, table: &str) -> Audit {
    let file = site.the_run().join("sandbox.world");
    let world = World::look(toml::from_str(table).unwrap(), &file);
    world.unwrap().truth()
}

#[test]
fn a_run_and_its_resume_meet_the_world_of_the_runs_table() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    site.file("my.toml", brisk("denied = ['revoke']\n"));
    call(&site, &format!("run {list} --config my.toml"))
        .with(8)
        .shows("SANDBOX");
    let run = site.the_run();
    ended_so(&run, "unauthorized", 8, &[("pending", 10)]);
    // Nothing of the world is in the file any more.
    fs::remove_file(site.home().join("my.toml")).unwrap();
    call(&site, "resume latest").with(8);
    // Another world is none for this run.
    site.file("other.toml", "env = 'sandbox'\n[sandbox]\nseed = 2\n");
    call(&site, "resume latest --config other.toml")
        .with(8)
        .says("other.toml:2: sandbox: the run is frozen with another table; ignored");
    ended_so(&run, "unauthorized", 8, &[("pending", 10)]);
    assert!(site.truth().calls.is_empty());
}

/// Nobody but a log-in gets in; somebody else throws it out; it logs in
/// again.
#[test]
fn a_run_that_is_thrown_out_of_its_session_logs_in_again() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    let table = "token = ''\nsessions = 1\nothers_log_in = ['600ms']\nlatency = '20ms'\n";
    site.file("my.toml", brisk(table));
    let line = format!("run {list} --config my.toml --batch-size 1 --workers 1");
    call(&site, &line).with(0);
    let run = site.the_run();
    ended_so(&run, "complete", 0, &[("revoked", 40)]);
    let figures = summary(&run);
    let auth = figures["requests"]["auth"].as_u64().unwrap();
    assert!((2..=4).contains(&auth), "{auth} log-ins and renewals");
    let truth = truth(&site, table);
    assert_eq!(truth.evicted, 2, "ours, and then theirs");
    assert_eq!(truth.count(Kind::LogIn), 2);
}

#[test]
fn a_run_gets_over_a_maintenance() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    let table = "latency = '20ms'\nmaintenance = [{ after = '150ms', lasts = '1s' }]\n";
    site.file("my.toml", brisk(table));
    let line = format!(
        "run {list} --config my.toml --batch-size 1 --workers 2 --max-attempts 50 \
         --max-consecutive-failures 0 --timeout 500ms"
    );
    call(&site, &line).with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 40)]);
    let truth = truth(&site, table);
    assert!(!truth.faults.is_empty());
    assert!(truth.posted_again().is_empty());
}

#[test]
fn a_table_of_the_sandbox_is_served_by_itself_too() {
    let rules = "denied = ['items']\n";
    let config = format!("env = 'demo'\n[sandbox]\n{rules}");
    let site = Site::serving(&config, "--config", toml::from_str(rules).unwrap());
    let list = site.list(1001..1003);
    site.run(&list).with(8);
    assert_eq!(site.truth().count(Kind::Revoke), 0);
    // The table is for the sandbox, and this is an address.
    site.file("my.toml", "[sandbox]\nseed = 1\n");
    site.run(&format!("{list} --config my.toml"))
        .with(8)
        .says("my.toml:1: sandbox: the table is not used: the environment is http://127.0.0.1:");

    site.file("none.toml", "env = 'sandbox'\n");
    site.call("sandbox --config none.toml")
        .with(2)
        .says("none.toml holds no [sandbox] table");
    site.file("wrong.toml", "env = 'sandbox'\n[sandbox]\nsed = 1\n");
    site.call("sandbox --config wrong.toml")
        .with(2)
        .says("wrong.toml:3: sandbox: unknown field `sed`")
        .says("did you mean seed?");
    site.call("sandbox --config my.toml --rules my.toml")
        .with(2);
}

#[test]
fn the_shipped_worlds_can_be_served_as_they_stand() {
    let site = Site::new("");
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
    for world in ["--rules sandbox.toml", "--config bad-night.toml"] {
        let (option, file) = world.split_once(' ').unwrap();
        let line = format!("sandbox {option} {configs}/{file} --world {file}");
        let serving = site.start(&line);
        crate::support::process::until("the world is made", || {
            site.home().join(file).exists().then_some(())
        });
        serving.signal(Signal::TERM);
        serving.end().with(0);
    }
}

/// A key that may not revoke sends nothing for good, and says what may be
/// wrong.
#[test]
fn a_key_that_lacks_the_permission_is_told_from_nothing_but_401() {
    let site = Site::new("denied = ['revoke']");
    let list = site.list(1001..1011);
    site.run(&list).with(8).shows("rescind resume");
    ended_so(&site.the_run(), "unauthorized", 8, &[("pending", 10)]);
    assert!(site.revoked().is_empty());
    assert!(site.truth().mistakes.is_empty());
    claims_hold(&site, &site.the_run());
}

/// One call at a time: what is under way when a lockout begins may touch it.
#[test]
fn no_call_touches_a_lockout_whatever_the_night_brings() {
    let site = Site::new(
        "latency = '5ms'\nlockout = '150ms'\n\
         maintenance = [{ after = '900ms', lasts = '300ms', faults = ['503', 'reset_before'] }]\n\
         faults.script = { revoke = ['none', 'none', '429', 'captcha', 'penalty'] }\n\
         penalty = '1s'\nothers_log_in = ['100ms', '200ms', '300ms']",
    );
    let list = site.list(1001..1061);
    site.run(&format!(
        "{list} --batch-size 3 --workers 1 --lockout-wait 200ms --max-attempts 50 \
         --max-consecutive-failures 0"
    ))
    .with(0);
    let truth = site.truth();
    assert_eq!((truth.touched, truth.impatient), (0, 0));
    assert!(truth.busiest(Duration::from_mins(1)) > 20);
    claims_hold(&site, &site.the_run());
}
