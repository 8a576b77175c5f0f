//! The built binary where it reads without revoking: `--read-first`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rescind::sandbox::Kind;

use crate::binary::{Running, Site, claims_hold, ended_so, summary, table};

/// What the sandbox shows of people who do not exist, and nobody may keep.
const PERSONAL: [&str; 7] = [
    "@example.com",
    "Sandbox Vendor",
    "Okafor",
    "Lindqvist",
    "Nakamura",
    "O'Neil",
    "Moreau",
];

/// Searches every file below a folder for names and addresses.
fn names_nobody(path: &Path) {
    if path.is_symlink() {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            names_nobody(&entry.unwrap().path());
        }
        return;
    }
    let bytes = fs::read(path).unwrap();
    for words in PERSONAL {
        let mut windows = bytes.windows(words.len());
        let found = windows.any(|window| window == words.as_bytes());
        assert!(!found, "{words} is in {}", path.display());
    }
}

/// Among the IDs, 1010409 is revoked from the beginning, 1010404 not known,
/// 1010410 declined, 1010403 protected.
const ODD: [i64; 4] = [1_010_403, 1_010_404, 1_010_409, 1_010_410];

#[test]
fn read_first_spends_no_revocation_on_what_is_revoked_and_keeps_how_it_was() {
    let site = Site::new("");
    let ids: Vec<i64> = (1001..1036).chain(ODD).chain([20_409]).collect();
    let list = site.list(ids.iter().copied());
    let line = format!("{list} --batch-size 10 --read-first -v");
    let ended = site.run(&line).with(3);
    ended.shows("shown as Revoked before anything was sent [already_revoked]");
    let run = site.the_run();
    let fates = [("revoked", 37), ("refused", 2), ("missing", 1)];
    ended_so(&run, "partial", 3, &fates);
    // Nothing was posted for what the sandbox holds as revoked from the start.
    let truth = site.truth();
    assert_eq!(truth.revoked.len(), 35);
    assert!(truth.posted_again().is_empty() && truth.mistakes.is_empty());
    let permissions = table(&run.join("permissions.csv"));
    let reason = |id: &str| {
        let row = permissions.iter().find(|row| row[0] == id).unwrap();
        (row[2].clone(), row[3].clone())
    };
    let already = ("revoked".to_owned(), "already_revoked".to_owned());
    assert_eq!(
        (reason("1010409"), reason("20409")),
        (already.clone(), already)
    );

    let before = table(&run.join("before.csv"));
    assert_eq!(
        before[0],
        ["permission_id", "account_id", "user_id", "status"]
    );
    let shown: Vec<(String, &str)> = ids
        .iter()
        .filter(|id| **id != 1_010_404)
        .map(|id| match id % 10_000 {
            409 => (id.to_string(), "Revoked"),
            410 => (id.to_string(), "Declined"),
            _ => (id.to_string(), "Accepted"),
        })
        .collect();
    let kept: Vec<(String, &str)> = before[1..]
        .iter()
        .map(|row| (row[0].clone(), row[3].as_str()))
        .collect();
    assert_eq!(kept, shown, "in the order of the list");
    for row in &before[1..] {
        let numbers = [&row[1], &row[2]].map(|cell| cell.parse::<u64>().unwrap());
        assert!(numbers[0] >= 1_000_000 && numbers[1] >= 100_000, "{row:?}");
    }
    let mode = fs::metadata(run.join("before.csv")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    names_nobody(&site.home().join("runs"));

    // A resume writes it again from the journal alone.
    let text = fs::read(run.join("before.csv")).unwrap();
    fs::remove_file(run.join("before.csv")).unwrap();
    site.call("resume latest").with(3);
    assert_eq!(fs::read(run.join("before.csv")).unwrap(), text);
}

#[test]
fn without_read_first_there_is_no_before() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    site.run(&list).with(0);
    assert!(!site.the_run().join("before.csv").exists());
}

/// The setting is the run's: a resume keeps it.
#[test]
fn a_resume_reads_first_as_its_run_did() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401'] }");
    let list = site.list([1001, 1002, 1003, 1004, 30_409, 1006]);
    site.run(&format!("{list} --batch-size 2 --workers 1 --read-first"))
        .with(8);
    site.call("resume latest").with(0);
    let run = site.the_run();
    ended_so(&run, "complete", 0, &[("revoked", 6)]);
    assert_eq!(table(&run.join("before.csv")).len(), 7);
    assert_eq!(site.truth().revoked.len(), 5);
    assert_eq!(
        summary(&run)["requests"]["revoke"],
        site.truth().count(Kind::Revoke)
    );
}

#[test]
fn reading_first_and_reading_nothing_contradict_each_other() {
    let site = Site::new("");
    let list = site.list([1001]);
    for rest in [
        "--read-first --verify off",
        "--verify=off --read-first=true",
    ] {
        site.run(&format!("{list} {rest}"))
            .with(2)
            .says("--read-first and --verify: off contradict each other")
            .says("--verify doubtful");
    }
    site.is_untouched();
    site.run(&format!("{list} --read-first --verify doubtful"))
        .with(0);
    claims_hold(&site, &site.the_run());
    let mut plan = site.command(&format!("plan {list} --base-url {} --read-first", site.url));
    Running::start(plan.env("RESCIND_VERIFY", "off"))
        .end()
        .with(2);
}
