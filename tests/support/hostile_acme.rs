//! An ACME server that means harm: what it says is larger, longer or more than makes sense.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hostility {
    /// Authorizations of 3.9 MB each.
    HugeAuthorizations,
    /// Authorizations that are each a little smaller than the largest that is read.
    FullAuthorizations,
    /// An order of a megabyte.
    HugeOrder,
    /// URLs of authorizations that are longer than an Order can hold.
    LongUrls,
    /// More challenges than an Order can hold.
    ManyChallenges,
    /// More authorizations than the names explain.
    ManyAuthorizations,
    /// A token that is no token.
    WrongToken,
}

/// How many authorizations it wants for 20 names: as many as are not refused for their number.
const AUTHORIZATIONS: usize = 48;

/// A running server; dropping it ends it.
pub(crate) struct HostileAcme {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl HostileAcme {
    /// Starts one, without TLS.
    pub(crate) async fn start(hostility: Hostility) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (base, log) = (url.clone(), Arc::clone(&asked));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (base, log) = (base.clone(), Arc::clone(&log));
                tokio::spawn(async move { converse(stream, hostility, &base, &log).await });
            }
        });
        Self { url, asked, accepting }
    }

    /// The URL of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("{}/dir", self.url)
    }

    /// How many requests came for paths that begin so.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| asked.starts_with(path))
            .count()
    }
}

impl Drop for HostileAcme {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse(mut stream: TcpStream, hostility: Hostility, base: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    loop {
        let (method, path) = request(&mut stream).await?;
        log.lock().unwrap().push(path.clone());
        let (status, location, body) = answer(hostility, base, &path);
        let location = location.map_or_else(String::new, |location| format!("Location: {location}\r\n"));
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nReplay-Nonce: {}\r\n{location}Content-Length: {length}\r\n\r\n",
            "n".repeat(20)
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        if method != "HEAD" {
            stream.write_all(body.as_bytes()).await.ok()?;
        }
    }
}

fn answer(hostility: Hostility, base: &str, path: &str) -> (u16, Option<String>, String) {
    let url = |path: &str| format!("{base}{path}");
    let (status, location, body) = match path {
        "/dir" => {
            let body = json!({"newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/new-order")});
            (200, None, body)
        }
        "/nonce" => (200, None, json!({})),
        "/account" => (200, Some(url("/account/1")), json!({"status": "valid"})),
        "/new-order" => (201, Some(url("/order/1")), order(hostility, base)),
        path if path.starts_with("/order") => (200, None, order(hostility, base)),
        _ => (200, None, authorization(hostility, base)),
    };
    (status, location, body.to_string())
}

fn order(hostility: Hostility, base: &str) -> Value {
    let count = AUTHORIZATIONS + usize::from(hostility == Hostility::ManyAuthorizations);
    let filler = if hostility == Hostility::LongUrls { 2048 } else { 0 };
    // of URLs as long as that, as many as the whole order may have
    let count = if filler == 0 { count } else { 20 };
    let filler = "x".repeat(filler);
    let authorizations: Vec<String> = (0..count)
        .map(|number| format!("{base}/authz/{number}{filler}"))
        .collect();
    let junk = "x".repeat(if hostility == Hostility::HugeOrder { 1 << 20 } else { 0 });
    json!({"status": "pending", "authorizations": authorizations, "finalize": format!("{base}/finalize"), "junk": junk})
}

fn authorization(hostility: Hostility, base: &str) -> Value {
    let http01 = |token: &str, filler: usize| {
        let url = format!("{base}/challenge/{}", "x".repeat(filler));
        json!({"type": "http-01", "url": url, "token": token, "status": "pending"})
    };
    let challenges: Vec<Value> = match hostility {
        Hostility::HugeAuthorizations => {
            vec![json!({"type": format!("x{}", "A".repeat(3_900_000)), "url": base, "token": "t"})]
        }
        Hostility::FullAuthorizations => (0..30).map(|_| http01("token", 1_800)).collect(),
        Hostility::ManyChallenges => (0..101).map(|_| http01("token", 1)).collect(),
        Hostility::WrongToken => vec![http01("../../admin", 1)],
        Hostility::HugeOrder | Hostility::LongUrls | Hostility::ManyAuthorizations => vec![http01("token", 1)],
    };
    // what was ordered: nothing else is to be in the way
    json!({"status": "pending", "identifier": {"type": "dns", "value": "hostile.example"}, "challenges": challenges})
}

/// Method and path of a request; its body is read and forgotten.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = head.split(' ').map(str::to_owned);
    Some((words.next()?, words.next()?))
}
