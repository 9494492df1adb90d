use std::net::SocketAddr;

use futures::{StreamExt, stream};
use http::StatusCode;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::net::server::HEADER_SIZE;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A server that says hello, and its end.
fn serving<F>(most: usize, answer: F) -> (SocketAddr, tokio_util::sync::DropGuard)
where
    F: Fn(&Request<Incoming>) -> Response<Body> + Send + Sync + 'static,
{
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, most, answer, shutdown.clone()));
    (address, shutdown.drop_guard())
}

fn hello(_request: &Request<Incoming>) -> Response<Body> {
    Response::new(Full::new(Bytes::from("hello")).boxed_unsync())
}

async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything that comes until the server closes the connection.
async fn answered(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // what was cut may end with an error instead
    let _ended = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn whoever_asks_gets_the_place_of_the_oldest_connection_that_is_silent_or_half_sent() {
    let (address, _end) = serving(4, hello);
    let mut others = Vec::new();
    for number in 0..10 {
        let half: &[u8] = if number % 2 == 0 { b"" } else { b"GET / HTTP/1.1\r\nX: " };
        others.push(sent(address, half).await);
        // the order in which connections are accepted is that in which they came
        assert!(
            answered(sent(address, REQUEST).await).await.ends_with("hello"),
            "{number}"
        );
    }
    let youngest = others.split_off(9);
    for other in others.drain(..6) {
        assert_eq!(answered(other).await, "");
    }
    let mut youngest = youngest.into_iter().next().unwrap();
    youngest.write_all(b"a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answered(youngest).await.ends_with("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_or_half_a_request_is_cut() {
    let (address, _end) = serving(4, hello);
    for half in [b"".as_slice(), b"GET / HTTP/1.1\r\nX: a"] {
        assert_eq!(answered(sent(address, half).await).await, "");
    }
}

#[tokio::test]
async fn a_request_longer_than_its_bound_is_refused() {
    let (address, _end) = serving(4, hello);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(2 * HEADER_SIZE));
    let answer = answered(sent(address, long.as_bytes()).await).await;
    let refused = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_str();
    assert!(answer.is_empty() || answer.contains(refused), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_cut_and_its_answer_is_made_no_further() {
    let (reported, mut ended) = mpsc::unbounded_channel();
    let endless = move |_request: &Request<Incoming>| {
        let guard = Ending(reported.clone());
        let pieces = stream::repeat(Bytes::from(vec![b'a'; 64 << 10])).map(move |piece| {
            let _guard = &guard;
            Ok(Frame::data(piece))
        });
        Response::new(StreamBody::new(pieces).boxed_unsync())
    };
    let (address, _end) = serving(4, endless);
    let stream = sent(address, REQUEST).await;
    ended.recv().await.unwrap();
    drop(stream);
}

/// Tells that an answer is given up.
struct Ending(mpsc::UnboundedSender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _told = self.0.send(());
    }
}
