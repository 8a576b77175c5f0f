//! README.md and the guide say what the binary does: their lists of settings,
//! commands and exit codes are made from the help or compared with it.

use std::{collections::BTreeSet, env, fmt::Write, fs, path::Path};

use crate::support::process::{Running, rescind};

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

/// Asserts that a document says this between two texts that it has once; with
/// `UPDATE_GOLDENS` in the environment it is made to.
#[track_caller]
fn is_up_to_date(path: &str, [begin, end]: [&str; 2], make: impl FnOnce(&str) -> String) {
    let path = root().join(path);
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(begin).unwrap();
    let (inside, after) = rest.split_at(rest.find(end).unwrap());
    let wanted = format!("{}\n", make(inside).trim_end());
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, [before, begin, &wanted, after].concat()).unwrap();
        return;
    }
    assert!(
        inside == wanted,
        "{} is not up to date; UPDATE_GOLDENS=1 cargo test --test all readme",
        path.display()
    );
}

/// The options of `rescind run --help` as lists for a terminal of 80 columns,
/// group by group.
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
            // The text below the options.
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
    let mut out = String::new();
    for (group, options) in groups {
        if group != "Options" {
            writeln!(out, "\n### {group}\n").unwrap();
        }
        for option in options.iter().filter(|option| !option.contains("--help")) {
            let (name, doc) = option.split_once("  ").unwrap();
            let name = name.replace(['<', '>'], "");
            let words = doc.split_whitespace().map(quoted);
            let doc = words.collect::<Vec<_>>().join(" ");
            out.push_str(&item(&format!("`{name}`: {doc}")));
        }
    }
    format!("\n{}", out.trim())
}

/// A word of the help in Markdown: variables are code.
fn quoted(word: &str) -> String {
    if word.starts_with("RESCIND_") {
        format!("`{word}`")
    } else {
        word.to_owned()
    }
}

/// An item of a list, broken at 80 columns.
fn item(text: &str) -> String {
    let mut lines = vec!["-".to_owned()];
    for word in text.split(' ') {
        if lines.last().unwrap().chars().count() + word.chars().count() >= 80 {
            lines.push(" ".to_owned());
        }
        let last = lines.last_mut().unwrap();
        last.push(' ');
        last.push_str(word);
    }
    lines.join("\n") + "\n"
}

/// The exit codes of `rescind --help` and their meaning.
fn exits() -> Vec<(String, String)> {
    let help = help("--help");
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let codes = codes.lines().take_while(|line| !line.is_empty());
    let codes = codes.map(|line| line.trim().split_once("  ").unwrap());
    let codes: Vec<_> = codes
        .map(|(code, meaning)| (code.to_owned(), meaning.to_owned()))
        .collect();
    assert_eq!(codes.len(), 14);
    codes
}

#[test]
fn the_settings_of_the_guide_are_those_of_the_help() {
    let wanted = settings(&help("run --help"));
    assert!(wanted.lines().count() > 60, "{wanted}");
    let section = ["## All settings\n", "\n## Secrets"];
    is_up_to_date("src/guide/settings.md", section, |_| wanted);
}

#[test]
fn the_exit_codes_of_the_guide_are_those_of_the_help() {
    let section = [
        "# exit-codes: why the process stopped, and what to do\n",
        "\n## What to do",
    ];
    is_up_to_date("src/guide/exit-codes.md", section, |_| {
        let codes = exits().into_iter();
        let items = codes.map(|(code, meaning)| item(&format!("{code}: {meaning}")));
        format!("\n{}", items.collect::<String>())
    });
}

/// What to do after each is the README's own.
#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_help() {
    let section = ["<!-- exits -->\n\n", "\n<!-- /exits -->"];
    is_up_to_date("README.md", section, |inside| {
        let mut out = String::from("| code | meaning | what to do |\n|---|---|---|\n");
        for (code, meaning) in exits() {
            let row = inside
                .lines()
                .find(|line| line.starts_with(&format!("| {code} |")));
            let advice = row.and_then(|row| row.split('|').nth(3)).unwrap_or("");
            writeln!(out, "| {code} | {meaning} | {} |", advice.trim()).unwrap();
        }
        out
    });
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

#[test]
fn the_readme_has_at_most_two_hundred_lines() {
    assert!(readme().lines().count() <= 200);
}

#[test]
fn every_file_the_readme_points_to_exists() {
    let readme = readme();
    let links = readme.split("](").skip(1);
    let links = links.map(|link| link.split(')').next().unwrap());
    for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
        assert!(root().join(link).exists(), "{link}");
    }
    for bench in ["freeze", "throughput"] {
        assert!(
            readme.contains(&format!("`{bench}`")) || readme.contains(&format!("--bench {bench}"))
        );
        assert!(root().join(format!("tests/bench/{bench}.rs")).exists());
    }
}

#[test]
fn the_map_in_lib_rs_names_files_that_exist() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let names = map.split('`').skip(1).step_by(2);
    let files: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "rs"))
        .collect();
    assert!(files.len() > 15);
    for file in files {
        assert!(root().join("src").join(file).exists(), "{file}");
    }
}
