//! One request and its response, as bytes, over UDP (RFC 1035 section 4.2.1) or TCP (RFC 7766).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Header, MessageType, Query};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// The first wait for a response over UDP before the request is sent again. Each further wait is twice as long.
const FIRST_RESEND: Duration = Duration::from_secs(1);

/// The largest message.
const MAX_MESSAGE: usize = 65_535;

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Over UDP, and over TCP if the response does not fit.
    #[default]
    Udp,
    /// Over TCP.
    Tcp,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskProblem {
    /// The time limit has passed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// No connection; the reason.
    #[error("{0}")]
    Unreachable(String),
    /// A response that cannot be read; the reason.
    #[error("an unusable answer: {0}")]
    Unusable(String),
}

/// Sends a request over UDP, again after a while, until a response to it arrives. Other datagrams are ignored.
pub(super) async fn over_udp(server: SocketAddr, request: &[u8], limit: Duration) -> Result<Vec<u8>, AskProblem> {
    let deadline = Instant::now() + limit;
    let socket = connected(server).await.map_err(|error| unreachable(&error))?;
    let mut buffer = vec![0; MAX_MESSAGE];
    let mut wait = FIRST_RESEND;
    while Instant::now() < deadline {
        socket.send(request).await.map_err(|error| unreachable(&error))?;
        let resend = (Instant::now() + wait).min(deadline);
        wait *= 2;
        // an elapsed time limit is no problem yet: the request is sent again
        while let Ok(received) = timeout_at(resend, socket.recv(&mut buffer)).await {
            let length = received.map_err(|error| unreachable(&error))?;
            let response = buffer.get(..length).unwrap_or_default();
            if responds(request, response) {
                return Ok(response.to_vec());
            }
        }
    }
    Err(AskProblem::TimedOut(limit))
}

/// Sends a request over TCP.
pub(super) async fn over_tcp(server: SocketAddr, request: &[u8], limit: Duration) -> Result<Vec<u8>, AskProblem> {
    let deadline = Instant::now() + limit;
    let exchanged = timeout_at(deadline, converse(server, request)).await;
    let response = exchanged
        .map_err(|_| AskProblem::TimedOut(limit))?
        .map_err(|error| unreachable(&error))?;
    if responds(request, &response) {
        Ok(response)
    } else {
        Err(AskProblem::Unusable(
            "it is not the answer to what was asked".to_owned(),
        ))
    }
}

/// Whether a message says that it is truncated (TC).
pub(super) fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0b10 != 0)
}

/// A socket that receives from the server only, and that learns when no server listens.
async fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    Ok(socket)
}

async fn converse(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(request.len()).map_err(|_| io::Error::other("the request is too large"))?;
    let mut stream = TcpStream::connect(server).await?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(request);
    stream.write_all(&framed).await?;
    let mut response = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut response).await?;
    Ok(response)
}

/// Whether a message is a response to the request: the same ID and operation, and the same question if it has one.
fn responds(request: &[u8], response: &[u8]) -> bool {
    let (Some((asked, question)), Some((header, answered))) = (beginning(request), beginning(response)) else {
        return false;
    };
    header.metadata.id == asked.metadata.id
        && header.metadata.op_code == asked.metadata.op_code
        && header.metadata.message_type == MessageType::Response
        && (header.counts.queries == 0 || answered == question)
}

/// The header of a message, and its only question.
fn beginning(message: &[u8]) -> Option<(Header, Option<Query>)> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).ok()?;
    let question = match header.counts.queries {
        1 => Some(Query::read(&mut decoder).ok()?),
        _ => None,
    };
    Some((header, question))
}

fn unreachable(error: &io::Error) -> AskProblem {
    let kind = error.kind();
    AskProblem::Unreachable(if kind == io::ErrorKind::ConnectionRefused {
        "no DNS server listens there (connection refused)".to_owned()
    } else if kind == io::ErrorKind::UnexpectedEof {
        "it closed the connection without an answer".to_owned()
    } else {
        error.to_string()
    })
}
