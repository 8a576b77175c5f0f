//! Which layer wins, and what a resume takes over.

use std::path::PathBuf;

use super::*;

/// Whatever else is given or not: the sandbox is never assumed.
#[test]
fn the_environment_is_always_named() {
    for (variables, file) in [
        (&[][..], None),
        (&[("RESCIND_TOKEN", "hunter2")], None),
        (&[("RESCIND_TOKEN", "")], None),
        (&[("RESCIND_LOGIN_SEC", "hunter2")], None),
        (&[("RESCIND_LOGIN_NAME", "me")], None),
        (&[], Some("")),
        (&[], Some("[sandbox]")),
    ] {
        let case = Case {
            variables,
            file,
            ..Case::default()
        };
        let effective = case.settle().unwrap();
        assert_eq!(values::show_rates(&effective.settings.rate), ["4000/h"]);
        let problem = effective.environment().cloned().unwrap_err();
        assert_eq!(problem.code, 2);
        assert_eq!(problem.message, "no environment is named");
        assert!(problem.hint.unwrap().contains("--env sandbox practises"));
    }
    let named = Case {
        file: Some("env = 'sandbox'"),
        variables: &[("RESCIND_TOKEN", "hunter2")],
        ..Case::default()
    };
    let effective = named.settle().unwrap();
    assert_eq!(effective.environment().unwrap().name(), "sandbox");
}

#[test]
fn the_default_rate_goes_with_the_environment() {
    for (name, text, rate) in [
        ("env", "sandbox", "200/s"),
        ("env", "demo", "4000/h"),
        ("env", "live", "4000/h"),
        ("env", "staging-demo", "4000/h"),
        ("env", "staging-live", "4000/h"),
        ("base-url", "http://127.0.0.1:8080", "200/s"),
        ("base-url", "https://api.example.com/v1", "4000/h"),
    ] {
        let effective = option(name, text).unwrap();
        assert_eq!(
            values::show_rates(&effective.settings.rate),
            [rate],
            "{text}"
        );
        assert_eq!(origin(&effective, "rate"), "default");
    }
}

#[test]
fn options_outrank_variables_then_the_file_then_the_journal() {
    let recorded = option("workers", "5").unwrap();
    let full = Case {
        options: &[("workers", "2")],
        variables: &[("RESCIND_WORKERS", "3")],
        file: Some("\nworkers = 4"),
        recorded: Some(&recorded),
    };
    let cases = [
        (2, "option", Case { ..full }),
        (
            3,
            "RESCIND_WORKERS",
            Case {
                options: &[],
                ..full
            },
        ),
        (
            4,
            "x.toml:2",
            Case {
                options: &[],
                variables: &[],
                ..full
            },
        ),
        (
            5,
            "journal",
            Case {
                recorded: Some(&recorded),
                ..Case::default()
            },
        ),
        (4, "default", Case::default()),
    ];
    for (workers, from, case) in cases {
        let effective = case.settle().unwrap();
        assert_eq!(effective.settings.workers.get(), workers, "{from}");
        assert_eq!(origin(&effective, "workers"), from);
    }
}

#[test]
fn every_key_can_be_set_in_every_layer() {
    for key in KEYS.iter().filter(|key| key.shape.is_plain()) {
        let text = match key.name {
            "env" => "live",
            "base-url" => "https://api.example.com/v1",
            "max-invalid" | "max-growth" => "7%",
            "exclude" => "/keep.csv",
            "verify" => "doubtful",
            "progress" => "never",
            "log-format" => "json",
            "burst" => "2",
            "retry-initial" => "2s",
            "rate" | "login-limit" | "renewal-limit" => "80/m",
            "finish-by" => "05:30",
            "time-zone" => "Europe/Berlin",
            _ if matches!(key.shape, Shape::Flag) => "true",
            _ if key.placeholder == "FILE" => "/srv/file",
            _ if key.placeholder == "TIME" => "2m",
            _ => "7",
        };
        let name = key.name;
        let variable = key.variable();
        let file = format!("{name} = '{text}'");
        let none = Case::default();
        let cases = [
            (
                "option",
                Case {
                    options: &[(name, text)],
                    ..Case::default()
                },
            ),
            (
                &variable,
                Case {
                    variables: &[(&variable, text)],
                    ..Case::default()
                },
            ),
            (
                "x.toml:1",
                Case {
                    file: Some(&file),
                    ..Case::default()
                },
            ),
        ];
        for (from, case) in cases {
            let effective = case.settle().unwrap();
            assert_eq!(key.in_words(&effective.settings).as_deref(), Some(text));
            assert_ne!(
                key.texts(&effective.settings),
                key.texts(&none.settle().unwrap().settings),
                "{name}"
            );
            assert_eq!(origin(&effective, name), from);
        }
    }
}

