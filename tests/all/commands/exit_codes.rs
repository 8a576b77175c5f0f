//! Each exit code, as the contract's table has it: what the process says,
//! what `summary.json` says, and what the API has seen by then.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use rescind::sandbox::Kind;
use rustix::process::{Resource, Rlimit, Signal, prlimit};

use crate::support::process::{
    Running, Site, adds_up, claims_hold, ended_so, summary, unprivileged,
};

#[test]
fn exit_0_every_id_is_revoked_and_read_back() {
    let site = Site::new("");
    let list = site.list(1001..1251);
    let ended = site.run(&list).with(0).shows("DONE on CUSTOM");
    assert!(ended.out.contains("250 IDs = 250 revoked"), "{}", ended.out);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 250)]);
    claims_hold(&site, &site.the_run());
    assert_eq!(site.revoked(), (1001..1251).collect());
    assert_eq!(summary(&site.the_run())["read_back"], 250);
}

/// Promise 3, with a journal that cannot be written from one moment on.
#[test]
fn exit_1_an_unwritable_journal_stops_before_more_is_sent() {
    let site = Site::new("latency = '40ms'");
    let list = site.list(1001..1041);
    let line = site.run_line(&format!("{list} --batch-size 1 --workers 1"));
    let running = site.start(&line);
    site.until_posted(3);
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Some(running.pid()), Resource::Fsize, nothing).unwrap();
    let before = site.truth().calls.len();
    let ended = running.end().with(1).says("error: ").says("rescind resume");
    // The call whose intent was on record already may have gone out, no other.
    let calls = site.truth().calls.len();
    assert!(calls <= before + 1, "{before} and then {calls}");
    assert!(site.truth().count(Kind::Revoke) < 40, "{}", ended.err);

    let figures = site.call("report --format json").with(0);
    let figures: serde_json::Value = serde_json::from_str(&figures.out).unwrap();
    adds_up(&figures);
    assert_eq!(
        figures["requests"]["revoke"],
        site.truth().count(Kind::Revoke)
    );
    assert_eq!(figures["exit_code"], serde_json::Value::Null);
    site.call("resume latest --timeout 1s").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 40)]);
    claims_hold(&site, &site.the_run());
}

/// It would end the process without a word.
#[test]
fn exit_1_a_limit_on_the_size_of_files() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -f 20; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_rescind"))
        .args(site.run_line(&list).split_whitespace())
        .env("RESCIND_TOKEN", "sandbox")
        .current_dir(site.home())
        .stdin(Stdio::null());
    Running::start(&mut shell)
        .end()
        .with(1)
        .says("error: the journal failed\n")
        .says("and whether the size of files is limited (ulimit -f), and try again\n");
    site.is_untouched();
}

/// Whoever may not open the journal has not failed to write anything.
#[test]
fn exit_1_a_journal_that_this_user_may_not_open() {
    let site = Site::new("latency = '40ms'");
    let list = site.list(1001..1041);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 1")));
    site.until_posted(3);
    // It is killed.
    drop(running);
    let run = site.the_run();
    let name = run.file_name().unwrap();
    // A copy that nobody may make the log's index in.
    let copy = site.home().join("copies").join(name);
    fs::create_dir_all(&copy).unwrap();
    for file in ["journal.db", "journal.db-wal"] {
        fs::copy(run.join(file), copy.join(file)).unwrap();
    }
    let allow = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    allow(&copy, 0o500).unwrap();
    for (what, runs) in [("report", "copies"), ("report --format csv", "copies")] {
        let line = format!("{what} --runs-dir {runs}");
        unprivileged(|| site.call(&line))
            .with(1)
            .says("error: the run cannot be read\n")
            .says("caused by: ")
            .says("journal.db-wal where there is one) to where you may write");
    }
    allow(&copy, 0o700).unwrap();
    site.call("report --runs-dir copies").with(0);

    let journal = run.join("journal.db");
    allow(&journal, 0).unwrap();
    for command in ["report", "resume latest", "verify latest"] {
        unprivileged(|| site.call(command))
            .with(1)
            .says("hint: run it as the user who owns the run; or copy");
    }
    // Of a folder that may not be entered it is not said that it is no run.
    allow(&journal, 0o600).unwrap();
    allow(&run, 0).unwrap();
    unprivileged(|| site.call(&format!("resume --base-url {}", site.url)))
        .with(1)
        .says("error: the run to resume cannot be told: ");
    allow(&run, 0o700).unwrap();
}

