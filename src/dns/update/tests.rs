//! Updates to a server on this machine, and what its responses mean.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::dns::fake::{Server, response_to};
use crate::dns::parse_name;

const LIMIT: Duration = Duration::from_secs(20);

fn key(secret: &[u8]) -> Key {
    Key::new("key.example", "HMACSHA256", secret).unwrap()
}

fn txt(name: &str, value: &str) -> TxtRecord {
    TxtRecord {
        name: parse_name(name).unwrap(),
        value: value.as_bytes().to_vec(),
    }
}

fn change() -> Change {
    Change {
        zone: parse_name("example").unwrap(),
        add: vec![
            txt("a.example", "new"),
            txt("a.example", "other"),
            txt("b.example", "new"),
        ],
        remove: vec![txt("a.example", "old")],
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_900_000).unwrap()
}

async fn made(server: &Server, transport: Transport, key: Option<Key>) -> Result<(), UpdateFault> {
    let primary = Primary {
        server: Nameserver::Address(server.address),
        transport,
        key,
    };
    let policy = AddressPolicy::new(Vec::new(), true);
    primary.update(&policy, &change(), now(), LIMIT).await
}

/// A server that answers with a code and without a signature.
async fn unsigned(code: ResponseCode) -> Server {
    Server::of_messages(move |_, response| response.metadata.response_code = code).await
}

