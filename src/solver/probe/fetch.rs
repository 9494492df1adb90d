//! One HTTP/1.1 exchange with one address, with limits for all waits and sizes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::{AnswerProblem, ConnectProblem};
use super::{ProbeError, Settings};
use crate::pki::tls;
use crate::solver::host::Host;
use crate::solver::responder::PROBE_AGENT;

/// How many bytes of a body are read: ten times a key authorization.
const BODY_LIMIT: usize = 1024;
/// How many bytes of a head are read (hyper's minimum).
const HEAD_LIMIT: usize = 8192;

/// A request to one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    pub(super) host: &'a Host,
    pub(super) path: &'a str,
    /// Whether to begin with a PROXY protocol line, as a load balancer in front of such an ingress would.
    pub(super) proxy_line: bool,
}

/// The answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    /// The body of a 200, if it is at most [`BODY_LIMIT`] bytes.
    pub(super) body: Option<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect(ConnectProblem),
    Handshake,
    Answer(AnswerProblem),
}

/// Makes exchanges. Holds the TLS configuration and the time-outs.
#[derive(Debug)]
pub(super) struct Fetcher {
    tls: Arc<ClientConfig>,
    agent: HeaderValue,
    connect_time: Duration,
    answer_time: Duration,
    pub(super) http_port: u16,
    pub(super) https_port: u16,
}

impl Fetcher {
    /// A fetcher with these settings.
    ///
    /// # Errors
    /// [`ProbeError::Tls`].
    pub(super) fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let Settings {
            nameservers: _,
            addresses: _,
            http_port,
            https_port,
            connect_time,
            answer_time,
            name_time: _,
            whole_time: _,
        } = *settings;
        let provider = tls::provider();
        // Every certificate is accepted. The CA accepts them too after a redirect to https, and nothing
        // confidential is exchanged.
        let tls = tls::client_config(Arc::new(tls::AnyServer::new(Arc::clone(&provider))), provider)?;
        let agent = format!("{PROBE_AGENT}/{}", env!("CARGO_PKG_VERSION"));
        let agent = HeaderValue::from_str(&agent).unwrap_or_else(|_| HeaderValue::from_static(PROBE_AGENT));
        Ok(Self {
            tls: Arc::new(tls),
            agent,
            connect_time,
            answer_time,
            http_port,
            https_port,
        })
    }

    /// Connects, sends the request, and reads at most [`BODY_LIMIT`] bytes of the body.
    ///
    /// # Errors
    /// [`Failure`] without a complete answer.
    pub(super) async fn fetch(&self, question: Question<'_>) -> Result<Reply, Failure> {
        let connected = timeout(self.connect_time, TcpStream::connect(question.address)).await;
        let stream = match connected {
            Err(_) => return Err(Failure::Connect(ConnectProblem::TimedOut)),
            Ok(Err(error)) => return Err(Failure::Connect(connect_problem(&error))),
            Ok(Ok(stream)) => stream,
        };
        let exchange = self.exchange(stream, question);
        timeout(self.answer_time, exchange)
            .await
            .unwrap_or(Err(Failure::Answer(AnswerProblem::TimedOut)))
    }

    async fn exchange(&self, mut stream: TcpStream, question: Question<'_>) -> Result<Reply, Failure> {
        if question.proxy_line {
            let line = proxy_line(stream.local_addr().ok(), question.address);
            stream
                .write_all(line.as_bytes())
                .await
                .map_err(|_| Failure::Answer(AnswerProblem::Closed))?;
        }
        if !question.tls {
            return self.ask(stream, question).await;
        }
        let name = match question.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failure::Handshake)?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(|_| Failure::Handshake)?;
        self.ask(stream, question).await
    }

    async fn ask<S>(&self, stream: S, question: Question<'_>) -> Result<Reply, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::Answer(answer_problem(&error)))?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = question
            .path
            .parse()
            .map_err(|_| Failure::Answer(AnswerProblem::NotHttp))?;
        let host = HeaderValue::from_str(&question.host.in_url());
        let host = host.map_err(|_| Failure::Answer(AnswerProblem::NotHttp))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::USER_AGENT, self.agent.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| Failure::Answer(answer_problem(&error)))?;
            read(response).await
        };
        // The connection only progresses while it is polled. It is dropped with the answer.
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => match answer.await {
                    Ok(reply) => Ok(reply),
                    Err(_) => Err(Failure::Answer(answer_problem(&error))),
                },
            },
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<Reply, Failure> {
    let (head, mut body) = response.into_parts();
    let status = head.status.as_u16();
    let location = head
        .headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if status != 200 {
        return Ok(Reply {
            status,
            location,
            body: None,
        });
    }
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Answer(answer_problem(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > BODY_LIMIT {
            return Ok(Reply {
                status,
                location,
                body: None,
            });
        }
        read.extend_from_slice(&data);
    }
    Ok(Reply {
        status,
        location,
        body: Some(read),
    })
}

fn connect_problem(error: &io::Error) -> ConnectProblem {
    // The error kinds are an open set: all others mean that there is no route.
    if error.kind() == io::ErrorKind::ConnectionRefused {
        ConnectProblem::Refused
    } else if error.kind() == io::ErrorKind::TimedOut {
        ConnectProblem::TimedOut
    } else {
        ConnectProblem::Unreachable
    }
}

fn answer_problem(error: &hyper::Error) -> AnswerProblem {
    if error.is_parse() {
        AnswerProblem::NotHttp
    } else {
        AnswerProblem::Closed
    }
}

/// The line of the PROXY protocol, version 1, for a connection of our own.
fn proxy_line(local: Option<SocketAddr>, remote: SocketAddr) -> String {
    match local {
        Some(local) => {
            let family = if matches!(remote.ip(), IpAddr::V4(_)) {
                "TCP4"
            } else {
                "TCP6"
            };
            format!(
                "PROXY {family} {} {} {} {}\r\n",
                local.ip(),
                remote.ip(),
                local.port(),
                remote.port()
            )
        }
        None => "PROXY UNKNOWN\r\n".to_owned(),
    }
}
