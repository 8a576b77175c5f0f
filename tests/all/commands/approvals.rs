//! Guards hold a whole run, and a person's word for exactly this list, here
//! and now, releases it: exit 7 in each way.

use std::{fs, path::Path};

use rescind::{
    journal::{JournalReader, RunFolder, RunsDir},
    sandbox::Kind,
};
use serde_json::Value;

use crate::support::process::{Ended, Running, Site, claims_hold, ended_so, summary};

/// The command that a held run shows, as it is typed after `rescind`.
#[track_caller]
fn release(ended: &Ended) -> String {
    let command = ended.err.lines().find(|line| line.contains(" --approve "));
    let command = command.unwrap_or_else(|| panic!("no command in:\n{}", ended.err));
    command.trim().strip_prefix("rescind ").unwrap().to_owned()
}

fn digest(command: &str) -> String {
    command.rsplit(' ').next().unwrap().to_owned()
}

fn name(run: &Path) -> String {
    run.file_name().unwrap().to_str().unwrap().to_owned()
}

fn folder(site: &Site) -> RunFolder {
    let runs = RunsDir::at(&site.runs_dir());
    runs.find(&name(&site.the_run())).unwrap()
}

const FILES: [&str; 7] = [
    "journal.db",
    "permissions.csv",
    "rejected.csv",
    "remaining.csv",
    "results.csv",
    "run.log",
    "summary.json",
];

#[test]
fn exit_7_a_list_with_too_many_ids_is_frozen_and_not_sent() {
    let site = Site::new("");
    let list = site.list(1001..1251);
    let held = site
        .run(&format!("{list} --max-ids 249"))
        .with(7)
        .says("caused by: max-ids: the list has 250 IDs, and 249 are allowed")
        .shows("HELD on CUSTOM")
        .shows("Held by max-ids: the list has 250 IDs");
    assert!(site.truth().calls.is_empty());
    let run = site.the_run();
    ended_so(&run, "held", 7, &[("pending", 250)]);
    for file in FILES {
        assert!(run.join(file).exists(), "{file}");
    }
    // The list is frozen: the file is not needed any more.
    fs::remove_file(site.home().join(&list)).unwrap();
    let command = release(&held);
    let released = site.call(&command).with(0);
    released
        .says("note: approved in spite of max-ids")
        .shows("DONE on CUSTOM")
        .shows("in spite of max-ids, by ");
    ended_so(&run, "complete", 0, &[("revoked", 250)]);
    claims_hold(&site, &run);

    // As many as are allowed are no breach.
    let list = site.list(1001..1250);
    site.run(&format!("{list} --max-ids 249")).with(0);
}

/// An approval is on record before anything is sent, with who gave it, and it
/// is asked for once.
#[test]
fn an_approval_is_recorded_first_and_holds_for_resumes() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401'] }");
    let list = site.list(1001..1005);
    let held = site
        .run(&format!("{list} --max-ids 3 --batch-size 2 --workers 1"))
        .with(7);
    site.call(&release(&held)).with(8);
    let archive = JournalReader::open(&folder(&site).journal()).unwrap();
    let breaches = archive.breaches().unwrap();
    let approval = breaches.0[0].approval.clone().unwrap();
    assert_eq!(approval.digest, digest(&release(&held)));
    assert!(!approval.operator.is_empty() && !approval.host.is_empty());
    let first = site.truth().calls[0].at;
    assert!(u128::from(approval.at.as_millisecond().unsigned_abs()) <= first.as_millis());
    drop(archive);

    // Whoever repeats the command that released it means no harm.
    let site_calls = site.truth().calls.len();
    site.call("resume latest --approve 000000000000")
        .with(2)
        .says("is not held");
    assert_eq!(site.truth().calls.len(), site_calls);
    site.call(&release(&held)).with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 4)]);
    claims_hold(&site, &site.the_run());
    let figures = summary(&site.the_run());
    assert_eq!(figures["approve"], Value::Null);
    assert_eq!(figures["breaches"].as_array().unwrap().len(), 1);
    assert_eq!(figures["breaches"][0]["guard"], "max-ids");
    assert_eq!(
        figures["breaches"][0]["approved"]["digest"],
        digest(&release(&held))
    );
}

