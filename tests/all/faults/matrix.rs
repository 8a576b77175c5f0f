//! Every misbehaviour of a server or a network × every call: what an answer,
//! or its absence, is judged to mean. Everything goes over real sockets, so
//! here time is real, too: whatever waits for a time-out waits together.
//!
//! The table in `tests/faults.md` is made from the rows that are tested here.

mod authority;
mod column;
mod ends;
mod expect;
mod page;
mod proxies;
mod row;
mod rows;

use std::{
    future::pending,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use authority::Authority;
use column::{COLUMNS, Column, GRANTED, Judged, KEY, PASSWORD};
use rescind::api::{Answer, Api, BaseUrl, HttpApi, HttpSettings, Token};
use row::{Again, Host, Row, Section};
use rows::sections;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UnixStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

use crate::support::scripted_server::{self as wire, Greeting, Server, Step, runtime};

/// Whatever is said of an answer, this is never a part of it.
const SECRET: &str = "s3cret-t0ken-of-the-faults";

/// The time-out of a call that is not expected to reach it.
const LONG: Duration = Duration::from_mins(1);

/// The time-out of a call that is; all of them wait together. Long enough for
/// a request to arrive where others use the machine, too.
const SHORT: Duration = Duration::from_secs(8);

/// More than a client takes of an answer that is too large, with all that is
/// under way in the system's buffers.
const TAKEN: u64 = 64 << 20;

/// So many calls at once: the big answers take memory on both sides.
const AT_ONCE: usize = 32;

/// A name that no resolver asks anybody for: its first label is too long.
fn nameless() -> String {
    format!("{}.invalid", "n".repeat(70))
}

/// Runs a part of a test in a process of its own that knows of no proxy.
fn without_proxies(test: &str, part: impl FnOnce()) {
    const MARK: &str = "RESCIND_TEST_WITHOUT_PROXIES";
    if std::env::var_os(MARK).is_some() {
        return part();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact"]).env(MARK, "1");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("1 passed"), "{printed}");
}

/// Somebody to be called, and what keeps them there.
struct Called {
    url: String,
    server: Option<Server>,
    _socket: Option<TcpSocket>,
    _crowd: Vec<JoinHandle<()>>,
}

impl Called {
    fn at(url: String) -> Self {
        Self {
            url,
            server: None,
            _socket: None,
            _crowd: Vec::new(),
        }
    }

    async fn new(
        host: &Host,
        answer: impl Fn(&wire::Heard) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listen =
            async |greeting: &Greeting| Server::listen(greeting.clone(), Arc::new(answer)).await;
        match host {
            Host::Nobody => {
                // Taken, so that nobody else listens there.
                let socket = bound();
                let address = socket.local_addr().unwrap();
                Self {
                    _socket: Some(socket),
                    ..Self::at(format!("http://{address}/v1"))
                }
            }
            Host::Nameless => Self::at(format!("https://{}/v1", nameless())),
            Host::Busy => {
                let (address, crowd) = busy().await;
                Self {
                    _crowd: crowd,
                    ..Self::at(format!("http://{address}/v1"))
                }
            }
            Host::Server(greeting) => {
                let server = listen(greeting).await;
                let scheme = match greeting {
                    Greeting::Tls(_) => "https",
                    _ => "http",
                };
                let url = format!("{scheme}://{}/v1", server.address);
                Self {
                    server: Some(server),
                    ..Self::at(url)
                }
            }
            Host::Secure(greeting) => {
                let server = listen(greeting).await;
                let url = format!("https://{}/v1", server.address);
                Self {
                    server: Some(server),
                    ..Self::at(url)
                }
            }
        }
    }
}

fn bound() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// A port whose queue of connections is full: the system drops whoever comes
/// on top of that.
async fn busy() -> (SocketAddr, Vec<JoinHandle<()>>) {
    let listener = bound().listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut crowd = vec![tokio::spawn(async move {
        let _listener = listener;
        pending::<()>().await;
    })];
    loop {
        let come = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        let Ok(connected) = come.await else {
            return (address, crowd);
        };
        let stream = connected.unwrap();
        crowd.push(tokio::spawn(async move {
            let _stream = stream;
            pending::<()>().await;
        }));
    }
}

/// A client with these time-outs, of a call and of its connection.
fn client(url: &str, (timeout, connect_timeout): (Duration, Duration), ca_cert: &Path) -> HttpApi {
    let base_url = BaseUrl::parse(url).unwrap();
    let settings = HttpSettings {
        timeout,
        connect_timeout,
        // The host's own certificates take their time, too.
        ca_cert: base_url.is_https().then(|| ca_cert.to_owned()),
        base_url,
        user_agent: "rescind/test".to_owned(),
    };
    let api = HttpApi::new(&settings).unwrap();
    api.bear(&Token::new(SECRET, "test").unwrap());
    api
}

/// Makes the call of a cell, once for each way to bring its fault about, and
/// tells what is wrong with what came of it.
async fn cell(row: Arc<Row>, way: usize, column: Column, ca_cert: PathBuf) -> Option<String> {
    let (host, script) = row.ways[way].clone();
    let called = Called::new(&host, move |heard| script(column, heard)).await;
    // Of the two only one is to be reached, however slow the machine is.
    let timeouts = match row.hurried {
        true if row.expect.of(column).contains("`connect`") => (LONG, SHORT / 2),
        true => (SHORT, SHORT),
        false => (LONG, LONG / 2),
    };
    let api = client(&called.url, timeouts, &ca_cert);
    let mut calls = 1;
    if row.again != Again::No {
        calls = 2;
        let first = api.call(&column.call()).await;
        if first.status() != Some(200) {
            return Some(format!("the first call: {first:?}"));
        }
        called.server.iter().for_each(Server::answer_was_read);
    }
    if row.again == Again::WhenOver {
        let server = called.server.as_ref().unwrap();
        let ended = async {
            while server.ended() == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(LONG, ended).await.is_err() {
            return Some("the first connection never ended".to_owned());
        }
        caught_up().await;
    }
    let answer = api.call(&column.call()).await;
    called.server.iter().for_each(Server::answer_was_read);
    let Judged { mut words, message } = column.judged(&answer);
    let expected = row.expect.of(column);
    if let (true, Some(status)) = (expected.contains('#'), answer.status()) {
        words = words.replace(&status.to_string(), "#");
    }
    if expected.split(", or ").all(|other| other != words) {
        return Some(format!(
            "{words}, and not {expected}: {answer:?}, {message}"
        ));
    }
    let told = gives_away(&answer, &message);
    let complaint = told.then(|| format!("gives something away: {answer:?}, {message}"));
    complaint.or_else(|| {
        called
            .server
            .and_then(|server| unlike(&server, calls, &words, column))
    })
}

/// Lets the tasks of this thread's runtime see what has happened to their
/// sockets so far: the system reports it no later than what happens now.
async fn caught_up() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    here.write_all(b"now").await.unwrap();
    there.read_exact(&mut [0; 3]).await.unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Makes the call of a cell on a thread of its own, whose tasks take turns.
async fn cell_alone(row: Arc<Row>, way: usize, column: Column, ca_cert: PathBuf) -> Option<String> {
    let alone = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(cell(row, way, column, ca_cert))
    };
    tokio::task::spawn_blocking(alone).await.unwrap()
}

/// What is wrong with what a server saw of so many calls.
fn unlike(server: &Server, calls: usize, judged: &str, column: Column) -> Option<String> {
    let heard = server.heard();
    let lost_early = server.sent() == 0 && judged.contains("reset");
    let exactly = if judged.starts_with("not sent")
        || judged.contains("`connect`")
        || judged.contains("`tls`")
    {
        0
    } else {
        calls
    };
    if heard.len() != exactly && !(lost_early && heard.is_empty()) {
        return Some(format!(
            "{} requests were heard, not {exactly}",
            heard.len()
        ));
    }
    if let Some(other) = heard
        .iter()
        .find(|heard| !heard.head.starts_with(column.request()))
    {
        return Some(format!("an odd request: {other:?}"));
    }
    let sent = server.sent();
    (sent > TAKEN).then(|| format!("{sent} bytes were taken"))
}

/// Whether what is recorded of an answer holds a secret or an address.
fn gives_away(answer: &Answer, message: &str) -> bool {
    let detail = match answer {
        Answer::Response(_) => "",
        Answer::NotSent(failure) | Answer::NoAnswer(failure) => &failure.detail,
    };
    let secrets = [SECRET, PASSWORD, KEY, GRANTED];
    let said = [message, detail];
    let told = |secret| said.iter().any(|said: &&str| said.contains(secret));
    secrets.into_iter().any(told) || detail.contains("://")
}

/// Goes through all cells; tells what is wrong.
async fn wrong_cells(sections: Vec<Section>, ca_cert: &Path) -> Vec<String> {
    let mut rows: Vec<_> = sections
        .into_iter()
        .flat_map(|section| section.rows.into_iter().map(Arc::new))
        .collect();
    // Who waits for a time-out does so while the others work.
    rows.sort_by_key(|row| !row.hurried);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for row in rows {
        for (way, column) in (0..row.ways.len()).flat_map(|way| COLUMNS.map(|column| (way, column)))
        {
            let (row, room, ca_cert) = (Arc::clone(&row), Arc::clone(&room), ca_cert.to_owned());
            tasks.spawn(async move {
                // What waits takes up no room.
                let _room = if row.hurried {
                    None
                } else {
                    Some(room.acquire_owned().await)
                };
                let name = row.name.clone();
                let wrong = match row.again {
                    Again::WhenOver => cell_alone(row, way, column, ca_cert).await,
                    Again::No | Again::AtOnce => cell(row, way, column, ca_cert).await,
                };
                wrong.map(|wrong| format!("{name}, way {way}, {}: {wrong:.300}", column.title()))
            });
        }
    }
    let cells = tasks.join_all().await;
    assert!(cells.len() > 1000, "{}", cells.len());
    cells.into_iter().flatten().collect()
}

#[test]
fn every_misbehaviour_means_for_every_call_what_the_table_says() {
    let test = "faults::matrix::every_misbehaviour_means_for_every_call_what_the_table_says";
    without_proxies(test, || {
        let elsewhere = Server::plain(|_| Vec::new());
        let folder = tempfile::tempdir().unwrap();
        let ca_cert = folder.path().join("ca.pem");
        std::fs::write(&ca_cert, Authority::trusted().pem()).unwrap();
        let wrong = runtime().block_on(wrong_cells(sections(elsewhere.address), &ca_cert));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    });
}

#[test]
fn the_table_of_faults_is_the_one_that_is_tested() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    page::is_up_to_date("calls", &page::table(&sections(nowhere)));
}

/// However fast the second call follows: what is left over of the first
/// answer is never taken for an answer to it.
#[test]
fn a_leftover_is_never_taken_for_the_next_answer() {
    let server = Server::plain(|heard| {
        let good = wire::http("200 OK", "", Column::Revoke.good());
        let bad = wire::http("200 OK", "", Column::Revoke.bad());
        vec![wire::send(if heard.number % 2 == 0 {
            [good.clone(), good].concat()
        } else {
            bad
        })]
    });
    let folder = tempfile::tempdir().unwrap();
    let ca_cert = folder.path().join("ca.pem");
    std::fs::write(&ca_cert, Authority::trusted().pem()).unwrap();
    runtime().block_on(async {
        let api = client(
            &format!("http://{}/v1", server.address),
            (LONG, LONG / 2),
            &ca_cert,
        );
        let mut judged = Vec::new();
        for _ in 0..300 {
            let answer = api.call(&Column::Revoke.call()).await;
            judged.push(Column::Revoke.judged(&answer).words);
        }
        for pair in judged.chunks(2) {
            assert_eq!(pair, ["accepted", "refused: `refused`"]);
        }
    });
}
