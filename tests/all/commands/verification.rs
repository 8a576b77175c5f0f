//! The built binary where it reads without revoking: `--read-first` and
//! `rescind verify`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rescind::{
    list::PermissionId,
    sandbox::{Kind, PermissionStatus},
};
use rustix::process::Signal;

use crate::support::process::{
    Running, Site, claims_hold, ended_so, rescind, summary, table, until,
};

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
fn read_first_spends_no_revocation_on_revoked_ids() {
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

fn id(number: i64) -> PermissionId {
    number.try_into().unwrap()
}

/// The rows of `verification.csv`, without its header.
fn verification(run: &Path) -> Vec<Vec<String>> {
    let mut rows = table(&run.join("verification.csv"));
    let header = rows.remove(0);
    assert_eq!(header, ["permission_id", "claimed", "found", "verdict"]);
    rows
}

fn verdicts(run: &Path) -> String {
    let rows = verification(run);
    rows.iter().map(|row| row[3].as_str()).collect()
}

#[test]
fn verify_exit_0_everything_is_found_as_claimed() {
    let site = Site::new("");
    let list = site.list((1001..1031).chain(ODD));
    site.run(&format!("{list} --batch-size 10")).with(3);
    let run = site.the_run();
    let (before, posts) = (summary(&run), site.truth().count(Kind::Revoke));
    assert!(!run.join("verification.csv").exists());
    let ended = site.call("verify latest -v").with(0);
    ended.says("34 IDs to be read; nothing is revoked");
    let rows = verification(&run);
    let ids: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(ids, (1001..1031).chain(ODD).collect::<Vec<_>>());
    assert_eq!(verdicts(&run), "=".repeat(34));
    let found = |id: &str| rows.iter().find(|row| row[0] == id).unwrap()[1..3].join(" ");
    assert_eq!(found("1010403"), "refused active");
    assert_eq!(found("1010404"), "missing absent");
    assert_eq!(found("1010409"), "revoked revoked");
    assert_eq!(found("1010410"), "refused declined");
    // The run is what it was; the verification has figures of its own.
    let after = summary(&run);
    for figure in [
        "outcome",
        "exit_code",
        "ids",
        "finished_at",
        "resumes",
        "explanation",
    ] {
        assert_eq!(after[figure], before[figure], "{figure}");
    }
    let figures = &after["verification"];
    assert_eq!(
        (&figures["outcome"], &figures["exit_code"]),
        (&"complete".into(), &0.into())
    );
    assert_eq!(figures["as_claimed"], 34);
    assert_eq!(site.truth().count(Kind::Revoke), posts);
    names_nobody(&site.runs_dir());
    let mode = fs::metadata(run.join("verification.csv"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    // What a resume and a report make of the run is as before.
    let calls = site.truth().calls.len();
    site.call("resume latest").with(3);
    site.call("report")
        .with(0)
        .shows("34 as claimed; complete, exit code 0");
    assert_eq!(site.truth().calls.len(), calls);
    assert_eq!(verdicts(&run), "=".repeat(34));
    assert_eq!(summary(&run)["verification"], after["verification"]);
}

#[test]
fn verify_exit_9_what_was_granted_anew_is_told_and_not_revoked() {
    let mut site = Site::new("");
    let list = site.list(1001..1031);
    site.run(&format!("{list} --batch-size 10 --retry-max 20ms"))
        .with(0);
    let run = site.the_run();
    let posts = site.truth().count(Kind::Revoke);
    site.amend(|world| {
        world
            .set(id(1004), Some(PermissionStatus::Accepted))
            .unwrap();
        world
            .set(id(1015), Some(PermissionStatus::Approved))
            .unwrap();
        world.set(id(1016), None).unwrap();
    });
    let ended = site.call("verify latest").with(9);
    ended
        .shows("MISMATCH on CUSTOM")
        .shows("3 IDs count as revoked, yet are not shown so.")
        .shows("nothing here revokes them again")
        .shows("verification.csv")
        .says("not as claimed batch=1 ids=1 claimed=revoked found=active");
    let mut expected = vec!["="; 30];
    (expected[3], expected[14], expected[15]) = ("*", "*", "-");
    assert_eq!(verdicts(&run), expected.concat());
    ended_so(&run, "mismatch", 9, &[("revoked", 30)]);
    let figures = summary(&run);
    assert_eq!(
        (&figures["mismatches"], &figures["lost"]),
        (&3.into(), &3.into())
    );
    assert_eq!(figures["read_back"], 27);
    let results = table(&run.join("results.csv"));
    let marked: Vec<_> = results
        .iter()
        .filter(|row| row[3].ends_with("_later"))
        .map(|row| {
            (
                row[1].as_str(),
                row[3].as_str(),
                row[12].as_str(),
                row[13].as_str(),
            )
        })
        .collect();
    assert_eq!(
        marked,
        [
            ("revoked", "active_later", "active", "1004"),
            ("revoked", "active_later", "active", "1015"),
            ("revoked", "absent_later", "absent", "1016"),
        ]
    );
    // A list of what remains must not revoke what somebody has granted anew.
    assert_eq!(table(&run.join("remaining.csv")).len(), 1);

    // Whoever comes later is told the same, and nothing is sent.
    let calls = site.truth().calls.len();
    site.call("resume latest").with(9);
    site.call("report").with(0).shows("MISMATCH on CUSTOM");
    site.call("runs").with(0).shows("mismatch (9)");
    site.call(&format!("resume --base-url {}", site.url))
        .with(2);
    assert_eq!(site.truth().calls.len(), calls);

    // Once all is as it was left, the mark goes.
    site.amend(|world| {
        for number in [1004, 1015, 1016] {
            world
                .set(id(number), Some(PermissionStatus::Revoked))
                .unwrap();
        }
    });
    site.call("verify latest").with(0).shows("DONE on CUSTOM");
    ended_so(&run, "complete", 0, &[("revoked", 30)]);
    assert_eq!(summary(&run)["read_back"], 30);
    assert_eq!(site.truth().count(Kind::Revoke), posts);
}

/// The newest run of the environment is meant, finished or not; another is
/// named. An unfinished one is read as far as it goes, and still carried on.
#[test]
fn verify_takes_the_newest_run_and_leaves_it_resumable() {
    let site = Site::new("faults.script = { revoke = ['none', 'none', '401', '401'] }");
    let older = site.list(2001..2003);
    site.run(&older).with(0);
    let older = site.the_run();
    let newer = site.file("newer.csv", "3001\n3002\n3003\n3004\n");
    site.run(&format!(
        "{newer} --batch-size 2 --workers 1 --max-attempts 7"
    ))
    .with(8);
    let newer = site.runs().into_iter().find(|run| *run != older).unwrap();
    let posts = site.truth().count(Kind::Revoke);
    let line = format!("verify --base-url {} --max-attempts 2", site.url);
    let name = newer.file_name().unwrap().to_str().unwrap();
    site.call(&line)
        .with(0)
        .says(&format!("run {name} (custom)"));
    assert!(!older.join("verification.csv").exists());
    assert_eq!(
        verification(&newer)
            .iter()
            .map(|row| row[1..].join(" "))
            .collect::<Vec<_>>(),
        [
            "revoked revoked =",
            "revoked revoked =",
            "pending active =",
            "pending active ="
        ]
    );
    ended_so(&newer, "unauthorized", 8, &[("revoked", 2), ("pending", 2)]);
    assert_eq!(site.truth().count(Kind::Revoke), posts);
    // It goes on with the settings of the run, not with those of a look.
    site.call(&format!("resume {name}")).with(0);
    ended_so(&newer, "complete", 0, &[("revoked", 4)]);
    let journal = rusqlite::Connection::open(newer.join("journal.db")).unwrap();
    let attempts: String = journal
        .query_row(
            "SELECT settings ->> 'max-attempts' FROM process ORDER BY id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(attempts, "7");
    let older = older.file_name().unwrap().to_str().unwrap();
    site.call(&format!("verify {older}")).with(0);
}

#[test]
fn verify_exit_6_where_the_api_knows_nothing_nothing_is_marked() {
    let mut site = Site::new("");
    let list = site.list(1001..1031);
    site.run(&list).with(0);
    let run = site.the_run();
    let before = fs::read(run.join("results.csv")).unwrap();
    site.amend(|world| {
        for number in 1001..1031 {
            world.set(id(number), None).unwrap();
        }
    });
    site.call("verify latest")
        .with(6)
        .shows("knows none of the 30 IDs that were read first; nothing more was read");
    assert_eq!(fs::read(run.join("results.csv")).unwrap(), before);
    ended_so(&run, "complete", 0, &[("revoked", 30)]);
    assert!(verification(&run).is_empty());
    assert_eq!(summary(&run)["verification"]["not_read"], 30);
}

#[test]
fn verify_exit_8_a_refused_token_and_exit_2_none() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    site.run(&list).with(0);
    let run = site.the_run();
    let verify = |token: Option<&str>| {
        let mut command = site.command("verify latest");
        match token {
            Some(token) => command.env("RESCIND_TOKEN", token),
            None => command.env_remove("RESCIND_TOKEN"),
        };
        Running::start(&mut command).end()
    };
    verify(Some("expired")).with(8);
    ended_so(&run, "complete", 0, &[("revoked", 10)]);
    assert_eq!(summary(&run)["verification"]["exit_code"], 8);
    verify(None).with(2).says("no token is given");
    verify(Some("sandbox")).with(0);
    // What is frozen stays so.
    site.call("verify latest --batch-size 7")
        .with(2)
        .says("frozen with 100");
    site.call("verify 2099").with(2).says("no such run");
    site.call("verify --env demo")
        .with(2)
        .says("there is no run for demo");
}

#[test]
fn verify_exit_11_and_a_signal_leaves_what_was_read() {
    let site = Site::new("latency = '60ms'");
    let list = site.list(1001..1201);
    site.run(&format!(
        "{list} --batch-size 10 --read-size 10 --workers 8"
    ))
    .with(0);
    let run = site.the_run();
    let reads = site.truth().count(Kind::Items);
    let going = site.start("verify latest --workers 1");
    until("reads arrive", || {
        (site.truth().count(Kind::Items) >= reads + 4).then_some(())
    });
    // It keeps the lock while it stands still.
    going.signal(Signal::STOP);
    let refused = site.call("verify latest").with(11);
    refused.says(&format!("verify by process {}", going.id()));
    let other = site.file("other.csv", "9001\n");
    site.run(&other).with(11);
    let report = site.call("report latest").with(0);
    report.shows("BEING VERIFIED on CUSTOM");
    going.signal(Signal::INT);
    going.signal(Signal::CONT);
    going.end().with(130);
    let rows = verification(&run).len();
    assert!((30..200).contains(&rows), "{rows}");
    assert_eq!(verdicts(&run), "=".repeat(rows));
    ended_so(&run, "complete", 0, &[("revoked", 200)]);
    let figures = &summary(&run)["verification"];
    assert_eq!(figures["outcome"], "interrupted");
    assert_eq!(figures["not_read"], 200 - rows);
    // Cut off without a word, it is begun anew.
    let reads = site.truth().count(Kind::Items);
    let going = site.start("verify latest --workers 1");
    until("reads arrive", || {
        (site.truth().count(Kind::Items) >= reads + 4).then_some(())
    });
    going.signal(Signal::KILL);
    assert_eq!(going.end().code, None);
    site.call("runs").with(0).shows("complete (0)");
    site.call("verify latest").with(0);
    assert_eq!(verdicts(&run), "=".repeat(200));
    assert_eq!(site.truth().count(Kind::Revoke), 20);
}

/// Promise 5: its calls count, for it and for whoever comes after it.
#[test]
fn the_calls_of_a_verification_count_in_the_budget_of_the_hour() {
    let site = Site::new("");
    let list = site.list(1001..1041);
    site.run(&format!("{list} --batch-size 10")).with(0);
    site.call("verify latest --read-size 10").with(0);
    let run = site.the_run();
    let calls = site.truth().calls.len();
    assert_eq!(
        summary(&run)["requests"]["read"].as_u64().unwrap() + 4,
        calls as u64
    );
    // The hour is full: not one call fits into the next ten minutes.
    let other = site.file("other.csv", "9001\n");
    let line = format!(
        "run {other} --base-url {} --rate {calls}/h --max-duration 10m",
        site.url
    );
    site.call(&line).with(5);
    assert_eq!(site.truth().calls.len(), calls);
}

/// The sandbox in the process keeps its world beside the run.
#[test]
fn verify_meets_the_world_that_the_sandbox_keeps_beside_the_run() {
    let site = Site::new("");
    let list = site.list(1001..1011);
    let call = |line: &str| {
        let mut command = rescind(site.home());
        Running::start(command.args(line.split(' '))).end()
    };
    call(&format!("run --env sandbox {list}")).with(0);
    call("verify --env sandbox")
        .with(0)
        .shows("This was the sandbox: nothing real was revoked.");
    assert_eq!(verdicts(&site.the_run()), "=".repeat(10));
}