#[test]
fn a_held_run_is_released_by_nothing_but_its_own_digest() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let held = site.run(&format!("{list} --max-ids 3")).with(7);
    let command = release(&held);
    let ours = digest(&command);
    let run = name(&site.the_run());
    // Neither by being found, nor by other settings, nor by consent.
    for line in [
        format!("resume --base-url {}", site.url),
        "resume latest --max-ids 1000 --yes".to_owned(),
        format!("resume {run} --max-age 1h"),
    ] {
        let again = site.call(&line).with(7);
        assert_eq!(release(&again), command, "{line}");
    }
    let other = site.file("other.csv", "1001\n1002\n1003\n1004\n1005\n");
    let other = site.run(&format!("{other} --max-ids 3")).with(7);
    let short = &ours[..8];
    for wrong in [&digest(&release(&other)), "0", short, &ours.to_uppercase()] {
        if wrong == ours {
            continue;
        }
        site.call(&format!("resume {run} --approve {wrong}"))
            .with(2)
            .says("is not the digest of what holds run")
            .says("caused by: max-ids: the list has 4 IDs")
            .says(&format!("rescind report {run}"));
    }
    // The same list in another environment: the address is another.
    let elsewhere = Site::new("");
    let list = elsewhere.list(1001..1005);
    let theirs = elsewhere.run(&format!("{list} --max-ids 3")).with(7);
    assert_ne!(digest(&release(&theirs)), ours);
    elsewhere
        .call(&format!("resume latest --approve {ours}"))
        .with(2);
    assert!(site.truth().calls.is_empty() && elsewhere.truth().calls.is_empty());
    site.call(&command).with(0);
    assert_eq!(site.revoked(), (1001..1005).collect());
}

/// Who has no access is told so first, and has released nothing.
#[test]
fn access_is_checked_before_an_approval_is_recorded() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let held = site.run(&format!("{list} --max-ids 3")).with(7);
    let command = release(&held);
    for (variable, value) in [
        None,
        Some(("RESCIND_TOKEN_FILE", "absent")),
        Some(("RESCIND_TOKEN_COMMAND", "exit 1")),
    ]
    .map(Option::unzip)
    {
        let mut bare = site.command(&command);
        bare.env_remove("RESCIND_TOKEN");
        if let (Some(variable), Some(value)) = (variable, value) {
            bare.env(variable, value);
        }
        let ended = Running::start(&mut bare).end();
        assert!(matches!(ended.code, Some(2 | 8)), "{}", ended.err);
        assert!(!ended.err.contains("approved"), "{}", ended.err);
    }
    site.call("resume latest").with(7);
    assert!(site.truth().calls.is_empty());
    site.call(&command).with(0).says("approved in spite of");
}

/// A run that was cut off between its freezing and its first word is held,
/// too: what a guard found is frozen with the list.
#[test]
fn what_a_guard_found_is_frozen_with_the_list() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let held = site.run(&format!("{list} --max-ids 3")).with(7);
    let journal = rusqlite::Connection::open(site.the_run().join("journal.db")).unwrap();
    let gone = journal.execute("DELETE FROM process", []).unwrap();
    assert_eq!(gone, 1);
    drop(journal);
    site.call("report").with(0).shows("HELD on CUSTOM");
    let line = format!("resume latest --base-url {}", site.url);
    let again = site.call(&line).with(7);
    assert_eq!(release(&again), release(&held));
    assert!(site.truth().calls.is_empty());
}

