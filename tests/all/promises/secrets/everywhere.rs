//! Every way in which a run, a plan or a verification can fail, with marked
//! secrets: none of them is in anything that was written or said.

use std::{
    fmt::Debug, fs, os::unix::fs::PermissionsExt, process::Command, sync::Arc, time::Duration,
};

use jiff::Timestamp;
use rescind::{
    api::{
        Answer, Api, BaseUrl, Call, Credentials, HttpApi, HttpSettings, LogIn, Response, Secrets,
        Token, TokenCache, TokenSource, judge_auth,
    },
    sweep::TokenProvider,
};

use super::{MARKED, call, search, searched, sources};
use crate::support::process::{Running, Site};

const WHO: &str = "--login-name clerk --login-cid 1 --login-app-id x --login-app-version 1";

/// The ways to look at what a run left.
const LOOKS: [&str; 12] = [
    "report latest",
    "report latest --format html",
    "report latest --format json",
    "report latest --format markdown",
    "report latest --format csv",
    "report --history",
    "runs",
    "runs --json",
    "runs show latest",
    "runs show latest --json",
    "find 1001 1002",
    "find 1001 --json",
];

/// What befalls a run (rules and options), and how it and a plan end.
const FATES: &[(&str, &str, &str, &[i32])] = &[
    ("all is well", "", "", &[0]),
    ("denied", "denied = ['revoke']", "", &[8]),
    ("denied to read", "denied = ['items', 'item']", "", &[8]),
    (
        "captcha",
        "penalty = '1s'\nlockout = '1s'\nfaults.script = { revoke = ['captcha'], items = ['none', 'captcha'] }",
        "",
        &[0],
    ),
    (
        "captcha that does not fit",
        "faults.script = { items = ['captcha'] }",
        "--lockout-wait 2h --max-wait 1m",
        &[5],
    ),
    (
        "penalties",
        "penalty = '1s'\nfaults.script = { revoke = ['penalty'], items = ['penalty'] }",
        "",
        &[0],
    ),
    (
        "a penalty that does not fit",
        "penalty = '300s'\nfaults.script = { items = ['penalty'] }",
        "--max-wait 1m",
        &[5],
    ),
    (
        "lockouts",
        "lockout = '60ms'\nfaults.script = { items = ['429', '423', '429'] }",
        "",
        &[5],
    ),
    (
        "maintenance",
        "maintenance = [{ after = '0s', lasts = '1h' }]",
        "--max-attempts 2 --timeout 200ms",
        &[6],
    ),
    (
        "maintenance that resets",
        "maintenance = [{ after = '0s', lasts = '1h', faults = ['reset_before'] }]",
        "--max-attempts 2",
        &[6],
    ),
    (
        "maintenance that shows a page",
        "maintenance = [{ after = '0s', lasts = '1h', faults = ['not_json'] }]",
        "--max-attempts 2",
        &[6],
    ),
    (
        "forbidden",
        "faults.script = { items = ['403'], revoke = ['403'] }",
        "",
        &[0, 3, 6],
    ),
    (
        "gone astray",
        "faults.script = { items = ['404', '405'] }",
        "",
        &[0, 2, 6],
    ),
    (
        "401 twice",
        "faults.script = { items = ['401', '401'] }",
        "",
        &[8],
    ),
    (
        "a renewal that is refused",
        "faults.script = { items = ['401'], renew = ['401'] }",
        "",
        &[8],
    ),
    (
        "a renewal that is not answered",
        "faults.script = { items = ['401'], renew = ['500', 'reset_before'] }",
        "",
        &[0, 8],
    ),
    (
        "a lie",
        "faults.script = { revoke = ['lie'] }",
        "",
        &[0, 6, 9],
    ),
];

