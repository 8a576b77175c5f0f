//! Logging in with the built binary: what it takes, what comes of a refusal,
//! how a token is got anew in mid-run, and where one is kept.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rescind::sandbox::Kind;
use serde_json::Value;

use crate::support::process::{
    Ended, Running, Site, claims_hold, ended_so, rescind, shell, summary, until,
};
use crate::support::scratch;

/// Everything that a log-in into the sandbox takes, as options.
const WHO: &str = "--login-name sandbox --login-cid 1 --login-app-id x --login-app-version 1.0";

fn command(site: &Site, line: &str, password: &str) -> Command {
    let mut command = site.command(line);
    command.env_remove("RESCIND_TOKEN");
    command.env("RESCIND_LOGIN_PASSWORD", password);
    command.env("RESCIND_LOGIN_SEC", "sandbox");
    command
}

fn call(site: &Site, line: &str, password: &str) -> Ended {
    Running::start(&mut command(site, line, password)).end()
}

/// `run` with a log-in that is good.
fn run(site: &Site, rest: &str) -> Ended {
    call(site, &site.run_line(&format!("{WHO} {rest}")), "sandbox")
}

fn count(site: &Site, kind: Kind) -> usize {
    site.truth().count(kind)
}

fn auth(run: &Path) -> u64 {
    summary(run)["requests"]["auth"].as_u64().unwrap()
}

#[test]
fn a_run_logs_in_after_its_list_is_frozen_and_counts_it() {
    let site = Site::new("token = ''");
    let list = site.list(1001..1051);
    run(&site, &format!("{list} --batch-size 10"))
        .with(0)
        .says("logged in");
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 50)]);
    claims_hold(&site, &site.the_run());
    assert_eq!(site.truth().calls[0].kind, Kind::LogIn);
    assert_eq!((count(&site, Kind::LogIn), auth(&site.the_run())), (1, 1));
    // Who logged in is no secret, with what is.
    let shown = call(&site, "config --env demo", "hunter2").with(2);
    assert!(
        shown.out.contains("RESCIND_LOGIN_PASSWORD    ***"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains("hunter2"));
}

#[test]
fn log_in_settings_may_stand_in_a_file_and_secrets_in_others() {
    let site = Site::new("token = ''");
    let list = site.list(1001..1011);
    site.file("password", "sandbox\n");
    site.file("sec", "sandbox");
    let file = site.file(
        "settings.toml",
        format!(
            "base-url = '{}'\nlogin-name = 'sandbox'\nlogin-cid = 1\nlogin-app-id = 'x'\n\
             login-app-version = '1.0'\nlogin-device-id = 'host'\n\
             login-password-file = 'password'\nlogin-sec-file = 'sec'\n",
            site.url
        ),
    );
    let mut bare = site.command(&format!("run {list} --config {file}"));
    Running::start(bare.env_remove("RESCIND_TOKEN"))
        .end()
        .with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
    // A password that is not there is noticed before anything is frozen.
    fs::remove_file(site.home().join("password")).unwrap();
    let mut bare = site.command(&format!("run {list} --config {file}"));
    Running::start(bare.env_remove("RESCIND_TOKEN"))
        .end()
        .with(2)
        .says("login-password-file: cannot read the file that it names");
    assert_eq!(site.runs().len(), 1);
}

#[test]
fn exit_2_a_log_in_that_is_incomplete_or_given_twice() {
    let site = Site::new("");
    let list = site.list([1001]);
    let line = site.run_line(&list);
    call(&site, &format!("{line} --login-name sandbox"), "sandbox")
        .with(2)
        .says("the log-in is incomplete: --login-name, RESCIND_LOGIN_PASSWORD, RESCIND_LOGIN_SEC given, but not login-app-id, login-app-version, login-cid");
    let mut twice = command(&site, &format!("{line} {WHO}"), "sandbox");
    Running::start(twice.env("RESCIND_TOKEN", "sandbox"))
        .end()
        .with(2)
        .says("a token and a log-in are both given: RESCIND_TOKEN and --login-name");
    call(
        &site,
        &format!("{line} {WHO} --login-sec-file x"),
        "sandbox",
    )
    .with(2)
    .says("--login-sec-file and RESCIND_LOGIN_SEC exclude each other");
    site.call(&format!("{line} --token-cache x"))
        .with(2)
        .says("there are no log-in settings");
    // Not the sandbox by default, and not inside the process either.
    call(&site, &format!("run {list} {WHO}"), "sandbox")
        .with(2)
        .says("no environment is named");
    let half = format!("run {list} --env sandbox --login-name sandbox");
    call(&site, &half, "sandbox").with(2).says("incomplete");
    site.is_untouched();
}

