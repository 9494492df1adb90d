use super::*;

#[tokio::test]
async fn a_redirect_to_https_with_any_certificate_is_followed() {
    let https = Server::https(|_| ok(AUTHORIZATION)).await;
    let http = Server::http(|_| redirect("https://demo.example/.well-known/acme-challenge/tok")).await;
    assert_eq!(attempt(&http, Some(&https)).await, Finding::Visible);
}

#[tokio::test]
async fn a_finding_behind_a_redirect_names_the_hop() {
    let https = Server::https(|_| status(404)).await;
    let http = Server::http(|_| redirect("https://demo.example:443/login?next=secret")).await;
    let finding = attempt(&http, Some(&https)).await;
    assert!(https.heads()[0].starts_with("GET /login?next=secret HTTP/1.1\r\n"));
    assert!(!finding.is_unreachable());
    let sentence = finding.to_string();
    assert!(
        sentence.contains("https://demo.example on ") && sentence.contains("(after a redirect) answered 404"),
        "{sentence}"
    );
    assert!(!sentence.contains("secret"), "{sentence}");
}

#[tokio::test]
async fn a_redirect_to_another_name_is_followed_there() {
    let http = Server::http(|head| {
        if head.to_ascii_lowercase().contains("host: other.example") {
            ok(AUTHORIZATION)
        } else {
            redirect("http://Other.example/x")
        }
    })
    .await;
    assert_eq!(attempt(&http, None).await, Finding::Visible);
}

#[tokio::test]
async fn relative_redirects_are_followed() {
    let http = Server::http(|head| {
        if head.starts_with("GET /moved ") {
            ok(AUTHORIZATION)
        } else {
            redirect("/moved")
        }
    })
    .await;
    assert_eq!(attempt(&http, None).await, Finding::Visible);
}

#[tokio::test]
async fn redirects_that_no_ca_follows_name_the_host_only() {
    for (to, problem, named) in [
        (
            "ftp://files.example/secret",
            RedirectProblem::Scheme,
            Some("files.example"),
        ),
        (
            "http://demo.example:8080/secret",
            RedirectProblem::Port(8080),
            Some("demo.example"),
        ),
        (
            "https://user:secret@other.example:8443/",
            RedirectProblem::Port(8443),
            Some("other.example"),
        ),
        (
            "http://169.254.169.254/latest/secret",
            RedirectProblem::Address,
            Some("169.254.169.254"),
        ),
        ("http://[::1]/secret", RedirectProblem::Address, Some("::1")),
        ("http://", RedirectProblem::NoLocation, None),
    ] {
        let finding = finding_for(redirect(to)).await;
        let Finding::Redirect {
            problem: found,
            to: host,
            ..
        } = &finding
        else {
            panic!("{to}: {finding:?}")
        };
        assert_eq!(
            (found, host.as_ref()),
            (&problem, named.and_then(Host::parse).as_ref()),
            "{to}"
        );
        assert!(!format!("{finding} {finding:?}").contains("secret"), "{finding}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_name_that_does_not_exist_says_which() {
    let finding = finding_for(redirect("http://gone.example/")).await;
    assert_eq!(finding, elsewhere("gone.example"));
    assert!(
        finding.to_string().contains("a redirect leads to gone.example, "),
        "{finding}"
    );
}

fn elsewhere(host: &str) -> Finding {
    let host = Host::parse(host).unwrap();
    Finding::Elsewhere { host }
}

/// S14: whoever writes a Certificate chooses where its name redirects to, path and query included.
#[tokio::test]
async fn what_a_redirect_meets_in_a_private_network_is_told_to_nobody() {
    type Answer = fn(&str) -> String;
    let met: Vec<(&str, Answer)> = vec![
        ("a status", |_| status(418)),
        ("another", |_| status(503)),
        ("a page", |_| ok("secret")),
        ("nothing", |_| ok("")),
        ("a redirect", |_| redirect("http://secret.example/secret")),
        ("a redirect that none follows", |_| {
            redirect("http://secret.example:8080/")
        }),
        ("a loop", |_| {
            redirect("http://demo.example/.well-known/acme-challenge/tok")
        }),
        ("no HTTP", |_| "secret".to_owned()),
    ];
    for (what, answer) in met {
        let http = Server::http(move |head| {
            if head.to_ascii_lowercase().contains("host: other.example") {
                answer(head)
            } else {
                redirect("http://other.example/metrics?x=1")
            }
        })
        .await;
        assert_eq!(attempt(&http, None).await, elsewhere("other.example"), "{what}");
        assert!(
            http.heads().iter().any(|head| head.starts_with("GET /metrics?x=1 ")),
            "{what}"
        );
    }
    // nobody listens there
    let http = Server::http(|_| redirect("https://other.example/")).await;
    assert_eq!(attempt(&http, None).await, elsewhere("other.example"));
}

#[tokio::test]
async fn a_redirect_to_a_metadata_service_behind_a_name_is_not_followed() {
    let metadata = Says::Addresses(vec!["169.254.169.254".parse().unwrap()]);
    let server = dns(vec![
        ("demo.example", Says::Addresses(vec![LOOPBACK])),
        ("steered.example", metadata),
    ])
    .await;
    let http = Server::http(|_| redirect("http://steered.example/latest/meta-data")).await;
    let finding = probe(http.address, None, Some(server))
        .attempt(&target("demo.example"))
        .await;
    assert_eq!(finding, elsewhere("steered.example"));
}

#[tokio::test]
async fn whoever_draws_it_out_does_not_keep_a_place_for_long() {
    let server = Server::http(|_| "wait".to_owned()).await;
    let settings = Settings {
        nameservers: vec![Nameserver::Address(here().await)],
        http_port: server.address.port(),
        // by itself, each step may take longer than anybody waits for a test
        connect_time: Duration::from_secs(3600),
        answer_time: Duration::from_secs(3600),
        whole_time: Duration::from_millis(100),
        ..Settings::default()
    };
    let finding = Probe::new(&settings).unwrap().attempt(&target("demo.example")).await;
    assert_eq!(answer_problem(&finding), AnswerProblem::TimedOut);
}

#[tokio::test]
async fn a_loop_is_a_loop_and_eleven_redirects_are_too_many() {
    let back = finding_for(redirect("http://demo.example/.well-known/acme-challenge/tok")).await;
    assert_eq!(redirect_problem(&back), &RedirectProblem::Loop);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let next = move |_: &str| {
        redirect(&format!(
            "/{}",
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        ))
    };
    let server = Server::http(next).await;
    let finding = attempt(&server, None).await;
    assert_eq!(redirect_problem(&finding), &RedirectProblem::TooMany);
    assert_eq!(server.heads().len(), 11);
}
