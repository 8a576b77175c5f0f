//! The door on a loopback address: HTTP/1.1.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::world::{SandboxError, World};
use crate::sandbox::request::BASE_PATH;
use crate::sandbox::response::Reply;

/// A body of this many bytes holds more than half a million IDs.
const LARGEST_BODY: usize = 16 << 20;

/// Listens on a loopback address.
///
/// # Errors
///
/// Any other address; an address that is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, SandboxError> {
    loopback(address)?;
    TcpListener::bind(address)
        .await
        .map_err(SandboxError::Listen)
}

/// The base URL of a sandbox on this address, to be given to a client.
#[must_use]
pub fn base_url(address: SocketAddr) -> String {
    format!("http://{address}{BASE_PATH}")
}

/// Serves a world until `shutdown` is cancelled; connections then end as they
/// are.
///
/// # Errors
///
/// A listener that is not on a loopback address.
pub async fn serve(
    listener: TcpListener,
    world: World,
    shutdown: CancellationToken,
) -> Result<(), SandboxError> {
    loopback(listener.local_addr().map_err(SandboxError::Listen)?)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(attend(stream, world.clone()));
                }
                Err(error) => {
                    // Most likely too many open files: some will be closed.
                    tracing::warn!(%error, "the sandbox could not take a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

fn loopback(address: SocketAddr) -> Result<(), SandboxError> {
    if address.ip().is_loopback() {
        Ok(())
    } else {
        Err(SandboxError::NotLoopback(address))
    }
}

/// Why a connection is ended in the middle.
#[derive(Debug, thiserror::Error)]
enum Abort {
    #[error("the sandbox resets the connection")]
    Reset,
    #[error("the sandbox breaks the answer off")]
    Cut,
    #[error("the request broke off")]
    Gone,
}

async fn attend(stream: TcpStream, world: World) {
    // Answers are small and written whole.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let world = world.clone();
        Box::pin(async move { respond(&world, request).await })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let ended = match ended {
        Ok(()) => stream.shutdown().await,
        Err(error) if is_reset(&error) => stream.set_zero_linger(),
        Err(error) => {
            tracing::debug!(%error, "a connection to the sandbox ended");
            Ok(())
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the sandbox was lost");
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let abort = source.and_then(|source| source.downcast_ref::<Abort>());
    matches!(abort, Some(Abort::Reset))
}

async fn respond(world: &World, request: Request<Incoming>) -> Result<Response<SentBody>, Abort> {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Ok(too_large());
    }
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large()),
        Err(_) => return Err(Abort::Gone),
    };
    match world.handle(Request::from_parts(head, body)).await {
        Reply::Response(response) => Ok(response.map(SentBody::whole)),
        Reply::Truncated(response) => Ok(response.map(SentBody::part)),
        Reply::Reset => Err(Abort::Reset),
        Reply::Hang => match pending::<Infallible>().await {},
    }
}

fn too_large() -> Response<SentBody> {
    let mut response = Response::new(SentBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// A body that may break off.
struct SentBody {
    bytes: Option<Bytes>,
    cut: Cut,
}

enum Cut {
    No,
    Soon,
    Now,
}

impl SentBody {
    fn whole(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            bytes,
            cut: Cut::No,
        }
    }

    fn part(bytes: Bytes) -> Self {
        Self {
            bytes: Some(bytes),
            cut: Cut::Soon,
        }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.cut {
            Cut::No => Poll::Ready(None),
            Cut::Soon => {
                // What there is goes out before the connection ends.
                self.cut = Cut::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Cut::Now => Poll::Ready(Some(Err(Abort::Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && matches!(self.cut, Cut::No)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.bytes, &self.cut) {
            (Some(bytes), Cut::No) => SizeHint::with_exact(bytes.len() as u64),
            (None, Cut::No) => SizeHint::with_exact(0),
            // The length stands in the header, and is more than there is.
            (_, Cut::Soon | Cut::Now) => SizeHint::default(),
        }
    }
}