#[test]
fn whatever_the_api_does_no_token_is_to_be_found() {
    for (number, (what, rules, options, codes)) in FATES.iter().enumerate() {
        let site = Site::new(&format!("token = '{MARKED}'\n{rules}"));
        let list = site.list([1001, 1002, 10403, 1003]);
        let (name, value) = &sources(&site)[number % 3];
        let token = [(*name, value.as_str())];
        let log = ["-v --log-format json", "-v", ""][number % 3];
        let line = site.run_line(&format!("{list} {options} {log}"));
        let plan = format!("plan --online {}", line.trim_start_matches("run "));
        // Whatever befalls first befalls the plan in every second world.
        let lines = if number % 2 == 0 {
            [line, plan]
        } else {
            [plan, line]
        };
        for (turn, line) in lines.iter().enumerate() {
            let ended = call(&site, line, &token);
            let code = ended.code.unwrap_or(-1);
            assert!((0..=9).contains(&code), "{what}: {code}\n{}", ended.err);
            if turn == 0 && line.starts_with("run ") {
                // The one ID that is protected may add a 3.
                let fits = codes.contains(&code) || codes.contains(&0) && code == 3;
                assert!(fits, "{what}: {code}\n{}\n{}", ended.out, ended.err);
            }
            searched(&site, &ended, &format!("{what}: {line}"));
        }
        for line in ["resume latest -v", "verify latest -v"] {
            let ended = call(&site, line, &token);
            searched(&site, &ended, &format!("{what}: {line}"));
        }
        for line in LOOKS.iter().skip(number % 4).step_by(4) {
            searched(
                &site,
                &call(&site, line, &token),
                &format!("{what}: {line}"),
            );
        }
        let line = format!("config --base-url {}", site.url);
        searched(&site, &call(&site, &line, &token).with(0), what);
    }
}

/// How a log-in or a session fails (rules, whether the password is right), and
/// how the run ends.
const LOG_INS: &[(&str, &str, bool, &[i32])] = &[
    ("all is well", "", true, &[0, 3]),
    ("a wrong password", "", false, &[8]),
    (
        "a wrong password, 401",
        "log_in.refusal = 'unauthorized'",
        false,
        &[8],
    ),
    (
        "locked out",
        "log_in.locked_after = 1\nlockout = '60ms'",
        false,
        &[5, 8],
    ),
    (
        "evicted",
        "sessions = 1\nothers_log_in = ['1ms', '200ms']\nlatency = '60ms'",
        true,
        &[0, 3, 8],
    ),
    (
        "evicted again and again",
        "sessions = 1\nfaults.script = { items = ['401', 'none', '401'], revoke = ['401', '401'], renew = ['401', '401'] }",
        true,
        &[0, 3, 8],
    ),
    (
        "a token that dies at once",
        "token_lifetime = '1s'\nlatency = '300ms'",
        true,
        &[0, 3, 5, 8],
    ),
    (
        "log-ins that are not answered",
        "faults.script = { log_in = ['500', '503', 'truncated', 'reset_after'] }",
        true,
        &[0, 3, 5, 8],
    ),
    (
        "a captcha at the log-in",
        "penalty = '1s'\nlockout = '1s'\nfaults.script = { log_in = ['captcha'] }",
        true,
        &[0, 3, 5],
    ),
    ("denied", "denied = ['revoke']", true, &[8]),
];

