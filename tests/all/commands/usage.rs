//! What the commands say of lists and runs, and where they take them from.

use std::{fs, io::Write, process::Stdio, time::Duration};

use flate2::{Compression, write::GzEncoder};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::process::{Running, Site, ended_so, summary, table};

#[test]
fn a_plan_sends_nothing_and_creates_nothing() {
    let site = Site::new("");
    let list = site.file("list.csv", "permissionId\n1001\n1002\n1001\nx\n1003\n");
    let before = fs::read_dir(site.home()).unwrap().count();
    let line = format!(
        "plan {list} --base-url {} --batch-size 2 --max-invalid 50%",
        site.url
    );
    let plan = site.call(&line).with(0);
    plan.shows("5 rows = 3 distinct + 1 duplicate + 1 invalid")
        .shows("2 revocations")
        .shows("nothing was sent");
    // Without a token as well: it needs none.
    let mut command = site.command(&line);
    Running::start(command.env_remove("RESCIND_TOKEN"))
        .end()
        .with(0);
    site.call(&line.replace("50%", "5%"))
        .with(2)
        .says("1 of 5 rows");
    assert_eq!(fs::read_dir(site.home()).unwrap().count(), before);
    site.is_untouched();
}

#[test]
fn a_run_names_unfinished_runs_and_the_same_list_done_before() {
    let site = Site::new("faults.script = { revoke = ['401', '401'] }");
    let list = site.list(1001..1004);
    site.run(&list).with(8);
    let first = site.the_run();
    let first = first.file_name().unwrap().to_str().unwrap();
    let second = site.run(&list).with(0);
    second.says(&format!("rescind resume {first}"));
    let third = site.run(&list).with(0);
    let third = third.says("this same list was already finished in run");
    assert!(third.err.contains("is not finished"), "{}", third.err);
    let other = site.file("other.csv", "2001\n");
    let other = site.run(&other).with(0);
    assert!(!other.err.contains("same list"), "{}", other.err);
    site.call(&format!("resume {first}")).with(0);
    let again = site.run(&list).with(0);
    assert!(!again.err.contains("is not finished"), "{}", again.err);
}

#[test]
fn a_resume_without_a_run_takes_the_newest_unfinished_one() {
    let site = Site::new("faults.script = { revoke = ['401', '401', '401', '401'] }");
    let older = site.list(1001..1004);
    site.run(&older).with(8);
    let older = site.the_run();
    // Both may well be of the same second.
    let newer = site.file("newer.csv", "2001\n");
    site.run(&newer).with(8);
    let line = format!("resume --base-url {}", site.url);
    let newer = site.runs().into_iter().find(|run| *run != older).unwrap();
    // It says at once which one that is.
    let name = newer.file_name().unwrap().to_str().unwrap();
    site.call(&line)
        .with(0)
        .says(&format!("run {name} (custom), frozen at"))
        .says("1 of 1 IDs open, 0 still to be read back");
    assert_eq!(site.revoked(), [2001].into());
    assert_eq!(summary(&older)["outcome"], "unauthorized");
    assert_eq!(summary(&newer)["outcome"], "complete");
    site.call(&line).with(0);
    assert_eq!(summary(&older)["outcome"], "complete");
    site.call(&line).with(2).says("no unfinished run");
}