#[test]
fn a_held_run_says_everywhere_what_releases_it() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let held = site.run(&format!("{list} --max-ids 3")).with(7);
    let command = format!("rescind {}", release(&held));
    site.call("runs").with(0).shows("HELD").shows(&command);
    site.call("report").with(0).shows(&command);
    let markdown = site.call("report --format markdown").with(0);
    assert!(
        markdown.out.starts_with("# HELD on CUSTOM"),
        "{}",
        markdown.out
    );
    assert!(markdown.out.contains(&command), "{}", markdown.out);
    let run = site.the_run();
    assert_eq!(summary(&run)["approve"], digest(&command));
    // A new run names it for what it is.
    let other = site.file("other.csv", "2001\n");
    let other = site.run(&other).with(0);
    let other = other.says(&format!("run {} is held", name(&run)));
    assert!(!other.err.contains("is not finished"), "{}", other.err);
}

/// A run's IDs of so many, finished.
fn finished(site: &Site, ids: i64) {
    let list = site.list(1001..1001 + ids);
    site.run(&list).with(0);
}

#[test]
fn exit_7_a_list_grown_past_the_median_of_seven_runs() {
    let site = Site::new("faults.script = { revoke = ['401', '401'] }");
    let unfinished = site.list(1..2);
    site.run(&unfinished).with(8);
    let first = site.list(1001..1201);
    site.run(&format!("{first} --max-growth 50%"))
        .with(0)
        .says("max-growth is not applied: no earlier run of this environment is finished");
    // The first falls out of the seven, and one unusual night does not count.
    for ids in [100, 110, 90, 900, 105, 95, 1] {
        finished(&site, ids);
    }
    let empty = site.list([]);
    site.run(&format!("{empty} --allow-empty")).with(0);
    let plan = |ids: i64, percent: &str| {
        let list = site.list(1001..1001 + ids);
        site.call(&format!(
            "plan {list} --base-url {} --max-growth {percent}",
            site.url
        ))
    };
    plan(150, "50")
        .with(0)
        .shows("50% more than 100, the median of 7");
    plan(151, "50").with(7).shows("HELD by max-growth");
    plan(151, "51%").with(0);
    // Under 100 IDs growth says nothing.
    plan(99, "0").with(0).shows("fewer than 100 IDs");
    let list = site.list(1001..1152);
    // Other environments have a history of their own.
    let elsewhere = site.url.replace("/v1", "/v2");
    site.call(&format!(
        "plan {list} --base-url {elsewhere} --max-growth 1"
    ))
    .with(0)
    .shows("max-growth is not applied");
    let calls = site.truth().calls.len();
    let held = site.run(&format!("{list} --max-growth 50")).with(7).says(
        "max-growth: the list has 151 IDs, 51% more than 100, the median of the last 7 finished \
         runs here, and 50% is allowed",
    );
    assert_eq!(site.truth().calls.len(), calls);
    site.call(&release(&held)).with(0);
}

#[test]
fn exit_7_excluded_ids_are_named_with_their_lines() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    site.file("keep.csv", "userId,id\n1,1003\n1,2000\n1,1005\n");
    site.file("vip.csv", "1007\n");
    let held = site
        .run(&format!("{list} --exclude keep.csv --exclude vip.csv"))
        .with(7)
        .says("exclude: 3 IDs of the list stand in ")
        .says("1003 (line 4), 1005 (line 6), 1007 (line 8)");
    assert!(held.err.contains("keep.csv") && held.err.contains("vip.csv"));
    assert!(site.truth().calls.is_empty());
    site.call(&release(&held)).with(0);
    assert_eq!(site.revoked(), (1001..1011).collect());

    // What does not stand in the list is no breach.
    let site = Site::new("");
    let list = site.list(1001..1004);
    let keep = site.file("keep.csv", "2000\n");
    let line = format!("{list} --exclude {keep}");
    site.call(&format!("plan --base-url {} {line}", site.url))
        .with(0)
        .shows("exclude: none of 1 IDs in ");
    site.run(&line).with(0);
}

