use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::solver::token::Token;

fn answer(host: &str, token: &str) -> Answer {
    Answer {
        host: Host::parse(host).unwrap(),
        key_authorization: KeyAuthorization::new(Token::parse(token).unwrap(), "thumb"),
    }
}

struct Server {
    responder: Arc<Responder>,
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn serve() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let responder = Arc::new(Responder::new());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&responder).serve(listener, shutdown.clone()));
    Server {
        responder,
        address,
        shutdown,
        task,
    }
}

/// Sends bytes as they are and reads until the server closes.
async fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

async fn get(address: SocketAddr, host: &str, path: &str) -> String {
    talk(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_pair_in_flight_is_answered_whatever_the_case_and_port_of_its_host() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    for host in ["demo.example", "DEMO.example", "demo.example:80", "Demo.Example.:8089"] {
        let reply = get(server.address, host, "/.well-known/acme-challenge/tok").await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{host}: {reply}");
        assert!(reply.ends_with("\r\n\r\ntok.thumb"), "{host}: {reply}");
        assert!(
            reply.to_ascii_lowercase().contains("cache-control: no-cache, no-store"),
            "{reply}"
        );
    }
    assert_eq!(server.responder.served().validations, 4);
}

#[tokio::test]
async fn addresses_are_answered_as_hosts() {
    let server = serve().await;
    server.responder.insert("order", answer("192.0.2.7", "four")).unwrap();
    server.responder.insert("order", answer("2001:db8::1", "six")).unwrap();
    for (host, token) in [
        ("192.0.2.7:80", "four"),
        ("192.0.2.7", "four"),
        ("[2001:db8::1]", "six"),
        ("[2001:DB8::1]:80", "six"),
    ] {
        let reply = get(server.address, host, &format!("/.well-known/acme-challenge/{token}")).await;
        assert!(reply.ends_with(&format!("\r\n\r\n{token}.thumb")), "{host}: {reply}");
    }
}

#[tokio::test]
async fn everything_else_is_a_404_that_repeats_nothing_of_the_request() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    let requests = [
        ("GET", "other.example", "/.well-known/acme-challenge/tok"),
        ("GET", "demo.example", "/.well-known/acme-challenge/reflected"),
        ("GET", "demo.example", "/.well-known/acme-challenge/"),
        ("GET", "demo.example", "/.well-known/acme-challenge/tok/"),
        ("GET", "demo.example", "/.well-known/acme-challenge/%74ok"),
        (
            "GET",
            "demo.example",
            "/.well-known/acme-challenge/../acme-challenge/tok",
        ),
        ("GET", "demo.example", "/reflected?reflected"),
        ("POST", "demo.example", "/.well-known/acme-challenge/tok"),
        ("DELETE", "demo.example", "/"),
        ("GET", "demo.example:http", "/.well-known/acme-challenge/tok"),
    ];
    for (method, host, path) in requests {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-A: reflected\r\nConnection: close\r\n\r\n");
        let reply = talk(server.address, &request).await;
        assert!(reply.starts_with("HTTP/1.1 404 "), "{method} {host} {path}: {reply}");
        assert!(reply.ends_with("\r\n\r\n") && !reply.contains("reflected"), "{reply}");
    }
    assert_eq!(
        server.responder.served(),
        Served {
            unknown: 10,
            ..Served::default()
        }
    );
}

#[tokio::test]
async fn two_host_headers_get_nothing() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    let request = "GET /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: demo.example\r\nHost: demo.example\r\nConnection: close\r\n\r\n";
    let reply = talk(server.address, request).await;
    assert!(!reply.contains("thumb"), "{reply}");
}

#[tokio::test]
async fn health_paths_and_head_requests_have_no_body() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    for path in ["/", "/healthz"] {
        let reply = get(server.address, "whatever", path).await;
        assert!(
            reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\n"),
            "{reply}"
        );
    }
    let head = "HEAD /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: demo.example\r\nConnection: close\r\n\r\n";
    let reply = talk(server.address, head).await;
    assert!(
        reply.starts_with("HTTP/1.1 200 ") && reply.contains("content-length: 9\r\n"),
        "{reply}"
    );
    assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    assert_eq!(server.responder.served().health, 2);
}

