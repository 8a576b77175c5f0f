//! What is refused, with which words; and that no secret is among them.

use super::*;

/// Key, value, what is said of it, and the hint.
const BAD: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "batch-size",
        "0",
        "\"0\" is not a whole number from 1 to 100000",
        None,
    ),
    (
        "workers",
        "1025",
        "\"1025\" is not a whole number from 1 to 1024",
        None,
    ),
    (
        "burst",
        "-1",
        "\"-1\" is not a whole number from 1 to 1000000",
        None,
    ),
    (
        "max-attempts",
        "many",
        "\"many\" is not a whole number from 1 to 100",
        None,
    ),
    (
        "read-size",
        "",
        "\"\" is not a whole number from 1 to 1000",
        None,
    ),
    (
        "max-consecutive-failures",
        "1.5",
        "\"1.5\" is not a whole number from 0 to 1000000",
        None,
    ),
    (
        "max-invalid",
        "200%",
        "\"200%\" is not a share from 0% to 100%",
        None,
    ),
    (
        "timeout",
        "60",
        "\"60\" has no unit",
        Some("add ms, s, m, h or d: 60s is so many seconds, 60m minutes"),
    ),
    (
        "max-age",
        "3x",
        "\"3x\" is not a duration",
        Some("write it as 500ms, 90s, 1h30m or 3d"),
    ),
    ("retry-max", "2h", "\"2h\" is not from 1ms to 1h", None),
    ("lockout-wait", "0", "\"0\" is not from 1ms to 168h", None),
    (
        "rate",
        "fast",
        "\"fast\" is not a rate",
        Some("write it as 5/s, 80/m or 4000/h (1 to 1000000 calls), or unlimited"),
    ),
    (
        "verify",
        "some",
        "\"some\" is not one of all, doubtful, off",
        None,
    ),
    (
        "env",
        "Demo",
        "\"Demo\" is not one of sandbox, demo, live, staging-demo, staging-live",
        None,
    ),
    ("yes", "1", "\"1\" is neither true nor false", None),
    ("id-column", " ", "is empty", None),
    ("note", "a\nb", "is more than one line of plain text", None),
    (
        "base-url",
        "http://api.example.com",
        "plain http is allowed to a loopback address only; use https",
        Some("write it as https://api.example.com/v1 or http://127.0.0.1:8080/v1"),
    ),
];

#[test]
fn a_bad_value_is_named_with_its_place_and_how_to_write_it() {
    for (name, text, message, advice) in BAD {
        let advice = advice.map(str::to_owned);
        let variable = Key::named(name).unwrap().variable();
        let file = format!("{name} = {text:?}");
        let options = Case {
            options: &[(name, text)],
            ..Case::default()
        };
        assert_eq!(
            options.problem(),
            (format!("--{name}: {message}"), advice.clone())
        );
        let variables = Case {
            variables: &[(&variable, text)],
            ..Case::default()
        };
        assert_eq!(
            variables.problem(),
            (format!("{variable}: {message}"), advice.clone())
        );
        let file = Case {
            file: Some(&file),
            ..Case::default()
        };
        assert_eq!(
            file.problem(),
            (format!("x.toml:1: {name}: {message}"), advice)
        );
    }
}

#[test]
fn a_misspelt_cap_is_no_cap() {
    for (file, message, hint) in [
        (
            "batch_size = 1",
            "x.toml:1: unknown key \"batch_size\"",
            "did you mean batch-size?",
        ),
        (
            "\nworker = 1",
            "x.toml:2: unknown key \"worker\"",
            "did you mean workers?",
        ),
        (
            "[pace]\nrate = '1/s'",
            "x.toml:1: unknown key \"pace\"",
            "rescind config lists every setting",
        ),
        (
            "something-else = 1",
            "x.toml:1: unknown key \"something-else\"",
            "rescind config lists every setting",
        ),
    ] {
        let case = Case {
            file: Some(file),
            ..Case::default()
        };
        assert_eq!(case.problem(), (message.to_owned(), Some(hint.to_owned())));
    }
    for (variable, hint) in [
        ("RESCIND_MAX_INVALD", "did you mean RESCIND_MAX_INVALID?"),
        ("RESCIND_TOKN", "did you mean RESCIND_TOKEN?"),
        (
            "RESCIND_LOGIN_PASWORD",
            "did you mean RESCIND_LOGIN_PASSWORD?",
        ),
        ("RESCIND_LOGIN_SECRET", "did you mean RESCIND_LOGIN_SEC?"),
        ("RESCIND_CONFIGS", "did you mean RESCIND_CONFIG?"),
        ("RESCIND_workers", "did you mean RESCIND_WORKERS?"),
        ("RESCIND_", "rescind config lists every setting"),
    ] {
        let case = Case {
            variables: &[(variable, "hunter2")],
            ..Case::default()
        };
        let message = format!("unknown variable {variable}");
        assert_eq!(case.problem(), (message, Some(hint.to_owned())));
    }
    let others = Case {
        variables: &[("RESCINDED", "1"), ("PATH", "")],
        ..Case::default()
    };
    assert!(others.settle().is_ok());
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    for (file, start) in [
        ("\nworkers = ", "x.toml:2: "),
        ("workers = 1\nworkers = 2", "x.toml:2: duplicate key"),
        (
            "workers = 0x10",
            "x.toml:1: workers: cannot be written as integer",
        ),
        (
            "workers = [1]",
            "x.toml:1: workers: cannot be written as array",
        ),
        ("rate = [5]", "x.toml:1: rate: is a list with a integer"),
    ] {
        let (message, _) = Case {
            file: Some(file),
            ..Case::default()
        }
        .problem();
        assert!(message.starts_with(start), "{message}");
    }
    let missing = Case {
        variables: &[("RESCIND_CONFIG", "no/such.toml")],
        ..Case::default()
    };
    let problem = missing.settle().err().unwrap();
    assert_eq!(
        problem.message,
        "cannot read the settings file no/such.toml"
    );
    assert_eq!(problem.causes.len(), 1);
}

