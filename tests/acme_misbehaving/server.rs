//! A server that is scripted, answer for answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use certlet::acme::jws::generate_rsa_2048_pem;
use certlet::acme::transport::Settings;
use certlet::acme::{Account, AccountKey, Client, Registry};
use certlet::net::{ClientSettings, Observer, Trust, Unobserved};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, further header lines, body.
    Http(u16, String, String),
    /// An answer whose body is announced longer than it is; then the connection is cut.
    CutBody,
    /// The connection is cut without an answer.
    Cut,
    /// No answer, ever.
    Hang,
}

pub(crate) fn answer(status: u16, body: impl Into<String>) -> Reply {
    Reply::Http(status, "Content-Type: application/json\r\n".to_owned(), body.into())
}

pub(crate) fn problem(status: u16, name: &str, headers: &str) -> Reply {
    let body = json!({"type": format!("urn:ietf:params:acme:error:{name}"), "detail": "why", "status": status});
    Reply::Http(
        status,
        format!("Content-Type: application/problem+json\r\n{headers}"),
        body.to_string(),
    )
}

impl Reply {
    pub(crate) fn with(self, header: &str) -> Self {
        match self {
            Self::Http(status, headers, body) => Self::Http(status, format!("{headers}{header}\r\n"), body),
            Self::CutBody | Self::Cut | Self::Hang => self,
        }
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The JWS's header and payload.
    pub(crate) header: Value,
    pub(crate) payload: Value,
}

/// Paths, and what is still to be answered on each.
type Script = Vec<(String, VecDeque<Reply>)>;

/// A server that answers a path with its scripted replies in turn, the last of them for ever.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            address,
            script: Arc::default(),
            seen: Arc::default(),
        };
        let directory = json!({
            "newNonce": server.url("/nonce"), "newAccount": server.url("/account"), "newOrder": server.url("/order"),
            "renewalInfo": server.url("/ari"), "meta": {"profiles": {"classic": "", "short": ""}},
        });
        server.on("/dir", [answer(200, directory.to_string())]);
        server.on("/nonce", [answer(204, "").with("Replay-Nonce: first")]);
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move { server.converse(stream).await });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// From now on `path` is answered like this.
    pub(crate) fn on(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut script = self.script.lock().unwrap();
        script.retain(|(known, _)| known != path);
        script.push((path.to_owned(), replies.into_iter().collect()));
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.path == path).cloned().collect()
    }

    async fn converse(&self, mut stream: TcpStream) -> Option<()> {
        loop {
            let request = read_request(&mut stream).await?;
            let reply = self.next_reply(&request.path);
            self.seen.lock().unwrap().push(request.clone());
            match reply {
                Reply::Http(status, headers, body) => {
                    let body = if request.method == "HEAD" { String::new() } else { body };
                    let nonce = format!("Replay-Nonce: n{}\r\n", self.seen.lock().unwrap().len());
                    let nonce = if headers.contains("Replay-Nonce") {
                        String::new()
                    } else {
                        nonce
                    };
                    let length = if status == 204 {
                        String::new()
                    } else {
                        format!("Content-Length: {}\r\n", body.len())
                    };
                    let text = format!("HTTP/1.1 {status} X\r\n{headers}{nonce}{length}\r\n{body}");
                    stream.write_all(text.as_bytes()).await.ok()?;
                }
                Reply::CutBody => {
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"status\":")
                        .await
                        .ok()?;
                    return None;
                }
                Reply::Cut => return None,
                Reply::Hang => std::future::pending().await,
            }
        }
    }

    fn next_reply(&self, path: &str) -> Reply {
        let mut script = self.script.lock().unwrap();
        let Some((_, replies)) = script.iter_mut().find(|(known, _)| known == path) else {
            return answer(404, "");
        };
        if replies.len() > 1 {
            replies.pop_front().unwrap()
        } else {
            replies[0].clone()
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(Settings {
            client: ClientSettings {
                request_timeout: Duration::from_secs(20),
                ..ClientSettings::default()
            },
            ..Settings::default()
        })
    }

    pub(crate) fn client_with(&self, settings: Settings) -> Client {
        client(&self.url("/dir"), settings, Arc::new(Unobserved))
    }

    pub(crate) fn account(&self) -> Account {
        self.client().account(&self.url("/acct/1")).unwrap()
    }
}

pub(crate) fn client(directory: &str, settings: Settings, observer: Arc<dyn Observer>) -> Client {
    static KEY: OnceLock<AccountKey> = OnceLock::new();
    let key = KEY.get_or_init(|| AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap());
    Registry::new(settings, observer)
        .client(directory, &Trust::default(), key)
        .unwrap()
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut text = Vec::new();
    let head = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.ok()?;
        text.push(byte[0]);
        if text.ends_with(b"\r\n\r\n") {
            break String::from_utf8(text).unwrap();
        }
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")?
            .trim()
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
    let part = |name: &str| {
        let decoded = BASE64_URL_SAFE_NO_PAD
            .decode(jws[name].as_str().unwrap_or_default())
            .unwrap();
        serde_json::from_slice(&decoded).unwrap_or_default()
    };
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    Some(Seen {
        method,
        path,
        header: part("protected"),
        payload: part("payload"),
    })
}
