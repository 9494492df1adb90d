//! A DNS server on this machine for tests: it answers over UDP and TCP what a script says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS, SOA, TXT};
use hickory_proto::rr::{self, RData};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::parse_name;

/// What a server answers to a request: messages, each in a datagram of its own. Over TCP only the first is sent.
pub(super) type Script = Box<dyn Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync>;

/// A running server; `true` in `asked` is a request over TCP.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<bool>>>,
}

impl Server {
    /// A server with a script for bytes.
    pub(super) async fn of_bytes(script: impl Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (tcp, udp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(Box::new(script));
        let (seen, answers) = (Arc::clone(&asked), Arc::clone(&script));
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
                seen.lock().unwrap().push(false);
                for answer in answers(&buffer[..length], false) {
                    udp.send_to(&answer, client).await.unwrap();
                }
            }
        });
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut request = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut request).await.unwrap();
                seen.lock().unwrap().push(true);
                if let Some(answer) = script(&request, true).first() {
                    stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    /// A server with a script for messages: it changes the response that it is given.
    pub(super) async fn of_messages(script: impl Fn(&Message, &mut Message) + Send + Sync + 'static) -> Self {
        Self::of_bytes(move |request, _| {
            let request = Message::from_vec(request).unwrap();
            let mut response = response_to(&request);
            script(&request, &mut response);
            vec![response.to_vec().unwrap()]
        })
        .await
    }

    /// A server of a zone: each name has records; other names do not exist.
    pub(super) async fn of_records(records: Vec<rr::Record>) -> Self {
        Self::of_messages(move |request, response| {
            let question = &request.queries[0];
            let of_name: Vec<_> = records
                .iter()
                .filter(|record| record.name == *question.name())
                .collect();
            if of_name.is_empty() {
                response.metadata.response_code = ResponseCode::NXDomain;
            }
            for record in of_name {
                if record.record_type() == question.query_type() || matches!(record.data, RData::CNAME(_)) {
                    response.add_answer(record.clone());
                }
            }
        })
        .await
    }

    /// How it was asked so far: `true` is TCP.
    pub(super) fn asked(&self) -> Vec<bool> {
        self.asked.lock().unwrap().clone()
    }
}

/// Both sockets at one port.
async fn sockets() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (tcp, udp);
        }
    }
}

/// An empty response without an error.
pub(super) fn response_to(request: &Message) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.add_queries(request.queries.iter().cloned());
    response
}

pub(super) fn record(name: &str, data: RData) -> rr::Record {
    rr::Record::from_rdata(parse_name(name).unwrap(), 60, data)
}

pub(super) fn txt(name: &str, strings: &[&str]) -> rr::Record {
    record(
        name,
        RData::TXT(TXT::new(strings.iter().map(ToString::to_string).collect())),
    )
}

pub(super) fn cname(name: &str, target: &str) -> rr::Record {
    record(name, RData::CNAME(CNAME(parse_name(target).unwrap())))
}

pub(super) fn ns(name: &str, server: &str) -> rr::Record {
    record(name, RData::NS(NS(parse_name(server).unwrap())))
}

pub(super) fn soa(zone: &str) -> rr::Record {
    let (primary, mailbox) = (
        parse_name("ns1.example").unwrap(),
        parse_name("hostmaster.example").unwrap(),
    );
    record(zone, RData::SOA(SOA::new(primary, mailbox, 7, 60, 60, 3600, 5)))
}
