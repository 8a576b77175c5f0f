//! The door on a loopback address: real sockets, real time, short waits.

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::sandbox::{Fault, Kind, SandboxError, base_url, bind, serve};

const LONG: Duration = Duration::from_mins(2);

struct Server {
    address: std::net::SocketAddr,
    world: World,
    task: tokio::task::JoinHandle<Result<(), SandboxError>>,
    shutdown: DropGuard,
}

async fn start(rules: Rules) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = world(rules);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, world.clone(), shutdown.clone()));
    let shutdown = shutdown.drop_guard();
    Server {
        address,
        world,
        task,
        shutdown,
    }
}

fn revocation(numbers: impl IntoIterator<Item = i64>) -> String {
    let body = revoke_body(&ids(numbers), None);
    let body = String::from_utf8(body.to_vec()).unwrap();
    format!(
        "POST {REVOKE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn read_of(numbers: &str) -> String {
    format!(
        "GET /v1/tradingPermission/items?ids={numbers} HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer sandbox\r\n\r\n"
    )
}

/// Reads one response: its status, what its head says of its length, its body.
async fn response(stream: &mut TcpStream) -> std::io::Result<(u16, usize, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length = length.unwrap().parse().unwrap();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            break;
        }
    }
    Ok((status.parse().unwrap(), length, body))
}

async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<(u16, usize, Vec<u8>)> {
    stream.write_all(text.as_bytes()).await?;
    timeout(LONG, response(stream)).await.unwrap()
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = start(Rules::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for n in 1..=50 {
        let (status, _, body) = ask(&mut stream, &revocation([n])).await.unwrap();
        assert!(got(status, &body).ok());
    }
    let (status, _, body) = ask(&mut stream, &read_of("50,51")).await.unwrap();
    let shown = got(status, &body).shown();
    assert_eq!(shown[0], (50, "Revoked".to_owned()));
    assert_eq!(shown[1], (51, "Accepted".to_owned()));
    let truth = server.world.truth();
    assert_eq!(truth.revoked.len(), 50);
    assert_eq!(truth.mistakes, []);
}

#[tokio::test]
async fn a_wrong_request_is_an_error_here_too() {
    let server = start(Rules::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for (text, status) in [
        (
            "GET /v1/nowhere HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
            404,
        ),
        (
            revocation([1]).replace("application/json", "text/json"),
            415,
        ),
        (revocation([1]).replace("POST", "PATCH"), 405),
        (
            revocation([1]).replace("Bearer sandbox", "Bearer nonsense"),
            401,
        ),
        (read_of("1,1"), 400),
    ] {
        let (actual, _, _) = ask(&mut stream, &text).await.unwrap();
        assert_eq!(actual, status, "{text}");
    }
    assert_eq!(server.world.truth().mistakes.len(), 5);
    assert!(server.world.truth().revoked.is_empty());
}

#[tokio::test]
async fn answers_with_a_status_arrive_as_they_are() {
    let server = start(Rules::default()).await;
    let faults = [
        (Fault::ServerErrorBefore, 500),
        (Fault::ServerErrorAfter, 500),
        (Fault::Status(502), 502),
        (Fault::Status(503), 503),
        (Fault::NotJson, 200),
        (Fault::Lie, 200),
        (Fault::Penalty, 200),
    ];
    server
        .world
        .script(Kind::Revoke, faults.map(|(fault, _)| fault));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for (n, (fault, status)) in (1..).zip(faults) {
        let (actual, length, body) = ask(&mut stream, &revocation([n])).await.unwrap();
        assert_eq!(actual, status, "{fault}");
        assert_eq!(length, body.len(), "{fault}");
        assert_eq!(
            server.world.truth().revoked.contains_key(&id(n)),
            fault.executes(),
            "{fault}"
        );
    }
    // The connection outlives them all; a lockout answers with no body.
    server.world.script(Kind::Items, [Fault::Status(429)]);
    let answer = ask(&mut stream, &read_of("1")).await.unwrap();
    assert_eq!(answer, (429, 0, Vec::new()));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    for (fault, executed) in [(Fault::ResetBefore, false), (Fault::ResetAfter, true)] {
        let server = start(Rules::default()).await;
        server.world.script(Kind::Revoke, [fault]);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let error = ask(&mut stream, &revocation([1])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{fault}");
        assert_eq!(server.world.truth().revoked.len(), usize::from(executed));
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        assert!(ask(&mut stream, &revocation([2])).await.is_ok());
    }
}

#[tokio::test]
async fn a_truncated_answer_ends_before_its_length() {
    let server = start(Rules::default()).await;
    server.world.script(Kind::Items, [Fault::Truncated]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (status, length, body) = ask(&mut stream, &read_of("1,2,3")).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(body.len(), length / 2);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_hang_is_silent_and_holds_nobody_else_up() {
    let server = start(rules("faults.late_by = '10ms'")).await;
    server
        .world
        .script(Kind::Revoke, [Fault::Hang, Fault::Late]);
    let mut hung = Vec::new();
    for n in [1, 2] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let asked = revocation([n]);
        stream.write_all(asked.as_bytes()).await.unwrap();
        let silence = timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        assert!(silence.is_err());
        hung.push(stream);
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (status, _, body) = ask(&mut stream, &read_of("1,2")).await.unwrap();
    let shown = got(status, &body).shown();
    assert_eq!(shown[0].1, "Accepted");
    assert_eq!(shown[1].1, "Revoked");
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused() {
    let server = start(Rules::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let text = revocation([1]).replace("content-length: 28", "content-length: 99999999");
    let (status, _, _) = ask(&mut stream, &text).await.unwrap();
    assert_eq!(status, 413);
}

#[tokio::test]
async fn the_sandbox_is_served_on_this_machine_only() {
    let error = bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, SandboxError::NotLoopback(_)), "{error}");
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let shutdown = CancellationToken::new();
    let served = serve(listener, world(Rules::default()), shutdown).await;
    assert!(matches!(served, Err(SandboxError::NotLoopback(_))));
    let listener = bind("[::1]:0".parse().unwrap()).await;
    if let Ok(listener) = listener {
        let url = base_url(listener.local_addr().unwrap());
        assert!(url.starts_with("http://[::1]:"), "{url}");
        assert!(url.ends_with("/v1"), "{url}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_the_server_whatever_hangs() {
    let server = start(Rules::default()).await;
    server.world.script(Kind::Revoke, [Fault::Hang]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(revocation([1]).as_bytes()).await.unwrap();
    while server.world.truth().calls.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(server.shutdown);
    timeout(LONG, server.task).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
