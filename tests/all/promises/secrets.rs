//! Promise 7: no token, password or API secret is in any file, output or
//! message, whatever goes wrong.

mod echo_server;
mod everywhere;
mod outside;

use std::{fs, path::Path};

use crate::support::process::{Ended, Running, Site};

/// What nobody may read anywhere. Other secrets begin as it does.
const MARK: &str = "mArKeD";
const MARKED: &str = "mArKeD-s3cr3t-7f3a";

/// Searches what was said, and every file below the site's folder but those
/// that the test itself wrote.
fn searched(site: &Site, ended: &Ended, what: &str) {
    unmarked(ended.out.as_bytes(), what);
    unmarked(ended.err.as_bytes(), what);
    let own = [
        "rules.toml",
        "token",
        "password",
        "secret.toml",
        "list.csv",
        "world",
    ];
    for entry in fs::read_dir(site.home()).unwrap() {
        let path = entry.unwrap().path();
        if !own.contains(&path.file_name().unwrap().to_str().unwrap()) {
            search(&path, what);
        }
    }
}

fn search(path: &Path, what: &str) {
    if path.is_symlink() {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            search(&entry.unwrap().path(), what);
        }
        return;
    }
    let name = path.display().to_string();
    unmarked(name.as_bytes(), what);
    unmarked(&fs::read(path).unwrap(), &format!("{what}: in {name}"));
}

/// What a secret may look like that was written otherwise: as it is, in
/// another case, as hexadecimal digits, percent-encoded, in UTF-16, or in
/// Base64, where it may begin at any of three places.
fn forms() -> Vec<Vec<u8>> {
    let hex = |before: &str| -> String {
        let digits = MARK.bytes().map(|byte| format!("{before}{byte:02x}"));
        digits.collect()
    };
    let other = format!("{MARK}-");
    vec![
        MARK.into(),
        other.to_lowercase().into(),
        other.to_uppercase().into(),
        hex("").into(),
        hex("").to_uppercase().into(),
        hex("%").into(),
        hex("%").to_uppercase().into(),
        MARK.bytes().flat_map(|byte| [byte, 0]).collect(),
        // base64 of MARK after none, one and two bytes, less what its
        // neighbours have a part in.
        b"bUFyS2VE".to_vec(),
        b"1BcktlR".to_vec(),
        b"tQXJLZU".to_vec(),
    ]
}

