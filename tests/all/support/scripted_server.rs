//! A server on a real socket that does what it is told, byte by byte, and
//! keeps what it heard.
//!
//! Whoever answers is told each request and says what is to be done on the
//! connection, step by step. Servers live on a runtime of their own, so that
//! a test may block or await as it likes.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

/// Between two bytes of something that drips.
const DRIP: Duration = Duration::from_millis(20);

/// What to do on a connection. After the last step the connection is kept,
/// and the next request is waited for.
#[derive(Clone)]
pub(crate) enum Step {
    /// Hears what the client says.
    Hear,
    /// Sends these bytes.
    Send(Bytes),
    /// Sends this piece so often, or until the client is gone.
    Flood(Bytes, usize),
    /// Sends these bytes slowly, one by one, again and again.
    Drip(&'static [u8]),
    /// Waits for a moment.
    Pause(Duration),
    /// Sends nothing more, and stays.
    Hang,
    /// Closes in good order.
    Close,
    /// Closes without the farewell that TLS knows.
    Cut,
    /// Waits until the test says that the first answer has been read:
    /// [`Server::answer_was_read`]. A reset may overtake what was sent before.
    UntilRead,
    /// Resets the connection.
    Reset,
    /// Hands everything on to this address, both ways, to the end.
    Tunnel(SocketAddr),
}

/// Sends these bytes.
pub(crate) fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(Bytes::from(bytes.into()))
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Request line and headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// How many requests came before it.
    pub(crate) number: usize,
}

impl Heard {
    /// What is asked for: path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// How a connection begins.
#[derive(Clone)]
pub(crate) enum Greeting {
    /// With a request.
    Plain,
    /// With a TLS handshake.
    Tls(TlsAcceptor),
    /// With these steps, whatever the client wants.
    Rude(Vec<Step>),
}

type Answerer = dyn Fn(&Heard) -> Vec<Step> + Send + Sync;

#[derive(Default)]
struct Record {
    heard: Mutex<Vec<Heard>>,
    connections: AtomicUsize,
    ended: AtomicUsize,
    sent: AtomicU64,
    read: CancellationToken,
}

/// The server; it ends with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves plain HTTP.
    pub(crate) fn plain(answer: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start(Greeting::Plain, answer)
    }

    pub(crate) fn start(
        greeting: Greeting,
        answer: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        runtime().block_on(Self::listen(greeting, Arc::new(answer)))
    }

    pub(crate) async fn listen(greeting: Greeting, answer: Arc<Answerer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::<Record>::default();
        let kept = Arc::clone(&record);
        let task = runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.connections.fetch_add(1, Ordering::SeqCst);
                let (greeting, answer, kept) = (greeting.clone(), answer.clone(), kept.clone());
                tokio::spawn(async move {
                    // A client that goes away ends the conversation.
                    let _ = attend(stream, greeting, &*answer, &kept).await;
                    kept.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            record,
            task,
        }
    }

    /// What it heard, in order.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.record.heard.lock().unwrap().clone()
    }

    /// How many connections it took.
    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// How many connections are over, on both sides.
    pub(crate) fn ended(&self) -> usize {
        self.record.ended.load(Ordering::SeqCst)
    }

    /// Lets [`Step::UntilRead`] go on.
    pub(crate) fn answer_was_read(&self) {
        self.record.read.cancel();
    }

    /// How many bytes the clients' side has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.record.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The runtime that all servers live on.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

/// A connection, with or without TLS.
trait Line: AsyncRead + AsyncWrite + Unpin + Send {
    fn bare(&self) -> &TcpStream;
}

impl Line for TcpStream {
    fn bare(&self) -> &TcpStream {
        self
    }
}

impl Line for TlsStream<TcpStream> {
    fn bare(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn attend(
    mut stream: TcpStream,
    greeting: Greeting,
    answer: &Answerer,
    record: &Record,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match greeting {
        Greeting::Plain => converse(stream, answer, record).await,
        Greeting::Tls(acceptor) => converse(acceptor.accept(stream).await?, answer, record).await,
        Greeting::Rude(steps) => perform(&mut stream, steps, record).await.map(drop),
    }
}

async fn converse(mut line: impl Line, answer: &Answerer, record: &Record) -> io::Result<()> {
    while let Some((head, body)) = next_request(&mut line).await? {
        let heard = {
            let mut all = record.heard.lock().unwrap();
            let number = all.len();
            all.push(Heard { head, body, number });
            all[number].clone()
        };
        if !perform(&mut line, answer(&heard), record).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Does what is to be done; tells whether the connection goes on.
async fn perform(line: &mut impl Line, steps: Vec<Step>, record: &Record) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Hear => {
                line.read_buf(&mut Vec::with_capacity(16 << 10)).await?;
            }
            Step::Send(bytes) => put(line, &bytes, record).await?,
            Step::Flood(piece, times) => {
                for _ in 0..times {
                    put(line, &piece, record).await?;
                }
            }
            Step::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    tokio::time::sleep(DRIP).await;
                    put(line, &[*byte], record).await?;
                }
            }
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::UntilRead => record.read.cancelled().await,
            Step::Hang => return std::future::pending().await,
            Step::Close => {
                line.shutdown().await?;
                // Over when the client has seen it, too.
                while line.read(&mut [0; 4096]).await? > 0 {}
                return Ok(false);
            }
            Step::Cut => return Ok(false),
            Step::Tunnel(to) => {
                let mut beyond = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(line, &mut beyond).await?;
                return Ok(false);
            }
            Step::Reset => {
                line.bare().set_zero_linger()?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn put(line: &mut impl Line, bytes: &[u8], record: &Record) -> io::Result<()> {
    line.write_all(bytes).await?;
    line.flush().await?;
    record.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    Ok(())
}

async fn next_request(line: &mut impl Line) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut request = Vec::new();
    loop {
        let end = request.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let lower = head.to_lowercase();
            let length = lower.split("\r\ncontent-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            let body = end + 4..end + 4 + length.unwrap_or(0);
            if request.len() >= body.end {
                return Ok(Some((head, request[body].to_vec())));
            }
        }
        if line.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
}

/// A complete HTTP response.
pub(crate) fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = format!("content-length: {}\r\n", body.len());
    [head(status, &format!("{headers}{length}")), body.to_vec()].concat()
}

/// The head of a response with these headers and no others.
pub(crate) fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes()
}