#[test]
fn exit_1_a_folder_in_the_place_of_a_result() {
    let site = Site::new("latency = '60ms'");
    let list = site.list(1001..1041);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    site.until_posted(1);
    let report = site.the_run().join("report.html");
    fs::create_dir(&report).unwrap();
    let run = site.the_run();
    let resume = format!("rescind resume {}\n", run.file_name().unwrap().display());
    running
        .end()
        .with(1)
        .says("error: the results could not be written\ncaused by: cannot replace ")
        .says(
            "hint: nothing is lost: the journal is complete; move away what is in the place of the file, then: ",
        )
        .says(&resume);
    site.call("resume latest")
        .with(1)
        .says("of the file, and try again\n");
    fs::remove_dir(&report).unwrap();
    site.call("resume latest").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 40)]);
}

#[test]
fn exit_1_a_runs_folder_that_cannot_be_made() {
    let site = Site::new("");
    let list = site.list([1001]);
    site.run(&format!("{list} --runs-dir {list}/runs"))
        .with(1)
        .says("error: the runs folder cannot be used")
        .says("caused by: ");
    site.is_untouched();
}

/// A list of some terabytes, all of it a hole: the room is looked at first.
#[test]
fn exit_1_a_list_for_whose_run_there_is_no_room() {
    let site = Site::new("");
    let huge = site.file("huge.csv", "permissionId\n");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(site.home().join(&huge))
        .unwrap();
    file.set_len(12 << 40).unwrap();
    site.run(&huge)
        .with(1)
        .says(" MiB free, and this run may need ")
        .says("--runs-dir");
    site.is_untouched();
}

#[test]
fn exit_3_some_ids_are_refused_and_some_rows_invalid() {
    let site = Site::new("");
    let list = site.list([1001, 1002, 10403, 10404, 10410, 1003]);
    let list = site.file(
        "more.csv",
        fs::read_to_string(site.home().join(list)).unwrap() + "x\n",
    );
    site.run(&format!("{list} --max-invalid 20%"))
        .with(3)
        .shows("NOT ALL REVOKED on CUSTOM")
        .shows("remaining.csv")
        .shows("rejected.csv");
    let ids = [("revoked", 3), ("refused", 2), ("missing", 1)];
    ended_so(&site.the_run(), "partial", 3, &ids);
    claims_hold(&site, &site.the_run());
}

#[test]
fn exit_4_an_empty_list_and_0_where_that_is_allowed() {
    let site = Site::new("");
    let list = site.list([]);
    site.run(&list).with(4);
    ended_so(&site.the_run(), "empty", 4, &[]);
    site.call(&format!("plan --base-url {} {list}", site.url))
        .with(4);
    let again = site.run(&format!("{list} --allow-empty")).with(0);
    // Every empty list is like every other: that is no news.
    assert!(!again.err.contains("same list"), "{}", again.err);
    assert!(site.truth().calls.is_empty());
}

/// Promise 5: no call starts while a lockout lasts.
#[test]
fn exit_5_three_lockouts_in_a_row_and_resume_carries_on() {
    let site =
        Site::new("lockout = '60ms'\nfaults.script = { revoke = ['none', '429', '423', '429'] }");
    let list = site.list(1001..1011);
    let deferred = site
        .run(&format!("{list} --batch-size 2 --workers 1"))
        .with(5);
    deferred.shows("rescind resume");
    let ids = [("revoked", 2), ("pending", 8)];
    ended_so(&site.the_run(), "deferred", 5, &ids);
    assert!(
        summary(&site.the_run())["waited"]["lockout"]
            .as_f64()
            .unwrap()
            >= 0.2
    );
    assert_eq!((site.truth().lockouts, site.truth().touched), (3, 0));
    site.call("resume latest").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
    claims_hold(&site, &site.the_run());
}

/// Promise 6: the first batch is read before anything is sent.
#[test]
fn exit_6_nothing_is_sent_if_the_first_batch_is_unknown() {
    let site = Site::new("");
    let list = site.list((1..=20).map(|n| n * 10_000 + 404));
    site.run(&format!("{list} --batch-size 10"))
        .with(6)
        .shows("Wrong environment, or wrong column?");
    ended_so(&site.the_run(), "stopped", 6, &[("pending", 20)]);
    assert_eq!(site.truth().count(Kind::Revoke), 0);
    assert!(site.truth().count(Kind::Items) >= 1);
}

