//! The promises of the settings: one table, layers in their order, nothing
//! unknown, nothing secret shown.

mod access;
mod layering;
mod refusals;
mod tables;

use std::{collections::HashSet, ffi::OsString, fs, path::PathBuf};

use rescind::sandbox::Fault;
use tempfile::TempDir;

use super::*;
use crate::cli::error::CliError;

/// What a test gives; the file is written where it can be read.
#[derive(Default)]
struct Case<'a> {
    options: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
    recorded: Option<&'a Resolved>,
}

impl Case<'_> {
    fn settle(&self) -> Result<Resolved, CliError> {
        let folder = TempDir::new().unwrap();
        let config = self.file.map(|text| {
            let path = folder.path().join("x.toml");
            fs::write(&path, text).unwrap();
            path
        });
        let options = self.options.iter();
        let given = Given {
            config,
            values: options
                .map(|(name, text)| (Key::named(name).unwrap(), vec![(*text).to_owned()]))
                .collect(),
        };
        let variables = self.variables.iter();
        let variables = variables.map(|(name, text)| (OsString::from(name), OsString::from(text)));
        let recorded = self.recorded.map(Resolved::recorded);
        Layers::gather(&given, variables)?.settle(recorded.as_ref())
    }

    /// The problem without the folder of the settings file.
    fn problem(&self) -> (String, Option<String>) {
        let problem = self.settle().err().expect("a problem");
        assert_eq!(problem.code, 2);
        let message = problem.message;
        let from = message.rfind("x.toml").filter(|_| self.file.is_some());
        (message[from.unwrap_or(0)..].to_owned(), problem.hint)
    }
}

fn option(name: &str, text: &str) -> Result<Resolved, CliError> {
    Case {
        options: &[(name, text)],
        ..Case::default()
    }
    .settle()
}

fn origin(effective: &Resolved, name: &str) -> String {
    let key = Key::named(name).unwrap();
    let label = effective.origin(key).label(key);
    // A file is named with its folder; tests know only its name.
    label.rsplit('/').next().unwrap().to_owned()
}

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("configs")
        .join(name)
}

fn settle_shipped(name: &str) -> Resolved {
    let given = Given {
        config: Some(shipped(name)),
        values: Vec::new(),
    };
    Layers::gather(&given, []).unwrap().settle(None).unwrap()
}

#[test]
fn every_default_reads_back_to_itself() {
    for key in KEYS {
        let defaults = Settings::default();
        if let Some(texts) = key.texts(&defaults) {
            let mut settings = defaults.clone();
            key.read(&mut settings, &texts).unwrap();
            assert_eq!(settings, defaults, "{}", key.name);
        }
    }
}

#[test]
fn names_variables_and_short_options_are_unique() {
    let names: HashSet<_> = KEYS.iter().map(|key| key.name).collect();
    let variables: HashSet<_> = KEYS.iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
    // What is secret has variables of its own, and no key.
    for name in ["config", "token", "login-password", "login-sec"] {
        assert!(!names.contains(name), "{name}");
    }
    for secret in super::access::SECRETS {
        assert!(!variables.contains(secret), "{secret}");
    }
    assert_eq!(
        Key::named("batch-size").unwrap().variable(),
        "RESCIND_BATCH_SIZE"
    );
}

#[test]
fn the_shipped_settings_file_holds_every_key_at_its_default() {
    let text = fs::read_to_string(shipped("rescind.toml")).unwrap();
    let with_file = settle_shipped("rescind.toml");
    let without = Case::default().settle().unwrap();
    assert_eq!(with_file.settings, without.settings);
    for key in KEYS {
        let active = match key.shape {
            Shape::Table(_) if key.name == "sandbox" => format!("[{}]", key.name),
            Shape::Table(_) => format!("[[{}]]", key.name),
            _ => format!("{} = ", key.name),
        };
        let commented = format!("# {active}");
        let lines = || text.lines();
        // What has a fixed default is set to it; what has none, or a default
        // that depends on the environment, is shown as a comment.
        let fixed = key.texts(&without.settings).is_some() && key.name != "rate";
        let wanted = if fixed { &active } else { &commented };
        let times = lines().filter(|line| line.starts_with(wanted)).count();
        let right = if key.shape.is_plain() {
            times == 1
        } else {
            times >= 1
        };
        assert!(right, "{wanted}: {times} times");
    }
    // The commented examples have to work when they are uncommented.
    let tables = |first: &str| {
        let tables = text.lines().skip_while(|line| *line != first);
        let tables = tables.take_while(|line| line.is_empty() || line.starts_with("# "));
        let tables = tables.take_while(|line| !line.starts_with("# ---"));
        let tables: Vec<_> = tables.map(|line| line.trim_start_matches("# ")).collect();
        let case = Case {
            file: Some(&tables.join("\n")),
            ..Case::default()
        };
        case.settle().unwrap().settings
    };
    assert_eq!(tables("# [[avoid]]").avoid.value.len(), 3);
    assert_eq!(tables("# [sandbox]").sandbox.given().unwrap().seed, 7);
    for key in KEYS {
        let start = format!("# {} = ", key.name);
        if let Some(line) = text.lines().find(|line| line.starts_with(&start)) {
            let case = Case {
                file: Some(&line[2..]),
                ..Case::default()
            };
            assert_eq!(
                origin(&case.settle().unwrap(), key.name),
                "x.toml:1",
                "{line}"
            );
        }
    }
}

