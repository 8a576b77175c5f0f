//! `rescind runs` and its commands.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::support::process::{Site, summary};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn runs_are_listed_for_programs_by_the_names_of_the_summary() {
    let site = Site::new("");
    assert_eq!(json(&site.call("runs --json").with(0).out), json("[]"));
    let list = site.list([1001, 1002, 10403]);
    site.run(&list).with(3);
    let run = site.the_run();
    let listed = json(&site.call("runs --json").with(0).out);
    let [listed] = listed.as_array().unwrap().as_slice() else {
        panic!("{listed:#}");
    };
    let summary = summary(&run);
    for (name, value) in listed.as_object().unwrap() {
        if name != "list_sha256" {
            assert_eq!(Some(value), summary.get(name), "{name}");
        }
    }
    assert_eq!(listed["ids"]["revoked"], 2);
    assert_eq!(listed["outcome"], "partial");
    // Programs that read the table get every column.
    let table = site.call("runs").with(0).out;
    assert!(table.starts_with("STARTED "), "{table}");
    assert!(table.contains("1 refused"), "{table}");
}

#[test]
fn a_run_is_shown_with_its_processes_settings_and_files() {
    let site = Site::new("faults.script = { revoke = ['401', '401'] }");
    let list = site.list(1001..1004);
    site.run(&format!("{list} --batch-size 2 --note friday"))
        .with(8);
    let run = site.the_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    site.call(&format!("resume {name} --workers 2")).with(0);

    let mut shown = site.call(&format!("runs show {name}")).with(0);
    for words in [
        "list.csv, column permissionId",
        "2 batches of up to 2 IDs",
        "3 revoked",
        "unauthorized (8)",
        "complete (0)",
        "retry-max 20ms",
        "Note friday",
        "journal.db",
    ] {
        shown = shown.shows(words);
    }
    let shown = json(&site.call("runs show latest --json").with(0).out);
    let processes = shown["processes"].as_array().unwrap();
    let of = |name: &str| -> Vec<&Value> { processes.iter().map(|one| &one[name]).collect() };
    assert_eq!(of("command"), ["run", "resume"]);
    assert_eq!(of("exit_code"), [8, 0]);
    assert_eq!(processes[0]["settings"].get("workers"), None);
    assert_eq!(processes[1]["settings"]["workers"], "2");
    let files = shown["files"].as_array().unwrap();
    assert!(!files.is_empty());
    for file in files {
        let path = run.join(file["name"].as_str().unwrap());
        assert_eq!(file["bytes"], fs::metadata(&path).unwrap().len(), "{file}");
    }
}

/// The folder is named where a person thinks of it.
#[test]
fn the_runs_folder_may_be_named_before_or_after_the_command() {
    let site = Site::new("");
    let list = site.list([1001]);
    site.run(&format!("{list} --runs-dir other")).with(0);
    for line in [
        "runs --runs-dir other --json show latest",
        "runs show latest --json --runs-dir other",
    ] {
        let shown = json(&site.call(line).with(0).out);
        assert_eq!(shown["ids"]["revoked"], 1, "{line}");
    }
    site.call("runs show latest")
        .with(2)
        .says("no runs yet: there is no folder");
    site.call("runs show --runs-dir other no-such-run").with(2);
    site.call("runs show").with(2);
    site.call("runs shwo latest").with(2);
}

/// One ID that is refused, among a hundred: its batch is divided in each run.
#[test]
fn a_permission_is_found_in_every_run_that_had_it() {
    let site = Site::new("");
    let ids = (1001..1100).chain([10403]).map(|id| format!("{id}\n"));
    let ids: String = ids.collect();
    let list = site.file("list.csv", format!("permissionId\n{ids}10403\n"));
    site.run(&list).with(3);
    site.run(&format!("{list} --verify off")).with(3);
    let other = site.file("other.csv", "2001\n104030\n");
    site.run(&other);
    let damaged = "20260101T000000Z-abcdef";
    fs::create_dir_all(site.runs_dir().join(damaged)).unwrap();
    fs::write(site.runs_dir().join(damaged).join("journal.db"), "none").unwrap();

    let found = json(&site.call("find 10403 1001 5 --json").with(0).out);
    assert_eq!(found["searched"], 3);
    assert_eq!(found["unreadable"][0]["run"], damaged);
    let [refused, revoked, nowhere] = found["permissions"].as_array().unwrap().as_slice() else {
        panic!("{found:#}");
    };
    assert_eq!(nowhere["runs"], json("[]"));
    assert_eq!(revoked["runs"].as_array().unwrap().len(), 2);
    let runs = refused["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let folder = site.runs_dir().join(run["run"].as_str().unwrap());
        let told = crate::support::process::table(&folder.join("permissions.csv"));
        let told = told.iter().find(|row| row[0] == "10403").unwrap();
        let fate = &run["fate"];
        assert_eq!(fate["line"].to_string(), told[1]);
        assert_eq!(fate["state"], told[2]);
        assert_eq!(fate["batch"], told[4]);
        assert_eq!(run["rejected"][0]["line"], 102);
        let calls = fate["calls"].as_array().unwrap();
        assert_eq!(fate["attempts"], calls.len());
        assert_eq!(calls.last().unwrap()["verdict"], "refused");
    }
    let text = site.call("find 10403 5").with(0);
    text.shows("10403: in 2 of 3 runs that can be read")
        .shows("line 101 of list.csv, column permissionId")
        .shows("line 102 repeats it")
        .shows("5: in none of 3 runs that can be read")
        .shows(damaged);
}

