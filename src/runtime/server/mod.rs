//! An HTTP server for few and small requests. Its resources are bounded, so that clients cannot exhaust them.
//!
//! | limit | value |
//! |---|---|
//! | request line and headers | [`server::HEADER_SIZE`] |
//! | time to send them, and until the next request; time of a TLS handshake | [`server::HEADER_TIME`] |
//! | time without progress while an answer is sent | [`STALL_TIME`] |
//! | time of a connection | [`CONNECTION_TIME`] |
//! | bytes that the kernel buffers of a response | [`SEND_BUFFER`] |
//! | connections | argument of [`serve`]: a new one replaces the oldest that waits for a request |

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{serving::Tls, stalling::Impatient};
use crate::net::server::{self, ACCEPT_PAUSE, CONNECTION_TIME};

/// Time limit for a client to accept more of a response.
const STALL_TIME: Duration = Duration::from_secs(5);
/// Size of the kernel's send buffer for a client that does not read, in bytes.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that may wait in the kernel to be accepted.
const BACKLOG: u32 = 128;

/// A response body that is made while it is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Binds a listener for [`serve`].
///
/// # Errors
/// If the address is in use or not local.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    // accepted sockets inherit this
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves requests on `listener` until `shutdown`, on at most `most` connections.
pub(super) async fn serve<F>(listener: TcpListener, most: usize, answer: F, shutdown: CancellationToken)
where
    F: Fn(&Request<Incoming>) -> Response<Body> + Send + Sync + 'static,
{
    serve_over(None, listener, most, answer, shutdown).await;
}

/// As [`serve`], over TLS if there is any.
pub(super) async fn serve_over<F>(
    tls: Option<Tls>,
    listener: TcpListener,
    most: usize,
    answer: F,
    shutdown: CancellationToken,
) where
    F: Fn(&Request<Incoming>) -> Response<Body> + Send + Sync + 'static,
{
    let answer = move |request: Request<Incoming>| std::future::ready(answer(&request));
    accept(tls, listener, most, answer, shutdown).await;
}

/// As [`serve`], for answers that are awaited.
pub(super) async fn serve_async<F, A>(listener: TcpListener, most: usize, answer: F, shutdown: CancellationToken)
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    accept(None, listener, most, answer, shutdown).await;
}

async fn accept<F, A>(tls: Option<Tls>, listener: TcpListener, most: usize, answer: F, shutdown: CancellationToken)
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let (answer, places) = (Arc::new(answer), Arc::new(Places::new(most)));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let place = places.take(&shutdown);
                connections.spawn(serve_connection(Arc::clone(&answer), tls.clone(), stream, place));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection for metrics, health or status");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn serve_connection<F, A>(answer: Arc<F>, tls: Option<Tls>, stream: TcpStream, place: Place)
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let connection = Arc::clone(&place.connection);
    let stream = Impatient::new(stream, STALL_TIME);
    let exchange = async {
        match tls {
            None => exchange(answer, stream, connection).await,
            Some(tls) => {
                if let Some(stream) = tls.accept(stream).await {
                    exchange(answer, stream, connection).await;
                }
            }
        }
    };
    tokio::select! {
        () = exchange => {}
        () = tokio::time::sleep(CONNECTION_TIME) => {}
        () = place.connection.cut.cancelled() => {}
    }
}

/// Requests and responses of a connection, until its end.
async fn exchange<F, A, S>(answer: Arc<F>, stream: S, connection: Arc<Connection>)
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        connection.asked.store(true, Ordering::Relaxed);
        let response = answer(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    // an aborted request is not an error of the server
    let _ended = server::bounded().serve_connection(TokioIo::new(stream), service).await;
}

/// The connections, oldest first.
struct Places {
    most: usize,
    taken: Mutex<VecDeque<Arc<Connection>>>,
}

struct Connection {
    /// Whether a complete request was received.
    asked: AtomicBool,
    cut: CancellationToken,
}

/// A connection's slot. It is freed on drop.
struct Place {
    places: Arc<Places>,
    connection: Arc<Connection>,
}

impl Places {
    fn new(most: usize) -> Self {
        Self {
            most,
            taken: Mutex::default(),
        }
    }

    /// Returns a slot. If all are taken, it closes the oldest connection without a request, or else the oldest one.
    fn take(self: &Arc<Self>, shutdown: &CancellationToken) -> Place {
        let connection = Arc::new(Connection {
            asked: AtomicBool::new(false),
            cut: shutdown.child_token(),
        });
        let mut taken = self.lock();
        if taken.len() >= self.most {
            let silent = taken.iter().position(|one| !one.asked.load(Ordering::Relaxed));
            if let Some(oldest) = taken.remove(silent.unwrap_or(0)) {
                oldest.cut.cancel();
            }
        }
        taken.push_back(Arc::clone(&connection));
        drop(taken);
        Place {
            places: Arc::clone(self),
            connection,
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Connection>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().retain(|one| !Arc::ptr_eq(one, &self.connection));
    }
}

#[cfg(test)]
mod tests;
