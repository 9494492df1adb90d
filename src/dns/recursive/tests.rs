//! Recursive servers on this machine.

use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::{A, AAAA};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::dns::fake::{Server, cname, ns, record, response_to, soa, txt};
use crate::dns::parse_name;
use crate::net::{ClientSettings, Trust, Unobserved};

const LIMIT: Duration = Duration::from_secs(10);

fn name(text: &str) -> Name {
    parse_name(text).unwrap()
}

fn plain(server: &Server) -> RecursiveServer {
    RecursiveServer::Plain(Nameserver::Address(server.address))
}

fn recursive(servers: Vec<RecursiveServer>) -> Recursive {
    Recursive::new(servers, LIMIT, || panic!("no server needs HTTPS")).unwrap()
}

#[tokio::test]
async fn dns_11_the_zone_is_the_longest_name_with_an_soa_record() {
    let server = Server::of_records(vec![
        soa("dns01.example"),
        soa("sub.dns01.example"),
        txt("web.dns01.example", &["exists"]),
        cname("alias.sub.dns01.example", "dns01.example"),
        soa("alias.sub.dns01.example"),
    ])
    .await;
    let recursive = recursive(vec![plain(&server)]);
    for (asked, zone) in [
        ("dns01.example", "dns01.example"),
        ("_acme-challenge.a.b.dns01.example", "dns01.example"),
        ("_acme-challenge.web.dns01.example", "dns01.example"),
        ("_acme-challenge.SUB.dns01.example", "sub.dns01.example"),
        // an alias is no zone
        ("x.alias.sub.dns01.example", "sub.dns01.example"),
    ] {
        let found = recursive.zone_of(&name(asked)).await.unwrap();
        assert_eq!(shown(&found.name), zone, "{asked}");
        assert_eq!(
            (found.serial, found.minimum, shown(&found.primary).as_str()),
            (7, 5, "ns1.example")
        );
    }
    let none = recursive.zone_of(&name("_acme-challenge.web.test")).await.unwrap_err();
    assert_eq!(
        none.to_string(),
        format!(
            "no DNS zone was found for _acme-challenge.web.test: {} knows no SOA record for any of _acme-challenge.web.test, web.test, test",
            server.address
        )
    );
}

#[tokio::test]
async fn an_soa_record_beside_an_absence_names_the_zone_unless_it_is_that_of_an_alias() {
    let server = Server::of_messages(|request, response| {
        response.metadata.response_code = ResponseCode::NXDomain;
        let asked = shown(request.queries[0].name());
        if asked.ends_with("alias.example") {
            // of the target, which is in a zone above
            response.add_answer(cname(&asked, "target.example"));
            response.add_authority(soa("example"));
        } else if asked.ends_with("lying.test") {
            response.add_authority(soa("elsewhere.test"));
        } else if asked.ends_with("test") {
            response.add_authority(soa("."));
        } else {
            response.add_authority(soa("zone.example"));
        }
    })
    .await;
    let recursive = recursive(vec![plain(&server)]);
    let found = recursive
        .zone_of(&name("_acme-challenge.a.zone.example"))
        .await
        .unwrap();
    assert_eq!(shown(&found.name), "zone.example");
    assert_eq!(server.asked().len(), 1);
    for (none, asked) in [("a.alias.example", 2), ("a.lying.test", 3), ("a.test", 2)] {
        let RecursiveProblem::NoZone { asked: names, .. } = recursive.zone_of(&name(none)).await.unwrap_err() else {
            panic!("there is no zone");
        };
        assert!(names.len() >= asked, "{names:?}");
    }
}

#[tokio::test]
async fn servers_are_asked_in_order_until_one_has_an_answer() {
    let failing = Server::of_messages(|_, response| response.metadata.response_code = ResponseCode::ServFail).await;
    let refusing = Server::of_messages(|_, response| response.metadata.response_code = ResponseCode::Refused).await;
    let good = Server::of_records(vec![txt("a.example", &["there"])]).await;
    let all = recursive(vec![plain(&failing), plain(&refusing), plain(&good)]);
    assert_eq!(all.txt(&name("a.example")).await.unwrap().values, [b"there"]);
    assert_eq!((failing.asked().len(), refusing.asked().len()), (1, 1));
    let bad = recursive(vec![plain(&failing), plain(&refusing)]);
    assert_eq!(
        bad.txt(&name("a.example")).await.unwrap_err().to_string(),
        format!(
            "recursive DNS server {} answers REFUSED for TXT of a.example",
            refusing.address
        )
    );
}

