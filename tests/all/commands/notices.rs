//! What is said on standard error: as JSON, and with times in the zone asked
//! for.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::support::process::{Ended, Running, Site, unprivileged};

/// Every line is a JSON object with a level and a message.
#[track_caller]
fn is_json(ended: &Ended, message: &str) {
    let lines: Vec<Value> = ended
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}")))
        .collect();
    assert!(lines.iter().all(|line| line["level"].is_string()));
    let said = |line: &Value| line["message"].as_str().unwrap().contains(message);
    assert!(lines.iter().any(said), "{message:?} in {lines:#?}");
}

#[test]
fn every_line_on_stderr_is_json_where_the_log_is() {
    let site = Site::new("");
    let list = site.list((1001..1020).chain([7]));
    let run = site.run_line(&list);
    is_json(
        &site.call(&format!("{run} --log-format json")).with(0),
        "1 ID has 1 digit",
    );
    for (line, words) in [
        (
            "run none.csv --env sandbox --log-format json",
            "the list cannot be read",
        ),
        ("run x --log-format=json --workers 0", "--workers: \"0\""),
        ("run x --log-format=json --nope", "--nope"),
        ("resume --log-format json", "no environment is named"),
    ] {
        is_json(&site.call(line).with(2), words);
    }
    let mut variable = site.command("run none.csv --env sandbox");
    variable.env("RESCIND_LOG_FORMAT", "json");
    is_json(
        &Running::start(&mut variable).end().with(2),
        "cannot be read",
    );
}

#[test]
fn log_stamps_are_in_the_zone_that_is_asked_for() {
    let site = Site::new("");
    let list = site.list(1001..1010);
    let ended = site.run(&format!("{list} --time-zone Asia/Tokyo"));
    ended.with(0).says("+09:00  INFO ");
}

#[test]
fn an_unknown_tz_is_a_warning_and_an_error_where_it_is_needed() {
    let site = Site::new("");
    let config = |zone: &str, rest: &str| {
        let mut command = site.command(&format!("config --env sandbox {rest}"));
        Running::start(command.env("TZ", zone)).end()
    };
    let shows = |ended: Ended, zone: &str| {
        let row = ended
            .out
            .lines()
            .find(|line| line.starts_with("time-zone "));
        assert!(row.is_some_and(|row| row.contains(zone)), "{row:?}");
    };
    config("Mars/Olympus", "")
        .with(0)
        .says("warning: TZ: \"Mars/Olympus\" is not a time zone");
    shows(config("Mars/Olympus", "").with(0), "UTC, since");
    config("Mars/Olympus", "--finish-by 06:00")
        .with(2)
        .says("error: TZ: \"Mars/Olympus\" is not a time zone, and --finish-by needs one");
    let named = config("Mars/Olympus", "--finish-by 06:00 --time-zone UTC").with(0);
    assert_eq!(named.err, "");
    shows(named, "UTC");
    shows(config("Asia/Tokyo", "").with(0), "Asia/Tokyo");
}

#[test]
fn exit_1_a_runs_folder_or_a_run_that_may_not_be_read() {
    let site = Site::new("");
    let list = site.list(1001..1003);
    site.run(&list).with(0);
    let commands = [
        "report",
        "report latest",
        "runs show latest",
        "resume latest",
    ];
    for locked in [site.runs_dir(), site.the_run()] {
        let mode = |mode| fs::set_permissions(&locked, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        unprivileged(|| {
            for line in commands {
                let err = site.call(line).with(1).err;
                let told = ["cannot be read", "Permission denied"];
                assert!(
                    told.iter().any(|words| err.contains(words)),
                    "{line}: {err}"
                );
            }
        });
        mode(0o700);
    }
}
