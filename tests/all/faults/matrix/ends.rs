//! The built binary meets a misbehaving server: in what states its IDs end,
//! how it ends itself, and what it says.
//!
//! Thirty IDs in three batches, one call at a time: a read, the first batch,
//! a read; the second batch, the third, and a read of both.

use std::{fs, path::Path, process::Command, sync::Arc, thread};

use rescind::journal::State;

use super::{
    authority::{Authority, Flaw},
    page,
    rows::{body, form},
};
use crate::support::scratch;
use crate::{
    support::fault_server::{Fault, Kind, Puppet},
    support::process::{Running, adds_up, rescind, summary, table},
    support::scripted_server::{Greeting, Server, Step, head, http, send},
};

const TOKEN: &str = "t0ken-of-the-ends";

/// A quarter of a gigabyte is all the memory there is: whatever comes, no
/// more of it is kept than that.
const LIMITED: &str = "ulimit -d 262144 && exec \"$@\"";

/// So many processes at once.
const AT_ONCE: usize = 6;

/// One way to end.
struct End {
    /// What goes wrong, and when.
    name: &'static str,
    greeting: Greeting,
    fault: Fault,
    /// Options besides the usual ones.
    options: &'static str,
    /// The states of the IDs.
    ids: &'static str,
    code: i32,
    /// What a person is told, among other things.
    says: &'static str,
}

fn end(
    name: &'static str,
    befalls: fn(Kind, usize) -> bool,
    steps: impl Fn() -> Vec<Step> + Send + Sync + 'static,
    ids: &'static str,
    code: i32,
    says: &'static str,
) -> End {
    End {
        name,
        greeting: Greeting::Plain,
        fault: Fault {
            befalls,
            executes: false,
            steps: Arc::new(steps),
        },
        options: "",
        ids,
        code,
        says,
    }
}

impl End {
    /// The calls that the fault befalls are executed all the same.
    fn executed(mut self) -> Self {
        self.fault.executes = true;
        self
    }

    fn with(mut self, options: &'static str) -> Self {
        self.options = options;
        self
    }

    fn greeted(mut self, greeting: Greeting) -> Self {
        self.greeting = greeting;
        self
    }
}

fn tls(name: &'static str, flaw: Flaw, says: &'static str) -> End {
    let greeting = Greeting::Tls(Authority::trusted().acceptor(flaw));
    end(name, |_, _| false, Vec::new, "30 pending", 6, says).greeted(greeting)
}

fn html() -> Vec<Step> {
    let html = "<!doctype html><title>Just a moment</title><p>Please wait.</p>";
    vec![send(http("200 OK", "content-type: text/html\r\n", html))]
}

fn status(line: &'static str) -> impl Fn() -> Vec<Step> {
    move || vec![send(http(line, "", ""))]
}

/// A redirect to another host.
fn redirect(elsewhere: &str) -> Vec<Step> {
    let away = format!("location: http://{elsewhere}/v1/x\r\n");
    vec![send(http("307 Temporary Redirect", &away, "moved"))]
}