/// Promise 6: the breaker.
#[test]
fn exit_6_so_many_failed_batches_in_a_row() {
    let site = Site::new("");
    let protected = (1..=3).map(|n| n * 10_000 + 403);
    let list = site.list([1001].into_iter().chain(protected).chain(1002..1030));
    site.run(&format!(
        "{list} --batch-size 1 --workers 1 --max-consecutive-failures 3"
    ))
    .with(6)
    .shows("rescind resume");
    let ids = [("revoked", 1), ("refused", 3), ("pending", 28)];
    ended_so(&site.the_run(), "stopped", 6, &ids);
    site.call("resume latest").with(3);
    ended_so(
        &site.the_run(),
        "partial",
        3,
        &[("revoked", 29), ("refused", 3)],
    );
    claims_hold(&site, &site.the_run());
}

#[test]
fn exit_8_a_wrong_token_sends_nothing_the_right_one_resumes() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let line = site.run_line(&list);
    let mut command = site.command(&line);
    Running::start(command.env("RESCIND_TOKEN", "expired"))
        .end()
        .with(8)
        .shows("the token is valid")
        .shows("rescind resume");
    ended_so(&site.the_run(), "unauthorized", 8, &[("pending", 10)]);
    assert!(site.revoked().is_empty());
    site.call("resume latest").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
}

#[test]
fn exit_8_a_token_that_is_refused_again_after_it_was_renewed() {
    let site = Site::new("faults.script = { revoke = ['none', 'none', '401', '401'] }");
    let list = site.list(1001..1011);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(8)
        .says("the token was renewed")
        .shows("the API refused the token a second time (401)")
        .shows("It may have expired, be of another environment, belong to an API key")
        .shows("rescind resume");
    let ids = [("revoked", 4), ("pending", 6)];
    ended_so(&site.the_run(), "unauthorized", 8, &ids);
    assert_eq!(site.truth().count(Kind::Revoke), 4);
    assert_eq!(site.truth().count(Kind::Renew), 1);
    site.call("resume latest").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
    claims_hold(&site, &site.the_run());
}

#[test]
fn the_cause_of_a_stop_is_said_even_if_results_cannot_be() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let line = site.run_line(&list);
    let expired = |line: &str| {
        let mut command = site.command(line);
        Running::start(command.env("RESCIND_TOKEN", "expired")).end()
    };
    expired(&line).with(8);
    let results = site.the_run().join("results.csv");
    fs::remove_file(&results).unwrap();
    fs::create_dir_all(results.join("in the way")).unwrap();
    expired("resume latest")
        .with(1)
        .says("error: the API refused the token")
        .says("; and the results could not be written");
}

/// Promise 2: `ok:true` alone is not believed.
#[test]
fn exit_9_an_answer_that_lies_is_found_by_reading_back() {
    let site = Site::new("faults.script = { revoke = ['none', 'lie'] }");
    let list = site.list(1001..1007);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(9)
        .shows("verification_mismatch");
    let ids = [("revoked", 4), ("unknown", 2)];
    ended_so(&site.the_run(), "mismatch", 9, &ids);
    claims_hold(&site, &site.the_run());
}

/// What was accepted in vain waits for a person, who may have it sent again.
#[test]
fn a_mismatch_is_sent_again_only_with_resend_mismatched() {
    let site = Site::new("faults.script = { revoke = ['none', 'lie'] }");
    let list = site.list(1001..1007);
    site.run(&format!(
        "{list} --batch-size 2 --workers 1 --retry-max 20ms"
    ))
    .with(9)
    .shows("--resend-mismatched");
    let run = site.the_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    for line in [
        "resume latest".to_owned(),
        format!("resume --base-url {}", site.url),
        format!("verify {name}"),
        "resume latest --verify off".to_owned(),
    ] {
        site.call(&line).with(9);
        ended_so(&run, "mismatch", 9, &[("revoked", 4), ("unknown", 2)]);
        assert_eq!(site.truth().count(Kind::Revoke), 3, "{line}");
    }
    site.call("resume latest --resend-mismatched --verify off")
        .with(2)
        .says("--verify off reads nothing");
    site.call("resume latest --resend-mismatched --verify all")
        .with(0);
    ended_so(&run, "complete", 0, &[("revoked", 6)]);
    assert_eq!(site.truth().count(Kind::Revoke), 4);
    claims_hold(&site, &run);
}

