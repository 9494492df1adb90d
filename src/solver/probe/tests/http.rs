use super::*;

#[tokio::test]
async fn the_challenge_is_visible_and_was_asked_for_as_a_ca_asks() {
    let server = Server::http(|_| ok(AUTHORIZATION)).await;
    assert_eq!(attempt(&server, None).await, Finding::Visible);
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with("GET /.well-known/acme-challenge/tok HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[0].to_ascii_lowercase().contains("\r\nhost: demo.example\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[0].to_ascii_lowercase().contains("\r\nuser-agent: certlet-probe/"),
        "{}",
        heads[0]
    );
}

#[tokio::test]
async fn white_space_after_the_answer_does_not_matter_to_a_ca() {
    assert_eq!(finding_for(ok("tok.thumb \r\n")).await, Finding::Visible);
}

#[tokio::test]
async fn a_path_that_is_not_served_yet_is_a_404_that_says_so() {
    let finding = finding_for(status(404)).await;
    assert!(matches!(finding, Finding::Status { status: 404, .. }), "{finding}");
    let sentence = finding.to_string();
    assert!(
        sentence.contains("http://demo.example on 127.0.0.1:")
            && sentence.contains("does not serve the challenge's path yet")
    );
}

#[tokio::test]
async fn other_statuses_are_named_with_what_they_mean() {
    for (code, means) in [
        (403, "asks for a login or blocks"),
        (503, "cannot reach the solver"),
        (500, "instead of 200"),
    ] {
        let sentence = finding_for(status(code)).await.to_string();
        assert!(
            sentence.contains(&code.to_string()) && sentence.contains(means),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn bodies_that_are_not_ours_are_classified_and_never_repeated() {
    let huge = "secret".repeat(100_000);
    for (body, other) in [
        ("<html>secret</html>", OtherBody::AnotherServer),
        (huge.as_str(), OtherBody::AnotherServer),
        ("tok.secret", OtherBody::AnotherAccount),
        ("", OtherBody::Empty),
        ("  \n", OtherBody::Empty),
    ] {
        let finding = finding_for(ok(body)).await;
        assert!(
            matches!(&finding, Finding::Body { other: found, .. } if *found == other),
            "{finding:?}"
        );
        assert!(!format!("{finding} {finding:?}").contains("secret"), "{finding:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_left_after_a_kilobyte() {
    let server = Server::http(|_| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(4000))).await;
    assert!(matches!(
        attempt(&server, None).await,
        Finding::Body {
            other: OtherBody::AnotherServer,
            ..
        }
    ));
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let closed = TcpListener::bind((LOOPBACK, 0)).await.unwrap().local_addr().unwrap();
    let finding = probe(closed, None, Some(here().await))
        .attempt(&target("demo.example"))
        .await;
    assert_eq!(connect_problem(&finding), ConnectProblem::Refused);
    assert!(
        finding.is_unreachable() && finding.to_string().contains("127.0.0.1"),
        "{finding}"
    );
}

#[tokio::test]
async fn a_connection_that_never_opens_is_a_time_out() {
    // A full queue of a listener that accepts nothing: further SYNs are dropped, as by a firewall.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address));
    let mut held = Vec::new();
    while let Ok(connected) = fill().await {
        held.push(connected.unwrap());
    }
    let settings = Settings {
        http_port: address.port(),
        connect_time: Duration::from_millis(200),
        ..Settings::default()
    };
    let finding = Probe::new(&settings).unwrap().attempt(&target("127.0.0.1")).await;
    assert_eq!(connect_problem(&finding), ConnectProblem::TimedOut);
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_time_out() {
    let server = Server::http(|_| "wait".to_owned()).await;
    let settings = Settings {
        http_port: server.address.port(),
        answer_time: Duration::from_millis(200),
        ..Settings::default()
    };
    let finding = Probe::new(&settings).unwrap().attempt(&target("127.0.0.1")).await;
    assert_eq!(answer_problem(&finding), AnswerProblem::TimedOut);
}

#[tokio::test]
async fn a_server_that_closes_or_speaks_something_else_is_told_apart() {
    let closed = finding_for(String::new()).await;
    assert_eq!(answer_problem(&closed), AnswerProblem::Closed);
    let ssh = finding_for("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()).await;
    assert_eq!(answer_problem(&ssh), AnswerProblem::NotHttp);
}

#[tokio::test]
async fn an_ingress_that_wants_the_proxy_protocol_is_asked_with_it() {
    let server = Server::http(|head| {
        let line = head.lines().next().unwrap_or_default();
        if line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ") {
            ok(AUTHORIZATION)
        } else {
            String::new()
        }
    })
    .await;
    assert_eq!(attempt(&server, None).await, Finding::Visible);
}

#[tokio::test]
async fn one_dead_address_of_several_does_not_hide_the_others_but_a_wrong_one_does() {
    // Nothing listens on 127.0.0.3; on 127.0.0.2 the same port is another server's.
    let server = Server::http(|_| ok(AUTHORIZATION)).await;
    let port = server.address.port();
    let two = "127.0.0.2".parse().unwrap();
    let zone = |addresses| vec![("demo.example", Says::Addresses(addresses))];
    let dead = dns(zone(vec![LOOPBACK, "127.0.0.3".parse().unwrap()])).await;
    assert_eq!(
        probe(server.address, None, Some(dead))
            .attempt(&target("demo.example"))
            .await,
        Finding::Visible
    );

    let other = TcpListener::bind((two, port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = other.accept().await {
            stream.write_all(status(404).as_bytes()).await.unwrap();
        }
    });
    let wrong = dns(zone(vec![LOOPBACK, two])).await;
    let finding = probe(server.address, None, Some(wrong))
        .attempt(&target("demo.example"))
        .await;
    assert!(
        matches!(&finding, Finding::Status { place, .. } if place.address == two),
        "{finding}"
    );
}

#[tokio::test]
async fn responders_are_asked_directly_and_each_is_named() {
    let ready = Server::http(|_| ok(AUTHORIZATION)).await;
    let lagging = Server::http(|_| redirect("/elsewhere")).await;
    let probe = Probe::new(&Settings {
        http_port: 1,
        ..Settings::default()
    })
    .unwrap();
    let found = probe
        .probe_addresses(&target("demo.example"), &[ready.address, lagging.address])
        .await;
    assert_eq!(found[0], (ready.address, Finding::Visible));
    assert!(matches!(found[1], (address, Finding::Status { status: 301, .. }) if address == lagging.address));
    assert!(ready.heads()[0].to_ascii_lowercase().contains("host: demo.example\r\n"));
}

#[tokio::test]
async fn an_ingress_is_asked_at_its_own_address_for_a_name_that_does_not_resolve() {
    let https = Server::https(|_| ok(AUTHORIZATION)).await;
    let http = Server::http(|_| redirect("https://inside.example/.well-known/acme-challenge/tok")).await;
    let probe = probe(http.address, Some(https.address), Some(here().await));
    let found = probe.ask_ingress(&target("inside.example"), &[LOOPBACK]).await;
    assert_eq!(found, [(LOOPBACK, Finding::Visible)]);
}

#[tokio::test]
async fn the_real_responder_is_visible_to_the_probe_and_counted_as_probed() {
    use crate::solver::responder::{Answer, Responder};
    let responder = Arc::new(Responder::new());
    let target = target("demo.example");
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&responder).serve(listener, tokio_util::sync::CancellationToken::new()));
    let probe = Probe::new(&Settings::default()).unwrap();
    let before = probe.probe_addresses(&target, &[address]).await;
    assert!(matches!(before[0].1, Finding::Status { status: 404, .. }));
    let answer = Answer {
        host: target.host.clone(),
        key_authorization: target.key_authorization.clone(),
    };
    responder.insert("order", answer).unwrap();
    assert_eq!(
        probe.probe_addresses(&target, &[address]).await,
        [(address, Finding::Visible)]
    );
    assert_eq!((responder.served().probes, responder.served().validations), (1, 0));
}