fn ends(elsewhere: &str) -> Vec<End> {
    [
        from_the_start(elsewhere),
        second_batch(elsewhere),
        last_read(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Something is wrong with every call.
fn from_the_start(elsewhere: &str) -> Vec<End> {
    let unread = "could not be read, so nothing was sent";
    let every = |name, steps: Box<dyn Fn() -> Vec<Step> + Send + Sync>, says| {
        end(name, |_, _| true, steps, "30 pending", 6, says)
    };
    let good = Greeting::Tls(Authority::trusted().acceptor(Flaw::Nothing));
    let elsewhere = elsewhere.to_owned();
    vec![
        tls(
            "the certificate has expired",
            Flaw::Expired,
            "certificate has expired",
        ),
        tls(
            "the certificate is for another host",
            Flaw::OtherHost,
            "is for another host",
        ),
        tls(
            "an unknown authority",
            Flaw::UnknownAuthority,
            "--ca-cert FILE adds one",
        ),
        end(
            "TLS, and everything in order",
            |_, _| false,
            Vec::new,
            "30 revoked",
            0,
            "DONE",
        )
        .greeted(good),
        every(
            "every connection is reset",
            Box::new(|| vec![Step::Reset]),
            unread,
        ),
        every(
            "every call hangs",
            Box::new(|| vec![Step::Hang]),
            "no complete answer within the time-out",
        )
        .with("--timeout 3s"),
        every(
            "every answer is a gigabyte",
            Box::new(form::gigabyte),
            "longer than 16 MiB",
        ),
        every(
            "every answer is a gigabyte in gzip",
            Box::new(form::gigabyte_in_gzip),
            "longer than 16 MiB",
        ),
        every("every answer is a page of HTML", Box::new(html), unread),
        every(
            "every answer is nested too deep",
            Box::new(|| vec![send(http("200 OK", "", body::nested()))]),
            unread,
        ),
        every(
            "every call is redirected to another host",
            Box::new(move || redirect(&elsewhere)),
            "http_307",
        ),
    ]
}

/// Something is wrong with the second revocation, and maybe with those after
/// it.
fn second_batch(elsewhere: &str) -> Vec<End> {
    let once = |name, steps: fn() -> Vec<Step>| {
        let second = |kind, number| kind == Kind::Revoke && number == 2;
        end(name, second, steps, "30 revoked", 0, "DONE")
    };
    let on = |name, steps: Box<dyn Fn() -> Vec<Step> + Send + Sync>, says| {
        let from_there_on = |kind, number| kind == Kind::Revoke && number >= 2;
        end(
            name,
            from_there_on,
            steps,
            "10 revoked + 20 exhausted",
            3,
            says,
        )
    };
    let elsewhere = elsewhere.to_owned();
    vec![
        once("2nd batch: executed, then reset", || vec![Step::Reset]).executed(),
        once("2nd batch: reset, not executed", || vec![Step::Reset]),
        once("2nd batch: executed, then cut off within the body", || {
            let head = head("200 OK", "content-length: 11\r\n");
            vec![send(head), send("{\"ok\":"), Step::Close]
        })
        .executed(),
        once("2nd batch: executed, then silence", || vec![Step::Hang])
            .executed()
            .with("--timeout 3s"),
        once("2nd batch: executed, then a gigabyte", form::gigabyte).executed(),
        once("2nd batch: executed, and another answer left over", || {
            let answer = |body| http("200 OK", "", body);
            vec![send([answer("{\"ok\":true}"), answer("[]")].concat())]
        })
        .executed(),
        on(
            "2nd batch: redirected to another host, from then on",
            Box::new(move || redirect(&elsewhere)),
            "http_307",
        ),
        on(
            "2nd batch: silence, from then on",
            Box::new(|| vec![Step::Hang]),
            "timeout",
        )
        .with("--timeout 3s"),
        on(
            "2nd batch: a page of HTML, from then on",
            Box::new(html),
            "an HTML page",
        ),
        end(
            "2nd batch: 401",
            |kind, number| kind == Kind::Revoke && number == 2,
            status("401 Unauthorized"),
            "10 revoked + 20 pending",
            8,
            "401",
        ),
        end(
            "2nd batch: 429, and whatever comes then",
            |kind, number| number > 2 || kind == Kind::Revoke && number == 2,
            status("429 Too Many Requests"),
            "10 revoked + 20 pending",
            5,
            "lockouts",
        )
        .with("--lockout-wait 50ms"),
    ]
}

/// Something is wrong with the reads after all was sent.
fn last_read() -> Vec<End> {
    let last = |name, steps: fn() -> Vec<Step>, says| {
        let third_on = |kind, number| kind == Kind::Read && number >= 3;
        end(name, third_on, steps, "10 revoked + 20 unknown", 3, says)
    };
    vec![
        last("last read: reset", || vec![Step::Reset], "read_failed"),
        last(
            "last read: 403",
            || vec![send(http("403 Forbidden", "", ""))],
            "http_403",
        ),
        last(
            "last read: an ID that nobody asked for",
            || {
                let other = "[{\"id\":7,\"status\":\"Revoked\"}]";
                vec![send(http("200 OK", "", other))]
            },
            "was not asked for",
        ),
    ]
}

/// `30 revoked`, or several of the kind.
fn states(run: &Path) -> String {
    let summary = summary(run);
    adds_up(&summary);
    let counts = State::SHOWN.into_iter().filter_map(|state| {
        let count = summary["ids"][state.word()].as_u64().unwrap();
        (count > 0).then(|| format!("{count} {state}"))
    });
    counts.collect::<Vec<_>>().join(" + ")
}

/// Runs the binary to one end, and tells what is wrong with it.
fn meet(end: End) -> Option<String> {
    let secure = matches!(end.greeting, Greeting::Tls(_));
    let name = end.name;
    let home = scratch();
    let path = |name| home.path().join(name);
    fs::write(path("ca.pem"), Authority::trusted().pem()).unwrap();
    let rows = (1001..1031).map(|id| format!("{id}\n"));
    fs::write(path("list.csv"), rows.collect::<String>()).unwrap();
    let puppet = Puppet::start(end.greeting, end.fault);
    let scheme = if secure { "https" } else { "http" };
    let line = format!(
        "run list.csv --base-url {scheme}://{}/v1 --ca-cert ca.pem --batch-size 10 --workers 1 \
         --rate unlimited --retry-initial 5ms --retry-max 20ms --max-attempts 2 --timeout 20s {}",
        puppet.server.address, end.options
    );
    let plain = rescind(home.path());
    let mut command = Command::new("sh");
    command
        .args(["-c", LIMITED, "sh"])
        .arg(plain.get_program())
        .args(line.split_whitespace())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("RESCIND_TOKEN", TOKEN)
        .current_dir(home.path());
    let ended = Running::start(&mut command).end();
    let run = home.path().join("runs/latest");
    let found = states(&run);
    let all = format!("{}\n{}", ended.err, ended.out);
    if (found.as_str(), ended.code) != (end.ids, Some(end.code)) {
        return Some(format!(
            "{name}: {found}, exit code {:?}\n{all}",
            ended.code
        ));
    }
    let plain = all.split_whitespace().collect::<Vec<_>>().join(" ");
    if !plain.contains(end.says) || plain.contains(TOKEN) {
        return Some(format!("{name}: {:?} is to be said:\n{all}", end.says));
    }
    let permissions = table(&run.join("permissions.csv"));
    let claimed = permissions.iter().filter(|row| row[2] == "revoked");
    let mut claimed = claimed.map(|row| row[0].parse::<i64>().unwrap());
    let revoked = puppet.revoked();
    if let Some(id) = claimed.find(|id| !revoked.contains(id)) {
        return Some(format!("{name}: {id} is not revoked"));
    }
    let again = puppet.posted_again();
    (!again.is_empty()).then(|| format!("{name}: posted again: {again:?}"))
}

#[test]
fn the_binary_ends_as_the_table_says_whatever_it_meets() {
    let elsewhere = Server::plain(|_| Vec::new());
    // Another name, another port.
    let mut left = ends(&format!("localhost:{}", elsewhere.address.port()));
    left.reverse();
    let left = std::sync::Mutex::new(left);
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers = [(); AT_ONCE].map(|()| {
            scope.spawn(|| {
                let mut wrong = Vec::new();
                loop {
                    let Some(end) = left.lock().unwrap().pop() else {
                        return wrong;
                    };
                    wrong.extend(meet(end));
                }
            })
        });
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
}

#[test]
fn the_table_of_ends_is_the_one_that_is_tested() {
    let rows = ends("localhost")
        .into_iter()
        .map(|end| format!("| {} | {} | {} |", end.name, end.ids, end.code));
    let head = [
        "| what goes wrong | the 30 IDs | exit code |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    let text: Vec<_> = head.into_iter().chain(rows).collect();
    page::is_up_to_date("ends", &text.join("\n"));
}