#[test]
fn however_a_log_in_fares_nothing_of_it_is_to_be_found() {
    for (number, (what, rules, right, codes)) in LOG_INS.iter().enumerate() {
        let (password, sec) = (format!("{MARKED}-password"), format!("{MARKED}-sec"));
        let site = Site::new(&format!(
            "token = ''\nlog_in.name = 'clerk'\nlog_in.password = '{password}'\nlog_in.sec = '{sec}'\n{rules}"
        ));
        let list = site.list([1001, 1002, 10403, 1003]);
        let wrong = format!("{MARKED}-wrong");
        let password = if *right { password } else { wrong };
        site.file("password", format!("{password}\n"));
        let secrets = [
            ("RESCIND_LOGIN_PASSWORD", password.as_str()),
            ("RESCIND_LOGIN_SEC", &sec),
        ];
        let (secrets, more) = if number % 2 == 0 {
            (&secrets[..], "")
        } else {
            (&secrets[1..], "--login-password-file password -v")
        };
        let line = site.run_line(&format!("{list} {WHO} {more} --batch-size 1 --workers 1"));
        let ended = call(&site, &line, secrets);
        let code = ended.code.unwrap_or(-1);
        assert!(
            codes.contains(&code),
            "{what}: {code}\n{}\n{}",
            ended.out,
            ended.err
        );
        let nothing = |what: &str, ended| {
            searched(&site, &ended, what);
            // What the sandbox issues begins so, and nothing else does.
            assert!(
                !ended.out.contains("sandbox-") && !ended.err.contains("sandbox-"),
                "{what}"
            );
        };
        nothing(what, ended);
        let plan = format!("plan --online {}", line.trim_start_matches("run "));
        let known = [WHO, more, "-v"].join(" ");
        // Whoever comes back to a penalty draws a longer one.
        let again = if code == 5 { 0 } else { 3 };
        for line in [
            plan,
            format!("resume latest {known}"),
            format!("verify latest {known}"),
            format!("config --base-url {} {known}", site.url),
        ]
        .into_iter()
        .rev()
        .take(1 + again)
        {
            nothing(&format!("{what}: {line}"), call(&site, &line, secrets));
        }
        for line in LOOKS.iter().skip(number % 4).step_by(4) {
            nothing(&format!("{what}: {line}"), call(&site, line, &[]));
        }
        for folder in fs::read_dir(site.runs_dir()).unwrap() {
            let issued = Command::new("grep")
                .args(["-rl", "sandbox-"])
                .arg(folder.unwrap().path())
                .output();
            let issued = String::from_utf8(issued.unwrap().stdout).unwrap();
            assert!(issued.is_empty(), "{what}: {issued}");
        }
    }
}

/// The one place where a token may be kept, and only if that was asked for.
#[test]
fn a_token_is_in_its_cache_and_nowhere_else() {
    let (password, sec) = (format!("{MARKED}-password"), format!("{MARKED}-sec"));
    let site = Site::new(&format!(
        "token = ''\nlog_in.name = 'clerk'\nlog_in.password = '{password}'\nlog_in.sec = '{sec}'"
    ));
    let list = site.list([1001, 1002]);
    let secrets = [
        ("RESCIND_LOGIN_PASSWORD", password.as_str()),
        ("RESCIND_LOGIN_SEC", &sec),
    ];
    let line = site.run_line(&format!("{list} {WHO} -v --token-cache cache"));
    searched(&site, &call(&site, &line, &secrets).with(0), "cache");
    let cache = site.home().join("cache");
    let token = fs::read_to_string(&cache).unwrap();
    assert!(token.contains("sandbox-"), "{token}");
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for run in site.runs() {
        for file in fs::read_dir(run).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = memchr::memmem::find(&bytes, b"sandbox-");
            assert!(found.is_none(), "{}", path.display());
        }
    }
}