#[test]
fn exit_11_the_lock_is_held_and_says_by_whom_and_since_when() {
    let site = Site::new("latency = '40ms'");
    let list = site.list(1001..1061);
    let first = site.start(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    site.until_posted(1);
    // It keeps the lock while it stands still.
    first.signal(Signal::STOP);
    let other = site.file("other.csv", "2001\n2002\n");
    let refused = site.run(&other).with(11);
    let refused = refused.says(&format!("run by process {}", first.id()));
    refused.says(" since 20").says("--lock-wait");
    site.call("resume latest").with(11);
    // A token may not outlive a long wait for the lock: it is asked for after.
    let mut waiting = site.command(&site.run_line(&other));
    waiting.env_remove("RESCIND_TOKEN");
    waiting.env("RESCIND_TOKEN_COMMAND", "touch asked");
    Running::start(&mut waiting).end().with(11);
    site.run(&format!("{other} --lock-wait 200ms"))
        .with(11)
        .says("waiting for it for up to 200ms");
    assert!(!site.home().join("asked").exists());
    assert_eq!(site.runs().len(), 1);
    assert!(!site.revoked().contains(&2001));

    // Who waits for the lock gets it when the first run is over.
    let line = site.run_line(&format!("{other} --lock-wait 5m"));
    let waiting = site.start(&line);
    first.signal(Signal::CONT);
    waiting.end().with(0);
    first.end().with(0);
    let truth = site.truth();
    let at = |id: i64| {
        truth
            .revoked
            .iter()
            .find(|(one, _)| one.get() == id)
            .unwrap()
            .1
            .at
    };
    assert!(at(1060) < at(2001));
    assert_eq!(truth.revoked.len(), 62);
}

/// The lock, the budget and the history belong to a server and not to a
/// spelling of its address.
#[test]
fn one_server_under_two_names_is_one_environment() {
    let site = Site::new("latency = '40ms'");
    let list = site.list(1001..1041);
    let other = site.file("other.csv", "2001\n");
    let names = [
        site.url.replace("127.0.0.1", "LOCALHOST"),
        site.url.replace("127.0.0.1", "localhost."),
        site.url.replace("/v1", "//v1/"),
    ];
    let first = site.start(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    site.until_posted(1);
    for name in &names {
        site.call(&format!("run {other} --base-url {name}"))
            .with(11);
    }
    first.signal(Signal::TERM);
    first.end().with(143);
    let calls = site.truth().calls.len();
    // The hour is full: not one call fits into the next ten minutes.
    for name in &names {
        let pace = format!("--rate {calls}/h --max-duration 10m");
        site.call(&format!("run {other} --base-url {name} {pace}"))
            .with(5)
            .says("is not finished; to carry it on");
    }
    assert_eq!(site.truth().calls.len(), calls);
    let run = site.runs().remove(0);
    let run = run.file_name().unwrap().to_str().unwrap();
    site.call(&format!("resume {run} --base-url {}", names[1]))
        .with(0);
    assert_eq!(site.revoked(), (1001..1041).collect());
}

/// Each of them leads to a message and to 1, wherever the system has no more to
/// give; and to nothing sent without a record.
#[test]
fn a_limit_on_files_or_threads_ends_with_a_message_and_1() {
    let site = Site::new("");
    let line = site.run_line(&site.list(1001..1011));
    // A thread whose stack is larger than any memory cannot be had.
    let mut command = site.command(&line);
    command.env("RUST_MIN_STACK", (1_u64 << 50).to_string());
    Running::start(&mut command).end().with(1).says("error: ");
    site.is_untouched();

    for files in [6, 7, 8, 10, 12, 14] {
        let script = format!(
            "ulimit -n {files}; exec {} {line}",
            env!("CARGO_BIN_EXE_rescind")
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(site.home());
        command.env("RESCIND_TOKEN", "sandbox");
        Running::start(&mut command).end().with(1).says("error: ");
        assert!(site.truth().calls.is_empty(), "{files}");
    }
}
