//! A real server that does what it is told, however odd.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Between two bytes of a dripping reply.
const PAUSE: Duration = Duration::from_millis(20);

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Sends these bytes and waits for the next request.
    Keep(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends these bytes and nothing more, but stays.
    Hang(Vec<u8>),
    /// Sends these bytes one by one, slowly, for ever.
    Drip(Vec<u8>),
    /// Resets the connection.
    Reset,
}

/// A server that keeps what it was sent and answers by script: the n-th
/// request gets the n-th reply.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    pub(super) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<Vec<_>>()));
        script.lock().unwrap().reverse();
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                tokio::spawn(converse(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self {
            address,
            seen,
            connections,
        }
    }

    pub(super) async fn one(reply: Reply) -> Self {
        Self::start([reply]).await
    }

    pub(super) fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|request| String::from_utf8(request.clone()).unwrap())
            .collect()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// A client that goes away ends the conversation; what it sent is kept.
async fn converse(
    mut stream: TcpStream,
    script: Arc<Mutex<Vec<Reply>>>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
) -> io::Result<()> {
    while let Some(request) = next_request(&mut stream).await? {
        seen.lock().unwrap().push(request);
        let reply = script.lock().unwrap().pop();
        match reply.expect("a request that the script does not know") {
            Reply::Keep(bytes) => stream.write_all(&bytes).await?,
            Reply::Close(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Reply::Hang(bytes) => {
                stream.write_all(&bytes).await?;
                return std::future::pending().await;
            }
            Reply::Drip(bytes) => {
                stream.write_all(&bytes).await?;
                loop {
                    tokio::time::sleep(PAUSE).await;
                    stream.write_all(b" ").await?;
                }
            }
            Reply::Reset => return stream.set_zero_linger(),
        }
    }
    Ok(())
}

async fn next_request(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    loop {
        let head = memchr::memmem::find(&request, b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
            let length = text.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            if request.len() >= head + length.unwrap_or(0) {
                return Ok(Some(request));
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
}

/// A complete HTTP response.
pub(super) fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The head of a response with so long a body.
pub(super) fn head(status: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