/// Sources of a token that give none, or none that is one.
#[test]
fn a_source_that_fails_does_not_repeat_what_it_gave() {
    let site = Site::new("");
    let list = site.list([1001]);
    let long = format!("{MARKED}-").repeat(3_000);
    site.file("empty", "");
    site.file("blank", " \n");
    site.file("lines", format!("{MARKED}\n{MARKED}\n"));
    site.file("control", format!("{MARKED}\u{1}x"));
    site.file("bytes", [MARKED.as_bytes(), b"\xff\xfe"].concat());
    site.file("quoted", format!("\"{MARKED} x\"\n"));
    site.file("long", long.repeat(2));
    fs::create_dir(site.home().join("folder")).unwrap();
    let own = ["lines", "control", "bytes", "quoted", "long"];
    let files = [
        "absent",
        "folder",
        "empty",
        "blank",
        "lines",
        "control",
        "bytes",
        "quoted",
        "long",
        // The token itself, where its file was to be named.
        MARKED,
        &format!("{MARKED}/x.y"),
        &long,
    ];
    let commands = [
        "false".to_owned(),
        "true".to_owned(),
        format!("absent {MARKED}"),
        format!("absent-{MARKED}"),
        MARKED.to_owned(),
        format!("cat {MARKED}"),
        format!("echo '{MARKED} {MARKED}'"),
        format!("printf '{MARKED}\\001'"),
        "cat bytes".to_owned(),
        "cat long".to_owned(),
        format!("sh -c 'echo {MARKED}; kill -9 $$'"),
        format!("'{MARKED}"),
        format!("sh -c 'echo; echo {MARKED}'"),
    ];
    let files = files
        .iter()
        .map(|file| ("RESCIND_TOKEN_FILE", (*file).to_owned()));
    let commands = commands
        .into_iter()
        .map(|line| ("RESCIND_TOKEN_COMMAND", line));
    let line = site.run_line(&format!("{list} -v"));
    let plan = format!("plan --online {}", line.trim_start_matches("run "));
    for (name, value) in files.chain(commands) {
        for line in [&line, &plan] {
            let ended = call(&site, line, &[(name, &value)]).with(2);
            let shown: String = value.chars().take(60).collect();
            elsewhere(
                &site,
                &own,
                &ended.out,
                &ended.err,
                &format!("{name}={shown}"),
            );
        }
    }
    // The same of the files of a log-in.
    for file in [
        "absent", "folder", "empty", "lines", "control", "bytes", MARKED, &long,
    ] {
        for key in ["password", "sec"] {
            let other = if key == "sec" {
                "RESCIND_LOGIN_PASSWORD"
            } else {
                "RESCIND_LOGIN_SEC"
            };
            let line = format!("{line} {WHO}");
            let named = format!("RESCIND_LOGIN_{}_FILE", key.to_uppercase());
            let ended = call(&site, &line, &[(other, MARKED), (&named, file)]).with(2);
            let shown: String = file.chars().take(60).collect();
            elsewhere(
                &site,
                &own,
                &ended.out,
                &ended.err,
                &format!("{key} {shown}"),
            );
        }
    }
    site.is_untouched();
}

fn elsewhere(site: &Site, own: &[&str], out: &str, err: &str, what: &str) {
    super::unmarked(out.as_bytes(), what);
    super::unmarked(err.as_bytes(), what);
    for entry in fs::read_dir(site.home()).unwrap() {
        let path = entry.unwrap().path();
        if !own.contains(&path.file_name().unwrap().to_str().unwrap()) {
            search(&path, what);
        }
    }
}

/// Secrets where no secret belongs: addresses, keys and values of a settings
/// file, and lines of it that are no TOML.
#[test]
fn a_mistake_beside_a_secret_does_not_repeat_the_secret() {
    let site = Site::new("");
    let list = site.list([1001]);
    let line = site.run_line(&list);
    let addresses = [
        format!("http://user:{MARKED}@127.0.0.1:9/v1"),
        format!("http://{MARKED}@127.0.0.1:9/v1"),
        format!("http://127.0.0.1:9/v1?p-ticket={MARKED}"),
        format!("http://127.0.0.1:9/v1#{MARKED}"),
        format!("ftp://user:{MARKED}@127.0.0.1/v1"),
        format!("http://user:{MARKED}@[bad/v1"),
        format!("http://user:{MARKED}@demo.tradovateapi.com/v1"),
        format!("user:{MARKED}@127.0.0.1:9/v1"),
        format!("//user:{MARKED}@127.0.0.1:9/v1"),
        format!("http://127.0.0.1:99999/v1?{MARKED}"),
        format!("Bearer {MARKED}"),
        MARKED.to_owned(),
    ];
    for address in &addresses {
        for command in ["run", "plan", "config"] {
            let rest = if command == "config" { "" } else { &list };
            let mut command = site.command(&format!("{command} {rest}"));
            command.args(["--base-url", address]);
            let ended = Running::start(&mut command).end().with(2);
            searched(&site, &ended, address);
        }
        let told = [
            ("RESCIND_BASE_URL", address.as_str()),
            ("RESCIND_TOKEN", "sandbox"),
        ];
        searched(
            &site,
            &call(&site, &format!("run {list}"), &told).with(2),
            address,
        );
    }
    for text in [
        format!("token = '{MARKED}'"),
        format!("login-password = '{MARKED}'"),
        format!("password = \"{MARKED}"),
        format!("token = {MARKED}"),
        format!("token: {MARKED}"),
        format!("RESCIND_TOKEN={MARKED}"),
        format!("[login]\npassword = '{MARKED}'\n"),
        format!("[sandbox]\nlog_in.passwrd = '{MARKED}'\n"),
        format!("[sandbox]\nlog_in.password = ['{MARKED}']\n"),
        format!("[sandbox]\ntoken = ['{MARKED}']\n"),
        format!("[sandbox]\ntoken = \"{MARKED}"),
        format!("login-sec-file = ['{MARKED}']"),
        format!("login-sec-file = {{ value = '{MARKED}' }}"),
        format!("token = 'a'\ntoken = '{MARKED}'"),
        format!("= '{MARKED}'"),
        format!("base-url = 'http://user:{MARKED}@127.0.0.1:9/v1'"),
    ] {
        site.file("secret.toml", &text);
        let file = format!("{line} --config secret.toml");
        let file = if text.starts_with("base-url") {
            format!("run {list} --config secret.toml")
        } else {
            file
        };
        searched(&site, &site.call(&file).with(2), &text);
        let config = site.call("config --config secret.toml").with(2);
        searched(&site, &config, &text);
    }
    site.is_untouched();
}