/// After five refusals every log-in is refused for a while.
#[test]
fn exit_8_a_refused_log_in_is_not_repeated_but_resumed() {
    let site = Site::new("token = ''");
    let list = site.list(1001..1011);
    let line = site.run_line(&format!("{list} {WHO}"));
    call(&site, &line, "wrong")
        .with(8)
        .shows("the log-in was refused: Incorrect username or password.")
        .shows("It is not repeated")
        .shows("rescind resume");
    ended_so(&site.the_run(), "unauthorized", 8, &[("pending", 10)]);
    assert_eq!(site.truth().calls.len(), 1);
    assert_eq!(auth(&site.the_run()), 1);
    call(&site, &format!("resume latest {WHO}"), "sandbox").with(0);
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
    claims_hold(&site, &site.the_run());
}

/// What *Next* prints is run by a shell as it stands there, with the secrets in
/// their files and the runs in a folder whose name looks like an option.
#[test]
fn the_next_command_printed_after_a_log_in_works_as_it_is() {
    let site = Site::new("token = ''");
    let list = site.list(1001..1011);
    site.file("password", "wrong");
    site.file("sec", "sandbox");
    let files = "--login-password-file password --login-sec-file sec --runs-dir=-runs";
    let line = site.run_line(&format!("{list} {WHO} {files}"));
    let refused = Running::start(site.command(&line).env_remove("RESCIND_TOKEN"))
        .end()
        .with(8);
    let lines = refused.out.lines().map(str::trim_start);
    let next: Vec<_> = lines
        .filter(|line| line.starts_with("rescind resume"))
        .collect();
    site.file("password", "sandbox");
    let bin = Path::new(env!("CARGO_BIN_EXE_rescind")).parent().unwrap();
    let mut shell = shell(site.home());
    shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let resumed = Running::start(shell.args(["-c", next[0]])).end().with(0);
    assert!(resumed.err.contains("logged in"), "{}", resumed.err);
    assert_eq!(site.revoked(), (1001..1011).collect());
}

#[test]
fn exit_5_no_log_in_beyond_the_limit_over_all_runs() {
    let site = Site::new("token = ''");
    let list = site.list(1001..1011);
    let line = site.run_line(&format!("{list} {WHO} --login-limit 2/h"));
    for _ in 0..2 {
        call(&site, &line, "wrong").with(8);
    }
    // The right one, too: whether it is right, nobody knows yet.
    let deferred = call(&site, &line, "sandbox").with(5);
    deferred
        .shows("there were as many refused log-ins lately as are allowed; not before 20")
        .shows("rescind resume");
    assert_eq!(count(&site, Kind::LogIn), 2);
    call(&site, &format!("resume latest {WHO}"), "sandbox").with(5);
    assert_eq!(count(&site, Kind::LogIn), 2);
    call(
        &site,
        &format!("resume latest {WHO} --login-limit 3/h"),
        "sandbox",
    )
    .with(0);
    assert_eq!(site.revoked(), (1001..1011).collect());
}

#[test]
fn a_token_that_expires_in_mid_run_is_renewed_in_time() {
    // Renewed every two seconds.
    let site =
        Site::new("token = ''\ntoken_lifetime = '4s'\nlatency = '70ms'\nendpoint_limits = []");
    let list = site.list(1001..1201);
    let rest = format!("{list} --batch-size 2 --workers 3 --renewal-limit 100/h");
    run(&site, &rest).with(0);
    claims_hold(&site, &site.the_run());
    assert_eq!(site.truth().mistakes, []);
    assert_eq!(count(&site, Kind::LogIn), 1);
    let renewals = count(&site, Kind::Renew);
    assert!(renewals >= 1, "{renewals}");
    let counted = u64::try_from(renewals + 1).unwrap();
    assert_eq!(auth(&site.the_run()), counted);
}

#[test]
fn a_session_that_is_ended_in_mid_run_is_begun_anew_once() {
    let site = Site::new("token = ''\nsessions = 1\nothers_log_in = ['1s']\nlatency = '40ms'");
    // The world begins when it is first called.
    let list = site.list(1001..1201);
    run(&site, &format!("{list} --batch-size 2 --workers 3"))
        .with(0)
        .says("logged in");
    claims_hold(&site, &site.the_run());
    assert_eq!(
        (count(&site, Kind::LogIn), count(&site, Kind::Renew)),
        (2, 1)
    );
    assert_eq!(auth(&site.the_run()), 3);
}

#[test]
fn exit_8_a_key_without_permission_is_named_as_a_cause() {
    let site = Site::new("token = ''\ndenied = ['revoke']");
    let list = site.list(1001..1011);
    run(&site, &list)
        .with(8)
        .shows("belong to an API key without the permission");
    ended_so(&site.the_run(), "unauthorized", 8, &[("pending", 10)]);
    assert!(site.revoked().is_empty());
}