#[test]
fn the_file_may_use_its_own_types() {
    let case = Case {
        file: Some(
            "env = 'sandbox'\nworkers = 1_000\nmax-invalid = 0.5\nyes = true\nrate = ['80/m', '5/s']",
        ),
        ..Case::default()
    };
    let settings = case.settle().unwrap().settings;
    assert_eq!(settings.workers.get(), 1_000);
    assert_eq!(values::show_rates(&settings.rate), ["80/m", "5/s"]);
    assert!((settings.max_invalid - 0.5).abs() < f64::EPSILON && settings.yes);
}

#[test]
fn exclusive_settings_are_refused_in_one_layer_only() {
    let case = Case {
        options: &[("env", "demo"), ("base-url", "https://api.example.com")],
        ..Case::default()
    };
    assert_eq!(case.problem().0, "--env and --base-url exclude each other");
    let case = Case {
        file: Some("quiet = true\nverbose = true"),
        ..Case::default()
    };
    assert!(case.problem().0.ends_with("verbose exclude each other"));

    let case = Case {
        options: &[("base-url", "http://[::1]:8080/"), ("verbose", "true")],
        variables: &[("RESCIND_QUIET", "true")],
        file: Some("env = 'live'\nquiet = false"),
        ..Case::default()
    };
    let effective = case.settle().unwrap();
    assert_eq!(
        effective.environment().unwrap().to_string(),
        "http://[::1]:8080"
    );
    assert_eq!(origin(&effective, "env"), "default", "it was taken away");
    assert_eq!(effective.settings.verbosity, Verbosity::Verbose);
}

/// One address has one lock and one history, whatever it is called.
#[test]
fn an_address_names_its_environment_in_layers_and_resumes() {
    let url = "https://DEMO.tradovateapi.com:443/v1/";
    let file = format!("base-url = '{url}'");
    let by_url = option("base-url", url).unwrap();
    for (effective, from) in [
        (&by_url, "option"),
        (
            &Case {
                file: Some(&file),
                ..Case::default()
            }
            .settle()
            .unwrap(),
            "x.toml:1",
        ),
    ] {
        assert_eq!(effective.environment().unwrap().name(), "demo");
        assert!(origin(effective, "env").ends_with(from));
        assert_eq!(origin(effective, "base-url"), "default");
    }
    let by_name = option("env", "demo").unwrap();
    assert_eq!(by_url.settings, by_name.settings);
    assert_eq!(by_url.recorded(), by_name.recorded());
    // Either way of saying it resumes either run.
    for (run, name, text) in [(&by_url, "env", "demo"), (&by_name, "base-url", url)] {
        let resume = Case {
            options: &[(name, text)],
            recorded: Some(run),
            ..Case::default()
        };
        assert_eq!(resume.settle().unwrap().settings, run.settings);
    }
    // One that an earlier version recorded by its address, too.
    let mut settings = Settings::default();
    let key = KEYS.iter().find(|key| key.name == "base-url").unwrap();
    let url = "https://demo.tradovateapi.com/v1".to_owned();
    key.read(&mut settings, &[url]).unwrap();
    assert_eq!(settings.environment, by_name.settings.environment);
}

/// The file and each option name one path; nothing is joined and split again.
#[test]
fn a_path_with_a_comma_is_one_path_in_every_layer_and_on_resume() {
    let case = Case {
        options: &[("exclude", "/c,d/vip.csv")],
        variables: &[("RESCIND_EXCLUDE", "/b,/keep.csv")],
        file: Some("env = 'sandbox'\nexclude = ['/a,b/keep.csv', '/keep.csv']"),
        ..Case::default()
    };
    let run = case.settle().unwrap();
    let files = ["/a,b/keep.csv", "/keep.csv", "/b,/keep.csv", "/c,d/vip.csv"];
    assert_eq!(run.settings.exclude, files.map(PathBuf::from));
    let resumed = Case {
        recorded: Some(&run),
        ..Case::default()
    };
    assert_eq!(
        resumed.settle().unwrap().settings.exclude,
        run.settings.exclude
    );
}

#[test]
fn one_grammar_of_durations_holds_for_every_setting() {
    for key in KEYS.iter().filter(|key| key.placeholder == "TIME") {
        for (text, same) in [("45s", "0.75m"), ("30s100ms", "30s 100ms")] {
            let value = |text| key.in_words(&option(key.name, text).unwrap().settings);
            assert_eq!(value(text), value(same), "{}", key.name);
        }
    }
    assert_eq!(
        option("max-age", "3d").unwrap().settings.max_age,
        std::time::Duration::from_hours(72)
    );
}

