//! Signals: the first stops a run in good order, the second at once, and
//! `resume` finishes it either way.

use std::{fs, process::Command};

use rustix::process::Signal;

use crate::support::process::{Running, Site, claims_hold, ended_so, summary, until};

#[test]
fn exits_129_130_and_143_the_first_signal_stops_in_good_order() {
    for (signal, code) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)] {
        if signal == Signal::HUP && hangups_are_ignored() {
            continue;
        }
        let site = Site::new("latency = '30ms'");
        let list = site.list(1001..1101);
        let running = site.start(&site.run_line(&format!("{list} --batch-size 1")));
        site.until_posted(5);
        running.signal(signal);
        let ended = running.end().with(code).shows("rescind resume");
        let posted = site.revoked().len() as u64;
        assert!((5..100).contains(&posted), "{}", ended.err);
        // Calls under way were finished and recorded: nothing is in doubt.
        let ids = [("revoked", posted), ("pending", 100 - posted)];
        ended_so(&site.the_run(), "interrupted", code, &ids);
        claims_hold(&site, &site.the_run());
        // The journal is one file, to be copied away as it is.
        assert!(!site.the_run().join("journal.db-wal").exists());

        // Promise 4: a resume does not need the input.
        fs::remove_file(site.home().join(&list)).unwrap();
        site.call("resume --env sandbox").with(2);
        site.call(&format!("resume --base-url {}", site.url))
            .with(0);
        ended_so(&site.the_run(), "complete", 0, &[("revoked", 100)]);
        assert_eq!(summary(&site.the_run())["resumes"], 1);
        claims_hold(&site, &site.the_run());
    }
}

/// Whether these tests run under `nohup`, and so what they start.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() & 1 == 1
}

/// Promise 3: whatever instant it is that a process ends at.
#[test]
fn a_second_signal_ends_at_once_and_calls_are_settled_later() {
    let site = Site::new("faults.slow_by = '5s'\nfaults.script = { revoke = ['none', 'slow'] }");
    let list = site.list(1001..1007);
    let line = format!("{list} --batch-size 2 --workers 1 --timeout 6s");
    let running = site.start(&site.run_line(&line));
    site.until_posted(2);
    let run = site.the_run();
    running.signal(Signal::TERM);
    until("the first signal is noticed", || {
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        log.contains("SIGTERM").then_some(())
    });
    running.signal(Signal::INT);
    running.end().with(130);

    // The answer was not waited for. The API has executed what was under way;
    // it is read, not sent again.
    let figures = site.call("report --format json").with(0).out;
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures["ids"]["in_flight"], 2);
    assert_eq!(figures["outcome"], "interrupted");
    assert_eq!(figures["exit_code"], 130);
    assert_eq!(site.revoked().len(), 4);
    site.call("resume latest --timeout 1s").with(0);
    ended_so(&run, "complete", 0, &[("revoked", 6)]);
    claims_hold(&site, &run);
}

/// A shell sends SIGHUP when its window is closed and the kernel another one;
/// service managers send it right behind SIGTERM.
#[test]
fn a_hangup_is_never_a_second_wish_calls_under_way_finish() {
    for (first, code) in [(Signal::HUP, 129), (Signal::TERM, 143)] {
        if first == Signal::HUP && hangups_are_ignored() {
            continue;
        }
        let site =
            Site::new("faults.slow_by = '2s'\nfaults.script = { revoke = ['none', 'slow'] }");
        let list = site.list(1001..1007);
        let running = site.start(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
        site.until_posted(2);
        let run = site.the_run();
        running.signal(first);
        until("the first signal is noticed", || {
            let log = fs::read_to_string(run.join("run.log")).unwrap();
            log.contains("stopping at SIG").then_some(())
        });
        running.signal(Signal::HUP);
        running.end().with(code);
        ended_so(&run, "interrupted", code, &[("revoked", 4), ("pending", 2)]);
        claims_hold(&site, &run);
    }
}

/// Under `nohup`, and in the background of a script, whoever started the run
/// has said that such a signal is not meant for it.
#[test]
fn a_signal_that_is_ignored_from_the_start_stays_ignored() {
    let site = Site::new("latency = '30ms'");
    let list = site.list(1001..1041);
    let line = site.run_line(&format!("{list} --batch-size 1 --workers 1"));
    let script = format!("trap '' HUP; exec {} {line}", env!("CARGO_BIN_EXE_rescind"));
    let plain = site.command("");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(site.home());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let running = Running::start(&mut command);
    site.until_posted(2);
    running.signal(Signal::HUP);
    running.end().with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 40)]);
}
