//! Who may come in and how: a token or a log-in, whole and one of them.

use super::super::access::Access;
use super::*;

/// Everything that a log-in takes, but for the secrets.
const NAMED: [(&str, &str); 4] = [
    ("login-name", "clerk"),
    ("login-app-id", "Clean-up"),
    ("login-app-version", "1.0"),
    ("login-cid", "8"),
];

const SECRET: [(&str, &str); 2] = [
    ("RESCIND_LOGIN_PASSWORD", "hunter2 "),
    ("RESCIND_LOGIN_SEC", "hunter3"),
];

fn access(
    options: &[(&str, &str)],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Option<Access>, CliError> {
    let case = Case {
        options,
        variables,
        file,
        ..Case::default()
    };
    case.settle()?.access()
}

#[test]
fn a_log_in_is_settings_of_every_layer_and_two_secrets() {
    let case = Case {
        options: &NAMED[..1],
        variables: &[("RESCIND_LOGIN_APP_VERSION", "2.0"), SECRET[0], SECRET[1]],
        // The ID of a key is a number to some, and a text to others.
        file: Some("login-cid = 8\nlogin-app-id = \"Clean-up\"\nlogin-device-id = 'd'"),
        ..Case::default()
    };
    let Ok(Some(Access::LogIn(plan))) = case.settle().unwrap().access() else {
        panic!("no log-in");
    };
    let shown = format!("{plan:?}");
    let credentials = plan.credentials().unwrap();
    assert_eq!(credentials.name, "clerk");
    assert_eq!(credentials.app_id, "Clean-up");
    assert_eq!(credentials.app_version, "2.0");
    assert_eq!(credentials.cid, "8");
    assert_eq!(credentials.device_id.as_deref(), Some("d"));
    let secrets = [&credentials.password, &credentials.sec];
    let secrets = secrets.map(secrecy::ExposeSecret::expose_secret);
    assert_eq!(secrets, ["hunter2 ", "hunter3"]);
    let shown = format!("{shown} {credentials:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn a_log_in_that_is_not_whole_says_what_is_missing() {
    for (options, variables, given, missing) in [
        (
            &NAMED[..1],
            &[][..],
            "--login-name",
            "login-app-id, login-app-version, login-cid, RESCIND_LOGIN_PASSWORD or \
             login-password-file, RESCIND_LOGIN_SEC or login-sec-file",
        ),
        (
            &NAMED[1..],
            &SECRET[..],
            "--login-app-id, --login-app-version, --login-cid, RESCIND_LOGIN_PASSWORD, \
             RESCIND_LOGIN_SEC",
            "login-name",
        ),
        (
            &NAMED[..],
            &SECRET[..1],
            "--login-name, --login-app-id, --login-app-version, --login-cid, \
             RESCIND_LOGIN_PASSWORD",
            "RESCIND_LOGIN_SEC or login-sec-file",
        ),
        (
            &[],
            &SECRET[1..],
            "RESCIND_LOGIN_SEC",
            "login-name, login-app-id, login-app-version, login-cid, RESCIND_LOGIN_PASSWORD or \
             login-password-file",
        ),
        (
            &[("login-device-id", "d")],
            &[],
            "--login-device-id",
            "login-name, login-app-id, login-app-version, login-cid, RESCIND_LOGIN_PASSWORD or \
             login-password-file, RESCIND_LOGIN_SEC or login-sec-file",
        ),
    ] {
        let problem = access(options, variables, None).unwrap_err();
        assert_eq!(problem.code, 2);
        let message = format!("the log-in is incomplete: {given} given, but not {missing}");
        assert_eq!(problem.message, message);
        assert!(!format!("{problem:?}").contains("hunter"));
    }
}

#[test]
fn two_ways_to_come_in_are_one_too_many() {
    for token in [
        "RESCIND_TOKEN",
        "RESCIND_TOKEN_FILE",
        "RESCIND_TOKEN_COMMAND",
    ] {
        let variables = [(token, "hunter2"), SECRET[0], SECRET[1]];
        let problem = access(&NAMED, &variables, None).unwrap_err();
        let begin = format!("a token and a log-in are both given: {token} and --login-name,");
        assert!(problem.message.starts_with(&begin), "{problem:?}");
        assert!(!format!("{problem:?}").contains("hunter"));
    }
    for (key, variable) in [
        ("login-password-file", SECRET[0]),
        ("login-sec-file", SECRET[1]),
    ] {
        let file = format!("{key} = 'x'");
        let problem = access(&NAMED, &[variable], Some(&file)).unwrap_err();
        let end = format!("x.toml:1: {key} and {} exclude each other", variable.0);
        assert!(problem.message.ends_with(&end), "{problem:?}");
    }
    let problem = access(&NAMED, &[SECRET[0], ("RESCIND_LOGIN_SEC", "")], None).unwrap_err();
    assert_eq!(problem.message, "RESCIND_LOGIN_SEC is empty");
}

#[test]
fn a_token_is_kept_only_where_a_log_in_brings_it() {
    let cache = [("token-cache", "token.json")];
    for variables in [&[][..], &[("RESCIND_TOKEN", "hunter2")]] {
        let problem = access(&cache, variables, None).unwrap_err();
        assert!(
            problem.message.starts_with("--token-cache: token.json"),
            "{problem:?}"
        );
    }
    let whole = [&NAMED[..], &cache].concat();
    assert!(access(&whole, &SECRET, None).unwrap().is_some());
}

#[test]
fn a_secret_in_a_file_is_one_line() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("password");
    let read = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        let file = [("login-password-file", path.to_str().unwrap())];
        let options = [&NAMED[..], &file].concat();
        let Ok(Some(Access::LogIn(plan))) = access(&options, &SECRET[1..], None) else {
            panic!("no log-in");
        };
        plan.credentials()
    };
    for (content, password) in [
        (&b"hunter2"[..], "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 \n", " hunter2 "),
        ("hünter2\n".as_bytes(), "hünter2"),
    ] {
        let credentials = read(content).unwrap();
        let read = secrecy::ExposeSecret::expose_secret(&credentials.password);
        assert_eq!(read, password);
    }
    for content in [
        &b""[..],
        b"\n",
        b"hunter2\n\n",
        b"hunter2\nhunter3\n",
        b"h\tunter2",
        b"hunter2\xff",
    ] {
        let problem = read(content).unwrap_err();
        assert_eq!(problem.code, 2);
        assert!(
            problem.message.starts_with("login-password-file: "),
            "{problem:?}"
        );
        assert!(!format!("{problem:?}").contains("unter"), "{problem:?}");
    }
    let file = [("login-password-file", "/no/such/file")];
    let options = [&NAMED[..], &file].concat();
    let Ok(Some(Access::LogIn(plan))) = access(&options, &SECRET[1..], None) else {
        panic!("a file is not read before it is needed");
    };
    let problem = plan.credentials().unwrap_err();
    assert_eq!(
        problem.message,
        "login-password-file: cannot read the file that it names"
    );
}