#[test]
fn a_resume_takes_over_what_belongs_to_the_run() {
    let run = Case {
        options: &[
            ("verify", "off"),
            ("rate", "80/m"),
            ("batch-size", "50"),
            ("id-column", "permission"),
            ("note", "ticket 4711"),
            ("yes", "true"),
            ("progress", "never"),
            ("runs-dir", "elsewhere"),
        ],
        file: Some("env = 'demo'"),
        ..Case::default()
    };
    let run = run.settle().unwrap();
    let resume = Case {
        recorded: Some(&run),
        ..Case::default()
    };
    let effective = resume.settle().unwrap();
    assert_eq!(
        effective.settings,
        Settings {
            // Consent, folder and terminal belong to a process.
            yes: false,
            progress: Progress::Auto,
            runs_dir: PathBuf::from("runs"),
            ..run.settings.clone()
        }
    );
    assert_eq!(origin(&effective, "env"), "journal");
    assert_eq!(effective.environment().unwrap().name(), "demo");
    assert_eq!(effective.warnings, Vec::<String>::new());
}

/// Name, key and files of a log-in; the secrets come from where they came from.
#[test]
fn a_resume_takes_over_the_log_in_unless_it_brings_another() {
    let run = Case {
        options: &[
            ("env", "demo"),
            ("login-name", "clean-up"),
            ("login-cid", "8"),
            ("login-app-id", "Clean-up"),
            ("login-app-version", "1.0"),
            ("login-password-file", "password"),
            ("login-sec-file", "/etc/sec"),
            ("token-cache", "cache"),
        ],
        ..Case::default()
    };
    let run = run.settle().unwrap();
    let resumed = |variables| {
        let case = Case {
            variables,
            recorded: Some(&run),
            ..Case::default()
        };
        case.settle().unwrap()
    };
    let same = resumed(&[]);
    assert_eq!(same.settings.log_in.name.as_deref(), Some("clean-up"));
    assert_eq!(same.settings.log_in.cid.as_deref(), Some("8"));
    assert!(matches!(same.access(), Ok(Some(Access::LogIn(_)))));
    let here = std::env::current_dir().unwrap();
    assert_eq!(same.settings.token_cache, Some(here.join("cache")));
    let file = &same.settings.log_in.password_file;
    assert_eq!(file.as_ref(), Some(&here.join("password")));

    let with_password = resumed(&[("RESCIND_LOGIN_PASSWORD", "hunter2")]);
    assert_eq!(with_password.settings.log_in.password_file, None);
    assert!(matches!(with_password.access(), Ok(Some(Access::LogIn(_)))));

    let with_token = resumed(&[("RESCIND_TOKEN", "hunter2")]);
    assert!(matches!(with_token.access(), Ok(Some(Access::Token(_)))));
    // What says half of another log-in beside a token is still refused.
    let both = Case {
        options: &[("login-name", "other")],
        variables: &[("RESCIND_TOKEN", "hunter2")],
        recorded: Some(&run),
        ..Case::default()
    };
    assert!(both.settle().unwrap().access().is_err());
}

#[test]
fn a_resume_cannot_change_what_is_frozen() {
    let run = option("base-url", "http://127.0.0.1:8080").unwrap();
    for (name, text, message) in [
        (
            "batch-size",
            "50",
            "--batch-size: the run is frozen with 100, not 50",
        ),
        (
            "id-column",
            "id",
            "--id-column: the run is frozen with none, not id",
        ),
        (
            "env",
            "demo",
            "--env: the run is frozen with http://127.0.0.1:8080, not demo",
        ),
        (
            "base-url",
            "http://127.0.0.1:8081",
            "--base-url: the run is frozen with http://127.0.0.1:8080, not http://127.0.0.1:8081",
        ),
    ] {
        let case = Case {
            options: &[(name, text)],
            recorded: Some(&run),
            ..Case::default()
        };
        assert_eq!(case.problem().0, message);
        let variable = Key::named(name).unwrap().variable();
        let case = Case {
            variables: &[(&variable, text)],
            recorded: Some(&run),
            ..Case::default()
        };
        assert_eq!(
            case.problem().0,
            message.replace(&format!("--{name}"), &variable)
        );

        let file = format!("{name} = {text:?}");
        let case = Case {
            file: Some(&file),
            recorded: Some(&run),
            ..Case::default()
        };
        let effective = case.settle().unwrap();
        assert_eq!(effective.settings, run.settings);
        let [warning] = effective.warnings.as_slice() else {
            panic!("{:?}", effective.warnings)
        };
        assert!(
            warning.contains("x.toml:1") && warning.ends_with("; ignored"),
            "{warning}"
        );
    }
    // As the run was started, so it can be resumed.
    let outranked = Case {
        options: &[("base-url", "http://127.0.0.1:8080"), ("batch-size", "100")],
        variables: &[("RESCIND_ENV", "demo"), ("RESCIND_BATCH_SIZE", "50")],
        recorded: Some(&run),
        ..Case::default()
    };
    assert_eq!(outranked.settle().unwrap().settings, run.settings);
    let same = Case {
        options: &[
            ("batch-size", "100"),
            ("base-url", "http://127.0.0.1:8080/"),
        ],
        recorded: Some(&run),
        ..Case::default()
    };
    assert_eq!(same.settle().unwrap().settings, run.settings);
}