/// No connection, or none that is secure.
#[test]
fn a_connection_that_fails_does_not_show_what_it_was_to_carry() {
    let site = Site::new("");
    let list = site.list([1001]);
    let secure = site.url.replace("http://", "https://");
    for url in [
        secure.as_str(),
        "http://127.0.0.1:9/v1",
        "https://127.0.0.1:9/v1",
        "https://localhost.invalid/v1",
    ] {
        for (name, value) in sources(&site) {
            let line = site.run_line(&format!(
                "{list} -v --yes --max-attempts 1 --base-url {url}"
            ));
            let ended = call(&site, &line, &[(name, &value)]).with(6);
            searched(&site, &ended, &line);
            let plan = format!("plan --online {}", line.trim_start_matches("run "));
            let ended = call(&site, &plan, &[(name, &value)]).with(6);
            searched(&site, &ended, &plan);
        }
    }
}

/// What a panic or a log of a developer would show of a value.
#[test]
fn what_holds_a_secret_does_not_show_it_when_it_is_debugged() {
    let credentials = Arc::new(Credentials {
        name: "clerk".into(),
        password: format!("{MARKED} \"password").into(),
        app_id: "x".into(),
        app_version: "1".into(),
        cid: "1".into(),
        sec: format!("{MARKED}-sec").into(),
        device_id: None,
    });
    let token = Token::new(MARKED, "test").unwrap();
    let command =
        |name: &str| (name == "RESCIND_TOKEN_COMMAND").then(|| format!("echo {MARKED}").into());
    let command = TokenSource::from_env(command).unwrap().unwrap();
    let log_in = LogIn::new(&credentials, Some(MARKED));
    let base_url = BaseUrl::parse("http://127.0.0.1:9/v1").unwrap();
    let cache = TokenCache::new("cache".into(), &base_url, &credentials);
    let api = HttpApi::new(&HttpSettings {
        base_url,
        timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        ca_cert: None,
        user_agent: "x".into(),
    })
    .unwrap();
    api.bear(&token);
    let answer = Answer::Response(Response {
        status: 200,
        retry_after: None,
        date: None,
        body: format!("{{\"accessToken\":\"{MARKED}\"}}").into(),
        secrets: Secrets::default(),
    });
    let call = Call::LogIn(log_in.clone());
    let authorization = judge_auth(&call, &answer);
    let held: [&dyn Debug; 12] = [
        &token,
        &TokenSource::fixed(token.clone()),
        &command,
        &credentials,
        &log_in,
        &call,
        &cache,
        &api,
        &answer,
        &authorization,
        &TokenProvider::given(token.clone()),
        &TokenProvider::log_in(
            Arc::clone(&credentials),
            Some((token.clone(), Timestamp::MAX)),
        ),
    ];
    for value in held {
        for shown in [format!("{value:?}"), format!("{value:#?}")] {
            super::unmarked(shown.as_bytes(), "debugged");
        }
    }
    assert!(
        format!("{authorization:?}").contains("Granted"),
        "{authorization:?}"
    );
}
