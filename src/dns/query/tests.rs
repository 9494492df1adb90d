//! Questions to a server on this machine.

use std::net::Ipv4Addr;

use hickory_proto::rr::rdata::{A, MX};
use proptest::prelude::*;

use super::*;
use crate::dns::fake::{Server, cname, ns, record, response_to, soa, txt};
use crate::dns::parse_name;

const LIMIT: Duration = Duration::from_secs(20);

fn question(name: &str, kind: RecordType) -> Question {
    Question {
        name: parse_name(name).unwrap(),
        kind,
        recursive: false,
    }
}

#[tokio::test]
async fn all_records_that_matter_are_read() {
    let server = Server::of_messages(|request, response| {
        assert!(!request.metadata.recursion_desired && request.edns.is_some());
        response.metadata.authoritative = true;
        response.add_answers([
            cname("a.example", "b.example"),
            txt("b.example", &["one ", "text"]),
            record("b.example", RData::A(A(Ipv4Addr::LOCALHOST))),
            record("b.example", RData::MX(MX::new(10, parse_name("mail.example").unwrap()))),
        ]);
        response.add_authorities([soa("example"), ns("example", "ns1.example")]);
    })
    .await;
    let answer = ask(server.address, &question("a.example", RecordType::TXT), LIMIT)
        .await
        .unwrap();
    assert!(answer.authoritative && answer.code == ResponseCode::NoError);
    assert_eq!(answer.answers.len(), 3, "{answer:?}");
    assert_eq!(
        answer.cname(&parse_name("A.example").unwrap()),
        Some(&parse_name("b.example").unwrap())
    );
    assert_eq!(answer.cname(&parse_name("b.example").unwrap()), None);
    assert_eq!(answer.texts().collect::<Vec<_>>(), [b"one text"]);
    assert_eq!(answer.answers[2].data, Data::Address(Ipv4Addr::LOCALHOST.into()));
    let [zone, server] = &answer.authorities[..] else {
        panic!("{answer:?}")
    };
    let primary = parse_name("ns1.example").unwrap();
    assert_eq!(server.data, Data::Ns(primary.clone()));
    assert_eq!(
        zone.data,
        Data::Soa {
            primary,
            serial: 7,
            minimum: 5
        }
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = Server::of_bytes(|request, tcp| {
        let request = Message::from_vec(request).unwrap();
        let mut response = response_to(&request);
        response.metadata.truncation = !tcp;
        response.add_answer(txt("a.example", &[if tcp { "whole" } else { "part" }]));
        vec![response.to_vec().unwrap()]
    })
    .await;
    let answer = ask(server.address, &question("a.example", RecordType::TXT), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer.texts().collect::<Vec<_>>(), [b"whole"]);
    assert_eq!(server.asked(), [false, true]);
}

#[tokio::test]
async fn datagrams_that_answer_something_else_are_ignored() {
    let server = Server::of_bytes(|request, _| {
        let request = Message::from_vec(request).unwrap();
        let with = |change: &dyn Fn(&mut Message)| {
            let mut response = response_to(&request);
            change(&mut response);
            response.to_vec().unwrap()
        };
        vec![
            with(&|response| response.metadata.id = request.metadata.id.wrapping_add(1)),
            with(&|response| response.metadata.op_code = OpCode::Update),
            with(&|response| response.metadata.message_type = MessageType::Query),
            with(&|response| {
                response.queries = vec![Query::query(parse_name("z.example").unwrap(), RecordType::TXT)];
            }),
            b"noise".to_vec(),
            with(&|response| response.metadata.response_code = ResponseCode::Refused),
        ]
    })
    .await;
    let answer = ask(server.address, &question("a.example", RecordType::TXT), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer.code, ResponseCode::Refused);
    assert_eq!(server.asked(), [false]);
}

#[tokio::test]
async fn a_server_that_does_not_know_edns_is_asked_without() {
    let server = Server::of_messages(|request, response| {
        if request.edns.is_some() {
            response.metadata.response_code = ResponseCode::FormErr;
        } else {
            response.add_answer(txt("a.example", &["old"]));
        }
    })
    .await;
    let answer = ask(server.address, &question("a.example", RecordType::TXT), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer.texts().collect::<Vec<_>>(), [b"old"]);
}

#[tokio::test]
async fn what_is_lost_is_sent_again_and_tcp_is_tried_where_udp_stays_silent() {
    let silent = Server::of_bytes(|request, tcp| {
        let request = Message::from_vec(request).unwrap();
        if tcp {
            vec![response_to(&request).to_vec().unwrap()]
        } else {
            Vec::new()
        }
    })
    .await;
    let limit = Duration::from_secs(3);
    ask(silent.address, &question("a.example", RecordType::TXT), limit)
        .await
        .unwrap();
    assert_eq!(silent.asked(), [false, false, true]);

    let dead = Server::of_bytes(|_, _| Vec::new()).await;
    let limit = Duration::from_millis(300);
    let problem = ask(dead.address, &question("a.example", RecordType::TXT), limit)
        .await
        .unwrap_err();
    assert_eq!(problem, AskProblem::TimedOut(limit));
    assert_eq!(problem.to_string(), "no answer within 300ms");
}

#[tokio::test]
async fn a_closed_port_is_reported_at_once() {
    let closed = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let problem = ask(closed, &question("a.example", RecordType::TXT), LIMIT)
        .await
        .unwrap_err();
    assert_eq!(problem.to_string(), "no DNS server listens there (connection refused)");
}

#[test]
fn only_whole_responses_are_answers() {
    let request = question("a.example", RecordType::TXT).to_bytes(true).unwrap();
    let mut message = response_to(&Message::from_vec(&request).unwrap());
    message.metadata.truncation = true;
    for (bytes, says) in [
        (request, "it is no response"),
        (message.to_vec().unwrap(), "it is truncated"),
        (vec![0; 5], "unexpected end"),
    ] {
        let sentence = Answer::from_bytes(&bytes).unwrap_err().to_string();
        assert!(sentence.contains(says), "{sentence}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_a_problem(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _either = Answer::from_bytes(&bytes);
    }

    #[test]
    fn a_question_for_any_name_can_be_asked(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..4)) {
        let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
        if let Ok(mut name) = Name::from_labels(labels) {
            name.set_fqdn(true);
            let question = Question { name: name.clone(), kind: RecordType::TXT, recursive: true };
            let read = Message::from_vec(&question.to_bytes(true).unwrap()).unwrap();
            prop_assert_eq!(read.queries[0].name(), &name);
            prop_assert!(!crate::dns::shown(&name).contains(char::is_control));
        }
    }
}
