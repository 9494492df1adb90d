//! What every HTTP server of this process bounds alike: the responder of challenges, and the ports for metrics and health.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

/// The most bytes of request line and headers (hyper's least).
pub const HEADER_SIZE: usize = 8192;
/// How long a client may take to send its request line and headers, or to begin another request.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// How long a connection may be kept: nobody holds a place for longer.
pub const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long to wait after the kernel refused to hand over a connection (out of file descriptors).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a connection within [`HEADER_SIZE`] and [`HEADER_TIME`].
pub fn bounded() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_SIZE);
    server
}