#[tokio::test]
async fn aliases_and_texts_are_read_and_absence_says_how_long_it_is_remembered() {
    let server = Server::of_messages(|request, response| {
        assert!(request.metadata.recursion_desired);
        if shown(request.queries[0].name()) == "alias.example" {
            response.add_answer(cname("alias.example", "web.other.example"));
            response.add_answer(txt("web.other.example", &["a", "b"]));
            response.add_answer(txt("web.other.example", &["c"]));
        } else {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authority(soa("example"));
        }
    })
    .await;
    let recursive = recursive(vec![plain(&server)]);
    assert_eq!(
        recursive.cname(&name("alias.example")).await.unwrap(),
        Some(name("web.other.example"))
    );
    assert_eq!(recursive.cname(&name("none.example")).await.unwrap(), None);
    let texts = recursive.txt(&name("alias.example")).await.unwrap();
    assert_eq!(
        (texts.values, texts.absent_for),
        (vec![b"ab".to_vec(), b"c".to_vec()], None)
    );
    let none = recursive.txt(&name("none.example")).await.unwrap();
    assert_eq!((none.values.len(), none.absent_for), (0, Some(Duration::from_secs(5))));
}

#[tokio::test]
async fn name_servers_come_with_their_addresses_of_both_families() {
    let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let server = Server::of_records(vec![
        ns("zone.example", "ns2.example"),
        ns("zone.example", "ns1.example"),
        ns("zone.example", "gone.example"),
        record("ns1.example", RData::A(A(v4))),
        record("ns2.example", RData::AAAA(AAAA(v6))),
        record("ns2.example", RData::A(A(v4))),
    ])
    .await;
    let recursive = recursive(vec![plain(&server)]);
    assert_eq!(
        recursive.nameservers(&name("zone.example")).await.unwrap(),
        [
            (name("gone.example"), vec![]),
            (name("ns1.example"), vec![v4.into()]),
            (name("ns2.example"), vec![v4.into(), v6.into()]),
        ]
    );
    let none = recursive.nameservers(&name("ns1.example")).await.unwrap_err();
    assert!(
        none.to_string().ends_with("knows no name servers of zone ns1.example"),
        "{none}"
    );
}

#[tokio::test]
async fn flg_19_a_server_with_https_is_asked_over_https() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let trust = Trust {
        ca_bundle: Some(certificate.pem().into_bytes()),
        skip_verify: false,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut received = Vec::new();
            let mut byte = [0];
            while !received.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).await.unwrap();
                received.extend(byte);
            }
            let head = String::from_utf8(received).unwrap().to_ascii_lowercase();
            assert!(
                head.contains("content-type: application/dns-message")
                    && head.contains("accept: application/dns-message")
            );
            let rest = head.split("content-length: ").nth(1).unwrap();
            let length = rest.lines().next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            assert_eq!(&body[..2], [0, 0]);
            let mut response = response_to(&Message::from_vec(&body).unwrap());
            response.add_answer(txt("a.example", &["over https"]));
            let body = response.to_vec().unwrap();
            let status = if head.starts_with("post /dns-query ") {
                "200 OK"
            } else {
                "404 Not Found"
            };
            let (status, kind, body) = if head.starts_with("post /portal ") {
                ("200 OK", "text/html", b"<html>Log in</html>".to_vec())
            } else {
                (status, "application/dns-message", body)
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.into_bytes(), body].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    for (path, outcome) in [
        ("dns-query", None),
        ("other", Some("an unusable answer: HTTP status 404")),
        ("portal", Some("its Content-Type is not application/dns-message")),
    ] {
        let server = RecursiveServer::parse(&format!("https://{address}/{path}")).unwrap();
        let client = || HttpClient::new(&trust, &ClientSettings::default(), Arc::new(Unobserved));
        let found = Recursive::new(vec![server], LIMIT, client)
            .unwrap()
            .txt(&name("a.example"))
            .await;
        match (found, outcome) {
            (Ok(texts), None) => assert_eq!(texts.values, [b"over https"]),
            (Err(problem), Some(says)) => assert!(problem.to_string().ends_with(says), "{problem}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn flg_19_values_of_the_flag_are_read() {
    let at = |text: &str| RecursiveServer::Plain(Nameserver::parse(text).unwrap());
    for text in ["10.0.0.1:53", "dns.example.com:53", "[fd00::1]:53"] {
        assert_eq!(RecursiveServer::parse(text), Ok(at(text)));
    }
    let https = RecursiveServer::parse(" https://dns.example/any/path?x=1 ").unwrap();
    assert_eq!(https.to_string(), "https://dns.example/any/path?x=1");
    for wrong in ["https://", "http://dns.example/dns-query", "a b", ""] {
        let sentence = RecursiveServer::parse(wrong).unwrap_err().to_string();
        assert!(sentence.contains("is no DNS server: use host:port"), "{sentence}");
    }
}

#[test]
fn dns_11_the_servers_of_the_system_are_asked_and_public_ones_where_there_are_none() {
    let shown = |content: &str| -> Vec<String> {
        let servers = RecursiveServer::of_resolv_conf(content.as_bytes());
        servers.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        shown("search a b\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n"),
        ["10.96.0.10:53", "[fd00::a]:53"]
    );
    assert_eq!(shown("search a\n"), ["8.8.8.8:53", "8.8.4.4:53"]);
}