/// Nobody knows when it expires, and nobody but a person can bring another.
#[test]
fn a_lockout_warns_that_a_given_token_may_expire() {
    const END: &str = "the token was handed in and may have expired by then: if so, the run ends \
                       with 8, and a resume with a new one carries on";
    let site = Site::new(
        "lockout = '60ms'\nfaults.script = { revoke = ['none', '429', 'none', 'none', '429'] }",
    );
    let list = site.list(1001..1005);
    let ended = site
        .run(&format!("{list} --batch-size 2 --workers 1"))
        .with(0);
    assert_eq!(ended.err.matches(END).count(), 1, "{}", ended.err);
    let other = site.file("2.csv", "2001\n2002\n");
    let ended = run(&site, &format!("{other} --batch-size 1 --workers 1")).with(0);
    assert!(ended.err.contains("lockout (429)"), "{}", ended.err);
    assert!(!ended.err.contains("handed in"), "{}", ended.err);
}

/// A file or a command that hands out another token each time.
fn handing_out(site: &Site, tokens: &[&str]) -> [(&'static str, String); 2] {
    let text = tokens.iter().map(|token| format!("{token}\n"));
    site.file("tokens", text.collect::<String>());
    // Each call takes the first line away, as long as there is another.
    let next = "head -n 1 tokens; [ $(wc -l < tokens) -lt 2 ] || sed -i 1d tokens; echo >> asked";
    [
        ("RESCIND_TOKEN_COMMAND", format!("sh -c '{next}'")),
        ("RESCIND_TOKEN_FILE", "token".to_owned()),
    ]
}

#[test]
fn a_refused_token_runs_its_command_again_and_repeats_the_call() {
    let site = Site::new("faults.script = { revoke = ['none', '401'] }");
    let list = site.list(1001..1011);
    let line = site.run_line(&format!("{list} --batch-size 2 --workers 1"));
    let with = |tokens: &[&str]| {
        let (name, value) = &handing_out(&site, tokens)[0];
        let mut command = site.command(&line);
        Running::start(command.env_remove("RESCIND_TOKEN").env(name, value)).end()
    };
    // The second one was never issued.
    with(&["sandbox", "other"])
        .with(8)
        .says("the token command was run again")
        .shows("a second time (401): a token that was never issued");
    let asked = fs::read_to_string(site.home().join("asked")).unwrap();
    assert_eq!(asked.lines().count(), 2);
    assert_eq!(count(&site, Kind::Revoke), 3);
    with(&["sandbox"]).with(0);
    assert_eq!(count(&site, Kind::Renew), 0);
}

#[test]
fn a_refused_token_is_read_again_and_its_call_repeated() {
    let site = Site::new("faults.script = { revoke = ['none', 'none', '401'] }\nlatency = '100ms'");
    // Whoever writes the file logs in for it.
    let issued = log_in_by_hand(&site);
    site.file("token", issued);
    let list = site.list(1001..1011);
    let mut command = site.command(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    command
        .env_remove("RESCIND_TOKEN")
        .env("RESCIND_TOKEN_FILE", "token");
    let before = site.truth().calls.len();
    let running = Running::start(&mut command);
    // Whoever calls has read the file; five calls later it is read again.
    until("a call arrives", || {
        (site.truth().calls.len() > before).then_some(())
    });
    site.file("token", "sandbox\n");
    running.end().with(0).says("the token file was read again");
    ended_so(&site.the_run(), "complete", 0, &[("revoked", 10)]);
    assert_eq!((count(&site, Kind::Renew), auth(&site.the_run())), (0, 0));
}

/// A token that the sandbox has issued, as somebody else's service gets one.
fn log_in_by_hand(site: &Site) -> String {
    let run = site.run_line(&format!(
        "{} {WHO} --token-cache kept",
        site.file("one.csv", "9\n")
    ));
    call(site, &run, "sandbox").with(0);
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(site.home().join("kept")).unwrap()).unwrap();
    fs::remove_dir_all(site.runs_dir()).unwrap();
    kept["token"].as_str().unwrap().to_owned()
}

#[test]
fn exit_8_the_same_token_again_is_not_called_with_again() {
    for at in 0..2 {
        let site = Site::new("faults.script = { revoke = ['none', '401'] }");
        let list = site.list(1001..1011);
        let (name, value) = &handing_out(&site, &["sandbox"])[at];
        site.file("token", "sandbox");
        let mut command =
            site.command(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
        Running::start(command.env_remove("RESCIND_TOKEN").env(name, value))
            .end()
            .with(8)
            .shows("still gives the same one");
        assert_eq!(count(&site, Kind::Revoke), 2);
        ended_so(
            &site.the_run(),
            "unauthorized",
            8,
            &[("revoked", 2), ("pending", 8)],
        );
        site.call("resume latest").with(0);
        claims_hold(&site, &site.the_run());
    }
}

#[test]
fn exit_8_a_file_that_is_gone_when_it_is_to_be_read_again() {
    let site = Site::new("faults.script = { revoke = ['none', '401'] }\nlatency = '200ms'");
    let list = site.list(1001..1011);
    site.file("token", "sandbox");
    let mut command = site.command(&site.run_line(&format!("{list} --batch-size 2 --workers 1")));
    command
        .env_remove("RESCIND_TOKEN")
        .env("RESCIND_TOKEN_FILE", "token");
    let running = Running::start(&mut command);
    until("a call arrives", || {
        (!site.truth().calls.is_empty()).then_some(())
    });
    fs::remove_file(site.home().join("token")).unwrap();
    running
        .end()
        .with(8)
        .shows("and cannot read the token file that RESCIND_TOKEN_FILE names: No such file");
    ended_so(
        &site.the_run(),
        "unauthorized",
        8,
        &[("revoked", 2), ("pending", 8)],
    );
}

#[test]
fn a_cached_token_spares_the_next_run_a_log_in() {
    let site = Site::new("token = ''");
    let (one, other) = (site.file("1.csv", "1001\n"), site.file("2.csv", "1002\n"));
    run(&site, &format!("{one} --token-cache kept")).with(0);
    let kept = site.home().join("kept");
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&kept).unwrap();
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].clone();
    run(&site, &format!("{other} --token-cache kept")).with(0);
    assert_eq!(
        (count(&site, Kind::LogIn), count(&site, Kind::Renew)),
        (1, 0)
    );
    let counted: Vec<_> = site.runs().iter().map(|run| auth(run)).collect();
    assert_eq!(counted.iter().sum::<u64>(), 1, "{counted:?}");

    // It is somebody else's, or at another address: not used, and replaced.
    for (line, log_ins) in [
        (format!("{other} --login-name clerk --token-cache kept"), 2),
        (format!("{one} --login-cid 2 --token-cache kept"), 3),
    ] {
        run(&site, &line).with(8);
        assert_eq!(count(&site, Kind::LogIn), log_ins);
    }
    // A refused log-in leaves the file as it was.
    assert_eq!(fs::read_to_string(&kept).unwrap(), text);

    // Others may have written it: it is not believed, and mended.
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o644)).unwrap();
    run(&site, &format!("{one} --token-cache kept"))
        .with(0)
        .says("warning: the token cache kept is not a file that its owner alone can read");
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_ne!(fs::read_to_string(&kept).unwrap(), text);

    // The token is nowhere else.
    let token = token.as_str().unwrap();
    for run in site.runs() {
        for entry in fs::read_dir(run).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = memchr::memmem::find(&bytes, token.as_bytes());
            assert!(found.is_none(), "in {}", path.display());
        }
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning_and_no_more() {
    let site = Site::new("token = ''");
    let list = site.list([1001]);
    run(&site, &format!("{list} --token-cache absent/kept"))
        .with(0)
        .says("the token is not kept")
        .says("No such file");
    claims_hold(&site, &site.the_run());
}