/// A guard is not lost because another layer names another file.
#[test]
fn excluded_files_of_every_layer_count() {
    let site = Site::new("");
    let list = site.list(1001..1004);
    for id in [1001, 1002, 1003] {
        site.file(&format!("keep-{id}.csv"), format!("{id}\n"));
    }
    let config = format!("base-url = '{}'\nexclude = ['keep-1001.csv']\n", site.url);
    site.file("my.toml", config);
    let line = format!("plan {list} --config my.toml --exclude keep-1003.csv");
    let mut command = site.command(&line);
    command.env("RESCIND_EXCLUDE", "keep-1002.csv");
    crate::support::process::Running::start(&mut command)
        .end()
        .with(7)
        .shows("1001 (line 2), 1002 (line 3), 1003 (line 4)");
}

/// A list of values is never joined and split.
#[test]
fn a_run_with_a_comma_in_an_excluded_path_is_resumed() {
    let site = Site::new("");
    let list = site.list(1001..1009);
    fs::create_dir(site.home().join("a,b")).unwrap();
    site.file("a,b/keep.csv", "2000\n");
    site.run(&format!("{list} --exclude a,b/keep.csv --max-duration 1ms"))
        .with(5);
    site.call("resume latest --max-duration off").with(0);
}

#[test]
fn a_resume_checks_exclusions_again_for_open_ids() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401', '401', '401'] }");
    let list = site.list(1001..1009);
    site.file("keep.csv", "2000\n");
    site.run(&format!(
        "{list} --exclude keep.csv --batch-size 2 --workers 1"
    ))
    .with(8);
    assert_eq!(site.revoked(), [1001, 1002].into());
    let calls = site.truth().calls.len();
    // 1001 is revoked, and nothing can be done about it any more.
    site.file("keep.csv", "2000\n1001\n1005\n");
    let held = site
        .call("resume latest")
        .with(7)
        .says("exclude: 1 ID of the list stands in ")
        .says(" 1005 (line 6)");
    let first = release(&held);
    // It stays held when the file says otherwise again.
    site.file("keep.csv", "2000\n");
    assert_eq!(release(&site.call("resume latest").with(7)), first);
    // Another ID is another breach.
    site.file("keep.csv", "1005\n1007\n");
    let held = site.call("resume latest").with(7).says("1007 (line 8)");
    assert_ne!(release(&held), first);
    site.call(&first).with(2);
    assert_eq!(site.truth().calls.len(), calls);
    // Leave for two is leave for no third.
    site.call(&release(&held)).with(8);
    let calls = site.truth().calls.len();
    site.file("keep.csv", "1005\n1007\n1008\n");
    let again = site.call("resume latest").with(7).says("1008 (line 9)");
    assert!(!again.err.contains("1007"), "{}", again.err);
    site.call(&release(&held)).with(2);
    assert_eq!(site.truth().calls.len(), calls);
    site.call(&release(&again)).with(0);
    claims_hold(&site, &site.the_run());
}

#[test]
fn exit_2_a_list_of_excluded_ids_that_is_not_wholly_understood() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401'] }");
    let list = site.list(1001..1005);
    let damaged = site.file("damaged.csv", "1001\n1.02E+09\n");
    for (keep, words) in [
        (damaged.as_str(), "line 2 of "),
        ("absent.csv", "no such file"),
    ] {
        let line = format!("{list} --exclude {keep}");
        site.run(&line).with(2).says(words).says("hint: ");
        site.call(&format!("plan --base-url {} {line}", site.url))
            .with(2)
            .says(words);
    }
    site.is_untouched();
    let keep = site.file("keep.csv", "");
    site.run(&format!(
        "{list} --exclude {keep} --batch-size 2 --workers 1"
    ))
    .with(8)
    .says("note: exclude guards nothing");
    fs::remove_file(site.home().join(&keep)).unwrap();
    let calls = site.truth().calls.len();
    site.call("resume latest").with(2).says("no such file");
    assert_eq!(site.truth().calls.len(), calls);
    site.file(&keep, "");
    site.call("resume latest")
        .with(0)
        .says("note: exclude guards nothing: there is no ID in ");
}

