//! The files of a run, as the contract names them: other programs rely on
//! their names, their columns and on what adds up.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use crate::support::process::{
    Running, Site, adds_up, claims_hold, ended_so, rescind, summary, table, until,
};

const RESULTS: &str = "batch,state,ids,reason,message,http_status,attempts,first_line,last_line,\
                       first_sent_at,settled_at,elapsed_ms,verified,permission_ids";
const FILES: [(&str, &str); 4] = [
    ("results.csv", RESULTS),
    ("permissions.csv", "permission_id,line,state,reason,batch"),
    ("remaining.csv", "permission_id,line,state,reason,message"),
    ("rejected.csv", "line,value,reason"),
];

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let at = rows[0].iter().position(|cell| cell == name).unwrap();
    rows[1..].iter().map(|row| row[at].clone()).collect()
}

/// A run with some of everything: 7 IDs, 2 duplicates, 2 invalid rows.
fn mixed() -> Site {
    let site = Site::new("");
    let list = site.file(
        "mixed.csv",
        "name,permissionId\n\
         a,1005\nb,1001\nc,1005\nd,=1+1\ne,10403\nf,1003\ng,10404\nh,1001\ni,1.02E+09\nj,10410\nk,1002\n",
    );
    site.run(&format!(
        "{list} --batch-size 3 --workers 1 --max-invalid 20%"
    ))
    .with(3);
    site
}

#[test]
fn the_files_of_a_run_are_the_contracts_and_its_owners_only() {
    let site = mixed();
    let run = site.the_run();
    let wanted = [
        "journal.db",
        "permissions.csv",
        "rejected.csv",
        "remaining.csv",
        "report.html",
        "results.csv",
        "run.log",
        "summary.json",
    ];
    assert_eq!(names(&run), wanted.map(str::to_owned).into());
    for name in names(&run) {
        assert_eq!(mode(&run.join(&name)), 0o600, "{name}");
    }
    assert_eq!((mode(&run), mode(&site.runs_dir())), (0o700, 0o700));
    let name = run.file_name().unwrap().to_str().unwrap();
    assert!(rescind::journal::RunId::parse(name).is_some(), "{name}");
    assert_eq!(summary(&run)["run"], name);
    let latest = fs::read_link(site.runs_dir().join("latest")).unwrap();
    assert_eq!(latest.to_str(), Some(name));
}

#[test]
fn the_log_of_a_run_is_json_lines() {
    let site = mixed();
    let log = fs::read_to_string(site.the_run().join("run.log")).unwrap();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(entry.is_object());
    }
}

#[test]
fn the_columns_are_those_of_the_contract() {
    let site = mixed();
    for (name, header) in FILES {
        let text = fs::read_to_string(site.the_run().join(name)).unwrap();
        assert_eq!(text.lines().next(), Some(header), "{name}");
    }
}

