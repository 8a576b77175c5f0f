//! README.md says what the binary does: its tables are made from the help,
//! and its commands are run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use crate::support::process::{Running, Site, rescind};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

fn help(line: &str) -> String {
    let mut command = rescind(root());
    Running::start(command.args(line.split(' ')))
        .end()
        .with(0)
        .out
}

/// What stands between two markers, which the page does not show.
fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (inside, _) = rest.split_once(&format!("\n<!-- /{name} -->")).unwrap();
    inside.trim()
}

/// The options of `rescind run --help` as a table, group by group.
fn settings(help: &str) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:") {
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        match groups.last_mut() {
            _ if indent == 0 && text.ends_with(':') => {
                groups.push((text.trim_end_matches(':').to_owned(), Vec::new()));
            }
            // The words below the options.
            _ if indent == 0 => break,
            Some((_, options)) if text.starts_with('-') => options.push(text.to_owned()),
            Some((_, options)) => {
                let last = options.last_mut().unwrap();
                last.push(' ');
                last.push_str(text);
            }
            None => {}
        }
    }
    let mut out = String::from("| option | default | |\n|---|---|---|\n");
    for (group, options) in groups {
        if group != "Options" {
            writeln!(out, "| **{group}** | | |").unwrap();
        }
        for option in options.iter().filter(|option| !option.contains("--help")) {
            let (name, doc) = option.split_once("  ").unwrap();
            let (doc, default) = take(doc.trim(), " [default: ");
            let (doc, words) = take(&doc, " [possible values: ");
            let words = words.map_or_else(String::new, |words| format!(" ({words})"));
            let default = default.unwrap_or_default();
            let name = name.replace(['<', '>'], "");
            writeln!(out, "| `{name}` | {default} | {doc}{words} |").unwrap();
        }
    }
    out.trim().to_owned()
}

/// Takes the remark that begins so out of a sentence.
fn take(doc: &str, begin: &str) -> (String, Option<String>) {
    let Some((before, rest)) = doc.split_once(begin) else {
        return (doc.to_owned(), None);
    };
    let (remark, after) = rest.split_once(']').unwrap();
    (format!("{before}{after}"), Some(remark.to_owned()))
}

/// The exit codes of `rescind --help`, as a table.
fn exits(help: &str) -> String {
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let mut out = String::from("| code | meaning |\n|---|---|\n");
    for line in codes.lines().take_while(|line| !line.is_empty()) {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        writeln!(out, "| {code} | {meaning} |").unwrap();
    }
    out.trim().to_owned()
}

#[test]
fn the_settings_are_those_of_the_help() {
    let wanted = settings(&help("run --help"));
    assert!(wanted.lines().count() > 35, "{wanted}");
    assert!(
        between(&readme(), "settings") == wanted,
        "README.md is to say between its markers:\n\n{wanted}\n"
    );
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let wanted = exits(&help("--help"));
    assert!(wanted.lines().count() == 2 + 14, "{wanted}");
    assert!(
        between(&readme(), "exits") == wanted,
        "README.md is to say between its markers:\n\n{wanted}\n"
    );
}

/// The rows of the table of commands, by their first word.
fn listed(readme: &str) -> BTreeSet<String> {
    let (_, table) = readme.split_once("## Commands\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let cells = table
        .split('`')
        .filter_map(|cell| cell.strip_prefix("rescind "));
    cells
        .map(|cell| cell.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_commands_are_those_of_the_help() {
    let help = help("--help");
    let (_, known) = help.split_once("Commands:\n").unwrap();
    let known = known.lines().take_while(|line| !line.is_empty());
    let known: BTreeSet<_> = known
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(listed(&readme()), known);
}

/// The commands of the page: what stands in its blocks of shell.
fn commands(readme: &str) -> Vec<String> {
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines);
    let lines = lines.map(|line| line.split(" #").next().unwrap());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

/// Each command of the page, with how it ends where no real API is at hand:
/// in a folder with a list and a run that is finished, and with a token.
#[test]
fn every_command_is_run_or_is_one_that_ci_runs() {
    let expected: BTreeMap<&str, Result<i32, &str>> = BTreeMap::from([
        (
            "cargo run --release -- run --env sandbox samples/permissions.csv",
            Err("ci"),
        ),
        ("cargo test", Err("ci")),
        ("export RESCIND_TOKEN_FILE=/etc/rescind/token", Err("shell")),
        ("rescind plan --env demo list.csv", Ok(0)),
        // It would call the real API.
        ("rescind plan --env demo --online list.csv", Err("real")),
        // Nobody is there to type the number of IDs.
        ("rescind run --env demo list.csv", Ok(2)),
        ("rescind resume --env demo", Ok(2)),
        ("rescind report", Ok(0)),
        ("rescind runs prune --older-than 90d --dry-run", Ok(0)),
        ("rescind runs prune --keep 30 --older-than 90d", Ok(0)),
    ]);
    let commands = commands(&readme());
    for command in expected.keys() {
        assert!(commands.iter().any(|one| one == command), "gone: {command}");
    }
    let site = Site::new("");
    site.list([1001]);
    site.run("list.csv").with(0);
    let calls = site.truth().calls.len();
    site.file("token", "sandbox\n");
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let ci = ci.replace(" --locked", "");
    for line in &commands {
        match expected.get(line.as_str()) {
            Some(Ok(code)) => {
                let mut command = site.command(line.strip_prefix("rescind ").unwrap());
                command.env_remove("RESCIND_TOKEN");
                if line.contains("--env") {
                    command.env("RESCIND_TOKEN_FILE", "token");
                }
                Running::start(&mut command).end().with(*code);
            }
            Some(Err("ci")) => {
                assert!(ci.contains(line), "{line} is not in .ci/run");
            }
            Some(Err(_)) => {}
            None => panic!("nothing is known of the command: {line}"),
        }
    }
    assert_eq!(site.truth().calls.len(), calls);
    // Nothing of it began a run in a real environment.
    assert_eq!(site.runs().len(), 1);
}

#[test]
fn every_file_it_points_to_is_there() {
    let readme = readme();
    let links = readme.split("](").skip(1);
    let links = links.map(|link| link.split(')').next().unwrap());
    for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
        assert!(root().join(link).exists(), "{link}");
    }
    for bench in ["freeze", "throughput"] {
        assert!(readme.contains(&format!("cargo bench --bench {bench}")));
        assert!(root().join(format!("tests/bench/{bench}.rs")).exists());
    }
}
