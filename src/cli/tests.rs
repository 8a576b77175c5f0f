//! The command line as a whole: what is accepted, what is shown.

use std::fs;

use clap::Command;

use super::{args::Options, settings::KEYS, *};

fn parse(line: &str) -> Result<CommandArgs, clap::Error> {
    Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
}

/// The values that a `run` line gives, by name.
fn values(line: &str) -> Vec<(&'static str, String)> {
    let CommandArgs::Run { options, .. } = parse(line).unwrap() else {
        panic!("{line}")
    };
    let values = options.0.values.into_iter();
    values
        .map(|(key, text)| (key.name, text.join(", ")))
        .collect()
}

fn show(line: &str, variables: &[(&str, &str)]) -> (Result<u8, CliError>, String) {
    let mut out = Vec::new();
    let variables = variables.iter();
    let variables = variables.map(|(name, text)| (OsString::from(name), OsString::from(text)));
    let result = perform(parse(line).unwrap(), variables, &mut out);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn the_definition_of_the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_setting_is_an_option_of_every_command_that_needs_it() {
    let cli = Cli::command();
    for name in ["plan", "run", "resume", "config"] {
        let command = cli.find_subcommand(name).unwrap();
        for key in KEYS.iter().filter(|key| key.shape.is_plain()) {
            let option = command.get_arguments().find(|arg| arg.get_id() == key.name);
            let option = option.unwrap_or_else(|| panic!("{name} --{}", key.name));
            assert_eq!(option.get_long(), Some(key.name));
            assert_eq!(option.get_short(), key.short);
        }
        let secret = |arg: &&clap::Arg| {
            ["token", "login-password", "login-sec"].contains(&arg.get_id().as_str())
        };
        assert!(command.get_arguments().find(secret).is_none());
    }
    let CommandArgs::Report { folder, .. } =
        parse("rescind report --runs-dir x --config y").unwrap()
    else {
        panic!("a report")
    };
    assert_eq!(folder.0.values.len(), 1);
    assert!(folder.0.config.is_some());
}

#[test]
fn the_last_one_wins_and_a_rate_may_be_repeated() {
    assert_eq!(
        values("rescind run x --workers 2 --batch-size 7 --workers 3 --env live --env demo"),
        [
            ("env", "demo".to_owned()),
            ("batch-size", "7".to_owned()),
            ("workers", "3".to_owned())
        ]
    );
    assert_eq!(
        values("rescind run x --rate 80/m --rate 5/s"),
        [("rate", "80/m, 5/s".to_owned())]
    );
    for line in ["--config a --config b", "--yes --yes", "-q -q"] {
        assert!(parse(&format!("rescind run x {line}")).is_ok(), "{line}");
    }
    for line in ["--format csv --format json", "--output a --output b"] {
        assert!(parse(&format!("rescind report {line}")).is_ok(), "{line}");
    }
}

#[test]
fn a_flag_is_given_bare_and_taken_back_with_a_value() {
    assert_eq!(values("rescind run --yes x"), [("yes", "true".to_owned())]);
    assert_eq!(
        values("rescind run --yes=false -q x"),
        [("yes", "false".to_owned()), ("quiet", "true".to_owned())]
    );
}

#[test]
fn the_sandbox_listens_on_loopback_only() {
    for address in ["127.0.0.1:0", "127.8.8.8:80", "[::1]:8080"] {
        assert!(parse(&format!("rescind sandbox --listen {address}")).is_ok());
    }
    for address in [
        "0.0.0.0:0",
        "10.0.0.1:80",
        "[::]:80",
        "127.0.0.1",
        "example.com:80",
    ] {
        let error = parse(&format!("rescind sandbox --listen {address}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{address}");
    }
}

#[test]
fn a_secret_as_an_option_is_recognised_and_not_repeated() {
    for line in [
        "run x --token hunter2",
        "resume --token-file=hunter2",
        "run x --login-password hunter2",
        "run x --login-password=hunter2",
        "resume --login-sec hunter2",
        "plan x --password hunter2",
        "config --sec=hunter2",
        "run x --secret hunter2",
    ] {
        let error = parse(&format!("rescind {line}")).unwrap_err();
        assert!(asks_for_secret(&error), "{line}");
        assert!(!error.to_string().contains("hunter2"));
    }
    for line in [
        "run x --note-it y",
        "run x --token-cache",
        "run x --login-name",
    ] {
        assert!(
            !asks_for_secret(&parse(&format!("rescind {line}")).unwrap_err()),
            "{line}"
        );
    }
}

#[test]
fn the_help_fits_80_columns_and_names_the_variables() {
    fn check(command: &Command) {
        for help in [
            command.clone().term_width(80).render_help(),
            command.clone().term_width(80).render_long_help(),
        ] {
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
        command.get_subcommands().for_each(check);
    }
    let mut cli = Cli::command();
    cli.build();
    check(&cli);
    let run = cli
        .find_subcommand_mut("run")
        .unwrap()
        .render_help()
        .to_string();
    for part in ["RESCIND_BATCH_SIZE", "RESCIND_TOKEN_FILE", "[default: 100]"] {
        assert!(run.contains(part), "{part}");
    }
    let codes = Cli::command().render_long_help().to_string();
    for (code, sentence) in exit::TABLE {
        assert!(codes.contains(&format!("{code}  {sentence}")));
    }
}

#[test]
fn config_shows_settings_and_exit_2_without_environment() {
    let line = "rescind config --env sandbox --workers 2";
    let (result, text) = show(line, &[("RESCIND_NOTE", "hello")]);
    assert_eq!(result, Ok(0));
    let row = |name| text.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("workers").ends_with("  option"));
    assert!(row("note").ends_with("  RESCIND_NOTE"));

    let (result, text) = show("rescind config", &[("RESCIND_TOKEN", "hunter2")]);
    assert_eq!(result.unwrap_err().code, 2);
    assert!(text.contains("RESCIND_TOKEN ") && !text.contains("hunter2"));
    let (result, text) = show("rescind config", &[("RESCIND_WORKER", "1")]);
    assert_eq!((result.unwrap_err().code, text.as_str()), (2, ""));
}

#[test]
fn completions_and_manual_pages_know_the_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (result, text) = show(&format!("rescind completions {shell}"), &[]);
        assert_eq!(result, Ok(0));
        assert!(text.contains("max-consecutive-failures"), "{shell}");
    }
    for command in Cli::command().get_subcommands() {
        let (result, text) = show(&format!("rescind man {}", command.get_name()), &[]);
        assert_eq!(result, Ok(0));
        assert!(
            text.contains(&format!("rescind\\-{}", command.get_name())),
            "{text}"
        );
    }
    let (_, text) = show("rescind man", &[]);
    assert!(text.contains("Exit codes:") && text.contains("143"));
    let problem = show("rescind man frob", &[]).0.unwrap_err();
    assert_eq!(
        (problem.code, problem.message.as_str()),
        (2, "there is no command \"frob\"")
    );
}

#[test]
fn a_closed_pipe_is_a_success_and_a_full_disk_is_not() {
    assert_eq!(
        written(Err(ErrorKind::BrokenPipe.into())),
        Ok(exit::COMPLETE)
    );
    let problem = written(Err(ErrorKind::StorageFull.into())).unwrap_err();
    assert_eq!(problem.code, exit::ERROR);
}

#[test]
fn the_shipped_schedules_call_a_command_that_exists() {
    for (file, start) in [("rescind.service", "ExecStart="), ("crontab", "0 2 ")] {
        let path = format!("{}/configs/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        let (_, call) = line.split_once("/usr/local/bin/rescind ").unwrap();
        let call = call.split('>').next().unwrap();
        let CommandArgs::Run {
            input,
            options: Options(given),
        } = parse(&format!("rescind {call}")).unwrap()
        else {
            panic!("{file}: {call}")
        };
        assert_eq!(input.to_str(), Some("permissions.csv"));
        assert!(given.config.unwrap().ends_with("nightly.toml"));
    }
}
