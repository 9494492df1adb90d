//! Limits of all HTTP servers of this process: the HTTP-01 responder, and the servers for metrics and health.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

/// Size limit of request line and headers, in bytes (the smallest that hyper accepts).
pub const HEADER_SIZE: usize = 8192;
/// Time limit for request line and headers, and for the wait until the next request.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// Time limit of a connection, so that no client occupies one for longer.
pub const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Pause after accepting a connection failed (for example out of file descriptors).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a connection with the limits [`HEADER_SIZE`] and [`HEADER_TIME`].
pub fn bounded() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_SIZE);
    server
}
