//! The HTTP servers for health and metrics, each on its own port (HLT-01, MET rows).

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    gzip::{Gzip, is_accepted},
    health::{Check, Health},
    leader::Leadership,
    metrics,
    server::{Body, serve, serve_over},
    serving::Tls,
};
use crate::{controller::Controllers, process::clock::Skew};

/// Connection limit of the metrics server. Each connection may buffer a page: 1 MB with 10,000 Certificates.
const METRICS_CONNECTIONS: usize = 16;
/// Connection limit of the health server.
const HEALTH_CONNECTIONS: usize = 64;

/// Serves `/metrics` only, until `shutdown`; over TLS if there is any.
pub(crate) async fn serve_metrics(
    (listener, tls): (TcpListener, Option<Tls>),
    controllers: Arc<Controllers>,
    leadership: Leadership,
    shutdown: CancellationToken,
) {
    let serving = tls.as_ref().map(|tls| Arc::clone(&tls.serving));
    let answer = move |request: &Request<_>| match request.uri().path() {
        "/metrics" => read_only(request, || {
            let pieces = metrics::page(&controllers, &leadership, serving.as_ref());
            page(pieces.map(Bytes::from), request.headers())
        }),
        _ => text(StatusCode::NOT_FOUND, "metrics are at /metrics\n"),
    };
    serve_over(tls, listener, METRICS_CONNECTIONS, answer, shutdown).await;
}

/// Serves `/livez`, its single checks, and `/readyz` only, until `shutdown`.
pub(crate) async fn serve_health(
    listener: TcpListener,
    controllers: Arc<Controllers>,
    leadership: Leadership,
    shutdown: CancellationToken,
) {
    let skew = Skew::start();
    let answer = move |request: &Request<_>| {
        read_only(request, || {
            let health = Health {
                checks: [
                    Check::leader_election(&leadership),
                    Check::clock_health(skew.is_healthy(), skew.drift()),
                ],
            };
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            let (ok, sentence) = match path {
                "/livez" | "/healthz" => health.answer(query),
                "/readyz" => readiness(&controllers, &leadership),
                _ => match path.strip_prefix("/livez/").and_then(|name| health.single(name)) {
                    Some(answer) => answer,
                    None => return text(StatusCode::NOT_FOUND, "health is at /livez and /readyz\n"),
                },
            };
            let failed = if path == "/readyz" {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            text(if ok { StatusCode::OK } else { failed }, sentence)
        })
    };
    serve(listener, HEALTH_CONNECTIONS, answer, shutdown).await;
}

/// Ready when all kinds are listed and, on the leader, all Certificates were reconciled once. Not ready during shutdown, so that
/// no new requests are routed here while challenges in flight are answered.
fn readiness(controllers: &Controllers, leadership: &Leadership) -> (bool, String) {
    if controllers.is_ending() {
        return (false, "ending\n".to_owned());
    }
    let waiting = controllers.ports.index.not_listed();
    if !waiting.is_empty() {
        return (false, format!("not listed yet: {}\n", waiting.join(", ")));
    }
    if controllers.ports.writer.leads() && !controllers.is_reconciled() {
        return (false, "not all Certificates have been reconciled yet\n".to_owned());
    }
    let standing_by = leadership.standing_by();
    let ok = standing_by.map_or_else(|| "ok\n".to_owned(), |standing_by| format!("ok, {standing_by}\n"));
    (true, ok)
}

fn page(pieces: impl Iterator<Item = Bytes> + Send + 'static, asked: &HeaderMap) -> Response<Body> {
    let encoded = is_accepted(asked);
    let body = if encoded {
        streamed(Gzip::new(pieces))
    } else {
        streamed(pieces)
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    headers.insert(header::VARY, header::HeaderValue::from_static("Accept-Encoding"));
    if encoded {
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    response
}

fn streamed(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(stream::iter(pieces.map(|piece| Ok(Frame::data(piece))))).boxed_unsync()
}

fn read_only<B>(request: &Request<B>, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        answer()
    } else {
        text(StatusCode::METHOD_NOT_ALLOWED, "this server is read-only\n")
    }
}

fn text(status: StatusCode, sentence: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(sentence.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