#[test]
fn one_request_has_all_removals_and_additions() {
    let message = Message::from_vec(&change().to_bytes().unwrap()).unwrap();
    assert_eq!(message.metadata.op_code, OpCode::Update);
    assert_eq!(
        message.queries,
        [Query::query(parse_name("example").unwrap(), RecordType::SOA)]
    );
    let seen: Vec<_> = message
        .authorities
        .iter()
        .map(|record| (record.dns_class, record.ttl, record.data.to_string()))
        .collect();
    assert_eq!(
        seen,
        [
            (DNSClass::NONE, 0, "old".to_owned()),
            (DNSClass::IN, 60, "new".to_owned()),
            (DNSClass::IN, 60, "other".to_owned()),
            (DNSClass::IN, 60, "new".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_response_without_an_error_is_enough_without_a_key_and_needs_a_signature_with_one() {
    let server = unsigned(ResponseCode::NoError).await;
    assert_eq!(made(&server, Transport::Udp, None).await, Ok(()));
    let fault = made(&server, Transport::Udp, Some(key(b"c2VjcmV0"))).await.unwrap_err();
    assert_eq!(fault.kind, UpdateFaultKind::NotSigned);
}

#[tokio::test]
async fn response_codes_are_faults_whose_sentences_say_what_to_do() {
    for (code, kind, says) in [
        (
            ResponseCode::Refused,
            UpdateFaultKind::Refused,
            "does not let key key.example write TXT records at a.example and 3 more in zone example (REFUSED): allow it in the update policy of the zone",
        ),
        (
            ResponseCode::NotAuth,
            UpdateFaultKind::NotAuthoritative,
            "is not the primary of zone example or does not let key key.example update it (NOTAUTH)",
        ),
        (
            ResponseCode::NotZone,
            UpdateFaultKind::NotInZone,
            "is not in zone example (NOTZONE)",
        ),
        (
            ResponseCode::ServFail,
            UpdateFaultKind::ServerFailure,
            "failed to update zone example (SERVFAIL)",
        ),
        (
            ResponseCode::NotImp,
            UpdateFaultKind::Code(ResponseCode::NotImp),
            "(NOTIMP): check whether it supports dynamic updates",
        ),
    ] {
        let server = unsigned(code).await;
        let fault = made(&server, Transport::Udp, Some(key(b"c2VjcmV0"))).await.unwrap_err();
        assert_eq!(fault.kind, kind);
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(fault.to_string().contains(&server.address.to_string()), "{fault}");
    }
}

#[tokio::test]
async fn udp_gives_way_to_tcp_where_the_response_is_truncated_or_the_request_is_large() {
    let server = Server::of_bytes(|request, tcp| {
        let mut response = response_to(&Message::from_vec(request).unwrap());
        response.metadata.truncation = !tcp;
        vec![response.to_vec().unwrap()]
    })
    .await;
    assert_eq!(made(&server, Transport::Udp, None).await, Ok(()));
    assert_eq!(server.asked(), [false, true]);
    assert_eq!(made(&server, Transport::Tcp, None).await, Ok(()));
    assert_eq!(server.asked(), [false, true, true]);
    let primary = Primary {
        server: Nameserver::Address(server.address),
        transport: Transport::Udp,
        key: None,
    };
    let mut large = change();
    large.add = (0..100)
        .map(|number| txt(&format!("{number}.example"), "a value"))
        .collect();
    let policy = AddressPolicy::new(Vec::new(), true);
    assert_eq!(primary.update(&policy, &large, now(), LIMIT).await, Ok(()));
    assert_eq!(server.asked(), [false, true, true, true]);
    large.add = vec![txt("a.example", &"x".repeat(64_000)); 2];
    let fault = primary.update(&policy, &large, now(), LIMIT).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the update of zone example is too large for one DNS message"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_and_one_that_is_not_allowed_are_unreachable() {
    let server = Nameserver::Address((Ipv4Addr::LOCALHOST, 1).into());
    let primary = Primary {
        server,
        transport: Transport::Tcp,
        key: None,
    };
    let outside = AddressPolicy::new(Vec::new(), true);
    let fault = primary.update(&outside, &change(), now(), LIMIT).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "DNS server 127.0.0.1:1 cannot be reached for an update of zone example: no DNS server listens there (connection refused); \
         check nameserver and protocol of the issuer, and the firewalls"
    );
    let fault = primary
        .update(&AddressPolicy::default(), &change(), now(), LIMIT)
        .await
        .unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("is this machine itself, which certlet does not contact"),
        "{fault}"
    );
}

#[test]
fn what_the_tsig_record_says_comes_before_the_response_code() {
    let verified = |valid, error, time, server_time| Verified {
        valid,
        error,
        time,
        server_time,
    };
    for (verified, kind) in [
        (verified(true, None, 1000, None), None),
        (verified(true, None, 1300, None), None),
        (
            verified(true, None, 1301, None),
            Some(UpdateFaultKind::Clock { ahead: 301 }),
        ),
        (verified(false, None, 1000, None), Some(UpdateFaultKind::WrongSignature)),
        (
            verified(false, Some(TsigError::BadSig), 1000, None),
            Some(UpdateFaultKind::WrongSecret),
        ),
        (
            verified(false, Some(TsigError::BadKey), 1000, None),
            Some(UpdateFaultKind::UnknownKey),
        ),
        (
            verified(true, Some(TsigError::BadTime), 1000, Some(400)),
            Some(UpdateFaultKind::Clock { ahead: -600 }),
        ),
        (
            verified(false, Some(TsigError::BadTime), 1000, Some(400)),
            Some(UpdateFaultKind::WrongSignature),
        ),
        (
            verified(true, Some(TsigError::BadTime), u64::MAX, Some(u64::MAX)),
            Some(UpdateFaultKind::Clock { ahead: -1001 }),
        ),
    ] {
        assert_eq!(trusted(&verified, 1000).err(), kind, "{verified:?}");
    }
    let fault = |kind| UpdateFault {
        server: "ns1:53".into(),
        zone: "example".into(),
        names: vec!["a.example".into()],
        key: Some(("key.example".into(), "HMACMD5".into())),
        kind,
    };
    for (kind, sentence) in [
        (
            UpdateFaultKind::Clock { ahead: -600 },
            "the clock of DNS server ns1:53 is 600 seconds behind (BADTIME), so that zone example was not updated; synchronize both clocks",
        ),
        (
            UpdateFaultKind::WrongSecret,
            "DNS server ns1:53 rejects the signature of an update of zone example (BADSIG): the TSIG secret is not that of key key.example",
        ),
        (
            UpdateFaultKind::UnknownKey,
            "DNS server ns1:53 does not accept key key.example with algorithm HMACMD5 for an update of zone example (BADKEY): check \
             tsigKeyName and tsigAlgorithm, and whether the server lets this key write TXT records at a.example",
        ),
    ] {
        assert_eq!(fault(kind).to_string(), sentence);
    }
}

proptest! {
    #[test]
    fn any_names_and_values_make_a_request_or_are_too_large(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..4),
        value in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
        if let Ok(mut name) = Name::from_labels(labels) {
            name.set_fqdn(true);
            let record = TxtRecord { name, value };
            // the name need not be in the zone: the server says so
            let change = Change { zone: parse_name("zone.example").unwrap(), add: vec![record.clone()], remove: vec![record.clone()] };
            let request = change.to_bytes().unwrap();
            let message = Message::from_vec(&request).unwrap();
            for sent in &message.authorities {
                prop_assert_eq!(&sent.name, &record.name);
                let RData::TXT(text) = &sent.data else { panic!("{sent:?}") };
                prop_assert_eq!(text.txt_data.concat(), record.value.clone());
            }
            let signed = key(b"c2VjcmV0").sign(&request, 1).unwrap();
            prop_assert!(Message::from_vec(&signed.bytes).is_ok());
        }
    }

    #[test]
    fn any_response_is_judged(response in prop::collection::vec(any::<u8>(), 0..300)) {
        let _either = judged(Some(&key(b"c2VjcmV0")), &[1; 32], 1000, &response);
    }
}