#[test]
fn exit_7_an_old_run_needs_a_person() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401', '401', '401'] }");
    let list = site.list(1001..1007);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(8);
    let calls = site.truth().calls.len();
    // What it says to type works from the same folder.
    let held = site
        .call("resume latest --max-age 1ms --runs-dir ./runs")
        .with(7)
        .says("max-age: the list was frozen, or last approved, at ");
    assert!(release(&held).contains(" --runs-dir ./runs --approve "));
    assert_eq!(site.truth().calls.len(), calls);
    let run = site.the_run();
    ended_so(&run, "held", 7, &[("revoked", 2), ("pending", 4)]);
    // A longer age does not release it silently.
    site.call("resume latest --max-age 8760h").with(7);
    site.call(&release(&held)).with(8);
    // From the approval on the age is counted anew, and an old approval is
    // none for a new age.
    site.call("resume latest --max-age 1ms").with(7);
    site.call(&release(&held)).with(2);
    assert_eq!(site.truth().count(Kind::Revoke), 5);
    let held = site.call("resume latest").with(7);
    site.call(&format!("{} --max-age 1h", release(&held)))
        .with(0);
    claims_hold(&site, &run);
}

#[test]
fn an_approval_counts_as_the_new_age() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401', '401', '401'] }");
    let list = site.list(1001..1007);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(8);
    let journal = site.the_run().join("journal.db");
    let age = |sql: &str| {
        let journal = rusqlite::Connection::open(&journal).unwrap();
        assert_eq!(journal.execute(sql, []).unwrap(), 1);
    };
    age("UPDATE fact SET value = value - 100 * 3600000 WHERE name = 'created_at'");
    let held = site.call("resume latest").with(7);
    site.call(&release(&held)).with(8);
    // A hundred hours old, and approved just now: 72 hours from here.
    site.call("resume latest --batch-size 2").with(0);

    let site = Site::new("faults.script = { revoke = ['none', '401', '401', '401', '401'] }");
    let list = site.list(1001..1007);
    site.run(&format!("{list} --max-ids 1 --batch-size 2 --workers 1"))
        .with(7);
    let run = site.the_run();
    let command = site.call("runs").with(0).out;
    let command = command.lines().find(|line| line.contains("--approve"));
    let command = command.unwrap().trim().strip_prefix("rescind ").unwrap();
    site.call(command).with(8);
    let journal = rusqlite::Connection::open(run.join("journal.db")).unwrap();
    journal
        .execute("UPDATE approval SET at = at - 73 * 3600000", [])
        .unwrap();
    journal
        .execute(
            "UPDATE fact SET value = value - 80 * 3600000 WHERE name = 'created_at'",
            [],
        )
        .unwrap();
    drop(journal);
    site.call("resume latest").with(7).says("max-age");
}

/// The guards come before the token, and a person's consent after an approval.
#[test]
fn a_real_environment_still_asks_after_an_approval() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let mut command = site.command(&format!("run {list} --env demo --yes --max-ids 3"));
    command.env_remove("RESCIND_TOKEN");
    command.env("RESCIND_TOKEN_COMMAND", "touch asked");
    let held = crate::support::process::Running::start(&mut command)
        .end()
        .with(7);
    assert!(!site.home().join("asked").exists());
    site.call(&release(&held))
        .with(2)
        .says("there is no terminal to ask at");
    // Nothing was approved by it.
    site.call("report").with(0).shows("HELD on DEMO");
}

#[test]
fn a_plan_says_what_would_hold_the_list_and_fails_so() {
    let site = Site::new("");
    let list = site.list(1001..1005);
    let keep = site.file("keep.csv", "1002\n");
    site.call(&format!(
        "plan {list} --base-url {} --max-ids 3 --exclude {keep}",
        site.url
    ))
    .with(7)
    .shows("HELD by max-ids: the list has 4 IDs, and 3 are allowed")
    .shows("HELD by exclude: 1 ID of the list stands in ")
    .shows("A run would be HELD: it would send nothing and end with exit code 7")
    .shows("nothing was sent");
    site.is_untouched();
}
