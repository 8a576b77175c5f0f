//! A server that repeats all it was ever told, and every token it has issued,
//! in each form that an answer can take: nothing of that is recorded or said.

use std::fs;

use serde_json::json;

use super::{MARK, searched};
use crate::{
    support::process::{Ended, Running, Site},
    support::scripted_server::{Heard, Server, Step, http, send},
};

/// Quotes and backslashes are written otherwise in JSON.
const PASSWORD: &str = "mArKeD \\pass\" w\u{f6}rd";
const SEC: &str = "mArKeD-sec/7f3a";
const FIRST: &str = "mArKeD-token-1";
const NEXT: &str = "mArKeD-token-2";

const WHO: &str = "--login-name clerk --login-cid 8 --login-app-id x --login-app-version 1";

/// How the server puts what it repeats.
type Form = fn(&str) -> Step;

const FORMS: &[(&str, Form)] = &[
    ("401", |said| answer("401 Unauthorized", said)),
    ("403 as JSON", |said| {
        answer("403 Forbidden", &json!({ "message": said }).to_string())
    }),
    ("400 as errorText", |said| {
        answer("400 Bad Request", &json!({ "errorText": said }).to_string())
    }),
    ("404", |said| answer("404 Not Found", said)),
    ("409", |said| answer("409 Conflict", said)),
    ("422", |said| {
        let violations = json!({ "violations": [{ "constraint": said, "description": said }] });
        answer("422 Unprocessable", &violations.to_string())
    }),
    ("500", |said| answer("500 Internal Server Error", said)),
    ("502 as a page", |said| {
        answer(
            "502 Bad Gateway",
            &format!("<html><body>{said}</body></html>"),
        )
    }),
    ("503 as JSON", |said| {
        answer("503 Unavailable", &json!({ "error": said }).to_string())
    }),
    ("423", |said| answer("423 Locked", said)),
    ("429", |said| answer("429 Too Many Requests", said)),
    ("302", |said| {
        let location = said.lines().next().unwrap_or_default();
        let location = format!("location: /x?{location}\r\n");
        send(http("302 Found", &location, said))
    }),
    ("200, ok:false", |said| {
        answer(
            "200 OK",
            &json!({ "ok": false, "errorText": said }).to_string(),
        )
    }),
    ("200, contradicting itself", |said| {
        let body = json!({ "ok": true, "errorText": said, "accessToken": FIRST });
        answer("200 OK", &body.to_string())
    }),
    ("200, a penalty", |said| {
        let body = json!({ "p-ticket": said, "p-time": 0, "errorText": said });
        answer("200 OK", &body.to_string())
    }),
    ("200, a page", |said| {
        answer("200 OK", &format!("<html>{said}"))
    }),
    ("200, JSON that breaks off", |said| {
        answer("200 OK", &format!("{{\"errorText\": {said:?}"))
    }),
    ("200, a token in a wrong form", |said| {
        let body = json!({ "accessToken": format!("{FIRST} {said}") });
        answer("200 OK", &body.to_string())
    }),
    ("200, a token of a wrong type", |said| {
        answer(
            "200 OK",
            &json!({ "accessToken": [FIRST, said] }).to_string(),
        )
    }),
    ("200, not UTF-8", |said| {
        let bytes = [said.as_bytes(), b"\xff"].concat();
        send(http("200 OK", "", bytes))
    }),
    ("400, JSON that escapes every character", |said| {
        let body = format!(r#"{{"errorText":"{}"}}"#, escaped(said));
        answer("400 Bad Request", &body)
    }),
    ("200, ok:false, with another's escapes", |said| {
        let body = json!({ "ok": false, "errorText": said }).to_string();
        let body = body.replace('/', r"\/").replace('-', r"\u002D");
        answer("200 OK", &body)
    }),
    ("500, JSON within JSON", |said| {
        let within = format!(r#"{{"message":"{}"}}"#, escaped(said));
        let body = json!({ "errorText": within });
        answer("500 Internal Server Error", &body.to_string())
    }),
    ("403, as in a URL", |said| {
        let written = each(said.bytes(), |byte| format!("%{byte:02x}"));
        answer("403 Forbidden", &written)
    }),
    ("502 as a page, in entities", |said| {
        let written = each(said.chars(), |c| format!("&#x{:X};", u32::from(c)));
        answer("502 Bad Gateway", &format!("<html><body>{written}"))
    }),
    ("cut off", |said| {
        let whole = http("200 OK", "", said);
        send(&whole[..whole.len() - 1])
    }),
];

fn each<T>(pieces: impl Iterator<Item = T>, written: impl Fn(T) -> String) -> String {
    pieces.map(written).collect::<Vec<_>>().concat()
}

/// As JSON may write a text: every character by its number.
fn escaped(said: &str) -> String {
    each(said.encode_utf16(), |unit| format!("\\u{unit:04x}"))
}

fn answer(status: &str, body: &str) -> Step {
    send(http(status, "", body))
}

/// The calls that are answered by repeating.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    LogIn,
    Renew,
    Revoke,
    Read,
}

fn kind(heard: &Heard) -> Kind {
    match heard.target() {
        target if target.ends_with("/accesstokenrequest") => Kind::LogIn,
        target if target.ends_with("/renewaccesstoken") => Kind::Renew,
        target if target.ends_with("/revoketradingpermissions") => Kind::Revoke,
        _ => Kind::Read,
    }
}

/// Serves a list of one ID and repeats itself to one kind of call. Where that
/// is a renewal, the first revocation is refused, so that there is one.
fn serve(befallen: Kind, form: Form) -> Server {
    let told = std::sync::Mutex::new(String::new());
    Server::plain(move |heard| {
        let body = String::from_utf8_lossy(&heard.body);
        let said = {
            let mut told = told.lock().unwrap();
            *told = format!("{}\n{body}\n{told}", heard.head);
            if kind(heard) != befallen {
                // Issued with the first log-in or renewal that is answered.
                let issued = [FIRST, NEXT];
                *told = format!("{} {told}", issued.join(" "));
            }
            told.clone()
        };
        let kind = kind(heard);
        if kind == befallen {
            // Only some forms end the conversation.
            return vec![form(&said), Step::Close];
        }
        let body = match kind {
            Kind::LogIn => json!({ "accessToken": FIRST, "mdAccessToken": NEXT,
                                   "expirationTime": "2099-01-01T00:00:00Z" }),
            Kind::Renew => json!({ "accessToken": NEXT, "mdAccessToken": FIRST }),
            Kind::Revoke if befallen == Kind::Renew => {
                return vec![answer("401 Unauthorized", &said), Step::Close];
            }
            Kind::Revoke => json!({ "ok": true }),
            Kind::Read => json!([{ "id": 1001, "status": "Accepted" }]),
        };
        vec![answer("200 OK", &body.to_string()), Step::Close]
    })
}

/// Runs a list of one ID.
fn run(site: &Site, url: &str, verbose: bool) -> Ended {
    let log = if verbose { "-v --log-format json" } else { "" };
    let line = site.run_line(&format!(
        "list.csv {WHO} --base-url {url} --lockout-wait 1ms --penalty-margin 1ms \
         --max-attempts 3 --login-limit 100/h --renewal-limit 100/h --timeout 2s {log}"
    ));
    let mut command = site.command(&line);
    command
        .env_remove("RESCIND_TOKEN")
        .env("RESCIND_LOGIN_PASSWORD", PASSWORD)
        .env("RESCIND_LOGIN_SEC", SEC);
    Running::start(&mut command).end()
}

fn repeats(befallen: Kind) {
    let site = Site::new("");
    site.list([1001]);
    for (number, (name, form)) in FORMS.iter().enumerate() {
        let server = serve(befallen, *form);
        let url = format!("http://{}/v1", server.address);
        let ended = run(&site, &url, number % 2 == 0);
        let what = format!("{befallen:?}: {name}");
        let code = ended.code.unwrap_or_default();
        // Whatever it comes to, it is no success and no panic.
        assert!((3..=9).contains(&code), "{what}: {code}\n{}", ended.err);
        let heard = server.heard();
        assert!(
            heard.iter().any(|heard| kind(heard) == befallen),
            "{what}: never asked"
        );
        let log_in = heard
            .iter()
            .find(|heard| kind(heard) == Kind::LogIn)
            .unwrap();
        assert!(String::from_utf8_lossy(&log_in.body).contains(MARK));
        searched(&site, &ended, &what);
        let report = site.call("report --format json");
        searched(&site, &report, &what);
        fs::remove_dir_all(site.runs_dir()).unwrap();
    }
}

#[test]
fn a_log_in_that_is_echoed_leaves_no_secret() {
    repeats(Kind::LogIn);
}

#[test]
fn a_renewal_that_is_echoed_leaves_no_secret() {
    repeats(Kind::Renew);
}

#[test]
fn a_revocation_or_read_that_is_echoed_leaves_no_secret() {
    repeats(Kind::Revoke);
    repeats(Kind::Read);
}