#[test]
fn settings_are_checked_against_each_other() {
    let case = Case {
        options: &[("rate", "5/s,80/m")],
        variables: &[("RESCIND_BURST", "6")],
        ..Case::default()
    };
    assert_eq!(
        case.problem().0,
        "RESCIND_BURST: 6 is more than the 5 calls of --rate"
    );
    assert!(option("rate", "1/h").is_ok());
    let case = Case {
        options: &[("retry-initial", "2m")],
        ..Case::default()
    };
    assert_eq!(
        case.problem().0,
        "--retry-initial: 2m is longer than the longest wait, 1m (the default retry-max)"
    );
    let effective = option("retry-max", "200ms").unwrap();
    assert_eq!(effective.settings.retry_initial.as_millis(), 200);
}

#[test]
fn a_secret_is_refused_in_a_file_and_never_shown() {
    for file in [
        "token = 'hunter2'",
        "token-file = 'hunter2'",
        "TOKEN_COMMAND = 'hunter2'",
        "api-secret = 'hunter2'",
        "login-password = 'hunter2'",
        "login-sec = 'hunter2'",
        "sec = 'hunter2'",
        "token = 'hunter2",
        "hunter2",
    ] {
        let problem = Case {
            file: Some(file),
            ..Case::default()
        }
        .settle()
        .err()
        .unwrap();
        // The last one is a name, not a value; even so no rendering quotes it.
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
    for name in [
        "RESCIND_TOKEN",
        "RESCIND_TOKEN_FILE",
        "RESCIND_TOKEN_COMMAND",
        "RESCIND_LOGIN_PASSWORD",
        "RESCIND_LOGIN_SEC",
    ] {
        let case = Case {
            variables: &[(name, "hunter2")],
            ..Case::default()
        };
        let effective = case.settle().unwrap();
        let mut listed = Vec::new();
        effective.list(&mut listed).unwrap();
        let listed = String::from_utf8(listed).unwrap();
        let row = listed
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        let row: Vec<_> = row.unwrap().split_whitespace().collect();
        assert_eq!(row, [name, "***", "set"]);
        assert!(!listed.contains("hunter2"));
        let recorded = serde_json::to_string(&effective.recorded()).unwrap();
        assert!(!recorded.contains("hunter2"));
    }
}

#[test]
fn a_token_comes_from_exactly_one_place() {
    let token = |variables: &[(&str, &str)]| {
        let case = Case {
            variables,
            ..Case::default()
        };
        case.settle().unwrap().access()
    };
    for (name, value, source) in [
        ("RESCIND_TOKEN", "hunter2", "TokenSource::Fixed"),
        ("RESCIND_TOKEN_FILE", "x y", "TokenSource::File(x y)"),
        ("RESCIND_TOKEN_COMMAND", "x y", "TokenSource::Command(…)"),
    ] {
        let found = token(&[(name, value)]).unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("Token({source})"));
    }
    for (variables, message, hint) in [
        (
            &[("RESCIND_TOKEN_FILE", "x"), ("RESCIND_TOKEN", "hunter2")][..],
            "more than one token source is set: RESCIND_TOKEN, RESCIND_TOKEN_FILE",
            "set exactly one of them",
        ),
        (
            &[("RESCIND_TOKEN", "")],
            "RESCIND_TOKEN is empty",
            "give it a value, or unset it",
        ),
        (
            &[("RESCIND_TOKEN", "hunter2 ")],
            "RESCIND_TOKEN holds something that cannot be in a token",
            "set it to the token alone, without quotes or line breaks",
        ),
        (
            &[("RESCIND_TOKEN_COMMAND", "hunter2 'x")],
            "RESCIND_TOKEN_COMMAND cannot be split into words",
            "write a program and its arguments as for a shell, which is not used",
        ),
    ] {
        let problem = token(variables).unwrap_err();
        assert_eq!(problem.code, 2);
        assert!(problem.message.starts_with(message), "{problem:?}");
        assert_eq!(problem.hint.as_deref(), Some(hint));
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
}