#[test]
fn a_run_is_named_by_its_id_a_prefix_or_latest() {
    let site = Site::new("");
    for (list, note) in [("1001\n", "one"), ("1002\n", "two"), ("1003\n", "three")] {
        let list = site.file("list.csv", list);
        site.run(&format!("{list} --note {note}")).with(0);
    }
    let note = |run: &str| {
        let figures = site
            .call(&format!("report {run} --format json"))
            .with(0)
            .out;
        serde_json::from_str::<Value>(&figures).unwrap()["note"].clone()
    };
    for run in site.runs() {
        let name = run.file_name().unwrap().to_str().unwrap();
        assert_eq!(note(name), summary(&run)["note"]);
        assert_eq!(note(&name[..name.len() - 1]), summary(&run)["note"]);
    }
    let ambiguous = site.call("report 20").with(2);
    for run in site.runs() {
        let name = run.file_name().unwrap().to_str().unwrap();
        assert!(ambiguous.err.contains(name), "{}", ambiguous.err);
    }
    // Also where several were frozen within one second.
    for latest in [note("latest"), note("")] {
        assert_eq!(latest, "three");
    }
    // The program never relies on the link.
    fs::remove_file(site.runs_dir().join("latest")).unwrap();
    assert_eq!(note("latest"), "three");

    let listed = site.call("runs").with(0).out;
    assert_eq!(listed.lines().count(), 4);
    for run in site.runs() {
        let name = run.file_name().unwrap().to_str().unwrap();
        let line = listed.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains("complete") && line.contains("1/1"), "{line}");
    }
}

#[test]
fn a_report_comes_in_each_format_and_to_a_file() {
    let site = Site::new("");
    let list = site.list([1001, 1002, 10403]);
    site.run(&list).with(3);
    let run = site.the_run();
    let report = |format: &str| site.call(&format!("report --format {format}")).with(0).out;
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(json, summary(&run));
    let csv = report("csv");
    assert_eq!(csv, fs::read_to_string(run.join("results.csv")).unwrap());
    assert!(
        report("markdown").starts_with('#'),
        "{}",
        report("markdown")
    );
    assert_eq!(site.call("report").with(0).out, report("text"));
    let written = site.call("report --format csv --output here.csv").with(0);
    assert_eq!(written.out, "");
    assert_eq!(
        fs::read_to_string(site.home().join("here.csv")).unwrap(),
        csv
    );
    site.call("report --output no/such/folder")
        .with(1)
        .says("there is no folder no/such");
    site.call("report --format pdf").with(2);
    site.call("report --format csv --format json").with(0);
}

#[test]
fn a_list_comes_from_standard_input_or_compressed() {
    let site = Site::new("");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"permissionId\n1001\n1002\n").unwrap();
    let gzip = gzip.finish().unwrap();
    let packed = site.file("list.csv.gz", &gzip);
    site.run(&packed).with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 2)]);
    assert_eq!(summary(&site.the_run())["rows"]["total"], 2);
    site.call(&format!(
        "resume {}",
        site.the_run().file_name().unwrap().to_str().unwrap()
    ))
    .with(0);

    let plain = site.file("plain.tsv", "x\tpermissionId\r\n7\t3001\r\n8\t3002\r\n");
    for (file, ids) in [(packed, [1001, 1002]), (plain, [3001, 3002])] {
        let mut command = site.command(&site.run_line("-"));
        let input = fs::File::open(site.home().join(file)).unwrap();
        Running::start(command.stdin(Stdio::from(input)))
            .end()
            .with(0);
        assert!(ids.iter().all(|id| site.revoked().contains(id)));
    }
    let paths = site
        .runs()
        .into_iter()
        .map(|run| summary(&run)["input"]["path"].clone());
    assert_eq!(paths.filter(|path| path == "-").count(), 2);
}

#[test]
fn config_shows_where_each_setting_comes_from() {
    let site = Site::new("");
    site.file(
        "my.toml",
        "env = 'sandbox'\nworkers = 7\nburst = 2\nnote = 'file'\n",
    );
    let mut command =
        site.command("config --config my.toml --note option --note last --rate 80/m --rate 5/s");
    command
        .env("RESCIND_WORKERS", "8")
        .env("RESCIND_NOTE", "variable");
    let shown = Running::start(&mut command).end().with(0).out;
    let row = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("note"), ["note", "last", "option"]);
    // A list has a row for each of its values.
    let rates = shown.lines().filter(|line| line.starts_with("rate "));
    let rates: Vec<_> = rates.map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(rates, [Some("80/m"), Some("5/s")]);
    assert_eq!(row("workers"), ["workers", "8", "RESCIND_WORKERS"]);
    assert_eq!(row("burst "), ["burst", "2", "my.toml:3"]);
    assert_eq!(row("read-size"), ["read-size", "100", "default"]);
    site.is_untouched();
}

