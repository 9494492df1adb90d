//! Health and metrics over HTTP (HLT-01, MET rows).

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{clock::Skew, leader::Leadership, metrics};
use crate::controller::Context;

#[derive(Clone)]
struct Served {
    context: Arc<Context>,
    leadership: Leadership,
    skew: Skew,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `shutdown`.
pub async fn serve(listener: TcpListener, context: Arc<Context>, leadership: Leadership, shutdown: CancellationToken) {
    let served = Served {
        context,
        leadership,
        skew: Skew::start(),
    };
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page))
        .with_state(served);
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
    {
        tracing::error!(%error, "the server for health and metrics ended");
    }
}

async fn livez(State(served): State<Served>) -> Response {
    if served.skew.is_healthy() {
        return "ok\n".into_response();
    }
    let drift = served.skew.drift().as_secs();
    let sentence =
        format!("clockHealth: the clock and the timers have drifted apart by {drift}s, as after a suspended machine\n");
    (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
}

/// Ready when everything has been listed, and, on the leader, everything has been looked at once. Not ready when it was told
/// to end: it answers what is in flight, and nobody shall be led to it any more.
async fn readyz(State(served): State<Served>) -> Response {
    if served.context.is_ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response();
    }
    let index = &served.context.index;
    let stores = [
        ("certificates", index.certificates.is_ready()),
        ("certificaterequests", index.requests.is_ready()),
        ("orders", index.orders.is_ready()),
        ("challenges", index.challenges.is_ready()),
        ("issuers", index.issuers.is_ready()),
        ("clusterissuers", index.cluster_issuers.is_ready()),
        ("ingresses", index.ingresses.is_ready()),
        ("secrets", index.secrets.is_ready()),
    ];
    let waiting: Vec<&str> = stores
        .iter()
        .filter(|(_, ready)| !ready)
        .map(|(name, _)| *name)
        .collect();
    if !waiting.is_empty() {
        let sentence = format!("not listed yet: {}\n", waiting.join(", "));
        return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
    }
    if served.context.writer.leads() && !served.context.is_judged() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "not every Certificate has been looked at yet\n",
        )
            .into_response();
    }
    match served.leadership.standing_by() {
        Some(standing_by) => format!("ok, {standing_by}\n").into_response(),
        None => "ok\n".into_response(),
    }
}

async fn page(State(served): State<Served>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let pieces = metrics::page(&served.context, &served.leadership).map(Ok::<_, std::convert::Infallible>);
    (content_type, Body::from_stream(futures::stream::iter(pieces))).into_response()
}
