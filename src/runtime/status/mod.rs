//! The status page: read-only, on its own port, and only with `--status-listen-address`.
//!
//! | module | what it is |
//! |---|---|
//! | [`access`] | who may read it: anyone on a loopback address, otherwise the holder of a token with the right for [`PATH_RIGHT`] |
//! | [`reviews`] | verdicts about tokens, bounded and remembered for a short time |
//! | [`page`] | the page, a pure function of an overview |
//! | [`timeline`] | the drawing of the renewals ahead |

mod access;
pub(crate) mod page;
mod reviews;
mod timeline;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::{net::TcpListener, sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

pub(crate) use self::page::{ControllerState, Role};
use self::{
    access::{Access, Denial},
    page::Page,
};
use super::{
    leader::Leadership,
    server::{Body, serve_async},
};
use crate::{
    api::reference::CLUSTER_ISSUER_KIND,
    cluster,
    controller::Controllers,
    plan::{
        backoff::Backoff,
        overview::{Question, overview},
    },
    text,
};

/// The path for which a reader needs the verb `get` (`nonResourceURLs` of a `ClusterRole`).
pub(crate) const PATH_RIGHT: &str = "/certlet/status";
/// Connection limit. Each connection may buffer a page.
const CONNECTIONS: usize = 16;
/// How long a page is answered again before the next one is made: a page with 10,000 Certificates takes a tenth of a second.
const PAGE_AGE: Duration = Duration::from_secs(2);

/// What the page is made from.
pub(crate) struct Source {
    /// The controllers, for their index and their settings.
    pub controllers: Arc<Controllers>,
    /// Leadership of this process.
    pub leadership: Leadership,
    /// The last page.
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

impl Source {
    /// A source without a page.
    pub(crate) fn new(controllers: Arc<Controllers>, leadership: Leadership) -> Self {
        Self {
            controllers,
            leadership,
            last: Arc::default(),
        }
    }

    /// The page, made by one task at a time and off the async threads.
    async fn page(self: &Arc<Self>) -> Result<Bytes, String> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((made, page)) = &*last
            && made.elapsed() < PAGE_AGE
        {
            return Ok(page.clone());
        }
        let source = Arc::clone(self);
        // the task has the lock: a reader who goes away does not let the next one begin beside it
        let made = tokio::task::spawn_blocking(move || {
            let page = Bytes::from(source.make());
            *last = Some((Instant::now(), page.clone()));
            page
        });
        made.await
            .map_err(|error| format!("the page could not be made: {error}"))
    }

    fn make(&self) -> String {
        let ports = &self.controllers.ports;
        let settings = &ports.settings;
        let question = Question {
            namespace: settings.namespace.clone(),
            backoff: Backoff {
                first: settings.minimum_backoff,
                longest: settings.maximum_backoff,
            },
            // one namespace is watched, and nothing outside of it
            unlisted: settings.namespace.iter().map(|_| CLUSTER_ISSUER_KIND).collect(),
        };
        let mut overview = overview(ports.now(), &question, cluster::overview::seen(&ports.index));
        let not_listed = ports.index.not_listed();
        if !not_listed.is_empty() {
            let sentence = format!("not listed yet: {}", not_listed.join(", "));
            overview.incomplete.push(sentence);
        }
        let leads = self.leadership.leads();
        let (used, waiting) = self.controllers.orders.slots();
        let controller = ControllerState {
            pod: settings.pod.name.clone(),
            role: match self.leadership.standing_by() {
                _ if leads => Role::Leader {
                    slots_used: used,
                    slots_waiting: waiting,
                    slots: settings.max_concurrent_challenges,
                },
                Some(standing_by) => Role::Standby(standing_by.to_string()),
                None => Role::Standby("standing by: the Lease has not been read yet".to_owned()),
            },
        };
        Page {
            overview: &overview,
            controller: Some(&controller),
        }
        .html()
    }
}

/// Serves the page until `shutdown`. On a loopback address everyone who reaches it may read it, otherwise a token is required.
pub(crate) async fn serve_status(
    listener: TcpListener,
    address: SocketAddr,
    source: Source,
    shutdown: CancellationToken,
) {
    let reader = source.controllers.ports.reader.clone();
    let (source, access) = (Arc::new(source), Arc::new(Access::new(address, reader)));
    let answer = move |request: Request<Incoming>| {
        let (source, access) = (Arc::clone(&source), Arc::clone(&access));
        let (head, _body) = request.into_parts();
        async move { answer(&head, &source, &access).await }
    };
    serve_async(listener, CONNECTIONS, answer, shutdown).await;
}

async fn answer(request: &Parts, source: &Arc<Source>, access: &Access) -> Response<Body> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return sentence(StatusCode::METHOD_NOT_ALLOWED, "this server is read-only");
    }
    // before the path is read: a request without the right learns nothing
    if let Err(denial) = access.check(&request.headers).await {
        return denied(&denial);
    }
    if request.uri.path() != "/" {
        return sentence(StatusCode::NOT_FOUND, "the status page is at /");
    }
    match source.page().await {
        Ok(page) => whole(page),
        Err(error) => sentence(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

fn denied(denial: &Denial) -> Response<Body> {
    let mut response = sentence(denial.status(), &denial.to_string());
    let headers = response.headers_mut();
    match denial {
        Denial::NoToken | Denial::Unknown => {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"certlet\""),
            );
        }
        Denial::Busy | Denial::NotReviewed(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Denial::Host | Denial::Forbidden(_) => {}
    }
    response
}

fn whole(page: Bytes) -> Response<Body> {
    let mut response = guarded(StatusCode::OK, page, "text/html; charset=utf-8");
    if let Ok(policy) = HeaderValue::try_from(page::policy(true)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn sentence(status: StatusCode, sentence: &str) -> Response<Body> {
    let line = Bytes::from(format!("{}\n", text::line(sentence)));
    guarded(status, line, "text/plain; charset=utf-8")
}

/// A response with the headers that all of them have.
fn guarded(status: StatusCode, body: Bytes, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
