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
    let shown = |effective: &Resolved| -> Vec<String> {
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

const WORLD: &str = "\
env = 'sandbox'
[sandbox]
seed = 7
maintenance = [{ after = '2s', lasts = '1s' }]
faults.revoke = { 503 = 0.1 }
";

#[test]
fn the_sandbox_is_what_the_table_says_and_stays_so_on_a_resume() {
    let run = from_file(WORLD).settle().unwrap();
    let rules = run.settings.sandbox.given().unwrap();
    assert_eq!((rules.seed, rules.maintenance.len()), (7, 1));
    assert_eq!(rules.faults.revoke.len(), 1);
    assert_eq!(origin(&run, "sandbox"), "x.toml:2");
    assert!(run.warnings.is_empty());
    assert_eq!(
        Case::default().settle().unwrap().settings.sandbox.given(),
        None
    );
    let empty = from_file("env = 'sandbox'\n[sandbox]").settle().unwrap();
    assert_eq!(empty.settings.sandbox.given(), Some(&Rules::default()));

    let other = "env = 'sandbox'\n[sandbox]\nseed = 8\n";
    for (file, warned) in [(None, 0), (Some(WORLD), 0), (Some(other), 1)] {
        let resumed = Case {
            file,
            recorded: Some(&run),
            ..Case::default()
        };
        let resumed = resumed.settle().unwrap();
        assert_eq!(resumed.settings.sandbox, run.settings.sandbox);
        assert_eq!(resumed.warnings.len(), warned, "{:?}", resumed.warnings);
    }
    // Nor does a run without one get one.
    let run = option("env", "sandbox").unwrap();
    let resumed = Case {
        recorded: Some(&run),
        ..from_file(WORLD)
    };
    let resumed = resumed.settle().unwrap();
    assert_eq!(resumed.settings.sandbox.given(), None);
    let warning = &resumed.warnings[0];
    assert!(
        warning.ends_with("x.toml:2: sandbox: the run is frozen with another table; ignored"),
        "{warning}"
    );
}

#[test]
fn a_sandbox_table_in_another_environment_is_named_unused() {
    for (name, text) in [("env", "demo"), ("base-url", "http://127.0.0.1:1/v1")] {
        let case = Case {
            options: &[(name, text)],
            ..from_file(WORLD)
        };
        let [warning] = &case.settle().unwrap().warnings[..] else {
            panic!("one warning")
        };
        let end = format!("x.toml:2: sandbox: the table is not used: the environment is {text}");
        assert!(warning.ends_with(&end), "{warning}");
    }
}

#[test]
fn what_is_wrong_in_the_sandbox_is_told_with_its_line() {
    for (text, message, hint) in [
        (
            "[sandbox]\nseed = 1\ntoken_livetime = '1s'",
            "x.toml:3: sandbox: unknown field `token_livetime`",
            Some("did you mean token_lifetime?"),
        ),
        (
            "[sandbox]\nfaults.slowby = '1s'",
            "x.toml:2: sandbox: unknown field `slowby`, expected one of `revoke`, `read`, \
             `slow_by`, `late_by`, `script`",
            Some("did you mean slow_by?"),
        ),
        (
            "[sandbox]\nlatency = '1'",
            "x.toml:2: sandbox: `1` is no latency such as `20ms` or `10ms..30ms`",
            None,
        ),
        (
            "[sandbox]\nseed = 1\n[[sandbox.maintenance]]\nafter = '1s'",
            "x.toml:3: sandbox: a maintenance has either `after` and `lasts`, or `from`, `to` \
             and perhaps `days` and `zone`",
            None,
        ),
        (
            "[sandbox]\nsessions = 0",
            "x.toml:1: sandbox: `sessions` must be at least 1",
            None,
        ),
    ] {
        let (found, hinted) = from_file(text).problem();
        assert_eq!(
            (found.as_str(), hinted.as_deref()),
            (message, hint),
            "{text}"
        );
    }
}