#[test]
fn a_kept_token_that_is_dead_all_the_same_leads_to_a_log_in() {
    let site = Site::new("token = ''");
    let list = site.list([1001]);
    run(&site, &format!("{list} --token-cache kept")).with(0);
    let kept = site.home().join("kept");
    let text = fs::read_to_string(&kept).unwrap();
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].clone();
    fs::write(&kept, text.replace(token.as_str().unwrap(), "evicted")).unwrap();
    let other = site.file("2.csv", "1002\n");
    run(&site, &format!("{other} --token-cache kept"))
        .with(0)
        .says("logged in");
    assert_eq!(
        (count(&site, Kind::LogIn), count(&site, Kind::Renew)),
        (2, 1)
    );
    assert!(!fs::read_to_string(&kept).unwrap().contains("evicted"));
}

#[test]
fn the_sandbox_inside_the_process_can_be_logged_into() {
    let home = scratch();
    let call = |line: &str, password: &str| {
        let mut command = rescind(home.path());
        command.args(line.split_whitespace());
        command.env("RESCIND_LOGIN_PASSWORD", password);
        command.env("RESCIND_LOGIN_SEC", "sandbox");
        Running::start(&mut command).end()
    };
    fs::write(home.path().join("list.csv"), "1001\n1002\n").unwrap();
    let line = format!("run list.csv --env sandbox {WHO}");
    call(&line, "sandbox")
        .with(0)
        .says("logged in")
        .shows("in the SANDBOX");
    call(&line, "wrong").with(8).shows("the log-in was refused");
    call(&format!("resume --env sandbox {WHO}"), "sandbox").with(0);
    let latest: PathBuf = home.path().join("runs/latest");
    ended_so(&latest, "complete", 0, &[("revoked", 2)]);
    assert_eq!(auth(&latest), 2);
}