/// Promise 1: each row ends in exactly one state, and the states add up.
#[test]
fn every_row_is_accounted_for_in_every_file() {
    let site = mixed();
    let run = site.the_run();
    let ids = [("revoked", 4), ("refused", 2), ("missing", 1)];
    ended_so(&run, "partial", 3, &ids);
    claims_hold(&site, &run);
    let figures = summary(&run);
    assert_eq!(
        figures["rows"],
        serde_json::json!({"total": 11, "distinct": 7, "duplicate": 2, "invalid": 2})
    );
    assert_eq!(figures["batches"], 3);
    assert_eq!(figures["input"]["path"], "mixed.csv");
    assert_eq!(figures["input"]["column"], "permissionId");
    assert_eq!(figures["environment"], "custom");
    assert_eq!(figures["base_url"], site.url.as_str());
    for time in ["started_at", "finished_at"] {
        let text = figures[time].as_str().unwrap();
        assert_eq!((text.len(), text.ends_with('Z')), (24, true), "{text}");
    }
    for (part, keys) in [
        ("requests", &["revoke", "read", "auth"][..]),
        ("waited", &["rate", "retry", "penalty", "lockout", "window"]),
    ] {
        assert_eq!(figures[part].as_object().unwrap().len(), keys.len());
        assert!(keys.iter().all(|key| figures[part][key].is_number()));
    }

    // One row per distinct ID, in the list's order.
    let permissions = table(&run.join("permissions.csv"));
    let order = ["1005", "1001", "10403", "1003", "10404", "10410", "1002"];
    let listed: Vec<_> = permissions[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(listed, order);
    let lines = ["2", "3", "6", "7", "8", "11", "12"];
    assert_eq!(column(&permissions, "line"), lines);
    let results = table(&run.join("results.csv"));
    let of_batches: u64 = column(&results, "ids")
        .iter()
        .map(|n| n.parse::<u64>().unwrap())
        .sum();
    assert_eq!(of_batches, 7);
    let mut of_rows = Vec::new();
    for row in &results[1..] {
        let ids: Vec<_> = row[13].split(' ').map(str::to_owned).collect();
        assert_eq!(ids.len().to_string(), row[2]);
        let mine = permissions[1..].iter().filter(|one| one[4] == row[0]);
        for one in mine.clone() {
            assert_eq!((&one[2], &one[3]), (&row[1], &row[3]));
        }
        assert_eq!(mine.count(), ids.len(), "{row:?}");
        of_rows.extend(ids);
    }
    of_rows.sort();
    let mut listed: Vec<_> = listed.into_iter().map(str::to_owned).collect();
    listed.sort();
    assert_eq!(of_rows, listed);

    let remaining = column(&table(&run.join("remaining.csv")), "permission_id");
    assert_eq!(remaining, ["10403", "10404", "10410"]);
    let rejected = fs::read_to_string(run.join("rejected.csv")).unwrap();
    assert_eq!(
        rejected.lines().skip(1).collect::<Vec<_>>(),
        [
            "4,1005,duplicate",
            // A spreadsheet would run it as a formula.
            "5,'=1+1,invalid: not a number",
            "9,1001,duplicate",
            "10,1.02E+09,\"invalid: scientific notation, as a spreadsheet writes it; \
             format the column as text\"",
        ]
    );
}

#[test]
fn what_remains_is_a_list_for_a_new_run() {
    let site = mixed();
    let first = site.the_run();
    let remaining = first.join("remaining.csv");
    site.run(&format!(
        "{} --max-consecutive-failures 0",
        remaining.display()
    ))
    .code
    .unwrap();
    let second = site.runs().into_iter().find(|run| *run != first).unwrap();
    let figures = summary(&second);
    adds_up(&figures);
    assert_eq!(figures["rows"]["distinct"], 3);
    assert_eq!(figures["rows"]["invalid"], 0);
    assert_eq!(figures["input"]["column"], "permission_id");
}

#[test]
fn results_and_summary_are_refreshed_while_a_run_goes_on() {
    let site = Site::new("latency = '30ms'");
    let list = site.list(1001..1301);
    let running = site.start(&site.run_line(&format!("{list} --batch-size 1 --workers 1")));
    site.until_posted(1);
    let run = site.the_run();
    let figures = until("the summary is written on the way", || {
        run.join("summary.json").exists().then(|| summary(&run))
    });
    adds_up(&figures);
    assert_eq!(figures["outcome"], "running");
    assert_eq!(figures["exit_code"], Value::Null);
    assert!(figures["ids"]["pending"].as_u64().unwrap() > 0);
    let results = table(&run.join("results.csv"));
    assert_eq!(column(&results, "ids").len(), 300);
    site.call("runs").with(0).shows("running");
    running.signal(rustix::process::Signal::INT);
    running.end().with(130);
    assert_eq!(summary(&run)["outcome"], "interrupted");
}

/// A resume works from the journal alone, and writes all files again.
#[test]
fn a_resume_of_a_finished_run_writes_files_and_sends_nothing() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401'] }");
    let list = site.list([1001, 1002, 10403, 1003]);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(8);
    let run = site.the_run();
    let clear = || {
        for name in names(&run) {
            if name != "journal.db" {
                fs::remove_file(run.join(name)).unwrap();
            }
        }
    };
    clear();
    site.call("resume").with(2);
    site.call("resume latest").with(3);
    assert_eq!(names(&run).len(), 8);
    claims_hold(&site, &run);
    let (calls, figures) = (site.truth().calls.len(), summary(&run));
    clear();
    for _ in 0..2 {
        site.call("resume latest").with(3).shows("NOT ALL REVOKED");
        assert_eq!(site.truth().calls.len(), calls);
        assert_eq!(summary(&run), figures);
    }
    for (name, _) in FILES {
        assert!(run.join(name).exists(), "{name}");
    }
    // A finished run is finished, however old, and whatever the token.
    let mut command = site.command("resume latest --max-age 1ms");
    Running::start(command.env("RESCIND_TOKEN", "wrong"))
        .end()
        .with(3);
    assert_eq!(site.truth().calls.len(), calls);
}

#[test]
fn half_frozen_folders_are_no_runs_and_are_cleared() {
    let site = Site::new("");
    let list = site.list([1001]);
    let stray = site.runs_dir().join("20991231T235959Z-abcdef");
    let scratch = site.runs_dir().join(".freezing-x1y2z3");
    fs::create_dir_all(&stray).unwrap();
    fs::create_dir_all(&scratch).unwrap();
    fs::write(scratch.join("journal.db"), "half").unwrap();
    site.call("report latest").with(2);
    site.call("resume 2099").with(2);
    assert!(scratch.exists());
    site.run(&list).with(0);
    assert!(stray.exists() && !scratch.exists());
    let listed = site.call("runs").with(0).out;
    assert!(!listed.contains("20991231T235959Z"), "{listed}");
}

/// The world of the sandbox in the process is kept beside the run.
#[test]
fn without_any_setting_the_sandbox_is_swept_and_named() {
    let site = Site::new("");
    let list = site.list(1001..1004);
    let mut command = rescind(site.home());
    Running::start(command.args(["run", "--env", "sandbox", &list]))
        .end()
        .with(0)
        .shows("SANDBOX");
    let run = site.the_run();
    assert!(run.join("sandbox.world").exists());
    assert_eq!(mode(&run.join("sandbox.world")), 0o600);
    assert_eq!(summary(&run)["environment"], "sandbox");
    assert!(site.truth().calls.is_empty());
}