/// A resume that passes it over carries on the wrong list, or says falsely
/// that nothing is left to do.
#[test]
fn an_unreadable_run_is_not_passed_over_for_an_older_one() {
    let site = Site::new("faults.script = { revoke = ['500', '500'] }");
    let list = site.list([1001]);
    let open = format!("{list} --verify off --max-attempts 2");
    site.run(&open).with(6);
    let run = site.the_run();
    let older = run.file_name().unwrap().to_str().unwrap();
    let damaged = "20990101T000000Z-abcdef";
    let folder = site.runs_dir().join(damaged);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("journal.db"), "none").unwrap();
    // So old that its calls do not count any more.
    let journal = fs::File::options()
        .write(true)
        .open(folder.join("journal.db"));
    let long_ago = SystemTime::now() - Duration::from_hours(72);
    journal.unwrap().set_modified(long_ago).unwrap();
    let before = site.truth().calls.len();
    for command in ["resume", "verify"] {
        let line = format!("{command} --base-url {}", site.url);
        site.call(&line)
            .with(1)
            .says(&format!(
                "error: the run to {command} cannot be told: {damaged}"
            ))
            .says(&format!("among the others it would be {older}\n"))
            .says("caused by: cannot ")
            .says(&format!("rescind {command} {older}\n"));
        // Nor is it said of another environment that there is none.
        site.call(&format!("{command} --env sandbox"))
            .with(1)
            .says(damaged)
            .says("among the others there is no ")
            .says(&format!("rescind {command} {damaged}\n"));
    }
    assert_eq!(site.truth().calls.len(), before);
    site.run(&format!("{list} --verify off"))
        .with(0)
        .says(&format!("note: run {damaged} cannot be read"));
    site.call(&format!("resume {older}")).with(0);
    fs::remove_dir_all(folder).unwrap();
    site.call(&format!("resume --base-url {}", site.url))
        .with(2)
        .says("error: there is no unfinished run for ");
}

#[test]
fn what_is_no_id_is_not_looked_for() {
    let site = Site::new("");
    for wrong in ["", "0", "-5", "x", "1.5", "1001 x", "9223372036854775808"] {
        site.call(&format!("find {wrong}")).with(2);
    }
    // Where nothing ran yet, no run has it: that is an answer.
    let found = site.call("find 9223372036854775807").with(0);
    found.shows("there is no run to look through");
    site.is_untouched();
}

/// A misspelt folder looks like a history without a run.
#[test]
fn a_runs_folder_that_is_not_there_is_told_from_an_empty_one() {
    let site = Site::new("");
    let nowhere = site.home().join("nowhere");
    let missing = format!("there is no folder {}", nowhere.display());
    for line in [
        "runs",
        "runs --json",
        "runs show latest",
        "runs prune --keep 3",
        "find 1001",
        "report",
        "report --history",
        "verify",
        "resume",
    ] {
        let line = format!("{line} --runs-dir nowhere");
        site.call(&line).with(2).says(&missing);
    }
    assert!(!nowhere.exists());
    // The first run makes the one that nobody named.
    let kind = "no runs yet: there is no folder";
    site.call("runs").with(0).shows(kind);
    assert_eq!(site.call("runs --json").with(0).out, "[]\n");
    site.call("report").with(2).says(kind);
    site.is_untouched();
}

#[test]
fn a_name_that_several_runs_begin_with_is_no_unknown_one() {
    let site = Site::new("");
    for n in 1..=7 {
        let name = format!("20260101T00000{n}Z-abcdef");
        fs::create_dir_all(site.runs_dir().join(&name)).unwrap();
        fs::write(site.runs_dir().join(&name).join("journal.db"), "").unwrap();
    }
    site.call("report 2026")
        .with(2)
        .says("several runs begin so; give more of it")
        .says("20260101T000005Z-abcdef, and 2 more");
    site.call("report 2027")
        .with(2)
        .says("there is no such run");
}

#[test]
fn the_nights_are_shown_in_a_row() {
    let site = Site::new("faults.script = { revoke = ['401', '401'] }");
    let list = site.list(1001..1004);
    site.run(&list).with(8);
    let open = site.the_run();
    let open = open.file_name().unwrap().to_str().unwrap();
    let other = site.file("other.csv", "2001\n");
    site.run(&other).with(0);
    site.call("report --history")
        .with(0)
        .shows("2 runs: 1 of 4 IDs revoked in all runs together; 1 needs a look.")
        .shows("! not finished (unauthorized): 3 of 3 IDs are open")
        .shows(&format!("rescind resume {open}"));
    let here = format!("report --history --base-url {}", site.url);
    site.call(&here).with(0).shows("2 runs at http://127.0.0.1");
    let elsewhere = site.call("report --history --env live").with(0);
    elsewhere.shows("There are no runs on live.");
    site.call("report --history --output nights.txt").with(0);
    let written = fs::read_to_string(site.home().join("nights.txt")).unwrap();
    assert_eq!(written, site.call("report --history").with(0).out);
    let page = site.call("report --history --format html").with(0).out;
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains(open),
        "{page}"
    );
    for wrong in [
        "report --history latest",
        "report --history --format csv",
        "report --history --env nowhere",
        "report --history --base-url http://api.example.com/v1",
        "report --env live",
        "report --base-url https://api.example.com/v1",
    ] {
        site.call(wrong).with(2);
    }
    let secret = site.call("report --history --base-url https://a:hunter2@b.example/v1");
    assert!(!secret.with(2).err.contains("hunter2"));
}