/// Asserts that no secret is in it, in whatever form.
fn unmarked(bytes: &[u8], what: &str) {
    for form in forms() {
        let found = memchr::memmem::find(bytes, &form);
        assert!(
            found.is_none(),
            "{what}: {}\n{}",
            String::from_utf8_lossy(&form),
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_secret_is_found_in_each_form_it_may_be_written_in() {
    for text in [
        "x mArKeD-y",
        "http://marked-s3cr3t/",
        "6d41724b6544",
        "%6D%41%72%4B%65%44",
        // echo -n 'mArKeD-s3cr3t' | base64, with none, one and two bytes before
        "bUFyS2VELXMzY3IzdA==",
        "eG1BcktlRC1zM2NyM3Q=",
        "eHhtQXJLZUQtczNjcjN0",
    ] {
        let found = std::panic::catch_unwind(|| unmarked(text.as_bytes(), text));
        assert!(found.is_err(), "{text}");
    }
    unmarked(b"marked, and Marked", "words");
}

fn sources(site: &Site) -> [(&'static str, String); 3] {
    site.file("token", format!("{MARKED}\n"));
    [
        ("RESCIND_TOKEN", MARKED.to_owned()),
        ("RESCIND_TOKEN_FILE", "token".to_owned()),
        ("RESCIND_TOKEN_COMMAND", "cat token".to_owned()),
    ]
}

fn call(site: &Site, line: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = site.command(line);
    command.env_remove("RESCIND_TOKEN");
    for (name, value) in variables {
        command.env(name, value);
    }
    Running::start(&mut command).end()
}

#[test]
fn a_working_token_is_nowhere_to_be_found_whatever_happens() {
    let site = Site::new(&format!(
        "token = '{MARKED}'\npenalty = '1s'\n\
         faults.script = {{ revoke = ['none', '503', 'reset_after', 'truncated', 'not_json', 'penalty', '400', '403'], \
         items = ['none', '500'] }}"
    ));
    let list = site.list((1001..1041).chain([10403, 10404]));
    for (name, value) in sources(&site) {
        let line = site.run_line(&format!("{list} --batch-size 4 -v"));
        let ended = call(&site, &line, &[(name, &value)]);
        assert!(
            matches!(ended.code, Some(0 | 3)),
            "{}\n{}",
            ended.out,
            ended.err
        );
        searched(&site, &ended, name);
        for line in [
            "report",
            "report --format json",
            "report --format csv",
            "runs",
        ] {
            searched(&site, &call(&site, line, &[(name, &value)]), line);
        }
        let line = format!("config --base-url {}", site.url);
        let ended = call(&site, &line, &[(name, &value)]).with(0);
        assert!(ended.out.contains(name), "{}", ended.out);
        searched(&site, &ended, "config");
        assert!(!ended.out.contains(MARKED));
    }
    assert_eq!(site.runs().len(), 3);
}

#[test]
fn a_token_refused_or_undelivered_is_nowhere_to_be_found() {
    for at in 0..3 {
        let site = Site::new("");
        let list = site.list(1001..1041);
        let (name, value) = &sources(&site)[at];
        let line = site.run_line(&format!("{list} -v"));
        let ended = call(&site, &line, &[(name, value)]).with(8);
        searched(&site, &ended, name);
        let ended = call(&site, "resume latest -v", &[(name, value)]).with(8);
        searched(&site, &ended, name);
        // Nobody listens there.
        let line = format!("{line} --base-url http://127.0.0.1:9/v1 --max-attempts 1");
        let ended = call(&site, &line, &[(name, value)]).with(6);
        searched(&site, &ended, name);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_unrepeated() {
    let site = Site::new("");
    let list = site.list([1001]);
    site.file("token", format!("{MARKED}\nand more\n"));
    site.file("secret.toml", format!("token = '{MARKED}'\n"));
    let line = site.run_line(&list);
    let twice = format!("{MARKED}\n{MARKED}");
    let failing = format!("sh -c 'echo {MARKED}; echo {MARKED} >&2; exit 1'");
    let user = line.replace("http://", &format!("http://{MARKED}@"));
    let query = format!("{line} --base-url {}?token={MARKED}", site.url);
    for (line, variables) in [
        (line.clone(), vec![("RESCIND_TOKEN", twice.as_str())]),
        (
            line.clone(),
            vec![("RESCIND_TOKEN_COMMAND", failing.as_str())],
        ),
        (
            line.clone(),
            vec![("RESCIND_TOKEN_FILE", "absent"), ("RESCIND_TOKEN", MARKED)],
        ),
        (line.clone(), vec![("RESCIND_TOKN", MARKED)]),
        (line.clone(), vec![("RESCIND_LOGIN_PASSWRD", MARKED)]),
        (line.clone(), vec![("RESCIND_LOGIN_PASSWORD", MARKED)]),
        (line.clone(), vec![("RESCIND_LOGIN_SEC", MARKED)]),
        (
            line.clone(),
            vec![("RESCIND_LOGIN_SEC", MARKED), ("RESCIND_TOKEN", MARKED)],
        ),
        (format!("{line} --login-password {MARKED}"), vec![]),
        (format!("{line} --login-sec={MARKED}"), vec![]),
        (format!("{line} --token {MARKED}"), vec![]),
        (format!("{line} --token={MARKED}"), vec![]),
        (format!("{line} --config secret.toml"), vec![]),
        (user, vec![("RESCIND_TOKEN", "sandbox")]),
        (query, vec![("RESCIND_TOKEN", "sandbox")]),
    ] {
        let ended = call(&site, &line, &variables).with(2);
        searched(&site, &ended, &format!("{line} {variables:?}"));
        site.is_untouched();
    }
}

/// A log-in that works, and one that is refused by everybody.
#[test]
fn what_a_log_in_sends_and_gets_is_nowhere_to_be_found() {
    let site = Site::new(&format!(
        "token = ''\npenalty = '1s'\nsessions = 1\n\
         log_in = {{ name = 'clerk', password = '{MARKED}-password', sec = '{MARKED}-sec' }}\n\
         faults.script = {{ log_in = ['penalty', '503', 'reset_before', 'truncated'], \
         revoke = ['none', '401', '503', 'penalty'], renew = ['500', '401'] }}"
    ));
    let list = site.list(1001..1021);
    let who = "--login-name clerk --login-cid 1 --login-app-id x --login-app-version 1 -v";
    let (password, sec) = (format!("{MARKED}-password"), format!("{MARKED}-sec"));
    let both = |password: &str| {
        let variables = [("RESCIND_LOGIN_PASSWORD", password.to_owned())];
        [variables, [("RESCIND_LOGIN_SEC", sec.clone())]].concat()
    };
    let call = |line: &str, password: &str| {
        let variables = both(password);
        let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
        call(&site, line, &variables)
    };
    let issued = |text: &str| {
        // What the sandbox issues begins so, and nothing else may.
        assert!(!text.contains("sandbox-"), "{text}");
    };
    let line = site.run_line(&format!("{list} {who} --batch-size 4 --login-limit 20/h"));
    for (line, password, code) in [
        (line.as_str(), password.as_str(), 0),
        (line.as_str(), &format!("{MARKED}-wrong"), 8),
        (
            &format!("{line} --base-url http://127.0.0.1:9/v1"),
            &password,
            6,
        ),
    ] {
        let ended = call(line, password).with(code);
        searched(&site, &ended, line);
        issued(&ended.out);
        issued(&ended.err);
    }
    for run in site.runs() {
        for entry in fs::read_dir(run).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            issued(&String::from_utf8_lossy(&bytes));
        }
    }
    let config = format!("config --base-url {} {who}", site.url);
    let ended = call(&config, &password).with(0);
    assert!(ended.out.contains("RESCIND_LOGIN_SEC"), "{}", ended.out);
    searched(&site, &ended, "config");
}
