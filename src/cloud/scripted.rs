//! An HTTP server on loopback for tests: it records requests and answers as a function says.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::Value;

use super::Cloud;
use crate::{net::ClientSettings, process::environment::CloudEnvironment};

/// A request, as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Recorded {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Method and target.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// An answer: the status, headers, and the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, besides the content type, which is JSON.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// An answer with JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }
}

/// The server.
#[derive(Debug)]
pub(crate) struct Scripted {
    /// Its URL, with a slash at the end.
    pub url: Url,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl Scripted {
    /// Starts a server that answers as `answer` says.
    pub(crate) async fn start(answer: impl Fn(&Recorded) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&requests);
        let router = Router::new().fallback(move |request: Request| {
            let (record, answer) = (Arc::clone(&record), answer.clone());
            async move {
                let recorded = recorded(request).await;
                record
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(recorded.clone());
                response(answer(&recorded))
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, requests }
    }

    /// All requests.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Methods and targets of all requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Recorded::line).collect()
    }
}

async fn recorded(request: Request) -> Recorded {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    Recorded {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        body: String::from_utf8_lossy(&to_bytes(body, 1 << 20).await.unwrap_or_default()).into_owned(),
    }
}

fn response(answer: Answer) -> Response {
    let Answer { status, headers, body } = answer;
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    let response = headers
        .into_iter()
        .fold(response, |response, (name, value)| response.header(name, value));
    response.body(Body::from(body)).unwrap()
}

/// The time of tests.
pub(crate) fn noon() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_767_268_800)
}

/// APIs for tests, at [`noon`].
pub(crate) fn cloud(environment: &[(&str, &str)]) -> Cloud {
    let environment: CloudEnvironment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Cloud::new(&ClientSettings::default(), environment, noon).unwrap()
}
