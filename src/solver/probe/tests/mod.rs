//! Probes against real sockets on this machine: a small HTTP server, an HTTPS server and a DNS server.

mod decide;
mod http;
mod names;
mod redirects;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::solver::token::Token;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const AUTHORIZATION: &str = "tok.thumb";

fn target(host: &str) -> Target {
    Target {
        host: Host::parse(host).unwrap(),
        key_authorization: KeyAuthorization::new(Token::parse("tok").unwrap(), "thumb"),
    }
}

/// What a server answers to the head of a request; empty means: close.
type Script = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A server that answers one request per connection from a script, and remembers the heads it was sent.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn http(script: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(script), None).await
    }

    async fn https(script: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["unrelated.example".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Self::start(Arc::new(script), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen, tls) = (Arc::clone(&script), Arc::clone(&seen), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &script, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &script, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, script: &Script, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let reply = script(&head);
    seen.lock().unwrap().push(head);
    if reply == "wait" {
        std::future::pending::<()>().await;
    }
    // The probe may have read enough and closed.
    if stream.write_all(reply.as_bytes()).await.is_ok() && stream.shutdown().await.is_err() {
        eprintln!("the probe closed first");
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn status(code: u16) -> String {
    format!("HTTP/1.1 {code} X\r\nContent-Length: 6\r\n\r\nsecret")
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 301 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// What the DNS server says about a name; names that are not listed do not exist.
#[derive(Clone)]
enum Says {
    Addresses(Vec<IpAddr>),
    Code(ResponseCode),
    Nothing,
}

/// A DNS server over UDP.
async fn dns(zone: Vec<(&str, Says)>) -> SocketAddr {
    let zone: HashMap<String, Says> = zone
        .into_iter()
        .map(|(name, says)| (format!("{name}."), says))
        .collect();
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = answer(&zone, &Message::from_vec(&buffer[..length]).unwrap()) {
                socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    address
}

fn answer(zone: &HashMap<String, Says>, query: &Message) -> Option<Message> {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    let question = query.queries[0].clone();
    let says = zone.get(&question.name().to_string().to_ascii_lowercase()).cloned();
    match says.unwrap_or(Says::Code(ResponseCode::NXDomain)) {
        Says::Nothing => return None,
        Says::Code(code) => reply.metadata.response_code = code,
        Says::Addresses(addresses) => {
            let fits = |address: &IpAddr| address.is_ipv4() == (question.query_type() == RecordType::A);
            let record = |address: IpAddr| Record::from_rdata(question.name().clone(), 60, RData::from(address));
            reply.add_answers(addresses.into_iter().filter(fits).map(record));
        }
    }
    reply.add_query(question);
    Some(reply)
}

/// A probe whose ports 80 and 443 are those of the given servers, and whose DNS is `nameserver`.
fn probe(http: SocketAddr, https: Option<SocketAddr>, nameserver: Option<SocketAddr>) -> Probe {
    let settings = Settings {
        nameservers: nameserver.into_iter().map(Nameserver::Address).collect(),
        http_port: http.port(),
        https_port: https.map_or(1, |address| address.port()),
        name_time: Duration::from_millis(300),
        ..Settings::default()
    };
    Probe::new(&settings).unwrap()
}

/// A DNS server for `demo.example` and `other.example`, both here.
async fn here() -> SocketAddr {
    let here = || Says::Addresses(vec![LOOPBACK]);
    dns(vec![("demo.example", here()), ("other.example", here())]).await
}

/// What the probe finds on `demo.example` with these servers behind ports 80 and 443.
async fn attempt(http: &Server, https: Option<&Server>) -> Finding {
    let probe = probe(http.address, https.map(|server| server.address), Some(here().await));
    probe.attempt(&target("demo.example")).await
}

async fn finding_for(reply: String) -> Finding {
    let server = Server::http(move |_| reply.clone()).await;
    attempt(&server, None).await
}

/// Why there was no connection, which has to be the finding.
fn connect_problem(finding: &Finding) -> ConnectProblem {
    let Finding::Connect { problem, .. } = finding else {
        panic!("{finding}")
    };
    *problem
}

/// Why a connection brought no answer, which has to be the finding.
fn answer_problem(finding: &Finding) -> AnswerProblem {
    let Finding::NoAnswer { problem, .. } = finding else {
        panic!("{finding}")
    };
    *problem
}

/// Why a redirect was not followed, which has to be the finding.
fn redirect_problem(finding: &Finding) -> &RedirectProblem {
    let Finding::Redirect { problem, .. } = finding else {
        panic!("{finding}")
    };
    problem
}
