use super::*;

async fn name_finding(says: Option<Says>) -> String {
    let zone = says.map(|says| ("demo.example", says)).into_iter().collect();
    let probe = probe(SocketAddr::new(LOOPBACK, 1), None, Some(dns(zone).await));
    let finding = probe.attempt(&target("demo.example")).await;
    assert_eq!(finding.category(), "name", "{finding}");
    assert!(finding.to_string().contains("demo.example"), "{finding}");
    finding.to_string()
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_said_to_be_nxdomain() {
    assert!(name_finding(None).await.contains("does not exist in DNS (NXDOMAIN)"));
}

#[tokio::test]
async fn a_name_without_addresses_is_told_apart_from_a_missing_one() {
    assert!(
        name_finding(Some(Says::Addresses(Vec::new())))
            .await
            .contains("no A or AAAA record")
    );
}

#[tokio::test]
async fn a_broken_zone_is_said_to_be_servfail() {
    assert!(
        name_finding(Some(Says::Code(ResponseCode::ServFail)))
            .await
            .contains("SERVFAIL")
    );
}

#[tokio::test]
async fn a_refusing_server_is_said_to_refuse() {
    assert!(
        name_finding(Some(Says::Code(ResponseCode::Refused)))
            .await
            .contains("refuses to answer")
    );
}

#[tokio::test]
async fn a_silent_server_is_said_to_be_silent() {
    assert!(
        name_finding(Some(Says::Nothing))
            .await
            .contains("no DNS server answered")
    );
}

#[tokio::test]
async fn addresses_of_both_families_come_sorted_bounded_and_ipv6_first() {
    let many = (1..=6).rev().map(|n| IpAddr::from([192, 0, 2, n]));
    let addresses = many
        .chain(["2001:db8::2".parse().unwrap(), "2001:db8::1".parse().unwrap()])
        .collect();
    let server = dns(vec![("demo.example", Says::Addresses(addresses))]).await;
    let names = Names::new(&Settings {
        nameservers: vec![Nameserver::Address(server)],
        ..Settings::default()
    })
    .unwrap();
    let found: Vec<String> = names
        .addresses("demo.example", 4)
        .await
        .unwrap()
        .iter()
        .map(IpAddr::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "2001:db8::1",
            "2001:db8::2",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
            "192.0.2.4"
        ]
    );
}

#[tokio::test]
async fn a_record_that_appears_is_seen_at_the_next_attempt() {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let server = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        let appears = HashMap::from([("demo.example.".to_owned(), Says::Addresses(vec![LOOPBACK]))]);
        for asked in 0.. {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let zone = if asked < 2 { HashMap::new() } else { appears.clone() };
            socket
                .send_to(&answer(&zone, &query).unwrap().to_vec().unwrap(), from)
                .await
                .unwrap();
        }
    });
    let names = Names::new(&Settings {
        nameservers: vec![Nameserver::Address(server)],
        ..Settings::default()
    })
    .unwrap();
    assert_eq!(names.addresses("demo.example", 4).await, Err(NameProblem::DoesNotExist));
    assert_eq!(names.addresses("demo.example", 4).await, Ok(vec![LOOPBACK]));
}

#[tokio::test]
async fn flg_12_a_nameserver_may_be_given_by_its_name() {
    let server = here().await;
    let named = |host: &str| Nameserver::Name(host.to_owned(), server.port());
    let asked_of = |nameservers: Vec<Nameserver>| async {
        let settings = Settings {
            nameservers,
            name_time: Duration::from_secs(1),
            ..Settings::default()
        };
        Names::new(&settings).unwrap().addresses("demo.example", 4).await
    };
    assert_eq!(asked_of(vec![named("localhost")]).await, Ok(vec![LOOPBACK]));
    let one_is_gone = vec![named("no-such-host.invalid"), named("localhost")];
    assert_eq!(asked_of(one_is_gone).await, Ok(vec![LOOPBACK]));
    assert_eq!(
        asked_of(vec![named("no-such-host.invalid")]).await,
        Err(NameProblem::TimedOut)
    );
}
