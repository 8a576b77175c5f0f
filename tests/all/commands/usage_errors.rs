//! Exit code 2: usage, settings and input. Whatever is wrong is named, what to
//! do is said, nothing is sent and no run begins.

use crate::support::process::{Running, Site, rescind, table};

/// What is run, variables on top of the token, and words of the complaint.
type Case<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

fn refused(site: &Site, cases: &[Case<'_>]) {
    for (line, variables, words) in cases {
        let mut command = site.command(line);
        for (name, value) in *variables {
            command.env(name, value);
        }
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code, Some(2), "{line}\n{}\n{}", ended.out, ended.err);
        assert!(ended.err.contains("error: "), "{line}\n{}", ended.err);
        assert!(ended.err.contains(words), "{line}: {words}\n{}", ended.err);
        site.is_untouched();
    }
}

#[test]
fn exit_2_usage_and_settings() {
    let site = Site::new("");
    site.list([1001, 1002]);
    site.file("misspelt.toml", "max-invalid = '5%'\nmax-agee = '1h'\n");
    site.file("secret.toml", "token = 'sandbox'\n");
    let to = |rest: &str| format!("run list.csv --base-url {} {rest}", site.url);
    let none: &[(&str, &str)] = &[];
    refused(
        &site,
        &[
            ("run".into(), none, "<INPUT>"),
            ("frobnicate".into(), none, "frobnicate"),
            (to("--max-agee 1h"), none, "--max-agee"),
            (to("--token sandbox"), none, "RESCIND_TOKEN_FILE"),
            (to(""), &[("RESCIND_MAX_AGEE", "1h")], "RESCIND_MAX_AGE"),
            (
                to("--config misspelt.toml"),
                none,
                "misspelt.toml:2: unknown key",
            ),
            (to("--config secret.toml"), none, "holds no secrets"),
            (to("--config absent.toml"), none, "absent.toml"),
            (to("--batch-size 0"), none, "--batch-size"),
            (to("--rate 5"), none, "--rate"),
            (to("--timeout 60"), none, "60s"),
            (to("--env sandbox"), none, "exclude each other"),
            (
                to("--retry-initial 2m"),
                none,
                "longer than the longest wait",
            ),
            (to(""), &[("RESCIND_TOKEN_FILE", "x")], "RESCIND_TOKEN_FILE"),
            ("run list.csv".into(), none, "name the environment"),
            (
                "run list.csv --base-url http://example.com".into(),
                none,
                "loopback",
            ),
            // A real environment, refused before a name is looked up.
            ("run list.csv --env demo".into(), none, "--yes"),
            ("run list.csv --env live --yes=false".into(), none, "--yes"),
            ("resume".into(), none, "name the environment"),
            ("resume --env demo".into(), none, "no unfinished run"),
            ("resume 2026".into(), none, "no runs yet"),
            ("report".into(), none, "no runs yet"),
        ],
    );
}

#[test]
fn exit_2_a_token_that_is_missing_or_cannot_be_obtained() {
    let site = Site::new("");
    site.list([1001]);
    let line = site.run_line("list.csv");
    for (name, value, words) in [
        ("RESCIND_NOTE", "none", "no token is given"),
        ("RESCIND_TOKEN", "", "RESCIND_TOKEN"),
        (
            "RESCIND_TOKEN_FILE",
            "absent",
            "that RESCIND_TOKEN_FILE names",
        ),
        ("RESCIND_TOKEN_COMMAND", "false", "caused by"),
        (
            "RESCIND_TOKEN_COMMAND",
            "'unclosed",
            "RESCIND_TOKEN_COMMAND",
        ),
    ] {
        let mut command = site.command(&line);
        command.env_remove("RESCIND_TOKEN").env(name, value);
        let ended = Running::start(&mut command).end().with(2);
        ended.says("error: ").says(words);
        site.is_untouched();
    }
}

#[test]
fn exit_2_input_that_is_not_the_list() {
    let site = Site::new("");
    site.list([1001, 1002]);
    site.file("two.csv", "a,b\n1001,2001\n");
    site.file(
        "wrong.csv",
        "permissionId,n\n1001,1\nAda,2\n1.5,3\n1003,4\n",
    );
    let to = |rest: &str| format!("run --base-url {} {rest}", site.url);
    let none: &[(&str, &str)] = &[];
    refused(
        &site,
        &[
            (to("absent.csv"), none, "absent.csv"),
            (to("."), none, "caused by"),
            (
                to("list.csv --id-column permission"),
                none,
                "`permissionId`",
            ),
            (to("two.csv"), none, "--id-column"),
            (to("wrong.csv"), none, "2 of 4 rows"),
            (to("wrong.csv --max-invalid 49%"), none, "--max-invalid"),
            (to("two.csv").replace("run", "plan"), none, "--id-column"),
        ],
    );
    site.call(&to("wrong.csv --max-invalid 50% --rate unlimited"))
        .with(3);
    assert_eq!(table(&site.the_run().join("rejected.csv")).len(), 3);
}

/// What is frozen cannot change on a resume; a settings file may go on.
#[test]
fn exit_2_a_resume_that_would_change_what_is_frozen() {
    let site = Site::new("faults.script = { revoke = ['none', '401', '401'] }");
    let list = site.list(1001..1007);
    site.run(&format!("{list} --batch-size 2 --workers 1"))
        .with(8);
    let calls = site.truth().calls.len();
    for option in [
        "--batch-size 3",
        "--id-column other",
        "--env sandbox",
        "--base-url http://127.0.0.1:9/v1",
    ] {
        let ended = site.call(&format!("resume latest {option}")).with(2);
        ended.says("the run is frozen with").says("hint: ");
    }
    let mut command = site.command("resume latest");
    Running::start(command.env("RESCIND_BATCH_SIZE", "3"))
        .end()
        .with(2)
        .says("RESCIND_BATCH_SIZE");
    assert_eq!(site.truth().calls.len(), calls);

    site.file("other.toml", "batch-size = 3\nworkers = 2\n");
    site.call("resume latest --config other.toml")
        .with(0)
        .says("warning: other.toml:1: batch-size")
        .says("ignored");
    assert_eq!(table(&site.the_run().join("results.csv")).len(), 4);
}

/// A cron line has none of the variables of the shell it was tried in.
#[test]
fn a_line_that_lost_its_variables_never_ends_with_0() {
    let site = Site::new("");
    let list = site.list([1001]);
    for line in [
        format!("run {list}"),
        format!("plan {list}"),
        format!("plan --online {list}"),
        "resume".to_owned(),
        "verify".to_owned(),
    ] {
        let mut command = rescind(site.home());
        command.env_clear().args(line.split(' '));
        Running::start(&mut command)
            .end()
            .with(2)
            .says("error: no environment is named")
            .says("hint: name the environment with --env")
            .says("--env sandbox practises against a simulated API");
    }
    site.is_untouched();
    assert!(!site.runs_dir().exists());
    let mut named = rescind(site.home());
    named.env_clear().env("RESCIND_ENV", "sandbox");
    Running::start(named.args(["run", &list])).end().with(0);
    // What is on record needs no environment.
    for line in [
        "report".to_owned(),
        "runs".to_owned(),
        "find 1001".to_owned(),
    ] {
        let mut command = rescind(site.home());
        command.env_clear().args(line.split(' '));
        let ended = Running::start(&mut command).end().with(0);
        assert!(!ended.out.contains("forget? Yes"), "{}", ended.out);
    }
}
