//! Tables of the settings file: read with their types, refused with their
//! line, recorded and shown like every setting.

use super::*;

const WINDOWS: &str = "\
batch-size = 50

[[avoid]]
name = 'maintenance'
days = ['mon', 'tue']
from = '15:30'
to = '17:30'
zone = 'America/Chicago'

[[avoid]]
days = ['sat']
from = '21:30'
to-day = 'sun'
to = '07:00'
zone = 'America/Chicago'
";

fn from_file(text: &str) -> Case<'_> {
    Case {
        file: Some(text),
        ..Case::default()
    }
}

#[test]
fn windows_are_read_from_the_file_recorded_and_kept_on_a_resume() {
    let case = Case {
        options: &[("env", "live")],
        ..from_file(WINDOWS)
    };
    let run = case.settle().unwrap();
    assert_eq!(origin(&run, "avoid"), "x.toml:3");
    let shown = |effective: &Effective| -> Vec<String> {
        let windows = effective.settings.avoid.value.iter();
        windows.map(|window| window.0.to_string()).collect()
    };
    let both = [
        "Mon, Tue 15:30 to 17:30 America/Chicago, maintenance",
        "Sat 21:30 to Sun 07:00 America/Chicago",
    ];
    assert_eq!(shown(&run), both);

    let resumed = Case {
        recorded: Some(&run),
        ..Case::default()
    };
    let resumed = resumed.settle().unwrap();
    assert_eq!(shown(&resumed), both);
    assert_eq!(origin(&resumed, "avoid"), "journal");
    // The file of the resume wins, also where it takes all of them away.
    let without = Case {
        recorded: Some(&run),
        ..from_file("avoid = []")
    };
    assert_eq!(shown(&without.settle().unwrap()), [""; 0]);
}

#[test]
fn every_window_has_a_line_in_the_listing() {
    let case = Case {
        options: &[("env", "live")],
        ..from_file(WINDOWS)
    };
    let mut listed = Vec::new();
    case.settle().unwrap().list(&mut listed).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    let windows: Vec<_> = listed.lines().filter(|l| l.starts_with("avoid ")).collect();
    assert_eq!(windows.len(), 2, "{listed}");
    assert!(windows[0].contains("  Mon, Tue 15:30 to 17:30 America/Chicago, maintenance  "));
    assert!(windows[1].contains("  Sat 21:30 to Sun 07:00 America/Chicago  "));
    assert!(windows.iter().all(|line| line.ends_with("x.toml:3")));
}

#[test]
fn what_is_wrong_in_a_table_is_told_with_its_line() {
    let zone = "zone = 'UTC'";
    for (text, message) in [
        (
            format!("[[avoid]]\ndays = ['mon']\nform = '16:00'\nto = '17:00'\n{zone}"),
            "x.toml:3: avoid: unknown field `form`, expected one of `name`, `days`, `from`, `to`, \
             `to-day`, `zone`",
        ),
        (
            format!("[[avoid]]\ndays = ['mon']\nto = '17:00'\n{zone}"),
            "x.toml:1: avoid: missing field `from`",
        ),
        (
            format!(
                "batch-size = 5\n\n[[avoid]]\ndays = ['mon']\nfrom = '16:00'\nto = '17:00'\n{zone}\n\
                 [[avoid]]\ndays = ['mon', 'tuesday']\nfrom = '16:00'\nto = '17:00'\n{zone}"
            ),
            "x.toml:9: avoid: \"tuesday\" is not one of mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            format!("[[avoid]]\ndays = ['mon']\nfrom = '16'\nto = '17:00'\n{zone}"),
            "x.toml:3: avoid: \"16\" is not a time of day; write it as 06:00 or 22:30, with two \
             digits each",
        ),
        (
            "[[avoid]]\ndays = ['mon']\nfrom = '16:00'\nto = '17:00'\nzone = 'Chicago'".to_owned(),
            "x.toml:5: avoid: \"Chicago\" is not a time zone; name it as in America/Chicago, \
             Europe/Berlin or UTC",
        ),
        (
            format!("[[avoid]]\ndays = []\nfrom = '16:00'\nto = '17:00'\n{zone}"),
            "x.toml:1: avoid: names no day on which the window begins",
        ),
        (
            format!("[[avoid]]\ndays = ['mon']\nfrom = '16:00'\nto = '16:00'\n{zone}"),
            "x.toml:1: avoid: ends when it begins; with to-day it would end on another day",
        ),
        (
            format!("[avoid]\ndays = ['mon']\nfrom = '16:00'\nto = '17:00'\n{zone}"),
            "x.toml:1: avoid: invalid type: map, expected a sequence",
        ),
        (
            "avoid = '16:00'".to_owned(),
            "x.toml:1: avoid: invalid type: string \"16:00\", expected a sequence",
        ),
    ] {
        let (found, _) = from_file(&text).problem();
        assert_eq!(found, message, "{text}");
    }
}

#[test]
fn a_table_is_no_variable() {
    let case = Case {
        variables: &[("RESCIND_AVOID", "[]")],
        ..Case::default()
    };
    let (message, _) = case.problem();
    assert_eq!(message, "unknown variable RESCIND_AVOID");
}