#[tokio::test]
async fn our_own_probe_is_not_counted_as_a_validation() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    let request = format!(
        "GET /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: demo.example\r\nUser-Agent: {PROBE_AGENT}/1\r\nConnection: close\r\n\r\n"
    );
    assert!(talk(server.address, &request).await.ends_with("tok.thumb"));
    assert_eq!(
        server.responder.served(),
        Served {
            probes: 1,
            ..Served::default()
        }
    );
}

#[tokio::test]
async fn a_request_without_end_is_cut_off() {
    let server = serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let endless = format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(100_000));
    // The server may close while we still write.
    let written = stream.write_all(endless.as_bytes()).await;
    let mut reply = Vec::new();
    let read = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8_lossy(&reply);
    assert!(
        written.is_err() || read.is_err() || reply.starts_with("HTTP/1.1 431"),
        "{reply}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_headers_loses_its_place() {
    let server = serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut reply = Vec::new();
    // Ends only because the server closes; the paused clock makes the wait short.
    let read = stream.read_to_end(&mut reply).await;
    assert!(read.is_err() || reply.is_empty() || reply.starts_with(b"HTTP/1.1 408"));
}

#[tokio::test]
async fn shutdown_ends_the_server_and_its_idle_connections() {
    let server = serve().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    server.shutdown.cancel();
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[test]
fn an_answer_shared_by_two_orders_stays_until_both_are_done() {
    let responder = Responder::new();
    let (shared, host) = (answer("demo.example", "tok"), Host::parse("demo.example").unwrap());
    responder.insert("first", shared.clone()).unwrap();
    responder.insert("first", shared.clone()).unwrap();
    responder.insert("second", shared.clone()).unwrap();
    assert_eq!(responder.in_flight(), 2);
    responder.remove("first", &shared);
    assert!(responder.lookup(&host, "tok").is_some());
    responder.replace_all_for("second", Vec::new()).unwrap();
    assert_eq!(responder.lookup(&host, "tok"), None);
    assert_eq!(responder.in_flight(), 0);
}

#[test]
fn replacing_drops_what_is_no_longer_in_flight() {
    let responder = Responder::new();
    let (a, b) = (answer("a.example", "one"), answer("b.example", "two"));
    responder.replace_all_for("order", vec![a.clone(), b.clone()]).unwrap();
    responder.replace_all_for("order", vec![b.clone()]).unwrap();
    assert_eq!(responder.lookup(&a.host, "one"), None);
    assert_eq!(
        responder.lookup(&b.host, "two").as_deref(),
        Some(b"two.thumb".as_slice())
    );
}

#[test]
fn a_full_table_refuses_and_takes_again_after_a_removal() {
    let responder = Responder::new();
    let many = (0..TABLE_LIMIT)
        .map(|n| answer("demo.example", &format!("t{n}")))
        .collect();
    responder.replace_all_for("order", many).unwrap();
    let one_more = answer("demo.example", "more");
    assert_eq!(responder.insert("order", one_more.clone()), Err(TableFull));
    responder.remove("order", &answer("demo.example", "t7"));
    assert_eq!(responder.insert("order", one_more), Ok(()));
}

#[tokio::test]
async fn whoever_waits_for_a_validation_is_told_of_it_and_not_of_probes() {
    let server = serve().await;
    server.responder.insert("order", answer("demo.example", "tok")).unwrap();
    let mut answered = server.responder.validations();
    let probe = format!(
        "GET /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: demo.example\r\nUser-Agent: {PROBE_AGENT}/1\r\nConnection: close\r\n\r\n"
    );
    assert!(talk(server.address, &probe).await.ends_with("tok.thumb"));
    get(server.address, "other.example", "/.well-known/acme-challenge/tok").await;
    assert!(answered.try_recv().is_err());
    get(server.address, "demo.example", "/.well-known/acme-challenge/tok").await;
    assert_eq!(answered.try_recv().as_deref(), Ok("tok"));
}