#[test]
fn the_nightly_settings_work_as_they_stand() {
    let nightly = settle_shipped("nightly.toml");
    assert_eq!(nightly.environment().unwrap().name(), "demo");
    assert!(nightly.settings.yes, "nobody is there to be asked");
    assert_eq!(nightly.settings.verify, Verify::All);
    assert_eq!(values::show_rates(&nightly.settings.rate), ["4000/h"]);
}

/// All that a night can bring is in it.
#[test]
fn the_bad_night_works_as_it_stands() {
    let night = settle_shipped("bad-night.toml");
    assert_eq!(night.environment().unwrap().name(), "sandbox");
    assert!(night.warnings.is_empty());
    let rules = night.settings.sandbox.given().unwrap();
    assert_eq!(rules.token, None, "it has to log in");
    assert!(rules.token_lifetime < Duration::from_mins(1));
    assert!(rules.others_log_in.0.len() >= rules.sessions);
    assert!(!rules.maintenance.is_empty() && !rules.faults.revoke.is_empty());
    let script: Vec<_> = rules.faults.script.values().flatten().collect();
    for fault in [Fault::Penalty, Fault::Captcha, Fault::Status(429)] {
        assert!(script.contains(&&fault), "{fault}");
    }
    assert!(rules.lockout <= night.settings.lockout_wait);
}

/// What stands below a heading is what a file of its own says.
#[test]
fn the_reference_of_the_sandbox_is_a_table_of_the_settings_too() {
    let rules = fs::read_to_string(shipped("sandbox.toml")).unwrap();
    let file = format!("env = 'sandbox'\n[sandbox]\n{rules}");
    let case = Case {
        file: Some(&file),
        ..Case::default()
    };
    let effective = case.settle().unwrap();
    assert_eq!(effective.settings.sandbox.given(), Some(&Rules::default()));
}

#[test]
fn the_listing_shows_value_and_origin() {
    let case = Case {
        options: &[("note", "ticket 4711")],
        variables: &[("RESCIND_BATCH_SIZE", "50")],
        ..Case::default()
    };
    let mut listed = Vec::new();
    case.settle().unwrap().list(&mut listed).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    for row in [
        "batch-size                50           RESCIND_BATCH_SIZE",
        "env                       -            default",
        "base-url                  -            default",
        "note                      ticket 4711  option",
        "RESCIND_TOKEN             -            not set",
    ] {
        assert!(listed.lines().any(|line| line == row), "{row}\n{listed}");
    }
    assert_eq!(listed.lines().count(), KEYS.len() + 5);
}

/// A guard is not lost because another layer names another file.
#[test]
fn excluded_files_add_up_over_the_layers() {
    let case = Case {
        options: &[("exclude", "/c")],
        variables: &[("RESCIND_EXCLUDE", "/b")],
        file: Some("exclude = ['/d', 'e', '/b']"),
        recorded: None,
    };
    let effective = case.settle().unwrap();
    let here = std::env::current_dir().unwrap().join("e");
    let mut wanted = vec![PathBuf::from("/d"), here];
    wanted.extend(["/b", "/c"].map(PathBuf::from));
    assert_eq!(effective.settings.exclude, wanted);
    let resumed = Case {
        options: &[("exclude", "/f")],
        recorded: Some(&effective),
        ..Case::default()
    };
    wanted.push(PathBuf::from("/f"));
    assert_eq!(resumed.settle().unwrap().settings.exclude, wanted);
    assert!(option("exclude", "").is_err());
}

#[test]
fn the_policy_of_a_sweep_is_what_the_settings_say() {
    let texts = [
        ("workers", "2"),
        ("rate", "80/m,5/s"),
        ("burst", "3"),
        ("max-attempts", "4"),
        ("retry-initial", "6s"),
        ("retry-max", "7s"),
        ("timeout", "8s"),
        ("lockout-wait", "9s"),
        ("penalty-margin", "10s"),
        ("verify", "doubtful"),
        ("read-size", "11"),
        ("max-consecutive-failures", "12"),
    ];
    let case = Case {
        options: &texts,
        ..Case::default()
    };
    let policy = case
        .settle()
        .unwrap()
        .settings
        .policy(Timestamp::UNIX_EPOCH);
    assert_eq!(
        policy.rate,
        values::rates(&["80/m,5/s".to_owned()]).unwrap()
    );
    assert_eq!(policy.verify, Verify::Doubtful);
    assert_eq!(
        [
            policy.retry_initial,
            policy.retry_max,
            policy.timeout,
            policy.lockout_wait,
            policy.penalty_margin
        ],
        [6, 7, 8, 9, 10].map(Duration::from_secs)
    );
    assert_eq!(
        (policy.workers, policy.burst, policy.max_attempts),
        (2, 3, 4)
    );
    assert_eq!(
        (policy.read_size, policy.max_consecutive_failures),
        (11, 12)
    );

    let unlimited = option("rate", "unlimited")
        .unwrap()
        .settings
        .policy(Timestamp::UNIX_EPOCH);
    assert_eq!(unlimited.rate, []);
}