/// What the run's settings say is what is done: the last of an option given
/// twice, and all of a rate that is repeated.
#[test]
fn the_last_of_two_wins_and_every_rate_holds() {
    let site = Site::new("");
    let list = site.list(1001..1013);
    let twice = "--batch-size 1 --batch-size 3 --rate 1000/s --rate 2/s --workers 9 --workers 2";
    // A repeated rate replaces nothing: `unlimited` cannot be one of several.
    site.run(&format!("{list} {twice}")).with(2).says("--rate");
    let line = format!("run {list} --base-url {} {twice}", site.url);
    site.call(&line).with(0);
    assert_eq!(table(&site.the_run().join("results.csv")).len(), 1 + 4);
    let truth = site.truth();
    assert!(truth.calls.len() > 6);
    // Half a second apart; the first may have been late.
    let end = truth.calls.last().unwrap().at;
    let took = end.saturating_sub(truth.calls[0].at);
    assert!(took >= Duration::from_millis(1_500), "{took:?}");
}

#[test]
fn a_sandbox_by_itself_ends_well_at_a_signal() {
    let site = Site::new("");
    let other = site.start("sandbox --world mine");
    crate::support::process::until("the world is made", || {
        site.home().join("mine").exists().then_some(())
    });
    // It listens to signals before it opens its world.
    other.signal(Signal::TERM);
    let ended = other.end().with(0);
    assert!(ended.out.starts_with("http://127.0.0.1:"), "{}", ended.out);
    site.call("sandbox --listen 0.0.0.0:0").with(2);
    site.call("sandbox --rules absent.toml").with(2);
}

/// Promise 5: what a run that cannot be read called lately may count, and a
/// lockout that it met may be on.
#[test]
fn exit_1_nothing_is_sent_while_unreadable_calls_may_count() {
    let site = Site::new("");
    let list = site.list(1001..1003);
    let damaged = "20260101T000000Z-abcdef";
    let journal = site.runs_dir().join(damaged).join("journal.db");
    fs::create_dir_all(journal.parent().unwrap()).unwrap();
    fs::write(&journal, "no journal").unwrap();
    site.run(&list)
        .with(1)
        .says(&format!(
            "error: it is not known what {damaged} called lately"
        ))
        .says("hint: wait until ")
        .says("its calls then do not count")
        .says("rescind resume");
    assert!(site.truth().calls.is_empty());
    // What calls nothing goes on.
    site.call(&format!("plan --base-url {} {list}", site.url))
        .with(0);
    // Long ago, it is only named.
    let ago = std::time::SystemTime::now() - Duration::from_hours(3);
    let file = fs::File::options().write(true).open(&journal);
    file.unwrap().set_modified(ago).unwrap();
    site.call("resume latest")
        .with(0)
        .says("cannot be counted")
        .says(damaged);
    assert_eq!(site.revoked(), (1001..1003).collect());
    // One of another version of the program holds what nobody here can read.
    let other = site.runs().into_iter().max().unwrap().join("journal.db");
    let db = rusqlite::Connection::open(other).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let calls = site.truth().calls.len();
    site.run(&site.list(1003..1005))
        .with(1)
        .says("has format 99");
    assert_eq!(site.truth().calls.len(), calls);
}

/// It is for people; a run does not depend on it.
#[test]
fn a_run_goes_on_where_latest_cannot_be_pointed_at_it() {
    let site = Site::new("");
    let list = site.list(1001..1003);
    fs::create_dir_all(site.runs_dir().join("latest")).unwrap();
    site.run(&list).with(0).says("latest");
}
